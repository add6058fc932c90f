/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c: is (name, generation) there? Success is its own WELCOME or PONG, never a mere connect: a
 * stopped process still accepts, and a dial can meet another process. */
#include "engine/internal.h"

#include <string.h>

static gb_probe_op *op_of(gb_list_node *node)
{
    return GB_CONTAINER_OF(node, gb_probe_op, node);
}

static gb_slice op_name(const gb_probe_op *op)
{
    return gb_slice_make(op->name, op->name_size);
}

static gb_probe_op *op_find(gb_engine *e, uint64_t no)
{
    GB_LIST_EACH(node, &e->probes)
    {
        if (op_of(node)->no == no) {
            return op_of(node);
        }
    }
    return NULL;
}

static gb_probe_op *op_open(gb_engine *e, gb_probe_kind kind, gb_slice name, uint64_t generation)
{
    if (e->probe_count >= ENGINE_PROBES_MAX || name.len > GB_NAME_SIZE_MAX) {
        return NULL;
    }
    gb_probe_op *op = gb_alloc_zeroed(e->allocator, sizeof *op);
    if (op == NULL) {
        return NULL;
    }
    e->probe_no++;
    op->no = e->probe_no;
    op->kind = kind;
    op->generation = generation;
    op->is_refused_only = true;
    op->redials_left = ENGINE_PROBE_REDIALS_MAX;
    op->redial_at = GB_NO_TIME;
    op->timeout_us = e->settings.probe_timeout_us;
    op->name_size = (uint8_t)name.len;
    memcpy(op->name, name.base, name.len);
    gb_list_push_back(&e->probes, &op->node);
    e->probe_count++;
    e->stats.probes++;
    return op;
}

static void op_close(gb_engine *e, gb_probe_op *op)
{
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        if (link->purpose == PURPOSE_PROBE && link->probe_no == op->no) {
            link->purpose = PURPOSE_ACCEPTED; /* its end is nobody's news */
            if (link->state != LINK_CLOSING) {
                link_doom(link, GB_CLOSE_BY_US);
            }
        }
    }
    gb_link *asker = op->kind == PROBE_FOR_PEER ? link_find(e, op->link) : NULL;
    if (asker != NULL) {
        GB_ASSERT(asker->asked_probe_count > 0);
        asker->asked_probe_count--;
    }
    gb_list_remove(&op->node);
    e->probe_count--;
    gb_free(e->allocator, op);
}

void probe_deinit(gb_engine *e)
{
    GB_LIST_EACH_SAFE(node, next, &e->probes)
    {
        gb_list_remove(node);
        gb_free(e->allocator, op_of(node));
    }
    e->probe_count = 0;
}

/* ---- Results
 * ----------------------------------------------------------------------------------------- */

/* A probe that could not even begin. */
static void tell_unreachable(gb_engine *e, gb_slice name, uint64_t generation, gb_slice helper)
{
    gb_event event = event_make(e, GB_EVENT_PROBE_RESULT);
    event.name = name;
    event.generation = generation;
    event.accuser = helper;
    event.outcome = GB_PROBE_UNREACHABLE;
    effect_notify(e, &event);
}

static void tell_detector(gb_engine *e, const gb_probe_op *op, uint8_t outcome, uint64_t newer)
{
    if (!e->has_detector) {
        return;
    }
    gb_event event = event_make(e, GB_EVENT_PROBE_RESULT);
    event.name = op_name(op);
    event.generation = op->generation;
    event.outcome = outcome;
    event.newer_generation = newer;
    if (outcome == GB_PROBE_ANSWERED && op->has_dialled) {
        event.duration_us = e->now - op->begun_at;
    }
    gb_link *helper = op->kind == PROBE_REMOTE ? link_find(e, op->link) : NULL;
    if (helper != NULL && helper->peer != NULL) {
        event.accuser = peer_name(e, helper->peer);
    }
    effect_notify(e, &event);
}

static void tell_asker(gb_engine *e, gb_link *link, uint32_t request_id, uint8_t outcome,
                       uint64_t newer)
{
    gb_probe_result result = {.outcome = outcome, .generation = newer};
    (void)link_encoded(e, link, gb_probe_result_encode(&link->out, request_id, &result));
}

/* Only the word of whom we asked counts: that nothing came from there says nothing about us. */
static void self_result(gb_engine *e, uint64_t generation, uint8_t outcome, bool is_answer)
{
    if (!is_answer || generation != e->conflict_generation) {
        return; /* engine_settle asks again */
    }
    if (outcome == GB_PROBE_ANSWERED || outcome == GB_PROBE_NEWER_GENERATION) {
        gb_event event = event_make(e, GB_EVENT_REPLACED);
        event.text = gb_slice_from_str("a later life of this name is part of the cluster");
        effect_notify(e, &event);
        e->is_stopping = true;
        return;
    }
    engine_want_generation(e, generation + 1);
}

