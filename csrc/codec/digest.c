/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c: SYN, SYN-ACK and ACK.
 *
 * Map hash, content and entry count have fixed places at the front, so that the writer can append
 * entries as they come and fill in what it knows only at the end. */
#include "codec/fields.h"
#include "codec/out.h"

enum {
    CONTENT_FINGERPRINTS = 0x01,
    CONTENT_BUCKETS = 0x02,
    CONTENT_DIRECT = 0x04,
    CONTENT_LOAD = 0x08,
};

#define CONTENT_WITH_BITS (CONTENT_FINGERPRINTS | CONTENT_BUCKETS)
#define CONTENT_ALL (CONTENT_WITH_BITS | CONTENT_DIRECT | CONTENT_LOAD)

/* Parts come in this order; none may follow a later one. */
enum {
    STAGE_BEGUN = 0,
    STAGE_FINGERPRINTS = 1,
    STAGE_BUCKETS = 2,
    STAGE_LOAD = 3,
    STAGE_ENTRIES = 4,
};

/* Offsets in the payload. */
enum {
    AT_CONTENT = 8,
    AT_COUNT = 9,
    AT_BUCKET_BITS = 13, /* with fingerprints or buckets alone */
};

static bool digest_is_type(uint8_t frame_type)
{
    return frame_type == GB_FRAME_SYN || frame_type == GB_FRAME_SYN_ACK ||
           frame_type == GB_FRAME_ACK;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void digest_writer_fail(gb_digest_writer *w, gb_err err)
{
    if (w->err == GB_OK) {
        w->err = err;
    }
}

/* Room for `size` bytes behind what was written; false if an error stands. */
static bool digest_writer_open(gb_digest_writer *w, size_t size, gb_writer *writer)
{
    if (w->err == GB_OK) {
        w->err = gb_out_reserve(w->out, size);
    }
    if (w->err != GB_OK) {
        return false;
    }
    gb_writer_init(writer, w->out->base + w->out->len, size);
    return true;
}

static void digest_writer_close(gb_digest_writer *w, const gb_writer *writer)
{
    GB_ASSERT(!writer->is_overflowed);
    w->out->len += writer->len;
}

void gb_digest_begin(gb_digest_writer *w, gb_out *out, uint8_t frame_type, uint32_t request_id,
                     uint64_t map_hash)
{
    GB_ASSERT(w != NULL && out != NULL);
    *w = (gb_digest_writer){
        .out = out,
        .start = out->len,
        .count_at = out->len + GB_FRAME_HEADER_SIZE + AT_COUNT,
        .request_id = request_id,
        .frame_type = frame_type,
        .stage = STAGE_BEGUN,
    };
    if (!digest_is_type(frame_type)) {
        digest_writer_fail(w, GB_EINVAL);
    }
    gb_writer writer;
    if (!digest_writer_open(w, GB_FRAME_HEADER_SIZE + AT_BUCKET_BITS, &writer)) {
        return;
    }
    (void)gb_writer_reserve(&writer, GB_FRAME_HEADER_SIZE);
    gb_writer_be64(&writer, map_hash);
    gb_writer_u8(&writer, 0);
    gb_writer_be32(&writer, 0);
    digest_writer_close(w, &writer);
}

void gb_digest_put_fingerprints(gb_digest_writer *w, uint8_t bucket_bits,
                                const uint64_t *fingerprints)
{
    if (w->stage != STAGE_BEGUN || bucket_bits > GB_BUCKET_BITS_MAX) {
        digest_writer_fail(w, GB_EINVAL);
        return;
    }
    size_t count = (size_t)1 << bucket_bits;
    gb_writer writer;
    if (!digest_writer_open(w, 1 + 8 * count, &writer)) {
        return;
    }
    gb_writer_u8(&writer, bucket_bits);
    for (size_t i = 0; i < count; i++) {
        gb_writer_be64(&writer, fingerprints[i]);
    }
    digest_writer_close(w, &writer);
    w->content |= CONTENT_FINGERPRINTS;
    w->stage = STAGE_FINGERPRINTS;
}

static bool buckets_are_valid(uint8_t bucket_bits, const uint32_t *buckets, uint32_t count)
{
    if (bucket_bits > GB_BUCKET_BITS_MAX || count > (uint32_t)1 << bucket_bits) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (buckets[i] >> bucket_bits != 0 || (i > 0 && buckets[i] <= buckets[i - 1])) {
            return false;
        }
    }
    return true;
}

void gb_digest_put_buckets(gb_digest_writer *w, uint8_t bucket_bits, const uint32_t *buckets,
                           uint32_t count)
{
    if (w->stage > STAGE_FINGERPRINTS || !buckets_are_valid(bucket_bits, buckets, count)) {
        digest_writer_fail(w, GB_EINVAL);
        return;
    }
    /* Bounded by 1 << GB_BUCKET_BITS_MAX numbers of two bytes. */
    gb_writer writer;
    if (!digest_writer_open(w, 1 + (size_t)GB_VARINT_SIZE_MAX * (1 + (size_t)count), &writer)) {
        return;
    }
    if ((w->content & CONTENT_FINGERPRINTS) == 0) {
        gb_writer_u8(&writer, bucket_bits);
    } else if (w->out->base[w->start + GB_FRAME_HEADER_SIZE + AT_BUCKET_BITS] != bucket_bits) {
        digest_writer_fail(w, GB_EINVAL);
        return;
    }
    gb_writer_varint(&writer, count);
    uint32_t least = 0;
    for (uint32_t i = 0; i < count; i++) {
        gb_writer_varint(&writer, buckets[i] - least);
        least = buckets[i] + 1;
    }
    digest_writer_close(w, &writer);
    w->content |= CONTENT_BUCKETS;
    w->stage = STAGE_BUCKETS;
}

