/* SPDX-License-Identifier: Apache-2.0 */
/* Client frames are carried unread. */
#include "goferbroke/message.h"

#include "platform/alloc.h"
#include "platform/limits.h"
#include "unit/codec/samples.h"

GB_TEST(client, the_payload_is_carried_as_it_is)
{
    for (unsigned type = 0; type < 256; type++) {
        gb_out out;
        gb_out_init(&out, t->allocator);
        gb_err err = gb_client_frame_encode(&out, (uint8_t)type, 4, S("{\"a\":\"\0\"}"));
        if (type >= 64 && type <= 67) {
            expect_ok(err);
            expect_slice(codec_payload(t, &out, (uint8_t)type, 4), S("{\"a\":\"\0\"}"));
        } else {
            expect_err(err, GB_EINVAL);
            expect_uint(out.len, 0);
        }
        gb_out_deinit(&out);
    }
}

GB_TEST(client, the_greatest_payload_fits_and_one_more_byte_does_not)
{
    uint8_t *bytes = gb_alloc_zeroed(t->allocator, GB_FRAME_PAYLOAD_MAX + 1);
    expect_not_null(bytes);
    gb_out out;
    gb_out_init(&out, t->allocator);
    expect_err(gb_client_frame_encode(&out, GB_FRAME_CLIENT_ITEM, 1,
                                      gb_slice_make(bytes, GB_FRAME_PAYLOAD_MAX + 1)),
               GB_ETOOBIG);
    expect_uint(out.len, 0);
    gb_slice greatest = gb_slice_make(bytes, GB_FRAME_PAYLOAD_MAX);
    expect_ok(gb_client_frame_encode(&out, GB_FRAME_CLIENT_ITEM, 1, greatest));
    expect_slice(codec_payload(t, &out, GB_FRAME_CLIENT_ITEM, 1), greatest);
    gb_out_deinit(&out);
    gb_free(t->allocator, bytes);
}
