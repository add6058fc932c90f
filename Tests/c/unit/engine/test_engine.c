/* SPDX-License-Identifier: Apache-2.0 */
/* Stories of whole clusters of engines in virtual time. */
#include "world.h"

#include "engine/internal.h"
#include "platform/alloc.h"

#include <stdio.h>
#include <string.h>

static world *start_cluster(gb_test *t, uint32_t count)
{
    world_options options = {.node_count = count};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < count; i++) {
        world_start(w, i, 0);
        world_run(w, WORLD_MS);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    world_check(w);
    return w;
}

typedef struct spread {
    uint32_t owner;
    const char *key;
    const char *value;
} spread;

static bool is_everywhere(world *w, void *user)
{
    const spread *s = user;
    for (uint32_t i = 0; i < w->options.node_count; i++) {
        if (w->nodes[i].engine != NULL && !world_has(w, i, s->owner, s->key, s->value)) {
            return false;
        }
    }
    return true;
}

GB_TEST(engine, a_node_without_seeds_is_joined_at_once)
{
    world_options options = {.node_count = 1};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    expect_uint(w->nodes[0].events[GB_EVENT_JOINED], 1);
    expect_uint(world_live_members(w, 0), 1);
    world_close(w);
}

GB_TEST(engine, two_nodes_find_each_other_and_share_deltas)
{
    world *w = start_cluster(t, 2);
    world_set(w, 0, "a", "1");
    world_run(w, 2 * WORLD_MS);
    expect_true(world_has(w, 1, 0, "a", "1"));
    world_set(w, 1, "b", "2");
    world_run(w, 2 * WORLD_MS);
    expect_true(world_has(w, 0, 1, "b", "2"));
    expect_uint(world_links(w, 0), 1);
    world_close(w);
}

GB_TEST(engine, a_change_is_everywhere_after_hops_not_rounds)
{
    world *w = start_cluster(t, 5);
    world_run(w, 5 * WORLD_S);
    world_set(w, 3, "k", "v");
    world_run(w, 3 * WORLD_MS);
    spread s = {3, "k", "v"};
    expect_true(is_everywhere(w, &s));
    world_close(w);
}

GB_TEST(engine, sixty_four_nodes_converge_with_few_links)
{
    world *w = start_cluster(t, 64);
    world_run(w, 40 * WORLD_S);
    uint32_t links = 0;
    for (uint32_t i = 0; i < 64; i++) {
        links += world_links(w, i);
        expect_true(world_links(w, i) >= 4);
    }
    expect_true(links <= 64 * 9);
    for (uint32_t trial = 0; trial < 20; trial++) {
        char value[16];
        (void)snprintf(value, sizeof value, "%u", trial);
        world_set(w, trial * 3, "k", value);
        spread s = {trial * 3, "k", value};
        expect_true(world_run_until(w, is_everywhere, &s, 20 * WORLD_MS));
        world_run(w, WORLD_S);
    }
    world_check(w);
    world_close(w);
}

/* Links are closed while every node keeps changing: no origin's feed may stay
 * behind. */
GB_TEST(engine, a_closed_link_loses_no_feed)
{
    world *w = start_cluster(t, 30);
    world_run(w, 5 * WORLD_S);
    char value[16];
    for (uint32_t round = 0; round < 60; round++) {
        (void)snprintf(value, sizeof value, "%u", round);
        for (uint32_t i = 0; i < 30; i++) {
            world_set(w, i, "k", value);
        }
        uint32_t a = (uint32_t)gb_rng_below(&w->rng, 30);
        uint32_t b = (a + 1 + (uint32_t)gb_rng_below(&w->rng, 29)) % 30;
        if (round % 3 == 0) {
            (void)world_cut_link(w, a, b);
        }
        world_run(w, 10 * WORLD_MS);
    }
    world_run(w, 50 * WORLD_MS);
    for (uint32_t i = 0; i < 30; i++) {
        spread s = {i, "k", value};
        expect_true(is_everywhere(w, &s));
    }
    world_check(w);
    world_close(w);
}

GB_TEST(engine, a_leave_is_known_as_a_leave)
{
    world *w = start_cluster(t, 5);
    gb_engine_leave(w->nodes[2].engine, w->now);
    world_run(w, 3 * WORLD_S);
    expect_uint(w->nodes[2].events[GB_EVENT_LEFT], 1);
    gb_member member;
    for (uint32_t i = 0; i < 5; i++) {
        if (i == 2) {
            continue;
        }
        expect_true(gb_engine_member(w->nodes[i].engine, gb_slice_from_str("node-2"), &member));
        expect_uint(member.status, GB_STATUS_LEFT);
    }
    world_close(w);
}

