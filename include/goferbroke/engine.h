/* SPDX-License-Identifier: Apache-2.0 */
/* engine.h: the protocol as a pure machine: (event, now) -> effects. No I/O, clock, thread or
 * global.
 *
 * The driver (csrc/transport, or a simulator) hands in events, each with `now` (monotonic
 * microseconds, never falling), then calls gb_engine_flush once and takes the effects out with
 * gb_engine_effect_next, in order, until there are none. Events may be batched before a flush: what
 * is told to one link leaves as one buffer.
 *
 * Links are named by numbers that the engine gives (never reused): at gb_engine_accepted, or in the
 * dial effect. After the driver reported gb_engine_closed, or the engine asked to close, the number
 * means nothing; late events for it are ignored.
 *
 * Not thread-safe: one caller at a time. */
#ifndef GOFERBROKE_ENGINE_H
#define GOFERBROKE_ENGINE_H

#include <goferbroke/event.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gb_engine gb_engine;

/* What may change while it runs. Zero in a field means its default. */
typedef struct gb_engine_settings {
    uint64_t gossip_interval_us;    /* default 1 s: rounds */
    uint64_t heartbeat_interval_us; /* default 2 s */
    uint64_t probe_timeout_us;      /* default 300 ms */
    uint64_t dial_timeout_us;       /* default 3 s */
    uint64_t link_timeout_us;       /* default 15 s: nothing heard on a link closes it */
    uint64_t tombstone_grace_us;    /* default 1 h */
    uint64_t departed_retention_us; /* default 24 h */
    uint64_t detector_tick_us;      /* default 100 ms */
    uint64_t pull_stall_us;         /* default 1 s */
    uint64_t reconnect_interval_us; /* default 10 s: one dead member and one unlinked seed is
                                       dialled each so long */
    uint64_t leave_timeout_us;      /* default 2 s: bound of the wait for acknowledgements */
    uint32_t exchanges_per_round;   /* default 1: NodeSelectionPerGossipRound */
    uint32_t key_count_max;         /* per participant */
    uint32_t value_size_max;
    uint32_t link_queue_max; /* bytes; default GB_LINK_QUEUE_MAX */
    uint32_t full_mesh_max;  /* default 16 members */
    bool is_push_disabled;   /* no eager push: anti-entropy alone */

    /* --- how data spreads: the lanes system and user --- */
    uint8_t gossip_mode;  /* GB_GOSSIP_…; default GB_GOSSIP_PUSH */
    uint8_t delta_order;  /* GB_ORDER_…, in the paper's mode; default GB_ORDER_DEPTH */
    uint32_t delta_limit; /* in the paper's mode: most deltas of a message; default 100 */

    /* --- flow control: own changes of those lanes wait for a version while pacing is on --- */
    bool is_flow_disabled;      /* never pace */
    uint32_t flow_rate_max;     /* updates per second: ceiling of tau in the default mode; default
                                   1,000,000, at most 10,000,000. The paper's mode has delta_limit
                                   per gossip interval for a ceiling */
    uint32_t flow_decrease_ppm; /* overload: tau becomes this part of itself, in millionths; default
                                   750,000 (the paper's alpha), 1 … 999,999 */
    uint32_t flow_increase_ppm; /* default mode, calm: tau grows by this part of itself in a gossip
                                   interval, in millionths; default 250,000, 1 … 1,000,000 */
    uint64_t flow_step_micro;   /* paper's mode: what tau grows by, in millionths of an update per
                                   second; default 200,000 (the paper's beta is 0.2), at most
                                   GB_RATE_MAX */
    uint32_t flow_over_count;   /* paper's mode: so many messages in a row over the limit decrease
                                   tau; default 5 */
    uint32_t flow_under_count;  /* so many under the limit let it grow; default 10 */
} gb_engine_settings;

/* gb_engine_settings.gossip_mode */
enum {
    /* Changes are pushed at once along a tree per origin; exchanges repair what push misses. */
    GB_GOSSIP_PUSH = 0,
    /* As in van Renesse, Dumitriu, Gough, Thomas, "Efficient Reconciliation and Flow Control for
     * Anti-Entropy Protocols" (2008): data is not pushed; each round there is one exchange with a
     * live member chosen uniformly at random, digests and then deltas both ways, at most
     * delta_limit of them each way. Membership and cluster configuration spread as ever, besides.
     */
    GB_GOSSIP_PAPER = 1,
};
/* gb_engine_settings.delta_order: what a message holds where not all fits. */
enum {
    GB_ORDER_DEPTH = 0, /* scuttle-depth: the participant with the most to tell first, all of its */
    GB_ORDER_BREADTH = 1, /* scuttle-breadth: the oldest delta of each, then the second of each … */
};

