/* SPDX-License-Identifier: Apache-2.0 */
/* act.c: what the host's detector decides, carried out. The engine judges nobody itself. */
#include "engine/internal.h"

static gb_peer *find_peer(gb_engine *e, const gb_action *action)
{
    gb_participant *p = gb_map_find(e->map, action->name);
    gb_peer *peer = p == NULL ? NULL : peer_at(e, p->slot);
    if (peer == NULL || peer_is_self(e, peer) || peer->generation != action->generation) {
        return NULL;
    }
    return peer;
}

static void publish_accusation(gb_engine *e, gb_slice target, const gb_accusation *accusation)
{
    gb_out value;
    gb_out_init(&value, e->allocator);
    gb_err err = gb_accusation_encode(&value, accusation);
    if (err == GB_OK) {
        know_before_change(e, e->self);
        err = gb_map_set(e->map, e->self, GB_LANE_MEMBERSHIP, gb_slice_from_str("accuse"), target,
                         GB_VALUE_BYTES, gb_slice_make(value.base, value.len), 0, e->now);
    }
    gb_out_deinit(&value);
    if (err == GB_OK) {
        push_changed(e, e->self, GB_LANE_MEMBERSHIP, NULL);
    }
}

static bool own_accusation(const gb_engine *e, gb_slice target, gb_accusation *out)
{
    gb_record *record =
        gb_map_get(e->self, GB_LANE_MEMBERSHIP, gb_slice_from_str("accuse"), target);
    return record != NULL && !gb_record_is_tombstone(record) &&
           gb_accusation_decode(gb_record_value(record), out) == GB_OK &&
           out->reason != GB_ACCUSE_RETRACTED;
}

static void act_accuse(gb_engine *e, gb_peer *peer, const gb_action *action)
{
    gb_accusation standing;
    if (own_accusation(e, peer_name(e, peer), &standing) &&
        standing.generation == action->generation && standing.incarnation == action->incarnation &&
        standing.reason == action->reason) {
        return;
    }
    gb_accusation accusation = {.generation = action->generation,
                                .incarnation = action->incarnation,
                                .reason = action->reason};
    publish_accusation(e, peer_name(e, peer), &accusation);
}

void act_retract(gb_engine *e, gb_slice target)
{
    gb_accusation standing;
    if (!own_accusation(e, target, &standing)) {
        return;
    }
    know_before_change(e, e->self);
    if (gb_map_delete(e->map, e->self, GB_LANE_MEMBERSHIP, gb_slice_from_str("accuse"), target,
                      e->now) == GB_OK) {
        push_changed(e, e->self, GB_LANE_MEMBERSHIP, NULL);
    }
}

static void act_dead(gb_engine *e, gb_peer *peer)
{
    gb_accusation standing;
    gb_slice name = peer_name(e, peer);
    /* Our accusation says from now on that it was found true: nodes without detector go by that. */
    if (own_accusation(e, name, &standing) && standing.generation == peer->generation &&
        (standing.flags & GB_ACCUSE_VERDICT) == 0) {
        standing.flags |= GB_ACCUSE_VERDICT;
        publish_accusation(e, name, &standing);
    }
    if (peer->status == GB_STATUS_DEAD) {
        return; /* a link that it opened since stays: it must hear of this to refute it */
    }
    peer_set_status(e, peer, GB_STATUS_DEAD);
    ENGINE_EACH_LINK(e, link)
    {
        if (link->peer == peer) {
            link_close(e, link, GB_CLOSE_TIMED_OUT);
        }
    }
}

static void act_probe_through(gb_engine *e, const gb_action *action)
{
    gb_participant *p = gb_map_find(e->map, action->helper);
    gb_peer *helper = p == NULL ? NULL : peer_at(e, p->slot);
    if (helper != NULL && helper->link != NULL && link_is_member(helper->link)) {
        probe_ask(e, PROBE_REMOTE, helper->link, action->name, action->generation);
        return;
    }
    gb_event event = event_make(e, GB_EVENT_PROBE_RESULT);
    event.name = action->name;
    event.generation = action->generation;
    event.accuser = action->helper;
    event.outcome = GB_PROBE_UNREACHABLE;
    effect_notify(e, &event);
}

static void act_tick(gb_engine *e, uint64_t interval_us)
{
    uint64_t least = interval_us > ENGINE_MS ? interval_us : ENGINE_MS;
    e->tick_us = interval_us == 0          ? e->settings.detector_tick_us
                 : least < ENGINE_TICK_MAX ? least
                                           : ENGINE_TICK_MAX;
    e->tick_at = e->now + e->tick_us;
}

void gb_engine_act(gb_engine *e, gb_time_us now, const gb_action *action)
{
    engine_at(e, now);
    if (e->is_stopped || !e->has_detector) {
        return;
    }
    if (action->kind == GB_ACT_TICK) {
        act_tick(e, action->timeout_us);
        return;
    }
    if (action->name.len == 0 || action->name.len > GB_NAME_SIZE_MAX) {
        return;
    }
    if (action->kind == GB_ACT_RETRACT) {
        act_retract(e, action->name);
        engine_settle(e);
        return;
    }
    gb_peer *peer = find_peer(e, action);
    if (peer == NULL) {
        return;
    }
    switch (action->kind) {
    case GB_ACT_PROBE:
        probe_local(e, action->name, action->generation, action->timeout_us);
        break;
    case GB_ACT_PROBE_THROUGH:
        act_probe_through(e, action);
        break;
    case GB_ACT_ACCUSE:
        act_accuse(e, peer, action);
        break;
    case GB_ACT_SUSPECT:
        if (peer->status != GB_STATUS_LEFT && action->incarnation >= peer->incarnation) {
            peer_set_status(e, peer, GB_STATUS_SUSPECT);
        }
        break;
    case GB_ACT_ALIVE:
        if (peer->status != GB_STATUS_LEFT) {
            peer_set_status(e, peer, GB_STATUS_ALIVE);
        }
        break;
    case GB_ACT_DEAD:
        if (peer->status != GB_STATUS_LEFT && action->incarnation >= peer->incarnation) {
            act_dead(e, peer);
        }
        break;
    default:
        break; /* of a later version of the host */
    }
    engine_settle(e);
}
