/* SPDX-License-Identifier: Apache-2.0 */
/* REJECT, BYE and ERROR: a code for programs, a sentence for people. */
#include "goferbroke/message.h"

#include "platform/limits.h"
#include "unit/codec/samples.h"

static void expect_text(gb_test *t, gb_slice text, gb_slice expected)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_notice notice = {GB_EIO, 0, text};
    expect_ok(gb_notice_encode(&out, GB_FRAME_ERROR, 5, &notice));
    gb_notice decoded;
    expect_ok(gb_notice_decode(codec_payload(t, &out, GB_FRAME_ERROR, 5), &decoded));
    expect_int(decoded.code, GB_EIO);
    expect_slice(decoded.text, expected);
    gb_out_deinit(&out);
}

GB_TEST(notice, a_long_text_is_cut_between_characters)
{
    uint8_t text[400];
    memset(text, 'a', sizeof text);
    expect_text(t, gb_slice_make(text, 255), gb_slice_make(text, 255));
    expect_text(t, gb_slice_make(text, 256), gb_slice_make(text, 255));
    memcpy(text + 253, "\xe2\x80\xa6", 3); /* bytes 253, 254, 255: would be cut in the middle */
    expect_text(t, gb_slice_make(text, sizeof text), gb_slice_make(text, 253));
}

GB_TEST(notice, a_text_that_was_cut_badly_before_is_sent_as_far_as_it_is_good)
{
    expect_text(t, S("caf\xc3"), S("caf"));
    expect_text(t, S("\xff"), S(""));
    expect_text(t, gb_slice_make(NULL, 0), S(""));
}

GB_TEST(notice, every_code_survives)
{
    static const int32_t codes[] = {GB_EINVAL, GB_EREJECTED_NAME_IN_USE, GB_EBROKEN, -INT32_MAX};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        gb_out out;
        gb_out_init(&out, t->allocator);
        gb_notice notice = {codes[i], 0, S("x")};
        expect_ok(gb_notice_encode(&out, GB_FRAME_REJECT, 5, &notice));
        gb_notice decoded;
        expect_ok(gb_notice_decode(codec_payload(t, &out, GB_FRAME_REJECT, 5), &decoded));
        expect_int(decoded.code, codes[i]);
        gb_out_deinit(&out);
    }
}

GB_TEST(notice, bytes_of_later_versions_and_a_generation_that_means_nothing_are_ignored)
{
    static const uint8_t bytes[] = {0xd3, 0x01, 9, 2, 'h', 'i', 1, 2, 3};
    gb_notice notice;
    expect_ok(gb_notice_decode(gb_slice_make(bytes, sizeof bytes), &notice));
    expect_int(notice.code, GB_EREJECTED_NAME_IN_USE);
    expect_uint(notice.generation, 0);
    expect_slice(notice.text, S("hi"));
}

GB_TEST(notice, what_breaks_a_rule_is_malformed)
{
    static const uint8_t not_utf8[] = {1, 0, 1, 0xc3};
    static const uint8_t code_too_great[] = {0x80, 0x80, 0x80, 0x80, 0x08, 0, 0};
    static const uint8_t long_varint[] = {0x81, 0x00, 0, 0};
    uint8_t text_too_long[4 + 256] = {1, 0, 0x80, 0x02};
    gb_notice notice;
    expect_err(gb_notice_decode(gb_slice_make(not_utf8, 4), &notice), GB_EMALFORMED);
    expect_err(gb_notice_decode(gb_slice_make(code_too_great, 7), &notice), GB_EMALFORMED);
    expect_err(gb_notice_decode(gb_slice_make(long_varint, 4), &notice), GB_EMALFORMED);
    expect_err(gb_notice_decode(gb_slice_make(text_too_long, 260), &notice), GB_EMALFORMED);
}

GB_TEST(notice, what_makes_no_sense_is_not_encoded)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    const gb_notice success = {0, 0, S("")};
    expect_err(gb_notice_encode(&out, GB_FRAME_REJECT, 1, &success), GB_EINVAL);
    expect_err(gb_notice_encode(&out, GB_FRAME_ERROR, 1, &success), GB_EINVAL);
    expect_err(gb_notice_encode(&out, GB_FRAME_PING, 1, &success), GB_EINVAL);
    const gb_notice positive = {1, 0, S("")};
    expect_err(gb_notice_encode(&out, GB_FRAME_BYE, 1, &positive), GB_EINVAL);
    const gb_notice least = {INT32_MIN, 0, S("")};
    expect_err(gb_notice_encode(&out, GB_FRAME_BYE, 1, &least), GB_EINVAL);
    const gb_notice generation = {GB_EIO, 1, S("")};
    expect_err(gb_notice_encode(&out, GB_FRAME_REJECT, 1, &generation), GB_EINVAL);
    expect_uint(out.len, 0);
    gb_out_deinit(&out);
}
