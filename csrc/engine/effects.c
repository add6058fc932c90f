/* SPDX-License-Identifier: Apache-2.0 */
/* effects.c: the queue of effects, and copies of events for the host. */
#include "engine/internal.h"

#include <string.h>

/* ---- Queue --------------------------------------------------------------------------------------
 */

/* The driver drains after each flush, so the queue's length is bounded by what one batch of events
 * can cause; its memory stays for the next batch. */
static gb_queued_effect *effect_add(gb_engine *e)
{
    if (e->effect_count == e->effect_capacity) {
        uint32_t capacity = e->effect_capacity == 0 ? 64 : e->effect_capacity * 2;
        gb_queued_effect *effects =
            gb_realloc_array(e->allocator, e->effects, capacity, sizeof *effects);
        if (effects == NULL) {
            return NULL;
        }
        e->effects = effects;
        e->effect_capacity = capacity;
    }
    gb_queued_effect *effect = &e->effects[e->effect_count];
    memset(effect, 0, sizeof *effect);
    e->effect_count++;
    return effect;
}

/* ---- Events -------------------------------------------------------------------------------------
 */

gb_event event_make(const gb_engine *e, uint32_t kind)
{
    gb_event event;
    memset(&event, 0, sizeof event);
    event.kind = kind;
    event.time_us = e->now;
    return event;
}

static void copy_slice(gb_slice *slice, uint8_t **at)
{
    if (slice->len > 0) {
        memcpy(*at, slice->base, slice->len);
    }
    slice->base = *at;
    *at += slice->len;
}

static gb_event *event_copy(gb_engine *e, const gb_event *event)
{
    size_t size = sizeof *event + event->name.len + event->accuser.len + event->text.len +
                  event->host.len + event->payload.len;
    gb_event *copy = gb_alloc(e->allocator, size);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *event;
    uint8_t *at = (uint8_t *)(copy + 1);
    copy_slice(&copy->name, &at);
    copy_slice(&copy->accuser, &at);
    copy_slice(&copy->text, &at);
    copy_slice(&copy->host, &at);
    copy_slice(&copy->payload, &at);
    if (copy->record != NULL) {
        (void)gb_record_ref(copy->record);
    }
    if (copy->before != NULL) {
        (void)gb_record_ref(copy->before);
    }
    return copy;
}

static void event_free(gb_engine *e, gb_event *event)
{
    if (event == NULL) {
        return;
    }
    gb_record_release(e->allocator, event->record);
    gb_record_release(e->allocator, event->before);
    gb_free(e->allocator, event);
}

void effect_notify(gb_engine *e, const gb_event *event)
{
    gb_event *copy = event_copy(e, event);
    gb_queued_effect *effect = copy == NULL ? NULL : effect_add(e);
    if (effect == NULL) {
        event_free(e, copy);
        e->events_lost++; /* told as GB_EVENT_LAGGED when there is memory again */
        return;
    }
    effect->kind = GB_EFFECT_NOTIFY;
    effect->event = copy;
}

/* ---- Links --------------------------------------------------------------------------------------
 */

void effect_dial(gb_engine *e, gb_link *link)
{
    gb_queued_effect *effect = effect_add(e);
    if (effect == NULL) {
        link->is_gone = true; /* the driver never hears of it */
        link_doom(link, GB_CLOSE_BY_US);
        return;
    }
    effect->kind = GB_EFFECT_DIAL;
    effect->link = link->id;
    e->stats.dials++;
}

bool effect_close(gb_engine *e, uint64_t link)
{
    gb_queued_effect *effect = effect_add(e);
    if (effect == NULL) {
        return false;
    }
    effect->kind = GB_EFFECT_CLOSE;
    effect->link = link;
    return true;
}

