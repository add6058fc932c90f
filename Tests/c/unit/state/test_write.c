/* SPDX-License-Identifier: Apache-2.0 */
/* Own writes: versions, limits by name, any bytes, TTLs. */
#include "unit/state/state_support.h"

#include "platform/alloc.h"
#include "platform/limits.h"

static gb_err set_bytes(gb_map *map, gb_participant *self, gb_slice group, gb_slice key,
                        gb_slice value)
{
    return gb_map_set(map, self, GB_LANE_USER, group, key, GB_VALUE_BYTES, value, 0, 0);
}

GB_TEST(write, each_write_is_the_next_version_and_lanes_count_alone)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    state_set(t, map, self, "a", "1", 0);
    state_set(t, map, self, "a", "1", 0);
    state_delete(t, map, self, "a", 0);
    expect_uint(gb_map_version(self, GB_LANE_USER), 3);
    expect_uint(gb_map_version(self, GB_LANE_CONFIG), 0);
    gb_slice group = gb_slice_from_str("g");
    expect_err(gb_map_delete(map, self, GB_LANE_USER, group, gb_slice_from_str("a"), 0),
               GB_ENOTFOUND);
    expect_err(gb_map_delete(map, self, GB_LANE_USER, group, gb_slice_from_str("b"), 0),
               GB_ENOTFOUND);
    expect_err(gb_map_delete(map, self, GB_LANE_CONFIG, group, gb_slice_from_str("a"), 0),
               GB_ENOTFOUND);
    state_set(t, map, self, "a", "again", 0);
    expect_uint(gb_map_version(self, GB_LANE_USER), 4);
    expect_uint(self->key_count, 1);
    gb_map_check(map);
    gb_map_close(map);
}

GB_TEST(write, sizes_at_the_limit_are_exact_and_one_over_is_refused_by_name)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    uint8_t *bytes = gb_alloc_zeroed(t->allocator, GB_VALUE_SIZE_MAX + 1);
    gb_slice group = {bytes, GB_GROUP_SIZE_MAX};
    gb_slice key = {bytes, GB_KEY_SIZE_MAX};
    gb_slice value = {bytes, GB_VALUE_SIZE_MAX};
    gb_slice group_over = {bytes, GB_GROUP_SIZE_MAX + 1};
    gb_slice key_over = {bytes, GB_KEY_SIZE_MAX + 1};
    gb_slice value_over = {bytes, GB_VALUE_SIZE_MAX + 1};
    expect_ok(set_bytes(map, self, group, key, value));
    expect_err(set_bytes(map, self, group_over, key, value), GB_EGROUP);
    expect_err(set_bytes(map, self, (gb_slice){NULL, 0}, key, value), GB_EGROUP);
    expect_err(set_bytes(map, self, group, key_over, value), GB_EKEY_SIZE);
    expect_err(set_bytes(map, self, group, key, value_over), GB_EVALUE_SIZE);
    expect_uint(gb_map_version(self, GB_LANE_USER), 1);
    expect_slice(gb_record_value(gb_map_get(self, GB_LANE_USER, group, key)), value);
    expect_err(gb_map_set(map, self, GB_LANE_USER, group, key, GB_VALUE_INT, key, 0, 0), GB_ETYPE);
    expect_err(gb_map_set(map, self, GB_LANE_USER, group, key, GB_VALUE_TOMBSTONE,
                          (gb_slice){NULL, 0}, 0, 0),
               GB_ETYPE);
    expect_err(gb_map_set(map, self, GB_LANE_USER, group, key, 77, key, 0, 0), GB_ETYPE);
    gb_free(t->allocator, bytes);
    gb_map_close(map);
}

GB_TEST(write, groups_and_keys_hold_any_bytes_and_are_told_apart)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    gb_map *other_map = state_open(t);
    gb_participant *other = state_add(t, other_map, "n", 1);
    const gb_slice names[][2] = {
        {{(const uint8_t *)"a:b\n", 4}, {(const uint8_t *)"c", 1}},
        {{(const uint8_t *)"a:b", 3}, {(const uint8_t *)"\nc", 2}},
        {{(const uint8_t *)"\0", 1}, {(const uint8_t *)"\0\0", 2}},
        {{(const uint8_t *)"\0\0", 2}, {(const uint8_t *)"\0", 1}},
        {{(const uint8_t *)"\xff\xfe", 2}, {NULL, 0}},
    };
    enum { NAMES = sizeof names / sizeof names[0] };
    for (uint8_t i = 0; i < NAMES; i++) {
        expect_ok(set_bytes(map, self, names[i][0], names[i][1], (gb_slice){&i, 1}));
    }
    state_pull_all(t, map, self, other_map, other, 1000, 0);
    expect_uint(other->key_count, NAMES);
    for (uint8_t i = 0; i < NAMES; i++) {
        const gb_record *record = gb_map_get(other, GB_LANE_USER, names[i][0], names[i][1]);
        expect_not_null(record);
        expect_slice(gb_record_value(record), ((gb_slice){&i, 1}));
    }
    gb_map_close(map);
    gb_map_close(other_map);
}

