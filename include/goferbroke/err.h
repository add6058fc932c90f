/* SPDX-License-Identifier: Apache-2.0 */
/* Every error of the library, from one map: value, name and text. */
#ifndef GOFERBROKE_ERR_H
#define GOFERBROKE_ERR_H

#include "goferbroke/export.h"

/* Ranges are classes, and the class says what the caller does:
 *
 *     -1 …  -99   caller, progress   fix the call, or feed more (GB_EAGAIN)
 *   -100 … -199   peer               answer with an error, drop the connection
 *   -200 … -299   protocol           count it, ignore the message; refusals end a join
 *   -300 … -399   I/O                retry with backoff
 *   -400 … -499   TLS                drop; never retry in plain text
 *   -900 …        fatal              the object may now only be closed
 *
 * X(NAME, value, text). Values are kept for ever: they travel in logs and in other languages.
 * A text is a fragment without capital and full stop, fit to follow "operation: ". */
#define GB_ERR_MAP(X)                                                                              \
    X(GB_OK, 0, "success")                                                                         \
    X(GB_EINVAL, -1, "invalid argument")                                                           \
    X(GB_EBUSY, -2, "the object is in use")                                                        \
    X(GB_ECLOSED, -3, "the object is closed")                                                      \
    X(GB_EAGAIN, -4, "more is needed before this can go on")                                       \
    X(GB_ENAME, -5, "a name must be 1 to 255 bytes of UTF-8 without control characters")           \
    X(GB_EGROUP, -6, "the key group is empty, too long or reserved")                               \
    X(GB_EKEY_SIZE, -7, "the key exceeds its size limit")                                          \
    X(GB_EVALUE_SIZE, -8, "the value exceeds its size limit")                                      \
    X(GB_EKEYS, -9, "the participant has too many keys")                                           \
    X(GB_EPARTICIPANTS, -10, "the cluster map has too many participants")                          \
    X(GB_ETYPE, -11, "the value does not fit its type")                                            \
    X(GB_ENOTFOUND, -12, "not found")                                                              \
    X(GB_EFULL, -13, "a bounded queue is full")                                                    \
    X(GB_EMAGIC, -100, "the peer does not speak this protocol")                                    \
    X(GB_EVERSION, -101, "the peer speaks another protocol version")                               \
    X(GB_ETYPE_UNKNOWN, -102, "unknown frame type that is not optional")                           \
    X(GB_ETOOBIG, -103, "a size from the peer exceeds its limit")                                  \
    X(GB_ECHECKSUM, -104, "checksum mismatch")                                                     \
    X(GB_EMALFORMED, -105, "malformed message")                                                    \
    X(GB_EUNEXPECTED, -106, "message not allowed in this state")                                   \
    X(GB_ETIMEDOUT, -107, "the peer did not answer in time")                                       \
    X(GB_ESTALE, -200, "older than what is known")                                                 \
    X(GB_EGAP, -201, "versions are missing in between")                                            \
    X(GB_EDUPLICATE, -202, "already known")                                                        \
    X(GB_EUNKNOWN_NODE, -203, "unknown node")                                                      \
    X(GB_EREJECTED_CLUSTER, -210, "rejected: another cluster name")                                \
    X(GB_EREJECTED_NAME_IN_USE, -211, "rejected: the node name is in use")                         \
    X(GB_EREJECTED_GENERATION, -212, "rejected: the generation is not newer than one known")       \
    X(GB_EREJECTED_VERSION, -213, "rejected: no common protocol version")                          \
    X(GB_EREJECTED_FULL, -214, "rejected: a limit of the answering node is reached")               \
    X(GB_EREJECTED_ROLE, -215, "rejected: this role is not served here")                           \
    X(GB_EREJECTED_SELF, -216, "rejected: this is the dialling node itself")                       \
    X(GB_EREPLACED, -217, "a newer life of this node has taken over")                              \
    X(GB_EIO, -300, "input/output error")                                                          \
    X(GB_EADDRINUSE, -301, "address already in use")                                               \
    X(GB_ECONNREFUSED, -302, "connection refused")                                                 \
    X(GB_ECONNRESET, -303, "connection reset by peer")                                             \
    X(GB_EUNREACHABLE, -304, "host or network unreachable")                                        \
    X(GB_EHOST, -305, "unknown host")                                                              \
    X(GB_EOF, -306, "connection closed by peer")                                                   \
    X(GB_EACCES, -307, "permission denied")                                                        \
    X(GB_EPIPE, -308, "broken pipe")                                                               \
    X(GB_ESTORE, -309, "the data directory cannot be used")                                        \
    X(GB_ETLS, -400, "TLS error")                                                                  \
    X(GB_ENOMEM, -900, "out of memory")                                                            \
    X(GB_EBROKEN, -901, "an invariant is broken; the object may only be closed")

#define GB_ERR_ENUMERATOR(name, value, text) name = value,

typedef enum gb_err { GB_ERR_MAP(GB_ERR_ENUMERATOR) } gb_err;

#undef GB_ERR_ENUMERATOR

/* Context of a failure, for a human. `text` is one sentence, NUL-terminated valid UTF-8 if its
 * parts were, e.g. "start node: listen on 10.0.0.7:4000: address already in use"; empty after
 * success. `system_code` is the errno-like cause (negative, as libuv gives it), 0 when there is
 * none. Nothing parses the text. */
typedef struct gb_err_info {
    gb_err code;
    int system_code;
    char text[256];
} gb_err_info;

/* The text of `err`; "unknown error" for a value that is not in the map. Static storage, never
 * NULL. Takes an int so that a code from elsewhere may be passed as it is. */
GB_EXTERN const char *gb_strerror(int err);

/* The name of `err`, e.g. "GB_EBUSY"; "GB_EUNKNOWN" for a value that is not in the map. Static
 * storage, never NULL. */
GB_EXTERN const char *gb_err_name(int err);

#endif
