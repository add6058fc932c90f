/* SPDX-License-Identifier: Apache-2.0 */
/* pull.c: bulk transfer: the receiver pulls; one source per participant and lane, another only when
 * the first stalls or goes. */
#include "engine/internal.h"

#include <string.h>

const gb_pull_state *pull_state(const gb_peer *peer, gb_lane lane)
{
    static const gb_pull_state nothing; /* never written */
    return peer->pulls == NULL ? &nothing : &peer->pulls[lane];
}

gb_pull_state *pull_state_at(gb_engine *e, gb_peer *peer, gb_lane lane)
{
    if (peer->pulls == NULL) {
        peer->pulls = gb_alloc_zeroed(e->allocator, GB_LANE_COUNT * sizeof *peer->pulls);
    }
    return peer->pulls == NULL ? NULL : &peer->pulls[lane];
}

/* Nothing is asked or refused any more: the memory goes. */
static void pulls_settle(gb_engine *e, gb_peer *peer)
{
    for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
        const gb_pull_state *pull = pull_state(peer, (gb_lane)lane);
        if (pull->link != 0 || pull->gap_link != 0 || pull->refused_until > e->now) {
            return;
        }
    }
    gb_free(e->allocator, peer->pulls);
    peer->pulls = NULL;
}

bool pull_wanted(const gb_engine *e, const gb_link *link, const gb_peer *peer, gb_lane lane)
{
    if (engine_is_paper(e) && lane_is_data(lane) && (link->features & GB_FEATURE_LOAD) != 0) {
        return false; /* rounds bring it */
    }
    const gb_pull_state *pull = pull_state(peer, lane);
    return pull->link == 0 && e->now >= pull->refused_until;
}

/* What to state: the half-received reset where there is one, else what is served. */
static gb_lane_entry make_pull(const gb_participant *p, gb_lane lane)
{
    gb_lane_entry entry = {.index = p->slot, .lane = (uint8_t)lane};
    if (!gb_map_staged(p, lane, &entry.version, &entry.floor)) {
        entry.version = gb_map_version(p, lane);
        entry.floor = gb_map_floor(p, lane);
    }
    return entry;
}

void pull_send(gb_engine *e, gb_link *link, const uint32_t *pairs, uint32_t count)
{
    gb_lane_entry entries[64];
    for (uint32_t at = 0; at < count;) {
        uint32_t part = 0;
        for (; at < count && part < 64; at++) {
            uint32_t slot = pairs[at] / GB_LANE_COUNT;
            gb_lane lane = (gb_lane)(pairs[at] % GB_LANE_COUNT);
            const gb_participant *p = gb_map_at(e->map, slot);
            gb_peer *peer = peer_at(e, slot);
            if (p == NULL || peer == NULL || pull_state(peer, lane)->link != 0) {
                continue;
            }
            gb_pull_state *pull = pull_state_at(e, peer, lane);
            if (pull == NULL) {
                link_doom(link, GB_CLOSE_BY_US);
                return;
            }
            if (!know_define(e, link, &slot, 1)) {
                return;
            }
            pull->link = link->id;
            pull->gap_link = 0;
            link->pull_count++;
            link->pull_at = e->now;
            e->stall_at = earlier(e->stall_at, e->now + e->settings.pull_stall_us);
            entries[part] = make_pull(p, lane);
            part++;
        }
        if (part > 0 &&
            !link_encoded(e, link, gb_lane_list_encode(&link->out, GB_FRAME_PULL, entries, part))) {
            return;
        }
        e->stats.pulls_sent += part;
    }
}

void pull_serve(gb_engine *e, gb_link *link, gb_list_cursor *cursor)
{
    gb_lane_entry entry;
    while (gb_lane_list_next(GB_FRAME_PULL, cursor, &entry)) {
        gb_participant *p = know_participant(e, link, entry.index);
        gb_know *know = p == NULL ? NULL : know_at(e, link, p->slot);
        if (know == NULL) {
            e->stats.frames_ignored++; /* forgotten meanwhile; the asker's stall timer sees to it */
            continue;
        }
        uint8_t bit = GB_LANE_BIT(entry.lane);
        know_write_down(e, link, p);
        know->is_apart = true; /* its word counts more than what a hash implied */
        if (!know_state(e, link, know, (gb_lane)entry.lane, entry.version)) {
            return;
        }
        know->resetting &= (uint8_t)~bit;
        (void)feed_enqueue(e, link, p, (gb_lane)entry.lane, true, entry.floor);
    }
}

