/* SPDX-License-Identifier: Apache-2.0 */
/* peers.c: members beside their deltas: records, status, accusations, life and departure. */
#include "engine/internal.h"

#include "platform/planted.h"
#include "platform/utf8.h"

#include <string.h>

gb_slice peer_name(const gb_engine *e, const gb_peer *peer)
{
    const gb_participant *p = gb_map_at(e->map, peer->slot);
    GB_ASSERT(p != NULL);
    return gb_participant_name(p);
}

bool peer_is_self(const gb_engine *e, const gb_peer *peer)
{
    return e->self != NULL && peer->slot == e->self->slot;
}

bool peer_is_live(const gb_peer *peer)
{
    return peer->status == GB_STATUS_ALIVE || peer->status == GB_STATUS_SUSPECT;
}

void peer_free(gb_engine *e, gb_peer *peer)
{
    gb_list_remove(&peer->accuser_node);
    gb_free(e->allocator, peer->addresses);
    gb_free(e->allocator, peer->pulls);
    gb_free(e->allocator, peer);
}

/* ---- Telling the host
 * ---------------------------------------------------------------------------- */

void peer_fill_member(const gb_engine *e, const gb_peer *peer, gb_member *out)
{
    memset(out, 0, sizeof *out);
    out->name = peer_name(e, peer);
    out->generation = peer->generation;
    out->incarnation = peer->incarnation;
    out->status = peer->status;
    out->accusers = peer->accuser_count;
    bool is_self = peer_is_self(e, peer);
    bool has_detector =
        is_self ? e->has_detector : (peer->record_flags & GB_NODE_RECORD_HAS_DETECTOR) != 0;
    out->flags = (has_detector ? GB_MEMBER_HAS_DETECTOR : 0) |
                 (peer->is_diallable ? GB_MEMBER_IS_DIALLABLE : 0) |
                 (is_self ? GB_MEMBER_IS_SELF : 0) | (peer->link != NULL ? GB_MEMBER_IS_LINKED : 0);
    gb_node_record memory;
    const gb_address *addresses = e->addresses;
    uint8_t count = is_self ? e->address_count : peer_addresses(e, peer, &memory, &addresses);
    if (count > 0) {
        out->host = addresses[0].host;
        out->port = addresses[0].port;
    }
}

void peer_notify(gb_engine *e, gb_peer *peer, uint8_t change)
{
    gb_member member;
    peer_fill_member(e, peer, &member);
    gb_event event = event_make(e, GB_EVENT_MEMBER);
    event.name = member.name;
    event.generation = member.generation;
    event.incarnation = member.incarnation;
    event.status = member.status;
    event.flags = member.flags;
    event.change = change;
    event.host = member.host;
    event.port = member.port;
    effect_notify(e, &event);
}

void peer_proved_diallable(gb_engine *e, gb_peer *peer)
{
    if (peer->is_diallable) {
        return;
    }
    peer->is_diallable = true;
    if (peer->is_announced) {
        peer_notify(e, peer, GB_CHANGE_UPDATED);
    }
}

/* Not at once: what is over by now is seen to in the next turn. */
static void plan_forgetting(gb_engine *e, const gb_peer *peer)
{
    uint64_t age = e->now - peer->departed_at;
    uint64_t most = e->settings.departed_retention_us;
    gb_time_us at = e->now + (age < most ? most - age : ENGINE_MS);
    e->departed_check_at = at < e->departed_check_at ? at : e->departed_check_at;
}

void peer_set_status(gb_engine *e, gb_peer *peer, uint8_t status)
{
    if (peer->status == status) {
        return;
    }
    bool was_live = peer_is_live(peer);
    peer->status = status;
    bool is_live = peer_is_live(peer);
    gb_participant *p = peer_participant(e, peer);
    GB_ASSERT(p != NULL);
    if (was_live != is_live) {
        if (is_live) {
            peer->departed_at = GB_NO_TIME;
        } else if (peer->departed_at == GB_NO_TIME) {
            peer->departed_at = e->now;
        }
        gb_map_set_departed(e->map, p, !is_live);
        if (!is_live) {
            plan_forgetting(e, peer);
        }
        if (peer->is_announced && is_live) {
            ring_joined(e, peer);
        } else if (peer->is_announced) {
            ring_left(e, peer);
        }
    }
    if (peer->is_announced) {
        peer_notify(e, peer, GB_CHANGE_STATUS);
    }
}

