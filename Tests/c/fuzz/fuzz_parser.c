/* SPDX-License-Identifier: Apache-2.0 */
/* The parser: the same stream whole and in splits that the input chooses must give the same frames
 * and the same error.
 *
 * Input: a byte n, n bytes that are the sizes of the pieces (repeated), and the stream. Where a
 * header stands its checksum is put right (unless the first byte's high bit is set), since no
 * mutation finds a checksum by itself. */
#include <stdlib.h>
#include <string.h>

#include "codec/frame.h"
#include "goferbroke/frame.h"
#include "platform/assert.h"
#include "platform/bytes.h"
#include "platform/hash.h"

#define PAYLOAD_SIZE_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came out of a stream, in order. */
typedef struct stream_result {
    uint64_t hash;
    uint64_t frame_count;
    size_t pending_size;
    gb_err err;
} stream_result;

static void result_add(stream_result *result, const gb_frame *frame)
{
    uint8_t head[6] = {frame->type, frame->flags};
    gb_store_be32(head + 2, frame->request_id);
    result->hash = gb_fnv1a(result->hash, gb_slice_make(head, sizeof head));
    result->hash = gb_fnv1a(result->hash, frame->payload);
    result->hash = gb_hash_combine(result->hash, frame->payload.len);
    result->frame_count++;
}

/* Feed `piece` from a block of its own, so that a payload that outlives it is seen. */
static gb_err feed(gb_parser *parser, gb_slice piece, stream_result *result)
{
    uint8_t *copy = malloc(piece.len + 1);
    GB_ASSERT(copy != NULL);
    if (piece.len > 0) {
        memcpy(copy, piece.base, piece.len);
    }
    gb_slice input = gb_slice_make(copy, piece.len);
    gb_err err;
    gb_frame frame;
    while ((err = gb_parser_next(parser, &input, &frame)) == GB_OK) {
        result_add(result, &frame);
    }
    GB_ASSERT(err != GB_EAGAIN || input.len == 0);
    free(copy);
    return err;
}

static stream_result parse(gb_slice stream, const uint8_t *sizes, size_t size_count)
{
    stream_result result = {.hash = GB_FNV1A_BASIS};
    gb_parser *parser = NULL;
    GB_ASSERT(gb_parser_open(NULL, PAYLOAD_SIZE_MAX, &parser) == GB_OK);
    gb_err err = GB_EAGAIN;
    for (size_t at = 0, i = 0; at < stream.len && err == GB_EAGAIN; i++) {
        size_t taken = size_count == 0 ? stream.len : sizes[i % size_count];
        /* A piece may be empty, but not all of them for ever. */
        if (taken == 0 && i % (size_count + 1) == size_count) {
            taken = 1;
        }
        taken = taken < stream.len - at ? taken : stream.len - at;
        err = feed(parser, gb_slice_make(stream.base + at, taken), &result);
        at += taken;
    }
    if (err != GB_EAGAIN) {
        /* An error is for ever. */
        GB_ASSERT(feed(parser, gb_slice_make(stream.base, stream.len), &result) == err);
    } else {
        result.pending_size = gb_parser_pending_size(parser);
        GB_ASSERT(result.pending_size < GB_FRAME_HEADER_SIZE + PAYLOAD_SIZE_MAX);
    }
    result.err = err;
    gb_parser_close(parser);
    return result;
}

static void repair_checksums(uint8_t *stream, size_t size)
{
    size_t at = 0;
    while (size - at >= GB_FRAME_HEADER_SIZE) {
        gb_frame_header header;
        uint8_t *bytes = stream + at;
        if (gb_frame_header_decode(bytes, PAYLOAD_SIZE_MAX, &header) != GB_OK ||
            header.payload_size > size - at - GB_FRAME_HEADER_SIZE) {
            return;
        }
        gb_slice payload = gb_slice_make(bytes + GB_FRAME_HEADER_SIZE, header.payload_size);
        gb_store_be32(bytes + 12, gb_frame_checksum(bytes, payload));
        at += GB_FRAME_HEADER_SIZE + header.payload_size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return -1;
    }
    size_t size_count = data[0] & 0x7f;
    if (size - 1 < size_count) {
        return -1;
    }
    const uint8_t *sizes = data + 1;
    size_t stream_size = size - 1 - size_count;
    uint8_t *stream = malloc(stream_size + 1);
    GB_ASSERT(stream != NULL);
    memcpy(stream, sizes + size_count, stream_size);
    if ((data[0] & 0x80) == 0) {
        repair_checksums(stream, stream_size);
    }

    gb_slice bytes = gb_slice_make(stream, stream_size);
    stream_result whole = parse(bytes, NULL, 0);
    stream_result split = parse(bytes, sizes, size_count);
    static const uint8_t one = 1;
    stream_result single = parse(bytes, &one, 1);
    GB_ASSERT(whole.err == split.err && whole.err == single.err);
    GB_ASSERT(whole.frame_count == split.frame_count && whole.frame_count == single.frame_count);
    GB_ASSERT(whole.hash == split.hash && whole.hash == single.hash);
    GB_ASSERT(whole.pending_size == split.pending_size &&
              whole.pending_size == single.pending_size);
    free(stream);
    return 0;
}
