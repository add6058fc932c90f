/* SPDX-License-Identifier: Apache-2.0 */
/* push.c: eager push along a spanning tree per origin, repaired by I-HAVE, GRAFT and PRUNE.
 *
 * After Leitão, Pereira, Rodrigues, "Epidemic Broadcast Trees" (2007), with two changes: trees are
 * per origin, and what is pushed is state (a contiguous range of a lane), so that a lost message
 * needs no retransmission: the next one says where it begins, and a gap is asked about. */
#include "engine/internal.h"

#include "platform/planted.h"

#include <string.h>

/* System facts are never pushed: they are not worth a message each. */
static bool lane_is_pushed(const gb_engine *e, gb_lane lane)
{
    bool is_for_rounds = engine_is_paper(e) && lane_is_data(lane);
    return lane != GB_LANE_SYSTEM && !is_for_rounds && !e->settings.is_push_disabled;
}

static bool i_have_push(gb_engine *e, gb_link *link, uint32_t slot)
{
    if (link->i_have_count == link->i_have_capacity) {
        uint32_t capacity = link->i_have_capacity == 0 ? 16 : link->i_have_capacity * 2;
        uint32_t *slots =
            gb_realloc_array(e->allocator, link->i_have_slots, capacity, sizeof *slots);
        if (slots == NULL) {
            return false;
        }
        link->i_have_slots = slots;
        link->i_have_capacity = capacity;
    }
    if (link->i_have_count == 0) {
        link->i_have_at = e->now + ENGINE_I_HAVE_DELAY;
        e->i_have_at = earlier(e->i_have_at, link->i_have_at);
    }
    link->i_have_slots[link->i_have_count] = slot;
    link->i_have_count++;
    return true;
}

static void mark_i_have(gb_engine *e, gb_link *link, uint32_t slot, gb_lane lane)
{
    gb_know *know = know_at(e, link, slot);
    if (know == NULL) {
        return;
    }
    if (know->i_have == 0 && !i_have_push(e, link, slot)) {
        link_doom(link, GB_CLOSE_BY_US);
        return;
    }
    know->i_have |= GB_LANE_BIT(lane);
}

static void push_on_link(gb_engine *e, gb_link *link, const gb_participant *p, gb_lane lane)
{
    uint64_t known;
    bool is_known = know_version(link, p, lane, &known);
    if (is_known && known >= gb_map_version(p, lane)) {
        return;
    }
    if (!is_known || know_is_lazy(link, p->slot) || (known < gb_map_floor(p, lane) && known > 0)) {
        mark_i_have(e, link, p->slot, lane);
        return;
    }
    (void)feed_enqueue(e, link, p, lane, false, 0);
}

void push_changed(gb_engine *e, const gb_participant *p, gb_lane lane, const gb_link *source)
{
    if (!lane_is_pushed(e, lane)) {
        return;
    }
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        if (link != source && link_is_member(link)) {
            push_on_link(e, link, p, lane);
        }
    }
}

/* ---- DELTAS
 * --------------------------------------------------------------------------------------- */

static void raise_known(gb_engine *e, gb_link *link, uint32_t slot, gb_lane lane, uint64_t version)
{
    gb_know *know = know_at(e, link, slot);
    if (know == NULL) {
        return;
    }
    uint8_t bit = GB_LANE_BIT(lane);
    if ((know->known & bit) == 0 || know_stated(know, lane) < version) {
        (void)know_state(e, link, know, lane, version);
    }
}

static void on_duplicate(gb_engine *e, gb_link *link, const gb_participant *p,
                         const gb_deltas *deltas)
{
    e->stats.deltas_duplicate++;
    if ((deltas->flags & GB_DELTAS_PULLED) != 0 || deltas->to == deltas->from ||
        deltas->lane == GB_LANE_SYSTEM) {
        return;
    }
    uint32_t slot = p->slot;
    if (know_is_lazy(link, slot)) {
        return; /* told already; this one was under way */
    }
    know_set_lazy(e, link, slot, true);
    if (know_define(e, link, &slot, 1) &&
        link_encoded(e, link, gb_prune_encode(&link->out, &slot, 1))) {
        e->stats.prunes_sent++;
    }
}

