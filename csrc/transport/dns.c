/* SPDX-License-Identifier: Apache-2.0 */
/* dns.c: getaddrinfo in libuv's threads. */
#include "transport/dns.h"

#include "platform/alloc.h"
#include "transport/address.h"

#include <stdio.h>
#include <string.h>

struct gb_dns_request {
    uv_getaddrinfo_t uv;
    gb_loop *loop;
    gb_dns_done_fn done; /* NULL: abandoned */
    void *user;
};

static void on_resolved(uv_getaddrinfo_t *uv, int status, struct addrinfo *addresses)
{
    gb_dns_request *request = GB_CONTAINER_OF(uv, gb_dns_request, uv);
    if (request->done != NULL) {
        request->done(request->user, status, addresses);
    }
    uv_freeaddrinfo(addresses);
    gb_free(request->loop->allocator, request);
}

gb_dns_request *gb_dns_start(gb_loop *loop, const char *host, uint16_t port, gb_dns_done_fn done,
                             void *user)
{
    GB_ASSERT_ON_LOOP(loop);
    gb_dns_request *request = gb_alloc_zeroed(loop->allocator, sizeof *request);
    if (request == NULL) {
        return NULL;
    }
    request->loop = loop;
    request->done = done;
    request->user = user;
    char service[8];
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    struct addrinfo hints;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_protocol = IPPROTO_TCP;
    if (uv_getaddrinfo(&loop->uv, &request->uv, on_resolved, gb_host_query(host), service,
                       &hints) != 0) {
        gb_free(loop->allocator, request);
        return NULL;
    }
    return request;
}

void gb_dns_abandon(gb_dns_request *request)
{
    request->done = NULL;
    /* Only one that no thread has begun with; the others end by themselves. */
    (void)uv_cancel((uv_req_t *)&request->uv);
}
