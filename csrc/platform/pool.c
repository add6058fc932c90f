/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers of one size, bounded in number, counted by reference. */
#include "platform/pool.h"

#include "platform/alloc.h"
#include "platform/assert.h"

void gb_pool_init(gb_pool *pool, const gb_allocator *allocator, size_t buffer_size, size_t used_max,
                  size_t free_max)
{
    GB_ASSERT(buffer_size > 0 && buffer_size <= UINT32_MAX);
    GB_ASSERT(used_max > 0);
    *pool = (gb_pool){.allocator = allocator,
                      .buffer_size = buffer_size,
                      .used_max = used_max,
                      .free_max = free_max};
}

void gb_pool_deinit(gb_pool *pool)
{
    GB_ASSERT(pool->used_count == 0);
    while (pool->free_list != NULL) {
        gb_pool_buf *buf = pool->free_list;
        pool->free_list = buf->next_free;
        pool->free_count--;
        gb_free(pool->allocator, buf);
    }
    GB_ASSERT(pool->free_count == 0);
}

gb_pool_buf *gb_pool_acquire(gb_pool *pool)
{
    if (pool->used_count >= pool->used_max) {
        pool->exhausted_count++;
        return NULL;
    }
    gb_pool_buf *buf = pool->free_list;
    if (buf != NULL) {
        GB_ASSERT(buf->ref_count == 0 && pool->free_count > 0);
        pool->free_list = buf->next_free;
        pool->free_count--;
    } else {
        buf = gb_alloc(pool->allocator, sizeof *buf + pool->buffer_size);
        if (buf == NULL) {
            pool->exhausted_count++;
            return NULL;
        }
    }
    buf->pool = pool;
    buf->next_free = NULL;
    buf->ref_count = 1;
    buf->size = (uint32_t)pool->buffer_size;
    buf->len = 0;
    pool->used_count++;
    return buf;
}

gb_pool_buf *gb_pool_buf_ref(gb_pool_buf *buf)
{
    GB_ASSERT(buf->ref_count > 0 && buf->ref_count < UINT32_MAX);
    buf->ref_count++;
    return buf;
}

void gb_pool_buf_release(gb_pool_buf *buf)
{
    if (buf == NULL) {
        return;
    }
    GB_ASSERT(buf->ref_count > 0);
    if (--buf->ref_count > 0) {
        return;
    }
    gb_pool *pool = buf->pool;
    GB_ASSERT(pool->used_count > 0);
    pool->used_count--;
    if (pool->free_count >= pool->free_max) {
        gb_free(pool->allocator, buf);
        return;
    }
    buf->next_free = pool->free_list;
    pool->free_list = buf;
    pool->free_count++;
}
