/* SPDX-License-Identifier: Apache-2.0 */
/* paper.c: data spreads as in van Renesse, Dumitriu, Gough, Thomas, "Efficient Reconciliation and
 * Flow Control for Anti-Entropy Protocols" (LADIS 2008), for comparison and for those who want it.
 *
 * Each round a node begins one exchange with a live member chosen uniformly at random, which it
 * dials where there is no link. The exchange is direct: SYN and SYN-ACK are complete digests and
 * carry the loads; behind SYN-ACK and ACK come the deltas that the other lacks, computed from the
 * digests, so from what both knew before. A message of deltas holds at most delta_limit of them, of
 * all lanes together. What does not fit waits for another round; of a participant nothing is left
 * out before what is sent, so versions stay contiguous. */
#include "engine/internal.h"

#include <stdlib.h>

/* ---- Composing ----------------------------------------------------------------------------------
 */

/* What there is to tell of one lane of a participant. */
typedef struct paper_item {
    uint64_t tie; /* random */
    uint32_t slot;
    uint32_t available;
    uint32_t allotted;
} paper_item;

static uint64_t known_version(const gb_link *link, const gb_participant *p, gb_lane lane)
{
    uint64_t version = 0;
    return know_version(link, p, lane, &version) ? version : 0;
}

/* A lane that the peer must be given anew, because of deletions that it missed, goes whole, as
 * ever, and outside the limit. */
static uint32_t list_items(gb_engine *e, gb_link *link, gb_lane lane, paper_item *items)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < gb_map_slot_end(e->map); slot++) {
        const gb_participant *p = gb_map_at(e->map, slot);
        if (p == NULL) {
            continue;
        }
        uint64_t known = known_version(link, p, lane);
        if (known >= gb_map_version(p, lane)) {
            continue;
        }
        uint32_t available = gb_map_count_after(p, lane, known, PAPER_COUNT_MAX);
        if (known < gb_map_floor(p, lane) || available == 0) {
            (void)feed_enqueue(e, link, p, lane, true, 0);
            continue;
        }
        items[count] =
            (paper_item){.tie = gb_rng_u64(&e->rng), .slot = slot, .available = available};
        count++;
    }
    return count;
}

/* The most available first; those with equally many in random order. */
static int compare_items(const void *left, const void *right)
{
    const paper_item *a = left;
    const paper_item *b = right;
    if (a->available != b->available) {
        return a->available > b->available ? -1 : 1;
    }
    return a->tie < b->tie ? -1 : a->tie > b->tie ? 1 : 0;
}

static uint32_t allot_depth(paper_item *items, uint32_t count, uint32_t budget)
{
    qsort(items, count, sizeof *items, compare_items);
    for (uint32_t i = 0; i < count && budget > 0; i++) {
        items[i].allotted = items[i].available < budget ? items[i].available : budget;
        budget -= items[i].allotted;
    }
    return budget;
}

/* Ranks: the first delta of each, the second of each, …; the places of the last rank go to whom
 * chance prefers. Those that are exhausted stand at the end. */
static uint32_t allot_breadth(gb_engine *e, paper_item *items, uint32_t count, uint32_t budget)
{
    qsort(items, count, sizeof *items, compare_items);
    for (uint32_t rank = 1; budget > 0; rank++) {
        while (count > 0 && items[count - 1].available < rank) {
            count--;
        }
        if (count == 0) {
            break;
        }
        bool is_last = budget < count;
        for (uint32_t i = 0; i < count && budget > 0; i++) {
            if (is_last) {
                uint32_t pick = i + (uint32_t)gb_rng_below(&e->rng, count - i);
                paper_item picked = items[pick];
                items[pick] = items[i];
                items[i] = picked;
            }
            items[i].allotted++;
            budget--;
        }
    }
    return budget;
}

/* Write what was allotted to an item, in pieces where values are large. false: no more room. */
static bool write_item(gb_engine *e, gb_link *link, gb_lane lane, paper_item *item)
{
    const gb_participant *p = gb_map_at(e->map, item->slot);
    if (!know_define(e, link, &item->slot, 1)) {
        return false;
    }
    gb_know *know = know_at(e, link, item->slot);
    while (item->allotted > 0 && know != NULL) {
        if (!feed_has_room(e, link, lane)) {
            return false;
        }
        gb_selection selection = {.from = known_version(link, p, lane),
                                  .flags = GB_DELTAS_PULLED,
                                  .count_max = item->allotted};
        gb_err err =
            gb_map_select(e->map, p, lane, item->slot, GB_CHUNK_SIZE, &selection, &link->out);
        if (!link_encoded(e, link, err)) {
            return false;
        }
        GB_ASSERT(selection.count > 0);
        e->stats.deltas_sent += selection.count;
        link->delta_at = e->now;
        if (!know_state(e, link, know, lane, selection.to)) {
            return false;
        }
        item->allotted -= selection.count;
        if (link->out.len >= GB_CHUNK_SIZE) {
            (void)effect_send(e, link);
        }
    }
    return know != NULL;
}

