/* SPDX-License-Identifier: Apache-2.0 */
/* node_open.c: opening and closing a node, on a thread of the host. */
#include "transport/node_impl.h"

#include "platform/alloc.h"
#include "platform/err_info.h"
#include "platform/utf8.h"
#include "state/map.h"
#include "transport/address.h"
#include "transport/conn.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_DEFAULT 256
#define EVENTS_DEFAULT 65536

/* ---- Shells: the memory of nodes
 * ----------------------------------------------------------------- */

/* The loop keeps it, because a record may be given back after its node was closed. */
static gb_err shell_acquire(gb_loop *loop, gb_node **out)
{
    gb_err err = GB_OK;
    (void)pthread_mutex_lock(&loop->mutex);
    gb_node *node = loop->free_shells;
    if (loop->node_count >= GB_NODES_PER_LOOP_MAX) {
        err = GB_EFULL;
    } else if (node != NULL) {
        loop->free_shells = node->next_free;
    } else {
        node = gb_alloc_zeroed(loop->allocator, sizeof *node);
        if (node == NULL) {
            err = GB_ENOMEM;
        } else {
            node->loop = loop;
            node->allocator = loop->allocator;
            node->next_shell = loop->shells;
            loop->shells = node;
        }
    }
    if (err == GB_OK) {
        loop->node_count++;
        *out = node;
    }
    (void)pthread_mutex_unlock(&loop->mutex);
    return err;
}

static void shell_release(gb_node *node)
{
    gb_loop *loop = node->loop;
    (void)pthread_mutex_lock(&loop->mutex);
    node->next_free = loop->free_shells;
    loop->free_shells = node;
    loop->node_count--;
    (void)pthread_mutex_unlock(&loop->mutex);
}

/* ---- Parts
 * --------------------------------------------------------------------------------------- */

static bool conn_is(void *user, const void *item, const void *key)
{
    (void)user;
    const gb_conn *conn = item;
    const uint64_t *link = key;
    return conn->link == *link;
}

static uint64_t random_u64(void)
{
    uint64_t value = 0;
    if (uv_random(NULL, NULL, &value, sizeof value, 0, NULL) != 0) {
        value = uv_hrtime() ^ ((uint64_t)getpid() << 32); /* no source: at least not the same */
    }
    return value == 0 ? 1 : value;
}

/* What can fail leaves the ladder below it; the rest needs no undoing. */
static gb_err node_init(gb_node *node, const gb_node_options *options)
{
    memset((uint8_t *)node + GB_NODE_SHELL_SIZE, 0, sizeof *node - GB_NODE_SHELL_SIZE);
    node->member_door.fd = -1;
    node->client_door.fd = -1;
    node->socket_door.fd = -1;
    node->client_count_max =
        options->client_count_max == 0 ? CLIENTS_DEFAULT : options->client_count_max;
    node->has_delta_events = !options->no_delta_events;
    node->retry_at = UINT64_MAX;
    node->reclaim_at = UINT64_MAX;
    node->addresses_at = UINT64_MAX;
    node->seeds_are_own = options->seed_count > 0;
    gb_list_init(&node->conns);
    gb_list_init(&node->writing);
    gb_hash_map_init(&node->links, node->allocator, conn_is, NULL);
    gb_command_list_init(&node->commands);
    gb_command_list_init(&node->taken);
    gb_command_list_init(&node->waiting);
    gb_epoch_init(&node->epoch, node->allocator);

    uint32_t event_count_max =
        options->event_count_max == 0 ? EVENTS_DEFAULT : options->event_count_max;
    gb_err err =
        gb_event_queue_init(&node->events, node->allocator, event_count_max, GB_EVENTS_SIZE_MAX);
    if (err != GB_OK) {
        return err;
    }
    err = gb_pending_init(&node->pending, node->allocator, random_u64(), GB_PENDING_SETS_MAX,
                          GB_PENDING_SIZE_MAX);
    if (err != GB_OK) {
        gb_event_queue_deinit(&node->events);
        return err;
    }
    (void)pthread_mutex_init(&node->command_mutex, NULL);
    (void)pthread_mutex_init(&node->stats_mutex, NULL);
    return GB_OK;
}

static void free_commands(gb_node *node, gb_command_list *list)
{
    for (gb_command *command; (command = gb_command_list_pop(list)) != NULL;) {
        gb_free(node->allocator, command);
    }
}

static void close_door(gb_listener *door)
{
    if (door->fd >= 0) {
        (void)close(door->fd);
        door->fd = -1;
    }
}

