/* SPDX-License-Identifier: Apache-2.0 */
/* A growable run of bytes with a limit and a sticky error. */
#ifndef GB_PLATFORM_BUF_H
#define GB_PLATFORM_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "goferbroke/alloc.h"
#include "goferbroke/err.h"
#include "goferbroke/types.h"

/* Append as often as needed, look at the error once: after the first failure every append does
 * nothing, and the content is what was appended before it.
 *
 * Owned by one thread. Growth doubles and may move `base`: slices of the content end with the next
 * append. */
typedef struct gb_buf {
    const gb_allocator *allocator;
    uint8_t *base;   /* NULL while capacity is 0. */
    size_t len;      /* Bytes in use. */
    size_t capacity; /* Bytes that fit without growing; never over `limit`. */
    size_t limit;    /* The most that `len` may be. */
    gb_err err;      /* GB_OK, or the first failure: GB_ENOMEM, GB_ETOOBIG. */
} gb_buf;

/* Empty, without memory. Borrows `allocator` until deinit. `limit` > 0. */
void gb_buf_init(gb_buf *buf, const gb_allocator *allocator, size_t limit);

/* Free the memory; the buffer may be initialised again. */
void gb_buf_deinit(gb_buf *buf);

/* Make room for `extra` more bytes without changing the content.
 *
 * Errors (sticky): GB_ENOMEM, GB_ETOOBIG (over the limit), or the earlier one.
 * On error: content unchanged. */
gb_err gb_buf_reserve(gb_buf *buf, size_t extra);

/* Lengthen by `count` bytes of undefined content and return where they begin, to be filled; NULL
 * on error, as gb_buf_reserve. Lends until the next append. */
uint8_t *gb_buf_extend(gb_buf *buf, size_t count);

/* Copy `len` bytes to the end. `bytes` may be NULL if `len` is 0, and must not lie in `buf`. */
void gb_buf_append(gb_buf *buf, const void *bytes, size_t len);

void gb_buf_append_slice(gb_buf *buf, gb_slice slice);
void gb_buf_append_u8(gb_buf *buf, uint8_t value);
void gb_buf_append_be16(gb_buf *buf, uint16_t value);
void gb_buf_append_be32(gb_buf *buf, uint32_t value);
void gb_buf_append_be64(gb_buf *buf, uint64_t value);
void gb_buf_append_varint(gb_buf *buf, uint64_t value);

/* Shorten to `len`, which is at most the present length. The sticky error stays. */
void gb_buf_truncate(gb_buf *buf, size_t len);

/* Remove `count` bytes from the front, at most the present length; moves the rest. */
void gb_buf_consume(gb_buf *buf, size_t count);

/* Empty, error forgotten, memory kept. */
void gb_buf_clear(gb_buf *buf);

/* The content. Lends until the next append. */
static inline gb_slice gb_buf_slice(const gb_buf *buf)
{
    return gb_slice_make(buf->base, buf->len);
}

#endif
