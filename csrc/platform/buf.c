/* SPDX-License-Identifier: Apache-2.0 */
/* A growable run of bytes with a limit and a sticky error. */
#include "platform/buf.h"

#include <string.h>

#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/bytes.h"
#include "platform/varint.h"

/* The first growth: most messages fit, so that small buffers grow once. */
#define BUF_CAPACITY_MIN 256

void gb_buf_init(gb_buf *buf, const gb_allocator *allocator, size_t limit)
{
    GB_ASSERT(limit > 0);
    *buf = (gb_buf){.allocator = allocator, .limit = limit, .err = GB_OK};
}

void gb_buf_deinit(gb_buf *buf)
{
    gb_free(buf->allocator, buf->base);
    gb_buf_init(buf, buf->allocator, buf->limit);
}

gb_err gb_buf_reserve(gb_buf *buf, size_t extra)
{
    if (buf->err != GB_OK) {
        return buf->err;
    }
    GB_ASSERT(buf->len <= buf->capacity && buf->capacity <= buf->limit);
    if (extra > buf->limit - buf->len) {
        buf->err = GB_ETOOBIG;
        return buf->err;
    }
    size_t needed = buf->len + extra;
    if (needed <= buf->capacity) {
        return GB_OK;
    }
    size_t capacity = buf->capacity < BUF_CAPACITY_MIN ? BUF_CAPACITY_MIN : buf->capacity;
    while (capacity < needed && capacity <= buf->limit / 2) {
        capacity *= 2;
    }
    if (capacity < needed || capacity > buf->limit) {
        capacity = buf->limit;
    }
    uint8_t *base = gb_realloc_array(buf->allocator, buf->base, capacity, 1);
    if (base == NULL) {
        buf->err = GB_ENOMEM;
        return buf->err;
    }
    buf->base = base;
    buf->capacity = capacity;
    return GB_OK;
}

uint8_t *gb_buf_extend(gb_buf *buf, size_t count)
{
    /* One byte at least, so that a count of 0 does not look like a failure. */
    if (gb_buf_reserve(buf, count) != GB_OK ||
        (buf->base == NULL && gb_buf_reserve(buf, 1) != GB_OK)) {
        return NULL;
    }
    uint8_t *at = buf->base + buf->len;
    buf->len += count;
    return at;
}

void gb_buf_append(gb_buf *buf, const void *bytes, size_t len)
{
    if (len == 0) {
        return;
    }
    uint8_t *at = gb_buf_extend(buf, len);
    if (at != NULL) {
        memcpy(at, bytes, len);
    }
}

void gb_buf_append_slice(gb_buf *buf, gb_slice slice)
{
    gb_buf_append(buf, slice.base, slice.len);
}

void gb_buf_append_u8(gb_buf *buf, uint8_t value)
{
    gb_buf_append(buf, &value, 1);
}

void gb_buf_append_be16(gb_buf *buf, uint16_t value)
{
    uint8_t *at = gb_buf_extend(buf, 2);
    if (at != NULL) {
        gb_store_be16(at, value);
    }
}

void gb_buf_append_be32(gb_buf *buf, uint32_t value)
{
    uint8_t *at = gb_buf_extend(buf, 4);
    if (at != NULL) {
        gb_store_be32(at, value);
    }
}

void gb_buf_append_be64(gb_buf *buf, uint64_t value)
{
    uint8_t *at = gb_buf_extend(buf, 8);
    if (at != NULL) {
        gb_store_be64(at, value);
    }
}

void gb_buf_append_varint(gb_buf *buf, uint64_t value)
{
    uint8_t *at = gb_buf_extend(buf, gb_varint_size(value));
    if (at != NULL) {
        (void)gb_varint_encode(at, value);
    }
}

void gb_buf_truncate(gb_buf *buf, size_t len)
{
    GB_ASSERT(len <= buf->len);
    buf->len = len;
}

void gb_buf_consume(gb_buf *buf, size_t count)
{
    GB_ASSERT(count <= buf->len);
    buf->len -= count;
    if (buf->len > 0 && count > 0) {
        memmove(buf->base, buf->base + count, buf->len);
    }
}

void gb_buf_clear(gb_buf *buf)
{
    buf->len = 0;
    buf->err = GB_OK;
}