/* Is nobody linked to us whom nobody accuses? Then hardly any news reaches us, or goes out. */
static bool is_cut_off(const gb_engine *e)
{
    GB_LIST_EACH(node, &e->links)
    {
        const gb_link *link = link_of(node);
        if (link_is_member(link) && link->peer != NULL && peer_is_live(link->peer) &&
            link->peer->accuser_count == 0) {
            return false;
        }
    }
    return true;
}

/* It runs. If it is accused, nothing but an exchange tells it so, that it can refute; if we are cut
 * off, after a split say, nothing but an exchange tells us what is said of the others, and them of
 * us: a node that nobody can dial would wait for that until its own side has buried it. */
static void visit_who_answered(gb_engine *e, gb_peer *peer)
{
    bool is_dead = peer->status == GB_STATUS_DEAD;
    if (!e->is_joined || e->is_leaving || peer->link != NULL || peer->dialling != NULL ||
        !(is_dead || peer->accuser_count > 0 || is_cut_off(e))) {
        return;
    }
    (void)ring_dial(e, peer, is_dead ? PURPOSE_REVIVE : PURPOSE_VISIT);
}

static void op_finish(gb_engine *e, gb_probe_op *op, uint8_t outcome, uint64_t newer)
{
    if (e->is_stopped) {
        op_close(e, op);
        return;
    }
    gb_link *link = link_find(e, op->link);
    if (outcome == GB_PROBE_ANSWERED && op->kind != PROBE_REMOTE && op->kind != PROBE_SELF) {
        gb_participant *p = gb_map_find(e->map, op_name(op));
        gb_peer *peer = p == NULL ? NULL : peer_at(e, p->slot);
        if (peer != NULL && peer->generation == op->generation) {
            if (op->ping_link == 0) {
                peer_proved_diallable(e, peer);
            }
            if (op->kind == PROBE_LOCAL) {
                visit_who_answered(e, peer);
            }
        }
    }
    switch (op->kind) {
    case PROBE_LOCAL:
    case PROBE_REMOTE:
        tell_detector(e, op, outcome, newer);
        break;
    case PROBE_FOR_PEER:
        if (link != NULL && link_is_member(link)) {
            tell_asker(e, link, op->request_id, outcome, newer);
        }
        break;
    case PROBE_TAKEOVER:
        if (link != NULL) {
            handshake_resume(e, link, outcome == GB_PROBE_ANSWERED);
        }
        break;
    case PROBE_PROOF:
        break;
    case PROBE_SELF:
        self_result(e, op->generation, outcome, op->is_answered);
        break;
    }
    op_close(e, op);
}

static uint8_t op_failure(const gb_probe_op *op)
{
    if (op->has_other) {
        return GB_PROBE_OTHER_IDENTITY;
    }
    return op->is_refused_only ? GB_PROBE_REFUSED : GB_PROBE_UNREACHABLE;
}

/* ---- Dialling
 * ------------------------------------------------------------------------------------------ */

/* Dials for others leave room for our own. */
static bool may_dial(const gb_engine *e, const gb_probe_op *op)
{
    return op->kind != PROBE_FOR_PEER || e->dial_count < GB_DIALS_MAX / 2;
}

/* Fresh dials in parallel, one per address. */
static void op_dial_addresses(gb_engine *e, gb_probe_op *op)
{
    gb_participant *p = gb_map_find(e->map, op_name(op));
    gb_peer *peer = p == NULL ? NULL : peer_at(e, p->slot);
    gb_node_record memory;
    const gb_address *addresses;
    uint8_t count = peer == NULL ? 0 : peer_addresses(e, peer, &memory, &addresses);
    for (uint8_t i = 0; i < count && i < ENGINE_PROBE_ADDRESSES_MAX && may_dial(e, op); i++) {
        gb_link *link = link_dial(e, PURPOSE_PROBE, addresses[i].host, addresses[i].port);
        if (link != NULL) {
            link->probe_no = op->no;
            op->dial_count++;
        }
    }
    op->has_dialled = op->has_dialled || op->dial_count > 0;
    op->is_waiting =
        !op->has_dialled && count > 0 && (!may_dial(e, op) || e->dial_count >= GB_DIALS_MAX);
}

static void op_dial(gb_engine *e, gb_probe_op *op)
{
    op->deadline = e->now + op->timeout_us + 200 * ENGINE_MS;
    if (!op->has_dialled) {
        op->begun_at = e->now;
    }
    op_dial_addresses(e, op);
    if (op->is_waiting) {
        /* That we have too much to do says nothing of whom we dial: its turn comes. */
        op->redial_at = e->now + ENGINE_PROBE_REDIAL_PAUSE;
    } else if (op->dial_count == 0) {
        op->is_refused_only = false;
        op->deadline = e->now; /* finished by the next look, not inside the caller's turn */
    }
}

