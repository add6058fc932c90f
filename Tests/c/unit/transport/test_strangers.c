/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever connects and says nothing keeps nobody out. */
#include "kit.h"

#include "platform/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STRANGERS (GB_HANDSHAKES_MAX + 100)

static int stranger_open(gb_test *t, uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    expect_true(fd >= 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    expect_int(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* The other side has closed it. */
static bool stranger_is_out(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

typedef struct strangers {
    const int *fds;
    uint32_t out_wanted;
} strangers;

static bool strangers_are_out(void *user)
{
    const strangers *s = user;
    uint32_t out = 0;
    for (uint32_t i = 0; i < STRANGERS; i++) {
        out += stranger_is_out(s->fds[i]) ? 1 : 0;
    }
    return out >= s->out_wanted;
}

GB_TEST(strangers, a_node_joins_through_a_door_that_silent_connections_crowd)
{
    kit k;
    kit_open(&k, t);
    gb_node *node = kit_join(&k, "a", 0);
    static int fds[STRANGERS];
    for (uint32_t i = 0; i < STRANGERS; i++) {
        fds[i] = stranger_open(t, gb_node_port(node));
    }
    /* Those that were there first have made way for the last. */
    strangers s = {fds, STRANGERS - GB_HANDSHAKES_MAX};
    kit_wait(&k, "the oldest are out", strangers_are_out, &s);
    expect_true(stranger_is_out(fds[0]));
    uint64_t begun = kit_now_us();
    gb_node *joiner = kit_join(&k, "b", gb_node_port(node));
    kit_wait_members(&k, joiner, GB_STATUS_ALIVE, 2);
    if (kit_now_us() - begun < (uint64_t)GB_HANDSHAKE_TIMEOUT_MS * 1000 / 2) {
        expect_false(stranger_is_out(fds[STRANGERS - 1])); /* their time is not over yet */
    }
    for (uint32_t i = 0; i < STRANGERS; i++) {
        (void)close(fds[i]);
    }
    expect_ok(gb_node_close(joiner));
    expect_ok(gb_node_close(node));
    kit_close(&k);
}
