/* SPDX-License-Identifier: Apache-2.0 */
/* queue.c: events from the loop to the host. */
#include "transport/queue.h"

#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/list.h"
#include "state/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

struct gb_queued_event {
    gb_event event; /* what the host holds */
    gb_queued_event *next;
    size_t size; /* counted against size_max */
    uint8_t bytes[];
};

/* ---- The descriptor ------------------------------------------------------------------------- */

static gb_err queue_open_descriptor(gb_event_queue *queue)
{
#ifdef __linux__
    queue->read_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    queue->write_fd = queue->read_fd;
    return queue->read_fd < 0 ? GB_EIO : GB_OK;
#else
    int ends[2];
    if (pipe(ends) != 0) {
        return GB_EIO;
    }
    for (int i = 0; i < 2; i++) {
        (void)fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        (void)fcntl(ends[i], F_SETFL, O_NONBLOCK);
    }
    queue->read_fd = ends[0];
    queue->write_fd = ends[1];
    return GB_OK;
#endif
}

/* A write of 8 bytes suits an eventfd and a pipe alike. A full pipe is readable already. */
static void queue_signal(gb_event_queue *queue)
{
    if (atomic_exchange(&queue->is_signalled, true)) {
        return;
    }
    const uint64_t one = 1;
    ssize_t written;
    do {
        written = write(queue->write_fd, &one, sizeof one);
    } while (written < 0 && errno == EINTR);
}

static void queue_clear_signal(gb_event_queue *queue)
{
    uint64_t value;
    ssize_t got;
    do {
        got = read(queue->read_fd, &value, sizeof value);
    } while (got < 0 && errno == EINTR);
    atomic_store(&queue->is_signalled, false);
}

/* ---- Life ----------------------------------------------------------------------------------- */

gb_err gb_event_queue_init(gb_event_queue *queue, const gb_allocator *allocator, uint32_t count_max,
                           size_t size_max)
{
    memset(queue, 0, sizeof *queue);
    queue->allocator = allocator;
    queue->count_max = count_max;
    queue->size_max = size_max;
    atomic_init(&queue->published, NULL);
    atomic_init(&queue->count, 0);
    atomic_init(&queue->size, 0);
    atomic_init(&queue->lag, 0);
    atomic_init(&queue->is_signalled, false);
    return queue_open_descriptor(queue);
}

static void free_chain(const gb_allocator *allocator, gb_queued_event *queued)
{
    while (queued != NULL) {
        gb_queued_event *next = queued->next;
        gb_queued_event_release(allocator, &queued->event);
        queued = next;
    }
}

void gb_event_queue_deinit(gb_event_queue *queue)
{
    free_chain(queue->allocator, queue->staged);
    free_chain(queue->allocator, queue->spare);
    free_chain(queue->allocator, atomic_load(&queue->published));
    free_chain(queue->allocator, queue->taken);
    if (queue->write_fd != queue->read_fd) {
        (void)close(queue->write_fd);
    }
    (void)close(queue->read_fd);
}

void gb_queued_event_release(const gb_allocator *allocator, const gb_event *event)
{
    if (event == NULL) {
        return;
    }
    gb_record_release(allocator, event->record);
    gb_record_release(allocator, event->before);
    gb_free(allocator, (void *)(uintptr_t)event); /* ours; `const` was for the host */
}

/* ---- Producer ------------------------------------------------------------------------------- */

static void copy_slice(gb_slice *slice, uint8_t **at)
{
    if (slice->len > 0) {
        memcpy(*at, slice->base, slice->len);
    }
    slice->base = *at;
    *at += slice->len;
}

static size_t record_size(const gb_record *record)
{
    return record == NULL
               ? 0
               : sizeof *record + record->value_size + record->key_size + record->group_size;
}

static gb_queued_event *event_copy(const gb_allocator *allocator, const gb_event *event)
{
    size_t size = sizeof(gb_queued_event) + event->name.len + event->accuser.len + event->text.len +
                  event->host.len + event->payload.len;
    gb_queued_event *queued = gb_alloc(allocator, size);
    if (queued == NULL) {
        return NULL;
    }
    queued->event = *event;
    queued->next = NULL;
    queued->size = size + record_size(event->record) + record_size(event->before);
    uint8_t *at = queued->bytes;
    copy_slice(&queued->event.name, &at);
    copy_slice(&queued->event.accuser, &at);
    copy_slice(&queued->event.text, &at);
    copy_slice(&queued->event.host, &at);
    copy_slice(&queued->event.payload, &at);
    if (event->record != NULL) {
        (void)gb_record_ref(event->record);
    }
    if (event->before != NULL) {
        (void)gb_record_ref(event->before);
    }
    return queued;
}

