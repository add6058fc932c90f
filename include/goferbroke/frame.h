/* SPDX-License-Identifier: Apache-2.0 */
/* frame.h: the unit of the wire: a fixed header of 16 bytes, then exactly the payload it counts.
 *
 *   offset  size  field
 *        0     2  magic, 0x4742 ("GB")
 *        2     1  version of the framing, 1
 *        3     1  type (GB_FRAME_…)
 *        4     1  flags (GB_FRAME_OPTIONAL; the other bits are zero)
 *        5     3  payload size in bytes, 0 … GB_FRAME_PAYLOAD_MAX
 *        8     4  request id: chosen by the asker, repeated by the answer; 0 where nobody answers
 *       12     4  CRC-32C over bytes 0 … 11 and the payload
 *
 * Numbers are big-endian. docs/WIRE.md has every payload. */
#ifndef GOFERBROKE_FRAME_H
#define GOFERBROKE_FRAME_H

#include <goferbroke/alloc.h>
#include <goferbroke/err.h>
#include <goferbroke/export.h>
#include <goferbroke/types.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GB_FRAME_MAGIC 0x4742u
#define GB_FRAME_VERSION 1u
#define GB_FRAME_HEADER_SIZE 16u

/* A receiver that does not know the type skips the frame instead of refusing the link. */
#define GB_FRAME_OPTIONAL 0x01u

enum {
    GB_FRAME_HELLO = 1,
    GB_FRAME_WELCOME = 2,
    GB_FRAME_REJECT = 3,
    GB_FRAME_PING = 4,
    GB_FRAME_PONG = 5,
    GB_FRAME_HEARTBEAT = 6,
    GB_FRAME_HEARTBEAT_ACK = 7,
    GB_FRAME_INDEX = 8,
    GB_FRAME_DELTAS = 9,
    GB_FRAME_SYN = 10,
    GB_FRAME_SYN_ACK = 11,
    GB_FRAME_ACK = 12,
    GB_FRAME_PULL = 13,
    GB_FRAME_PULL_CANCEL = 14,
    GB_FRAME_PRUNE = 15,
    GB_FRAME_I_HAVE = 16,
    GB_FRAME_GRAFT = 17,
    GB_FRAME_PROBE = 18,
    GB_FRAME_PROBE_RESULT = 19,
    GB_FRAME_BYE = 20,
    GB_FRAME_ERROR = 21,
    /* Role client: payloads are JSON texts, docs/WIRE.md section "Client". */
    GB_FRAME_CLIENT_REQUEST = 64,
    GB_FRAME_CLIENT_RESPONSE = 65, /* the only or the last answer to a request */
    GB_FRAME_CLIENT_ITEM = 66,     /* one element of a stream; more follow */
    GB_FRAME_CLIENT_CANCEL = 67,   /* the asker wants no more of a stream */
};

typedef struct gb_frame {
    uint8_t type;
    uint8_t flags;
    uint32_t request_id;
    gb_slice payload; /* lent by the parser until its next call */
} gb_frame;

/* Incremental parser of one byte stream. Bytes may come in any split. A frame that lies whole in
 * the input is handed out in place, without a copy; one that straddles inputs is collected in a
 * buffer of the parser's, which never holds more than one frame. */
typedef struct gb_parser gb_parser;

/* Open a parser that refuses payloads over `payload_size_max` (at most GB_FRAME_PAYLOAD_MAX).
 * `allocator` is borrowed for the parser's life; NULL means malloc.
 *
 * Errors:
 *   GB_EINVAL  `payload_size_max` is over GB_FRAME_PAYLOAD_MAX.
 *   GB_ENOMEM  No memory.
 * On error `out` is unchanged. */
GB_EXTERN gb_err gb_parser_open(const gb_allocator *allocator, size_t payload_size_max,
                                gb_parser **out);

/* NULL is allowed. */
GB_EXTERN void gb_parser_close(gb_parser *parser);

/* Take the next whole frame from the front of `*input` (borrowed), moving `*input` past what was
 * used. `out->payload` is lent until the next call on this parser and no longer than the bytes
 * that `*input` named.
 *
 * Errors:
 *   GB_EAGAIN     `*input` is used up; feed more. Not sticky.
 *   GB_ENOMEM     No memory to collect a frame. Nothing was used of `*input`; may be called again.
 *   GB_EMAGIC, GB_EVERSION, GB_ETOOBIG, GB_EMALFORMED (flag bits that must be zero),
 *   GB_ECHECKSUM  The stream is not to be trusted from here on: each later call returns the same.
 * On error `out` is unchanged. */
GB_EXTERN gb_err gb_parser_next(gb_parser *parser, gb_slice *input, gb_frame *out);

/* Bytes collected of an unfinished frame (0 between frames). */
GB_EXTERN size_t gb_parser_pending_size(const gb_parser *parser);

/* Write the header of a frame whose payload is `payload` to `header` (GB_FRAME_HEADER_SIZE bytes).
 *
 * Errors:
 *   GB_ETOOBIG  The payload is over GB_FRAME_PAYLOAD_MAX. `header` is unchanged. */
GB_EXTERN gb_err gb_frame_header_encode(uint8_t type, uint8_t flags, uint32_t request_id,
                                        gb_slice payload, uint8_t *header);

#ifdef __cplusplus
}
#endif

#endif
