/* SPDX-License-Identifier: Apache-2.0 */
/* pending.c: the dirty set of own changes. */
#include "transport/pending.h"

#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/hash.h"

#include <string.h>

typedef struct pending_key {
    gb_lane lane;
    gb_slice group;
    gb_slice key;
} pending_key;

static bool change_is(void *user, const void *item, const void *key)
{
    (void)user;
    const gb_pending_change *change = item;
    const pending_key *wanted = key;
    return change->lane == wanted->lane &&
           gb_slice_equal(gb_record_group(change->record), wanted->group) &&
           gb_slice_equal(gb_record_key(change->record), wanted->key);
}

static uint64_t key_hash(const gb_pending *pending, const pending_key *key)
{
    uint64_t hash = gb_hash_bytes(pending->hash_seed, key->group);
    return gb_hash_combine(gb_hash_bytes(hash, key->key), key->lane);
}

static size_t record_size(const gb_record *record)
{
    return (size_t)record->group_size + record->key_size + record->value_size;
}

gb_err gb_pending_init(gb_pending *pending, const gb_allocator *allocator, uint64_t hash_seed,
                       uint32_t count_max, size_t size_max)
{
    memset(pending, 0, sizeof *pending);
    if (pthread_mutex_init(&pending->mutex, NULL) != 0) {
        return GB_ENOMEM;
    }
    pending->allocator = allocator;
    pending->hash_seed = hash_seed;
    pending->count_max = count_max;
    pending->size_max = size_max;
    for (int i = 0; i < 2; i++) {
        gb_hash_map_init(&pending->sets[i].table, allocator, change_is, NULL);
        gb_list_init(&pending->sets[i].order);
    }
    pending->open = &pending->sets[0];
    pending->applying = &pending->sets[1];
    atomic_init(&pending->count, 0);
    return GB_OK;
}

static void change_free(gb_pending *pending, gb_pending_change *change)
{
    gb_record_release(pending->allocator, change->record);
    gb_free(pending->allocator, change);
}

static void set_clear(gb_pending *pending, gb_pending_set *set)
{
    gb_hash_map_clear(&set->table);
    for (gb_list_node *node; (node = gb_list_pop_front(&set->order)) != NULL;) {
        change_free(pending, GB_CONTAINER_OF(node, gb_pending_change, node));
    }
    set->size = 0;
}

void gb_pending_deinit(gb_pending *pending)
{
    /* Behind whoever held it last, in another thread. */
    (void)pthread_mutex_lock(&pending->mutex);
    (void)pthread_mutex_unlock(&pending->mutex);
    for (int i = 0; i < 2; i++) {
        set_clear(pending, &pending->sets[i]);
        gb_hash_map_deinit(&pending->sets[i].table);
    }
    (void)pthread_mutex_destroy(&pending->mutex);
}

/* ---- Any thread ----------------------------------------------------------------------------- */

static gb_err pending_insert(gb_pending *pending, const pending_key *key, uint64_t hash,
                             gb_record *record, bool is_new)
{
    gb_pending_change *change = gb_alloc(pending->allocator, sizeof *change);
    if (change == NULL) {
        return GB_ENOMEM;
    }
    *change =
        (gb_pending_change){.record = record, .hash = hash, .lane = key->lane, .is_new = is_new};
    gb_list_node_init(&change->node);
    gb_err err = gb_hash_map_insert(&pending->open->table, hash, change);
    if (err != GB_OK) {
        gb_free(pending->allocator, change);
        return err;
    }
    gb_list_push_back(&pending->open->order, &change->node);
    pending->open->size += record_size(record);
    pending->new_count += is_new ? 1 : 0;
    atomic_fetch_add(&pending->count, 1);
    return GB_OK;
}

/* The key has a change that waits: replace it; the last one made comes last. */
static void pending_replace(gb_pending *pending, gb_pending_change *change, gb_record *record)
{
    pending->open->size -= record_size(change->record);
    pending->open->size += record_size(record);
    gb_record_release(pending->allocator, change->record);
    change->record = record;
    gb_list_move_back(&pending->open->order, &change->node);
}

static gb_err put_locked(gb_pending *pending, const pending_key *key, gb_record *record,
                         const gb_pending_map *map)
{
    bool is_delete = gb_record_is_tombstone(record);
    uint64_t hash = key_hash(pending, key);
    size_t size = pending->open->size + pending->applying->size + record_size(record);
    gb_pending_change *waiting = gb_hash_map_find(&pending->open->table, hash, key);
    if (waiting != NULL) {
        if (is_delete && gb_record_is_tombstone(waiting->record)) {
            return GB_ENOTFOUND;
        }
        if (size - record_size(waiting->record) > pending->size_max) {
            return GB_EFULL;
        }
        pending_replace(pending, waiting, record);
        return GB_OK;
    }
    gb_pending_change *taken = gb_hash_map_find(&pending->applying->table, hash, key);
    bool is_there = taken != NULL ? !gb_record_is_tombstone(taken->record)
                                  : map->has_key(map->user, key->lane, key->group, key->key);
    if (is_delete && !is_there) {
        return GB_ENOTFOUND;
    }
    /* A tombstone under way still has its place in the map. */
    bool is_new = !is_delete && !is_there && taken == NULL;
    if (is_new && (uint64_t)pending->key_count + pending->new_count >= map->key_count_max) {
        return GB_EKEYS;
    }
    if (atomic_load(&pending->count) >= pending->count_max ||
        (size > pending->size_max && atomic_load(&pending->count) > 0)) {
        return GB_EFULL;
    }
    return pending_insert(pending, key, hash, record, is_new);
}

