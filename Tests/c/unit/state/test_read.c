/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, by one thread and by others while the owner writes. */
#define _POSIX_C_SOURCE 200809L

#include "unit/state/state_support.h"

#include "platform/alloc.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static gb_err read_value(const gb_map *map, const char *name, const char *key, gb_time_us now,
                         gb_record **out, uint64_t *generation)
{
    return gb_map_read_value(map, gb_slice_from_str(name), GB_LANE_USER, gb_slice_from_str("g"),
                             gb_slice_from_str(key), now, out, generation);
}

static bool count_visit(void *user, gb_record *record)
{
    (void)record;
    ++*(unsigned *)user;
    return true;
}

static bool first_visit(void *user, gb_record *record)
{
    (void)count_visit(user, record);
    return false;
}

GB_TEST(read, a_hit_outlives_its_key_and_its_map)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    state_set(t, map, self, "a", "1", 0);
    gb_record *record;
    uint64_t generation = 0;
    expect_ok(read_value(map, "n", "a", 0, &record, &generation));
    expect_uint(generation, 1);
    expect_err(read_value(map, "n", "b", 0, &record, NULL), GB_ENOTFOUND);
    expect_err(read_value(map, "m", "a", 0, &record, NULL), GB_EUNKNOWN_NODE);
    state_delete(t, map, self, "a", 0);
    gb_record *none;
    expect_err(read_value(map, "n", "a", 0, &none, NULL), GB_ENOTFOUND);
    gb_map_close(map);
    expect_slice(gb_record_value(record), gb_slice_from_str("1"));
    gb_record_release(t->allocator, record);
}

GB_TEST(read, expired_keys_are_hidden_only_once_their_owner_departed)
{
    gb_participant *owner;
    gb_map *owner_map = state_open_owner(t, "n", &owner);
    gb_slice group = gb_slice_from_str("g");
    expect_ok(gb_map_set(owner_map, owner, GB_LANE_USER, group, gb_slice_from_str("a"),
                         GB_VALUE_STRING, gb_slice_from_str("1"), 5, 0));
    state_set(t, owner_map, owner, "stays", "2", 0);
    gb_map *map = state_open(t);
    gb_participant *p = state_add(t, map, "n", 1);
    state_pull_all(t, owner_map, owner, map, p, 1000, 1000);
    gb_slice name = gb_slice_from_str("n");
    gb_record *record;
    const struct {
        bool is_departed;
        gb_time_us now;
        gb_err err;
    } cases[] = {
        {false, 9000, GB_OK},
        {true, 5999, GB_OK},
        {true, 6000, GB_ENOTFOUND},
        {false, 6000, GB_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gb_map_set_departed(map, p, cases[i].is_departed);
        gb_map_check(map);
        gb_err err = read_value(map, "n", "a", cases[i].now, &record, NULL);
        expect_err(err, cases[i].err);
        if (err == GB_OK) {
            gb_record_release(t->allocator, record);
        }
        unsigned count = 0;
        expect_ok(
            gb_map_read_lane(map, name, GB_LANE_USER, cases[i].now, count_visit, &count, NULL));
        expect_uint(count, cases[i].err == GB_OK ? 2 : 1);
    }
    gb_map_close(owner_map);
    gb_map_close(map);
}

static bool collect_name(void *user, const gb_participant *participant)
{
    ((unsigned *)user)[participant->name[0] - 'a']++;
    return true;
}

GB_TEST(read, lanes_and_names_are_visited_once_and_a_visit_may_stop)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "a", &self);
    state_add(t, map, "b", 1);
    gb_map_remove(map, state_add(t, map, "c", 1));
    state_set(t, map, self, "1", "", 0);
    state_set(t, map, self, "2", "", 0);
    state_set(t, map, self, "3", "", 0);
    state_delete(t, map, self, "3", 0);
    unsigned names[3] = {0};
    gb_map_read_names(map, collect_name, names);
    expect_uint(names[0], 1);
    expect_uint(names[1], 1);
    expect_uint(names[2], 0);
    unsigned count = 0;
    uint64_t generation = 0;
    gb_slice name = gb_slice_from_str("a");
    expect_ok(gb_map_read_lane(map, name, GB_LANE_USER, 0, count_visit, &count, &generation));
    expect_uint(count, 2);
    expect_uint(generation, 1);
    expect_ok(gb_map_read_lane(map, name, GB_LANE_USER, 0, first_visit, &count, NULL));
    expect_uint(count, 3);
    expect_ok(gb_map_read_lane(map, name, GB_LANE_CONFIG, 0, count_visit, &count, NULL));
    expect_uint(count, 3);
    expect_err(
        gb_map_read_lane(map, gb_slice_from_str("c"), GB_LANE_USER, 0, count_visit, &count, NULL),
        GB_EUNKNOWN_NODE);
    gb_map_close(map);
}

/* ---- Other threads --------------------------------------------------------------------------- */

#define READER_COUNT 2
#define RETIRED_MAX 200000

