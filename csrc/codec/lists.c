/* SPDX-License-Identifier: Apache-2.0 */
/* lists.c: INDEX, I-HAVE, PULL, PULL-CANCEL and PRUNE: a count and entries. */
#include "codec/fields.h"
#include "codec/out.h"

#define VARINT32_SIZE_MAX 5

_Static_assert(VARINT32_SIZE_MAX +
                       (size_t)GB_LIST_COUNT_MAX *
                           (VARINT32_SIZE_MAX + 2 + GB_NAME_SIZE_MAX + 3 * GB_VARINT_SIZE_MAX) <=
                   GB_FRAME_PAYLOAD_MAX,
               "an INDEX of every participant fits a frame");
_Static_assert(VARINT32_SIZE_MAX + (size_t)GB_LANE_LIST_COUNT_MAX *
                                       (VARINT32_SIZE_MAX + 1 + 2 * GB_VARINT_SIZE_MAX) <=
                   GB_FRAME_PAYLOAD_MAX,
               "a PULL of every lane fits a frame");

/* ---- INDEX ----------------------------------------------------------------------------------- */

static void index_entry_read(gb_reader *reader, gb_index_entry *entry)
{
    entry->index = gb_read_index(reader);
    entry->name = gb_read_bytes(reader, GB_NAME_SIZE_MAX, GB_EMALFORMED);
    entry->generation = gb_read_positive(reader);
    entry->incarnation = gb_read_varint(reader, UINT64_MAX);
    entry->departed = gb_read_varint(reader, UINT64_MAX);
}

gb_err gb_index_encode(gb_out *out, const gb_index_entry *entries, uint32_t count)
{
    if (count > GB_LIST_COUNT_MAX) {
        return GB_EINVAL;
    }
    size_t size = gb_varint_size(count);
    for (uint32_t i = 0; i < count; i++) {
        const gb_index_entry *entry = &entries[i];
        if (gb_name_validate(entry->name) != GB_OK) {
            return GB_ENAME;
        }
        if (entry->index >= GB_PARTICIPANTS_MAX || entry->generation == 0) {
            return GB_EINVAL;
        }
        size += gb_varint_size(entry->index) + gb_writer_slice_size(entry->name.len) +
                gb_varint_size(entry->generation) + gb_varint_size(entry->incarnation) +
                gb_varint_size(entry->departed);
    }
    gb_writer writer;
    gb_err err = gb_out_frame_open(out, size, &writer);
    if (err != GB_OK) {
        return err;
    }
    gb_writer_varint(&writer, count);
    for (uint32_t i = 0; i < count; i++) {
        gb_writer_varint(&writer, entries[i].index);
        gb_writer_slice(&writer, entries[i].name);
        gb_writer_varint(&writer, entries[i].generation);
        gb_writer_varint(&writer, entries[i].incarnation);
        gb_writer_varint(&writer, entries[i].departed);
    }
    gb_out_frame_close(out, &writer, size, GB_FRAME_INDEX, 0);
    return GB_OK;
}

gb_err gb_index_decode(gb_slice payload, gb_list_cursor *cursor)
{
    gb_reader reader;
    gb_reader_init(&reader, payload);
    gb_list_cursor result = {.left = gb_read_count(&reader, GB_LIST_COUNT_MAX)};
    gb_reader entries = reader;
    result.rest = gb_read_rest(&reader);
    for (uint32_t i = 0; i < result.left && entries.err == GB_OK; i++) {
        gb_index_entry entry;
        index_entry_read(&entries, &entry);
        if (entries.err == GB_OK && gb_name_validate(entry.name) != GB_OK) {
            gb_reader_fail(&entries, GB_EMALFORMED);
        }
    }
    gb_err err = gb_reader_finish(&entries);
    if (err != GB_OK) {
        return err;
    }
    *cursor = result;
    return GB_OK;
}

bool gb_index_next(gb_list_cursor *cursor, gb_index_entry *entry)
{
    if (cursor->left == 0) {
        return false;
    }
    gb_reader reader;
    gb_cursor_read(cursor, &reader);
    index_entry_read(&reader, entry);
    gb_cursor_advance(cursor, &reader);
    return true;
}

/* ---- I-HAVE, PULL, PULL-CANCEL --------------------------------------------------------------- */

static bool lane_list_has_version(uint8_t frame_type)
{
    return frame_type != GB_FRAME_PULL_CANCEL;
}

static bool lane_list_has_floor(uint8_t frame_type)
{
    return frame_type == GB_FRAME_PULL;
}

static bool lane_list_is_type(uint8_t frame_type)
{
    return frame_type == GB_FRAME_I_HAVE || frame_type == GB_FRAME_PULL ||
           frame_type == GB_FRAME_PULL_CANCEL;
}

static bool lane_entry_is_valid(uint8_t frame_type, const gb_lane_entry *entry)
{
    return entry->index < GB_PARTICIPANTS_MAX && entry->lane < GB_LANE_COUNT &&
           (lane_list_has_version(frame_type) || entry->version == 0) &&
           (lane_list_has_floor(frame_type) || entry->floor == 0);
}

