/* SPDX-License-Identifier: Apache-2.0 */
/* participant.c: participants as objects, and their coming and going in the map. */
#include "state/map_state.h"

#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/hash.h"
#include "platform/limits.h"
#include "platform/utf8.h"

#include <string.h>

_Static_assert(GB_NAME_SIZE_MAX <= UINT8_MAX, "the size of a name fits its field");

static uint32_t name_table_hash(const gb_map *map, gb_slice name)
{
    return (uint32_t)gb_hash_mix(gb_hash_bytes(map->options.hash_seed, name));
}

gb_err gb_participant_open(const gb_map *map, gb_slice name, uint64_t generation,
                           gb_participant **out)
{
    /* Names begin where padding would. */
    size_t size = offsetof(gb_participant, name) + name.len;
    size = size < sizeof(gb_participant) ? sizeof(gb_participant) : size;
    gb_participant_rest *rest = gb_alloc_zeroed(map->options.allocator, sizeof *rest + size);
    if (rest == NULL) {
        return GB_ENOMEM;
    }
    gb_participant *participant = (gb_participant *)(void *)(rest + 1);
    participant->generation = generation;
    participant->name_hash = gb_fnv1a(GB_FNV1A_BASIS, name);
    participant->name_size = (uint8_t)name.len;
    memcpy(participant->name, name.base, name.len);
    rest->hash_seed = map->options.hash_seed;
    participant->table_hash = name_table_hash(map, name);
    gb_lane_init(&rest->membership, participant, GB_LANE_MEMBERSHIP);
    *out = participant;
    return GB_OK;
}

void gb_participant_free(const gb_allocator *allocator, void *object)
{
    gb_participant *participant = object;
    for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
        gb_lane_state *state = gb_map_lane_there(participant, lane);
        if (state != NULL) {
            gb_lane_deinit(state, allocator);
        }
        if (lane != GB_LANE_MEMBERSHIP) {
            gb_free(allocator, state);
        }
    }
    gb_free(allocator, gb_participant_rest_of(participant));
}

uint32_t gb_participant_table_hash_of(const void *participant)
{
    return ((const gb_participant *)participant)->table_hash;
}

gb_participant *gb_participant_find(const gb_map *map, gb_slice name)
{
    gb_table_probe probe = gb_table_probe_start(&map->participants, name_table_hash(map, name));
    for (gb_participant *participant; (participant = gb_table_probe_next(&probe)) != NULL;) {
        if (gb_slice_equal(gb_participant_name(participant), name)) {
            return participant;
        }
    }
    return NULL;
}

/* ---- In the map ------------------------------------------------------------------------------ */

gb_participant *gb_map_find(const gb_map *map, gb_slice name)
{
    return gb_participant_find(map, name);
}

gb_participant *gb_map_at(const gb_map *map, uint32_t slot)
{
    return slot < map->slot_end ? map->slots[slot] : NULL;
}

uint32_t gb_map_slot_end(const gb_map *map)
{
    return map->slot_end;
}

uint32_t gb_map_participant_count(const gb_map *map)
{
    return map->participants.count;
}

/* The lowest free slot, with room for it in the array. */
static gb_err slot_reserve(gb_map *map, uint32_t *out)
{
    uint32_t slot = map->slot_free;
    while (slot < map->slot_end && map->slots[slot] != NULL) {
        slot++;
    }
    map->slot_free = slot;
    if (slot == map->slot_capacity) {
        uint32_t capacity = map->slot_capacity == 0 ? 8 : map->slot_capacity * 2;
        gb_participant **slots =
            gb_realloc_array(map->options.allocator, map->slots, capacity, sizeof *slots);
        if (slots == NULL) {
            return GB_ENOMEM;
        }
        map->slots = slots;
        map->slot_capacity = capacity;
    }
    *out = slot;
    return GB_OK;
}

