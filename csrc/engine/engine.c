/* SPDX-License-Identifier: Apache-2.0 */
/* engine.c: opening, events in, the tick, the flush. */
#include "engine/internal.h"

#include "platform/err_info.h"
#include "platform/planted.h"
#include "platform/utf8.h"

#include <string.h>

/* ---- Helpers of all files ----------------------------------------------------------------------
 */

void engine_at(gb_engine *e, gb_time_us now)
{
    /* A driver's clock that steps back is a bug of ours, yet no reason to judge peers by it. */
    if (now > e->now) {
        e->now = now;
    }
}

uint32_t engine_request_no(gb_engine *e)
{
    e->request_no++;
    if (e->request_no == 0) {
        e->request_no = 1; /* 0 means: no answer expected */
    }
    return e->request_no;
}

gb_slice engine_name(const gb_engine *e)
{
    return gb_participant_name(e->self);
}

gb_address *engine_copy_addresses(const gb_engine *e, const gb_address *addresses, uint8_t count)
{
    size_t size = sizeof(gb_address) * count;
    for (uint8_t i = 0; i < count; i++) {
        size += addresses[i].host.len;
    }
    gb_address *copy = gb_alloc(e->allocator, size == 0 ? 1 : size);
    if (copy == NULL) {
        return NULL;
    }
    uint8_t *bytes = (uint8_t *)(copy + count);
    for (uint8_t i = 0; i < count; i++) {
        copy[i] = addresses[i];
        if (copy[i].scope == 0) {
            copy[i].scope = GB_SCOPE_PRIVATE; /* not stated: reachable in the same network */
        }
        copy[i].host.base = bytes;
        if (addresses[i].host.len > 0) {
            memcpy(bytes, addresses[i].host.base, addresses[i].host.len);
        }
        bytes += addresses[i].host.len;
    }
    return copy;
}

bool engine_is_own_address(const gb_engine *e, gb_slice host, uint16_t port)
{
    for (uint8_t i = 0; i < e->address_count; i++) {
        if (e->addresses[i].port == port && gb_slice_equal(e->addresses[i].host, host)) {
            return true;
        }
    }
    return false;
}

void engine_fill_hello(const gb_engine *e, gb_hello *hello)
{
    memset(hello, 0, sizeof *hello);
    hello->protocol_min = GB_PROTOCOL_MIN;
    hello->protocol_max = GB_PROTOCOL_MAX;
    hello->features = GB_FEATURES_OURS;
    hello->role = GB_ROLE_MEMBER;
    hello->flags = e->has_detector ? GB_HELLO_HAS_DETECTOR : 0;
    if (e->is_established) {
        hello->flags |= GB_HELLO_IS_ESTABLISHED;
    }
    hello->cluster = gb_slice_make(e->cluster, e->cluster_size);
    hello->name = engine_name(e);
    hello->generation = e->self->generation;
    hello->instance = e->instance;
    hello->map_hash = gb_map_hash(e->map);
    hello->address_count = e->address_count;
    for (uint8_t i = 0; i < e->address_count; i++) {
        hello->addresses[i] = e->addresses[i];
    }
}

gb_err engine_reserve_slots(gb_engine *e, uint32_t slot_end)
{
    if (slot_end > e->peer_count) {
        uint32_t count = slot_end < 16 ? 16 : slot_end + slot_end / 4;
        gb_peer **peers = gb_realloc_array(e->allocator, e->peers, count, sizeof *peers);
        if (peers == NULL) {
            return GB_ENOMEM;
        }
        memset(peers + e->peer_count, 0, (count - e->peer_count) * sizeof *peers);
        e->peers = peers;
        e->peer_count = count;
    }
    if (e->peer_count > e->stamp_count) {
        uint32_t *stamps = gb_realloc_array(e->allocator, e->stamps, e->peer_count, sizeof *stamps);
        if (stamps == NULL) {
            return GB_ENOMEM;
        }
        memset(stamps + e->stamp_count, 0, (e->peer_count - e->stamp_count) * sizeof *stamps);
        e->stamps = stamps;
        e->stamp_count = e->peer_count;
    }
    if (e->peer_count > e->scratch_capacity) {
        uint32_t *scratch =
            gb_realloc_array(e->allocator, e->scratch, e->peer_count, sizeof *scratch);
        if (scratch == NULL) {
            return GB_ENOMEM;
        }
        e->scratch = scratch;
        e->scratch_capacity = e->peer_count;
    }
    return GB_OK;
}

