/* SPDX-License-Identifier: Apache-2.0 */
/* Probes, accusations, refutations, verdicts, departures: with a detector of a few lines that
 * judges as a host's would. */
#include "watcher.h"

#include "engine/internal.h"
#include "platform/limits.h"

#include <stdio.h>
#include <string.h>

static world *open_watched(gb_test *t, uint32_t count, uint32_t blind, uint64_t retention)
{
    world_options options = {.node_count = count,
                             .has_detector = true,
                             .on_event = watcher_on_event,
                             .settings = {.departed_retention_us = retention,
                                          .link_timeout_us = 3 * WORLD_S,
                                          .heartbeat_interval_us = 500 * WORLD_MS}};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < count; i++) {
        w->nodes[i].is_blind = i >= count - blind;
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    world_run(w, 2 * WORLD_S);
    return w;
}

static uint8_t status_of(world *w, uint32_t at, uint32_t of)
{
    gb_member member;
    return gb_engine_member(w->nodes[at].engine, gb_slice_from_str(w->nodes[of].name), &member)
               ? member.status
               : UINT8_MAX;
}

typedef struct view {
    uint32_t of;
    uint8_t status;
    uint32_t observers; /* bits */
} view;

static bool is_seen_so(world *w, void *user)
{
    const view *v = user;
    for (uint32_t i = 0; i < w->options.node_count; i++) {
        if (i != v->of && w->nodes[i].engine != NULL && (v->observers & 1u << i) != 0 &&
            status_of(w, i, v->of) != v->status) {
            return false;
        }
    }
    return true;
}

GB_TEST(detector, a_killed_node_is_dead_for_everyone_within_a_second)
{
    world *w = open_watched(t, 5, 0, 0);
    world_kill(w, 3);
    view v = {3, GB_STATUS_DEAD, UINT32_MAX};
    expect_true(world_run_until(w, is_seen_so, &v, WORLD_S));
    world_run(w, 5 * WORLD_S);
    expect_true(is_seen_so(w, &v));
    for (uint32_t i = 0; i < 5; i++) {
        if (i != 3) {
            expect_uint(world_live_members(w, i), 4);
        }
    }
    world_check(w);
    world_close(w);
}

static void count_outcomes(world_node *node, const gb_event *event, void *user)
{
    uint32_t *counts = user;
    if (node->index == 0 && event->kind == GB_EVENT_PROBE_RESULT) {
        counts[event->outcome]++;
    }
}

/* Found by the simulator, seed 214 of the swarm: a node that lost sight of many at once had no
 * place for all its dials, and held those whose turn had not come for unreachable. */
GB_TEST(detector, more_probes_than_places_for_dials_wait_for_their_turn)
{
    uint32_t counts[8] = {0};
    world_options options = {
        .node_count = 2, .has_detector = true, .on_event = count_outcomes, .on_event_user = counts};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    uint32_t count = 2 * GB_DIALS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        gb_action action = {.kind = GB_ACT_PROBE,
                            .name = gb_slice_from_str(w->nodes[1].name),
                            .generation = w->nodes[1].generation};
        gb_engine_act(w->nodes[0].engine, w->now, &action);
    }
    world_flush(w, 0);
    world_run(w, 2 * WORLD_S);
    expect_uint(counts[GB_PROBE_ANSWERED], count);
    world_close(w);
}

static uint32_t ticks_within(world *w, uint64_t us)
{
    uint32_t before = w->nodes[0].events[GB_EVENT_TICK];
    world_run(w, us);
    return w->nodes[0].events[GB_EVENT_TICK] - before;
}

static void ask_for_ticks(world *w, uint64_t interval_us)
{
    gb_action action = {.kind = GB_ACT_TICK, .timeout_us = interval_us};
    gb_engine_act(w->nodes[0].engine, w->now, &action);
    world_flush(w, 0);
}

GB_TEST(detector, ticks_come_as_often_as_it_asks)
{
    world_options options = {.node_count = 1, .has_detector = true};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_run(w, WORLD_S);
    expect_uint(ticks_within(w, 10 * WORLD_S), 100);
    ask_for_ticks(w, 500 * WORLD_MS);
    expect_uint(ticks_within(w, 10 * WORLD_S), 20);
    ask_for_ticks(w, 100 * WORLD_MS); /* in force at once */
    expect_uint(ticks_within(w, 100 * WORLD_MS), 1);
    ask_for_ticks(w, UINT64_MAX);
    expect_uint(ticks_within(w, 120 * WORLD_S), 2);
    ask_for_ticks(w, 0);
    expect_uint(ticks_within(w, 10 * WORLD_S), 100);
    ask_for_ticks(w, 10 * WORLD_S);
    gb_engine_configure(w->nodes[0].engine, w->now, &options.settings);
    world_flush(w, 0);
    expect_uint(ticks_within(w, 10 * WORLD_S), 100);
    world_close(w);
}

