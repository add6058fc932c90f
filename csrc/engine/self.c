/* SPDX-License-Identifier: Apache-2.0 */
/* self.c: what this node publishes of itself, and under which generation. */
#include "engine/internal.h"

gb_err engine_publish_self(gb_engine *e)
{
    gb_node_record record = {
        .flags = (uint8_t)((e->has_detector ? GB_NODE_RECORD_HAS_DETECTOR : 0) |
                           (e->is_leaving ? GB_NODE_RECORD_LEFT : 0)),
        .instance = e->instance,
        .incarnation = e->incarnation,
        .address_count = e->address_count,
    };
    for (uint8_t i = 0; i < e->address_count; i++) {
        record.addresses[i] = e->addresses[i];
    }
    gb_out value;
    gb_out_init(&value, e->allocator);
    gb_err err = gb_node_record_encode(&value, &record);
    if (err == GB_OK) {
        know_before_change(e, e->self);
        err = gb_map_set(e->map, e->self, GB_LANE_MEMBERSHIP, gb_slice_from_str("node"),
                         gb_slice_from_str("self"), GB_VALUE_BYTES,
                         gb_slice_make(value.base, value.len), 0, e->now);
    }
    gb_out_deinit(&value);
    e->is_publish_due = err != GB_OK; /* engine_settle tries again */
    if (err == GB_OK) {
        push_changed(e, e->self, GB_LANE_MEMBERSHIP, NULL);
    }
    return err;
}

void engine_want_generation(gb_engine *e, uint64_t generation)
{
    if (generation > e->renew_generation && generation <= ENGINE_LIFE_MAX) {
        e->renew_generation = generation;
    }
}

/* Set a key of self, whatever state the engine is in. */
gb_err self_set(gb_engine *e, gb_lane lane, gb_slice group, gb_slice key, uint8_t type,
                gb_slice value, uint32_t ttl_ms)
{
    know_before_change(e, e->self);
    gb_err err = gb_map_set(e->map, e->self, lane, group, key, type, value, ttl_ms, e->now);
    if (err == GB_OK) {
        push_changed(e, e->self, lane, NULL);
        if (ttl_ms != 0) {
            gb_time_us at = e->now + (uint64_t)ttl_ms * ENGINE_MS;
            e->expire_at = at < e->expire_at ? at : e->expire_at;
        }
    }
    return err;
}

gb_err self_delete(gb_engine *e, gb_lane lane, gb_slice group, gb_slice key)
{
    know_before_change(e, e->self);
    gb_err err = gb_map_delete(e->map, e->self, lane, group, key, e->now);
    if (err == GB_OK) {
        push_changed(e, e->self, lane, NULL);
    }
    return err;
}

/* ---- A new generation of our own ----------------------------------------------------------------
 */

/* Own records survive into a new generation; oldest first. They are referenced before the old life
 * goes, and published again as memory allows. */
static gb_err keep_own_records(gb_engine *e)
{
    GB_ASSERT(e->kept_count == 0);
    size_t capacity = e->self->key_count;
    gb_record **records = gb_alloc_array(e->allocator, capacity + 1, sizeof *records);
    uint8_t *lanes = gb_alloc_array(e->allocator, capacity + 1, sizeof *lanes);
    if (records == NULL || lanes == NULL) {
        gb_free(e->allocator, records);
        gb_free(e->allocator, lanes);
        return GB_ENOMEM;
    }
    e->kept = records;
    e->kept_lanes = lanes;
    for (uint8_t lane = GB_LANE_CONFIG; lane < GB_LANE_COUNT; lane++) {
        for (gb_record *r = gb_map_first(e->self, (gb_lane)lane); r != NULL; r = r->newer) {
            if (gb_record_is_tombstone(r)) {
                continue;
            }
            GB_ASSERT(e->kept_count < capacity);
            records[e->kept_count] = gb_record_ref(r);
            lanes[e->kept_count] = lane;
            e->kept_count++;
        }
    }
    return GB_OK;
}

void self_release_kept(gb_engine *e)
{
    for (size_t i = e->kept_at; i < e->kept_count; i++) {
        gb_record_release(e->allocator, e->kept[i]);
    }
    gb_free(e->allocator, e->kept);
    gb_free(e->allocator, e->kept_lanes);
    e->kept = NULL;
    e->kept_lanes = NULL;
    e->kept_count = 0;
    e->kept_at = 0;
}