typedef struct gb_engine_options {
    size_t size; /* sizeof(gb_engine_options): begin with it, so that fields can be added */
    const gb_allocator *allocator; /* borrowed for the engine's life; NULL: malloc */
    gb_slice cluster;              /* copied, like all slices here */
    gb_slice name;
    uint64_t generation;            /* >= 1 */
    uint64_t instance;              /* random for each start, != 0 */
    uint64_t seed;                  /* of all randomness of the engine */
    bool has_detector;              /* the host judges: facts are told, actions expected */
    uint32_t participant_count_max; /* 0: GB_PARTICIPANTS_MAX */
    uint32_t link_count_max;        /* 0: GB_LINKS_MAX */
    const gb_address *addresses;    /* where others can dial this node; may be none */
    uint32_t address_count;         /* <= GB_HELLO_ADDRESSES_MAX */
    const gb_address *seeds;        /* own addresses among them are skipped */
    uint32_t seed_count;            /* <= GB_SEEDS_MAX */
    gb_engine_settings settings;
    /* See state/map.h: postponed release for readers in other threads. NULL: none. */
    void (*reclaim)(void *user, void (*release)(const gb_allocator *, void *), void *object);
    void *reclaim_user;
} gb_engine_options;

/* Errors: GB_EINVAL (with a sentence in `info`), GB_ENAME, GB_ENOMEM. On error `out` is unchanged.
 */
GB_EXTERN gb_err gb_engine_open(const gb_engine_options *options, gb_time_us now, gb_engine **out,
                                gb_err_info *info);
GB_EXTERN void gb_engine_close(gb_engine *engine);

/* ---- Events in ------------------------------------------------------------------------------- */

/* A door of the node accepted a connection. `role`: GB_ROLE_MEMBER for the node's port (probes come
 * there too), GB_ROLE_CLIENT for a client door. `host`, `port`: where the peer is seen. Where too
 * many handshakes are under way at that door, the oldest of a silent peer is closed for it.
 * Errors: GB_EFULL (too many links: close it), GB_ENOMEM. On error there is no link. */
GB_EXTERN gb_err gb_engine_accepted(gb_engine *engine, gb_time_us now, uint8_t role, gb_slice host,
                                    uint16_t port, uint64_t *link);
/* A dial succeeded. */
GB_EXTERN void gb_engine_connected(gb_engine *engine, gb_time_us now, uint64_t link);
/* Bytes from a link, in any split. Borrowed for the call. */
GB_EXTERN void gb_engine_received(gb_engine *engine, gb_time_us now, uint64_t link, gb_slice bytes);
/* Bytes of earlier send effects have left (or were dropped with the link). */
GB_EXTERN void gb_engine_sent(gb_engine *engine, gb_time_us now, uint64_t link, size_t byte_count);
/* The link is gone, or the dial failed. cause: GB_CLOSE_…. `text` (may be empty) for people. */
GB_EXTERN void gb_engine_closed(gb_engine *engine, gb_time_us now, uint64_t link, uint8_t cause,
                                gb_slice text);
/* Time has come to gb_engine_deadline. Calling it early is harmless. */
GB_EXTERN void gb_engine_tick(gb_engine *engine, gb_time_us now);
/* When the engine wants gb_engine_tick next; read it after each flush. */
GB_EXTERN gb_time_us gb_engine_deadline(const gb_engine *engine);

/* ---- Commands in ----------------------------------------------------------------------------- */

/* Begin to join: dial the seeds, for ever, until one answers. Without seeds it is joined at once.
 */
GB_EXTERN void gb_engine_join(gb_engine *engine, gb_time_us now);
/* Publish an own delta. Never fails for load: while pacing is on, a change of the system or user
 * lane may have to wait for its version, one for each key, the newest wins and keeps the place of
 * the one before; gb_engine_get_own sees it at once, GB_EVENT_DELTA tells of it when it has its
 * version. How many wait is bounded by key_count_max. Nothing is paced where there is no other live
 * member.
 * Errors: GB_EGROUP, GB_EKEY_SIZE, GB_EVALUE_SIZE, GB_ETYPE, GB_EKEYS, GB_ENOMEM, GB_EINVAL (the
 * membership lane is the engine's); GB_ECLOSED after a leave. Nothing changed then. */
