/* SPDX-License-Identifier: Apache-2.0 */
/* handshake.c: HELLO, WELCOME, REJECT; one name, one life.
 *
 * While the incumbent of a name answers, a newcomer is rejected. If it does not answer a probe, or
 * its link was cut before the newcomer came, the greater generation takes over. Of two established
 * lives that meet, the greater generation stays and the other stops. */
#include "engine/internal.h"

#include "platform/utf8.h"

#include <stdio.h>
#include <string.h>

void handshake_begin(gb_engine *e, gb_link *link)
{
    gb_hello hello;
    engine_fill_hello(e, &hello);
    if (link->purpose == PURPOSE_PROBE) {
        hello.role = GB_ROLE_PROBE;
    }
    (void)link_encoded(e, link, gb_hello_encode(&link->out, GB_FRAME_HELLO, 0, &hello));
}

static void reject(gb_engine *e, gb_link *link, gb_err code, uint64_t generation, const char *text)
{
    gb_notice notice = {.code = code, .generation = generation, .text = gb_slice_from_str(text)};
    e->stats.rejects_sent++;
    (void)link_encoded(e, link, gb_notice_encode(&link->out, GB_FRAME_REJECT, 0, &notice));
    link_doom(link, GB_CLOSE_BY_US);
}

static bool send_welcome(gb_engine *e, gb_link *link, const gb_hello *theirs)
{
    gb_hello hello;
    engine_fill_hello(e, &hello);
    hello.features &= theirs->features;
    hello.protocol_min =
        GB_PROTOCOL_MAX < theirs->protocol_max ? GB_PROTOCOL_MAX : theirs->protocol_max;
    hello.protocol_max = hello.protocol_min;
    gb_slice seen = gb_slice_from_str(link->remote_host != NULL ? link->remote_host : "");
    if (gb_name_validate(seen) == GB_OK) {
        hello.observed.host = seen;
        hello.observed.port = link->remote_port;
    }
    return link_encoded(e, link, gb_hello_encode(&link->out, GB_FRAME_WELCOME, 0, &hello));
}

/* ---- The acceptor -------------------------------------------------------------------------------
 */

static void accept_client(gb_engine *e, gb_link *link, const gb_hello *hello)
{
    if (e->client_count >= GB_CLIENTS_MAX) {
        reject(e, link, GB_EREJECTED_FULL, 0, "too many clients");
        return;
    }
    if (send_welcome(e, link, hello)) {
        link->state = LINK_OPEN;
        link->is_counted = true;
        e->client_count++;
    }
}

static void accept_probe(gb_engine *e, gb_link *link, const gb_hello *hello)
{
    (void)send_welcome(e, link, hello);
    link_doom(link, GB_CLOSE_BY_US);
}

static void reject_generation(gb_engine *e, gb_link *link, uint64_t known)
{
    reject(e, link, GB_EREJECTED_GENERATION, known < ENGINE_LIFE_MAX ? known + 1 : 0,
           "a life of this name with a greater or equal generation is known");
}

static void accept_member(gb_engine *e, gb_link *link, const gb_hello *hello)
{
    gb_peer *peer = peer_learn(e, hello->name, hello->generation, 0, true);
    if (peer == NULL) {
        reject(e, link, GB_EREJECTED_FULL, 0, "no room for another participant");
        return;
    }
    if (!send_welcome(e, link, hello)) {
        return;
    }
    peer_hello(e, peer, hello);
    link_established(e, link, peer, hello);
}

/* Somebody with our own name. */
static void meet_namesake(gb_engine *e, gb_link *link, const gb_hello *hello)
{
    if (hello->instance == e->instance) {
        reject(e, link, GB_EREJECTED_SELF, 0, "this is the dialling node itself");
        return;
    }
    bool is_theirs_later =
        hello->generation > e->self->generation ||
        (hello->generation == e->self->generation && hello->instance > e->instance);
    if ((hello->flags & GB_HELLO_IS_ESTABLISHED) == 0) {
        reject(e, link, GB_EREJECTED_NAME_IN_USE, 0, "a node of this name runs here");
        return;
    }
    if (!is_theirs_later) {
        reject(e, link, GB_EREPLACED, 0, "a later life of this name runs here");
        return;
    }
    reject(e, link, GB_EREJECTED_NAME_IN_USE, 0, "this is the older life; it stops");
    gb_event event = event_make(e, GB_EVENT_REPLACED);
    event.text = gb_slice_from_str("a later life of this name is part of the cluster");
    effect_notify(e, &event);
    e->is_stopping = true;
}

/* Keep the HELLO until it is known whether the incumbent answers. */
static void hold(gb_engine *e, gb_link *link, const gb_frame *frame, gb_peer *incumbent)
{
    link->held_bytes = gb_alloc_copy(e->allocator, frame->payload.base, frame->payload.len);
    link->held = gb_alloc(e->allocator, sizeof *link->held);
    if (link->held_bytes == NULL || link->held == NULL ||
        gb_hello_decode(gb_slice_make(link->held_bytes, frame->payload.len), link->held) != GB_OK) {
        link_fail(e, link, GB_ENOMEM, "out of memory");
        return;
    }
    link->state = LINK_HELD;
    probe_takeover(e, link, incumbent);
}

