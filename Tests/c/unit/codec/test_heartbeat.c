/* SPDX-License-Identifier: Apache-2.0 */
/* PING and PONG are headers alone; a heartbeat is eight bytes, and perhaps the sender's load. */
#include "goferbroke/message.h"

#include "unit/codec/samples.h"

GB_TEST(heartbeat, the_map_hash_survives)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_heartbeat heartbeat = {.map_hash = UINT64_C(0x0102030405060708)};
    expect_ok(gb_heartbeat_encode(&out, GB_FRAME_HEARTBEAT_ACK, 3, &heartbeat));
    gb_slice payload = codec_payload(t, &out, GB_FRAME_HEARTBEAT_ACK, 3);
    expect_slice(payload, S("\x01\x02\x03\x04\x05\x06\x07\x08"));
    gb_heartbeat decoded;
    expect_ok(gb_heartbeat_decode(payload, &decoded));
    expect_uint(decoded.map_hash, heartbeat.map_hash);
    gb_out_deinit(&out);
}

GB_TEST(heartbeat, another_size_is_malformed)
{
    gb_heartbeat heartbeat = {.map_hash = 5};
    expect_err(gb_heartbeat_decode(S(""), &heartbeat), GB_EMALFORMED);
    expect_err(gb_heartbeat_decode(S("1234567"), &heartbeat), GB_EMALFORMED);
    expect_err(gb_heartbeat_decode(S("123456789"), &heartbeat), GB_EMALFORMED);
    expect_uint(heartbeat.map_hash, 5);
}

GB_TEST(heartbeat, other_types_are_refused)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_heartbeat heartbeat = {.map_hash = 5};
    expect_err(gb_heartbeat_encode(&out, GB_FRAME_PING, 1, &heartbeat), GB_EINVAL);
    expect_err(gb_empty_encode(&out, GB_FRAME_HEARTBEAT, 1), GB_EINVAL);
    expect_uint(out.len, 0);
    gb_out_deinit(&out);
}

GB_TEST(heartbeat, a_load_survives_with_its_sign)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_heartbeat heartbeat = {
        .map_hash = 1, .has_load = true, .load = {.rho = 1, .tau = GB_RATE_MAX, .moved = -1}};
    expect_ok(gb_heartbeat_encode(&out, GB_FRAME_HEARTBEAT_ACK, 3, &heartbeat));
    gb_heartbeat decoded;
    expect_ok(gb_heartbeat_decode(codec_payload(t, &out, GB_FRAME_HEARTBEAT_ACK, 3), &decoded));
    expect_true(decoded.has_load);
    expect_uint(decoded.load.rho, 1);
    expect_uint(decoded.load.tau, GB_RATE_MAX);
    expect_int(decoded.load.moved, -1);
    gb_out_deinit(&out);
}

GB_TEST(heartbeat, a_rate_over_its_bound_is_refused_on_both_sides)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_heartbeat heartbeat = {.has_load = true, .load = {.rho = GB_RATE_MAX + 1}};
    expect_err(gb_heartbeat_encode(&out, GB_FRAME_HEARTBEAT, 3, &heartbeat), GB_EINVAL);
    heartbeat.load = (gb_load){.moved = -(int64_t)GB_RATE_MAX - 1};
    expect_err(gb_heartbeat_encode(&out, GB_FRAME_HEARTBEAT, 3, &heartbeat), GB_EINVAL);
    expect_uint(out.len, 0);
    /* rho 2^63, tau 0, moved 0 */
    expect_err(gb_heartbeat_decode(
                   S("\0\0\0\0\0\0\0\0\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\0\0"), &heartbeat),
               GB_EMALFORMED);
    gb_out_deinit(&out);
}
