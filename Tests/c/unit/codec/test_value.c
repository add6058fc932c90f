/* SPDX-License-Identifier: Apache-2.0 */
/* A value fits its type or is refused. */
#include "goferbroke/message.h"

#include "platform/alloc.h"
#include "platform/limits.h"
#include "unit/codec/samples.h"

#include <stdlib.h>
#include <string.h>

GB_TEST(value, fixed_sizes_are_exact)
{
    static const int sizes[GB_VALUE_TYPE_COUNT] = {-1, -1, 8, 1, 8, 2, 4, 1, 2, 4, 8, 8, 1};
    static const uint8_t bytes[17] = {0};
    for (uint8_t type = 0; type < GB_VALUE_TYPE_COUNT; type++) {
        for (int size = 0; size <= 17; size++) {
            gb_err expected = sizes[type] < 0 || sizes[type] == size ? GB_OK : GB_ETYPE;
            expect_err(gb_value_check(type, gb_slice_make(bytes, (size_t)size)), expected);
        }
    }
}

GB_TEST(value, types_that_nobody_knows_are_refused)
{
    for (unsigned type = GB_VALUE_TYPE_COUNT; type < GB_VALUE_TOMBSTONE; type++) {
        expect_err(gb_value_check((uint8_t)type, S("")), GB_ETYPE);
    }
}

GB_TEST(value, a_tombstone_has_no_value)
{
    expect_ok(gb_value_check(GB_VALUE_TOMBSTONE, S("")));
    expect_err(gb_value_check(GB_VALUE_TOMBSTONE, S("x")), GB_ETYPE);
}

GB_TEST(value, a_string_is_utf8_and_bytes_are_anything)
{
    expect_ok(gb_value_check(GB_VALUE_STRING, S("caf\xc3\xa9\0\n")));
    expect_err(gb_value_check(GB_VALUE_STRING, S("caf\xc3")), GB_ETYPE);
    expect_ok(gb_value_check(GB_VALUE_BYTES, S("caf\xc3")));
}

/* A wrong byte, and a character, at every place of strings of every length. */
GB_TEST(value, a_string_is_looked_at_to_its_last_byte)
{
    uint8_t bytes[40];
    for (size_t len = 0; len <= sizeof bytes; len++) {
        memset(bytes, 'a', sizeof bytes);
        expect_ok(gb_value_check(GB_VALUE_STRING, gb_slice_make(bytes, len)));
        for (size_t at = 0; at < len; at++) {
            memset(bytes, 'a', sizeof bytes);
            bytes[at] = 0xc3;
            expect_err(gb_value_check(GB_VALUE_STRING, gb_slice_make(bytes, len)), GB_ETYPE);
            if (at + 1 < len) {
                bytes[at + 1] = 0xa9;
                expect_ok(gb_value_check(GB_VALUE_STRING, gb_slice_make(bytes, len)));
            }
        }
    }
}

GB_TEST(value, a_bool_is_zero_or_one)
{
    expect_ok(gb_value_check(GB_VALUE_BOOL, S("\0")));
    expect_ok(gb_value_check(GB_VALUE_BOOL, S("\1")));
    expect_err(gb_value_check(GB_VALUE_BOOL, S("\2")), GB_ETYPE);
}

GB_TEST(value, the_greatest_size_fits_and_one_more_byte_does_not)
{
    uint8_t *bytes = gb_alloc_zeroed(t->allocator, GB_VALUE_SIZE_MAX + 1);
    expect_not_null(bytes);
    for (uint8_t type = GB_VALUE_STRING; type <= GB_VALUE_BYTES; type++) {
        expect_ok(gb_value_check(type, gb_slice_make(bytes, GB_VALUE_SIZE_MAX)));
        expect_err(gb_value_check(type, gb_slice_make(bytes, GB_VALUE_SIZE_MAX + 1)),
                   GB_EVALUE_SIZE);
    }
    gb_free(t->allocator, bytes);
}

static size_t hex_decode(const char *hex, uint8_t *out)
{
    size_t count = 0;
    for (; hex[0] > ' ' && hex[1] > ' '; hex += 2) {
        char digits[3] = {hex[0], hex[1], '\0'};
        out[count] = (uint8_t)strtoul(digits, NULL, 16);
        count++;
    }
    return count;
}

/* The Swift tests encode and decode the same lines. */
GB_TEST(value, the_vectors_fit_their_types)
{
    size_t len;
    char *text = (char *)gb_test_vector(t, "values.txt", &len);
    uint32_t lines = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (line[0] == '#') {
            continue;
        }
        uint8_t bytes[64];
        const char *hex = strrchr(line, ' ');
        expect_not_null(hex);
        size_t size = hex_decode(hex + 1, bytes);
        expect_true(size > 0);
        expect_uint(strtoul(line, NULL, 10), lines);
        expect_ok(gb_value_check((uint8_t)lines, gb_slice_make(bytes, size)));
        lines++;
    }
    expect_uint(lines, GB_VALUE_TYPE_COUNT);
    gb_free(t->allocator, text);
}
