/* SPDX-License-Identifier: Apache-2.0 */
/* pending.h: own changes that wait for the loop: one per (lane, group, key), the newest wins.
 *
 * Any thread puts changes in and finds them; the loop takes all of them at once by swapping two
 * tables, which it only tries: it never waits. Those that it took stay visible until the whole
 * batch is in the map, so that a reader who looks here first and at the map second misses nothing.
 */
#ifndef GB_TRANSPORT_PENDING_H
#define GB_TRANSPORT_PENDING_H

#include "platform/hash_map.h"
#include "platform/list.h"
#include "state/record.h"

#include <pthread.h>

/* A change: a record, or a tombstone that stands for a delete. */
typedef struct gb_pending_change {
    gb_list_node node;
    gb_record *record;
    uint64_t hash;
    gb_lane lane;
    bool is_new; /* counted as one key more */
} gb_pending_change;

typedef struct gb_pending_set {
    gb_hash_map table;
    gb_list order; /* the order in which they were made */
    size_t size;   /* bytes of keys and values */
} gb_pending_set;

typedef struct gb_pending {
    const gb_allocator *allocator;
    uint64_t hash_seed;
    uint32_t count_max;
    size_t size_max;
    pthread_mutex_t mutex;
    gb_pending_set sets[2];
    gb_pending_set *open;     /* under the mutex: what threads put into */
    gb_pending_set *applying; /* under the mutex for others; the loop walks it without */
    uint32_t new_count;       /* under the mutex: keys that the map does not have */
    uint32_t key_count;       /* under the mutex: keys that it has, all batches put away included */
    uint32_t key_count_seen;  /* the loop's: as of now */
    gb_list_node *next;       /* the loop's place in `applying` */
    _Atomic uint32_t count;   /* all that wait; 0 spares readers the lock */
} gb_pending;

/* Borrows `allocator`, thread-safe. Errors: GB_ENOMEM. */
gb_err gb_pending_init(gb_pending *pending, const gb_allocator *allocator, uint64_t hash_seed,
                       uint32_t count_max, size_t size_max);
void gb_pending_deinit(gb_pending *pending);

/* What the map says of an own key (called under the mutex), and the limit on their number. */
typedef struct gb_pending_map {
    bool (*has_key)(void *user, gb_lane lane, gb_slice group, gb_slice key);
    void *user;
    uint32_t key_count_max;
} gb_pending_map;

/* Any thread. Takes `record` on success: a set, or a tombstone for a delete.
 * Errors: GB_EKEYS, GB_EFULL, GB_ENOTFOUND (delete of what is not there), GB_ENOMEM: unchanged. */
gb_err gb_pending_put(gb_pending *pending, gb_lane lane, gb_record *record,
                      const gb_pending_map *map);
/* Any thread: the change that waits for a key, referenced for the caller; NULL: none waits. */
gb_record *gb_pending_find(gb_pending *pending, gb_lane lane, gb_slice group, gb_slice key);
/* Any thread: all changes of a lane, the newest per key, referenced, in a new array of the
 * allocator. `*out` is NULL where there are none. Errors: GB_ENOMEM. */
gb_err gb_pending_list(gb_pending *pending, gb_lane lane, gb_record ***out, size_t *count);

/* The loop: the next change to apply, NULL: none, or somebody holds the lock at this moment
 * (`*is_busy`). Lent until gb_pending_applied. */
gb_pending_change *gb_pending_next(gb_pending *pending, bool *is_busy);
/* The loop: the map holds so many own keys now. Before gb_pending_applied, and now and then: keys
 * also go by themselves. */
void gb_pending_count_keys(gb_pending *pending, uint32_t key_count);
/* The loop: go on to the one after. */
void gb_pending_applied(gb_pending *pending);

#endif
