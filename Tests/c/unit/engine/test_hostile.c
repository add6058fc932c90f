/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that are broken or mean well with nobody: one engine, and frames made by hand. */
#include "foe.h"

#include <stdio.h>
#include <string.h>

static void define(foe *f, uint32_t index, const char *name, uint64_t generation)
{
    gb_test *t = f->t;
    gb_index_entry entry = {
        .index = index, .name = gb_slice_from_str(name), .generation = generation};
    expect_ok(gb_index_encode(&f->out, &entry, 1));
}

/* One delta of `index` from version `from` to `to`. */
static void tell_delta(foe *f, uint32_t index, uint8_t lane, uint64_t from, uint64_t to,
                       const char *group, gb_slice key, gb_slice value)
{
    gb_test *t = f->t;
    gb_deltas_writer w;
    gb_delta delta = {.version = to,
                      .type = GB_VALUE_BYTES,
                      .group = gb_slice_from_str(group),
                      .key = key,
                      .value = value};
    gb_deltas_begin(&w, &f->out, index, lane, from, 0, GB_CHUNK_SIZE);
    expect_true(gb_deltas_try_add(&w, &delta));
    expect_ok(gb_deltas_end(&w, to, to, 0));
}

static void tell_accusation(foe *f, uint64_t from, uint64_t to, gb_slice target,
                            uint64_t generation, uint64_t incarnation)
{
    gb_test *t = f->t;
    gb_accusation accusation = {
        .generation = generation, .incarnation = incarnation, .reason = GB_ACCUSE_SILENT};
    gb_out value;
    gb_out_init(&value, t->allocator);
    expect_ok(gb_accusation_encode(&value, &accusation));
    tell_delta(f, 0, GB_LANE_MEMBERSHIP, from, to, "accuse", target,
               gb_slice_make(value.base, value.len));
    gb_out_deinit(&value);
}

/* Whoever greeted becomes a member by its record, at these addresses. */
static void tell_record(foe *f, uint32_t index, const char *name, const gb_address *addresses,
                        uint32_t count)
{
    gb_test *t = f->t;
    gb_node_record record = {.instance = 77, .address_count = (uint8_t)count};
    for (uint32_t i = 0; i < count; i++) {
        record.addresses[i] = addresses[i];
    }
    gb_out value;
    gb_out_init(&value, t->allocator);
    expect_ok(gb_node_record_encode(&value, &record));
    define(f, index, name, 1);
    tell_delta(f, index, GB_LANE_MEMBERSHIP, 0, 1, "node", gb_slice_from_str("self"),
               gb_slice_make(value.base, value.len));
    gb_out_deinit(&value);
}

static void set_own(foe *f, const char *key, size_t size)
{
    gb_test *t = f->t;
    static uint8_t value[100000];
    expect_ok(gb_engine_set(f->engine, f->now, GB_LANE_USER, gb_slice_from_str("g"),
                            gb_slice_from_str(key), GB_VALUE_BYTES, gb_slice_make(value, size), 0));
}

/* ---- Floods ------------------------------------------------------------------------------------
 */

GB_TEST(hostile, who_pings_without_reading_is_cut_off)
{
    foe f;
    foe_open(t, &f, NULL);
    greet(&f, "evil", 1);
    f.is_deaf = true;
    uint64_t before = t->counted.bytes;
    for (uint32_t i = 0; i < 4000 && !f.is_closed; i++) {
        for (uint32_t k = 0; k < 500; k++) {
            expect_ok(gb_empty_encode(&f.out, GB_FRAME_PING, k + 1));
        }
        say(&f);
    }
    expect_true(f.is_closed);
    expect_true(t->counted.bytes < before + 16 * 1024 * 1024);
    foe_close(&f);
}

