/* SPDX-License-Identifier: Apache-2.0 */
/* Flow control in the default mode: links that are too slow slow down those who write. */
#include "world.h"

#include "engine/internal.h"

#include <stdio.h>
#include <string.h>

#define VALUE_SIZE 200

/* A link that takes some 1,000 of the updates below a second. */
static world *start_slow(gb_test *t, uint32_t count)
{
    world_options options = {.node_count = count, .byte_rate = 250 * 1000};
    options.settings.link_queue_max = 20000;
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < count; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    return w;
}

static gb_engine_stats stats_of(world *w, uint32_t index)
{
    gb_engine_stats stats;
    gb_engine_read_stats(w->nodes[index].engine, &stats);
    return stats;
}

static gb_err set_value(world *w, uint32_t index, const char *key, uint64_t number)
{
    char value[VALUE_SIZE];
    memset(value, '.', sizeof value);
    (void)snprintf(value, 21, "%020" PRIu64, number);
    value[20] = '.';
    return gb_engine_set(w->nodes[index].engine, w->now, GB_LANE_USER, gb_slice_from_str("g"),
                         gb_slice_from_str(key), GB_VALUE_BYTES, gb_slice_make(value, sizeof value),
                         0);
}

static uint64_t number_of(gb_slice value)
{
    uint64_t number = 0;
    for (size_t i = 0; i < 20 && i < value.len; i++) {
        number = number * 10 + (uint64_t)(value.base[i] - '0');
    }
    return number;
}

/* What the node itself reads. */
static uint64_t own_number(world *w, uint32_t index, const char *key)
{
    gb_delta delta;
    gb_err err = gb_engine_get_own(w->nodes[index].engine, GB_LANE_USER, gb_slice_from_str("g"),
                                   gb_slice_from_str(key), &delta);
    return err == GB_OK ? number_of(delta.value) : UINT64_MAX;
}

/* So many updates of distinct keys each 10 ms, for a time. Returns the last number. */
static uint64_t offer(world *w, uint32_t index, uint32_t each, uint32_t key_count, uint64_t us)
{
    gb_test *t = w->test;
    static uint64_t number;
    gb_time_us end = w->now + us;
    while (w->now < end) {
        for (uint32_t i = 0; i < each; i++) {
            char key[16];
            number++;
            (void)snprintf(key, sizeof key, "k%u", (uint32_t)(number % key_count));
            expect_ok(set_value(w, index, key, number));
            expect_uint(own_number(w, index, key), number);
        }
        world_flush(w, index);
        world_run(w, 10 * WORLD_MS);
    }
    return number;
}

static bool nothing_waits(world *w, void *user)
{
    (void)user;
    for (uint32_t i = 0; i < w->options.node_count; i++) {
        if (stats_of(w, i).pending_count > 0) {
            return false;
        }
    }
    return true;
}

static bool nobody_is_paced(world *w, void *user)
{
    (void)user;
    for (uint32_t i = 0; i < w->options.node_count; i++) {
        if (stats_of(w, i).is_pacing) {
            return false;
        }
    }
    return true;
}

GB_TEST(flow, without_overload_nothing_waits_and_heartbeats_stay_small)
{
    world_options options = {.node_count = 3};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 3; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    (void)offer(w, 0, 50, 1000, 5 * WORLD_S);
    gb_engine_stats stats = stats_of(w, 0);
    expect_uint(stats.pacing_waits, 0);
    expect_false(stats.is_pacing);
    expect_uint(stats.tau_micro, UINT64_C(1000000) * 1000000);
    expect_true(stats.rho_micro > UINT64_C(3500) * 1000000 &&
                stats.rho_micro < UINT64_C(5500) * 1000000);
    expect_uint(w->nodes[0].events[GB_EVENT_PACING], 0);
    world_close(w);
}