/* Without a detector of its own a node takes the word of those who have one. */
static void adopt_verdicts(gb_engine *e, gb_peer *peer)
{
    if (e->has_detector || peer->status == GB_STATUS_LEFT || peer_is_self(e, peer)) {
        return;
    }
    uint8_t status = peer->verdict_count > 0   ? GB_STATUS_DEAD
                     : peer->accuser_count > 0 ? GB_STATUS_SUSPECT
                                               : GB_STATUS_ALIVE;
    peer_set_status(e, peer, status);
}

/* ---- Learning of lives
 * --------------------------------------------------------------------------- */

static void peer_begin_life(gb_engine *e, gb_peer *peer, uint64_t generation)
{
    pull_forget(e, peer);
    peer->accuse_count = 0;
    gb_list_remove(&peer->accuser_node);
    peer->generation = generation;
    peer->instance = 0;
    peer->incarnation = 0;
    peer->record_flags = 0;
    peer->has_record = false;
    peer->is_diallable = false;
    peer->is_link_lost = false;
    peer->status = GB_STATUS_ALIVE;
    peer->departed_at = GB_NO_TIME;
    peer->known_since = e->now;
    peer->dial_at = e->now;
    peer->dial_failures = 0;
    peer->parent_link = 0;
    peer->accuser_count = 0;
    peer->verdict_count = 0;
}

/* Names that records point at before their life is known here (accusations) are looked up later. */
static void recount_accusations(gb_engine *e, gb_peer *peer);

static bool is_heard_of(const gb_participant *p)
{
    for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
        uint64_t version;
        uint64_t floor;
        if (gb_map_version(p, (gb_lane)lane) > 0 ||
            gb_map_staged(p, (gb_lane)lane, &version, &floor)) {
            return true;
        }
    }
    return false;
}

static gb_peer *peer_add(gb_engine *e, gb_participant *p)
{
    if (engine_reserve_slots(e, p->slot + 1) != GB_OK) {
        return NULL;
    }
    gb_peer *peer = gb_alloc_zeroed(e->allocator, sizeof *peer);
    if (peer == NULL) {
        return NULL;
    }
    peer->slot = p->slot;
    e->peers[p->slot] = peer;
    know_forget_slot(e, p->slot);
    peer_begin_life(e, peer, p->generation);
    return peer;
}

/* Take it out of everything; the participant goes too. */
static void peer_remove(gb_engine *e, gb_peer *peer)
{
    gb_participant *p = peer_participant(e, peer);
    GB_ASSERT(p != NULL);
    bool was_accuser = peer->accuse_count > 0;
    pull_forget(e, peer);
    know_forget_slot(e, peer->slot);
    know_life_ends(e, p);
    e->is_ring_dirty = e->is_ring_dirty || (peer->is_announced && peer_is_live(peer));
    e->peers[peer->slot] = NULL;
    gb_map_remove(e->map, p);
    peer_free(e, peer);
    if (was_accuser) {
        peer_recount_accused(e);
    }
}

/* Names that were mentioned and of which nothing ever came make room. false: there are none. */
static bool forget_unheard(gb_engine *e)
{
    bool was_any = false;
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        gb_peer *peer = e->peers[slot];
        if (peer == NULL || peer->is_announced || peer_is_self(e, peer) || peer->link != NULL ||
            peer->dialling != NULL || e->now < peer->known_since + ENGINE_UNHEARD_AGE ||
            is_heard_of(peer_participant(e, peer))) {
            continue;
        }
        peer_remove(e, peer);
        was_any = true;
    }
    return was_any;
}

static gb_peer *peer_add_unknown(gb_engine *e, gb_slice name, uint64_t generation)
{
    gb_participant *p;
    gb_err err = gb_map_add(e->map, name, generation, &p);
    if (err == GB_EPARTICIPANTS && forget_unheard(e)) {
        err = gb_map_add(e->map, name, generation, &p);
    }
    if (err == GB_EPARTICIPANTS && e->now >= e->limit_told_at) {
        e->limit_told_at = e->now + 60 * ENGINE_S;
        gb_event event = event_make(e, GB_EVENT_LIMIT);
        event.code = err;
        event.name = name;
        event.text = gb_slice_from_str("no room for another participant in the cluster map");
        effect_notify(e, &event);
    }
    if (err != GB_OK) {
        return NULL;
    }
    gb_peer *peer = peer_add(e, p);
    if (peer == NULL) {
        gb_map_remove(e->map, p);
        return NULL;
    }
    know_rebind(e, p);
    return peer;
}

