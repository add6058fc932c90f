/* SPDX-License-Identifier: Apache-2.0 */
/* Linear probing with tags, deletion by backward shift. */
#include "platform/hash_map.h"

#include <string.h>

#include "platform/alloc.h"
#include "platform/assert.h"

#define HASH_MAP_CAPACITY_MIN 8

/* The part of the hash that a slot keeps; never 0, which marks an empty slot. */
static uint32_t hash_map_tag(uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash ^ (hash >> 32));
    return tag == 0 ? 1 : tag;
}

/* Items that `capacity` slots may hold: three quarters. */
static size_t hash_map_room(size_t capacity)
{
    return capacity - capacity / 4;
}

void gb_hash_map_init(gb_hash_map *map, const gb_allocator *allocator, gb_hash_map_equal_fn equal,
                      void *user)
{
    GB_ASSERT(equal != NULL);
    *map = (gb_hash_map){.allocator = allocator, .equal = equal, .user = user};
}

void gb_hash_map_deinit(gb_hash_map *map)
{
    gb_free(map->allocator, map->items);
    gb_hash_map_init(map, map->allocator, map->equal, map->user);
}

/* Put an item into the first free slot from its home on. There is one: the load is bounded. */
static void hash_map_place(gb_hash_map *map, uint32_t tag, void *item)
{
    size_t mask = map->capacity - 1;
    size_t slot = tag & mask;
    while (map->tags[slot] != 0) {
        slot = (slot + 1) & mask;
    }
    map->tags[slot] = tag;
    map->items[slot] = item;
}

static gb_err hash_map_resize(gb_hash_map *map, size_t capacity)
{
    GB_ASSERT(hash_map_room(capacity) >= map->count);
    void **items = gb_alloc_array(map->allocator, capacity, sizeof(void *) + sizeof(uint32_t));
    if (items == NULL) {
        return GB_ENOMEM;
    }
    gb_hash_map old = *map;
    map->items = items;
    map->tags = (uint32_t *)(void *)(items + capacity);
    map->capacity = capacity;
    memset(map->tags, 0, capacity * sizeof(uint32_t));
    for (size_t slot = 0; slot < old.capacity; slot++) {
        if (old.tags[slot] != 0) {
            hash_map_place(map, old.tags[slot], old.items[slot]);
        }
    }
    gb_free(old.allocator, old.items);
    return GB_OK;
}

gb_err gb_hash_map_reserve(gb_hash_map *map, size_t count)
{
    if (count <= hash_map_room(map->capacity)) {
        return GB_OK;
    }
    size_t capacity = map->capacity == 0 ? HASH_MAP_CAPACITY_MIN : map->capacity;
    while (hash_map_room(capacity) < count) {
        /* Tags have 32 bits: a larger table would not be filled evenly. */
        if (capacity > UINT32_MAX / 2) {
            return GB_ENOMEM;
        }
        capacity *= 2;
    }
    return hash_map_resize(map, capacity);
}

/* The slot of `key`, or capacity if there is none. */
static size_t hash_map_slot(const gb_hash_map *map, uint64_t hash, const void *key)
{
    if (map->count == 0) {
        return map->capacity;
    }
    uint32_t tag = hash_map_tag(hash);
    size_t mask = map->capacity - 1;
    for (size_t slot = tag & mask; map->tags[slot] != 0; slot = (slot + 1) & mask) {
        if (map->tags[slot] == tag && map->equal(map->user, map->items[slot], key)) {
            return slot;
        }
    }
    return map->capacity;
}

void *gb_hash_map_find(const gb_hash_map *map, uint64_t hash, const void *key)
{
    size_t slot = hash_map_slot(map, hash, key);
    return slot == map->capacity ? NULL : map->items[slot];
}

gb_err gb_hash_map_insert(gb_hash_map *map, uint64_t hash, void *item)
{
    GB_ASSERT(item != NULL);
    gb_err err = gb_hash_map_reserve(map, map->count + 1);
    if (err != GB_OK) {
        return err;
    }
    hash_map_place(map, hash_map_tag(hash), item);
    map->count++;
    return GB_OK;
}

void *gb_hash_map_remove(gb_hash_map *map, uint64_t hash, const void *key)
{
    size_t hole = hash_map_slot(map, hash, key);
    if (hole == map->capacity) {
        return NULL;
    }
    void *item = map->items[hole];
    size_t mask = map->capacity - 1;
    /* Close the hole with whatever behind it would be cut off from its home by it: a slot moves
     * if it is at least as far from its home as from the hole. */
    for (size_t slot = (hole + 1) & mask; map->tags[slot] != 0; slot = (slot + 1) & mask) {
        size_t from_home = (slot - map->tags[slot]) & mask;
        size_t from_hole = (slot - hole) & mask;
        if (from_home >= from_hole) {
            map->tags[hole] = map->tags[slot];
            map->items[hole] = map->items[slot];
            hole = slot;
        }
    }
    map->tags[hole] = 0;
    map->count--;
    return item;
}

void gb_hash_map_clear(gb_hash_map *map)
{
    if (map->capacity > 0) {
        memset(map->tags, 0, map->capacity * sizeof(uint32_t));
    }
    map->count = 0;
}

void *gb_hash_map_next(const gb_hash_map *map, size_t *cursor)
{
    while (*cursor < map->capacity) {
        size_t slot = (*cursor)++;
        if (map->tags[slot] != 0) {
            return map->items[slot];
        }
    }
    return NULL;
}
