/* SPDX-License-Identifier: Apache-2.0 */
/* Decode a payload, look at every byte that the decoder lends, and encode it again: what the fuzz
 * targets and the unit tests do with payloads that nobody wrote by hand. */
#ifndef GB_FUZZ_CODEC_WALK_H
#define GB_FUZZ_CODEC_WALK_H

#include <stdlib.h>
#include <string.h>

#include "goferbroke/message.h"
#include "platform/assert.h"
#include "platform/limits.h"

/* Beside the frame types: values without a frame. */
enum {
    WALK_NODE_RECORD = 200,
    WALK_ACCUSATION = 201,
    WALK_VALUE = 202, /* the first byte is the type */
};

/* Read every byte of a slice, so that a slice outside of the payload is seen by AddressSanitizer.
 */
static inline void walk_touch(gb_slice slice)
{
    static volatile uint8_t sink;
    GB_ASSERT(slice.base != NULL || slice.len == 0);
    for (size_t i = 0; i < slice.len; i++) {
        sink ^= slice.base[i];
    }
}

static inline void *walk_array(size_t count, size_t size)
{
    void *array = calloc(count + 1, size);
    GB_ASSERT(array != NULL);
    return array;
}

static inline void walk_addresses(const gb_address *addresses, uint8_t count)
{
    GB_ASSERT(count <= GB_HELLO_ADDRESSES_MAX);
    for (uint8_t i = 0; i < count; i++) {
        GB_ASSERT(addresses[i].host.len >= 1 && addresses[i].port != 0);
        walk_touch(addresses[i].host);
    }
}

static inline gb_err walk_hello(gb_slice payload, gb_out *out)
{
    gb_hello hello;
    gb_err err = gb_hello_decode(payload, &hello);
    if (err == GB_OK) {
        walk_touch(hello.cluster);
        walk_touch(hello.name);
        walk_addresses(hello.addresses, hello.address_count);
        walk_touch(hello.observed.host);
        GB_ASSERT(gb_hello_encode(out, GB_FRAME_HELLO, 1, &hello) == GB_OK);
    }
    return err;
}

static inline gb_err walk_notice(gb_slice payload, gb_out *out)
{
    gb_notice notice;
    gb_err err = gb_notice_decode(payload, &notice);
    if (err == GB_OK) {
        walk_touch(notice.text);
        GB_ASSERT(gb_notice_encode(out, GB_FRAME_BYE, 1, &notice) == GB_OK);
    }
    return err;
}

static inline gb_err walk_index(gb_slice payload, gb_out *out)
{
    gb_list_cursor cursor;
    gb_err err = gb_index_decode(payload, &cursor);
    if (err != GB_OK) {
        return err;
    }
    uint32_t count = cursor.left;
    gb_index_entry *entries = walk_array(count, sizeof *entries);
    for (uint32_t i = 0; i < count; i++) {
        GB_ASSERT(gb_index_next(&cursor, &entries[i]));
        walk_touch(entries[i].name);
    }
    GB_ASSERT(!gb_index_next(&cursor, &entries[count]));
    GB_ASSERT(gb_index_encode(out, entries, count) == GB_OK);
    free(entries);
    return GB_OK;
}

static inline gb_err walk_lane_list(uint8_t type, gb_slice payload, gb_out *out)
{
    gb_list_cursor cursor;
    gb_err err = gb_lane_list_decode(type, payload, &cursor);
    if (err != GB_OK) {
        return err;
    }
    uint32_t count = cursor.left;
    gb_lane_entry *entries = walk_array(count, sizeof *entries);
    for (uint32_t i = 0; i < count; i++) {
        GB_ASSERT(gb_lane_list_next(type, &cursor, &entries[i]));
    }
    GB_ASSERT(!gb_lane_list_next(type, &cursor, &entries[count]));
    GB_ASSERT(gb_lane_list_encode(out, type, entries, count) == GB_OK);
    free(entries);
    return GB_OK;
}

static inline gb_err walk_prune(gb_slice payload, gb_out *out)
{
    gb_list_cursor cursor;
    gb_err err = gb_prune_decode(payload, &cursor);
    if (err != GB_OK) {
        return err;
    }
    uint32_t count = cursor.left;
    uint32_t *indexes = walk_array(count, sizeof *indexes);
    for (uint32_t i = 0; i < count; i++) {
        GB_ASSERT(gb_prune_next(&cursor, &indexes[i]));
    }
    GB_ASSERT(!gb_prune_next(&cursor, &indexes[count]));
    GB_ASSERT(gb_prune_encode(out, indexes, count) == GB_OK);
    free(indexes);
    return GB_OK;
}