gb_err peer_renew(gb_engine *e, gb_peer *peer, uint64_t generation)
{
    gb_participant *p = peer_participant(e, peer);
    GB_ASSERT(p != NULL && generation > p->generation);
    know_life_ends(e, p);
    peer_keep_addresses(e, peer, NULL);
    gb_err err = gb_map_renew(e->map, &p, generation);
    if (err != GB_OK) {
        return err;
    }
    gb_link *old = peer->link;
    if (old != NULL) {
        ENGINE_EACH_LINK(e, link)
        {
            if (link->peer == peer) {
                link_bye(e, link, GB_CLOSE_REPLACED, GB_EREPLACED,
                         "a later life of this name is known");
            }
        }
    }
    if (peer->dialling != NULL) {
        peer->dialling->expected_generation = generation;
    }
    know_forget_slot(e, peer->slot);
    gb_map_set_departed(e->map, p, false);
    bool was_accuser = peer->accuse_count > 0;
    peer_begin_life(e, peer, generation);
    e->is_ring_dirty = true;
    recount_accusations(e, peer);
    if (was_accuser) {
        peer_recount_accused(e);
    }
    act_retract(e, peer_name(e, peer)); /* what we said of its former life */
    if (peer->is_announced) {
        peer_notify(e, peer, GB_CHANGE_RESTARTED);
    }
    return GB_OK;
}

gb_peer *peer_learn(gb_engine *e, gb_slice name, uint64_t generation, uint64_t incarnation,
                    bool is_answering)
{
    if (generation > ENGINE_LIFE_MAX) {
        return NULL;
    }
    gb_participant *p = gb_map_find(e->map, name);
    if (p != NULL) {
        gb_peer *peer = peer_at(e, p->slot);
        if (peer == NULL) {
            return peer_add(e, p); /* self, while the engine opens */
        }
        if (generation == p->generation) {
            return peer;
        }
        if (generation < p->generation || peer_is_self(e, peer) ||
            peer_renew(e, peer, generation) != GB_OK) {
            return NULL;
        }
        return peer;
    }
    uint64_t grave_generation;
    uint64_t grave_incarnation;
    bool is_buried = gb_map_grave(e->map, name, &grave_generation, &grave_incarnation);
    bool is_newer = generation > grave_generation ||
                    (generation == grave_generation && incarnation > grave_incarnation);
    if (is_buried && !is_answering && !is_newer) {
        return NULL;
    }
    gb_peer *peer = peer_add_unknown(e, name, generation);
    if (peer != NULL && is_buried) {
        gb_map_open_grave(e->map, name);
    }
    if (peer != NULL) {
        recount_accusations(e, peer);
    }
    return peer;
}

static void announce(gb_engine *e, gb_peer *peer, bool is_changed)
{
    if (peer->is_announced) {
        if (is_changed) {
            peer_notify(e, peer, GB_CHANGE_UPDATED);
        }
        return;
    }
    if (e->has_detector && peer_is_live(peer) && peer->departed_at != GB_NO_TIME) {
        /* Who told of it holds it for dead: it is not made known as one that lives, to die at once.
         * If it does live it refutes. */
        peer_set_status(e, peer, GB_STATUS_DEAD);
    }
    peer->is_announced = true;
    if (!peer_is_self(e, peer) && peer_is_live(peer)) {
        ring_joined(e, peer); /* the rings go by who is announced */
    }
    peer_notify(e, peer, GB_CHANGE_JOINED);
}

void peer_hello(gb_engine *e, gb_peer *peer, const gb_hello *hello)
{
    if (hello->address_count > 0) {
        peer_take_addresses(e, peer, hello->addresses, hello->address_count);
    }
    peer->instance = hello->instance;
    if (peer_is_live(peer)) {
        peer->departed_at = GB_NO_TIME; /* whoever held it for dead is wrong */
    }
    if (!peer->has_record) {
        uint8_t flags =
            (hello->flags & GB_HELLO_HAS_DETECTOR) != 0 ? GB_NODE_RECORD_HAS_DETECTOR : 0;
        e->is_ring_dirty = e->is_ring_dirty || (peer->is_announced && flags != peer->record_flags);
        peer->record_flags = flags;
    }
    /* Who was dead and speaks again is alive to a node without detector; a detector decides itself.
     */
    if (!e->has_detector && peer->status != GB_STATUS_LEFT) {
        peer_set_status(e, peer, GB_STATUS_ALIVE);
    }
    /* Who is known by its greeting alone is known to nobody else: if it ended now, no judge would
     * ever share our word. It is a member when its record comes, with its first exchange. */
    if (peer->has_record) {
        announce(e, peer, false);
    }
}