GB_TEST(engine, a_restart_after_a_kill_takes_over_at_once)
{
    world *w = start_cluster(t, 5);
    world_set(w, 3, "old", "x");
    world_run(w, WORLD_S);
    world_kill(w, 3);
    world_run(w, 20 * WORLD_MS);
    world_start(w, 3, 0);
    world_set(w, 3, "new", "y");
    spread s = {3, "new", "y"};
    expect_true(world_run_until(w, is_everywhere, &s, WORLD_S));
    expect_uint(w->nodes[3].events[GB_EVENT_REJECTED], 0);
    for (uint32_t i = 0; i < 5; i++) {
        expect_true(world_has(w, i, 3, "old", ""));
    }
    world_close(w);
}

GB_TEST(engine, a_second_start_of_a_name_is_refused_while_the_first_answers)
{
    world_options options = {.node_count = 6};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 5; i++) {
        world_start(w, i, 0);
    }
    world_run(w, 5 * WORLD_S);
    uint32_t seed = 0;
    world_start_with(w, 5, "node-3", 99, &seed, 1);
    world_run(w, 3 * WORLD_S);
    expect_uint(w->nodes[5].events[GB_EVENT_REJECTED], 1);
    expect_int(w->nodes[5].last_code, GB_EREJECTED_NAME_IN_USE);
    gb_member member;
    expect_true(gb_engine_member(w->nodes[1].engine, gb_slice_from_str("node-3"), &member));
    expect_uint(member.generation, 1);
    expect_uint(member.status, GB_STATUS_ALIVE);
    world_close(w);
}

GB_TEST(engine, a_stopped_incumbent_gives_way_to_a_newcomer)
{
    world_options options = {.node_count = 6};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 5; i++) {
        world_start(w, i, 0);
    }
    world_run(w, 5 * WORLD_S);
    w->nodes[3].is_frozen = true;
    uint32_t seed = 0;
    world_start_with(w, 5, "node-3", 99, &seed, 1);
    world_run(w, 3 * WORLD_S);
    expect_uint(w->nodes[5].events[GB_EVENT_REJECTED], 0);
    expect_uint(w->nodes[5].events[GB_EVENT_JOINED], 1);
    /* The old one wakes: the later life stays, it stops. */
    w->nodes[3].is_frozen = false;
    world_run(w, 10 * WORLD_S);
    expect_uint(w->nodes[3].events[GB_EVENT_REPLACED], 1);
    expect_uint(w->nodes[5].events[GB_EVENT_REPLACED], 0);
    world_close(w);
}

/* Found by a user's eyes: a process that was killed within milliseconds of its start stayed a
 * suspect of its seed for ever, since no other judge knew it. */
GB_TEST(engine, who_greets_and_dies_is_no_member_that_one_node_alone_knows)
{
    world_options options = {.node_count = 4, .has_detector = true};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 3; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    world_start(w, 3, 0);
    gb_slice name = gb_slice_from_str(w->nodes[3].name);
    gb_participant *p = NULL;
    for (uint32_t i = 0; i < 1000 && p == NULL; i++) {
        world_run(w, 20);
        p = gb_map_find(w->nodes[0].engine->map, name);
    }
    expect_not_null(p);
    expect_uint(gb_map_version(p, GB_LANE_MEMBERSHIP), 0); /* it greeted, and said no more */
    world_kill(w, 3);
    gb_member member;
    for (uint32_t i = 0; i < 100; i++) {
        world_run(w, 100 * WORLD_MS);
        for (uint32_t k = 0; k < 3; k++) {
            expect_false(gb_engine_member(w->nodes[k].engine, name, &member));
        }
    }
    world_start(w, 3, 0);
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    world_check(w);
    world_close(w);
}

GB_TEST(engine, an_older_generation_is_lifted_over_the_remembered_one)
{
    world *w = start_cluster(t, 3);
    world_kill(w, 2);
    world_run(w, 100 * WORLD_MS);
    w->nodes[2].generation = 0;
    world_start_with(w, 2, "node-2", 1, (uint32_t[]){0}, 1); /* a copied data directory */
    world_set(w, 2, "k", "after");
    spread s = {2, "k", "after"};
    expect_true(world_run_until(w, is_everywhere, &s, 3 * WORLD_S));
    expect_uint(w->nodes[2].events[GB_EVENT_GENERATION], 1);
    world_set(w, 2, "k", "later");
    s.value = "later";
    expect_true(world_run_until(w, is_everywhere, &s, WORLD_S));
    world_close(w);
}