GB_TEST(hostile, pulling_the_same_lane_again_and_again_costs_one_place_in_the_queue)
{
    foe f;
    foe_open(t, &f, NULL);
    set_own(&f, "k", 100000);
    drain(&f);
    greet(&f, "evil", 1);
    define(&f, 7, "victim", 5);
    say(&f);
    f.is_deaf = true;
    for (uint32_t i = 0; i < 6; i++) { /* fill the window */
        gb_lane_entry pull = {.index = 7, .lane = GB_LANE_USER};
        expect_ok(gb_lane_list_encode(&f.out, GB_FRAME_PULL, &pull, 1));
        say(&f);
    }
    uint64_t before = t->counted.bytes;
    static gb_lane_entry pulls[1000];
    for (uint32_t i = 0; i < 1000; i++) {
        pulls[i] = (gb_lane_entry){.index = 7, .lane = GB_LANE_USER};
    }
    for (uint32_t i = 0; i < 50; i++) {
        expect_ok(gb_lane_list_encode(&f.out, GB_FRAME_PULL, pulls, 1000));
        say(&f);
    }
    expect_true(t->counted.bytes < before + 64 * 1024);
    foe_close(&f);
}

GB_TEST(hostile, probes_for_one_peer_are_bounded_and_leave_dials_for_others)
{
    gb_engine_options options = {.has_detector = true};
    foe f;
    foe_open(t, &f, &options);
    greet(&f, "evil", 1);
    /* Somebody with an address that nobody answers at. */
    gb_address there = {.scope = GB_SCOPE_LOCAL, .host = gb_slice_from_str("there"), .port = 2};
    tell_record(&f, 1, "far", &there, 1);
    say(&f);
    for (uint32_t i = 0; i < 2000; i++) {
        gb_probe probe = {.name = gb_slice_from_str("far"), .generation = 1};
        expect_ok(gb_probe_encode(&f.out, i + 1, &probe));
    }
    say(&f);
    expect_true(f.dials <= GB_DIALS_MAX / 2 + 2);
    expect_true(f.frames[GB_FRAME_PROBE_RESULT] >= 2000 - ENGINE_PROBES_PER_LINK_MAX);
    expect_uint(f.last_outcome, GB_PROBE_UNREACHABLE);
    wait(&f, 2 * WORLD_S);
    expect_uint(f.frames[GB_FRAME_PROBE_RESULT], 2000); /* each has its answer */
    gb_engine_check(f.engine);
    foe_close(&f);
}

GB_TEST(hostile, a_probe_for_the_node_itself_is_answered_without_a_dial)
{
    foe f;
    foe_open(t, &f, NULL);
    greet(&f, "evil", 1);
    static const uint64_t generations[] = {4, 5, 6};
    static const uint8_t outcomes[] = {GB_PROBE_NEWER_GENERATION, GB_PROBE_ANSWERED,
                                       GB_PROBE_OTHER_IDENTITY};
    for (uint32_t i = 0; i < 3; i++) {
        gb_probe probe = {.name = gb_slice_from_str("victim"), .generation = generations[i]};
        expect_ok(gb_probe_encode(&f.out, i + 1, &probe));
        say(&f);
        expect_uint(f.last_outcome, outcomes[i]);
    }
    expect_uint(f.dials, 0);
    foe_close(&f);
}

GB_TEST(hostile, an_index_of_every_name_is_fast_and_gives_way_to_those_who_are_there)
{
    foe f;
    foe_open(t, &f, NULL);
    greet(&f, "evil", 1);
    for (uint32_t i = 0; i < GB_PARTICIPANTS_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "ghost-%u", i);
        define(&f, i, name, 1);
    }
    gb_engine_received(f.engine, f.now, f.link, gb_slice_make(f.out.base, f.out.len));
    gb_out_clear(&f.out);
    drain(&f);
    gb_engine_stats stats;
    expect_uint(gb_map_participant_count(gb_engine_map(f.engine)), GB_PARTICIPANTS_MAX);
    expect_true(f.events[GB_EVENT_LIMIT] <= 1);
    wait(&f, 61 * WORLD_S); /* nothing came of them, and the link is silent */
    expect_true(f.is_closed);
    greet(&f, "honest", 1);
    expect_uint(f.frames[GB_FRAME_REJECT], 0);
    gb_engine_read_stats(f.engine, &stats);
    expect_uint(stats.links_open, 1);
    foe_close(&f);
}

