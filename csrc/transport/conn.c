/* SPDX-License-Identifier: Apache-2.0 */
/* conn.c: reading, writing and closing a stream. */
#include "transport/conn.h"

#include "platform/alloc.h"
#include "platform/hash.h"
#include "transport/dialer.h"
#include "transport/node_impl.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#define CONN_NOTSENT_LOWAT (128 * 1024)

uint8_t gb_conn_cause(int status)
{
    switch (status) {
    case UV_EOF:
        return GB_CLOSE_ENDED;
    case UV_ETIMEDOUT:
        return GB_CLOSE_TIMED_OUT;
    case UV_ECONNREFUSED:
    case UV_ENOENT: /* of a Unix socket */
        return GB_CLOSE_REFUSED;
    case UV_ECONNRESET:
    case UV_EPIPE:
    case UV_ECONNABORTED:
        return GB_CLOSE_RESET;
    default:
        /* No route, host unknown, no descriptors: nothing that the peer did. */
        return GB_CLOSE_UNREACHABLE;
    }
}

/* ---- Life ----------------------------------------------------------------------------------- */

gb_conn *gb_conn_find(const gb_node *node, uint64_t link)
{
    return gb_hash_map_find(&node->links, gb_hash_mix(link), &link);
}

static void conn_forget_link(gb_conn *conn)
{
    if (conn->link != 0) {
        (void)gb_hash_map_remove(&conn->node->links, gb_hash_mix(conn->link), &conn->link);
        conn->link = 0;
    }
}

gb_conn *gb_conn_open(gb_node *node, uint64_t link, uint8_t role,
                      void (*fire)(gb_timer *timer, gb_time_us now))
{
    GB_ASSERT_ON_LOOP(node->loop);
    gb_conn *conn = gb_alloc_zeroed(node->allocator, sizeof *conn);
    if (conn == NULL) {
        return NULL;
    }
    conn->node = node;
    conn->loop = node->loop;
    conn->role = role;
    conn->link = link;
    if (gb_timer_open(&conn->timer, node->loop, fire) != GB_OK) {
        gb_free(node->allocator, conn);
        return NULL;
    }
    if (gb_hash_map_insert(&node->links, gb_hash_mix(link), conn) != GB_OK) {
        gb_timer_close(&conn->timer);
        gb_free(node->allocator, conn);
        return NULL;
    }
    gb_list_push_back(&node->conns, &conn->in_node);
    node->conn_count++;
    node->client_conn_count += role == GB_ROLE_CLIENT ? 1 : 0;
    return conn;
}

/* What it held has been let go of by libuv. */
static void conn_free(gb_conn *conn)
{
    GB_ASSERT(!conn->has_handle && !conn->is_in_flight);
    gb_node *node = conn->node;
    conn_forget_link(conn);
    gb_dial_free(conn);
    gb_timer_close(&conn->timer);
    gb_list_remove(&conn->writing);
    gb_list_remove(&conn->resuming);
    gb_list_remove(&conn->in_node);
    while (conn->first != NULL) {
        gb_conn_piece *piece = conn->first;
        conn->first = piece->next;
        gb_out_deinit(&piece->buffer);
        gb_free(node->allocator, piece);
    }
    node->conn_count--;
    node->client_conn_count -= conn->role == GB_ROLE_CLIENT ? 1 : 0;
    gb_free(node->allocator, conn);
    gb_node_check_gone(node);
}

void gb_conn_on_handle_closed(uv_handle_t *handle)
{
    gb_conn *conn = handle->data;
    conn->has_handle = false;
    if (conn->state == GB_CONN_DIALLING) {
        gb_dial_next(conn);
    } else {
        conn_free(conn);
    }
}

void gb_conn_abort(gb_conn *conn)
{
    if (conn->state == GB_CONN_CLOSED) {
        return;
    }
    conn_forget_link(conn);
    conn->state = GB_CONN_CLOSED;
    gb_timer_close(&conn->timer);
    gb_list_remove(&conn->writing);
    gb_list_remove(&conn->resuming);
    gb_dial_free(conn);
    if (!conn->has_handle) {
        conn_free(conn);
    } else if (!uv_is_closing(&conn->uv.handle)) {
        uv_close(&conn->uv.handle, gb_conn_on_handle_closed);
    }
}

void gb_conn_lost(gb_conn *conn, uint8_t cause, int status)
{
    gb_node *node = conn->node;
    uint64_t link = conn->link;
    gb_conn_abort(conn);
    if (link != 0 && node->state == GB_NODE_RUNNING) {
        gb_slice text = gb_slice_from_str(status == 0 ? "" : uv_strerror(status));
        gb_engine_closed(node->engine, gb_now(), link, cause, text);
        node->is_members_dirty = true;
        gb_node_mark_dirty(node);
    }
}

