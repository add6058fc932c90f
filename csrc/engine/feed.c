/* SPDX-License-Identifier: Apache-2.0 */
/* feed.c: the map is the buffer: each link remembers which lanes have news and is fed as it drains.
 */
#include "engine/internal.h"

#include <string.h>

/* ---- Queue
 * ---------------------------------------------------------------------------------------- */

static bool queue_push(gb_engine *e, gb_feed_queue *queue, uint32_t item)
{
    if (queue->head + queue->count == queue->capacity) {
        if (queue->head > 0 && queue->head >= queue->capacity / 2) {
            memmove(queue->items, queue->items + queue->head, queue->count * sizeof *queue->items);
            queue->head = 0;
        } else {
            uint32_t capacity = queue->capacity == 0 ? 8 : queue->capacity * 2;
            uint32_t *items = gb_realloc_array(e->allocator, queue->items, capacity, sizeof *items);
            if (items == NULL) {
                return false;
            }
            queue->items = items;
            queue->capacity = capacity;
        }
    }
    queue->items[queue->head + queue->count] = item;
    queue->count++;
    return true;
}

static void queue_pop(gb_engine *e, gb_feed_queue *queue)
{
    GB_ASSERT(queue->count > 0);
    queue->head++;
    queue->count--;
    if (queue->count == 0) {
        queue->head = 0;
        if (queue->capacity > 64) {
            gb_free(e->allocator, queue->items);
            queue->items = NULL;
            queue->capacity = 0;
        }
    }
}

void feed_deinit(gb_engine *e, gb_link *link)
{
    for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
        gb_free(e->allocator, link->feed[lane].items);
        gb_free(e->allocator, link->feed_bulk[lane].items);
    }
}

bool feed_is_empty(const gb_link *link)
{
    for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
        if (link->feed[lane].count > 0 || link->feed_bulk[lane].count > 0) {
            return false;
        }
    }
    return true;
}

bool feed_enqueue(gb_engine *e, gb_link *link, const gb_participant *p, gb_lane lane,
                  bool is_pulled, uint64_t floor)
{
    gb_know *know = know_at(e, link, p->slot);
    if (know == NULL) {
        return false;
    }
    if (is_pulled && (floor > 0 || know->is_wide)) {
        gb_know_wide *wide = know_widen(e, link, know);
        if (wide == NULL) {
            return false;
        }
        wide->pull_floor[lane] = floor;
    }
    if ((know->queued & GB_LANE_BIT(lane)) != 0) {
        know->pulled |= is_pulled ? GB_LANE_BIT(lane) : 0;
        return true;
    }
    bool is_bulk =
        is_pulled && gb_map_bytes_after(p, lane, know_stated(know, lane)) > GB_CHUNK_SIZE / 2;
    gb_feed_queue *queue = is_bulk ? &link->feed_bulk[lane] : &link->feed[lane];
    if (!queue_push(e, queue, p->slot)) {
        link_doom(link, GB_CLOSE_BY_US);
        return false;
    }
    link_touch(link);
    know->queued |= GB_LANE_BIT(lane);
    know->pulled |= is_pulled ? GB_LANE_BIT(lane) : 0;
    return true;
}

/* ---- Feeding
 * -------------------------------------------------------------------------------------- */

/* Small before large within a lane, lanes in their order. */
static gb_feed_queue *next_queue(gb_link *link, gb_lane *lane)
{
    for (uint8_t i = 0; i < GB_LANE_COUNT; i++) {
        *lane = (gb_lane)i;
        if (link->feed[i].count > 0) {
            return &link->feed[i];
        }
        if (link->feed_bulk[i].count > 0) {
            return &link->feed_bulk[i];
        }
    }
    return NULL;
}

/* Membership may use the reserve: who is alive must be told even where user data queues. */
bool feed_has_room(const gb_engine *e, const gb_link *link, gb_lane lane)
{
    size_t window = e->settings.link_queue_max < ENGINE_FEED_WINDOW ? e->settings.link_queue_max
                                                                    : ENGINE_FEED_WINDOW;
    if (lane == GB_LANE_MEMBERSHIP) {
        window += GB_LINK_RESERVE;
    }
    return link->queued + link->out.len < window;
}

/* Write one chunk. Returns true if the item is done with. */
static bool feed_item(gb_engine *e, gb_link *link, gb_lane lane, uint32_t slot)
{
    gb_participant *p = gb_map_at(e->map, slot);
    gb_know *know = know_at(e, link, slot);
    if (p == NULL || know == NULL) {
        return true;
    }
    uint8_t bit = GB_LANE_BIT(lane);
    uint64_t from = 0;
    if (!know_version(link, p, lane, &from)) {
        return true;
    }
    bool is_resetting = (know->resetting & bit) != 0;
    bool is_pulled = (know->pulled & bit) != 0;
    if (!is_pulled && !is_resetting && from >= gb_map_version(p, lane)) {
        return true; /* learned elsewhere meanwhile */
    }
    if (!know_define(e, link, &slot, 1)) {
        return true;
    }
    gb_selection selection = {
        .from = from,
        .floor = is_pulled && know->is_wide ? know->as.wide->pull_floor[lane] : 0,
        .flags =
            (uint8_t)((is_pulled ? GB_DELTAS_PULLED : 0) | (is_resetting ? GB_DELTAS_RESET : 0)),
    };
    gb_err err = gb_map_select(e->map, p, lane, slot, GB_CHUNK_SIZE, &selection, &link->out);
    if (!link_encoded(e, link, err)) {
        return true;
    }
    e->stats.deltas_sent += selection.count;
    link->delta_at = e->now;
    if (!know_state(e, link, know, lane, selection.to)) {
        return true;
    }
    bool is_end = (selection.flags & GB_DELTAS_END) != 0;
    if ((selection.flags & GB_DELTAS_RESET) != 0 && !is_end) {
        know->resetting |= bit;
    } else {
        know->resetting &= (uint8_t)~bit;
    }
    return is_end;
}

/* Since when is there no room for all that waits? */
static void note_backlog(const gb_engine *e, gb_link *link)
{
    if (feed_is_empty(link)) {
        link->backed_up_since = GB_NO_TIME;
    } else if (link->backed_up_since == GB_NO_TIME) {
        link->backed_up_since = e->now;
    }
}

static void feed_forget(gb_link *link, gb_lane lane, uint32_t slot)
{
    gb_know *know = know_find(link, slot);
    if (know != NULL) {
        know->queued &= (uint8_t)~GB_LANE_BIT(lane);
        know->pulled &= (uint8_t)~GB_LANE_BIT(lane);
    }
}

/* What fits no chunk makes way for others of its lane: one that grows faster than it is sent would
 * hold them up for ever. */
void feed_link(gb_engine *e, gb_link *link)
{
    gb_lane lane;
    gb_feed_queue *queue;
    while (!link->is_doomed && (queue = next_queue(link, &lane)) != NULL &&
           feed_has_room(e, link, lane)) {
        uint32_t slot = queue->items[queue->head];
        bool is_done = feed_item(e, link, lane, slot);
        if (!is_done && queue == &link->feed[lane] && queue->count > 1) {
            queue_pop(e, queue);
            if (!queue_push(e, queue, slot)) {
                link_doom(link, GB_CLOSE_BY_US);
                feed_forget(link, lane, slot);
            }
        } else if (is_done) {
            queue_pop(e, queue);
            feed_forget(link, lane, slot);
        }
        if (link->out.len >= GB_CHUNK_SIZE) {
            (void)effect_send(e, link);
        }
    }
    note_backlog(e, link);
}
