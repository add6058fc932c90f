/* SPDX-License-Identifier: Apache-2.0 */
/* know.h: what the peer of a link knows, and the indexes by which participants are named on it.
 * Part of internal.h. */
#ifndef GB_ENGINE_KNOW_H
#define GB_ENGINE_KNOW_H

#include "engine/internal.h"

/* What links know lies in pages of so many participants: one bit each in a word. */
#define ENGINE_KNOW_PAGE 32u
/* In the list of a peer's indexes: above all slots. */
#define ENGINE_RX_LOOSE 0x8000u
_Static_assert(GB_PARTICIPANTS_MAX < ENGINE_RX_LOOSE,
               "a slot and one more, or a place among as many");

/* What of a participant's lanes does not fit the short form. */
typedef struct gb_know_wide {
    uint64_t version[GB_LANE_COUNT];
    uint64_t pull_floor[GB_LANE_COUNT]; /* stated by a PULL; of lanes in `pulled` */
    gb_time_us gap_asked;
} gb_know_wide;

/* What the peer of a link knows of one participant, as far as we can tell and as far as no
 * agreement says it: a hint. A link has as many as it has participants while a cluster forms, and
 * hardly any when it is quiet. */
typedef struct gb_know {
    union {
        uint16_t version[GB_LANE_COUNT];
        gb_know_wide *wide; /* owned; `is_wide` */
    } as;
    uint8_t known;     /* lanes whose version is stated */
    uint8_t queued;    /* lanes waiting in a feed queue, once each */
    uint8_t pulled;    /* those of them that a PULL asked for */
    uint8_t i_have;    /* lanes to be told by the next I-HAVE */
    uint8_t resetting; /* lanes in the middle of a reset */
    bool is_wide;
    bool is_outdated; /* the peer named an older life: the next digest says so */
    bool is_apart;    /* its word counts, not what an agreement implies */
} gb_know;
_Static_assert(sizeof(gb_know) == 16, "links hold many of them");

/* ENGINE_KNOW_PAGE slots in a row. */
struct gb_know_page {
    gb_know *entries; /* NULL: nothing but what an agreement says */
    uint32_t defined; /* bit by slot: our index of it is defined for its present life */
    uint32_t lazy;    /* bit by slot: I-HAVE instead of pushes */
};

/* Meaning of an index that the peer has defined, where it is not the present life of somebody
 * here. */
struct gb_loose_index {
    uint64_t generation;
    uint64_t name_hash;
    uint32_t slot; /* UINT32_MAX: nobody here; see know_rebind */
    uint32_t index;
};

/* ---- know.c ------------------------------------------------------------------------------------
 */

/* The entry for a slot, made where there is none; NULL (and the link is doomed) without memory.
 * Lives until an agreement, or until the slot's life is over. */
gb_know *know_at(gb_engine *e, gb_link *link, uint32_t slot);
/* NULL: there is none. */
static inline gb_know *know_find(const gb_link *link, uint32_t slot)
{
    uint32_t page = slot / ENGINE_KNOW_PAGE;
    gb_know *entries = page < link->page_count ? link->pages[page].entries : NULL;
    return entries == NULL ? NULL : &entries[slot % ENGINE_KNOW_PAGE];
}
/* The version that its entry states: of lanes in `known`. */
static inline uint64_t know_stated(const gb_know *know, gb_lane lane)
{
    return know->is_wide ? know->as.wide->version[lane] : know->as.version[lane];
}
/* State the version of a lane. false (and the link is doomed): no memory. */
bool know_state(gb_engine *e, gb_link *link, gb_know *know, gb_lane lane, uint64_t version);
/* State all that we have of it. */
bool know_state_ours(gb_engine *e, gb_link *link, const gb_participant *p);
/* Room for what a PULL or a gap says. NULL (and the link is doomed): no memory. */
gb_know_wide *know_widen(gb_engine *e, gb_link *link, gb_know *know);
/* Is it told of changes by I-HAVE alone? */
static inline bool know_is_lazy(const gb_link *link, uint32_t slot)
{
    uint32_t page = slot / ENGINE_KNOW_PAGE;
    return page < link->page_count && (link->pages[page].lazy >> slot % ENGINE_KNOW_PAGE & 1) != 0;
}
/* Without memory the link is doomed. */
void know_set_lazy(gb_engine *e, gb_link *link, uint32_t slot, bool is_lazy);
/* Is our index of the slot defined for its present life? */
static inline bool know_is_defined(const gb_link *link, uint32_t slot)
{
    uint32_t page = slot / ENGINE_KNOW_PAGE;
    return page < link->page_count &&
           (link->pages[page].defined >> slot % ENGINE_KNOW_PAGE & 1) != 0;
}
/* Does an agreement say that the peer has it as we have it? */
bool know_is_covered(const gb_link *link, const gb_participant *p);
/* What did not change here after change counter `no` is known there as here; entries where
 * `is_named` says so count more than that. */
void know_raise(gb_engine *e, gb_link *link, uint64_t no,
                bool (*is_named)(const gb_engine *e, const gb_participant *p, const void *user),
                const void *user);
/* The version that the peer is believed to know; false: no idea. */
bool know_version(const gb_link *link, const gb_participant *p, gb_lane lane, uint64_t *version);
/* Before a participant changes here: what an agreement of hashes implied is written down. */
void know_before_change(gb_engine *e, const gb_participant *p);
/* The same on one link, before its peer's word about the participant is noted. */
void know_write_down(gb_engine *e, gb_link *link, const gb_participant *p);
void know_agreed(gb_engine *e, gb_link *link);
/* A slot got another meaning. */
void know_forget_slot(gb_engine *e, uint32_t slot);
void know_deinit(gb_engine *e, gb_link *link);

/* ---- index.c -----------------------------------------------------------------------------------
 */

/* The life of `p` is about to end: indexes that peers defined for it mean that life alone. */
void know_life_ends(gb_engine *e, const gb_participant *p);
/* Indexes that peers defined for somebody who was not known here then mean `p` now. */
void know_rebind(gb_engine *e, const gb_participant *p);
/* Its incarnation has grown: where it is named next, its index is defined anew, since the peer may
 * have refused the one before for a grave. */
void know_redefine(gb_engine *e, uint32_t slot);
/* Make sure that our indexes of these slots are defined on the link, in one INDEX frame. */
bool know_define(gb_engine *e, gb_link *link, const uint32_t *slots, uint32_t count);
void know_index(gb_engine *e, gb_link *link, gb_list_cursor *cursor);
/* A digest names somebody by an index. If that means an older life than we know, of which there may
 * be nothing to tell but that, the answer will say so. */
void know_note_outdated(gb_engine *e, gb_link *link, uint32_t index);
/* The participant that an index of the peer's means now; NULL: nobody here. */
gb_participant *know_participant(const gb_engine *e, const gb_link *link, uint32_t index);

#endif
