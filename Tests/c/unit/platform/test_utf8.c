/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 at the edges of its table; names; cutting. */
#include "platform/utf8.h"

#include <string.h>

#include "platform/limits.h"
#include "support/gb_test.h"

/* Encode any number below 2^21 in `size` bytes, legal or not. */
static size_t utf8_encode(uint8_t *out, uint32_t character, size_t size)
{
    static const uint8_t leads[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    for (size_t i = size; i-- > 1;) {
        out[i] = (uint8_t)(0x80 | (character & 0x3f));
        character >>= 6;
    }
    out[0] = (uint8_t)(leads[size] | character);
    return size;
}

GB_TEST(utf8, every_character_is_valid_in_its_shortest_form_alone)
{
    for (uint32_t c = 0; c < 0x200000; c++) {
        size_t shortest = c < 0x80 ? 1 : (c < 0x800 ? 2 : (c < 0x10000 ? 3 : 4));
        bool is_character = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
        for (size_t size = shortest; size <= 4; size++) {
            uint8_t bytes[4];
            gb_slice slice = gb_slice_make(bytes, utf8_encode(bytes, c, size));
            if (gb_utf8_is_valid(slice) != (is_character && size == shortest)) {
                gb_test_fail(t, __FILE__, __LINE__, "U+%04X in %zu bytes", c, size);
            }
        }
    }
}

GB_TEST(utf8, stray_and_missing_bytes_are_not_valid)
{
    static const char *const bad[] = {"\x80",      "\xbf",         "a\x80",
                                      "\xc3",      "\xc3z",        "\xe2\x82",
                                      "\xe2\x82z", "\xf0\x9f\x90", "\xf8\x88\x80\x80",
                                      "\xfe",      "\xff",         "\xc3\xc3\xa9"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect_false(gb_utf8_is_valid(gb_slice_from_str(bad[i])));
        expect_err(gb_name_validate(gb_slice_from_str(bad[i])), GB_ENAME);
    }
    expect_true(gb_utf8_is_valid(gb_slice_from_str("")));
    expect_true(gb_utf8_is_valid(gb_slice_from_str("gr\xc3\xbc\xc3\x9f"
                                                   "e \xf0\x9f\x90\xb9")));
}

GB_TEST(utf8, a_name_has_1_to_255_bytes)
{
    char name[GB_NAME_SIZE_MAX + 1];
    memset(name, 'n', sizeof name);
    expect_err(gb_name_validate(gb_slice_make(name, 0)), GB_ENAME);
    expect_ok(gb_name_validate(gb_slice_make(name, 1)));
    expect_ok(gb_name_validate(gb_slice_make(name, GB_NAME_SIZE_MAX)));
    expect_err(gb_name_validate(gb_slice_make(name, GB_NAME_SIZE_MAX + 1)), GB_ENAME);
}

GB_TEST(utf8, a_name_has_no_control_characters)
{
    expect_ok(gb_name_validate(gb_slice_from_str("web 1/\xc3\xa4:\xf0\x9f\x90\xb9")));
    expect_ok(gb_name_validate(gb_slice_from_str("\xc2\xa0")));
    expect_err(gb_name_validate(gb_slice_make("a\0b", 3)), GB_ENAME);
    expect_err(gb_name_validate(gb_slice_from_str("a\nb")), GB_ENAME);
    expect_err(gb_name_validate(gb_slice_from_str("\x1b[2J")), GB_ENAME);
    expect_err(gb_name_validate(gb_slice_from_str("\x7f")), GB_ENAME);
    expect_err(gb_name_validate(gb_slice_from_str("\xc2\x80")), GB_ENAME);
    expect_err(gb_name_validate(gb_slice_from_str("\xc2\x9f")), GB_ENAME);
    expect_err(gb_name_validate(gb_slice_from_str("\xe2\x80\xa8")), GB_ENAME);
    expect_err(gb_name_validate(gb_slice_from_str("\xe2\x80\xa9")), GB_ENAME);
}

GB_TEST(utf8, a_cut_lies_between_two_characters)
{
    gb_slice text = gb_slice_from_str("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb9"); /* 1 2 3 4 */
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t max = 0; max < sizeof expected / sizeof expected[0]; max++) {
        expect_uint(gb_utf8_cut(text, max), expected[max]);
    }
    /* What is not UTF-8 is cut, not searched for ever. */
    expect_uint(gb_utf8_cut(gb_slice_from_str("\x80\x80\x80\x80\x80\x80\x80"), 5), 5);
    expect_uint(gb_utf8_cut(gb_slice_from_str("\x80\x80\x80"), 1), 1);
}