GB_TEST(engine, another_cluster_is_refused_with_its_name)
{
    world_options options = {.node_count = 2};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    gb_address own = {.host = gb_slice_from_str("h1"), .port = 7000};
    gb_address seed = {.host = gb_slice_from_str("h0"), .port = 7000};
    gb_engine_options other = {
        .size = sizeof other,
        .allocator = t->allocator,
        .cluster = gb_slice_from_str("elsewhere"),
        .name = gb_slice_from_str("node-1"),
        .generation = 1,
        .instance = 7,
        .addresses = &own,
        .address_count = 1,
        .seeds = &seed,
        .seed_count = 1,
    };
    expect_ok(gb_engine_open(&other, w->now, &w->nodes[1].engine, NULL));
    gb_engine_join(w->nodes[1].engine, w->now);
    world_run(w, 2 * WORLD_S);
    expect_uint(w->nodes[1].events[GB_EVENT_REJECTED], 1);
    expect_int(w->nodes[1].last_code, GB_EREJECTED_CLUSTER);
    expect_str(w->nodes[1].last_text, "the cluster is called \"test\", not \"elsewhere\"");
    world_close(w);
}

GB_TEST(engine, a_seed_that_is_not_there_yet_is_retried)
{
    world_options options = {.node_count = 2};
    world *w = world_open(t, &options);
    world_start(w, 1, 0);
    world_run(w, 30 * WORLD_S);
    expect_true(w->nodes[1].events[GB_EVENT_SEED_FAILED] >= 3);
    expect_uint(w->nodes[1].events[GB_EVENT_JOINED], 0);
    world_start(w, 0, 0);
    expect_true(world_run_until(w, world_is_converged, NULL, 15 * WORLD_S));
    expect_uint(w->nodes[1].events[GB_EVENT_JOINED], 1);
    world_close(w);
}

/* ---- Bulk
 * -------------------------------------------------------------------------------------------
 */

static void set_bulk(world *w, uint32_t node, uint32_t key_count, size_t value_size)
{
    gb_test *t = w->test;
    uint8_t *value = gb_alloc(t->allocator, value_size);
    memset(value, (int)('a' + node), value_size);
    for (uint32_t k = 0; k < key_count; k++) {
        char key[32];
        (void)snprintf(key, sizeof key, "bulk-%u", k);
        expect_ok(gb_engine_set(w->nodes[node].engine, w->now, GB_LANE_USER, gb_slice_from_str("g"),
                                gb_slice_from_str(key), GB_VALUE_BYTES,
                                gb_slice_make(value, value_size), 0));
    }
    gb_free(t->allocator, value);
}

GB_TEST(engine, a_joiner_is_told_everything_about_once)
{
    world_options options = {.node_count = 9, .byte_rate = 100 * 1000 * 1000};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 8; i++) {
        world_start(w, i, 0);
        set_bulk(w, i, 100, 10000);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 20 * WORLD_S));
    world_start(w, 8, 0);
    expect_true(world_run_until(w, world_is_converged, NULL, 20 * WORLD_S));
    world_run(w, 5 * WORLD_S);
    expect_true(w->nodes[8].bytes_received >= 8 * 100 * 10000);
    expect_true(w->nodes[8].bytes_received <= 8 * 100 * 10000 * 12 / 10);
    world_check(w);
    world_close(w);
}

/* Lanes that a node has asked another one for and not got whole yet. */
static uint32_t pulls_from(const world *w, uint32_t node, uint32_t source)
{
    const gb_engine *e = w->nodes[node].engine;
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        const gb_peer *peer = e->peers[slot];
        for (uint32_t lane = 0; peer != NULL && peer->pulls != NULL && lane < GB_LANE_COUNT;
             lane++) {
            const gb_link *link = link_find(e, peer->pulls[lane].link);
            bool is_there = link != NULL && link->peer != NULL;
            gb_slice name = gb_slice_from_str(w->nodes[source].name);
            count += is_there && gb_slice_equal(peer_name(e, link->peer), name) ? 1 : 0;
        }
    }
    return count;
}

