/* SPDX-License-Identifier: Apache-2.0 */
/* record.h: one delta in memory: immutable bytes behind a reference count. */
#ifndef GB_STATE_RECORD_H
#define GB_STATE_RECORD_H

#include <goferbroke/alloc.h>
#include <goferbroke/err.h>
#include <goferbroke/message.h>
#include <goferbroke/types.h>

#include <stdatomic.h>
#include <stdbool.h>

/* One allocation holds the record and its bytes (group, key, value, in this order): values and keys
 * are copied once. What readers of other threads look at never changes after publication; the links
 * are the lane's alone. The overhead beside the bytes is at most 96 bytes a delta, table slot and
 * allocator included; a _Static_assert in record.c holds it to that. */
typedef struct gb_record {
    struct gb_record *newer; /* version order of the lane: towards the tail */
    struct gb_record *older;
    uint64_t version;
    uint64_t expires_us; /* receipt + TTL; UINT64_MAX: never. Owner: when to delete */
    uint32_t ttl_ms;     /* as the owner set it; 0: none */
    uint32_t hash;       /* of group and key */
    _Atomic uint32_t refs;
    uint32_t value_size;
    uint16_t key_size;
    uint8_t group_size;
    uint8_t type; /* gb_value_type or GB_VALUE_TOMBSTONE */
    uint8_t bytes[];
} gb_record;

static inline gb_slice gb_record_group(const gb_record *r)
{
    return (gb_slice){r->bytes, r->group_size};
}
static inline gb_slice gb_record_key(const gb_record *r)
{
    return (gb_slice){r->bytes + r->group_size, r->key_size};
}
static inline gb_slice gb_record_value(const gb_record *r)
{
    return (gb_slice){r->bytes + r->group_size + r->key_size, r->value_size};
}
static inline bool gb_record_is_tombstone(const gb_record *r)
{
    return r->type == GB_VALUE_TOMBSTONE;
}

/* Takes no ownership of what `delta` names: all is copied. The caller holds the one reference. */
gb_err gb_record_open(const gb_allocator *allocator, const gb_delta *delta, gb_record **out);
/* May be called from any thread that holds a reference, or inside a read section (see map.h). */
gb_record *gb_record_ref(gb_record *record);
/* May be called from any thread. The last one frees. NULL is allowed. The allocator of a map whose
 * records leave the loop's thread must be thread-safe. */
void gb_record_release(const gb_allocator *allocator, gb_record *record);

#endif
