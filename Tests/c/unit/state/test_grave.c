/* SPDX-License-Identifier: Apache-2.0 */
/* Graves: remembered, bounded, opened, forgotten in time. */
#include "unit/state/state_support.h"

#include <stdio.h>

static bool grave_is(const gb_map *map, const char *name, uint64_t generation, uint64_t incarnation)
{
    uint64_t g = 0;
    uint64_t i = 0;
    return gb_map_grave(map, gb_slice_from_str(name), &g, &i) && g == generation &&
           i == incarnation;
}

static gb_err bury(gb_map *map, const char *name, uint64_t generation, uint64_t incarnation,
                   gb_time_us until_us)
{
    gb_err err = gb_map_bury(map, gb_slice_from_str(name), generation, incarnation, until_us);
    gb_map_check(map);
    return err;
}

GB_TEST(grave, holds_the_latest_life_until_its_time_is_over)
{
    gb_map *map = state_open(t);
    expect_false(grave_is(map, "a", 0, 0));
    expect_ok(bury(map, "a", 5, 2, 100));
    expect_ok(bury(map, "a", 4, 9, 900));
    expect_ok(bury(map, "a", 5, 1, 900));
    expect_true(grave_is(map, "a", 5, 2));
    expect_ok(bury(map, "b", 1, 1, 50));
    expect_ok(bury(map, "a", 5, 3, 70));
    expect_true(grave_is(map, "a", 5, 3));
    gb_map_expire_graves(map, 99);
    gb_map_check(map);
    expect_false(grave_is(map, "b", 1, 1));
    expect_true(grave_is(map, "a", 5, 3));
    gb_map_expire_graves(map, 100);
    expect_false(grave_is(map, "a", 5, 3));
    gb_map_close(map);
}

GB_TEST(grave, is_opened_by_name)
{
    gb_map *map = state_open(t);
    expect_ok(bury(map, "a", 1, 1, 100));
    gb_map_open_grave(map, gb_slice_from_str("b"));
    gb_map_open_grave(map, gb_slice_from_str("a"));
    gb_map_check(map);
    expect_false(grave_is(map, "a", 1, 1));
    gb_map_close(map);
}

GB_TEST(grave, the_oldest_gives_way_at_the_bound)
{
    gb_map_options options = state_options(t->allocator);
    options.participant_count_max = 3;
    gb_map *map;
    expect_ok(gb_map_open(&options, &map));
    for (uint64_t i = 0; i < 6; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "n%d", (int)i);
        expect_ok(bury(map, name, i + 1, 0, 1000 - i)); /* the last one ends first */
    }
    expect_true(grave_is(map, "n5", 6, 0));
    expect_ok(bury(map, "more", 7, 0, 1));
    expect_true(grave_is(map, "more", 7, 0));
    expect_false(grave_is(map, "n5", 6, 0));
    expect_true(grave_is(map, "n4", 5, 0));
    gb_map_close(map);
}