typedef struct probed {
    uint8_t outcome;
    uint64_t duration_us;
} probed;

static void note_probed(world_node *node, const gb_event *event, void *user)
{
    probed *p = user;
    if (node->index == 0 && event->kind == GB_EVENT_PROBE_RESULT) {
        *p = (probed){event->outcome, event->duration_us};
    }
}

/* Found by the simulator, seed 336 of the swarm. */
GB_TEST(detector, a_far_node_answers_a_probe_that_gives_it_the_time)
{
    probed p = {UINT8_MAX, 0};
    world_options options = {.node_count = 2,
                             .latency_us = 160 * WORLD_MS,
                             .has_detector = true,
                             .on_event = note_probed,
                             .on_event_user = &p};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    expect_true(world_run_until(w, world_is_converged, NULL, 20 * WORLD_S));
    gb_action action = {.kind = GB_ACT_PROBE,
                        .name = gb_slice_from_str(w->nodes[1].name),
                        .generation = w->nodes[1].generation};
    gb_engine_act(w->nodes[0].engine, w->now, &action);
    world_flush(w, 0);
    world_run(w, 2 * WORLD_S);
    expect_uint(p.outcome, GB_PROBE_UNREACHABLE);
    expect_uint(p.duration_us, 0);
    action.timeout_us = WORLD_S;
    gb_engine_act(w->nodes[0].engine, w->now, &action);
    world_flush(w, 0);
    world_run(w, 2 * WORLD_S);
    expect_uint(p.outcome, GB_PROBE_ANSWERED);
    expect_uint(p.duration_us, 4 * 160 * WORLD_MS);
    world_close(w);
}

static bool is_refuted(world *w, void *user)
{
    (void)user;
    gb_member member;
    return gb_engine_member(w->nodes[0].engine, gb_slice_from_str(w->nodes[2].name), &member) &&
           member.incarnation > 0 && member.accusers == 0;
}

/* Found by the simulator, seed 318 of the swarm: probes told the judges that it runs, and nobody
 * told it that it is accused. */
GB_TEST(detector, who_answers_a_probe_while_it_is_accused_hears_of_that_and_refutes)
{
    world_options options = {
        .node_count = 3,
        .has_detector = true,
        .settings = {.link_timeout_us = 3 * WORLD_S, .reconnect_interval_us = 3600 * WORLD_S}};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 3; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    w->nodes[2].part = 1;
    world_run(w, 10 * WORLD_S);
    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t of = 0; of < 3; of++) {
            if ((i == 2) != (of == 2)) {
                watcher_act(&w->nodes[i], GB_ACT_ACCUSE, w->nodes[of].name, GB_ACCUSE_SILENT);
                watcher_act(&w->nodes[i], GB_ACT_DEAD, w->nodes[of].name, 0);
            }
        }
        world_flush(w, i);
    }
    w->nodes[2].part = 0;
    world_run(w, 20 * WORLD_S);
    expect_true(!is_refuted(w, NULL));
    watcher_act(&w->nodes[0], GB_ACT_PROBE, w->nodes[2].name, 0);
    world_flush(w, 0);
    expect_true(world_run_until(w, is_refuted, NULL, 2 * WORLD_S));
    world_check(w);
    world_close(w);
}

/* 24 nodes, so that not everybody is everybody's neighbour, with the links of the rings alone. */
static world *open_rings(gb_test *t)
{
    world_options options = {
        .node_count = 24,
        .has_detector = true,
        .settings = {.link_timeout_us = 3 * WORLD_S, .reconnect_interval_us = 3600 * WORLD_S}};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 24; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    world_run(w, 45 * WORLD_S); /* links outside the rings close */
    return w;
}