static void queue_push(gb_event_queue *queue, gb_queued_event *queued)
{
    queued->next = queue->staged;
    queue->staged = queued;
    atomic_fetch_add(&queue->count, 1);
    atomic_fetch_add(&queue->size, queued->size);
}

/* A node's few last words: at most some of them in a life, and nobody can read them anew. */
static bool is_last_word(uint32_t kind)
{
    return kind == GB_EVENT_JOINED || kind == GB_EVENT_REJECTED || kind == GB_EVENT_REPLACED ||
           kind == GB_EVENT_LEFT || kind == GB_EVENT_GENERATION;
}

static bool is_of_client(uint32_t kind)
{
    return kind == GB_EVENT_CLIENT_REQUEST || kind == GB_EVENT_CLIENT_CANCEL ||
           kind == GB_EVENT_CLIENT_CLOSED;
}

static bool queue_is_over(const gb_event_queue *queue, size_t factor)
{
    return atomic_load(&queue->count) >= (uint64_t)queue->count_max * factor ||
           atomic_load(&queue->size) >= queue->size_max * factor;
}

bool gb_event_queue_is_crowded(const gb_event_queue *queue)
{
    return queue_is_over(queue, 2);
}

static void queue_lag(gb_event_queue *queue, uint64_t time_us)
{
    uint64_t lag = atomic_load(&queue->lag);
    while (lag != 0) {
        if (atomic_compare_exchange_weak(&queue->lag, &lag, lag + 1)) {
            return;
        }
    }
    const gb_event event = {.kind = GB_EVENT_LAGGED, .time_us = time_us};
    gb_queued_event *queued = queue->spare;
    if (queued != NULL) {
        queued->event = event;
        queue->spare = NULL;
    } else {
        queued = event_copy(queue->allocator, &event);
    }
    queue->uncounted++;
    if (queued == NULL) {
        return; /* said as soon as there is memory again */
    }
    atomic_store(&queue->lag, queue->uncounted);
    queue->uncounted = 0;
    queue_push(queue, queued);
}

bool gb_event_queue_stage(gb_event_queue *queue, const gb_event *event)
{
    bool is_exempt = is_last_word(event->kind) || event->kind == GB_EVENT_CLIENT_CLOSED;
    if (queue->spare == NULL) {
        const gb_event blank = {.kind = GB_EVENT_LAGGED};
        queue->spare = event_copy(queue->allocator, &blank);
    }
    if (is_of_client(event->kind)) {
        if (!is_exempt && queue_is_over(queue, 2)) {
            return false;
        }
    } else if (!is_exempt && (atomic_load(&queue->lag) != 0 || queue_is_over(queue, 1))) {
        queue_lag(queue, event->time_us);
        return true;
    }
    if (queue->uncounted > 0) {
        queue->uncounted--; /* queue_lag counts itself */
        queue_lag(queue, event->time_us);
    }
    gb_queued_event *queued = event_copy(queue->allocator, event);
    if (queued == NULL) {
        queue_lag(queue, event->time_us);
        return !is_of_client(event->kind);
    }
    queue_push(queue, queued);
    return true;
}

void gb_event_queue_publish(gb_event_queue *queue)
{
    if (queue->staged == NULL) {
        return;
    }
    gb_queued_event *oldest = queue->staged;
    while (oldest->next != NULL) {
        oldest = oldest->next;
    }
    gb_queued_event *published = atomic_load(&queue->published);
    do {
        oldest->next = published;
    } while (!atomic_compare_exchange_weak(&queue->published, &published, queue->staged));
    queue->staged = NULL;
    queue_signal(queue);
}

/* ---- Consumer ------------------------------------------------------------------------------- */

static void queue_take(gb_event_queue *queue)
{
    gb_queued_event *newest = atomic_exchange(&queue->published, NULL);
    while (newest != NULL) {
        gb_queued_event *next = newest->next;
        newest->next = queue->taken;
        queue->taken = newest;
        newest = next;
    }
}

gb_err gb_event_queue_next(gb_event_queue *queue, const gb_event **out)
{
    if (queue->taken == NULL) {
        queue_take(queue);
    }
    if (queue->taken == NULL) {
        /* Nothing: the descriptor shall say so. What comes in between is found by looking again. */
        queue_clear_signal(queue);
        queue_take(queue);
        if (queue->taken == NULL) {
            return GB_EAGAIN;
        }
        queue_signal(queue);
    }
    gb_queued_event *queued = queue->taken;
    queue->taken = queued->next;
    queued->next = NULL;
    atomic_fetch_sub(&queue->count, 1);
    atomic_fetch_sub(&queue->size, queued->size);
    if (queued->event.kind == GB_EVENT_LAGGED) {
        /* One that the engine told carries a count of its own; ours carry 0. */
        if (queued->event.count == 0) {
            queued->event.count = atomic_exchange(&queue->lag, 0);
        }
    }
    *out = &queued->event;
    return GB_OK;
}