static void graft_later(gb_engine *e, gb_link *link, gb_peer *peer);

static void on_gap(gb_engine *e, gb_link *link, gb_peer *peer, gb_lane lane)
{
    e->stats.gaps++;
    const gb_pull_state *pull = pull_state(peer, lane);
    if (pull->link != 0) {
        peer->pulls[lane].gap_link = link->id;
        return;
    }
    if (e->now < pull->refused_until) {
        return;
    }
    gb_know *know = know_at(e, link, peer->slot);
    gb_know_wide *wide = know == NULL ? NULL : know_widen(e, link, know);
    if (wide == NULL) {
        return;
    }
    if (wide->gap_asked != 0 && e->now < wide->gap_asked + ENGINE_GAP_PAUSE) {
        /* The answer may be on its way, or this may be another gap: whoever is still behind then
         * asks. */
        graft_later(e, link, peer);
        return;
    }
    wide->gap_asked = e->now;
    push_send_graft(e, link, &peer->slot, 1);
}

static void on_refused(gb_engine *e, gb_peer *peer, gb_lane lane, gb_err err)
{
    if (e->now >= pull_state(peer, lane)->refused_until) {
        gb_pull_state *pull = pull_state_at(e, peer, lane);
        if (pull != NULL) { /* without memory it comes, and is told, again */
            pull->refused_until = e->now + ENGINE_REFUSED_PAUSE;
        }
        gb_event event = event_make(e, GB_EVENT_LIMIT);
        event.code = err;
        event.name = peer_name(e, peer);
        event.text = gb_slice_from_str(gb_strerror(err));
        effect_notify(e, &event);
    }
    pull_finished(e, peer, lane);
}

/* A reset that nobody asked for is taken like a pull from that link, so that no second one starts.
 */
static bool takes_reset(gb_engine *e, gb_link *link, gb_peer *peer, const gb_deltas *deltas)
{
    uint64_t asked = pull_state(peer, (gb_lane)deltas->lane)->link;
    if ((deltas->flags & GB_DELTAS_RESET) == 0 || asked == link->id) {
        return true;
    }
    if (asked != 0) {
        return false;
    }
    gb_pull_state *pull = pull_state_at(e, peer, (gb_lane)deltas->lane);
    if (pull == NULL) {
        link_doom(link, GB_CLOSE_BY_US);
        return false;
    }
    pull->link = link->id;
    link->pull_count++;
    link->pull_at = e->now;
    e->stall_at = earlier(e->stall_at, e->now + e->settings.pull_stall_us);
    return true;
}

static void on_own_lane(gb_engine *e, gb_link *link, const gb_participant *p,
                        const gb_deltas *deltas)
{
    if (deltas->to > gb_map_version(p, (gb_lane)deltas->lane)) {
        /* A restored snapshot: the cluster knows later versions of this very generation. */
        engine_want_generation(e, e->self->generation + 1);
        return;
    }
    raise_known(e, link, p->slot, (gb_lane)deltas->lane, deltas->to);
    on_duplicate(e, link, p, deltas);
}

static void after_apply(gb_engine *e, gb_link *link, gb_peer *peer, gb_participant *p,
                        const gb_deltas *deltas, const gb_apply_result *result)
{
    gb_lane lane = (gb_lane)deltas->lane;
    e->stats.deltas_applied += result->record_count;
    if ((deltas->flags & GB_DELTAS_RESET) != 0) {
        e->stats.resets_received++;
    }
    if (result->is_staging) {
        return;
    }
    raise_known(e, link, p->slot, lane, deltas->to);
    if ((deltas->flags & GB_DELTAS_PULLED) == 0) {
        peer->parent_link = link->id;
    }
    push_changed(e, p, lane, link);
}

