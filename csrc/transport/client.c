/* SPDX-License-Identifier: Apache-2.0 */
/* client.c: a blocking connection to a node's client door, with plain sockets and poll. */
#include <goferbroke/node.h>

#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/err_info.h"
#include "platform/limits.h"
#include "transport/address.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* where it is missing, SO_NOSIGPIPE is set instead */
#endif

struct gb_client {
    const gb_allocator *allocator;
    gb_parser *parser;
    gb_out out;
    gb_slice input; /* of `buffer`, not yet parsed */
    gb_err broken;  /* what ended it; GB_OK: it lives */
    int fd;
    size_t cluster_size;
    size_t node_size;
    uint8_t cluster[GB_NAME_SIZE_MAX];
    uint8_t node[GB_NAME_SIZE_MAX];
    uint8_t buffer[GB_READ_SIZE];
};

/* ---- Time
 * ---------------------------------------------------------------------------------------- */

static uint64_t now_us(void)
{
    return uv_hrtime() / 1000;
}

/* UINT64_MAX: never. */
static uint64_t deadline_after(uint64_t timeout_us)
{
    uint64_t now = now_us();
    return timeout_us > UINT64_MAX - now ? UINT64_MAX : now + timeout_us;
}

/* Wait until the descriptor is ready. Errors: GB_ETIMEDOUT, GB_EIO. */
static gb_err wait_for(int fd, short events, uint64_t deadline)
{
    for (;;) {
        int timeout_ms = -1;
        if (deadline != UINT64_MAX) {
            uint64_t now = now_us();
            uint64_t left_ms = deadline > now ? (deadline - now + 999) / 1000 : 0;
            timeout_ms = left_ms > 3600000 ? 3600000 : (int)left_ms;
        }
        struct pollfd at = {.fd = fd, .events = events};
        int ready = poll(&at, 1, timeout_ms);
        if (ready > 0) {
            return GB_OK;
        }
        if (ready < 0 && errno != EINTR) {
            return GB_EIO;
        }
        if (deadline != UINT64_MAX && now_us() >= deadline) {
            return GB_ETIMEDOUT;
        }
    }
}

/* ---- Connecting
 * ---------------------------------------------------------------------------------- */

static gb_err connect_at(int family, const struct sockaddr *address, socklen_t size,
                         uint64_t deadline, int *out, int *code)
{
    int fd = socket(family, SOCK_STREAM, 0);
    if (fd < 0) {
        *code = errno;
        return gb_err_from_errno(*code);
    }
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
#ifdef SO_NOSIGPIPE
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    *code = connect(fd, address, size) == 0 ? 0 : errno;
    if (*code == EINPROGRESS || *code == EINTR) {
        gb_err err = wait_for(fd, POLLOUT, deadline);
        if (err != GB_OK) {
            (void)close(fd);
            *code = err == GB_ETIMEDOUT ? ETIMEDOUT : EIO;
            return err;
        }
        socklen_t code_size = sizeof *code;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, code, &code_size) != 0) {
            *code = errno;
        }
    }
    if (*code != 0) {
        (void)close(fd);
        return gb_err_from_errno(*code);
    }
    if (family != AF_UNIX) {
        int nodelay = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof nodelay);
    }
    *out = fd;
    return GB_OK;
}

static gb_err connect_unix(const char *path, uint64_t deadline, int *fd, gb_err_info *info)
{
    struct sockaddr_un address;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address.sun_path) {
        return gb_err_info_set(info, GB_EINVAL, 0,
                               "connect to %.100s…: a socket's path has at most %zu bytes", path,
                               sizeof address.sun_path - 1);
    }
    memcpy(address.sun_path, path, strlen(path));
    int code = 0;
    gb_err err =
        connect_at(AF_UNIX, (const struct sockaddr *)&address, sizeof address, deadline, fd, &code);
    if (err != GB_OK) {
        return gb_err_info_set(info, err, -code, "connect to %s: %s", path,
                               code == ENOENT ? "no such socket" : uv_strerror(-code));
    }
    return GB_OK;
}

/* "HOST:PORT" or "[IPv6]:PORT". */
static bool parse_door(const char *door, char *host, size_t size, uint16_t *port)
{
    const char *colon = strrchr(door, ':');
    if (colon == NULL || colon == door) {
        return false;
    }
    const char *first = door;
    size_t len = (size_t)(colon - door);
    if (door[0] == '[') {
        if (len < 3 || door[len - 1] != ']') {
            return false;
        }
        first = door + 1;
        len -= 2;
    } else if (memchr(door, ':', len) != NULL) {
        return false; /* an IPv6 address needs its brackets */
    }
    if (len >= size || colon[1] < '0' || colon[1] > '9') {
        return false;
    }
    char *end;
    unsigned long number = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || number == 0 || number > UINT16_MAX) {
        return false;
    }
    memcpy(host, first, len);
    host[len] = '\0';
    *port = (uint16_t)number;
    return true;
}