GB_TEST(engine, a_joiner_finds_another_source_when_the_first_dies_halfway)
{
    world_options options = {.node_count = 6, .byte_rate = 10 * 1000 * 1000};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 5; i++) {
        world_start(w, i, 0);
        set_bulk(w, i, 100, 10000);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 30 * WORLD_S));
    world_start(w, 5, 0);
    world_run(w, 200 * WORLD_MS); /* some 2 of 5 MB */
    expect_true(w->nodes[5].bytes_received > 1000 * 1000);
    expect_true(w->nodes[5].bytes_received < 4000 * 1000);
    expect_true(pulls_from(w, 5, 0) > 0);
    world_kill(w, 0);
    world_run(w, WORLD_S);
    expect_uint(pulls_from(w, 5, 0), 0);
    world_run(w, 10 * WORLD_S);
    uint64_t hash = gb_map_hash(gb_engine_map(w->nodes[1].engine));
    expect_uint(gb_map_hash(gb_engine_map(w->nodes[5].engine)), hash);
    expect_true(w->nodes[5].bytes_received <= 5 * 100 * 10000 * 12 / 10 + 1000 * 1000);
    world_close(w);
}

GB_TEST(engine, a_stalled_source_is_replaced)
{
    world_options options = {.node_count = 6, .byte_rate = 10 * 1000 * 1000};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 5; i++) {
        world_start(w, i, 0);
        set_bulk(w, i, 100, 10000);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 30 * WORLD_S));
    world_start(w, 5, 0);
    world_run(w, 200 * WORLD_MS);
    expect_true(pulls_from(w, 5, 0) > 0);
    w->nodes[0].is_frozen = true;
    world_run(w, 10 * WORLD_S);
    expect_uint(pulls_from(w, 5, 0), 0);
    uint64_t hash = gb_map_hash(gb_engine_map(w->nodes[1].engine));
    expect_uint(gb_map_hash(gb_engine_map(w->nodes[5].engine)), hash);
    world_close(w);
}

GB_TEST(engine, a_seed_given_to_a_member_is_dialled_at_once)
{
    world_options options = {.node_count = 2};
    world *w = world_open(t, &options);
    world_start_with(w, 0, "node-0", 1, NULL, 0);
    world_start_with(w, 1, "node-1", 1, NULL, 0);
    world_run(w, WORLD_S);
    expect_uint(world_live_members(w, 1), 1);
    gb_address seed = {
        .scope = GB_SCOPE_LOCAL, .host = gb_slice_from_str(w->nodes[0].host), .port = 7000};
    expect_ok(gb_engine_set_seeds(w->nodes[1].engine, w->now, &seed, 1));
    world_flush(w, 1);
    world_run(w, 10 * WORLD_MS);
    expect_uint(world_live_members(w, 1), 2);
    expect_uint(world_live_members(w, 0), 2);
    world_close(w);
}

GB_TEST(engine, many_seeds_that_lead_nowhere_are_each_dialled_once_and_leave_room_for_other_dials)
{
    world_options options = {.node_count = 1};
    options.settings.reconnect_interval_us =
        600 * WORLD_S; /* the turn of each does not come again */
    world *w = world_open(t, &options);
    world_start_with(w, 0, "node-0", 1, NULL, 0);
    world_run(w, WORLD_MS);
    gb_engine *e = w->nodes[0].engine;
    gb_address seeds[GB_SEEDS_MAX];
    for (uint32_t i = 0; i < GB_SEEDS_MAX; i++) {
        seeds[i] = (gb_address){.scope = GB_SCOPE_LOCAL,
                                .host = gb_slice_from_str("nowhere"),
                                .port = (uint16_t)(i + 1)};
    }
    expect_ok(gb_engine_set_seeds(e, w->now, seeds, GB_SEEDS_MAX));
    gb_engine_flush(e, w->now);
    expect_uint(e->dial_count, GB_SEED_DIALS_MAX);
    world_flush(w, 0);
    world_run(w, 60 * WORLD_S);
    expect_uint(e->stats.dials, GB_SEEDS_MAX);
    expect_uint(w->nodes[0].events[GB_EVENT_SEED_FAILED], GB_SEEDS_MAX);
    /* The same list again, as a provider of seeds gives it, is no news. */
    expect_ok(gb_engine_set_seeds(e, w->now, seeds, GB_SEEDS_MAX));
    world_flush(w, 0);
    world_run(w, WORLD_MS);
    expect_uint(e->stats.dials, GB_SEEDS_MAX);
    world_close(w);
}

