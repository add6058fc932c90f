/* SPDX-License-Identifier: Apache-2.0 */
/* command.c: what the host asks for. */
#include "engine/internal.h"

void gb_engine_join(gb_engine *e, gb_time_us now)
{
    engine_at(e, now);
    if (!e->is_stopped && !e->is_leaving) {
        e->is_joining = true;
        e->dial_check_at = e->now;
    }
}

gb_err gb_engine_set(gb_engine *e, gb_time_us now, gb_lane lane, gb_slice group, gb_slice key,
                     uint8_t type, gb_slice value, uint32_t ttl_ms)
{
    engine_at(e, now);
    if (e->is_stopped || e->is_leaving) {
        return GB_ECLOSED;
    }
    if (lane == GB_LANE_MEMBERSHIP || lane >= GB_LANE_COUNT) {
        return GB_EINVAL;
    }
    gb_err err = self_publish_kept(e);
    return err != GB_OK ? err : admit_set(e, lane, group, key, type, value, ttl_ms);
}

gb_err gb_engine_delete(gb_engine *e, gb_time_us now, gb_lane lane, gb_slice group, gb_slice key)
{
    engine_at(e, now);
    if (e->is_stopped || e->is_leaving) {
        return GB_ECLOSED;
    }
    if (lane == GB_LANE_MEMBERSHIP || lane >= GB_LANE_COUNT) {
        return GB_EINVAL;
    }
    gb_err err = self_publish_kept(e);
    return err != GB_OK ? err : admit_delete(e, lane, group, key);
}

void gb_engine_configure(gb_engine *e, gb_time_us now, const gb_engine_settings *settings)
{
    engine_at(e, now);
    gb_engine_settings before = e->settings;
    e->settings = *settings;
    engine_fill_settings(&e->settings);
    flow_configure(e, &before);
    gb_map_set_limits(e->map, e->settings.key_count_max, e->settings.value_size_max,
                      e->settings.tombstone_grace_us);
    e->round_at = earlier(e->round_at, e->now + e->settings.gossip_interval_us);
    e->revive_at = earlier(e->revive_at, e->now + e->settings.reconnect_interval_us);
    e->tick_us = e->settings.detector_tick_us;
    e->tick_at = earlier(e->tick_at, e->now + e->tick_us);
    e->departed_check_at = e->now;
    e->stall_at = e->now;
    e->links_look_at = e->now;
    ENGINE_EACH_LINK(e, link)
    {
        if (link->heartbeat_at != GB_NO_TIME) {
            link->heartbeat_at =
                earlier(link->heartbeat_at, e->now + e->settings.heartbeat_interval_us);
        }
    }
    e->is_ring_dirty = true;
}

void gb_engine_leave(gb_engine *e, gb_time_us now)
{
    engine_at(e, now);
    if (e->is_stopped || e->is_leaving) {
        return;
    }
    admit_all(e); /* there is no later */
    e->is_leaving = true;
    e->is_joining = false;
    e->leave_deadline = e->now + e->settings.leave_timeout_us;
    gb_peer *peer = peer_at(e, e->self->slot);
    GB_ASSERT(peer != NULL);
    peer->status = GB_STATUS_LEFT;
    e->is_ring_dirty = true; /* nobody is wanted any more */
    (void)engine_publish_self(e);
    ENGINE_EACH_LINK(e, link)
    {
        if (!link_is_member(link)) {
            if (link->is_dialled && link->state != LINK_OPEN) {
                link_close(e, link, GB_CLOSE_BY_US);
            }
            continue;
        }
        /* Told in full on every link, whatever is believed of its peer: there is no later. The PING
         * follows on the same stream: its PONG acknowledges both. */
        gb_know *know = know_at(e, link, e->self->slot);
        if (know == NULL) {
            continue;
        }
        know_set_lazy(e, link, e->self->slot, false);
        if ((know->known & GB_LANE_BIT(GB_LANE_MEMBERSHIP)) == 0) {
            (void)know_state(e, link, know, GB_LANE_MEMBERSHIP, 0);
        }
        (void)feed_enqueue(e, link, e->self, GB_LANE_MEMBERSHIP, false, 0);
        link->leave_told = true;
    }
}

gb_err gb_engine_client_send(gb_engine *e, gb_time_us now, uint64_t id, uint8_t frame_type,
                             uint32_t request_id, gb_slice payload)
{
    engine_at(e, now);
    gb_link *link = link_find(e, id);
    if (link == NULL || link->state != LINK_OPEN || link->role != GB_ROLE_CLIENT ||
        link->is_doomed) {
        return GB_ECLOSED;
    }
    if (link->queued + link->out.len > e->settings.link_queue_max) {
        return GB_EFULL;
    }
    gb_err err = gb_client_frame_encode(&link->out, frame_type, request_id, payload);
    if (err == GB_OK) {
        e->stats.frames_sent++;
        link_touch(link);
    }
    return err;
}
