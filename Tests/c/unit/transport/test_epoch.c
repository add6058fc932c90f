/* SPDX-License-Identifier: Apache-2.0 */
/* test_epoch.c: retired objects stay as long as a reader may see them, and no longer. */
#include "support/gb_test.h"
#include "transport/epoch.h"

#include "platform/alloc.h"

#include <pthread.h>

static int released;

static void count_release(const gb_allocator *allocator, void *object)
{
    (void)allocator;
    released += *(int *)object;
}

GB_TEST(epoch, what_nobody_reads_is_released_at_once)
{
    gb_epoch epoch;
    int one = 1;
    released = 0;
    gb_epoch_init(&epoch, t->allocator);
    gb_epoch_retire(&epoch, count_release, &one);
    expect_int(released, 0);
    expect_true(gb_epoch_collect(&epoch, 100));
    expect_int(released, 1);
    gb_epoch_deinit(&epoch);
}

GB_TEST(epoch, a_reader_holds_what_was_retired_after_it_began)
{
    gb_epoch epoch;
    int one = 1;
    released = 0;
    gb_epoch_init(&epoch, t->allocator);
    _Atomic uint32_t *section = gb_epoch_enter(&epoch);
    gb_epoch_retire(&epoch, count_release, &one);
    for (int i = 0; i < 5; i++) {
        expect_false(gb_epoch_collect(&epoch, 100));
    }
    expect_int(released, 0);
    /* A later reader does not keep it longer. */
    _Atomic uint32_t *later = gb_epoch_enter(&epoch);
    gb_epoch_exit(section);
    (void)gb_epoch_collect(&epoch, 100);
    expect_int(released, 1);
    gb_epoch_exit(later);
    expect_true(gb_epoch_collect(&epoch, 100));
    gb_epoch_deinit(&epoch);
}

GB_TEST(epoch, releases_as_many_as_it_may_in_a_turn)
{
    gb_epoch epoch;
    int one = 1;
    released = 0;
    gb_epoch_init(&epoch, t->allocator);
    for (int i = 0; i < 1000; i++) {
        gb_epoch_retire(&epoch, count_release, &one);
    }
    expect_false(gb_epoch_collect(&epoch, 300));
    expect_int(released, 300);
    expect_false(gb_epoch_collect(&epoch, 300));
    expect_int(released, 600);
    gb_epoch_deinit(&epoch);
    expect_int(released, 1000);
}

GB_TEST(epoch, without_memory_it_waits_for_readers_and_releases)
{
    gb_epoch epoch;
    int one = 1;
    released = 0;
    gb_epoch_init(&epoch, t->allocator);
    gb_failing_allocator_exhaust(&t->counted, 0);
    gb_epoch_retire(&epoch, count_release, &one);
    gb_failing_allocator_relax(&t->counted);
    expect_int(released, 1);
    gb_epoch_deinit(&epoch);
}

/* ---- Threads: an object that a reader holds never changes --------------------------------------
 */

#define READERS 4
#define SWAPS 20000
#define ALIVE UINT64_C(0x1122334455667788)

typedef struct shared_object {
    uint64_t first;
    uint64_t second;
} shared_object;

typedef struct shared_state {
    gb_epoch epoch;
    _Atomic(shared_object *) object;
    atomic_bool is_over;
    atomic_uint started;
    atomic_ulong reads;
    atomic_ulong wrong;
} shared_state;

static void object_release(const gb_allocator *allocator, void *object)
{
    shared_object *dead = object;
    dead->first = 0;
    dead->second = 0;
    gb_free(allocator, dead);
}

static void *read_on(void *argument)
{
    shared_state *state = argument;
    atomic_fetch_add(&state->started, 1);
    while (!atomic_load(&state->is_over)) {
        _Atomic uint32_t *section = gb_epoch_enter(&state->epoch);
        const shared_object *object = atomic_load(&state->object);
        bool is_whole = object->first == ALIVE && object->second == ~ALIVE;
        gb_epoch_exit(section);
        atomic_fetch_add_explicit(&state->reads, 1, memory_order_relaxed);
        if (!is_whole) {
            atomic_fetch_add(&state->wrong, 1);
        }
    }
    return NULL;
}

static shared_object *object_make(const gb_allocator *allocator)
{
    shared_object *object = gb_alloc(allocator, sizeof *object);
    if (object != NULL) {
        *object = (shared_object){ALIVE, ~ALIVE};
    }
    return object;
}

GB_TEST(epoch, readers_in_threads_never_see_a_released_object)
{
    static shared_state state;
    const gb_allocator *allocator = gb_allocator_default();
    gb_epoch_init(&state.epoch, allocator);
    atomic_store(&state.object, object_make(allocator));
    atomic_store(&state.is_over, false);
    atomic_store(&state.started, 0);
    pthread_t threads[READERS];
    for (int i = 0; i < READERS; i++) {
        expect_int(pthread_create(&threads[i], NULL, read_on, &state), 0);
    }
    while (atomic_load(&state.started) < READERS) {
    }
    uint64_t emptied = 0;
    for (int i = 0; i < SWAPS; i++) {
        shared_object *next = object_make(allocator);
        shared_object *old = atomic_exchange(&state.object, next);
        gb_epoch_retire(&state.epoch, object_release, old);
        emptied += gb_epoch_collect(&state.epoch, 64) ? 1 : 0;
    }
    atomic_store(&state.is_over, true);
    for (int i = 0; i < READERS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    gb_epoch_deinit(&state.epoch);
    object_release(allocator, atomic_load(&state.object));
    expect_uint(atomic_load(&state.wrong), 0);
    expect_true(atomic_load(&state.reads) > 0);
    (void)emptied;
}
