/* SPDX-License-Identifier: Apache-2.0 */
/* The parser gives the same frames for every split of a stream, and the same error for ever. */
#include "goferbroke/frame.h"

#include "platform/alloc.h"
#include "platform/limits.h"
#include "unit/codec/samples.h"

/* Parse `stream`, the samples one after the other, in two pieces; each piece in a block of its own
 * that is gone when the next comes. `at` counts the frames. */
static void feed(gb_test *t, gb_parser *parser, gb_slice piece, gb_slice stream, size_t *at,
                 size_t *offset)
{
    uint8_t *copy = gb_alloc_copy(t->allocator, piece.base, piece.len);
    expect_not_null(copy);
    gb_slice input = gb_slice_make(copy, piece.len);
    gb_frame frame;
    gb_err err;
    while ((err = gb_parser_next(parser, &input, &frame)) == GB_OK) {
        const codec_sample *sample = &codec_samples[*at % codec_sample_count];
        expect_uint(frame.type, sample->type);
        expect_uint(frame.flags, 0);
        expect_uint(frame.request_id, sample->request_id);
        expect_slice(frame.payload, gb_slice_make(stream.base + *offset + GB_FRAME_HEADER_SIZE,
                                                  frame.payload.len));
        *offset += GB_FRAME_HEADER_SIZE + frame.payload.len;
        ++*at;
    }
    expect_err(err, GB_EAGAIN);
    expect_uint(input.len, 0);
    gb_free(t->allocator, copy);
}

static gb_parser *open_parser(gb_test *t)
{
    gb_parser *parser = NULL;
    expect_ok(gb_parser_open(t->allocator, GB_FRAME_PAYLOAD_MAX, &parser));
    return parser;
}

static gb_slice open_stream(gb_test *t, gb_out *out)
{
    gb_out_init(out, t->allocator);
    codec_encode_all(t, out);
    return gb_slice_make(out->base, out->len);
}

static void expect_pieces(gb_test *t, gb_slice stream, size_t piece_size)
{
    gb_parser *parser = open_parser(t);
    size_t count = 0;
    size_t offset = 0;
    for (size_t at = 0; at < stream.len; at += piece_size) {
        size_t len = piece_size < stream.len - at ? piece_size : stream.len - at;
        feed(t, parser, gb_slice_make(stream.base + at, len), stream, &count, &offset);
        expect_uint(gb_parser_pending_size(parser), at + len - offset);
    }
    expect_uint(count, codec_sample_count);
    expect_uint(offset, stream.len);
    expect_uint(gb_parser_pending_size(parser), 0);
    gb_parser_close(parser);
}

GB_TEST(parser, whole_one_byte_at_a_time_and_in_all_small_pieces_give_the_same_frames)
{
    gb_out out;
    gb_slice stream = open_stream(t, &out);
    expect_pieces(t, stream, stream.len);
    for (size_t size = 1; size <= 70; size++) {
        expect_pieces(t, stream, size);
    }
    gb_out_deinit(&out);
}

GB_TEST(parser, every_split_point_gives_the_same_frames)
{
    gb_out out;
    gb_slice stream = open_stream(t, &out);
    for (size_t split = 0; split <= stream.len; split++) {
        gb_parser *parser = open_parser(t);
        size_t count = 0;
        size_t offset = 0;
        feed(t, parser, gb_slice_make(stream.base, split), stream, &count, &offset);
        feed(t, parser, gb_slice_make(stream.base + split, stream.len - split), stream, &count,
             &offset);
        expect_uint(count, codec_sample_count);
        gb_parser_close(parser);
    }
    gb_out_deinit(&out);
}

GB_TEST(parser, random_splits_give_the_same_frames)
{
    gb_out out;
    gb_slice stream = open_stream(t, &out);
    for (int trial = 0; trial < 300; trial++) {
        gb_parser *parser = open_parser(t);
        size_t count = 0;
        size_t offset = 0;
        for (size_t at = 0; at < stream.len;) {
            size_t len = (size_t)gb_rng_below(&t->rng, 120);
            len = len < stream.len - at ? len : stream.len - at;
            feed(t, parser, gb_slice_make(stream.base + at, len), stream, &count, &offset);
            at += len;
        }
        expect_uint(count, codec_sample_count);
        gb_parser_close(parser);
    }
    gb_out_deinit(&out);
}

