/* SPDX-License-Identifier: Apache-2.0 */
/* A binary min-heap of timers. */
#include "platform/heap.h"

#include "platform/alloc.h"
#include "platform/assert.h"

#define HEAP_CAPACITY_MIN 16

static bool heap_is_before(const gb_heap_node *a, const gb_heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->sequence < b->sequence;
}

static void heap_place(gb_heap *heap, gb_heap_node *node, size_t index)
{
    heap->nodes[index] = node;
    node->index = index;
}

static void heap_rise(gb_heap *heap, gb_heap_node *node)
{
    size_t index = node->index;
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (!heap_is_before(node, heap->nodes[parent])) {
            break;
        }
        heap_place(heap, heap->nodes[parent], index);
        index = parent;
    }
    heap_place(heap, node, index);
}

static void heap_sink(gb_heap *heap, gb_heap_node *node)
{
    size_t index = node->index;
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->count) {
            break;
        }
        if (child + 1 < heap->count && heap_is_before(heap->nodes[child + 1], heap->nodes[child])) {
            child++;
        }
        if (!heap_is_before(heap->nodes[child], node)) {
            break;
        }
        heap_place(heap, heap->nodes[child], index);
        index = child;
    }
    heap_place(heap, node, index);
}

void gb_heap_init(gb_heap *heap, const gb_allocator *allocator)
{
    *heap = (gb_heap){.allocator = allocator};
}

void gb_heap_deinit(gb_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++) {
        heap->nodes[i]->index = GB_HEAP_NOWHERE;
    }
    gb_free(heap->allocator, heap->nodes);
    gb_heap_init(heap, heap->allocator);
}

gb_err gb_heap_reserve(gb_heap *heap, size_t count)
{
    if (count <= heap->capacity) {
        return GB_OK;
    }
    size_t capacity = heap->capacity < HEAP_CAPACITY_MIN ? HEAP_CAPACITY_MIN : heap->capacity * 2;
    if (capacity < count) {
        capacity = count;
    }
    gb_heap_node **nodes = gb_realloc_array(heap->allocator, heap->nodes, capacity, sizeof *nodes);
    if (nodes == NULL) {
        return GB_ENOMEM;
    }
    heap->nodes = nodes;
    heap->capacity = capacity;
    return GB_OK;
}

gb_err gb_heap_set(gb_heap *heap, gb_heap_node *node, uint64_t key)
{
    if (!gb_heap_node_is_linked(node)) {
        gb_err err = gb_heap_reserve(heap, heap->count + 1);
        if (err != GB_OK) {
            return err;
        }
        heap_place(heap, node, heap->count++);
    }
    GB_ASSERT(node->index < heap->count && heap->nodes[node->index] == node);
    node->key = key;
    node->sequence = heap->sequence++;
    heap_rise(heap, node);
    heap_sink(heap, node);
    return GB_OK;
}

void gb_heap_remove(gb_heap *heap, gb_heap_node *node)
{
    if (!gb_heap_node_is_linked(node)) {
        return;
    }
    GB_ASSERT(node->index < heap->count && heap->nodes[node->index] == node);
    gb_heap_node *last = heap->nodes[--heap->count];
    if (last != node) {
        heap_place(heap, last, node->index);
        heap_rise(heap, last);
        heap_sink(heap, last);
    }
    node->index = GB_HEAP_NOWHERE;
}

gb_heap_node *gb_heap_min(const gb_heap *heap)
{
    return heap->count == 0 ? NULL : heap->nodes[0];
}

gb_heap_node *gb_heap_pop(gb_heap *heap, uint64_t key_max)
{
    gb_heap_node *node = gb_heap_min(heap);
    if (node == NULL || node->key > key_max) {
        return NULL;
    }
    gb_heap_remove(heap, node);
    return node;
}
