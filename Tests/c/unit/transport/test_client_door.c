/* SPDX-License-Identifier: Apache-2.0 */
/* test_client_door.c: clients of a node, over a Unix socket and TCP. */
#include "kit.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_US UINT64_C(30000000)

/* A node with both kinds of door. */
static gb_node *open_node(kit *k, const char *path)
{
    gb_node_options options = kit_options("a");
    options.client_listen.host = "127.0.0.1";
    options.client_socket = path;
    return kit_node(k, &options);
}

static void expect_served(kit *k, gb_node *node, const char *door)
{
    gb_test *t = k->t;
    gb_client *client = NULL;
    gb_err_info info;
    gb_err err = gb_client_open(door, TIMEOUT_US, &client, &info);
    if (err != GB_OK) {
        gb_test_fail(t, __FILE__, __LINE__, "%s", info.text);
    }
    expect_slice(gb_client_cluster(client), gb_slice_from_str("test"));
    expect_slice(gb_client_node(client), gb_slice_from_str("a"));
    for (uint32_t id = 1; id <= 20; id++) {
        expect_ok(gb_client_send(client, GB_FRAME_CLIENT_REQUEST, id, gb_slice_from_str("ask"),
                                 TIMEOUT_US));
        const gb_event *event = kit_event(k, node, GB_EVENT_CLIENT_REQUEST);
        expect_uint(event->request_id, id);
        expect_slice(event->payload, gb_slice_from_str("ask"));
        expect_ok(gb_node_client_send(node, event->link, GB_FRAME_CLIENT_ITEM, id,
                                      gb_slice_from_str("one")));
        expect_ok(gb_node_client_send(node, event->link, GB_FRAME_CLIENT_RESPONSE, id,
                                      gb_slice_from_str("end")));
        gb_event_release(node, event);
        gb_frame frame;
        expect_ok(gb_client_receive(client, TIMEOUT_US, &frame));
        expect_uint(frame.type, GB_FRAME_CLIENT_ITEM);
        expect_uint(frame.request_id, id);
        expect_slice(frame.payload, gb_slice_from_str("one"));
        expect_ok(gb_client_receive(client, TIMEOUT_US, &frame));
        expect_uint(frame.type, GB_FRAME_CLIENT_RESPONSE);
        expect_slice(frame.payload, gb_slice_from_str("end"));
    }
    gb_frame frame;
    expect_err(gb_client_receive(client, 1000, &frame), GB_ETIMEDOUT);
    gb_client_close(client);
    const gb_event *event = kit_event(k, node, GB_EVENT_CLIENT_CLOSED);
    uint64_t link = event->link;
    gb_event_release(node, event);
    expect_err(gb_node_client_send(node, link, GB_FRAME_CLIENT_ITEM, 1, gb_slice_make(NULL, 0)),
               GB_ECLOSED);
}

GB_TEST(client_door, requests_are_answered_over_both_kinds_of_door)
{
    kit k;
    kit_open(&k, t);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/a.sock", kit_directory(&k));
    gb_node *node = open_node(&k, path);
    expect_served(&k, node, path);
    char door[64];
    (void)snprintf(door, sizeof door, "127.0.0.1:%u", (unsigned)gb_node_client_port(node));
    expect_served(&k, node, door);
    (void)snprintf(door, sizeof door, "localhost:%u", (unsigned)gb_node_client_port(node));
    expect_served(&k, node, door);
    expect_ok(gb_node_close(node));
    struct stat at;
    expect_true(stat(path, &at) != 0); /* the socket went with its node */
    kit_close(&k);
}

