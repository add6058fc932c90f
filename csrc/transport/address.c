/* SPDX-License-Identifier: Apache-2.0 */
/* address.c: addresses as texts, scopes, listening sockets. */
#include "transport/address.h"

#include "platform/err_info.h"
#include "platform/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#define LISTEN_BACKLOG 511

gb_err gb_err_from_errno(int code)
{
    switch (code) {
    case 0:
        return GB_OK;
    case EADDRINUSE:
        return GB_EADDRINUSE;
    case EACCES:
    case EPERM:
    case EROFS:
        return GB_EACCES;
    case EADDRNOTAVAIL:
        return GB_EHOST; /* not an address of this machine */
    case ECONNREFUSED:
        return GB_ECONNREFUSED;
    case ECONNRESET:
        return GB_ECONNRESET;
    case EPIPE:
        return GB_EPIPE;
    case ETIMEDOUT:
        return GB_ETIMEDOUT;
    case EHOSTUNREACH:
    case ENETUNREACH:
        return GB_EUNREACHABLE;
    case ENOENT:
        return GB_ENOTFOUND;
    case ENOMEM:
        return GB_ENOMEM;
    default:
        return GB_EIO;
    }
}

/* ---- Texts ---------------------------------------------------------------------------------- */

void gb_address_text(const char *host, uint16_t port, char *out, size_t size)
{
    bool has_colon = strchr(host, ':') != NULL;
    (void)snprintf(out, size, has_colon ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
}

void gb_sockaddr_host(const struct sockaddr_storage *address, char *host, size_t size,
                      uint16_t *port)
{
    host[0] = '\0';
    *port = 0;
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        (void)uv_ip4_name(v4, host, size);
        *port = ntohs(v4->sin_port);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        (void)uv_ip6_name(v6, host, size);
        *port = ntohs(v6->sin6_port);
    }
}

/* ---- Scopes --------------------------------------------------------------------------------- */

static uint8_t scope_of_v4(uint32_t address)
{
    if (address >> 24 == 127) {
        return GB_SCOPE_LOCAL;
    }
    /* RFC 1918, RFC 3927 (link-local), RFC 6598 (shared by carriers). */
    if (address >> 24 == 10 || address >> 20 == 0xac1 || address >> 16 == 0xc0a8 ||
        address >> 16 == 0xa9fe || address >> 22 == 0x191) {
        return GB_SCOPE_PRIVATE;
    }
    return GB_SCOPE_PUBLIC;
}

uint8_t gb_sockaddr_scope(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        return scope_of_v4(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
    }
    if (address->ss_family != AF_INET6) {
        return GB_SCOPE_PUBLIC;
    }
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
    if (IN6_IS_ADDR_LOOPBACK(v6)) {
        return GB_SCOPE_LOCAL;
    }
    if (IN6_IS_ADDR_V4MAPPED(v6)) {
        const uint8_t *b = v6->s6_addr + 12;
        return scope_of_v4((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 |
                           b[3]);
    }
    /* RFC 4193 (unique local) and link-local. */
    if ((v6->s6_addr[0] & 0xfe) == 0xfc || IN6_IS_ADDR_LINKLOCAL(v6)) {
        return GB_SCOPE_PRIVATE;
    }
    return GB_SCOPE_PUBLIC;
}

static int resolve(const char *host, uint16_t port, int flags, struct addrinfo **out)
{
    struct addrinfo hints;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_protocol = IPPROTO_TCP;
    hints.ai_flags = flags;
    char service[8];
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    return getaddrinfo(gb_host_query(host), service, &hints, out);
}

uint8_t gb_host_scope(const char *host)
{
    struct addrinfo *found = NULL;
    if (strcmp(host, "localhost") == 0) {
        return GB_SCOPE_LOCAL;
    }
    if (resolve(host, 0, 0, &found) != 0 || found == NULL) {
        return GB_SCOPE_PUBLIC;
    }
    struct sockaddr_storage address = {0};
    memcpy(&address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return gb_sockaddr_scope(&address);
}

bool gb_host_is_wildcard(const char *host)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (uv_ip4_addr(host, 0, &v4) == 0) {
        return v4.sin_addr.s_addr == htonl(INADDR_ANY);
    }
    return uv_ip6_addr(host, 0, &v6) == 0 && IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr);
}

/* ---- Listening ------------------------------------------------------------------------------ */

static void set_descriptor_flags(int fd)
{
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
}