static gb_err connect_tcp(const char *door, uint64_t deadline, int *fd, gb_err_info *info)
{
    char host[GB_HOST_SIZE_MAX + 1];
    uint16_t port;
    if (!parse_door(door, host, sizeof host, &port)) {
        return gb_err_info_set(info, GB_EINVAL, 0,
                               "connect to %.150s: expected HOST:PORT or the path of a socket",
                               door);
    }
    struct addrinfo hints;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    char service[8];
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    struct addrinfo *found = NULL;
    int status = getaddrinfo(gb_host_query(host), service, &hints, &found);
    if (status != 0) {
        return gb_err_info_set(info, GB_EHOST, 0, "connect to %.150s: unknown host (%s)", door,
                               gai_strerror(status));
    }
    gb_err err = GB_EHOST;
    int code = EHOSTUNREACH;
    for (const struct addrinfo *at = found; at != NULL && err != GB_OK; at = at->ai_next) {
        err = connect_at(at->ai_family, at->ai_addr, at->ai_addrlen, deadline, fd, &code);
    }
    freeaddrinfo(found);
    return err == GB_OK ? GB_OK
                        : gb_err_info_set(info, err, -code, "connect to %.150s: %s", door,
                                          uv_strerror(-code));
}

/* ---- Bytes
 * --------------------------------------------------------------------------------------- */

static gb_err client_break(gb_client *client, gb_err err)
{
    client->broken = err;
    return err;
}

/* Part of a frame may have left when the time is over: the stream cannot go on then. */
static gb_err client_write(gb_client *client, gb_slice bytes, uint64_t deadline)
{
    while (bytes.len > 0) {
        ssize_t sent = send(client->fd, bytes.base, bytes.len, MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes.base += sent;
            bytes.len -= (size_t)sent;
            continue;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            return client_break(client, GB_EPIPE);
        }
        gb_err err = wait_for(client->fd, POLLOUT, deadline);
        if (err != GB_OK) {
            return client_break(client, err);
        }
    }
    return GB_OK;
}

/* The next frame. Errors: GB_ETIMEDOUT (not sticky), else it is over. */
static gb_err client_read(gb_client *client, uint64_t deadline, gb_frame *out)
{
    for (;;) {
        gb_err err = gb_parser_next(client->parser, &client->input, out);
        if (err == GB_OK) {
            return GB_OK;
        }
        if (err != GB_EAGAIN) {
            return err == GB_ENOMEM ? err : client_break(client, err);
        }
        ssize_t got = recv(client->fd, client->buffer, sizeof client->buffer, 0);
        if (got > 0) {
            client->input = gb_slice_make(client->buffer, (size_t)got);
            continue;
        }
        if (got == 0) {
            return client_break(client, GB_EOF);
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            return client_break(client, GB_ECONNRESET);
        }
        err = wait_for(client->fd, POLLIN, deadline);
        if (err != GB_OK) {
            return err == GB_ETIMEDOUT ? err : client_break(client, err);
        }
    }
}

/* ---- Handshake
 * ----------------------------------------------------------------------------------- */

static gb_err client_hello(gb_client *client, uint64_t deadline)
{
    uint64_t instance = 0;
    (void)uv_random(NULL, NULL, &instance, sizeof instance, 0, NULL);
    /* A client belongs to no cluster; it learns the node's. */
    const gb_hello hello = {
        .protocol_min = GB_PROTOCOL_MIN,
        .protocol_max = GB_PROTOCOL_MAX,
        .features = GB_FEATURES_OURS,
        .role = GB_ROLE_CLIENT,
        .cluster = gb_slice_make(NULL, 0), /* whoever answers at this door */
        .instance = instance,
    };
    gb_err err = gb_hello_encode(&client->out, GB_FRAME_HELLO, 0, &hello);
    return err == GB_OK
               ? client_write(client, gb_slice_make(client->out.base, client->out.len), deadline)
               : err;
}

static gb_err client_welcome(gb_client *client, const gb_frame *frame, gb_err_info *info)
{
    gb_hello hello;
    gb_err err = gb_hello_decode(frame->payload, &hello);
    if (err != GB_OK) {
        return gb_err_info_set(info, err, 0, "malformed WELCOME");
    }
    memcpy(client->cluster, hello.cluster.base, hello.cluster.len);
    client->cluster_size = hello.cluster.len;
    memcpy(client->node, hello.name.base, hello.name.len);
    client->node_size = hello.name.len;
    return GB_OK;
}