/* ---- Reading -------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    gb_conn *conn = handle->data;
    *out = uv_buf_init((char *)conn->loop->read_buffer, sizeof conn->loop->read_buffer);
}

/* Enough for this turn: others have theirs first. */
static void conn_count_read(gb_conn *conn, size_t size)
{
    if (conn->read_turn != conn->loop->turn_no) {
        conn->read_turn = conn->loop->turn_no;
        conn->read_size = 0;
    }
    conn->read_size += size;
    if (conn->read_size >= GB_READ_PER_TURN_MAX && conn->state != GB_CONN_CLOSED) {
        (void)uv_read_stop(&conn->uv.stream);
        if (!gb_list_node_is_linked(&conn->resuming)) {
            gb_list_push_back(&conn->loop->resuming, &conn->resuming);
        }
    }
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    gb_conn *conn = stream->data;
    if (got == 0 || conn->state == GB_CONN_CLOSED) {
        return;
    }
    if (got < 0) {
        if (conn->state == GB_CONN_DRAINING) {
            gb_conn_abort(conn);
        } else {
            gb_conn_lost(conn, gb_conn_cause((int)got), (int)got);
        }
        return;
    }
    if (conn->state == GB_CONN_OPEN) {
        gb_slice bytes = gb_slice_make(buf->base, (size_t)got);
        gb_engine_received(conn->node->engine, gb_now(), conn->link, bytes);
        gb_node_mark_dirty(conn->node);
    }
    conn_count_read(conn, (size_t)got);
}

static void conn_read(gb_conn *conn)
{
    int status = uv_read_start(&conn->uv.stream, on_alloc, on_read);
    if (status != 0) {
        gb_conn_lost(conn, gb_conn_cause(status), status);
    }
}

void gb_conn_resume_all(gb_loop *loop)
{
    loop->turn_no++;
    for (gb_list_node *node; (node = gb_list_pop_front(&loop->resuming)) != NULL;) {
        conn_read(GB_CONTAINER_OF(node, gb_conn, resuming));
    }
}

/* ---- Writing -------------------------------------------------------------------------------- */

void gb_conn_send(gb_conn *conn, gb_out *buffer)
{
    gb_conn_piece *piece = gb_alloc(conn->node->allocator, sizeof *piece);
    if (piece == NULL) {
        gb_engine_recycle(conn->node->engine, buffer);
        gb_conn_lost(conn, GB_CLOSE_BY_US, UV_ENOMEM);
        return;
    }
    conn->has_output = true;
    *piece = (gb_conn_piece){.buffer = *buffer};
    gb_out_init(buffer, conn->node->allocator);
    if (conn->first == NULL) {
        conn->first = piece;
    } else {
        conn->last->next = piece;
    }
    conn->last = piece;
    if (!gb_list_node_is_linked(&conn->writing)) {
        gb_list_push_back(&conn->node->writing, &conn->writing);
    }
}

static unsigned conn_gather(const gb_conn *conn, uv_buf_t *bufs, size_t *size)
{
    unsigned count = 0;
    *size = 0;
    for (const gb_conn_piece *piece = conn->first; piece != NULL && count < GB_WRITE_PIECES_MAX;
         piece = piece->next) {
        size_t left = piece->buffer.len - piece->offset;
        if (count > 0 && *size + left > GB_WRITE_SIZE_MAX) {
            break;
        }
        bufs[count] = uv_buf_init((char *)piece->buffer.base + piece->offset, (unsigned)left);
        *size += left;
        count++;
    }
    return count;
}

/* So many bytes have left. */
static void conn_sent(gb_conn *conn, size_t size)
{
    gb_node *node = conn->node;
    size_t left = size;
    while (conn->first != NULL) {
        gb_conn_piece *piece = conn->first;
        size_t rest = piece->buffer.len - piece->offset;
        if (left < rest) {
            piece->offset += left;
            left = 0;
            break;
        }
        left -= rest;
        conn->first = piece->next;
        gb_engine_recycle(node->engine, &piece->buffer);
        gb_free(node->allocator, piece);
    }
    GB_ASSERT(left == 0);
    if (conn->state == GB_CONN_OPEN) {
        gb_engine_sent(node->engine, gb_now(), conn->link, size);
    }
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    gb_conn *conn = request->handle->data;
    if (status != 0) {
        gb_conn_abort(conn);
    }
    /* Else the other side closes too, or the timer does. */
}

static void conn_shut(gb_conn *conn)
{
    if (conn->state != GB_CONN_DRAINING || conn->is_shut || conn->first != NULL) {
        return;
    }
    conn->is_shut = true;
    if (uv_shutdown(&conn->shutdown, &conn->uv.stream, on_shutdown) != 0) {
        gb_conn_abort(conn);
    }
}

static void conn_write_failed(gb_conn *conn, int status)
{
    if (conn->state == GB_CONN_DRAINING) {
        gb_conn_abort(conn);
    } else {
        gb_conn_lost(conn, gb_conn_cause(status), status);
    }
}

static void on_written(uv_write_t *request, int status)
{
    gb_conn *conn = request->handle->data;
    conn->is_in_flight = false;
    if (conn->state == GB_CONN_CLOSED) {
        return;
    }
    if (status != 0) {
        conn_write_failed(conn, status);
        return;
    }
    conn_sent(conn, conn->write_size);
    (void)gb_conn_flush(conn);
    gb_node_mark_dirty(conn->node);
}

