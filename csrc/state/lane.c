/* SPDX-License-Identifier: Apache-2.0 */
/* lane.c: a lane's table, version order, tombstone order and cursors, kept in step. */
#include "state/lane.h"

#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/hash.h"

void gb_lane_init(gb_lane_state *lane, gb_participant *participant, gb_lane number)
{
    *lane = (gb_lane_state){.lane = number, .participant = participant};
    gb_table_init(&lane->table);
}

gb_err gb_lane_extend(gb_lane_state *lane, const gb_allocator *allocator)
{
    if (lane->extra != NULL) {
        return GB_OK;
    }
    gb_lane_extra *extra = gb_alloc_zeroed(allocator, sizeof *extra);
    if (extra == NULL) {
        return GB_ENOMEM;
    }
    extra->lane = lane;
    gb_heap_node_init(&extra->purge_node);
    lane->extra = extra;
    return GB_OK;
}

void gb_lane_deinit(gb_lane_state *lane, const gb_allocator *allocator)
{
    gb_lane_extra *extra = lane->extra;
    GB_ASSERT(extra == NULL || !gb_heap_node_is_linked(&extra->purge_node));
    for (gb_record *record = lane->oldest, *newer; record != NULL; record = newer) {
        newer = record->newer;
        gb_record_release(allocator, record);
    }
    gb_table_deinit(&lane->table, allocator);
    if (extra != NULL && extra->staged != NULL) {
        gb_lane_deinit(extra->staged, allocator);
        gb_free(allocator, extra->staged);
    }
    gb_free(allocator, extra);
}

uint32_t gb_lane_hash_of(const void *record)
{
    return ((const gb_record *)record)->hash;
}

uint32_t gb_lane_key_hash(uint64_t seed, gb_slice group, gb_slice key)
{
    return (uint32_t)gb_hash_mix(gb_hash_bytes(gb_hash_bytes(seed, group), key));
}

/* ---- Version order --------------------------------------------------------------------------- */

static void lane_append(gb_lane_state *lane, gb_record *record)
{
    GB_ASSERT(lane->newest == NULL || lane->newest->version < record->version);
    record->older = lane->newest;
    record->newer = NULL;
    if (lane->newest != NULL) {
        lane->newest->newer = record;
    } else {
        lane->oldest = record;
    }
    lane->newest = record;
}

static void lane_unlink(gb_lane_state *lane, gb_record *record)
{
    /* A cursor on it moves to the one before: all that follows that one is still to be sent. */
    for (size_t i = 0; lane->extra != NULL && i < GB_LANE_CURSOR_COUNT; i++) {
        if (lane->extra->cursors[i] == record) {
            lane->extra->cursors[i] = record->older;
        }
    }
    if (record->older != NULL) {
        record->older->newer = record->newer;
    } else {
        GB_ASSERT(lane->oldest == record);
        lane->oldest = record->newer;
    }
    if (record->newer != NULL) {
        record->newer->older = record->older;
    } else {
        GB_ASSERT(lane->newest == record);
        lane->newest = record->older;
    }
    record->older = NULL;
    record->newer = NULL;
}

/* ---- Tombstone order ------------------------------------------------------------------------- */

static void tombstone_append(gb_lane_extra *extra, gb_record *record)
{
    gb_tombstone *tombstone = gb_record_tombstone(record);
    tombstone->older = extra->tombstone_newest;
    tombstone->newer = NULL;
    if (extra->tombstone_newest != NULL) {
        gb_tombstone *last = gb_record_tombstone(extra->tombstone_newest);
        /* A clock that is read twice may seem to step back; the order of purging must not. */
        if (tombstone->since_us < last->since_us) {
            tombstone->since_us = last->since_us;
        }
        last->newer = record;
    } else {
        extra->tombstone_oldest = record;
    }
    extra->tombstone_newest = record;
    extra->tombstone_count++;
}