/* The coarsest host that keeps the promise of reclaim: nothing is released before the readers have
 * ended. */
typedef struct shared {
    gb_map *map;
    atomic_bool is_over;
    atomic_uint missed; /* a key that is always there was not */
    atomic_uint wrong;
    atomic_ulong hits;
    struct {
        void (*release)(const gb_allocator *, void *);
        void *object;
    } * retired;
    size_t retired_count;
} shared;

static void shared_reclaim(void *user, void (*release)(const gb_allocator *, void *), void *object)
{
    shared *s = user;
    if (s->retired_count == RETIRED_MAX) {
        abort();
    }
    s->retired[s->retired_count].release = release;
    s->retired[s->retired_count++].object = object;
}

static bool check_visit(void *user, gb_record *record)
{
    shared *s = user;
    gb_slice value = gb_record_value(record);
    if (value.len == 0 || value.base[0] != value.base[value.len - 1]) {
        atomic_fetch_add(&s->wrong, 1);
    }
    return true;
}

static bool names_visit(void *user, const gb_participant *participant)
{
    shared *s = user;
    if (participant->generation == 0 || participant->name_size == 0) {
        atomic_fetch_add(&s->wrong, 1);
    }
    return true;
}

static void *reader(void *user)
{
    shared *s = user;
    while (!atomic_load(&s->is_over)) {
        for (int i = 0; i < 8; i++) {
            char key[8];
            (void)snprintf(key, sizeof key, "k%d", i);
            gb_record *record;
            if (read_value(s->map, "n", key, 0, &record, NULL) != GB_OK) {
                atomic_fetch_add(&s->missed, 1);
                continue;
            }
            (void)check_visit(s, record);
            gb_record_release(gb_allocator_default(), record);
            atomic_fetch_add(&s->hits, 1);
        }
        (void)gb_map_read_lane(s->map, gb_slice_from_str("n"), GB_LANE_USER, 0, check_visit, s,
                               NULL);
        gb_map_read_names(s->map, names_visit, s);
    }
    return NULL;
}

static void writer_round(gb_test *t, shared *s, gb_participant *self, int round)
{
    char key[16];
    char value[] = {(char)('a' + round % 26), ' ', (char)('a' + round % 26), 0};
    (void)snprintf(key, sizeof key, "k%d", round % 8); /* always there */
    state_set(t, s->map, self, key, value, 0);
    (void)snprintf(key, sizeof key, "other %d", round % 300);
    if (round / 300 % 2 == 0) {
        state_set(t, s->map, self, key, value, 0);
    } else {
        state_delete(t, s->map, self, key, 0);
        gb_map_purge(s->map, (gb_time_us)STATE_GRACE_US, 100);
    }
    (void)snprintf(key, sizeof key, "node %d", round % 40);
    gb_participant *known = gb_map_find(s->map, gb_slice_from_str(key));
    if (known == NULL) {
        state_add(t, s->map, key, 1);
    } else if (round % 3 == 0) {
        gb_map_set_departed(s->map, known, round % 2 == 0);
        expect_ok(gb_map_renew(s->map, &known, known->generation + 1));
    } else {
        gb_map_remove(s->map, known);
    }
}

GB_TEST(read, other_threads_miss_nothing_that_is_there_while_the_owner_writes)
{
    shared *s = gb_alloc_zeroed(t->allocator, sizeof *s);
    s->retired = gb_alloc_array(t->allocator, RETIRED_MAX, sizeof *s->retired);
    gb_map_options options = state_options(gb_allocator_default()); /* safe for threads */
    options.reclaim = shared_reclaim;
    options.reclaim_user = s;
    expect_ok(gb_map_open(&options, &s->map));
    gb_participant *self = state_add(t, s->map, "n", 1);
    gb_map_set_self(s->map, self);
    for (int i = 0; i < 8; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "k%d", i);
        state_set(t, s->map, self, key, "a a", 0);
    }
    pthread_t threads[READER_COUNT];
    for (int i = 0; i < READER_COUNT; i++) {
        expect_int(pthread_create(&threads[i], NULL, reader, s), 0);
    }
    /* Until both have read much while it was written, and the tables have grown and shrunk. */
    int round = 0;
    while (round < 3000 || (atomic_load(&s->hits) < 2000 && round < 30000)) {
        writer_round(t, s, self, round++);
        if (atomic_load(&s->hits) < 2000) {
            (void)sched_yield();
        }
    }
    atomic_store(&s->is_over, true);
    for (int i = 0; i < READER_COUNT; i++) {
        expect_int(pthread_join(threads[i], NULL), 0);
    }
    gb_map_check(s->map);
    for (size_t i = 0; i < s->retired_count; i++) {
        s->retired[i].release(gb_allocator_default(), s->retired[i].object);
    }
    gb_map_close(s->map);
    expect_uint(atomic_load(&s->missed), 0);
    expect_uint(atomic_load(&s->wrong), 0);
    expect_true(atomic_load(&s->hits) > 0);
    gb_free(t->allocator, s->retired);
    gb_free(t->allocator, s);
}
