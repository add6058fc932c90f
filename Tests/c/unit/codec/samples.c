/* SPDX-License-Identifier: Apache-2.0 */
/* The samples, and what every test of a message does with them. */
#include "unit/codec/samples.h"

#include "fuzz/codec_walk.h"
#include "platform/alloc.h"
#include "platform/bytes.h"
#include "platform/crc32c.h"

static gb_err encode_hello_member(gb_out *out)
{
    gb_hello hello = {
        .protocol_min = 1,
        .protocol_max = 1,
        .features = GB_FEATURES_OURS,
        .role = GB_ROLE_MEMBER,
        .flags = GB_HELLO_HAS_DETECTOR,
        .cluster = S("shop"),
        .name = S("web-1"),
        .generation = UINT64_C(1700000000000),
        .instance = UINT64_C(0x0123456789abcdef),
        .map_hash = UINT64_C(0xfedcba9876543210),
        .address_count = 2,
        .addresses = {{GB_SCOPE_LOCAL, S("127.0.0.1"), 8081},
                      {GB_SCOPE_PUBLIC, S("web-1.example"), 443}},
    };
    return gb_hello_encode(out, GB_FRAME_HELLO, 0, &hello);
}

static gb_err encode_hello_client(gb_out *out)
{
    gb_hello hello = {
        .protocol_min = 1,
        .protocol_max = 1,
        .role = GB_ROLE_CLIENT,
        .cluster = S("default"),
        .instance = 7,
    };
    return gb_hello_encode(out, GB_FRAME_HELLO, 0, &hello);
}

static gb_err encode_hello_probe(gb_out *out)
{
    gb_hello hello = {
        .protocol_min = 1,
        .protocol_max = 300,
        .features = UINT64_MAX,
        .role = GB_ROLE_PROBE,
        .cluster = S("caf\xc3\xa9"),
        .name = S("n"),
        .generation = UINT64_MAX,
        .instance = UINT64_MAX,
        .map_hash = 0,
    };
    return gb_hello_encode(out, GB_FRAME_HELLO, 0, &hello);
}

static gb_err encode_welcome(gb_out *out)
{
    gb_hello hello = {
        .protocol_min = 1,
        .protocol_max = 1,
        .features = GB_FEATURES_OURS,
        .role = GB_ROLE_MEMBER,
        .flags = GB_HELLO_IS_ESTABLISHED,
        .cluster = S("shop"),
        .name = S("web-2"),
        .generation = 3,
        .instance = 2,
        .map_hash = 1,
        .address_count = 1,
        .addresses = {{GB_SCOPE_PRIVATE, S("fd00::1"), 65535}},
        .observed = {0, S("192.0.2.7"), 50123},
    };
    return gb_hello_encode(out, GB_FRAME_WELCOME, 0, &hello);
}

static gb_err encode_welcome_client(gb_out *out)
{
    gb_hello hello = {
        .protocol_min = 1,
        .protocol_max = 1,
        .role = GB_ROLE_CLIENT,
        .cluster = S("shop"),
        .name = S("web-2"),
        .generation = 3,
        .instance = 2,
        .map_hash = 1,
        .observed = {0, S("unix"), 0},
    };
    return gb_hello_encode(out, GB_FRAME_WELCOME, 0, &hello);
}

static gb_err encode_reject_generation(gb_out *out)
{
    gb_notice notice = {GB_EREJECTED_GENERATION, 43, S("generation 42 of web-1 is known")};
    return gb_notice_encode(out, GB_FRAME_REJECT, 0, &notice);
}

static gb_err encode_bye(gb_out *out)
{
    gb_notice notice = {0, 0, S("")};
    return gb_notice_encode(out, GB_FRAME_BYE, 0, &notice);
}

static gb_err encode_error(gb_out *out)
{
    gb_notice notice = {GB_EMALFORMED, 0, S("DELTAS: versions must grow \xe2\x80\xa6")};
    return gb_notice_encode(out, GB_FRAME_ERROR, 0, &notice);
}

static gb_err encode_ping(gb_out *out)
{
    return gb_empty_encode(out, GB_FRAME_PING, UINT32_MAX);
}

static gb_err encode_pong(gb_out *out)
{
    return gb_empty_encode(out, GB_FRAME_PONG, UINT32_MAX);
}

static gb_err encode_heartbeat(gb_out *out)
{
    gb_heartbeat heartbeat = {.map_hash = UINT64_C(0x1122334455667788)};
    return gb_heartbeat_encode(out, GB_FRAME_HEARTBEAT, 11, &heartbeat);
}

