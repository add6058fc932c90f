/* SPDX-License-Identifier: Apache-2.0 */
/* map.c: the life of a cluster map, what it gives up, whom it tells, and its lanes' numbers. */
#include "state/map_state.h"

#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/limits.h"

gb_err gb_map_open(const gb_map_options *options, gb_map **out)
{
    GB_ASSERT(options->participant_count_max >= 1 &&
              options->participant_count_max <= GB_PARTICIPANTS_MAX);
    GB_ASSERT(options->value_size_max <= GB_VALUE_SIZE_MAX);
    GB_ASSERT(options->key_size_max <= GB_KEY_SIZE_MAX);
    const gb_allocator *allocator =
        options->allocator == NULL ? gb_allocator_default() : options->allocator;
    gb_map *map = gb_alloc_zeroed(allocator, sizeof *map);
    if (map == NULL) {
        return GB_ENOMEM;
    }
    map->options = *options;
    map->options.allocator = allocator;
    gb_table_init(&map->participants);
    gb_heap_init(&map->purge, allocator);
    for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
        gb_heap_init(&map->expiry[lane], allocator);
    }
    gb_waiting_init(&map->waiting);
    gb_map_graves_init(map);
    *out = map;
    return GB_OK;
}

void gb_map_close(gb_map *map)
{
    if (map == NULL) {
        return;
    }
    const gb_allocator *allocator = map->options.allocator;
    /* The heaps first: they forget their nodes, which the participants are about to free. */
    gb_heap_deinit(&map->purge);
    for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
        gb_heap_deinit(&map->expiry[lane]);
    }
    for (uint32_t slot = 0; slot < map->slot_end; slot++) {
        if (map->slots[slot] != NULL) {
            gb_participant_free(allocator, map->slots[slot]);
        }
    }
    gb_waiting_deinit(&map->waiting, allocator);
    gb_map_graves_deinit(map);
    gb_table_deinit(&map->participants, allocator);
    gb_free(allocator, map->slots);
    gb_free(allocator, map);
}

void gb_map_set_limits(gb_map *map, uint32_t key_count_max, uint32_t value_size_max,
                       uint64_t tombstone_grace_us)
{
    GB_ASSERT(value_size_max <= GB_VALUE_SIZE_MAX);
    map->options.key_count_max = key_count_max;
    map->options.value_size_max = value_size_max;
    if (map->options.tombstone_grace_us != tombstone_grace_us) {
        map->options.tombstone_grace_us = tombstone_grace_us;
        map->purge_after_us = 0;
    }
}

/* ---- Giving up ------------------------------------------------------------------------------- */

void gb_map_retire(const gb_map *map, void (*release)(const gb_allocator *, void *), void *object)
{
    if (map->options.reclaim != NULL) {
        map->options.reclaim(map->options.reclaim_user, release, object);
    } else {
        release(map->options.allocator, object);
    }
}

static void record_release(const gb_allocator *allocator, void *record)
{
    gb_record_release(allocator, record);
}

void gb_map_retire_record(const gb_map *map, gb_record *record)
{
    if (record != NULL) {
        gb_map_retire(map, record_release, record);
    }
}

static void table_retire(void *user, void (*release)(const gb_allocator *, void *), void *object)
{
    gb_map_retire(user, release, object);
}

gb_table_retire gb_map_table_retire(const gb_map *map)
{
    return (gb_table_retire){table_retire, (void *)(uintptr_t)map};
}

void gb_map_tell(const gb_map *map, const gb_participant *participant, gb_lane lane,
                 const gb_record *before, const gb_record *after)
{
    before = before == NULL || gb_record_is_tombstone(before) ? NULL : before;
    after = after == NULL || gb_record_is_tombstone(after) ? NULL : after;
    if (map->options.on_change != NULL && (before != NULL || after != NULL)) {
        map->options.on_change(map->options.on_change_user, participant, lane, before, after);
    }
}

gb_err gb_map_reserve(gb_map *map, gb_lane_state *lane, uint32_t key_count, bool with_tombstones)
{
    gb_err err = gb_table_reserve(&lane->table, map->options.allocator, key_count, gb_lane_hash_of,
                                  gb_map_table_retire(map));
    if (err == GB_OK && with_tombstones) {
        err = gb_lane_extend(lane, map->options.allocator);
    }
    if (err == GB_OK && with_tombstones) {
        err = gb_heap_reserve(&map->purge, map->purge.count + 1);
    }
    return err;
}

/* ---- Lanes ----------------------------------------------------------------------------------- */

gb_lane_state *gb_map_lane_there(const gb_participant *participant, gb_lane lane)
{
    GB_ASSERT(lane < GB_LANE_COUNT);
    return lane == GB_LANE_MEMBERSHIP
               ? &gb_participant_rest_of(participant)->membership
               : atomic_load_explicit(&participant->data_lanes[lane - 1], memory_order_acquire);
}

const gb_lane_state *gb_map_lane(const gb_participant *participant, gb_lane lane)
{
    static const gb_lane_state nothing; /* never written */
    const gb_lane_state *there = gb_map_lane_there(participant, lane);
    return there != NULL ? there : &nothing;
}

gb_err gb_map_lane_open(gb_map *map, gb_participant *participant, gb_lane lane, gb_lane_state **out)
{
    *out = gb_map_lane_there(participant, lane);
    if (*out != NULL) {
        return GB_OK;
    }
    gb_lane_state *state = gb_alloc(map->options.allocator, sizeof *state);
    if (state == NULL) {
        return GB_ENOMEM;
    }
    gb_lane_init(state, participant, lane);
    atomic_store_explicit(&participant->data_lanes[lane - 1], state, memory_order_release);
    *out = state;
    return GB_OK;
}

uint64_t gb_map_bytes(const gb_participant *participant)
{
    uint64_t size = 0;
    for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
        size += gb_map_lane(participant, lane)->byte_count;
    }
    return size;
}

uint64_t gb_map_version(const gb_participant *participant, gb_lane lane)
{
    return gb_map_lane(participant, lane)->version;
}

uint64_t gb_map_floor(const gb_participant *participant, gb_lane lane)
{
    return gb_map_lane(participant, lane)->floor;
}

bool gb_map_staged(const gb_participant *participant, gb_lane lane, uint64_t *version,
                   uint64_t *floor)
{
    const gb_lane_state *staged = gb_lane_staged(gb_map_lane(participant, lane));
    if (staged == NULL) {
        return false;
    }
    *version = staged->version;
    *floor = staged->extra->floor_least;
    return true;
}

gb_record *gb_map_first(const gb_participant *participant, gb_lane lane)
{
    return gb_map_lane(participant, lane)->oldest;
}