GB_TEST(flow, a_slow_link_paces_its_writer_and_lets_go_afterwards)
{
    world *w = start_slow(t, 2);
    uint64_t first = offer(w, 0, 40, 50000, 10 * WORLD_S); /* four times too many */
    gb_engine_stats stats = stats_of(w, 0);
    expect_true(stats.is_pacing);
    expect_true(stats.tau_micro < UINT64_C(2500) * 1000000);
    expect_true(stats.pacing_waits > 0 && stats.pending_count > 0);
    expect_uint(w->nodes[0].events[GB_EVENT_PACING], 1);
    expect_uint(w->nodes[1].events[GB_EVENT_PACING], 0);
    expect_true(first > 0);
    world_check(w);
    /* Then a rate that the link can take. */
    expect_true(world_run_until(w, nothing_waits, NULL, 60 * WORLD_S));
    uint64_t last = offer(w, 0, 1, 100, 10 * WORLD_S);
    expect_true(world_run_until(w, nobody_is_paced, NULL, 60 * WORLD_S));
    expect_uint(w->nodes[0].events[GB_EVENT_PACING], 2);
    expect_uint(stats_of(w, 0).tau_micro, UINT64_C(1000000) * 1000000);
    expect_true(world_run_until(w, world_is_converged, NULL, 60 * WORLD_S));
    char key[16];
    (void)snprintf(key, sizeof key, "k%u", (uint32_t)(last % 100));
    expect_uint(number_of(world_get(w, 1, 0, key)), last);
    world_check(w);
    world_close(w);
}

GB_TEST(flow, the_link_is_kept_busy_while_its_writer_is_paced)
{
    world *w = start_slow(t, 2);
    (void)offer(w, 0, 40, 50000, 10 * WORLD_S);
    uint64_t before = w->nodes[1].bytes_received;
    (void)offer(w, 0, 40, 50000, 20 * WORLD_S);
    uint64_t rate = (w->nodes[1].bytes_received - before) / 20;
    if (rate < 200 * 1000) {
        gb_test_fail(t, __FILE__, __LINE__, "%" PRIu64 " bytes a second of 250,000", rate);
    }
    world_close(w);
}

/* As pacing leaves it: so much may be admitted, and nothing is saved up. */
static void pace(world *w, uint32_t index, uint64_t per_second)
{
    gb_engine *e = w->nodes[index].engine;
    e->flow.tau = per_second * FLOW_ONE;
    flow_switch(e);
}

GB_TEST(flow, of_a_key_that_waits_the_newest_value_is_told_and_in_its_turn)
{
    world_options options = {.node_count = 2};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    pace(w, 0, 10);
    gb_participant *self = world_participant(w, 0, 0);
    for (uint64_t i = 1; i <= 50; i++) {
        expect_ok(set_value(w, 0, "a", i));
        expect_uint(own_number(w, 0, "a"), i);
        expect_ok(set_value(w, 0, "b", i));
        world_flush(w, 0);
    }
    expect_uint(gb_map_version(self, GB_LANE_USER), 0);
    expect_uint(stats_of(w, 0).pending_count, 2);
    expect_uint(stats_of(w, 0).pacing_waits, 2);
    world_run(w, 150 * WORLD_MS);
    expect_uint(number_of(world_get(w, 1, 0, "a")), 50);
    expect_uint(world_get(w, 1, 0, "b").len, 0);
    world_run(w, 100 * WORLD_MS);
    expect_uint(number_of(world_get(w, 1, 0, "b")), 50);
    expect_uint(gb_map_version(self, GB_LANE_USER), 2);
    world_close(w);
}

