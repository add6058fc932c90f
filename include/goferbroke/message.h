/* SPDX-License-Identifier: Apache-2.0 */
/* message.h: payloads of frames, bytes <-> structs.
 *
 * Decoding validates the whole payload first and never allocates: names, keys and values are slices
 * into the payload (borrowed as long as the payload lives), lists are cursors that were walked once
 * during decoding, so that walking them again can't fail. Encoding appends a whole frame, header
 * included, to a gb_out: on an error nothing of the frame stays in it. */
#ifndef GOFERBROKE_MESSAGE_H
#define GOFERBROKE_MESSAGE_H

#include <goferbroke/frame.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Output ---------------------------------------------------------------------------------- */

/* A growable byte buffer that frames are appended to. Opened by gb_out_init, ended by
 * gb_out_deinit. Complete so that it can be embedded; its fields are for reading only. */
typedef struct gb_out {
    const gb_allocator *allocator;
    uint8_t *base;
    size_t len;
    size_t capacity;
} gb_out;

GB_EXTERN void gb_out_init(gb_out *out, const gb_allocator *allocator);
GB_EXTERN void gb_out_deinit(gb_out *out);
/* Forget the content, keep the memory. */
GB_EXTERN void gb_out_clear(gb_out *out);

/* ---- Limits a peer is held to ---------------------------------------------------------------- */

enum {
    GB_ROLE_MEMBER = 1, /* a node that stays */
    GB_ROLE_PROBE = 2,  /* asks who is there, then closes */
    GB_ROLE_CLIENT = 3, /* the command-line tool or another program on a client door */
};

/* Feature bits of HELLO. A node refuses a peer that lacks a bit which it requires (none yet). */
#define GB_FEATURE_PUSH UINT64_C(0x1) /* eager push, I-HAVE, GRAFT, PRUNE */
#define GB_FEATURE_LOAD UINT64_C(0x2) /* load in heartbeats and digests; direct exchanges */
#define GB_FEATURES_OURS (GB_FEATURE_PUSH | GB_FEATURE_LOAD)

#define GB_PROTOCOL_MIN 1u
#define GB_PROTOCOL_MAX 1u

/* Scopes of an address, widest last. */
enum { GB_SCOPE_LOCAL = 1, GB_SCOPE_PRIVATE = 2, GB_SCOPE_PUBLIC = 3 };

typedef struct gb_address {
    uint8_t scope; /* GB_SCOPE_…; 0 = not stated (an observed address) */
    gb_slice host; /* name or numeric address, 1 … 255 bytes */
    uint16_t port; /* 1 … 65535; 0 only in an observed address of a Unix socket */
} gb_address;

#define GB_HELLO_ADDRESSES_MAX 8

/* ---- Handshake ------------------------------------------------------------------------------- */

#define GB_HELLO_HAS_DETECTOR 0x01u /* the sender judges others */
#define GB_HELLO_IS_ESTABLISHED                                                                    \
    0x02u /* the sender is part of a cluster already: not a newcomer                               \
           */

/* HELLO (dialler) and WELCOME (acceptor). Bytes after the last known field are ignored in both, so
 * that later versions can add fields. */
typedef struct gb_hello {
    uint32_t protocol_min; /* WELCOME: the version chosen, in both fields */
    uint32_t protocol_max;
    uint64_t features;
    uint8_t role;        /* GB_ROLE_…; WELCOME: the dialler's role, granted */
    uint8_t flags;       /* GB_HELLO_… */
    gb_slice cluster;    /* 1 … 255 bytes; may be empty for role client */
    gb_slice name;       /* 1 … 255 bytes; may be empty for role client */
    uint64_t generation; /* >= 1; may be 0 for role client */
    uint64_t instance;   /* random for each process start */
    uint64_t map_hash;   /* of everything the sender knows */
    uint8_t address_count;
    gb_address addresses[GB_HELLO_ADDRESSES_MAX]; /* where the sender can be dialled */
    gb_address observed; /* WELCOME: where the acceptor sees the dialler; host empty: not stated */
} gb_hello;

