/* SPDX-License-Identifier: Apache-2.0 */
/* apply.c: DELTAS -> map.
 *
 * In three steps: classify (pure: what would this message be here, or why is it refused), prepare
 * (all memory, nothing visible), commit (mechanical, cannot fail).
 *
 * A reset is received into a staged lane beside the served one. What makes it safe to go on with it
 * from another source than the one it began with: a source holds no value that a deletion known to
 * it removed, and it knows all versions up to its floor. So nothing staged from a source of floor F
 * was deleted at a version in (staged version, F]. With several sources the least of their floors
 * counts (floor_least). A source whose own floor is not above max(staged version, floor_least)
 * lacks no tombstone that concerns what is staged. Any other may have forgotten one, and is
 * refused.
 *
 * A source also leaves out what it has a later version of. So the staged lane is whole only where
 * its version has reached that of every source it came from (version_most): a source that ends
 * before it does not complete it. If that source has no more the next time it is asked either, the
 * one that had may be gone: the staged lane is dropped, and the next reset is of one source. */
#include "state/map_state.h"

#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/limits.h"
#include "platform/planted.h"

typedef enum apply_kind {
    APPLY_SERVED,       /* to the served lane */
    APPLY_STAGED_BEGIN, /* a new staged lane, in place of one that is there */
    APPLY_STAGED,       /* to the staged lane */
} apply_kind;

typedef struct apply_plan {
    apply_kind kind;
    bool is_completing;  /* the staged lane is whole then and is served */
    bool is_stuck;       /* nobody we asked can complete the staged lane */
    uint64_t version;    /* of the lane it goes to: entries up to it are known */
    bool has_tombstones; /* among the entries that are not known yet */
    uint32_t new_count;  /* keys that are not there yet */
    gb_lane_state *lane; /* the served one */
} apply_plan;

/* ---- Classify -------------------------------------------------------------------------------- */

static gb_err classify_staged(const gb_lane_state *lane, const gb_deltas *deltas, apply_plan *plan)
{
    const gb_lane_state *staged = gb_lane_staged(lane);
    bool is_end = (deltas->flags & GB_DELTAS_END) != 0;
    bool is_whole = is_end && deltas->to == staged->version;
    if (deltas->to < staged->version || (deltas->to == staged->version && !is_whole)) {
        return GB_EDUPLICATE;
    }
    if (is_whole && deltas->from == staged->version && deltas->to < staged->extra->version_most) {
        plan->is_stuck = true;
        return GB_EGAP;
    }
    if (deltas->from > staged->version) {
        return GB_EGAP;
    }
    uint64_t least = staged->extra->floor_least;
    uint64_t safe = least > staged->version ? least : staged->version;
    if (deltas->floor > safe) {
        return GB_EGAP;
    }
    plan->kind = APPLY_STAGED;
    plan->is_completing = is_end && deltas->to >= staged->extra->version_most;
    plan->version = staged->version;
    return GB_OK;
}

static gb_err classify_reset(const gb_lane_state *lane, const gb_deltas *deltas, apply_plan *plan)
{
    bool is_end = (deltas->flags & GB_DELTAS_END) != 0;
    if (deltas->to == 0) {
        return GB_EDUPLICATE;
    }
    if (deltas->from > 0) {
        return gb_lane_staged(lane) != NULL  ? classify_staged(lane, deltas, plan)
               : deltas->to <= lane->version ? GB_EDUPLICATE
                                             : GB_EGAP;
    }
    if (is_end && deltas->to <= lane->version) {
        return GB_EDUPLICATE;
    }
    plan->kind = APPLY_STAGED_BEGIN;
    plan->is_completing =
        is_end || (GB_PLANTED(GB_PLANTED_RESET_CUT_SHORT) && deltas->to > lane->version);
    plan->version = 0;
    return GB_OK;
}

static gb_err classify_range(const gb_lane_state *lane, const gb_deltas *deltas, apply_plan *plan)
{
    if ((deltas->flags & GB_DELTAS_RESET) != 0) {
        return classify_reset(lane, deltas, plan);
    }
    bool is_next = deltas->from <= lane->version || GB_PLANTED(GB_PLANTED_GAP_APPLIED);
    if (is_next && deltas->to > lane->version) {
        /* Below the sender's floor the sender may have forgotten deletions. */
        if (deltas->floor > lane->version) {
            return GB_EGAP;
        }
        plan->kind = APPLY_SERVED;
        plan->version = lane->version;
        return GB_OK;
    }
    if (deltas->to <= lane->version) {
        return GB_EDUPLICATE;
    }
    /* A gap for the served lane; what goes on where the staged one stands says the same whether or
     * not its sender knew of the reset. */
    if (gb_lane_staged(lane) != NULL && deltas->from > 0) {
        return classify_staged(lane, deltas, plan);
    }
    return GB_EGAP;
}