static inline gb_err walk_graft(gb_slice payload, gb_out *out)
{
    gb_list_cursor cursor;
    gb_err err = gb_graft_decode(payload, &cursor);
    if (err != GB_OK) {
        return err;
    }
    uint32_t count = cursor.left;
    gb_digest_entry *entries = walk_array(count, sizeof *entries);
    for (uint32_t i = 0; i < count; i++) {
        GB_ASSERT(gb_graft_next(&cursor, &entries[i]));
    }
    GB_ASSERT(!gb_graft_next(&cursor, &entries[count]));
    GB_ASSERT(gb_graft_encode(out, entries, count) == GB_OK);
    free(entries);
    return GB_OK;
}

static inline void walk_digest_parts(gb_digest_writer *w, gb_digest *digest)
{
    uint32_t bucket_count = (uint32_t)1 << digest->bucket_bits;
    if (digest->has_fingerprints) {
        uint64_t *fingerprints = walk_array(bucket_count, sizeof *fingerprints);
        for (uint32_t i = 0; i < bucket_count; i++) {
            fingerprints[i] = gb_digest_fingerprint(digest, i);
        }
        gb_digest_put_fingerprints(w, digest->bucket_bits, fingerprints);
        free(fingerprints);
    }
    if (digest->has_buckets) {
        uint32_t count = digest->buckets.left;
        uint32_t *buckets = walk_array(count, sizeof *buckets);
        for (uint32_t i = 0; i < count; i++) {
            GB_ASSERT(gb_digest_bucket_next(&digest->buckets, &buckets[i]));
            GB_ASSERT(buckets[i] < bucket_count);
        }
        GB_ASSERT(!gb_digest_bucket_next(&digest->buckets, &buckets[count]));
        gb_digest_put_buckets(w, digest->bucket_bits, buckets, count);
        free(buckets);
    }
    if (digest->is_direct) {
        gb_digest_put_direct(w);
    }
    if (digest->has_load) {
        gb_digest_put_load(w, &digest->load);
    }
}

static inline gb_err walk_digest(uint8_t type, gb_slice payload, gb_out *out)
{
    gb_digest digest;
    gb_err err = gb_digest_decode(payload, &digest);
    if (err != GB_OK) {
        return err;
    }
    gb_digest_writer w;
    gb_digest_begin(&w, out, type, 1, digest.map_hash);
    walk_digest_parts(&w, &digest);
    gb_digest_entry entry;
    while (gb_digest_entry_next(&digest.entries, &entry)) {
        gb_digest_put_entry(&w, &entry);
    }
    GB_ASSERT(digest.entries.rest.len == 0);
    GB_ASSERT(gb_digest_end(&w) == GB_OK);
    return GB_OK;
}

static inline gb_err walk_deltas(gb_slice payload, gb_out *out)
{
    gb_deltas deltas;
    gb_err err = gb_deltas_decode(payload, &deltas);
    if (err != GB_OK) {
        return err;
    }
    gb_deltas_writer w;
    gb_deltas_begin(&w, out, deltas.index, deltas.lane, deltas.from, deltas.floor, SIZE_MAX);
    gb_delta delta;
    uint64_t previous = deltas.from;
    while (gb_delta_next(&deltas.entries, &delta)) {
        GB_ASSERT(delta.version > previous && delta.version <= deltas.to);
        GB_ASSERT(gb_value_check(delta.type, delta.value) == GB_OK);
        walk_touch(delta.group);
        walk_touch(delta.key);
        walk_touch(delta.value);
        size_t before = out->len;
        GB_ASSERT(gb_deltas_try_add(&w, &delta));
        GB_ASSERT(out->len - before <= gb_delta_encoded_size(&delta));
        previous = delta.version;
    }
    GB_ASSERT(deltas.entries.rest.len == 0);
    GB_ASSERT(gb_deltas_end(&w, deltas.to, deltas.version,
                            (uint8_t)(deltas.flags & ~GB_DELTAS_END)) == GB_OK);
    return GB_OK;
}

static inline gb_err walk_probe(gb_slice payload, gb_out *out)
{
    gb_probe probe;
    gb_err err = gb_probe_decode(payload, &probe);
    if (err == GB_OK) {
        walk_touch(probe.name);
        GB_ASSERT(gb_probe_encode(out, 1, &probe) == GB_OK);
    }
    return err;
}

static inline gb_err walk_probe_result(gb_slice payload, gb_out *out)
{
    gb_probe_result result;
    gb_err err = gb_probe_result_decode(payload, &result);
    if (err == GB_OK) {
        GB_ASSERT(gb_probe_result_encode(out, 1, &result) == GB_OK);
    }
    return err;
}

static inline gb_err walk_node_record(gb_slice payload, gb_out *out)
{
    gb_node_record record;
    gb_err err = gb_node_record_decode(payload, &record);
    if (err == GB_OK) {
        walk_addresses(record.addresses, record.address_count);
        GB_ASSERT(gb_node_record_encode(out, &record) == GB_OK);
    }
    return err;
}

