/* SPDX-License-Identifier: Apache-2.0 */
/* The paper's mode: rounds, direct exchanges, the limit of deltas, the orders, and its AIMD. */
#include "world.h"

#include "engine/internal.h"

#include <stdio.h>
#include <string.h>

#define AN_HOUR (UINT64_C(3600) * WORLD_S)

static void set_number(world *w, uint32_t index, uint32_t key, uint64_t number)
{
    gb_test *t = w->test;
    char name[16];
    char value[24];
    (void)snprintf(name, sizeof name, "k%u", key);
    (void)snprintf(value, sizeof value, "%" PRIu64, number);
    expect_ok(gb_engine_set(w->nodes[index].engine, w->now, GB_LANE_USER, gb_slice_from_str("g"),
                            gb_slice_from_str(name), GB_VALUE_STRING, gb_slice_from_str(value), 0));
    world_flush(w, index);
}

static uint64_t known(world *w, uint32_t index, uint32_t owner)
{
    const gb_participant *p = world_participant(w, index, owner);
    return p == NULL ? 0 : gb_map_version(p, GB_LANE_USER);
}

static void configure(world *w, const gb_engine_settings *settings)
{
    for (uint32_t i = 0; i < w->options.node_count; i++) {
        if (w->nodes[i].engine != NULL) {
            gb_engine_configure(w->nodes[i].engine, w->now, settings);
            world_flush(w, i);
        }
    }
}

static gb_link *link_to(world *w, uint32_t index, uint32_t other)
{
    gb_engine *e = w->nodes[index].engine;
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        if (link_is_member(link) &&
            gb_slice_equal(peer_name(e, link->peer), gb_slice_from_str(w->nodes[other].name))) {
            return link;
        }
    }
    return NULL;
}

/* Four nodes, of which three have 5, 3 and 2 keys; a fifth knows their members and no data. No
 * round comes by itself. */
static world *start_three_owners(gb_test *t, uint8_t order, uint32_t limit)
{
    world_options options = {.node_count = 5};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 4; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    static const uint32_t counts[] = {0, 5, 3, 2};
    for (uint32_t i = 1; i < 4; i++) {
        for (uint32_t key = 0; key < counts[i]; key++) {
            set_number(w, i, key, key);
        }
    }
    world_run(w, 100 * WORLD_MS);
    gb_engine_settings settings = {.gossip_mode = GB_GOSSIP_PAPER,
                                   .delta_order = order,
                                   .delta_limit = limit,
                                   .is_flow_disabled = true,
                                   .gossip_interval_us = AN_HOUR};
    w->options.settings = settings;
    configure(w, &settings);
    world_run(w, 3 * WORLD_S); /* what was planned before is over */
    world_start(w, 4, 0);
    world_run(w, 3 * WORLD_S);
    expect_uint(world_live_members(w, 4), 5);
    for (uint32_t i = 0; i < 4; i++) {
        expect_uint(known(w, 4, i), 0);
    }
    return w;
}

static void exchange(world *w, uint32_t index, uint32_t other)
{
    gb_test *t = w->test;
    gb_link *link = link_to(w, index, other);
    expect_not_null(link);
    paper_begin(w->nodes[index].engine, link);
    world_flush(w, index);
    world_run(w, 10 * WORLD_MS);
}

GB_TEST(paper, depth_tells_all_of_the_participant_with_the_most_first)
{
    world *w = start_three_owners(t, GB_ORDER_DEPTH, 6);
    exchange(w, 4, 0);
    expect_uint(known(w, 4, 1), 5);
    expect_uint(known(w, 4, 2), 1);
    expect_uint(known(w, 4, 3), 0);
    exchange(w, 4, 0); /* then two each: chance decides who comes whole, and all fits */
    expect_uint(known(w, 4, 2), 3);
    expect_uint(known(w, 4, 3), 2);
    world_check(w);
    world_close(w);
}

GB_TEST(paper, breadth_tells_the_first_of_each_then_the_second)
{
    world *w = start_three_owners(t, GB_ORDER_BREADTH, 6);
    exchange(w, 4, 0);
    expect_uint(known(w, 4, 1), 2);
    expect_uint(known(w, 4, 2), 2);
    expect_uint(known(w, 4, 3), 2);
    world_close(w);
    w = start_three_owners(t, GB_ORDER_BREADTH, 7); /* the third rank has one place for two */
    exchange(w, 4, 0);
    expect_uint(known(w, 4, 1) + known(w, 4, 2), 5);
    expect_true(known(w, 4, 1) >= 2 && known(w, 4, 2) >= 2);
    expect_uint(known(w, 4, 3), 2);
    world_close(w);
}

