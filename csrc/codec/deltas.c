/* SPDX-License-Identifier: Apache-2.0 */
/* deltas.c: DELTAS, a piece of one lane of one participant.
 *
 * Lane, flags and count have fixed places at the front and `to` stands at the end, as a step from
 * the last version: what the writer knows only when it is done needs no byte to be moved. So does
 * what the sender has beyond `to`, which is there unless GB_DELTAS_END says that it has nothing. */
#include "codec/fields.h"
#include "codec/out.h"

#define DELTAS_FLAGS (GB_DELTAS_RESET | GB_DELTAS_END | GB_DELTAS_PULLED)

/* The type byte of an entry. */
#define ENTRY_TYPE_MASK 0x3fu
#define ENTRY_TYPE_TOMBSTONE 0x3fu
#define ENTRY_HAS_TTL 0x40u

/* A time to live is 32 bits of milliseconds: 49 days. */
#define TTL_MS_MAX UINT32_MAX

/* Offsets in the payload. */
enum {
    AT_LANE = 0,
    AT_FLAGS = 1,
    AT_COUNT = 2,
    AT_INDEX = 6,
};

#define ENVELOPE_SIZE_MAX (AT_INDEX + 5 + 2 * (size_t)GB_VARINT_SIZE_MAX)
#define TAIL_SIZE_MAX (2 * (size_t)GB_VARINT_SIZE_MAX)

_Static_assert(GB_VALUE_TYPE_COUNT <= ENTRY_TYPE_TOMBSTONE, "six bits hold a type");
_Static_assert(ENVELOPE_SIZE_MAX + TAIL_SIZE_MAX + 3 * (size_t)GB_VARINT_SIZE_MAX + 1 + 2 +
                       GB_GROUP_SIZE_MAX + GB_KEY_SIZE_MAX + GB_VALUE_SIZE_MAX <=
                   GB_FRAME_PAYLOAD_MAX,
               "the first delta always fits");

/* ---- Writing --------------------------------------------------------------------------------- */

static void deltas_writer_fail(gb_deltas_writer *w, gb_err err)
{
    if (w->err == GB_OK) {
        w->err = err;
    }
}

void gb_deltas_begin(gb_deltas_writer *w, gb_out *out, uint32_t index, uint8_t lane, uint64_t from,
                     uint64_t floor, size_t size_max)
{
    GB_ASSERT(w != NULL && out != NULL);
    if (size_max > GB_FRAME_HEADER_SIZE + GB_FRAME_PAYLOAD_MAX) {
        size_max = GB_FRAME_HEADER_SIZE + GB_FRAME_PAYLOAD_MAX;
    }
    *w = (gb_deltas_writer){
        .out = out,
        .start = out->len,
        .size_max = size_max,
        .from = from,
        .previous = from,
        .floor = floor,
        .index = index,
        .lane = lane,
    };
    if (index >= GB_PARTICIPANTS_MAX || lane >= GB_LANE_COUNT) {
        deltas_writer_fail(w, GB_EINVAL);
        return;
    }
    size_t size = GB_FRAME_HEADER_SIZE + ENVELOPE_SIZE_MAX;
    w->err = gb_out_reserve(out, size);
    if (w->err != GB_OK) {
        return;
    }
    gb_writer writer;
    gb_writer_init(&writer, out->base + out->len, size);
    (void)gb_writer_reserve(&writer, GB_FRAME_HEADER_SIZE);
    gb_writer_u8(&writer, lane);
    gb_writer_u8(&writer, 0);
    gb_writer_be32(&writer, 0);
    gb_writer_varint(&writer, index);
    gb_writer_varint(&writer, from);
    gb_writer_varint(&writer, floor);
    GB_ASSERT(!writer.is_overflowed);
    out->len += writer.len;
}

static size_t delta_size(const gb_delta *delta, uint64_t step)
{
    return gb_varint_size(step) + 1 + gb_writer_slice_size(delta->group.len) +
           gb_writer_slice_size(delta->key.len) +
           (delta->ttl_ms == 0 ? 0 : gb_varint_size(delta->ttl_ms)) +
           gb_writer_slice_size(delta->value.len);
}

size_t gb_delta_encoded_size(const gb_delta *delta)
{
    /* The step to a version is at most the version. */
    return delta_size(delta, delta->version);
}

static gb_err delta_check(const gb_delta *delta)
{
    if (delta->group.len > GB_GROUP_SIZE_MAX) {
        return GB_EGROUP;
    }
    if (delta->key.len > GB_KEY_SIZE_MAX) {
        return GB_EKEY_SIZE;
    }
    if (delta->ttl_ms > TTL_MS_MAX || (delta->ttl_ms != 0 && delta->type == GB_VALUE_TOMBSTONE)) {
        return GB_EINVAL;
    }
    return gb_value_check(delta->type, delta->value);
}

static void delta_write(gb_writer *writer, const gb_delta *delta, uint64_t step)
{
    uint8_t type = delta->type == GB_VALUE_TOMBSTONE ? ENTRY_TYPE_TOMBSTONE : delta->type;
    gb_writer_varint(writer, step);
    gb_writer_u8(writer, delta->ttl_ms == 0 ? type : (uint8_t)(type | ENTRY_HAS_TTL));
    gb_writer_slice(writer, delta->group);
    gb_writer_slice(writer, delta->key);
    if (delta->ttl_ms != 0) {
        gb_writer_varint(writer, delta->ttl_ms);
    }
    gb_writer_slice(writer, delta->value);
}