static gb_err encode_heartbeat_ack(gb_out *out)
{
    gb_heartbeat heartbeat = {0};
    return gb_heartbeat_encode(out, GB_FRAME_HEARTBEAT_ACK, 11, &heartbeat);
}

static gb_err encode_heartbeat_load(gb_out *out)
{
    gb_heartbeat heartbeat = {
        .map_hash = 9, .has_load = true, .load = {.rho = 1500000, .tau = UINT64_C(1000000000000)}};
    return gb_heartbeat_encode(out, GB_FRAME_HEARTBEAT, 12, &heartbeat);
}

static gb_err encode_heartbeat_ack_load(gb_out *out)
{
    gb_heartbeat heartbeat = {
        .map_hash = 9, .has_load = true, .load = {.rho = 0, .tau = GB_RATE_MAX, .moved = -250000}};
    return gb_heartbeat_encode(out, GB_FRAME_HEARTBEAT_ACK, 12, &heartbeat);
}

static gb_err encode_index(gb_out *out)
{
    const gb_index_entry entries[] = {{0, S("web-1"), 1, 0, 0},
                                      {16383, S("n"), UINT64_MAX, UINT64_MAX, UINT64_MAX},
                                      {300, S("caf\xc3\xa9"), 128, 3, 1}};
    return gb_index_encode(out, entries, 3);
}

static gb_err encode_index_empty(gb_out *out)
{
    return gb_index_encode(out, NULL, 0);
}

/* A value of every type, a tombstone, a TTL, an empty group, an empty key, any bytes in both. */
static gb_err encode_deltas(gb_out *out)
{
    const gb_delta deltas[] = {
        {101, GB_VALUE_STRING, 0, S("app"), S("name"), S("caf\xc3\xa9")},
        {102, GB_VALUE_BYTES, 60000, S("a:b\n"), S("\0\xff"), S("\xde\xad\0\xef")},
        {103, GB_VALUE_INT, 0, S(""), S("int"), S("\xff\xff\xff\xff\xff\xff\xff\xff")},
        {104, GB_VALUE_INT8, 0, S("app"), S(""), S("\x80")},
        {105, GB_VALUE_INT64, 0, S("app"), S("i64"), S("\x80\0\0\0\0\0\0\0")},
        {106, GB_VALUE_INT16, 0, S("app"), S("i16"), S("\x12\x34")},
        {107, GB_VALUE_INT32, 0, S("app"), S("i32"), S("\x12\x34\x56\x78")},
        {108, GB_VALUE_UINT8, 0, S("app"), S("u8"), S("\xff")},
        {109, GB_VALUE_UINT16, 0, S("app"), S("u16"), S("\xff\xfe")},
        {110, GB_VALUE_UINT32, 1, S("app"), S("u32"), S("\xff\xff\xff\xfe")},
        {300, GB_VALUE_UINT64, UINT32_MAX, S("app"), S("u64"),
         S("\xff\xff\xff\xff\xff\xff\xff\xfe")},
        {301, GB_VALUE_FLOAT64, 0, S("app"), S("f64"), S("\x3f\xf8\0\0\0\0\0\0")},
        {302, GB_VALUE_BOOL, 0, S("app"), S("bool"), S("\x01")},
        {303, GB_VALUE_TOMBSTONE, 0, S("app"), S("gone"), S("")},
    };
    gb_deltas_writer w;
    gb_deltas_begin(&w, out, 300, GB_LANE_USER, 100, 90, SIZE_MAX);
    for (size_t i = 0; i < sizeof deltas / sizeof deltas[0]; i++) {
        (void)gb_deltas_try_add(&w, &deltas[i]);
    }
    return gb_deltas_end(&w, 310, 310, GB_DELTAS_PULLED);
}

static gb_err encode_deltas_empty(gb_out *out)
{
    gb_deltas_writer w;
    gb_deltas_begin(&w, out, 0, GB_LANE_MEMBERSHIP, 5, 0, SIZE_MAX);
    return gb_deltas_end(&w, 5, 5, 0);
}

static gb_err encode_deltas_reset(gb_out *out)
{
    const gb_delta delta = {UINT64_MAX - 1, GB_VALUE_STRING, 0, S("g"), S("k"), S("")};
    gb_deltas_writer w;
    gb_deltas_begin(&w, out, 16383, GB_LANE_CONFIG, 0, UINT64_MAX, SIZE_MAX);
    (void)gb_deltas_try_add(&w, &delta);
    return gb_deltas_end(&w, UINT64_MAX - 1, UINT64_MAX, GB_DELTAS_RESET);
}

