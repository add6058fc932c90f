/* SPDX-License-Identifier: Apache-2.0 */
/* The seeded hash of bytes: 16 bytes a step through a 64 x 64 bit product folded to 64. */
#include "platform/hash.h"

#include <string.h>

/* Odd, half of the bits set, from the fractional parts of square roots of primes. */
#define HASH_SECRET_0 UINT64_C(0x6a09e667f3bcc909)
#define HASH_SECRET_1 UINT64_C(0xbb67ae8584caa73b)

/* High half xor low half of the product: each input bit reaches both. */
static uint64_t hash_fold(uint64_t a, uint64_t b)
{
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 hash_product;
    hash_product product = (hash_product)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t a_low = (uint32_t)a;
    uint64_t a_high = a >> 32;
    uint64_t b_low = (uint32_t)b;
    uint64_t b_high = b >> 32;
    uint64_t low = a_low * b_low;
    uint64_t middle = a_high * b_low + (low >> 32);
    uint64_t other = a_low * b_high + (uint32_t)middle;
    uint64_t high = a_high * b_high + (middle >> 32) + (other >> 32);
    return ((other << 32) | (uint32_t)low) ^ high;
#endif
}

static uint64_t hash_load(const uint8_t *at, size_t len)
{
    uint64_t value = 0;
    memcpy(&value, at, len);
    return value;
}

uint64_t gb_hash_bytes(uint64_t seed, gb_slice bytes)
{
    /* Two secret lanes from the seed: neither factor of a product can be chosen to be zero. */
    uint64_t lane = gb_hash_mix(seed ^ HASH_SECRET_1);
    uint64_t hash = gb_hash_mix(seed + HASH_SECRET_0) ^ (uint64_t)bytes.len;
    const uint8_t *at = bytes.base;
    size_t rest = bytes.len;

    while (rest >= 16) {
        hash = hash_fold(hash_load(at, 8) ^ lane, hash_load(at + 8, 8) ^ hash);
        at += 16;
        rest -= 16;
    }
    uint64_t a = 0;
    uint64_t b = 0;
    if (rest > 8) {
        a = hash_load(at, 8);
        b = hash_load(at + 8, rest - 8);
    } else if (rest > 0) {
        a = hash_load(at, rest);
    }
    hash = hash_fold(a ^ lane, b ^ hash);
    return hash_fold(hash ^ HASH_SECRET_0, lane ^ HASH_SECRET_1 ^ (uint64_t)bytes.len);
}
