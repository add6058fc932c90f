/* SPDX-License-Identifier: Apache-2.0 */
/* look.c: what an engine shows of itself, and the check of its invariants. */
#include "engine/internal.h"

struct gb_map *gb_engine_map(const gb_engine *e)
{
    return e->map;
}

void gb_engine_read_stats(const gb_engine *e, gb_engine_stats *out)
{
    *out = e->stats;
    out->links_all = e->link_count;
    out->clients = e->client_count;
    out->map_hash = gb_map_hash(e->map);
    out->tau_micro = e->flow.tau;
    out->rho_micro = flow_rho(e);
    out->is_pacing = e->flow.is_on;
    out->pending_count = gb_map_waiting_count(e->map);
    GB_LIST_EACH(node, &e->links)
    {
        const gb_link *link = link_of(node);
        out->queued_bytes += link->queued;
        out->links_open += link_is_member(link) ? 1 : 0;
    }
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        const gb_peer *peer = e->peers[slot];
        const gb_participant *p = gb_map_at(e->map, slot);
        if (peer == NULL || p == NULL) {
            continue;
        }
        out->map_bytes += gb_map_bytes(p);
        out->map_keys += p->key_count;
        if (!peer->is_announced) {
            continue;
        }
        out->members_alive += peer->status == GB_STATUS_ALIVE;
        out->members_suspect += peer->status == GB_STATUS_SUSPECT;
        out->members_dead += peer->status == GB_STATUS_DEAD;
        out->members_left += peer->status == GB_STATUS_LEFT;
    }
}

bool gb_engine_member_at(const gb_engine *e, uint32_t position, gb_member *out)
{
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        const gb_peer *peer = e->peers[slot];
        if (peer == NULL || !peer->is_announced) {
            continue;
        }
        if (position == 0) {
            peer_fill_member(e, peer, out);
            return true;
        }
        position--;
    }
    return false;
}

bool gb_engine_member(const gb_engine *e, gb_slice name, gb_member *out)
{
    const gb_participant *p = gb_map_find(e->map, name);
    const gb_peer *peer = p == NULL ? NULL : peer_at(e, p->slot);
    if (peer == NULL || !peer->is_announced) {
        return false;
    }
    peer_fill_member(e, peer, out);
    return true;
}

static void check_indexes(const gb_engine *e, const gb_link *link)
{
    uint32_t loose = 0;
    for (uint32_t index = 0; index < link->rx_count; index++) {
        uint32_t rx = link->rx[index];
        if (rx >= ENGINE_RX_LOOSE) {
            loose++;
            GB_ASSERT(rx - ENGINE_RX_LOOSE < link->loose_count);
            GB_ASSERT(link->loose[rx - ENGINE_RX_LOOSE].index == index);
        } else {
            GB_ASSERT(rx == 0 || gb_map_at(e->map, rx - 1) != NULL);
        }
    }
    GB_ASSERT(loose == link->loose_count && loose <= link->loose_capacity);
}

gb_err gb_engine_get_own(const gb_engine *e, gb_lane lane, gb_slice group, gb_slice key,
                         gb_delta *out)
{
    if (lane >= GB_LANE_COUNT) {
        return GB_ENOTFOUND;
    }
    const gb_record *record = gb_map_waiting_get(e->map, lane, group, key);
    if (record == NULL) {
        record = gb_map_get(e->self, lane, group, key);
    }
    if (record == NULL || gb_record_is_tombstone(record) ||
        (record->version == 0 && record->expires_us <= e->now)) {
        return GB_ENOTFOUND;
    }
    *out = (gb_delta){.version = record->version,
                      .type = record->type,
                      .ttl_ms = record->ttl_ms,
                      .group = gb_record_group(record),
                      .key = gb_record_key(record),
                      .value = gb_record_value(record)};
    return GB_OK;
}

static void check_link(const gb_engine *e, const gb_link *link)
{
    uint32_t pulls = 0;
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        for (uint8_t lane = 0; e->peers[slot] != NULL && lane < GB_LANE_COUNT; lane++) {
            pulls += pull_state(e->peers[slot], (gb_lane)lane)->link == link->id ? 1 : 0;
        }
    }
    GB_ASSERT(pulls == link->pull_count);
    uint32_t queued = 0;
    for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
        queued += link->feed[lane].count + link->feed_bulk[lane].count;
    }
    uint32_t bits = 0;
    uint32_t pages = 0;
    for (uint32_t slot = 0; slot < link->page_count * ENGINE_KNOW_PAGE; slot++) {
        const gb_know *know = know_find(link, slot);
        if (know == NULL) {
            continue;
        }
        pages += slot % ENGINE_KNOW_PAGE == 0 ? 1 : 0;
        GB_ASSERT((know->pulled & ~know->queued) == 0);
        for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
            bits += (know->queued & GB_LANE_BIT(lane)) != 0 ? 1 : 0;
        }
    }
    GB_ASSERT(queued == bits);
    GB_ASSERT(pages == link->pages_used);
    check_indexes(e, link);
}

void gb_engine_check(const gb_engine *e)
{
    gb_map_check(e->map);
    uint32_t links = 0;
    uint32_t clients = 0;
    uint32_t dials = 0;
    GB_LIST_EACH(node, &e->links)
    {
        const gb_link *link = link_of(node);
        links++;
        clients += link->role == GB_ROLE_CLIENT && link->is_counted ? 1 : 0;
        dials += link->state == LINK_DIALLING ? 1 : 0;
        GB_ASSERT(link->id <= e->link_no);
        if (link->peer != NULL) {
            GB_ASSERT(link->state == LINK_OPEN);
            GB_ASSERT(peer_at(e, link->peer->slot) == link->peer);
        }
        check_link(e, link);
        GB_ASSERT(link_find(e, link->id) == link);
        /* Whoever has something to send is looked at by the next flush. */
        GB_ASSERT(link->out.len == 0 || gb_list_node_is_linked(&link->touched));
        GB_ASSERT(!link->is_doomed || (e->has_doomed && gb_list_node_is_linked(&link->touched)));
        GB_ASSERT(link->i_have_count == 0 || !link_is_member(link) ||
                  e->i_have_at <= link->i_have_at);
        GB_ASSERT(link->pull_count == 0 || e->stall_at != GB_NO_TIME);
    }
    ring_check(e);
    GB_ASSERT(links == e->link_count && links <= e->link_count_max);
    GB_ASSERT(clients == e->client_count);
    GB_ASSERT(dials == e->dial_count);
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        const gb_peer *peer = e->peers[slot];
        const gb_participant *p = gb_map_at(e->map, slot);
        GB_ASSERT((peer == NULL) == (p == NULL));
        if (peer == NULL) {
            continue;
        }
        GB_ASSERT(peer->slot == slot && peer->generation == p->generation);
        GB_ASSERT(peer->link == NULL || peer->link->peer == peer);
        peer_check_accusers(e, peer);
        GB_ASSERT(gb_list_node_is_linked(&peer->accuser_node) == (peer->accuse_count > 0));
        GB_ASSERT(peer->dialling == NULL || peer->dialling->expected_slot == slot);
        gb_node_record memory;
        const gb_address *addresses;
        GB_ASSERT(peer_addresses(e, peer, &memory, &addresses) == peer->address_count);
    }
    GB_ASSERT(e->kept_at <= e->kept_count);
    GB_ASSERT(e->flow.tau <= flow_ceiling(e));
    GB_ASSERT(e->flow.is_on || engine_is_paper(e) || e->flow.tau == flow_ceiling(e));
}