GB_TEST(flow, deletes_wait_and_their_reader_sees_them_at_once)
{
    world_options options = {.node_count = 2};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    world_set(w, 0, "a", "1");
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    pace(w, 0, 10);
    gb_slice group = gb_slice_from_str("g");
    gb_engine *e = w->nodes[0].engine;
    expect_ok(gb_engine_delete(e, w->now, GB_LANE_USER, group, gb_slice_from_str("a")));
    expect_uint(own_number(w, 0, "a"), UINT64_MAX);
    expect_err(gb_engine_delete(e, w->now, GB_LANE_USER, group, gb_slice_from_str("a")),
               GB_ENOTFOUND);
    world_flush(w, 0);
    world_run(w, 10 * WORLD_MS);
    expect_true(world_has(w, 1, 0, "a", "1"));
    world_run(w, 200 * WORLD_MS);
    expect_true(world_has(w, 1, 0, "a", ""));
    world_close(w);
}

GB_TEST(flow, membership_and_configuration_never_wait)
{
    world_options options = {.node_count = 2};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    pace(w, 0, 0);
    w->nodes[0].engine->settings.flow_increase_ppm = 1;
    expect_ok(set_value(w, 0, "a", 1));
    gb_slice word = gb_slice_from_str("c");
    for (uint32_t i = 0; i < 100; i++) {
        expect_ok(gb_engine_set(w->nodes[0].engine, w->now, GB_LANE_CONFIG, word, word,
                                GB_VALUE_STRING, word, 0));
    }
    world_flush(w, 0);
    world_run(w, 2 * WORLD_MS);
    const gb_participant *copy = world_participant(w, 1, 0);
    expect_uint(gb_map_version(copy, GB_LANE_CONFIG), 100);
    expect_uint(gb_map_version(copy, GB_LANE_USER), 0);
    w->nodes[0].engine->refute_incarnation = 7;
    engine_settle(w->nodes[0].engine);
    world_flush(w, 0);
    world_run(w, 2 * WORLD_MS);
    gb_member member;
    expect_true(gb_engine_member(w->nodes[1].engine, gb_slice_from_str("node-0"), &member));
    expect_uint(member.incarnation, 7);
    expect_uint(stats_of(w, 0).pending_count, 1);
    world_close(w);
}

GB_TEST(flow, a_frozen_peer_paces_nobody)
{
    world *w = start_slow(t, 3);
    w->nodes[2].is_frozen = true;
    (void)offer(w, 0, 2, 50000, 10 * WORLD_S);
    expect_uint(w->nodes[0].events[GB_EVENT_PACING], 0);
    expect_uint(stats_of(w, 0).pacing_waits, 0);
    world_close(w);
}

GB_TEST(flow, a_joiner_that_pulls_much_paces_nobody)
{
    world_options options = {.node_count = 2, .byte_rate = 250 * 1000};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    for (uint32_t i = 0; i < 20000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "old%u", i);
        expect_ok(set_value(w, 0, key, i));
    }
    world_flush(w, 0);
    world_start(w, 1, 0);
    world_run(w, 1 * WORLD_S);
    (void)offer(w, 0, 1, 10, 10 * WORLD_S);
    expect_false(world_is_converged(w, NULL)); /* else the test shows nothing */
    expect_uint(w->nodes[0].events[GB_EVENT_PACING], 0);
    world_close(w);
}

/* Facts travel by exchanges alone: that a peer lacks them says nothing about the link. */
GB_TEST(flow, facts_that_the_peer_lacks_pace_nobody)
{
    world_options options = {.node_count = 2};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    gb_engine *e = w->nodes[0].engine;
    gb_link *link = link_of(e->links.head.next);
    gb_slice word = gb_slice_from_str("fact");
    expect_ok(gb_engine_set(e, w->now, GB_LANE_SYSTEM, word, word, GB_VALUE_STRING, word, 0));
    for (uint64_t i = 0; i < 3; i++) {
        expect_ok(set_value(w, 0, "k", i));
        world_flush(w, 0);
        world_run(w, 10 * WORLD_MS);
        link->backed_up_since = 0; /* others keep the link busy */
        flow_round(e);
    }
    expect_uint(gb_map_version(world_participant(w, 1, 0), GB_LANE_SYSTEM), 0);
    expect_false(stats_of(w, 0).is_pacing);
    world_close(w);
}

