/* SPDX-License-Identifier: Apache-2.0 */
/* map.h: the cluster map: participants, their lanes, their deltas.
 *
 * One thread, the owner, calls everything here. Beside it, any thread may *read* (functions named
 * gb_map_read_…) inside a read section that the host provides (transport/epoch.h; a test without
 * threads needs none): tables and participants are published through atomic pointers, and what was
 * unpublished goes to `reclaim`, which the host may postpone until no reader can see it.
 *
 * What a version means: to know lane version v of (name, generation) is to hold, for every key, its
 * newest value of version <= v, as far as it was not purged: the scuttlebutt invariant (van Renesse
 * et al., 2008, section 3). docs/ALGORITHM.md has the whole list of invariants; gb_map_check walks
 * the structure and verifies them. */
#ifndef GB_STATE_MAP_H
#define GB_STATE_MAP_H

#include "state/record.h"

typedef struct gb_lane_state gb_lane_state; /* state/lane.h */

/* One life of a node: (name, generation) never change. A greater generation is a new object in the
 * same slot. */
typedef struct gb_participant {
    uint64_t generation;
    uint64_t name_hash;  /* FNV-1a 64 of the name: rings and buckets build on it */
    uint64_t hash;       /* this participant's part of the map hash, kept incrementally */
    uint64_t changed_no; /* value of the map's change counter at the last local change */
    struct gb_participant *changed_newer; /* order of last local change */
    struct gb_participant *changed_older;
    /* All lanes but that of membership (gb_map_lane has it too); NULL: nothing was ever there.
     * Readers load them. */
    _Atomic(gb_lane_state *) data_lanes[GB_LANE_COUNT - 1];
    uint32_t slot;       /* place in the map, 0 … GB_PARTICIPANTS_MAX - 1; reused after removal */
    uint32_t key_count;  /* live keys of all lanes; tombstones count as well until purged */
    uint32_t table_hash; /* of the name, seeded */
    bool is_self;
    _Atomic bool is_departed; /* dead or left: gb_map_set_departed; readers look */
    uint8_t name_size;
    uint8_t name[];
} gb_participant;

static inline gb_slice gb_participant_name(const gb_participant *p)
{
    return (gb_slice){p->name, p->name_size};
}

typedef struct gb_map gb_map;

typedef struct gb_map_options {
    const gb_allocator *allocator;  /* borrowed; NULL: malloc */
    uint32_t participant_count_max; /* 1 … GB_PARTICIPANTS_MAX */
    uint32_t key_count_max;         /* per participant, all lanes */
    uint32_t value_size_max;        /* <= GB_VALUE_SIZE_MAX */
    uint32_t key_size_max;          /* <= GB_KEY_SIZE_MAX */
    uint64_t tombstone_grace_us;
    uint64_t hash_seed; /* for hash tables only (against chosen keys); never visible to peers */
    /* Postponed `release(object)`: call it once no reader can see `object` any more. NULL: called
     * at once. */
    void (*reclaim)(void *user, void (*release)(const gb_allocator *, void *), void *object);
    void *reclaim_user;
    /* Told of each visible change after it was published: `before` and `after` may be NULL (new
     * key / deleted key); tombstones are passed as NULL. Not told while a reset is being staged,
     * but of the differences once it is complete. Borrowed for the call; gb_record_ref to keep. */
    void (*on_change)(void *user, const gb_participant *participant, gb_lane lane,
                      const gb_record *before, const gb_record *after);
    void *on_change_user;
} gb_map_options;

gb_err gb_map_open(const gb_map_options *options, gb_map **out);
void gb_map_close(gb_map *map);
/* Limits and grace can change while it runs; what is over a new limit already stays. */
void gb_map_set_limits(gb_map *map, uint32_t key_count_max, uint32_t value_size_max,
                       uint64_t tombstone_grace_us);

/* ---- Participants ---------------------------------------------------------------------------- */

/* NULL: not known. */
gb_participant *gb_map_find(const gb_map *map, gb_slice name);
/* NULL: nobody in this slot. */
gb_participant *gb_map_at(const gb_map *map, uint32_t slot);
/* Slots in use are all below this. */
uint32_t gb_map_slot_end(const gb_map *map);
uint32_t gb_map_participant_count(const gb_map *map);

