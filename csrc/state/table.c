/* SPDX-License-Identifier: Apache-2.0 */
/* table.c: building, filling and rebuilding of the tables that readers probe. */
#include "state/table.h"

#include "platform/alloc.h"
#include "platform/assert.h"

#define CAPACITY_MIN 4u
#define CAPACITY_MAX (UINT32_C(1) << 30)

char gb_table_marker[1];

static void slots_release(const gb_allocator *allocator, void *slots)
{
    gb_free(allocator, slots);
}

static uintptr_t root_of(const gb_table *table)
{
    /* The owner is the only one who stores it. */
    return atomic_load_explicit(&table->root, memory_order_relaxed);
}

static gb_table_slots *slots_of(const gb_table *table)
{
    return gb_table_root_slots(root_of(table));
}

static void publish_item(gb_table *table, void *item)
{
    uintptr_t root = item == NULL ? 0 : (uintptr_t)item + 1;
    GB_ASSERT(item == NULL || (root & 1) != 0);
    atomic_store_explicit(&table->root, root, memory_order_release);
}

void gb_table_init(gb_table *table)
{
    atomic_init(&table->root, 0);
    table->count = 0;
    table->marker_count = 0;
}

void gb_table_deinit(gb_table *table, const gb_allocator *allocator)
{
    gb_free(allocator, slots_of(table));
    gb_table_init(table);
}

static gb_table_slots *slots_open(const gb_allocator *allocator, uint32_t capacity)
{
    gb_table_slots *slots = gb_alloc(allocator, offsetof(gb_table_slots, items) +
                                                    (size_t)capacity * sizeof(slots->items[0]));
    if (slots == NULL) {
        return NULL;
    }
    slots->mask = capacity - 1;
    for (uint32_t i = 0; i < capacity; i++) {
        atomic_init(&slots->items[i], NULL);
    }
    return slots;
}

/* The first slot along the way that is free to take. */
static uint32_t slots_place(const gb_table_slots *slots, uint32_t hash)
{
    uint32_t index = hash & slots->mask;
    for (;;) {
        void *item = atomic_load_explicit(&slots->items[index], memory_order_relaxed);
        if (item == NULL || item == (void *)gb_table_marker) {
            return index;
        }
        index = (index + 1) & slots->mask;
    }
}

static uint32_t slots_index_of(const gb_table_slots *slots, uint32_t hash, const void *wanted)
{
    uint32_t index = hash & slots->mask;
    for (uint32_t left = slots->mask + 1; left > 0; left--) {
        if (atomic_load_explicit(&slots->items[index], memory_order_relaxed) == wanted) {
            return index;
        }
        index = (index + 1) & slots->mask;
    }
    GB_UNREACHABLE();
}

static gb_err table_rebuild(gb_table *table, const gb_allocator *allocator, uint32_t capacity,
                            gb_table_hash_fn hash_of, gb_table_retire retire)
{
    gb_table_slots *fresh = slots_open(allocator, capacity);
    if (fresh == NULL) {
        return GB_ENOMEM;
    }
    gb_table_slots *old = slots_of(table);
    gb_table_walk walk = gb_table_walk_start(table);
    uint32_t moved = 0;
    for (void *item; (item = gb_table_walk_next(&walk)) != NULL; moved++) {
        uint32_t index = slots_place(fresh, hash_of(item));
        atomic_store_explicit(&fresh->items[index], item, memory_order_relaxed);
    }
    GB_ASSERT(moved == table->count);
    table->marker_count = 0;
    atomic_store_explicit(&table->root, (uintptr_t)fresh, memory_order_release);
    if (old != NULL) {
        retire.retire(retire.user, slots_release, old);
    }
    return GB_OK;
}

gb_err gb_table_reserve(gb_table *table, const gb_allocator *allocator, uint32_t extra,
                        gb_table_hash_fn hash_of, gb_table_retire retire)
{
    gb_table_slots *old = slots_of(table);
    uint64_t capacity = old == NULL ? 0 : (uint64_t)old->mask + 1;
    uint64_t count = (uint64_t)table->count + extra;
    bool is_single = old == NULL && count <= 1;
    if (extra == 0 || is_single || (count + table->marker_count) * 4 <= capacity * 3) {
        return GB_OK;
    }
    /* Not filled to the brim again: where markers made this necessary, the next rebuild must be
     * far enough away to pay for this one. */
    uint64_t wanted = CAPACITY_MIN;
    while (wanted * 5 < count * 8) {
        wanted *= 2;
    }
    if (wanted > CAPACITY_MAX) {
        return GB_ENOMEM;
    }
    return table_rebuild(table, allocator, (uint32_t)wanted, hash_of, retire);
}

void gb_table_shrink(gb_table *table, const gb_allocator *allocator, gb_table_hash_fn hash_of,
                     gb_table_retire retire)
{
    gb_table_slots *old = slots_of(table);
    if (old == NULL || old->mask < 4 * CAPACITY_MIN || table->count > (old->mask + 1) / 8) {
        return;
    }
    uint32_t wanted = CAPACITY_MIN;
    while (wanted < table->count * 2) {
        wanted *= 2;
    }
    (void)table_rebuild(table, allocator, wanted, hash_of, retire);
}

void gb_table_insert(gb_table *table, uint32_t hash, void *item)
{
    gb_table_slots *slots = slots_of(table);
    if (slots == NULL) {
        GB_ASSERT(table->count == 0);
        table->count = 1;
        publish_item(table, item);
        return;
    }
    uint32_t index = slots_place(slots, hash);
    if (atomic_load_explicit(&slots->items[index], memory_order_relaxed) != NULL) {
        table->marker_count--;
    }
    table->count++;
    /* An empty slot must remain, or a probe would not end early; reserve saw to it. */
    GB_ASSERT(table->count + table->marker_count <= slots->mask);
    atomic_store_explicit(&slots->items[index], item, memory_order_release);
}

void gb_table_replace(gb_table *table, uint32_t hash, void *old, void *item)
{
    gb_table_slots *slots = slots_of(table);
    if (slots == NULL) {
        GB_ASSERT(gb_table_root_item(root_of(table)) == old);
        publish_item(table, item);
        return;
    }
    uint32_t index = slots_index_of(slots, hash, old);
    atomic_store_explicit(&slots->items[index], item, memory_order_release);
}

void gb_table_remove(gb_table *table, uint32_t hash, void *item)
{
    gb_table_slots *slots = slots_of(table);
    if (slots == NULL) {
        GB_ASSERT(gb_table_root_item(root_of(table)) == item);
        table->count = 0;
        publish_item(table, NULL);
        return;
    }
    uint32_t index = slots_index_of(slots, hash, item);
    uint32_t following = (index + 1) & slots->mask;
    table->count--;
    if (atomic_load_explicit(&slots->items[following], memory_order_relaxed) == NULL) {
        /* Nobody probes past this slot: it may be empty again. */
        atomic_store_explicit(&slots->items[index], NULL, memory_order_release);
        return;
    }
    table->marker_count++;
    atomic_store_explicit(&slots->items[index], (void *)gb_table_marker, memory_order_release);
}

void gb_table_swap(gb_table *table, gb_table *other)
{
    uintptr_t root = root_of(table);
    uint32_t count = table->count;
    uint32_t marker_count = table->marker_count;
    atomic_store_explicit(&table->root, root_of(other), memory_order_release);
    table->count = other->count;
    table->marker_count = other->marker_count;
    atomic_store_explicit(&other->root, root, memory_order_relaxed);
    other->count = count;
    other->marker_count = marker_count;
}