GB_TEST(flow, a_leave_tells_what_still_waits)
{
    world_options options = {.node_count = 2};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    pace(w, 0, 1);
    for (uint32_t i = 0; i < 100; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%u", i);
        expect_ok(set_value(w, 0, key, i));
    }
    gb_engine_leave(w->nodes[0].engine, w->now);
    world_flush(w, 0);
    world_run(w, 3 * WORLD_S);
    expect_uint(gb_map_version(world_participant(w, 1, 0), GB_LANE_USER), 100);
    world_close(w);
}

GB_TEST(flow, what_waits_outlives_a_new_generation_and_comes_behind_what_was_said)
{
    world_options options = {.node_count = 2};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    expect_ok(set_value(w, 0, "a", 1));
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    pace(w, 0, 2);
    expect_ok(set_value(w, 0, "a", 2));
    expect_ok(set_value(w, 0, "b", 2));
    engine_want_generation(w->nodes[0].engine, 9);
    engine_settle(w->nodes[0].engine);
    expect_uint(own_number(w, 0, "a"), 2);
    world_flush(w, 0);
    expect_true(world_run_until(w, nothing_waits, NULL, 10 * WORLD_S));
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    expect_uint(world_participant(w, 1, 0)->generation, 9);
    expect_uint(number_of(world_get(w, 1, 0, "a")), 2);
    expect_uint(number_of(world_get(w, 1, 0, "b")), 2);
    world_check(w);
    world_close(w);
}

GB_TEST(flow, a_node_alone_is_not_paced)
{
    world_options options = {.node_count = 2};
    options.settings.gossip_mode = GB_GOSSIP_PAPER;
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    for (uint32_t i = 0; i < 100; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%u", i);
        expect_ok(set_value(w, 0, key, i));
    }
    world_flush(w, 0);
    expect_uint(gb_map_version(world_participant(w, 0, 0), GB_LANE_USER), 100);
    world_start(w, 1, 0);
    world_run(w, WORLD_S);
    expect_true(stats_of(w, 0).is_pacing);
    expect_ok(set_value(w, 0, "k0", 1));
    expect_uint(stats_of(w, 0).pending_count, 1);
    world_close(w);
}

GB_TEST(flow, switched_off_while_changes_wait_it_lets_them_go)
{
    world_options options = {.node_count = 2};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    pace(w, 0, 1);
    (void)offer(w, 0, 10, 500, WORLD_S);
    expect_true(stats_of(w, 0).pending_count > 400);
    gb_engine_settings settings = {.is_flow_disabled = true};
    gb_engine_configure(w->nodes[0].engine, w->now, &settings);
    world_flush(w, 0);
    world_run(w, 10 * WORLD_MS);
    expect_uint(stats_of(w, 0).pending_count, 0);
    expect_uint(w->nodes[0].events[GB_EVENT_PACING], 2);
    expect_uint(gb_map_version(world_participant(w, 1, 0), GB_LANE_USER),
                gb_map_version(world_participant(w, 0, 0), GB_LANE_USER));
    world_close(w);
}

/* ---- Moves -------------------------------------------------------------------------------------
 */