/* What did not fit goes with libuv, which watches for room. */
static void conn_write_later(gb_conn *conn)
{
    uv_buf_t bufs[GB_WRITE_PIECES_MAX];
    size_t size;
    unsigned count = conn_gather(conn, bufs, &size);
    conn->write_size = size;
    int status = uv_write(&conn->write, &conn->uv.stream, bufs, count, on_written);
    if (status != 0) {
        conn_write_failed(conn, status);
        return;
    }
    conn->is_in_flight = true;
}

size_t gb_conn_flush(gb_conn *conn)
{
    size_t sent = 0;
    while (!conn->is_in_flight && conn->first != NULL &&
           (conn->state == GB_CONN_OPEN || conn->state == GB_CONN_DRAINING)) {
        uv_buf_t bufs[GB_WRITE_PIECES_MAX];
        size_t size;
        unsigned count = conn_gather(conn, bufs, &size);
        int written = uv_try_write(&conn->uv.stream, bufs, count);
        if (written < 0 && written != UV_EAGAIN) {
            conn_write_failed(conn, written);
            return sent;
        }
        if (written > 0) {
            conn_sent(conn, (size_t)written);
            sent += (size_t)written;
        }
        if (written < 0 || (size_t)written < size) {
            conn_write_later(conn);
        }
    }
    if (!conn->is_in_flight) {
        conn_shut(conn);
    }
    return sent;
}

void gb_conn_finish(gb_conn *conn)
{
    gb_node *node = conn->node;
    /* Those that drain are none of the engine's any more, so they have a bound of their own. */
    if (conn->state != GB_CONN_OPEN || !conn->has_output || node->conn_count > 2 * GB_LINKS_MAX) {
        gb_conn_abort(conn);
        return;
    }
    conn_forget_link(conn);
    conn->state = GB_CONN_DRAINING;
    gb_timer_set(&conn->timer, gb_now() + (gb_time_us)GB_DRAIN_TIMEOUT_MS * 1000);
    if (!gb_list_node_is_linked(&conn->writing)) {
        gb_list_push_back(&node->writing, &conn->writing);
    }
}

/* ---- Opening -------------------------------------------------------------------------------- */

static void conn_set_options(gb_conn *conn)
{
    if (conn->uv.handle.type != UV_TCP) {
        return;
    }
    /* Best effort: a stream without them is slower, not wrong. */
    (void)uv_tcp_nodelay(&conn->uv.tcp, 1);
#ifdef TCP_NOTSENT_LOWAT
    uv_os_fd_t fd;
    if (uv_fileno(&conn->uv.handle, &fd) == 0) {
        int lowat = CONN_NOTSENT_LOWAT;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
    }
#endif
}

void gb_conn_connected(gb_conn *conn)
{
    conn->state = GB_CONN_OPEN;
    gb_timer_set(&conn->timer, UINT64_MAX);
    gb_dial_free(conn);
    conn_set_options(conn);
    gb_engine_connected(conn->node->engine, gb_now(), conn->link);
    gb_node_mark_dirty(conn->node);
    conn_read(conn);
}

static void on_drain_timeout(gb_timer *timer, gb_time_us now)
{
    (void)now;
    gb_conn_abort(GB_CONTAINER_OF(timer, gb_conn, timer));
}

static int conn_adopt(gb_conn *conn, bool is_tcp, int fd)
{
    int status = is_tcp ? uv_tcp_init(&conn->loop->uv, &conn->uv.tcp)
                        : uv_pipe_init(&conn->loop->uv, &conn->uv.pipe, 0);
    if (status != 0) {
        return status;
    }
    conn->uv.handle.data = conn;
    conn->has_handle = true;
    return is_tcp ? uv_tcp_open(&conn->uv.tcp, fd) : uv_pipe_open(&conn->uv.pipe, fd);
}

void gb_conn_accepted(gb_node *node, uint8_t role, int fd, const char *host, uint16_t port)
{
    uint64_t link = 0;
    gb_slice host_slice = gb_slice_from_str(host);
    if (gb_engine_accepted(node->engine, gb_now(), role, host_slice, port, &link) != GB_OK) {
        (void)close(fd);
        return;
    }
    gb_node_mark_dirty(node);
    gb_conn *conn = gb_conn_open(node, link, role, on_drain_timeout);
    if (conn == NULL) {
        (void)close(fd);
        gb_engine_closed(node->engine, gb_now(), link, GB_CLOSE_BY_US, gb_slice_make(NULL, 0));
        return;
    }
    conn->state = GB_CONN_OPEN;
    int status = conn_adopt(conn, host[0] != '\0', fd);
    if (status != 0) {
        (void)close(fd);
        gb_conn_lost(conn, GB_CLOSE_BY_US, status);
        return;
    }
    conn_set_options(conn);
    conn_read(conn);
}