/* Whom node 0 dials for a visit: bits of the nodes. */
static uint64_t visits_of_first(world *w)
{
    uint64_t visited = 0;
    for (uint32_t i = 1; i < w->options.node_count; i++) {
        gb_peer *peer = peer_at(w->nodes[0].engine, world_participant(w, 0, i)->slot);
        if (peer->dialling != NULL && peer->dialling->purpose == PURPOSE_VISIT) {
            visited |= UINT64_C(1) << i;
        }
    }
    return visited;
}

/* Found by the simulator, seed 700048 of the swarm: after a split a node that nobody could dial
 * spent its visits on the other side, and was buried by its own. */
GB_TEST(detector, visits_go_to_members_that_nobody_accuses)
{
    world *w = open_rings(t);
    uint32_t trusted = UINT32_MAX;
    w->nodes[0].part = 1;
    for (uint32_t i = 1; i < 24; i++) {
        gb_participant *p = world_participant(w, 0, i);
        if (trusted == UINT32_MAX && peer_at(w->nodes[0].engine, p->slot)->link == NULL) {
            trusted = i;
        } else {
            watcher_act(&w->nodes[0], GB_ACT_ACCUSE, w->nodes[i].name, GB_ACCUSE_SILENT);
        }
    }
    world_flush(w, 0);
    expect_true(trusted != UINT32_MAX);
    world_run(w, 60 * WORLD_S); /* the visit that was under way is over */
    uint64_t visited = 0;
    for (int i = 0; i < 6000; i++) {
        world_run(w, 20 * WORLD_MS);
        visited |= visits_of_first(w);
    }
    expect_uint(visited, UINT64_C(1) << trusted);
    world_check(w);
    world_close(w);
}

static bool is_linked_to(world *w, void *user)
{
    const uint32_t *other = user;
    return peer_at(w->nodes[0].engine, world_participant(w, 0, *other)->slot)->link != NULL;
}

/* Found by the simulator, seed 700517 of the swarm: a node that nobody can dial was alone after a
 * split, knew from its probes who had stayed with it, and never heard what they said. */
GB_TEST(detector, who_is_cut_off_visits_whoever_answers_its_probe)
{
    world *w = open_rings(t);
    uint32_t near = 1;
    while (is_linked_to(w, &near)) {
        near++;
    }
    w->nodes[0].part = 1;
    w->nodes[near].part = 1;
    world_run(w, 5 * WORLD_S); /* links of node 0 time out */
    expect_true(!is_linked_to(w, &near));
    watcher_act(&w->nodes[0], GB_ACT_PROBE, w->nodes[near].name, 0);
    world_flush(w, 0);
    expect_true(world_run_until(w, is_linked_to, &near, 100 * WORLD_MS));
    world_check(w);
    world_close(w);
}

GB_TEST(detector, a_node_without_detector_takes_the_verdict_of_those_who_have_one)
{
    world *w = open_watched(t, 6, 2, 0);
    world_kill(w, 2);
    view v = {2, GB_STATUS_DEAD, UINT32_MAX};
    expect_true(world_run_until(w, is_seen_so, &v, WORLD_S));
    /* And one that is blind itself is judged like any other. */
    world_kill(w, 5);
    v = (view){5, GB_STATUS_DEAD, UINT32_MAX};
    expect_true(world_run_until(w, is_seen_so, &v, WORLD_S));
    world_check(w);
    world_close(w);
}

GB_TEST(detector, a_verdict_outlives_its_judge)
{
    world *w = open_watched(t, 5, 1, 0);
    world_kill(w, 3);
    view v = {3, GB_STATUS_DEAD, UINT32_MAX};
    expect_true(world_run_until(w, is_seen_so, &v, WORLD_S));
    world_kill(w, 0);
    world_kill(w, 1);
    world_run(w, 5 * WORLD_S);
    expect_uint(status_of(w, 4, 3), GB_STATUS_DEAD);
    world_check(w);
    world_close(w);
}

GB_TEST(detector, a_restarted_node_is_alive_and_what_was_said_of_its_old_life_is_gone)
{
    world *w = open_watched(t, 5, 1, 0);
    world_kill(w, 3);
    view v = {3, GB_STATUS_DEAD, UINT32_MAX};
    expect_true(world_run_until(w, is_seen_so, &v, WORLD_S));
    world_start(w, 3, 0);
    v.status = GB_STATUS_ALIVE;
    expect_true(world_run_until(w, is_seen_so, &v, WORLD_S));
    world_run(w, 2 * WORLD_S);
    for (uint32_t i = 0; i < 5; i++) {
        gb_member member;
        expect_true(gb_engine_member(w->nodes[i].engine, gb_slice_from_str("node-3"), &member));
        expect_uint(member.accusers, 0);
        expect_uint(member.generation, 2);
        /* Accusations that concern nobody any more do not pile up. */
        gb_participant *p = world_participant(w, i, i);
        gb_record *record = gb_map_get(p, GB_LANE_MEMBERSHIP, gb_slice_from_str("accuse"),
                                       gb_slice_from_str("node-3"));
        expect_true(record == NULL || gb_record_is_tombstone(record));
    }
    world_check(w);
    world_close(w);
}