/* ---- Records of the membership lane
 * --------------------------------------------------------------- */

static void on_own_record(gb_engine *e, gb_peer *peer, const gb_record *after)
{
    if (!peer->is_announced) {
        announce(e, peer, false);
    }
    (void)after;
}

static void on_node_record(gb_engine *e, gb_peer *peer, const gb_record *before,
                           const gb_record *after)
{
    gb_node_record record;
    if (after == NULL || gb_node_record_decode(gb_record_value(after), &record) != GB_OK) {
        e->stats.protocol_errors += after != NULL ? 1 : 0;
        peer_keep_addresses(e, peer, before);
        return; /* its owner's mistake; what was known of it stays */
    }
    bool is_changed = peer->record_flags != record.flags || peer->incarnation != record.incarnation;
    is_changed = peer_adopt_addresses(e, peer, before, &record) || is_changed;
    bool is_later = record.incarnation > peer->incarnation;
    bool was_detector = (peer->record_flags & GB_NODE_RECORD_HAS_DETECTOR) != 0;
    peer->has_record = true;
    peer->instance = record.instance;
    peer->record_flags = record.flags;
    peer->incarnation = record.incarnation;
    if (peer->is_announced && was_detector != ((record.flags & GB_NODE_RECORD_HAS_DETECTOR) != 0)) {
        e->is_ring_dirty = true;
    }
    if (is_later) {
        know_redefine(e, peer->slot);
        recount_accusations(e, peer);
    }
    if ((record.flags & GB_NODE_RECORD_LEFT) != 0) {
        peer_set_status(e, peer, GB_STATUS_LEFT);
        announce(e, peer, false);
        return;
    }
    if (is_later && peer_is_live(peer) && before != NULL) {
        peer->departed_at = GB_NO_TIME; /* it refuted */
    }
    announce(e, peer, is_changed);
}

static bool accusation_read(const gb_record *record, gb_accusation *accusation)
{
    return record != NULL && !gb_record_is_tombstone(record) &&
           gb_accusation_decode(gb_record_value(record), accusation) == GB_OK &&
           accusation->reason != GB_ACCUSE_RETRACTED;
}

/* Is this accusation about the present life and incarnation of `peer`? */
static bool accusation_stands(const gb_peer *peer, const gb_record *record,
                              gb_accusation *accusation)
{
    return accusation_read(record, accusation) && accusation->generation == peer->generation &&
           accusation->incarnation >= peer->incarnation &&
           accusation->incarnation < ENGINE_LIFE_MAX; /* else it could not be refuted */
}

/* Somebody began or ceased to accuse it, or its life or incarnation is another. */
static void accusers_counted(gb_engine *e, gb_peer *peer, bool was_accused)
{
    if (was_accused && peer->accuser_count == 0 && peer_is_live(peer)) {
        peer->departed_at = GB_NO_TIME;
    }
    adopt_verdicts(e, peer);
}

/* An accuser that has gone still counts: the accused refutes it if it lives. */
static void look_for_accusers(const gb_engine *e, const gb_peer *peer, uint32_t *accusers,
                              uint32_t *verdicts)
{
    gb_slice name = peer_name(e, peer);
    gb_slice group = gb_slice_from_str("accuse");
    *accusers = 0;
    *verdicts = 0;
    GB_LIST_EACH(node, &e->accusers)
    {
        const gb_participant *p = peer_participant(e, GB_CONTAINER_OF(node, gb_peer, accuser_node));
        gb_accusation accusation;
        if (accusation_stands(peer, gb_map_get(p, GB_LANE_MEMBERSHIP, group, name), &accusation)) {
            (*accusers)++;
            *verdicts += (accusation.flags & GB_ACCUSE_VERDICT) != 0;
        }
    }
}

static void recount_accusations(gb_engine *e, gb_peer *peer)
{
    bool was_accused = peer->accuser_count > 0;
    look_for_accusers(e, peer, &peer->accuser_count, &peer->verdict_count);
    accusers_counted(e, peer, was_accused);
}

void peer_check_accusers(const gb_engine *e, const gb_peer *peer)
{
    uint32_t accusers;
    uint32_t verdicts;
    look_for_accusers(e, peer, &accusers, &verdicts);
    GB_ASSERT(peer_is_self(e, peer) || accusers == peer->accuser_count);
    GB_ASSERT(peer_is_self(e, peer) || verdicts == peer->verdict_count);
}