static gb_err encode_syn(gb_out *out)
{
    const gb_digest_entry entries[] = {
        {3, 0x8, {0, 0, 0, 100}},
        {4, 0x9, {1, 0, 0, 300}},
        {0, 0xf, {1, 0, 127, UINT64_MAX}},
        {16383, 0x0, {0, 0, 0, 0}},
    };
    gb_digest_writer w;
    gb_digest_begin(&w, out, GB_FRAME_SYN, 20, UINT64_C(0x0102030405060708));
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        gb_digest_put_entry(&w, &entries[i]);
    }
    return gb_digest_end(&w);
}

static gb_err encode_syn_fingerprints(gb_out *out)
{
    const uint64_t fingerprints[] = {1, 0, UINT64_MAX, UINT64_C(0x0102030405060708)};
    gb_digest_writer w;
    gb_digest_begin(&w, out, GB_FRAME_SYN, 21, 5);
    gb_digest_put_fingerprints(&w, 2, fingerprints);
    return gb_digest_end(&w);
}

static gb_err encode_syn_ack(gb_out *out)
{
    const uint32_t buckets[] = {0, 1, 200, 255};
    const gb_digest_entry entry = {9, 0x1, {2, 0, 0, 0}};
    gb_digest_writer w;
    gb_digest_begin(&w, out, GB_FRAME_SYN_ACK, 21, 6);
    gb_digest_put_buckets(&w, 8, buckets, 4);
    gb_digest_put_entry(&w, &entry);
    return gb_digest_end(&w);
}

static gb_err encode_ack(gb_out *out)
{
    const uint64_t fingerprint = 17;
    const uint32_t bucket = 0;
    const gb_digest_entry entry = {1, 0x2, {0, 128, 0, 0}};
    gb_digest_writer w;
    gb_digest_begin(&w, out, GB_FRAME_ACK, 21, 7);
    gb_digest_put_fingerprints(&w, 0, &fingerprint);
    gb_digest_put_buckets(&w, 0, &bucket, 1);
    gb_digest_put_entry(&w, &entry);
    return gb_digest_end(&w);
}

static gb_err encode_syn_direct(gb_out *out)
{
    const uint32_t bucket = 0;
    const gb_digest_entry entry = {1, 0x8, {0, 0, 0, 64}};
    const gb_load load = {.rho = 1000000, .tau = 0};
    gb_digest_writer w;
    gb_digest_begin(&w, out, GB_FRAME_SYN, 22, 8);
    gb_digest_put_buckets(&w, 0, &bucket, 1);
    gb_digest_put_direct(&w);
    gb_digest_put_load(&w, &load);
    gb_digest_put_entry(&w, &entry);
    return gb_digest_end(&w);
}

static gb_err encode_ack_direct(gb_out *out)
{
    gb_digest_writer w;
    gb_digest_begin(&w, out, GB_FRAME_ACK, 22, 8);
    gb_digest_put_direct(&w);
    return gb_digest_end(&w);
}

static gb_err encode_pull(gb_out *out)
{
    const gb_lane_entry entries[] = {{1, GB_LANE_MEMBERSHIP, 0, 0},
                                     {200, GB_LANE_USER, 1000, UINT64_MAX}};
    return gb_lane_list_encode(out, GB_FRAME_PULL, entries, 2);
}

static gb_err encode_pull_cancel(gb_out *out)
{
    const gb_lane_entry entry = {200, GB_LANE_USER, 0, 0};
    return gb_lane_list_encode(out, GB_FRAME_PULL_CANCEL, &entry, 1);
}

static gb_err encode_i_have(gb_out *out)
{
    const gb_lane_entry entries[] = {{0, GB_LANE_SYSTEM, 1, 0}, {16383, GB_LANE_USER, 128, 0}};
    return gb_lane_list_encode(out, GB_FRAME_I_HAVE, entries, 2);
}

static gb_err encode_graft(gb_out *out)
{
    const gb_digest_entry entries[] = {{70, 0x8, {0, 0, 0, 12}}, {5, 0xa, {0, 3, 0, 1}}};
    return gb_graft_encode(out, entries, 2);
}

static gb_err encode_prune(gb_out *out)
{
    const uint32_t indexes[] = {0, 127, 128, 16383};
    return gb_prune_encode(out, indexes, 4);
}