/* Is the entry's key new to the lane, once tombstones up to the message's floor are gone? */
static bool entry_is_new(const gb_map *map, const gb_lane_state *target, const gb_deltas *deltas,
                         const gb_delta *delta)
{
    if (target == NULL) {
        return true;
    }
    uint32_t hash = gb_lane_key_hash(map->options.hash_seed, delta->group, delta->key);
    const gb_record *present = gb_lane_find(target, hash, delta->group, delta->key);
    return present == NULL || (!target->is_staged && gb_record_is_tombstone(present) &&
                               present->version <= deltas->floor);
}

/* Keys that count beside the new ones of this message, after it. */
static uint64_t keys_kept(const gb_lane_state *lane, const gb_lane_state *target,
                          const gb_deltas *deltas)
{
    uint64_t count = gb_map_keys_counted(lane->participant, lane->lane);
    if (target != lane) {
        count -= lane->table.count;
        return target == NULL ? count : count + target->table.count;
    }
    for (gb_record *record = gb_lane_tombstone_oldest(lane);
         record != NULL && record->version <= deltas->floor;
         record = gb_record_tombstone(record)->newer) {
        count--;
    }
    return count;
}

static gb_err classify_entries(const gb_map *map, const gb_deltas *deltas, apply_plan *plan)
{
    const gb_lane_state *target = plan->kind == APPLY_SERVED   ? plan->lane
                                  : plan->kind == APPLY_STAGED ? gb_lane_staged(plan->lane)
                                                               : NULL;
    gb_list_cursor cursor = deltas->entries;
    uint64_t previous = deltas->from;
    plan->new_count = 0;
    for (gb_delta delta; gb_delta_next(&cursor, &delta);) {
        if (delta.version <= previous || delta.version > deltas->to || delta.ttl_ms > UINT32_MAX ||
            delta.group.len == 0 || delta.group.len > GB_GROUP_SIZE_MAX) {
            return GB_EMALFORMED;
        }
        previous = delta.version;
        if (delta.key.len > map->options.key_size_max) {
            return GB_EKEY_SIZE;
        }
        if (delta.value.len > gb_map_value_size_max(map, (gb_lane)deltas->lane)) {
            return GB_EVALUE_SIZE;
        }
        if (delta.version > plan->version) {
            plan->new_count += entry_is_new(map, target, deltas, &delta) ? 1 : 0;
            plan->has_tombstones = plan->has_tombstones || delta.type == GB_VALUE_TOMBSTONE;
        }
    }
    uint64_t kept = keys_kept(plan->lane, target, deltas);
    uint64_t limit = gb_map_key_count_max(map, (gb_lane)deltas->lane);
    return plan->new_count > 0 && kept + plan->new_count > limit ? GB_EKEYS : GB_OK;
}

/* ---- Prepare --------------------------------------------------------------------------------- */

static void records_free(const gb_map *map, gb_record *records)
{
    for (gb_record *record = records, *newer; record != NULL; record = newer) {
        newer = record->newer;
        gb_record_release(map->options.allocator, record);
    }
}

/* The entries above `version` as records, linked by ->newer. */
static gb_err records_open(const gb_map *map, const gb_deltas *deltas, uint64_t version,
                           gb_time_us now, gb_record **out)
{
    gb_record *first = NULL;
    gb_record **link = &first;
    gb_list_cursor cursor = deltas->entries;
    for (gb_delta delta; gb_delta_next(&cursor, &delta);) {
        if (delta.version <= version) {
            continue;
        }
        bool is_tombstone = delta.type == GB_VALUE_TOMBSTONE;
        gb_record *record;
        gb_err err = gb_record_open_with(map->options.allocator, &delta,
                                         is_tombstone ? sizeof(gb_tombstone) : 0, &record);
        if (err != GB_OK) {
            records_free(map, first);
            return err;
        }
        record->hash = gb_lane_key_hash(map->options.hash_seed, delta.group, delta.key);
        if (is_tombstone) {
            gb_record_tombstone(record)->since_us = now;
        } else if (delta.ttl_ms != 0) {
            record->expires_us = now + delta.ttl_ms * 1000;
        }
        *link = record;
        link = &record->newer;
    }
    *out = first;
    return GB_OK;
}

static void lane_free(const gb_allocator *allocator, void *lane)
{
    gb_lane_deinit(lane, allocator);
    gb_free(allocator, lane);
}

