/* SPDX-License-Identifier: Apache-2.0 */
/* index.c: the indexes by which the peer of a link names participants.
 *
 * An index that means the present life of somebody here is a slot. Any other is loose: it keeps the
 * life that it means, which may be an older one than is known here, one that is over, or one that
 * was not known yet. A life that ends makes the indexes for it loose. */
#include "engine/internal.h"

#include "platform/planted.h"

#include <string.h>

static bool rx_reserve(gb_engine *e, gb_link *link, uint32_t index)
{
    if (index < link->rx_count) {
        return true;
    }
    uint32_t count = index + index / 4 + 16;
    if (count > GB_PARTICIPANTS_MAX) {
        count = GB_PARTICIPANTS_MAX;
    }
    uint16_t *rx = gb_realloc_array(e->allocator, link->rx, count, sizeof *rx);
    if (rx == NULL) {
        link_doom(link, GB_CLOSE_BY_US);
        return false;
    }
    memset(rx + link->rx_count, 0, (count - link->rx_count) * sizeof *rx);
    link->rx = rx;
    link->rx_count = count;
    return true;
}

static gb_loose_index *loose_of(const gb_link *link, uint32_t index)
{
    return index < link->rx_count && link->rx[index] >= ENGINE_RX_LOOSE
               ? &link->loose[link->rx[index] - ENGINE_RX_LOOSE]
               : NULL;
}

/* It means nothing, until something is set. */
static void rx_clear(gb_link *link, uint32_t index)
{
    gb_loose_index *loose = loose_of(link, index);
    link->rx[index] = 0;
    if (loose == NULL) {
        return;
    }
    link->loose_count--;
    gb_loose_index *last = &link->loose[link->loose_count];
    if (loose != last) {
        *loose = *last;
        link->rx[loose->index] = (uint16_t)(ENGINE_RX_LOOSE + (uint32_t)(loose - link->loose));
    }
}

static void rx_set(gb_link *link, uint32_t index, uint32_t slot)
{
    rx_clear(link, index);
    link->rx[index] = (uint16_t)(slot + 1);
}

/* Without memory it means nothing, and the link is doomed. */
static void rx_set_loose(gb_engine *e, gb_link *link, gb_loose_index loose)
{
    rx_clear(link, loose.index);
    if (link->loose_count == link->loose_capacity) {
        uint32_t capacity = link->loose_capacity == 0 ? 4 : link->loose_capacity * 2;
        gb_loose_index *list =
            gb_realloc_array(e->allocator, link->loose, capacity, sizeof *link->loose);
        if (list == NULL) {
            link_doom(link, GB_CLOSE_BY_US);
            return;
        }
        link->loose = list;
        link->loose_capacity = capacity;
    }
    link->loose[link->loose_count] = loose;
    link->rx[loose.index] = (uint16_t)(ENGINE_RX_LOOSE + link->loose_count);
    link->loose_count++;
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
        rx_clear(link, entry.index);
        gb_loose_index loose = {.generation = entry.generation,
                                .name_hash = gb_fnv1a(GB_FNV1A_BASIS, entry.name),
                                .slot = UINT32_MAX,
                                .index = entry.index};
        if (gb_slice_equal(entry.name, engine_name(e)) && entry.generation > e->self->generation) {
            note_conflict(e, link, entry.generation);
            rx_set_loose(e, link, loose);
            continue;
        }
        gb_peer *peer = peer_learn(e, entry.name, entry.generation, entry.incarnation, false);
        if (link->is_doomed || link->state != LINK_OPEN) {
            return; /* it told of a later life of itself */
        }
        if (peer != NULL) {
            rx_set(link, entry.index, peer->slot);
            peer_note_departed(e, peer, entry.departed);
            continue;
        }
        e->stats.frames_ignored++;
        const gb_participant *p = gb_map_find(e->map, entry.name);
        loose.slot = p == NULL ? UINT32_MAX : p->slot; /* for know_note_outdated */
        rx_set_loose(e, link, loose);
    }
}

void know_life_ends(gb_engine *e, const gb_participant *p)
{
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        for (uint32_t index = 0; index < link->rx_count; index++) {
            if (link->rx[index] == p->slot + 1) {
                rx_set_loose(e, link,
                             (gb_loose_index){.generation = p->generation,
                                              .name_hash = p->name_hash,
                                              .slot = p->slot,
                                              .index = index});
            }
        }
    }
}

static bool loose_means(const gb_loose_index *loose, const gb_participant *p)
{
    return loose->name_hash == p->name_hash &&
           (loose->generation == p->generation || GB_PLANTED(GB_PLANTED_GENERATION_IGNORED));
}

void know_rebind(gb_engine *e, const gb_participant *p)
{
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        for (uint32_t i = 0; i < link->loose_count;) {
            if (loose_means(&link->loose[i], p)) {
                rx_set(link, link->loose[i].index, p->slot); /* another takes its place */
            } else {
                i++;
            }
        }
    }
}

void know_note_outdated(gb_engine *e, gb_link *link, uint32_t index)
{
    const gb_loose_index *loose = loose_of(link, index);
    const gb_participant *p = loose == NULL ? NULL : gb_map_at(e->map, loose->slot);
    if (p == NULL || p->generation <= loose->generation || p->name_hash != loose->name_hash) {
        return;
    }
    gb_know *know = know_is_defined(link, p->slot) ? NULL : know_at(e, link, p->slot);
    if (know != NULL) {
        know->is_outdated = true;
    }
}

gb_participant *know_participant(const gb_engine *e, const gb_link *link, uint32_t index)
{
    if (index >= link->rx_count || link->rx[index] == 0) {
        return NULL;
    }
    const gb_loose_index *loose = loose_of(link, index);
    if (loose == NULL) {
        return gb_map_at(e->map, link->rx[index] - 1u);
    }
    gb_participant *p = gb_map_at(e->map, loose->slot);
    return p != NULL && loose_means(loose, p) ? p : NULL;
}