void engine_stop(gb_engine *e)
{
    e->is_stopped = true;
    e->is_joining = false;
    ENGINE_EACH_LINK(e, link)
    {
        if (link->state == LINK_OPEN) {
            link_bye(e, link, GB_CLOSE_BY_US, e->is_leaving ? GB_OK : GB_ECLOSED,
                     e->is_leaving ? "left" : "stopped");
        } else {
            link_close(e, link, GB_CLOSE_BY_US);
        }
    }
}

static bool is_unsettled(const gb_engine *e)
{
    if (e->is_stopped) {
        return false;
    }
    if (e->is_stopping || e->is_ring_dirty || e->is_probe_due ||
        e->renew_generation > e->self->generation || e->refute_incarnation > e->incarnation) {
        return true;
    }
    return e->has_doomed;
}

void engine_settle(gb_engine *e)
{
    if (e->is_stopping && !e->is_stopped) {
        engine_stop(e);
    }
    if (e->is_stopped) {
        return;
    }
    self_settle(e);
    if (!e->has_doomed) {
        return;
    }
    e->has_doomed = false;
    ENGINE_EACH_LINK(e, link)
    {
        if (link->is_doomed && link->state != LINK_CLOSING) {
            link_close(e, link, link->doom_cause);
        }
    }
}

/* ---- Opening ------------------------------------------------------------------------------------
 */

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value == 0 ? fallback : value;
}

static uint64_t within(uint64_t value, uint64_t least, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

void engine_fill_settings(gb_engine_settings *s)
{
    s->gossip_interval_us = or_default(s->gossip_interval_us, ENGINE_S);
    s->heartbeat_interval_us = or_default(s->heartbeat_interval_us, 2 * ENGINE_S);
    s->probe_timeout_us = or_default(s->probe_timeout_us, 300 * ENGINE_MS);
    s->dial_timeout_us = or_default(s->dial_timeout_us, 3 * ENGINE_S);
    s->link_timeout_us = or_default(s->link_timeout_us, 15 * ENGINE_S);
    s->tombstone_grace_us = or_default(s->tombstone_grace_us, 3600 * ENGINE_S);
    s->departed_retention_us = or_default(s->departed_retention_us, 86400 * ENGINE_S);
    s->detector_tick_us = or_default(s->detector_tick_us, 100 * ENGINE_MS);
    s->pull_stall_us = or_default(s->pull_stall_us, ENGINE_S);
    s->reconnect_interval_us = or_default(s->reconnect_interval_us, ENGINE_REVIVE_INTERVAL);
    s->leave_timeout_us = or_default(s->leave_timeout_us, ENGINE_LEAVE_BOUND);
    s->exchanges_per_round = (uint32_t)or_default(s->exchanges_per_round, 1);
    s->key_count_max = (uint32_t)or_default(s->key_count_max, GB_KEYS_PER_PARTICIPANT_MAX);
    s->value_size_max = (uint32_t)or_default(s->value_size_max, GB_VALUE_SIZE_MAX);
    s->link_queue_max = (uint32_t)or_default(s->link_queue_max, GB_LINK_QUEUE_MAX);
    s->full_mesh_max = (uint32_t)or_default(s->full_mesh_max, 16);
    uint64_t *times[] = {
        &s->gossip_interval_us,    &s->heartbeat_interval_us, &s->probe_timeout_us,
        &s->dial_timeout_us,       &s->link_timeout_us,       &s->tombstone_grace_us,
        &s->departed_retention_us, &s->detector_tick_us,      &s->pull_stall_us};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        *times[i] = within(*times[i], ENGINE_MS, ENGINE_TIME_MAX);
    }
    s->value_size_max =
        (uint32_t)within(s->value_size_max, ENGINE_VALUE_SIZE_MIN, GB_VALUE_SIZE_MAX);
    s->key_count_max =
        (uint32_t)within(s->key_count_max, ENGINE_KEY_COUNT_MIN, GB_KEYS_PER_PARTICIPANT_MAX);
    s->link_queue_max = (uint32_t)within(s->link_queue_max, 1, GB_LINK_QUEUE_MAX);
    s->full_mesh_max = (uint32_t)within(s->full_mesh_max, 1, GB_PARTICIPANTS_MAX);
    flow_fill_settings(s);
}

