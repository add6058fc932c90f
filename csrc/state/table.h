/* SPDX-License-Identifier: Apache-2.0 */
/* table.h: an open-addressing table of pointers that other threads may probe while it changes.
 *
 * One thread, the owner, changes it. Readers load the slots once (acquire) and probe them; they
 * write nothing. A slot goes from empty to an item, from item to item of the same key, from item to
 * the marker of a removed one, and from marker to an item of a key that was not there: a key that
 * is in the table all the time is never missed. When the slots fill up they are rebuilt elsewhere
 * and published as a whole; the old ones go to the host's reclaim. A table of one item that never
 * had more has no slots: the item stands in their place. */
#ifndef GB_STATE_TABLE_H
#define GB_STATE_TABLE_H

#include <goferbroke/alloc.h>
#include <goferbroke/err.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef uint32_t (*gb_table_hash_fn)(const void *item);
/* Called with slots that readers may still be probing: to be freed when none can. */
typedef struct gb_table_retire {
    void (*retire)(void *user, void (*release)(const gb_allocator *, void *), void *object);
    void *user;
} gb_table_retire;

typedef struct gb_table_slots {
    uint32_t mask; /* capacity - 1, the capacity a power of two */
    _Atomic(void *) items[];
} gb_table_slots;

/* Items must be aligned to two bytes at least: the lowest bit tells them from slots. */
typedef struct gb_table {
    _Atomic(uintptr_t) root; /* 0: empty; odd: the only item, plus 1; else gb_table_slots */
    uint32_t count;          /* items; the owner's, as the next */
    uint32_t marker_count;
} gb_table;

/* What a removed item leaves behind; compared by address, never followed. */
extern char gb_table_marker[1];

void gb_table_init(gb_table *table);
/* Free the slots at once; the items are not touched. */
void gb_table_deinit(gb_table *table, const gb_allocator *allocator);

/* Make room for `extra` more items, so that as many gb_table_insert cannot fail. May publish new
 * slots and retire the old ones.
 * Errors: GB_ENOMEM: unchanged. */
gb_err gb_table_reserve(gb_table *table, const gb_allocator *allocator, uint32_t extra,
                        gb_table_hash_fn hash_of, gb_table_retire retire);
/* Give memory back where few items are left in many slots. Without memory it stays as it is. */
void gb_table_shrink(gb_table *table, const gb_allocator *allocator, gb_table_hash_fn hash_of,
                     gb_table_retire retire);

/* Owner of both, of which readers know `table` alone: exchange what they hold. */
void gb_table_swap(gb_table *table, gb_table *other);

/* What a root means; at most one of the two is not NULL. */
static inline gb_table_slots *gb_table_root_slots(uintptr_t root)
{
    return (root & 1) == 0 ? (gb_table_slots *)root : NULL;
}
static inline void *gb_table_root_item(uintptr_t root)
{
    return (root & 1) != 0 ? (void *)(root - 1) : NULL;
}

/* A walk along the slots where an item of this hash may be. */
typedef struct gb_table_probe {
    gb_table_slots *slots;
    void *item;     /* the only one, without slots */
    uint32_t index; /* next to look at */
    uint32_t left;
} gb_table_probe;

/* Any thread. */
static inline gb_table_probe gb_table_probe_start(const gb_table *table, uint32_t hash)
{
    uintptr_t root = atomic_load_explicit(&table->root, memory_order_acquire);
    gb_table_slots *slots = gb_table_root_slots(root);
    if (slots == NULL) {
        return (gb_table_probe){.item = gb_table_root_item(root)};
    }
    return (gb_table_probe){.slots = slots, .index = hash & slots->mask, .left = slots->mask + 1};
}

/* Any thread. The next item along the way, NULL at its end. */
static inline void *gb_table_probe_next(gb_table_probe *probe)
{
    while (probe->left > 0) {
        void *item = atomic_load_explicit(&probe->slots->items[probe->index], memory_order_acquire);
        if (item == NULL) {
            return NULL;
        }
        probe->index = (probe->index + 1) & probe->slots->mask;
        probe->left--;
        if (item != (void *)gb_table_marker) {
            return item;
        }
    }
    void *item = probe->item;
    probe->item = NULL;
    return item;
}

/* Any thread. A walk over all items as they are now; those that come or go meanwhile may or may not
 * be seen. */
typedef struct gb_table_walk {
    gb_table_slots *slots;
    void *item;
    uint32_t index;
} gb_table_walk;

static inline gb_table_walk gb_table_walk_start(const gb_table *table)
{
    uintptr_t root = atomic_load_explicit(&table->root, memory_order_acquire);
    return (gb_table_walk){.slots = gb_table_root_slots(root), .item = gb_table_root_item(root)};
}

/* Any thread. NULL at the end. */
static inline void *gb_table_walk_next(gb_table_walk *walk)
{
    while (walk->slots != NULL && walk->index <= walk->slots->mask) {
        void *item = atomic_load_explicit(&walk->slots->items[walk->index++], memory_order_acquire);
        if (item != NULL && item != (void *)gb_table_marker) {
            return item;
        }
    }
    void *item = walk->item;
    walk->item = NULL;
    return item;
}

/* Owner. Publish `item`, whose key is not there, in the room that was reserved. */
void gb_table_insert(gb_table *table, uint32_t hash, void *item);
/* Owner. Publish `item` in the place of `old`, which has the same hash and key. */
void gb_table_replace(gb_table *table, uint32_t hash, void *old, void *item);
/* Owner. Unpublish `item`. */
void gb_table_remove(gb_table *table, uint32_t hash, void *item);

#endif
