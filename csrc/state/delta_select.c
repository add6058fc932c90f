/* SPDX-License-Identifier: Apache-2.0 */
/* delta_select.c: map -> DELTAS: what follows a version, in version order, within a budget. */
#include "state/map_state.h"

#include "platform/assert.h"
#include "platform/limits.h"

static gb_delta record_delta(const gb_record *record)
{
    return (gb_delta){.version = record->version,
                      .type = record->type,
                      .ttl_ms = record->ttl_ms,
                      .group = gb_record_group(record),
                      .key = gb_record_key(record),
                      .value = gb_record_value(record)};
}

uint64_t gb_map_bytes_after(const gb_participant *participant, gb_lane lane, uint64_t from)
{
    uint64_t size = 0;
    for (const gb_record *record = gb_lane_after(gb_map_lane(participant, lane), from);
         record != NULL && size < GB_CHUNK_SIZE; record = record->newer) {
        gb_delta delta = record_delta(record);
        size += gb_delta_encoded_size(&delta);
    }
    return size;
}

uint32_t gb_map_count_after(const gb_participant *participant, gb_lane lane, uint64_t from,
                            uint32_t count_max)
{
    uint32_t count = 0;
    for (const gb_record *record = gb_map_lane(participant, lane)->newest;
         record != NULL && record->version > from && count < count_max; record = record->older) {
        count++;
    }
    return count;
}

/* Where the message begins, and whether it is part of a reset. */
static void selection_begin(const gb_lane_state *lane, gb_selection *selection)
{
    uint64_t known = selection->from > selection->floor ? selection->from : selection->floor;
    selection->flags &= GB_DELTAS_PULLED | GB_DELTAS_RESET;
    /* Whoever goes on with a reset began it when the floor was what it was then; whether what was
     * purged meanwhile concerns the receiver, the receiver knows (apply.c). */
    bool is_going_on = (selection->flags & GB_DELTAS_RESET) != 0 && selection->from > 0;
    if (!is_going_on && known < lane->floor) {
        /* Tombstones that the receiver never heard of may be gone here. */
        selection->from = 0;
        selection->flags |= GB_DELTAS_RESET;
    } else if (selection->from > lane->version) {
        /* The receiver knows more than this map: say how far it goes, claim nothing beyond. */
        selection->from = lane->version;
    }
}

gb_err gb_map_select(const gb_map *map, const gb_participant *participant, gb_lane lane,
                     uint32_t index, size_t size_max, gb_selection *selection, gb_out *out)
{
    const gb_lane_state *state = gb_map_lane(participant, lane);
    gb_selection chosen = *selection;
    selection_begin(state, &chosen);

    gb_deltas_writer writer;
    gb_deltas_begin(&writer, out, index, lane, chosen.from, state->floor, size_max);
    gb_record *last = NULL;
    gb_record *record = gb_lane_after(state, chosen.from);
    chosen.count = 0;
    while (record != NULL && (chosen.count_max == 0 || chosen.count < chosen.count_max)) {
        gb_delta delta = record_delta(record);
        if (!gb_deltas_try_add(&writer, &delta)) {
            break;
        }
        last = record;
        record = record->newer;
        chosen.count++;
    }
    chosen.to = record == NULL ? state->version : last == NULL ? chosen.from : last->version;
    gb_err err = gb_deltas_end(&writer, chosen.to, state->version, chosen.flags);
    if (err != GB_OK) {
        return err;
    }
    GB_ASSERT(record == NULL || last != NULL);
    if (record == NULL) {
        chosen.flags |= GB_DELTAS_END;
    } else {
        gb_lane_remember(gb_map_lane_there(participant, lane), map->options.allocator, last);
    }
    *selection = chosen;
    return GB_OK;
}
