/* SPDX-License-Identifier: Apache-2.0 */
/* Selecting: what follows a version, within a budget, as a reset where it must be one. */
#include "unit/state/state_support.h"

#include "platform/limits.h"
#include "state/lane.h"

#include <stdio.h>

GB_TEST(delta_select, nothing_new_is_an_empty_message_that_says_so)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    state_message message;
    state_select(t, map, self, (gb_selection){.flags = GB_DELTAS_PULLED}, 1000, &message);
    expect_uint(message.selection.count, 0);
    expect_uint(message.selection.to, 0);
    expect_uint(message.selection.flags, GB_DELTAS_PULLED | GB_DELTAS_END);
    state_message_deinit(&message);
    state_set(t, map, self, "a", "1", 0);
    state_select(t, map, self, (gb_selection){.from = 1}, 1000, &message);
    expect_uint(message.selection.count, 0);
    expect_uint(message.selection.to, 1);
    expect_uint(message.selection.flags, GB_DELTAS_END);
    state_message_deinit(&message);
    /* Somebody who knows more is told how far this map goes, and nothing beyond. */
    state_select(t, map, self, (gb_selection){.from = 9}, 1000, &message);
    expect_uint(message.selection.from, 1);
    expect_uint(message.selection.to, 1);
    state_message_deinit(&message);
    gb_map_close(map);
}

GB_TEST(delta_select, superseded_versions_are_not_sent)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    state_set(t, map, self, "a", "1", 0);
    state_set(t, map, self, "b", "2", 0);
    state_set(t, map, self, "a", "3", 0);
    state_delete(t, map, self, "b", 0);
    state_message message;
    state_select(t, map, self, (gb_selection){.from = 0}, 1000, &message);
    gb_delta delta;
    expect_true(gb_delta_next(&message.deltas.entries, &delta));
    expect_uint(delta.version, 3);
    expect_slice(delta.key, gb_slice_from_str("a"));
    expect_true(gb_delta_next(&message.deltas.entries, &delta));
    expect_uint(delta.version, 4);
    expect_uint(delta.type, GB_VALUE_TOMBSTONE);
    expect_false(gb_delta_next(&message.deltas.entries, &delta));
    expect_uint(message.selection.to, 4);
    state_message_deinit(&message);
    gb_map_close(map);
}

GB_TEST(delta_select, every_budget_keeps_its_size_and_misses_nothing)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    for (int i = 0; i < 40; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "k%d", i);
        state_set(t, map, self, key, "a value of some length", 0);
    }
    for (size_t size_max = 1; size_max < 1500; size_max += 37) {
        gb_map *other_map = state_open(t);
        gb_participant *other = state_add(t, other_map, "n", 1);
        gb_selection ask = {0};
        do {
            state_message message;
            state_select(t, map, self, ask, size_max, &message);
            expect_true(message.selection.count == 1 || message.out.len <= size_max);
            gb_apply_result result;
            expect_ok(gb_map_apply(other_map, other, &message.deltas, 0, &result));
            expect_uint(result.record_count, message.selection.count);
            ask = (gb_selection){.from = message.selection.to};
            bool is_end = (message.selection.flags & GB_DELTAS_END) != 0;
            expect_true(is_end == (ask.from == 40));
            state_message_deinit(&message);
        } while (ask.from < 40);
        expect_uint(gb_map_hash(other_map), gb_map_hash(map));
        gb_map_close(other_map);
    }
    gb_map_check(map);
    gb_map_close(map);
}

GB_TEST(delta_select, whoever_is_below_the_floor_gets_a_reset_from_zero)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    state_set(t, map, self, "a", "1", 0);
    state_set(t, map, self, "b", "2", 0);
    state_delete(t, map, self, "b", 0);
    state_set(t, map, self, "c", "4", 0);
    gb_map_purge(map, STATE_GRACE_US, 10);
    expect_uint(gb_map_floor(self, GB_LANE_USER), 3);
    const struct {
        gb_selection ask;
        uint64_t from;
        uint8_t flags;
        uint32_t count;
    } cases[] = {
        {{.from = 0}, 0, GB_DELTAS_RESET | GB_DELTAS_END, 2},
        {{.from = 2}, 0, GB_DELTAS_RESET | GB_DELTAS_END, 2},
        {{.from = 2, .floor = 2}, 0, GB_DELTAS_RESET | GB_DELTAS_END, 2},
        {{.from = 3}, 3, GB_DELTAS_END, 1},
        {{.from = 1, .floor = 3, .flags = GB_DELTAS_RESET}, 1, GB_DELTAS_RESET | GB_DELTAS_END, 1},
        {{.from = 1, .floor = 3}, 1, GB_DELTAS_END, 1},
        {{.from = 1, .flags = GB_DELTAS_RESET}, 1, GB_DELTAS_RESET | GB_DELTAS_END, 1},
        {{.from = 0, .flags = GB_DELTAS_RESET}, 0, GB_DELTAS_RESET | GB_DELTAS_END, 2},
        {{.from = 4}, 4, GB_DELTAS_END, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        state_message message;
        state_select(t, map, self, cases[i].ask, 1000, &message);
        expect_uint(message.selection.from, cases[i].from);
        expect_uint(message.selection.flags, cases[i].flags);
        expect_uint(message.selection.count, cases[i].count);
        expect_uint(message.selection.to, 4);
        state_message_deinit(&message);
    }
    gb_map_close(map);
}

