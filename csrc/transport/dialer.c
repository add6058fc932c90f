/* SPDX-License-Identifier: Apache-2.0 */
/* dialer.c: from a host and a port to a connected stream. */
#include "transport/dialer.h"

#include "platform/alloc.h"
#include "transport/dns.h"
#include "transport/node_impl.h"

#include <string.h>

/* No address gets less of the time than this, as long as there is so much left. */
#define DIAL_SHARE_MIN_US 250000

typedef struct gb_dial {
    gb_dns_request *request; /* NULL: not being resolved */
    uv_connect_t connect;
    gb_time_us deadline;
    uint32_t count;
    uint32_t next;
    bool is_connecting; /* libuv has `connect` */
    bool is_failed;     /* before it began: `status` says why */
    int status;         /* the most telling failure so far; 0: none yet */
    struct sockaddr_storage addresses[GB_DIAL_ADDRESSES_MAX];
} gb_dial;

/* What to report of several failures: a timeout hides a host that may be alive, so it comes before
 * a refusal, and that before what says nothing of the host, such as a missing route for IPv6. */
static int failure_rank(int status)
{
    switch (gb_conn_cause(status)) {
    case GB_CLOSE_TIMED_OUT:
        return 3;
    case GB_CLOSE_RESET:
        return 2;
    case GB_CLOSE_REFUSED:
        return 1;
    default:
        return 0;
    }
}

static void dial_note_failure(gb_dial *dial, int status)
{
    if (dial->status == 0 || failure_rank(status) > failure_rank(dial->status)) {
        dial->status = status;
    }
}

void gb_dial_free(gb_conn *conn)
{
    if (conn->dial == NULL || conn->dial->is_connecting) {
        return; /* libuv still has the request */
    }
    if (conn->dial->request != NULL) {
        gb_dns_abandon(conn->dial->request);
    }
    gb_free(conn->node->allocator, conn->dial);
    conn->dial = NULL;
}

/* Close the handle of this attempt; gb_dial_next follows. */
static void dial_end_attempt(gb_conn *conn)
{
    gb_timer_set(&conn->timer, UINT64_MAX);
    if (!conn->has_handle) {
        gb_dial_next(conn);
    } else if (!uv_is_closing(&conn->uv.handle)) {
        uv_close(&conn->uv.handle, gb_conn_on_handle_closed);
    }
}

static void on_dial_timer(gb_timer *timer, gb_time_us now)
{
    gb_conn *conn = GB_CONTAINER_OF(timer, gb_conn, timer);
    if (conn->state != GB_CONN_DIALLING) {
        gb_conn_abort(conn); /* the drain is over */
        return;
    }
    gb_dial *dial = conn->dial;
    if (!dial->is_failed) {
        dial_note_failure(dial, UV_ETIMEDOUT);
    }
    if (now >= dial->deadline) {
        dial->next = dial->count;
    }
    if (dial->request != NULL) {
        gb_dns_abandon(dial->request);
        dial->request = NULL;
    }
    dial_end_attempt(conn);
}

static void on_connected(uv_connect_t *request, int status)
{
    gb_conn *conn = request->handle->data;
    conn->dial->is_connecting = false;
    if (conn->state != GB_CONN_DIALLING || uv_is_closing(&conn->uv.handle)) {
        return;
    }
    if (status == 0) {
        gb_conn_connected(conn);
        return;
    }
    dial_note_failure(conn->dial, status);
    dial_end_attempt(conn);
}