/* Everything, once the loop does not know it (any more). */
static void node_deinit(gb_node *node)
{
    if (node->store != NULL) {
        gb_store_finish(node->store);
        gb_store_close(node->store);
    }
    gb_epoch_settle(&node->epoch);
    gb_engine_close(node->engine);
    gb_members_release(node->allocator, atomic_load(&node->members));
    gb_epoch_deinit(&node->epoch);
    gb_event_queue_deinit(&node->events);
    gb_pending_deinit(&node->pending);
    free_commands(node, &node->commands);
    free_commands(node, &node->taken);
    free_commands(node, &node->waiting);
    gb_hash_map_deinit(&node->links);
    (void)pthread_mutex_destroy(&node->command_mutex);
    (void)pthread_mutex_destroy(&node->stats_mutex);
    close_door(&node->member_door);
    close_door(&node->client_door);
    close_door(&node->socket_door);
    if (node->socket_inode != 0) {
        gb_unlink_unix(node->socket_path, node->socket_device, node->socket_inode);
    }
    gb_free(node->allocator, node->clients);
    gb_free(node->allocator, node->name);
    gb_free(node->allocator, node->cluster);
    gb_free(node->allocator, node->listen_host);
    gb_free(node->allocator, node->socket_path);
}

/* ---- Options
 * ------------------------------------------------------------------------------------- */

static gb_err options_check(const gb_node_options *options, gb_err_info *info)
{
    if (options == NULL || options->size != sizeof *options) {
        return gb_err_info_set(info, GB_EINVAL, 0, "open node: options of another version");
    }
    if (gb_name_validate(gb_slice_from_str(options->cluster)) != GB_OK) {
        return gb_err_info_set(info, GB_ENAME, 0, "open node: cluster: %s", gb_strerror(GB_ENAME));
    }
    if (gb_name_validate(gb_slice_from_str(options->name)) != GB_OK) {
        return gb_err_info_set(info, GB_ENAME, 0, "open node: name: %s", gb_strerror(GB_ENAME));
    }
    if (options->client_count_max > GB_CLIENTS_MAX) {
        return gb_err_info_set(info, GB_EINVAL, 0, "open node: at most %d clients", GB_CLIENTS_MAX);
    }
    if (options->event_count_max > GB_EVENTS_MAX) {
        return gb_err_info_set(info, GB_EINVAL, 0, "open node: at most %d events", GB_EVENTS_MAX);
    }
    if (options->listen.host != NULL && strlen(options->listen.host) > GB_HOST_SIZE_MAX) {
        return gb_err_info_set(info, GB_EINVAL, 0, "open node: a host has at most %d bytes",
                               GB_HOST_SIZE_MAX);
    }
    return GB_OK;
}

static gb_err node_copy_texts(gb_node *node, const gb_node_options *options)
{
    const gb_allocator *a = node->allocator;
    const char *host = options->listen.host != NULL && options->listen.host[0] != '\0'
                           ? options->listen.host
                           : "127.0.0.1";
    node->name_size = strlen(options->name);
    node->cluster_size = strlen(options->cluster);
    node->name = gb_alloc_copy(a, options->name, node->name_size);
    node->cluster = gb_alloc_copy(a, options->cluster, node->cluster_size);
    node->listen_host = gb_alloc_copy(a, host, strlen(host));
    node->clients = gb_alloc_zeroed(a, node->client_count_max * sizeof *node->clients);
    if (options->client_socket != NULL) {
        node->socket_path =
            gb_alloc_copy(a, options->client_socket, strlen(options->client_socket));
    }
    bool is_whole = node->name != NULL && node->cluster != NULL && node->listen_host != NULL &&
                    node->clients != NULL &&
                    (options->client_socket == NULL || node->socket_path != NULL);
    return is_whole ? GB_OK : GB_ENOMEM;
}

void gb_node_set_limits(gb_node *node, const gb_engine_settings *settings)
{
    uint32_t keys = settings->key_count_max;
    uint32_t value = settings->value_size_max;
    atomic_store(&node->key_count_max, keys == 0 || keys > GB_KEYS_PER_PARTICIPANT_MAX
                                           ? GB_KEYS_PER_PARTICIPANT_MAX
                                           : keys);
    atomic_store(&node->value_size_max,
                 value == 0 || value > GB_VALUE_SIZE_MAX ? (uint32_t)GB_VALUE_SIZE_MAX : value);
}

/* ---- Doors
 * --------------------------------------------------------------------------------------- */

static gb_err node_listen(gb_node *node, const gb_node_options *options, gb_err_info *info)
{
    struct sockaddr_storage bound;
    char host[64];
    gb_err err =
        gb_listen_tcp(node->listen_host, options->listen.port, &node->member_door.fd, &bound, info);
    if (err != GB_OK) {
        return err;
    }
    gb_sockaddr_host(&bound, host, sizeof host, &node->port);
    if (options->client_listen.host != NULL) {
        err = gb_listen_tcp(options->client_listen.host, options->client_listen.port,
                            &node->client_door.fd, &bound, info);
        if (err != GB_OK) {
            gb_err_info_wrap(info, "client door");
            return err;
        }
        gb_sockaddr_host(&bound, host, sizeof host, &node->client_port);
    }
    if (node->socket_path != NULL) {
        err = gb_listen_unix(node->socket_path, &node->socket_door.fd, &node->socket_device,
                             &node->socket_inode, info);
        if (err != GB_OK) {
            gb_err_info_wrap(info, "client door");
        }
    }
    return err;
}

