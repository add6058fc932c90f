/* SPDX-License-Identifier: Apache-2.0 */
/* digest_entry.c: one participant in a digest, and GRAFT, which is a list of such entries. */
#include "codec/fields.h"
#include "codec/out.h"

#define LANE_MASK_ALL ((1u << GB_LANE_COUNT) - 1)

/* Index step, lane mask, a version per lane. */
#define DIGEST_ENTRY_SIZE_MAX (5 + 1 + (size_t)GB_LANE_COUNT * GB_VARINT_SIZE_MAX)

_Static_assert(5 + (size_t)GB_LIST_COUNT_MAX * DIGEST_ENTRY_SIZE_MAX <= GB_FRAME_PAYLOAD_MAX,
               "a GRAFT of every participant fits a frame");

bool gb_digest_entry_is_valid(const gb_digest_entry *entry)
{
    return entry->index < GB_PARTICIPANTS_MAX && entry->lane_mask <= LANE_MASK_ALL;
}

static uint64_t digest_entry_step(const gb_digest_entry *entry, uint32_t previous)
{
    return gb_zigzag_encode((int64_t)entry->index - (int64_t)previous);
}

size_t gb_digest_entry_size(const gb_digest_entry *entry, uint32_t previous)
{
    size_t size = gb_varint_size(digest_entry_step(entry, previous)) + 1;
    for (unsigned lane = 0; lane < GB_LANE_COUNT; lane++) {
        if ((entry->lane_mask & (1u << lane)) != 0) {
            size += gb_varint_size(entry->version[lane]);
        }
    }
    return size;
}

void gb_digest_entry_write(gb_writer *writer, const gb_digest_entry *entry, uint32_t previous)
{
    gb_writer_varint(writer, digest_entry_step(entry, previous));
    gb_writer_u8(writer, entry->lane_mask);
    for (unsigned lane = 0; lane < GB_LANE_COUNT; lane++) {
        if ((entry->lane_mask & (1u << lane)) != 0) {
            gb_writer_varint(writer, entry->version[lane]);
        }
    }
}

void gb_digest_entry_read(gb_reader *reader, uint64_t previous, gb_digest_entry *entry)
{
    /* No step between two indexes is larger than this, so the sum below cannot overflow. */
    int64_t step = gb_zigzag_decode(gb_read_varint(reader, (uint64_t)2 * GB_PARTICIPANTS_MAX));
    int64_t index = (int64_t)previous + step;
    if (index < 0 || index >= GB_PARTICIPANTS_MAX) {
        gb_reader_fail(reader, GB_EMALFORMED);
        index = 0;
    }
    entry->index = (uint32_t)index;
    entry->lane_mask = gb_read_u8(reader, LANE_MASK_ALL);
    for (unsigned lane = 0; lane < GB_LANE_COUNT; lane++) {
        bool is_stated = (entry->lane_mask & (1u << lane)) != 0;
        entry->version[lane] = is_stated ? gb_reader_varint(reader) : 0;
    }
}

bool gb_digest_entry_next(gb_list_cursor *cursor, gb_digest_entry *entry)
{
    if (cursor->left == 0) {
        return false;
    }
    gb_reader reader;
    gb_cursor_read(cursor, &reader);
    gb_digest_entry_read(&reader, cursor->previous, entry);
    gb_cursor_advance(cursor, &reader);
    cursor->previous = entry->index;
    return true;
}

gb_err gb_digest_entries_check(gb_reader *reader, uint32_t count)
{
    uint64_t previous = 0;
    for (uint32_t i = 0; i < count && reader->err == GB_OK; i++) {
        gb_digest_entry entry;
        gb_digest_entry_read(reader, previous, &entry);
        previous = entry.index;
    }
    return gb_reader_finish(reader);
}

/* ---- GRAFT ----------------------------------------------------------------------------------- */

gb_err gb_graft_encode(gb_out *out, const gb_digest_entry *entries, uint32_t count)
{
    if (count > GB_LIST_COUNT_MAX) {
        return GB_EINVAL;
    }
    size_t size = gb_varint_size(count);
    uint32_t previous = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!gb_digest_entry_is_valid(&entries[i])) {
            return GB_EINVAL;
        }
        size += gb_digest_entry_size(&entries[i], previous);
        previous = entries[i].index;
    }
    gb_writer writer;
    gb_err err = gb_out_frame_open(out, size, &writer);
    if (err != GB_OK) {
        return err;
    }
    gb_writer_varint(&writer, count);
    previous = 0;
    for (uint32_t i = 0; i < count; i++) {
        gb_digest_entry_write(&writer, &entries[i], previous);
        previous = entries[i].index;
    }
    gb_out_frame_close(out, &writer, size, GB_FRAME_GRAFT, 0);
    return GB_OK;
}

gb_err gb_graft_decode(gb_slice payload, gb_list_cursor *cursor)
{
    gb_reader reader;
    gb_reader_init(&reader, payload);
    gb_list_cursor result = {.left = gb_read_count(&reader, GB_LIST_COUNT_MAX)};
    gb_reader entries = reader;
    result.rest = gb_read_rest(&reader);
    gb_err err = gb_digest_entries_check(&entries, result.left);
    if (err != GB_OK) {
        return err;
    }
    *cursor = result;
    return GB_OK;
}

bool gb_graft_next(gb_list_cursor *cursor, gb_digest_entry *entry)
{
    return gb_digest_entry_next(cursor, entry);
}