bool gb_deltas_try_add(gb_deltas_writer *w, const gb_delta *delta)
{
    if (w->err != GB_OK) {
        return false;
    }
    gb_err err = delta->version > w->previous ? delta_check(delta) : GB_EINVAL;
    if (err != GB_OK) {
        deltas_writer_fail(w, err);
        return false;
    }
    uint64_t step = delta->version - w->previous;
    size_t size = delta_size(delta, step);
    size_t used = w->out->len - w->start;
    if (w->count > 0 &&
        (used + TAIL_SIZE_MAX > w->size_max || size > w->size_max - used - TAIL_SIZE_MAX)) {
        return false;
    }
    w->err = gb_out_reserve(w->out, size);
    if (w->err != GB_OK) {
        return false;
    }
    gb_writer writer;
    gb_writer_init(&writer, w->out->base + w->out->len, size);
    delta_write(&writer, delta, step);
    GB_ASSERT(!writer.is_overflowed && writer.len == size);
    w->out->len += size;
    w->previous = delta->version;
    w->count++;
    return true;
}

gb_err gb_deltas_end(gb_deltas_writer *w, uint64_t to, uint64_t version, uint8_t flags)
{
    if (to < w->previous || version < to || (flags & ~(DELTAS_FLAGS & ~GB_DELTAS_END)) != 0) {
        deltas_writer_fail(w, GB_EINVAL);
    }
    if (w->err == GB_OK) {
        w->err = gb_out_reserve(w->out, TAIL_SIZE_MAX);
    }
    if (w->err == GB_OK) {
        w->out->len += gb_varint_encode(w->out->base + w->out->len, to - w->previous);
        if (version > to) {
            w->out->len += gb_varint_encode(w->out->base + w->out->len, version - to);
        } else {
            flags |= GB_DELTAS_END;
        }
        uint8_t *payload = w->out->base + w->start + GB_FRAME_HEADER_SIZE;
        payload[AT_FLAGS] = flags;
        gb_store_be32(payload + AT_COUNT, w->count);
        w->err = gb_out_frame_finish(w->out, w->start, GB_FRAME_DELTAS, 0);
    }
    if (w->err != GB_OK) {
        w->out->len = w->start;
    }
    return w->err;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* One entry's structure: sizes, but not what the type says about the value. */
static void delta_read(gb_reader *reader, uint64_t previous, gb_delta *delta)
{
    uint64_t step = gb_read_positive(reader);
    if (step > UINT64_MAX - previous) {
        gb_reader_fail(reader, GB_EMALFORMED);
        step = 0;
    }
    delta->version = previous + step;

    uint8_t type = gb_read_u8(reader, ENTRY_TYPE_MASK | ENTRY_HAS_TTL);
    bool has_ttl = (type & ENTRY_HAS_TTL) != 0;
    type &= ENTRY_TYPE_MASK;
    delta->type = type == ENTRY_TYPE_TOMBSTONE ? GB_VALUE_TOMBSTONE : type;
    delta->group = gb_read_bytes(reader, GB_GROUP_SIZE_MAX, GB_EGROUP);
    delta->key = gb_read_bytes(reader, GB_KEY_SIZE_MAX, GB_EKEY_SIZE);
    delta->ttl_ms = 0;
    if (has_ttl) {
        delta->ttl_ms = gb_read_positive(reader);
        if (delta->ttl_ms > TTL_MS_MAX || type == ENTRY_TYPE_TOMBSTONE) {
            gb_reader_fail(reader, GB_EMALFORMED);
        }
    }
    delta->value = gb_read_bytes(reader, GB_VALUE_SIZE_MAX, GB_EVALUE_SIZE);
}

gb_err gb_deltas_decode(gb_slice payload, gb_deltas *deltas)
{
    gb_reader reader;
    gb_reader_init(&reader, payload);
    gb_deltas result = {0};

    result.lane = gb_read_u8(&reader, GB_LANE_COUNT - 1);
    result.flags = gb_read_u8(&reader, DELTAS_FLAGS);
    uint32_t count = gb_reader_be32(&reader);
    result.index = gb_read_index(&reader);
    result.from = gb_reader_varint(&reader);
    result.floor = gb_reader_varint(&reader);
    if (count > gb_reader_remaining(&reader)) {
        gb_reader_fail(&reader, GB_EMALFORMED);
    }

    gb_reader list = reader;
    uint64_t previous = result.from;
    for (uint32_t i = 0; i < count && reader.err == GB_OK; i++) {
        gb_delta delta;
        delta_read(&reader, previous, &delta);
        previous = delta.version;
        if (reader.err == GB_OK) {
            gb_err err = gb_value_check(delta.type, delta.value);
            if (err != GB_OK) {
                gb_reader_fail(&reader, err);
            }
        }
    }
    size_t list_size = reader.err == GB_OK ? reader.at - list.at : 0;
    result.to = previous + gb_read_varint(&reader, UINT64_MAX - previous);
    result.version = result.to;
    if ((result.flags & GB_DELTAS_END) == 0) {
        uint64_t more = gb_read_positive(&reader);
        if (more > UINT64_MAX - result.to) {
            gb_reader_fail(&reader, GB_EMALFORMED);
        }
        result.version += more;
    }
    gb_err err = gb_reader_finish(&reader);
    if (err != GB_OK) {
        return err;
    }
    result.entries = (gb_list_cursor){
        .left = count,
        .rest = gb_reader_bytes(&list, list_size),
        .previous = result.from,
    };
    *deltas = result;
    return GB_OK;
}

bool gb_delta_next(gb_list_cursor *cursor, gb_delta *delta)
{
    if (cursor->left == 0) {
        return false;
    }
    gb_reader reader;
    gb_cursor_read(cursor, &reader);
    delta_read(&reader, cursor->previous, delta);
    gb_cursor_advance(cursor, &reader);
    cursor->previous = delta->version;
    return true;
}
