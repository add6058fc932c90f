/* SPDX-License-Identifier: Apache-2.0 */
/* node_loop.c: a node on its loop: commands in, effects out. */
#include "transport/node_impl.h"

#include "platform/alloc.h"
#include "platform/err_info.h"
#include "state/map.h"
#include "transport/conn.h"
#include "transport/dialer.h"

#include <stdio.h>
#include <string.h>

/* Flushes of one node in one turn: what a link could send at once makes room for more. */
#define FLUSH_ROUNDS_MAX 4
/* Less than this sent, and the engine had nothing more to say on the link. */
#define FLUSH_AGAIN_SIZE (16 * GB_KIB)
#define STATS_PAUSE_US 50000
#define RETRY_PAUSE_US 10000
#define RECLAIM_PAUSE_US 5000

static void node_on_timer(gb_timer *timer, gb_time_us now);
static void node_begin_close(gb_node *node);

/* ---- Small things ------------------------------------------------------------------------------
 */

void gb_command_list_init(gb_command_list *list)
{
    list->first = NULL;
    list->end = &list->first;
    list->count = 0;
}

void gb_command_list_push(gb_command_list *list, gb_command *command)
{
    command->next = NULL;
    *list->end = command;
    list->end = &command->next;
    list->count++;
}

gb_command *gb_command_list_pop(gb_command_list *list)
{
    gb_command *command = list->first;
    if (command != NULL) {
        list->first = command->next;
        list->count--;
        if (list->first == NULL) {
            list->end = &list->first;
        }
    }
    return command;
}

void gb_node_mark_dirty(gb_node *node)
{
    if (node->state == GB_NODE_RUNNING && !gb_list_node_is_linked(&node->dirty)) {
        gb_list_push_back(&node->loop->dirty, &node->dirty);
    }
}

void gb_node_notify_limit(gb_node *node, gb_err code, const char *text)
{
    const gb_event event = {
        .kind = GB_EVENT_LIMIT,
        .time_us = gb_now(),
        .code = code,
        .text = gb_slice_from_str(text),
    };
    (void)gb_event_queue_stage(&node->events, &event);
    gb_node_mark_dirty(node);
}

void gb_node_reclaim(void *user, void (*release)(const gb_allocator *, void *), void *object)
{
    gb_node *node = user;
    gb_epoch_retire(&node->epoch, release, object);
}

/* ---- Clients ------------------------------------------------------------------------------------
 */

static gb_client_slot *client_slot(gb_node *node, uint64_t link)
{
    for (uint32_t i = 0; i < node->client_count_max; i++) {
        if (atomic_load(&node->clients[i].link) == link) {
            return &node->clients[i];
        }
    }
    return NULL;
}

/* A client asks for the first time: from now on it can be answered. */
static bool client_learn(gb_node *node, uint64_t link)
{
    if (client_slot(node, link) != NULL) {
        return true;
    }
    gb_client_slot *slot = client_slot(node, 0);
    if (slot == NULL) {
        return false;
    }
    atomic_store(&slot->link, link);
    return true;
}

static void client_forget(gb_node *node, uint64_t link)
{
    gb_client_slot *slot = client_slot(node, link);
    if (slot != NULL) {
        atomic_store(&slot->link, 0);
    }
}

/* false: the link is full, keep it for later. */
static bool client_send(gb_node *node, gb_command *command, gb_time_us now)
{
    gb_err err =
        gb_engine_client_send(node->engine, now, command->as.send.link, command->as.send.frame_type,
                              command->as.send.request_id, command->as.send.payload);
    if (err == GB_EFULL) {
        return false;
    }
    if (err == GB_ENOMEM) {
        /* An answer that is missing in the middle would be worse than an end. */
        gb_conn *conn = gb_conn_find(node, command->as.send.link);
        if (conn != NULL) {
            gb_conn_lost(conn, GB_CLOSE_BY_US, UV_ENOMEM);
        }
    }
    (void)atomic_fetch_sub(&node->clients[command->as.send.slot].queued,
                           sizeof *command + command->as.send.payload.len);
    gb_free(node->allocator, command);
    return true;
}

/* Answers that wait, in their order. One whose link is still full keeps those behind it for the
 * same link waiting, and no others. */