static void lane_entry_write(gb_writer *writer, uint8_t frame_type, const gb_lane_entry *entry)
{
    gb_writer_varint(writer, entry->index);
    gb_writer_u8(writer, entry->lane);
    if (lane_list_has_version(frame_type)) {
        gb_writer_varint(writer, entry->version);
    }
    if (lane_list_has_floor(frame_type)) {
        gb_writer_varint(writer, entry->floor);
    }
}

static size_t lane_entry_size(uint8_t frame_type, const gb_lane_entry *entry)
{
    return gb_varint_size(entry->index) + 1 +
           (lane_list_has_version(frame_type) ? gb_varint_size(entry->version) : 0) +
           (lane_list_has_floor(frame_type) ? gb_varint_size(entry->floor) : 0);
}

static void lane_entry_read(gb_reader *reader, uint8_t frame_type, gb_lane_entry *entry)
{
    entry->index = gb_read_index(reader);
    entry->lane = gb_read_u8(reader, GB_LANE_COUNT - 1);
    entry->version = lane_list_has_version(frame_type) ? gb_reader_varint(reader) : 0;
    entry->floor = lane_list_has_floor(frame_type) ? gb_reader_varint(reader) : 0;
}

gb_err gb_lane_list_encode(gb_out *out, uint8_t frame_type, const gb_lane_entry *entries,
                           uint32_t count)
{
    if (!lane_list_is_type(frame_type) || count > GB_LANE_LIST_COUNT_MAX) {
        return GB_EINVAL;
    }
    size_t size = gb_varint_size(count);
    for (uint32_t i = 0; i < count; i++) {
        if (!lane_entry_is_valid(frame_type, &entries[i])) {
            return GB_EINVAL;
        }
        size += lane_entry_size(frame_type, &entries[i]);
    }
    gb_writer writer;
    gb_err err = gb_out_frame_open(out, size, &writer);
    if (err != GB_OK) {
        return err;
    }
    gb_writer_varint(&writer, count);
    for (uint32_t i = 0; i < count; i++) {
        lane_entry_write(&writer, frame_type, &entries[i]);
    }
    gb_out_frame_close(out, &writer, size, frame_type, 0);
    return GB_OK;
}

gb_err gb_lane_list_decode(uint8_t frame_type, gb_slice payload, gb_list_cursor *cursor)
{
    GB_ASSERT(lane_list_is_type(frame_type));
    gb_reader reader;
    gb_reader_init(&reader, payload);
    gb_list_cursor result = {.left = gb_read_count(&reader, GB_LANE_LIST_COUNT_MAX)};
    gb_reader entries = reader;
    result.rest = gb_read_rest(&reader);
    for (uint32_t i = 0; i < result.left && entries.err == GB_OK; i++) {
        gb_lane_entry entry;
        lane_entry_read(&entries, frame_type, &entry);
    }
    gb_err err = gb_reader_finish(&entries);
    if (err != GB_OK) {
        return err;
    }
    *cursor = result;
    return GB_OK;
}

bool gb_lane_list_next(uint8_t frame_type, gb_list_cursor *cursor, gb_lane_entry *entry)
{
    if (cursor->left == 0) {
        return false;
    }
    gb_reader reader;
    gb_cursor_read(cursor, &reader);
    lane_entry_read(&reader, frame_type, entry);
    gb_cursor_advance(cursor, &reader);
    return true;
}

/* ---- PRUNE ----------------------------------------------------------------------------------- */

gb_err gb_prune_encode(gb_out *out, const uint32_t *indexes, uint32_t count)
{
    if (count > GB_LIST_COUNT_MAX) {
        return GB_EINVAL;
    }
    size_t size = gb_varint_size(count);
    for (uint32_t i = 0; i < count; i++) {
        if (indexes[i] >= GB_PARTICIPANTS_MAX) {
            return GB_EINVAL;
        }
        size += gb_varint_size(indexes[i]);
    }
    gb_writer writer;
    gb_err err = gb_out_frame_open(out, size, &writer);
    if (err != GB_OK) {
        return err;
    }
    gb_writer_varint(&writer, count);
    for (uint32_t i = 0; i < count; i++) {
        gb_writer_varint(&writer, indexes[i]);
    }
    gb_out_frame_close(out, &writer, size, GB_FRAME_PRUNE, 0);
    return GB_OK;
}

gb_err gb_prune_decode(gb_slice payload, gb_list_cursor *cursor)
{
    gb_reader reader;
    gb_reader_init(&reader, payload);
    gb_list_cursor result = {.left = gb_read_count(&reader, GB_LIST_COUNT_MAX)};
    gb_reader entries = reader;
    result.rest = gb_read_rest(&reader);
    for (uint32_t i = 0; i < result.left && entries.err == GB_OK; i++) {
        (void)gb_read_index(&entries);
    }
    gb_err err = gb_reader_finish(&entries);
    if (err != GB_OK) {
        return err;
    }
    *cursor = result;
    return GB_OK;
}

bool gb_prune_next(gb_list_cursor *cursor, uint32_t *index)
{
    if (cursor->left == 0) {
        return false;
    }
    gb_reader reader;
    gb_cursor_read(cursor, &reader);
    *index = gb_read_index(&reader);
    gb_cursor_advance(cursor, &reader);
    return true;
}