GB_EXTERN gb_err gb_hello_encode(gb_out *out, uint8_t frame_type, uint32_t request_id,
                                 const gb_hello *hello);
/* Errors: GB_EMALFORMED. `hello` is unchanged then. */
GB_EXTERN gb_err gb_hello_decode(gb_slice payload, gb_hello *hello);

/* REJECT, BYE and ERROR: a code that programs read and a text that people read. */
typedef struct gb_notice {
    int32_t code;        /* a gb_err value (negative), or 0 in a BYE without complaint */
    uint64_t generation; /* REJECT with GB_EREJECTED_GENERATION: use at least this one; else 0 */
    gb_slice text;       /* UTF-8, at most GB_ERROR_TEXT_MAX bytes; never parsed */
} gb_notice;

/* The text is cut at a character boundary where it is too long: it is for people. */
GB_EXTERN gb_err gb_notice_encode(gb_out *out, uint8_t frame_type, uint32_t request_id,
                                  const gb_notice *notice);
GB_EXTERN gb_err gb_notice_decode(gb_slice payload, gb_notice *notice);

/* ---- Heartbeats ------------------------------------------------------------------------------ */

/* Flow control: what a node offers and may admit of own changes, in millionths of an update per
 * second. In an answer `moved` is what the answerer gives up of its tau for the asker's, or takes;
 * else 0. */
#define GB_RATE_MAX UINT64_C(10000000000000) /* ten million updates per second */
typedef struct gb_load {
    uint64_t rho; /* <= GB_RATE_MAX, as the next */
    uint64_t tau;
    int64_t moved; /* -GB_RATE_MAX … GB_RATE_MAX */
} gb_load;

/* PING and PONG have no payload. HEARTBEAT and its acknowledgement carry the sender's map hash, and
 * its load where GB_FEATURE_LOAD allows it. */
GB_EXTERN gb_err gb_empty_encode(gb_out *out, uint8_t frame_type, uint32_t request_id);
typedef struct gb_heartbeat {
    uint64_t map_hash;
    bool has_load;
    gb_load load; /* all 0 without */
} gb_heartbeat;
GB_EXTERN gb_err gb_heartbeat_encode(gb_out *out, uint8_t frame_type, uint32_t request_id,
                                     const gb_heartbeat *heartbeat);
GB_EXTERN gb_err gb_heartbeat_decode(gb_slice payload, gb_heartbeat *heartbeat);

/* ---- Lists ----------------------------------------------------------------------------------- */

/* A list of `count` entries inside a payload, walked by the gb_…_next functions. */
typedef struct gb_list_cursor {
    uint32_t left;     /* entries not yet walked */
    gb_slice rest;     /* their bytes */
    uint64_t previous; /* what steps are counted from */
} gb_list_cursor;

/* INDEX: from now on `index` means this participant, in this direction of this link. Redefining an
 * index replaces its meaning. */
typedef struct gb_index_entry {
    uint32_t index; /* < GB_PARTICIPANTS_MAX */
    gb_slice name;
    uint64_t generation;  /* >= 1 */
    uint64_t incarnation; /* as far as its sender knows */
    /* 0: its sender does not hold it for dead or left; else 1 + milliseconds since it does */
    uint64_t departed;
} gb_index_entry;

GB_EXTERN gb_err gb_index_encode(gb_out *out, const gb_index_entry *entries, uint32_t count);
GB_EXTERN gb_err gb_index_decode(gb_slice payload, gb_list_cursor *cursor);
/* false at the end of the list. */
GB_EXTERN bool gb_index_next(gb_list_cursor *cursor, gb_index_entry *entry);

/* A participant by index and versions of its lanes: the entries of digests and GRAFT.
 * Only lanes in `lane_mask` (bit = 1 << gb_lane) are stated; the others read 0. */
typedef struct gb_digest_entry {
    uint32_t index;
    uint8_t lane_mask;
    uint64_t version[GB_LANE_COUNT];
} gb_digest_entry;