GB_TEST(write, the_last_key_that_fits_is_taken_and_the_next_refused)
{
    gb_map_options options = state_options(t->allocator);
    options.key_count_max = 2;
    gb_map *map;
    expect_ok(gb_map_open(&options, &map));
    gb_participant *self = state_add(t, map, "n", 1);
    gb_map_set_self(map, self);
    gb_slice group = gb_slice_from_str("g");
    gb_slice value = gb_slice_from_str("v");
    expect_ok(set_bytes(map, self, group, gb_slice_from_str("a"), value));
    expect_ok(gb_map_set(map, self, GB_LANE_CONFIG, group, gb_slice_from_str("b"), GB_VALUE_BYTES,
                         value, 0, 0));
    expect_err(set_bytes(map, self, group, gb_slice_from_str("c"), value), GB_EKEYS);
    expect_ok(set_bytes(map, self, group, gb_slice_from_str("a"), value));
    state_delete(t, map, self, "a", 0);
    expect_err(set_bytes(map, self, group, gb_slice_from_str("c"), value), GB_EKEYS);
    gb_map_purge(map, STATE_GRACE_US, 10);
    expect_ok(set_bytes(map, self, group, gb_slice_from_str("c"), value));
    gb_map_check(map);
    gb_map_close(map);
}

static void set_ttl(gb_test *t, gb_map *map, gb_participant *self, gb_lane lane, const char *key,
                    uint32_t ttl_ms, gb_time_us now)
{
    expect_ok(gb_map_set(map, self, lane, gb_slice_from_str("g"), gb_slice_from_str(key),
                         GB_VALUE_STRING, gb_slice_from_str("v"), ttl_ms, now));
    gb_map_check(map);
}

GB_TEST(write, keys_expire_in_order_and_a_new_value_has_a_new_time)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    uint8_t mask = 0xff;
    expect_uint(gb_map_expire(map, 0, 10, &mask), UINT64_MAX);
    expect_uint(mask, 0);
    set_ttl(t, map, self, GB_LANE_USER, "a", 10, 0);
    set_ttl(t, map, self, GB_LANE_USER, "b", 5, 0);
    set_ttl(t, map, self, GB_LANE_CONFIG, "c", 7, 0);
    set_ttl(t, map, self, GB_LANE_USER, "d", 3, 0);
    set_ttl(t, map, self, GB_LANE_USER, "d", 0, 0); /* stays now */
    set_ttl(t, map, self, GB_LANE_USER, "e", 4, 0);
    state_delete(t, map, self, "e", 0);
    expect_uint(gb_map_expire(map, 4999, 10, &mask), 5000);
    expect_uint(mask, 0);
    expect_uint(gb_map_expire(map, 5000, 10, &mask), 7000);
    expect_uint(mask, 1u << GB_LANE_USER);
    expect_str(state_get(self, "b"), "x");
    set_ttl(t, map, self, GB_LANE_USER, "a", 100, 6000);
    expect_uint(gb_map_expire(map, 20000, 10, &mask), 106000);
    expect_uint(mask, 1u << GB_LANE_CONFIG);
    expect_str(state_get(self, "a"), "v");
    expect_str(state_get(self, "d"), "v");
    set_ttl(t, map, self, GB_LANE_USER, "f", 1, 20000);
    expect_uint(gb_map_expire(map, 200000, 1, &mask), 106000); /* one at a time, overdue */
    expect_uint(gb_map_expire(map, 200000, 1, &mask), UINT64_MAX);
    gb_map_check(map);
    gb_map_close(map);
}

