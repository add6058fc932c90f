/* SPDX-License-Identifier: Apache-2.0 */
/* address.h: hosts and ports as texts and sockaddrs; listening sockets. Blocking: for the threads
 * of the host, not for the loop. */
#ifndef GB_TRANSPORT_ADDRESS_H
#define GB_TRANSPORT_ADDRESS_H

#include <goferbroke/err.h>
#include <goferbroke/message.h>

#include <strings.h>
#include <sys/socket.h>

/* The gb_err of an errno (positive). */
gb_err gb_err_from_errno(int code);

/* "HOST:PORT", or "[HOST]:PORT" where the host has a colon, for sentences; NUL-terminated. */
void gb_address_text(const char *host, uint16_t port, char *out, size_t size);
/* Numeric host and port of a socket address; "" and 0 for a Unix socket. */
void gb_sockaddr_host(const struct sockaddr_storage *address, char *host, size_t size,
                      uint16_t *port);
/* LOCAL, PRIVATE or PUBLIC by the kind of address. */
uint8_t gb_sockaddr_scope(const struct sockaddr_storage *address);
/* As far as the text tells: a numeric address, "localhost", else what the name resolves to (PUBLIC
 * where it does not). Blocks for names. */
uint8_t gb_host_scope(const char *host);
/* 0.0.0.0 or ::, which others cannot dial. */
bool gb_host_is_wildcard(const char *host);

/* A bound and listening TCP socket, non-blocking. `bound` gets its address.
 * Errors: GB_EHOST, GB_EADDRINUSE, GB_EACCES, GB_EIO, with a sentence. */
gb_err gb_listen_tcp(const char *host, uint16_t port, int *fd, struct sockaddr_storage *bound,
                     gb_err_info *info);
/* A bound and listening Unix socket, mode 0600, non-blocking. A socket on which nobody answers is
 * replaced. `device` and `inode` tell it from a later one.
 * Errors: GB_EINVAL (path too long), GB_EBUSY (somebody answers), GB_EADDRINUSE (another kind of
 * file), GB_EACCES, GB_ENOTFOUND (no such directory), GB_EIO. */
gb_err gb_listen_unix(const char *path, int *fd, uint64_t *device, uint64_t *inode,
                      gb_err_info *info);
/* Remove the socket if it still is that one. */
void gb_unlink_unix(const char *path, uint64_t device, uint64_t inode);

/* What to ask the resolver for: NULL for "localhost", which means the loopback addresses whatever
 * files and name servers say, or lack (RFC 6761, section 6.3). */
static inline const char *gb_host_query(const char *host)
{
    return strcasecmp(host, "localhost") == 0 ? NULL : host;
}

#endif
