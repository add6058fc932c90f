/* SPDX-License-Identifier: Apache-2.0 */
/* flow.h: flow control, and the paper's mode: what flow.c, admit.c and paper.c give the others. */
#ifndef GB_ENGINE_FLOW_H
#define GB_ENGINE_FLOW_H

#include <goferbroke/engine.h>

typedef struct gb_link gb_link; /* internal.h */

/* Flow control. Rates and tokens are in millionths of an update (per second). */
#define FLOW_ONE UINT64_C(1000000)
/* Who is paced may always admit this much, so that it can come back. */
#define FLOW_RATE_MIN FLOW_ONE
/* Changes that came late are admitted together: so much of a second is saved up. */
#define FLOW_BURST_PART 20u
/* Waiting changes are looked at this often at most. */
#define FLOW_PAUSE UINT64_C(1000)
/* So many calm intervals with half of tau unused, and nothing waiting, end pacing. */
#define FLOW_CALM_COUNT 8u
/* Deltas of one participant and lane that are counted in the paper's mode: more are as many. */
#define PAPER_COUNT_MAX 65536u

/* Pacing of own changes: see flow.c. */
typedef struct gb_flow {
    bool is_on; /* own changes are held to tau */
    uint64_t tau;
    uint64_t rho;      /* mean of what was offered */
    uint64_t tokens;   /* what may be admitted at once */
    uint64_t fraction; /* of a token's millionth, in millionths */
    gb_time_us refilled_at;
    gb_time_us interval_at; /* the present interval's begin */
    uint64_t offered;       /* in it */
    uint64_t admitted;
    uint32_t calm_count;
    uint32_t over_count; /* messages in a row */
    uint32_t under_count;
    uint64_t move_link; /* where part of tau may be moved by the answer; 0: nowhere */
    gb_time_us move_at;
} gb_flow;

/* ---- flow.c -----------------------------------------------------------------------------------
 */

/* Application data, in contrast to what keeps the cluster together: paced, and in the paper's mode
 * not pushed. */
static inline bool lane_is_data(gb_lane lane)
{
    return lane == GB_LANE_SYSTEM || lane == GB_LANE_USER;
}
void flow_fill_settings(gb_engine_settings *settings);
void flow_init(gb_engine *e);
/* After a change of settings from `before`. */
void flow_configure(gb_engine *e, const gb_engine_settings *before);
/* The greatest tau. */
uint64_t flow_ceiling(const gb_engine *e);
/* What this node wants to admit. */
uint64_t flow_rho(const gb_engine *e);
/* An interval is over: rates are measured; in the default mode tau follows the links. */
void flow_round(gb_engine *e);
/* Pacing begins or ends. */
void flow_switch(gb_engine *e);
/* Paper's mode: a message of deltas is composed, of so many that there are. */
void flow_composed(gb_engine *e, uint64_t available);
/* How much the asker should have of what both have together. */
uint64_t flow_share(const gb_load *asker, const gb_load *answerer);
/* Tell our load in a request on `link`. false: we are not paced, or another request is out. */
bool flow_ask(gb_engine *e, const gb_link *link, gb_load *load);
/* Answer: `ours->moved` is taken off our tau. */
void flow_answer(gb_engine *e, const gb_load *theirs, gb_load *ours);
/* The answer came. */
void flow_moved(gb_engine *e, const gb_link *link, int64_t moved);
void flow_link_lost(gb_engine *e, const gb_link *link);

/* ---- admit.c ----------------------------------------------------------------------------------
 */

/* Own changes that the host asks for: at once, or when tau allows. Errors: as gb_engine_set. */
gb_err admit_set(gb_engine *e, gb_lane lane, gb_slice group, gb_slice key, uint8_t type,
                 gb_slice value, uint32_t ttl_ms);
gb_err admit_delete(gb_engine *e, gb_lane lane, gb_slice group, gb_slice key);
/* Admit what waits, as far as tau allows. Returns when to look again. */
gb_time_us admit_due(gb_engine *e);
/* Admit all that waits. */
void admit_all(gb_engine *e);

/* ---- paper.c ----------------------------------------------------------------------------------
 */

/* A round: one exchange with a live member chosen uniformly. */
void paper_round(gb_engine *e);
void paper_begin(gb_engine *e, gb_link *link);
/* A digest of a direct exchange came, and was learned from. */
void paper_digest(gb_engine *e, gb_link *link, const gb_frame *frame, const gb_digest *digest);

#endif
