/* SPDX-License-Identifier: Apache-2.0 */
/* xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators"). */
#include "platform/rng.h"

#include "platform/assert.h"
#include "platform/hash.h"

static uint64_t rng_rotate(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

void gb_rng_init(gb_rng *rng, uint64_t seed)
{
    /* splitmix64 is a bijection of a counter: four in a row are never all zero, the one state
     * that the generator could not leave. */
    for (int i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        rng->state[i] = gb_hash_mix(seed);
    }
}

uint64_t gb_rng_u64(gb_rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rng_rotate(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rng_rotate(s[3], 45);
    return result;
}

uint64_t gb_rng_below(gb_rng *rng, uint64_t bound)
{
    GB_ASSERT(bound > 0);
    /* 2^64 mod bound: values below it are drawn again, so that what is left is a whole number of
     * rounds. Less than two draws on average. */
    uint64_t surplus = (0 - bound) % bound;
    uint64_t value;
    do {
        value = gb_rng_u64(rng);
    } while (value < surplus);
    return value % bound;
}
