/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h: what the files of the engine share. One engine is one thread's; see engine.h.
 *
 * Happy path of a change: gb_engine_set or a DELTAS frame changes the map (push.c: engine_changed
 * marks each link), gb_engine_flush feeds the links (feed.c) and turns their buffers into effects.
 * Everything that push misses is found by heartbeats and exchanges (gossip.c) and pulled (pull.c).
 *
 * When something fails: a peer that breaks the protocol or an allocation that fails closes the link
 * it happened on, nothing else; what that link knew is forgotten, and anti-entropy repairs. */
#ifndef GB_ENGINE_INTERNAL_H
#define GB_ENGINE_INTERNAL_H

#include <goferbroke/engine.h>

#include "engine/flow.h"
#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/hash.h"
#include "platform/limits.h"
#include "platform/list.h"
#include "platform/rng.h"
#include "state/map.h"

#define GB_NO_TIME UINT64_MAX
#define GB_LANES_ALL ((uint8_t)((1u << GB_LANE_COUNT) - 1u))
#define GB_LANE_BIT(lane) ((uint8_t)(1u << (lane)))

/* ---- Constants of time and size, each with its reason ---------------------------------------- */

#define ENGINE_MS UINT64_C(1000)
#define ENGINE_S UINT64_C(1000000)
/* I-HAVEs are batched this long: a fifth of the time in which a lost feed must be caught up. */
#define ENGINE_I_HAVE_DELAY (20 * ENGINE_MS)
/* A lazy receiver waits this long for the eager copy: some hops of a LAN. */
#define ENGINE_GRAFT_DELAY (10 * ENGINE_MS)
/* A gap is asked about once per this time and participant: answers are under way meanwhile. */
#define ENGINE_GAP_PAUSE (100 * ENGINE_MS)
/* One exchange with a uniformly random member: keeps the cluster whole whatever the rings say. */
#define ENGINE_RANDOM_INTERVAL (30 * ENGINE_S)
#define ENGINE_TICK_MAX (60 * ENGINE_S)
/* Dead members and seeds are dialled one each this long, so that a healed partition re-merges. */
#define ENGINE_REVIVE_INTERVAL (10 * ENGINE_S)
/* A link outside the rings is closed by its dialler after this grace. */
#define ENGINE_UNWANTED_GRACE (30 * ENGINE_S)
/* Links to seeds, once there are ENGINE_SETTLED_LINKS of the rings: others want their places. */
#define ENGINE_SEED_GRACE (2 * ENGINE_S)
#define ENGINE_SETTLED_LINKS 2
/* A link dialled for one exchange is closed after this at the latest. */
#define ENGINE_VISIT_MAX (5 * ENGINE_S)
/* The side that is expected to be dialled waits this long before it dials itself. */
#define ENGINE_DIAL_PATIENCE (500 * ENGINE_MS)
#define ENGINE_DIAL_BACKOFF_MIN (200 * ENGINE_MS)
#define ENGINE_DIAL_BACKOFF_MAX (10 * ENGINE_S)
#define ENGINE_LEAVE_BOUND (2 * ENGINE_S)
#define ENGINE_DUPLICATE_BOUND (2 * ENGINE_S)
/* An exchange that got no answer is over after this. */
#define ENGINE_EXCHANGE_BOUND (5 * ENGINE_S)
/* Feeding a link stops when this much is handed out and not yet sent. */
#define ENGINE_FEED_WINDOW ((size_t)512 * 1024)
/* Above it a digest falls back to fingerprints: 1,024 entries are some 4 KiB. */
#define ENGINE_DIGEST_ENTRIES_MAX 1024u
/* Participants a bucket holds on average when fingerprints are compared. */
#define ENGINE_BUCKET_LOAD 16u
/* Refused for a bound: asked for again after this. */
#define ENGINE_REFUSED_PAUSE (60 * ENGINE_S)
#define ENGINE_ACTIVITY_PAUSE (200 * ENGINE_MS)
#define ENGINE_PROBE_ADDRESSES_MAX 3u
/* A process that is being torn down accepts until its listener goes: a probe whose connection ends
 * without a word is dialled again after this, so often. */
#define ENGINE_PROBE_REDIAL_PAUSE (20 * ENGINE_MS)
#define ENGINE_PROBE_REDIALS_MAX 8u
#define ENGINE_PROBES_MAX 1024u
/* Probes that one peer may have us make at a time: it watches 2K others, and a rack may fail. */
#define ENGINE_PROBES_PER_LINK_MAX 32u
/* A link that lived shorter than this is no reason to dial again at once. */
#define ENGINE_STABLE_AGE ENGINE_S
/* A name that was mentioned and of which nothing came gives way to others after this. */
#define ENGINE_UNHEARD_AGE (60 * ENGINE_S)
/* Asked again after this whether a later life of ours answers. */
#define ENGINE_CONFLICT_PAUSE (2 * ENGINE_S)
/* Bytes that chatter may put off the judgement that a pull has stalled: so many times the stall. */
#define ENGINE_STALL_PATIENCE 9u
/* What one link may owe its peer: the feed's part and the reserve, and one answer of the greatest
 * size. Who asks for more without reading is cut off. */