void gb_dial_next(gb_conn *conn)
{
    gb_dial *dial = conn->dial;
    gb_time_us now = gb_now();
    while (dial->next < dial->count) {
        const struct sockaddr_storage *address = &dial->addresses[dial->next];
        uint32_t left = dial->count - dial->next;
        dial->next++;
        int status = uv_tcp_init(&conn->loop->uv, &conn->uv.tcp);
        if (status != 0) {
            dial_note_failure(dial, status);
            continue;
        }
        conn->uv.handle.data = conn;
        conn->has_handle = true;
        status = uv_tcp_connect(&dial->connect, &conn->uv.tcp, (const struct sockaddr *)address,
                                on_connected);
        if (status != 0) {
            dial_note_failure(dial, status);
            dial_end_attempt(conn);
            return;
        }
        dial->is_connecting = true;
        uint64_t rest = dial->deadline > now ? dial->deadline - now : 0;
        uint64_t share = rest / left;
        if (share < DIAL_SHARE_MIN_US) {
            share = rest < DIAL_SHARE_MIN_US ? rest : DIAL_SHARE_MIN_US;
        }
        gb_timer_set(&conn->timer, now + share);
        return;
    }
    int status = dial->status != 0 ? dial->status : UV_EHOSTUNREACH;
    gb_conn_lost(conn, gb_conn_cause(status), status);
}

static void on_resolved(void *user, int status, const struct addrinfo *addresses)
{
    gb_conn *conn = user;
    gb_dial *dial = conn->dial;
    dial->request = NULL;
    if (status != 0) {
        dial_note_failure(dial, status);
    }
    for (const struct addrinfo *at = addresses; at != NULL && dial->count < GB_DIAL_ADDRESSES_MAX;
         at = at->ai_next) {
        if (at->ai_addrlen <= sizeof dial->addresses[0]) {
            memcpy(&dial->addresses[dial->count], at->ai_addr, at->ai_addrlen);
            dial->count++;
        }
    }
    gb_dial_next(conn);
}

static bool dial_numeric(gb_dial *dial, const char *host, uint16_t port)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (uv_ip4_addr(host, port, &v4) == 0) {
        memcpy(&dial->addresses[0], &v4, sizeof v4);
    } else if (uv_ip6_addr(host, port, &v6) == 0) {
        memcpy(&dial->addresses[0], &v6, sizeof v6);
    } else {
        return false;
    }
    dial->count = 1;
    return true;
}

/* Tell the engine in a later turn, as with every other failure. */
static void dial_fail_later(gb_conn *conn, int status)
{
    conn->dial->status = status;
    conn->dial->is_failed = true;
    conn->dial->deadline = 0;
    gb_timer_set(&conn->timer, 0);
}

static bool dial_copy_host(gb_slice host, char *out, size_t size)
{
    if (host.len == 0 || host.len >= size || memchr(host.base, 0, host.len) != NULL) {
        return false;
    }
    memcpy(out, host.base, host.len);
    out[host.len] = '\0';
    return true;
}

void gb_dial_start(gb_node *node, uint64_t link, gb_slice host, uint16_t port, uint64_t timeout_us)
{
    GB_ASSERT_ON_LOOP(node->loop);
    gb_dial *dial = gb_alloc_zeroed(node->allocator, sizeof *dial);
    gb_conn *conn = dial == NULL ? NULL : gb_conn_open(node, link, GB_ROLE_MEMBER, on_dial_timer);
    if (conn == NULL) {
        gb_free(node->allocator, dial);
        gb_engine_closed(node->engine, gb_now(), link, GB_CLOSE_UNREACHABLE,
                         gb_slice_from_str("out of memory"));
        return;
    }
    conn->state = GB_CONN_DIALLING;
    conn->dial = dial;
    dial->deadline = gb_now() + timeout_us;

    char name[GB_HOST_SIZE_MAX + 1];
    if (!dial_copy_host(host, name, sizeof name)) {
        dial_fail_later(conn, UV_EAI_NONAME);
        return;
    }
    if (dial_numeric(dial, name, port)) {
        gb_dial_next(conn);
        return;
    }
    dial->request = gb_dns_start(node->loop, name, port, on_resolved, conn);
    if (dial->request == NULL) {
        dial_fail_later(conn, UV_ENOMEM);
        return;
    }
    gb_timer_set(&conn->timer, dial->deadline);
}