static gb_err encode_probe(gb_out *out)
{
    gb_probe probe = {S("web-3"), 12};
    return gb_probe_encode(out, 30, &probe);
}

static gb_err encode_probe_result(gb_out *out)
{
    gb_probe_result result = {GB_PROBE_REFUSED, 0};
    return gb_probe_result_encode(out, 30, &result);
}

static gb_err encode_probe_result_newer(gb_out *out)
{
    gb_probe_result result = {GB_PROBE_NEWER_GENERATION, 300};
    return gb_probe_result_encode(out, 31, &result);
}

static gb_err encode_client_request(gb_out *out)
{
    return gb_client_frame_encode(out, GB_FRAME_CLIENT_REQUEST, 40, S("{\"request\":\"members\"}"));
}

static gb_err encode_client_response(gb_out *out)
{
    return gb_client_frame_encode(out, GB_FRAME_CLIENT_RESPONSE, 40, S("{}"));
}

static gb_err encode_client_item(gb_out *out)
{
    return gb_client_frame_encode(out, GB_FRAME_CLIENT_ITEM, 41, S("{\"event\":\"change\"}"));
}

static gb_err encode_client_cancel(gb_out *out)
{
    return gb_client_frame_encode(out, GB_FRAME_CLIENT_CANCEL, 41, S("{}"));
}

const codec_sample codec_samples[] = {
    {"hello_member", GB_FRAME_HELLO, 0, encode_hello_member},
    {"hello_client", GB_FRAME_HELLO, 0, encode_hello_client},
    {"hello_probe", GB_FRAME_HELLO, 0, encode_hello_probe},
    {"welcome", GB_FRAME_WELCOME, 0, encode_welcome},
    {"welcome_client", GB_FRAME_WELCOME, 0, encode_welcome_client},
    {"reject_generation", GB_FRAME_REJECT, 0, encode_reject_generation},
    {"ping", GB_FRAME_PING, UINT32_MAX, encode_ping},
    {"pong", GB_FRAME_PONG, UINT32_MAX, encode_pong},
    {"heartbeat", GB_FRAME_HEARTBEAT, 11, encode_heartbeat},
    {"heartbeat_ack", GB_FRAME_HEARTBEAT_ACK, 11, encode_heartbeat_ack},
    {"heartbeat_load", GB_FRAME_HEARTBEAT, 12, encode_heartbeat_load},
    {"heartbeat_ack_load", GB_FRAME_HEARTBEAT_ACK, 12, encode_heartbeat_ack_load},
    {"index", GB_FRAME_INDEX, 0, encode_index},
    {"index_empty", GB_FRAME_INDEX, 0, encode_index_empty},
    {"deltas", GB_FRAME_DELTAS, 0, encode_deltas},
    {"deltas_empty", GB_FRAME_DELTAS, 0, encode_deltas_empty},
    {"deltas_reset", GB_FRAME_DELTAS, 0, encode_deltas_reset},
    {"syn", GB_FRAME_SYN, 20, encode_syn},
    {"syn_fingerprints", GB_FRAME_SYN, 21, encode_syn_fingerprints},
    {"syn_ack_buckets", GB_FRAME_SYN_ACK, 21, encode_syn_ack},
    {"ack", GB_FRAME_ACK, 21, encode_ack},
    {"syn_direct", GB_FRAME_SYN, 22, encode_syn_direct},
    {"ack_direct", GB_FRAME_ACK, 22, encode_ack_direct},
    {"pull", GB_FRAME_PULL, 0, encode_pull},
    {"pull_cancel", GB_FRAME_PULL_CANCEL, 0, encode_pull_cancel},
    {"prune", GB_FRAME_PRUNE, 0, encode_prune},
    {"i_have", GB_FRAME_I_HAVE, 0, encode_i_have},
    {"graft", GB_FRAME_GRAFT, 0, encode_graft},
    {"probe", GB_FRAME_PROBE, 30, encode_probe},
    {"probe_result_refused", GB_FRAME_PROBE_RESULT, 30, encode_probe_result},
    {"probe_result_newer", GB_FRAME_PROBE_RESULT, 31, encode_probe_result_newer},
    {"bye", GB_FRAME_BYE, 0, encode_bye},
    {"error", GB_FRAME_ERROR, 0, encode_error},
    {"client_request", GB_FRAME_CLIENT_REQUEST, 40, encode_client_request},
    {"client_response", GB_FRAME_CLIENT_RESPONSE, 40, encode_client_response},
    {"client_item", GB_FRAME_CLIENT_ITEM, 41, encode_client_item},
    {"client_cancel", GB_FRAME_CLIENT_CANCEL, 41, encode_client_cancel},
};
const size_t codec_sample_count = sizeof codec_samples / sizeof codec_samples[0];