/* One message: lanes in their order, within each by the order of the settings. */
static void compose(gb_engine *e, gb_link *link)
{
    uint32_t slot_end = gb_map_slot_end(e->map);
    paper_item *items =
        gb_alloc_array(e->allocator, (size_t)slot_end * GB_LANE_COUNT, sizeof *items);
    if (items == NULL) {
        return; /* another round has more memory */
    }
    uint32_t counts[GB_LANE_COUNT];
    uint64_t available = 0;
    for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
        paper_item *first = items + (size_t)slot_end * lane;
        counts[lane] = list_items(e, link, (gb_lane)lane, first);
        for (uint32_t i = 0; i < counts[lane]; i++) {
            available += first[i].available;
        }
    }
    flow_composed(e, available);
    uint32_t budget = e->settings.delta_limit;
    bool has_room = !link->is_doomed;
    for (uint8_t lane = 0; lane < GB_LANE_COUNT && has_room; lane++) {
        paper_item *first = items + (size_t)slot_end * lane;
        budget = e->settings.delta_order == GB_ORDER_DEPTH
                     ? allot_depth(first, counts[lane], budget)
                     : allot_breadth(e, first, counts[lane], budget);
        for (uint32_t i = 0; i < counts[lane] && has_room; i++) {
            has_room = write_item(e, link, (gb_lane)lane, &first[i]);
        }
    }
    gb_free(e->allocator, items);
}

/* ---- Exchanges ----------------------------------------------------------------------------------
 */

static const uint32_t everything[1] = {0};

static gb_digest_plan make_plan(uint8_t frame_type, uint32_t request_id)
{
    gb_digest_plan plan = {.frame_type = frame_type, .request_id = request_id, .is_direct = true};
    if (frame_type != GB_FRAME_ACK) {
        plan.buckets = everything;
        plan.bucket_count = 1;
    }
    return plan;
}

void paper_begin(gb_engine *e, gb_link *link)
{
    if (link->exchange_no != 0) {
        return;
    }
    gb_load load;
    gb_digest_plan plan = make_plan(GB_FRAME_SYN, engine_request_no(e));
    if (flow_ask(e, link, &load)) {
        plan.load = &load;
    }
    if (gossip_send(e, link, &plan, gossip_list_all(e))) {
        gossip_begun(e, link, plan.request_id);
    }
}

void paper_digest(gb_engine *e, gb_link *link, const gb_frame *frame, const gb_digest *digest)
{
    gb_load load;
    gb_digest_plan plan;
    switch (frame->type) {
    case GB_FRAME_SYN:
        plan = make_plan(GB_FRAME_SYN_ACK, frame->request_id);
        if (digest->has_load) {
            flow_answer(e, &digest->load, &load);
            plan.load = &load;
        }
        if (gossip_send(e, link, &plan, gossip_list_all(e))) {
            compose(e, link);
        }
        e->stats.exchanges_answered++;
        return;
    case GB_FRAME_SYN_ACK:
        if (digest->has_load) {
            flow_moved(e, link, digest->load.moved);
        }
        plan = make_plan(GB_FRAME_ACK, frame->request_id);
        if (gossip_send(e, link, &plan, 0)) {
            compose(e, link);
        }
        gossip_ended(e, link);
        return;
    default:
        link->was_exchanged = true;
        return;
    }
}

/* ---- Rounds -------------------------------------------------------------------------------------
 */

static gb_peer *pick_live(gb_engine *e)
{
    gb_peer *picked = NULL;
    uint32_t seen = 0;
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        gb_peer *peer = e->peers[slot];
        if (peer == NULL || peer_is_self(e, peer) || !peer->is_announced || !peer_is_live(peer) ||
            (peer->link == NULL && peer->address_count == 0)) {
            continue;
        }
        seen++;
        if (gb_rng_below(&e->rng, seen) == 0) {
            picked = peer;
        }
    }
    return picked;
}

void paper_round(gb_engine *e)
{
    if (!e->is_joined || e->is_leaving) {
        return;
    }
    uint32_t count = e->settings.exchanges_per_round;
    count = count < e->alive_count ? count : e->alive_count;
    for (uint32_t i = 0; i < count; i++) {
        gb_peer *peer = pick_live(e);
        if (peer == NULL) {
            return;
        }
        gb_link *link = peer->link;
        if (link == NULL || !link_is_member(link)) {
            bool is_on_its_way = peer->dialling != NULL || ring_dial(e, peer, PURPOSE_VISIT);
            peer->is_visit_due = is_on_its_way;
        } else if ((link->features & GB_FEATURE_LOAD) != 0) {
            paper_begin(e, link);
        } else {
            gossip_begin(e, link);
        }
    }
}
