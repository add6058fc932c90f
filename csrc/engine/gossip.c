/* SPDX-License-Identifier: Apache-2.0 */
/* gossip.c: heartbeats, and the exchanges that repair whatever push has missed.
 *
 * An exchange: SYN (what changed here since hashes agreed on this link; if that was not enough,
 * fingerprints of buckets), SYN-ACK (where the answerer is ahead, and what changed there; or the
 * complete digest of the buckets that differ), ACK (the same from the other side). Each side pulls
 * what it finds itself behind in; nothing is sent unasked, so a lane has one source. */
#include "engine/internal.h"

#include <string.h>

/* ---- Digests out
 * ------------------------------------------------------------------------------------ */

/* An answer states empty lanes too: the asker then knows that everything must be told. */
static gb_digest_entry make_entry(const gb_participant *p, bool with_empty)
{
    gb_digest_entry entry = {.index = p->slot};
    for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
        entry.version[lane] = gb_map_version(p, (gb_lane)lane);
        if (entry.version[lane] > 0 || with_empty) {
            entry.lane_mask |= GB_LANE_BIT(lane);
        }
    }
    return entry;
}

/* Bits so that a bucket holds some ENGINE_BUCKET_LOAD participants; 0: one bucket, no fingerprints.
 */
static uint8_t bucket_bits(const gb_engine *e)
{
    uint32_t count = gb_map_participant_count(e->map);
    uint8_t bits = 0;
    if (count <= 4 * ENGINE_BUCKET_LOAD) {
        return 0;
    }
    while (bits < GB_BUCKET_BITS_MAX && (count >> bits) > ENGINE_BUCKET_LOAD) {
        bits++;
    }
    return bits;
}

/* Add what changed here since hashes agreed on the link to the slots in scratch. */
static bool list_recent(gb_engine *e, const gb_link *link, uint32_t *count)
{
    for (gb_participant *p = gb_map_changed_last(e->map); p != NULL; p = p->changed_older) {
        if (link->is_agreed && p->changed_no <= link->agreed_no) {
            return true;
        }
        if (e->stamps[p->slot] == e->stamp) {
            continue; /* listed already */
        }
        if (*count >= ENGINE_DIGEST_ENTRIES_MAX) {
            return false;
        }
        e->stamps[p->slot] = e->stamp;
        e->scratch[*count] = p->slot;
        (*count)++;
    }
    return true;
}

static void list_bucket(gb_engine *e, uint8_t bits, const uint8_t *is_wanted, uint32_t *count)
{
    for (uint32_t slot = 0; slot < gb_map_slot_end(e->map); slot++) {
        const gb_participant *p = gb_map_at(e->map, slot);
        if (p == NULL) {
            continue;
        }
        uint32_t bucket = gb_participant_bucket(p, bits);
        if (is_wanted == NULL || (is_wanted[bucket / 8] & (1u << (bucket % 8))) != 0) {
            e->scratch[*count] = slot;
            (*count)++;
        }
    }
}

static void next_stamp(gb_engine *e)
{
    e->stamp++;
    if (e->stamp == 0) {
        memset(e->stamps, 0, e->stamp_count * sizeof *e->stamps);
        e->stamp = 1;
    }
}

uint32_t gossip_list_all(gb_engine *e)
{
    uint32_t count = 0;
    list_bucket(e, 0, NULL, &count);
    return count;
}

