/* SPDX-License-Identifier: Apache-2.0 */
/* Calls through a gb_allocator, with the multiplication checked. */
#ifndef GB_PLATFORM_ALLOC_H
#define GB_PLATFORM_ALLOC_H

#include <stddef.h>

#include "goferbroke/alloc.h"

/* `size` bytes, undefined content; returns owned, NULL without memory. Size 0 counts as 1. */
void *gb_alloc(const gb_allocator *allocator, size_t size);

/* As gb_alloc, all bytes zero. */
void *gb_alloc_zeroed(const gb_allocator *allocator, size_t size);

/* `count` elements of `size` bytes, undefined content; NULL if the product overflows. */
void *gb_alloc_array(const gb_allocator *allocator, size_t count, size_t size);

/* Resize `memory` (NULL is allowed) to `count` elements of `size` bytes. On NULL the old block is
 * as it was and still owned by the caller. */
void *gb_realloc_array(const gb_allocator *allocator, void *memory, size_t count, size_t size);

/* Takes `memory`; NULL is allowed. */
void gb_free(const gb_allocator *allocator, void *memory);

/* A copy of `len` bytes plus a NUL that is not counted; returns owned, NULL without memory. */
void *gb_alloc_copy(const gb_allocator *allocator, const void *bytes, size_t len);

#endif
