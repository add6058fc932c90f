/* SPDX-License-Identifier: Apache-2.0 */
/* The table that readers probe: a model of it under random changes, growth, shrinking, markers. */
#include "state/table.h"

#include "support/gb_test.h"

typedef struct item {
    uint32_t hash;
    uint32_t number;
    bool is_in;
} item;

static uint32_t item_hash(const void *object)
{
    return ((const item *)object)->hash;
}

typedef struct retired {
    const gb_allocator *allocator;
    unsigned count;
} retired;

static void retire(void *user, void (*release)(const gb_allocator *, void *), void *object)
{
    retired *r = user;
    r->count++;
    release(r->allocator, object);
}

static item *table_find(const gb_table *table, const item *wanted)
{
    gb_table_probe probe = gb_table_probe_start(table, wanted->hash);
    for (item *found; (found = gb_table_probe_next(&probe)) != NULL;) {
        if (found->number == wanted->number) {
            return found;
        }
    }
    return NULL;
}

GB_TEST(table, random_insertions_and_removals_are_found_exactly)
{
    static item items[300];
    gb_table table;
    gb_table_init(&table);
    retired r = {t->allocator, 0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < 300; i++) {
        /* Few hashes: long runs, many markers. */
        items[i] = (item){(uint32_t)gb_rng_below(&t->rng, 40), i, false};
    }
    for (int step = 0; step < 20000; step++) {
        uint32_t reach = step / 4000 % 2 == 0 ? 300 : 20; /* fill, then thin out */
        item *one = &items[gb_rng_below(&t->rng, reach)];
        if (reach == 20 && gb_rng_below(&t->rng, 2) == 0) {
            one = &items[gb_rng_below(&t->rng, 300)];
            if (!one->is_in) {
                continue;
            }
        }
        if (one->is_in) {
            gb_table_remove(&table, one->hash, one);
            count--;
            if (gb_rng_below(&t->rng, 8) == 0) {
                gb_table_shrink(&table, t->allocator, item_hash, (gb_table_retire){retire, &r});
            }
        } else {
            expect_ok(gb_table_reserve(&table, t->allocator, 1, item_hash,
                                       (gb_table_retire){retire, &r}));
            gb_table_insert(&table, one->hash, one);
            count++;
        }
        one->is_in = !one->is_in;
        expect_uint(table.count, count);
        for (uint32_t i = 0; i < 300; i += 7) {
            expect_true((table_find(&table, &items[i]) != NULL) == items[i].is_in);
        }
    }
    expect_true(r.count > 4);
    gb_table_deinit(&table, t->allocator);
}

GB_TEST(table, a_reader_of_replaced_slots_still_finds_what_was_there)
{
    item items[64];
    gb_table table;
    gb_table_init(&table);
    retired r = {t->allocator, 0};
    gb_table_retire discard = {retire, &r};
    for (uint32_t i = 0; i < 3; i++) {
        items[i] = (item){i * 7, i, true};
        expect_ok(gb_table_reserve(&table, t->allocator, 1, item_hash, discard));
        gb_table_insert(&table, items[i].hash, &items[i]);
    }
    item other = items[1];
    gb_table_replace(&table, other.hash, &items[1], &other);
    expect_ptr(table_find(&table, &items[1]), &other);
    expect_ok(gb_table_reserve(&table, t->allocator, 61, item_hash, discard));
    unsigned before = r.count;
    for (uint32_t i = 3; i < 64; i++) {
        items[i] = (item){i * 7, i, true};
        gb_table_insert(&table, items[i].hash, &items[i]);
    }
    expect_uint(r.count, before); /* reserved room is enough */
    expect_ptr(table_find(&table, &items[63]), &items[63]);
    gb_table_deinit(&table, t->allocator);
}

static unsigned walk_count(const gb_table *table)
{
    unsigned count = 0;
    gb_table_walk walk = gb_table_walk_start(table);
    while (gb_table_walk_next(&walk) != NULL) {
        count++;
    }
    return count;
}

GB_TEST(table, a_single_item_costs_no_memory)
{
    item items[3] = {{1, 0, true}, {1, 1, true}, {2, 2, true}};
    item other = items[0];
    gb_table table;
    gb_table_init(&table);
    retired r = {t->allocator, 0};
    gb_table_retire discard = {retire, &r};
    gb_failing_allocator_exhaust(&t->counted, 0);
    expect_ok(gb_table_reserve(&table, t->allocator, 1, item_hash, discard));
    gb_table_insert(&table, 1, &items[0]);
    gb_table_replace(&table, 1, &items[0], &other);
    expect_ptr(table_find(&table, &items[0]), &other);
    expect_uint(walk_count(&table), 1);
    gb_table_remove(&table, 1, &other);
    expect_null(table_find(&table, &items[0]));
    expect_uint(walk_count(&table), 0);
    gb_table_insert(&table, 1, &items[0]);
    gb_failing_allocator_relax(&t->counted);

    gb_table_probe before = gb_table_probe_start(&table, 1);
    expect_ok(gb_table_reserve(&table, t->allocator, 2, item_hash, discard));
    gb_table_insert(&table, 1, &items[1]);
    gb_table_insert(&table, 2, &items[2]);
    expect_ptr(gb_table_probe_next(&before), &items[0]); /* a reader that began earlier */
    expect_null(gb_table_probe_next(&before));
    for (int i = 0; i < 3; i++) {
        expect_ptr(table_find(&table, &items[i]), &items[i]);
    }
    expect_uint(walk_count(&table), 3);
    expect_uint(r.count, 0);
    gb_table_deinit(&table, t->allocator);
}

GB_TEST(table, swapped_tables_keep_their_items)
{
    item items[3] = {{1, 0, true}, {5, 1, true}, {9, 2, true}};
    gb_table single;
    gb_table several;
    gb_table_init(&single);
    gb_table_init(&several);
    retired r = {t->allocator, 0};
    gb_table_insert(&single, 1, &items[0]);
    expect_ok(
        gb_table_reserve(&several, t->allocator, 2, item_hash, (gb_table_retire){retire, &r}));
    gb_table_insert(&several, 5, &items[1]);
    gb_table_insert(&several, 9, &items[2]);
    gb_table_swap(&single, &several);
    expect_ptr(table_find(&several, &items[0]), &items[0]);
    expect_ptr(table_find(&single, &items[2]), &items[2]);
    expect_uint(single.count * 10 + several.count, 21);
    gb_table_deinit(&single, t->allocator);
    gb_table_deinit(&several, t->allocator);
}

GB_TEST(table, without_memory_it_stays_as_it_is)
{
    item one = {1, 1, true};
    gb_table table;
    gb_table_init(&table);
    retired r = {t->allocator, 0};
    gb_failing_allocator_exhaust(&t->counted, 0);
    expect_err(gb_table_reserve(&table, t->allocator, 2, item_hash, (gb_table_retire){retire, &r}),
               GB_ENOMEM);
    gb_failing_allocator_relax(&t->counted);
    expect_null(table_find(&table, &one));
    gb_table_deinit(&table, t->allocator);
}