static void clients_retry(gb_node *node, gb_time_us now)
{
    gb_command_list kept;
    gb_command_list_init(&kept);
    uint64_t full_link = 0;
    for (gb_command *command; (command = gb_command_list_pop(&node->waiting)) != NULL;) {
        bool is_full = command->as.send.link == full_link;
        if (is_full || !client_send(node, command, now)) {
            full_link = command->as.send.link;
            gb_command_list_push(&kept, command);
        }
    }
    gb_command_list_init(&node->waiting);
    for (gb_command *command; (command = gb_command_list_pop(&kept)) != NULL;) {
        gb_command_list_push(&node->waiting, command);
    }
}

/* ---- Commands -----------------------------------------------------------------------------------
 */

static void drop_link(gb_node *node, uint32_t position)
{
    GB_LIST_EACH(at, &node->conns)
    {
        gb_conn *conn = GB_CONTAINER_OF(at, gb_conn, in_node);
        if (conn->state != GB_CONN_OPEN || conn->role != GB_ROLE_MEMBER) {
            continue;
        }
        if (position == 0) {
            gb_conn_lost(conn, GB_CLOSE_RESET, UV_ECONNRESET);
            return;
        }
        position--;
    }
}

static void run_command(gb_node *node, gb_command *command, gb_time_us now)
{
    switch (command->kind) {
    case GB_COMMAND_JOIN:
        gb_engine_join(node->engine, now);
        break;
    case GB_COMMAND_LEAVE:
        gb_engine_leave(node->engine, now);
        break;
    case GB_COMMAND_ACT:
        gb_engine_act(node->engine, now, &command->as.act);
        node->is_members_dirty = true;
        break;
    case GB_COMMAND_CONFIGURE:
        gb_engine_configure(node->engine, now, &command->as.settings);
        break;
    case GB_COMMAND_SET_SEEDS:
        node->seeds_are_own = true;
        if (gb_engine_set_seeds(node->engine, now, command->as.seeds.seeds,
                                command->as.seeds.count) != GB_OK) {
            gb_node_notify_limit(node, GB_ENOMEM, "set seeds: out of memory");
        }
        break;
    case GB_COMMAND_CLIENT_SEND:
        if (node->waiting.count > 0 || !client_send(node, command, now)) {
            gb_command_list_push(&node->waiting, command);
        }
        return;
    case GB_COMMAND_DROP_LINK:
        drop_link(node, command->as.position);
        break;
    }
    gb_free(node->allocator, command);
}

/* true: somebody holds the lock at this moment, look again. */
static bool node_run_commands(gb_node *node, gb_time_us now)
{
    if (pthread_mutex_trylock(&node->command_mutex) != 0) {
        return true;
    }
    for (gb_command *command; (command = gb_command_list_pop(&node->commands)) != NULL;) {
        gb_command_list_push(&node->taken, command);
    }
    (void)pthread_mutex_unlock(&node->command_mutex);
    for (gb_command *command; (command = gb_command_list_pop(&node->taken)) != NULL;) {
        run_command(node, command, now);
    }
    return false;
}

/* ---- Own changes
 * --------------------------------------------------------------------------------- */

static void change_failed(gb_node *node, const gb_record *record, gb_err err)
{
    char text[GB_ERROR_TEXT_MAX + 1];
    gb_slice group = gb_record_group(record);
    gb_slice key = gb_record_key(record);
    (void)snprintf(text, sizeof text, "%s %.*s %.*s: %s",
                   gb_record_is_tombstone(record) ? "delete" : "set",
                   (int)(group.len > 60 ? 60 : group.len), (const char *)group.base,
                   (int)(key.len > 100 ? 100 : key.len), (const char *)key.base, gb_strerror(err));
    gb_node_notify_limit(node, err, text);
}

