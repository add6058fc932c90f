/* SPDX-License-Identifier: Apache-2.0 */
/* Handy defaults and carrying of messages for the tests of the state layer. */
#include "unit/state/state_support.h"

#include "platform/limits.h"

gb_map_options state_options(const gb_allocator *allocator)
{
    return (gb_map_options){
        .allocator = allocator,
        .participant_count_max = 64,
        .key_count_max = 20000,
        .value_size_max = (uint32_t)GB_VALUE_SIZE_MAX,
        .key_size_max = GB_KEY_SIZE_MAX,
        .tombstone_grace_us = STATE_GRACE_US,
        .hash_seed = 42,
    };
}

gb_map *state_open(gb_test *t)
{
    gb_map_options options = state_options(t->allocator);
    gb_map *map;
    expect_ok(gb_map_open(&options, &map));
    return map;
}

gb_participant *state_add(gb_test *t, gb_map *map, const char *name, uint64_t generation)
{
    gb_participant *participant;
    expect_ok(gb_map_add(map, gb_slice_from_str(name), generation, &participant));
    return participant;
}

gb_map *state_open_owner(gb_test *t, const char *name, gb_participant **self)
{
    gb_map *map = state_open(t);
    *self = state_add(t, map, name, 1);
    gb_map_set_self(map, *self);
    return map;
}

void state_set(gb_test *t, gb_map *map, gb_participant *self, const char *key, const char *value,
               gb_time_us now)
{
    expect_ok(gb_map_set(map, self, GB_LANE_USER, gb_slice_from_str("g"), gb_slice_from_str(key),
                         GB_VALUE_STRING, gb_slice_from_str(value), 0, now));
}

void state_delete(gb_test *t, gb_map *map, gb_participant *self, const char *key, gb_time_us now)
{
    expect_ok(gb_map_delete(map, self, GB_LANE_USER, gb_slice_from_str("g"), gb_slice_from_str(key),
                            now));
}

const char *state_get(const gb_participant *participant, const char *key)
{
    static char text[256];
    const gb_record *record =
        gb_map_get(participant, GB_LANE_USER, gb_slice_from_str("g"), gb_slice_from_str(key));
    if (record == NULL) {
        return "-";
    }
    if (gb_record_is_tombstone(record)) {
        return "x";
    }
    gb_slice value = gb_record_value(record);
    size_t len = value.len < sizeof text ? value.len : sizeof text - 1;
    if (len > 0) {
        memcpy(text, value.base, len);
    }
    text[len] = '\0';
    return text;
}

void state_select(gb_test *t, const gb_map *map, const gb_participant *source, gb_selection ask,
                  size_t size_max, state_message *message)
{
    gb_out_init(&message->out, t->allocator);
    message->selection = ask;
    expect_ok(gb_map_select(map, source, GB_LANE_USER, source->slot, size_max, &message->selection,
                            &message->out));
    gb_slice payload = {message->out.base + GB_FRAME_HEADER_SIZE,
                        message->out.len - GB_FRAME_HEADER_SIZE};
    expect_ok(gb_deltas_decode(payload, &message->deltas));
    expect_uint(message->deltas.from, message->selection.from);
    expect_uint(message->deltas.to, message->selection.to);
    expect_uint(message->deltas.flags, message->selection.flags);
    expect_uint(message->deltas.entries.left, message->selection.count);
    expect_uint(message->deltas.floor, gb_map_floor(source, GB_LANE_USER));
}

void state_message_deinit(state_message *message)
{
    gb_out_deinit(&message->out);
}

gb_err state_pull(gb_test *t, const gb_map *source_map, const gb_participant *source,
                  gb_map *target_map, gb_participant *target, size_t size_max, gb_time_us now,
                  gb_apply_result *result)
{
    gb_selection ask = {.from = gb_map_version(target, GB_LANE_USER),
                        .floor = gb_map_floor(target, GB_LANE_USER),
                        .flags = GB_DELTAS_PULLED};
    if (gb_map_staged(target, GB_LANE_USER, &ask.from, &ask.floor)) {
        ask.flags |= GB_DELTAS_RESET;
    }
    state_message message;
    state_select(t, source_map, source, ask, size_max, &message);
    gb_err err = gb_map_apply(target_map, target, &message.deltas, now, result);
    state_message_deinit(&message);
    gb_map_check(target_map);
    gb_map_check(source_map);
    return err;
}

unsigned state_pull_all(gb_test *t, const gb_map *source_map, const gb_participant *source,
                        gb_map *target_map, gb_participant *target, size_t size_max, gb_time_us now)
{
    unsigned count = 0;
    for (;; count++) {
        gb_apply_result result;
        gb_err err = state_pull(t, source_map, source, target_map, target, size_max, now, &result);
        if (err == GB_EDUPLICATE) {
            return count;
        }
        expect_ok(err);
    }
}