#define ENGINE_OWED_MAX (GB_LINK_QUEUE_MAX + GB_LINK_RESERVE + GB_FRAME_PAYLOAD_MAX)
/* Generations and incarnations above it are refused: one more must always be possible. */
#define ENGINE_LIFE_MAX ((uint64_t)INT64_MAX)
/* Effects whose memory stays between batches. */
#define ENGINE_EFFECTS_KEPT 4096u
/* What there was no memory for is tried again after this. */
#define ENGINE_RETRY (10 * ENGINE_MS)
/* Durations of settings lie between a millisecond and a hundred years: no timer spins, and no sum
 * of one and a clock overflows. */
#define ENGINE_TIME_MAX (UINT64_C(36525) * 86400 * ENGINE_S)
/* The node record with all its addresses fits a value, and a node can always say that it is there.
 */
#define ENGINE_VALUE_SIZE_MIN 4096u
#define ENGINE_KEY_COUNT_MIN 8u
/* One flush looks again where closing a link gave cause, this often at most. */
#define ENGINE_FLUSH_PASSES 8u
#define ENGINE_GRAFTS_MAX 16384u
#define ENGINE_BUFFERS_KEPT 16u
/* Memory of what is over: a link that was quiet for a round keeps less than this of each kind. */
#define ENGINE_QUIET_KEPT ((size_t)1024)

/* ---- Peers: what the engine knows of a participant beside its deltas --------------------------
 */

struct gb_link;

typedef struct gb_pull_state {
    uint64_t link;            /* asked there and not yet complete; 0: nothing outstanding */
    uint64_t gap_link;        /* a push with a gap came there meanwhile; 0: none */
    gb_time_us refused_until; /* what came was over a bound of ours: not asked before */
} gb_pull_state;

/* One for each participant: what few of them have stands apart. */
typedef struct gb_peer {
    uint64_t generation;
    uint64_t instance; /* 0: not known yet */
    uint64_t incarnation;
    gb_address *addresses;    /* where they are not those of its record: one allocation, slices
                                 inside; see peer_addresses */
    gb_pull_state *pulls;     /* GB_LANE_COUNT of them; NULL: nothing is asked or refused */
    struct gb_link *link;     /* the open link that counts; NULL: none */
    struct gb_link *dialling; /* a ring dial under way */
    gb_time_us dial_at;
    uint64_t parent_link; /* through which its news came last; 0: none */
    gb_time_us known_since;
    gb_time_us departed_at; /* dead or left since; GB_NO_TIME: neither. Of one that we know by name
                               alone: since when others hold it so. Differences to it count, since
                               it may lie before our clock began */
    gb_list_node accuser_node; /* in engine->accusers while accuse_count > 0 */
    uint32_t slot;
    uint32_t accuse_count;  /* accusations in its membership lane, not taken back */
    uint32_t accuser_count; /* standing accusations against this life */
    uint32_t verdict_count; /* those of them with GB_ACCUSE_VERDICT */
    uint32_t dial_failures;
    uint8_t address_count;
    uint8_t record_flags; /* GB_NODE_RECORD_… */
    uint8_t status;
    bool has_record;
    bool is_announced; /* the host was told that it joined */
    bool is_diallable; /* a WELCOME came from one of its addresses in this generation */
    bool is_link_lost; /* its last link was cut by the other side, and nothing was heard since */
    bool is_wanted;    /* a neighbour on the rings, or the mesh */
    bool is_successor; /* we are the one who dials */
    bool is_graft_pending;
    bool is_visit_due; /* in the paper's mode: an exchange as soon as the dialled link is there */
} gb_peer;
_Static_assert(sizeof(gb_peer) <= 136, "a simulation holds millions of them");

/* ---- Links ------------------------------------------------------------------------------------
 */

typedef enum gb_link_state {
    LINK_DIALLING,   /* the driver dials */
    LINK_HELLO_SENT, /* connected, WELCOME awaited */
    LINK_HELLO_WAIT, /* accepted, HELLO awaited */
    LINK_HELD,       /* HELLO came; whether its name is free is being found out */
    LINK_OPEN,
    LINK_CLOSING, /* only the driver's word is awaited */
} gb_link_state;

typedef enum gb_link_purpose {
    PURPOSE_ACCEPTED,
    PURPOSE_SEED,
    PURPOSE_RING,
    PURPOSE_VISIT,  /* one exchange with a random member */
    PURPOSE_REVIVE, /* does a dead member answer? */
    PURPOSE_PROBE,
} gb_link_purpose;

