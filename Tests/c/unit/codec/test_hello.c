/* SPDX-License-Identifier: Apache-2.0 */
/* HELLO and WELCOME: every field survives, every bound holds, additions of later versions are
 * ignored. */
#include "goferbroke/message.h"

#include "fuzz/codec_walk.h"
#include "unit/codec/samples.h"

static gb_hello greatest_hello(void)
{
    static uint8_t name[256];
    memset(name, 'x', sizeof name);
    gb_hello hello = {
        .protocol_min = UINT32_MAX,
        .protocol_max = UINT32_MAX,
        .features = UINT64_MAX,
        .role = GB_ROLE_MEMBER,
        .flags = GB_HELLO_HAS_DETECTOR | GB_HELLO_IS_ESTABLISHED,
        .cluster = gb_slice_make(name, 255),
        .name = gb_slice_make(name, 255),
        .generation = UINT64_MAX,
        .instance = UINT64_MAX,
        .map_hash = UINT64_MAX,
        .address_count = GB_HELLO_ADDRESSES_MAX,
        .observed = {GB_SCOPE_PUBLIC, gb_slice_make(name, 255), 65535},
    };
    for (int i = 0; i < GB_HELLO_ADDRESSES_MAX; i++) {
        hello.addresses[i] = (gb_address){GB_SCOPE_PUBLIC, gb_slice_make(name, 255), 65535};
    }
    return hello;
}

static void expect_hello(gb_test *t, const gb_hello *actual, const gb_hello *expected)
{
    expect_uint(actual->protocol_min, expected->protocol_min);
    expect_uint(actual->protocol_max, expected->protocol_max);
    expect_uint(actual->features, expected->features);
    expect_uint(actual->role, expected->role);
    expect_uint(actual->flags, expected->flags);
    expect_slice(actual->cluster, expected->cluster);
    expect_slice(actual->name, expected->name);
    expect_uint(actual->generation, expected->generation);
    expect_uint(actual->instance, expected->instance);
    expect_uint(actual->map_hash, expected->map_hash);
    expect_uint(actual->address_count, expected->address_count);
    for (uint8_t i = 0; i < expected->address_count; i++) {
        expect_uint(actual->addresses[i].scope, expected->addresses[i].scope);
        expect_slice(actual->addresses[i].host, expected->addresses[i].host);
        expect_uint(actual->addresses[i].port, expected->addresses[i].port);
    }
    expect_uint(actual->observed.scope, expected->observed.scope);
    expect_slice(actual->observed.host, expected->observed.host);
    expect_uint(actual->observed.port, expected->observed.port);
}

static void expect_round_trip(gb_test *t, uint8_t type, const gb_hello *hello)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    expect_ok(gb_hello_encode(&out, type, 77, hello));
    gb_slice payload = codec_payload(t, &out, type, 77);
    gb_hello decoded;
    expect_ok(gb_hello_decode(payload, &decoded));
    expect_hello(t, &decoded, hello);
    gb_out_deinit(&out);
}

GB_TEST(hello, every_field_survives)
{
    gb_hello hello = greatest_hello();
    expect_round_trip(t, GB_FRAME_HELLO, &hello);
    expect_round_trip(t, GB_FRAME_WELCOME, &hello);
    gb_hello client = {.protocol_min = 1,
                       .protocol_max = 9,
                       .role = GB_ROLE_CLIENT,
                       .cluster = S("c"),
                       .observed = {0, S("unix"), 0}};
    expect_round_trip(t, GB_FRAME_HELLO, &client);
    client.cluster = S("");
    expect_round_trip(t, GB_FRAME_HELLO, &client);
    client.name = S("gofer");
    client.generation = 7;
    expect_round_trip(t, GB_FRAME_HELLO, &client);
}

