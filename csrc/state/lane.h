/* SPDX-License-Identifier: Apache-2.0 */
/* lane.h: one lane of one participant: its records by key and in version order.
 *
 * Everything here is the owner thread's, except what readers probe: table.root. What most lanes
 * never need stands apart. */
#ifndef GB_STATE_LANE_H
#define GB_STATE_LANE_H

#include "state/map.h"
#include "state/table.h"

#include "platform/heap.h"

/* Places in the version order where selections ended: where the next chunk of a transfer begins.
 * As many transfers of one lane at a time cost nothing to find. */
#define GB_LANE_CURSOR_COUNT 4

typedef struct gb_lane_extra gb_lane_extra;

struct gb_lane_state {
    gb_table table; /* of gb_record; readers probe it */
    gb_participant *participant;
    gb_record *oldest; /* version order: versions grow strictly along ->newer */
    gb_record *newest;
    uint64_t version; /* >= that of `newest`: what came after it was superseded or purged */
    uint64_t floor;   /* <= version, except of a staged lane: tombstones up to it may be missing */
    uint64_t byte_count;
    gb_lane_extra *extra; /* owned; NULL: it never had tombstones, resets or chunks */
    gb_lane lane;
    bool is_staged; /* a reset being received: no reader sees it, counts of the participant don't
                       know it */
};

struct gb_lane_extra {
    gb_lane_state *lane;
    gb_lane_state *staged; /* owned; NULL: none */
    /* Staged alone: no record here has a tombstone of a version in (version, floor_least] anywhere:
     * every source that contributed knew better. Going on is safe from a source whose floor is not
     * above max(version, floor_least). */
    uint64_t floor_least;
    /* Staged alone: the greatest version of the lane that a contributing source had. A source
     * leaves out what it knows a later version of, so below this version keys may be missing here.
     */
    uint64_t version_most;
    uint32_t tombstone_count;
    uint8_t cursor_next;
    gb_record *tombstone_oldest; /* in version order, linked in their trailers */
    gb_record *tombstone_newest;
    gb_heap_node purge_node; /* in the map's heap while there is a tombstone; key: at most since
                                when the oldest is there */
    gb_record *cursors[GB_LANE_CURSOR_COUNT]; /* NULL or linked: the last one that was sent */
};

/* ---- Records: what lane and map need beyond record.h ------------------------------------------
 */

/* Behind the bytes of a tombstone. */
typedef struct gb_tombstone {
    gb_record *newer;
    gb_record *older;
    gb_time_us since_us; /* when it came here */
} gb_tombstone;

/* Behind the bytes of self's records that have a TTL. */
typedef struct gb_expiry {
    gb_heap_node node; /* in the map's heap of the lane, key: expires_us */
    gb_record *record;
} gb_expiry;

/* gb_record_open with `trailer_size` bytes more, undefined, aligned for pointers and numbers. */
gb_err gb_record_open_with(const gb_allocator *allocator, const gb_delta *delta,
                           size_t trailer_size, gb_record **out);
void *gb_record_trailer(gb_record *record);
static inline gb_tombstone *gb_record_tombstone(gb_record *record)
{
    return gb_record_trailer(record);
}
static inline gb_expiry *gb_record_expiry(gb_record *record)
{
    return gb_record_trailer(record);
}
/* Header and bytes, as gb_participant.byte_count counts. */
uint64_t gb_record_size(const gb_record *record);

/* ---- Lanes ----------------------------------------------------------------------------------- */

/* The lane to look at: an empty one where it is not there. Any thread inside a read section. */
const gb_lane_state *gb_map_lane(const gb_participant *participant, gb_lane lane);
/* As gb_map_lane, to change. NULL: it is not there. */
gb_lane_state *gb_map_lane_there(const gb_participant *participant, gb_lane lane);

void gb_lane_init(gb_lane_state *lane, gb_participant *participant, gb_lane number);
/* Make sure that it has an extra. Errors: GB_ENOMEM. */
gb_err gb_lane_extend(gb_lane_state *lane, const gb_allocator *allocator);
/* What an extra says, also of a lane without one. */
static inline gb_lane_state *gb_lane_staged(const gb_lane_state *lane)
{
    return lane->extra == NULL ? NULL : lane->extra->staged;
}
static inline gb_record *gb_lane_tombstone_oldest(const gb_lane_state *lane)
{
    return lane->extra == NULL ? NULL : lane->extra->tombstone_oldest;
}
/* Release records, table and a staged lane at once: nobody may be reading. It must be in no heap.
 */
void gb_lane_deinit(gb_lane_state *lane, const gb_allocator *allocator);

uint32_t gb_lane_hash_of(const void *record);
/* Seeded hash of a key, for tables. */
uint32_t gb_lane_key_hash(uint64_t seed, gb_slice group, gb_slice key);

/* Any thread. NULL: no such key. The tombstone of a key is found as well. */
static inline gb_record *gb_lane_find(const gb_lane_state *lane, uint32_t hash, gb_slice group,
                                      gb_slice key)
{
    gb_table_probe probe = gb_table_probe_start(&lane->table, hash);
    for (gb_record *record; (record = gb_table_probe_next(&probe)) != NULL;) {
        if (record->hash == hash && gb_slice_equal(gb_record_group(record), group) &&
            gb_slice_equal(gb_record_key(record), key)) {
            return record;
        }
    }
    return NULL;
}

/* Publish `record` (takes it) at the tail, its version above all here; the table has room, and
 * where it is a tombstone there is an extra. Returns
 * the record that it displaced: unlinked and unpublished, its reference now the caller's; NULL for
 * a new key. */
gb_record *gb_lane_put(gb_lane_state *lane, gb_record *record);
/* Unpublish and unlink; the reference is the caller's. */
void gb_lane_take(gb_lane_state *lane, gb_record *record);

/* The first record with a version above `from`, NULL if there is none. Costs the distance to the
 * nearest of: head, tail, the cursors. */
gb_record *gb_lane_after(const gb_lane_state *lane, uint64_t from);
/* Remember that a selection ended with `record`, where memory allows. */
void gb_lane_remember(gb_lane_state *lane, const gb_allocator *allocator, gb_record *record);

#endif
