/* SPDX-License-Identifier: Apache-2.0 */
/* queue.h: the events that wait for the host: one producer (the loop), one consumer, no locks.
 *
 * Happy path: the loop stages events during a turn and publishes them at its end; the host sees the
 * descriptor readable and takes one after the other. Where the host is too slow, events are dropped
 * and one GB_EVENT_LAGGED stands in their place; until the host has come to it, everything that may
 * be dropped is, so that what it reads anew after that event misses nothing. */
#ifndef GB_TRANSPORT_QUEUE_H
#define GB_TRANSPORT_QUEUE_H

#include <goferbroke/event.h>

#include <stdatomic.h>

typedef struct gb_queued_event gb_queued_event;

typedef struct gb_event_queue {
    const gb_allocator *allocator;
    uint32_t count_max;
    size_t size_max;
    int read_fd;
    int write_fd; /* the same as read_fd where there is eventfd */
    /* producer */
    gb_queued_event *staged; /* newest first */
    gb_queued_event *spare;  /* for GB_EVENT_LAGGED: it needs no memory when it is needed */
    uint64_t uncounted;      /* dropped, and no memory even to say so */
    /* both */
    _Atomic(gb_queued_event *) published; /* newest first */
    _Atomic uint32_t count;
    _Atomic size_t size;
    _Atomic uint64_t lag; /* dropped since the GB_EVENT_LAGGED that waits; 0: none waits */
    _Atomic bool is_signalled;
    /* consumer */
    gb_queued_event *taken; /* oldest first */
} gb_event_queue;

/* Borrows `allocator`, which must be thread-safe. Errors: GB_EIO (no descriptor), GB_ENOMEM. */
gb_err gb_event_queue_init(gb_event_queue *queue, const gb_allocator *allocator, uint32_t count_max,
                           size_t size_max);
/* Frees what waits. Events that were taken stay valid. */
void gb_event_queue_deinit(gb_event_queue *queue);

/* Producer: copy `event` (its records are referenced). Never fails: what finds no room or memory is
 * counted as lag, except for a node's few last words and what clients depend on.
 * false: a client's event found no room even so; the caller should close that client. */
bool gb_event_queue_stage(gb_event_queue *queue, const gb_event *event);
/* Producer: let the consumer see what was staged. */
void gb_event_queue_publish(gb_event_queue *queue);
/* Producer: so many events wait that clients should not be given more to ask. */
bool gb_event_queue_is_crowded(const gb_event_queue *queue);

/* Consumer. Errors: GB_EAGAIN. */
gb_err gb_event_queue_next(gb_event_queue *queue, const gb_event **out);
/* Any thread, also after the queue has gone. */
void gb_queued_event_release(const gb_allocator *allocator, const gb_event *event);

#endif
