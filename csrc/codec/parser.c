/* SPDX-License-Identifier: Apache-2.0 */
/* parser.c: from a byte stream in any split to whole, checked frames.
 *
 * The happy path: header and payload lie in the input, and the frame is handed out where it lies.
 * Else the header is collected in the parser itself, and the payload, if it does not lie whole in
 * the input after that, in a buffer that grows with what has arrived: a header that announces
 * megabytes costs the sender those megabytes, not us.
 *
 * A header is judged when its 16 bytes are there and the checksum when the payload is, so the
 * frames and the error of a stream do not depend on how it was split. */
#include "codec/frame.h"

#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/limits.h"

/* The first block of a collected payload. */
#define PARSER_CAPACITY_MIN ((size_t)4096)

/* A buffer up to this size is kept between frames: chunks that straddle reads then cost no
 * allocation, and a link that saw one large value does not hold on to megabytes. */
#define PARSER_CAPACITY_KEPT GB_CHUNK_BUFFER_SIZE

typedef enum parser_state {
    PARSER_HEADER,  /* fewer than 16 bytes of the header are there */
    PARSER_PAYLOAD, /* the header is whole and checked, the payload is not whole */
    PARSER_BROKEN,  /* `err` for ever */
} parser_state;

struct gb_parser {
    const gb_allocator *allocator;
    size_t payload_size_max;
    parser_state state;
    gb_err err;
    uint8_t header_bytes[GB_FRAME_HEADER_SIZE];
    size_t header_len;      /* collected of header_bytes */
    gb_frame_header header; /* in PARSER_PAYLOAD */
    uint8_t *payload;
    size_t payload_len; /* collected of payload; 0 in PARSER_HEADER */
    size_t payload_capacity;
};

gb_err gb_parser_open(const gb_allocator *allocator, size_t payload_size_max, gb_parser **out)
{
    GB_ASSERT(out != NULL);
    if (payload_size_max > GB_FRAME_PAYLOAD_MAX) {
        return GB_EINVAL;
    }
    if (allocator == NULL) {
        allocator = gb_allocator_default();
    }
    gb_parser *parser = gb_alloc_zeroed(allocator, sizeof *parser);
    if (parser == NULL) {
        return GB_ENOMEM;
    }
    parser->allocator = allocator;
    parser->payload_size_max = payload_size_max;
    parser->state = PARSER_HEADER;
    *out = parser;
    return GB_OK;
}

void gb_parser_close(gb_parser *parser)
{
    if (parser == NULL) {
        return;
    }
    gb_free(parser->allocator, parser->payload);
    gb_free(parser->allocator, parser);
}

size_t gb_parser_pending_size(const gb_parser *parser)
{
    return parser->header_len + parser->payload_len;
}

void gb_parser_trim(gb_parser *parser)
{
    if (parser->payload_len == 0) {
        gb_free(parser->allocator, parser->payload);
        parser->payload = NULL;
        parser->payload_capacity = 0;
    }
}

static gb_err parser_break(gb_parser *parser, gb_err err)
{
    parser->state = PARSER_BROKEN;
    parser->err = err;
    return err;
}

/* Give the memory of a large frame back once its payload is no longer lent. */
static void parser_settle(gb_parser *parser)
{
    if (parser->payload_len == 0 && parser->payload_capacity > PARSER_CAPACITY_KEPT) {
        gb_free(parser->allocator, parser->payload);
        parser->payload = NULL;
        parser->payload_capacity = 0;
    }
}

/* Hand out a frame whose payload is whole; the parser is between frames afterwards, and a collected
 * payload stays where it is until the next call. */
static gb_err parser_emit(gb_parser *parser, const uint8_t *header_bytes,
                          const gb_frame_header *header, gb_slice payload, gb_frame *out)
{
    if (gb_frame_checksum(header_bytes, payload) != header->checksum) {
        return parser_break(parser, GB_ECHECKSUM);
    }
    parser->state = PARSER_HEADER;
    parser->header_len = 0;
    parser->payload_len = 0;
    *out = (gb_frame){
        .type = header->type,
        .flags = header->flags,
        .request_id = header->request_id,
        .payload = payload,
    };
    return GB_OK;
}