static void tombstone_unlink(gb_lane_extra *extra, gb_record *record)
{
    gb_tombstone *tombstone = gb_record_tombstone(record);
    if (tombstone->older != NULL) {
        gb_record_tombstone(tombstone->older)->newer = tombstone->newer;
    } else {
        GB_ASSERT(extra->tombstone_oldest == record);
        extra->tombstone_oldest = tombstone->newer;
    }
    if (tombstone->newer != NULL) {
        gb_record_tombstone(tombstone->newer)->older = tombstone->older;
    } else {
        GB_ASSERT(extra->tombstone_newest == record);
        extra->tombstone_newest = tombstone->older;
    }
    extra->tombstone_count--;
}

/* ---- Putting and taking ---------------------------------------------------------------------- */

static void lane_count(gb_lane_state *lane, const gb_record *added, const gb_record *removed)
{
    uint64_t plus = added == NULL ? 0 : gb_record_size(added);
    uint64_t minus = removed == NULL ? 0 : gb_record_size(removed);
    lane->byte_count = lane->byte_count + plus - minus;
    if (!lane->is_staged) {
        gb_participant *participant = lane->participant;
        participant->key_count += added != NULL && removed == NULL ? 1 : 0;
        participant->key_count -= added == NULL && removed != NULL ? 1 : 0;
    }
}

gb_record *gb_lane_put(gb_lane_state *lane, gb_record *record)
{
    gb_record *before =
        gb_lane_find(lane, record->hash, gb_record_group(record), gb_record_key(record));
    if (before != NULL) {
        GB_ASSERT(before->version < record->version);
        gb_table_replace(&lane->table, record->hash, before, record);
        lane_unlink(lane, before);
        if (gb_record_is_tombstone(before)) {
            tombstone_unlink(lane->extra, before);
        }
    } else {
        gb_table_insert(&lane->table, record->hash, record);
    }
    lane_append(lane, record);
    if (gb_record_is_tombstone(record)) {
        tombstone_append(lane->extra, record);
    }
    lane_count(lane, record, before);
    return before;
}

void gb_lane_take(gb_lane_state *lane, gb_record *record)
{
    gb_table_remove(&lane->table, record->hash, record);
    lane_unlink(lane, record);
    if (gb_record_is_tombstone(record)) {
        tombstone_unlink(lane->extra, record);
    }
    lane_count(lane, NULL, record);
}

/* ---- Finding a version ----------------------------------------------------------------------- */

gb_record *gb_lane_after(const gb_lane_state *lane, uint64_t from)
{
    if (lane->newest == NULL || lane->newest->version <= from) {
        return NULL;
    }
    /* The wanted record lies in [up, down]. */
    gb_record *up = lane->oldest;
    gb_record *down = lane->newest;
    for (size_t i = 0; lane->extra != NULL && i < GB_LANE_CURSOR_COUNT; i++) {
        gb_record *cursor = lane->extra->cursors[i];
        if (cursor == NULL) {
            continue;
        }
        if (cursor->version <= from) {
            if (cursor->newer->version > up->version) {
                up = cursor->newer;
            }
        } else if (cursor->version < down->version) {
            down = cursor;
        }
    }
    for (;;) {
        if (up->version > from) {
            return up;
        }
        if (down->older == NULL || down->older->version <= from) {
            return down;
        }
        up = up->newer;
        down = down->older;
    }
}

void gb_lane_remember(gb_lane_state *lane, const gb_allocator *allocator, gb_record *record)
{
    if (gb_lane_extend(lane, allocator) != GB_OK) {
        return; /* the next chunk walks to its beginning */
    }
    gb_lane_extra *extra = lane->extra;
    for (size_t i = 0; i < GB_LANE_CURSOR_COUNT; i++) {
        if (extra->cursors[i] == record) {
            return;
        }
    }
    extra->cursors[extra->cursor_next] = record;
    extra->cursor_next = (uint8_t)((extra->cursor_next + 1) % GB_LANE_CURSOR_COUNT);
}