/* Errors: GB_ENOMEM: some are still kept. */
gb_err self_publish_kept(gb_engine *e)
{
    for (; e->kept_at < e->kept_count; e->kept_at++) {
        gb_record *r = e->kept[e->kept_at];
        gb_lane lane = (gb_lane)e->kept_lanes[e->kept_at];
        uint32_t ttl_ms = r->ttl_ms;
        if (ttl_ms != 0 && r->expires_us != GB_NO_TIME) {
            uint64_t left = r->expires_us > e->now ? (r->expires_us - e->now) / ENGINE_MS : 0;
            ttl_ms = left == 0 ? 1 : (uint32_t)left;
        }
        gb_err err = self_set(e, lane, gb_record_group(r), gb_record_key(r), r->type,
                              gb_record_value(r), ttl_ms);
        if (err == GB_ENOMEM) {
            return err;
        }
        gb_record_release(e->allocator, r);
    }
    self_release_kept(e);
    return GB_OK;
}

/* Go on under a greater generation: somebody holds versions of ours that we don't know (a restored
 * data directory), or an older life of ours has left a greater one behind. Links are handshaken
 * under the old one and close; the rings dial them again.
 * Errors: GB_ENOMEM: nothing has changed. */
static gb_err renew_self(gb_engine *e, uint64_t generation)
{
    gb_err err = self_publish_kept(e);
    if (err == GB_OK) {
        err = keep_own_records(e);
    }
    if (err != GB_OK) {
        return err;
    }
    gb_participant *self = e->self;
    know_life_ends(e, self);
    err = gb_map_renew(e->map, &self, generation);
    if (err != GB_OK) {
        self_release_kept(e);
        return err;
    }
    e->self = self;
    gb_map_set_self(e->map, self);
    know_forget_slot(e, self->slot);
    e->incarnation = 0;
    e->refute_incarnation = 0;
    gb_peer *peer = peer_at(e, self->slot);
    GB_ASSERT(peer != NULL);
    peer->generation = generation;
    peer->incarnation = 0;
    peer->accuse_count = 0;
    gb_list_remove(&peer->accuser_node);
    peer_recount_accused(e);
    gb_event event = event_make(e, GB_EVENT_GENERATION);
    event.generation = generation;
    effect_notify(e, &event);
    ENGINE_EACH_LINK(e, link)
    {
        if (link->role == GB_ROLE_MEMBER) {
            link_bye(e, link, GB_CLOSE_BY_US, GB_OK, "goes on under a greater generation");
        }
    }
    (void)engine_publish_self(e);
    (void)self_publish_kept(e);
    e->is_ring_dirty = true;
    return GB_OK;
}

/* Somebody told of a later life of our name: does it answer? Those who told know where; if they
 * have gone, others will. */
static void ask_conflict(gb_engine *e)
{
    gb_link *link = link_find(e, e->conflict_link);
    if (link == NULL || !link_is_member(link)) {
        link = NULL;
        GB_LIST_EACH(node, &e->links)
        {
            if (link_is_member(link_of(node))) {
                link = link_of(node);
            }
        }
    }
    if (link != NULL) {
        probe_ask(e, PROBE_SELF, link, engine_name(e), e->conflict_generation);
        e->conflict_link = 0; /* another one next time, should this one not answer */
        e->conflict_retry_at = e->now + ENGINE_CONFLICT_PAUSE;
    }
}

void self_settle(gb_engine *e)
{
    if (e->renew_generation > e->self->generation) {
        (void)renew_self(e, e->renew_generation); /* without memory the next event tries again */
    }
    if (e->kept_count > 0) {
        (void)self_publish_kept(e);
    }
    if (e->refute_incarnation > e->incarnation) {
        e->incarnation = e->refute_incarnation;
        gb_peer *peer = peer_at(e, e->self->slot);
        GB_ASSERT(peer != NULL);
        peer->incarnation = e->incarnation;
        know_redefine(e, peer->slot);
        e->is_publish_due = true;
    }
    if (e->is_publish_due) {
        (void)engine_publish_self(e);
    }
    if (e->conflict_generation > e->self->generation && e->now >= e->conflict_retry_at) {
        ask_conflict(e);
    }
}