GB_TEST(hostile, i_haves_of_everything_are_remembered_once_each)
{
    foe f;
    foe_open(t, &f, NULL);
    greet(&f, "evil", 1);
    static gb_lane_entry entries[4000];
    for (uint32_t i = 0; i < 4000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "ghost-%u", i);
        define(&f, i, name, 1);
        entries[i] = (gb_lane_entry){.index = i, .lane = GB_LANE_USER, .version = UINT64_MAX - i};
    }
    say(&f);
    for (uint32_t round = 0; round < 20; round++) {
        expect_ok(gb_lane_list_encode(&f.out, GB_FRAME_I_HAVE, entries, 4000));
        say(&f);
    }
    expect_true(f.engine->graft_count <= 4000);
    wait(&f, 50 * WORLD_MS);
    expect_true(f.frames[GB_FRAME_GRAFT] >= 1);
    foe_close(&f);
}

/* ---- Numbers at their ends ---------------------------------------------------------------------
 */

GB_TEST(hostile, versions_at_the_end_of_their_range_do_no_harm)
{
    foe f;
    foe_open(t, &f, NULL);
    greet(&f, "evil", 1);
    gb_slice key = gb_slice_from_str("k");
    define(&f, 0, "evil", 1);
    define(&f, 1, "other", 1);
    tell_delta(&f, 0, GB_LANE_USER, 0, UINT64_MAX, "g", key, key);
    tell_delta(&f, 1, GB_LANE_USER, 0, UINT64_MAX - 1, "g", key, key);
    tell_delta(&f, 1, GB_LANE_USER, UINT64_MAX - 1, UINT64_MAX, "g", key, key);
    tell_delta(&f, 1, GB_LANE_USER, 5, 6, "g", key, key);
    say(&f);
    gb_digest_writer w;
    gb_digest_begin(&w, &f.out, GB_FRAME_SYN, 9, 1);
    gb_digest_entry entry = {.index = 1, .lane_mask = GB_LANES_ALL};
    for (uint32_t lane = 0; lane < GB_LANE_COUNT; lane++) {
        entry.version[lane] = UINT64_MAX;
    }
    gb_digest_put_entry(&w, &entry);
    expect_ok(gb_digest_end(&w));
    expect_ok(gb_graft_encode(&f.out, &entry, 1));
    gb_lane_entry pull = {
        .index = 1, .lane = GB_LANE_USER, .version = UINT64_MAX, .floor = UINT64_MAX};
    expect_ok(gb_lane_list_encode(&f.out, GB_FRAME_PULL, &pull, 1));
    say(&f);
    wait(&f, 5 * WORLD_S);
    foe_close(&f);
}

GB_TEST(hostile, whoever_knows_more_of_us_than_we_do_makes_us_go_on_under_a_greater_generation)
{
    foe f;
    foe_open(t, &f, NULL);
    set_own(&f, "k", 3);
    greet(&f, "evil", 1);
    define(&f, 0, "victim", 5);
    tell_delta(&f, 0, GB_LANE_USER, 0, UINT64_MAX, "g", gb_slice_from_str("k"),
               gb_slice_from_str("v"));
    say(&f);
    expect_uint(f.events[GB_EVENT_GENERATION], 1);
    expect_true(f.is_closed);
    const gb_participant *self = gb_map_find(gb_engine_map(f.engine), gb_slice_from_str("victim"));
    expect_uint(self->generation, 6);
    expect_not_null(gb_map_get(self, GB_LANE_USER, gb_slice_from_str("g"), gb_slice_from_str("k")));
    foe_close(&f);
}

GB_TEST(hostile, generations_that_leave_no_room_for_a_later_one_are_refused)
{
    foe f;
    foe_open(t, &f, NULL);
    greet(&f, "evil", UINT64_MAX);
    expect_uint(f.frames[GB_FRAME_REJECT], 1);
    expect_true(f.is_closed);
    greet(&f, "evil", 1);
    define(&f, 0, "other", UINT64_MAX);
    define(&f, 1, "victim", UINT64_MAX);
    define(&f, 2, "victim", UINT64_MAX - 1);
    say(&f);
    expect_null(gb_map_find(gb_engine_map(f.engine), gb_slice_from_str("other")));
    expect_uint(f.frames[GB_FRAME_PROBE], 0);
    expect_uint(f.engine->renew_generation, 0);
    foe_close(&f);
}

