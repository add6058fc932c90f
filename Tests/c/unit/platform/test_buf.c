/* SPDX-License-Identifier: Apache-2.0 */
/* A buffer grows to its limit, and its first error stays. */
#include "platform/buf.h"

#include <string.h>

#include "support/gb_test.h"

GB_TEST(buf, appended_fields_are_big_endian_and_in_order)
{
    gb_buf buf;
    gb_buf_init(&buf, t->allocator, 1000);
    gb_buf_append_u8(&buf, 0x01);
    gb_buf_append_be16(&buf, 0x0203);
    gb_buf_append_be32(&buf, 0x04050607);
    gb_buf_append_be64(&buf, UINT64_C(0x08090a0b0c0d0e0f));
    gb_buf_append_varint(&buf, 300);
    gb_buf_append_slice(&buf, gb_slice_from_str("xyz"));
    gb_buf_append(&buf, NULL, 0);
    static const uint8_t expected[] = {1,  2,  3,  4,  5,  6,    7,    8,   9,   10,
                                       11, 12, 13, 14, 15, 0xac, 0x02, 'x', 'y', 'z'};
    expect_ok(buf.err);
    expect_slice(gb_buf_slice(&buf), gb_slice_make(expected, sizeof expected));
    gb_buf_deinit(&buf);
}

GB_TEST(buf, it_grows_to_its_limit_and_no_further)
{
    gb_buf buf;
    gb_buf_init(&buf, t->allocator, 1001);
    for (int i = 0; i < 1001; i++) {
        gb_buf_append_u8(&buf, (uint8_t)i);
    }
    expect_ok(buf.err);
    expect_uint(buf.capacity, 1001);
    gb_buf_append_u8(&buf, 0);
    expect_err(buf.err, GB_ETOOBIG);
    expect_uint(buf.len, 1001);
    for (int i = 0; i < 1001; i++) {
        expect_uint(buf.base[i], (uint8_t)i);
    }
    gb_buf_deinit(&buf);
}

GB_TEST(buf, an_append_that_does_not_fit_leaves_nothing_behind)
{
    gb_buf buf;
    gb_buf_init(&buf, t->allocator, 10);
    gb_buf_append(&buf, "12345678", 8);
    gb_buf_append_be32(&buf, 1);
    expect_err(buf.err, GB_ETOOBIG);
    /* Sticky: what would fit is not appended either. */
    gb_buf_append_u8(&buf, 'x');
    expect_slice(gb_buf_slice(&buf), gb_slice_from_str("12345678"));
    expect_null(gb_buf_extend(&buf, 1));

    gb_buf_clear(&buf);
    gb_buf_append_u8(&buf, 'x');
    expect_ok(buf.err);
    expect_slice(gb_buf_slice(&buf), gb_slice_from_str("x"));
    gb_buf_deinit(&buf);
}

GB_TEST(buf, a_huge_request_does_not_wrap)
{
    gb_buf buf;
    gb_buf_init(&buf, t->allocator, SIZE_MAX);
    gb_buf_append_u8(&buf, 1);
    expect_err(gb_buf_reserve(&buf, SIZE_MAX), GB_ETOOBIG);
    gb_buf_deinit(&buf);
}

GB_TEST(buf, extending_by_nothing_is_not_a_failure)
{
    gb_buf buf;
    gb_buf_init(&buf, t->allocator, 10);
    expect_not_null(gb_buf_extend(&buf, 0));
    expect_uint(buf.len, 0);
    gb_buf_deinit(&buf);
}

GB_TEST(buf, the_front_is_consumed_and_the_end_truncated)
{
    gb_buf buf;
    gb_buf_init(&buf, t->allocator, 100);
    gb_buf_consume(&buf, 0);
    gb_buf_append(&buf, "abcdef", 6);
    gb_buf_consume(&buf, 2);
    expect_slice(gb_buf_slice(&buf), gb_slice_from_str("cdef"));
    gb_buf_truncate(&buf, 3);
    expect_slice(gb_buf_slice(&buf), gb_slice_from_str("cde"));
    gb_buf_consume(&buf, 3);
    expect_uint(buf.len, 0);
    gb_buf_deinit(&buf);
}

static bool buf_attempt(gb_test *t, const gb_allocator *allocator)
{
    gb_buf buf;
    gb_buf_init(&buf, allocator, 100000);
    for (uint32_t i = 0; i < 5000; i++) {
        gb_buf_append_be32(&buf, i);
    }
    bool is_done = buf.err == GB_OK;
    if (!is_done) {
        expect_err(buf.err, GB_ENOMEM);
        expect_true(buf.len < 20000);
    }
    for (size_t i = 0; i < buf.len; i++) {
        uint32_t word = (uint32_t)(i / 4);
        expect_uint(buf.base[i], (uint8_t)(word >> (24 - 8 * (i % 4))));
    }
    gb_buf_deinit(&buf);
    return is_done;
}

GB_TEST(buf, without_memory_it_keeps_what_it_has)
{
    gb_test_each_allocation_failure(t, buf_attempt);
}
