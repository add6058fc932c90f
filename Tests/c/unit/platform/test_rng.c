/* SPDX-License-Identifier: Apache-2.0 */
/* The generator is the same everywhere and has no bias. */
#include "platform/rng.h"

#include "support/gb_test.h"

GB_TEST(rng, the_sequence_of_a_state_is_the_published_one)
{
    /* xoshiro256** from the state 1, 2, 3, 4. */
    gb_rng rng = {{1, 2, 3, 4}};
    static const uint64_t expected[] = {UINT64_C(11520), UINT64_C(0), UINT64_C(1509978240),
                                        UINT64_C(1215971899390074240),
                                        UINT64_C(1216172134540287360)};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        expect_uint(gb_rng_u64(&rng), expected[i]);
    }
}

GB_TEST(rng, the_state_of_seed_zero_is_that_of_splitmix64)
{
    gb_rng rng;
    gb_rng_init(&rng, 0);
    expect_uint(rng.state[0], UINT64_C(0xe220a8397b1dcdaf));
    expect_uint(rng.state[1], UINT64_C(0x6e789e6aa1b965f4));
    expect_uint(rng.state[2], UINT64_C(0x06c45d188009454f));
    expect_uint(rng.state[3], UINT64_C(0xf88bb8a8724c81ec));
}

GB_TEST(rng, equal_seeds_agree_and_others_do_not)
{
    gb_rng a;
    gb_rng b;
    gb_rng c;
    gb_rng_init(&a, t->seed);
    gb_rng_init(&b, t->seed);
    gb_rng_init(&c, t->seed + 1);
    int equal = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t value = gb_rng_u64(&a);
        expect_uint(gb_rng_u64(&b), value);
        equal += gb_rng_u64(&c) == value ? 1 : 0;
    }
    expect_int(equal, 0);
}

GB_TEST(rng, below_stays_below_and_is_even)
{
    gb_rng rng;
    gb_rng_init(&rng, 42); /* A fixed seed: the bound below is a property of this sequence. */
    unsigned counts[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint64_t value = gb_rng_below(&rng, 7);
        expect_true(value < 7);
        counts[value]++;
    }
    for (int i = 0; i < 7; i++) {
        /* Five standard deviations of a binomial of 70,000 and one seventh. */
        expect_true(counts[i] > 9537 && counts[i] < 10463);
    }
    expect_uint(gb_rng_below(&rng, 1), 0);
    /* A bound just over half the range: a plain remainder would give the lower half twice as
     * often. */
    unsigned low = 0;
    uint64_t bound = (UINT64_C(1) << 63) + (UINT64_C(1) << 62);
    for (int i = 0; i < 30000; i++) {
        low += gb_rng_below(&rng, bound) < (UINT64_C(1) << 62) ? 1 : 0;
    }
    expect_true(low > 9500 && low < 10500);
}
