/* SPDX-License-Identifier: Apache-2.0 */
/* LEB128 numbers: seven bits a byte, least significant first, the high bit: more follow. */
#ifndef GB_PLATFORM_VARINT_H
#define GB_PLATFORM_VARINT_H

#include <stddef.h>
#include <stdint.h>

#include "goferbroke/err.h"
#include "goferbroke/types.h"

/* Bytes of the longest: 64 bits in sevens. */
#define GB_VARINT_SIZE_MAX 10

/* Bytes that `value` takes, 1 … 10. */
static inline size_t gb_varint_size(uint64_t value)
{
    size_t size = 1;
    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}

/* Write `value` at `out`, which has room for gb_varint_size(value) bytes. Returns their number. */
static inline size_t gb_varint_encode(uint8_t *out, uint64_t value)
{
    size_t size = 0;
    while (value >= 0x80) {
        out[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[size++] = (uint8_t)value;
    return size;
}

/* Read one number at the start of `in`.
 *
 * Errors:
 *   GB_EAGAIN      `in` ends before the number does.
 *   GB_EMALFORMED  More than 10 bytes, over 64 bits, or not the shortest form: a number has one
 *                  encoding, so equal messages are equal bytes.
 *
 * On error the outputs are unchanged. */
static inline gb_err gb_varint_decode(gb_slice in, uint64_t *value, size_t *size)
{
    uint64_t result = 0;
    for (size_t i = 0; i < GB_VARINT_SIZE_MAX; i++) {
        if (i == in.len) {
            return GB_EAGAIN;
        }
        uint8_t byte = in.base[i];
        /* The tenth byte has room for the 64th bit alone. */
        if (i == GB_VARINT_SIZE_MAX - 1 && byte > 1) {
            return GB_EMALFORMED;
        }
        result |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            if (byte == 0 && i > 0) {
                return GB_EMALFORMED;
            }
            *value = result;
            *size = i + 1;
            return GB_OK;
        }
    }
    return GB_EMALFORMED;
}

/* Signed numbers so that small ones of either sign are short: 0, -1, 1, -2 become 0, 1, 2, 3. */
static inline uint64_t gb_zigzag_encode(int64_t value)
{
    uint64_t bits = (uint64_t)value;
    return (bits << 1) ^ (0 - (bits >> 63));
}

static inline int64_t gb_zigzag_decode(uint64_t value)
{
    uint64_t bits = (value >> 1) ^ (0 - (value & 1));
    int64_t result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

#endif