/* 0, or an errno; `*fd` is then closed. */
static int listen_at(const struct addrinfo *address, int *out)
{
    int fd = socket(address->ai_family, SOCK_STREAM, 0);
    if (fd < 0) {
        return errno == EAFNOSUPPORT ? EADDRNOTAVAIL : errno;
    }
    set_descriptor_flags(fd);
    int on = 1;
    /* A restarted node gets its port back although old connections are still in TIME_WAIT. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
        int code = errno;
        (void)close(fd);
        return code;
    }
    *out = fd;
    return 0;
}

gb_err gb_listen_tcp(const char *host, uint16_t port, int *fd, struct sockaddr_storage *bound,
                     gb_err_info *info)
{
    char text[GB_ERROR_TEXT_MAX + 1];
    gb_address_text(host, port, text, sizeof text);
    struct addrinfo *found = NULL;
    int status = resolve(host, port, 0, &found);
    if (status != 0) {
        return gb_err_info_set(info, GB_EHOST, 0, "listen on %s: unknown host (%s)", text,
                               gai_strerror(status));
    }
    /* IPv4 first: of the two that "localhost" is, the one that every machine has. The next address
     * is tried only where the machine has not this one: a port that is in use at 127.0.0.1 is in
     * use, also if it is free at ::1, where nobody would look for this node. */
    const int families[] = {AF_INET, AF_INET6};
    int code = EADDRNOTAVAIL;
    for (size_t i = 0; i < 2 && code == EADDRNOTAVAIL; i++) {
        for (const struct addrinfo *at = found; at != NULL && code == EADDRNOTAVAIL;
             at = at->ai_next) {
            if (at->ai_family == families[i]) {
                code = listen_at(at, fd);
            }
        }
    }
    freeaddrinfo(found);
    if (code != 0) {
        return gb_err_info_set(info, gb_err_from_errno(code), -code, "listen on %s: %s", text,
                               code == EADDRINUSE ? gb_strerror(GB_EADDRINUSE)
                                                  : uv_strerror(-code));
    }
    memset(bound, 0, sizeof *bound);
    socklen_t size = sizeof *bound;
    (void)getsockname(*fd, (struct sockaddr *)bound, &size);
    return GB_OK;
}

/* Does anybody answer? 0: yes; else the errno of trying. */
static int unix_knock(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) {
        return errno;
    }
    set_descriptor_flags(fd);
    int code = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
    (void)close(fd);
    /* A full backlog is an answer too. */
    return code == EAGAIN ? 0 : code;
}

/* Make way at `path`, if only a stale socket lies there. */
static gb_err unix_replace_stale(const struct sockaddr_un *address, gb_err_info *info)
{
    const char *path = address->sun_path;
    struct stat at;
    if (lstat(path, &at) != 0) {
        return errno == ENOENT ? GB_OK
                               : gb_err_info_set(info, gb_err_from_errno(errno), -errno,
                                                 "listen on %s: %s", path, uv_strerror(-errno));
    }
    if (!S_ISSOCK(at.st_mode)) {
        return gb_err_info_set(info, GB_EADDRINUSE, 0,
                               "listen on %s: a file that is no socket lies there", path);
    }
    int code = unix_knock(address);
    if (code == 0) {
        return gb_err_info_set(info, GB_EBUSY, 0, "listen on %s: a live node answers there", path);
    }
    if (code != ECONNREFUSED && code != ENOENT) {
        return gb_err_info_set(info, gb_err_from_errno(code), -code, "listen on %s: %s", path,
                               uv_strerror(-code));
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        return gb_err_info_set(info, gb_err_from_errno(errno), -errno,
                               "listen on %s: remove the stale socket: %s", path,
                               uv_strerror(-errno));
    }
    return GB_OK;
}

gb_err gb_listen_unix(const char *path, int *out, uint64_t *device, uint64_t *inode,
                      gb_err_info *info)
{
    struct sockaddr_un address;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address.sun_path) {
        return gb_err_info_set(info, GB_EINVAL, 0,
                               "listen on %.100s…: a socket's path has at most %zu bytes", path,
                               sizeof address.sun_path - 1);
    }
    memcpy(address.sun_path, path, strlen(path));
    gb_err err = unix_replace_stale(&address, info);
    if (err != GB_OK) {
        return err;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int code = fd < 0 ? errno : 0;
    if (code == 0) {
        set_descriptor_flags(fd);
        /* Nobody can connect before listen, so the mode stands in time, whatever the umask. */
        if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
            code = errno;
        } else if (chmod(path, S_IRUSR | S_IWUSR) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
            code = errno;
            (void)unlink(path);
        }
    }
    struct stat at;
    if (code == 0 && lstat(path, &at) != 0) {
        code = errno;
    }
    if (code != 0) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return gb_err_info_set(info, gb_err_from_errno(code), -code, "listen on %s: %s", path,
                               uv_strerror(-code));
    }
    *device = (uint64_t)at.st_dev;
    *inode = (uint64_t)at.st_ino;
    *out = fd;
    return GB_OK;
}

void gb_unlink_unix(const char *path, uint64_t device, uint64_t inode)
{
    struct stat at;
    if (lstat(path, &at) == 0 && (uint64_t)at.st_dev == device && (uint64_t)at.st_ino == inode) {
        (void)unlink(path);
    }
}
