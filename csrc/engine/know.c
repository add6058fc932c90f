/* SPDX-License-Identifier: Apache-2.0 */
/* know.c: what the peer of a link knows.
 *
 * Almost all of it is said by one number: what has not changed here since `known_no` is known there
 * as it is here, because hashes agreed then or an answer named every difference. What that does not
 * say (changes since, the peer's own word, lanes that wait to be told) stands in entries by slot,
 * in pages that come with the first entry and go with an agreement: a link of a quiet cluster costs
 * some bits a participant. */
#include "engine/internal.h"

#include <string.h>

/* ---- Entries
 * ---------------------------------------------------------------------------------------- */

static gb_know_page *page_at(gb_engine *e, gb_link *link, uint32_t slot)
{
    uint32_t page = slot / ENGINE_KNOW_PAGE;
    if (page >= link->page_count) {
        uint32_t slots = e->peer_count > slot ? e->peer_count : slot + 1;
        uint32_t count = (slots + ENGINE_KNOW_PAGE - 1) / ENGINE_KNOW_PAGE;
        gb_know_page *pages = gb_realloc_array(e->allocator, link->pages, count, sizeof *pages);
        if (pages == NULL) {
            link_doom(link, GB_CLOSE_BY_US);
            return NULL;
        }
        memset(pages + link->page_count, 0, (count - link->page_count) * sizeof *pages);
        link->pages = pages;
        link->page_count = count;
    }
    return &link->pages[page];
}

gb_know *know_at(gb_engine *e, gb_link *link, uint32_t slot)
{
    gb_know_page *page = page_at(e, link, slot);
    if (page == NULL) {
        return NULL;
    }
    if (page->entries == NULL) {
        page->entries = gb_alloc_zeroed(e->allocator, ENGINE_KNOW_PAGE * sizeof *page->entries);
        if (page->entries == NULL) {
            link_doom(link, GB_CLOSE_BY_US);
            return NULL;
        }
        link->pages_used++;
    }
    return &page->entries[slot % ENGINE_KNOW_PAGE];
}

static void entry_clear(gb_engine *e, gb_know *know)
{
    if (know->is_wide) {
        gb_free(e->allocator, know->as.wide);
    }
    memset(know, 0, sizeof *know);
}

static void page_free(gb_engine *e, gb_link *link, gb_know_page *page)
{
    for (uint32_t i = 0; page->entries != NULL && i < ENGINE_KNOW_PAGE; i++) {
        entry_clear(e, &page->entries[i]);
    }
    link->pages_used -= page->entries != NULL ? 1 : 0;
    gb_free(e->allocator, page->entries);
    page->entries = NULL;
}

void know_deinit(gb_engine *e, gb_link *link)
{
    for (uint32_t i = 0; i < link->page_count; i++) {
        page_free(e, link, &link->pages[i]);
    }
    gb_free(e->allocator, link->pages);
    gb_free(e->allocator, link->rx);
    gb_free(e->allocator, link->loose);
}

gb_know_wide *know_widen(gb_engine *e, gb_link *link, gb_know *know)
{
    if (know->is_wide) {
        return know->as.wide;
    }
    gb_know_wide *wide = gb_alloc_zeroed(e->allocator, sizeof *wide);
    if (wide == NULL) {
        link_doom(link, GB_CLOSE_BY_US);
        return NULL;
    }
    for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
        wide->version[lane] = know->as.version[lane];
    }
    know->as.wide = wide;
    know->is_wide = true;
    return wide;
}

bool know_state(gb_engine *e, gb_link *link, gb_know *know, gb_lane lane, uint64_t version)
{
    if (version > UINT16_MAX && know_widen(e, link, know) == NULL) {
        return false;
    }
    if (know->is_wide) {
        know->as.wide->version[lane] = version;
    } else {
        know->as.version[lane] = (uint16_t)version;
    }
    know->known |= GB_LANE_BIT(lane);
    return true;
}

bool know_state_ours(gb_engine *e, gb_link *link, const gb_participant *p)
{
    gb_know *know = know_at(e, link, p->slot);
    for (uint8_t lane = 0; know != NULL && lane < GB_LANE_COUNT; lane++) {
        if (!know_state(e, link, know, (gb_lane)lane, gb_map_version(p, (gb_lane)lane))) {
            return false;
        }
    }
    return know != NULL;
}

void know_set_lazy(gb_engine *e, gb_link *link, uint32_t slot, bool is_lazy)
{
    if (know_is_lazy(link, slot) == is_lazy) {
        return;
    }
    gb_know_page *page = page_at(e, link, slot);
    if (page != NULL) {
        page->lazy ^= UINT32_C(1) << slot % ENGINE_KNOW_PAGE;
    }
}

/* ---- Agreement
 * -------------------------------------------------------------------------------------- */

bool know_is_covered(const gb_link *link, const gb_participant *p)
{
    if (p->changed_no > link->known_no) {
        return false;
    }
    const gb_know *know = know_find(link, p->slot);
    return know == NULL || !know->is_apart;
}

