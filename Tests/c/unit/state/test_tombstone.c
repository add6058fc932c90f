/* SPDX-License-Identifier: Apache-2.0 */
/* Purging: by time, in order, bounded, with floors; memory comes back. */
#include "unit/state/state_support.h"

#include <stdio.h>

GB_TEST(tombstone, stays_for_the_grace_and_then_raises_the_floor)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    expect_uint(gb_map_purge(map, 0, 10), UINT64_MAX);
    state_set(t, map, self, "a", "1", 0);
    state_set(t, map, self, "b", "2", 0);
    state_delete(t, map, self, "a", 100);
    state_delete(t, map, self, "b", 500);
    expect_uint(gb_map_purge(map, 100 + STATE_GRACE_US - 1, 10), 100 + STATE_GRACE_US);
    expect_str(state_get(self, "a"), "x");
    expect_uint(gb_map_floor(self, GB_LANE_USER), 0);
    expect_uint(gb_map_purge(map, 100 + STATE_GRACE_US, 10), 500 + STATE_GRACE_US);
    gb_map_check(map);
    expect_str(state_get(self, "a"), "-");
    expect_str(state_get(self, "b"), "x");
    expect_uint(gb_map_floor(self, GB_LANE_USER), 3);
    expect_uint(gb_map_version(self, GB_LANE_USER), 4);
    expect_uint(gb_map_purge(map, 500 + STATE_GRACE_US, 10), UINT64_MAX);
    expect_uint(gb_map_floor(self, GB_LANE_USER), 4);
    expect_null(gb_map_first(self, GB_LANE_USER));
    gb_map_check(map);
    gb_map_close(map);
}

GB_TEST(tombstone, a_key_that_is_set_again_is_not_purged)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    state_set(t, map, self, "a", "1", 0);
    state_delete(t, map, self, "a", 0);
    state_set(t, map, self, "a", "3", 0);
    gb_map_check(map);
    expect_uint(gb_map_purge(map, 10 * STATE_GRACE_US, 10), UINT64_MAX);
    expect_str(state_get(self, "a"), "3");
    expect_uint(gb_map_floor(self, GB_LANE_USER), 0);
    gb_map_close(map);
}

GB_TEST(tombstone, the_next_oldest_counts_once_the_oldest_was_set_again)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    state_set(t, map, self, "a", "", 0);
    state_set(t, map, self, "b", "", 0);
    state_delete(t, map, self, "a", 0);
    state_delete(t, map, self, "b", 700);
    state_set(t, map, self, "a", "", 800);
    gb_map_check(map);
    expect_uint(gb_map_purge(map, STATE_GRACE_US, 10), 700 + STATE_GRACE_US);
    expect_str(state_get(self, "b"), "x");
    expect_uint(gb_map_purge(map, 700 + STATE_GRACE_US, 10), UINT64_MAX);
    expect_str(state_get(self, "b"), "-");
    gb_map_close(map);
}

GB_TEST(tombstone, purging_is_bounded_goes_across_participants_and_in_strides)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    gb_participant *source;
    gb_map *source_map = state_open_owner(t, "p", &source);
    for (int i = 0; i < 3; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "k%d", i);
        state_set(t, map, self, key, "", 0);
        state_delete(t, map, self, key, 2);
        state_set(t, source_map, source, key, "", 0);
        state_delete(t, source_map, source, key, 0);
    }
    gb_participant *p = state_add(t, map, "p", 1);
    state_pull_all(t, source_map, source, map, p, 1000, 1);
    expect_uint(gb_map_purge(map, 2, 2), 1 + STATE_GRACE_US);
    gb_time_us now = 2 + STATE_GRACE_US;
    expect_uint(gb_map_purge(map, now, 2), now); /* more is due */
    expect_uint(p->key_count, 1);
    gb_map_check(map);
    expect_uint(gb_map_purge(map, now, 2), now);
    expect_uint(p->key_count, 0);
    expect_uint(gb_map_floor(p, GB_LANE_USER), 6);
    expect_uint(self->key_count, 2);
    /* What comes due right after a purge waits for a stride: floors do not rise all the time. */
    state_set(t, map, self, "late", "", 0);
    state_delete(t, map, self, "late", 3);
    expect_uint(gb_map_purge(map, now, 10), now + STATE_GRACE_US / 16);
    expect_uint(gb_map_purge(map, now + 1, 10), now + STATE_GRACE_US / 16);
    expect_str(state_get(self, "late"), "x");
    expect_uint(gb_map_purge(map, now + STATE_GRACE_US / 16, 10), UINT64_MAX);
    expect_str(state_get(self, "late"), "-");
    gb_map_check(map);
    gb_map_close(map);
    gb_map_close(source_map);
}

GB_TEST(tombstone, a_relay_purges_by_its_own_clock_and_still_serves_the_same)
{
    gb_participant *owner;
    gb_map *map = state_open_owner(t, "o", &owner);
    gb_map *relay_map = state_open(t);
    gb_participant *relay = state_add(t, relay_map, "o", 1);
    state_set(t, map, owner, "a", "1", 0);
    state_set(t, map, owner, "b", "2", 0);
    state_delete(t, map, owner, "a", 0);
    state_pull_all(t, map, owner, relay_map, relay, 1000, 5000);
    gb_map_purge(map, STATE_GRACE_US, 10);
    expect_uint(gb_map_purge(relay_map, STATE_GRACE_US, 10), 5000 + STATE_GRACE_US);
    expect_str(state_get(relay, "a"), "x");
    expect_uint(gb_map_purge(relay_map, 5000 + STATE_GRACE_US, 10), UINT64_MAX);
    expect_uint(gb_map_floor(relay, GB_LANE_USER), gb_map_floor(owner, GB_LANE_USER));
    expect_uint(gb_map_hash(map), gb_map_hash(relay_map));
    gb_map_close(map);
    gb_map_close(relay_map);
}

GB_TEST(tombstone, a_clock_that_steps_back_breaks_no_order)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    state_set(t, map, self, "a", "", 0);
    state_set(t, map, self, "b", "", 0);
    state_delete(t, map, self, "a", 900);
    state_delete(t, map, self, "b", 100);
    gb_map_check(map);
    expect_uint(gb_map_purge(map, 100 + STATE_GRACE_US, 10), 900 + STATE_GRACE_US);
    expect_uint(gb_map_purge(map, 900 + STATE_GRACE_US, 10), UINT64_MAX);
    gb_map_close(map);
}