/* One accusation of it is another now; all others are as they were counted. */
static void count_accuser(gb_engine *e, gb_peer *peer, const gb_record *before,
                          const gb_record *after)
{
    bool was_accused = peer->accuser_count > 0;
    gb_accusation accusation;
    if (accusation_stands(peer, before, &accusation)) {
        GB_ASSERT(peer->accuser_count > 0);
        peer->accuser_count--;
        peer->verdict_count -= (accusation.flags & GB_ACCUSE_VERDICT) != 0;
    }
    if (accusation_stands(peer, after, &accusation)) {
        peer->accuser_count++;
        peer->verdict_count += (accusation.flags & GB_ACCUSE_VERDICT) != 0;
    }
    accusers_counted(e, peer, was_accused);
}

void peer_recount_accused(gb_engine *e)
{
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        if (e->peers[slot] != NULL && e->peers[slot]->accuser_count > 0) {
            recount_accusations(e, e->peers[slot]);
        }
    }
}

static void count_accusation(gb_engine *e, gb_peer *accuser, const gb_record *before,
                             const gb_record *after)
{
    gb_accusation accusation;
    bool is_said = accusation_read(after, &accusation);
    bool was_said = accusation_read(before, &accusation);
    if (is_said && !was_said) {
        accuser->accuse_count++;
        if (accuser->accuse_count == 1) {
            gb_list_push_back(&e->accusers, &accuser->accuser_node);
        }
    } else if (was_said && !is_said) {
        GB_ASSERT(accuser->accuse_count > 0);
        accuser->accuse_count--;
        if (accuser->accuse_count == 0) {
            gb_list_remove(&accuser->accuser_node);
        }
    }
}

static void notify_accusation(gb_engine *e, const gb_participant *accuser, gb_slice target,
                              const gb_accusation *accusation)
{
    bool is_retraction = accusation == NULL || accusation->reason == GB_ACCUSE_RETRACTED;
    gb_event event = event_make(e, is_retraction ? GB_EVENT_RETRACTION : GB_EVENT_ACCUSATION);
    event.name = target;
    event.accuser = gb_participant_name(accuser);
    event.accuser_generation = accuser->generation;
    if (accusation != NULL) {
        event.generation = accusation->generation;
        event.incarnation = accusation->incarnation;
        event.reason = accusation->reason;
        event.flags = accusation->flags;
    }
    effect_notify(e, &event);
}

static void on_accusation(gb_engine *e, const gb_participant *accuser, const gb_record *before,
                          const gb_record *after)
{
    count_accusation(e, e->peers[accuser->slot], before, after);
    const gb_record *named = after != NULL ? after : before;
    gb_slice target_name = gb_record_key(named);
    gb_accusation accusation;
    bool is_valid = after != NULL && gb_name_validate(target_name) == GB_OK &&
                    gb_accusation_decode(gb_record_value(after), &accusation) == GB_OK;
    if (after != NULL && !is_valid) {
        e->stats.protocol_errors++;
    } else if (e->has_detector) {
        notify_accusation(e, accuser, target_name, is_valid ? &accusation : NULL);
    }
    gb_participant *target = gb_map_find(e->map, target_name);
    gb_peer *peer = target == NULL ? NULL : peer_at(e, target->slot);
    if (peer == NULL) {
        return;
    }
    if (peer_is_self(e, peer)) {
        bool stands = is_valid && accusation.reason != GB_ACCUSE_RETRACTED &&
                      accusation.generation == e->self->generation &&
                      accusation.incarnation >= e->incarnation && !accuser->is_self;
        if (stands && accusation.incarnation < ENGINE_LIFE_MAX) {
            e->refute_incarnation =
                GB_PLANTED(GB_PLANTED_REFUTATION_LOST) ? 0 : accusation.incarnation + 1;
            gb_event event = event_make(e, GB_EVENT_SELF_ACCUSED);
            event.accuser = gb_participant_name(accuser);
            event.incarnation = e->refute_incarnation;
            effect_notify(e, &event);
        }
        return;
    }
    count_accuser(e, peer, before, after);
}