/* A queue of slots that forgets its memory when it runs empty. */
typedef struct gb_feed_queue {
    uint32_t *items;
    uint32_t head;
    uint32_t count;
    uint32_t capacity;
} gb_feed_queue;

typedef struct gb_know_page gb_know_page;     /* engine/know.h */
typedef struct gb_loose_index gb_loose_index; /* engine/know.h */

typedef struct gb_link {
    gb_list_node node; /* in engine->links */
    uint64_t id;
    uint64_t known_no; /* what has not changed here since is known there as here, but for the
                          entries that are apart; 0: nothing is */
    gb_link_state state;
    gb_link_purpose purpose;
    uint8_t role;
    bool is_dialled; /* by us */
    bool is_doomed;  /* close it after the present event */
    bool is_counted; /* in client_count */
    bool is_gone;    /* the driver has closed it, was told to, or never heard of it */
    uint8_t doom_cause;
    uint64_t features; /* that both sides have */
    gb_peer *peer;     /* open member links alone; NULL else */
    gb_engine *engine;
    gb_list_node touched; /* in engine->touched: the next flush looks at it */
    uint64_t instance;
    uint64_t expected_slot; /* dialled for this participant; UINT64_MAX: a seed or probe */
    uint64_t expected_generation;
    uint32_t seed_index; /* PURPOSE_SEED */
    uint64_t probe_no;   /* PURPOSE_PROBE */
    gb_hello *held;      /* LINK_HELD: its HELLO, slices into held_bytes */
    uint8_t *held_bytes;
    char *remote_host;
    uint16_t remote_port;
    char *dial_host;
    uint16_t dial_port;

    gb_parser *parser;
    gb_out out;                 /* collected since the last flush */
    size_t queued;              /* handed to the driver, not yet sent */
    gb_time_us backed_up_since; /* since then something waits for room; GB_NO_TIME: nothing */
    uint64_t flow_known;        /* what the peer knew of our data, and lacked, when flow.c last */
    uint64_t flow_lag;          /* looked and it had learned something; versions */
    gb_time_us opened_at;       /* of the present state */
    gb_time_us established_at;
    gb_time_us duplicate_at; /* when `duplicate_ping` was sent */
    gb_time_us heard_at;
    gb_time_us activity_at;
    gb_time_us unwanted_since; /* GB_NO_TIME: wanted */

    gb_know_page *pages; /* by slot / ENGINE_KNOW_PAGE */
    uint32_t page_count;
    uint32_t pages_used; /* that have entries */
    uint32_t rx_count;
    uint16_t *rx; /* by the peer's index: 0: not defined; 1 + slot: the present life there; from
                     ENGINE_RX_LOOSE on: a place in `loose` */
    gb_loose_index *loose;
    uint32_t loose_count;
    uint32_t loose_capacity;
    bool is_agreed; /* hashes agreed at some time: when the map's change counter was agreed_no */
    uint64_t agreed_no;

    gb_feed_queue feed[GB_LANE_COUNT]; /* small first, within a lane */
    gb_feed_queue feed_bulk[GB_LANE_COUNT];
    uint32_t *i_have_slots; /* whose know has an i_have */
    uint32_t i_have_count;
    uint32_t i_have_capacity;
    gb_time_us i_have_at; /* when they are told; where there are any */

    gb_time_us heartbeat_at; /* when we send the next; GB_NO_TIME: the peer does */
    gb_time_us heartbeat_sent;
    uint32_t heartbeat_no; /* request id of the one that is out; 0: none */
    uint64_t peer_hash;
    uint32_t mismatch_count;
    gb_time_us delta_at; /* last DELTAS sent or received */
    bool wants_exchange;
    bool was_exchanged; /* one was completed on this link */
    bool needs_fingerprints;
    uint32_t exchange_no; /* request id; 0: none under way */
    gb_time_us exchange_at;
    uint64_t exchange_change_no; /* the map's change counter at its SYN */
    uint32_t exchange_pulls;
    uint32_t pull_count;        /* outstanding pulls asked here */
    gb_time_us pull_at;         /* last progress of them */
    uint32_t asked_probe_count; /* PROBE_FOR_PEER of this peer */

    uint32_t duplicate_ping; /* its PONG closes all other links to the peer; 0: none is out */
    bool leave_told;         /* our leave is in its feed, or was */
    uint32_t leave_ping;
    bool is_leave_acknowledged;
} gb_link;

typedef struct gb_link_place {
    uint64_t id;
    gb_link *link;
} gb_link_place;

/* ---- Probes ------------------------------------------------------------------------------------
 */