GB_EXTERN gb_err gb_engine_set(gb_engine *engine, gb_time_us now, gb_lane lane, gb_slice group,
                               gb_slice key, uint8_t type, gb_slice value, uint32_t ttl_ms);
/* Waits like a set. Errors: as gb_engine_set, and GB_ENOTFOUND (no such key, or deleted already, in
 * a change that waits too). A key that was set while pacing was on, and has no version yet, just
 * goes. */
GB_EXTERN gb_err gb_engine_delete(gb_engine *engine, gb_time_us now, gb_lane lane, gb_slice group,
                                  gb_slice key);
/* A detector's answer. Unknown or outdated identities are ignored. */
GB_EXTERN void gb_engine_act(gb_engine *engine, gb_time_us now, const gb_action *action);
GB_EXTERN void gb_engine_configure(gb_engine *engine, gb_time_us now,
                                   const gb_engine_settings *settings);
/* Replace the list of seeds. Errors: GB_EINVAL (too many), GB_ENOMEM: unchanged. */
GB_EXTERN gb_err gb_engine_set_seeds(gb_engine *engine, gb_time_us now, const gb_address *seeds,
                                     uint32_t seed_count);
/* Say good-bye: the leave is told, two neighbours' acknowledgement (or 2 s) awaited, then
 * GB_EVENT_LEFT and all links close. */
GB_EXTERN void gb_engine_leave(gb_engine *engine, gb_time_us now);
/* Answer a client. frame_type: GB_FRAME_CLIENT_RESPONSE or _ITEM.
 * Errors: GB_ECLOSED (it has gone), GB_EFULL (its queue is over the limit, nothing was queued: try
 * again after a gb_engine_sent of that link), GB_ETOOBIG, GB_ENOMEM. */
GB_EXTERN gb_err gb_engine_client_send(gb_engine *engine, gb_time_us now, uint64_t link,
                                       uint8_t frame_type, uint32_t request_id, gb_slice payload);

/* ---- Effects out ----------------------------------------------------------------------------- */

enum {
    GB_EFFECT_SEND = 1,   /* link, buffer: owned by the driver, give it back: gb_engine_recycle */
    GB_EFFECT_DIAL = 2,   /* link, host, port, timeout_us: answer connected or closed */
    GB_EFFECT_CLOSE = 3,  /* link: after the bytes queued before it were tried (bounded time) */
    GB_EFFECT_NOTIFY = 4, /* event: lent until the next call of any function here */
};
typedef struct gb_effect {
    uint8_t kind;
    uint64_t link;
    gb_out buffer;
    gb_slice host; /* lent until the next call */
    uint16_t port;
    uint64_t timeout_us;
    const gb_event *event; /* a record in it stays referenced until the next call */
} gb_effect;

/* Turn what has changed since the last flush into effects: pushes, feeds, I-HAVEs, dials. */
GB_EXTERN void gb_engine_flush(gb_engine *engine, gb_time_us now);
/* false: no more. */
GB_EXTERN bool gb_engine_effect_next(gb_engine *engine, gb_effect *out);
GB_EXTERN void gb_engine_recycle(gb_engine *engine, gb_out *buffer);

/* ---- Looking (owner thread) ------------------------------------------------------------------ */