void peer_on_change(void *user, const gb_participant *participant, gb_lane lane,
                    const gb_record *before, const gb_record *after)
{
    gb_engine *e = user;
    gb_peer *peer = peer_at(e, participant->slot);
    if (lane != GB_LANE_MEMBERSHIP) {
        gb_event event = event_make(e, GB_EVENT_DELTA);
        event.name = gb_participant_name(participant);
        event.generation = participant->generation;
        event.lane = (uint8_t)lane;
        /* The queue takes references of its own; the records themselves are never written. */
        event.record = (gb_record *)(uintptr_t)after;
        event.before = (gb_record *)(uintptr_t)before;
        effect_notify(e, &event);
        return;
    }
    if (peer == NULL) {
        return;
    }
    const gb_record *named = after != NULL ? after : before;
    gb_slice group = gb_record_group(named);
    if (gb_slice_equal(group, gb_slice_from_str("node"))) {
        if (!gb_slice_equal(gb_record_key(named), gb_slice_from_str("self"))) {
            return;
        }
        if (!participant->is_self && !peer_is_self(e, peer)) {
            on_node_record(e, peer, before, after);
        } else if (after != NULL) {
            on_own_record(e, peer, after);
        }
    } else if (gb_slice_equal(group, gb_slice_from_str("accuse"))) {
        on_accusation(e, participant, before, after);
    }
}

/* ---- Departure
 * ------------------------------------------------------------------------------------ */

static bool forget(gb_engine *e, gb_peer *peer)
{
    gb_participant *p = peer_participant(e, peer);
    GB_ASSERT(p != NULL);
    if (gb_map_bury(e->map, gb_participant_name(p), peer->generation, peer->incarnation,
                    e->now + (GB_PLANTED(GB_PLANTED_GRAVE_FORGOTTEN)
                                  ? 1
                                  : 2 * e->settings.departed_retention_us)) != GB_OK) {
        return false; /* no memory */
    }
    if (peer->is_announced) {
        peer_notify(e, peer, GB_CHANGE_FORGOTTEN);
    }
    ENGINE_EACH_LINK(e, link)
    {
        if (link->peer == peer) {
            link_close(e, link, GB_CLOSE_BY_US);
        }
    }
    if (peer->dialling != NULL) {
        link_close(e, peer->dialling, GB_CLOSE_BY_US);
    }
    peer_remove(e, peer);
    return true;
}

/* What we said of lives that even the graves have forgotten. Not before: to others, who forget a
 * little later, a retraction would say that we heard from them. */
static void retract_forgotten(gb_engine *e)
{
    gb_record *newer;
    for (gb_record *r = gb_map_first(e->self, GB_LANE_MEMBERSHIP); r != NULL; r = newer) {
        newer = r->newer;
        uint64_t generation;
        uint64_t incarnation;
        gb_slice name = gb_record_key(r);
        if (!gb_record_is_tombstone(r) &&
            gb_slice_equal(gb_record_group(r), gb_slice_from_str("accuse")) &&
            gb_map_find(e->map, name) == NULL &&
            !gb_map_grave(e->map, name, &generation, &incarnation)) {
            (void)gb_record_ref(r); /* the name lies in it */
            act_retract(e, name);
            gb_record_release(e->allocator, r);
        }
    }
}

uint64_t peer_departed(const gb_engine *e, const gb_peer *peer)
{
    if (peer_is_live(peer) || peer->departed_at == GB_NO_TIME) {
        return 0;
    }
    return 1 + (e->now - peer->departed_at) / ENGINE_MS;
}

void peer_note_departed(gb_engine *e, gb_peer *peer, uint64_t departed)
{
    /* Of a member that lives here the word of others is no news: accusations say it. */
    if (departed == 0 || peer_is_self(e, peer) || (peer_is_live(peer) && peer->has_record)) {
        return;
    }
    uint64_t most = e->settings.departed_retention_us;
    uint64_t age = departed - 1 < most / ENGINE_MS ? (departed - 1) * ENGINE_MS : most;
    if (peer->departed_at == GB_NO_TIME || age > e->now - peer->departed_at) {
        peer->departed_at = e->now - age;
        if (!peer_is_live(peer)) {
            plan_forgetting(e, peer);
        }
    }
}

gb_time_us peer_forget_departed(gb_engine *e)
{
    retract_forgotten(e);
    /* Graves end at times of their own. */
    gb_time_us next = e->now + e->settings.departed_retention_us;
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        gb_peer *peer = e->peers[slot];
        if (peer == NULL || peer_is_live(peer) || peer_is_self(e, peer)) {
            continue;
        }
        uint64_t age = e->now - peer->departed_at;
        gb_time_us at = e->now;
        if (age < e->settings.departed_retention_us) {
            at += e->settings.departed_retention_us - age;
        } else if (!forget(e, peer)) {
            at += ENGINE_S;
        }
        if (at > e->now && at < next) {
            next = at;
        }
    }
    return next;
}