typedef enum gb_probe_kind {
    PROBE_LOCAL,    /* our detector asked */
    PROBE_FOR_PEER, /* another node asked */
    PROBE_REMOTE,   /* we asked another node */
    PROBE_TAKEOVER, /* is the incumbent of a name still there? */
    PROBE_PROOF,    /* does its address work at all? Nobody waits for the answer */
    PROBE_SELF,     /* we asked another node whether a later life of ours answers */
} gb_probe_kind;

typedef struct gb_probe_op {
    gb_list_node node;
    uint64_t no;
    gb_probe_kind kind;
    uint64_t generation;
    uint64_t link;       /* who asked, whom we asked, or the link that is held */
    uint32_t request_id; /* of the PROBE frame */
    uint64_t ping_link;  /* PROBE_TAKEOVER over an open link */
    uint32_t ping_no;
    uint32_t dial_count; /* still under way */
    uint32_t redials_left;
    gb_time_us redial_at;  /* GB_NO_TIME: no further dial is planned */
    bool is_refused_only;  /* every dial so far was refused */
    bool has_dialled;      /* at least once */
    bool is_waiting;       /* not dialled yet, for want of a place among our dials */
    bool has_other;        /* somebody else answered */
    bool is_answered;      /* whom we asked has answered */
    gb_time_us begun_at;   /* when it was dialled first */
    gb_time_us timeout_us; /* of each dial */
    uint64_t newer_generation;
    gb_time_us deadline;
    uint8_t name_size;
    uint8_t name[GB_NAME_SIZE_MAX];
} gb_probe_op;

/* ---- Engine ------------------------------------------------------------------------------------
 */

typedef struct gb_queued_effect {
    uint8_t kind;
    uint64_t link;
    gb_out buffer;
    gb_event *event; /* one allocation with its bytes */
} gb_queued_effect;

typedef struct gb_seed {
    char *host;
    uint16_t port;
    bool is_self; /* it is our own address: skipped */
    bool is_new;  /* given after we had joined, and not dialled yet */
    gb_time_us dial_at;
    uint32_t failures;
    uint64_t link; /* dial or link that serves it; 0: none */
    uint32_t slot; /* of the member that was seen at this address last: looked at first */
} gb_seed;

typedef struct gb_pending_graft {
    uint32_t slot;
    uint64_t generation;
    uint64_t link;
    gb_time_us at;
} gb_pending_graft;

struct gb_engine {
    const gb_allocator *allocator;
    gb_time_us now;
    gb_rng rng;
    gb_map *map;
    char *cluster;
    size_t cluster_size;
    uint64_t instance;
    bool has_detector;
    uint32_t link_count_max;
    gb_engine_settings settings;
    gb_address *addresses;
    uint8_t address_count;

    gb_participant *self; /* changes with the generation */
    uint64_t incarnation;
    bool is_joining;
    bool is_joined;
    bool is_established; /* was part of a cluster with others, or runs as its seed */
    bool is_leaving;
    bool is_stopping; /* stop after the present event */
    bool is_stopped;
    gb_time_us leave_deadline;
    uint64_t refute_incarnation;  /* an accusation to be answered after the present event */
    uint64_t conflict_generation; /* a later life of our name that somebody told of; 0: none */
    uint64_t conflict_link;
    gb_time_us conflict_retry_at;
    uint64_t renew_generation; /* our own must become this; 0: no */
    bool is_publish_due;       /* our node record changed, and there was no memory to say so */
    gb_record **kept;          /* own records of the former generation, not yet published anew */
    uint8_t *kept_lanes;
    size_t kept_count;
    size_t kept_at;

    gb_peer **peers; /* by slot */
    uint32_t peer_count;
    gb_list accusers; /* peers whose membership lane accuses somebody */
    gb_list links;
    gb_list touched;           /* links with something to send, to feed or to end; see link_touch */
    gb_link_place *link_index; /* by id, rising */
    uint32_t link_capacity;
    uint32_t link_count;
    bool has_doomed;     /* a link is doomed */
    bool wants_exchange; /* a link may want one */
    /* No link has anything due of its kind before: looked at then, and put right. */
    gb_time_us i_have_at;
    gb_time_us stall_at;
    gb_time_us links_look_at;
    uint32_t client_count;
    uint32_t dial_count;
    uint64_t link_no;
    uint32_t request_no;

    gb_seed *seeds;
    uint32_t seed_count;

    gb_list probes;
    bool is_probe_due; /* one has lost what it depended on */
    uint32_t probe_count;
    uint64_t probe_no;

    gb_pending_graft *grafts;
    uint32_t graft_count;
    uint32_t graft_capacity;

    bool is_ring_dirty;
    bool is_mesh;
    uint32_t alive_count;
    uint32_t blind_count;                /* of them, without detector */
    uint64_t ring_after[GB_RING_COUNT];  /* places of our neighbours; where there are others and */
    uint64_t ring_before[GB_RING_COUNT]; /* no mesh */
    gb_time_us dial_check_at;