static bool is_same_life(const gb_peer *peer, const gb_hello *hello)
{
    return hello->generation == peer->generation &&
           (peer->instance == 0 || peer->instance == hello->instance);
}

static void meet_member(gb_engine *e, gb_link *link, const gb_frame *frame, const gb_hello *hello)
{
    gb_participant *p = gb_map_find(e->map, hello->name);
    gb_peer *peer = p == NULL ? NULL : peer_at(e, p->slot);
    uint64_t grave_generation = 0;
    uint64_t grave_incarnation = 0;
    if (peer == NULL) {
        if (gb_map_grave(e->map, hello->name, &grave_generation, &grave_incarnation) &&
            hello->generation < grave_generation) {
            reject_generation(e, link, grave_generation);
            return;
        }
        accept_member(e, link, hello);
        return;
    }
    if (is_same_life(peer, hello)) {
        accept_member(e, link, hello);
        return;
    }
    bool is_free = !peer_is_live(peer) || (peer->link == NULL && peer->is_link_lost);
    if (!is_free) {
        /* Also with a lesser generation: told a greater one, it would take the name from a life
         * that answers. */
        hold(e, link, frame, peer);
    } else if (hello->generation <= peer->generation) {
        reject_generation(e, link, peer->generation);
    } else {
        accept_member(e, link, hello);
    }
}

void handshake_resume(gb_engine *e, gb_link *link, bool is_incumbent_there)
{
    if (link->state != LINK_HELD || link->is_doomed) {
        return;
    }
    /* The name may have been given to somebody else while we waited. */
    const gb_hello *hello = link->held;
    gb_participant *p = gb_map_find(e->map, hello->name);
    gb_peer *peer = p == NULL ? NULL : peer_at(e, p->slot);
    bool is_later = peer == NULL || hello->generation > peer->generation;
    if (peer != NULL && is_same_life(peer, hello)) {
        accept_member(e, link, hello);
        return;
    }
    if (!is_incumbent_there) {
        if (is_later) {
            accept_member(e, link, hello);
        } else {
            reject_generation(e, link, peer->generation);
        }
        return;
    }
    if ((hello->flags & GB_HELLO_IS_ESTABLISHED) == 0) {
        reject(e, link, GB_EREJECTED_NAME_IN_USE, 0, "a node of this name is part of the cluster");
    } else if (is_later) {
        accept_member(e, link, hello); /* two established lives: the incumbent is told to go */
    } else if (hello->generation == peer->generation && hello->instance > peer->instance) {
        reject_generation(e, link, peer->generation); /* the later one, once it is lifted */
    } else {
        reject(e, link, GB_EREPLACED, 0, "a later life of this name is part of the cluster");
    }
}

void handshake_hello(gb_engine *e, gb_link *link, const gb_frame *frame)
{
    gb_hello hello;
    gb_err err = gb_hello_decode(frame->payload, &hello);
    if (err != GB_OK) {
        link_fail(e, link, err, "malformed HELLO");
        return;
    }
    if (hello.generation > ENGINE_LIFE_MAX) {
        reject(e, link, GB_EREJECTED_GENERATION, 0, "a generation must be below 2^63");
        return;
    }
    if (hello.protocol_min > GB_PROTOCOL_MAX || hello.protocol_max < GB_PROTOCOL_MIN) {
        reject(e, link, GB_EREJECTED_VERSION, 0, "no common protocol version");
        return;
    }
    bool is_client = hello.role == GB_ROLE_CLIENT;
    if (is_client != (link->role == GB_ROLE_CLIENT)) {
        reject(e, link, GB_EREJECTED_ROLE, 0,
               is_client ? "clients are served on the client door, not on the node's port"
                         : "this is a client door; nodes are served on the node's port");
        return;
    }
    if (is_client) {
        accept_client(e, link, &hello);
        return;
    }
    if (!gb_slice_equal(hello.cluster, gb_slice_make(e->cluster, e->cluster_size))) {
        /* Each name has as many bytes as a text may have; what is too much is cut. */
        char text[2 * GB_ERROR_TEXT_MAX + 64];
        (void)snprintf(text, sizeof text, "the cluster is called \"%s\", not \"%.*s\"", e->cluster,
                       (int)hello.cluster.len, (const char *)hello.cluster.base);
        reject(e, link, GB_EREJECTED_CLUSTER, 0, text);
        return;
    }
    if (hello.role == GB_ROLE_PROBE) {
        accept_probe(e, link, &hello);
        return;
    }
    if (e->is_leaving) {
        reject(e, link, GB_EREJECTED_FULL, 0, "this node is leaving");
        return;
    }
    if (gb_slice_equal(hello.name, engine_name(e))) {
        meet_namesake(e, link, &hello);
        return;
    }
    meet_member(e, link, frame, &hello);
}

