/* SPDX-License-Identifier: Apache-2.0 */
/* links.c: the life of a link, from dial or accept to close. */
#include "engine/internal.h"

#include "platform/planted.h"

#include "codec/frame.h"

#include <string.h>

/* The place of the first link with an id of at least this. */
static uint32_t index_place(const gb_engine *e, uint64_t id)
{
    uint32_t low = 0;
    uint32_t high = e->link_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (e->link_index[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

gb_link *link_find(const gb_engine *e, uint64_t id)
{
    uint32_t place = index_place(e, id);
    return place < e->link_count && e->link_index[place].id == id ? e->link_index[place].link
                                                                  : NULL;
}

/* Ids rise: a new link is the last one. */
static bool index_reserve(gb_engine *e)
{
    if (e->link_count < e->link_capacity) {
        return true;
    }
    uint32_t capacity = e->link_capacity == 0 ? 16 : e->link_capacity * 2;
    gb_link_place *index = gb_realloc_array(e->allocator, e->link_index, capacity, sizeof *index);
    if (index == NULL) {
        return false;
    }
    e->link_index = index;
    e->link_capacity = capacity;
    return true;
}

static void index_remove(gb_engine *e, const gb_link *link)
{
    uint32_t place = index_place(e, link->id);
    GB_ASSERT(place < e->link_count && e->link_index[place].link == link);
    memmove(e->link_index + place, e->link_index + place + 1,
            (e->link_count - place - 1) * sizeof *e->link_index);
    e->link_count--;
}

gb_err link_open(gb_engine *e, uint8_t role, gb_link_purpose purpose, gb_link **out)
{
    if (e->link_count >= e->link_count_max) {
        return GB_EFULL;
    }
    gb_link *link = index_reserve(e) ? gb_alloc_zeroed(e->allocator, sizeof *link) : NULL;
    if (link == NULL) {
        return GB_ENOMEM;
    }
    gb_err err = gb_parser_open(e->allocator, GB_FRAME_PAYLOAD_MAX, &link->parser);
    if (err != GB_OK) {
        gb_free(e->allocator, link);
        return err;
    }
    e->link_no++;
    link->id = e->link_no;
    link->engine = e;
    link->role = role;
    link->purpose = purpose;
    link->state = LINK_HELLO_WAIT; /* link_dial says otherwise */
    link->expected_slot = UINT64_MAX;
    link->opened_at = e->now;
    link->heard_at = e->now;
    link->heartbeat_at = GB_NO_TIME;
    link->unwanted_since = GB_NO_TIME;
    link->backed_up_since = GB_NO_TIME;
    link->flow_lag = UINT64_MAX; /* whatever it is at first, it was not less before */
    gb_out_init(&link->out, e->allocator);
    gb_list_push_back(&e->links, &link->node);
    e->link_index[e->link_count] = (gb_link_place){link->id, link};
    e->link_count++;
    gossip_look_at(e, e->now + GB_HANDSHAKE_TIMEOUT_MS * ENGINE_MS);
    *out = link;
    return GB_OK;
}

gb_link *link_dial(gb_engine *e, gb_link_purpose purpose, gb_slice host, uint16_t port)
{
    gb_link *link;
    if (e->dial_count >= GB_DIALS_MAX || host.len == 0 || port == 0 ||
        link_open(e, GB_ROLE_MEMBER, purpose, &link) != GB_OK) {
        return NULL;
    }
    link->is_dialled = true;
    link->state = LINK_DIALLING;
    link->dial_host = gb_alloc_copy(e->allocator, host.base, host.len);
    link->dial_port = port;
    e->dial_count++;
    if (link->dial_host == NULL) {
        link_free(e, link);
        return NULL;
    }
    effect_dial(e, link);
    return link;
}

static void link_leave_state(gb_engine *e, gb_link *link)
{
    if (link->state == LINK_DIALLING) {
        e->dial_count--;
    }
    if (link->is_counted) {
        link->is_counted = false;
        e->client_count--;
    }
}

void link_free(gb_engine *e, gb_link *link)
{
    link_leave_state(e, link);
    gb_list_remove(&link->node);
    gb_list_remove(&link->touched);
    index_remove(e, link);
    gb_parser_close(link->parser);
    gb_out_deinit(&link->out);
    feed_deinit(e, link);
    gb_free(e->allocator, link->i_have_slots);
    know_deinit(e, link);
    gb_free(e->allocator, link->held);
    gb_free(e->allocator, link->held_bytes);
    gb_free(e->allocator, link->remote_host);
    gb_free(e->allocator, link->dial_host);
    gb_free(e->allocator, link);
}

void link_trim(gb_engine *e, gb_link *link)
{
    if (e->now < link->delta_at + e->settings.gossip_interval_us) {
        return;
    }
    gb_parser_trim(link->parser);
    if (link->out.len == 0 && link->out.capacity > ENGINE_QUIET_KEPT) {
        gb_out_deinit(&link->out);
    }
    if (link->i_have_count == 0 && link->i_have_capacity > 64) {
        gb_free(e->allocator, link->i_have_slots);
        link->i_have_slots = NULL;
        link->i_have_capacity = 0;
    }
}

/* Another open link to the same peer, if any. */
static gb_link *link_sibling(const gb_engine *e, const gb_link *link)
{
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *other = link_of(node);
        if (other != link && other->peer == link->peer && link_is_member(other)) {
            return other;
        }
    }
    return NULL;
}

static void resolve_duplicate(gb_engine *e, gb_link *fresh, gb_link *old);

/* What an open member link leaves behind. */
static void link_detach_peer(gb_engine *e, gb_link *link, uint8_t cause)
{
    gb_peer *peer = link->peer;
    gb_link *sibling = link_sibling(e, link);
    link->peer = NULL;
    if (peer->link == link) {
        peer->link = sibling;
    }
    if (sibling != NULL) {
        /* If the one that was to stay has gone, those that remain settle it anew. */
        gb_link *third = e->is_stopped ? NULL : link_sibling(e, sibling);
        if (third != NULL) {
            resolve_duplicate(e, third->id > sibling->id ? third : sibling,
                              third->id > sibling->id ? sibling : third);
        }
        return;
    }
    bool is_cut = cause == GB_CLOSE_RESET || cause == GB_CLOSE_ENDED;
    peer->is_link_lost = is_cut;
    if (e->has_detector && !e->is_stopped) {
        gb_event event = event_make(e, GB_EVENT_LINK_CLOSED);
        event.name = peer_name(e, peer);
        event.generation = peer->generation;
        event.cause = cause;
        effect_notify(e, &event);
    }
    if (e->now - link->established_at >= ENGINE_STABLE_AGE) {
        /* Dial a neighbour again at once: a link may break without its node. */
        peer->dial_at = e->now;
        peer->dial_failures = 0;
    } else {
        ring_dial_failed(e, peer);
    }
    e->dial_check_at = e->now;
}

void link_doom(gb_link *link, uint8_t cause)
{
    link->is_doomed = true;
    link->doom_cause = cause;
    link->engine->has_doomed = true;
    link_touch(link);
}

bool link_tell_close(gb_engine *e, gb_link *link)
{
    if (link->is_gone) {
        return true;
    }
    if ((link->out.len > 0 && !effect_send(e, link)) || !effect_close(e, link->id)) {
        return false;
    }
    link->is_gone = true;
    return true;
}

void link_close(gb_engine *e, gb_link *link, uint8_t cause)
{
    if (link->state == LINK_CLOSING) {
        return;
    }
    gb_link_state state = link->state;
    link_leave_state(e, link);
    link->state = LINK_CLOSING;
    link->is_doomed = false;
    link_touch(link);
    (void)link_tell_close(e, link);

    if (state == LINK_OPEN && link->role == GB_ROLE_CLIENT) {
        gb_event event = event_make(e, GB_EVENT_CLIENT_CLOSED);
        event.link = link->id;
        effect_notify(e, &event);
    }
    if (link->peer != NULL) {
        push_link_lost(e, link);
        pull_link_lost(e, link);
        link_detach_peer(e, link, cause);
    } else if (link->is_dialled && link->purpose == PURPOSE_PROBE) {
        probe_dial_ended(e, link, NULL, cause);
    } else if (link->is_dialled && state != LINK_OPEN) {
        e->stats.dials_failed++;
        gb_peer *expected =
            link->expected_slot == UINT64_MAX ? NULL : peer_at(e, (uint32_t)link->expected_slot);
        if (expected != NULL && expected->dialling == link) {
            expected->dialling = NULL;
            ring_dial_failed(e, expected);
        }
    }
    if (link->purpose == PURPOSE_SEED) {
        join_seed_closed(e, link, GB_OK, gb_slice_make(NULL, 0));
    }
    probe_link_lost(e, link->id);
    flow_link_lost(e, link);
}

void link_bye(gb_engine *e, gb_link *link, uint8_t cause, gb_err code, const char *text)
{
    if (link->state == LINK_OPEN) {
        gb_notice notice = {.code = code, .text = gb_slice_from_str(text)};
        /* Best effort: without it the peer sees the link end all the same. */
        (void)gb_notice_encode(&link->out, GB_FRAME_BYE, 0, &notice);
    }
    link_close(e, link, cause);
}

void link_fail(gb_engine *e, gb_link *link, gb_err code, const char *text)
{
    e->stats.protocol_errors++;
    gb_notice notice = {.code = code, .text = gb_slice_from_str(text)};
    (void)gb_notice_encode(&link->out, GB_FRAME_ERROR, 0, &notice);
    link_doom(link, code == GB_ENOMEM ? GB_CLOSE_BY_US : GB_CLOSE_PROTOCOL);
}

bool link_encoded(gb_engine *e, gb_link *link, gb_err err)
{
    if (err == GB_OK) {
        e->stats.frames_sent++;
        link_touch(link);
        return true;
    }
    /* GB_ENOMEM, or a message of ours over its bound, which must not happen. */
    GB_ASSERT(err == GB_ENOMEM);
    link_doom(link, GB_CLOSE_BY_US);
    return false;
}

/* ---- Established
 * --------------------------------------------------------------------------------- */

/* Of two links between the same instances the one dialled by the lesser name stays. */
static bool is_preferred(const gb_engine *e, const gb_link *link)
{
    bool is_ours_lesser = gb_slice_compare(engine_name(e), peer_name(e, link->peer)) < 0;
    return link->is_dialled == is_ours_lesser;
}

static void resolve_duplicate(gb_engine *e, gb_link *fresh, gb_link *old)
{
    gb_link *stays = is_preferred(e, fresh) ? fresh : old;
    if (is_preferred(e, fresh) == is_preferred(e, old)) {
        /* The same side dialled twice: the old one may be half-open, the new one is known to work.
         */
        stays = fresh;
    }
    stays->duplicate_ping = engine_request_no(e);
    stays->duplicate_at = e->now;
    gossip_look_at(e, e->now + ENGINE_DUPLICATE_BOUND);
    (void)link_encoded(e, stays,
                       gb_empty_encode(&stays->out, GB_FRAME_PING, stays->duplicate_ping));
}

void link_pong(gb_engine *e, gb_link *link, uint32_t request_id)
{
    if (link->duplicate_ping != 0 && request_id == link->duplicate_ping) {
        link->duplicate_ping = 0;
        link->peer->link = link;
        ENGINE_EACH_LINK(e, other)
        {
            if (other != link && other->peer == link->peer && link_is_member(other)) {
                link_bye(e, other, GB_CLOSE_REPLACED, GB_OK, "another link stays");
            }
        }
    }
    if (link->leave_ping != 0 && request_id == link->leave_ping) {
        link->is_leave_acknowledged = true;
    }
}

void link_established(gb_engine *e, gb_link *link, gb_peer *peer, const gb_hello *hello)
{
    gb_link *old = peer->link;
    link->state = LINK_OPEN;
    link->opened_at = e->now;
    link->established_at = e->now;
    link->heard_at = e->now;
    link->peer = peer;
    link->instance = hello->instance;
    link->features = hello->features & GB_FEATURES_OURS;
    link->peer_hash = hello->map_hash;
    if (peer->dialling == link) {
        peer->dialling = NULL;
    }
    peer->is_link_lost = false;
    if (link->is_dialled) {
        peer_proved_diallable(e, peer);
    } else if (e->has_detector && !peer->is_diallable) {
        /* Only an address that answered before can prove a crash by refusing: see that it does. */
        probe_dial(e, PROBE_PROOF, peer_name(e, peer), peer->generation, 0, 0);
    }
    if (old == NULL) {
        peer->link = link;
        if (e->has_detector) {
            gb_event event = event_make(e, GB_EVENT_LINK_OPENED);
            event.name = peer_name(e, peer);
            event.generation = peer->generation;
            effect_notify(e, &event);
        }
    } else {
        resolve_duplicate(e, link, old);
    }
    /* One heartbeat exchange per link: the lesser name asks. Those of a node's links are spread
     * over the interval, so that of its monitors one misses it soon, whenever it falls silent. */
    if (gb_slice_compare(engine_name(e), peer_name(e, peer)) < 0) {
        link->heartbeat_at = e->now + gb_rng_below(&e->rng, e->settings.heartbeat_interval_us + 1);
    }
    gossip_look_at(e, earlier(link->heartbeat_at, e->now + e->settings.link_timeout_us));
    gossip_look_at(e, link->purpose == PURPOSE_VISIT ? e->now + ENGINE_S / 2 : GB_NO_TIME);
    if (peer->is_visit_due && link->purpose == PURPOSE_VISIT) {
        paper_begin(e, link);
    } else if (link->peer_hash == gb_map_hash(e->map) ||
               GB_PLANTED(GB_PLANTED_KNOWN_ON_CLOSED_LINK)) {
        know_agreed(e, link);
        link->was_exchanged = true;
    } else if (link->is_dialled) {
        gossip_begin(e, link);
    }
    peer->is_visit_due = false;
    e->is_established = e->is_established || e->is_joining || e->is_joined;
    e->dial_check_at = e->now; /* it may be outside the rings */
}