static gb_err options_check(const gb_engine_options *o, gb_err_info *info)
{
    if (o->size != sizeof *o) {
        return gb_err_info_set(info, GB_EINVAL, 0, "open engine: options of another version");
    }
    if (gb_name_validate(o->cluster) != GB_OK) {
        return gb_err_info_set(info, GB_ENAME, 0,
                               "open engine: the cluster's name must have 1 to %d bytes of UTF-8 "
                               "without control characters",
                               GB_NAME_SIZE_MAX);
    }
    if (gb_name_validate(o->name) != GB_OK) {
        return gb_err_info_set(info, GB_ENAME, 0,
                               "open engine: the node's name must have 1 to %d bytes of UTF-8 "
                               "without control characters",
                               GB_NAME_SIZE_MAX);
    }
    if (o->generation == 0 || o->generation > ENGINE_LIFE_MAX || o->instance == 0) {
        return gb_err_info_set(info, GB_EINVAL, 0,
                               "open engine: the generation must be 1 to 2^63 - 1, the instance "
                               "not 0");
    }
    if (o->address_count > GB_HELLO_ADDRESSES_MAX || o->seed_count > GB_SEEDS_MAX) {
        return gb_err_info_set(info, GB_EINVAL, 0, "open engine: at most %d addresses and %d seeds",
                               GB_HELLO_ADDRESSES_MAX, GB_SEEDS_MAX);
    }
    for (uint32_t i = 0; i < o->address_count; i++) {
        if (gb_name_validate(o->addresses[i].host) != GB_OK || o->addresses[i].port == 0 ||
            o->addresses[i].scope > GB_SCOPE_PUBLIC) {
            return gb_err_info_set(info, GB_EINVAL, 0,
                                   "open engine: an address needs a scope, a host of 1 to %d bytes "
                                   "and a port",
                                   GB_HOST_SIZE_MAX);
        }
    }
    if (o->participant_count_max > GB_PARTICIPANTS_MAX || o->link_count_max > GB_LINKS_MAX) {
        return gb_err_info_set(info, GB_EINVAL, 0,
                               "open engine: at most %d participants and %d links",
                               GB_PARTICIPANTS_MAX, GB_LINKS_MAX);
    }
    return GB_OK;
}

static gb_err engine_open_map(gb_engine *e, const gb_engine_options *o)
{
    gb_map_options map_options = {
        .allocator = e->allocator,
        .participant_count_max =
            o->participant_count_max == 0 ? GB_PARTICIPANTS_MAX : o->participant_count_max,
        .key_count_max = e->settings.key_count_max,
        .value_size_max = e->settings.value_size_max,
        .key_size_max = GB_KEY_SIZE_MAX,
        .tombstone_grace_us = e->settings.tombstone_grace_us,
        .hash_seed = gb_rng_u64(&e->rng),
        .reclaim = o->reclaim,
        .reclaim_user = o->reclaim_user,
        .on_change = peer_on_change,
        .on_change_user = e,
    };
    gb_err err = gb_map_open(&map_options, &e->map);
    if (err != GB_OK) {
        return err;
    }
    err = gb_map_add(e->map, o->name, o->generation, &e->self);
    if (err != GB_OK) {
        return err;
    }
    gb_map_set_self(e->map, e->self);
    gb_peer *peer = peer_learn(e, o->name, o->generation, 0, true);
    if (peer == NULL) {
        return GB_ENOMEM;
    }
    peer->instance = o->instance;
    return engine_publish_self(e);
}