/* ---- Engine
 * -------------------------------------------------------------------------------------- */

static gb_err node_choose_generation(gb_node *node, const gb_node_options *options,
                                     gb_err_info *info)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint64_t generation = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    if (options->generation > generation) {
        generation = options->generation;
    }
    if (node->store != NULL && gb_store_generation(node->store) >= generation) {
        generation = gb_store_generation(node->store) + 1;
    }
    atomic_store(&node->generation, generation);
    return node->store == NULL ? GB_OK : gb_store_write_generation(node->store, generation, info);
}

static gb_err node_add_stored_seeds(const gb_node *node, const gb_node_options *options,
                                    gb_address_list *seeds)
{
    if (node->store == NULL || options->seed_count == 0) {
        return GB_OK; /* without seeds of the host's they are tried once it has joined */
    }
    gb_slice host;
    uint16_t port;
    for (uint32_t i = 0; gb_store_address(node->store, i, &host, &port); i++) {
        bool is_known = seeds->count >= GB_SEEDS_MAX;
        for (uint32_t at = 0; at < seeds->count && !is_known; at++) {
            is_known = seeds->addresses[at].port == port &&
                       gb_slice_equal(seeds->addresses[at].host, host);
        }
        if (!is_known) {
            seeds->addresses[seeds->count] = (gb_address){GB_SCOPE_PUBLIC, host, port};
            seeds->count++;
        }
    }
    return GB_OK;
}

static gb_err node_open_engine(gb_node *node, const gb_node_options *options, gb_err_info *info)
{
    gb_address_list *lists = gb_alloc_array(node->allocator, 2, sizeof *lists);
    if (lists == NULL) {
        return gb_err_info_set(info, GB_ENOMEM, 0, "open node: out of memory");
    }
    gb_err err = gb_node_advertise(node, options, &lists[0], info);
    if (err == GB_OK) {
        err = gb_node_check_seeds(node, options->seeds, options->seed_count, &lists[1], info);
    }
    if (err == GB_OK) {
        err = node_add_stored_seeds(node, options, &lists[1]);
    }
    if (err == GB_OK) {
        gb_engine_options engine_options = {
            .size = sizeof engine_options,
            .allocator = node->allocator,
            .cluster = gb_slice_make(node->cluster, node->cluster_size),
            .name = gb_slice_make(node->name, node->name_size),
            .generation = atomic_load(&node->generation),
            .instance = random_u64(),
            .seed = options->seed != 0 ? options->seed : random_u64(),
            .has_detector = options->has_detector,
            .participant_count_max = options->participant_count_max,
            .link_count_max = options->link_count_max,
            .addresses = lists[0].addresses,
            .address_count = lists[0].count,
            .seeds = lists[1].addresses,
            .seed_count = lists[1].count,
            .settings = options->settings,
            .reclaim = gb_node_reclaim,
            .reclaim_user = node,
        };
        err = gb_engine_open(&engine_options, gb_now(), &node->engine, info);
    }
    gb_free(node->allocator, lists);
    if (err == GB_OK) {
        node->map = gb_engine_map(node->engine);
    }
    return err;
}