/* Errors: GB_ENAME, GB_EPARTICIPANTS (limit), GB_EBUSY (the name is known), GB_ENOMEM. */
gb_err gb_map_add(gb_map *map, gb_slice name, uint64_t generation, gb_participant **out);
/* A later life: the deltas of the old one are gone at once (on_change tells each user, system and
 * config key), the slot stays. `*participant` is replaced.
 * Errors: GB_ESTALE (the generation is not greater), GB_ENOMEM: nothing changed. */
gb_err gb_map_renew(gb_map *map, gb_participant **participant, uint64_t generation);
/* on_change tells its keys as gb_map_renew does. */
void gb_map_remove(gb_map *map, gb_participant *participant);
/* Marks self: its records' TTLs are then ours to delete, and gb_map_set accepts it. It has no keys
 * yet, and nobody else is self: asserted. A renewed self stays self. */
void gb_map_set_self(gb_map *map, gb_participant *participant);
/* Dead or left: its expired TTL keys are hidden from readers. */
void gb_map_set_departed(gb_map *map, gb_participant *participant, bool is_departed);

/* ---- Lanes ----------------------------------------------------------------------------------- */

uint64_t gb_map_version(const gb_participant *participant, gb_lane lane);
uint64_t gb_map_floor(const gb_participant *participant, gb_lane lane);
/* Memory of its records. */
uint64_t gb_map_bytes(const gb_participant *participant);
/* A reset that is being received: what a PULL should state instead of version and floor.
 * false: none. */
bool gb_map_staged(const gb_participant *participant, gb_lane lane, uint64_t *version,
                   uint64_t *floor);
/* Bytes of the entries after `from`; walks at most GB_CHUNK_SIZE worth of them: a measure for
 * "small first". */
uint64_t gb_map_bytes_after(const gb_participant *participant, gb_lane lane, uint64_t from);

/* Deltas after `from`, tombstones included; at most `count_max` are counted. Costs what it counts.
 */
uint32_t gb_map_count_after(const gb_participant *participant, gb_lane lane, uint64_t from,
                            uint32_t count_max);

/* ---- Own writes ------------------------------------------------------------------------------ */

/* Set a key of self. The version given is the lane's next. Setting the same type, value and ttl
 * again gives a new version all the same.
 * Errors: GB_EGROUP, GB_EKEY_SIZE, GB_EVALUE_SIZE, GB_ETYPE, GB_EKEYS, GB_ENOMEM: nothing changed.
 */
gb_err gb_map_set(gb_map *map, gb_participant *self, gb_lane lane, gb_slice group, gb_slice key,
                  uint8_t type, gb_slice value, uint32_t ttl_ms, gb_time_us now);
/* Errors: GB_ENOTFOUND (no such key, or deleted already), GB_ENOMEM: nothing changed. */
gb_err gb_map_delete(gb_map *map, gb_participant *self, gb_lane lane, gb_slice group, gb_slice key,
                     gb_time_us now);
/* Delete self's keys whose time is over, at most `count_max`. `lane_mask` gets the lanes touched.
 * Returns when the next one expires (UINT64_MAX: none). */
gb_time_us gb_map_expire(gb_map *map, gb_time_us now, uint32_t count_max, uint8_t *lane_mask);
/* Purge tombstones (of every participant) older than the grace, at most `count_max`; raises floors.
 * In strides: for a sixteenth of the grace after a purge nothing more is purged, so that floors do
 * not rise all the time under transfers. Returns when to call again (UINT64_MAX: no tombstones). */
gb_time_us gb_map_purge(gb_map *map, gb_time_us now, uint32_t count_max);

/* ---- Own changes that wait for a version (waiting.c) ------------------------------------------
 */

/* Have a change of self wait: one for each key of a lane; the newest wins and keeps the place of
 * the one before. Readers see it from now on (gb_map_read_waiting); lane, version and hash don't
 * know of it. A TTL counts from now. Errors: as gb_map_set; keys that wait count against the limit.
 */
gb_err gb_map_wait(gb_map *map, gb_lane lane, gb_slice group, gb_slice key, uint8_t type,
                   gb_slice value, uint32_t ttl_ms, gb_time_us now);
/* Have a delete wait; a set that waits for a key that its lane does not have just goes.
 * Errors: GB_ENOTFOUND (no such key, or its delete waits already), GB_ENOMEM: nothing changed. */