/* Errors: GB_EAGAIN (later), else it is settled. */
static gb_err apply_change(gb_node *node, const gb_pending_change *change, gb_time_us now)
{
    const gb_record *record = change->record;
    gb_slice group = gb_record_group(record);
    gb_slice key = gb_record_key(record);
    bool is_stored = node->store != NULL && change->lane == GB_LANE_USER;
    size_t before_size = is_stored ? gb_store_entry_size(node->store, group, key) : 0;
    gb_err err;
    if (gb_record_is_tombstone(record)) {
        err = gb_engine_delete(node->engine, now, change->lane, group, key);
    } else {
        err = gb_engine_set(node->engine, now, change->lane, group, key, record->type,
                            gb_record_value(record), record->ttl_ms);
    }
    if (err == GB_EAGAIN || err == GB_EFULL) {
        return GB_EAGAIN;
    }
    if (err == GB_OK && is_stored) {
        gb_store_changed(node->store, record, before_size);
    } else if (err != GB_OK && err != GB_ECLOSED && err != GB_ENOTFOUND) {
        /* It was checked before; what can still come is memory, or a key too many by a hair. */
        change_failed(node, record, err);
    }
    return GB_OK;
}

void gb_node_count_keys(gb_node *node)
{
    gb_pending_count_keys(&node->pending, gb_map_own_key_count(node->map));
}

/* true: there is more, and nothing but the budget of this turn stands against it. */
static bool node_apply_pending(gb_node *node, gb_time_us now)
{
    node->retry_at = UINT64_MAX;
    for (uint32_t i = 0; i < GB_SETS_PER_TURN_MAX; i++) {
        bool is_busy = false;
        const gb_pending_change *change = gb_pending_next(&node->pending, &is_busy);
        if (change == NULL) {
            return is_busy;
        }
        if (apply_change(node, change, now) != GB_OK) {
            node->retry_at = now + RETRY_PAUSE_US;
            return false;
        }
        /* Before the change is put away: a key counts here or there, never in neither. */
        gb_node_count_keys(node);
        gb_pending_applied(&node->pending);
    }
    return true;
}

/* ---- What was posted
 * ----------------------------------------------------------------------------- */

static gb_err node_start(gb_node *node)
{
    gb_err err = gb_timer_open(&node->timer, node->loop, node_on_timer);
    if (err == GB_OK) {
        err = gb_listener_start(&node->member_door, node, GB_ROLE_MEMBER);
    }
    if (err == GB_OK && node->client_door.fd >= 0) {
        err = gb_listener_start(&node->client_door, node, GB_ROLE_CLIENT);
    }
    if (err == GB_OK && node->socket_door.fd >= 0) {
        node->socket_door.is_local = true;
        err = gb_listener_start(&node->socket_door, node, GB_ROLE_CLIENT);
    }
    return err == GB_OK && node->store != NULL ? gb_node_start_store(node) : err;
}

static void node_attach(gb_node *node)
{
    gb_err err = node_start(node);
    node->state = GB_NODE_RUNNING;
    node->has_failed = err != GB_OK;
    (void)pthread_mutex_lock(&node->loop->mutex);
    node->attach_err = err;
    node->is_attached = true;
    (void)pthread_cond_broadcast(&node->loop->changed);
    (void)pthread_mutex_unlock(&node->loop->mutex);
}

void gb_node_process(gb_node *node)
{
    GB_ASSERT_ON_LOOP(node->loop);
    if (node->state != GB_NODE_RUNNING && node->state != GB_NODE_ATTACHING) {
        gb_node_check_gone(node);
        return;
    }
    gb_time_us now = gb_now();
    if (node->state == GB_NODE_ATTACHING) {
        node_attach(node);
    }
    if (atomic_load(&node->should_close)) {
        node_begin_close(node);
        return;
    }
    if (node->has_failed) {
        return;
    }
    bool has_more = node_run_commands(node, now);
    has_more = node_apply_pending(node, now) || has_more;
    gb_node_mark_dirty(node);
    if (has_more) {
        gb_loop_post(node->loop, node);
    }
}

/* ---- Events
 * -------------------------------------------------------------------------------------- */

/* What an event of the engine means to the node itself. */
static void node_observe(gb_node *node, const gb_event *event)
{
    switch (event->kind) {
    case GB_EVENT_MEMBER:
    case GB_EVENT_LINK_OPENED:
    case GB_EVENT_LINK_CLOSED:
    case GB_EVENT_ACCUSATION:
    case GB_EVENT_RETRACTION:
    case GB_EVENT_SELF_ACCUSED:
        node->is_members_dirty = true;
        break;
    case GB_EVENT_GENERATION:
        gb_node_store_generation(node, event->generation);
        atomic_store(&node->generation, event->generation);
        node->is_members_dirty = true;
        break;
    case GB_EVENT_JOINED:
        gb_node_use_stored_seeds(node);
        break;
    case GB_EVENT_REJECTED:
    case GB_EVENT_REPLACED:
    case GB_EVENT_LEFT:
        atomic_store(&node->is_closed, true);
        node->is_members_dirty = true;
        break;
    default:
        break;
    }
}