GB_TEST(paper, the_limit_holds_for_each_message_and_both_ways)
{
    world *w = start_three_owners(t, GB_ORDER_DEPTH, 4);
    for (uint32_t key = 0; key < 9; key++) {
        set_number(w, 4, key, key);
    }
    gb_engine_stats before;
    gb_engine_stats after;
    gb_engine_read_stats(w->nodes[4].engine, &before);
    uint64_t theirs = known(w, 0, 4);
    exchange(w, 4, 0);
    gb_engine_read_stats(w->nodes[4].engine, &after);
    expect_uint(after.deltas_received - before.deltas_received, 4);
    expect_uint(known(w, 0, 4) - theirs, 4);
    expect_uint(after.exchanges_begun - before.exchanges_begun, 1);
    expect_uint(after.pulls_sent - before.pulls_sent, 0);
    exchange(w, 0, 4);
    expect_uint(known(w, 0, 4), 8);
    world_close(w);
}

GB_TEST(paper, data_is_not_pushed_and_membership_is)
{
    world_options options = {.node_count = 3};
    options.settings.gossip_mode = GB_GOSSIP_PAPER;
    options.settings.gossip_interval_us = AN_HOUR;
    options.settings.is_flow_disabled = true;
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 3; i++) {
        world_start(w, i, 0);
        world_run(w, 10 * WORLD_MS);
    }
    world_run(w, 3 * WORLD_S);
    set_number(w, 0, 0, 1);
    world_run(w, 10 * WORLD_S);
    expect_uint(known(w, 1, 0), 0);
    expect_uint(known(w, 2, 0), 0);
    gb_engine_leave(w->nodes[2].engine, w->now);
    world_flush(w, 2);
    world_run(w, 10 * WORLD_MS);
    gb_member member;
    expect_true(gb_engine_member(w->nodes[0].engine, gb_slice_from_str("node-2"), &member));
    expect_uint(member.status, GB_STATUS_LEFT);
    world_close(w);
}

GB_TEST(paper, a_cluster_larger_than_a_mesh_spreads_all_by_its_rounds)
{
    world_options options = {.node_count = 40};
    options.settings.gossip_mode = GB_GOSSIP_PAPER;
    options.settings.delta_limit = 20;
    options.settings.is_flow_disabled = true;
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 40; i++) {
        world_start(w, i, 0);
        world_run(w, 5 * WORLD_MS);
    }
    for (uint32_t i = 0; i < 40; i++) {
        for (uint32_t key = 0; key < 5; key++) {
            set_number(w, i, key, key);
        }
    }
    gb_time_us since = w->now;
    expect_true(world_run_until(w, world_is_converged, NULL, 120 * WORLD_S));
    /* 195 foreign deltas at 20 to 40 a second each. */
    expect_true(w->now - since < 40 * WORLD_S);
    world_run(w, 40 * WORLD_S);
    gb_engine_stats stats;
    uint32_t links = 0;
    uint64_t resets = 0;
    for (uint32_t i = 0; i < 40; i++) {
        gb_engine_read_stats(w->nodes[i].engine, &stats);
        links += stats.links_open;
        resets += stats.resets_received;
    }
    expect_true(links / 40 < 14); /* rings, and two visits at a time */
    expect_uint(resets, 0);
    world_check(w);
    world_close(w);
}

GB_TEST(paper, deletions_that_are_forgotten_make_the_lane_anew)
{
    world_options options = {.node_count = 3};
    options.settings.gossip_mode = GB_GOSSIP_PAPER;
    options.settings.is_flow_disabled = true;
    options.settings.delta_limit = 3;
    options.settings.tombstone_grace_us = WORLD_S;
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    for (uint32_t key = 0; key < 20; key++) {
        set_number(w, 0, key, key);
    }
    for (uint32_t key = 10; key < 20; key++) {
        char name[16];
        (void)snprintf(name, sizeof name, "k%u", key);
        expect_ok(gb_engine_delete(w->nodes[0].engine, w->now, GB_LANE_USER, gb_slice_from_str("g"),
                                   gb_slice_from_str(name)));
    }
    world_flush(w, 0);
    world_run(w, 5 * WORLD_S);
    world_start(w, 2, 0); /* it never heard of them */
    expect_true(world_run_until(w, world_is_converged, NULL, 60 * WORLD_S));
    expect_true(gb_map_floor(world_participant(w, 0, 0), GB_LANE_USER) > 0);
    expect_uint(world_get(w, 2, 0, "k15").len, 0);
    expect_true(world_has(w, 2, 0, "k5", "5"));
    world_check(w);
    world_close(w);
}