    gb_time_us round_at;
    uint32_t exchange_tokens;
    gb_time_us random_at;
    gb_time_us revive_at;
    gb_time_us tick_at;
    uint64_t tick_us; /* between ticks, as the detector asked */
    gb_time_us expire_at;
    gb_time_us purge_at;
    gb_time_us departed_check_at;
    gb_time_us limit_told_at;
    gb_time_us next_due; /* as of the last flush: what the …_due functions said */

    gb_flow flow;

    uint32_t *stamps; /* by slot: marks of the digest being processed */
    uint32_t stamp_count;
    uint32_t stamp;
    uint32_t *scratch; /* each slot once at most: lists of slots while a message is written */
    uint32_t scratch_capacity;

    gb_queued_effect *effects;
    uint32_t effect_head;
    uint32_t effect_count;
    uint32_t effect_capacity;
    gb_event *lent_event;
    uint64_t events_lost;
    gb_out spare[ENGINE_BUFFERS_KEPT];
    uint32_t spare_count;
    gb_time_us bulk_at; /* when a buffer over ENGINE_QUIET_KEPT was last sent */

    gb_engine_stats stats;
};

/* ---- engine.c ----------------------------------------------------------------------------------
 */

/* The clock of an event; never goes back. */
void engine_at(gb_engine *e, gb_time_us now);
uint32_t engine_request_no(gb_engine *e);
gb_slice engine_name(const gb_engine *e);
/* Stop for good: all links close, commands are refused from now on. */
void engine_stop(gb_engine *e);
/* What could not be done inside a callback of the map: refutations, conflicts, a new generation. */
void engine_settle(gb_engine *e);
/* Room for slots 0 … slot_end - 1 in the arrays by slot. */
gb_err engine_reserve_slots(gb_engine *e, uint32_t slot_end);
/* Copies addresses into one allocation. */
gb_address *engine_copy_addresses(const gb_engine *e, const gb_address *addresses, uint8_t count);
/* Defaults and bounds of settings. */
void engine_fill_settings(gb_engine_settings *settings);
void engine_fill_hello(const gb_engine *e, gb_hello *hello);
bool engine_is_own_address(const gb_engine *e, gb_slice host, uint16_t port);

/* ---- self.c ------------------------------------------------------------------------------------
 */

/* Publish our own node record anew (incarnation, flags, addresses). */
gb_err engine_publish_self(gb_engine *e);
/* Our own generation must become `generation`, as far as that is possible. */
void engine_want_generation(gb_engine *e, uint64_t generation);
/* Set a key of self, whatever state the engine is in. */
gb_err self_set(gb_engine *e, gb_lane lane, gb_slice group, gb_slice key, uint8_t type,
                gb_slice value, uint32_t ttl_ms);
/* Own records of a former generation. Errors of the first: GB_ENOMEM: some are still kept. */
gb_err self_publish_kept(gb_engine *e);
void self_release_kept(gb_engine *e);
gb_err self_delete(gb_engine *e, gb_lane lane, gb_slice group, gb_slice key);
/* The part of engine_settle that concerns our own participant. */
void self_settle(gb_engine *e);
static inline gb_time_us earlier(gb_time_us a, gb_time_us b)
{
    return a < b ? a : b;
}

/* ---- effects.c ---------------------------------------------------------------------------------
 */

gb_event event_make(const gb_engine *e, uint32_t kind);
/* Queue a copy of `event` for the host. */
void effect_notify(gb_engine *e, const gb_event *event);
void effect_dial(gb_engine *e, gb_link *link);
/* false: no memory. */
bool effect_close(gb_engine *e, uint64_t link);
/* Hand the link's collected bytes to the driver. false: no memory, they stay collected. */
bool effect_send(gb_engine *e, gb_link *link);
void effects_deinit(gb_engine *e);
/* Each round: what grew under load and is not needed now goes. */
void effects_trim(gb_engine *e);

/* ---- links.c -----------------------------------------------------------------------------------
 */

