/* SPDX-License-Identifier: Apache-2.0 */
/* Big-endian numbers, and cursors for reading and writing messages. */
#ifndef GB_PLATFORM_BYTES_H
#define GB_PLATFORM_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "goferbroke/err.h"
#include "goferbroke/types.h"
#include "platform/varint.h"

/* --- Big-endian loads and stores at any alignment --- */

static inline uint16_t gb_load_be16(const uint8_t *at)
{
    return (uint16_t)((at[0] << 8) | at[1]);
}

static inline uint32_t gb_load_be32(const uint8_t *at)
{
    return ((uint32_t)at[0] << 24) | ((uint32_t)at[1] << 16) | ((uint32_t)at[2] << 8) | at[3];
}

static inline uint64_t gb_load_be64(const uint8_t *at)
{
    return ((uint64_t)gb_load_be32(at) << 32) | gb_load_be32(at + 4);
}

static inline void gb_store_be16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void gb_store_be32(uint8_t *at, uint32_t value)
{
    gb_store_be16(at, (uint16_t)(value >> 16));
    gb_store_be16(at + 2, (uint16_t)value);
}

static inline void gb_store_be64(uint8_t *at, uint64_t value)
{
    gb_store_be32(at, (uint32_t)(value >> 32));
    gb_store_be32(at + 4, (uint32_t)value);
}

/* --- Reading --- */

/* A cursor over the bytes of one whole message. Read field after field, look at the error once:
 * after the first failure every read gives 0 or the empty slice, and nothing remains. Borrows the
 * bytes; slices that it returns lie in them. */
typedef struct gb_reader {
    gb_slice bytes;
    size_t at;  /* Offset of the next byte. */
    gb_err err; /* GB_OK, or the first failure. */
} gb_reader;

static inline void gb_reader_init(gb_reader *reader, gb_slice bytes)
{
    reader->bytes = bytes;
    reader->at = 0;
    reader->err = GB_OK;
}

/* Fail with `err` unless it failed before: for what the caller finds wrong with a field. */
static inline void gb_reader_fail(gb_reader *reader, gb_err err)
{
    if (reader->err == GB_OK) {
        reader->err = err;
    }
    reader->at = reader->bytes.len;
}

static inline size_t gb_reader_remaining(const gb_reader *reader)
{
    return reader->bytes.len - reader->at;
}

/* The next `count` bytes in place; NULL, and GB_EMALFORMED, if there are fewer. NULL also for
 * count 0 of an empty message. */
static inline const uint8_t *gb_reader_take(gb_reader *reader, size_t count)
{
    if (count > gb_reader_remaining(reader)) {
        gb_reader_fail(reader, GB_EMALFORMED);
        return NULL;
    }
    if (count == 0) {
        return reader->bytes.base;
    }
    const uint8_t *at = reader->bytes.base + reader->at;
    reader->at += count;
    return at;
}

static inline uint8_t gb_reader_u8(gb_reader *reader)
{
    const uint8_t *at = gb_reader_take(reader, 1);
    return at == NULL ? 0 : at[0];
}

static inline uint16_t gb_reader_be16(gb_reader *reader)
{
    const uint8_t *at = gb_reader_take(reader, 2);
    return at == NULL ? 0 : gb_load_be16(at);
}

static inline uint32_t gb_reader_be32(gb_reader *reader)
{
    const uint8_t *at = gb_reader_take(reader, 4);
    return at == NULL ? 0 : gb_load_be32(at);
}

static inline uint64_t gb_reader_be64(gb_reader *reader)
{
    const uint8_t *at = gb_reader_take(reader, 8);
    return at == NULL ? 0 : gb_load_be64(at);
}

/* A varint; GB_EMALFORMED also where it is cut off. */
static inline uint64_t gb_reader_varint(gb_reader *reader)
{
    uint64_t value = 0;
    size_t size = 0;
    size_t remaining = gb_reader_remaining(reader);
    if (remaining == 0) {
        gb_reader_fail(reader, GB_EMALFORMED);
        return 0;
    }
    gb_slice rest = gb_slice_make(reader->bytes.base + reader->at, remaining);
    if (gb_varint_decode(rest, &value, &size) != GB_OK) {
        gb_reader_fail(reader, GB_EMALFORMED);
        return 0;
    }
    reader->at += size;
    return value;
}

/* A varint of at most `max`; GB_ETOOBIG over it. */
static inline uint64_t gb_reader_varint_max(gb_reader *reader, uint64_t max)
{
    uint64_t value = gb_reader_varint(reader);
    if (value > max) {
        gb_reader_fail(reader, GB_ETOOBIG);
        return 0;
    }
    return value;
}

