/* SPDX-License-Identifier: Apache-2.0 */
/* members.h: an immutable picture of the members, for readers of all threads. */
#ifndef GB_TRANSPORT_MEMBERS_H
#define GB_TRANSPORT_MEMBERS_H

#include <goferbroke/engine.h>

#include <stdatomic.h>

/* One allocation: members, then their names and hosts. */
typedef struct gb_members {
    _Atomic uint32_t refs;
    uint32_t count;
    gb_member members[];
} gb_members;

/* Take a picture. Owner thread of the engine. Errors: GB_ENOMEM. */
gb_err gb_members_open(const gb_allocator *allocator, const gb_engine *engine, gb_members **out);
/* Any thread that holds a reference, or is in a read section of who publishes it. */
gb_members *gb_members_ref(gb_members *members);
/* Any thread; NULL is allowed. The last one frees. Fits gb_epoch_retire. */
void gb_members_release(const gb_allocator *allocator, void *members);

#endif