GB_TEST(hostile, a_refused_generation_can_be_learned_of_no_further_than_it_makes_sense)
{
    gb_address seed = {.scope = GB_SCOPE_LOCAL, .host = gb_slice_from_str("seed"), .port = 3};
    gb_engine_options options = {.seeds = &seed, .seed_count = 1};
    foe f;
    foe_open(t, &f, &options);
    expect_uint(f.dials, 1);
    f.link = f.dial_link;
    expect_ok(gb_parser_open(t->allocator, GB_FRAME_PAYLOAD_MAX, &f.parser));
    gb_engine_connected(f.engine, f.now, f.link);
    drain(&f);
    gb_notice notice = {.code = GB_EREJECTED_GENERATION, .generation = UINT64_MAX};
    expect_ok(gb_notice_encode(&f.out, GB_FRAME_REJECT, 0, &notice));
    say(&f);
    expect_uint(f.events[GB_EVENT_GENERATION], 0);
    foe_close(&f);
}

GB_TEST(hostile, an_accusation_that_could_not_be_refuted_does_not_stand)
{
    foe f;
    foe_open(t, &f, NULL);
    greet(&f, "evil", 1);
    define(&f, 0, "evil", 1);
    define(&f, 1, "other", 1);
    tell_accusation(&f, 0, 1, gb_slice_from_str("victim"), 5, UINT64_MAX);
    tell_accusation(&f, 1, 2, gb_slice_from_str("other"), 1, UINT64_MAX - 1);
    say(&f);
    expect_uint(f.events[GB_EVENT_SELF_ACCUSED], 0);
    expect_uint(f.engine->incarnation, 0);
    tell_accusation(&f, 2, 3, gb_slice_from_str("victim"), 5, 41);
    say(&f);
    expect_uint(f.events[GB_EVENT_SELF_ACCUSED], 1);
    expect_uint(f.engine->incarnation, 42);
    foe_close(&f);
}

GB_TEST(hostile, an_accusation_of_what_can_be_no_name_is_told_to_nobody)
{
    gb_engine_options options = {.has_detector = true};
    foe f;
    foe_open(t, &f, &options);
    greet(&f, "evil", 1);
    define(&f, 0, "evil", 1);
    static uint8_t key[GB_KEY_SIZE_MAX];
    memset(key, 'x', sizeof key);
    tell_accusation(&f, 0, 1, gb_slice_make(key, sizeof key), 1, 0);
    tell_accusation(&f, 1, 2, gb_slice_make("", 0), 1, 0);
    say(&f);
    expect_uint(f.events[GB_EVENT_ACCUSATION], 0);
    expect_false(f.is_closed);
    foe_close(&f);
}

/* ---- Out of turn -------------------------------------------------------------------------------
 */

GB_TEST(hostile, a_second_hello_ends_the_link)
{
    foe f;
    foe_open(t, &f, NULL);
    greet(&f, "evil", 1);
    expect_uint(f.frames[GB_FRAME_WELCOME], 1);
    gb_hello hello = hello_of("evil", 1);
    expect_ok(gb_hello_encode(&f.out, GB_FRAME_HELLO, 0, &hello));
    say(&f);
    expect_true(f.is_closed);
    expect_err(f.last_code, GB_EUNEXPECTED);
    foe_close(&f);
}

GB_TEST(hostile, what_follows_a_bye_is_not_read)
{
    foe f;
    foe_open(t, &f, NULL);
    greet(&f, "evil", 1);
    gb_notice bye = {0};
    expect_ok(gb_notice_encode(&f.out, GB_FRAME_BYE, 0, &bye));
    define(&f, 0, "other", 1);
    say(&f);
    expect_true(f.is_closed);
    expect_null(gb_map_find(gb_engine_map(f.engine), gb_slice_from_str("other")));
    foe_close(&f);
}

GB_TEST(hostile, an_answer_to_an_exchange_that_nobody_began_is_ignored)
{
    foe f;
    foe_open(t, &f, NULL);
    greet(&f, "evil", 1);
    for (uint32_t id = 0; id < 3; id++) {
        gb_digest_writer w;
        gb_digest_begin(&w, &f.out, GB_FRAME_SYN_ACK, id, 1);
        expect_ok(gb_digest_end(&w));
        say(&f);
    }
    expect_uint(f.events[GB_EVENT_EXCHANGE], 0);
    expect_uint(f.frames[GB_FRAME_ACK], 0);
    foe_close(&f);
}

