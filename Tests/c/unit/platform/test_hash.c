/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes: known values of the portable ones, spread of the seeded one. */
#include "platform/hash.h"

#include <string.h>

#include "support/gb_test.h"

GB_TEST(hash, fnv1a_has_its_published_values)
{
    expect_uint(gb_fnv1a(GB_FNV1A_BASIS, gb_slice_from_str("")), UINT64_C(0xcbf29ce484222325));
    expect_uint(gb_fnv1a(GB_FNV1A_BASIS, gb_slice_from_str("a")), UINT64_C(0xaf63dc4c8601ec8c));
    expect_uint(gb_fnv1a(GB_FNV1A_BASIS, gb_slice_from_str("foobar")),
                UINT64_C(0x85944171f73967e8));
    expect_uint(
        gb_fnv1a(gb_fnv1a(GB_FNV1A_BASIS, gb_slice_from_str("foo")), gb_slice_from_str("bar")),
        UINT64_C(0x85944171f73967e8));
}

GB_TEST(hash, combining_depends_on_the_order)
{
    expect_true(gb_hash_combine(1, 2) != gb_hash_combine(2, 1));
    expect_true(gb_hash_combine(0, 0) != 0);
}

GB_TEST(hash, the_seeded_hash_reads_every_byte_and_none_beyond)
{
    uint64_t seed = gb_rng_u64(&t->rng);
    for (size_t len = 0; len <= 70; len++) {
        /* Exactly as large as the input, so that ASan sees a read beyond it. */
        uint8_t *bytes = (t->allocator->malloc)(t->allocator->user, len + 1);
        expect_not_null(bytes);
        memset(bytes, 0, len + 1);
        gb_slice slice = gb_slice_make(bytes + 1, len); /* Unaligned as well. */
        uint64_t hash = gb_hash_bytes(seed, slice);
        expect_uint(gb_hash_bytes(seed, slice), hash);
        expect_true(gb_hash_bytes(seed + 1, slice) != hash);
        for (size_t i = 0; i < len; i++) {
            bytes[i + 1] ^= 1;
            expect_true(gb_hash_bytes(seed, slice) != hash);
            bytes[i + 1] ^= 1;
        }
        (t->allocator->free)(t->allocator->user, bytes);
    }
}

GB_TEST(hash, zeros_of_different_lengths_differ)
{
    static const uint8_t zeros[64];
    for (size_t a = 0; a <= 64; a++) {
        for (size_t b = 0; b < a; b++) {
            expect_true(gb_hash_bytes(t->seed, gb_slice_make(zeros, a)) !=
                        gb_hash_bytes(t->seed, gb_slice_make(zeros, b)));
        }
    }
}

GB_TEST(hash, similar_keys_spread_over_a_table)
{
    /* 4,096 keys that differ in their last digits over 1,024 buckets: the fullest of a random
     * spread holds 16 at worst. */
    unsigned counts[1024] = {0};
    unsigned most = 0;
    for (unsigned i = 0; i < 4096; i++) {
        char key[16] = "connections-";
        for (unsigned digit = 0; digit < 4; digit++) {
            key[12 + digit] = (char)('a' + ((i >> (3 * digit)) & 7));
        }
        uint64_t hash = gb_hash_bytes(12345, gb_slice_make(key, sizeof key));
        unsigned count = ++counts[hash & 1023];
        most = count > most ? count : most;
    }
    expect_true(most <= 18);
}