static inline gb_err walk_accusation(gb_slice payload, gb_out *out)
{
    gb_accusation accusation;
    gb_err err = gb_accusation_decode(payload, &accusation);
    if (err == GB_OK) {
        GB_ASSERT(gb_accusation_encode(out, &accusation) == GB_OK);
    }
    return err;
}

/* Decode `payload` as that of a frame of `type`. If it is accepted, append what encoding gives to
 * `out`: a frame, or a bare value for the WALK_… types. Types without a decoder are refused with
 * GB_ETYPE_UNKNOWN. */
static inline gb_err walk_payload(uint8_t type, gb_slice payload, gb_out *out)
{
    switch (type) {
    case GB_FRAME_HELLO:
    case GB_FRAME_WELCOME:
        return walk_hello(payload, out);
    case GB_FRAME_REJECT:
    case GB_FRAME_BYE:
    case GB_FRAME_ERROR:
        return walk_notice(payload, out);
    case GB_FRAME_PING:
    case GB_FRAME_PONG:
        return payload.len == 0 ? gb_empty_encode(out, type, 1) : GB_EMALFORMED;
    case GB_FRAME_HEARTBEAT:
    case GB_FRAME_HEARTBEAT_ACK: {
        gb_heartbeat heartbeat;
        gb_err err = gb_heartbeat_decode(payload, &heartbeat);
        return err == GB_OK ? gb_heartbeat_encode(out, type, 1, &heartbeat) : err;
    }
    case GB_FRAME_INDEX:
        return walk_index(payload, out);
    case GB_FRAME_DELTAS:
        return walk_deltas(payload, out);
    case GB_FRAME_SYN:
    case GB_FRAME_SYN_ACK:
    case GB_FRAME_ACK:
        return walk_digest(type, payload, out);
    case GB_FRAME_PULL:
    case GB_FRAME_PULL_CANCEL:
    case GB_FRAME_I_HAVE:
        return walk_lane_list(type, payload, out);
    case GB_FRAME_PRUNE:
        return walk_prune(payload, out);
    case GB_FRAME_GRAFT:
        return walk_graft(payload, out);
    case GB_FRAME_PROBE:
        return walk_probe(payload, out);
    case GB_FRAME_PROBE_RESULT:
        return walk_probe_result(payload, out);
    case GB_FRAME_CLIENT_REQUEST:
    case GB_FRAME_CLIENT_RESPONSE:
    case GB_FRAME_CLIENT_ITEM:
    case GB_FRAME_CLIENT_CANCEL:
        return gb_client_frame_encode(out, type, 1, payload);
    case WALK_NODE_RECORD:
        return walk_node_record(payload, out);
    case WALK_ACCUSATION:
        return walk_accusation(payload, out);
    case WALK_VALUE:
        return payload.len == 0 ? GB_ETYPE
                                : gb_value_check(payload.base[0],
                                                 gb_slice_make(payload.base + 1, payload.len - 1));
    default:
        return GB_ETYPE_UNKNOWN;
    }
}

/* Later versions may add to these: what was ignored is not encoded again. */
static inline bool walk_is_extensible(uint8_t type)
{
    return type == GB_FRAME_HELLO || type == GB_FRAME_WELCOME || type == GB_FRAME_REJECT ||
           type == GB_FRAME_BYE || type == GB_FRAME_ERROR || type == WALK_NODE_RECORD ||
           type == WALK_ACCUSATION;
}

static inline gb_slice walk_content(uint8_t type, const gb_out *out)
{
    size_t head = type >= WALK_NODE_RECORD ? 0 : GB_FRAME_HEADER_SIZE;
    GB_ASSERT(out->len >= head);
    return gb_slice_make(out->base == NULL ? NULL : out->base + head, out->len - head);
}

/* A payload that is accepted has one meaning and one encoding: encoding what was decoded gives the
 * same bytes, or, where unknown additions are dropped, bytes that mean the same for ever after.
 * Returns what the decoder said. Aborts on a contradiction. */
static inline gb_err walk_check(uint8_t type, gb_slice payload)
{
    gb_out first;
    gb_out_init(&first, NULL);
    gb_err err = walk_payload(type, payload, &first);
    if (err != GB_OK) {
        GB_ASSERT(first.len == 0);
    } else if (type != WALK_VALUE) {
        gb_slice content = walk_content(type, &first);
        if (walk_is_extensible(type)) {
            gb_out second;
            gb_out_init(&second, NULL);
            GB_ASSERT(walk_payload(type, content, &second) == GB_OK);
            GB_ASSERT(gb_slice_equal(content, walk_content(type, &second)));
            gb_out_deinit(&second);
        } else {
            GB_ASSERT(gb_slice_equal(content, payload));
        }
    }
    gb_out_deinit(&first);
    return err;
}

#endif
