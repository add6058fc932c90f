/* SPDX-License-Identifier: Apache-2.0 */
/* dns.h: names to addresses, without waiting on the loop. */
#ifndef GB_TRANSPORT_DNS_H
#define GB_TRANSPORT_DNS_H

#include "transport/loop.h"

#include <sys/socket.h>

typedef struct gb_dns_request gb_dns_request;

/* `status` 0 and the addresses (lent for the call), or a UV_EAI_… code. */
typedef void (*gb_dns_done_fn)(void *user, int status, const struct addrinfo *addresses);

/* Resolve for TCP; `done` is called once in a later turn, unless the request is abandoned.
 * Returns lent until then; NULL: no memory. Loop thread. */
gb_dns_request *gb_dns_start(gb_loop *loop, const char *host, uint16_t port, gb_dns_done_fn done,
                             void *user);
/* The answer is not wanted any more; the request frees itself. */
void gb_dns_abandon(gb_dns_request *request);

#endif
