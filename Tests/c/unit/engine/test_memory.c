/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that runs out: one allocation fails, wherever it is, and the cluster agrees all the same.
 */
#include "world.h"

#include "engine/internal.h"

#include <stdio.h>
#include <string.h>

/* Members that watch each other a little: enough to walk through probes and accusations. */
static void watch(world_node *node, const gb_event *event, void *user)
{
    (void)user;
    gb_action action = {
        .name = event->name, .generation = event->generation, .reason = GB_ACCUSE_CRASHED};
    switch (event->kind) {
    case GB_EVENT_LINK_CLOSED:
        action.kind = GB_ACT_PROBE;
        break;
    case GB_EVENT_PROBE_RESULT:
        action.kind = event->outcome == GB_PROBE_REFUSED ? GB_ACT_ACCUSE : GB_ACT_RETRACT;
        break;
    case GB_EVENT_LINK_OPENED:
        action.kind = GB_ACT_ALIVE;
        break;
    default:
        return;
    }
    gb_engine_act(node->engine, node->world->now, &action);
}

static bool set(world *w, uint32_t index, const char *key, const char *value, uint32_t ttl_ms)
{
    gb_test *t = w->test;
    for (uint32_t attempt = 0; attempt < 3; attempt++) {
        gb_err err = gb_engine_set(w->nodes[index].engine, w->now, GB_LANE_USER,
                                   gb_slice_from_str("g"), gb_slice_from_str(key), GB_VALUE_STRING,
                                   gb_slice_from_str(value), ttl_ms);
        world_flush(w, index);
        if (err == GB_OK) {
            return true;
        }
        expect_err(err, GB_ENOMEM);
    }
    return false;
}

static bool are_equal(world *w, void *user)
{
    (void)user;
    uint64_t hash = 0;
    for (uint32_t i = 0; i < w->options.node_count; i++) {
        if (w->nodes[i].engine == NULL) {
            continue;
        }
        gb_engine_stats stats;
        gb_engine_read_stats(w->nodes[i].engine, &stats);
        if ((hash != 0 && stats.map_hash != hash) || stats.pending_count > 0) {
            return false;
        }
        hash = stats.map_hash;
    }
    return true;
}

/* Three nodes: joins, changes, a cut link, a restart with a copied generation, a kill, a leave. */
static bool live(world *w)
{
    gb_test *t = w->test;
    uint32_t seeds[2] = {0, 1};
    for (uint32_t i = 0; i < 3; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "node-%u", i);
        gb_err err = world_try_start(w, i, name, 1, seeds, 2);
        if (err != GB_OK) {
            expect_err(err, GB_ENOMEM);
            return false;
        }
        world_run(w, 2 * WORLD_MS);
        expect_true(set(w, i, "a", "1", 0));
    }
    world_run(w, 300 * WORLD_MS);
    (void)world_cut_link(w, 0, 1);
    expect_true(set(w, 1, "b", "2", 20));
    world_run(w, 300 * WORLD_MS);
    world_kill(w, 2);
    world_run(w, 100 * WORLD_MS);
    w->nodes[2].is_frozen = false;
    gb_err err = world_try_start(w, 2, "node-2", 1, seeds, 2);
    if (err != GB_OK) {
        expect_err(err, GB_ENOMEM);
        return false;
    }
    expect_true(set(w, 2, "c", "3", 0));
    world_run(w, 300 * WORLD_MS);
    expect_true(set(w, 0, "a", "4", 0));
    world_run(w, 2 * WORLD_S); /* what could not expire for want of memory is tried again */
    if (!world_run_until(w, are_equal, NULL, 40 * WORLD_S)) {
        return false;
    }
    for (uint32_t i = 0; i < 3; i++) {
        expect_true(world_has(w, i, 0, "a", "4"));
        expect_true(world_has(w, i, 2, "c", "3"));
        expect_true(world_has(w, i, 1, "a", "1"));
        expect_true(world_has(w, i, 1, "b", ""));
        gb_engine_check(w->nodes[i].engine);
    }
    gb_engine_leave(w->nodes[1].engine, w->now);
    world_flush(w, 1);
    world_run(w, 3 * WORLD_S);
    expect_uint(gb_engine_deadline(w->nodes[1].engine), GB_NO_TIME);
    for (uint32_t i = 0; i < 3; i += 2) {
        gb_member member;
        expect_true(gb_engine_member(w->nodes[i].engine, gb_slice_from_str("node-1"), &member));
        expect_uint(member.status, GB_STATUS_LEFT);
    }
    return true;
}

