/* SPDX-License-Identifier: Apache-2.0 */
/* fields.h: fields that several payloads share. Whatever a peer gets wrong is GB_EMALFORMED. */
#ifndef GB_CODEC_FIELDS_H
#define GB_CODEC_FIELDS_H

#include "goferbroke/message.h"
#include "platform/assert.h"
#include "platform/bytes.h"
#include "platform/limits.h"
#include "platform/utf8.h"

/* Entries of INDEX, PRUNE, GRAFT and digests: each participant once is enough. */
#define GB_LIST_COUNT_MAX GB_PARTICIPANTS_MAX
/* Entries of I-HAVE, PULL and PULL-CANCEL: each lane of each participant once. */
#define GB_LANE_LIST_COUNT_MAX ((uint32_t)GB_PARTICIPANTS_MAX * GB_LANE_COUNT)

/* A varint of at most `max`. */
static inline uint64_t gb_read_varint(gb_reader *reader, uint64_t max)
{
    uint64_t value = gb_reader_varint(reader);
    if (value > max) {
        gb_reader_fail(reader, GB_EMALFORMED);
        return 0;
    }
    return value;
}

/* A varint of at least 1. */
static inline uint64_t gb_read_positive(gb_reader *reader)
{
    uint64_t value = gb_reader_varint(reader);
    if (value == 0) {
        gb_reader_fail(reader, GB_EMALFORMED);
    }
    return value;
}

/* A byte of at most `max`. */
static inline uint8_t gb_read_u8(gb_reader *reader, uint8_t max)
{
    uint8_t value = gb_reader_u8(reader);
    if (value > max) {
        gb_reader_fail(reader, GB_EMALFORMED);
        return 0;
    }
    return value;
}

/* A byte string. Its length is compared with what is left before it is compared with `max`, so
 * `err` (what a longer one is called) always speaks of bytes that are there. */
static inline gb_slice gb_read_bytes(gb_reader *reader, size_t max, gb_err err)
{
    uint64_t len = gb_reader_varint(reader);
    if (len > gb_reader_remaining(reader)) {
        gb_reader_fail(reader, GB_EMALFORMED);
    } else if (len > max) {
        gb_reader_fail(reader, err);
    }
    return reader->err == GB_OK ? gb_reader_bytes(reader, (size_t)len) : gb_slice_make(NULL, 0);
}

/* A node, cluster or host name. */
static inline gb_slice gb_read_name(gb_reader *reader)
{
    gb_slice name = gb_read_bytes(reader, GB_NAME_SIZE_MAX, GB_EMALFORMED);
    if (reader->err == GB_OK && gb_name_validate(name) != GB_OK) {
        gb_reader_fail(reader, GB_EMALFORMED);
    }
    return name;
}

static inline uint32_t gb_read_index(gb_reader *reader)
{
    return (uint32_t)gb_read_varint(reader, GB_PARTICIPANTS_MAX - 1);
}

/* The count of a list. Each entry takes a byte at least, so a count over the bytes left is a lie
 * that is found before anybody loops over it. */
static inline uint32_t gb_read_count(gb_reader *reader, uint32_t max)
{
    uint64_t count = gb_read_varint(reader, max);
    if (count > gb_reader_remaining(reader)) {
        gb_reader_fail(reader, GB_EMALFORMED);
        return 0;
    }
    return (uint32_t)count;
}

/* All bytes that are left. */
static inline gb_slice gb_read_rest(gb_reader *reader)
{
    return gb_reader_bytes(reader, gb_reader_remaining(reader));
}

/* Walking a list that was validated: a reader over its bytes, then the step to the next entry. */
static inline void gb_cursor_read(const gb_list_cursor *cursor, gb_reader *reader)
{
    gb_reader_init(reader, cursor->rest);
}

static inline void gb_cursor_advance(gb_list_cursor *cursor, const gb_reader *reader)
{
    GB_ASSERT(reader->err == GB_OK);
    cursor->left--;
    cursor->rest = gb_slice_make(reader->bytes.base + reader->at, gb_reader_remaining(reader));
}

/* Lists of addresses, in HELLO and in the node record: varint count, then scope, host and port. */
bool gb_addresses_are_valid(const gb_address *addresses, uint8_t count);
size_t gb_addresses_size(const gb_address *addresses, uint8_t count);
void gb_addresses_write(gb_writer *writer, const gb_address *addresses, uint8_t count);
/* `addresses` has room for GB_HELLO_ADDRESSES_MAX. Slices lie in the reader's bytes. */
void gb_addresses_read(gb_reader *reader, gb_address *addresses, uint8_t *count);

/* The observed address of WELCOME: one address with laxer rules; all zero where it is not stated.
 */
bool gb_observed_is_valid(const gb_address *address);
size_t gb_address_size(const gb_address *address);
void gb_address_write(gb_writer *writer, const gb_address *address);
void gb_observed_read(gb_reader *reader, gb_address *address);

/* Load, in heartbeats and digests. */
bool gb_load_is_valid(const gb_load *load);
size_t gb_load_size(const gb_load *load);
void gb_load_write(gb_writer *writer, const gb_load *load);
void gb_load_read(gb_reader *reader, gb_load *load);

/* Entries of digests and of GRAFT; `previous` is the index of the entry before, 0 for the first. */
bool gb_digest_entry_is_valid(const gb_digest_entry *entry);
size_t gb_digest_entry_size(const gb_digest_entry *entry, uint32_t previous);
void gb_digest_entry_write(gb_writer *writer, const gb_digest_entry *entry, uint32_t previous);
void gb_digest_entry_read(gb_reader *reader, uint64_t previous, gb_digest_entry *entry);
/* Read `count` entries, which must be all that the reader has left. Errors: GB_EMALFORMED. */
gb_err gb_digest_entries_check(gb_reader *reader, uint32_t count);

#endif