gb_err gb_map_wait_delete(gb_map *map, gb_lane lane, gb_slice group, gb_slice key);
/* Give the change that has waited longest its version: it is in its lane from now on. `*lane` is
 * set unless nothing waits.
 * Errors: GB_ENOTFOUND (nothing waits), GB_ENOMEM (it goes on waiting); others (a limit that was
 * lowered meanwhile) as gb_map_set: the change is dropped. */
gb_err gb_map_admit(gb_map *map, gb_time_us now, gb_lane *lane);
uint32_t gb_map_waiting_count(const gb_map *map);
/* Keys of self, tombstones and new keys that wait included. */
uint32_t gb_map_own_key_count(const gb_map *map);
/* Owner thread: the change that has waited longest, walk with ->newer; the lane of one; the one of
 * a key. NULL: none. A tombstone stands for a delete. */
gb_record *gb_map_waiting_first(const gb_map *map);
gb_lane gb_map_waiting_lane(gb_record *record);
gb_record *gb_map_waiting_get(const gb_map *map, gb_lane lane, gb_slice group, gb_slice key);
/* Any thread, inside a read section: the change that waits for a key, referenced for the caller; a
 * tombstone says that the key is deleted, so does one that expires_us is over for. NULL: none
 * waits. Look here first and at the lane second: changes go that way. */
gb_record *gb_map_read_waiting(const gb_map *map, gb_lane lane, gb_slice group, gb_slice key);
/* Any thread, inside a read section: calls `visit` for each change that waits in a lane, in no
 * particular order, tombstones included; false stops. */
void gb_map_read_waiting_lane(const gb_map *map, gb_lane lane,
                              bool (*visit)(void *user, gb_record *record), void *user);

/* ---- Receiving ------------------------------------------------------------------------------- */

typedef struct gb_apply_result {
    uint64_t version_before;
    uint64_t version_after;
    uint32_t record_count; /* deltas that changed something (also into a staged reset) */
    bool is_staging;       /* a reset is under way and not yet complete */
} gb_apply_result;

/* Apply a decoded message to a lane of a participant that is not self: first classified, then
 * applied whole.
 *   - GB_DELTAS_RESET clear: applies if from <= version < to; version becomes `to`. The floor is
 *     raised to the message's where version >= floor, and tombstones under it are dropped. A
 * message whose `from` (and our version) is below its floor is refused as a gap unless it is a
 * reset.
 *   - GB_DELTAS_RESET: from == 0 begins a new staged lane (an older staged one is dropped); from ==
 *     staged version goes on; with GB_DELTAS_END, and no source so far that had more, the staged
 *     lane replaces the served one, its floor is adopted, and on_change tells the differences. A
 *     reset whose `to` is not above the served version at its end is dropped: GB_EDUPLICATE. One
 *     whose end says nothing new, though an earlier source had more, is dropped: GB_EGAP.
 *   - What is a gap for the served lane but goes on where the staged one stands goes there, reset
 *     or not: a second source need not know that it serves the rest of a reset. A source that may
 *     have forgotten deletions of staged keys is refused as a gap (apply.c says which).
 *   - A staged reset that normal messages made needless is dropped.
 * Errors (nothing changed but a staged lane that was dropped):
 *   GB_EDUPLICATE  Nothing new in it.
 *   GB_EGAP        Something before it is missing.
 *   GB_EINVAL      The participant is self.
 *   GB_EMALFORMED  An entry without key group: no owner makes one.
 *   GB_EKEYS, GB_EVALUE_SIZE, GB_EKEY_SIZE   over our limits: refused whole.
 *   GB_ENOMEM */
gb_err gb_map_apply(gb_map *map, gb_participant *participant, const gb_deltas *deltas,
                    gb_time_us now, gb_apply_result *result);
/* Forget a half-received reset. */
void gb_map_drop_staged(gb_map *map, gb_participant *participant, gb_lane lane);

/* ---- Sending --------------------------------------------------------------------------------- */

typedef struct gb_selection {
    uint64_t from;      /* in: what the receiver knows; out: where the message really began */
    uint64_t floor;     /* in: the receiver's purge floor (a PULL states it), else 0 */
    uint64_t to;        /* out: what the receiver knows afterwards */
    uint8_t flags;      /* in: GB_DELTAS_PULLED, and GB_DELTAS_RESET to go on with a reset */
                        /* out: the flags of the message */
    uint32_t count_max; /* in: at most so many deltas; 0: as many as fit */
    uint32_t count;     /* out: deltas in it */
} gb_selection;