static gb_err client_refused(const gb_frame *frame, gb_err_info *info)
{
    gb_notice notice;
    gb_err err = gb_notice_decode(frame->payload, &notice);
    if (err != GB_OK) {
        return gb_err_info_set(info, err, 0, "malformed refusal");
    }
    /* Only codes that mean a refusal may come out as one. */
    err = notice.code <= -100 && notice.code > -300 ? (gb_err)notice.code : GB_EUNEXPECTED;
    return gb_err_info_set(info, err, 0, "%.*s", (int)notice.text.len,
                           (const char *)notice.text.base);
}

static gb_err client_handshake(gb_client *client, uint64_t deadline, gb_err_info *info)
{
    gb_err err = client_hello(client, deadline);
    gb_frame frame;
    if (err == GB_OK) {
        err = client_read(client, deadline, &frame);
    }
    if (err != GB_OK) {
        return gb_err_info_set(info, err, 0, "%s", gb_strerror(err));
    }
    switch (frame.type) {
    case GB_FRAME_WELCOME:
        return client_welcome(client, &frame, info);
    case GB_FRAME_REJECT:
    case GB_FRAME_ERROR:
    case GB_FRAME_BYE:
        return client_refused(&frame, info);
    default:
        return gb_err_info_set(info, GB_EUNEXPECTED, 0, "something else than WELCOME came");
    }
}

/* ---- Public
 * -------------------------------------------------------------------------------------- */

gb_err gb_client_open(const char *door, uint64_t timeout_us, gb_client **out, gb_err_info *info)
{
    gb_err_info own_info;
    info = info == NULL ? &own_info : info;
    gb_err_info_clear(info);
    if (door == NULL || door[0] == '\0') {
        return gb_err_info_set(info, GB_EINVAL, 0, "connect: no door was named");
    }
    uint64_t deadline = deadline_after(timeout_us);
    const gb_allocator *allocator = gb_allocator_default();
    gb_client *client = gb_alloc(allocator, sizeof *client);
    if (client == NULL) {
        return gb_err_info_set(info, GB_ENOMEM, 0, "connect to %.150s: out of memory", door);
    }
    memset(client, 0, offsetof(gb_client, buffer));
    client->allocator = allocator;
    client->fd = -1;
    gb_out_init(&client->out, allocator);
    gb_err err = strchr(door, '/') != NULL ? connect_unix(door, deadline, &client->fd, info)
                                           : connect_tcp(door, deadline, &client->fd, info);
    if (err == GB_OK) {
        err = gb_parser_open(allocator, GB_FRAME_PAYLOAD_MAX, &client->parser);
        if (err == GB_OK) {
            err = client_handshake(client, deadline, info);
        } else {
            (void)gb_err_info_set(info, err, 0, "%s", gb_strerror(err));
        }
        if (err != GB_OK) {
            gb_err_info_wrap(info, "connect to %.150s", door);
        }
    }
    if (err != GB_OK) {
        gb_client_close(client);
        return err;
    }
    *out = client;
    return GB_OK;
}

void gb_client_close(gb_client *client)
{
    if (client == NULL) {
        return;
    }
    if (client->fd >= 0) {
        (void)close(client->fd);
    }
    gb_parser_close(client->parser);
    gb_out_deinit(&client->out);
    gb_free(client->allocator, client);
}

gb_slice gb_client_cluster(const gb_client *client)
{
    return gb_slice_make(client->cluster, client->cluster_size);
}

gb_slice gb_client_node(const gb_client *client)
{
    return gb_slice_make(client->node, client->node_size);
}

gb_err gb_client_send(gb_client *client, uint8_t frame_type, uint32_t request_id, gb_slice payload,
                      uint64_t timeout_us)
{
    if (client->broken != GB_OK) {
        return GB_ECLOSED;
    }
    if (payload.len > GB_FRAME_PAYLOAD_MAX) {
        return GB_ETOOBIG;
    }
    gb_out_clear(&client->out);
    gb_err err = gb_client_frame_encode(&client->out, frame_type, request_id, payload);
    if (err != GB_OK) {
        return err;
    }
    return client_write(client, gb_slice_make(client->out.base, client->out.len),
                        deadline_after(timeout_us));
}

gb_err gb_client_receive(gb_client *client, uint64_t timeout_us, gb_frame *out)
{
    if (client->broken != GB_OK) {
        return client->broken;
    }
    return client_read(client, deadline_after(timeout_us), out);
}

int gb_client_fd(const gb_client *client)
{
    return client->fd;
}
