/* SPDX-License-Identifier: Apache-2.0 */
/* Stories of faults that were found once, and of what must hold under load. */
#include "world.h"

#include "engine/internal.h"

#include <stdio.h>
#include <string.h>

static bool agree(world *w, void *user)
{
    (void)user;
    uint64_t hash = 0;
    for (uint32_t i = 0; i < w->options.node_count; i++) {
        if (w->nodes[i].engine == NULL || w->nodes[i].events[GB_EVENT_LEFT] > 0) {
            continue;
        }
        uint64_t own = gb_map_hash(gb_engine_map(w->nodes[i].engine));
        if (hash != 0 && own != hash) {
            return false;
        }
        hash = own;
    }
    return true;
}

static void set_bytes(world *w, uint32_t node, const char *key, size_t size)
{
    gb_test *t = w->test;
    uint8_t *value = gb_alloc(t->allocator, size);
    memset(value, 'v', size);
    expect_ok(gb_engine_set(w->nodes[node].engine, w->now, GB_LANE_USER, gb_slice_from_str("g"),
                            gb_slice_from_str(key), GB_VALUE_BYTES, gb_slice_make(value, size), 0));
    gb_free(t->allocator, value);
}

static void set_bulk(world *w, uint32_t node, uint32_t count, size_t size)
{
    for (uint32_t k = 0; k < count; k++) {
        char key[32];
        (void)snprintf(key, sizeof key, "bulk-%u", k);
        set_bytes(w, node, key, size);
    }
    world_flush(w, node);
}

/* Rings go by who is announced, which comes with the record, after the name. */
GB_TEST(stories, a_joiner_is_linked_with_its_neighbours_at_once)
{
    world_options options = {.node_count = 6};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 5; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    world_run(w, 3 * WORLD_S);
    world_start(w, 5, 0);
    world_run(w, 60 * WORLD_MS);
    expect_uint(world_links(w, 5), 5);
    world_close(w);
}

GB_TEST(stories, a_life_of_which_nothing_is_known_but_its_generation_ends_the_former_one_everywhere)
{
    world_options options = {.node_count = 3};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 3; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    world_set(w, 2, "k", "v");
    world_run(w, WORLD_S);
    world_kill(w, 2);
    world_run(w, WORLD_S);
    w->nodes[0].part = 1;
    uint32_t seed = 1;
    world_start_with(w, 2, "node-2", 2, &seed, 1);
    for (uint32_t i = 0; i < 1000 && world_participant(w, 1, 2)->generation < 2; i++) {
        world_run(w, 20);
    }
    world_kill(w, 2);
    expect_uint(gb_map_version(world_participant(w, 1, 2), GB_LANE_MEMBERSHIP), 0);
    expect_true(world_cut_link(w, 0, 1)); /* the new link has no former agreement to go by */
    w->nodes[0].part = 0;
    expect_true(world_run_until(w, agree, NULL, 30 * WORLD_S));
    expect_uint(world_participant(w, 0, 2)->generation, 2);
    world_close(w);
}

/* ---- One name, two lives -----------------------------------------------------------------------
 */

GB_TEST(stories, of_two_lives_that_meet_after_a_partition_the_greater_generation_stays)
{
    world_options options = {.node_count = 6};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 5; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    /* 0, 1 and the old life of node-4 on one side, 2, 3 and its new one on the other. */
    w->nodes[2].part = w->nodes[3].part = w->nodes[5].part = 1;
    world_run(w, 20 * WORLD_S);
    uint32_t seed = 2;
    world_start_with(w, 5, "node-4", 7, &seed, 1);
    world_run(w, 5 * WORLD_S);
    expect_uint(w->nodes[5].events[GB_EVENT_JOINED], 1);
    world_set(w, 5, "k", "new");
    world_set(w, 4, "k", "old");
    world_run(w, WORLD_S);
    for (uint32_t i = 0; i < 6; i++) {
        w->nodes[i].part = 0;
    }
    world_run(w, 30 * WORLD_S);
    expect_uint(w->nodes[4].events[GB_EVENT_REPLACED], 1);
    expect_uint(w->nodes[5].events[GB_EVENT_REPLACED], 0);
    expect_uint(w->nodes[5].events[GB_EVENT_REJECTED], 0);
    for (uint32_t i = 0; i < 4; i++) {
        expect_true(world_has(w, i, 5, "k", "new"));
    }
    world_kill(w, 4);
    expect_true(world_run_until(w, agree, NULL, 30 * WORLD_S));
    world_close(w);
}

/* ---- Under load --------------------------------------------------------------------------------
 */

GB_TEST(stories, a_leave_is_told_behind_a_full_queue)
{
    world_options options = {.node_count = 4, .byte_rate = 400 * 1000};
    options.settings.link_queue_max = 20 * 1000;
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 4; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    for (uint32_t round = 0; round < 3; round++) {
        set_bulk(w, 1, 10, 20 * 1000);
    }
    gb_engine_leave(w->nodes[1].engine, w->now);
    world_flush(w, 1);
    world_run(w, 3 * WORLD_S);
    expect_uint(w->nodes[1].events[GB_EVENT_LEFT], 1);
    for (uint32_t i = 0; i < 4; i++) {
        gb_member member;
        expect_true(gb_engine_member(w->nodes[i].engine, gb_slice_from_str("node-1"), &member));
        expect_true(i == 1 || member.status == GB_STATUS_LEFT);
    }
    world_close(w);
}