GB_TEST(write, an_expiry_without_memory_is_tried_again)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    set_ttl(t, map, self, GB_LANE_USER, "a", 1, 0);
    uint8_t mask;
    gb_failing_allocator_exhaust(&t->counted, 0);
    gb_time_us next = gb_map_expire(map, 1000, 10, &mask);
    gb_failing_allocator_relax(&t->counted);
    expect_true(next > 1000 && next != UINT64_MAX);
    expect_uint(mask, 0);
    gb_map_check(map);
    expect_uint(gb_map_expire(map, next, 10, &mask), UINT64_MAX);
    expect_str(state_get(self, "a"), "x");
    gb_map_close(map);
}

/* Who is alive must be told whatever a host allows for its data. */
GB_TEST(write, limits_for_data_leave_membership_alone)
{
    gb_map_options options = {.allocator = t->allocator,
                              .participant_count_max = 4,
                              .key_count_max = 1,
                              .value_size_max = 8,
                              .key_size_max = GB_KEY_SIZE_MAX,
                              .tombstone_grace_us = 1};
    gb_map *map;
    gb_participant *self;
    expect_ok(gb_map_open(&options, &map));
    expect_ok(gb_map_add(map, gb_slice_from_str("n"), 1, &self));
    gb_map_set_self(map, self);
    gb_slice long_value = gb_slice_from_str("more than eight bytes");
    for (int i = 0; i < 3; i++) {
        gb_slice key = gb_slice_make(&"abc"[i], 1);
        expect_ok(gb_map_set(map, self, GB_LANE_MEMBERSHIP, gb_slice_from_str("accuse"), key,
                             GB_VALUE_BYTES, long_value, 0, 1));
    }
    expect_err(gb_map_set(map, self, GB_LANE_USER, gb_slice_from_str("g"), gb_slice_from_str("k"),
                          GB_VALUE_BYTES, long_value, 0, 1),
               GB_EVALUE_SIZE);
    expect_ok(gb_map_set(map, self, GB_LANE_USER, gb_slice_from_str("g"), gb_slice_from_str("k"),
                         GB_VALUE_BYTES, gb_slice_from_str("short"), 0, 1));
    expect_err(gb_map_set(map, self, GB_LANE_SYSTEM, gb_slice_from_str("g"), gb_slice_from_str("k"),
                          GB_VALUE_BYTES, gb_slice_from_str("short"), 0, 1),
               GB_EKEYS);
    gb_map_check(map);
    gb_map_close(map);
}

/* What an owner was allowed to set, copies take, in whatever order the lanes come. */
GB_TEST(write, a_copy_that_hears_of_membership_first_takes_all_data)
{
    gb_map_options options = state_options(t->allocator);
    options.key_count_max = 2;
    gb_map *map;
    gb_map *copy_map;
    gb_participant *self;
    expect_ok(gb_map_open(&options, &map));
    expect_ok(gb_map_open(&options, &copy_map));
    expect_ok(gb_map_add(map, gb_slice_from_str("n"), 1, &self));
    gb_map_set_self(map, self);
    gb_participant *copy = state_add(t, copy_map, "n", 1);
    state_set(t, map, self, "a", "1", 1);
    state_set(t, map, self, "b", "2", 1);
    for (int i = 0; i < 3; i++) {
        expect_ok(gb_map_set(map, self, GB_LANE_MEMBERSHIP, gb_slice_from_str("accuse"),
                             gb_slice_make(&"abc"[i], 1), GB_VALUE_BYTES, gb_slice_from_str("v"), 0,
                             1));
    }
    static const gb_lane order[] = {GB_LANE_MEMBERSHIP, GB_LANE_USER};
    for (size_t i = 0; i < 2; i++) {
        gb_out out;
        gb_out_init(&out, t->allocator);
        gb_selection selection = {0};
        expect_ok(gb_map_select(map, self, order[i], 0, GB_CHUNK_SIZE, &selection, &out));
        gb_deltas deltas;
        gb_slice frame = gb_slice_make(out.base, out.len);
        expect_ok(gb_deltas_decode(
            gb_slice_make(frame.base + GB_FRAME_HEADER_SIZE, frame.len - GB_FRAME_HEADER_SIZE),
            &deltas));
        gb_apply_result result;
        expect_ok(gb_map_apply(copy_map, copy, &deltas, 1, &result));
        gb_out_deinit(&out);
    }
    expect_str(state_get(copy, "b"), "2");
    gb_map_check(copy_map);
    gb_map_close(copy_map);
    gb_map_close(map);
}