gb_err gb_engine_open(const gb_engine_options *options, gb_time_us now, gb_engine **out,
                      gb_err_info *info)
{
    gb_err err = options_check(options, info);
    if (err != GB_OK) {
        return err;
    }
    const gb_allocator *allocator =
        options->allocator != NULL ? options->allocator : gb_allocator_default();
    gb_engine *e = gb_alloc_zeroed(allocator, sizeof *e);
    if (e == NULL) {
        return gb_err_info_set(info, GB_ENOMEM, 0, "open engine: out of memory");
    }
    e->allocator = allocator;
    e->now = now;
    gb_rng_init(&e->rng, options->seed);
    gb_list_init(&e->links);
    gb_list_init(&e->touched);
    e->i_have_at = GB_NO_TIME;
    e->stall_at = GB_NO_TIME;
    e->links_look_at = GB_NO_TIME;
    gb_list_init(&e->probes);
    gb_list_init(&e->accusers);
    e->instance = options->instance;
    e->has_detector = options->has_detector;
    e->link_count_max = options->link_count_max == 0 ? GB_LINKS_MAX : options->link_count_max;
    e->settings = options->settings;
    engine_fill_settings(&e->settings);
    flow_init(e);
    e->is_mesh = true;
    e->leave_deadline = GB_NO_TIME;
    e->round_at = now + e->settings.gossip_interval_us;
    e->exchange_tokens = e->settings.exchanges_per_round;
    e->random_at = now + ENGINE_RANDOM_INTERVAL / 2 + gb_rng_below(&e->rng, ENGINE_RANDOM_INTERVAL);
    e->revive_at = now + e->settings.reconnect_interval_us;
    e->tick_us = e->settings.detector_tick_us;
    e->tick_at = now + e->tick_us;
    e->expire_at = GB_NO_TIME;
    e->purge_at = now + ENGINE_S;
    e->departed_check_at = GB_NO_TIME;

    err = GB_ENOMEM;
    e->cluster = gb_alloc_copy(allocator, options->cluster.base, options->cluster.len);
    e->cluster_size = options->cluster.len;
    e->address_count = (uint8_t)options->address_count;
    e->addresses = engine_copy_addresses(e, options->addresses, e->address_count);
    if (e->cluster != NULL && e->addresses != NULL) {
        err = engine_open_map(e, options);
    }
    if (err == GB_OK) {
        err = gb_engine_set_seeds(e, now, options->seeds, options->seed_count);
    }
    if (err != GB_OK) {
        gb_engine_close(e);
        return gb_err_info_set(info, err, 0, "open engine: %s", gb_strerror(err));
    }
    *out = e;
    return GB_OK;
}

void gb_engine_close(gb_engine *e)
{
    if (e == NULL) {
        return;
    }
    ENGINE_EACH_LINK(e, link)
    {
        link_free(e, link);
    }
    probe_deinit(e);
    join_deinit(e);
    effects_deinit(e);
    self_release_kept(e);
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        if (e->peers[slot] != NULL) {
            peer_free(e, e->peers[slot]);
        }
    }
    gb_map_close(e->map);
    gb_free(e->allocator, e->link_index);
    gb_free(e->allocator, e->peers);
    gb_free(e->allocator, e->stamps);
    gb_free(e->allocator, e->scratch);
    gb_free(e->allocator, e->grafts);
    gb_free(e->allocator, e->addresses);
    gb_free(e->allocator, e->cluster);
    gb_free(e->allocator, e);
}

/* ---- Events in ----------------------------------------------------------------------------------
 */

/* Strangers are bounded by themselves, door by door, so that those at one do not close the other;
 * and they leave room for our own dials. A newcomer takes the place of the one that has waited
 * longest: whoever has something to say has said it within a round trip. Those that have said their
 * HELLO, and wait until their name is known to be free, stay as long as the silent ones take more
 * than their reserve; that itself is left to them, or each newcomer would oust the one before. */
static bool make_room(gb_engine *e, uint8_t role)
{
    uint32_t silent_count = 0;
    uint32_t held_count = 0;
    gb_link *silent = NULL; /* links are in the order of their opening */
    gb_link *held = NULL;
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        if (link->role == role && link->state == LINK_HELLO_WAIT) {
            silent_count++;
            silent = silent == NULL ? link : silent;
        } else if (link->role == role && link->state == LINK_HELD) {
            held_count++;
            held = held == NULL ? link : held;
        }
    }
    uint32_t reserve = e->link_count_max / 4 < GB_DIALS_MAX ? e->link_count_max / 4 : GB_DIALS_MAX;
    if (silent_count + held_count < GB_HANDSHAKES_MAX &&
        e->link_count + reserve < e->link_count_max) {
        return true;
    }
    bool is_held_next = held != NULL && silent_count < GB_HANDSHAKES_SILENT_MIN;
    gb_link *victim = is_held_next || silent == NULL ? held : silent;
    if (victim == NULL) {
        return false;
    }
    link_close(e, victim, GB_CLOSE_BY_US);
    if (victim->is_gone) {
        link_free(e, victim);
    }
    return e->link_count + reserve < e->link_count_max;
}