GB_TEST(parser, a_frame_whole_in_the_input_is_handed_out_in_place_without_an_allocation)
{
    gb_out out;
    gb_slice stream = open_stream(t, &out);
    gb_parser *parser = open_parser(t);
    uint64_t allocations = t->counted.count;
    gb_slice input = stream;
    gb_frame frame;
    const uint8_t *expected = stream.base + GB_FRAME_HEADER_SIZE;
    for (size_t i = 0; i < codec_sample_count; i++) {
        expect_ok(gb_parser_next(parser, &input, &frame));
        expect_ptr(frame.payload.base, expected);
        expected += frame.payload.len + GB_FRAME_HEADER_SIZE;
    }
    expect_err(gb_parser_next(parser, &input, &frame), GB_EAGAIN);
    expect_uint(t->counted.count, allocations);
    gb_parser_close(parser);
    gb_out_deinit(&out);
}

GB_TEST(parser, a_payload_whole_in_the_input_is_not_copied_because_its_header_came_before)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    expect_ok(gb_client_frame_encode(&out, GB_FRAME_CLIENT_ITEM, 1, S("{\"a\":1}")));
    for (size_t split = 1; split <= GB_FRAME_HEADER_SIZE; split++) {
        gb_parser *parser = open_parser(t);
        uint64_t allocations = t->counted.count;
        gb_frame frame;
        gb_slice input = gb_slice_make(out.base, split);
        expect_err(gb_parser_next(parser, &input, &frame), GB_EAGAIN);
        expect_uint(gb_parser_pending_size(parser), split);
        input = gb_slice_make(out.base + split, out.len - split);
        expect_ok(gb_parser_next(parser, &input, &frame));
        expect_ptr(frame.payload.base, out.base + GB_FRAME_HEADER_SIZE);
        expect_uint(t->counted.count, allocations);
        gb_parser_close(parser);
    }
    gb_out_deinit(&out);
}

GB_TEST(parser, unknown_types_and_the_optional_flag_are_handed_on)
{
    uint8_t bytes[GB_FRAME_HEADER_SIZE];
    gb_parser *parser = open_parser(t);
    for (unsigned type = 0; type < 256; type++) {
        expect_ok(gb_frame_header_encode((uint8_t)type, GB_FRAME_OPTIONAL, type, S(""), bytes));
        gb_slice input = gb_slice_make(bytes, sizeof bytes);
        gb_frame frame;
        expect_ok(gb_parser_next(parser, &input, &frame));
        expect_uint(frame.type, type);
        expect_uint(frame.flags, GB_FRAME_OPTIONAL);
        expect_uint(frame.payload.len, 0);
        expect_uint(input.len, 0);
    }
    gb_parser_close(parser);
}

/* Whole and byte by byte, and again afterwards with a good frame: always the same error. */
static void expect_broken(gb_test *t, gb_slice stream, size_t payload_size_max, gb_err expected)
{
    uint8_t good[GB_FRAME_HEADER_SIZE];
    expect_ok(gb_frame_header_encode(GB_FRAME_PING, 0, 1, S(""), good));
    for (size_t piece = 1; piece <= stream.len; piece += stream.len - 1) {
        gb_parser *parser = NULL;
        expect_ok(gb_parser_open(t->allocator, payload_size_max, &parser));
        gb_frame frame = {.type = 99};
        gb_err err = GB_EAGAIN;
        for (size_t at = 0; at < stream.len && err == GB_EAGAIN; at += piece) {
            gb_slice input = gb_slice_make(stream.base + at, piece);
            err = gb_parser_next(parser, &input, &frame);
        }
        expect_err(err, expected);
        for (int i = 0; i < 3; i++) {
            gb_slice input = gb_slice_make(good, sizeof good);
            expect_err(gb_parser_next(parser, &input, &frame), expected);
        }
        expect_uint(frame.type, 99);
        gb_parser_close(parser);
    }
}

