/* SPDX-License-Identifier: Apache-2.0 */
/* event.h: what a node tells its host. */
#ifndef GOFERBROKE_EVENT_H
#define GOFERBROKE_EVENT_H

#include <goferbroke/message.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    GB_STATUS_ALIVE = 0,
    GB_STATUS_SUSPECT = 1,
    GB_STATUS_DEAD = 2,
    GB_STATUS_LEFT = 3,
};

/* Kinds of events; the comment names the fields of gb_event that are set beside kind and time_us.
 * New kinds may be added: ignore what you don't know. */
enum {
    /* --- the cluster --- */
    GB_EVENT_JOINED = 1, /* part of a cluster now; count: members known, self included */
    GB_EVENT_SEED_FAILED =
        2, /* address, code, text: this seed could not be joined; retried for ever */
    GB_EVENT_REJECTED = 3, /* code, text: the cluster refuses this node; it has stopped */
    GB_EVENT_REPLACED = 4, /* text: a later life of this name runs; it has stopped: don't restart */
    GB_EVENT_LEFT = 5,     /* the leave is done; the node has stopped */
    GB_EVENT_GENERATION = 6, /* generation: the node goes on under this greater one */
    GB_EVENT_MEMBER = 7,     /* name, generation, incarnation, status, flags, change, address */
    GB_EVENT_DELTA = 8,   /* name, generation, lane, record (NULL: deleted), before (may be NULL) */
    GB_EVENT_LAGGED = 9,  /* count: events that were dropped here; read members and values anew */
    GB_EVENT_PACING = 10, /* flags 1: own changes are being paced, 0: no longer; tau_micro,
                             rho_micro, count (changes that wait) */
    GB_EVENT_LIMIT = 11,  /* code, text, name (may be empty): something was refused for a bound */
    GB_EVENT_EXCHANGE = 12, /* name, duration_us, count (lanes asked for): an exchange has ended */
    /* --- facts for the host's detector (only where has_detector was given) --- */
    GB_EVENT_LINK_OPENED = 20, /* name, generation */
    GB_EVENT_LINK_CLOSED = 21, /* name, generation, cause */
    GB_EVENT_HEARTBEAT = 22,   /* name, generation, duration_us: round trip, 0 if not measured */
    GB_EVENT_ACTIVITY = 23, /* name, generation: other bytes came; at most one each 200 ms a link */
    GB_EVENT_PROBE_RESULT = 24, /* name, generation, helper (empty: own dial), outcome,
                                   newer_generation; duration_us of an own dial that was answered */
    GB_EVENT_ACCUSATION = 25,   /* name (accused), generation, incarnation, accuser,
                                   accuser_generation, reason, flags (GB_ACCUSE_…) */
    GB_EVENT_RETRACTION = 26,   /* name (accused), accuser, accuser_generation; not told of what was
                                   said in a life that is over: GB_EVENT_MEMBER says that it is */
    GB_EVENT_SELF_ACCUSED = 27, /* accuser; incarnation: our new one */
    GB_EVENT_TICK = 28,         /* each detector_tick_us, or as GB_ACT_TICK asked for it */
    /* --- clients --- */
    GB_EVENT_CLIENT_REQUEST = 40, /* link, request_id, payload */
    GB_EVENT_CLIENT_CANCEL = 41,  /* link, request_id: wants no more of that stream */
    GB_EVENT_CLIENT_CLOSED = 42,  /* link: the client has gone; its streams end */
};

/* gb_event.change of GB_EVENT_MEMBER */
enum {
    GB_CHANGE_JOINED = 1,    /* its record is here for the first time */
    GB_CHANGE_RESTARTED = 2, /* a later generation of a known name */
    GB_CHANGE_UPDATED = 3,   /* addresses, flags or incarnation */
    GB_CHANGE_STATUS = 4,    /* status */
    GB_CHANGE_FORGOTTEN = 5, /* its time as dead or left is over: no longer a member */
};

