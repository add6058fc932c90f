/* SPDX-License-Identifier: Apache-2.0 */
/* loop.h: the thread, its libuv loop, and what the files of this layer share of them.
 *
 * A turn of the loop: timers, then reads and posted commands of all nodes, then each node that has
 * work is flushed once, so that what is told to one link leaves as one write. */
#ifndef GB_TRANSPORT_LOOP_H
#define GB_TRANSPORT_LOOP_H

#include <goferbroke/node.h>

#include "platform/assert.h"
#include "platform/heap.h"
#include "platform/limits.h"
#include "platform/list.h"

#include <stdatomic.h>
#include <uv.h>

/* Something that wants to be called at a time. Embedded; opened by gb_timer_open. */
typedef struct gb_timer {
    gb_heap_node node;
    struct gb_loop *loop; /* NULL: not open */
    void (*fire)(struct gb_timer *timer, gb_time_us now);
} gb_timer;

struct gb_loop {
    const gb_allocator *allocator;
    uv_loop_t uv;
    uv_async_t async;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t timer;
    pthread_t thread;
    /* the loop's thread alone */
    gb_heap timers;
    size_t timer_count;
    uint64_t armed_ms; /* what the uv timer is set to; UINT64_MAX: nothing */
    uint64_t turn_no;
    gb_list dirty;    /* nodes with work */
    gb_list resuming; /* connections that may read again in the next turn */
    /* any thread */
    _Atomic(gb_node *) posted; /* nodes with commands, newest first */
    atomic_bool should_stop;
    pthread_mutex_t mutex; /* of what follows; `changed` tells */
    pthread_cond_t changed;
    uint32_t node_count;
    gb_node *shells;      /* all memory of nodes; lives as long as the loop */
    gb_node *free_shells; /* reused: a late gb_node_record_release needs only what never changes */
    /* one read at a time: a handler is done with it before the next begins */
    uint8_t read_buffer[GB_READ_SIZE];
};

/* Loop-only functions begin with it. */
#define GB_ASSERT_ON_LOOP(loop) GB_ASSERT(pthread_equal(pthread_self(), (loop)->thread))

static inline gb_time_us gb_now(void)
{
    return uv_hrtime() / 1000;
}

/* Any thread: let the loop look at what `node` has been given. */
void gb_loop_post(gb_loop *loop, gb_node *node);
/* Any thread: tell those who wait under the mutex. */
void gb_loop_broadcast(gb_loop *loop);

/* Loop. Errors: GB_ENOMEM; after it, setting cannot fail. */
gb_err gb_timer_open(gb_timer *timer, gb_loop *loop, void (*fire)(gb_timer *timer, gb_time_us now));
/* Loop. One that was not opened stays as it is. */
void gb_timer_close(gb_timer *timer);
/* Loop. `at` UINT64_MAX: not at all. */
void gb_timer_set(gb_timer *timer, gb_time_us at);

#endif
