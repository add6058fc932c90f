/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers have one encoding; every other sequence of bytes is refused. */
#include "platform/varint.h"

#include "support/gb_test.h"

static void varint_round_trip(gb_test *t, uint64_t value)
{
    uint8_t bytes[GB_VARINT_SIZE_MAX + 1] = {0};
    size_t size = gb_varint_encode(bytes, value);
    expect_uint(size, gb_varint_size(value));
    uint64_t decoded = ~value;
    size_t used = 0;
    expect_ok(gb_varint_decode(gb_slice_make(bytes, sizeof bytes), &decoded, &used));
    expect_uint(decoded, value);
    expect_uint(used, size);
    for (size_t len = 0; len < size; len++) {
        expect_err(gb_varint_decode(gb_slice_make(bytes, len), &decoded, &used), GB_EAGAIN);
    }
    expect_uint(decoded, value);
}

GB_TEST(varint, every_number_round_trips)
{
    for (unsigned bits = 0; bits < 64; bits++) {
        uint64_t power = UINT64_C(1) << bits;
        varint_round_trip(t, power - 1);
        varint_round_trip(t, power);
        varint_round_trip(t, power + 1);
        varint_round_trip(t, gb_rng_u64(&t->rng) >> bits);
    }
    varint_round_trip(t, UINT64_MAX);
    expect_uint(gb_varint_size(127), 1);
    expect_uint(gb_varint_size(128), 2);
    expect_uint(gb_varint_size(UINT64_MAX), 10);
}

static void varint_refuse(gb_test *t, const uint8_t *bytes, size_t len)
{
    uint64_t value = 77;
    size_t size = 77;
    expect_err(gb_varint_decode(gb_slice_make(bytes, len), &value, &size), GB_EMALFORMED);
    expect_uint(value, 77);
    expect_uint(size, 77);
}

GB_TEST(varint, other_forms_of_a_number_are_refused)
{
    varint_refuse(t, (const uint8_t[]){0x80, 0x00}, 2);
    varint_refuse(t, (const uint8_t[]){0xff, 0x00}, 2);
    varint_refuse(t, (const uint8_t[]){0x81, 0x80, 0x80, 0x00}, 4);
    varint_refuse(t, (const uint8_t[]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00},
                  10);
}

GB_TEST(varint, more_than_64_bits_are_refused)
{
    varint_refuse(t, (const uint8_t[]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
                  10);
    varint_refuse(
        t, (const uint8_t[]){0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1}, 11);
}

GB_TEST(varint, what_is_accepted_encodes_to_the_same_bytes)
{
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[GB_VARINT_SIZE_MAX];
        for (size_t j = 0; j < sizeof bytes; j++) {
            bytes[j] = (uint8_t)gb_rng_u64(&t->rng);
        }
        uint64_t value;
        size_t size;
        if (gb_varint_decode(gb_slice_make(bytes, sizeof bytes), &value, &size) == GB_OK) {
            uint8_t again[GB_VARINT_SIZE_MAX];
            expect_uint(gb_varint_encode(again, value), size);
            expect_bytes(again, bytes, size);
        }
    }
}

GB_TEST(varint, zigzag_keeps_small_numbers_small)
{
    expect_uint(gb_zigzag_encode(0), 0);
    expect_uint(gb_zigzag_encode(-1), 1);
    expect_uint(gb_zigzag_encode(1), 2);
    expect_uint(gb_zigzag_encode(INT64_MAX), UINT64_MAX - 1);
    expect_uint(gb_zigzag_encode(INT64_MIN), UINT64_MAX);
    for (int i = 0; i < 1000; i++) {
        uint64_t bits = gb_rng_u64(&t->rng);
        expect_uint(gb_zigzag_encode(gb_zigzag_decode(bits)), bits);
    }
}