GB_TEST(paper, nodes_of_both_modes_agree)
{
    world_options options = {.node_count = 6};
    options.settings.is_flow_disabled = true;
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 6; i++) {
        w->options.settings.gossip_mode = i % 2 == 0 ? GB_GOSSIP_PUSH : GB_GOSSIP_PAPER;
        world_start(w, i, 0);
        world_run(w, 5 * WORLD_MS);
    }
    for (uint32_t i = 0; i < 6; i++) {
        for (uint32_t key = 0; key < 20; key++) {
            set_number(w, i, key, key);
        }
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 60 * WORLD_S));
    world_check(w);
    world_close(w);
}

/* A peer that lacks the feature bit: exchanges are those that it knows, and it is told no load. */
GB_TEST(paper, an_older_peer_is_served_as_ever)
{
    world_options options = {.node_count = 2};
    options.settings.gossip_mode = GB_GOSSIP_PAPER;
    options.settings.is_flow_disabled = true;
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    world_run(w, 100 * WORLD_MS);
    link_to(w, 0, 1)->features &= ~GB_FEATURE_LOAD;
    link_to(w, 1, 0)->features &= ~GB_FEATURE_LOAD;
    set_number(w, 0, 0, 1);
    set_number(w, 1, 0, 1);
    expect_true(world_run_until(w, world_is_converged, NULL, 30 * WORLD_S));
    gb_engine_stats stats;
    gb_engine_read_stats(w->nodes[0].engine, &stats);
    expect_true(stats.pulls_sent > 0);
    world_close(w);
}

/* ---- Flow control ------------------------------------------------------------------------------
 */

GB_TEST(paper, tau_steps_down_by_alpha_and_up_by_beta)
{
    world_options options = {.node_count = 2};
    options.settings.gossip_mode = GB_GOSSIP_PAPER;
    options.settings.gossip_interval_us = AN_HOUR / 3600; /* a second: the ceiling is the limit */
    options.settings.delta_limit = 50;
    options.settings.flow_over_count = 3;
    options.settings.flow_under_count = 2;
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    world_run(w, 5 * WORLD_MS);
    gb_engine *e = w->nodes[0].engine;
    expect_true(e->flow.is_on);
    e->flow.tau = 0;
    e->flow.under_count = 0;
    flow_composed(e, 49);
    expect_uint(e->flow.tau, 0);
    flow_composed(e, 0);
    expect_uint(e->flow.tau, 200000);
    e->flow.tau = 10 * FLOW_ONE;
    flow_composed(e, 51);
    flow_composed(e, 51);
    flow_composed(e, 50); /* neither */
    expect_uint(e->flow.tau, 10 * FLOW_ONE);
    flow_composed(e, 1000);
    expect_uint(e->flow.tau, 7500000);
    flow_composed(e, 51);
    flow_composed(e, 51);
    flow_composed(e, 49); /* not in a row */
    flow_composed(e, 51);
    expect_uint(e->flow.tau, 7500000);
    e->flow.tau = 50 * FLOW_ONE - 1;
    e->flow.under_count = 1;
    flow_composed(e, 0);
    expect_uint(e->flow.tau, 50 * FLOW_ONE);
    world_close(w);
}

GB_TEST(paper, writers_that_want_more_settle_at_equal_rates_under_the_limit)
{
    world_options options = {.node_count = 12};
    options.settings.gossip_mode = GB_GOSSIP_PAPER;
    options.settings.delta_limit = 20;
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 12; i++) {
        world_start(w, i, 0);
        world_run(w, 83 * WORLD_MS);
    }
    uint64_t before = 0;
    for (uint32_t step = 0; step < 1200; step++) {
        uint32_t writer = step % 12;
        for (uint32_t i = 0; i < 12; i++) {
            set_number(w, i, (uint32_t)gb_rng_below(&t->rng, 32), step + writer);
        }
        world_run(w, 100 * WORLD_MS);
        if (step == 899) {
            for (uint32_t i = 0; i < 12; i++) {
                before += known(w, i, i);
            }
        }
    }
    uint64_t total = 0;
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    for (uint32_t i = 0; i < 12; i++) {
        gb_engine_stats stats;
        gb_engine_read_stats(w->nodes[i].engine, &stats);
        expect_true(stats.is_pacing && stats.pending_count > 0);
        total += known(w, i, i);
        least = stats.tau_micro < least ? stats.tau_micro : least;
        most = stats.tau_micro > most ? stats.tau_micro : most;
    }
    double rate = (double)(total - before) / 30;
    if (rate < 1.28 * 20 || rate > 2 * 20) {
        gb_test_fail(t, __FILE__, __LINE__, "%.1f updates a second at a limit of 20", rate);
    }
    expect_true(most < least + least / 2);
    world_check(w);
    world_close(w);
}
