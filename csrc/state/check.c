/* SPDX-License-Identifier: Apache-2.0 */
/* check.c: the invariants of the cluster map, verified by walking all of it. */
#include "state/map_state.h"

#include "platform/assert.h"
#include "platform/hash.h"

/* Each item once, no more and no fewer, and found where its hash says. */
static void check_table(const gb_table *table, gb_table_hash_fn hash_of)
{
    uintptr_t root = atomic_load_explicit(&table->root, memory_order_acquire);
    gb_table_slots *slots = gb_table_root_slots(root);
    if (slots == NULL) {
        GB_ASSERT(table->count == (root == 0 ? 0 : 1) && table->marker_count == 0);
        return;
    }
    uint32_t count = 0;
    uint32_t marker_count = 0;
    for (uint32_t i = 0; i <= slots->mask; i++) {
        void *item = atomic_load_explicit(&slots->items[i], memory_order_acquire);
        if (item == (void *)gb_table_marker) {
            marker_count++;
        } else if (item != NULL) {
            count++;
            gb_table_probe probe = gb_table_probe_start(table, hash_of(item));
            void *found;
            do {
                found = gb_table_probe_next(&probe);
                GB_ASSERT(found != NULL);
            } while (found != item);
        }
    }
    GB_ASSERT(count == table->count && marker_count == table->marker_count);
    GB_ASSERT(count + marker_count <= slots->mask);
}

static void check_tombstones(const gb_lane_state *lane)
{
    const gb_lane_extra *extra = lane->extra;
    if (extra == NULL) {
        return;
    }
    uint32_t count = 0;
    gb_record *previous = NULL;
    for (gb_record *record = extra->tombstone_oldest; record != NULL;
         record = gb_record_tombstone(record)->newer) {
        const gb_tombstone *tombstone = gb_record_tombstone(record);
        GB_ASSERT(gb_record_is_tombstone(record));
        GB_ASSERT(tombstone->older == previous);
        GB_ASSERT(lane->is_staged || record->version > lane->floor);
        if (previous != NULL) {
            GB_ASSERT(previous->version < record->version);
            GB_ASSERT(gb_record_tombstone(previous)->since_us <= tombstone->since_us);
        }
        previous = record;
        count++;
    }
    GB_ASSERT(extra->lane == lane);
    GB_ASSERT(extra->tombstone_newest == previous && extra->tombstone_count == count);
    if (lane->is_staged) {
        GB_ASSERT(!gb_heap_node_is_linked(&extra->purge_node));
        return;
    }
    GB_ASSERT(gb_heap_node_is_linked(&extra->purge_node) == (count > 0));
    if (count > 0) {
        GB_ASSERT(extra->purge_node.key <= gb_record_tombstone(extra->tombstone_oldest)->since_us);
    }
}

static void check_cursors(const gb_lane_state *lane)
{
    for (size_t i = 0; lane->extra != NULL && i < GB_LANE_CURSOR_COUNT; i++) {
        const gb_record *cursor = lane->extra->cursors[i];
        if (cursor != NULL) {
            GB_ASSERT(gb_lane_find(lane, cursor->hash, gb_record_group(cursor),
                                   gb_record_key(cursor)) == cursor);
        }
    }
}

static void check_lane(const gb_map *map, const gb_lane_state *lane, uint32_t *expiry_count)
{
    uint64_t byte_count = 0;
    uint32_t count = 0;
    uint32_t tombstone_count = 0;
    gb_record *previous = NULL;
    for (gb_record *record = lane->oldest; record != NULL; record = record->newer) {
        gb_slice group = gb_record_group(record);
        gb_slice key = gb_record_key(record);
        GB_ASSERT(record->older == previous);
        GB_ASSERT(record->version > (previous == NULL ? 0 : previous->version));
        GB_ASSERT(record->version <= lane->version);
        GB_ASSERT(atomic_load_explicit(&record->refs, memory_order_relaxed) >= 1);
        GB_ASSERT(record->hash == gb_lane_key_hash(map->options.hash_seed, group, key));
        GB_ASSERT(gb_lane_find(lane, record->hash, group, key) == record);
        if (gb_record_is_tombstone(record)) {
            GB_ASSERT(record->value_size == 0 && record->ttl_ms == 0 &&
                      record->expires_us == UINT64_MAX);
            tombstone_count++;
        } else {
            GB_ASSERT((record->ttl_ms == 0) == (record->expires_us == UINT64_MAX));
            if (lane->participant->is_self && record->ttl_ms != 0) {
                const gb_expiry *timer = gb_record_expiry(record);
                GB_ASSERT(timer->record == record && timer->node.key == record->expires_us);
                GB_ASSERT(map->expiry[lane->lane].nodes[timer->node.index] == &timer->node);
                ++*expiry_count;
            }
        }
        byte_count += gb_record_size(record);
        previous = record;
        count++;
    }
    GB_ASSERT(lane->newest == previous);
    GB_ASSERT(lane->table.count == count && lane->byte_count == byte_count);
    GB_ASSERT(tombstone_count == (lane->extra == NULL ? 0 : lane->extra->tombstone_count));
    check_table(&lane->table, gb_lane_hash_of);
    check_tombstones(lane);
    check_cursors(lane);
}