/* SYN, SYN-ACK and ACK. */
typedef struct gb_digest {
    uint64_t map_hash;
    /* Fingerprints of all buckets: 1 << bucket_bits of them; bucket_bits 0 … GB_BUCKET_BITS_MAX. */
    bool has_fingerprints;
    /* The digest is complete for these buckets: participants of theirs that have no entry are not
     * known to the sender. */
    bool has_buckets;
    uint8_t bucket_bits; /* meaning of both of the above */
    /* Of an exchange in which both sides send deltas unasked, by the other's digest. */
    bool is_direct;
    bool has_load;
    gb_load load;           /* all 0 without */
    gb_slice fingerprints;  /* 8 bytes each, big-endian: gb_digest_fingerprint() reads one */
    gb_list_cursor buckets; /* gb_digest_bucket_next() */
    gb_list_cursor entries; /* gb_digest_entry_next() */
} gb_digest;

#define GB_BUCKET_BITS_MAX 12

/* Encoding in one pass; counts are patched in at the end.
 *   gb_digest_writer w;
 *   gb_digest_begin(&w, out, GB_FRAME_SYN, request_id, map_hash);
 *   gb_digest_put_fingerprints(&w, bits, values);      at most once, first
 *   gb_digest_put_buckets(&w, bits, numbers, count);   at most once, second; ascending
 *   gb_digest_put_direct(&w);                          at most once, before the entries
 *   gb_digest_put_load(&w, &load);                     at most once, third
 *   gb_digest_put_entry(&w, &entry); …                 any order of indexes
 *   err = gb_digest_end(&w);                           errors are sticky and told here
 */
typedef struct gb_digest_writer {
    gb_out *out;
    size_t start; /* where the frame began */
    size_t count_at;
    uint32_t entry_count;
    uint32_t previous_index;
    uint32_t request_id;
    uint8_t frame_type;
    uint8_t content; /* which parts were put */
    uint8_t stage;
    gb_err err;
} gb_digest_writer;

GB_EXTERN void gb_digest_begin(gb_digest_writer *w, gb_out *out, uint8_t frame_type,
                               uint32_t request_id, uint64_t map_hash);
GB_EXTERN void gb_digest_put_fingerprints(gb_digest_writer *w, uint8_t bucket_bits,
                                          const uint64_t *fingerprints);
GB_EXTERN void gb_digest_put_buckets(gb_digest_writer *w, uint8_t bucket_bits,
                                     const uint32_t *buckets, uint32_t count);
GB_EXTERN void gb_digest_put_direct(gb_digest_writer *w);
GB_EXTERN void gb_digest_put_load(gb_digest_writer *w, const gb_load *load);
GB_EXTERN void gb_digest_put_entry(gb_digest_writer *w, const gb_digest_entry *entry);
GB_EXTERN gb_err gb_digest_end(gb_digest_writer *w);

GB_EXTERN gb_err gb_digest_decode(gb_slice payload, gb_digest *digest);
GB_EXTERN uint64_t gb_digest_fingerprint(const gb_digest *digest, uint32_t bucket);
GB_EXTERN bool gb_digest_bucket_next(gb_list_cursor *cursor, uint32_t *bucket);
GB_EXTERN bool gb_digest_entry_next(gb_list_cursor *cursor, gb_digest_entry *entry);

/* GRAFT: feed me these participants eagerly again, from what I state. */
GB_EXTERN gb_err gb_graft_encode(gb_out *out, const gb_digest_entry *entries, uint32_t count);
GB_EXTERN gb_err gb_graft_decode(gb_slice payload, gb_list_cursor *cursor);
GB_EXTERN bool gb_graft_next(gb_list_cursor *cursor, gb_digest_entry *entry);

/* I-HAVE, PULL and PULL-CANCEL: a lane of a participant and a version of it.
 * I-HAVE: I hold up to `version`. PULL: send me what follows `version`; my purge floor there is
 * `floor`. PULL-CANCEL: stop; both numbers are 0. */