bool gossip_send(gb_engine *e, gb_link *link, const gb_digest_plan *plan, uint32_t count)
{
    if (!know_define(e, link, e->scratch, count)) {
        return false;
    }
    gb_digest_writer w;
    gb_digest_begin(&w, &link->out, plan->frame_type, plan->request_id, gb_map_hash(e->map));
    if (plan->fingerprints != NULL) {
        gb_digest_put_fingerprints(&w, plan->bits, plan->fingerprints);
    }
    if (plan->buckets != NULL) {
        gb_digest_put_buckets(&w, plan->bits, plan->buckets, plan->bucket_count);
    }
    if (plan->is_direct) {
        gb_digest_put_direct(&w);
    }
    if (plan->load != NULL) {
        gb_digest_put_load(&w, plan->load);
    }
    for (uint32_t i = 0; i < count; i++) {
        const gb_participant *p = gb_map_at(e->map, e->scratch[i]);
        gb_digest_entry entry = make_entry(p, plan->frame_type != GB_FRAME_SYN);
        gb_digest_put_entry(&w, &entry);
    }
    return link_encoded(e, link, gb_digest_end(&w));
}

void gossip_begun(gb_engine *e, gb_link *link, uint32_t request_id)
{
    link->exchange_no = request_id;
    link->exchange_at = e->now;
    gossip_look_at(e, e->now + ENGINE_EXCHANGE_BOUND);
    link->exchange_change_no = gb_map_change_no(e->map);
    link->exchange_pulls = 0;
    link->wants_exchange = false;
    e->stats.exchanges_begun++;
}

void gossip_begin(gb_engine *e, gb_link *link)
{
    if (link->exchange_no != 0) {
        return;
    }
    static const uint32_t whole[1] = {0};
    gb_digest_plan plan = {.frame_type = GB_FRAME_SYN, .request_id = engine_request_no(e)};
    uint32_t count = 0;
    uint64_t *fingerprints = NULL;
    next_stamp(e);
    bool is_recent_enough =
        link->is_agreed && !link->needs_fingerprints && list_recent(e, link, &count);
    if (!is_recent_enough) {
        plan.bits = bucket_bits(e);
        count = 0;
        if (plan.bits == 0) {
            plan.buckets = whole;
            plan.bucket_count = 1;
            count = gossip_list_all(e);
        } else {
            fingerprints =
                gb_alloc_array(e->allocator, (size_t)1 << plan.bits, sizeof *fingerprints);
            if (fingerprints == NULL) {
                return; /* the next heartbeat tries again */
            }
            gb_map_fingerprints(e->map, plan.bits, fingerprints);
            plan.fingerprints = fingerprints;
        }
    }
    /* If this one does not make the hashes agree, the next compares everything. */
    link->needs_fingerprints = is_recent_enough;
    if (gossip_send(e, link, &plan, count)) {
        gossip_begun(e, link, plan.request_id);
    }
    gb_free(e->allocator, fingerprints);
}

/* ---- Digests in
 * -------------------------------------------------------------------------------------- */

/* A set of buckets as bits. */
typedef struct bucket_set {
    uint8_t bits[(1u << GB_BUCKET_BITS_MAX) / 8];
    bool is_any;
} bucket_set;

static void read_buckets(const gb_digest *digest, bucket_set *set)
{
    memset(set, 0, sizeof *set);
    if (!digest->has_buckets) {
        return;
    }
    gb_list_cursor cursor = digest->buckets;
    uint32_t bucket;
    while (gb_digest_bucket_next(&cursor, &bucket)) {
        set->bits[bucket / 8] |= (uint8_t)(1u << (bucket % 8));
        set->is_any = true;
    }
}

static bool set_has(const bucket_set *set, const gb_participant *p, uint8_t bits)
{
    uint32_t bucket = gb_participant_bucket(p, bits);
    return (set->bits[bucket / 8] & (1u << (bucket % 8))) != 0;
}

/* Does it state what an agreement implies anyway? */
static bool is_no_news(const gb_link *link, const gb_participant *p, const gb_digest_entry *entry,
                       uint8_t lanes)
{
    if (know_find(link, p->slot) != NULL || !know_is_covered(link, p)) {
        return false;
    }
    for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
        if ((lanes & GB_LANE_BIT(lane)) != 0 &&
            entry->version[lane] != gb_map_version(p, (gb_lane)lane)) {
            return false;
        }
    }
    return true;
}

