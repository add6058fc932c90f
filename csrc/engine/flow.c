/* SPDX-License-Identifier: Apache-2.0 */
/* flow.c: how fast own changes are admitted (tau), and how fast they are offered (rho).
 *
 * After van Renesse, Dumitriu, Gough, Thomas, "Efficient Reconciliation and Flow Control for
 * Anti-Entropy Protocols" (LADIS 2008). Each node has a tau; nodes that meet move allowance from
 * the one that does not need it to the one that does, which changes no sum; overload takes away
 * from it and calm gives back, which does.
 *
 * In the paper's mode overload is a message of deltas that has more to say than it may, several
 * times in a row: tau is multiplied by alpha; room in as many adds beta. In the default mode there
 * is no such limit; overload is a link whose queue is full for a whole interval and whose peer
 * falls behind in our own changes meanwhile. tau then becomes alpha times what was admitted, grows
 * by a part of itself in each calm interval, and pacing ends when tau is at its ceiling, or when
 * half of it is not needed for a while. A peer that catches up (a joiner, or after an overload)
 * paces nobody, nor does a frozen one: that is the detector's business.
 *
 * Nodes that are not paced take no part in moves: their ceiling is nobody's capacity. */
#include "engine/internal.h"

#define PPM UINT64_C(1000000)

/* ---- Settings -----------------------------------------------------------------------------------
 */

static uint64_t bounded(uint64_t value, uint64_t fallback, uint64_t most)
{
    value = value == 0 ? fallback : value;
    return value < most ? value : most;
}

void flow_fill_settings(gb_engine_settings *s)
{
    if (s->gossip_mode != GB_GOSSIP_PAPER) {
        s->gossip_mode = GB_GOSSIP_PUSH;
    }
    if (s->delta_order != GB_ORDER_BREADTH) {
        s->delta_order = GB_ORDER_DEPTH;
    }
    s->delta_limit = (uint32_t)bounded(s->delta_limit, 100, 1000000);
    s->flow_rate_max = (uint32_t)bounded(s->flow_rate_max, 1000000, GB_RATE_MAX / FLOW_ONE);
    s->flow_decrease_ppm = (uint32_t)bounded(s->flow_decrease_ppm, 750000, PPM - 1);
    s->flow_increase_ppm = (uint32_t)bounded(s->flow_increase_ppm, 250000, PPM);
    s->flow_step_micro = bounded(s->flow_step_micro, 200000, GB_RATE_MAX);
    /* The printed curves grow by 0.042 updates a second each second, which is beta every ten
     * messages at two a second; to come down sooner than to go up leaves less of a backlog after a
     * halving. */
    s->flow_over_count = (uint32_t)bounded(s->flow_over_count, 5, UINT32_MAX);
    s->flow_under_count = (uint32_t)bounded(s->flow_under_count, 10, UINT32_MAX);
}

/* A rate of `count` in `us`, bounded. */
static uint64_t rate_of(uint64_t count, uint64_t us)
{
    uint64_t most = GB_RATE_MAX / FLOW_ONE;
    count = count < most ? count : most;
    uint64_t rate = count * FLOW_ONE * ENGINE_S / (us == 0 ? 1 : us);
    return rate < GB_RATE_MAX ? rate : GB_RATE_MAX;
}

uint64_t flow_ceiling(const gb_engine *e)
{
    return engine_is_paper(e) ? rate_of(e->settings.delta_limit, e->settings.gossip_interval_us)
                              : e->settings.flow_rate_max * FLOW_ONE;
}

static void flow_start(gb_engine *e)
{
    /* The paper's nodes begin with nothing, and are given. */
    e->flow = (gb_flow){.tau = engine_is_paper(e) ? 0 : flow_ceiling(e),
                        .rho = e->flow.rho,
                        .refilled_at = e->now,
                        .interval_at = e->now};
}

void flow_init(gb_engine *e)
{
    flow_start(e);
}

void flow_configure(gb_engine *e, const gb_engine_settings *before)
{
    bool was_on = e->flow.is_on;
    if (before->gossip_mode != e->settings.gossip_mode ||
        before->is_flow_disabled != e->settings.is_flow_disabled) {
        flow_start(e);
        e->flow.is_on = was_on; /* flow_switch tells of the difference */
    } else if (!engine_is_paper(e) && !was_on) {
        e->flow.tau = flow_ceiling(e);
    }
    uint64_t ceiling = flow_ceiling(e);
    e->flow.tau = e->flow.tau < ceiling ? e->flow.tau : ceiling;
}

/* ---- On and off ---------------------------------------------------------------------------------
 */

