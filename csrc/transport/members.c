/* SPDX-License-Identifier: Apache-2.0 */
/* members.c: pictures of the members. */
#include "transport/members.h"

#include "platform/alloc.h"
#include "platform/assert.h"
#include "state/map.h"

#include <string.h>

/* The member in a slot of the map, if it is one. By slot, because gb_engine_member_at counts from
 * the start each time. */
static bool member_in_slot(const gb_engine *engine, uint32_t slot, gb_member *out)
{
    gb_participant *participant = gb_map_at(gb_engine_map(engine), slot);
    return participant != NULL && gb_engine_member(engine, gb_participant_name(participant), out);
}

static void copy_slice(gb_slice *slice, uint8_t **at)
{
    if (slice->len > 0) {
        memcpy(*at, slice->base, slice->len);
    }
    slice->base = *at;
    *at += slice->len;
}

gb_err gb_members_open(const gb_allocator *allocator, const gb_engine *engine, gb_members **out)
{
    uint32_t slot_end = gb_map_slot_end(gb_engine_map(engine));
    uint32_t count = 0;
    size_t bytes = 0;
    gb_member member;
    for (uint32_t slot = 0; slot < slot_end; slot++) {
        if (member_in_slot(engine, slot, &member)) {
            count++;
            bytes += member.name.len + member.host.len;
        }
    }
    gb_members *members =
        gb_alloc(allocator, sizeof *members + count * sizeof members->members[0] + bytes);
    if (members == NULL) {
        return GB_ENOMEM;
    }
    atomic_init(&members->refs, 1);
    members->count = 0;
    uint8_t *at = (uint8_t *)&members->members[count];
    for (uint32_t slot = 0; slot < slot_end && members->count < count; slot++) {
        if (!member_in_slot(engine, slot, &member)) {
            continue;
        }
        copy_slice(&member.name, &at);
        copy_slice(&member.host, &at);
        members->members[members->count] = member;
        members->count++;
    }
    GB_ASSERT(members->count == count);
    *out = members;
    return GB_OK;
}

gb_members *gb_members_ref(gb_members *members)
{
    uint32_t before = atomic_fetch_add_explicit(&members->refs, 1, memory_order_relaxed);
    GB_ASSERT(before > 0 && before < UINT32_MAX);
    return members;
}

void gb_members_release(const gb_allocator *allocator, void *object)
{
    gb_members *members = object;
    if (members == NULL) {
        return;
    }
    uint32_t before = atomic_fetch_sub_explicit(&members->refs, 1, memory_order_acq_rel);
    GB_ASSERT(before > 0);
    if (before == 1) {
        gb_free(allocator, members);
    }
}
