/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving: ranges, floors, limits, resets that are staged, continued, completed and dropped. */
#include "unit/state/state_support.h"

#include "platform/limits.h"
#include "state/lane.h"

#include <stdio.h>

static gb_delta value_delta(uint64_t version, const char *key, const char *value)
{
    return (gb_delta){.version = version,
                      .type = GB_VALUE_STRING,
                      .group = gb_slice_from_str("g"),
                      .key = gb_slice_from_str(key),
                      .value = gb_slice_from_str(value)};
}

static gb_delta tombstone_delta(uint64_t version, const char *key)
{
    gb_delta delta = value_delta(version, key, "");
    delta.type = GB_VALUE_TOMBSTONE;
    return delta;
}

/* Apply a message of the user lane made of `deltas`, from a source that has the lane up to
 * `version`. */
static gb_err apply_of(gb_test *t, uint64_t version, gb_map *map, gb_participant *participant,
                       uint64_t from, uint64_t to, uint64_t floor, uint8_t flags,
                       const gb_delta *deltas, size_t count, gb_apply_result *result)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_deltas_writer writer;
    gb_deltas_begin(&writer, &out, 0, GB_LANE_USER, from, floor, GB_FRAME_PAYLOAD_MAX);
    for (size_t i = 0; i < count; i++) {
        expect_true(gb_deltas_try_add(&writer, &deltas[i]));
    }
    expect_ok(gb_deltas_end(&writer, to, version, flags));
    gb_deltas decoded;
    expect_ok(gb_deltas_decode(
        (gb_slice){out.base + GB_FRAME_HEADER_SIZE, out.len - GB_FRAME_HEADER_SIZE}, &decoded));
    gb_apply_result ignored;
    gb_err err = gb_map_apply(map, participant, &decoded, 0, result == NULL ? &ignored : result);
    gb_out_deinit(&out);
    gb_map_check(map);
    return err;
}

/* With GB_DELTAS_END the source has no more, without one version more. */
static gb_err apply(gb_test *t, gb_map *map, gb_participant *participant, uint64_t from,
                    uint64_t to, uint64_t floor, uint8_t flags, const gb_delta *deltas,
                    size_t count, gb_apply_result *result)
{
    bool is_end = (flags & GB_DELTAS_END) != 0;
    flags &= (uint8_t)~GB_DELTAS_END;
    return apply_of(t, is_end ? to : to + 1, map, participant, from, to, floor, flags, deltas,
                    count, result);
}

#define APPLY(from, to, floor, flags, ...)                                                         \
    apply(t, map, p, from, to, floor, flags, (const gb_delta[]){__VA_ARGS__},                      \
          sizeof((const gb_delta[]){__VA_ARGS__}) / sizeof(gb_delta), NULL)
#define APPLY_EMPTY(from, to, floor, flags) apply(t, map, p, from, to, floor, flags, NULL, 0, NULL)

GB_TEST(apply, duplicates_and_gaps_change_nothing)
{
    gb_map *map = state_open(t);
    gb_participant *p = state_add(t, map, "p", 1);
    expect_err(APPLY(1, 2, 0, 0, value_delta(2, "a", "2")), GB_EGAP);
    expect_ok(APPLY(0, 2, 0, 0, value_delta(2, "a", "2")));
    uint64_t hash = gb_map_hash(map);
    uint64_t change_no = gb_map_change_no(map);
    expect_err(APPLY(0, 2, 0, GB_DELTAS_END, value_delta(2, "a", "2")), GB_EDUPLICATE);
    expect_err(APPLY(0, 1, 0, 0, value_delta(1, "a", "1")), GB_EDUPLICATE);
    expect_err(APPLY(3, 4, 0, 0, value_delta(4, "a", "4")), GB_EGAP);
    expect_str(state_get(p, "a"), "2");
    expect_uint(gb_map_hash(map), hash);
    expect_uint(gb_map_change_no(map), change_no);
    gb_map_close(map);
}

