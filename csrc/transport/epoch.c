/* SPDX-License-Identifier: Apache-2.0 */
/* epoch.c: read sections and postponed release. */
#include "transport/epoch.h"

#include "platform/alloc.h"
#include "platform/assert.h"

#include <sched.h>
#include <string.h>

typedef struct gb_epoch_item {
    gb_epoch_release_fn release;
    void *object;
} gb_epoch_item;

struct gb_epoch_bin {
    gb_epoch_bin *next;
    size_t count;
    gb_epoch_item items[GB_EPOCH_BIN_SIZE];
};

/* Which stripe a thread counts in: threads are numbered as they come. */
static atomic_uint thread_count;
static _Thread_local unsigned thread_no;

static gb_epoch_stripe *epoch_stripe(gb_epoch *epoch)
{
    if (thread_no == 0) {
        thread_no = atomic_fetch_add_explicit(&thread_count, 1, memory_order_relaxed) + 1;
        if (thread_no == 0) {
            thread_no = 1; /* after 2^32 threads */
        }
    }
    return &epoch->stripes[thread_no % GB_EPOCH_STRIPES];
}

void gb_epoch_init(gb_epoch *epoch, const gb_allocator *allocator)
{
    memset(epoch, 0, sizeof *epoch);
    epoch->allocator = allocator;
    atomic_init(&epoch->number, 1);
    for (size_t i = 0; i < GB_EPOCH_STRIPES; i++) {
        atomic_init(&epoch->stripes[i].readers[0], 0);
        atomic_init(&epoch->stripes[i].readers[1], 0);
    }
}

_Atomic uint32_t *gb_epoch_enter(gb_epoch *epoch)
{
    gb_epoch_stripe *stripe = epoch_stripe(epoch);
    uint64_t number = atomic_load(&epoch->number);
    for (;;) {
        _Atomic uint32_t *section = &stripe->readers[number & 1];
        atomic_fetch_add(section, 1);
        uint64_t again = atomic_load(&epoch->number);
        if (again == number) {
            return section;
        }
        /* The owner has gone on meanwhile: this count may have come too late for it. */
        atomic_fetch_sub(section, 1);
        number = again;
    }
}

void gb_epoch_exit(_Atomic uint32_t *section)
{
    uint32_t before = atomic_fetch_sub_explicit(section, 1, memory_order_acq_rel);
    GB_ASSERT(before > 0);
}

static bool epoch_has_readers(gb_epoch *epoch, uint64_t number)
{
    for (size_t i = 0; i < GB_EPOCH_STRIPES; i++) {
        if (atomic_load(&epoch->stripes[i].readers[number & 1]) != 0) {
            return true;
        }
    }
    return false;
}

/* Open the next epoch, if the one before the present has no readers left. */
static bool epoch_advance(gb_epoch *epoch)
{
    uint64_t number = atomic_load_explicit(&epoch->number, memory_order_relaxed);
    if (epoch_has_readers(epoch, number - 1)) {
        return false;
    }
    gb_epoch_bin **tail = &epoch->ready;
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    *tail = epoch->previous;
    epoch->previous = epoch->present;
    epoch->present = NULL;
    atomic_store(&epoch->number, number + 1);
    return true;
}

/* false: the budget is used up. */
static bool epoch_release_ready(gb_epoch *epoch, size_t *budget)
{
    while (epoch->ready != NULL) {
        gb_epoch_bin *bin = epoch->ready;
        while (bin->count > 0) {
            if (*budget == 0) {
                return false;
            }
            (*budget)--;
            bin->count--;
            bin->items[bin->count].release(epoch->allocator, bin->items[bin->count].object);
        }
        epoch->ready = bin->next;
        gb_free(epoch->allocator, bin);
    }
    return true;
}

bool gb_epoch_collect(gb_epoch *epoch, size_t count_max)
{
    size_t budget = count_max;
    for (int step = 0; step < 3; step++) {
        if (!epoch_release_ready(epoch, &budget)) {
            return false;
        }
        if (epoch->present == NULL && epoch->previous == NULL) {
            return true;
        }
        if (!epoch_advance(epoch)) {
            return false;
        }
    }
    return epoch->present == NULL && epoch->previous == NULL && epoch->ready == NULL;
}

void gb_epoch_retire(gb_epoch *epoch, gb_epoch_release_fn release, void *object)
{
    gb_epoch_bin *bin = epoch->present;
    if (bin == NULL || bin->count == GB_EPOCH_BIN_SIZE) {
        bin = gb_alloc(epoch->allocator, sizeof *bin);
        if (bin == NULL) {
            /* Not enough memory to remember 2 KiB: the one place where the owner waits. */
            uint64_t target = atomic_load(&epoch->number) + 2;
            while (atomic_load(&epoch->number) < target) {
                if (!epoch_advance(epoch)) {
                    (void)sched_yield();
                }
            }
            release(epoch->allocator, object);
            return;
        }
        bin->next = epoch->present;
        bin->count = 0;
        epoch->present = bin;
    }
    bin->items[bin->count] = (gb_epoch_item){release, object};
    bin->count++;
}

void gb_epoch_settle(gb_epoch *epoch)
{
    /* Reading the counters is what orders us behind the exits. */
    bool is_any = epoch_has_readers(epoch, 0) || epoch_has_readers(epoch, 1);
    GB_ASSERT(!is_any);
}

void gb_epoch_deinit(gb_epoch *epoch)
{
    while (!gb_epoch_collect(epoch, SIZE_MAX)) {
        GB_ASSERT(!epoch_has_readers(epoch, 0) && !epoch_has_readers(epoch, 1));
    }
}