GB_TEST(client_door, a_door_that_is_not_there_is_said_so)
{
    kit k;
    kit_open(&k, t);
    gb_client *client = NULL;
    gb_err_info info;
    expect_err(gb_client_open("/no/such/socket", TIMEOUT_US, &client, &info), GB_ENOTFOUND);
    expect_str(info.text, "connect to /no/such/socket: no such socket");
    expect_err(gb_client_open("nonsense", TIMEOUT_US, &client, &info), GB_EINVAL);
    expect_err(gb_client_open("::1:80", TIMEOUT_US, &client, &info), GB_EINVAL);
    expect_err(gb_client_open("no.such.host.invalid:80", TIMEOUT_US, &client, &info), GB_EHOST);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/a.sock", kit_directory(&k));
    gb_node *node = open_node(&k, path);
    char door[64];
    (void)snprintf(door, sizeof door, "127.0.0.1:%u", (unsigned)gb_node_client_port(node));
    /* The member door says whom it serves. */
    char member_door[64];
    (void)snprintf(member_door, sizeof member_door, "127.0.0.1:%u", (unsigned)gb_node_port(node));
    expect_err(gb_client_open(member_door, TIMEOUT_US, &client, &info), GB_EREJECTED_ROLE);
    expect_true(strstr(info.text, "client door") != NULL);
    expect_ok(gb_node_close(node));
    expect_err(gb_client_open(door, TIMEOUT_US, &client, &info), GB_ECONNREFUSED);
    expect_null(client);
    kit_close(&k);
}

GB_TEST(client_door, a_live_node_keeps_its_socket)
{
    kit k;
    kit_open(&k, t);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/a.sock", kit_directory(&k));
    gb_node *node = open_node(&k, path);
    gb_node_options options = kit_options("b");
    options.client_socket = path;
    gb_node *other = NULL;
    gb_err_info info;
    expect_err(gb_node_open(k.loop, &options, &other, &info), GB_EBUSY);
    expect_true(strstr(info.text, "a live node answers there") != NULL);
    expect_served(&k, node, path);
    expect_ok(gb_node_close(node));
    /* It made way: another one can take the place. */
    node = open_node(&k, path);
    expect_ok(gb_node_close(node));
    kit_close(&k);
}

GB_TEST(client_door, a_client_that_does_not_read_fills_its_own_queue_alone)
{
    kit k;
    kit_open(&k, t);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/a.sock", kit_directory(&k));
    gb_node *node = open_node(&k, path);
    gb_client *slow = NULL;
    gb_client *quick = NULL;
    expect_ok(gb_client_open(path, TIMEOUT_US, &slow, NULL));
    expect_ok(gb_client_send(slow, GB_FRAME_CLIENT_REQUEST, 1, gb_slice_from_str("?"), TIMEOUT_US));
    const gb_event *event = kit_event(&k, node, GB_EVENT_CLIENT_REQUEST);
    uint64_t slow_link = event->link;
    gb_event_release(node, event);
    static uint8_t item[256 * 1024];
    uint32_t sent = 0;
    gb_err err = GB_OK;
    while (err == GB_OK && sent < 1000) {
        item[0] = (uint8_t)sent;
        err = gb_node_client_send(node, slow_link, GB_FRAME_CLIENT_ITEM, 1,
                                  gb_slice_make(item, sizeof item));
        sent += err == GB_OK ? 1 : 0;
    }
    expect_err(err, GB_EFULL);
    expect_ok(gb_client_open(path, TIMEOUT_US, &quick, NULL));
    expect_ok(
        gb_client_send(quick, GB_FRAME_CLIENT_REQUEST, 7, gb_slice_from_str("?"), TIMEOUT_US));
    event = kit_event(&k, node, GB_EVENT_CLIENT_REQUEST);
    expect_ok(gb_node_client_send(node, event->link, GB_FRAME_CLIENT_RESPONSE, 7,
                                  gb_slice_from_str("!")));
    gb_event_release(node, event);
    gb_frame frame;
    expect_ok(gb_client_receive(quick, TIMEOUT_US, &frame));
    expect_slice(frame.payload, gb_slice_from_str("!"));
    /* All that was accepted arrives, in order. */
    for (uint32_t i = 0; i < sent; i++) {
        expect_ok(gb_client_receive(slow, TIMEOUT_US, &frame));
        expect_uint(frame.payload.len, sizeof item);
        expect_uint(frame.payload.base[0], (uint8_t)i);
    }
    expect_ok(gb_node_client_send(node, slow_link, GB_FRAME_CLIENT_RESPONSE, 1,
                                  gb_slice_from_str("end")));
    expect_ok(gb_client_receive(slow, TIMEOUT_US, &frame));
    expect_slice(frame.payload, gb_slice_from_str("end"));
    gb_client_close(slow);
    gb_client_close(quick);
    expect_ok(gb_node_close(node));
    kit_close(&k);
}

