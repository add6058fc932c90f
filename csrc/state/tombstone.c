/* SPDX-License-Identifier: Apache-2.0 */
/* tombstone.c: purging of deletions that everybody had time to hear of, and the floors it raises.
 *
 * A lane's tombstones are linked in version order, which is the order in which they came. The map
 * keeps the lanes that have any in a heap, by when their oldest came. A key in the heap may be too
 * early (the oldest was superseded): it is put right when it comes up. */
#include "state/map_state.h"

#include "platform/assert.h"

/* A raised floor makes a half-received reset of the lane begin anew where its receiver had not got
 * that far. So floors rise in strides: after a purge the next one is due no earlier than a
 * sixteenth of the grace later, which is long beside a transfer. */
#define STRIDES_PER_GRACE 16

static gb_time_us since_of(gb_record *record)
{
    return gb_record_tombstone(record)->since_us;
}

void gb_map_purge_update(gb_map *map, gb_lane_state *lane)
{
    GB_ASSERT(!lane->is_staged);
    gb_lane_extra *extra = lane->extra;
    if (extra == NULL) {
        return;
    }
    if (extra->tombstone_oldest == NULL) {
        gb_heap_remove(&map->purge, &extra->purge_node);
    } else if (!gb_heap_node_is_linked(&extra->purge_node) ||
               extra->purge_node.key > since_of(extra->tombstone_oldest)) {
        gb_err err =
            gb_heap_set(&map->purge, &extra->purge_node, since_of(extra->tombstone_oldest));
        GB_ASSERT(err == GB_OK);
    }
}

static void tombstone_drop(gb_map *map, gb_lane_state *lane, gb_record *record)
{
    GB_ASSERT(gb_record_is_tombstone(record));
    gb_lane_take(lane, record);
    gb_map_retire_record(map, record);
}

static void lane_shrink(gb_map *map, gb_lane_state *lane)
{
    gb_table_shrink(&lane->table, map->options.allocator, gb_lane_hash_of,
                    gb_map_table_retire(map));
}

void gb_map_raise_floor(gb_map *map, gb_lane_state *lane, uint64_t floor)
{
    GB_ASSERT(floor <= lane->version);
    if (floor <= lane->floor) {
        return;
    }
    lane->floor = floor;
    for (gb_record *record;
         (record = gb_lane_tombstone_oldest(lane)) != NULL && record->version <= floor;) {
        tombstone_drop(map, lane, record);
    }
    gb_map_purge_update(map, lane);
    lane_shrink(map, lane);
}

/* Is `since` longer ago than the grace? Written so that no grace overflows. */
static bool is_over(gb_time_us since, uint64_t grace_us, gb_time_us now)
{
    return now >= since && now - since >= grace_us;
}

/* Purge what is over of the lane that comes first, which is linked with its true time. */
static uint32_t lane_purge(gb_map *map, gb_lane_state *lane, gb_time_us now, uint32_t count_max)
{
    uint64_t grace_us = map->options.tombstone_grace_us;
    uint32_t count = 0;
    gb_lane_extra *extra = lane->extra;
    while (extra->tombstone_oldest != NULL && count < count_max &&
           is_over(since_of(extra->tombstone_oldest), grace_us, now)) {
        gb_record *record = extra->tombstone_oldest;
        lane->floor = record->version > lane->floor ? record->version : lane->floor;
        tombstone_drop(map, lane, record);
        count++;
    }
    if (extra->tombstone_oldest == NULL) {
        gb_heap_remove(&map->purge, &extra->purge_node);
    } else {
        (void)gb_heap_set(&map->purge, &extra->purge_node, since_of(extra->tombstone_oldest));
    }
    lane_shrink(map, lane);
    return count;
}

gb_time_us gb_map_purge(gb_map *map, gb_time_us now, uint32_t count_max)
{
    uint64_t grace_us = map->options.tombstone_grace_us;
    uint32_t count = 0;
    for (gb_heap_node *node; (node = gb_heap_min(&map->purge)) != NULL;) {
        gb_lane_extra *extra = GB_CONTAINER_OF(node, gb_lane_extra, purge_node);
        gb_time_us since = since_of(extra->tombstone_oldest);
        if (since != node->key) {
            (void)gb_heap_set(&map->purge, node, since);
            continue;
        }
        bool is_due = is_over(since, grace_us, now);
        if (is_due && now >= map->purge_after_us && count < count_max) {
            count += lane_purge(map, extra->lane, now, count_max - count);
            continue;
        }
        if (is_due && count == count_max) {
            return now; /* the stride begins when all that is due is gone */
        }
        if (count > 0) {
            map->purge_after_us = now + grace_us / STRIDES_PER_GRACE;
        }
        gb_time_us due = since > UINT64_MAX - grace_us ? UINT64_MAX : since + grace_us;
        return due > map->purge_after_us ? due : map->purge_after_us;
    }
    if (count > 0) {
        map->purge_after_us = now + grace_us / STRIDES_PER_GRACE;
    }
    return UINT64_MAX;
}
