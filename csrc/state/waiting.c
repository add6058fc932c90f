/* SPDX-License-Identifier: Apache-2.0 */
/* waiting.c: own changes that wait for their version: one for each key, the newest wins.
 *
 * Readers look here first and at the lanes second, so that the owner sees its own value at once. A
 * change is published in its lane before it goes from here: whoever looks in that order misses
 * nothing. */
#include "state/map_state.h"

#include "platform/assert.h"

/* Behind the bytes of a record that waits. */
typedef struct gb_waiting {
    gb_lane lane;
    bool is_new; /* one key more for its lane, where it stands not even as a tombstone */
} gb_waiting;

static gb_waiting *waiting_of(gb_record *record)
{
    return gb_record_trailer(record);
}

void gb_waiting_init(gb_waiting_set *set)
{
    *set = (gb_waiting_set){0};
    for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
        gb_table_init(&set->tables[lane]);
    }
}

void gb_waiting_deinit(gb_waiting_set *set, const gb_allocator *allocator)
{
    for (gb_record *record = set->oldest, *newer; record != NULL; record = newer) {
        newer = record->newer;
        gb_record_release(allocator, record);
    }
    for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
        gb_table_deinit(&set->tables[lane], allocator);
    }
}

static gb_record *waiting_find(const gb_map *map, gb_lane lane, uint32_t hash, gb_slice group,
                               gb_slice key)
{
    gb_table_probe probe = gb_table_probe_start(&map->waiting.tables[lane], hash);
    for (gb_record *record; (record = gb_table_probe_next(&probe)) != NULL;) {
        if (record->hash == hash && gb_slice_equal(gb_record_group(record), group) &&
            gb_slice_equal(gb_record_key(record), key)) {
            return record;
        }
    }
    return NULL;
}

/* ---- Order --------------------------------------------------------------------------------------
 */

static void waiting_count(gb_waiting_set *set, gb_record *added, gb_record *removed)
{
    if (added != NULL) {
        set->count++;
        set->new_count += waiting_of(added)->is_new ? 1 : 0;
        set->byte_count += gb_record_size(added);
    }
    if (removed != NULL) {
        set->count--;
        set->new_count -= waiting_of(removed)->is_new ? 1 : 0;
        set->byte_count -= gb_record_size(removed);
    }
}

static void waiting_append(gb_map *map, gb_record *record)
{
    gb_waiting_set *set = &map->waiting;
    record->older = set->newest;
    if (set->newest != NULL) {
        set->newest->newer = record;
    } else {
        set->oldest = record;
    }
    set->newest = record;
    waiting_count(set, record, NULL);
    gb_table_insert(&set->tables[waiting_of(record)->lane], record->hash, record);
}

/* The newest wins and keeps the place: a key that changes all the time has its turn too. */
static void waiting_replace(gb_map *map, gb_record *old, gb_record *record)
{
    gb_waiting_set *set = &map->waiting;
    record->older = old->older;
    record->newer = old->newer;
    *(record->older != NULL ? &record->older->newer : &set->oldest) = record;
    *(record->newer != NULL ? &record->newer->older : &set->newest) = record;
    waiting_count(set, record, old);
    gb_table_replace(&set->tables[waiting_of(record)->lane], record->hash, old, record);
    gb_map_retire_record(map, old);
}

static void waiting_take(gb_map *map, gb_record *record)
{
    gb_waiting_set *set = &map->waiting;
    gb_table *table = &set->tables[waiting_of(record)->lane];
    *(record->older != NULL ? &record->older->newer : &set->oldest) = record->newer;
    *(record->newer != NULL ? &record->newer->older : &set->newest) = record->older;
    waiting_count(set, NULL, record);
    gb_table_remove(table, record->hash, record);
    gb_table_shrink(table, map->options.allocator, gb_lane_hash_of, gb_map_table_retire(map));
    gb_map_retire_record(map, record);
}

/* ---- Waiting ------------------------------------------------------------------------------------
 */

static gb_err waiting_put(gb_map *map, gb_lane lane, const gb_delta *delta, uint32_t hash,
                          gb_record *before, bool is_new, gb_time_us now)
{
    const gb_allocator *allocator = map->options.allocator;
    gb_err err = gb_table_reserve(&map->waiting.tables[lane], allocator, before == NULL ? 1 : 0,
                                  gb_lane_hash_of, gb_map_table_retire(map));
    gb_record *record = NULL;
    if (err == GB_OK) {
        err = gb_record_open_with(allocator, delta, sizeof(gb_waiting), &record);
    }
    if (err != GB_OK) {
        return err;
    }
    record->hash = hash;
    if (delta->ttl_ms != 0) {
        record->expires_us = now + delta->ttl_ms * 1000;
    }
    *waiting_of(record) = (gb_waiting){.lane = lane, .is_new = is_new};
    if (before != NULL) {
        waiting_replace(map, before, record);
    } else {
        waiting_append(map, record);
    }
    return GB_OK;
}

gb_err gb_map_wait(gb_map *map, gb_lane lane, gb_slice group, gb_slice key, uint8_t type,
                   gb_slice value, uint32_t ttl_ms, gb_time_us now)
{
    GB_ASSERT(map->self != NULL);
    uint32_t hash = gb_lane_key_hash(map->options.hash_seed, group, key);
    gb_record *before = waiting_find(map, lane, hash, group, key);
    bool is_new = before != NULL
                      ? waiting_of(before)->is_new
                      : gb_lane_find(gb_map_lane(map->self, lane), hash, group, key) == NULL;
    /* One that waits has its place already. */
    gb_err err = gb_map_set_check(map, lane, group, key, type, value, is_new && before == NULL);
    if (err != GB_OK) {
        return err;
    }
    gb_delta delta = {.type = type, .ttl_ms = ttl_ms, .group = group, .key = key, .value = value};
    return waiting_put(map, lane, &delta, hash, before, is_new, now);
}

