/* SPDX-License-Identifier: Apache-2.0 */
/* What a quiet cluster costs in memory: simulations hold a pair of node and participant millions of
 * times. */
#include "world.h"

#include "engine/internal.h"

static world *start_quiet(gb_test *t, uint32_t count, const gb_allocator *allocator)
{
    world_options options = {.node_count = count, .engine_allocator = allocator};
    world *w = world_open(t, &options);
    for (uint32_t i = 0; i < count; i++) {
        world_start(w, i, 0);
        world_run(w, WORLD_MS);
    }
    expect_true(world_run_until(w, world_is_converged, NULL, 10 * WORLD_S));
    world_run(w, 45 * WORLD_S); /* links outside the rings close, heartbeats agree */
    world_check(w);
    return w;
}

/* No link and no peer holds anything beyond an agreement. A visit to a member at random may be
 * under way just now. */
static bool is_at_rest(world *w, void *user)
{
    (void)user;
    for (uint32_t i = 0; i < w->options.node_count; i++) {
        gb_engine *e = w->nodes[i].engine;
        GB_LIST_EACH(node, &e->links)
        {
            const gb_link *link = link_of(node);
            if (link_is_member(link) && (link->known_no != gb_map_change_no(e->map) ||
                                         link->pages_used != 0 || link->loose_count != 0)) {
                return false;
            }
        }
        for (uint32_t slot = 0; slot < e->peer_count; slot++) {
            const gb_peer *peer = e->peers[slot];
            if (peer != NULL && (peer->pulls != NULL || peer->addresses != NULL)) {
                return false;
            }
        }
    }
    return true;
}

GB_TEST(footprint, links_and_peers_of_a_quiet_cluster_hold_nothing_beyond_an_agreement)
{
    world *w = start_quiet(t, 24, NULL);
    for (int i = 0; i < 4; i++) {
        world_set(w, 0, "a", "1");
        world_run(w, WORLD_S);
    }
    world_run(w, 5 * WORLD_S);
    expect_true(world_run_until(w, is_at_rest, NULL, 20 * WORLD_S));
    uint32_t lazy = 0;
    for (uint32_t i = 0; i < 24; i++) {
        GB_LIST_EACH(node, &w->nodes[i].engine->links)
        {
            for (uint32_t slot = 0; slot < 24; slot++) {
                lazy += know_is_lazy(link_of(node), slot) ? 1 : 0;
            }
        }
    }
    expect_true(lazy > 0); /* the trees that pushes go along stay */
    world_close(w);
}

GB_TEST(footprint, a_participant_more_costs_a_node_at_most_600_bytes)
{
    /* Per node and link there are buffers too: what grows from 24 to 64 members is counted. */
    uint64_t bytes[2];
    const uint32_t counts[2] = {24, 64};
    for (int i = 0; i < 2; i++) {
        gb_failing_allocator counted;
        gb_failing_allocator_init(&counted, GB_NEVER_FAIL);
        world *w = start_quiet(t, counts[i], &counted.allocator);
        bytes[i] = counted.bytes / counts[i];
        world_close(w);
        expect_uint(counted.blocks, 0);
    }
    expect_true(bytes[1] > bytes[0]);
    expect_true((bytes[1] - bytes[0]) / (counts[1] - counts[0]) <= 600);
}

GB_TEST(footprint, versions_beyond_the_short_form_are_pushed_all_the_same)
{
    world *w = start_quiet(t, 3, NULL);
    gb_engine *e = w->nodes[0].engine;
    for (uint32_t i = 0; i < UINT16_MAX + 10u; i++) {
        expect_ok(gb_engine_set(e, w->now, GB_LANE_USER, gb_slice_from_str("g"),
                                gb_slice_from_str("k"), GB_VALUE_UINT32,
                                gb_slice_make((const uint8_t *)&i, sizeof i), 0));
    }
    world_flush(w, 0);
    world_set(w, 0, "last", "1");
    world_run(w, 2 * WORLD_MS);
    uint64_t version;
    GB_LIST_EACH(node, &e->links)
    {
        const gb_know *know = know_find(link_of(node), e->self->slot);
        expect_true(know != NULL && know->is_wide);
        expect_true(know_version(link_of(node), e->self, GB_LANE_USER, &version));
        expect_uint(version, UINT16_MAX + 11u);
    }
    expect_true(world_has(w, 1, 0, "last", "1") && world_has(w, 2, 0, "last", "1"));
    world_run(w, 5 * WORLD_S);
    GB_LIST_EACH(node, &e->links)
    {
        expect_uint(link_of(node)->pages_used, 0);
    }
    world_set(w, 0, "last", "2");
    world_run(w, 2 * WORLD_MS);
    expect_true(world_has(w, 1, 0, "last", "2") && world_has(w, 2, 0, "last", "2"));
    world_check(w);
    world_close(w);
}

/* Found by the simulator, seed 20261126108 of the swarm: where hashes had agreed and nothing had
 * changed since, what an I-HAVE told was forgotten, and nobody asked. */
GB_TEST(footprint, news_told_by_i_have_is_asked_for_also_after_an_agreement)
{
    world *w = start_quiet(t, 3, NULL);
    world_set(w, 0, "k", "1");
    world_run(w, 10 * WORLD_S);
    for (uint32_t i = 0; i < 2; i++) {
        gb_engine *e = w->nodes[i].engine;
        GB_LIST_EACH(node, &e->links)
        {
            gb_link *link = link_of(node);
            if (link_is_member(link) &&
                gb_slice_equal(peer_name(e, link->peer), gb_slice_from_str("node-2"))) {
                know_set_lazy(e, link, world_participant(w, i, 0)->slot, true);
            }
        }
    }
    world_set(w, 0, "k", "2");
    world_run(w, 100 * WORLD_MS);
    expect_true(world_has(w, 1, 0, "k", "2"));
    expect_true(world_has(w, 2, 0, "k", "2"));
    world_close(w);
}