static bool attempt_with(gb_test *t, const gb_allocator *allocator,
                         const gb_engine_settings *settings)
{
    gb_rng_init(&t->rng, 77); /* each time the same story */
    world_options options = {
        .node_count = 3, .engine_allocator = allocator, .may_fail = true, .on_event = watch};
    options.has_detector = true;
    options.settings = *settings;
    world *w = world_open(t, &options);
    bool is_done = live(w);
    bool must_be_done =
        w->nodes[0].engine != NULL && w->nodes[1].engine != NULL && w->nodes[2].engine != NULL;
    world_close(w);
    expect_true(is_done || !must_be_done);
    return is_done;
}

static bool attempt(gb_test *t, const gb_allocator *allocator)
{
    gb_engine_settings settings = {0};
    return attempt_with(t, allocator, &settings);
}

GB_TEST(memory, any_allocation_may_fail_and_the_cluster_agrees_all_the_same)
{
    gb_test_each_allocation_failure(t, attempt);
}

/* Direct exchanges, and changes that wait for their versions. */
static bool attempt_paper(gb_test *t, const gb_allocator *allocator)
{
    gb_engine_settings settings = {.gossip_mode = GB_GOSSIP_PAPER,
                                   .gossip_interval_us = 100 * WORLD_MS,
                                   .delta_limit = 2,
                                   .delta_order = GB_ORDER_BREADTH,
                                   .flow_under_count = 1,
                                   .flow_step_micro = 2 * FLOW_ONE};
    return attempt_with(t, allocator, &settings);
}

GB_TEST(memory, so_it_is_in_the_papers_mode_while_changes_wait)
{
    gb_test_each_allocation_failure(t, attempt_paper);
}

/* Memory that is gone for a while, not for one allocation. */
GB_TEST(memory, a_drought_of_memory_ends_without_harm)
{
    for (uint64_t round = 0; round < 30; round++) {
        gb_failing_allocator failing;
        gb_failing_allocator_init(&failing, GB_NEVER_FAIL);
        world_options options = {
            .node_count = 3, .engine_allocator = &failing.allocator, .may_fail = true};
        world *w = world_open(t, &options);
        for (uint32_t i = 0; i < 3; i++) {
            world_start(w, i, 0);
        }
        expect_true(world_run_until(w, world_is_converged, NULL, 5 * WORLD_S));
        gb_failing_allocator_exhaust(&failing, round * 3);
        for (uint32_t i = 0; i < 40; i++) {
            (void)gb_engine_set(w->nodes[i % 3].engine, w->now, GB_LANE_USER,
                                gb_slice_from_str("g"), gb_slice_from_str("k"), GB_VALUE_STRING,
                                gb_slice_from_str("v"), 0);
            world_flush(w, i % 3);
            if (i % 10 == 0) {
                (void)world_cut_link(w, i % 3, (i + 1) % 3);
            }
            world_run(w, 100 * WORLD_MS);
            world_check(w);
        }
        gb_failing_allocator_relax(&failing);
        expect_ok(gb_engine_set(w->nodes[1].engine, w->now, GB_LANE_USER, gb_slice_from_str("g"),
                                gb_slice_from_str("k"), GB_VALUE_STRING, gb_slice_from_str("after"),
                                0));
        world_flush(w, 1);
        expect_true(world_run_until(w, world_is_converged, NULL, 60 * WORLD_S));
        for (uint32_t i = 0; i < 3; i++) {
            expect_true(world_has(w, i, 1, "k", "after"));
        }
        world_check(w);
        world_close(w);
        expect_uint(failing.blocks, 0);
    }
}
