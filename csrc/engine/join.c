/* SPDX-License-Identifier: Apache-2.0 */
/* join.c: seeds, dialled for ever until one answers; later now and then, with the dead, so that a
 * healed partition re-merges by itself. Leaving. */
#include "engine/internal.h"

static void seeds_free(gb_engine *e, gb_seed *seeds, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        gb_free(e->allocator, seeds[i].host);
    }
    gb_free(e->allocator, seeds);
}

void join_deinit(gb_engine *e)
{
    seeds_free(e, e->seeds, e->seed_count);
}

static const gb_seed *seed_find(const gb_engine *e, gb_slice host, uint16_t port)
{
    for (uint32_t i = 0; i < e->seed_count; i++) {
        const gb_seed *seed = &e->seeds[i];
        if (seed->port == port && gb_slice_equal(gb_slice_from_str(seed->host), host)) {
            return seed;
        }
    }
    return NULL;
}

gb_err gb_engine_set_seeds(gb_engine *e, gb_time_us now, const gb_address *seeds, uint32_t count)
{
    engine_at(e, now);
    if (count > GB_SEEDS_MAX) {
        return GB_EINVAL;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (seeds[i].host.len == 0 || seeds[i].host.len > GB_HOST_SIZE_MAX || seeds[i].port == 0) {
            return GB_EINVAL;
        }
    }
    gb_seed *copy = gb_alloc_zeroed(e->allocator, (count + 1) * sizeof *copy);
    if (copy == NULL) {
        return GB_ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        copy[i].host = gb_alloc_copy(e->allocator, seeds[i].host.base, seeds[i].host.len);
        if (copy[i].host == NULL) {
            seeds_free(e, copy, i);
            return GB_ENOMEM;
        }
        copy[i].port = seeds[i].port;
        copy[i].dial_at = e->now;
        const gb_seed *former = seed_find(e, seeds[i].host, seeds[i].port);
        copy[i].is_self = engine_is_own_address(e, seeds[i].host, seeds[i].port) ||
                          (former != NULL && former->is_self);
        copy[i].is_new = former != NULL ? former->is_new : e->is_joined;
    }
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        if (link->purpose == PURPOSE_SEED) {
            link->purpose = PURPOSE_RING; /* its index means another seed now, or none */
        }
    }
    seeds_free(e, e->seeds, e->seed_count);
    e->seeds = copy;
    e->seed_count = count;
    return GB_OK;
}

void join_seed_closed(gb_engine *e, gb_link *link, gb_err code, gb_slice text)
{
    if (link->seed_index >= e->seed_count || e->seeds[link->seed_index].link != link->id) {
        return;
    }
    gb_seed *seed = &e->seeds[link->seed_index];
    seed->link = 0;
    uint32_t shift = seed->failures < 6 ? seed->failures : 6;
    gb_time_us pause = ENGINE_DIAL_BACKOFF_MIN << shift;
    pause = pause > ENGINE_DIAL_BACKOFF_MAX ? ENGINE_DIAL_BACKOFF_MAX : pause;
    seed->dial_at = e->now + pause / 2 + gb_rng_below(&e->rng, pause / 2 + 1);
    seed->failures++;
    if (code == GB_OK || e->is_stopped) {
        return;
    }
    gb_event event = event_make(e, GB_EVENT_SEED_FAILED);
    event.host = gb_slice_from_str(seed->host);
    event.port = seed->port;
    event.code = code;
    event.text = text.len > 0 ? text : gb_slice_from_str(gb_strerror(code));
    event.count = seed->failures;
    effect_notify(e, &event);
}

static void dial_seed(gb_engine *e, uint32_t index)
{
    gb_seed *seed = &e->seeds[index];
    gb_link *link = link_dial(e, PURPOSE_SEED, gb_slice_from_str(seed->host), seed->port);
    if (link == NULL) {
        seed->dial_at = e->now + ENGINE_DIAL_BACKOFF_MIN;
        return;
    }
    link->seed_index = index;
    seed->link = link->id;
}

/* ---- Joined
 * ------------------------------------------------------------------------------------------- */

static bool is_pulling_membership(const gb_engine *e, const gb_link *link)
{
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        const gb_peer *peer = e->peers[slot];
        if (peer != NULL && pull_state(peer, GB_LANE_MEMBERSHIP)->link == link->id) {
            return true;
        }
    }
    return false;
}

static void joined(gb_engine *e)
{
    e->is_joined = true;
    e->is_established = true;
    gb_event event = event_make(e, GB_EVENT_JOINED);
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        const gb_peer *peer = e->peers[slot];
        event.count += peer != NULL && peer->is_announced && peer_is_live(peer) ? 1 : 0;
    }
    effect_notify(e, &event);
    e->dial_check_at = e->now;
}

void join_check(gb_engine *e)
{
    if (!e->is_joining || e->is_joined) {
        return;
    }
    uint32_t others = 0;
    for (uint32_t i = 0; i < e->seed_count; i++) {
        others += e->seeds[i].is_self ? 0 : 1;
    }
    if (others == 0) {
        joined(e);
        return;
    }
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        if (link_is_member(link) && link->was_exchanged && !is_pulling_membership(e, link)) {
            joined(e);
            return;
        }
    }
}