void gb_digest_put_direct(gb_digest_writer *w)
{
    if (w->stage == STAGE_ENTRIES) {
        digest_writer_fail(w, GB_EINVAL);
        return;
    }
    w->content |= CONTENT_DIRECT;
}

void gb_digest_put_load(gb_digest_writer *w, const gb_load *load)
{
    if (w->stage >= STAGE_LOAD || !gb_load_is_valid(load)) {
        digest_writer_fail(w, GB_EINVAL);
        return;
    }
    gb_writer writer;
    if (!digest_writer_open(w, gb_load_size(load), &writer)) {
        return;
    }
    gb_load_write(&writer, load);
    digest_writer_close(w, &writer);
    w->content |= CONTENT_LOAD;
    w->stage = STAGE_LOAD;
}

void gb_digest_put_entry(gb_digest_writer *w, const gb_digest_entry *entry)
{
    if (!gb_digest_entry_is_valid(entry) || w->entry_count == GB_LIST_COUNT_MAX) {
        digest_writer_fail(w, GB_EINVAL);
        return;
    }
    gb_writer writer;
    if (!digest_writer_open(w, gb_digest_entry_size(entry, w->previous_index), &writer)) {
        return;
    }
    gb_digest_entry_write(&writer, entry, w->previous_index);
    digest_writer_close(w, &writer);
    w->previous_index = entry->index;
    w->entry_count++;
    w->stage = STAGE_ENTRIES;
}

gb_err gb_digest_end(gb_digest_writer *w)
{
    if (w->err == GB_OK) {
        w->out->base[w->start + GB_FRAME_HEADER_SIZE + AT_CONTENT] = w->content;
        gb_store_be32(w->out->base + w->count_at, w->entry_count);
        w->err = gb_out_frame_finish(w->out, w->start, w->frame_type, w->request_id);
    }
    if (w->err != GB_OK) {
        w->out->len = w->start;
    }
    return w->err;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* Step to the next bucket; `least` is the least number that it may have. */
static uint32_t bucket_read(gb_reader *reader, uint64_t least, uint32_t bucket_count)
{
    uint64_t bucket = least + gb_read_varint(reader, bucket_count);
    if (bucket >= bucket_count) {
        gb_reader_fail(reader, GB_EMALFORMED);
        return 0;
    }
    return (uint32_t)bucket;
}

/* The list of buckets at the reader, which moves behind it. */
static gb_list_cursor buckets_read(gb_reader *reader, uint32_t bucket_count)
{
    uint32_t count = gb_read_count(reader, bucket_count);
    gb_reader list = *reader;
    uint64_t least = 0;
    for (uint32_t i = 0; i < count && reader->err == GB_OK; i++) {
        least = (uint64_t)bucket_read(reader, least, bucket_count) + 1;
    }
    gb_list_cursor cursor = {.left = count};
    if (reader->err == GB_OK) {
        cursor.rest = gb_reader_bytes(&list, reader->at - list.at);
    }
    return cursor;
}

gb_err gb_digest_decode(gb_slice payload, gb_digest *digest)
{
    gb_reader reader;
    gb_reader_init(&reader, payload);
    gb_digest result = {0};

    result.map_hash = gb_reader_be64(&reader);
    uint8_t content = gb_read_u8(&reader, CONTENT_ALL);
    uint32_t entry_count = gb_reader_be32(&reader);
    result.has_fingerprints = (content & CONTENT_FINGERPRINTS) != 0;
    result.has_buckets = (content & CONTENT_BUCKETS) != 0;
    result.is_direct = (content & CONTENT_DIRECT) != 0;
    result.has_load = (content & CONTENT_LOAD) != 0;
    if ((content & CONTENT_WITH_BITS) != 0) {
        result.bucket_bits = gb_read_u8(&reader, GB_BUCKET_BITS_MAX);
    }
    uint32_t bucket_count = (uint32_t)1 << result.bucket_bits;
    if (result.has_fingerprints) {
        result.fingerprints = gb_reader_bytes(&reader, (size_t)8 * bucket_count);
    }
    if (result.has_buckets) {
        result.buckets = buckets_read(&reader, bucket_count);
    }
    if (result.has_load) {
        gb_load_read(&reader, &result.load);
    }
    if (entry_count > GB_LIST_COUNT_MAX || entry_count > gb_reader_remaining(&reader)) {
        gb_reader_fail(&reader, GB_EMALFORMED);
    }
    gb_reader entries = reader;
    result.entries = (gb_list_cursor){.left = entry_count, .rest = gb_read_rest(&reader)};
    gb_err err = gb_digest_entries_check(&entries, entry_count);
    if (err != GB_OK) {
        return err;
    }
    *digest = result;
    return GB_OK;
}

uint64_t gb_digest_fingerprint(const gb_digest *digest, uint32_t bucket)
{
    GB_ASSERT(digest->has_fingerprints && bucket < (uint32_t)1 << digest->bucket_bits);
    return gb_load_be64(digest->fingerprints.base + (size_t)8 * bucket);
}

bool gb_digest_bucket_next(gb_list_cursor *cursor, uint32_t *bucket)
{
    if (cursor->left == 0) {
        return false;
    }
    gb_reader reader;
    gb_cursor_read(cursor, &reader);
    *bucket = bucket_read(&reader, cursor->previous, (uint32_t)1 << GB_BUCKET_BITS_MAX);
    gb_cursor_advance(cursor, &reader);
    cursor->previous = (uint64_t)*bucket + 1;
    return true;
}