gb_err gb_map_add(gb_map *map, gb_slice name, uint64_t generation, gb_participant **out)
{
    gb_err err = gb_name_validate(name);
    if (err != GB_OK) {
        return err;
    }
    if (gb_participant_find(map, name) != NULL) {
        return GB_EBUSY;
    }
    if (map->participants.count >= map->options.participant_count_max) {
        return GB_EPARTICIPANTS;
    }
    uint32_t slot;
    err = slot_reserve(map, &slot);
    if (err != GB_OK) {
        return err;
    }
    err = gb_table_reserve(&map->participants, map->options.allocator, 1,
                           gb_participant_table_hash_of, gb_map_table_retire(map));
    if (err != GB_OK) {
        return err;
    }
    gb_participant *participant;
    err = gb_participant_open(map, name, generation, &participant);
    if (err != GB_OK) {
        return err;
    }
    participant->slot = slot;
    map->slots[slot] = participant;
    map->slot_end = slot == map->slot_end ? slot + 1 : map->slot_end;
    map->slot_free = slot + 1;
    gb_table_insert(&map->participants, gb_participant_table_hash_of(participant), participant);
    gb_map_touch(map, participant);
    *out = participant;
    return GB_OK;
}

/* Out of what the map keeps beside tables and slots: heaps, order, hash. */
static void participant_detach(gb_map *map, gb_participant *participant)
{
    for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
        gb_lane_state *state = gb_map_lane_there(participant, lane);
        if (state != NULL && state->extra != NULL) {
            gb_heap_remove(&map->purge, &state->extra->purge_node);
        }
        if (!participant->is_self) {
            continue;
        }
        while (gb_heap_min(&map->expiry[lane]) != NULL) {
            gb_heap_remove(&map->expiry[lane], gb_heap_min(&map->expiry[lane]));
        }
    }
    gb_map_untouch(map, participant);
}

/* All that `gone` held has left the map; `told` stands for it in on_change. What the membership
 * lane said is the engine's own matter, which knows that this life is over. */
static void tell_gone(const gb_map *map, const gb_participant *gone, const gb_participant *told)
{
    for (gb_lane lane = GB_LANE_CONFIG; lane < GB_LANE_COUNT; lane++) {
        for (gb_record *record = gb_map_first(gone, lane); record != NULL; record = record->newer) {
            gb_map_tell(map, told, lane, record, NULL);
        }
    }
}

gb_err gb_map_renew(gb_map *map, gb_participant **participant, uint64_t generation)
{
    gb_participant *old = *participant;
    if (generation <= old->generation) {
        return GB_ESTALE;
    }
    gb_participant *renewed;
    gb_err err = gb_participant_open(map, gb_participant_name(old), generation, &renewed);
    if (err != GB_OK) {
        return err;
    }
    renewed->slot = old->slot;
    participant_detach(map, old);
    if (old->is_self) {
        renewed->is_self = true;
        map->self = renewed;
    }
    map->slots[old->slot] = renewed;
    gb_table_replace(&map->participants, gb_participant_table_hash_of(old), old, renewed);
    gb_map_touch(map, renewed);
    *participant = renewed;
    tell_gone(map, old, renewed);
    gb_map_retire(map, gb_participant_free, old);
    return GB_OK;
}

void gb_map_remove(gb_map *map, gb_participant *participant)
{
    participant_detach(map, participant);
    if (map->self == participant) {
        map->self = NULL;
    }
    uint32_t slot = participant->slot;
    map->slots[slot] = NULL;
    map->slot_free = slot < map->slot_free ? slot : map->slot_free;
    while (map->slot_end > 0 && map->slots[map->slot_end - 1] == NULL) {
        map->slot_end--;
    }
    map->slot_free = map->slot_free < map->slot_end ? map->slot_free : map->slot_end;
    gb_table_remove(&map->participants, gb_participant_table_hash_of(participant), participant);
    gb_table_shrink(&map->participants, map->options.allocator, gb_participant_table_hash_of,
                    gb_map_table_retire(map));
    tell_gone(map, participant, participant);
    gb_map_retire(map, gb_participant_free, participant);
}

void gb_map_set_self(gb_map *map, gb_participant *participant)
{
    if (map->self == participant) {
        return;
    }
    /* Records that came from others have no place for a timer of ours: see gb_expiry. */
    GB_ASSERT(map->self == NULL && participant->key_count == 0);
    map->self = participant;
    participant->is_self = true;
    for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
        gb_map_drop_staged(map, participant, lane);
    }
}

void gb_map_set_departed(gb_map *map, gb_participant *participant, bool is_departed)
{
    (void)map;
    atomic_store_explicit(&participant->is_departed, is_departed, memory_order_relaxed);
}
