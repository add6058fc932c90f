/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.c: what an engine holds, record by record, for those who compare it with the truth. */
#include "engine/internal.h"

#include "state/lane.h"

uint64_t gb_engine_change_no(const gb_engine *e)
{
    return gb_map_change_no(e->map);
}

uint64_t gb_engine_map_hash(const gb_engine *e)
{
    return gb_map_hash(e->map);
}

gb_err gb_engine_generation(const gb_engine *e, gb_slice name, uint64_t *out)
{
    const gb_participant *p = gb_map_find(e->map, name);
    if (p == NULL) {
        return GB_EUNKNOWN_NODE;
    }
    *out = p->generation;
    return GB_OK;
}

void gb_engine_visit_known(const gb_engine *e, uint64_t changed_after,
                           bool (*visit)(void *user, const gb_known *known), void *user)
{
    for (const gb_participant *p = gb_map_changed_last(e->map);
         p != NULL && p->changed_no > changed_after; p = p->changed_older) {
        gb_known known = {.name = gb_participant_name(p),
                          .generation = p->generation,
                          .changed_no = p->changed_no,
                          .is_self = p->is_self};
        for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
            known.version[lane] = gb_map_version(p, lane);
            known.floor[lane] = gb_map_floor(p, lane);
        }
        if (!visit(user, &known)) {
            return;
        }
    }
}

static gb_delta record_delta(const gb_record *r)
{
    return (gb_delta){.version = r->version,
                      .type = r->type,
                      .ttl_ms = r->ttl_ms,
                      .group = gb_record_group(r),
                      .key = gb_record_key(r),
                      .value = gb_record_value(r)};
}

gb_err gb_engine_visit_records(const gb_engine *e, gb_slice name, gb_lane lane,
                               uint64_t version_after,
                               bool (*visit)(void *user, const gb_delta *delta, uint64_t digest),
                               void *user)
{
    const gb_participant *p = gb_map_find(e->map, name);
    if (p == NULL || lane >= GB_LANE_COUNT) {
        return GB_EUNKNOWN_NODE;
    }
    for (const gb_record *r = gb_lane_after(gb_map_lane(p, lane), version_after); r != NULL;
         r = r->newer) {
        gb_delta delta = record_delta(r);
        uint64_t digest = gb_hash_combine(r->type, gb_hash_bytes(0, delta.value));
        if (!visit(user, &delta, digest)) {
            break;
        }
    }
    return GB_OK;
}

gb_err gb_engine_value(const gb_engine *e, gb_slice name, gb_lane lane, gb_slice group,
                       gb_slice key, gb_delta *out)
{
    const gb_participant *p = gb_map_find(e->map, name);
    if (p == NULL || lane >= GB_LANE_COUNT) {
        return GB_EUNKNOWN_NODE;
    }
    if (p->is_self) {
        return gb_engine_get_own(e, lane, group, key, out);
    }
    const gb_record *r = gb_map_get(p, lane, group, key);
    if (r == NULL || gb_record_is_tombstone(r)) {
        return GB_ENOTFOUND;
    }
    *out = record_delta(r);
    return GB_OK;
}
