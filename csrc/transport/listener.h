/* SPDX-License-Identifier: Apache-2.0 */
/* listener.h: a door of a node: accepts connections for its engine. Loop thread. */
#ifndef GB_TRANSPORT_LISTENER_H
#define GB_TRANSPORT_LISTENER_H

#include "transport/loop.h"

typedef struct gb_listener {
    gb_node *node;
    uv_poll_t poll;
    gb_timer pause; /* no descriptor was free: look again later */
    int fd;         /* -1: no such door */
    uint8_t role;
    bool is_local; /* a Unix socket */
    bool has_handle;
    bool was_full; /* the host was told of this shortage */
} gb_listener;

/* Accept from `listener->fd`. Errors: GB_EIO, GB_ENOMEM. */
gb_err gb_listener_start(gb_listener *listener, gb_node *node, uint8_t role);
/* Ends in a later turn; closes the descriptor. */
void gb_listener_stop(gb_listener *listener);

#endif