GB_TEST(hostile, indexes_that_mean_nobody_are_ignored_everywhere)
{
    foe f;
    foe_open(t, &f, NULL);
    greet(&f, "evil", 1);
    for (uint32_t index = 0; index < GB_PARTICIPANTS_MAX; index += 5461) {
        gb_digest_writer w;
        gb_digest_begin(&w, &f.out, GB_FRAME_SYN, 1, 1);
        gb_digest_entry entry = {
            .index = index, .lane_mask = GB_LANES_ALL, .version = {9, 9, 9, 9}};
        gb_digest_put_entry(&w, &entry);
        expect_ok(gb_digest_end(&w));
        expect_ok(gb_graft_encode(&f.out, &entry, 1));
        expect_ok(gb_prune_encode(&f.out, &index, 1));
        gb_lane_entry lane = {.index = index, .lane = GB_LANE_USER, .version = 3};
        expect_ok(gb_lane_list_encode(&f.out, GB_FRAME_I_HAVE, &lane, 1));
        expect_ok(gb_lane_list_encode(&f.out, GB_FRAME_PULL, &lane, 1));
        lane.version = 0;
        expect_ok(gb_lane_list_encode(&f.out, GB_FRAME_PULL_CANCEL, &lane, 1));
        tell_delta(&f, index, GB_LANE_USER, 0, 3, "g", gb_slice_from_str("k"),
                   gb_slice_from_str("v"));
        say(&f);
    }
    expect_false(f.is_closed);
    expect_uint(f.events[GB_EVENT_DELTA], 0);
    foe_close(&f);
}

GB_TEST(hostile, a_peer_that_closes_each_link_at_once_is_not_dialled_in_a_loop)
{
    foe f;
    foe_open(t, &f, NULL);
    accept_link(&f);
    gb_hello hello = hello_of("zzz", 1); /* greater than ours: we dial */
    hello.address_count = 1;
    hello.addresses[0] =
        (gb_address){.scope = GB_SCOPE_LOCAL, .host = gb_slice_from_str("there"), .port = 2};
    expect_ok(gb_hello_encode(&f.out, GB_FRAME_HELLO, 0, &hello));
    tell_record(&f, 0, "zzz", hello.addresses, 1);
    say(&f);
    gb_time_us end = f.now + 10 * WORLD_S;
    while (f.now < end) {
        uint32_t dials = f.dials;
        gb_engine_closed(f.engine, f.now, f.link, GB_CLOSE_ENDED, gb_slice_make(NULL, 0));
        drain(&f);
        while (f.dials == dials && f.now < end) {
            wait(&f, 10 * WORLD_MS);
        }
        f.link = f.dial_link;
        gb_parser_close(f.parser);
        expect_ok(gb_parser_open(t->allocator, GB_FRAME_PAYLOAD_MAX, &f.parser));
        gb_engine_connected(f.engine, f.now, f.link);
        drain(&f);
        hello.address_count = 0;
        expect_ok(gb_hello_encode(&f.out, GB_FRAME_WELCOME, 0, &hello));
        say(&f);
    }
    expect_true(f.dials >= 3);
    expect_true(f.dials <= 20);
    foe_close(&f);
}

