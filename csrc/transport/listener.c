/* SPDX-License-Identifier: Apache-2.0 */
/* listener.c: accepting. With a poll handle instead of uv_listen, because a door must be able to
 * pause: without descriptors it would be called again and again. */
#include "transport/listener.h"

#include "transport/address.h"
#include "transport/conn.h"
#include "transport/node_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void on_readable(uv_poll_t *poll, int status, int events);

static void listener_resume(gb_timer *timer, gb_time_us now)
{
    (void)now;
    gb_listener *listener = GB_CONTAINER_OF(timer, gb_listener, pause);
    (void)uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

/* No descriptors or memory: the backlog waits, the host is told once. */
static void listener_pause(gb_listener *listener, int code)
{
    (void)uv_poll_stop(&listener->poll);
    gb_timer_set(&listener->pause, gb_now() + (gb_time_us)GB_ACCEPT_PAUSE_MS * 1000);
    if (listener->was_full) {
        return;
    }
    listener->was_full = true;
    char text[128];
    (void)snprintf(text, sizeof text, "accept on the %s door: %s",
                   listener->role == GB_ROLE_CLIENT ? "client" : "member", uv_strerror(-code));
    gb_node_notify_limit(listener->node, GB_EIO, text);
}

static bool listener_has_room(const gb_listener *listener)
{
    const gb_node *node = listener->node;
    if (listener->role == GB_ROLE_CLIENT) {
        /* A small limit of the host's is shared as it is: there is nothing to reserve from it. */
        uint32_t reserved = listener->is_local || node->client_count_max <= 2 * GB_CLIENTS_LOCAL_MIN
                                ? 0
                                : GB_CLIENTS_LOCAL_MIN;
        return node->client_conn_count + reserved < node->client_count_max &&
               !gb_event_queue_is_crowded(&node->events);
    }
    return node->conn_count < 2 * GB_LINKS_MAX;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    gb_listener *listener = GB_CONTAINER_OF(poll, gb_listener, poll);
    if (status != 0) {
        listener_pause(listener, -status);
        return;
    }
    for (int i = 0; i < GB_ACCEPTS_PER_TURN_MAX; i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        memset(&address, 0, sizeof address);
        int fd = accept(listener->fd, (struct sockaddr *)&address, &size);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED) {
                continue;
            }
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                listener_pause(listener, errno);
            }
            return;
        }
        listener->was_full = false;
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (!listener_has_room(listener)) {
            (void)close(fd);
            continue;
        }
        char host[64];
        uint16_t port;
        gb_sockaddr_host(&address, host, sizeof host, &port);
        gb_conn_accepted(listener->node, listener->role, fd, host, port);
    }
}

gb_err gb_listener_start(gb_listener *listener, gb_node *node, uint8_t role)
{
    GB_ASSERT_ON_LOOP(node->loop);
    listener->node = node;
    listener->role = role;
    gb_err err = gb_timer_open(&listener->pause, node->loop, listener_resume);
    if (err != GB_OK) {
        return err;
    }
    if (uv_poll_init(&node->loop->uv, &listener->poll, listener->fd) != 0) {
        gb_timer_close(&listener->pause);
        return GB_EIO;
    }
    listener->has_handle = true;
    return uv_poll_start(&listener->poll, UV_READABLE, on_readable) == 0 ? GB_OK : GB_EIO;
}

static void on_closed(uv_handle_t *handle)
{
    gb_listener *listener = GB_CONTAINER_OF((uv_poll_t *)handle, gb_listener, poll);
    listener->has_handle = false;
    (void)close(listener->fd);
    listener->fd = -1;
    gb_node_check_gone(listener->node);
}

void gb_listener_stop(gb_listener *listener)
{
    gb_timer_close(&listener->pause);
    if (listener->has_handle && !uv_is_closing((uv_handle_t *)&listener->poll)) {
        uv_close((uv_handle_t *)&listener->poll, on_closed);
    }
}
