/* SPDX-License-Identifier: Apache-2.0 */
/* An output keeps what was appended, and gives its memory back. */
#include "codec/out.h"

#include "platform/limits.h"
#include "unit/codec/samples.h"

GB_TEST(out, frames_are_appended_one_after_the_other)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    for (uint32_t i = 0; i < 1000; i++) {
        expect_ok(gb_empty_encode(&out, GB_FRAME_PING, i));
    }
    expect_uint(out.len, 16000);
    for (uint32_t i = 0; i < 1000; i++) {
        expect_uint(gb_load_be32(out.base + 16 * i + 8), i);
    }
    gb_out_deinit(&out);
}

GB_TEST(out, clearing_keeps_the_memory)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    expect_ok(gb_empty_encode(&out, GB_FRAME_PING, 1));
    uint64_t count = t->counted.count;
    for (int i = 0; i < 10; i++) {
        gb_out_clear(&out);
        expect_uint(out.len, 0);
        expect_ok(gb_empty_encode(&out, GB_FRAME_PING, 1));
    }
    expect_uint(t->counted.count, count);
    gb_out_deinit(&out);
    gb_out_deinit(&out);
}

GB_TEST(out, an_impossible_size_is_no_memory)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    expect_err(gb_out_reserve(&out, SIZE_MAX), GB_ENOMEM);
    expect_err(gb_out_reserve(&out, SIZE_MAX / 2 + 1), GB_ENOMEM);
    expect_uint(out.capacity, 0);
    gb_out_deinit(&out);
}

GB_TEST(out, a_payload_over_the_limit_is_refused_before_memory_is_touched)
{
    gb_out out;
    gb_writer writer;
    gb_out_init(&out, t->allocator);
    expect_err(gb_out_frame_open(&out, GB_FRAME_PAYLOAD_MAX + 1, &writer), GB_ETOOBIG);
    expect_uint(t->counted.count, 0);
    gb_out_deinit(&out);
}

GB_TEST(out, without_an_allocator_malloc_is_used)
{
    gb_out out;
    gb_out_init(&out, NULL);
    expect_ptr(out.allocator, gb_allocator_default());
    expect_ok(gb_empty_encode(&out, GB_FRAME_PONG, 3));
    expect_uint(codec_payload(t, &out, GB_FRAME_PONG, 3).len, 0);
    gb_out_deinit(&out);
}