GB_TEST(apply, an_overlap_brings_what_is_new_in_it)
{
    gb_map *map = state_open(t);
    gb_participant *p = state_add(t, map, "p", 1);
    expect_ok(APPLY(0, 3, 0, 0, value_delta(1, "a", "1"), value_delta(3, "b", "3")));
    gb_delta deltas[] = {value_delta(3, "b", "3"), value_delta(4, "a", "4"),
                         tombstone_delta(6, "c")};
    gb_apply_result result;
    expect_ok(apply(t, map, p, 2, 7, 0, 0, deltas, 3, &result));
    expect_uint(result.version_before, 3);
    expect_uint(result.version_after, 7);
    expect_uint(result.record_count, 2);
    expect_false(result.is_staging);
    expect_str(state_get(p, "a"), "4");
    expect_str(state_get(p, "c"), "x");
    expect_uint(p->key_count, 3);
    gb_map_close(map);
}

GB_TEST(apply, a_message_of_self_is_refused)
{
    gb_participant *p;
    gb_map *map = state_open_owner(t, "p", &p);
    expect_err(APPLY(0, 1, 0, 0, value_delta(1, "a", "1")), GB_EINVAL);
    gb_map_close(map);
}

GB_TEST(apply, a_floor_above_what_is_known_is_a_gap_and_one_below_drops_tombstones)
{
    gb_map *map = state_open(t);
    gb_participant *p = state_add(t, map, "p", 1);
    expect_err(APPLY(0, 5, 3, 0, value_delta(5, "a", "5")), GB_EGAP);
    expect_ok(APPLY(0, 5, 0, 0, tombstone_delta(2, "b"), tombstone_delta(4, "c"),
                    value_delta(5, "a", "5")));
    expect_err(APPLY(0, 9, 6, 0, value_delta(9, "a", "9")), GB_EGAP);
    expect_ok(APPLY(5, 6, 3, 0, value_delta(6, "a", "6")));
    expect_uint(gb_map_floor(p, GB_LANE_USER), 3);
    expect_str(state_get(p, "b"), "-");
    expect_str(state_get(p, "c"), "x");
    expect_uint(p->key_count, 2);
    gb_map_close(map);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

GB_TEST(apply, what_is_over_a_limit_is_refused_whole)
{
    gb_map_options options = state_options(t->allocator);
    options.key_count_max = 3;
    options.key_size_max = 4;
    options.value_size_max = 5;
    gb_map *map;
    expect_ok(gb_map_open(&options, &map));
    gb_participant *p = state_add(t, map, "p", 1);
    expect_err(APPLY(0, 2, 0, 0, value_delta(1, "a", "1"), value_delta(2, "12345", "1")),
               GB_EKEY_SIZE);
    expect_err(APPLY(0, 2, 0, 0, value_delta(1, "a", "1"), value_delta(2, "b", "123456")),
               GB_EVALUE_SIZE);
    expect_err(APPLY(0, 4, 0, 0, value_delta(1, "a", ""), value_delta(2, "b", ""),
                     value_delta(3, "c", ""), value_delta(4, "d", "")),
               GB_EKEYS);
    expect_err(APPLY(0, 4, 0, GB_DELTAS_RESET, value_delta(1, "a", ""), value_delta(2, "b", ""),
                     value_delta(3, "c", ""), value_delta(4, "d", "")),
               GB_EKEYS);
    expect_uint(gb_map_version(p, GB_LANE_USER), 0);
    expect_uint(p->key_count, 0);
    expect_ok(APPLY(0, 3, 0, 0, value_delta(1, "a", ""), tombstone_delta(2, "b"),
                    value_delta(3, "1234", "12345")));
    /* A known key is no new one, and tombstones that the sender has purged make room. */
    expect_ok(APPLY(3, 4, 0, 0, value_delta(4, "a", "4")));
    expect_err(APPLY(4, 5, 0, 0, value_delta(5, "d", "5")), GB_EKEYS);
    expect_ok(APPLY(4, 5, 2, 0, value_delta(5, "d", "5")));
    expect_uint(p->key_count, 3);
    gb_map_close(map);
}

GB_TEST(apply, a_purged_key_that_comes_again_counts_once)
{
    gb_map_options options = state_options(t->allocator);
    options.key_count_max = 2;
    gb_map *map;
    expect_ok(gb_map_open(&options, &map));
    gb_participant *p = state_add(t, map, "p", 1);
    expect_ok(APPLY(0, 2, 0, 0, tombstone_delta(1, "a"), value_delta(2, "b", "2")));
    expect_err(APPLY(2, 4, 1, 0, value_delta(3, "a", "3"), value_delta(4, "c", "4")), GB_EKEYS);
    expect_ok(APPLY(2, 3, 1, 0, value_delta(3, "a", "3")));
    expect_str(state_get(p, "a"), "3");
    expect_uint(p->key_count, 2);
    gb_map_close(map);
}

GB_TEST(apply, an_entry_without_a_group_is_malformed)
{
    gb_map *map = state_open(t);
    gb_participant *p = state_add(t, map, "p", 1);
    gb_delta delta = value_delta(1, "a", "1");
    delta.group = (gb_slice){NULL, 0};
    expect_err(apply(t, map, p, 0, 1, 0, 0, &delta, 1, NULL), GB_EMALFORMED);
    gb_map_close(map);
}

/* ---- Resets ---------------------------------------------------------------------------------- */

typedef struct told {
    char text[512];
} told;

static void told_change(void *user, const gb_participant *participant, gb_lane lane,
                        const gb_record *before, const gb_record *after)
{
    told *log = user;
    (void)participant;
    (void)lane;
    const gb_record *either = before != NULL ? before : after;
    size_t len = strlen(log->text);
    (void)snprintf(log->text + len, sizeof log->text - len, "%.*s:%.*s>%.*s ",
                   (int)either->key_size, (const char *)gb_record_key(either).base,
                   before == NULL ? 0 : (int)before->value_size,
                   before == NULL ? "" : (const char *)gb_record_value(before).base,
                   after == NULL ? 0 : (int)after->value_size,
                   after == NULL ? "" : (const char *)gb_record_value(after).base);
}

GB_TEST(apply, a_reset_is_seen_only_when_it_is_complete_and_as_its_differences)
{
    told log = {{0}};
    gb_map_options options = state_options(t->allocator);
    options.on_change = told_change;
    options.on_change_user = &log;
    gb_map *map;
    expect_ok(gb_map_open(&options, &map));
    gb_participant *p = state_add(t, map, "p", 1);
    expect_ok(APPLY(0, 4, 0, 0, value_delta(1, "same", "1"), value_delta(2, "gone", "2"),
                    value_delta(3, "new", "3"), tombstone_delta(4, "dead")));
    expect_str(log.text, "same:>1 gone:>2 new:>3 ");
    log.text[0] = '\0';

    uint64_t version = 0;
    uint64_t floor = 0;
    gb_delta first[] = {value_delta(1, "same", "1")};
    gb_apply_result result;
    expect_ok(apply(t, map, p, 0, 5, 9, GB_DELTAS_RESET, first, 1, &result));
    expect_true(result.is_staging);
    expect_uint(result.record_count, 1);
    expect_uint(result.version_after, 4);
    expect_true(gb_map_staged(p, GB_LANE_USER, &version, &floor));
    expect_uint(version, 5);
    expect_uint(floor, 9);
    expect_str(state_get(p, "gone"), "2");
    expect_str(log.text, "");
    expect_err(APPLY(7, 12, 9, GB_DELTAS_RESET, value_delta(8, "new", "8")), GB_EGAP);

    gb_delta second[] = {value_delta(8, "new", "8"), tombstone_delta(10, "dead"),
                         value_delta(11, "more", "11")};
    expect_ok(apply(t, map, p, 5, 12, 9, GB_DELTAS_RESET | GB_DELTAS_END, second, 3, &result));
    expect_false(result.is_staging);
    expect_uint(result.version_before, 4);
    expect_uint(result.version_after, 12);
    expect_uint(gb_map_floor(p, GB_LANE_USER), 9);
    expect_str(log.text, "new:3>8 more:>11 gone:2> ");
    expect_str(state_get(p, "gone"), "-");
    expect_str(state_get(p, "dead"), "x");
    expect_uint(p->key_count, 4);
    expect_false(gb_map_staged(p, GB_LANE_USER, &version, &floor));
    gb_map_close(map);
}

GB_TEST(apply, an_empty_reset_empties_the_lane)
{
    gb_map *map = state_open(t);
    gb_participant *p = state_add(t, map, "p", 1);
    expect_ok(APPLY(0, 1, 0, 0, value_delta(1, "a", "1")));
    expect_ok(APPLY_EMPTY(0, 7, 6, GB_DELTAS_RESET | GB_DELTAS_END));
    expect_str(state_get(p, "a"), "-");
    expect_uint(gb_map_version(p, GB_LANE_USER), 7);
    expect_uint(gb_map_floor(p, GB_LANE_USER), 6);
    expect_uint(gb_map_bytes(p), 0);
    gb_map_close(map);
}

GB_TEST(apply, a_reset_begins_anew_from_zero_and_is_dropped_on_request)
{
    gb_map *map = state_open(t);
    gb_participant *p = state_add(t, map, "p", 1);
    uint64_t version;
    uint64_t floor;
    expect_ok(APPLY(0, 8, 3, GB_DELTAS_RESET, value_delta(8, "a", "8")));
    expect_ok(APPLY(0, 5, 4, GB_DELTAS_RESET, value_delta(5, "b", "5")));
    expect_true(gb_map_staged(p, GB_LANE_USER, &version, &floor));
    expect_uint(version, 5);
    expect_uint(floor, 4);
    expect_err(APPLY_EMPTY(0, 0, 0, GB_DELTAS_RESET | GB_DELTAS_END), GB_EDUPLICATE);
    expect_true(gb_map_staged(p, GB_LANE_USER, &version, &floor));
    gb_map_drop_staged(map, p, GB_LANE_USER);
    expect_false(gb_map_staged(p, GB_LANE_USER, &version, &floor));
    expect_err(APPLY(5, 8, 4, GB_DELTAS_RESET, value_delta(8, "b", "8")), GB_EGAP);
    gb_map_close(map);
}

GB_TEST(apply, a_reset_that_was_overtaken_is_dropped)
{
    gb_map *map = state_open(t);
    gb_participant *p = state_add(t, map, "p", 1);
    uint64_t unused;
    expect_ok(APPLY(0, 1, 0, 0, value_delta(1, "a", "1")));
    expect_ok(APPLY(0, 4, 3, GB_DELTAS_RESET, value_delta(4, "a", "4")));
    /* Another source that has not purged yet brings the lane past the floor by itself. */
    expect_ok(APPLY(1, 6, 0, 0, value_delta(4, "a", "4"), value_delta(6, "b", "6")));
    expect_false(gb_map_staged(p, GB_LANE_USER, &unused, &unused));
    /* And one that would end below what is served. */
    expect_ok(APPLY(0, 4, 9, GB_DELTAS_RESET, value_delta(4, "a", "4")));
    expect_err(APPLY_EMPTY(4, 5, 4, GB_DELTAS_RESET | GB_DELTAS_END), GB_EDUPLICATE);
    expect_false(gb_map_staged(p, GB_LANE_USER, &unused, &unused));
    expect_str(state_get(p, "b"), "6");
    gb_map_close(map);
}

GB_TEST(apply, half_a_reset_goes_on_from_another_source_whose_floor_allows_it)
{
    gb_map *map = state_open(t);
    gb_participant *p = state_add(t, map, "p", 1);
    expect_ok(APPLY(0, 5, 20, GB_DELTAS_RESET, value_delta(5, "a", "5")));
    /* A source that forgot deletions in 21 … 30 may not go on: "a" may be among them. */
    expect_err(APPLY(5, 40, 30, GB_DELTAS_RESET | GB_DELTAS_END, value_delta(40, "b", "40")),
               GB_EGAP);
    /* One that knows as much as the first may, and need not know that it goes on with a reset. */
    expect_ok(
        APPLY(5, 40, 20, GB_DELTAS_END, tombstone_delta(25, "a"), value_delta(40, "b", "40")));
    expect_str(state_get(p, "a"), "x");
    expect_str(state_get(p, "b"), "40");
    expect_uint(gb_map_version(p, GB_LANE_USER), 40);
    gb_map_close(map);
}

/* The state that both tests of a lesser second source begin with: "gone" was deleted, "kept" is at
 * 2 here and for the second source, which has the lane up to 9, and at 20 for the first, which has
 * it up to 20 and therefore leaves 2 out. */
static gb_participant *begin_at_the_greater(gb_test *t, gb_map *map)
{
    gb_participant *p = state_add(t, map, "p", 1);
    expect_ok(APPLY(0, 3, 0, 0, value_delta(2, "kept", "2"), value_delta(3, "gone", "3")));
    gb_delta first = value_delta(5, "a", "5");
    expect_ok(apply_of(t, 20, map, p, 0, 5, 4, GB_DELTAS_RESET, &first, 1, NULL));
    gb_delta second = value_delta(8, "b", "8");
    gb_apply_result result;
    expect_ok(apply_of(t, 9, map, p, 5, 9, 4, GB_DELTAS_RESET, &second, 1, &result));
    expect_true(result.is_staging);
    expect_str(state_get(p, "kept"), "2");
    return p;
}

GB_TEST(apply, a_reset_is_not_whole_before_it_is_where_its_first_source_was)
{
    gb_map *map = state_open(t);
    gb_participant *p = begin_at_the_greater(t, map);
    expect_ok(APPLY(9, 12, 4, 0, value_delta(11, "c", "11")));
    expect_str(state_get(p, "kept"), "2");
    expect_ok(APPLY(12, 20, 4, GB_DELTAS_END, value_delta(20, "kept", "20")));
    expect_str(state_get(p, "kept"), "20");
    expect_str(state_get(p, "gone"), "-");
    expect_uint(gb_map_version(p, GB_LANE_USER), 20);
    gb_map_close(map);
}

GB_TEST(apply, a_reset_that_nobody_can_complete_begins_anew_at_one_source)
{
    gb_map *map = state_open(t);
    gb_participant *p = begin_at_the_greater(t, map);
    uint64_t unused;
    /* The source that had 20 is gone. The other one, asked for more, has none. */
    expect_err(APPLY_EMPTY(9, 9, 4, GB_DELTAS_RESET | GB_DELTAS_END), GB_EGAP);
    expect_false(gb_map_staged(p, GB_LANE_USER, &unused, &unused));
    expect_str(state_get(p, "kept"), "2");
    expect_ok(APPLY(0, 9, 4, GB_DELTAS_RESET | GB_DELTAS_END, value_delta(2, "kept", "2"),
                    value_delta(5, "a", "5"), value_delta(8, "b", "8")));
    expect_str(state_get(p, "kept"), "2");
    expect_str(state_get(p, "gone"), "-");
    expect_uint(gb_map_version(p, GB_LANE_USER), 9);
    gb_map_close(map);
}

GB_TEST(apply, a_reset_from_two_sources_is_only_as_knowing_as_the_lesser)
{
    gb_map *map = state_open(t);
    gb_participant *p = state_add(t, map, "p", 1);
    uint64_t version;
    uint64_t floor;
    /* The first source knew all up to 20. The second is behind: it never heard that "b", which it
     * sends, was deleted at 15. */
    expect_ok(APPLY(0, 5, 20, GB_DELTAS_RESET, value_delta(5, "a", "5")));
    expect_ok(APPLY(5, 10, 5, GB_DELTAS_RESET, value_delta(8, "b", "8")));
    expect_true(gb_map_staged(p, GB_LANE_USER, &version, &floor));
    expect_uint(version, 10);
    expect_uint(floor, 5);
    /* The first again has purged that deletion: going on with it would bring "b" back. */
    expect_err(APPLY(10, 30, 20, GB_DELTAS_RESET | GB_DELTAS_END, value_delta(30, "c", "30")),
               GB_EGAP);
    expect_ok(APPLY(10, 30, 9, GB_DELTAS_RESET | GB_DELTAS_END, tombstone_delta(15, "b"),
                    value_delta(30, "c", "30")));
    expect_str(state_get(p, "a"), "5");
    expect_str(state_get(p, "b"), "-"); /* below the adopted floor, which is the greater one */
    expect_uint(gb_map_floor(p, GB_LANE_USER), 20);
    gb_map_close(map);
}

GB_TEST(apply, a_ttl_counts_from_the_first_receipt_of_its_version)
{
    gb_map *map = state_open(t);
    gb_participant *p = state_add(t, map, "p", 1);
    gb_delta delta = value_delta(3, "a", "3");
    delta.ttl_ms = 5;
    expect_ok(apply(t, map, p, 0, 3, 0, 0, &delta, 1, NULL));
    gb_record *record = gb_map_first(p, GB_LANE_USER);
    expect_uint(record->expires_us, 5000);
    record->expires_us = 4000; /* as if it had come a millisecond earlier */
    gb_delta more[] = {delta, value_delta(9, "b", "9")};
    expect_ok(apply(t, map, p, 0, 9, 8, GB_DELTAS_RESET | GB_DELTAS_END, more, 2, NULL));
    expect_uint(gb_map_first(p, GB_LANE_USER)->expires_us, 4000);
    gb_map_close(map);
}
