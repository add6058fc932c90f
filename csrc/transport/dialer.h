/* SPDX-License-Identifier: Apache-2.0 */
/* dialer.h: resolving a host and trying its addresses in turn. */
#ifndef GB_TRANSPORT_DIALER_H
#define GB_TRANSPORT_DIALER_H

#include "transport/conn.h"

/* Dial for a link of the engine; it is told how it ends. `host` is borrowed. */
void gb_dial_start(gb_node *node, uint64_t link, gb_slice host, uint16_t port, uint64_t timeout_us);
/* For conn.c: the handle of the last attempt has gone; try the next address. */
void gb_dial_next(gb_conn *conn);
/* For conn.c: the dial is over, whatever became of it. */
void gb_dial_free(gb_conn *conn);

#endif
