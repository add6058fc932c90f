/* SPDX-License-Identifier: Apache-2.0 */
/* A lane: finding a place in the version order, whatever was removed around it. */
#include "unit/state/state_support.h"

#include "state/lane.h"

#include <stdio.h>

static gb_record *after_slowly(const gb_participant *p, uint64_t from)
{
    gb_record *record = gb_map_first(p, GB_LANE_USER);
    while (record != NULL && record->version <= from) {
        record = record->newer;
    }
    return record;
}

GB_TEST(lane, the_record_after_a_version_is_found_with_any_cursors)
{
    gb_participant *p;
    gb_map *map = state_open_owner(t, "p", &p);
    state_set(t, map, p, "0", "", 0);
    gb_lane_state *lane = gb_map_lane_there(p, GB_LANE_USER);
    for (int step = 0; step < 5000; step++) {
        char key[8];
        (void)snprintf(key, sizeof key, "%d", (int)gb_rng_below(&t->rng, 50));
        state_set(t, map, p, key, "", 0);
        uint64_t from = gb_rng_below(&t->rng, lane->version + 2);
        gb_record *found = gb_lane_after(lane, from);
        expect_ptr(found, after_slowly(p, from));
        if (found != NULL && gb_rng_below(&t->rng, 4) == 0) {
            gb_lane_remember(lane, t->allocator, found);
        }
    }
    gb_map_check(map);
    gb_map_close(map);
}

GB_TEST(lane, a_cursor_on_a_record_that_moved_stays_at_its_place)
{
    gb_participant *p;
    gb_map *map = state_open_owner(t, "p", &p);
    state_set(t, map, p, "a", "1", 0);
    gb_lane_state *lane = gb_map_lane_there(p, GB_LANE_USER);
    state_set(t, map, p, "b", "2", 0);
    state_set(t, map, p, "c", "3", 0);
    gb_lane_remember(lane, t->allocator, gb_lane_after(lane, 1));
    state_set(t, map, p, "b", "4", 0);
    expect_ptr(lane->extra->cursors[0], gb_map_first(p, GB_LANE_USER));
    expect_uint(gb_lane_after(lane, 2)->version, 3);
    state_set(t, map, p, "a", "5", 0);
    expect_null(lane->extra->cursors[0]);
    expect_uint(gb_lane_after(lane, 2)->version, 3);
    gb_map_close(map);
}