/* Take over what the peer states of one participant, lower or higher. */
static void learn_entry(gb_engine *e, gb_link *link, const gb_participant *p,
                        const gb_digest_entry *entry, uint8_t lanes)
{
    if (is_no_news(link, p, entry, lanes)) {
        return;
    }
    know_write_down(e, link, p);
    gb_know *know = know_at(e, link, p->slot);
    if (know == NULL) {
        return;
    }
    for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
        if ((lanes & GB_LANE_BIT(lane)) != 0 &&
            know_state(e, link, know, (gb_lane)lane, entry->version[lane])) {
            know->resetting &= (uint8_t)~GB_LANE_BIT(lane);
        }
    }
}

/* Walk the entries: what the peer knows, and what we lack (as pairs into `pulls`, pull.c's form).
 * Stamps the slots that were named. Returns how many lanes to pull. */
static uint32_t learn_digest(gb_engine *e, gb_link *link, const gb_digest *digest,
                             const bucket_set *buckets, uint32_t *pulls, uint32_t pull_max)
{
    uint32_t pull_count = 0;
    gb_list_cursor cursor = digest->entries;
    gb_digest_entry entry;
    while (gb_digest_entry_next(&cursor, &entry)) {
        gb_participant *p = know_participant(e, link, entry.index);
        gb_peer *peer = p == NULL ? NULL : peer_at(e, p->slot);
        if (peer == NULL) {
            know_note_outdated(e, link, entry.index);
            continue;
        }
        e->stamps[p->slot] = e->stamp;
        bool is_complete = buckets->is_any && set_has(buckets, p, digest->bucket_bits);
        uint8_t lanes = is_complete ? GB_LANES_ALL : entry.lane_mask;
        learn_entry(e, link, p, &entry, lanes);
        if (p->is_self) {
            for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
                if (entry.version[lane] > gb_map_version(p, (gb_lane)lane)) {
                    engine_want_generation(e, e->self->generation + 1);
                }
            }
            continue;
        }
        for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
            if (entry.version[lane] > gb_map_version(p, (gb_lane)lane) && pull_count < pull_max &&
                pull_wanted(e, link, peer, (gb_lane)lane)) {
                pulls[pull_count] = p->slot * GB_LANE_COUNT + lane;
                pull_count++;
            }
        }
    }
    if (!buckets->is_any) {
        return pull_count;
    }
    gb_digest_entry nothing = {0};
    for (uint32_t slot = 0; slot < gb_map_slot_end(e->map); slot++) {
        gb_participant *p = gb_map_at(e->map, slot);
        if (p != NULL && e->stamps[slot] != e->stamp && set_has(buckets, p, digest->bucket_bits)) {
            learn_entry(e, link, p, &nothing, GB_LANES_ALL);
        }
    }
    return pull_count;
}

/* Do we hold something else than what the peer is believed to know? */
static bool differs(const gb_link *link, const gb_participant *p)
{
    const gb_know *know = know_find(link, p->slot);
    if (know != NULL && know->is_outdated) {
        return true;
    }
    for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
        uint64_t known;
        if (!know_version(link, p, (gb_lane)lane, &known) ||
            known != gb_map_version(p, (gb_lane)lane)) {
            return true;
        }
    }
    return false;
}

/* Slots to state in an answer: those of the digest, and of its complete buckets, of which we know
 * something else; then what changed here. */