void pull_cancel(gb_engine *e, gb_link *link, gb_list_cursor *cursor)
{
    gb_lane_entry entry;
    while (gb_lane_list_next(GB_FRAME_PULL_CANCEL, cursor, &entry)) {
        gb_participant *p = know_participant(e, link, entry.index);
        gb_know *know = p == NULL ? NULL : know_find(link, p->slot);
        if (know != NULL) {
            /* Unknown from now on: its queued item finds no version to go on from. */
            know->known &= (uint8_t)~GB_LANE_BIT(entry.lane);
            know->resetting &= (uint8_t)~GB_LANE_BIT(entry.lane);
        }
    }
}

void pull_finished(gb_engine *e, gb_peer *peer, gb_lane lane)
{
    if (peer->pulls == NULL) {
        return;
    }
    gb_pull_state *pull = &peer->pulls[lane];
    gb_link *source = link_find(e, pull->link);
    if (source != NULL && source->pull_count > 0) {
        source->pull_count--;
    }
    uint64_t gap_link = pull->gap_link;
    pull->link = 0;
    pull->gap_link = 0;
    pulls_settle(e, peer);
    /* Pushes that came with a gap meanwhile were not kept: their sender believes we have them. */
    gb_link *link = gap_link == 0 ? NULL : link_find(e, gap_link);
    if (link != NULL && link_is_member(link)) {
        push_send_graft(e, link, &peer->slot, 1);
    }
}

void pull_forget(gb_engine *e, gb_peer *peer)
{
    for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
        uint64_t asked = pull_state(peer, (gb_lane)lane)->link;
        gb_link *source = asked == 0 ? NULL : link_find(e, asked);
        if (source != NULL && source->pull_count > 0) {
            source->pull_count--;
        }
    }
    gb_free(e->allocator, peer->pulls);
    peer->pulls = NULL;
}

static bool release_pulls(gb_engine *e, const gb_link *link)
{
    bool had_any = false;
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        gb_peer *peer = e->peers[slot];
        if (peer == NULL || peer->pulls == NULL) {
            continue;
        }
        for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
            if (peer->pulls[lane].link == link->id) {
                peer->pulls[lane].link = 0;
                had_any = true;
            }
        }
        pulls_settle(e, peer);
    }
    return had_any;
}

void pull_link_lost(gb_engine *e, gb_link *link)
{
    bool had_any = link->pull_count > 0 && release_pulls(e, link);
    link->pull_count = 0;
    if (had_any && !e->is_stopped) {
        gossip_want_elsewhere(e, link->id);
    }
}

static void cancel_pulls(gb_engine *e, gb_link *link)
{
    gb_lane_entry entries[64];
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        const gb_peer *peer = e->peers[slot];
        if (count > 64 - GB_LANE_COUNT) {
            if (!link_encoded(
                    e, link,
                    gb_lane_list_encode(&link->out, GB_FRAME_PULL_CANCEL, entries, count))) {
                return;
            }
            count = 0;
        }
        if (peer == NULL || !know_is_defined(link, slot)) {
            continue;
        }
        for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
            if (pull_state(peer, (gb_lane)lane)->link == link->id) {
                entries[count] = (gb_lane_entry){.index = slot, .lane = lane};
                count++;
            }
        }
    }
    if (count > 0) {
        (void)link_encoded(e, link,
                           gb_lane_list_encode(&link->out, GB_FRAME_PULL_CANCEL, entries, count));
    }
}

/* Other bytes than those asked for put it off for a while: what was asked for may queue behind
 * them, or be a large value on its way. */
static gb_time_us stalled_at(const gb_engine *e, const gb_link *link)
{
    uint64_t stall = e->settings.pull_stall_us;
    gb_time_us patience = link->pull_at + ENGINE_STALL_PATIENCE * stall;
    gb_time_us heard = link->heard_at < patience ? link->heard_at : patience;
    return (heard > link->pull_at ? heard : link->pull_at) + stall;
}

gb_time_us pull_due(gb_engine *e)
{
    if (e->now < e->stall_at) {
        return e->stall_at;
    }
    e->stall_at = GB_NO_TIME;
    ENGINE_EACH_LINK(e, link)
    {
        if (!link_is_member(link) || link->pull_count == 0) {
            continue;
        }
        gb_time_us until = stalled_at(e, link);
        if (e->now < until) {
            e->stall_at = earlier(e->stall_at, until);
            continue;
        }
        /* Nothing came for too long: somebody else is asked, if there is somebody. */
        cancel_pulls(e, link);
        (void)release_pulls(e, link);
        link->pull_count = 0;
        gossip_want(e, link);
        gossip_want_elsewhere(e, link->id);
    }
    return e->stall_at;
}