GB_TEST(detector, who_is_accused_and_lives_refutes_it)
{
    world *w = open_watched(t, 5, 1, 0);
    watcher_act(&w->nodes[1], GB_ACT_ACCUSE, "node-2", GB_ACCUSE_SILENT);
    world_flush(w, 1);
    world_run(w, WORLD_S);
    expect_uint(w->nodes[2].events[GB_EVENT_SELF_ACCUSED], 1);
    for (uint32_t i = 0; i < 5; i++) {
        gb_member member;
        expect_true(gb_engine_member(w->nodes[i].engine, gb_slice_from_str("node-2"), &member));
        expect_uint(member.status, GB_STATUS_ALIVE);
        expect_uint(member.incarnation, 1);
        expect_uint(member.accusers, 0);
    }
    world_check(w);
    world_close(w);
}

/* Found by the simulator, seed 840 of the swarm: the last word of who refuted and left. */
GB_TEST(detector, who_left_with_a_later_incarnation_is_accused_by_nobody)
{
    world_options options = {.node_count = 3, .has_detector = true};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 3; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    w->nodes[2].is_frozen = true; /* it cannot refute yet */
    watcher_act(&w->nodes[1], GB_ACT_ACCUSE, "node-2", GB_ACCUSE_SILENT);
    world_flush(w, 1);
    world_run(w, 20 * WORLD_MS);
    gb_member member;
    expect_true(gb_engine_member(w->nodes[0].engine, gb_slice_from_str("node-2"), &member));
    expect_uint(member.accusers, 1);
    w->nodes[0].part = 1;
    w->nodes[2].is_frozen = false;
    world_run(w, 5 * WORLD_S);
    gb_engine_leave(w->nodes[2].engine, w->now);
    world_flush(w, 2);
    world_run(w, 20 * WORLD_S);
    w->nodes[0].part = 0;
    view v = {2, GB_STATUS_LEFT, 1};
    expect_true(world_run_until(w, is_seen_so, &v, 60 * WORLD_S));
    expect_true(gb_engine_member(w->nodes[0].engine, gb_slice_from_str("node-2"), &member));
    expect_uint(member.incarnation, 1);
    expect_uint(member.accusers, 0);
    world_check(w);
    world_close(w);
}

GB_TEST(detector, an_accusation_is_taken_back)
{
    world *w = open_watched(t, 4, 1, 0);
    w->nodes[2].is_frozen = true; /* it cannot refute */
    watcher_act(&w->nodes[1], GB_ACT_ACCUSE, "node-2", GB_ACCUSE_SILENT);
    world_flush(w, 1);
    world_run(w, 20 * WORLD_MS);
    gb_member member;
    expect_true(gb_engine_member(w->nodes[3].engine, gb_slice_from_str("node-2"), &member));
    expect_uint(member.status, GB_STATUS_SUSPECT);
    expect_true(member.accusers >= 1);
    watcher_act(&w->nodes[1], GB_ACT_RETRACT, "node-2", 0);
    world_flush(w, 1);
    world_run(w, 20 * WORLD_MS);
    expect_true(gb_engine_member(w->nodes[3].engine, gb_slice_from_str("node-2"), &member));
    expect_uint(member.status, GB_STATUS_ALIVE);
    expect_uint(member.accusers, 0);
    expect_uint(w->nodes[0].events[GB_EVENT_RETRACTION], 1);
    world_close(w);
}

