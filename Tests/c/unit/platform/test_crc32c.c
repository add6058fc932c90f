/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C: known vectors, and its implementations against each other. */
#include "platform/crc32c.h"

#include <string.h>

#include "support/gb_test.h"

/* Bit by bit, from the polynomial: the definition. */
static uint32_t crc_by_definition(const uint8_t *bytes, size_t len)
{
    uint32_t crc = 0xffffffffU;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0);
        }
    }
    return ~crc;
}

GB_TEST(crc32c, known_vectors_hold)
{
    uint8_t bytes[32];
    expect_uint(gb_crc32c(0, "123456789", 9), 0xe3069283U);
    expect_uint(gb_crc32c_portable(0, "123456789", 9), 0xe3069283U);
    expect_uint(gb_crc32c(0, NULL, 0), 0);
    expect_uint(gb_crc32c_portable(0, NULL, 0), 0);
    /* RFC 3720, B.4. */
    memset(bytes, 0, sizeof bytes);
    expect_uint(gb_crc32c(0, bytes, sizeof bytes), 0x8a9136aaU);
    memset(bytes, 0xff, sizeof bytes);
    expect_uint(gb_crc32c(0, bytes, sizeof bytes), 0x62a8ab43U);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)i;
    }
    expect_uint(gb_crc32c(0, bytes, sizeof bytes), 0x46dd794eU);
}

GB_TEST(crc32c, all_implementations_agree_at_every_length_and_alignment)
{
    uint8_t bytes[128];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)gb_rng_u64(&t->rng);
    }
    for (size_t from = 0; from < 9; from++) {
        for (size_t len = 0; from + len <= sizeof bytes; len++) {
            uint32_t expected = crc_by_definition(bytes + from, len);
            expect_uint(gb_crc32c_portable(0, bytes + from, len), expected);
            expect_uint(gb_crc32c(0, bytes + from, len), expected);
            if (gb_crc32c_has_hardware()) {
                expect_uint(gb_crc32c_hardware(0, bytes + from, len), expected);
            }
        }
    }
}

GB_TEST(crc32c, the_whole_is_that_of_its_parts_in_turn)
{
    uint8_t bytes[100];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)gb_rng_u64(&t->rng);
    }
    uint32_t whole = gb_crc32c(0, bytes, sizeof bytes);
    for (size_t split = 0; split <= sizeof bytes; split++) {
        uint32_t head = gb_crc32c(0, bytes, split);
        expect_uint(gb_crc32c(head, bytes + split, sizeof bytes - split), whole);
        head = gb_crc32c_portable(0, bytes, split);
        expect_uint(gb_crc32c_portable(head, bytes + split, sizeof bytes - split), whole);
    }
}

GB_TEST(crc32c, every_single_bit_counts)
{
    uint8_t bytes[40] = {0};
    uint32_t clean = gb_crc32c(0, bytes, sizeof bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        expect_true(gb_crc32c(0, bytes, sizeof bytes) != clean);
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
}