bool effect_send(gb_engine *e, gb_link *link)
{
    gb_queued_effect *effect = effect_add(e);
    if (effect == NULL) {
        return false; /* the next flush tries again */
    }
    effect->kind = GB_EFFECT_SEND;
    effect->link = link->id;
    effect->buffer = link->out;
    link->queued += link->out.len;
    e->bulk_at = link->out.len > ENGINE_QUIET_KEPT ? e->now : e->bulk_at;
    e->stats.bytes_sent += link->out.len;
    if (e->spare_count > 0) {
        e->spare_count--;
        link->out = e->spare[e->spare_count];
    } else {
        gb_out_init(&link->out, e->allocator);
    }
    return true;
}

/* ---- Out ----------------------------------------------------------------------------------------
 */

static void fill_dial(gb_engine *e, const gb_queued_effect *queued, gb_effect *out)
{
    const gb_link *link = link_find(e, queued->link);
    out->host = gb_slice_make(NULL, 0);
    if (link != NULL) {
        out->host = gb_slice_from_str(link->dial_host);
        out->port = link->dial_port;
    }
    /* A probe is given up early: a healthy peer answers within its timeout or not at all. */
    out->timeout_us = link != NULL && link->purpose == PURPOSE_PROBE ? probe_timeout(e, link)
                                                                     : e->settings.dial_timeout_us;
}

bool gb_engine_effect_next(gb_engine *e, gb_effect *out)
{
    event_free(e, e->lent_event);
    e->lent_event = NULL;
    while (e->effect_head < e->effect_count) {
        gb_queued_effect *queued = &e->effects[e->effect_head];
        e->effect_head++;
        memset(out, 0, sizeof *out);
        out->kind = queued->kind;
        out->link = queued->link;
        out->buffer = queued->buffer;
        if (queued->kind == GB_EFFECT_DIAL) {
            fill_dial(e, queued, out);
            if (out->host.len == 0) {
                continue; /* given up before the driver saw it */
            }
        }
        e->lent_event = queued->event;
        out->event = queued->event;
        return true;
    }
    bool is_roomy = e->effect_capacity > 64 && e->effect_count < e->effect_capacity / 16;
    e->effect_head = 0;
    e->effect_count = 0;
    if (is_roomy || e->effect_capacity > ENGINE_EFFECTS_KEPT) {
        gb_free(e->allocator, e->effects);
        e->effects = NULL;
        e->effect_capacity = 0;
    }
    return false;
}

void gb_engine_recycle(gb_engine *e, gb_out *buffer)
{
    if (buffer->base != NULL && e->spare_count < ENGINE_BUFFERS_KEPT &&
        buffer->capacity <= 2 * GB_CHUNK_SIZE) {
        gb_out_clear(buffer);
        e->spare[e->spare_count] = *buffer;
        e->spare_count++;
    } else {
        gb_out_deinit(buffer);
    }
    memset(buffer, 0, sizeof *buffer);
}

void effects_trim(gb_engine *e)
{
    if (e->graft_count == 0 && e->graft_capacity > 64) {
        gb_free(e->allocator, e->grafts);
        e->grafts = NULL;
        e->graft_capacity = 0;
    }
    if (e->now < e->bulk_at + e->settings.gossip_interval_us) {
        return;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < e->spare_count; i++) {
        if (e->spare[i].capacity > ENGINE_QUIET_KEPT) {
            gb_out_deinit(&e->spare[i]);
        } else {
            e->spare[kept] = e->spare[i];
            kept++;
        }
    }
    e->spare_count = kept;
}

void effects_deinit(gb_engine *e)
{
    event_free(e, e->lent_event);
    for (uint32_t i = e->effect_head; i < e->effect_count; i++) {
        event_free(e, e->effects[i].event);
        if (e->effects[i].kind == GB_EFFECT_SEND) {
            gb_out_deinit(&e->effects[i].buffer);
        }
    }
    for (uint32_t i = 0; i < e->spare_count; i++) {
        gb_out_deinit(&e->spare[i]);
    }
    gb_free(e->allocator, e->effects);
}
