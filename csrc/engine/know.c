/* SPDX-License-Identifier: Apache-2.0 */
/* know.c: what the peer of a link knows, and the indexes by which participants are named on it. */
#include "engine/internal.h"

#include <string.h>

gb_know *know_at(gb_engine *e, gb_link *link, uint32_t slot)
{
    if (slot >= link->know_count) {
        uint32_t count = e->peer_count > slot ? e->peer_count : slot + 1;
        gb_know *know = gb_realloc_array(e->allocator, link->know, count, sizeof *know);
        if (know == NULL) {
            link_doom(link, GB_CLOSE_BY_US);
            return NULL;
        }
        memset(know + link->know_count, 0, (count - link->know_count) * sizeof *know);
        link->know = know;
        link->know_count = count;
    }
    return &link->know[slot];
}

/* Hashes agreed after the participant's last change here: the peer had it as we have it. */
static bool is_covered_by_agreement(const gb_link *link, const gb_participant *p)
{
    return link->is_agreed && p->changed_no <= link->agreed_no;
}

bool know_version(const gb_link *link, const gb_participant *p, gb_lane lane, uint64_t *version)
{
    if (is_covered_by_agreement(link, p)) {
        *version = gb_map_version(p, lane);
        return true;
    }
    if (p->slot >= link->know_count || (link->know[p->slot].known & GB_LANE_BIT(lane)) == 0) {
        return false;
    }
    *version = link->know[p->slot].version[lane];
    return true;
}

void know_before_change(gb_engine *e, const gb_participant *p)
{
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        if (!link_is_member(link) || !is_covered_by_agreement(link, p)) {
            continue;
        }
        gb_know *know = know_at(e, link, p->slot);
        if (know == NULL) {
            continue;
        }
        know->known = GB_LANES_ALL;
        for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
            know->version[lane] = gb_map_version(p, (gb_lane)lane);
        }
    }
}

void know_agreed(gb_engine *e, gb_link *link)
{
    link->is_agreed = true;
    link->agreed_no = gb_map_change_no(e->map);
    link->mismatch_count = 0;
    link->needs_fingerprints = false;
    link->wants_exchange = false;
}

void know_forget_slot(gb_engine *e, uint32_t slot)
{
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        if (slot < link->know_count) {
            uint8_t queued = link->know[slot].queued;
            memset(&link->know[slot], 0, sizeof link->know[slot]);
            link->know[slot].queued = queued; /* the feed's items are still there */
        }
    }
}

bool know_define(gb_engine *e, gb_link *link, const uint32_t *slots, uint32_t count)
{
    gb_index_entry entries[64];
    uint32_t entry_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const gb_participant *p = gb_map_at(e->map, slots[i]);
        gb_know *know = know_at(e, link, slots[i]);
        if (p == NULL || know == NULL) {
            return false;
        }
        if (know->tx_generation == p->generation) {
            continue;
        }
        know->tx_generation = p->generation;
        know->is_outdated = false;
        entries[entry_count] = (gb_index_entry){
            .index = slots[i], .name = gb_participant_name(p), .generation = p->generation};
        entry_count++;
        if (entry_count == 64) {
            if (!link_encoded(e, link, gb_index_encode(&link->out, entries, entry_count))) {
                return false;
            }
            entry_count = 0;
        }
    }
    return entry_count == 0 ||
           link_encoded(e, link, gb_index_encode(&link->out, entries, entry_count));
}

/* ---- The peer's indexes
 * --------------------------------------------------------------------------- */

static bool rx_reserve(gb_engine *e, gb_link *link, uint32_t index)
{
    if (index < link->rx_count) {
        return true;
    }
    uint32_t count =
        index + 16 < GB_PARTICIPANTS_MAX ? index + index / 2 + 16 : GB_PARTICIPANTS_MAX;
    if (count > GB_PARTICIPANTS_MAX) {
        count = GB_PARTICIPANTS_MAX;
    }
    gb_rx_index *rx = gb_realloc_array(e->allocator, link->rx, count, sizeof *rx);
    if (rx == NULL) {
        link_doom(link, GB_CLOSE_BY_US);
        return false;
    }
    memset(rx + link->rx_count, 0, (count - link->rx_count) * sizeof *rx);
    link->rx = rx;
    link->rx_count = count;
    return true;
}

/* Somebody holds a life of ours that we are not: see engine_settle. */
static void note_conflict(gb_engine *e, const gb_link *link, uint64_t generation)
{
    if (generation > e->conflict_generation && generation <= ENGINE_LIFE_MAX) {
        e->conflict_generation = generation;
        e->conflict_link = link->id;
        e->conflict_retry_at = e->now;
    }
}

void know_index(gb_engine *e, gb_link *link, gb_list_cursor *cursor)
{
    gb_index_entry entry;
    while (gb_index_next(cursor, &entry)) {
        if (!rx_reserve(e, link, entry.index)) {
            return;
        }
        gb_rx_index *rx = &link->rx[entry.index];
        rx->generation = entry.generation;
        rx->name_hash = gb_fnv1a(GB_FNV1A_BASIS, entry.name);
        rx->slot = UINT32_MAX;
        if (gb_slice_equal(entry.name, engine_name(e)) && entry.generation > e->self->generation) {
            note_conflict(e, link, entry.generation);
            continue;
        }
        gb_peer *peer = peer_learn(e, entry.name, entry.generation, false);
        if (link->is_doomed || link->state != LINK_OPEN) {
            return; /* it told of a later life of itself */
        }
        if (peer == NULL) {
            e->stats.frames_ignored++;
            e->has_loose_index = true;
            const gb_participant *p = gb_map_find(e->map, entry.name);
            rx->slot = p == NULL ? UINT32_MAX : p->slot; /* for know_note_outdated */
            continue;
        }
        rx->slot = peer->slot;
    }
}

void know_rebind(gb_engine *e, const gb_participant *p)
{
    if (!e->has_loose_index) {
        return;
    }
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        for (uint32_t index = 0; index < link->rx_count; index++) {
            gb_rx_index *rx = &link->rx[index];
            if (rx->name_hash == p->name_hash && rx->generation == p->generation) {
                rx->slot = p->slot;
            }
        }
    }
}

void know_note_outdated(gb_engine *e, gb_link *link, uint32_t index)
{
    if (index >= link->rx_count || link->rx[index].generation == 0) {
        return;
    }
    const gb_rx_index *rx = &link->rx[index];
    const gb_participant *p = gb_map_at(e->map, rx->slot);
    if (p == NULL || p->generation <= rx->generation || p->name_hash != rx->name_hash) {
        return;
    }
    gb_know *know = know_at(e, link, p->slot);
    if (know != NULL && know->tx_generation != p->generation) {
        know->is_outdated = true;
    }
}

gb_participant *know_participant(const gb_engine *e, const gb_link *link, uint32_t index)
{
    if (index >= link->rx_count || link->rx[index].generation == 0) {
        return NULL;
    }
    const gb_rx_index *rx = &link->rx[index];
    gb_participant *p = gb_map_at(e->map, rx->slot);
    if (p == NULL || p->generation != rx->generation || p->name_hash != rx->name_hash) {
        return NULL;
    }
    return p;
}
