/* SPDX-License-Identifier: Apache-2.0 */
/* A binary min-heap of timers: the node lies inside the item and knows its place. */
#ifndef GB_PLATFORM_HEAP_H
#define GB_PLATFORM_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "goferbroke/alloc.h"
#include "goferbroke/err.h"

typedef struct gb_heap_node {
    uint64_t key;      /* The least comes first, e.g. a gb_time_us. */
    uint64_t sequence; /* Equal keys come in the order in which they were set. */
    size_t index;      /* Place in the heap, GB_HEAP_NOWHERE outside. */
} gb_heap_node;

#define GB_HEAP_NOWHERE SIZE_MAX

typedef struct gb_heap {
    const gb_allocator *allocator;
    gb_heap_node **nodes;
    size_t count;
    size_t capacity;
    uint64_t sequence;
} gb_heap;

/* Empty, without memory. Borrows `allocator` until deinit. */
void gb_heap_init(gb_heap *heap, const gb_allocator *allocator);

/* Free the table; nodes that are still in it are marked as being nowhere. */
void gb_heap_deinit(gb_heap *heap);

static inline void gb_heap_node_init(gb_heap_node *node)
{
    node->key = 0;
    node->sequence = 0;
    node->index = GB_HEAP_NOWHERE;
}

static inline bool gb_heap_node_is_linked(const gb_heap_node *node)
{
    return node->index != GB_HEAP_NOWHERE;
}

/* Make room for `count` nodes in all, so that setting up to it cannot fail.
 *
 * Errors: GB_ENOMEM. On error: unchanged. */
gb_err gb_heap_reserve(gb_heap *heap, size_t count);

/* Put `node` at `key`: inserted if it is nowhere, moved otherwise (which cannot fail).
 *
 * Errors: GB_ENOMEM. On error: unchanged. */
gb_err gb_heap_set(gb_heap *heap, gb_heap_node *node, uint64_t key);

/* Take `node` out; one that is nowhere stays as it is. */
void gb_heap_remove(gb_heap *heap, gb_heap_node *node);

/* The node with the least key, NULL of an empty heap. */
gb_heap_node *gb_heap_min(const gb_heap *heap);

/* Take the least node out if its key is at most `key_max`, else NULL. */
gb_heap_node *gb_heap_pop(gb_heap *heap, uint64_t key_max);

#endif
