/* SPDX-License-Identifier: Apache-2.0 */
/* An open-addressing table from a 64-bit hash and a key to an item. */
#ifndef GB_PLATFORM_HASH_MAP_H
#define GB_PLATFORM_HASH_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "goferbroke/alloc.h"
#include "goferbroke/err.h"

/* Is `item` the one that `key` names? The key lies inside the item, wherever its owner keeps it;
 * the table stores neither keys nor items, 12 bytes a slot, 16 to 32 bytes an item. */
typedef bool (*gb_hash_map_equal_fn)(void *user, const void *item, const void *key);

/* Linear probing with the hash beside the item, deletion by backward shift: no tombstones, so a
 * table that sees many deletions does not slow down. At most three quarters full. It never
 * shrinks. Hashes must be well mixed, and seeded where peers choose the keys (platform/hash.h). */
typedef struct gb_hash_map {
    const gb_allocator *allocator;
    gb_hash_map_equal_fn equal;
    void *user;
    void **items;    /* capacity pointers, then as many tags in the same allocation. */
    uint32_t *tags;  /* A folded hash; 0 is an empty slot. */
    size_t capacity; /* 0 or a power of two. */
    size_t count;
} gb_hash_map;

/* Empty, without memory. Borrows `allocator` and `user` until deinit. */
void gb_hash_map_init(gb_hash_map *map, const gb_allocator *allocator, gb_hash_map_equal_fn equal,
                      void *user);

/* Free the table; the items are not touched. */
void gb_hash_map_deinit(gb_hash_map *map);

/* Make room for `count` items in all, so that inserting up to it cannot fail.
 *
 * Errors: GB_ENOMEM. On error: unchanged. */
gb_err gb_hash_map_reserve(gb_hash_map *map, size_t count);

/* The item of `key`, NULL if there is none. */
void *gb_hash_map_find(const gb_hash_map *map, uint64_t hash, const void *key);

/* Add an item that is not there yet (the caller has looked); not NULL.
 *
 * Errors: GB_ENOMEM. On error: unchanged. */
gb_err gb_hash_map_insert(gb_hash_map *map, uint64_t hash, void *item);

/* Take the item of `key` out and return it, NULL if there is none. */
void *gb_hash_map_remove(gb_hash_map *map, uint64_t hash, const void *key);

/* Take all items out; the memory stays. */
void gb_hash_map_clear(gb_hash_map *map);

/* Walk: start with *cursor 0; the next item, or NULL at the end. The order is that of the hashes.
 * The map must not change during a walk. */
void *gb_hash_map_next(const gb_hash_map *map, size_t *cursor);

#endif