typedef struct gb_engine_stats {
    uint64_t rounds, exchanges_begun, exchanges_answered;
    uint64_t frames_received, frames_sent, bytes_received, bytes_sent;
    uint64_t deltas_received, deltas_applied, deltas_sent, deltas_duplicate, gaps;
    uint64_t prunes_sent, grafts_sent, i_haves_sent, pulls_sent, resets_received;
    uint64_t bulk_bytes_received; /* of DELTAS that answered a PULL */
    uint64_t dials, dials_failed, probes, protocol_errors, rejects_sent;
    uint64_t frames_ignored; /* unknown and optional, or of an index that means nobody here */
    uint32_t links_open, links_all, clients;
    uint32_t members_alive, members_suspect, members_dead, members_left;
    uint64_t queued_bytes; /* handed out and not yet sent, all links */
    uint64_t map_hash, map_bytes, map_keys;
    /* Flow control. Rates are in millionths of an update per second. */
    uint64_t tau_micro;     /* admitted at most */
    uint64_t rho_micro;     /* offered lately */
    uint64_t pacing_waits;  /* changes that had to wait for their version, since the start */
    uint32_t pending_count; /* that wait now */
    bool is_pacing;         /* own changes are held to tau */
} gb_engine_stats;
GB_EXTERN void gb_engine_read_stats(const gb_engine *engine, gb_engine_stats *out);
/* The member in place `position` (0 …), self included; false: past the end. Order is not stable. */
GB_EXTERN bool gb_engine_member_at(const gb_engine *engine, uint32_t position, gb_member *out);
/* false: unknown. */
GB_EXTERN bool gb_engine_member(const gb_engine *engine, gb_slice name, gb_member *out);
/* The newest own value of a key, one that waits for its version included (`out->version` is 0
 * then). Slices are lent until the next call of any function here. Errors: GB_ENOTFOUND. */
GB_EXTERN gb_err gb_engine_get_own(const gb_engine *engine, gb_lane lane, gb_slice group,
                                   gb_slice key, gb_delta *out);
/* The map, for readers (state/map.h). */
struct gb_map;
GB_EXTERN struct gb_map *gb_engine_map(const gb_engine *engine);
/* Verify all invariants; aborts with a sentence. For tests and simulators. */
GB_EXTERN void gb_engine_check(const gb_engine *engine);

/* What is held of one participant: for simulators and tests that compare it with the truth. */
typedef struct gb_known {
    gb_slice name; /* lent for the call of `visit` */
    uint64_t generation;
    uint64_t changed_no; /* the map's change counter when it changed here last */
    uint64_t version[GB_LANE_COUNT];
    uint64_t floor[GB_LANE_COUNT];
    bool is_self;
} gb_known;
/* Grows with each change of the map, whosever it is. */
GB_EXTERN uint64_t gb_engine_change_no(const gb_engine *engine);
/* A hash of all that is known: equal maps have equal hashes. */
GB_EXTERN uint64_t gb_engine_map_hash(const gb_engine *engine);
/* The life of a participant that is known. Errors: GB_EUNKNOWN_NODE; `out` is unchanged then. */
GB_EXTERN gb_err gb_engine_generation(const gb_engine *engine, gb_slice name, uint64_t *out);
/* Participants that changed here after `changed_after` (0: all of them), the latest first, until
 * `visit` returns false. It must not call the engine, but for gb_engine_visit_records. */
GB_EXTERN void gb_engine_visit_known(const gb_engine *engine, uint64_t changed_after,
                                     bool (*visit)(void *user, const gb_known *known), void *user);
/* The records of a lane with a version above `version_after`, in version order, tombstones
 * included, until `visit` returns false. Slices are lent for that call; `digest` is a hash of type
 * and value, to be compared within one program alone. Errors: GB_EUNKNOWN_NODE. */
GB_EXTERN gb_err gb_engine_visit_records(
    const gb_engine *engine, gb_slice name, gb_lane lane, uint64_t version_after,
    bool (*visit)(void *user, const gb_delta *delta, uint64_t digest), void *user);
/* The record of a key, its slices lent until the engine is called again; of an own key as
 * gb_engine_get_own.
 * Errors: GB_EUNKNOWN_NODE, GB_ENOTFOUND (also where it is deleted); `out` is unchanged then. */
GB_EXTERN gb_err gb_engine_value(const gb_engine *engine, gb_slice name, gb_lane lane,
                                 gb_slice group, gb_slice key, gb_delta *out);

/* ---- Rings ----------------------------------------------------------------------------------- */

#define GB_RING_COUNT 4
/* Place of a name on a ring (0 … GB_RING_COUNT - 1). Tests/Vectors/rings.txt has examples. */
GB_EXTERN uint64_t gb_ring_place(gb_slice name, uint32_t ring);
/* The judges of `target` among `names` (which may contain it): its neighbours on each ring, or all
 * others where there are at most `full_mesh_max` + the target. Writes positions in `names` to `out`
 * (room for `count`), without repetition; returns how many. O(count). */
GB_EXTERN uint32_t gb_ring_neighbours(const gb_slice *names, uint32_t count, gb_slice target,
                                      uint32_t full_mesh_max, uint32_t *out);

#ifdef __cplusplus
}
#endif

#endif
