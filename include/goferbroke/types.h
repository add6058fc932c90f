/* SPDX-License-Identifier: Apache-2.0 */
/* Plain views and numbers that every layer shares. */
#ifndef GOFERBROKE_TYPES_H
#define GOFERBROKE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes that somebody else owns. `base` may be NULL only if `len` is 0. Not NUL-terminated. */
typedef struct gb_slice {
    const uint8_t *base;
    size_t len;
} gb_slice;

/* Borrows `base` for the life of the slice. */
static inline gb_slice gb_slice_make(const void *base, size_t len)
{
    gb_slice slice = {(const uint8_t *)base, len};
    return slice;
}

/* The bytes of a C string without its NUL; NULL gives the empty slice. Borrows `str`. */
static inline gb_slice gb_slice_from_str(const char *str)
{
    return gb_slice_make(str, str == NULL ? 0 : strlen(str));
}

/* Same length and same bytes. */
static inline bool gb_slice_equal(gb_slice a, gb_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.base, b.base, a.len) == 0);
}

/* Order of bytes, then of length: negative, zero or positive as `a` is before, equal to or after
 * `b`. */
static inline int gb_slice_compare(gb_slice a, gb_slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.base, b.base, common);
    if (order != 0) {
        return order;
    }
    return a.len < b.len ? -1 : (a.len > b.len ? 1 : 0);
}

/* Monotonic time in microseconds from an arbitrary start. Never a calendar time. */
typedef uint64_t gb_time_us;

/* The type of a delta's value, as on the wire. An open set: a byte, not an enum, so that a value
 * from a newer peer can be carried. */
typedef uint8_t gb_value_type;

enum {
    GB_VALUE_STRING = 0,
    GB_VALUE_BYTES = 1,
    GB_VALUE_INT = 2, /* 64 bits on the wire, the host's int in the API of a language. */
    GB_VALUE_INT8 = 3,
    GB_VALUE_INT64 = 4,
    GB_VALUE_INT16 = 5,
    GB_VALUE_INT32 = 6,
    GB_VALUE_UINT8 = 7,
    GB_VALUE_UINT16 = 8,
    GB_VALUE_UINT32 = 9,
    GB_VALUE_UINT64 = 10,
    GB_VALUE_FLOAT64 = 11,
    GB_VALUE_BOOL = 12,
    GB_VALUE_TYPE_COUNT = 13,
    GB_VALUE_TOMBSTONE = 255 /* A deleted delta that must still be told; its value is empty. */
};

/* A stream of versions of one participant. The lesser the number, the earlier it is told. */
typedef uint8_t gb_lane;

enum {
    GB_LANE_MEMBERSHIP = 0, /* Liveness: addresses, accusations, leave. */
    GB_LANE_CONFIG = 1,     /* Cluster configuration. */
    GB_LANE_SYSTEM = 2,     /* Facts about the host. */
    GB_LANE_USER = 3,       /* What the application sets. */
    GB_LANE_COUNT = 4
};

#endif