void probe_local(gb_engine *e, gb_slice name, uint64_t generation, gb_time_us timeout_us)
{
    gb_probe_op *op = op_open(e, PROBE_LOCAL, name, generation);
    if (op == NULL) {
        tell_unreachable(e, name, generation, gb_slice_make(NULL, 0));
        return;
    }
    gb_time_us most =
        op->timeout_us > e->settings.dial_timeout_us ? op->timeout_us : e->settings.dial_timeout_us;
    if (timeout_us != 0) {
        op->timeout_us = timeout_us < most ? timeout_us : most;
    }
    op_dial(e, op);
}

void probe_dial(gb_engine *e, gb_probe_kind kind, gb_slice name, uint64_t generation, uint64_t link,
                uint32_t request_id)
{
    gb_probe_op *op = op_open(e, kind, name, generation);
    gb_link *asker = kind == PROBE_FOR_PEER ? link_find(e, link) : NULL;
    if (op == NULL) {
        if (asker != NULL) {
            tell_asker(e, asker, request_id, GB_PROBE_UNREACHABLE, 0);
        }
        return;
    }
    op->link = link;
    op->request_id = request_id;
    if (asker != NULL) {
        asker->asked_probe_count++;
    }
    op_dial(e, op);
}

/* The connection was accepted and ended without a word: by a process that is just dying, or by one
 * that turns us away. Dialling again tells. */
static bool op_plan_redial(gb_engine *e, gb_probe_op *op, uint8_t cause)
{
    bool is_wordless = cause == GB_CLOSE_RESET || cause == GB_CLOSE_ENDED;
    if (!is_wordless || op->redials_left == 0 ||
        e->now + ENGINE_PROBE_REDIAL_PAUSE >= op->deadline) {
        return false;
    }
    if (op->redial_at == GB_NO_TIME) {
        op->redials_left--;
        op->redial_at = e->now + ENGINE_PROBE_REDIAL_PAUSE;
    }
    return true;
}

void probe_dial_ended(gb_engine *e, gb_link *link, const gb_hello *hello, uint8_t cause)
{
    gb_probe_op *op = op_find(e, link->probe_no);
    if (op == NULL) {
        return;
    }
    GB_ASSERT(op->dial_count > 0);
    op->dial_count--;
    if (hello != NULL) {
        bool is_it = gb_slice_equal(hello->name, op_name(op)) &&
                     gb_slice_equal(hello->cluster, gb_slice_make(e->cluster, e->cluster_size));
        if (is_it && hello->generation == op->generation) {
            op_finish(e, op, GB_PROBE_ANSWERED, 0);
            return;
        }
        if (is_it && hello->generation > op->generation) {
            op_finish(e, op, GB_PROBE_NEWER_GENERATION, hello->generation);
            return;
        }
        op->has_other = true;
    } else if (cause == GB_CLOSE_PROTOCOL) {
        op->has_other = true; /* it answered, in another tongue or for another cluster */
    } else if (cause != GB_CLOSE_REFUSED && !op_plan_redial(e, op, cause)) {
        op->is_refused_only = false;
    }
    if (op->dial_count == 0 && op->redial_at == GB_NO_TIME) {
        op_finish(e, op, op_failure(op), 0);
    }
}

#ifdef GB_PLANTED_BUGS
void probe_planted_answer(gb_engine *e, gb_link *link)
{
    gb_probe_op *op = op_find(e, link->probe_no);
    if (op != NULL) {
        op_finish(e, op, GB_PROBE_ANSWERED, 0);
    }
}
#endif

/* ---- Takeover
 * -------------------------------------------------------------------------------------------- */

void probe_takeover(gb_engine *e, gb_link *held, gb_peer *incumbent)
{
    gb_probe_op *op = op_open(e, PROBE_TAKEOVER, peer_name(e, incumbent), incumbent->generation);
    if (op == NULL) {
        link_fail(e, held, GB_ENOMEM, "out of memory");
        return;
    }
    op->link = held->id;
    gb_link *link = incumbent->link;
    if (link == NULL) {
        op_dial(e, op);
        return;
    }
    op->ping_link = link->id;
    op->ping_no = engine_request_no(e);
    op->is_refused_only = false;
    op->deadline = e->now + 2 * e->settings.probe_timeout_us;
    (void)link_encoded(e, link, gb_empty_encode(&link->out, GB_FRAME_PING, op->ping_no));
}

