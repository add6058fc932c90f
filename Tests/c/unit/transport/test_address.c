/* SPDX-License-Identifier: Apache-2.0 */
/* test_address.c: texts, scopes, listening sockets. */
#include "kit.h"
#include "transport/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

GB_TEST(address, scopes_follow_the_kind_of_address)
{
    static const struct {
        const char *host;
        uint8_t scope;
    } cases[] = {
        {"127.0.0.1", GB_SCOPE_LOCAL},     {"localhost", GB_SCOPE_LOCAL},
        {"::1", GB_SCOPE_LOCAL},           {"10.1.2.3", GB_SCOPE_PRIVATE},
        {"172.16.0.1", GB_SCOPE_PRIVATE},  {"172.32.0.1", GB_SCOPE_PUBLIC},
        {"192.168.9.9", GB_SCOPE_PRIVATE}, {"169.254.1.1", GB_SCOPE_PRIVATE},
        {"100.64.0.1", GB_SCOPE_PRIVATE},  {"100.128.0.1", GB_SCOPE_PUBLIC},
        {"fd00::1", GB_SCOPE_PRIVATE},     {"fe80::1", GB_SCOPE_PRIVATE},
        {"2001:db8::1", GB_SCOPE_PUBLIC},  {"8.8.8.8", GB_SCOPE_PUBLIC},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_uint(gb_host_scope(cases[i].host), cases[i].scope);
    }
    expect_true(gb_host_is_wildcard("0.0.0.0"));
    expect_true(gb_host_is_wildcard("::"));
    expect_false(gb_host_is_wildcard("127.0.0.1"));
}

GB_TEST(address, an_ipv6_host_is_written_in_brackets)
{
    char text[64];
    gb_address_text("::1", 80, text, sizeof text);
    expect_str(text, "[::1]:80");
    gb_address_text("host", 80, text, sizeof text);
    expect_str(text, "host:80");
}

GB_TEST(address, a_port_in_use_is_said_so)
{
    int first = -1;
    int second = -1;
    struct sockaddr_storage bound;
    gb_err_info info;
    expect_ok(gb_listen_tcp("127.0.0.1", 0, &first, &bound, &info));
    char host[64];
    uint16_t port;
    gb_sockaddr_host(&bound, host, sizeof host, &port);
    expect_str(host, "127.0.0.1");
    expect_true(port != 0);
    expect_err(gb_listen_tcp("127.0.0.1", port, &second, &bound, &info), GB_EADDRINUSE);
    char text[128];
    (void)snprintf(text, sizeof text, "listen on 127.0.0.1:%u: address already in use",
                   (unsigned)port);
    expect_str(info.text, text);
    expect_int(second, -1);
    (void)close(first);
}

GB_TEST(address, a_port_in_use_at_one_address_of_a_name_is_in_use)
{
    int first = -1;
    int second = -1;
    struct sockaddr_storage bound;
    gb_err_info info;
    expect_ok(gb_listen_tcp("localhost", 0, &first, &bound, &info));
    char host[64];
    uint16_t port;
    gb_sockaddr_host(&bound, host, sizeof host, &port);
    expect_err(gb_listen_tcp("localhost", port, &second, &bound, &info), GB_EADDRINUSE);
    expect_int(second, -1);
    (void)close(first);
}

GB_TEST(address, a_host_that_is_not_ours_is_refused)
{
    int fd = -1;
    struct sockaddr_storage bound;
    gb_err_info info;
    expect_err(gb_listen_tcp("no.such.host.invalid", 0, &fd, &bound, &info), GB_EHOST);
    expect_true(strstr(info.text, "listen on no.such.host.invalid:0: unknown host") == info.text);
    expect_err(gb_listen_tcp("192.0.2.1", 0, &fd, &bound, &info), GB_EHOST);
    expect_int(fd, -1);
}

GB_TEST(address, a_socket_is_private_and_replaced_only_if_nobody_answers)
{
    char directory[] = "/tmp/gb-test-XXXXXX";
    expect_not_null(mkdtemp(directory));
    char path[64];
    (void)snprintf(path, sizeof path, "%s/node.sock", directory);
    int first = -1;
    int second = -1;
    uint64_t device;
    uint64_t inode;
    gb_err_info info;
    expect_ok(gb_listen_unix(path, &first, &device, &inode, &info));
    struct stat at;
    expect_int(stat(path, &at), 0);
    expect_uint(at.st_mode & 0777, 0600);

    expect_err(gb_listen_unix(path, &second, &device, &inode, &info), GB_EBUSY);
    (void)close(first);
    expect_ok(gb_listen_unix(path, &second, &device, &inode, &info));
    /* Another one's socket is left alone. */
    gb_unlink_unix(path, device, inode + 1);
    expect_int(stat(path, &at), 0);
    (void)close(second);
    gb_unlink_unix(path, device, inode);
    expect_true(stat(path, &at) != 0);

    FILE *file = fopen(path, "w");
    expect_not_null(file);
    (void)fclose(file);
    expect_err(gb_listen_unix(path, &second, &device, &inode, &info), GB_EADDRINUSE);
    (void)unlink(path);
    (void)rmdir(directory);
}