gb_err gb_engine_accepted(gb_engine *e, gb_time_us now, uint8_t role, gb_slice host, uint16_t port,
                          uint64_t *out)
{
    engine_at(e, now);
    if (e->is_stopped) {
        return GB_ECLOSED;
    }
    if (!make_room(e, role)) {
        return GB_EFULL;
    }
    gb_link *link;
    gb_err err = link_open(e, role, PURPOSE_ACCEPTED, &link);
    if (err != GB_OK) {
        return err;
    }
    link->remote_host = gb_alloc_copy(e->allocator, host.base, host.len);
    link->remote_port = port;
    if (link->remote_host == NULL) {
        link_free(e, link);
        return GB_ENOMEM;
    }
    *out = link->id;
    return GB_OK;
}

void gb_engine_connected(gb_engine *e, gb_time_us now, uint64_t id)
{
    engine_at(e, now);
    gb_link *link = link_find(e, id);
    if (link == NULL || link->state != LINK_DIALLING) {
        return;
    }
    e->dial_count--;
    link->state = LINK_HELLO_SENT;
    link->opened_at = e->now;
    link->heard_at = e->now;
    gossip_look_at(e, e->now + GB_HANDSHAKE_TIMEOUT_MS * ENGINE_MS);
    handshake_begin(e, link);
    if (GB_PLANTED(GB_PLANTED_CONNECT_IS_LIFE) && link->purpose == PURPOSE_PROBE) {
        probe_planted_answer(e, link);
    }
    engine_settle(e);
}

void gb_engine_received(gb_engine *e, gb_time_us now, uint64_t id, gb_slice bytes)
{
    engine_at(e, now);
    gb_link *link = link_find(e, id);
    if (link == NULL || link->state == LINK_CLOSING || link->is_doomed) {
        return;
    }
    e->stats.bytes_received += bytes.len;
    link->heard_at = e->now;
    receive_bytes(e, link, bytes);
    engine_settle(e);
}

void gb_engine_sent(gb_engine *e, gb_time_us now, uint64_t id, size_t byte_count)
{
    engine_at(e, now);
    gb_link *link = link_find(e, id);
    if (link == NULL) {
        return;
    }
    GB_ASSERT(byte_count <= link->queued);
    link->queued -= byte_count;
    if (!feed_is_empty(link)) {
        link_touch(link); /* there may be room again */
    }
}

void gb_engine_closed(gb_engine *e, gb_time_us now, uint64_t id, uint8_t cause, gb_slice text)
{
    engine_at(e, now);
    gb_link *link = link_find(e, id);
    if (link == NULL) {
        return;
    }
    link->is_gone = true;
    if (link->state != LINK_CLOSING) {
        if (link->purpose == PURPOSE_SEED && link->state != LINK_OPEN) {
            gb_err code = cause == GB_CLOSE_REFUSED       ? GB_ECONNREFUSED
                          : cause == GB_CLOSE_TIMED_OUT   ? GB_ETIMEDOUT
                          : cause == GB_CLOSE_UNREACHABLE ? GB_EUNREACHABLE
                          : cause == GB_CLOSE_RESET       ? GB_ECONNRESET
                                                          : GB_EOF;
            join_seed_closed(e, link, code, text);
        }
        link_close(e, link, cause);
    }
    engine_settle(e);
}