GB_TEST(hostile, a_stranger_at_the_first_address_does_not_hide_the_second)
{
    foe f;
    foe_open(t, &f, NULL);
    accept_link(&f);
    gb_hello hello = hello_of("zzz", 1);
    hello.address_count = 2;
    hello.addresses[0] =
        (gb_address){.scope = GB_SCOPE_LOCAL, .host = gb_slice_from_str("first"), .port = 2};
    hello.addresses[1] =
        (gb_address){.scope = GB_SCOPE_LOCAL, .host = gb_slice_from_str("second"), .port = 2};
    expect_ok(gb_hello_encode(&f.out, GB_FRAME_HELLO, 0, &hello));
    tell_record(&f, 0, "zzz", hello.addresses, 2);
    say(&f);
    gb_engine_closed(f.engine, f.now, f.link, GB_CLOSE_RESET, gb_slice_make(NULL, 0));
    bool was_second = false;
    for (uint32_t i = 0; i < 400 && !was_second; i++) {
        f.now += 10 * WORLD_MS;
        gb_engine_tick(f.engine, f.now);
        gb_engine_flush(f.engine, f.now);
        gb_effect effect;
        uint64_t dialled = 0;
        while (gb_engine_effect_next(f.engine, &effect)) {
            if (effect.kind == GB_EFFECT_DIAL) {
                was_second = gb_slice_equal(effect.host, gb_slice_from_str("second"));
                dialled = effect.link;
            } else if (effect.kind == GB_EFFECT_SEND) {
                gb_engine_sent(f.engine, f.now, effect.link, effect.buffer.len);
                gb_engine_recycle(f.engine, &effect.buffer);
            }
        }
        if (dialled != 0 && !was_second) {
            gb_engine_connected(f.engine, f.now, dialled);
            gb_hello stranger = hello_of("somebody-else", 1);
            expect_ok(gb_hello_encode(&f.out, GB_FRAME_WELCOME, 0, &stranger));
            gb_engine_received(f.engine, f.now, dialled, gb_slice_make(f.out.base, f.out.len));
            gb_out_clear(&f.out);
        }
    }
    expect_true(was_second);
    foe_close(&f);
}

/* ---- The rest ----------------------------------------------------------------------------------
 */

GB_TEST(hostile, what_is_over_a_bound_is_told_once_a_minute)
{
    gb_engine_options options = {.settings = {.value_size_max = 4096}};
    foe f;
    foe_open(t, &f, &options);
    greet(&f, "evil", 1);
    define(&f, 0, "evil", 1);
    static uint8_t value[5000];
    for (uint32_t i = 0; i < 100; i++) {
        tell_delta(&f, 0, GB_LANE_USER, 0, i + 1, "g", gb_slice_from_str("k"),
                   gb_slice_make(value, sizeof value));
    }
    say(&f);
    expect_uint(f.events[GB_EVENT_LIMIT], 1);
    expect_false(f.is_closed);
    foe_close(&f);
}

GB_TEST(hostile, the_shortest_times_do_not_make_it_spin)
{
    gb_engine_options options = {.has_detector = true,
                                 .settings = {.gossip_interval_us = 1,
                                              .heartbeat_interval_us = 1,
                                              .probe_timeout_us = 1,
                                              .dial_timeout_us = 1,
                                              .tombstone_grace_us = 1,
                                              .departed_retention_us = 1,
                                              .detector_tick_us = 1,
                                              .pull_stall_us = 1}};
    foe f;
    foe_open(t, &f, &options);
    greet(&f, "zzz", 1);
    for (uint32_t i = 0; i < 1000; i++) {
        gb_time_us at = gb_engine_deadline(f.engine);
        expect_true(at > f.now);
        f.now = at;
        gb_engine_tick(f.engine, f.now);
        drain(&f);
    }
    expect_true(f.now >= WORLD_S + 200 * WORLD_MS);
    foe_close(&f);
}

GB_TEST(hostile, the_longest_times_overflow_nothing)
{
    gb_engine_options options = {.has_detector = true};
    memset(&options.settings, 0xff, sizeof options.settings);
    options.settings.is_push_disabled = options.settings.is_flow_disabled = false;
    foe f;
    foe_open(t, &f, &options);
    greet(&f, "zzz", 1);
    wait(&f, 100 * WORLD_S);
    expect_false(f.is_closed);
    foe_close(&f);
}

/* The link that was to stay of several is the one that goes: the others must settle it again. */
GB_TEST(hostile, of_several_links_to_one_peer_one_is_left)
{
    foe f;
    foe_open(t, &f, NULL);
    for (uint32_t i = 0; i < 4; i++) {
        greet(&f, "zzz", 1);
    }
    gb_engine_stats stats;
    gb_engine_read_stats(f.engine, &stats);
    expect_uint(stats.links_open, 4);
    wait(&f, 10 * WORLD_S); /* it answers no PING */
    gb_engine_read_stats(f.engine, &stats);
    expect_uint(stats.links_open, 1);
    gb_engine_check(f.engine);
    foe_close(&f);
}