GB_TEST(parser, a_broken_stream_stays_broken)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    expect_ok(gb_client_frame_encode(&out, GB_FRAME_CLIENT_ITEM, 1, S("{\"a\":1}")));
    gb_slice stream = gb_slice_make(out.base, out.len);
    for (size_t bit = 0; bit < 8 * out.len; bit++) {
        static const gb_err by_byte[] = {GB_EMAGIC,     GB_EMAGIC,    GB_EVERSION,  GB_ECHECKSUM,
                                         GB_EMALFORMED, GB_ETOOBIG,   GB_ETOOBIG,   GB_ETOOBIG,
                                         GB_ECHECKSUM,  GB_ECHECKSUM, GB_ECHECKSUM, GB_ECHECKSUM,
                                         GB_ECHECKSUM,  GB_ECHECKSUM, GB_ECHECKSUM, GB_ECHECKSUM};
        size_t byte = bit / 8;
        gb_err expected = byte < 16 ? by_byte[byte] : GB_ECHECKSUM;
        out.base[byte] ^= (uint8_t)(1u << (bit % 8));
        if (byte == 4 && bit % 8 == 0) {
            expected = GB_ECHECKSUM; /* the optional flag is allowed, but was not sent */
        }
        if (byte == 7 && out.base[7] < 7) {
            expected = GB_ECHECKSUM; /* a shorter payload */
        }
        expect_broken(t, stream, 7, expected);
        out.base[byte] ^= (uint8_t)(1u << (bit % 8));
    }
    expect_broken(t, stream, 6, GB_ETOOBIG);
    expect_broken(t, S("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 1000, GB_EMAGIC);
    gb_out_deinit(&out);
}

GB_TEST(parser, the_limit_is_the_callers_up_to_the_greatest)
{
    gb_parser *parser = NULL;
    expect_err(gb_parser_open(t->allocator, GB_FRAME_PAYLOAD_MAX + 1, &parser), GB_EINVAL);
    expect_null(parser);
    expect_ok(gb_parser_open(NULL, 0, &parser));
    gb_parser_close(parser);
    gb_parser_close(NULL);
}

GB_TEST(parser, a_header_that_announces_megabytes_gets_no_memory_for_them)
{
    uint8_t *payload = gb_alloc_zeroed(t->allocator, GB_FRAME_PAYLOAD_MAX);
    expect_not_null(payload);
    gb_out out;
    gb_out_init(&out, t->allocator);
    expect_ok(gb_client_frame_encode(&out, GB_FRAME_CLIENT_ITEM, 1,
                                     gb_slice_make(payload, GB_FRAME_PAYLOAD_MAX)));
    gb_parser *parser = open_parser(t);
    uint64_t before = t->counted.bytes;

    gb_frame frame;
    gb_slice input = gb_slice_make(out.base, 116);
    expect_err(gb_parser_next(parser, &input, &frame), GB_EAGAIN);
    expect_true(t->counted.bytes - before <= 4096);

    /* Never more than the frame, and little more than twice what came. */
    for (size_t at = 116; at < out.len;) {
        size_t len = out.len - at < 65536 ? out.len - at : 65536;
        input = gb_slice_make(out.base + at, len);
        gb_err err = gb_parser_next(parser, &input, &frame);
        at += len;
        expect_err(err, at == out.len ? GB_OK : GB_EAGAIN);
        expect_true(t->counted.bytes - before <= 2 * at + 4096);
        expect_true(t->counted.bytes - before <= GB_FRAME_PAYLOAD_MAX);
    }
    expect_slice(frame.payload, gb_slice_make(payload, GB_FRAME_PAYLOAD_MAX));

    /* Once the payload is no longer lent the memory goes back. */
    input = S("");
    expect_err(gb_parser_next(parser, &input, &frame), GB_EAGAIN);
    expect_uint(t->counted.bytes, before);
    gb_parser_close(parser);
    gb_out_deinit(&out);
    gb_free(t->allocator, payload);
}

/* All samples in pieces of 50 bytes. On no memory nothing was used, and the call is repeated. */
static bool attempt_stream(gb_test *t, const gb_allocator *allocator)
{
    gb_out out;
    gb_slice stream = open_stream(t, &out);
    gb_parser *parser = NULL;
    gb_err err = gb_parser_open(allocator, GB_FRAME_PAYLOAD_MAX, &parser);
    bool is_done = err == GB_OK;
    size_t count = 0;
    for (size_t at = 0; err == GB_OK && at < stream.len; at += 50) {
        gb_slice input =
            gb_slice_make(stream.base + at, stream.len - at < 50 ? stream.len - at : 50);
        gb_frame frame;
        gb_err next;
        do {
            gb_slice before = input;
            size_t pending = gb_parser_pending_size(parser);
            next = gb_parser_next(parser, &input, &frame);
            count += next == GB_OK;
            if (next == GB_ENOMEM) {
                expect_ptr(input.base, before.base);
                expect_uint(input.len, before.len);
                expect_uint(gb_parser_pending_size(parser), pending);
                is_done = false;
            }
        } while (next == GB_OK || next == GB_ENOMEM);
        expect_err(next, GB_EAGAIN);
    }
    if (err == GB_OK) {
        expect_uint(count, codec_sample_count);
    } else {
        expect_err(err, GB_ENOMEM);
    }
    gb_parser_close(parser);
    gb_out_deinit(&out);
    return is_done;
}

GB_TEST(parser, without_memory_nothing_is_used_and_the_call_can_be_repeated)
{
    gb_test_each_allocation_failure(t, attempt_stream);
}
