/* SPDX-License-Identifier: Apache-2.0 */
/* record.c: allocation and reference counts of deltas in memory. */
#include "state/record.h"
#include "state/lane.h"

#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/limits.h"

#include <string.h>

/* DESIGN: at most 96 bytes a delta beside its own. Here: the header, an allocator's word and its
 * rounding to 16 (8 on average), and a slot in a table that has just doubled (3/8 full). */
#define RECORD_HEADER_SIZE offsetof(gb_record, bytes)
_Static_assert(RECORD_HEADER_SIZE + 8 + 8 + 22 <= 96, "the overhead of a delta");
_Static_assert(sizeof(gb_record) <= 56, "the header of a record");
_Static_assert(GB_GROUP_SIZE_MAX <= UINT8_MAX && GB_KEY_SIZE_MAX <= UINT16_MAX &&
                   GB_VALUE_SIZE_MAX <= UINT32_MAX,
               "sizes fit their fields");

static size_t record_bytes_end(const gb_record *record)
{
    return RECORD_HEADER_SIZE + record->group_size + (size_t)record->key_size + record->value_size;
}

static size_t round_up(size_t size)
{
    return (size + _Alignof(max_align_t) / 2 - 1) & ~(_Alignof(max_align_t) / 2 - 1);
}

gb_err gb_record_open_with(const gb_allocator *allocator, const gb_delta *delta,
                           size_t trailer_size, gb_record **out)
{
    GB_ASSERT(delta->group.len <= GB_GROUP_SIZE_MAX && delta->key.len <= GB_KEY_SIZE_MAX);
    GB_ASSERT(delta->value.len <= GB_VALUE_SIZE_MAX && delta->ttl_ms <= UINT32_MAX);
    size_t size = RECORD_HEADER_SIZE + delta->group.len + delta->key.len + delta->value.len;
    if (trailer_size > 0) {
        size = round_up(size) + trailer_size;
    }
    gb_record *record = gb_alloc(allocator, size < sizeof *record ? sizeof *record : size);
    if (record == NULL) {
        return GB_ENOMEM;
    }
    record->newer = NULL;
    record->older = NULL;
    record->version = delta->version;
    record->expires_us = UINT64_MAX;
    record->ttl_ms = (uint32_t)delta->ttl_ms;
    record->hash = 0;
    atomic_init(&record->refs, 1);
    record->value_size = (uint32_t)delta->value.len;
    record->key_size = (uint16_t)delta->key.len;
    record->group_size = (uint8_t)delta->group.len;
    record->type = delta->type;
    uint8_t *at = record->bytes;
    const gb_slice parts[] = {delta->group, delta->key, delta->value};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].len > 0) {
            memcpy(at, parts[i].base, parts[i].len);
            at += parts[i].len;
        }
    }
    *out = record;
    return GB_OK;
}

gb_err gb_record_open(const gb_allocator *allocator, const gb_delta *delta, gb_record **out)
{
    return gb_record_open_with(allocator, delta, 0, out);
}

void *gb_record_trailer(gb_record *record)
{
    return (uint8_t *)record + round_up(record_bytes_end(record));
}

uint64_t gb_record_size(const gb_record *record)
{
    return record_bytes_end(record);
}

gb_record *gb_record_ref(gb_record *record)
{
    uint32_t before = atomic_fetch_add_explicit(&record->refs, 1, memory_order_relaxed);
    GB_ASSERT(before > 0 && before < UINT32_MAX);
    return record;
}

void gb_record_release(const gb_allocator *allocator, gb_record *record)
{
    if (record == NULL) {
        return;
    }
    /* Release: what this thread read of it came before; acquire: before the memory is reused. */
    uint32_t before = atomic_fetch_sub_explicit(&record->refs, 1, memory_order_acq_rel);
    GB_ASSERT(before > 0);
    if (before == 1) {
        gb_free(allocator, record);
    }
}