typedef struct gb_lane_entry {
    uint32_t index;
    uint8_t lane;
    uint64_t version;
    uint64_t floor; /* PULL alone; else 0 */
} gb_lane_entry;

GB_EXTERN gb_err gb_lane_list_encode(gb_out *out, uint8_t frame_type, const gb_lane_entry *entries,
                                     uint32_t count);
/* `frame_type` says which of the three it is. */
GB_EXTERN gb_err gb_lane_list_decode(uint8_t frame_type, gb_slice payload, gb_list_cursor *cursor);
GB_EXTERN bool gb_lane_list_next(uint8_t frame_type, gb_list_cursor *cursor, gb_lane_entry *entry);

/* PRUNE: feed me these participants lazily (I-HAVE) on this link. */
GB_EXTERN gb_err gb_prune_encode(gb_out *out, const uint32_t *indexes, uint32_t count);
GB_EXTERN gb_err gb_prune_decode(gb_slice payload, gb_list_cursor *cursor);
GB_EXTERN bool gb_prune_next(gb_list_cursor *cursor, uint32_t *index);

/* ---- Deltas ---------------------------------------------------------------------------------- */

typedef struct gb_delta {
    uint64_t version; /* > 0, growing along a message */
    uint8_t type;     /* gb_value_type, or GB_VALUE_TOMBSTONE with an empty value */
    uint64_t ttl_ms;  /* 0 = stays */
    gb_slice group;
    gb_slice key;
    gb_slice value;
} gb_delta;

#define GB_DELTAS_RESET                                                                            \
    0x01u                   /* part of a whole lane sent from 0: replaces what the receiver has    \
                             */
#define GB_DELTAS_END 0x02u /* the sender has nothing after `to` */
#define GB_DELTAS_PULLED                                                                           \
    0x04u /* answers a PULL: asked for, so a duplicate is no reason to PRUNE                       \
           */

/* DELTAS: with everything up to `from` (excluded) and this, the receiver knows the lane up to `to`
 * (included). Versions between that no entry names were superseded or purged. */
typedef struct gb_deltas {
    uint32_t index;
    uint8_t lane;
    uint8_t flags;
    uint64_t from;
    uint64_t to;      /* >= from */
    uint64_t floor;   /* the sender's purge floor of the lane */
    uint64_t version; /* up to which the sender has the lane: >= to, and to with GB_DELTAS_END */
    gb_list_cursor entries;
} gb_deltas;

/* Budgeted writer of one DELTAS frame.
 *   gb_deltas_begin(&w, out, index, lane, from, floor, size_max);
 *   while (gb_deltas_try_add(&w, &delta)) …           false: it would pass size_max (the first is
 *                                                     always taken), or an error stands
 *   err = gb_deltas_end(&w, to, version, flags);      errors are sticky and told here
 * `version` is the sender's of the lane; where it is `to`, GB_DELTAS_END is set. `flags` are the
 * others.
 */
typedef struct gb_deltas_writer {
    gb_out *out;
    size_t start;
    size_t size_max; /* of the frame, header included */
    uint64_t from;
    uint64_t previous;
    uint64_t floor;
    uint32_t index;
    uint32_t count;
    uint8_t lane;
    gb_err err;
} gb_deltas_writer;

GB_EXTERN void gb_deltas_begin(gb_deltas_writer *w, gb_out *out, uint32_t index, uint8_t lane,
                               uint64_t from, uint64_t floor, size_t size_max);
GB_EXTERN bool gb_deltas_try_add(gb_deltas_writer *w, const gb_delta *delta);
GB_EXTERN gb_err gb_deltas_end(gb_deltas_writer *w, uint64_t to, uint64_t version, uint8_t flags);
/* Bytes that `delta` takes at most in a DELTAS frame; pairs with gb_deltas_try_add. */
GB_EXTERN size_t gb_delta_encoded_size(const gb_delta *delta);

/* Errors: GB_EMALFORMED, GB_EGROUP, GB_EKEY_SIZE, GB_EVALUE_SIZE, GB_ETYPE (a fixed-size type whose
 * value has another size, a type that nobody knows, a tombstone with a value, a string that is no
 * UTF-8). */
