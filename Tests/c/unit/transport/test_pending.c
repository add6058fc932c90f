/* SPDX-License-Identifier: Apache-2.0 */
/* test_pending.c: own changes that wait for the loop. */
#include "support/gb_test.h"
#include "transport/pending.h"

/* What the map is made to say. */
typedef struct fake_map {
    const char *key; /* the only one it has */
} fake_map;

static bool fake_has_key(void *user, gb_lane lane, gb_slice group, gb_slice key)
{
    const fake_map *map = user;
    (void)lane;
    (void)group;
    return map->key != NULL && gb_slice_equal(key, gb_slice_from_str(map->key));
}

static gb_err put(gb_test *t, gb_pending *pending, fake_map *fake, uint32_t key_count_max,
                  const char *key, const char *value)
{
    const gb_delta delta = {
        .type = value == NULL ? GB_VALUE_TOMBSTONE : GB_VALUE_STRING,
        .group = gb_slice_from_str("g"),
        .key = gb_slice_from_str(key),
        .value = gb_slice_from_str(value),
    };
    gb_record *record;
    expect_ok(gb_record_open(t->allocator, &delta, &record));
    const gb_pending_map map = {fake_has_key, fake, key_count_max};
    gb_err err = gb_pending_put(pending, GB_LANE_USER, record, &map);
    if (err != GB_OK) {
        gb_record_release(t->allocator, record);
    }
    return err;
}

static bool has(gb_test *t, gb_pending *pending, const char *key, const char *value)
{
    gb_record *record =
        gb_pending_find(pending, GB_LANE_USER, gb_slice_from_str("g"), gb_slice_from_str(key));
    if (record == NULL) {
        return value == NULL;
    }
    bool is_it = value != NULL && gb_slice_equal(gb_record_value(record), gb_slice_from_str(value));
    gb_record_release(t->allocator, record);
    return is_it;
}

/* Apply the next change; it must be this one. */
static void expect_applied(gb_test *t, gb_pending *pending, const char *key, const char *value)
{
    bool is_busy;
    gb_pending_change *change = gb_pending_next(pending, &is_busy);
    expect_not_null(change);
    expect_slice(gb_record_key(change->record), gb_slice_from_str(key));
    expect_slice(gb_record_value(change->record), gb_slice_from_str(value));
    gb_pending_applied(pending);
}

static void expect_none(gb_test *t, gb_pending *pending)
{
    bool is_busy;
    expect_null(gb_pending_next(pending, &is_busy));
    expect_false(is_busy);
}

GB_TEST(pending, the_newest_value_of_a_key_wins)
{
    gb_pending pending;
    fake_map map = {0};
    expect_ok(gb_pending_init(&pending, t->allocator, 1, 100, 10000));
    expect_ok(put(t, &pending, &map, 100, "a", "1"));
    expect_ok(put(t, &pending, &map, 100, "b", "2"));
    expect_ok(put(t, &pending, &map, 100, "a", "3"));
    expect_true(has(t, &pending, "a", "3"));
    /* The order of the last changes: a reader elsewhere must not see a later one first. */
    expect_applied(t, &pending, "b", "2");
    expect_applied(t, &pending, "a", "3");
    expect_none(t, &pending);
    gb_pending_deinit(&pending);
}

GB_TEST(pending, what_is_being_applied_stays_visible_until_all_is)
{
    gb_pending pending;
    fake_map map = {0};
    expect_ok(gb_pending_init(&pending, t->allocator, 1, 100, 10000));
    expect_ok(put(t, &pending, &map, 100, "a", "1"));
    expect_ok(put(t, &pending, &map, 100, "b", "2"));
    expect_applied(t, &pending, "a", "1");
    expect_true(has(t, &pending, "a", "1"));
    expect_ok(put(t, &pending, &map, 100, "a", "9"));
    expect_true(has(t, &pending, "a", "9"));
    expect_applied(t, &pending, "b", "2");
    expect_true(has(t, &pending, "b", NULL));
    expect_true(has(t, &pending, "a", "9"));
    expect_applied(t, &pending, "a", "9");
    expect_none(t, &pending);
    gb_pending_deinit(&pending);
}