GB_TEST(stories, a_leave_is_done_when_two_have_acknowledged_it_not_at_the_next_round)
{
    world_options options = {.node_count = 5};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 5; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    world_run(w, 3 * WORLD_S);
    gb_engine_leave(w->nodes[1].engine, w->now);
    world_flush(w, 1);
    world_run(w, 5 * WORLD_MS);
    expect_uint(w->nodes[1].events[GB_EVENT_LEFT], 1);
    expect_uint(gb_engine_deadline(w->nodes[1].engine), GB_NO_TIME);
    world_close(w);
}

/* The map is the buffer: a slow reader costs no memory, and sees the newest value in the end. */
GB_TEST(stories, a_peer_that_stands_still_costs_a_bounded_queue)
{
    world_options options = {.node_count = 3};
    options.settings.link_timeout_us = 60 * WORLD_S;
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 3; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    w->nodes[2].is_frozen = true;
    gb_engine_stats stats;
    for (uint32_t i = 0; i < 3000; i++) {
        set_bytes(w, 0, i % 2 == 0 ? "a" : "b", 4000);
        world_flush(w, 0);
        world_run(w, WORLD_MS);
        gb_engine_read_stats(w->nodes[0].engine, &stats);
        expect_true(stats.queued_bytes < ENGINE_FEED_WINDOW + 2 * GB_CHUNK_SIZE);
    }
    w->nodes[2].is_frozen = false;
    expect_true(world_run_until(w, agree, NULL, 10 * WORLD_S));
    world_check(w);
    world_close(w);
}

/* 16 nodes, 20 MB in all; each lane comes from one source. */
GB_TEST(stories, a_joiner_of_sixteen_receives_little_more_than_there_is)
{
    enum { NODES = 16, KEYS = 64 };
    const size_t size = 20000;
    world_options options = {.node_count = NODES + 1, .byte_rate = 50 * 1000 * 1000};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < NODES; i++) {
        world_start(w, i, 0);
        set_bulk(w, i, KEYS, size);
    }
    expect_true(world_run_until(w, agree, NULL, 60 * WORLD_S));
    world_run(w, 5 * WORLD_S);
    expect_true(agree(w, NULL));
    world_start(w, NODES, 0);
    world_run(w, 10 * WORLD_MS);
    expect_true(world_run_until(w, agree, NULL, 60 * WORLD_S));
    world_run(w, 5 * WORLD_S);
    gb_engine_stats stats;
    gb_engine_read_stats(w->nodes[NODES].engine, &stats);
    uint64_t all = (uint64_t)NODES * KEYS * size;
    expect_true(w->nodes[NODES].bytes_received >= all);
    expect_true(w->nodes[NODES].bytes_received <= all * 12 / 10);
    expect_true(stats.bulk_bytes_received >= all * 9 / 10);
    /* A lane is asked for once, not again elsewhere. */
    expect_true(stats.pulls_sent <= NODES * 3);
    world_check(w);
    world_close(w);
}

/* What is pulled belongs to a life that ends meanwhile: the source is free for other pulls. */
GB_TEST(stories, an_owner_that_restarts_while_it_is_pulled_blocks_nothing)
{
    world_options options = {.node_count = 4, .byte_rate = 2 * 1000 * 1000};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 3; i++) {
        world_start(w, i, 0);
    }
    set_bulk(w, 1, 50, 20000);
    set_bulk(w, 2, 50, 20000);
    expect_true(world_run_until(w, agree, NULL, 30 * WORLD_S));
    world_start(w, 3, 0);
    world_run(w, 200 * WORLD_MS);
    expect_false(agree(w, NULL));
    world_kill(w, 1);
    world_start(w, 1, 0);
    world_run(w, 20 * WORLD_MS);
    world_check(w);
    world_set(w, 1, "k", "v");
    expect_true(world_run_until(w, agree, NULL, 30 * WORLD_S));
    world_run(w, 5 * WORLD_S);
    expect_true(agree(w, NULL));
    expect_true(world_has(w, 3, 1, "k", "v"));
    world_check(w);
    world_close(w);
}

GB_TEST(stories, nothing_comes_out_of_an_engine_that_has_stopped)
{
    world_options options = {.node_count = 3, .has_detector = true};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 3; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    /* A probe is under way when it stops. */
    gb_action probe = {.kind = GB_ACT_PROBE, .name = gb_slice_from_str("node-0"), .generation = 1};
    gb_engine *engine = w->nodes[1].engine;
    gb_engine_act(engine, w->now, &probe);
    gb_engine_leave(engine, w->now);
    world_flush(w, 1);
    world_run(w, 3 * WORLD_S);
    expect_uint(w->nodes[1].events[GB_EVENT_LEFT], 1);
    gb_engine_act(engine, w->now, &probe);
    gb_engine_join(engine, w->now);
    gb_engine_leave(engine, w->now);
    gb_engine_tick(engine, w->now + WORLD_S);
    gb_engine_flush(engine, w->now + WORLD_S);
    gb_effect effect;
    expect_false(gb_engine_effect_next(engine, &effect));
    uint64_t link;
    expect_err(gb_engine_accepted(engine, w->now + WORLD_S, GB_ROLE_MEMBER, gb_slice_from_str("h"),
                                  1, &link),
               GB_ECLOSED);
    expect_uint(gb_engine_deadline(engine), GB_NO_TIME);
    gb_engine_check(engine);
    world_close(w);
}