static uint32_t list_answer(gb_engine *e, gb_link *link, const gb_digest *digest,
                            const bucket_set *buckets, bool with_recent)
{
    uint32_t count = 0;
    uint32_t named = e->stamp;
    next_stamp(e);
    for (uint32_t slot = 0; slot < gb_map_slot_end(e->map); slot++) {
        const gb_participant *p = gb_map_at(e->map, slot);
        if (p == NULL) {
            continue;
        }
        const gb_know *know = know_find(link, slot);
        bool is_outdated = know != NULL && know->is_outdated;
        bool is_named = e->stamps[slot] == named || is_outdated ||
                        (buckets->is_any && set_has(buckets, p, digest->bucket_bits));
        if (!is_named) {
            continue;
        }
        e->stamps[slot] = e->stamp; /* dealt with, also where there is nothing to say */
        if (differs(link, p)) {
            e->scratch[count] = slot;
            count++;
        }
    }
    if (with_recent && count < ENGINE_DIGEST_ENTRIES_MAX && link->is_agreed) {
        (void)list_recent(e, link, &count);
    }
    return count;
}

/* The buckets whose fingerprints differ from ours; their participants into scratch. */
static uint32_t list_differing(gb_engine *e, const gb_digest *digest, uint32_t *buckets,
                               uint32_t *bucket_count)
{
    uint32_t total = 1u << digest->bucket_bits;
    uint32_t count = 0;
    bucket_set wanted;
    memset(&wanted, 0, sizeof wanted);
    *bucket_count = 0;
    uint64_t *ours = gb_alloc_array(e->allocator, total, sizeof *ours);
    if (ours == NULL) {
        return 0;
    }
    gb_map_fingerprints(e->map, digest->bucket_bits, ours);
    for (uint32_t i = 0; i < total; i++) {
        if (ours[i] != gb_digest_fingerprint(digest, i)) {
            buckets[*bucket_count] = i;
            (*bucket_count)++;
            wanted.bits[i / 8] |= (uint8_t)(1u << (i % 8));
        }
    }
    gb_free(e->allocator, ours);
    list_bucket(e, digest->bucket_bits, wanted.bits, &count);
    return count;
}

static void answer_syn(gb_engine *e, gb_link *link, const gb_digest *digest,
                       const bucket_set *theirs, uint32_t request_id)
{
    gb_digest_plan plan = {.frame_type = GB_FRAME_SYN_ACK, .request_id = request_id};
    uint32_t *buckets = NULL;
    uint32_t count;
    if (digest->has_fingerprints) {
        buckets = gb_alloc_array(e->allocator, (size_t)1 << digest->bucket_bits, sizeof *buckets);
        if (buckets == NULL) {
            return;
        }
        count = list_differing(e, digest, buckets, &plan.bucket_count);
        plan.bits = digest->bucket_bits;
        plan.buckets = buckets;
    } else {
        count = list_answer(e, link, digest, theirs, true);
    }
    (void)gossip_send(e, link, &plan, count);
    gb_free(e->allocator, buckets);
    e->stats.exchanges_answered++;
}

void gossip_ended(gb_engine *e, gb_link *link)
{
    gb_event event = event_make(e, GB_EVENT_EXCHANGE);
    event.name = peer_name(e, link->peer);
    event.duration_us = e->now - link->exchange_at;
    event.count = link->exchange_pulls;
    effect_notify(e, &event);
    link->exchange_no = 0;
    link->was_exchanged = true;
}

/* What a digest that is being processed speaks of. */
typedef struct digest_names {
    const bucket_set *buckets;
    uint8_t bits;
} digest_names;

static bool is_named(const gb_engine *e, const gb_participant *p, const void *user)
{
    const digest_names *names = user;
    return e->stamps[p->slot] == e->stamp ||
           (names->buckets->is_any && set_has(names->buckets, p, names->bits));
}

/* The answer names every difference: what it does not name, and did not change here since the SYN,
 * the peer knows as we do. */
static void learn_silence(gb_engine *e, gb_link *link, const gb_digest *digest,
                          const bucket_set *theirs)
{
    const digest_names names = {.buckets = theirs, .bits = digest->bucket_bits};
    know_raise(e, link, link->exchange_change_no, is_named, &names);
}