/* Own deltas of the last life are told anew in this one. */
static gb_err node_restore(gb_node *node, gb_err_info *info)
{
    const gb_journal_content *loaded = gb_store_loaded(node->store);
    struct timespec wall;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    uint64_t now_ms = (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / 1000000;
    gb_time_us now = gb_now();
    for (size_t i = 0; i < loaded->count; i++) {
        const gb_record *r = loaded->deltas[i].record;
        uint64_t left_ms = 0;
        if (loaded->deltas[i].expires_ms != 0) {
            uint64_t expires_ms = loaded->deltas[i].expires_ms;
            left_ms = expires_ms > now_ms ? expires_ms - now_ms : 1;
            /* A clock that was set back does not lengthen a life. */
            left_ms = left_ms > r->ttl_ms ? r->ttl_ms : left_ms;
        }
        gb_err err =
            gb_engine_set(node->engine, now, GB_LANE_USER, gb_record_group(r), gb_record_key(r),
                          r->type, gb_record_value(r), (uint32_t)left_ms);
        if (err != GB_OK) {
            return gb_err_info_set(info, err == GB_ENOMEM ? err : GB_ESTORE, 0,
                                   "open node: stored delta %.*s %.*s: %s", (int)r->group_size,
                                   (const char *)r->bytes, (int)r->key_size,
                                   (const char *)gb_record_key(r).base, gb_strerror(err));
        }
    }
    if (loaded->torn_size > 0) {
        char text[128];
        (void)snprintf(text, sizeof text,
                       "journal: %" PRIu64 " bytes of an unfinished write were cut off at byte "
                       "%" PRIu64,
                       loaded->torn_size, loaded->size);
        gb_node_notify_limit(node, GB_ESTORE, text);
    }
    if (gb_store_warning(node->store)[0] != '\0') {
        gb_node_notify_limit(node, GB_ESTORE, gb_store_warning(node->store));
    }
    gb_store_forget_loaded(node->store);
    return GB_OK;
}

/* What the engine has to say before it talks to anybody: itself first. */
static gb_err node_publish_first(gb_node *node)
{
    gb_effect effect;
    while (gb_engine_effect_next(node->engine, &effect)) {
        GB_ASSERT(effect.kind == GB_EFFECT_NOTIFY); /* there are no links */
        gb_node_notify(node, effect.event);
    }
    gb_node_count_keys(node);
    gb_node_publish_members(node, gb_now());
    gb_engine_read_stats(node->engine, &node->stats);
    gb_event_queue_publish(&node->events);
    return atomic_load(&node->members) == NULL ? GB_ENOMEM : GB_OK;
}

/* ---- Opening
 * ------------------------------------------------------------------------------------- */

static gb_err node_prepare(gb_node *node, const gb_node_options *options, gb_err_info *info)
{
    gb_err err = node_copy_texts(node, options);
    if (err == GB_OK && options->data_directory != NULL) {
        err = gb_store_open(node->allocator, options->data_directory,
                            gb_slice_from_str(options->cluster), gb_slice_from_str(options->name),
                            &node->store, info);
    }
    if (err == GB_OK) {
        err = node_listen(node, options, info);
    }
    if (err == GB_OK) {
        gb_node_set_limits(node, &options->settings);
        err = node_choose_generation(node, options, info);
    }
    if (err == GB_OK) {
        err = node_open_engine(node, options, info);
    }
    if (err == GB_OK && node->store != NULL) {
        err = node_restore(node, info);
    }
    return err == GB_OK ? node_publish_first(node) : err;
}

static gb_err node_wait_attached(gb_node *node)
{
    gb_loop *loop = node->loop;
    gb_loop_post(loop, node);
    (void)pthread_mutex_lock(&loop->mutex);
    while (!node->is_attached) {
        (void)pthread_cond_wait(&loop->changed, &loop->mutex);
    }
    gb_err err = node->attach_err;
    (void)pthread_mutex_unlock(&loop->mutex);
    return err;
}

static void node_wait_gone(gb_node *node)
{
    gb_loop *loop = node->loop;
    atomic_store(&node->should_close, true);
    gb_loop_post(loop, node);
    (void)pthread_mutex_lock(&loop->mutex);
    while (!node->is_gone) {
        (void)pthread_cond_wait(&loop->changed, &loop->mutex);
    }
    (void)pthread_mutex_unlock(&loop->mutex);
}

gb_err gb_node_open(gb_loop *loop, const gb_node_options *options, gb_node **out, gb_err_info *info)
{
    gb_err_info_clear(info);
    gb_err err = options_check(options, info);
    if (err != GB_OK) {
        return err;
    }
    if (pthread_equal(pthread_self(), loop->thread)) {
        return gb_err_info_set(info, GB_EBUSY, 0, "open node: called from the loop's thread");
    }
    gb_node *node;
    err = shell_acquire(loop, &node);
    if (err != GB_OK) {
        return gb_err_info_set(info, err, 0, "open node: %s", gb_strerror(err));
    }
    err = node_init(node, options);
    if (err != GB_OK) {
        shell_release(node);
        return gb_err_info_set(info, err, 0, "open node: %s", gb_strerror(err));
    }
    err = node_prepare(node, options, info);
    if (err == GB_OK) {
        err = node_wait_attached(node);
        if (err == GB_OK) {
            *out = node;
            return GB_OK;
        }
        node_wait_gone(node);
    }
    node_deinit(node);
    shell_release(node);
    if (info != NULL && info->code != err) {
        (void)gb_err_info_set(info, err, 0, "open node: %s", gb_strerror(err));
    }
    return err;
}

gb_err gb_node_close(gb_node *node)
{
    if (node == NULL) {
        return GB_OK;
    }
    if (pthread_equal(pthread_self(), node->loop->thread)) {
        return GB_EBUSY;
    }
    node_wait_gone(node);
    node_deinit(node);
    shell_release(node);
    return GB_OK;
}