/* With nobody else there, nobody can be overloaded. */
static bool is_active(const gb_engine *e)
{
    return !e->settings.is_flow_disabled && e->alive_count > 0 && !e->is_leaving;
}

void flow_switch(gb_engine *e)
{
    gb_flow *flow = &e->flow;
    if (!is_active(e) && !engine_is_paper(e)) {
        flow->tau = flow_ceiling(e);
    }
    bool is_on = is_active(e) && (engine_is_paper(e) || flow->tau < flow_ceiling(e));
    if (is_on == flow->is_on) {
        return;
    }
    flow->is_on = is_on;
    flow->tokens = 0;
    flow->fraction = 0;
    flow->refilled_at = e->now;
    flow->move_link = 0;
    gb_event event = event_make(e, GB_EVENT_PACING);
    event.flags = is_on ? 1 : 0;
    event.tau_micro = flow->tau;
    event.rho_micro = flow_rho(e);
    event.count = gb_map_waiting_count(e->map);
    effect_notify(e, &event);
}

/* ---- Measuring ----------------------------------------------------------------------------------
 */

uint64_t flow_rho(const gb_engine *e)
{
    uint64_t backlog = rate_of(gb_map_waiting_count(e->map), e->settings.gossip_interval_us);
    return e->flow.rho > backlog ? e->flow.rho : backlog;
}

/* How much of our data the peer of a link knows, and how much it lacks; false: no idea. Facts
 * don't count: they are never pushed. */
static bool measure_link(const gb_engine *e, const gb_link *link, uint64_t *known, uint64_t *lag)
{
    uint64_t version = gb_map_version(e->self, GB_LANE_USER);
    if (!know_version(link, e->self, GB_LANE_USER, known)) {
        return false;
    }
    *lag = version > *known ? version - *known : 0;
    return true;
}

/* How the links take our changes, from worst to best. */
typedef enum link_verdict {
    LINK_FALLS_BEHIND,
    LINK_CATCHES_UP,
    LINK_IS_CALM,
} link_verdict;

/* Judged when the peer has learned something of ours: a lane that waits its turn on the link says
 * nothing. */
static link_verdict judge_link(const gb_engine *e, gb_link *link, uint64_t admitted)
{
    uint64_t known;
    uint64_t lag;
    if (!link_is_member(link) || !measure_link(e, link, &known, &lag)) {
        return LINK_IS_CALM;
    }
    uint64_t lag_before = link->flow_lag;
    bool has_learned = known != link->flow_known;
    bool is_full = link->backed_up_since != GB_NO_TIME &&
                   e->now - link->backed_up_since >= e->settings.gossip_interval_us;
    if (is_full && lag > 0 && !has_learned) {
        return LINK_CATCHES_UP;
    }
    if (known < link->flow_known) {
        lag_before = UINT64_MAX; /* it has begun anew, and lacks more for that alone */
    }
    link->flow_known = known;
    link->flow_lag = lag;
    if (!is_full || lag == 0) {
        return LINK_IS_CALM;
    }
    /* Who lacks the news of this round alone keeps up, however long other data is on its way. */
    return lag >= lag_before && lag > admitted ? LINK_FALLS_BEHIND : LINK_CATCHES_UP;
}

static link_verdict judge_links(gb_engine *e, uint64_t admitted)
{
    link_verdict worst = LINK_IS_CALM;
    GB_LIST_EACH(node, &e->links)
    {
        link_verdict verdict = judge_link(e, link_of(node), admitted);
        worst = verdict < worst ? verdict : worst;
    }
    return worst;
}

static void overloaded(gb_engine *e, uint64_t admitted)
{
    gb_flow *flow = &e->flow;
    flow->calm_count = 0;
    if (admitted == 0) {
        return; /* it is not for what we write */
    }
    uint64_t tau = admitted < flow->tau ? admitted : flow->tau;
    tau = tau * e->settings.flow_decrease_ppm / PPM;
    flow->tau = tau > FLOW_RATE_MIN ? tau : FLOW_RATE_MIN;
}

static void calm(gb_engine *e)
{
    gb_flow *flow = &e->flow;
    uint64_t ceiling = flow_ceiling(e);
    if (!flow->is_on) {
        return;
    }
    uint64_t tau = flow->tau + flow->tau * e->settings.flow_increase_ppm / PPM;
    tau = tau > FLOW_RATE_MIN ? tau : FLOW_RATE_MIN;
    bool is_unused = gb_map_waiting_count(e->map) == 0 && flow->rho <= tau / 2;
    flow->calm_count = is_unused ? flow->calm_count + 1 : 0;
    flow->tau = tau >= ceiling || flow->calm_count >= FLOW_CALM_COUNT ? ceiling : tau;
}

