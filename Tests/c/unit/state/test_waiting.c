/* SPDX-License-Identifier: Apache-2.0 */
/* Own changes that wait for their version: readers see them, lanes don't. */
#include "unit/state/state_support.h"

#include "platform/limits.h"

#include <stdio.h>

#define GROUP gb_slice_from_str("g")

static gb_err wait_set(gb_map *map, const char *key, const char *value, uint32_t ttl_ms,
                       gb_time_us now)
{
    return gb_map_wait(map, GB_LANE_USER, GROUP, gb_slice_from_str(key), GB_VALUE_STRING,
                       gb_slice_from_str(value), ttl_ms, now);
}

static gb_err wait_delete(gb_map *map, const char *key)
{
    return gb_map_wait_delete(map, GB_LANE_USER, GROUP, gb_slice_from_str(key));
}

/* "-": nothing waits, "x": a delete does. */
static const char *waiting_value(const gb_map *map, const char *key)
{
    static char text[64];
    const gb_record *record = gb_map_waiting_get(map, GB_LANE_USER, GROUP, gb_slice_from_str(key));
    if (record == NULL) {
        return "-";
    }
    gb_slice value = gb_record_value(record);
    (void)snprintf(text, sizeof text, "%.*s", (int)value.len, (const char *)value.base);
    return gb_record_is_tombstone(record) ? "x" : text;
}

GB_TEST(waiting, a_change_that_waits_is_seen_and_has_no_version)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    uint64_t hash = gb_map_hash(map);
    expect_ok(wait_set(map, "a", "1", 0, 0));
    expect_str(waiting_value(map, "a"), "1");
    expect_str(state_get(self, "a"), "-");
    expect_uint(gb_map_version(self, GB_LANE_USER), 0);
    expect_uint(gb_map_hash(map), hash);
    gb_record *read = gb_map_read_waiting(map, GB_LANE_USER, GROUP, gb_slice_from_str("a"));
    expect_uint(read->version, 0);
    gb_record_release(t->allocator, read);
    expect_null(gb_map_read_waiting(map, GB_LANE_SYSTEM, GROUP, gb_slice_from_str("a")));
    gb_map_check(map);
    gb_lane lane;
    expect_ok(gb_map_admit(map, 0, &lane));
    expect_uint(lane, GB_LANE_USER);
    expect_str(waiting_value(map, "a"), "-");
    expect_str(state_get(self, "a"), "1");
    expect_uint(gb_map_version(self, GB_LANE_USER), 1);
    expect_err(gb_map_admit(map, 0, &lane), GB_ENOTFOUND);
    gb_map_check(map);
    gb_map_close(map);
}

GB_TEST(waiting, the_newest_value_wins_and_keeps_the_place)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    expect_ok(wait_set(map, "a", "1", 0, 0));
    expect_ok(wait_set(map, "b", "1", 0, 0));
    expect_ok(wait_set(map, "a", "2", 0, 0));
    expect_ok(wait_set(map, "a", "3", 0, 0));
    expect_uint(gb_map_waiting_count(map), 2);
    gb_map_check(map);
    gb_lane lane;
    expect_ok(gb_map_admit(map, 0, &lane));
    expect_str(state_get(self, "a"), "3");
    expect_str(state_get(self, "b"), "-");
    expect_ok(gb_map_admit(map, 0, &lane));
    expect_uint(gb_map_version(self, GB_LANE_USER), 2);
    gb_map_close(map);
}

GB_TEST(waiting, deletes_wait_too)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    state_set(t, map, self, "a", "1", 0);
    expect_err(wait_delete(map, "nobody"), GB_ENOTFOUND);
    expect_ok(wait_delete(map, "a"));
    expect_err(wait_delete(map, "a"), GB_ENOTFOUND);
    expect_str(waiting_value(map, "a"), "x");
    expect_ok(wait_set(map, "a", "2", 0, 0));
    expect_ok(wait_delete(map, "a"));
    gb_map_check(map);
    gb_lane lane;
    expect_ok(gb_map_admit(map, 0, &lane));
    expect_str(state_get(self, "a"), "x");
    expect_uint(gb_map_waiting_count(map), 0);
    gb_map_close(map);
}

GB_TEST(waiting, what_nobody_heard_of_is_deleted_without_a_trace)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    expect_ok(wait_set(map, "a", "1", 0, 0));
    expect_ok(wait_delete(map, "a"));
    expect_uint(gb_map_waiting_count(map), 0);
    expect_err(wait_delete(map, "a"), GB_ENOTFOUND);
    /* The same where the lane knows it as deleted. */
    state_set(t, map, self, "b", "1", 0);
    state_delete(t, map, self, "b", 0);
    expect_err(wait_delete(map, "b"), GB_ENOTFOUND);
    expect_ok(wait_set(map, "b", "2", 0, 0));
    expect_ok(wait_delete(map, "b"));
    expect_uint(gb_map_waiting_count(map), 0);
    expect_uint(gb_map_version(self, GB_LANE_USER), 2);
    gb_map_check(map);
    gb_map_close(map);
}