/* Its process stands still for longer than anybody waits, then goes on. */
GB_TEST(detector, a_frozen_node_is_dead_and_comes_back_when_it_thaws)
{
    world *w = open_watched(t, 5, 1, 0);
    w->nodes[2].is_frozen = true;
    view v = {2, GB_STATUS_DEAD, 0x1b};
    expect_true(world_run_until(w, is_seen_so, &v, 10 * WORLD_S));
    w->nodes[2].is_frozen = false;
    v.status = GB_STATUS_ALIVE;
    expect_true(world_run_until(w, is_seen_so, &v, 20 * WORLD_S));
    world_set(w, 2, "k", "v");
    world_run(w, WORLD_S);
    for (uint32_t i = 0; i < 5; i++) {
        expect_true(world_has(w, i, 2, "k", "v"));
    }
    world_check(w);
    world_close(w);
}

GB_TEST(detector, sides_of_a_healed_partition_find_each_other_again)
{
    world *w = open_watched(t, 7, 1, 0);
    for (uint32_t i = 4; i < 7; i++) {
        w->nodes[i].part = 1;
    }
    world_run(w, 30 * WORLD_S);
    expect_uint(status_of(w, 0, 5), GB_STATUS_DEAD);
    world_set(w, 0, "k", "left");
    world_set(w, 5, "k", "right");
    for (uint32_t i = 0; i < 7; i++) {
        w->nodes[i].part = 0;
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 40 * WORLD_S));
    for (uint32_t i = 0; i < 7; i++) {
        expect_true(world_has(w, i, 0, "k", "left"));
        expect_true(world_has(w, i, 5, "k", "right"));
    }
    world_check(w);
    world_close(w);
}

GB_TEST(detector, the_dead_are_forgotten_in_time_and_third_parties_do_not_bring_them_back)
{
    world *w = open_watched(t, 5, 0, 5 * WORLD_S);
    w->nodes[4].is_frozen = true; /* it will remember the dead one as alive */
    world_kill(w, 3);
    view v = {3, GB_STATUS_DEAD, 0x7};
    expect_true(world_run_until(w, is_seen_so, &v, 5 * WORLD_S));
    world_run(w, 6 * WORLD_S);
    for (uint32_t i = 0; i < 3; i++) {
        expect_uint(status_of(w, i, 3), UINT8_MAX);
        expect_null(world_participant(w, i, 3));
        expect_true(w->nodes[i].events[GB_EVENT_MEMBER] > 0);
    }
    w->nodes[4].is_frozen = false;
    for (uint32_t step = 0; step < 40; step++) {
        world_run(w, 50 * WORLD_MS);
        for (uint32_t i = 0; i < 3; i++) {
            expect_uint(status_of(w, i, 3), UINT8_MAX);
        }
    }
    world_check(w);
    /* What was said of it goes with the grave. */
    world_run(w, 12 * WORLD_S);
    for (uint32_t i = 0; i < 3; i++) {
        gb_record *record = gb_map_get(world_participant(w, i, i), GB_LANE_MEMBERSHIP,
                                       gb_slice_from_str("accuse"), gb_slice_from_str("node-3"));
        expect_true(record == NULL || gb_record_is_tombstone(record));
    }
    /* A later life is none of the grave's business. */
    world_start(w, 3, 0);
    v.status = GB_STATUS_ALIVE;
    expect_true(world_run_until(w, is_seen_so, &v, 5 * WORLD_S));
    world_close(w);
}

typedef struct forgotten {
    uint32_t of;
    uint32_t observers;
} forgotten;

static bool is_forgotten(world *w, void *user)
{
    view v = {((forgotten *)user)->of, UINT8_MAX, ((forgotten *)user)->observers};
    return is_seen_so(w, &v);
}

/* Found by the scenario ghosts: who restarted after a death remembered the dead for longer than
 * others, so that hashes differed meanwhile. */
GB_TEST(detector, who_restarts_after_a_death_forgets_the_dead_when_all_others_do)
{
    world *w = open_watched(t, 5, 0, 30 * WORLD_S);
    world_kill(w, 4);
    view v = {4, GB_STATUS_DEAD, UINT32_MAX};
    expect_true(world_run_until(w, is_seen_so, &v, WORLD_S));
    gb_time_us death = w->now;
    const char *names[] = {"node-0", "node-1", "node-2", "node-3"};
    /* One after the other, so that in the end nobody is there who saw it die. */
    for (uint32_t i = 0; i < 4; i++) {
        world_run(w, 5 * WORLD_S);
        world_kill(w, i);
        world_run(w, WORLD_S);
        uint32_t seed = (i + 1) % 4;
        world_start_with(w, i, names[i], 0, &seed, 1);
    }
    world_run(w, death + 29 * WORLD_S - w->now);
    expect_true(is_seen_so(w, &v));
    forgotten f = {4, UINT32_MAX};
    expect_true(world_run_until(w, is_forgotten, &f, 2 * WORLD_S));
    expect_true(world_run_until(w, world_is_converged, NULL, 5 * WORLD_S));
    world_check(w);
    world_close(w);
}