static gb_err encode_node_record(gb_out *out)
{
    gb_node_record record = {
        .flags = GB_NODE_RECORD_HAS_DETECTOR,
        .instance = UINT64_C(0x0123456789abcdef),
        .incarnation = 300,
        .address_count = 1,
        .addresses = {{GB_SCOPE_PRIVATE, S("10.0.0.7"), 8081}},
    };
    return gb_node_record_encode(out, &record);
}

static gb_err encode_node_record_left(gb_out *out)
{
    gb_node_record record = {.flags = GB_NODE_RECORD_LEFT, .instance = 1};
    return gb_node_record_encode(out, &record);
}

static gb_err encode_accusation(gb_out *out)
{
    gb_accusation accusation = {300, 2, GB_ACCUSE_CRASHED, GB_ACCUSE_VERDICT};
    return gb_accusation_encode(out, &accusation);
}

static gb_err encode_accusation_retracted(gb_out *out)
{
    gb_accusation accusation = {1, 0, GB_ACCUSE_RETRACTED, 0};
    return gb_accusation_encode(out, &accusation);
}

const codec_sample codec_records[] = {
    {"node_record", WALK_NODE_RECORD, 0, encode_node_record},
    {"node_record_left", WALK_NODE_RECORD, 0, encode_node_record_left},
    {"accusation", WALK_ACCUSATION, 0, encode_accusation},
    {"accusation_retracted", WALK_ACCUSATION, 0, encode_accusation_retracted},
};
const size_t codec_record_count = sizeof codec_records / sizeof codec_records[0];

gb_slice codec_payload(gb_test *t, const gb_out *out, uint8_t type, uint32_t request_id)
{
    expect_true(out->len >= GB_FRAME_HEADER_SIZE);
    const uint8_t *h = out->base;
    size_t payload_size = out->len - GB_FRAME_HEADER_SIZE;
    expect_uint(gb_load_be16(h), GB_FRAME_MAGIC);
    expect_uint(h[2], GB_FRAME_VERSION);
    expect_uint(h[3], type);
    expect_uint(h[4], 0);
    expect_uint(gb_load_be32(h + 4), payload_size);
    expect_uint(gb_load_be32(h + 8), request_id);
    uint32_t crc = gb_crc32c_portable(0, h, 12);
    expect_uint(gb_load_be32(h + 12),
                gb_crc32c_portable(crc, h + GB_FRAME_HEADER_SIZE, payload_size));
    return gb_slice_make(h + GB_FRAME_HEADER_SIZE, payload_size);
}

gb_err codec_verdict(gb_test *t, uint8_t type, gb_slice payload)
{
    uint8_t *copy = payload.len == 0 ? NULL : gb_alloc(t->allocator, payload.len);
    if (payload.len > 0) {
        expect_not_null(copy);
        memcpy(copy, payload.base, payload.len);
    }
    gb_err err = walk_check(type, gb_slice_make(copy, payload.len));
    gb_free(t->allocator, copy);
    return err;
}

void codec_mutate(gb_test *t, uint8_t type, gb_slice payload)
{
    expect_ok(codec_verdict(t, type, payload));
    for (size_t len = 0; len < payload.len; len++) {
        gb_err err = codec_verdict(t, type, gb_slice_make(payload.base, len));
        bool is_opaque = type >= GB_FRAME_CLIENT_REQUEST && type <= GB_FRAME_CLIENT_CANCEL;
        /* Without its load a heartbeat is one too. */
        bool is_whole = (type == GB_FRAME_HEARTBEAT || type == GB_FRAME_HEARTBEAT_ACK) && len == 8;
        if (!is_opaque && !is_whole) {
            expect_err(err, GB_EMALFORMED);
        }
    }
    uint8_t *bytes = gb_alloc_copy(t->allocator, payload.base, payload.len);
    expect_not_null(bytes);
    for (size_t bit = 0; bit < 8 * payload.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        (void)codec_verdict(t, type, gb_slice_make(bytes, payload.len));
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    gb_free(t->allocator, bytes);
}

void codec_encode_all(gb_test *t, gb_out *out)
{
    for (size_t i = 0; i < codec_sample_count; i++) {
        expect_ok(codec_samples[i].encode(out));
    }
}
