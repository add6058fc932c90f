/* SPDX-License-Identifier: Apache-2.0 */
/* node_read.c: what threads of the host read, without the loop. */
#include "transport/node_impl.h"

#include "platform/alloc.h"
#include "platform/hash.h"
#include "state/map.h"

#include <string.h>

uint16_t gb_node_port(const gb_node *node)
{
    return node->port;
}

uint16_t gb_node_client_port(const gb_node *node)
{
    return node->client_port;
}

uint64_t gb_node_generation(const gb_node *node)
{
    return atomic_load(&node->generation);
}

gb_slice gb_node_name(const gb_node *node)
{
    return gb_slice_make(node->name, node->name_size);
}

gb_slice gb_node_cluster(const gb_node *node)
{
    return gb_slice_make(node->cluster, node->cluster_size);
}

/* ---- Records
 * ------------------------------------------------------------------------------------- */

void gb_record_view(const gb_record *record, gb_delta *out)
{
    *out = (gb_delta){
        .version = record->version,
        .type = record->type,
        .ttl_ms = record->ttl_ms,
        .group = gb_record_group(record),
        .key = gb_record_key(record),
        .value = gb_record_value(record),
    };
}

void gb_node_record_release(gb_node *node, gb_record *record)
{
    gb_record_release(node->allocator, record);
}

static bool name_is_own(const gb_node *node, gb_slice name)
{
    return gb_slice_equal(name, gb_slice_make(node->name, node->name_size));
}

/* First what waits for the loop, then what waits for its version, then the map: changes go that
 * way, and one that moves on meanwhile is seen twice rather than not at all. */
gb_record *gb_node_find_waiting(gb_node *node, gb_lane lane, gb_slice group, gb_slice key)
{
    gb_record *record = gb_pending_find(&node->pending, lane, group, key);
    if (record == NULL) {
        _Atomic uint32_t *section = gb_epoch_enter(&node->epoch);
        record = gb_map_read_waiting(node->map, lane, group, key);
        gb_epoch_exit(section);
    }
    return record;
}

/* A delete, or a set whose time was over before it had a version. */
static bool waiting_is_gone(const gb_record *record)
{
    return gb_record_is_tombstone(record) || record->expires_us <= gb_now();
}

gb_err gb_node_get(gb_node *node, gb_slice name, gb_lane lane, gb_slice group, gb_slice key,
                   gb_record **out, uint64_t *generation)
{
    if (lane >= GB_LANE_COUNT) {
        return GB_ENOTFOUND;
    }
    if (name_is_own(node, name)) {
        gb_record *record = gb_node_find_waiting(node, lane, group, key);
        if (record != NULL && waiting_is_gone(record)) {
            gb_record_release(node->allocator, record);
            return GB_ENOTFOUND;
        }
        if (record != NULL) {
            *out = record;
            if (generation != NULL) {
                *generation = atomic_load(&node->generation);
            }
            return GB_OK;
        }
    }
    _Atomic uint32_t *section = gb_epoch_enter(&node->epoch);
    gb_err err = gb_map_read_value(node->map, name, lane, group, key, gb_now(), out, generation);
    gb_epoch_exit(section);
    return err;
}

/* ---- Lists
 * --------------------------------------------------------------------------------------- */

/* Records of a lane, referenced: visitors run outside the read section, as slowly as they like. */
typedef struct record_list {
    const gb_allocator *allocator;
    gb_record **records;
    size_t count;
    size_t capacity;
    gb_err err;
    gb_hash_map overlay; /* own changes that wait: they hide what the map has */
} record_list;

typedef struct record_key {
    gb_slice group;
    gb_slice key;
} record_key;

static bool record_is(void *user, const void *item, const void *key)
{
    (void)user;
    const record_key *wanted = key;
    return gb_slice_equal(gb_record_group(item), wanted->group) &&
           gb_slice_equal(gb_record_key(item), wanted->key);
}

static uint64_t record_key_hash(const gb_record *record)
{
    return gb_hash_combine(gb_hash_bytes(3, gb_record_group(record)),
                           gb_hash_bytes(5, gb_record_key(record)));
}

