/* SPDX-License-Identifier: Apache-2.0 */
/* epoch.h: when may memory be freed that readers of other threads could still see?
 *
 * Two epochs are told apart. A reader counts itself in the epoch that it finds; the owner thread
 * opens the next epoch once nobody is left in the one before the present. What was retired in an
 * epoch is freed when that epoch has no readers any more. Readers never block; the owner never
 * waits, it looks again in a later turn. Counters are striped so that readers on several cores do
 * not share a cache line.
 *
 * Why it is right: a reader counts itself (sequentially consistent), then looks at the epoch again.
 * If it still is e, the count came before the owner's step to e + 1 in the one total order, so the
 * owner, which reads the counters after that step, sees it. A reader counted in e + 1 or later has
 * read that number after the owner stored it, hence after everything retired in e was unpublished.
 */
#ifndef GB_TRANSPORT_EPOCH_H
#define GB_TRANSPORT_EPOCH_H

#include <goferbroke/alloc.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GB_EPOCH_STRIPES 16
#define GB_EPOCH_BIN_SIZE 126

typedef void (*gb_epoch_release_fn)(const gb_allocator *allocator, void *object);

typedef struct gb_epoch_bin gb_epoch_bin;

typedef struct gb_epoch_stripe {
    _Atomic uint32_t readers[2]; /* of even and odd epochs */
    uint8_t apart[56];           /* a cache line each */
} gb_epoch_stripe;

typedef struct gb_epoch {
    const gb_allocator *allocator;
    _Atomic uint64_t number;
    gb_epoch_bin *present;  /* retired in this epoch */
    gb_epoch_bin *previous; /* retired in the one before; its readers may be left */
    gb_epoch_bin *ready;    /* nobody can see these */
    gb_epoch_stripe stripes[GB_EPOCH_STRIPES];
} gb_epoch;

/* Borrows `allocator` until deinit. */
void gb_epoch_init(gb_epoch *epoch, const gb_allocator *allocator);
/* Owner thread, when no reader is inside and none will come: what the last ones did is over from
 * here on, so that what they saw may be taken apart without `reclaim`. */
void gb_epoch_settle(gb_epoch *epoch);
/* Releases all that is left. No reader may be inside. */
void gb_epoch_deinit(gb_epoch *epoch);

/* Any thread: begin a read section; may be nested. Returns what gb_epoch_exit wants. */
_Atomic uint32_t *gb_epoch_enter(gb_epoch *epoch);
void gb_epoch_exit(_Atomic uint32_t *section);

/* Owner thread: call `release(allocator, object)` once no reader can see `object`, which was
 * unpublished before. Without memory to note it, and only then, waits for the readers. */
void gb_epoch_retire(gb_epoch *epoch, gb_epoch_release_fn release, void *object);
/* Owner thread: release what can be, at most `count_max` objects. true: nothing is left. */
bool gb_epoch_collect(gb_epoch *epoch, size_t count_max);

#endif