static gb_err staged_open(const gb_map *map, gb_lane_state *lane, gb_lane_state **out)
{
    gb_lane_state *staged = gb_alloc(map->options.allocator, sizeof *staged);
    if (staged == NULL) {
        return GB_ENOMEM;
    }
    gb_lane_init(staged, lane->participant, lane->lane);
    if (gb_lane_extend(staged, map->options.allocator) != GB_OK ||
        gb_lane_extend(lane, map->options.allocator) != GB_OK) {
        lane_free(map->options.allocator, staged);
        return GB_ENOMEM;
    }
    staged->is_staged = true;
    staged->extra->floor_least = UINT64_MAX;
    *out = staged;
    return GB_OK;
}

void gb_map_drop_staged(gb_map *map, gb_participant *participant, gb_lane lane)
{
    gb_lane_state *state = gb_map_lane_there(participant, lane);
    if (state != NULL && gb_lane_staged(state) != NULL) {
        lane_free(map->options.allocator, state->extra->staged); /* no reader ever saw it */
        state->extra->staged = NULL;
    }
}

/* ---- Commit ---------------------------------------------------------------------------------- */

/* Put prepared records into a lane. Returns their number. */
static uint32_t commit_records(gb_map *map, gb_lane_state *target, gb_record *records)
{
    uint32_t count = 0;
    for (gb_record *record = records, *newer; record != NULL; record = newer) {
        newer = record->newer;
        gb_record *before = gb_lane_put(target, record);
        if (!target->is_staged) {
            gb_map_tell(map, target->participant, target->lane, before, record);
        }
        gb_map_retire_record(map, before);
        count++;
    }
    return count;
}

static void commit_served(gb_map *map, gb_lane_state *lane, const gb_deltas *deltas)
{
    GB_ASSERT(deltas->to > lane->version && deltas->floor <= lane->version);
    lane->version = deltas->to;
    gb_map_purge_update(map, lane);
    gb_map_raise_floor(map, lane, deltas->floor);
    const gb_lane_state *staged = gb_lane_staged(lane);
    if (staged != NULL && lane->version >= staged->floor) {
        /* What made a reset necessary was overtaken: pulls go on from the served version. */
        gb_map_drop_staged(map, lane->participant, lane->lane);
    }
}

/* What readers and hosts see when `lane` took the place of `old`. */
static void tell_differences(const gb_map *map, const gb_lane_state *lane, const gb_lane_state *old)
{
    for (gb_record *record = lane->oldest; record != NULL; record = record->newer) {
        const gb_record *before =
            gb_lane_find(old, record->hash, gb_record_group(record), gb_record_key(record));
        if (before == NULL || before->version != record->version) {
            gb_map_tell(map, lane->participant, lane->lane, before, record);
        }
    }
    for (gb_record *record = old->oldest; record != NULL; record = record->newer) {
        if (gb_lane_find(lane, record->hash, gb_record_group(record), gb_record_key(record)) ==
            NULL) {
            gb_map_tell(map, lane->participant, lane->lane, record, NULL);
        }
    }
}

/* The same value seen again does not begin its time anew. */
static void keep_expiry(const gb_lane_state *served, gb_lane_state *staged)
{
    for (gb_record *record = staged->oldest; record != NULL; record = record->newer) {
        if (record->ttl_ms == 0) {
            continue;
        }
        const gb_record *before =
            gb_lane_find(served, record->hash, gb_record_group(record), gb_record_key(record));
        if (before != NULL && before->version == record->version &&
            before->expires_us < record->expires_us) {
            record->expires_us = before->expires_us;
        }
    }
}

/* Exchange what two lanes hold; readers of `served` see the new table from then on. */
static void lanes_swap(gb_lane_state *served, gb_lane_state *staged)
{
    gb_lane_state old = {
        .oldest = served->oldest, .newest = served->newest, .byte_count = served->byte_count};
    gb_lane_extra tombs = *served->extra;
    gb_table_swap(&served->table, &staged->table);

    served->oldest = staged->oldest;
    served->newest = staged->newest;
    served->byte_count = staged->byte_count;
    served->extra->tombstone_oldest = staged->extra->tombstone_oldest;
    served->extra->tombstone_newest = staged->extra->tombstone_newest;
    served->extra->tombstone_count = staged->extra->tombstone_count;
    served->extra->cursor_next = 0;
    memset(served->extra->cursors, 0, sizeof served->extra->cursors);

    staged->oldest = old.oldest;
    staged->newest = old.newest;
    staged->byte_count = old.byte_count;
    staged->extra->tombstone_oldest = tombs.tombstone_oldest;
    staged->extra->tombstone_newest = tombs.tombstone_newest;
    staged->extra->tombstone_count = tombs.tombstone_count;
}