static void tick_map(gb_engine *e)
{
    if (e->now >= e->expire_at) {
        uint8_t lane_mask = 0;
        know_before_change(e, e->self);
        gb_time_us next = gb_map_expire(e->map, e->now, 1000, &lane_mask);
        e->expire_at =
            next == GB_NO_TIME ? GB_NO_TIME : (next > e->now ? next : e->now + ENGINE_MS);
        for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
            if ((lane_mask & GB_LANE_BIT(lane)) != 0) {
                push_changed(e, e->self, (gb_lane)lane, NULL);
            }
        }
    }
    if (e->now >= e->purge_at) {
        gb_time_us next = gb_map_purge(e->map, e->now, 10000);
        /* New tombstones are at least the grace away; a look each second also sees a shorter one.
         */
        e->purge_at = next == GB_NO_TIME || next > e->now ? e->now + ENGINE_S : e->now + ENGINE_MS;
    }
    if (e->now >= e->departed_check_at) {
        gb_map_expire_graves(e->map, e->now);
        e->departed_check_at = peer_forget_departed(e);
    }
}

void gb_engine_tick(gb_engine *e, gb_time_us now)
{
    engine_at(e, now);
    if (e->is_stopped) {
        return;
    }
    if (e->has_detector && e->now >= e->tick_at) {
        gb_event event = event_make(e, GB_EVENT_TICK);
        effect_notify(e, &event);
        e->tick_at = e->now + e->tick_us;
    }
    tick_map(e);
    (void)push_due(e);
    (void)pull_due(e);
    (void)probe_due(e);
    (void)gossip_due(e);
    (void)join_due(e);
    (void)ring_due(e);
    join_leave_check(e);
    engine_settle(e);
}

gb_time_us gb_engine_deadline(const gb_engine *e)
{
    if (e->is_stopped) {
        /* Links whose end there was no memory to tell of. */
        return e->link_count == 0 ? GB_NO_TIME : e->now + ENGINE_RETRY;
    }
    gb_time_us at = e->has_detector ? e->tick_at : GB_NO_TIME;
    at = earlier(at, e->expire_at);
    at = earlier(at, e->purge_at);
    at = earlier(at, e->departed_check_at);
    at = earlier(at, e->leave_deadline);
    at = earlier(at, e->next_due);
    return at;
}

/* ---- Flush --------------------------------------------------------------------------------------
 */

/* What has become due, and what follows from it. */
static void flush_work(gb_engine *e)
{
    engine_settle(e);
    if (e->is_stopped) {
        return;
    }
    if (e->is_ring_dirty) {
        ring_update(e);
    }
    gossip_round(e); /* tau may change with it */
    gb_time_us at = admit_due(e);
    at = earlier(at, push_due(e));
    at = earlier(at, pull_due(e));
    at = earlier(at, probe_due(e));
    at = earlier(at, gossip_due(e));
    join_check(e);
    at = earlier(at, join_due(e));
    at = earlier(at, ring_due(e));
    e->next_due = at;
    GB_LIST_EACH(node, &e->links)
    {
        if (!e->is_leaving) {
            break;
        }
        link_touch(link_of(node));
    }
    GB_LIST_EACH(node, &e->touched)
    {
        gb_link *link = GB_CONTAINER_OF(node, gb_link, touched);
        if (link_is_member(link)) {
            feed_link(e, link);
            if (e->is_leaving) {
                join_leave_ping(e, link);
            }
        }
    }
    join_leave_check(e);
}

void gb_engine_flush(gb_engine *e, gb_time_us now)
{
    engine_at(e, now);
    /* A link that closes on the way concerns others that were looked at already. */
    uint32_t passes = 0;
    do {
        flush_work(e);
        passes++;
    } while (passes < ENGINE_FLUSH_PASSES && is_unsettled(e));
    if (is_unsettled(e)) {
        e->next_due = earlier(e->next_due, e->now + ENGINE_RETRY);
    }
    GB_LIST_EACH_SAFE(node, next, &e->touched)
    {
        gb_link *link = GB_CONTAINER_OF(node, gb_link, touched);
        if (link->state == LINK_CLOSING ? !link_tell_close(e, link)
                                        : link->out.len > 0 && !effect_send(e, link)) {
            e->next_due = earlier(e->next_due, e->now + ENGINE_RETRY);
        } else if (link->state == LINK_CLOSING) {
            link_free(e, link);
        } else if (!link->is_doomed) {
            gb_list_remove(node);
        }
    }
    if (e->events_lost > 0) {
        gb_event event = event_make(e, GB_EVENT_LAGGED);
        event.count = e->events_lost;
        e->events_lost = 0;
        effect_notify(e, &event);
    }
}