gb_err gb_map_wait_delete(gb_map *map, gb_lane lane, gb_slice group, gb_slice key)
{
    GB_ASSERT(map->self != NULL);
    uint32_t hash = gb_lane_key_hash(map->options.hash_seed, group, key);
    gb_record *before = waiting_find(map, lane, hash, group, key);
    const gb_record *present = gb_lane_find(gb_map_lane(map->self, lane), hash, group, key);
    if (present == NULL || gb_record_is_tombstone(present)) {
        if (before == NULL || gb_record_is_tombstone(before)) {
            return GB_ENOTFOUND;
        }
        waiting_take(map, before); /* nobody ever heard of it */
        return GB_OK;
    }
    if (before != NULL && gb_record_is_tombstone(before)) {
        return GB_ENOTFOUND;
    }
    gb_delta delta = {.type = GB_VALUE_TOMBSTONE, .group = group, .key = key};
    bool is_new = before != NULL && waiting_of(before)->is_new;
    return waiting_put(map, lane, &delta, hash, before, is_new, 0);
}

gb_err gb_map_admit(gb_map *map, gb_time_us now, gb_lane *lane)
{
    gb_record *record = map->waiting.oldest;
    if (record == NULL) {
        return GB_ENOTFOUND;
    }
    *lane = waiting_of(record)->lane;
    uint32_t new_count = map->waiting.new_count;
    gb_err err;
    if (gb_record_is_tombstone(record)) {
        err = gb_map_delete(map, map->self, *lane, gb_record_group(record), gb_record_key(record),
                            now);
        /* It has expired meanwhile, which is a delete too. */
        err = err == GB_ENOTFOUND ? GB_OK : err;
    } else {
        uint64_t left_us = record->expires_us > now ? record->expires_us - now : 0;
        uint32_t ttl_ms = record->ttl_ms == 0 ? 0 : left_us < 1000 ? 1 : (uint32_t)(left_us / 1000);
        /* Its own place is no longer one that is spoken for. */
        map->waiting.new_count -= waiting_of(record)->is_new ? 1 : 0;
        err = gb_map_set(map, map->self, *lane, gb_record_group(record), gb_record_key(record),
                         record->type, gb_record_value(record), ttl_ms, now);
        map->waiting.new_count = new_count;
    }
    if (err != GB_ENOMEM) {
        waiting_take(map, record);
    }
    return err;
}

uint32_t gb_map_waiting_count(const gb_map *map)
{
    return map->waiting.count;
}

uint32_t gb_map_own_key_count(const gb_map *map)
{
    return map->self == NULL ? 0 : map->self->key_count + map->waiting.new_count;
}

gb_record *gb_map_waiting_first(const gb_map *map)
{
    return map->waiting.oldest;
}

gb_lane gb_map_waiting_lane(gb_record *record)
{
    return waiting_of(record)->lane;
}

gb_record *gb_map_waiting_get(const gb_map *map, gb_lane lane, gb_slice group, gb_slice key)
{
    GB_ASSERT(lane < GB_LANE_COUNT);
    uint32_t hash = gb_lane_key_hash(map->options.hash_seed, group, key);
    return waiting_find(map, lane, hash, group, key);
}

/* ---- Readers ------------------------------------------------------------------------------------
 */

gb_record *gb_map_read_waiting(const gb_map *map, gb_lane lane, gb_slice group, gb_slice key)
{
    gb_record *record = gb_map_waiting_get(map, lane, group, key);
    return record == NULL ? NULL : gb_record_ref(record);
}

void gb_map_read_waiting_lane(const gb_map *map, gb_lane lane,
                              bool (*visit)(void *user, gb_record *record), void *user)
{
    GB_ASSERT(lane < GB_LANE_COUNT);
    gb_table_walk walk = gb_table_walk_start(&map->waiting.tables[lane]);
    for (gb_record *record; (record = gb_table_walk_next(&walk)) != NULL;) {
        if (!visit(user, record)) {
            return;
        }
    }
}

/* ---- Self-check ---------------------------------------------------------------------------------
 */

void gb_waiting_check(const gb_map *map)
{
    const gb_waiting_set *set = &map->waiting;
    uint32_t count = 0;
    uint32_t new_count = 0;
    uint64_t byte_count = 0;
    gb_record *previous = NULL;
    for (gb_record *record = set->oldest; record != NULL; record = record->newer) {
        gb_slice group = gb_record_group(record);
        gb_slice key = gb_record_key(record);
        gb_lane lane = waiting_of(record)->lane;
        GB_ASSERT(record->older == previous && record->version == 0);
        GB_ASSERT(record->hash == gb_lane_key_hash(map->options.hash_seed, group, key));
        GB_ASSERT(waiting_find(map, lane, record->hash, group, key) == record);
        new_count += waiting_of(record)->is_new ? 1 : 0;
        byte_count += gb_record_size(record);
        previous = record;
        count++;
    }
    GB_ASSERT(set->newest == previous);
    GB_ASSERT(set->count == count && set->new_count == new_count && set->byte_count == byte_count);
    uint32_t table_count = 0;
    for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
        table_count += set->tables[lane].count;
    }
    GB_ASSERT(table_count == count);
}