/* Put it into the queue, if the host wants it. `*close_link`: a client that cannot be served. */
static void node_queue_event(gb_node *node, const gb_event *event, uint64_t *close_link)
{
    if (event->kind == GB_EVENT_DELTA && !node->has_delta_events) {
        return;
    }
    if (event->kind == GB_EVENT_CLIENT_CLOSED) {
        client_forget(node, event->link);
    } else if (event->kind == GB_EVENT_CLIENT_REQUEST && !client_learn(node, event->link)) {
        *close_link = event->link;
        return;
    }
    if (!gb_event_queue_stage(&node->events, event)) {
        *close_link = event->link; /* a client that nobody can serve now */
    }
}

void gb_node_notify(gb_node *node, const gb_event *event)
{
    uint64_t close_link = 0;
    node_queue_event(node, event, &close_link);
    /* The event is lent until the engine's next call, which this may lead to. */
    node_observe(node, event);
    gb_conn *conn = close_link == 0 ? NULL : gb_conn_find(node, close_link);
    if (conn != NULL) {
        gb_conn_lost(conn, GB_CLOSE_BY_US, 0);
    }
}

/* ---- Flush
 * --------------------------------------------------------------------------------------- */

static void node_effect(gb_node *node, gb_effect *effect)
{
    gb_conn *conn;
    switch (effect->kind) {
    case GB_EFFECT_SEND:
        conn = gb_conn_find(node, effect->link);
        if (conn != NULL) {
            gb_conn_send(conn, &effect->buffer);
        } else {
            gb_engine_recycle(node->engine, &effect->buffer);
        }
        break;
    case GB_EFFECT_DIAL:
        gb_dial_start(node, effect->link, effect->host, effect->port, effect->timeout_us);
        break;
    case GB_EFFECT_CLOSE:
        conn = gb_conn_find(node, effect->link);
        if (conn != NULL) {
            gb_conn_finish(conn);
            node->is_members_dirty = true;
        }
        break;
    case GB_EFFECT_NOTIFY:
        gb_node_notify(node, effect->event);
        break;
    default:
        break;
    }
}

/* Returns true where so much has left that the engine may have more to say. */
static bool node_write(gb_node *node)
{
    bool again = false;
    for (gb_list_node *at; (at = gb_list_pop_front(&node->writing)) != NULL;) {
        again = gb_conn_flush(GB_CONTAINER_OF(at, gb_conn, writing)) >= FLUSH_AGAIN_SIZE || again;
    }
    return again;
}

static void node_publish_stats(gb_node *node, gb_time_us now)
{
    if (now < node->stats_at + STATS_PAUSE_US) {
        node->is_stats_dirty = true;
        return;
    }
    gb_engine_stats stats;
    gb_engine_read_stats(node->engine, &stats);
    if (pthread_mutex_trylock(&node->stats_mutex) != 0) {
        node->is_stats_dirty = true; /* a reader copies them at this moment */
        return;
    }
    /* Links come and go without an event where nobody judges. */
    if (stats.links_open != node->stats.links_open ||
        stats.members_alive != node->stats.members_alive) {
        node->is_members_dirty = true;
    }
    node->stats = stats;
    (void)pthread_mutex_unlock(&node->stats_mutex);
    node->is_stats_dirty = false;
    node->stats_at = now;
}

void gb_node_publish_members(gb_node *node, gb_time_us now)
{
    gb_members *before = atomic_load(&node->members);
    if (before != NULL && before->count > GB_MEMBERS_EAGER_MAX &&
        now < node->members_at + (gb_time_us)GB_MEMBERS_PAUSE_MS * 1000) {
        return;
    }
    gb_members *members;
    if (gb_members_open(node->allocator, node->engine, &members) != GB_OK) {
        return; /* tried again in the next turn */
    }
    atomic_store(&node->members, members);
    node->members_at = now;
    node->is_members_dirty = false;
    if (before != NULL) {
        gb_epoch_retire(&node->epoch, gb_members_release, before);
    }
}