GB_TEST(waiting, limits_are_those_of_a_set_and_count_what_waits)
{
    gb_map_options options = state_options(t->allocator);
    options.key_count_max = 3;
    gb_map *map;
    expect_ok(gb_map_open(&options, &map));
    gb_participant *self = state_add(t, map, "n", 1);
    gb_map_set_self(map, self);
    state_set(t, map, self, "a", "1", 0);
    expect_ok(wait_set(map, "b", "1", 0, 0));
    expect_ok(wait_set(map, "a", "2", 0, 0));
    expect_ok(wait_set(map, "c", "1", 0, 0));
    expect_uint(gb_map_own_key_count(map), 3);
    expect_err(wait_set(map, "d", "1", 0, 0), GB_EKEYS);
    expect_err(gb_map_set(map, self, GB_LANE_CONFIG, GROUP, gb_slice_from_str("d"), GB_VALUE_STRING,
                          GROUP, 0, 0),
               GB_EKEYS);
    expect_ok(wait_set(map, "b", "2", 0, 0));
    expect_err(gb_map_wait(map, GB_LANE_USER, GROUP, GROUP, GB_VALUE_BOOL, GROUP, 0, 0), GB_ETYPE);
    expect_err(gb_map_wait(map, GB_LANE_USER, GROUP, GROUP, GB_VALUE_TOMBSTONE, GROUP, 0, 0),
               GB_ETYPE);
    gb_lane lane;
    for (int i = 0; i < 3; i++) {
        expect_ok(gb_map_admit(map, 0, &lane));
        gb_map_check(map);
    }
    expect_str(state_get(self, "b"), "2");
    expect_uint(gb_map_own_key_count(map), 3);
    gb_map_close(map);
}

GB_TEST(waiting, a_limit_lowered_meanwhile_drops_the_change_and_says_so)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    expect_ok(wait_set(map, "a", "1", 0, 0));
    expect_ok(wait_set(map, "b", "1", 0, 0));
    gb_map_set_limits(map, 1, 100, STATE_GRACE_US);
    gb_lane lane;
    expect_err(gb_map_admit(map, 0, &lane), GB_EKEYS);
    expect_uint(gb_map_waiting_count(map), 1);
    expect_ok(gb_map_admit(map, 0, &lane));
    expect_str(state_get(self, "b"), "1");
    gb_map_check(map);
    gb_map_close(map);
}

GB_TEST(waiting, time_to_live_runs_while_a_change_waits)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    expect_ok(wait_set(map, "a", "1", 100, 1000000));
    expect_ok(wait_set(map, "b", "1", 100, 1000000));
    gb_lane lane;
    expect_ok(gb_map_admit(map, 1040000, &lane));
    const gb_record *a = gb_map_get(self, GB_LANE_USER, GROUP, gb_slice_from_str("a"));
    expect_uint(a->ttl_ms, 60);
    expect_uint(a->expires_us, 1100000);
    /* Over before it was told: it lives for the least time there is. */
    expect_ok(gb_map_admit(map, 2000000, &lane));
    const gb_record *b = gb_map_get(self, GB_LANE_USER, GROUP, gb_slice_from_str("b"));
    expect_uint(b->ttl_ms, 1);
    gb_map_check(map);
    gb_map_close(map);
}

GB_TEST(waiting, a_delete_finds_that_its_key_has_expired)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    expect_ok(gb_map_set(map, self, GB_LANE_USER, GROUP, gb_slice_from_str("a"), GB_VALUE_STRING,
                         GROUP, 10, 0));
    expect_ok(wait_delete(map, "a"));
    uint8_t lanes;
    (void)gb_map_expire(map, 20000, 10, &lanes);
    gb_lane lane;
    expect_ok(gb_map_admit(map, 20000, &lane));
    expect_uint(gb_map_version(self, GB_LANE_USER), 2);
    expect_uint(gb_map_waiting_count(map), 0);
    gb_map_close(map);
}

GB_TEST(waiting, it_outlives_the_generation)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    expect_ok(wait_set(map, "a", "1", 0, 0));
    expect_ok(gb_map_renew(map, &self, 2));
    gb_lane lane;
    expect_ok(gb_map_admit(map, 0, &lane));
    expect_str(state_get(self, "a"), "1");
    gb_map_check(map);
    gb_map_close(map);
}

static bool count_visit(void *user, gb_record *record)
{
    (void)record;
    ++*(uint32_t *)user;
    return true;
}

static bool attempt(gb_test *t, const gb_allocator *allocator)
{
    gb_map_options options = state_options(allocator);
    gb_map *map;
    if (gb_map_open(&options, &map) != GB_OK) {
        return false;
    }
    gb_participant *self;
    bool is_done = gb_map_add(map, gb_slice_from_str("n"), 1, &self) == GB_OK;
    if (is_done) {
        gb_map_set_self(map, self);
    }
    for (uint32_t i = 0; i < 40 && is_done; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "%u", i % 30);
        gb_err err = wait_set(map, key, "v", i, 0);
        expect_true(err == GB_OK || err == GB_ENOMEM);
        is_done = err == GB_OK;
        gb_map_check(map);
    }
    gb_lane lane;
    while (is_done && gb_map_waiting_count(map) > 0) {
        uint32_t before = gb_map_waiting_count(map);
        gb_err err = gb_map_admit(map, 0, &lane);
        expect_true(err == GB_OK || err == GB_ENOMEM);
        is_done = err == GB_OK;
        expect_uint(gb_map_waiting_count(map), is_done ? before - 1 : before);
        gb_map_check(map);
    }
    uint32_t seen = 0;
    gb_map_read_waiting_lane(map, GB_LANE_USER, count_visit, &seen);
    expect_uint(seen, gb_map_waiting_count(map));
    gb_map_close(map);
    return is_done;
}

GB_TEST(waiting, without_memory_it_goes_on_waiting)
{
    gb_test_each_allocation_failure(t, attempt);
}
