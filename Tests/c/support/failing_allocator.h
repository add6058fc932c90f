/* SPDX-License-Identifier: Apache-2.0 */
/* An allocator that counts, fails when told to, and moves every block that grows. */
#ifndef GB_TEST_FAILING_ALLOCATOR_H
#define GB_TEST_FAILING_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "goferbroke/alloc.h"

#define GB_NEVER_FAIL UINT64_MAX

/* Not thread-safe. A block that is given back twice, or was not from here, aborts with a
 * sentence; given back memory is overwritten, so that late use shows without sanitizers too. */
typedef struct gb_failing_allocator {
    gb_allocator allocator; /* Pass its address. */
    uint64_t count;         /* Allocations and reallocations asked for so far. */
    uint64_t fail_at;       /* The one (from 0) that fails, GB_NEVER_FAIL. */
    bool fails_onwards;     /* Fail all that follow it too. */
    uint64_t failed_count;  /* How many have failed. */
    uint64_t blocks;        /* Outstanding. */
    uint64_t bytes;         /* Outstanding. */
    uint64_t bytes_peak;
} gb_failing_allocator;

/* Counts from 0; the allocation number `fail_at` will fail. Must not be moved. */
void gb_failing_allocator_init(gb_failing_allocator *failing, uint64_t fail_at);

/* Let the `after`-th allocation from now on fail (0: the next), and all later ones. */
void gb_failing_allocator_exhaust(gb_failing_allocator *failing, uint64_t after);

/* No more failures. */
void gb_failing_allocator_relax(gb_failing_allocator *failing);

#endif