void push_deltas(gb_engine *e, gb_link *link, const gb_frame *frame)
{
    gb_deltas deltas;
    gb_err err = gb_deltas_decode(frame->payload, &deltas);
    if (err != GB_OK) {
        link_fail(e, link, err, "malformed DELTAS");
        return;
    }
    e->stats.deltas_received += deltas.entries.left;
    link->delta_at = e->now;
    if ((deltas.flags & GB_DELTAS_PULLED) != 0) {
        e->stats.bulk_bytes_received += frame->payload.len + GB_FRAME_HEADER_SIZE;
    }
    if ((deltas.flags & (GB_DELTAS_PULLED | GB_DELTAS_RESET)) != 0) {
        link->pull_at = e->now;
    }
    gb_participant *p = know_participant(e, link, deltas.index);
    gb_peer *peer = p == NULL ? NULL : peer_at(e, p->slot);
    if (peer == NULL) {
        e->stats.frames_ignored++;
        return;
    }
    gb_lane lane = (gb_lane)deltas.lane;
    if (p->is_self) {
        on_own_lane(e, link, p, &deltas);
        return;
    }
    if (!takes_reset(e, link, peer, &deltas)) {
        return;
    }
    if (deltas.to > gb_map_version(p, lane)) {
        know_before_change(e, p);
    }
    gb_apply_result result = {0};
    err = gb_map_apply(e->map, p, &deltas, e->now, &result);
    bool is_end = (deltas.flags & GB_DELTAS_END) != 0;
    switch (err) {
    case GB_OK:
        after_apply(e, link, peer, p, &deltas, &result);
        break;
    case GB_EDUPLICATE:
        raise_known(e, link, p->slot, lane, deltas.to);
        on_duplicate(e, link, p, &deltas);
        break;
    case GB_EGAP:
        raise_known(e, link, p->slot, lane, deltas.to);
        on_gap(e, link, peer, lane);
        break;
    case GB_EKEYS:
    case GB_EKEY_SIZE:
    case GB_EVALUE_SIZE:
        on_refused(e, peer, lane, err);
        return;
    default:
        link_fail(e, link, err,
                  gb_strerror(err)); /* GB_ENOMEM, or an entry that no owner may have */
        return;
    }
    if (is_end && pull_state(peer, lane)->link == link->id &&
        (deltas.flags & (GB_DELTAS_PULLED | GB_DELTAS_RESET)) != 0) {
        pull_finished(e, peer, lane);
    }
}

/* ---- PRUNE, I-HAVE, GRAFT
 * ---------------------------------------------------------------------------- */

void push_prune(gb_engine *e, gb_link *link, gb_list_cursor *cursor)
{
    uint32_t index;
    while (gb_prune_next(cursor, &index)) {
        gb_participant *p = know_participant(e, link, index);
        if (p != NULL) {
            know_set_lazy(e, link, p->slot, true);
        }
    }
}

static void graft_later(gb_engine *e, gb_link *link, gb_peer *peer)
{
    if (peer->is_graft_pending) {
        return;
    }
    if (e->graft_count == e->graft_capacity) {
        uint32_t capacity = e->graft_capacity == 0 ? 16 : e->graft_capacity * 2;
        gb_pending_graft *grafts =
            capacity > ENGINE_GRAFTS_MAX
                ? NULL
                : gb_realloc_array(e->allocator, e->grafts, capacity, sizeof *grafts);
        if (grafts == NULL) {
            return; /* the next heartbeat finds the difference */
        }
        e->grafts = grafts;
        e->graft_capacity = capacity;
    }
    e->grafts[e->graft_count] = (gb_pending_graft){.slot = peer->slot,
                                                   .generation = peer->generation,
                                                   .link = link->id,
                                                   .at = e->now + ENGINE_GRAFT_DELAY};
    e->graft_count++;
    peer->is_graft_pending = true;
}

void push_i_have(gb_engine *e, gb_link *link, gb_list_cursor *cursor)
{
    gb_lane_entry entry;
    while (gb_lane_list_next(GB_FRAME_I_HAVE, cursor, &entry)) {
        gb_participant *p = know_participant(e, link, entry.index);
        gb_peer *peer = p == NULL ? NULL : peer_at(e, p->slot);
        if (peer == NULL) {
            continue;
        }
        gb_lane lane = (gb_lane)entry.lane;
        if (p->is_self) {
            continue; /* our own news on their way back; a restored snapshot shows in DELTAS */
        }
        raise_known(e, link, p->slot, lane, entry.version);
        if (entry.version <= gb_map_version(p, lane)) {
            continue;
        }
        if (pull_wanted(e, link, peer, lane)) {
            graft_later(e, link, peer);
        } else if (pull_state(peer, lane)->link != 0) {
            /* What is asked for may end before that, and nobody says it again. */
            peer->pulls[lane].gap_link = link->id;
        }
    }
}

