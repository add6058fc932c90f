/* SPDX-License-Identifier: Apache-2.0 */
/* admit.c: own changes get their versions: at once, or at the rate that flow.c allows.
 *
 * Those that must wait lie in the map (state/waiting.c), one for each key, where the node's own
 * readers find them; there is no queue to overflow and no caller to be stopped. What keeps the
 * cluster together, its membership and its configuration, never waits. */
#include "engine/internal.h"

/* ---- Tokens -------------------------------------------------------------------------------------
 */

/* What waits when pacing ends is admitted at the greatest rate there is, not in one go. */
static uint64_t admitted_rate(const gb_engine *e)
{
    return e->flow.is_on ? e->flow.tau : e->settings.flow_rate_max * FLOW_ONE;
}

static void tokens_refill(gb_engine *e)
{
    gb_flow *flow = &e->flow;
    uint64_t rate = admitted_rate(e);
    uint64_t elapsed = e->now - flow->refilled_at;
    uint64_t most = rate / FLOW_BURST_PART > FLOW_ONE ? rate / FLOW_BURST_PART : FLOW_ONE;
    flow->refilled_at = e->now;
    if (rate == 0 || flow->tokens >= most) {
        flow->tokens = flow->tokens < most ? flow->tokens : most;
        return;
    }
    /* Longer than it takes to fill up is as good; so nothing below overflows. */
    uint64_t enough = (most - flow->tokens) * ENGINE_S / rate + 1;
    elapsed = elapsed < enough ? elapsed : enough;
    uint64_t gained = rate * elapsed + flow->fraction;
    flow->tokens += gained / ENGINE_S;
    flow->fraction = gained % ENGINE_S;
    flow->tokens = flow->tokens < most ? flow->tokens : most;
}

static bool tokens_take(gb_engine *e)
{
    tokens_refill(e);
    if (e->flow.tokens < FLOW_ONE) {
        return false;
    }
    e->flow.tokens -= FLOW_ONE;
    return true;
}

static gb_time_us tokens_at(const gb_engine *e)
{
    uint64_t rate = admitted_rate(e);
    if (rate == 0) {
        return GB_NO_TIME; /* a round, or an exchange, may give us some */
    }
    uint64_t missing = e->flow.tokens < FLOW_ONE ? FLOW_ONE - e->flow.tokens : 0;
    uint64_t pause = missing * ENGINE_S / rate + 1;
    return e->now + (pause > FLOW_PAUSE ? pause : FLOW_PAUSE);
}

/* ---- Asked for ----------------------------------------------------------------------------------
 */

static bool goes_at_once(gb_engine *e)
{
    return gb_map_waiting_count(e->map) == 0 && (!e->flow.is_on || tokens_take(e));
}

/* Count a change that went through, or began to wait. */
static gb_err count_change(gb_engine *e, gb_err err, bool was_at_once, uint32_t waiting_before)
{
    gb_flow *flow = &e->flow;
    if (err == GB_OK) {
        flow->offered++;
        flow->admitted += was_at_once ? 1 : 0;
        e->stats.pacing_waits += gb_map_waiting_count(e->map) > waiting_before ? 1 : 0;
    } else if (was_at_once && flow->is_on) {
        flow->tokens += FLOW_ONE;
    }
    return err;
}

gb_err admit_set(gb_engine *e, gb_lane lane, gb_slice group, gb_slice key, uint8_t type,
                 gb_slice value, uint32_t ttl_ms)
{
    if (!lane_is_data(lane)) {
        return self_set(e, lane, group, key, type, value, ttl_ms);
    }
    uint32_t waiting = gb_map_waiting_count(e->map);
    bool is_at_once = goes_at_once(e);
    gb_err err = is_at_once ? self_set(e, lane, group, key, type, value, ttl_ms)
                            : gb_map_wait(e->map, lane, group, key, type, value, ttl_ms, e->now);
    return count_change(e, err, is_at_once, waiting);
}

gb_err admit_delete(gb_engine *e, gb_lane lane, gb_slice group, gb_slice key)
{
    if (!lane_is_data(lane)) {
        return self_delete(e, lane, group, key);
    }
    uint32_t waiting = gb_map_waiting_count(e->map);
    bool is_at_once = goes_at_once(e);
    gb_err err = is_at_once ? self_delete(e, lane, group, key)
                            : gb_map_wait_delete(e->map, lane, group, key);
    return count_change(e, err, is_at_once, waiting);
}

/* ---- Admitted -----------------------------------------------------------------------------------
 */

/* Errors: GB_ENOMEM: it goes on waiting. Whatever else was wrong with it is told. */
static gb_err admit_one(gb_engine *e)
{
    const gb_record *record = gb_map_waiting_first(e->map);
    GB_ASSERT(record != NULL);
    gb_time_us expires_us = record->expires_us;
    know_before_change(e, e->self);
    gb_lane lane;
    gb_err err = gb_map_admit(e->map, e->now, &lane);
    if (err == GB_ENOMEM) {
        return err;
    }
    e->flow.admitted++;
    if (err != GB_OK) {
        gb_event event = event_make(e, GB_EVENT_LIMIT);
        event.code = err;
        event.name = engine_name(e);
        event.text = gb_slice_from_str(gb_strerror(err));
        effect_notify(e, &event);
        return GB_OK;
    }
    push_changed(e, e->self, lane, NULL);
    if (expires_us != GB_NO_TIME) {
        e->expire_at = earlier(e->expire_at, expires_us > e->now ? expires_us : e->now + ENGINE_MS);
    }
    return GB_OK;
}

gb_time_us admit_due(gb_engine *e)
{
    flow_switch(e);
    while (gb_map_waiting_count(e->map) > 0) {
        if (e->kept_count > 0) {
            return e->now + ENGINE_RETRY; /* what was said in the former life comes first */
        }
        if (!tokens_take(e)) {
            return tokens_at(e);
        }
        if (admit_one(e) != GB_OK) {
            e->flow.tokens += FLOW_ONE;
            return e->now + ENGINE_RETRY;
        }
    }
    return GB_NO_TIME;
}

void admit_all(gb_engine *e)
{
    while (gb_map_waiting_count(e->map) > 0 && e->kept_count == 0 && admit_one(e) == GB_OK) {
    }
}