GB_EXTERN gb_err gb_deltas_decode(gb_slice payload, gb_deltas *deltas);
GB_EXTERN bool gb_delta_next(gb_list_cursor *cursor, gb_delta *delta);

/* Check that `value` is a value of `type`: sizes of the fixed-size types (integers and floats
 * big-endian, INT as INT64, BOOL one byte 0 or 1), UTF-8 of strings, the size limit.
 * Errors: GB_ETYPE, GB_EVALUE_SIZE. */
GB_EXTERN gb_err gb_value_check(uint8_t type, gb_slice value);

/* ---- Probes ---------------------------------------------------------------------------------- */

typedef struct gb_probe {
    gb_slice name;
    uint64_t generation;
} gb_probe;
GB_EXTERN gb_err gb_probe_encode(gb_out *out, uint32_t request_id, const gb_probe *probe);
GB_EXTERN gb_err gb_probe_decode(gb_slice payload, gb_probe *probe);

enum {
    GB_PROBE_ANSWERED = 0,         /* WELCOME from that (name, generation) */
    GB_PROBE_REFUSED = 1,          /* connection refused by the host */
    GB_PROBE_UNREACHABLE = 2,      /* no answer in time, no route, no address */
    GB_PROBE_OTHER_IDENTITY = 3,   /* somebody else answers there: as good as refused */
    GB_PROBE_NEWER_GENERATION = 4, /* a later life answers: the old one is over */
};
typedef struct gb_probe_result {
    uint8_t outcome;
    uint64_t generation; /* with GB_PROBE_NEWER_GENERATION; else 0 */
} gb_probe_result;
GB_EXTERN gb_err gb_probe_result_encode(gb_out *out, uint32_t request_id,
                                        const gb_probe_result *result);
GB_EXTERN gb_err gb_probe_result_decode(gb_slice payload, gb_probe_result *result);

/* ---- Client ---------------------------------------------------------------------------------- */

/* A client frame's payload is opaque here. Errors: GB_ETOOBIG, GB_ENOMEM. */
GB_EXTERN gb_err gb_client_frame_encode(gb_out *out, uint8_t frame_type, uint32_t request_id,
                                        gb_slice payload);

/* ---- Values of the membership lane ------------------------------------------------------------
 */

/* Key group "node", key "self": what a node says of itself. */
#define GB_NODE_RECORD_HAS_DETECTOR 0x01u
#define GB_NODE_RECORD_LEFT 0x02u
typedef struct gb_node_record {
    uint8_t flags;
    uint64_t instance;
    uint64_t incarnation;
    uint8_t address_count;
    gb_address addresses[GB_HELLO_ADDRESSES_MAX];
} gb_node_record;
/* Bare values, no frame: appended to `out`. */
GB_EXTERN gb_err gb_node_record_encode(gb_out *out, const gb_node_record *record);
GB_EXTERN gb_err gb_node_record_decode(gb_slice value, gb_node_record *record);

/* Key group "accuse", key = the accused node's name. */
enum {
    GB_ACCUSE_RETRACTED = 0,
    GB_ACCUSE_SILENT = 1,      /* no life for too long, and no probe was answered */
    GB_ACCUSE_CRASHED = 2,     /* its link was reset and its address refuses */
    GB_ACCUSE_LINK_LOST = 3,   /* its link ended, and no probe was answered */
    GB_ACCUSE_UNREACHABLE = 4, /* never linked here, and no probe was answered */
};
#define GB_ACCUSE_VERDICT 0x01u /* the accuser's detector holds the accused for dead */
typedef struct gb_accusation {
    uint64_t generation;
    uint64_t incarnation;
    uint8_t reason;
    uint8_t flags;
} gb_accusation;
GB_EXTERN gb_err gb_accusation_encode(gb_out *out, const gb_accusation *accusation);
GB_EXTERN gb_err gb_accusation_decode(gb_slice value, gb_accusation *accusation);

#ifdef __cplusplus
}
#endif

#endif
