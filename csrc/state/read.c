/* SPDX-License-Identifier: Apache-2.0 */
/* read.c: looking at the map, from its owner's thread and from any other inside a read section.
 *
 * Readers load published pointers (acquire) and write nothing but the reference count of a record
 * that they hand out. The map's own reference of what they can see is given up through reclaim, so
 * the count they raise is above zero as long as their section lasts. */
#include "state/map_state.h"

gb_record *gb_map_get(const gb_participant *participant, gb_lane lane, gb_slice group, gb_slice key)
{
    const gb_lane_state *state = gb_map_lane(participant, lane);
    uint64_t seed = gb_participant_rest_of(participant)->hash_seed;
    return gb_lane_find(state, gb_lane_key_hash(seed, group, key), group, key);
}

static bool record_is_visible(const gb_record *record, bool is_expiry_seen, gb_time_us now)
{
    return !gb_record_is_tombstone(record) && !(is_expiry_seen && record->expires_us <= now);
}

static bool hides_expired(const gb_participant *participant)
{
    return atomic_load_explicit(&participant->is_departed, memory_order_relaxed);
}

gb_err gb_map_read_value(const gb_map *map, gb_slice name, gb_lane lane, gb_slice group,
                         gb_slice key, gb_time_us now, gb_record **out, uint64_t *generation)
{
    const gb_participant *participant = gb_participant_find(map, name);
    if (participant == NULL) {
        return GB_EUNKNOWN_NODE;
    }
    if (generation != NULL) {
        *generation = participant->generation;
    }
    const gb_lane_state *state = gb_map_lane(participant, lane);
    uint32_t hash = gb_lane_key_hash(map->options.hash_seed, group, key);
    gb_record *record = gb_lane_find(state, hash, group, key);
    if (record == NULL || !record_is_visible(record, hides_expired(participant), now)) {
        return GB_ENOTFOUND;
    }
    *out = gb_record_ref(record);
    return GB_OK;
}

gb_err gb_map_read_lane(const gb_map *map, gb_slice name, gb_lane lane, gb_time_us now,
                        bool (*visit)(void *user, gb_record *record), void *user,
                        uint64_t *generation)
{
    const gb_participant *participant = gb_participant_find(map, name);
    if (participant == NULL) {
        return GB_EUNKNOWN_NODE;
    }
    if (generation != NULL) {
        *generation = participant->generation;
    }
    const gb_lane_state *state = gb_map_lane(participant, lane);
    bool is_expiry_seen = hides_expired(participant);
    gb_table_walk walk = gb_table_walk_start(&state->table);
    for (gb_record *record; (record = gb_table_walk_next(&walk)) != NULL;) {
        if (record_is_visible(record, is_expiry_seen, now) && !visit(user, record)) {
            break;
        }
    }
    return GB_OK;
}

void gb_map_read_names(const gb_map *map,
                       bool (*visit)(void *user, const gb_participant *participant), void *user)
{
    gb_table_walk walk = gb_table_walk_start(&map->participants);
    for (const gb_participant *participant; (participant = gb_table_walk_next(&walk)) != NULL;) {
        if (!visit(user, participant)) {
            break;
        }
    }
}
