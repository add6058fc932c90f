/* SPDX-License-Identifier: Apache-2.0 */
/* loop.c: the thread and its turns. */
#include "transport/loop.h"

#include "platform/alloc.h"
#include "platform/err_info.h"
#include "transport/conn.h"
#include "transport/node_impl.h"

#include <signal.h>
#include <string.h>

/* ---- Timers --------------------------------------------------------------------------------- */

gb_err gb_timer_open(gb_timer *timer, gb_loop *loop, void (*fire)(gb_timer *timer, gb_time_us now))
{
    gb_err err = gb_heap_reserve(&loop->timers, loop->timer_count + 1);
    if (err != GB_OK) {
        return err;
    }
    loop->timer_count++;
    gb_heap_node_init(&timer->node);
    timer->loop = loop;
    timer->fire = fire;
    return GB_OK;
}

void gb_timer_close(gb_timer *timer)
{
    if (timer->loop != NULL) {
        gb_heap_remove(&timer->loop->timers, &timer->node);
        timer->loop->timer_count--;
        timer->loop = NULL;
    }
}

void gb_timer_set(gb_timer *timer, gb_time_us at)
{
    GB_ASSERT(timer->loop != NULL);
    if (at == UINT64_MAX) {
        gb_heap_remove(&timer->loop->timers, &timer->node);
        return;
    }
    gb_err err = gb_heap_set(&timer->loop->timers, &timer->node, at);
    GB_ASSERT(err == GB_OK); /* room was reserved */
}

static void loop_fire(gb_loop *loop)
{
    gb_time_us now = gb_now();
    /* As many as there are now: one that sets itself anew for at once waits for the next turn. */
    for (size_t left = loop->timers.count; left > 0; left--) {
        gb_heap_node *node = gb_heap_pop(&loop->timers, now);
        if (node == NULL) {
            return;
        }
        gb_timer *timer = GB_CONTAINER_OF(node, gb_timer, node);
        timer->fire(timer, now);
    }
}

static void on_timer(uv_timer_t *timer)
{
    gb_loop *loop = timer->data;
    loop->armed_ms = UINT64_MAX;
    loop_fire(loop);
}

/* Set the one uv timer to the nearest deadline; its milliseconds are rounded up, so that it never
 * comes early. */
static void loop_arm(gb_loop *loop)
{
    uint64_t wanted = UINT64_MAX;
    const gb_heap_node *first = gb_heap_min(&loop->timers);
    if (first != NULL) {
        wanted = first->key / 1000 + (first->key % 1000 != 0 ? 1 : 0);
    }
    if (!gb_list_is_empty(&loop->dirty) || !gb_list_is_empty(&loop->resuming)) {
        wanted = 0;
    }
    if (wanted == loop->armed_ms) {
        return;
    }
    loop->armed_ms = wanted;
    if (wanted == UINT64_MAX) {
        (void)uv_timer_stop(&loop->timer);
        return;
    }
    uint64_t now_ms = uv_now(&loop->uv);
    (void)uv_timer_start(&loop->timer, on_timer, wanted > now_ms ? wanted - now_ms : 0, 0);
}

/* ---- Turns ---------------------------------------------------------------------------------- */

static void loop_flush(gb_loop *loop)
{
    /* Those that are dirty now; who becomes so meanwhile comes in the next turn. */
    gb_list batch;
    gb_list_init(&batch);
    for (gb_list_node *node; (node = gb_list_pop_front(&loop->dirty)) != NULL;) {
        gb_list_push_back(&batch, node);
    }
    for (gb_list_node *node; (node = gb_list_pop_front(&batch)) != NULL;) {
        gb_node_flush(GB_CONTAINER_OF(node, gb_node, dirty));
    }
}

static void on_prepare(uv_prepare_t *prepare)
{
    gb_loop *loop = prepare->data;
    gb_conn_resume_all(loop);
    loop_flush(loop);
    loop_arm(loop);
}

static void on_check(uv_check_t *check)
{
    loop_flush(check->data);
}

static void loop_close_handles(gb_loop *loop)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&loop->async, (uv_handle_t *)&loop->prepare,
                              (uv_handle_t *)&loop->check, (uv_handle_t *)&loop->timer};
    for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++) {
        if (!uv_is_closing(handles[i])) {
            uv_close(handles[i], NULL);
        }
    }
}

static void on_async(uv_async_t *async)
{
    gb_loop *loop = async->data;
    gb_node *node = atomic_exchange(&loop->posted, NULL);
    while (node != NULL) {
        gb_node *next = node->posted_next;
        /* From here on it can be posted again. */
        atomic_store(&node->is_posted, false);
        gb_node_process(node);
        node = next;
    }
    if (atomic_load(&loop->should_stop)) {
        loop_close_handles(loop);
    }
}