GB_TEST(pending, a_delete_sees_what_waits)
{
    gb_pending pending;
    fake_map map = {.key = "known"};
    expect_ok(gb_pending_init(&pending, t->allocator, 1, 100, 10000));
    expect_err(put(t, &pending, &map, 100, "a", NULL), GB_ENOTFOUND);
    expect_ok(put(t, &pending, &map, 100, "a", "1"));
    expect_ok(put(t, &pending, &map, 100, "a", NULL));
    expect_err(put(t, &pending, &map, 100, "a", NULL), GB_ENOTFOUND);
    expect_ok(put(t, &pending, &map, 100, "known", NULL));
    expect_err(put(t, &pending, &map, 100, "known", NULL), GB_ENOTFOUND);
    gb_pending_deinit(&pending);
}

GB_TEST(pending, keys_are_counted_with_those_of_the_map)
{
    gb_pending pending;
    fake_map map = {.key = "known"};
    expect_ok(gb_pending_init(&pending, t->allocator, 1, 100, 10000));
    gb_pending_count_keys(&pending, 1);
    expect_ok(put(t, &pending, &map, 3, "known", "x"));
    expect_ok(put(t, &pending, &map, 3, "a", "1"));
    expect_ok(put(t, &pending, &map, 3, "b", "1"));
    expect_err(put(t, &pending, &map, 3, "c", "1"), GB_EKEYS);
    expect_ok(put(t, &pending, &map, 3, "a", "2"));
    /* Half applied: neither counted twice nor not at all. */
    expect_applied(t, &pending, "known", "x");
    gb_pending_count_keys(&pending, 2);
    expect_applied(t, &pending, "b", "1");
    expect_err(put(t, &pending, &map, 3, "c", "1"), GB_EKEYS);
    expect_ok(put(t, &pending, &map, 4, "c", "1"));
    gb_pending_count_keys(&pending, 3);
    expect_applied(t, &pending, "a", "2");
    expect_err(put(t, &pending, &map, 4, "d", "1"), GB_EKEYS);
    gb_pending_deinit(&pending);
}

GB_TEST(pending, more_than_it_may_hold_is_refused)
{
    gb_pending pending;
    fake_map map = {0};
    expect_ok(gb_pending_init(&pending, t->allocator, 1, 2, 20));
    expect_ok(put(t, &pending, &map, 100, "a", "1"));
    expect_ok(put(t, &pending, &map, 100, "b", "1"));
    expect_err(put(t, &pending, &map, 100, "c", "1"), GB_EFULL);
    expect_ok(put(t, &pending, &map, 100, "a", "0123456789"));
    expect_err(put(t, &pending, &map, 100, "b", "0123456789"), GB_EFULL);
    expect_true(has(t, &pending, "b", "1"));
    gb_pending_deinit(&pending);
}

GB_TEST(pending, the_list_has_the_newest_of_each_key)
{
    gb_pending pending;
    fake_map map = {0};
    expect_ok(gb_pending_init(&pending, t->allocator, 1, 100, 10000));
    expect_ok(put(t, &pending, &map, 100, "a", "1"));
    expect_ok(put(t, &pending, &map, 100, "b", "2"));
    expect_applied(t, &pending, "a", "1");
    expect_ok(put(t, &pending, &map, 100, "a", "3"));
    gb_record **records;
    size_t count;
    expect_ok(gb_pending_list(&pending, GB_LANE_USER, &records, &count));
    expect_uint(count, 2);
    expect_slice(gb_record_value(records[0]), gb_slice_from_str("3"));
    expect_slice(gb_record_value(records[1]), gb_slice_from_str("2"));
    gb_record_release(t->allocator, records[0]);
    gb_record_release(t->allocator, records[1]);
    t->allocator->free(t->allocator->user, records);
    gb_pending_deinit(&pending);
}

static bool attempt_put(gb_test *t, const gb_allocator *allocator)
{
    gb_pending pending;
    if (gb_pending_init(&pending, allocator, 1, 100, 10000) != GB_OK) {
        return false;
    }
    const gb_delta delta = {.type = GB_VALUE_STRING,
                            .group = gb_slice_from_str("g"),
                            .key = gb_slice_from_str("k"),
                            .value = gb_slice_from_str("v")};
    fake_map fake = {0};
    const gb_pending_map map = {fake_has_key, &fake, 10};
    gb_record *record = NULL;
    gb_err err = gb_record_open(allocator, &delta, &record);
    if (err == GB_OK) {
        err = gb_pending_put(&pending, GB_LANE_USER, record, &map);
        if (err != GB_OK) {
            gb_record_release(allocator, record);
            bool is_busy;
            expect_null(gb_pending_next(&pending, &is_busy));
        }
    }
    gb_pending_deinit(&pending);
    return err == GB_OK;
}

GB_TEST(pending, failed_allocations_change_nothing)
{
    gb_test_each_allocation_failure(t, attempt_put);
}