GB_TEST(detector, who_was_held_for_dead_and_lives_is_remembered_from_its_own_death_on)
{
    world *w = open_watched(t, 5, 0, 30 * WORLD_S);
    world_kill(w, 4);
    w->nodes[3].part = 1;
    view v = {3, GB_STATUS_DEAD, 7};
    expect_true(world_run_until(w, is_seen_so, &v, 10 * WORLD_S));
    world_run(w, 10 * WORLD_S);
    /* It hears of node 3 as of one that has been dead for ten seconds. */
    world_start(w, 4, 0);
    v.observers |= 1u << 4;
    expect_true(world_run_until(w, is_seen_so, &v, 5 * WORLD_S));
    w->nodes[3].part = 0;
    expect_true(world_run_until(w, world_is_converged, NULL, 20 * WORLD_S));
    world_kill(w, 3);
    expect_true(world_run_until(w, is_seen_so, &v, WORLD_S));
    gb_time_us death = w->now;
    world_run(w, 28 * WORLD_S);
    expect_true(is_seen_so(w, &v));
    world_run(w, death + 31 * WORLD_S - w->now);
    forgotten f = {3, UINT32_MAX};
    expect_true(is_forgotten(w, &f));
    world_check(w);
    world_close(w);
}

GB_TEST(detector, who_left_is_forgotten_in_time_too)
{
    world *w = open_watched(t, 5, 0, 20 * WORLD_S);
    gb_engine_leave(w->nodes[4].engine, w->now);
    world_flush(w, 4);
    view v = {4, GB_STATUS_LEFT, UINT32_MAX};
    expect_true(world_run_until(w, is_seen_so, &v, WORLD_S));
    world_run(w, 19 * WORLD_S);
    expect_true(is_seen_so(w, &v));
    forgotten f = {4, UINT32_MAX};
    expect_true(world_run_until(w, is_forgotten, &f, 2 * WORLD_S));
    world_check(w);
    world_close(w);
}

GB_TEST(detector, the_dead_are_forgotten_by_those_without_detector_too)
{
    world *w = open_watched(t, 5, 2, 5 * WORLD_S);
    world_kill(w, 1);
    view v = {1, GB_STATUS_DEAD, UINT32_MAX};
    expect_true(world_run_until(w, is_seen_so, &v, 5 * WORLD_S));
    world_run(w, 7 * WORLD_S);
    for (uint32_t i = 0; i < 5; i++) {
        expect_true(i == 1 || status_of(w, i, 1) == UINT8_MAX);
    }
    world_check(w);
    world_close(w);
}

GB_TEST(detector, a_forgotten_node_that_answers_itself_opens_its_grave)
{
    world *w = open_watched(t, 5, 0, 5 * WORLD_S);
    world_set(w, 3, "k", "before");
    world_run(w, WORLD_S);
    w->nodes[3].part = 1;
    view v = {3, GB_STATUS_DEAD, 0x17};
    expect_true(world_run_until(w, is_seen_so, &v, 20 * WORLD_S));
    world_run(w, 6 * WORLD_S);
    expect_null(world_participant(w, 0, 3));
    w->nodes[3].part = 0;
    v.status = GB_STATUS_ALIVE;
    expect_true(world_run_until(w, is_seen_so, &v, 30 * WORLD_S));
    world_set(w, 3, "k", "after");
    expect_true(world_run_until(w, world_is_converged, NULL, 30 * WORLD_S));
    for (uint32_t i = 0; i < 5; i++) {
        expect_true(world_has(w, i, 3, "k", "after"));
    }
    world_check(w);
    world_close(w);
}

GB_TEST(detector, who_left_is_never_called_dead)
{
    world *w = open_watched(t, 5, 1, 0);
    gb_engine_leave(w->nodes[1].engine, w->now);
    world_flush(w, 1);
    view v = {1, GB_STATUS_LEFT, UINT32_MAX};
    expect_true(world_run_until(w, is_seen_so, &v, WORLD_S));
    world_kill(w, 1);
    world_run(w, 10 * WORLD_S);
    expect_true(is_seen_so(w, &v));
    world_close(w);
}