void probe_pong(gb_engine *e, gb_link *link, uint32_t request_id)
{
    GB_LIST_EACH_SAFE(node, next, &e->probes)
    {
        gb_probe_op *op = op_of(node);
        if (op->ping_link == link->id && op->ping_no == request_id) {
            op_finish(e, op, GB_PROBE_ANSWERED, 0);
            return;
        }
    }
}

/* ---- Through others
 * ----------------------------------------------------------------------------------------- */

void probe_ask(gb_engine *e, gb_probe_kind kind, gb_link *link, gb_slice name, uint64_t generation)
{
    gb_probe_op *op = op_open(e, kind, name, generation);
    if (op == NULL) {
        if (kind == PROBE_REMOTE) {
            tell_unreachable(e, name, generation, peer_name(e, link->peer));
        }
        return;
    }
    gb_probe probe = {.name = op_name(op), .generation = generation};
    op->link = link->id;
    op->request_id = engine_request_no(e);
    op->is_refused_only = false;
    op->deadline = e->now + 2 * e->settings.probe_timeout_us + 400 * ENGINE_MS;
    (void)link_encoded(e, link, gb_probe_encode(&link->out, op->request_id, &probe));
}

void probe_requested(gb_engine *e, gb_link *link, const gb_frame *frame)
{
    gb_probe probe;
    gb_err err = gb_probe_decode(frame->payload, &probe);
    if (err != GB_OK) {
        link_fail(e, link, err, "malformed PROBE");
        return;
    }
    if (gb_slice_equal(probe.name, engine_name(e))) {
        uint8_t outcome = probe.generation == e->self->generation  ? GB_PROBE_ANSWERED
                          : probe.generation < e->self->generation ? GB_PROBE_NEWER_GENERATION
                                                                   : GB_PROBE_OTHER_IDENTITY;
        tell_asker(e, link, frame->request_id, outcome,
                   outcome == GB_PROBE_NEWER_GENERATION ? e->self->generation : 0);
        return;
    }
    if (link->asked_probe_count >= ENGINE_PROBES_PER_LINK_MAX) {
        tell_asker(e, link, frame->request_id, GB_PROBE_UNREACHABLE, 0);
        return;
    }
    probe_dial(e, PROBE_FOR_PEER, probe.name, probe.generation, link->id, frame->request_id);
}

void probe_result(gb_engine *e, gb_link *link, const gb_frame *frame)
{
    gb_probe_result result;
    gb_err err = gb_probe_result_decode(frame->payload, &result);
    if (err != GB_OK) {
        link_fail(e, link, err, "malformed PROBE-RESULT");
        return;
    }
    GB_LIST_EACH_SAFE(node, next, &e->probes)
    {
        gb_probe_op *op = op_of(node);
        bool is_asked = op->kind == PROBE_REMOTE || op->kind == PROBE_SELF;
        if (is_asked && op->link == link->id && op->request_id == frame->request_id) {
            op->is_answered = true;
            op_finish(e, op, result.outcome, result.generation);
            return;
        }
    }
    e->stats.frames_ignored++; /* too late */
}

/* ---- Ends
 * ------------------------------------------------------------------------------------------------------
 */

gb_time_us probe_timeout(gb_engine *e, const gb_link *link)
{
    const gb_probe_op *op = op_find(e, link->probe_no);
    return op == NULL ? e->settings.probe_timeout_us : op->timeout_us;
}

void probe_link_lost(gb_engine *e, uint64_t link)
{
    GB_LIST_EACH_SAFE(node, next, &e->probes)
    {
        gb_probe_op *op = op_of(node);
        if (op->ping_link == link || (op->link == link && op->kind != PROBE_LOCAL)) {
            op->deadline = e->now; /* judged by probe_due: the list may be under another walk */
            e->is_probe_due = true;
        }
    }
}

gb_time_us probe_due(gb_engine *e)
{
    e->is_probe_due = false;
    gb_time_us next_at = GB_NO_TIME;
    bool is_again = true;
    while (is_again) {
        is_again = false;
        next_at = GB_NO_TIME;
        GB_LIST_EACH(node, &e->probes)
        {
            gb_probe_op *op = op_of(node);
            if (op->deadline <= e->now) {
                op->is_refused_only =
                    op->is_refused_only && op->dial_count == 0 && op->redial_at == GB_NO_TIME;
                op_finish(e, op, op_failure(op), 0);
                is_again = true; /* finishing may open or close others: look anew */
                break;
            }
            if (op->redial_at <= e->now) {
                op->redial_at = GB_NO_TIME;
                if (op->is_waiting) {
                    op_dial(e, op);
                } else {
                    op_dial_addresses(e, op);
                }
            }
            next_at = op->deadline < next_at ? op->deadline : next_at;
            next_at = op->redial_at < next_at ? op->redial_at : next_at;
        }
    }
    return next_at;
}