/* It must hear of the accusations to refute them. */
GB_TEST(hostile, a_link_that_the_dead_opens_is_not_closed_by_saying_once_more_that_it_is_dead)
{
    gb_engine_options options = {.has_detector = true};
    foe f;
    foe_open(t, &f, &options);
    greet(&f, "risen", 1);
    tell_record(&f, 0, "risen", NULL, 0);
    say(&f);
    gb_action dead = {.kind = GB_ACT_DEAD, .name = gb_slice_from_str("risen"), .generation = 1};
    gb_engine_act(f.engine, f.now, &dead);
    drain(&f);
    expect_true(f.is_closed);
    greet(&f, "risen", 1);
    gb_engine_act(f.engine, f.now, &dead);
    drain(&f);
    expect_false(f.is_closed);
    gb_member member;
    expect_true(gb_engine_member(f.engine, gb_slice_from_str("risen"), &member));
    expect_uint(member.status, GB_STATUS_DEAD);
    foe_close(&f);
}

/* It promises news, is asked, and chatters instead of answering. */
GB_TEST(hostile, chatter_does_not_hide_that_a_pull_has_stalled)
{
    gb_engine_options options = {.settings = {.pull_stall_us = 500 * WORLD_MS}};
    foe f;
    foe_open(t, &f, &options);
    greet(&f, "evil", 1);
    define(&f, 0, "evil", 1);
    gb_digest_writer w;
    gb_digest_begin(&w, &f.out, GB_FRAME_SYN, 1, 1);
    gb_digest_entry entry = {.lane_mask = GB_LANE_BIT(GB_LANE_USER),
                             .version = {[GB_LANE_USER] = 9}};
    gb_digest_put_entry(&w, &entry);
    expect_ok(gb_digest_end(&w));
    say(&f);
    expect_uint(f.frames[GB_FRAME_PULL], 1);
    for (uint32_t i = 0; i < 70; i++) {
        expect_ok(gb_empty_encode(&f.out, GB_FRAME_PING, 1));
        say(&f);
        wait(&f, 100 * WORLD_MS);
    }
    expect_true(f.frames[GB_FRAME_PULL_CANCEL] >= 1);
    foe_close(&f);
}

/* Its address is not bound to be what a frame can carry. */
GB_TEST(hostile, where_a_peer_is_seen_is_left_out_if_it_cannot_be_said)
{
    foe f;
    foe_open(t, &f, NULL);
    static uint8_t host[400];
    memset(host, 'h', sizeof host);
    expect_ok(gb_engine_accepted(f.engine, f.now, GB_ROLE_MEMBER, gb_slice_make(host, sizeof host),
                                 1, &f.link));
    expect_ok(gb_parser_open(t->allocator, GB_FRAME_PAYLOAD_MAX, &f.parser));
    gb_hello hello = hello_of("evil", 1);
    expect_ok(gb_hello_encode(&f.out, GB_FRAME_HELLO, 0, &hello));
    say(&f);
    expect_uint(f.frames[GB_FRAME_WELCOME], 1);
    foe_close(&f);
}

GB_TEST(hostile, options_that_no_frame_could_carry_are_refused)
{
    gb_address own = {.scope = GB_SCOPE_LOCAL, .host = gb_slice_from_str("h"), .port = 0};
    gb_engine_options options = {.size = sizeof options,
                                 .allocator = t->allocator,
                                 .cluster = gb_slice_from_str("test"),
                                 .name = gb_slice_from_str("n"),
                                 .generation = 1,
                                 .instance = 1,
                                 .addresses = &own,
                                 .address_count = 1};
    gb_engine *engine = NULL;
    expect_err(gb_engine_open(&options, 0, &engine, NULL), GB_EINVAL);
    own.port = 1;
    own.scope = 9;
    expect_err(gb_engine_open(&options, 0, &engine, NULL), GB_EINVAL);
    own.scope = GB_SCOPE_LOCAL;
    options.generation = UINT64_MAX;
    expect_err(gb_engine_open(&options, 0, &engine, NULL), GB_EINVAL);
    options.generation = 1;
    gb_address seed = {.scope = GB_SCOPE_LOCAL, .host = gb_slice_from_str("h"), .port = 0};
    options.seeds = &seed;
    options.seed_count = 1;
    expect_err(gb_engine_open(&options, 0, &engine, NULL), GB_EINVAL);
    expect_null(engine);
}
