/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes: FNV-1a for what must agree between machines, a seeded one for tables in memory. */
#ifndef GB_PLATFORM_HASH_H
#define GB_PLATFORM_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "goferbroke/types.h"

#define GB_FNV1A_BASIS UINT64_C(0xcbf29ce484222325)
#define GB_FNV1A_PRIME UINT64_C(0x00000100000001b3)

/* FNV-1a, 64 bits, going on from `hash` (GB_FNV1A_BASIS to begin). The same on every machine. Its
 * high bits are weak on short input: pass the end result through gb_hash_mix where it is compared
 * by order or cut. */
static inline uint64_t gb_fnv1a(uint64_t hash, gb_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        hash = (hash ^ bytes.base[i]) * GB_FNV1A_PRIME;
    }
    return hash;
}

/* The finalizer of splitmix64, a bijection: every bit of the input changes half of the output. The
 * same on every machine. */
static inline uint64_t gb_hash_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* Two numbers into one; order matters. */
static inline uint64_t gb_hash_combine(uint64_t a, uint64_t b)
{
    return gb_hash_mix(a + UINT64_C(0x9e3779b97f4a7c15) + gb_hash_mix(b));
}

/* A fast hash of bytes for tables in memory. Peers choose names and keys: with a random `seed`
 * they cannot choose them to collide. Differs between machines of different byte order; never
 * send or store it. */
uint64_t gb_hash_bytes(uint64_t seed, gb_slice bytes);

#endif