/* ---- Dead members and seeds
 * ------------------------------------------------------------------------------ */

static bool lives_at(const gb_engine *e, const gb_peer *peer, const gb_seed *seed)
{
    if (peer == NULL || !peer_is_live(peer)) {
        return false;
    }
    gb_node_record memory;
    const gb_address *addresses;
    uint8_t count = peer_addresses(e, peer, &memory, &addresses);
    for (uint8_t i = 0; i < count; i++) {
        if (addresses[i].port == seed->port &&
            gb_slice_equal(addresses[i].host, gb_slice_from_str(seed->host))) {
            return true;
        }
    }
    return false;
}

/* A live member that we know lives at this address: its seed needs no dial. */
static bool is_known_address(const gb_engine *e, gb_seed *seed)
{
    if (lives_at(e, peer_at(e, seed->slot), seed)) {
        return true;
    }
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        if (lives_at(e, e->peers[slot], seed)) {
            seed->slot = slot;
            return true;
        }
    }
    return false;
}

static void revive(gb_engine *e)
{
    gb_peer *dead = NULL;
    uint32_t seen = 0;
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        gb_peer *peer = e->peers[slot];
        if (peer == NULL || peer->status != GB_STATUS_DEAD || peer->link != NULL ||
            peer->dialling != NULL || peer->address_count == 0) {
            continue;
        }
        seen++;
        if (gb_rng_below(&e->rng, seen) == 0) {
            dead = peer;
        }
    }
    if (dead != NULL) {
        (void)ring_dial(e, dead, PURPOSE_REVIVE);
    }
    uint32_t at = e->seed_count == 0 ? 0 : (uint32_t)gb_rng_below(&e->rng, e->seed_count);
    for (uint32_t i = 0; i < e->seed_count; i++) {
        gb_seed *seed = &e->seeds[(at + i) % e->seed_count];
        if (!seed->is_self && seed->link == 0 && !is_known_address(e, seed)) {
            dial_seed(e, (at + i) % e->seed_count);
            return;
        }
    }
}

/* A seed that is given to a member leads to another part of the cluster, as a rule: it is tried at
 * once, and from then on with the others. */
static gb_time_us dial_new_seeds(gb_engine *e)
{
    for (uint32_t i = 0; i < e->seed_count; i++) {
        gb_seed *seed = &e->seeds[i];
        if (!seed->is_new) {
            continue;
        }
        bool is_needless = seed->is_self || seed->link != 0 || is_known_address(e, seed);
        if (!is_needless && e->dial_count >= GB_SEED_DIALS_MAX) {
            return e->now + ENGINE_DIAL_BACKOFF_MIN; /* neighbours and probes are dialled too */
        }
        seed->is_new = false;
        if (!is_needless) {
            dial_seed(e, i);
        }
    }
    return GB_NO_TIME;
}

gb_time_us join_due(gb_engine *e)
{
    if (!e->is_joining || e->is_leaving) {
        return GB_NO_TIME;
    }
    if (e->is_joined) {
        if (e->now >= e->revive_at) {
            uint64_t interval = e->settings.reconnect_interval_us;
            e->revive_at = e->now + interval / 2 + gb_rng_below(&e->rng, interval);
            revive(e);
        }
        return earlier(e->revive_at, dial_new_seeds(e));
    }
    gb_time_us next = GB_NO_TIME;
    for (uint32_t i = 0; i < e->seed_count; i++) {
        gb_seed *seed = &e->seeds[i];
        if (seed->is_self || seed->link != 0) {
            continue;
        }
        if (seed->dial_at <= e->now) {
            dial_seed(e, i);
        }
        if (seed->link == 0 && seed->dial_at < next) {
            next = seed->dial_at;
        }
    }
    return next;
}

/* ---- Leaving
 * ------------------------------------------------------------------------------------------------
 */

void join_leave_ping(gb_engine *e, gb_link *link)
{
    const gb_know *know = know_find(link, e->self->slot);
    bool is_told =
        link->leave_told && (know == NULL || (know->queued & GB_LANE_BIT(GB_LANE_MEMBERSHIP)) == 0);
    if (is_told && link->leave_ping == 0 && !e->is_publish_due) {
        link->leave_ping = engine_request_no(e);
        (void)link_encoded(e, link, gb_empty_encode(&link->out, GB_FRAME_PING, link->leave_ping));
    }
}

void join_leave_check(gb_engine *e)
{
    if (!e->is_leaving || e->is_stopped) {
        return;
    }
    uint32_t links = 0;
    uint32_t acknowledged = 0;
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        if (link_is_member(link)) {
            links++;
            acknowledged += link->is_leave_acknowledged ? 1 : 0;
        }
    }
    uint32_t enough = links < 2 ? links : 2;
    if (acknowledged < enough && e->now < e->leave_deadline) {
        return;
    }
    gb_event event = event_make(e, GB_EVENT_LEFT);
    event.count = acknowledged;
    effect_notify(e, &event);
    engine_stop(e);
}