/* Append `bytes` to the collected payload, of which `payload_size` bytes will come in all. */
static gb_err parser_collect(gb_parser *parser, size_t payload_size, gb_slice bytes)
{
    GB_ASSERT(bytes.len <= payload_size - parser->payload_len);
    if (bytes.len == 0) {
        return GB_OK;
    }
    size_t needed = parser->payload_len + bytes.len;
    if (needed > parser->payload_capacity) {
        size_t capacity = 2 * parser->payload_capacity;
        if (capacity < PARSER_CAPACITY_MIN) {
            capacity = PARSER_CAPACITY_MIN;
        }
        if (capacity > payload_size) {
            capacity = payload_size;
        }
        if (capacity < needed) {
            capacity = needed;
        }
        uint8_t *payload = gb_realloc_array(parser->allocator, parser->payload, capacity, 1);
        if (payload == NULL) {
            return GB_ENOMEM;
        }
        parser->payload = payload;
        parser->payload_capacity = capacity;
    }
    memcpy(parser->payload + parser->payload_len, bytes.base, bytes.len);
    parser->payload_len = needed;
    return GB_OK;
}

static gb_err parser_step_header(gb_parser *parser, gb_slice *input, gb_frame *out)
{
    const uint8_t *header_bytes;
    gb_slice rest = *input;
    size_t missing = GB_FRAME_HEADER_SIZE - parser->header_len;

    if (parser->header_len == 0 && rest.len >= GB_FRAME_HEADER_SIZE) {
        header_bytes = rest.base;
    } else {
        size_t taken = rest.len < missing ? rest.len : missing;
        if (taken > 0) {
            memcpy(parser->header_bytes + parser->header_len, rest.base, taken);
        }
        if (taken < missing) {
            parser->header_len += taken;
            *input = gb_slice_make(rest.base == NULL ? NULL : rest.base + taken, 0);
            return GB_EAGAIN;
        }
        header_bytes = parser->header_bytes;
    }
    rest = gb_slice_make(rest.base + missing, rest.len - missing);

    gb_frame_header header;
    gb_err err = gb_frame_header_decode(header_bytes, parser->payload_size_max, &header);
    if (err != GB_OK) {
        return parser_break(parser, err);
    }
    if (rest.len >= header.payload_size) {
        gb_slice payload = gb_slice_make(rest.base, header.payload_size);
        err = parser_emit(parser, header_bytes, &header, payload, out);
        if (err == GB_OK) {
            *input = gb_slice_make(rest.base + header.payload_size, rest.len - header.payload_size);
        }
        return err;
    }

    /* Without memory `header_len` and `*input` still stand where they stood: the call can be
     * repeated. */
    err = parser_collect(parser, header.payload_size, rest);
    if (err != GB_OK) {
        return err;
    }
    if (header_bytes != parser->header_bytes) {
        memcpy(parser->header_bytes, header_bytes, GB_FRAME_HEADER_SIZE);
    }
    parser->header_len = GB_FRAME_HEADER_SIZE;
    parser->header = header;
    parser->state = PARSER_PAYLOAD;
    *input = gb_slice_make(rest.base + rest.len, 0);
    return GB_EAGAIN;
}

static gb_err parser_step_payload(gb_parser *parser, gb_slice *input, gb_frame *out)
{
    size_t payload_size = parser->header.payload_size;
    size_t missing = payload_size - parser->payload_len;
    gb_slice rest = *input;
    size_t taken = rest.len < missing ? rest.len : missing;

    if (taken == 0) {
        return GB_EAGAIN;
    }
    if (taken == payload_size) {
        /* The header alone was collected: the payload lies whole in the input after all. */
        gb_err err = parser_emit(parser, parser->header_bytes, &parser->header,
                                 gb_slice_make(rest.base, taken), out);
        if (err == GB_OK) {
            *input = gb_slice_make(rest.base + taken, rest.len - taken);
        }
        return err;
    }
    gb_err err = parser_collect(parser, payload_size, gb_slice_make(rest.base, taken));
    if (err != GB_OK) {
        return err;
    }
    *input = gb_slice_make(rest.base + taken, rest.len - taken);
    if (taken < missing) {
        return GB_EAGAIN;
    }
    return parser_emit(parser, parser->header_bytes, &parser->header,
                       gb_slice_make(parser->payload, payload_size), out);
}

gb_err gb_parser_next(gb_parser *parser, gb_slice *input, gb_frame *out)
{
    GB_ASSERT(parser != NULL && input != NULL && out != NULL);
    GB_ASSERT(input->base != NULL || input->len == 0);

    parser_settle(parser);
    switch (parser->state) {
    case PARSER_HEADER:
        return parser_step_header(parser, input, out);
    case PARSER_PAYLOAD:
        return parser_step_payload(parser, input, out);
    case PARSER_BROKEN:
        return parser->err;
    }
    GB_UNREACHABLE();
}