GB_TEST(hello, fields_of_later_versions_are_ignored)
{
    static const uint8_t bytes[] = {
        1,    2,    3,                                           /* protocol 1 to 2, features */
        1,    0xff,                                              /* role; all flags */
        1,    'c',  1, 'n', 5,                                   /* cluster, name, generation */
        0,    0,    0, 0,   0,  0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, /* instance, map hash */
        1,    1,    1, 'h', 80,                                  /* one address */
        0,    0,    0,                                           /* not observed */
        0xde, 0xad,
    };
    gb_hello hello;
    expect_ok(gb_hello_decode(gb_slice_make(bytes, sizeof bytes), &hello));
    gb_hello expected = {.protocol_min = 1,
                         .protocol_max = 2,
                         .features = 3,
                         .role = 1,
                         .flags = GB_HELLO_HAS_DETECTOR | GB_HELLO_IS_ESTABLISHED,
                         .cluster = S("c"),
                         .name = S("n"),
                         .generation = 5,
                         .instance = 1,
                         .map_hash = 2,
                         .address_count = 1,
                         .addresses = {{GB_SCOPE_LOCAL, S("h"), 80}}};
    expect_hello(t, &hello, &expected);
}

/* Each line breaks one rule of the page at one byte of a good payload. */
GB_TEST(hello, what_breaks_a_rule_is_malformed)
{
    static const uint8_t good[] = {1, 2, 3, 1, 0, 1, 'c', 1, 'n', 5, 0, 0, 0,   0,  0, 0, 0,
                                   1, 0, 0, 0, 0, 0, 0,   0, 2,   1, 1, 1, 'h', 80, 0, 0, 0};
    static const struct {
        size_t at;
        uint8_t byte;
    } wrong[] = {
        {0, 0},              /* protocol 0 */
        {0, 3},              /* the least over the greatest */
        {3, 0},     {3, 4},  /* no such role */
        {6, 0x80},           /* a cluster that is no UTF-8 */
        {6, '\n'},           /* or breaks a line */
        {8, 0},              /* a name with a control character */
        {9, 0},              /* a member without generation */
        {26, 9},             /* addresses over the limit */
        {27, 0},    {27, 4}, /* no such scope */
        {29, 0x1b},          /* a host with a control character */
        {30, 0},             /* port 0 */
        {31, 1},             /* a scope of nothing */
        {33, 1},             /* a port of nothing */
    };
    expect_ok(codec_verdict(t, GB_FRAME_HELLO, gb_slice_make(good, sizeof good)));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint8_t bytes[sizeof good];
        memcpy(bytes, good, sizeof good);
        bytes[wrong[i].at] = wrong[i].byte;
        gb_hello hello = {.role = 99};
        expect_err(gb_hello_decode(gb_slice_make(bytes, sizeof bytes), &hello), GB_EMALFORMED);
        expect_uint(hello.role, 99);
    }
}

static void expect_refused(gb_test *t, uint8_t type, const gb_hello *hello, gb_err expected)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    expect_err(gb_hello_encode(&out, type, 1, hello), expected);
    expect_uint(out.len, 0);
    gb_out_deinit(&out);
}

GB_TEST(hello, what_a_peer_would_refuse_is_not_encoded)
{
    const gb_hello good = greatest_hello();
    gb_hello bad = good;
    expect_refused(t, GB_FRAME_PING, &bad, GB_EINVAL);
    bad.cluster.len = 256;
    expect_refused(t, GB_FRAME_HELLO, &bad, GB_ENAME);
    bad = good;
    bad.name.len = 0;
    expect_refused(t, GB_FRAME_HELLO, &bad, GB_ENAME);
    bad = good;
    bad.protocol_min = 1;
    expect_refused(t, GB_FRAME_WELCOME, &bad, GB_EINVAL);
    bad = good;
    bad.generation = 0;
    expect_refused(t, GB_FRAME_HELLO, &bad, GB_EINVAL);
    bad = good;
    bad.flags = 0x04;
    expect_refused(t, GB_FRAME_HELLO, &bad, GB_EINVAL);
    bad = good;
    bad.address_count = 9;
    expect_refused(t, GB_FRAME_HELLO, &bad, GB_EINVAL);
    bad = good;
    bad.observed.host.len = 256;
    expect_refused(t, GB_FRAME_HELLO, &bad, GB_EINVAL);
}
