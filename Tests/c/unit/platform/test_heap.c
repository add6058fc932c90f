/* SPDX-License-Identifier: Apache-2.0 */
/* Timers come out in order, whatever was moved or removed before. */
#include "platform/heap.h"

#include "support/gb_test.h"

#define HEAP_ITEMS 300

/* No parent after its child, and each node knows its place. */
static void heap_check(gb_test *t, const gb_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++) {
        expect_uint(heap->nodes[i]->index, i);
        expect_true(i == 0 || heap->nodes[(i - 1) / 2]->key <= heap->nodes[i]->key);
    }
}

GB_TEST(heap, it_agrees_with_a_plain_search_for_the_least)
{
    static gb_heap_node items[HEAP_ITEMS];
    gb_heap heap;
    gb_heap_init(&heap, t->allocator);
    for (size_t i = 0; i < HEAP_ITEMS; i++) {
        gb_heap_node_init(&items[i]);
    }
    for (int step = 0; step < 20000; step++) {
        gb_heap_node *node = &items[gb_rng_below(&t->rng, HEAP_ITEMS)];
        switch (gb_rng_below(&t->rng, 4)) {
        case 0:
            gb_heap_remove(&heap, node);
            expect_false(gb_heap_node_is_linked(node));
            break;
        case 1: {
            const gb_heap_node *least = NULL;
            for (size_t i = 0; i < HEAP_ITEMS; i++) {
                if (gb_heap_node_is_linked(&items[i]) &&
                    (least == NULL || items[i].key < least->key ||
                     (items[i].key == least->key && items[i].sequence < least->sequence))) {
                    least = &items[i];
                }
            }
            expect_ptr(gb_heap_min(&heap), least);
            expect_ptr(gb_heap_pop(&heap, UINT64_MAX), least);
            break;
        }
        default:
            expect_ok(gb_heap_set(&heap, node, gb_rng_below(&t->rng, 100)));
            expect_true(gb_heap_node_is_linked(node));
            break;
        }
        if (step % 100 == 0) {
            heap_check(t, &heap);
        }
    }
    gb_heap_deinit(&heap);
    for (size_t i = 0; i < HEAP_ITEMS; i++) {
        expect_false(gb_heap_node_is_linked(&items[i]));
    }
}

GB_TEST(heap, equal_keys_come_in_the_order_in_which_they_were_set)
{
    gb_heap_node items[100];
    gb_heap heap;
    gb_heap_init(&heap, t->allocator);
    for (size_t i = 0; i < 100; i++) {
        gb_heap_node_init(&items[i]);
        expect_ok(gb_heap_set(&heap, &items[i], 7));
    }
    expect_ok(gb_heap_set(&heap, &items[0], 7));
    for (size_t i = 1; i < 100; i++) {
        expect_ptr(gb_heap_pop(&heap, 7), &items[i]);
    }
    expect_ptr(gb_heap_pop(&heap, 7), &items[0]);
    expect_null(gb_heap_pop(&heap, 7));
    gb_heap_deinit(&heap);
}

GB_TEST(heap, what_is_not_due_stays)
{
    gb_heap_node node;
    gb_heap_node_init(&node);
    gb_heap heap;
    gb_heap_init(&heap, t->allocator);
    expect_ok(gb_heap_set(&heap, &node, 10));
    expect_null(gb_heap_pop(&heap, 9));
    expect_ptr(gb_heap_pop(&heap, 10), &node);
    gb_heap_deinit(&heap);
}

static bool heap_attempt(gb_test *t, const gb_allocator *allocator)
{
    gb_heap_node items[100];
    gb_heap heap;
    gb_heap_init(&heap, allocator);
    size_t count = 0;
    while (count < 100) {
        gb_heap_node_init(&items[count]);
        gb_err err = gb_heap_set(&heap, &items[count], 100 - count);
        if (err != GB_OK) {
            expect_err(err, GB_ENOMEM);
            expect_false(gb_heap_node_is_linked(&items[count]));
            break;
        }
        count++;
    }
    expect_uint(heap.count, count);
    heap_check(t, &heap);
    gb_heap_deinit(&heap);
    return count == 100;
}

GB_TEST(heap, without_memory_it_keeps_what_it_has)
{
    gb_test_each_allocation_failure(t, heap_attempt);
}