GB_TEST(engine, a_deleted_key_does_not_come_back_through_a_joiner)
{
    world_options options = {.node_count = 4};
    options.settings.tombstone_grace_us = 5 * WORLD_S;
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 3; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    world_set(w, 1, "k", "v");
    world_set(w, 1, "other", "v");
    world_run(w, WORLD_S);
    expect_true(world_has(w, 2, 1, "k", "v"));
    w->nodes[2].part = 1; /* cut off */
    world_run(w, 100 * WORLD_MS);
    expect_ok(gb_engine_delete(w->nodes[1].engine, w->now, GB_LANE_USER, gb_slice_from_str("g"),
                               gb_slice_from_str("k")));
    world_flush(w, 1);
    world_run(w, 10 * WORLD_S); /* purged at the owner and at node 0 */
    world_start(w, 3, 0);       /* a fresh one, that knows only what is left */
    world_run(w, 5 * WORLD_S);
    world_kill(w, 0);
    world_kill(w, 1);
    w->nodes[2].part = 0; /* only the fresh one is there to relay */
    world_run(w, 60 * WORLD_S);
    gb_participant *p = world_participant(w, 2, 1);
    expect_not_null(p);
    expect_true(world_has(w, 2, 1, "other", "v"));
    gb_record *record = gb_map_get(p, GB_LANE_USER, gb_slice_from_str("g"), gb_slice_from_str("k"));
    expect_true(record == NULL || gb_record_is_tombstone(record));
    world_check(w);
    world_close(w);
}

GB_TEST(engine, a_quiet_cluster_pays_little)
{
    world *w = start_cluster(t, 20);
    world_run(w, 60 * WORLD_S);
    uint64_t before[20];
    for (uint32_t i = 0; i < 20; i++) {
        before[i] = w->nodes[i].bytes_received;
    }
    world_run(w, 20 * WORLD_S);
    uint64_t total = 0;
    for (uint32_t i = 0; i < 20; i++) {
        total += w->nodes[i].bytes_received - before[i];
    }
    expect_true(total / 20 / 20 < 300); /* payload bytes per node and second */
    world_close(w);
}

GB_TEST(engine, push_can_be_switched_off_and_gossip_alone_converges)
{
    world_options options = {.node_count = 5};
    options.settings.is_push_disabled = true;
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < 5; i++) {
        world_start(w, i, 0);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 30 * WORLD_S));
    world_set(w, 4, "k", "v");
    spread s = {4, "k", "v"};
    expect_true(world_run_until(w, is_everywhere, &s, 20 * WORLD_S));
    world_close(w);
}

/* ---- Probes -------------------------------------------------------------------------------------
 */

/* A killed process loses its links before its listener: a dial in between is accepted and reset.
 * That must not count as "no answer", which would cost the fast path. */
GB_TEST(engine, a_probe_of_a_dying_process_ends_in_refused)
{
    world_options options = {.node_count = 2, .has_detector = true};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    expect_true(world_run_until(w, world_is_converged, NULL, 5 * WORLD_S));
    world_run(w, WORLD_S);
    w->nodes[1].is_dying = true;
    world_kill(w, 1);
    world_run(w, 2 * WORLD_MS);
    w->nodes[0].events[GB_EVENT_PROBE_RESULT] = 0;
    gb_action probe = {.kind = GB_ACT_PROBE, .name = gb_slice_from_str("node-1"), .generation = 1};
    gb_engine_act(w->nodes[0].engine, w->now, &probe);
    world_flush(w, 0);
    world_run(w, 30 * WORLD_MS);
    w->nodes[1].is_dying = false;
    world_run(w, 50 * WORLD_MS);
    expect_uint(w->nodes[0].events[GB_EVENT_PROBE_RESULT], 1);
    expect_uint(w->nodes[0].last_outcome, GB_PROBE_REFUSED);
    world_check(w);
    world_close(w);
}

GB_TEST(engine, a_probe_that_is_only_reset_ends_in_unreachable)
{
    world_options options = {.node_count = 2, .has_detector = true};
    world *w = world_open(t, &options);
    world_start(w, 0, 0);
    world_start(w, 1, 0);
    expect_true(world_run_until(w, world_is_converged, NULL, 5 * WORLD_S));
    w->nodes[1].is_dying = true;
    world_kill(w, 1);
    world_run(w, 2 * WORLD_MS);
    gb_action probe = {.kind = GB_ACT_PROBE, .name = gb_slice_from_str("node-1"), .generation = 1};
    gb_engine_act(w->nodes[0].engine, w->now, &probe);
    world_flush(w, 0);
    world_run(w, WORLD_S);
    expect_true(w->nodes[0].events[GB_EVENT_PROBE_RESULT] >= 1);
    expect_uint(w->nodes[0].last_outcome, GB_PROBE_UNREACHABLE);
    world_close(w);
}