void flow_round(gb_engine *e)
{
    gb_flow *flow = &e->flow;
    uint64_t elapsed = e->now - flow->interval_at;
    if (elapsed == 0) {
        return;
    }
    uint64_t offered = rate_of(flow->offered, elapsed);
    uint64_t admitted_count = flow->admitted;
    uint64_t admitted = rate_of(admitted_count, elapsed);
    flow->rho = flow->rho - flow->rho / 4 + offered / 4;
    flow->offered = 0;
    flow->admitted = 0;
    flow->interval_at = e->now;
    if (is_active(e) && !engine_is_paper(e)) {
        link_verdict verdict = judge_links(e, admitted_count);
        if (verdict == LINK_FALLS_BEHIND) {
            overloaded(e, admitted);
        } else if (verdict == LINK_IS_CALM) {
            calm(e);
        }
    }
    flow_switch(e);
}

void flow_composed(gb_engine *e, uint64_t available)
{
    gb_flow *flow = &e->flow;
    if (!flow->is_on || !engine_is_paper(e)) {
        return;
    }
    if (available > e->settings.delta_limit) {
        flow->over_count++;
        flow->under_count = 0;
    } else if (available < e->settings.delta_limit) {
        flow->under_count++;
        flow->over_count = 0;
    }
    if (flow->over_count >= e->settings.flow_over_count) {
        flow->over_count = 0;
        flow->tau = flow->tau * e->settings.flow_decrease_ppm / PPM;
    }
    if (flow->under_count >= e->settings.flow_under_count) {
        uint64_t ceiling = flow_ceiling(e);
        flow->under_count = 0;
        flow->tau += e->settings.flow_step_micro;
        flow->tau = flow->tau < ceiling ? flow->tau : ceiling;
    }
}

/* ---- Moves --------------------------------------------------------------------------------------
 */

uint64_t flow_share(const gb_load *asker, const gb_load *answerer)
{
    uint64_t sum = asker->tau + answerer->tau;
    uint64_t wanted = asker->rho + answerer->rho;
    if (wanted <= sum) {
        return asker->rho + (sum - wanted) / 2;
    }
    if (2 * asker->rho >= sum && 2 * answerer->rho >= sum) {
        return sum / 2;
    }
    return 2 * asker->rho < sum ? asker->rho : sum - answerer->rho;
}

bool flow_ask(gb_engine *e, const gb_link *link, gb_load *load)
{
    gb_flow *flow = &e->flow;
    /* One at a time: two answers would give away the same allowance. */
    bool is_out = flow->move_link != 0 && e->now < flow->move_at + ENGINE_EXCHANGE_BOUND;
    if (!flow->is_on || is_out || (link->features & GB_FEATURE_LOAD) == 0) {
        return false;
    }
    flow->move_link = link->id;
    flow->move_at = e->now;
    *load = (gb_load){.rho = flow_rho(e), .tau = flow->tau};
    return true;
}

void flow_answer(gb_engine *e, const gb_load *theirs, gb_load *ours)
{
    gb_flow *flow = &e->flow;
    *ours = (gb_load){.rho = flow_rho(e), .tau = flow->tau};
    bool is_out = flow->move_link != 0 && e->now < flow->move_at + ENGINE_EXCHANGE_BOUND;
    if (!flow->is_on || is_out) {
        return;
    }
    /* Between 0 and the sum: neither side falls below nothing. */
    uint64_t after = flow_share(theirs, ours);
    uint64_t left = theirs->tau + ours->tau - after;
    if (left <= flow_ceiling(e)) {
        ours->moved = (int64_t)after - (int64_t)theirs->tau;
        flow->tau = left;
    }
}

void flow_moved(gb_engine *e, const gb_link *link, int64_t moved)
{
    gb_flow *flow = &e->flow;
    if (flow->move_link != link->id) {
        return; /* answered after we stopped to wait for it */
    }
    flow->move_link = 0;
    if (!flow->is_on) {
        return;
    }
    uint64_t ceiling = flow_ceiling(e);
    int64_t tau = (int64_t)flow->tau + moved;
    flow->tau = tau < 0 ? 0 : (uint64_t)tau < ceiling ? (uint64_t)tau : ceiling;
}

void flow_link_lost(gb_engine *e, const gb_link *link)
{
    if (e->flow.move_link == link->id) {
        e->flow.move_link = 0;
    }
}