static void answer_syn_ack(gb_engine *e, gb_link *link, const gb_digest *digest,
                           const bucket_set *theirs, uint32_t request_id)
{
    learn_silence(e, link, digest, theirs);
    gb_digest_plan plan = {.frame_type = GB_FRAME_ACK, .request_id = request_id};
    uint32_t count = list_answer(e, link, digest, theirs, false);
    (void)gossip_send(e, link, &plan, count);
    gossip_ended(e, link);
}

void gossip_digest(gb_engine *e, gb_link *link, const gb_frame *frame)
{
    gb_digest digest;
    gb_err err = gb_digest_decode(frame->payload, &digest);
    if (err != GB_OK) {
        link_fail(e, link, err, "malformed digest");
        return;
    }
    if (frame->type == GB_FRAME_SYN_ACK &&
        (link->exchange_no == 0 || frame->request_id != link->exchange_no)) {
        e->stats.frames_ignored++; /* the answer to an exchange that was given up */
        return;
    }
    link->peer_hash = digest.map_hash;
    bucket_set theirs;
    read_buckets(&digest, &theirs);
    /* Deltas of a direct exchange come by themselves. */
    uint32_t pull_max = digest.is_direct ? 0 : digest.entries.left * GB_LANE_COUNT;
    uint32_t *pulls = gb_alloc_array(e->allocator, pull_max + 1, sizeof *pulls);
    if (pulls == NULL) {
        link_fail(e, link, GB_ENOMEM, "out of memory");
        return;
    }
    next_stamp(e);
    uint32_t pull_count = learn_digest(e, link, &digest, &theirs, pulls, pull_max);
    link->exchange_pulls += pull_count;
    if (digest.is_direct) {
        paper_digest(e, link, frame, &digest);
    } else if (frame->type == GB_FRAME_SYN) {
        answer_syn(e, link, &digest, &theirs, frame->request_id);
    } else if (frame->type == GB_FRAME_SYN_ACK) {
        answer_syn_ack(e, link, &digest, &theirs, frame->request_id);
    } else {
        link->was_exchanged = true;
    }
    if (pull_count > 0 && !link->is_doomed) {
        pull_send(e, link, pulls, pull_count);
    }
    gb_free(e->allocator, pulls);
    if (link->peer_hash == gb_map_hash(e->map)) {
        know_agreed(e, link);
    }
}

/* ---- Heartbeats
 * --------------------------------------------------------------------------------------- */

static void compare_hashes(gb_engine *e, gb_link *link)
{
    if (link->peer_hash == gb_map_hash(e->map)) {
        know_agreed(e, link);
        return;
    }
    bool is_for_rounds = engine_is_paper(e) && (link->features & GB_FEATURE_LOAD) != 0;
    if (link->exchange_no != 0 || link->pull_count > 0 || is_for_rounds) {
        return;
    }
    link->mismatch_count++;
    bool is_quiet = link->queued == 0 && feed_is_empty(link) && link->i_have_count == 0 &&
                    e->now >= link->delta_at + 200 * ENGINE_MS;
    if (is_quiet || link->mismatch_count >= 2) {
        gossip_want(e, link);
    }
}