bool know_version(const gb_link *link, const gb_participant *p, gb_lane lane, uint64_t *version)
{
    const gb_know *know = know_find(link, p->slot);
    bool is_stated = know != NULL && (know->known & GB_LANE_BIT(lane)) != 0;
    uint64_t stated = is_stated ? know_stated(know, lane) : 0;
    if (know_is_covered(link, p)) {
        /* As much as we, or more: it may have told of news that we lack since. */
        uint64_t ours = gb_map_version(p, lane);
        *version = stated > ours ? stated : ours;
        return true;
    }
    *version = stated;
    return is_stated;
}

void know_write_down(gb_engine *e, gb_link *link, const gb_participant *p)
{
    if (know_is_covered(link, p)) {
        (void)know_state_ours(e, link, p);
    }
}

void know_before_change(gb_engine *e, const gb_participant *p)
{
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        if (link_is_member(link)) {
            know_write_down(e, link, p);
        }
    }
}

/* Nothing but what an agreement says, too? */
static bool entry_is_idle(const gb_engine *e, const gb_know *know)
{
    bool is_asked = know->is_wide && know->as.wide->gap_asked != 0 &&
                    e->now < know->as.wide->gap_asked + ENGINE_GAP_PAUSE;
    return (know->queued | know->pulled | know->i_have | know->resetting) == 0 &&
           !know->is_outdated && !is_asked;
}

/* Everything is known there as here: entries with nothing else to say go. */
static void forget_stated(gb_engine *e, gb_link *link)
{
    for (uint32_t i = 0; link->pages_used > 0 && i < link->page_count; i++) {
        gb_know_page *page = &link->pages[i];
        bool is_used = false;
        for (uint32_t k = 0; page->entries != NULL && k < ENGINE_KNOW_PAGE; k++) {
            gb_know *know = &page->entries[k];
            know->is_apart = false;
            if (entry_is_idle(e, know)) {
                entry_clear(e, know);
            } else {
                is_used = true;
            }
        }
        if (!is_used) {
            page_free(e, link, page);
        }
    }
}

void know_agreed(gb_engine *e, gb_link *link)
{
    link->is_agreed = true;
    link->agreed_no = gb_map_change_no(e->map);
    link->known_no = link->agreed_no;
    link->mismatch_count = 0;
    link->needs_fingerprints = false;
    link->wants_exchange = false;
    forget_stated(e, link);
}

void know_raise(gb_engine *e, gb_link *link, uint64_t no,
                bool (*is_named)(const gb_engine *e, const gb_participant *p, const void *user),
                const void *user)
{
    if (no > link->known_no) {
        link->known_no = no;
    }
    for (uint32_t i = 0; link->pages_used > 0 && i < link->page_count; i++) {
        gb_know *entries = link->pages[i].entries;
        for (uint32_t k = 0; entries != NULL && k < ENGINE_KNOW_PAGE; k++) {
            const gb_participant *p = gb_map_at(e->map, i * ENGINE_KNOW_PAGE + k);
            if (p != NULL && p->changed_no <= no) {
                entries[k].is_apart = is_named(e, p, user);
            }
        }
    }
}

void know_forget_slot(gb_engine *e, uint32_t slot)
{
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        gb_know *know = know_find(link, slot);
        if (know != NULL) {
            uint8_t queued = know->queued;
            entry_clear(e, know);
            know->queued = queued; /* the feed's items are still there */
        }
        if (slot / ENGINE_KNOW_PAGE < link->page_count) {
            gb_know_page *page = &link->pages[slot / ENGINE_KNOW_PAGE];
            page->defined &= ~(UINT32_C(1) << slot % ENGINE_KNOW_PAGE);
            page->lazy &= ~(UINT32_C(1) << slot % ENGINE_KNOW_PAGE);
        }
    }
}

void know_redefine(gb_engine *e, uint32_t slot)
{
    GB_LIST_EACH(node, &e->links)
    {
        gb_link *link = link_of(node);
        if (slot / ENGINE_KNOW_PAGE < link->page_count) {
            link->pages[slot / ENGINE_KNOW_PAGE].defined &=
                ~(UINT32_C(1) << slot % ENGINE_KNOW_PAGE);
        }
    }
}

/* ---- Our indexes
 * ------------------------------------------------------------------------------------ */

/* false: it was defined, or nothing can be (and the link is doomed then). */
static bool define_slot(gb_engine *e, gb_link *link, uint32_t slot)
{
    gb_know_page *page = page_at(e, link, slot);
    uint32_t bit = UINT32_C(1) << slot % ENGINE_KNOW_PAGE;
    if (page == NULL || (page->defined & bit) != 0) {
        return false;
    }
    page->defined |= bit;
    gb_know *know = know_find(link, slot);
    if (know != NULL) {
        know->is_outdated = false;
    }
    return true;
}

bool know_define(gb_engine *e, gb_link *link, const uint32_t *slots, uint32_t count)
{
    gb_index_entry entries[64];
    uint32_t entry_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const gb_participant *p = gb_map_at(e->map, slots[i]);
        const gb_peer *peer = peer_at(e, slots[i]);
        if (p == NULL || peer == NULL) {
            return false;
        }
        if (!define_slot(e, link, slots[i])) {
            if (link->is_doomed) {
                return false;
            }
            continue;
        }
        entries[entry_count] = (gb_index_entry){.index = slots[i],
                                                .name = gb_participant_name(p),
                                                .generation = p->generation,
                                                .incarnation = peer->incarnation,
                                                .departed = peer_departed(e, peer)};
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
