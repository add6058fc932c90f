/* SPDX-License-Identifier: Apache-2.0 */
/* out.c: the growable buffer that frames are appended to. */
#include "codec/out.h"

#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/limits.h"

/* Most control frames fit the first block. */
#define OUT_CAPACITY_MIN ((size_t)256)

void gb_out_init(gb_out *out, const gb_allocator *allocator)
{
    GB_ASSERT(out != NULL);
    *out = (gb_out){.allocator = allocator == NULL ? gb_allocator_default() : allocator};
}

void gb_out_deinit(gb_out *out)
{
    GB_ASSERT(out != NULL);
    gb_free(out->allocator, out->base);
    *out = (gb_out){.allocator = out->allocator};
}

void gb_out_clear(gb_out *out)
{
    out->len = 0;
}

gb_err gb_out_reserve(gb_out *out, size_t extra)
{
    GB_ASSERT(out->len <= out->capacity);
    if (extra <= out->capacity - out->len) {
        return GB_OK;
    }
    if (extra > SIZE_MAX / 2 - out->len) {
        return GB_ENOMEM;
    }
    size_t capacity = out->len + extra;
    if (capacity < OUT_CAPACITY_MIN) {
        capacity = OUT_CAPACITY_MIN;
    }
    /* Doubling, so that appending n bytes copies at most 2n. */
    if (out->capacity <= SIZE_MAX / 4 && capacity < 2 * out->capacity) {
        capacity = 2 * out->capacity;
    }
    uint8_t *base = gb_realloc_array(out->allocator, out->base, capacity, 1);
    if (base == NULL) {
        return GB_ENOMEM;
    }
    out->base = base;
    out->capacity = capacity;
    return GB_OK;
}

gb_err gb_out_frame_open(gb_out *out, size_t payload_size, gb_writer *writer)
{
    if (payload_size > GB_FRAME_PAYLOAD_MAX) {
        return GB_ETOOBIG;
    }
    gb_err err = gb_out_reserve(out, GB_FRAME_HEADER_SIZE + payload_size);
    if (err != GB_OK) {
        return err;
    }
    gb_writer_init(writer, out->base + out->len + GB_FRAME_HEADER_SIZE, payload_size);
    return GB_OK;
}

void gb_out_frame_close(gb_out *out, const gb_writer *writer, size_t payload_size, uint8_t type,
                        uint32_t request_id)
{
    /* The size function of a message and its writing are a pair; disagreement is our bug. */
    GB_ASSERT(!writer->is_overflowed && writer->len == payload_size);
    GB_ASSERT(writer->base == out->base + out->len + GB_FRAME_HEADER_SIZE);

    size_t start = out->len;
    out->len += GB_FRAME_HEADER_SIZE + payload_size;
    gb_err err = gb_out_frame_finish(out, start, type, request_id);
    GB_ASSERT(err == GB_OK);
}

gb_err gb_out_frame_finish(gb_out *out, size_t start, uint8_t type, uint32_t request_id)
{
    GB_ASSERT(out->len >= start && out->len - start >= GB_FRAME_HEADER_SIZE);
    uint8_t *header = out->base + start;
    gb_slice payload =
        gb_slice_make(header + GB_FRAME_HEADER_SIZE, out->len - start - GB_FRAME_HEADER_SIZE);
    return gb_frame_header_encode(type, 0, request_id, payload, header);
}