/* gb_event.flags of GB_EVENT_MEMBER */
#define GB_MEMBER_HAS_DETECTOR 0x01u
#define GB_MEMBER_IS_DIALLABLE 0x02u /* answered at its address in this generation */
#define GB_MEMBER_IS_SELF 0x04u
#define GB_MEMBER_IS_LINKED 0x08u

/* Why a link ended. */
enum {
    GB_CLOSE_ENDED = 1,     /* the peer closed in order (FIN) */
    GB_CLOSE_RESET = 2,     /* RST */
    GB_CLOSE_TIMED_OUT = 3, /* nothing came for too long, or the dial took too long */
    GB_CLOSE_BY_US = 4,
    GB_CLOSE_REPLACED = 5,    /* another link to the same node took over */
    GB_CLOSE_PROTOCOL = 6,    /* it sent what it must not */
    GB_CLOSE_REFUSED = 7,     /* dial: ECONNREFUSED */
    GB_CLOSE_UNREACHABLE = 8, /* dial: no route, host unknown, … */
    GB_CLOSE_BYE = 9,         /* it said good-bye */
};

typedef struct gb_record gb_record; /* one delta; see gb_record_… below */

/* Slices are lent as long as the event is. */
typedef struct gb_event {
    uint32_t kind;
    gb_time_us time_us;
    gb_slice name;
    uint64_t generation;
    uint64_t incarnation;
    uint8_t status;
    uint8_t change;
    uint8_t cause;
    uint8_t outcome;
    uint8_t reason;
    uint8_t lane;
    uint32_t flags;
    uint64_t newer_generation;
    gb_slice accuser; /* or the helper of a probe */
    uint64_t accuser_generation;
    uint64_t duration_us;
    uint64_t count;
    uint64_t tau_micro; /* millionths of an update per second */
    uint64_t rho_micro;
    int32_t code;
    gb_slice text;
    gb_slice host; /* address */
    uint16_t port;
    uint64_t link;
    uint32_t request_id;
    gb_slice payload;
    gb_record *record;
    gb_record *before;
} gb_event;

/* What a host's detector answers. */
enum {
    GB_ACT_PROBE = 1,         /* name, generation, timeout_us: dial it afresh */
    GB_ACT_PROBE_THROUGH = 2, /* name, generation, helper: ask that member to dial it */
    GB_ACT_ACCUSE = 3,        /* name, generation, incarnation, reason */
    GB_ACT_RETRACT = 4,       /* name */
    GB_ACT_SUSPECT = 5,       /* name, generation, incarnation: it stands as suspect here */
    GB_ACT_DEAD = 6,          /* name, generation, incarnation: it stands as dead here */
    GB_ACT_ALIVE = 7,         /* name, generation, incarnation: it stands as alive here */
    GB_ACT_TICK = 8, /* timeout_us: GB_EVENT_TICK comes so long after this, and then each so
                        long, until gb_engine_configure; 0: each detector_tick_us */
};
typedef struct gb_action {
    uint8_t kind;
    uint8_t reason; /* GB_ACCUSE_… */
    gb_slice name;
    uint64_t generation;
    uint64_t incarnation;
    gb_slice helper;
    uint64_t timeout_us; /* of GB_ACT_PROBE: how long its dial may take; 0: probe_timeout_us. At
                            most dial_timeout_us, or probe_timeout_us where that is longer. Of
                            GB_ACT_TICK: 1 ms to 60 s, what is beyond counts as the end of that */
} gb_action;

/* How a member stands. */
typedef struct gb_member {
    gb_slice name; /* lent by the function that gives the member */
    uint64_t generation;
    uint64_t incarnation;
    uint8_t status;
    uint32_t flags; /* GB_MEMBER_… */
    gb_slice host;  /* its first address; empty where none is known */
    uint16_t port;
    uint32_t accusers; /* standing accusations against it */
} gb_member;

#ifdef __cplusplus
}
#endif

#endif
