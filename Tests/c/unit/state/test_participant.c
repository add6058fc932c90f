/* SPDX-License-Identifier: Apache-2.0 */
/* Participants: names, slots, limits, later lives, leaving. */
#include "unit/state/state_support.h"

#include "state/lane.h"

#include <stdio.h>

GB_TEST(participant, names_are_known_once_and_within_the_limit)
{
    gb_map_options options = state_options(t->allocator);
    options.participant_count_max = 2;
    gb_map *map;
    expect_ok(gb_map_open(&options, &map));
    gb_participant *a = state_add(t, map, "a", 1);
    state_add(t, map, "b", 1);
    gb_participant *other;
    expect_err(gb_map_add(map, gb_slice_from_str("a"), 2, &other), GB_EBUSY);
    expect_err(gb_map_add(map, gb_slice_from_str("c"), 1, &other), GB_EPARTICIPANTS);
    expect_err(gb_map_add(map, gb_slice_from_str(""), 1, &other), GB_ENAME);
    expect_err(gb_map_add(map, gb_slice_from_str("a\nb"), 1, &other), GB_ENAME);
    expect_ptr(gb_map_find(map, gb_slice_from_str("a")), a);
    expect_null(gb_map_find(map, gb_slice_from_str("c")));
    gb_map_check(map);
    gb_map_close(map);
}

GB_TEST(participant, slots_are_reused_lowest_first)
{
    gb_map *map = state_open(t);
    char name[8];
    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof name, "n%d", i);
        expect_uint(state_add(t, map, name, 1)->slot, i);
    }
    expect_uint(gb_map_slot_end(map), 40);
    gb_map_remove(map, gb_map_at(map, 30));
    gb_map_remove(map, gb_map_at(map, 7));
    gb_map_remove(map, gb_map_at(map, 39));
    gb_map_check(map);
    expect_uint(gb_map_slot_end(map), 39);
    expect_null(gb_map_at(map, 7));
    expect_null(gb_map_at(map, 1000));
    expect_uint(state_add(t, map, "x", 1)->slot, 7);
    expect_uint(state_add(t, map, "y", 1)->slot, 30);
    expect_uint(state_add(t, map, "z", 1)->slot, 39);
    while (gb_map_participant_count(map) > 0) {
        gb_map_remove(map, gb_map_changed_last(map));
        gb_map_check(map);
    }
    expect_uint(gb_map_slot_end(map), 0);
    expect_uint(gb_map_hash(map), 0);
    gb_map_close(map);
}

static void count_gone(void *user, const gb_participant *participant, gb_lane lane,
                       const gb_record *before, const gb_record *after)
{
    (void)participant;
    if (before != NULL && after == NULL) {
        ((unsigned *)user)[lane]++;
    }
}

GB_TEST(participant, a_later_life_begins_empty_in_the_same_slot)
{
    unsigned gone[GB_LANE_COUNT] = {0};
    gb_map_options options = state_options(t->allocator);
    options.on_change = count_gone;
    options.on_change_user = gone;
    gb_map *map;
    expect_ok(gb_map_open(&options, &map));
    state_add(t, map, "other", 1);
    gb_participant *self = state_add(t, map, "self", 5);
    gb_map_set_self(map, self);
    for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
        expect_ok(gb_map_set(map, self, lane, gb_slice_from_str("g"), gb_slice_from_str("k"),
                             GB_VALUE_STRING, gb_slice_from_str("v"), 1000, 0));
    }
    state_set(t, map, self, "deleted", "v", 0);
    state_delete(t, map, self, "deleted", 0);
    gone[GB_LANE_USER] = 0;
    uint64_t hash = gb_map_hash(map);
    expect_err(gb_map_renew(map, &self, 5), GB_ESTALE);
    expect_err(gb_map_renew(map, &self, 4), GB_ESTALE);
    expect_ok(gb_map_renew(map, &self, 6));
    gb_map_check(map);
    expect_uint(self->slot, 1);
    expect_true(self->is_self);
    expect_uint(self->key_count, 0);
    expect_ptr(gb_map_find(map, gb_slice_from_str("self")), self);
    expect_uint(gone[GB_LANE_MEMBERSHIP], 0);
    expect_uint(gone[GB_LANE_CONFIG], 1);
    expect_uint(gone[GB_LANE_SYSTEM], 1);
    expect_uint(gone[GB_LANE_USER], 1);
    expect_uint(gb_map_hash(map), 0);
    uint8_t mask;
    expect_uint(gb_map_expire(map, 10000000, 10, &mask), UINT64_MAX);
    expect_uint(gb_map_purge(map, 10000000, 10), UINT64_MAX);
    /* The same versions in another life are something else. */
    for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
        expect_ok(gb_map_set(map, self, lane, gb_slice_from_str("g"), gb_slice_from_str("k"),
                             GB_VALUE_STRING, gb_slice_from_str("v"), 1000, 0));
    }
    expect_true(gb_map_hash(map) != hash);
    gb_map_close(map);
}

static bool count_visit(void *user, gb_record *record)
{
    (void)record;
    ++*(unsigned *)user;
    return true;
}

GB_TEST(participant, a_lane_of_which_nothing_came_is_not_there_and_reads_as_empty)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    gb_slice name = gb_slice_from_str("n");
    gb_slice text = gb_slice_from_str("a");
    for (gb_lane lane = GB_LANE_CONFIG; lane < GB_LANE_COUNT; lane++) {
        uint64_t version;
        uint64_t floor;
        unsigned count = 0;
        gb_record *record;
        expect_null(gb_map_lane_there(self, lane));
        expect_uint(gb_map_version(self, lane) + gb_map_floor(self, lane), 0);
        expect_null(gb_map_first(self, lane));
        expect_null(gb_map_get(self, lane, text, text));
        expect_false(gb_map_staged(self, lane, &version, &floor));
        gb_map_drop_staged(map, self, lane);
        expect_err(gb_map_delete(map, self, lane, text, text, 0), GB_ENOTFOUND);
        expect_err(gb_map_read_value(map, name, lane, text, text, 0, &record, NULL), GB_ENOTFOUND);
        expect_ok(gb_map_read_lane(map, name, lane, 0, count_visit, &count, NULL));
        expect_uint(count, 0);
        expect_null(gb_map_lane_there(self, lane));
        expect_ok(gb_map_set(map, self, lane, text, text, GB_VALUE_STRING, text, 0, 0));
        expect_null(gb_map_lane_there(self, lane)->extra);
        expect_ok(gb_map_read_lane(map, name, lane, 0, count_visit, &count, NULL));
        expect_uint(count, 1);
        gb_map_check(map);
    }
    gb_map_close(map);
}
