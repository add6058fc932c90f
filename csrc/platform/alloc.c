/* SPDX-License-Identifier: Apache-2.0 */
/* The default allocator and calls through any. */
#include "platform/alloc.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "platform/assert.h"

static void *allocator_malloc(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void *allocator_realloc(void *user, void *memory, size_t size)
{
    (void)user;
    return realloc(memory, size);
}

static void allocator_free(void *user, void *memory)
{
    (void)user;
    free(memory);
}

const gb_allocator *gb_allocator_default(void)
{
    static const gb_allocator allocator = {NULL, allocator_malloc, allocator_realloc,
                                           allocator_free};
    return &allocator;
}

/* count * size, at least 1; false if it overflows. */
static bool alloc_size(size_t count, size_t size, size_t *out)
{
    if (size != 0 && count > SIZE_MAX / size) {
        return false;
    }
    size_t total = count * size;
    *out = total == 0 ? 1 : total;
    return true;
}

/* The member names may be function-like macros of a C library: (x->malloc)(…) never expands. */

void *gb_alloc(const gb_allocator *allocator, size_t size)
{
    GB_ASSERT(allocator != NULL);
    return (allocator->malloc)(allocator->user, size == 0 ? 1 : size);
}

void *gb_alloc_zeroed(const gb_allocator *allocator, size_t size)
{
    void *memory = gb_alloc(allocator, size);
    if (memory != NULL) {
        memset(memory, 0, size);
    }
    return memory;
}

void *gb_alloc_array(const gb_allocator *allocator, size_t count, size_t size)
{
    size_t total;
    return alloc_size(count, size, &total) ? gb_alloc(allocator, total) : NULL;
}

void *gb_realloc_array(const gb_allocator *allocator, void *memory, size_t count, size_t size)
{
    GB_ASSERT(allocator != NULL);
    size_t total;
    if (!alloc_size(count, size, &total)) {
        return NULL;
    }
    return memory == NULL ? gb_alloc(allocator, total)
                          : (allocator->realloc)(allocator->user, memory, total);
}

void gb_free(const gb_allocator *allocator, void *memory)
{
    if (memory != NULL) {
        (allocator->free)(allocator->user, memory);
    }
}

void *gb_alloc_copy(const gb_allocator *allocator, const void *bytes, size_t len)
{
    if (len == SIZE_MAX) {
        return NULL;
    }
    uint8_t *copy = gb_alloc(allocator, len + 1);
    if (copy == NULL) {
        return NULL;
    }
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    copy[len] = 0;
    return copy;
}
