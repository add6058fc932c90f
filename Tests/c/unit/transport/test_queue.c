/* SPDX-License-Identifier: Apache-2.0 */
/* test_queue.c: events from the loop to the host. */
#include "support/gb_test.h"
#include "transport/queue.h"

#include "state/record.h"

#include <poll.h>
#include <pthread.h>

static bool is_readable(const gb_event_queue *queue)
{
    struct pollfd at = {.fd = queue->read_fd, .events = POLLIN};
    return poll(&at, 1, 0) == 1;
}

static void stage(gb_event_queue *queue, uint32_t kind, uint64_t count)
{
    const gb_event event = {.kind = kind, .count = count, .name = gb_slice_from_str("n")};
    (void)gb_event_queue_stage(queue, &event);
}

static void expect_next(gb_test *t, gb_event_queue *queue, uint32_t kind, uint64_t count)
{
    const gb_event *event;
    expect_ok(gb_event_queue_next(queue, &event));
    expect_uint(event->kind, kind);
    expect_uint(event->count, count);
    gb_queued_event_release(t->allocator, event);
}

static void expect_empty(gb_test *t, gb_event_queue *queue)
{
    const gb_event *event;
    expect_err(gb_event_queue_next(queue, &event), GB_EAGAIN);
}

GB_TEST(queue, events_come_in_order_and_the_descriptor_tells)
{
    gb_event_queue queue;
    expect_ok(gb_event_queue_init(&queue, t->allocator, 10, 100000));
    expect_false(is_readable(&queue));
    stage(&queue, GB_EVENT_EXCHANGE, 1);
    stage(&queue, GB_EVENT_EXCHANGE, 2);
    expect_empty(t, &queue);
    gb_event_queue_publish(&queue);
    stage(&queue, GB_EVENT_EXCHANGE, 3);
    gb_event_queue_publish(&queue);
    expect_true(is_readable(&queue));
    expect_next(t, &queue, GB_EVENT_EXCHANGE, 1);
    expect_true(is_readable(&queue));
    expect_next(t, &queue, GB_EVENT_EXCHANGE, 2);
    expect_next(t, &queue, GB_EVENT_EXCHANGE, 3);
    expect_empty(t, &queue);
    expect_false(is_readable(&queue));
    gb_event_queue_deinit(&queue);
}

GB_TEST(queue, slices_and_records_outlive_the_caller_and_the_queue)
{
    gb_event_queue queue;
    expect_ok(gb_event_queue_init(&queue, t->allocator, 10, 100000));
    const gb_delta delta = {.type = GB_VALUE_STRING,
                            .group = gb_slice_from_str("g"),
                            .key = gb_slice_from_str("k"),
                            .value = gb_slice_from_str("v")};
    gb_record *record;
    expect_ok(gb_record_open(t->allocator, &delta, &record));
    char name[] = "some";
    const gb_event event = {
        .kind = GB_EVENT_DELTA, .name = gb_slice_from_str(name), .record = record};
    expect_true(gb_event_queue_stage(&queue, &event));
    name[0] = 'x';
    gb_record_release(t->allocator, record);
    gb_event_queue_publish(&queue);
    const gb_event *taken;
    expect_ok(gb_event_queue_next(&queue, &taken));
    gb_event_queue_deinit(&queue);
    expect_slice(taken->name, gb_slice_from_str("some"));
    expect_slice(gb_record_value(taken->record), gb_slice_from_str("v"));
    gb_queued_event_release(t->allocator, taken);
}

GB_TEST(queue, a_slow_host_is_told_once_how_many_it_missed)
{
    gb_event_queue queue;
    expect_ok(gb_event_queue_init(&queue, t->allocator, 3, 100000));
    for (uint64_t i = 1; i <= 10; i++) {
        stage(&queue, GB_EVENT_EXCHANGE, i);
        gb_event_queue_publish(&queue);
    }
    expect_next(t, &queue, GB_EVENT_EXCHANGE, 1);
    /* There is room, but until the host has come to the lag it would miss what lies between. */
    stage(&queue, GB_EVENT_EXCHANGE, 11);
    gb_event_queue_publish(&queue);
    expect_next(t, &queue, GB_EVENT_EXCHANGE, 2);
    expect_next(t, &queue, GB_EVENT_EXCHANGE, 3);
    expect_next(t, &queue, GB_EVENT_LAGGED, 8);
    expect_empty(t, &queue);
    stage(&queue, GB_EVENT_EXCHANGE, 12);
    gb_event_queue_publish(&queue);
    expect_next(t, &queue, GB_EVENT_EXCHANGE, 12);
    expect_empty(t, &queue);
    gb_event_queue_deinit(&queue);
}

