/* SPDX-License-Identifier: Apache-2.0 */
/* conn.h: a stream that carries one link of an engine: dialled or accepted, TCP or Unix.
 *
 * All functions are the loop thread's. A connection frees itself once libuv has let go of it. */
#ifndef GB_TRANSPORT_CONN_H
#define GB_TRANSPORT_CONN_H

#include "transport/loop.h"

typedef enum gb_conn_state {
    GB_CONN_DIALLING, /* name being resolved, or connect under way: dialer.c */
    GB_CONN_OPEN,
    GB_CONN_DRAINING, /* the engine has let go of it; last bytes are tried */
    GB_CONN_CLOSED,   /* only libuv's word is awaited */
} gb_conn_state;

/* A buffer of the engine's on its way out. */
typedef struct gb_conn_piece {
    struct gb_conn_piece *next;
    gb_out buffer;
    size_t offset; /* sent already */
} gb_conn_piece;

typedef struct gb_conn {
    gb_list_node in_node; /* node->conns */
    gb_list_node writing; /* node->writing: has output to be tried at the end of the flush */
    gb_list_node resuming;
    gb_node *node;
    gb_loop *loop;
    uint64_t link;
    gb_conn_state state;
    uint8_t role;
    bool has_handle;   /* libuv holds it */
    bool is_in_flight; /* `write` is */
    bool is_shut;      /* the shutdown was asked for */
    bool has_output;   /* something was sent, or is to be */
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    uv_write_t write;
    size_t write_size;
    uv_shutdown_t shutdown;
    gb_conn_piece *first;
    gb_conn_piece *last;
    gb_timer timer; /* of the dial, then of the draining */
    uint64_t read_turn;
    size_t read_size; /* in that turn */
    struct gb_dial *dial;
} gb_conn;

/* A door has accepted `fd` (taken, also on failure). `host` (numeric, empty for a Unix socket) and
 * `port`: the other end. */
void gb_conn_accepted(gb_node *node, uint8_t role, int fd, const char *host, uint16_t port);
/* NULL: the link has none. */
gb_conn *gb_conn_find(const gb_node *node, uint64_t link);

/* Takes `buffer` (and leaves an empty one). It goes out with gb_conn_flush. */
void gb_conn_send(gb_conn *conn, gb_out *buffer);
/* Try to write what is queued. Returns how many bytes have left at once. */
size_t gb_conn_flush(gb_conn *conn);
/* The engine wants no more of it: hand over what is queued, then close. At once where nothing was
 * ever said on it: strangers that are turned out hold no descriptor while they look on. */
void gb_conn_finish(gb_conn *conn);
/* Close at once, without a word to the engine. */
void gb_conn_abort(gb_conn *conn);
/* Close at once and tell the engine. `status`: a libuv error, 0: none. */
void gb_conn_lost(gb_conn *conn, uint8_t cause, int status);

/* Connections that were stopped for having read enough in their turn. */
void gb_conn_resume_all(gb_loop *loop);

/* The GB_CLOSE_… of a libuv error. */
uint8_t gb_conn_cause(int status);

/* ---- for dialer.c --------------------------------------------------------------------------- */

/* A connection without a stream yet. NULL: no memory. */
gb_conn *gb_conn_open(gb_node *node, uint64_t link, uint8_t role,
                      void (*fire)(gb_timer *timer, gb_time_us now));
/* The stream of a dialled one is connected. */
void gb_conn_connected(gb_conn *conn);
/* Called by libuv when a handle has gone. */
void gb_conn_on_handle_closed(uv_handle_t *handle);

#endif