/* Append one DELTAS frame of at most about `size_max` bytes to `out` with what follows
 * `selection->from` in version order: costs what it sends. Where max(from, floor) is below our
 * floor it becomes a reset from 0, except where the sender goes on with a reset that it began
 * (GB_DELTAS_RESET and from > 0): there the receiver judges, and answers GB_EGAP to what purging
 * made unsafe. GB_DELTAS_END is set when nothing follows. A lane with nothing after `from` gives an
 * empty message with END; where `from` is above our version it begins and ends at our version.
 * To find `from` costs nothing at the head, near the tail and where a recent selection ended.
 * Errors: GB_ENOMEM: nothing was appended. */
gb_err gb_map_select(const gb_map *map, const gb_participant *participant, gb_lane lane,
                     uint32_t index, size_t size_max, gb_selection *selection, gb_out *out);

/* ---- Digests --------------------------------------------------------------------------------- */

/* Incremental hash of all that is known: a sum over participants of a mix of (name, generation,
 * lane, version). Equal maps have equal hashes whatever the order in which they came to be. 0 only
 * for an empty map. Departed participants count until they are removed. */
uint64_t gb_map_hash(const gb_map *map);
uint64_t gb_map_change_no(const gb_map *map);
/* The participant changed last; go on with ->changed_older. */
gb_participant *gb_map_changed_last(const gb_map *map);
static inline uint32_t gb_participant_bucket(const gb_participant *p, uint8_t bits)
{
    return bits == 0 ? 0 : (uint32_t)(p->name_hash * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits));
}
/* Sums of participants' hashes by bucket: 1 << bits numbers into `out`. */
void gb_map_fingerprints(const gb_map *map, uint8_t bits, uint64_t *out);

/* ---- Graves ---------------------------------------------------------------------------------- */

/* Remember that this life is over although it was removed, until `until_us`: third parties can't
 * bring it back. Bounded by twice participant_count_max; the oldest gives way. */
gb_err gb_map_bury(gb_map *map, gb_slice name, uint64_t generation, uint64_t incarnation,
                   gb_time_us until_us);
bool gb_map_grave(const gb_map *map, gb_slice name, uint64_t *generation, uint64_t *incarnation);
void gb_map_open_grave(gb_map *map, gb_slice name);
void gb_map_expire_graves(gb_map *map, gb_time_us now);

/* ---- Reading --------------------------------------------------------------------------------- */

/* The record of a key, tombstones included; NULL: none. Owner thread. */
gb_record *gb_map_get(const gb_participant *participant, gb_lane lane, gb_slice group,
                      gb_slice key);
/* Oldest and newest record of a lane (the served one); walk with ->newer. Owner thread. */
gb_record *gb_map_first(const gb_participant *participant, gb_lane lane);

/* Any thread, inside a read section. A hit is referenced for the caller (gb_record_release);
 * tombstones and hidden keys are GB_ENOTFOUND; an unknown name is GB_EUNKNOWN_NODE. `generation`
 * (may be NULL) gets the owner's generation. `now` judges TTLs of departed participants. */
gb_err gb_map_read_value(const gb_map *map, gb_slice name, gb_lane lane, gb_slice group,
                         gb_slice key, gb_time_us now, gb_record **out, uint64_t *generation);
/* Any thread, inside a read section: calls `visit` for each live record of a lane, in no particular
 * order; `visit` returns false to stop. Records set or deleted meanwhile may or may not be seen.
 * Errors: GB_EUNKNOWN_NODE. */
gb_err gb_map_read_lane(const gb_map *map, gb_slice name, gb_lane lane, gb_time_us now,
                        bool (*visit)(void *user, gb_record *record), void *user,
                        uint64_t *generation);
/* Any thread, inside a read section: each participant (name, generation) once. */
void gb_map_read_names(const gb_map *map,
                       bool (*visit)(void *user, const gb_participant *participant), void *user);

/* ---- Self-check ------------------------------------------------------------------------------ */

/* Walks everything and aborts with a sentence on a broken invariant. For tests, the simulator,
 * fuzz. */
void gb_map_check(const gb_map *map);

#endif
