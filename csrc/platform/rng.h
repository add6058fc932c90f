/* SPDX-License-Identifier: Apache-2.0 */
/* A seeded generator, xoshiro256** filled by splitmix64: integers only, the same on every machine.
 * Not for secrets. */
#ifndef GB_PLATFORM_RNG_H
#define GB_PLATFORM_RNG_H

#include <stdint.h>

typedef struct gb_rng {
    uint64_t state[4];
} gb_rng;

/* Any seed will do, 0 included. */
void gb_rng_init(gb_rng *rng, uint64_t seed);

/* 64 uniform bits. */
uint64_t gb_rng_u64(gb_rng *rng);

/* Uniform in 0 … bound - 1, without bias; `bound` > 0. */
uint64_t gb_rng_below(gb_rng *rng, uint64_t bound);

#endif
