/* SPDX-License-Identifier: Apache-2.0 */
/* The header: every byte of it. */
#include "codec/frame.h"

#include "platform/alloc.h"
#include "platform/limits.h"
#include "unit/codec/samples.h"

GB_TEST(frame, the_header_has_every_field_in_its_place)
{
    uint8_t header[16];
    expect_ok(gb_frame_header_encode(0x40, GB_FRAME_OPTIONAL, 0x01020304, S("{}"), header));
    static const uint8_t expected[] = {'G', 'B', 1, 0x40, 1, 0, 0, 2, 1, 2, 3, 4};
    expect_bytes(header, expected, sizeof expected);

    gb_frame_header decoded;
    expect_ok(gb_frame_header_decode(header, 2, &decoded));
    expect_uint(decoded.type, 0x40);
    expect_uint(decoded.flags, GB_FRAME_OPTIONAL);
    expect_uint(decoded.request_id, 0x01020304);
    expect_uint(decoded.payload_size, 2);
    expect_uint(decoded.checksum, gb_frame_checksum(header, S("{}")));
}

GB_TEST(frame, the_checksum_covers_header_and_payload)
{
    static const uint8_t zeros[32] = {0};
    /* RFC 3720, B.4: 32 bytes of zeros, here 12 of a header and 20 of a payload. */
    expect_uint(gb_frame_checksum(zeros, gb_slice_make(zeros, 20)), 0x8a9136aa);
}

GB_TEST(frame, a_payload_of_the_greatest_size_fits_and_one_more_byte_does_not)
{
    uint8_t *payload = gb_alloc_zeroed(t->allocator, GB_FRAME_PAYLOAD_MAX + 1);
    expect_not_null(payload);
    uint8_t header[16] = {0};
    expect_err(
        gb_frame_header_encode(1, 0, 0, gb_slice_make(payload, GB_FRAME_PAYLOAD_MAX + 1), header),
        GB_ETOOBIG);
    static const uint8_t zeros[16] = {0};
    expect_bytes(header, zeros, sizeof zeros);
    expect_ok(
        gb_frame_header_encode(1, 0, 0, gb_slice_make(payload, GB_FRAME_PAYLOAD_MAX), header));
    gb_frame_header decoded;
    expect_ok(gb_frame_header_decode(header, GB_FRAME_PAYLOAD_MAX, &decoded));
    expect_uint(decoded.payload_size, GB_FRAME_PAYLOAD_MAX);
    expect_err(gb_frame_header_decode(header, GB_FRAME_PAYLOAD_MAX - 1, &decoded), GB_ETOOBIG);
    gb_free(t->allocator, payload);
}

GB_TEST(frame, errors_are_looked_for_in_the_order_of_the_page)
{
    uint8_t header[16];
    gb_frame_header decoded = {.type = 77};
    expect_ok(gb_frame_header_encode(1, 0, 0, S("abc"), header));
    expect_err(gb_frame_header_decode(header, 2, &decoded), GB_ETOOBIG);
    header[4] = 0x02;
    expect_err(gb_frame_header_decode(header, 2, &decoded), GB_EMALFORMED);
    header[2] = 2;
    expect_err(gb_frame_header_decode(header, 2, &decoded), GB_EVERSION);
    header[1] = 'b';
    expect_err(gb_frame_header_decode(header, 2, &decoded), GB_EMAGIC);
    expect_uint(decoded.type, 77);
}