void gb_loop_post(gb_loop *loop, gb_node *node)
{
    if (atomic_exchange(&node->is_posted, true)) {
        return;
    }
    gb_node *first = atomic_load(&loop->posted);
    do {
        node->posted_next = first;
    } while (!atomic_compare_exchange_weak(&loop->posted, &first, node));
    (void)uv_async_send(&loop->async);
}

void gb_loop_broadcast(gb_loop *loop)
{
    (void)pthread_mutex_lock(&loop->mutex);
    (void)pthread_cond_broadcast(&loop->changed);
    (void)pthread_mutex_unlock(&loop->mutex);
}

static void *loop_run(void *argument)
{
    gb_loop *loop = argument;
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    return NULL;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static int loop_open_handles(gb_loop *loop)
{
    int status = uv_async_init(&loop->uv, &loop->async, on_async);
    if (status != 0) {
        return status;
    }
    /* These cannot fail. */
    (void)uv_prepare_init(&loop->uv, &loop->prepare);
    (void)uv_check_init(&loop->uv, &loop->check);
    (void)uv_timer_init(&loop->uv, &loop->timer);
    loop->async.data = loop;
    loop->prepare.data = loop;
    loop->check.data = loop;
    loop->timer.data = loop;
    (void)uv_prepare_start(&loop->prepare, on_prepare);
    (void)uv_check_start(&loop->check, on_check);
    return 0;
}

/* With all signals blocked: they are the host's, and a write to a closed socket must not raise
 * SIGPIPE. Threads that libuv starts from there inherit it. */
static int loop_start_thread(gb_loop *loop)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(&loop->thread, NULL, loop_run, loop);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

static void loop_free(gb_loop *loop)
{
    while (loop->shells != NULL) {
        gb_node *shell = loop->shells;
        loop->shells = shell->next_shell;
        gb_free(loop->allocator, shell);
    }
    gb_heap_deinit(&loop->timers);
    (void)pthread_cond_destroy(&loop->changed);
    (void)pthread_mutex_destroy(&loop->mutex);
    gb_free(loop->allocator, loop);
}

gb_err gb_loop_open(const gb_loop_options *options, gb_loop **out, gb_err_info *info)
{
    gb_err_info_clear(info);
    if (options != NULL && options->size != sizeof *options) {
        return gb_err_info_set(info, GB_EINVAL, 0, "open loop: options of another version");
    }
    const gb_allocator *allocator =
        options != NULL && options->allocator != NULL ? options->allocator : gb_allocator_default();
    gb_loop *loop = gb_alloc_zeroed(allocator, sizeof *loop);
    if (loop == NULL) {
        return gb_err_info_set(info, GB_ENOMEM, 0, "open loop: out of memory");
    }
    loop->allocator = allocator;
    loop->armed_ms = UINT64_MAX;
    gb_heap_init(&loop->timers, allocator);
    gb_list_init(&loop->dirty);
    gb_list_init(&loop->resuming);
    (void)pthread_mutex_init(&loop->mutex, NULL);
    (void)pthread_cond_init(&loop->changed, NULL);

    int status = uv_loop_init(&loop->uv);
    if (status != 0) {
        loop_free(loop);
        return gb_err_info_set(info, status == UV_ENOMEM ? GB_ENOMEM : GB_EIO, status,
                               "open loop: %s", uv_strerror(status));
    }
    status = loop_open_handles(loop);
    if (status == 0) {
        status = -loop_start_thread(loop);
        if (status == 0) {
            *out = loop;
            return GB_OK;
        }
        loop_close_handles(loop);
        (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    }
    (void)uv_loop_close(&loop->uv);
    loop_free(loop);
    return gb_err_info_set(info, GB_EIO, status, "open loop: %s", uv_strerror(status));
}

gb_err gb_loop_close(gb_loop *loop)
{
    if (loop == NULL) {
        return GB_OK;
    }
    if (pthread_equal(pthread_self(), loop->thread)) {
        return GB_EBUSY;
    }
    (void)pthread_mutex_lock(&loop->mutex);
    bool is_busy = loop->node_count > 0;
    (void)pthread_mutex_unlock(&loop->mutex);
    if (is_busy) {
        return GB_EBUSY;
    }
    atomic_store(&loop->should_stop, true);
    (void)uv_async_send(&loop->async);
    (void)pthread_join(loop->thread, NULL);
    int status = uv_loop_close(&loop->uv);
    GB_ASSERT(status == 0);
    loop_free(loop);
    return GB_OK;
}