void push_graft(gb_engine *e, gb_link *link, gb_list_cursor *cursor)
{
    gb_digest_entry entry;
    while (gb_graft_next(cursor, &entry)) {
        gb_participant *p = know_participant(e, link, entry.index);
        gb_know *know = p == NULL ? NULL : know_at(e, link, p->slot);
        if (know == NULL) {
            continue;
        }
        know_set_lazy(e, link, p->slot, false);
        /* What an agreement implied is void for this participant: its word counts. */
        know_write_down(e, link, p);
        know->is_apart = true;
        for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
            uint8_t bit = GB_LANE_BIT(lane);
            if ((entry.lane_mask & bit) == 0) {
                continue;
            }
            if (!know_state(e, link, know, (gb_lane)lane, entry.version[lane])) {
                return;
            }
            know->resetting &= (uint8_t)~bit;
            if (entry.version[lane] < gb_map_version(p, (gb_lane)lane) &&
                lane_is_pushed(e, (gb_lane)lane)) {
                (void)feed_enqueue(e, link, p, (gb_lane)lane, false, 0);
            }
        }
    }
}

static uint32_t fill_graft_entries(gb_engine *e, const uint32_t *slots, uint32_t count,
                                   gb_digest_entry *entries)
{
    uint32_t filled = 0;
    for (uint32_t i = 0; i < count; i++) {
        const gb_participant *p = gb_map_at(e->map, slots[i]);
        if (p == NULL) {
            continue;
        }
        gb_digest_entry *entry = &entries[filled];
        entry->index = slots[i];
        entry->lane_mask = 0;
        const gb_peer *peer = peer_at(e, slots[i]);
        for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
            entry->version[lane] = 0;
            /* A lane that is being pulled is fed by its source. */
            if (lane != GB_LANE_SYSTEM && peer != NULL &&
                pull_state(peer, (gb_lane)lane)->link == 0) {
                entry->lane_mask |= GB_LANE_BIT(lane);
                entry->version[lane] = gb_map_version(p, (gb_lane)lane);
            }
        }
        filled++;
    }
    return filled;
}

void push_send_graft(gb_engine *e, gb_link *link, const uint32_t *slots, uint32_t count)
{
    if (GB_PLANTED(GB_PLANTED_PRUNE_WITHOUT_GRAFT)) {
        return;
    }
    gb_digest_entry entries[64];
    if (!know_define(e, link, slots, count)) {
        return;
    }
    for (uint32_t at = 0; at < count; at += 64) {
        uint32_t part = count - at < 64 ? count - at : 64;
        uint32_t filled = fill_graft_entries(e, slots + at, part, entries);
        if (filled == 0) {
            continue;
        }
        if (!link_encoded(e, link, gb_graft_encode(&link->out, entries, filled))) {
            return;
        }
        e->stats.grafts_sent++;
        for (uint32_t i = 0; i < filled; i++) {
            know_set_lazy(e, link, entries[i].index, false);
        }
    }
}

void push_link_lost(gb_engine *e, const gb_link *lost)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        gb_peer *peer = e->peers[slot];
        if (peer != NULL && peer->parent_link == lost->id) {
            peer->parent_link = 0;
            if (peer != lost->peer) {
                e->scratch[count] = slot;
                count++;
            }
        }
    }
    if (count == 0 || e->is_stopped) {
        return;
    }
    /* To all of them: whoever is itself fed by us has nothing to give, and nobody knows who that
     * is. The duplicates that follow are pruned. */
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        if (link != lost && link_is_member(link)) {
            push_send_graft(e, link, e->scratch, count);
        }
    }
}