/* Exactly `count` bytes. */
static inline gb_slice gb_reader_bytes(gb_reader *reader, size_t count)
{
    const uint8_t *at = gb_reader_take(reader, count);
    return at == NULL ? gb_slice_make(NULL, 0) : gb_slice_make(at, count);
}

/* A varint length of at most `max`, GB_ETOOBIG over it, and as many bytes. */
static inline gb_slice gb_reader_slice(gb_reader *reader, size_t max)
{
    return gb_reader_bytes(reader, (size_t)gb_reader_varint_max(reader, max));
}

/* How reading went: GB_OK if nothing failed and no byte is left over; bytes left over are
 * GB_EMALFORMED. */
static inline gb_err gb_reader_finish(gb_reader *reader)
{
    if (gb_reader_remaining(reader) != 0) {
        gb_reader_fail(reader, GB_EMALFORMED);
    }
    return reader->err;
}

/* --- Writing --- */

/* A cursor over the caller's memory. A field that does not fit is not written at all and makes
 * the writer overflow; after that every write does nothing. Mark before an entry and rewind after
 * an overflow, and the message ends with the entry before. */
typedef struct gb_writer {
    uint8_t *base;
    size_t capacity;
    size_t len;
    bool is_overflowed;
} gb_writer;

/* Borrows `base` for the life of the writer; NULL if `capacity` is 0. */
static inline void gb_writer_init(gb_writer *writer, uint8_t *base, size_t capacity)
{
    writer->base = base;
    writer->capacity = capacity;
    writer->len = 0;
    writer->is_overflowed = false;
}

static inline size_t gb_writer_remaining(const gb_writer *writer)
{
    return writer->is_overflowed ? 0 : writer->capacity - writer->len;
}

/* Advance by `count` > 0 bytes and return where they begin, to be filled now or later; NULL on
 * overflow. */
static inline uint8_t *gb_writer_reserve(gb_writer *writer, size_t count)
{
    if (writer->is_overflowed || count > writer->capacity - writer->len) {
        writer->is_overflowed = true;
        return NULL;
    }
    uint8_t *at = writer->base + writer->len;
    writer->len += count;
    return at;
}

static inline void gb_writer_u8(gb_writer *writer, uint8_t value)
{
    uint8_t *at = gb_writer_reserve(writer, 1);
    if (at != NULL) {
        at[0] = value;
    }
}

static inline void gb_writer_be16(gb_writer *writer, uint16_t value)
{
    uint8_t *at = gb_writer_reserve(writer, 2);
    if (at != NULL) {
        gb_store_be16(at, value);
    }
}

static inline void gb_writer_be32(gb_writer *writer, uint32_t value)
{
    uint8_t *at = gb_writer_reserve(writer, 4);
    if (at != NULL) {
        gb_store_be32(at, value);
    }
}

static inline void gb_writer_be64(gb_writer *writer, uint64_t value)
{
    uint8_t *at = gb_writer_reserve(writer, 8);
    if (at != NULL) {
        gb_store_be64(at, value);
    }
}

static inline void gb_writer_varint(gb_writer *writer, uint64_t value)
{
    uint8_t *at = gb_writer_reserve(writer, gb_varint_size(value));
    if (at != NULL) {
        (void)gb_varint_encode(at, value);
    }
}

/* The bytes of `bytes`, without a length. */
static inline void gb_writer_bytes(gb_writer *writer, gb_slice bytes)
{
    if (bytes.len == 0) {
        return;
    }
    uint8_t *at = gb_writer_reserve(writer, bytes.len);
    if (at != NULL) {
        memcpy(at, bytes.base, bytes.len);
    }
}

/* A varint length and the bytes; both or neither. */
static inline void gb_writer_slice(gb_writer *writer, gb_slice bytes)
{
    size_t head = gb_varint_size(bytes.len);
    size_t room = gb_writer_remaining(writer);
    if (head > room || bytes.len > room - head) {
        writer->is_overflowed = true;
        return;
    }
    gb_writer_varint(writer, bytes.len);
    gb_writer_bytes(writer, bytes);
}

/* Bytes that gb_writer_slice takes for `len` bytes. */
static inline size_t gb_writer_slice_size(size_t len)
{
    return gb_varint_size(len) + len;
}

/* A place to return to. Taken before an overflow, not after: what did not fit is not there. */
static inline size_t gb_writer_mark(const gb_writer *writer)
{
    return writer->len;
}

/* Back to `mark`, the overflow forgotten. */
static inline void gb_writer_rewind(gb_writer *writer, size_t mark)
{
    writer->len = mark;
    writer->is_overflowed = false;
}

/* What has been written. */
static inline gb_slice gb_writer_slice_of(const gb_writer *writer)
{
    return gb_slice_make(writer->base, writer->len);
}

#endif