gb_link *link_find(const gb_engine *e, uint64_t id);
gb_err link_open(gb_engine *e, uint8_t role, gb_link_purpose purpose, gb_link **out);
/* Begin a dial; NULL without memory or over a limit. */
gb_link *link_dial(gb_engine *e, gb_link_purpose purpose, gb_slice host, uint16_t port);
/* Close after what was queued: tells the detector, forgets the link's knowledge and pulls. */
void link_close(gb_engine *e, gb_link *link, uint8_t cause);
/* Let the driver know of a closed link. false: no memory, to be tried again. */
bool link_tell_close(gb_engine *e, gb_link *link);
/* Close it after the present event, for want of memory or the like. */
void link_doom(gb_link *link, uint8_t cause);
/* It has something to send, to feed, or to end: the next flush looks at it. */
static inline void link_touch(gb_link *link)
{
    if (!gb_list_node_is_linked(&link->touched)) {
        gb_list_push_back(&link->engine->touched, &link->touched);
    }
}
/* As link_close, with a BYE before it. */
void link_bye(gb_engine *e, gb_link *link, uint8_t cause, gb_err code, const char *text);
/* The peer broke the protocol, or we ran out of memory for it: say so and close. */
void link_fail(gb_engine *e, gb_link *link, gb_err code, const char *text);
void link_free(gb_engine *e, gb_link *link);
/* Each round: as effects_trim. */
void link_trim(gb_engine *e, gb_link *link);
/* Check the result of an encoder: false (and the link is closed) on an error. */
bool link_encoded(gb_engine *e, gb_link *link, gb_err err);
/* Make an open member link of it: peer, duplicates, heartbeats, first exchange. */
void link_established(gb_engine *e, gb_link *link, gb_peer *peer, const gb_hello *hello);
/* A PONG came: it may settle a duplicate or acknowledge a leave. */
void link_pong(gb_engine *e, gb_link *link, uint32_t request_id);
static inline bool link_is_member(const gb_link *link)
{
    return link->state == LINK_OPEN && link->role == GB_ROLE_MEMBER && !link->is_doomed;
}
static inline gb_link *link_of(gb_list_node *node)
{
    return GB_CONTAINER_OF(node, gb_link, node);
}
/* Walk over all links; the present one may be freed. */
#define ENGINE_EACH_LINK(e, link)                                                                  \
    for (gb_list_node *node_##link = (e)->links.head.next, *next_##link = node_##link->next;       \
         node_##link != &(e)->links.head;                                                          \
         node_##link = next_##link, next_##link = node_##link->next)                               \
        for (gb_link *link = link_of(node_##link); link != NULL; link = NULL)

/* ---- handshake.c -------------------------------------------------------------------------------
 */

void handshake_begin(gb_engine *e, gb_link *link);
void handshake_hello(gb_engine *e, gb_link *link, const gb_frame *frame);
void handshake_welcome(gb_engine *e, gb_link *link, const gb_frame *frame);
void handshake_reject(gb_engine *e, gb_link *link, const gb_frame *frame);
/* The incumbent of a held link's name did or did not answer. */
void handshake_resume(gb_engine *e, gb_link *link, bool is_incumbent_there);

/* ---- receive.c ---------------------------------------------------------------------------------
 */

/* Bytes of an existing link. */
void receive_bytes(gb_engine *e, gb_link *link, gb_slice bytes);

/* ---- peers.c -----------------------------------------------------------------------------------
 */

static inline gb_peer *peer_at(const gb_engine *e, uint32_t slot)
{
    return slot < e->peer_count ? e->peers[slot] : NULL;
}
static inline gb_participant *peer_participant(const gb_engine *e, const gb_peer *peer)
{
    return gb_map_at(e->map, peer->slot);
}
gb_slice peer_name(const gb_engine *e, const gb_peer *peer);
bool peer_is_self(const gb_engine *e, const gb_peer *peer);
bool peer_is_live(const gb_peer *peer); /* neither dead nor left */
/* An accuser has gone with all that it said: who is accused by whom is counted again. */
void peer_recount_accused(gb_engine *e);
/* Asserts that the accusers of one were counted right. O(accusers). */
void peer_check_accusers(const gb_engine *e, const gb_peer *peer);
/* The peer of (name, generation): added, or renewed where the generation is greater. NULL: an older
 * life than known, buried (unless `is_answering`: the node itself speaks), over the limit, or no
 * memory. */
gb_peer *peer_learn(gb_engine *e, gb_slice name, uint64_t generation, uint64_t incarnation,
                    bool is_answering);
/* A later life of a known name begins. */
gb_err peer_renew(gb_engine *e, gb_peer *peer, uint64_t generation);
/* What HELLO or WELCOME says of its sender. */
void peer_hello(gb_engine *e, gb_peer *peer, const gb_hello *hello);
void peer_set_status(gb_engine *e, gb_peer *peer, uint8_t status);
void peer_notify(gb_engine *e, gb_peer *peer, uint8_t change);
/* A WELCOME came from one of its addresses in this generation. */
void peer_proved_diallable(gb_engine *e, gb_peer *peer);
void peer_fill_member(const gb_engine *e, const gb_peer *peer, gb_member *out);
/* The map's on_change. */
void peer_on_change(void *user, const gb_participant *participant, gb_lane lane,
                    const gb_record *before, const gb_record *after);
/* Forget whose time as dead or left is over. Returns when to look again. */
gb_time_us peer_forget_departed(gb_engine *e);
/* The age of a departure travels with the name (gb_index_entry.departed), so that all forget at the
 * same time, whenever they learned of it. */
uint64_t peer_departed(const gb_engine *e, const gb_peer *peer);
void peer_note_departed(gb_engine *e, gb_peer *peer, uint64_t departed);
void peer_free(gb_engine *e, gb_peer *peer);

/* ---- addresses.c -------------------------------------------------------------------------------
 */

/* Where it can be dialled: `*out` lies in the peer, or in `memory` and the record that it was read
 * from, until either changes. Returns how many. */
uint8_t peer_addresses(const gb_engine *e, const gb_peer *peer, gb_node_record *memory,
                       const gb_address **out);
/* A HELLO says so. Without memory those before stay. */
void peer_take_addresses(gb_engine *e, gb_peer *peer, const gb_address *addresses, uint8_t count);
/* Its record (NULL: the one in the map) is about to go, or has gone: its addresses are worth a dial
 * all the same. */
void peer_keep_addresses(gb_engine *e, gb_peer *peer, const gb_record *record);
/* Its record says so from now on. Returns whether that is news. */
bool peer_adopt_addresses(gb_engine *e, gb_peer *peer, const gb_record *before,
                          const gb_node_record *after);

/* ---- push.c ------------------------------------------------------------------------------------
 */

/* A lane of `p` has changed here, through `source` (NULL: our own change). */
void push_changed(gb_engine *e, const gb_participant *p, gb_lane lane, const gb_link *source);
void push_deltas(gb_engine *e, gb_link *link, const gb_frame *frame);
void push_prune(gb_engine *e, gb_link *link, gb_list_cursor *cursor);
void push_i_have(gb_engine *e, gb_link *link, gb_list_cursor *cursor);
void push_graft(gb_engine *e, gb_link *link, gb_list_cursor *cursor);
/* Ask for eager feeds of all that came through a link that is gone. */
void push_link_lost(gb_engine *e, const gb_link *link);
/* I-HAVEs and GRAFTs that are due. Returns when the next one is. */
gb_time_us push_due(gb_engine *e);
/* Say on `link` what we hold of a participant and want more. */
void push_send_graft(gb_engine *e, gb_link *link, const uint32_t *slots, uint32_t count);
/* ---- feed.c ------------------------------------------------------------------------------------
 */

/* Put a lane of a participant into the link's feed. */
bool feed_enqueue(gb_engine *e, gb_link *link, const gb_participant *p, gb_lane lane,
                  bool is_pulled, uint64_t floor);
/* Write as much as the link may take now. */
void feed_link(gb_engine *e, gb_link *link);
bool feed_is_empty(const gb_link *link);
void feed_deinit(gb_engine *e, gb_link *link);

bool feed_has_room(const gb_engine *e, const gb_link *link, gb_lane lane);

static inline bool engine_is_paper(const gb_engine *e)
{
    return e->settings.gossip_mode == GB_GOSSIP_PAPER;
}

/* ---- gossip.c ----------------------------------------------------------------------------------
 */

void gossip_heartbeat(gb_engine *e, gb_link *link, const gb_frame *frame);
void gossip_begin(gb_engine *e, gb_link *link);
/* It wants an exchange when its turn comes. */
static inline void gossip_want(gb_engine *e, gb_link *link)
{
    link->wants_exchange = true;
    e->wants_exchange = true;
}
/* Something of a link is due at `at`: rounds apart, links are looked at no earlier. */
static inline void gossip_look_at(gb_engine *e, gb_time_us at)
{
    e->links_look_at = earlier(e->links_look_at, at);
}
/* What a digest says beside its entries. */
typedef struct gb_digest_plan {
    uint8_t frame_type;
    uint32_t request_id;
    uint8_t bits;
    bool is_direct;
    const uint64_t *fingerprints; /* NULL: none */
    const uint32_t *buckets;      /* NULL: none */
    uint32_t bucket_count;
    const gb_load *load; /* NULL: none */
} gb_digest_plan;
/* A digest whose entries are the first `count` slots in scratch. */
bool gossip_send(gb_engine *e, gb_link *link, const gb_digest_plan *plan, uint32_t count);
/* Every participant into scratch; returns how many. */
uint32_t gossip_list_all(gb_engine *e);
/* `link` is in an exchange that we began with this request. */
void gossip_begun(gb_engine *e, gb_link *link, uint32_t request_id);
/* It has ended: tell the host. */
void gossip_ended(gb_engine *e, gb_link *link);
void gossip_digest(gb_engine *e, gb_link *link, const gb_frame *frame);
/* Begin a round if it is time. */
void gossip_round(gb_engine *e);
/* Rounds and heartbeats that are due. Returns when the next thing is. */
gb_time_us gossip_due(gb_engine *e);
/* Some link other than `except` should be asked what we miss. */
void gossip_want_elsewhere(gb_engine *e, uint64_t except);

/* ---- pull.c ------------------------------------------------------------------------------------
 */

/* How things stand with a lane. */
const gb_pull_state *pull_state(const gb_peer *peer, gb_lane lane);
/* The same, to change; NULL without memory. */
gb_pull_state *pull_state_at(gb_engine *e, gb_peer *peer, gb_lane lane);
/* Ask the link's peer for a lane where nobody else is being asked; collected in `list`. */
bool pull_wanted(const gb_engine *e, const gb_link *link, const gb_peer *peer, gb_lane lane);
/* PULL these (slot, lane) pairs: `count` numbers slot * GB_LANE_COUNT + lane. */
void pull_send(gb_engine *e, gb_link *link, const uint32_t *pairs, uint32_t count);
void pull_serve(gb_engine *e, gb_link *link, gb_list_cursor *cursor);
void pull_cancel(gb_engine *e, gb_link *link, gb_list_cursor *cursor);
void pull_finished(gb_engine *e, gb_peer *peer, gb_lane lane);
/* Nothing more is awaited of this life. */
void pull_forget(gb_engine *e, gb_peer *peer);
/* The link is gone: its pulls are free for others. */
void pull_link_lost(gb_engine *e, gb_link *link);
gb_time_us pull_due(gb_engine *e);

/* ---- rings.c -----------------------------------------------------------------------------------
 */

void ring_update(gb_engine *e);
/* One member more (announced and live), or one less: the rings are told only where that concerns
 * our own places. */
void ring_joined(gb_engine *e, const gb_peer *peer);
void ring_left(gb_engine *e, const gb_peer *peer);
/* The invariants of what ring_update leaves behind. */
void ring_check(const gb_engine *e);
/* Dial wanted members that have no link, close unwanted links. Returns when to look again. */
gb_time_us ring_due(gb_engine *e);
void ring_dial_failed(gb_engine *e, gb_peer *peer);
bool ring_dial(gb_engine *e, gb_peer *peer, gb_link_purpose purpose);

/* ---- join.c ------------------------------------------------------------------------------------
 */

gb_time_us join_due(gb_engine *e);
void join_seed_closed(gb_engine *e, gb_link *link, gb_err code, gb_slice text);
/* Are we part of a cluster by now? */
void join_check(gb_engine *e);
void join_leave_check(gb_engine *e);
/* Ask for acknowledgement on each link that was told of the leave. */
void join_leave_ping(gb_engine *e, gb_link *link);
void join_deinit(gb_engine *e);

/* ---- act.c -------------------------------------------------------------------------------------
 */

/* Take back our accusation of this name, if one stands. */
void act_retract(gb_engine *e, gb_slice target);

/* ---- probe.c -----------------------------------------------------------------------------------
 */

/* Dial (name, generation) afresh for the host's detector; timeout 0: probe_timeout_us. */
void probe_local(gb_engine *e, gb_slice name, uint64_t generation, gb_time_us timeout_us);
/* How long a dial of a probe may take to connect. */
gb_time_us probe_timeout(gb_engine *e, const gb_link *link);
/* Dial (name, generation) afresh for others. `request_id` and `link` as the kind says. */
void probe_dial(gb_engine *e, gb_probe_kind kind, gb_slice name, uint64_t generation, uint64_t link,
                uint32_t request_id);
/* Is the life of `peer` still there? Over its link where there is one, else by dialling. */
void probe_takeover(gb_engine *e, gb_link *held, gb_peer *incumbent);
/* Ask the peer of `link` to dial somebody. */
void probe_ask(gb_engine *e, gb_probe_kind kind, gb_link *link, gb_slice name, uint64_t generation);
void probe_requested(gb_engine *e, gb_link *link, const gb_frame *frame);
void probe_result(gb_engine *e, gb_link *link, const gb_frame *frame);
void probe_pong(gb_engine *e, gb_link *link, uint32_t request_id);
/* A dialled probe link met somebody (hello != NULL), or failed. */
void probe_dial_ended(gb_engine *e, gb_link *link, const gb_hello *hello, uint8_t cause);
#ifdef GB_PLANTED_BUGS
/* The planted bug that takes a connect for an answer. */
void probe_planted_answer(gb_engine *e, gb_link *link);
#else
static inline void probe_planted_answer(gb_engine *e, gb_link *link)
{
    (void)e;
    (void)link;
}
#endif
/* A link that a probe depended on is gone. */
void probe_link_lost(gb_engine *e, uint64_t link);
gb_time_us probe_due(gb_engine *e);
void probe_deinit(gb_engine *e);

#include "engine/know.h" /* its inline functions look into a link */

#endif