static bool collect(void *user, gb_record *record)
{
    record_list *list = user;
    if (list->overlay.count > 0) {
        const record_key key = {gb_record_group(record), gb_record_key(record)};
        if (gb_hash_map_find(&list->overlay, record_key_hash(record), &key) != NULL) {
            return true;
        }
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        gb_record **records =
            gb_realloc_array(list->allocator, list->records, capacity, sizeof *records);
        if (records == NULL) {
            list->err = GB_ENOMEM;
            return false;
        }
        list->records = records;
        list->capacity = capacity;
    }
    list->records[list->count] = gb_record_ref(record);
    list->count++;
    return true;
}

/* Those from `begin` on hide what is collected later. */
static gb_err overlay_from(record_list *list, size_t begin)
{
    gb_err err = list->err;
    for (size_t i = begin; i < list->count && err == GB_OK; i++) {
        err =
            gb_hash_map_insert(&list->overlay, record_key_hash(list->records[i]), list->records[i]);
    }
    return err;
}

/* The own changes that wait, as the beginning of the list: those for the loop, then those for their
 * version. */
static gb_err collect_waiting(gb_node *node, gb_lane lane, record_list *list)
{
    gb_err err = gb_pending_list(&node->pending, lane, &list->records, &list->count);
    list->capacity = list->count;
    if (err == GB_OK) {
        err = overlay_from(list, 0);
    }
    if (err == GB_OK) {
        size_t begin = list->count;
        _Atomic uint32_t *section = gb_epoch_enter(&node->epoch);
        gb_map_read_waiting_lane(node->map, lane, collect, list);
        gb_epoch_exit(section);
        err = overlay_from(list, begin);
    }
    return err;
}

gb_err gb_node_list(gb_node *node, gb_slice name, gb_lane lane,
                    bool (*visit)(void *user, const gb_record *record), void *user,
                    uint64_t *generation)
{
    if (lane >= GB_LANE_COUNT) {
        return GB_EINVAL;
    }
    record_list list = {.allocator = node->allocator};
    gb_hash_map_init(&list.overlay, node->allocator, record_is, NULL);
    gb_err err = name_is_own(node, name) ? collect_waiting(node, lane, &list) : GB_OK;
    size_t waiting_count = list.count;
    if (err == GB_OK) {
        _Atomic uint32_t *section = gb_epoch_enter(&node->epoch);
        err = gb_map_read_lane(node->map, name, lane, gb_now(), collect, &list, generation);
        gb_epoch_exit(section);
    }
    err = err == GB_OK ? list.err : err;
    bool goes_on = err == GB_OK;
    for (size_t i = 0; i < list.count; i++) {
        bool is_gone = i < waiting_count && waiting_is_gone(list.records[i]);
        if (goes_on && !is_gone) {
            goes_on = visit(user, list.records[i]);
        }
        gb_record_release(node->allocator, list.records[i]);
    }
    gb_free(node->allocator, list.records);
    gb_hash_map_deinit(&list.overlay);
    return err;
}

void gb_node_members(gb_node *node, bool (*visit)(void *user, const gb_member *member), void *user)
{
    _Atomic uint32_t *section = gb_epoch_enter(&node->epoch);
    gb_members *members = gb_members_ref(atomic_load(&node->members));
    gb_epoch_exit(section);
    for (uint32_t i = 0; i < members->count; i++) {
        if (!visit(user, &members->members[i])) {
            break;
        }
    }
    gb_members_release(node->allocator, members);
}

void gb_node_read_stats(gb_node *node, gb_engine_stats *out)
{
    (void)pthread_mutex_lock(&node->stats_mutex);
    *out = node->stats;
    (void)pthread_mutex_unlock(&node->stats_mutex);
}

/* ---- Events
 * -------------------------------------------------------------------------------------- */

int gb_node_event_fd(gb_node *node)
{
    return node->events.read_fd;
}

gb_err gb_node_event_next(gb_node *node, const gb_event **out)
{
    return gb_event_queue_next(&node->events, out);
}

void gb_event_release(gb_node *node, const gb_event *event)
{
    gb_queued_event_release(node->allocator, event);
}