gb_err gb_pending_put(gb_pending *pending, gb_lane lane, gb_record *record,
                      const gb_pending_map *map)
{
    const pending_key key = {lane, gb_record_group(record), gb_record_key(record)};
    (void)pthread_mutex_lock(&pending->mutex);
    gb_err err = put_locked(pending, &key, record, map);
    (void)pthread_mutex_unlock(&pending->mutex);
    return err;
}

gb_record *gb_pending_find(gb_pending *pending, gb_lane lane, gb_slice group, gb_slice key)
{
    if (atomic_load(&pending->count) == 0) {
        return NULL;
    }
    const pending_key wanted = {lane, group, key};
    uint64_t hash = key_hash(pending, &wanted);
    gb_record *record = NULL;
    (void)pthread_mutex_lock(&pending->mutex);
    gb_pending_change *change = gb_hash_map_find(&pending->open->table, hash, &wanted);
    if (change == NULL) {
        change = gb_hash_map_find(&pending->applying->table, hash, &wanted);
    }
    if (change != NULL) {
        record = gb_record_ref(change->record);
    }
    (void)pthread_mutex_unlock(&pending->mutex);
    return record;
}

static void list_set(const gb_pending *pending, const gb_pending_set *set, gb_lane lane,
                     gb_record **records, size_t *count)
{
    GB_LIST_EACH(node, &set->order)
    {
        gb_pending_change *change = GB_CONTAINER_OF(node, gb_pending_change, node);
        const pending_key key = {change->lane, gb_record_group(change->record),
                                 gb_record_key(change->record)};
        bool is_older = set == pending->applying &&
                        gb_hash_map_find(&pending->open->table, change->hash, &key) != NULL;
        if (change->lane == lane && !is_older) {
            records[*count] = gb_record_ref(change->record);
            (*count)++;
        }
    }
}

gb_err gb_pending_list(gb_pending *pending, gb_lane lane, gb_record ***out, size_t *count)
{
    *out = NULL;
    *count = 0;
    if (atomic_load(&pending->count) == 0) {
        return GB_OK;
    }
    gb_err err = GB_OK;
    (void)pthread_mutex_lock(&pending->mutex);
    size_t room = pending->open->table.count + pending->applying->table.count;
    if (room > 0) {
        gb_record **records = gb_alloc_array(pending->allocator, room, sizeof *records);
        if (records == NULL) {
            err = GB_ENOMEM;
        } else {
            list_set(pending, pending->open, lane, records, count);
            list_set(pending, pending->applying, lane, records, count);
            *out = records;
        }
    }
    (void)pthread_mutex_unlock(&pending->mutex);
    return err;
}

/* ---- The loop ------------------------------------------------------------------------------- */

/* The whole batch is in the map: what others can see of it goes under the lock, the rest after. */
static bool pending_settle(gb_pending *pending)
{
    gb_list done;
    gb_list_init(&done);
    gb_pending_set *set = pending->applying;
    uint32_t new_count = 0;
    uint32_t count = 0;
    GB_LIST_EACH(node, &set->order)
    {
        new_count += GB_CONTAINER_OF(node, gb_pending_change, node)->is_new ? 1 : 0;
        count++;
    }
    if (pthread_mutex_trylock(&pending->mutex) != 0) {
        return false;
    }
    gb_hash_map table = set->table;
    gb_hash_map_init(&set->table, pending->allocator, change_is, NULL);
    done.head.next = set->order.head.next;
    done.head.prev = set->order.head.prev;
    done.head.next->prev = &done.head;
    done.head.prev->next = &done.head;
    gb_list_init(&set->order);
    set->size = 0;
    /* A key counts as new or as the map's, at each moment one of both. */
    pending->new_count -= new_count;
    pending->key_count = pending->key_count_seen;
    atomic_fetch_sub(&pending->count, count);
    (void)pthread_mutex_unlock(&pending->mutex);

    gb_hash_map_deinit(&table);
    for (gb_list_node *node; (node = gb_list_pop_front(&done)) != NULL;) {
        change_free(pending, GB_CONTAINER_OF(node, gb_pending_change, node));
    }
    return true;
}

static bool pending_swap(gb_pending *pending)
{
    if (pthread_mutex_trylock(&pending->mutex) != 0) {
        return false;
    }
    gb_pending_set *open = pending->open;
    pending->open = pending->applying;
    pending->applying = open;
    (void)pthread_mutex_unlock(&pending->mutex);
    return true;
}

void gb_pending_count_keys(gb_pending *pending, uint32_t key_count)
{
    bool is_news = key_count != pending->key_count_seen;
    pending->key_count_seen = key_count;
    if (is_news && gb_list_is_empty(&pending->applying->order) &&
        pthread_mutex_trylock(&pending->mutex) == 0) {
        pending->key_count = key_count;
        (void)pthread_mutex_unlock(&pending->mutex);
    }
}

gb_pending_change *gb_pending_next(gb_pending *pending, bool *is_busy)
{
    *is_busy = false;
    if (pending->next == NULL) {
        if (atomic_load(&pending->count) == 0) {
            return NULL;
        }
        /* A batch that is through, but could not be put away yet. */
        if (!gb_list_is_empty(&pending->applying->order) && !pending_settle(pending)) {
            *is_busy = true;
            return NULL;
        }
        if (atomic_load(&pending->count) == 0) {
            return NULL;
        }
        if (!pending_swap(pending)) {
            *is_busy = true;
            return NULL;
        }
        pending->next = gb_list_first(&pending->applying->order);
        if (pending->next == NULL) {
            return NULL;
        }
    }
    return GB_CONTAINER_OF(pending->next, gb_pending_change, node);
}

void gb_pending_applied(gb_pending *pending)
{
    GB_ASSERT(pending->next != NULL);
    pending->next = gb_list_next(&pending->applying->order, pending->next);
    if (pending->next == NULL) {
        (void)pending_settle(pending);
    }
}