GB_TEST(client_door, a_node_that_closes_ends_its_clients)
{
    kit k;
    kit_open(&k, t);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/a.sock", kit_directory(&k));
    gb_node *node = open_node(&k, path);
    gb_client *client = NULL;
    expect_ok(gb_client_open(path, TIMEOUT_US, &client, NULL));
    expect_ok(gb_node_close(node));
    gb_frame frame;
    gb_err err = gb_client_receive(client, TIMEOUT_US, &frame);
    expect_true(err == GB_EOF || err == GB_ECONNRESET);
    expect_err(gb_client_send(client, GB_FRAME_CLIENT_REQUEST, 1, gb_slice_from_str("?"), 0),
               GB_ECLOSED);
    gb_client_close(client);
    kit_close(&k);
}

GB_TEST(client_door, more_clients_than_allowed_are_turned_away)
{
    kit k;
    kit_open(&k, t);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/a.sock", kit_directory(&k));
    gb_node_options options = kit_options("a");
    options.client_socket = path;
    options.client_count_max = 2;
    gb_node *node = kit_node(&k, &options);
    gb_client *clients[2];
    for (int i = 0; i < 2; i++) {
        expect_ok(gb_client_open(path, TIMEOUT_US, &clients[i], NULL));
    }
    gb_client *third = NULL;
    expect_true(gb_client_open(path, TIMEOUT_US, &third, NULL) != GB_OK);
    gb_client_close(clients[0]);
    kit_expect_event(&k, node, GB_EVENT_CLIENT_CLOSED);
    gb_client_close(clients[1]);
    expect_ok(gb_node_close(node));
    kit_close(&k);
}

GB_TEST(client_door, without_a_free_descriptor_the_door_waits_and_says_so)
{
    kit k;
    kit_open(&k, t);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/a.sock", kit_directory(&k));
    gb_node *node = open_node(&k, path);
    kit_drain(node);

    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    expect_true(fd >= 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int free_fd = dup(fd);
    expect_true(free_fd >= 0);
    (void)close(free_fd);
    struct rlimit before;
    expect_int(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {.rlim_cur = (rlim_t)free_fd, .rlim_max = before.rlim_max};
    expect_int(setrlimit(RLIMIT_NOFILE, &low), 0);
    int status = connect(fd, (const struct sockaddr *)&address, sizeof address);
    const gb_event *event = kit_event(&k, node, GB_EVENT_LIMIT);
    expect_int(setrlimit(RLIMIT_NOFILE, &before), 0);
    expect_int(status, 0);
    static const char said[] = "accept on the client door: ";
    expect_true(event->text.len > sizeof said);
    expect_bytes(event->text.base, (const uint8_t *)said, sizeof said - 1);
    gb_event_release(node, event);

    /* Who came meanwhile is served now, and so are others. */
    expect_int(send(fd, "nonsense, longer than a header", 30, MSG_NOSIGNAL), 30);
    uint8_t answer[512];
    expect_true(recv(fd, answer, sizeof answer, 0) >= 0);
    (void)close(fd);
    expect_served(&k, node, path);
    expect_ok(gb_node_close(node));
    kit_close(&k);
}