GB_TEST(queue, a_full_queue_still_takes_last_words_and_clients)
{
    gb_event_queue queue;
    expect_ok(gb_event_queue_init(&queue, t->allocator, 2, 100000));
    for (uint64_t i = 1; i <= 3; i++) {
        stage(&queue, GB_EVENT_EXCHANGE, i);
    }
    stage(&queue, GB_EVENT_CLIENT_REQUEST, 0);
    const gb_event request = {.kind = GB_EVENT_CLIENT_REQUEST};
    expect_false(gb_event_queue_stage(&queue, &request));
    stage(&queue, GB_EVENT_CLIENT_CLOSED, 0);
    stage(&queue, GB_EVENT_LEFT, 0);
    gb_event_queue_publish(&queue);
    expect_next(t, &queue, GB_EVENT_EXCHANGE, 1);
    expect_next(t, &queue, GB_EVENT_EXCHANGE, 2);
    expect_next(t, &queue, GB_EVENT_LAGGED, 1);
    expect_next(t, &queue, GB_EVENT_CLIENT_REQUEST, 0);
    expect_next(t, &queue, GB_EVENT_CLIENT_CLOSED, 0);
    expect_next(t, &queue, GB_EVENT_LEFT, 0);
    expect_empty(t, &queue);
    gb_event_queue_deinit(&queue);
}

GB_TEST(queue, events_that_hold_much_memory_are_bounded_too)
{
    gb_event_queue queue;
    expect_ok(gb_event_queue_init(&queue, t->allocator, 1000, 4096));
    static const uint8_t bytes[1500];
    for (int i = 0; i < 5; i++) {
        const gb_event event = {.kind = GB_EVENT_EXCHANGE,
                                .text = gb_slice_make(bytes, sizeof bytes)};
        expect_true(gb_event_queue_stage(&queue, &event));
    }
    gb_event_queue_publish(&queue);
    for (int i = 0; i < 3; i++) {
        expect_next(t, &queue, GB_EVENT_EXCHANGE, 0);
    }
    expect_next(t, &queue, GB_EVENT_LAGGED, 2);
    gb_event_queue_deinit(&queue);
}

GB_TEST(queue, events_without_memory_count_as_lag)
{
    gb_event_queue queue;
    expect_ok(gb_event_queue_init(&queue, t->allocator, 10, 100000));
    stage(&queue, GB_EVENT_EXCHANGE, 1);
    gb_failing_allocator_exhaust(&t->counted, 0);
    stage(&queue, GB_EVENT_EXCHANGE, 2);
    stage(&queue, GB_EVENT_EXCHANGE, 3);
    gb_failing_allocator_relax(&t->counted);
    gb_event_queue_publish(&queue);
    expect_next(t, &queue, GB_EVENT_EXCHANGE, 1);
    expect_next(t, &queue, GB_EVENT_LAGGED, 2);
    expect_empty(t, &queue);
    gb_event_queue_deinit(&queue);
}

#define SENT 50000

static void *produce(void *argument)
{
    gb_event_queue *queue = argument;
    for (uint64_t i = 1; i <= SENT; i++) {
        stage(queue, GB_EVENT_EXCHANGE, i);
        if (i % 3 == 0) {
            gb_event_queue_publish(queue);
        }
    }
    stage(queue, GB_EVENT_LEFT, 0);
    gb_event_queue_publish(queue);
    return NULL;
}

/* Nothing is lost uncounted, nothing comes twice or in the wrong order, no wake-up is missed. */
GB_TEST(queue, two_threads_agree_on_every_event)
{
    static gb_event_queue queue;
    const gb_allocator *allocator = gb_allocator_default();
    expect_ok(gb_event_queue_init(&queue, allocator, 64, 1000000));
    pthread_t thread;
    expect_int(pthread_create(&thread, NULL, produce, &queue), 0);
    uint64_t seen = 0;
    uint64_t last = 0;
    bool is_over = false;
    while (!is_over) {
        const gb_event *event;
        if (gb_event_queue_next(&queue, &event) != GB_OK) {
            struct pollfd at = {.fd = queue.read_fd, .events = POLLIN};
            expect_int(poll(&at, 1, 30000), 1);
            continue;
        }
        if (event->kind == GB_EVENT_EXCHANGE) {
            expect_true(event->count > last);
            last = event->count;
            seen++;
        } else if (event->kind == GB_EVENT_LAGGED) {
            seen += event->count;
        } else {
            is_over = true;
        }
        gb_queued_event_release(allocator, event);
    }
    (void)pthread_join(thread, NULL);
    expect_uint(seen, SENT);
    gb_event_queue_deinit(&queue);
}