GB_TEST(delta_select, a_reset_of_many_chunks_comes_to_its_end)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    gb_map *other_map = state_open(t);
    gb_participant *other = state_add(t, other_map, "n", 1);
    for (int i = 0; i < 50; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "k%d", i);
        state_set(t, map, self, key, "v", 0);
    }
    state_delete(t, map, self, "k7", 0);
    gb_map_purge(map, STATE_GRACE_US, 10);
    /* As a sender does that keeps the version it sent last, and no floor. */
    gb_selection ask = {0};
    unsigned count = 0;
    do {
        state_message message;
        state_select(t, map, self, ask, 100, &message);
        gb_apply_result result;
        expect_ok(gb_map_apply(other_map, other, &message.deltas, 0, &result));
        ask = (gb_selection){.from = message.selection.to, .flags = message.selection.flags};
        state_message_deinit(&message);
        expect_true(++count < 30);
    } while ((ask.flags & GB_DELTAS_END) == 0);
    expect_true(count > 4);
    expect_uint(gb_map_hash(other_map), gb_map_hash(map));
    expect_str(state_get(other, "k7"), "-");
    gb_map_close(map);
    gb_map_close(other_map);
}

GB_TEST(delta_select, a_transfer_goes_on_where_it_ended_without_searching)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    for (int i = 0; i < 1000; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "k%d", i);
        state_set(t, map, self, key, "v", 0);
    }
    const gb_lane_state *lane = gb_map_lane(self, GB_LANE_USER);
    uint64_t from = 0;
    while (from < 900) {
        state_message message;
        state_select(t, map, self, (gb_selection){.from = from}, 200, &message);
        from = message.selection.to;
        state_message_deinit(&message);
        bool is_remembered = false;
        for (size_t i = 0; i < GB_LANE_CURSOR_COUNT; i++) {
            is_remembered = is_remembered || (lane->extra->cursors[i] != NULL &&
                                              lane->extra->cursors[i]->version == from);
        }
        expect_true(is_remembered);
    }
    gb_map_close(map);
}

GB_TEST(delta_select, the_bytes_that_follow_are_measured_up_to_a_chunk)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    expect_uint(gb_map_bytes_after(self, GB_LANE_USER, 0), 0);
    state_set(t, map, self, "a", "12345", 0);
    uint64_t one = gb_map_bytes_after(self, GB_LANE_USER, 0);
    expect_true(one >= 7 && one < 32);
    expect_uint(gb_map_bytes_after(self, GB_LANE_USER, 1), 0);
    static uint8_t big[2 * 64 * 1024];
    expect_ok(gb_map_set(map, self, GB_LANE_USER, gb_slice_from_str("g"), gb_slice_from_str("b"),
                         GB_VALUE_BYTES, gb_slice_make(big, sizeof big), 0, 0));
    state_set(t, map, self, "c", "12345", 0);
    uint64_t much = gb_map_bytes_after(self, GB_LANE_USER, 0);
    expect_true(much >= GB_CHUNK_SIZE && much < sizeof big + 64);
    gb_map_close(map);
}

GB_TEST(delta_select, without_memory_nothing_is_appended)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    state_set(t, map, self, "a", "1", 0);
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_selection ask = {.from = 0};
    gb_failing_allocator_exhaust(&t->counted, 0);
    gb_err err = gb_map_select(map, self, GB_LANE_USER, 0, 100, &ask, &out);
    gb_failing_allocator_relax(&t->counted);
    expect_err(err, GB_ENOMEM);
    expect_uint(out.len, 0);
    gb_out_deinit(&out);
    gb_map_close(map);
}

GB_TEST(delta_select, a_limit_of_deltas_cuts_where_it_is_reached)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    for (char key = 'a'; key <= 'e'; key++) {
        state_set(t, map, self, (char[]){key, 0}, "1", 0);
    }
    state_set(t, map, self, "a", "2", 0); /* versions 2 … 6 are held */
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_selection selection = {.count_max = 3};
    expect_ok(gb_map_select(map, self, GB_LANE_USER, 0, GB_CHUNK_SIZE, &selection, &out));
    expect_uint(selection.count, 3);
    expect_uint(selection.to, 4);
    expect_uint(selection.flags, 0);
    selection = (gb_selection){.from = selection.to, .count_max = 2};
    expect_ok(gb_map_select(map, self, GB_LANE_USER, 0, GB_CHUNK_SIZE, &selection, &out));
    expect_uint(selection.count, 2);
    expect_uint(selection.to, 6);
    expect_uint(selection.flags, GB_DELTAS_END);
    gb_out_deinit(&out);
    gb_map_close(map);
}

GB_TEST(delta_select, what_follows_a_version_is_counted)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    expect_uint(gb_map_count_after(self, GB_LANE_USER, 0, 10), 0);
    for (char key = 'a'; key <= 'e'; key++) {
        state_set(t, map, self, (char[]){key, 0}, "1", 0);
    }
    state_delete(t, map, self, "a", 0);
    expect_uint(gb_map_count_after(self, GB_LANE_USER, 0, 10), 5);
    expect_uint(gb_map_count_after(self, GB_LANE_USER, 1, 10), 5);
    expect_uint(gb_map_count_after(self, GB_LANE_USER, 4, 10), 2);
    expect_uint(gb_map_count_after(self, GB_LANE_USER, 6, 10), 0);
    expect_uint(gb_map_count_after(self, GB_LANE_USER, 0, 4), 4);
    gb_map_close(map);
}
