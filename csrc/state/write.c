/* SPDX-License-Identifier: Apache-2.0 */
/* write.c: self's own deltas: set, delete, expire.
 *
 * All that can fail comes first (limits, memory), then one version is given and published. */
#include "state/map_state.h"

#include "platform/assert.h"
#include "platform/limits.h"

/* Without memory for the tombstone of an expired key it is tried again after this time. */
#define EXPIRE_RETRY_US 1000000u

/* Publish self's `record` (takes it) as the next version of its lane; room is there. */
static void write_publish(gb_map *map, gb_lane_state *lane, gb_record *record)
{
    gb_participant *self = lane->participant;
    GB_ASSERT(record->version == lane->version + 1);
    gb_record *before = gb_lane_put(lane, record);
    if (before != NULL && !gb_record_is_tombstone(before) && before->ttl_ms != 0) {
        gb_heap_remove(&map->expiry[lane->lane], &gb_record_expiry(before)->node);
    }
    lane->version = record->version;
    gb_map_purge_update(map, lane);
    gb_map_touch(map, self);
    gb_map_tell(map, self, lane->lane, before, record);
    gb_map_retire_record(map, before);
}

gb_err gb_map_set_check(const gb_map *map, gb_lane lane, gb_slice group, gb_slice key, uint8_t type,
                        gb_slice value, bool is_new)
{
    if (group.len == 0 || group.len > GB_GROUP_SIZE_MAX) {
        return GB_EGROUP;
    }
    if (key.len > map->options.key_size_max) {
        return GB_EKEY_SIZE;
    }
    if (value.len > gb_map_value_size_max(map, lane)) {
        return GB_EVALUE_SIZE;
    }
    if (type == GB_VALUE_TOMBSTONE) {
        return GB_ETYPE;
    }
    gb_err err = gb_value_check(type, value);
    if (err != GB_OK) {
        return err;
    }
    uint64_t count = gb_map_keys_counted(map->self, lane);
    if (lane != GB_LANE_MEMBERSHIP) {
        count += map->waiting.new_count; /* places that are spoken for */
    }
    return is_new && count >= gb_map_key_count_max(map, lane) ? GB_EKEYS : GB_OK;
}

gb_err gb_map_set(gb_map *map, gb_participant *self, gb_lane lane, gb_slice group, gb_slice key,
                  uint8_t type, gb_slice value, uint32_t ttl_ms, gb_time_us now)
{
    GB_ASSERT(self->is_self && map->self == self);
    uint32_t hash = gb_lane_key_hash(map->options.hash_seed, group, key);
    bool is_new = gb_lane_find(gb_map_lane(self, lane), hash, group, key) == NULL;
    gb_err err = gb_map_set_check(map, lane, group, key, type, value, is_new);
    gb_lane_state *state = NULL;
    if (err == GB_OK) {
        err = gb_map_lane_open(map, self, lane, &state);
    }
    if (err == GB_OK) {
        err = gb_map_reserve(map, state, is_new ? 1 : 0, false);
    }
    if (err != GB_OK) {
        return err;
    }
    gb_heap *expiry = &map->expiry[lane];
    err = ttl_ms == 0 ? GB_OK : gb_heap_reserve(expiry, expiry->count + 1);
    if (err != GB_OK) {
        return err;
    }
    gb_delta delta = {.version = state->version + 1,
                      .type = type,
                      .ttl_ms = ttl_ms,
                      .group = group,
                      .key = key,
                      .value = value};
    gb_record *record;
    err = gb_record_open_with(map->options.allocator, &delta, ttl_ms == 0 ? 0 : sizeof(gb_expiry),
                              &record);
    if (err != GB_OK) {
        return err;
    }
    record->hash = hash;
    if (ttl_ms != 0) {
        record->expires_us = now + (uint64_t)ttl_ms * 1000;
        gb_expiry *timer = gb_record_expiry(record);
        gb_heap_node_init(&timer->node);
        timer->record = record;
        err = gb_heap_set(expiry, &timer->node, record->expires_us);
        GB_ASSERT(err == GB_OK);
    }
    write_publish(map, state, record);
    return GB_OK;
}

gb_err gb_map_delete(gb_map *map, gb_participant *self, gb_lane lane, gb_slice group, gb_slice key,
                     gb_time_us now)
{
    GB_ASSERT(self->is_self && map->self == self);
    gb_lane_state *state = gb_map_lane_there(self, lane);
    uint32_t hash = gb_lane_key_hash(map->options.hash_seed, group, key);
    const gb_record *present = state == NULL ? NULL : gb_lane_find(state, hash, group, key);
    if (present == NULL || gb_record_is_tombstone(present)) {
        return GB_ENOTFOUND;
    }
    gb_err err = gb_map_reserve(map, state, 0, true);
    if (err != GB_OK) {
        return err;
    }
    gb_delta delta = {
        .version = state->version + 1, .type = GB_VALUE_TOMBSTONE, .group = group, .key = key};
    gb_record *record;
    err = gb_record_open_with(map->options.allocator, &delta, sizeof(gb_tombstone), &record);
    if (err != GB_OK) {
        return err;
    }
    record->hash = hash;
    gb_record_tombstone(record)->since_us = now;
    write_publish(map, state, record);
    return GB_OK;
}

/* The lane whose next timer is the earliest, GB_LANE_COUNT if there is none. */
static gb_lane expiry_first(const gb_map *map)
{
    gb_lane first = GB_LANE_COUNT;
    for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
        const gb_heap_node *node = gb_heap_min(&map->expiry[lane]);
        if (node != NULL &&
            (first == GB_LANE_COUNT || node->key < gb_heap_min(&map->expiry[first])->key)) {
            first = lane;
        }
    }
    return first;
}

gb_time_us gb_map_expire(gb_map *map, gb_time_us now, uint32_t count_max, uint8_t *lane_mask)
{
    *lane_mask = 0;
    for (uint32_t count = 0;; count++) {
        gb_lane lane = expiry_first(map);
        if (lane == GB_LANE_COUNT) {
            return UINT64_MAX;
        }
        gb_heap_node *node = gb_heap_min(&map->expiry[lane]);
        if (node->key > now || count == count_max) {
            return node->key;
        }
        const gb_record *record = GB_CONTAINER_OF(node, gb_expiry, node)->record;
        gb_err err = gb_map_delete(map, map->self, lane, gb_record_group(record),
                                   gb_record_key(record), now);
        if (err != GB_OK) {
            GB_ASSERT(err == GB_ENOMEM);
            return now + EXPIRE_RETRY_US;
        }
        *lane_mask = (uint8_t)(*lane_mask | 1u << lane);
    }
}