static void check_lanes(const gb_map *map, const gb_participant *participant)
{
    uint64_t key_count = 0;
    for (gb_lane number = 0; number < GB_LANE_COUNT; number++) {
        const gb_lane_state *lane = gb_map_lane_there(participant, number);
        if (lane == NULL) {
            GB_ASSERT(!participant->is_self || map->expiry[number].count == 0);
            continue;
        }
        const gb_lane_state *staged = gb_lane_staged(lane);
        uint32_t expiry_count = 0;
        GB_ASSERT(lane->participant == participant && lane->lane == number && !lane->is_staged);
        GB_ASSERT(lane->floor <= lane->version);
        check_lane(map, lane, &expiry_count);
        key_count += lane->table.count;
        if (participant->is_self) {
            GB_ASSERT(map->expiry[number].count == expiry_count);
            GB_ASSERT(staged == NULL);
        }
        if (staged != NULL) {
            GB_ASSERT(staged->is_staged && staged->participant == participant);
            GB_ASSERT(gb_lane_staged(staged) == NULL && staged->version > 0);
            GB_ASSERT(staged->extra->floor_least <= staged->floor);
            GB_ASSERT(staged->extra->version_most >= staged->version);
            check_lane(map, staged, &expiry_count);
        }
    }
    GB_ASSERT(participant->key_count == key_count);
}

static void check_changed_order(const gb_map *map)
{
    uint32_t count = 0;
    const gb_participant *previous = NULL;
    for (const gb_participant *p = map->changed_newest; p != NULL; p = p->changed_older) {
        GB_ASSERT(p->changed_newer == previous);
        GB_ASSERT(p->changed_no < (previous == NULL ? UINT64_MAX : previous->changed_no));
        GB_ASSERT(p->changed_no <= map->change_no);
        GB_ASSERT(map->slots[p->slot] == p);
        previous = p;
        count++;
    }
    GB_ASSERT(map->changed_oldest == previous);
    GB_ASSERT(count == map->participants.count);
}

void gb_map_check(const gb_map *map)
{
    uint64_t hash = 0;
    uint32_t count = 0;
    size_t purge_count = 0;
    for (uint32_t slot = 0; slot < map->slot_end; slot++) {
        const gb_participant *participant = map->slots[slot];
        if (participant == NULL) {
            GB_ASSERT(slot >= map->slot_free);
            continue;
        }
        gb_slice name = gb_participant_name(participant);
        GB_ASSERT(participant->slot == slot);
        GB_ASSERT(gb_participant_find(map, name) == participant);
        GB_ASSERT(participant->name_hash == gb_fnv1a(GB_FNV1A_BASIS, name));
        GB_ASSERT(participant->is_self == (map->self == participant));
        GB_ASSERT(participant->hash == gb_participant_hash(participant));
        check_lanes(map, participant);
        for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
            purge_count += gb_lane_tombstone_oldest(gb_map_lane(participant, lane)) != NULL ? 1 : 0;
        }
        hash += participant->hash;
        count++;
    }
    GB_ASSERT(map->slot_end == 0 || map->slots[map->slot_end - 1] != NULL);
    GB_ASSERT(count == map->participants.count);
    GB_ASSERT(count <= map->options.participant_count_max);
    GB_ASSERT(hash == map->hash);
    GB_ASSERT(purge_count == map->purge.count);
    check_table(&map->participants, gb_participant_table_hash_of);
    check_changed_order(map);
    gb_waiting_check(map);
    gb_map_graves_check(map);
    for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
        GB_ASSERT(map->self != NULL || map->expiry[lane].count == 0);
    }
}