/* ---- The dialler --------------------------------------------------------------------------------
 */

/* Its WELCOME is not what we came for; it holds the link for open. */
static void goodbye(gb_engine *e, gb_link *link, const char *text)
{
    gb_notice notice = {.text = gb_slice_from_str(text)};
    (void)link_encoded(e, link, gb_notice_encode(&link->out, GB_FRAME_BYE, 0, &notice));
    link_doom(link, GB_CLOSE_BY_US);
}

void handshake_welcome(gb_engine *e, gb_link *link, const gb_frame *frame)
{
    gb_hello hello;
    gb_err err = gb_hello_decode(frame->payload, &hello);
    if (err != GB_OK) {
        link_fail(e, link, err, "malformed WELCOME");
        return;
    }
    if (hello.protocol_min < GB_PROTOCOL_MIN || hello.protocol_min > GB_PROTOCOL_MAX) {
        link_fail(e, link, GB_EREJECTED_VERSION, "WELCOME chose a version that was not offered");
        return;
    }
    if (link->purpose == PURPOSE_PROBE) {
        probe_dial_ended(e, link, &hello, 0);
        link->purpose = PURPOSE_ACCEPTED; /* its end is nobody's news */
        link_doom(link, GB_CLOSE_BY_US);
        return;
    }
    if (!gb_slice_equal(hello.cluster, gb_slice_make(e->cluster, e->cluster_size))) {
        link_fail(e, link, GB_EREJECTED_CLUSTER, "another cluster answers");
        return;
    }
    if (hello.instance == e->instance || gb_slice_equal(hello.name, engine_name(e))) {
        link_fail(e, link, GB_EREJECTED_SELF, "this is the dialling node itself");
        return;
    }
    if (link->expected_slot != UINT64_MAX) {
        gb_peer *expected = peer_at(e, (uint32_t)link->expected_slot);
        if (expected == NULL || !gb_slice_equal(peer_name(e, expected), hello.name)) {
            goodbye(e, link, "somebody else was expected"); /* its next address is tried */
            return;
        }
    }
    gb_participant *known = gb_map_find(e->map, hello.name);
    gb_peer *namesake = known == NULL ? NULL : peer_at(e, known->slot);
    if (e->is_leaving || (namesake != NULL && namesake->generation == hello.generation &&
                          namesake->instance != 0 && namesake->instance != hello.instance)) {
        goodbye(e, link, "another life with this generation is known, or the dialler leaves");
        return;
    }
    gb_peer *peer = peer_learn(e, hello.name, hello.generation, 0, true);
    if (peer == NULL) {
        link_fail(e, link, GB_EREJECTED_GENERATION, "an older life than known, or no room");
        return;
    }
    peer_hello(e, peer, &hello);
    link_established(e, link, peer, &hello);
}

/* A refusal that ends this node: another node or cluster has the right to be here. */
static void refused_for_good(gb_engine *e, const gb_notice *notice)
{
    bool is_replaced = e->is_established;
    gb_event event = event_make(e, is_replaced ? GB_EVENT_REPLACED : GB_EVENT_REJECTED);
    event.code = notice->code;
    event.text = notice->text;
    effect_notify(e, &event);
    e->is_stopping = true;
}

void handshake_reject(gb_engine *e, gb_link *link, const gb_frame *frame)
{
    gb_notice notice;
    gb_err err = gb_notice_decode(frame->payload, &notice);
    if (err != GB_OK) {
        link_fail(e, link, err, "malformed REJECT");
        return;
    }
    link_doom(link, GB_CLOSE_BY_US);
    if (link->purpose == PURPOSE_PROBE) {
        link->doom_cause = GB_CLOSE_PROTOCOL;
        return; /* whoever it is, it is not the one that we looked for */
    }
    switch (notice.code) {
    case GB_EREJECTED_SELF:
        if (link->purpose == PURPOSE_SEED && link->seed_index < e->seed_count) {
            e->seeds[link->seed_index].is_self = true;
        }
        return;
    case GB_EREJECTED_GENERATION:
        engine_want_generation(e, notice.generation);
        if (link->purpose == PURPOSE_SEED && link->seed_index < e->seed_count) {
            e->seeds[link->seed_index].dial_at = e->now;
        }
        return;
    case GB_EREPLACED:
    case GB_EREJECTED_NAME_IN_USE:
        refused_for_good(e, &notice);
        return;
    case GB_EREJECTED_CLUSTER:
    case GB_EREJECTED_VERSION:
        /* Once part of a cluster, an address that another one has taken over is no news. */
        if (!e->is_established) {
            refused_for_good(e, &notice);
        }
        return;
    default:
        if (link->purpose == PURPOSE_SEED) {
            join_seed_closed(e, link, (gb_err)notice.code, notice.text);
        }
        return;
    }
}
