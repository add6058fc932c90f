/* SPDX-License-Identifier: Apache-2.0 */
/* PING and PONG are headers alone; a heartbeat is eight bytes. */
#include "goferbroke/message.h"

#include "unit/codec/samples.h"

GB_TEST(heartbeat, the_map_hash_survives)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_heartbeat heartbeat = {UINT64_C(0x0102030405060708)};
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
    gb_heartbeat heartbeat = {5};
    expect_err(gb_heartbeat_decode(S(""), &heartbeat), GB_EMALFORMED);
    expect_err(gb_heartbeat_decode(S("1234567"), &heartbeat), GB_EMALFORMED);
    expect_err(gb_heartbeat_decode(S("123456789"), &heartbeat), GB_EMALFORMED);
    expect_uint(heartbeat.map_hash, 5);
}

GB_TEST(heartbeat, other_types_are_refused)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_heartbeat heartbeat = {5};
    expect_err(gb_heartbeat_encode(&out, GB_FRAME_PING, 1, &heartbeat), GB_EINVAL);
    expect_err(gb_empty_encode(&out, GB_FRAME_HEARTBEAT, 1), GB_EINVAL);
    expect_uint(out.len, 0);
    gb_out_deinit(&out);
}