static gb_time_us earlier(gb_time_us a, gb_time_us b)
{
    return a < b ? a : b;
}

static void node_set_timer(gb_node *node, gb_time_us now)
{
    gb_time_us at = gb_engine_deadline(node->engine);
    at = earlier(at, node->retry_at);
    at = earlier(at, node->reclaim_at);
    if (node->is_stats_dirty) {
        at = earlier(at, node->stats_at + STATS_PAUSE_US);
    }
    if (node->is_members_dirty) {
        at = earlier(at, now + (gb_time_us)GB_MEMBERS_PAUSE_MS * 1000);
    }
    if (node->store != NULL) {
        at = earlier(at, node->addresses_at);
    }
    gb_timer_set(&node->timer, at);
}

void gb_node_flush(gb_node *node)
{
    GB_ASSERT_ON_LOOP(node->loop);
    if (node->state != GB_NODE_RUNNING) {
        return;
    }
    gb_time_us now = gb_now();
    for (int round = 0; round < FLUSH_ROUNDS_MAX; round++) {
        if (node->waiting.count > 0) {
            clients_retry(node, now);
        }
        gb_engine_flush(node->engine, now);
        gb_effect effect;
        while (gb_engine_effect_next(node->engine, &effect)) {
            node_effect(node, &effect);
        }
        if (!node_write(node)) {
            break;
        }
        now = gb_now();
        gb_node_mark_dirty(node);
    }
    gb_node_count_keys(node);
    node_publish_stats(node, now);
    /* Before the events: who is told of a member finds it. */
    if (node->is_members_dirty) {
        gb_node_publish_members(node, now);
    }
    gb_event_queue_publish(&node->events);
    node->reclaim_at = gb_epoch_collect(&node->epoch, GB_RECLAIMS_PER_TURN_MAX)
                           ? UINT64_MAX
                           : now + RECLAIM_PAUSE_US;
    node_set_timer(node, now);
}

static void node_on_timer(gb_timer *timer, gb_time_us now)
{
    gb_node *node = GB_CONTAINER_OF(timer, gb_node, timer);
    if (now >= gb_engine_deadline(node->engine)) {
        gb_engine_tick(node->engine, now);
    }
    if (now >= node->retry_at && node_apply_pending(node, now)) {
        gb_loop_post(node->loop, node);
    }
    if (node->store != NULL && now >= node->addresses_at) {
        gb_node_store_addresses(node, now);
    }
    gb_node_mark_dirty(node);
}

/* ---- The end
 * -------------------------------------------------------------------------------------- */

static void node_begin_close(gb_node *node)
{
    if (node->store != NULL) {
        /* What was accepted is kept, although nobody is told any more. */
        while (node_apply_pending(node, gb_now())) {
        }
        gb_node_store_addresses(node, gb_now());
        gb_store_stop(node->store);
    }
    node->state = GB_NODE_CLOSING;
    gb_list_remove(&node->dirty);
    gb_timer_close(&node->timer);
    gb_listener_stop(&node->member_door);
    gb_listener_stop(&node->client_door);
    gb_listener_stop(&node->socket_door);
    GB_LIST_EACH_SAFE(at, following, &node->conns)
    {
        gb_conn_abort(GB_CONTAINER_OF(at, gb_conn, in_node));
    }
    gb_node_check_gone(node);
}

void gb_node_check_gone(gb_node *node)
{
    if (node->state != GB_NODE_CLOSING || node->conn_count > 0 || node->member_door.has_handle ||
        node->client_door.has_handle || node->socket_door.has_handle ||
        atomic_load(&node->is_posted) ||
        (node->store != NULL && gb_store_is_working(node->store))) {
        return;
    }
    node->state = GB_NODE_GONE;
    (void)pthread_mutex_lock(&node->loop->mutex);
    node->is_gone = true;
    (void)pthread_cond_broadcast(&node->loop->changed);
    (void)pthread_mutex_unlock(&node->loop->mutex);
}
