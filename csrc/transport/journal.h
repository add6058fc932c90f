/* SPDX-License-Identifier: Apache-2.0 */
/* journal.h: the format of the file `journal`: own user deltas, appended as they are set.
 *
 *   file:  "GBDJ", u32 format version 1, u32 CRC-32C of these 8 bytes; then entries
 *   entry: u32 body size, u32 CRC-32C of the 4 bytes before, u32 CRC-32C of the body; then the body
 *   body:  u8 kind (1 set, 2 delete), u8 value type, u64 expiry (milliseconds since 1970, 0:
 * never), u32 TTL as set in milliseconds, u8 group size, u16 key size, u32 value size, the bytes
 *
 * Numbers are big-endian. An entry that was being written when the power went is the last one, and
 * incomplete or zero: it is cut off. Anything else that does not check is damage, and refused. */
#ifndef GB_TRANSPORT_JOURNAL_H
#define GB_TRANSPORT_JOURNAL_H

#include "platform/buf.h"
#include "state/record.h"

#include <stdio.h>

/* One delta that the journal holds. */
typedef struct gb_journal_delta {
    gb_record *record;
    uint64_t expires_ms; /* since 1970; 0: never */
} gb_journal_delta;

typedef struct gb_journal_content {
    gb_journal_delta *deltas; /* in the order of their last change; expired ones are left out */
    size_t count;
    uint64_t size;      /* of the file up to the last whole entry */
    uint64_t live_size; /* of the entries of `deltas` */
    uint64_t torn_size; /* bytes after `size` that are to be cut off */
} gb_journal_content;

/* Bytes that a delta's entry takes. */
size_t gb_journal_entry_size(const gb_record *record);
void gb_journal_append_header(gb_buf *out);
void gb_journal_append_set(gb_buf *out, const gb_record *record, uint64_t expires_ms);
void gb_journal_append_delete(gb_buf *out, gb_slice group, gb_slice key);

/* Read all of `file`, from its beginning. `now_ms`: since 1970. `content` is to be given to
 * gb_journal_content_deinit also on failure.
 * Errors: GB_ESTORE with "journal: damaged at byte N" or so, GB_EIO, GB_ENOMEM. */
gb_err gb_journal_load(const gb_allocator *allocator, FILE *file, uint64_t now_ms,
                       gb_journal_content *content, gb_err_info *info);
void gb_journal_content_deinit(const gb_allocator *allocator, gb_journal_content *content);

#endif