GB_TEST(flow, shares_are_those_of_the_paper_and_their_sum_stays)
{
    static const struct {
        uint64_t rho_p, tau_p, rho_q, tau_q, expected;
    } rows[] = {
        {10, 20, 10, 40, 30},  /* both have more than they want: the rest is halved */
        {0, 60, 10, 0, 25},    /* the one that wants nothing gives */
        {50, 10, 60, 30, 20},  /* both want more than half: halves */
        {10, 40, 100, 20, 10}, /* one wants less than half: it gets that */
        {100, 20, 10, 40, 50}, /* and the other the rest */
        {0, 0, 0, 0, 0},       {7, 0, 7, 0, 0},
        {1, 3, 1, 0, 1}, /* 3 in all, 1 to spare: half of it rounds down */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        gb_load p = {.rho = rows[i].rho_p, .tau = rows[i].tau_p};
        gb_load q = {.rho = rows[i].rho_q, .tau = rows[i].tau_q};
        expect_uint(flow_share(&p, &q), rows[i].expected);
    }
    for (uint32_t i = 0; i < 10000; i++) {
        gb_load p = {.rho = gb_rng_below(&t->rng, 100), .tau = gb_rng_below(&t->rng, 100)};
        gb_load q = {.rho = gb_rng_below(&t->rng, 100), .tau = gb_rng_below(&t->rng, 100)};
        expect_true(flow_share(&p, &q) <= p.tau + q.tau);
    }
}

GB_TEST(flow, two_paced_nodes_come_to_the_same_tau)
{
    world_options options = {.node_count = 2};
    options.settings.flow_increase_ppm = 1; /* nothing but moves changes it here */
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    pace(w, 0, 900);
    pace(w, 1, 100);
    for (uint32_t i = 0; i < 10; i++) {
        (void)offer(w, 0, 20, 5000, 500 * WORLD_MS);
        (void)offer(w, 1, 20, 5000, 500 * WORLD_MS);
    }
    gb_engine_stats a = stats_of(w, 0);
    gb_engine_stats b = stats_of(w, 1);
    expect_true(a.tau_micro > UINT64_C(495) * FLOW_ONE && a.tau_micro < UINT64_C(505) * FLOW_ONE);
    expect_true(b.tau_micro > UINT64_C(495) * FLOW_ONE && b.tau_micro < UINT64_C(505) * FLOW_ONE);
    expect_true(a.tau_micro + b.tau_micro < UINT64_C(1001) * FLOW_ONE);
    world_close(w);
}

GB_TEST(flow, an_answer_that_comes_late_or_twice_moves_nothing)
{
    world_options options = {.node_count = 2};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    gb_engine *e = w->nodes[0].engine;
    pace(w, 0, 100);
    gb_link *link = link_of(e->links.head.next);
    gb_load load;
    expect_true(flow_ask(e, link, &load));
    expect_uint(load.tau, 100 * FLOW_ONE);
    gb_load second;
    expect_false(flow_ask(e, link, &second));
    /* While the request is out nothing is given away twice. */
    gb_load theirs = {.rho = 1000 * FLOW_ONE, .tau = 0};
    gb_load ours;
    flow_answer(e, &theirs, &ours);
    expect_int(ours.moved, 0);
    flow_moved(e, link, -(int64_t)(40 * FLOW_ONE));
    expect_uint(e->flow.tau, 60 * FLOW_ONE);
    flow_moved(e, link, -(int64_t)(40 * FLOW_ONE));
    expect_uint(e->flow.tau, 60 * FLOW_ONE);
    flow_answer(e, &theirs, &ours);
    expect_int(ours.moved, (int64_t)(60 * FLOW_ONE));
    expect_uint(e->flow.tau, 0);
    /* What a peer claims does not lift it over the ceiling. */
    expect_true(flow_ask(e, link, &load));
    flow_moved(e, link, (int64_t)GB_RATE_MAX);
    expect_uint(e->flow.tau, flow_ceiling(e));
    world_close(w);
}

GB_TEST(flow, a_link_that_goes_takes_its_request_with_it)
{
    world_options options = {.node_count = 2};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    gb_engine *e = w->nodes[0].engine;
    pace(w, 0, 100);
    gb_load load;
    expect_true(flow_ask(e, link_of(e->links.head.next), &load));
    expect_true(world_cut_link(w, 0, 1));
    world_run(w, WORLD_S);
    expect_uint(world_links(w, 0), 1);
    expect_true(flow_ask(e, link_of(e->links.head.next), &load));
    world_close(w);
}