void gossip_heartbeat(gb_engine *e, gb_link *link, const gb_frame *frame)
{
    gb_heartbeat heartbeat;
    gb_err err = gb_heartbeat_decode(frame->payload, &heartbeat);
    if (err != GB_OK) {
        link_fail(e, link, err, "malformed heartbeat");
        return;
    }
    bool is_request = frame->type == GB_FRAME_HEARTBEAT;
    uint64_t round_trip = 0;
    link->peer_hash = heartbeat.map_hash;
    if (is_request) {
        gb_heartbeat ours = {.map_hash = gb_map_hash(e->map), .has_load = heartbeat.has_load};
        if (heartbeat.has_load) {
            flow_answer(e, &heartbeat.load, &ours.load);
        }
        if (!link_encoded(e, link,
                          gb_heartbeat_encode(&link->out, GB_FRAME_HEARTBEAT_ACK, frame->request_id,
                                              &ours))) {
            return;
        }
        if (link->peer_hash == ours.map_hash) {
            know_agreed(e, link); /* the asker begins an exchange where there is a difference */
        }
    } else {
        if (frame->request_id != link->heartbeat_no || link->heartbeat_no == 0) {
            return; /* answered after we stopped to wait for it */
        }
        link->heartbeat_no = 0;
        round_trip = e->now - link->heartbeat_sent;
        if (heartbeat.has_load) {
            flow_moved(e, link, heartbeat.load.moved);
        }
        compare_hashes(e, link);
    }
    if (e->has_detector) {
        gb_event event = event_make(e, GB_EVENT_HEARTBEAT);
        event.name = peer_name(e, link->peer);
        event.generation = link->peer->generation;
        event.duration_us = round_trip;
        effect_notify(e, &event);
    }
}

static void send_heartbeat(gb_engine *e, gb_link *link)
{
    gb_heartbeat heartbeat = {.map_hash = gb_map_hash(e->map)};
    /* In the paper's mode loads travel with the digests. */
    heartbeat.has_load = !engine_is_paper(e) && flow_ask(e, link, &heartbeat.load);
    uint32_t no = engine_request_no(e);
    if (link_encoded(e, link,
                     gb_heartbeat_encode(&link->out, GB_FRAME_HEARTBEAT, no, &heartbeat))) {
        link->heartbeat_no = no;
        link->heartbeat_sent = e->now;
    }
    link->heartbeat_at = e->now + e->settings.heartbeat_interval_us;
}

/* ---- Rounds
 * --------------------------------------------------------------------------------------------- */

/* One of the links that want an exchange, chosen uniformly. */
static gb_link *pick_wanting(gb_engine *e)
{
    gb_link *picked = NULL;
    uint32_t seen = 0;
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        if (link->wants_exchange && link_is_member(link) && link->exchange_no == 0) {
            seen++;
            if (gb_rng_below(&e->rng, seen) == 0) {
                picked = link;
            }
        }
    }
    return picked;
}

void gossip_want_elsewhere(gb_engine *e, uint64_t except)
{
    gb_link *picked = NULL;
    uint32_t seen = 0;
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        if (link->id != except && link_is_member(link)) {
            seen++;
            if (gb_rng_below(&e->rng, seen) == 0) {
                picked = link;
            }
        }
    }
    if (picked != NULL) {
        picked->exchange_no = 0;
        gossip_begin(e, picked);
    }
}

/* A member that we have no link to: one exchange with it. One that nobody accuses, if there is one:
 * it is likelier to answer, and after a split it is who knows the same part of the cluster. */
static void visit_random(gb_engine *e)
{
    if (e->is_leaving || !e->is_joined) {
        return;
    }
    gb_peer *picked = NULL;
    uint32_t seen = 0;
    bool is_picked_accused = true;
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        gb_peer *peer = e->peers[slot];
        if (peer == NULL || peer_is_self(e, peer) || !peer_is_live(peer) || peer->link != NULL ||
            peer->dialling != NULL || peer->address_count == 0) {
            continue;
        }
        bool is_accused = peer->accuser_count > 0;
        if (is_accused && !is_picked_accused) {
            continue;
        }
        if (!is_accused && is_picked_accused) {
            is_picked_accused = false;
            seen = 0;
        }
        seen++;
        if (gb_rng_below(&e->rng, seen) == 0) {
            picked = peer;
        }
    }
    if (picked != NULL) {
        (void)ring_dial(e, picked, PURPOSE_VISIT);
    }
}

