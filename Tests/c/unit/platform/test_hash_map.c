/* SPDX-License-Identifier: Apache-2.0 */
/* The table against a plain array, at random and with hashes made to collide. */
#include "platform/hash_map.h"

#include "platform/hash.h"
#include "support/gb_test.h"

typedef struct map_item {
    uint32_t key;
    bool is_in;
} map_item;

#define MAP_ITEMS 2000

static bool map_equal(void *user, const void *item, const void *key)
{
    (void)user;
    return ((const map_item *)item)->key == *(const uint32_t *)key;
}

/* Every item is found exactly if it is in, and a walk sees each once. */
static void map_check(gb_test *t, const gb_hash_map *map, const map_item *items,
                      uint64_t (*hash)(uint32_t))
{
    size_t count = 0;
    for (uint32_t i = 0; i < MAP_ITEMS; i++) {
        const void *found = gb_hash_map_find(map, hash(i), &i);
        expect_ptr(found, items[i].is_in ? &items[i] : NULL);
        count += items[i].is_in ? 1 : 0;
    }
    expect_uint(map->count, count);

    bool seen[MAP_ITEMS] = {false};
    size_t cursor = 0;
    size_t walked = 0;
    for (map_item *item; (item = gb_hash_map_next(map, &cursor)) != NULL; walked++) {
        expect_true(item->is_in && !seen[item->key]);
        seen[item->key] = true;
    }
    expect_uint(walked, count);
}

static void map_run(gb_test *t, uint64_t (*hash)(uint32_t))
{
    static map_item items[MAP_ITEMS];
    for (uint32_t i = 0; i < MAP_ITEMS; i++) {
        items[i] = (map_item){i, false};
    }
    gb_hash_map map;
    gb_hash_map_init(&map, t->allocator, map_equal, NULL);
    map_check(t, &map, items, hash);
    for (int step = 0; step < 20000; step++) {
        uint32_t i = (uint32_t)gb_rng_below(&t->rng, MAP_ITEMS);
        if (items[i].is_in) {
            expect_ptr(gb_hash_map_remove(&map, hash(i), &i), &items[i]);
        } else {
            expect_null(gb_hash_map_remove(&map, hash(i), &i));
            expect_ok(gb_hash_map_insert(&map, hash(i), &items[i]));
        }
        items[i].is_in = !items[i].is_in;
        if (step % 2000 == 0) {
            map_check(t, &map, items, hash);
        }
    }
    map_check(t, &map, items, hash);
    gb_hash_map_clear(&map);
    for (uint32_t i = 0; i < MAP_ITEMS; i++) {
        items[i].is_in = false;
    }
    map_check(t, &map, items, hash);
    gb_hash_map_deinit(&map);
}

static uint64_t hash_good(uint32_t key)
{
    return gb_hash_mix(key);
}

/* Runs of equal homes that overlap each other and wrap around the end of the table. */
static uint64_t hash_clustered(uint32_t key)
{
    return UINT64_C(0xfffffffc) + key / 8;
}

/* The folded tag would be 0, which marks an empty slot. */
static uint64_t hash_zero_tag(uint32_t key)
{
    return ((uint64_t)(key % 64) << 32) | (key % 64);
}

GB_TEST(hash_map, it_agrees_with_a_plain_array)
{
    map_run(t, hash_good);
}

GB_TEST(hash_map, it_agrees_when_hashes_collide_and_wrap)
{
    map_run(t, hash_clustered);
}

GB_TEST(hash_map, it_agrees_when_hashes_fold_to_the_empty_mark)
{
    static map_item items[100];
    gb_hash_map map;
    gb_hash_map_init(&map, t->allocator, map_equal, NULL);
    for (uint32_t i = 0; i < 100; i++) {
        items[i].key = i;
        expect_ok(gb_hash_map_insert(&map, hash_zero_tag(i), &items[i]));
    }
    for (uint32_t i = 0; i < 100; i++) {
        expect_ptr(gb_hash_map_remove(&map, hash_zero_tag(i), &i), &items[i]);
        for (uint32_t j = i + 1; j < 100; j++) {
            expect_ptr(gb_hash_map_find(&map, hash_zero_tag(j), &j), &items[j]);
        }
    }
    expect_uint(map.count, 0);
    gb_hash_map_deinit(&map);
}

GB_TEST(hash_map, many_deletions_do_not_make_it_grow)
{
    map_item item = {0, false};
    gb_hash_map map;
    gb_hash_map_init(&map, t->allocator, map_equal, NULL);
    for (uint32_t i = 0; i < 100000; i++) {
        item.key = i;
        expect_ok(gb_hash_map_insert(&map, hash_good(i), &item));
        expect_ptr(gb_hash_map_remove(&map, hash_good(i), &i), &item);
    }
    expect_uint(map.capacity, 8);
    gb_hash_map_deinit(&map);
}

GB_TEST(hash_map, reserved_room_needs_no_memory)
{
    static map_item items[1000];
    gb_hash_map map;
    gb_hash_map_init(&map, t->allocator, map_equal, NULL);
    expect_ok(gb_hash_map_reserve(&map, 1000));
    gb_failing_allocator_exhaust(&t->counted, 0);
    for (uint32_t i = 0; i < 1000; i++) {
        items[i].key = i;
        expect_ok(gb_hash_map_insert(&map, hash_good(i), &items[i]));
    }
    expect_uint(t->counted.failed_count, 0);
    expect_err(gb_hash_map_reserve(&map, SIZE_MAX), GB_ENOMEM);
    gb_hash_map_deinit(&map);
}

static bool map_attempt(gb_test *t, const gb_allocator *allocator)
{
    static map_item items[500];
    gb_hash_map map;
    gb_hash_map_init(&map, allocator, map_equal, NULL);
    uint32_t inserted = 0;
    while (inserted < 500) {
        items[inserted].key = inserted;
        gb_err err = gb_hash_map_insert(&map, hash_good(inserted), &items[inserted]);
        if (err != GB_OK) {
            expect_err(err, GB_ENOMEM);
            break;
        }
        inserted++;
    }
    expect_uint(map.count, inserted);
    for (uint32_t i = 0; i < 500; i++) {
        expect_ptr(gb_hash_map_find(&map, hash_good(i), &i), i < inserted ? &items[i] : NULL);
    }
    gb_hash_map_deinit(&map);
    return inserted == 500;
}

GB_TEST(hash_map, without_memory_it_keeps_what_it_has)
{
    gb_test_each_allocation_failure(t, map_attempt);
}