static void commit_completed(gb_map *map, gb_lane_state *lane)
{
    gb_participant *participant = lane->participant;
    gb_lane_state *staged = gb_lane_staged(lane);
    GB_ASSERT(staged->version > lane->version);
    keep_expiry(lane, staged);
    lanes_swap(lane, staged);
    lane->extra->staged = NULL;
    participant->key_count = participant->key_count - staged->table.count + lane->table.count;
    lane->version = staged->version;
    /* The sources' floors may lie above what was received; knowing less than a floor says that
     * everything below may be missing, which is what the version says then. */
    lane->floor = 0;
    gb_map_purge_update(map, lane);
    if (!GB_PLANTED(GB_PLANTED_NO_FLOOR_ADOPTION)) {
        gb_map_raise_floor(map, lane,
                           staged->floor < lane->version ? staged->floor : lane->version);
    }
    tell_differences(map, lane, staged);
    gb_map_retire(map, lane_free, staged);
}

static void commit_staged(gb_map *map, const apply_plan *plan, const gb_deltas *deltas)
{
    gb_lane_state *lane = plan->lane;
    gb_lane_state *staged = gb_lane_staged(lane);
    GB_ASSERT(deltas->to >= staged->version);
    staged->version = deltas->to;
    staged->floor = deltas->floor > staged->floor ? deltas->floor : staged->floor;
    uint64_t least = staged->extra->floor_least;
    staged->extra->floor_least = deltas->floor < least ? deltas->floor : least;
    uint64_t most = staged->extra->version_most;
    staged->extra->version_most = deltas->version > most ? deltas->version : most;
    if (plan->is_completing) {
        commit_completed(map, lane);
    }
}

static gb_err prepare(gb_map *map, apply_plan *plan, const gb_deltas *deltas, gb_time_us now,
                      gb_lane_state **target, gb_record **records)
{
    gb_lane_state *lane = plan->lane;
    gb_lane_state *opened = NULL;
    gb_err err = GB_OK;
    *target = plan->kind == APPLY_SERVED ? lane : gb_lane_staged(lane);
    if (plan->kind == APPLY_STAGED_BEGIN) {
        err = staged_open(map, lane, &opened);
        *target = opened;
    }
    if (err == GB_OK) {
        err = gb_map_reserve(map, *target, plan->new_count,
                             plan->has_tombstones || plan->kind != APPLY_SERVED);
    }
    if (err == GB_OK) {
        err = records_open(map, deltas, plan->version, now, records);
    }
    if (err != GB_OK && opened != NULL) {
        lane_free(map->options.allocator, opened);
    }
    return err;
}

gb_err gb_map_apply(gb_map *map, gb_participant *participant, const gb_deltas *deltas,
                    gb_time_us now, gb_apply_result *result)
{
    if (participant->is_self || deltas->lane >= GB_LANE_COUNT) {
        return GB_EINVAL;
    }
    apply_plan plan = {0};
    gb_err err = classify_range(gb_map_lane(participant, deltas->lane), deltas, &plan);
    if (err == GB_OK) {
        err = gb_map_lane_open(map, participant, deltas->lane, &plan.lane);
    }
    if (plan.is_stuck) {
        gb_map_drop_staged(map, participant, deltas->lane);
    }
    gb_lane_state *lane = plan.lane;
    if (err == GB_OK && plan.kind == APPLY_STAGED && plan.is_completing &&
        deltas->to <= lane->version) {
        gb_map_drop_staged(map, participant, deltas->lane);
        return GB_EDUPLICATE;
    }
    if (err == GB_OK) {
        err = classify_entries(map, deltas, &plan);
    }
    gb_lane_state *target = NULL;
    gb_record *records = NULL;
    if (err == GB_OK) {
        err = prepare(map, &plan, deltas, now, &target, &records);
    }
    if (err != GB_OK) {
        return err;
    }

    uint64_t version_before = lane->version;
    if (plan.kind == APPLY_STAGED_BEGIN) {
        gb_map_drop_staged(map, participant, deltas->lane);
        lane->extra->staged = target;
    }
    uint32_t record_count = commit_records(map, target, records);
    if (plan.kind == APPLY_SERVED) {
        commit_served(map, lane, deltas);
    } else {
        commit_staged(map, &plan, deltas);
    }
    GB_ASSERT(version_before <= lane->version);
    if (version_before < lane->version) {
        gb_map_touch(map, participant);
    }
    *result = (gb_apply_result){.version_before = version_before,
                                .version_after = lane->version,
                                .record_count = record_count,
                                .is_staging = gb_lane_staged(lane) != NULL};
    return GB_OK;
}
