/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers of one size, bounded in number, counted by reference. */
#ifndef GB_PLATFORM_POOL_H
#define GB_PLATFORM_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "goferbroke/alloc.h"
#include "goferbroke/types.h"

typedef struct gb_pool gb_pool;

/* A buffer of a pool. The holder writes data[0 … size) and sets `len`; once it is shared with
 * gb_pool_buf_ref nobody writes any more. */
typedef struct gb_pool_buf {
    gb_pool *pool;
    struct gb_pool_buf *next_free; /* The pool's own. */
    uint32_t ref_count;
    uint32_t size; /* Bytes at `data`: the pool's buffer size. */
    size_t len;    /* Bytes in use, 0 when acquired. */
    uint8_t data[];
} gb_pool_buf;

/* Owned by one thread: a loop and its engines. An empty pool is back-pressure, not a failure: the
 * caller does less and tries again later; `exhausted_count` says how often. */
struct gb_pool {
    const gb_allocator *allocator;
    gb_pool_buf *free_list;
    size_t buffer_size;
    size_t used_max;
    size_t free_max;
    size_t used_count; /* Buffers that somebody holds. */
    size_t free_count; /* Buffers kept for reuse, at most free_max. */
    uint64_t exhausted_count;
};

/* At most `used_max` buffers of `buffer_size` bytes held at once, at most `free_max` kept. Takes no
 * memory yet. Borrows `allocator` until deinit. */
void gb_pool_init(gb_pool *pool, const gb_allocator *allocator, size_t buffer_size, size_t used_max,
                  size_t free_max);

/* All buffers must have been released: asserted. */
void gb_pool_deinit(gb_pool *pool);

/* A buffer with `len` 0 and one reference, undefined content; NULL when the bound is reached or
 * there is no memory, which both count as exhaustion. */
gb_pool_buf *gb_pool_acquire(gb_pool *pool);

/* One more holder. Returns `buf`. */
gb_pool_buf *gb_pool_buf_ref(gb_pool_buf *buf);

/* Give a reference back; with the last one the buffer returns to its pool. NULL is allowed. */
void gb_pool_buf_release(gb_pool_buf *buf);

/* The bytes in use. Lends until the release. */
static inline gb_slice gb_pool_buf_slice(const gb_pool_buf *buf)
{
    return gb_slice_make(buf->data, buf->len);
}

#endif