/* ---- What is due
 * ------------------------------------------------------------------------------------ */

static void send_i_haves(gb_engine *e, gb_link *link)
{
    gb_lane_entry entries[64];
    uint32_t count = 0;
    uint32_t slot_count = link->i_have_count;
    link->i_have_count = 0;
    for (uint32_t i = 0; i < slot_count && !link->is_doomed; i++) {
        uint32_t slot = link->i_have_slots[i];
        gb_know *know = know_find(link, slot);
        uint8_t lanes = know == NULL ? 0 : know->i_have;
        if (lanes == 0) {
            continue; /* its life is over */
        }
        know->i_have = 0;
        const gb_participant *p = gb_map_at(e->map, slot);
        if (p == NULL || !know_define(e, link, &slot, 1)) {
            continue;
        }
        for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
            uint64_t version = gb_map_version(p, (gb_lane)lane);
            uint64_t known;
            if ((lanes & GB_LANE_BIT(lane)) == 0 ||
                (know_version(link, p, (gb_lane)lane, &known) && known >= version)) {
                continue;
            }
            entries[count] = (gb_lane_entry){.index = slot, .lane = lane, .version = version};
            count++;
        }
        if (count > 64 - GB_LANE_COUNT) {
            if (!link_encoded(e, link,
                              gb_lane_list_encode(&link->out, GB_FRAME_I_HAVE, entries, count))) {
                return;
            }
            e->stats.i_haves_sent++;
            count = 0;
        }
    }
    if (count > 0 &&
        link_encoded(e, link, gb_lane_list_encode(&link->out, GB_FRAME_I_HAVE, entries, count))) {
        e->stats.i_haves_sent++;
    }
}

/* Does the link's peer know more of it than we do, and nobody is asked? */
static bool is_behind(const gb_engine *e, const gb_link *link, const gb_peer *peer)
{
    const gb_participant *p = peer_participant(e, peer);
    for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
        uint64_t known;
        if (pull_state(peer, (gb_lane)lane)->link == 0 &&
            know_version(link, p, (gb_lane)lane, &known) &&
            known > gb_map_version(p, (gb_lane)lane)) {
            return true;
        }
    }
    return false;
}

/* The one who told of it, or where that link has gone, another one who knows. */
static gb_link *graft_source(const gb_engine *e, const gb_pending_graft *graft, const gb_peer *peer)
{
    gb_link *link = link_find(e, graft->link);
    if (link != NULL && link_is_member(link)) {
        return is_behind(e, link, peer) ? link : NULL;
    }
    GB_LIST_EACH(node, &e->links)
    {
        link = link_of(node);
        if (link_is_member(link) && is_behind(e, link, peer)) {
            return link;
        }
    }
    return NULL;
}

static gb_time_us grafts_due(gb_engine *e)
{
    gb_time_us next = GB_NO_TIME;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < e->graft_count; i++) {
        gb_pending_graft graft = e->grafts[i];
        if (graft.at > e->now) {
            next = graft.at < next ? graft.at : next;
            e->grafts[kept] = graft;
            kept++;
            continue;
        }
        gb_peer *peer = peer_at(e, graft.slot);
        if (peer == NULL) {
            continue;
        }
        peer->is_graft_pending = false;
        gb_link *link = peer->generation == graft.generation ? graft_source(e, &graft, peer) : NULL;
        if (link != NULL) {
            push_send_graft(e, link, &graft.slot, 1);
        }
    }
    e->graft_count = kept;
    return next;
}

gb_time_us push_due(gb_engine *e)
{
    gb_time_us next = e->graft_count == 0 ? GB_NO_TIME : grafts_due(e);
    if (e->now < e->i_have_at) {
        return earlier(next, e->i_have_at);
    }
    e->i_have_at = GB_NO_TIME;
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        if (link->i_have_count == 0 || !link_is_member(link)) {
            continue;
        }
        if (link->i_have_at <= e->now) {
            send_i_haves(e, link);
        } else {
            e->i_have_at = earlier(e->i_have_at, link->i_have_at);
        }
    }
    return earlier(next, e->i_have_at);
}