static gb_time_us link_due(gb_engine *e, gb_link *link)
{
    gb_time_us next = GB_NO_TIME;
    if (link->state == LINK_DIALLING || link->state == LINK_CLOSING || link->is_doomed) {
        return next;
    }
    if (link->state != LINK_OPEN) {
        gb_time_us until = link->opened_at + GB_HANDSHAKE_TIMEOUT_MS * ENGINE_MS;
        if (e->now >= until) {
            link_close(e, link, GB_CLOSE_TIMED_OUT);
            return next;
        }
        return until;
    }
    if (link->role != GB_ROLE_MEMBER) {
        return next;
    }
    gb_time_us silent_until = link->heard_at + e->settings.link_timeout_us;
    if (e->now >= silent_until) {
        link_close(e, link, GB_CLOSE_TIMED_OUT);
        return next;
    }
    next = silent_until;
    if (link->duplicate_ping != 0 && e->now >= link->duplicate_at + ENGINE_DUPLICATE_BOUND) {
        link_close(e, link, GB_CLOSE_TIMED_OUT); /* it was to stay, and does not answer */
        return GB_NO_TIME;
    }
    if (link->duplicate_ping != 0) {
        next = earlier(next, link->duplicate_at + ENGINE_DUPLICATE_BOUND);
    }
    if (link->exchange_no != 0 && e->now >= link->exchange_at + ENGINE_EXCHANGE_BOUND) {
        link->exchange_no = 0;
        gossip_want(e, link);
    }
    if (link->exchange_no != 0) {
        next = earlier(next, link->exchange_at + ENGINE_EXCHANGE_BOUND);
    }
    if (link->purpose == PURPOSE_VISIT && link->peer != NULL && !link->peer->is_wanted) {
        bool is_done = link->was_exchanged && link->pull_count == 0 && feed_is_empty(link) &&
                       link->queued == 0 && link->out.len == 0 &&
                       e->now >= link->opened_at + ENGINE_S;
        if (is_done || e->now >= link->opened_at + ENGINE_VISIT_MAX) {
            link_bye(e, link, GB_CLOSE_BY_US, GB_OK, "the visit is over");
            return GB_NO_TIME;
        }
        next = e->now + 500 * ENGINE_MS < next ? e->now + 500 * ENGINE_MS : next;
    }
    if (link->heartbeat_at != GB_NO_TIME) {
        if (e->now >= link->heartbeat_at) {
            send_heartbeat(e, link);
        }
        next = link->heartbeat_at < next ? link->heartbeat_at : next;
    }
    return next;
}

void gossip_round(gb_engine *e)
{
    if (e->now < e->round_at) {
        return;
    }
    e->round_at = e->now + e->settings.gossip_interval_us;
    e->exchange_tokens = e->settings.exchanges_per_round;
    e->stats.rounds++;
    effects_trim(e);
    GB_LIST_EACH(node, &e->links)
    {
        link_trim(e, link_of(node));
        link_touch(link_of(node));
    }
    flow_round(e);
    if (engine_is_paper(e)) {
        paper_round(e);
    }
}

gb_time_us gossip_due(gb_engine *e)
{
    gossip_round(e);
    if (e->now >= e->random_at) {
        e->random_at =
            e->now + ENGINE_RANDOM_INTERVAL / 2 + gb_rng_below(&e->rng, ENGINE_RANDOM_INTERVAL);
        if (!engine_is_paper(e)) {
            visit_random(e);
        }
    }
    if (e->now >= e->links_look_at) {
        e->links_look_at = GB_NO_TIME;
        ENGINE_EACH_LINK(e, link)
        {
            gossip_look_at(e, link_due(e, link));
        }
    }
    while (e->exchange_tokens > 0 && e->wants_exchange) {
        gb_link *link = pick_wanting(e);
        if (link == NULL) {
            e->wants_exchange = false;
            break;
        }
        e->exchange_tokens--;
        gossip_begin(e, link);
        if (link->exchange_no == 0) {
            break; /* no memory: the next round tries again */
        }
    }
    return earlier(e->links_look_at, earlier(e->round_at, e->random_at));
}
