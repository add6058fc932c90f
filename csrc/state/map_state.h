/* SPDX-License-Identifier: Apache-2.0 */
/* map_state.h: the inside of gb_map, for the files of this layer alone. */
#ifndef GB_STATE_MAP_STATE_H
#define GB_STATE_MAP_STATE_H

#include "state/lane.h"
#include "state/map.h"

#include "platform/limits.h"
#include "platform/hash_map.h"
#include "platform/heap.h"
#include "platform/list.h"

/* Own changes that wait for their version (waiting.c). */
typedef struct gb_waiting_set {
    gb_table tables[GB_LANE_COUNT]; /* of gb_record; readers probe them */
    gb_record *oldest;              /* in the order in which their keys began to wait */
    gb_record *newest;
    uint32_t count;
    uint32_t new_count; /* keys that their lanes don't have */
    uint64_t byte_count;
} gb_waiting_set;

struct gb_map {
    gb_map_options options; /* `allocator` is never NULL here */
    gb_table participants;  /* of gb_participant, by seeded hash of the name; readers probe it */
    gb_participant **slots; /* by slot; NULL: nobody there */
    uint32_t slot_end;
    uint32_t slot_capacity;
    uint32_t slot_free; /* no slot below it is free */
    gb_participant *self;
    gb_participant *changed_newest;
    gb_participant *changed_oldest;
    uint64_t change_no;
    uint64_t hash;                 /* sum of the participants' */
    gb_time_us purge_after_us;     /* no floor is raised by purging before it */
    gb_heap purge;                 /* lanes that have tombstones, by when the oldest came */
    gb_heap expiry[GB_LANE_COUNT]; /* self's records that have a TTL */
    gb_waiting_set waiting;
    gb_hash_map graves;
    gb_list grave_order; /* by the end of their time */
};

/* What a participant's allocation holds before it: the lane that everybody has. */
typedef struct gb_participant_rest {
    gb_lane_state membership;
    uint64_t hash_seed; /* the map's */
} gb_participant_rest;

_Static_assert(sizeof(gb_participant_rest) % _Alignof(gb_participant) == 0,
               "a participant follows its rest");

static inline gb_participant_rest *gb_participant_rest_of(const gb_participant *participant)
{
    return (gb_participant_rest *)(uintptr_t)participant - 1;
}

_Static_assert(sizeof(gb_participant_rest) + sizeof(gb_participant) <= 184,
               "a simulation holds millions of them");

/* The lane to change, made where it was not there. Errors: GB_ENOMEM. */
gb_err gb_map_lane_open(gb_map *map, gb_participant *participant, gb_lane lane,
                        gb_lane_state **out);

/* Hosts may set limits for data; the membership lane is the cluster's own and keeps the greatest: a
 * small limit must not silence who is alive or accused. */
static inline uint32_t gb_map_value_size_max(const gb_map *map, gb_lane lane)
{
    return lane == GB_LANE_MEMBERSHIP ? (uint32_t)GB_VALUE_SIZE_MAX : map->options.value_size_max;
}
/* Keys that count against the limit of a lane: those of data together, those of membership apart.
 * Else copies that hear of membership first would refuse what its owner was allowed to set. */
static inline uint64_t gb_map_keys_counted(const gb_participant *participant, gb_lane lane)
{
    uint32_t membership = gb_participant_rest_of(participant)->membership.table.count;
    return lane == GB_LANE_MEMBERSHIP ? membership : participant->key_count - membership;
}
static inline uint64_t gb_map_key_count_max(const gb_map *map, gb_lane lane)
{
    return (uint64_t)map->options.key_count_max +
           (lane == GB_LANE_MEMBERSHIP ? GB_PARTICIPANTS_MAX : 0);
}

/* ---- Participants (participant.c) -------------------------------------------------------------
 */

gb_err gb_participant_open(const gb_map *map, gb_slice name, uint64_t generation,
                           gb_participant **out);
/* Frees it with lanes and records. The type is that of gb_map_options.reclaim. */
void gb_participant_free(const gb_allocator *allocator, void *participant);
uint32_t gb_participant_table_hash_of(const void *participant);
/* Any thread inside a read section. NULL: not known. */
gb_participant *gb_participant_find(const gb_map *map, gb_slice name);

/* ---- Publishing and giving up -----------------------------------------------------------------
 */

/* Hand over to the host's reclaim, or release at once without one. */
void gb_map_retire(const gb_map *map, void (*release)(const gb_allocator *, void *), void *object);
/* The map's reference of an unpublished record; NULL is allowed. */
void gb_map_retire_record(const gb_map *map, gb_record *record);
gb_table_retire gb_map_table_retire(const gb_map *map);
/* on_change, with tombstones as NULL and nothing told where nothing visible changed. */
void gb_map_tell(const gb_map *map, const gb_participant *participant, gb_lane lane,
                 const gb_record *before, const gb_record *after);

/* Room for `key_count` new keys in `lane`, and `with_tombstones` for those and the lane's node in
 * the heap of purging.
 * Errors: GB_ENOMEM: nothing visible changed. */
gb_err gb_map_reserve(gb_map *map, gb_lane_state *lane, uint32_t key_count, bool with_tombstones);

/* What gb_map_set refuses of a key of self; `is_new`: one key more. */
gb_err gb_map_set_check(const gb_map *map, gb_lane lane, gb_slice group, gb_slice key, uint8_t type,
                        gb_slice value, bool is_new);

/* ---- Waiting (waiting.c) ----------------------------------------------------------------------
 */

void gb_waiting_init(gb_waiting_set *set);
void gb_waiting_deinit(gb_waiting_set *set, const gb_allocator *allocator);
void gb_waiting_check(const gb_map *map);

/* ---- Digests (digest_select.c) ----------------------------------------------------------------
 */

uint64_t gb_participant_hash(const gb_participant *participant);
/* After any change of its versions: it is the one changed last, and the map hash follows. */
void gb_map_touch(gb_map *map, gb_participant *participant);
/* Out of order and hash. */
void gb_map_untouch(gb_map *map, gb_participant *participant);

/* ---- Tombstones (tombstone.c) -----------------------------------------------------------------
 */

/* Keep the heap of purging in step after tombstones of a served lane came or went; room for the
 * node is there. */
void gb_map_purge_update(gb_map *map, gb_lane_state *lane);
/* Raise the floor; tombstones up to it go. `floor` <= version. */
void gb_map_raise_floor(gb_map *map, gb_lane_state *lane, uint64_t floor);

/* ---- Graves (grave.c) -------------------------------------------------------------------------
 */

void gb_map_graves_init(gb_map *map);
void gb_map_graves_deinit(gb_map *map);
void gb_map_graves_check(const gb_map *map);

#endif
