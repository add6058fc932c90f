/* SPDX-License-Identifier: Apache-2.0 */
/* The error map, and sentences that stay within their bound. */
#include "platform/err_info.h"

#include <string.h>

#include "platform/limits.h"
#include "platform/utf8.h"
#include "support/gb_test.h"

typedef struct err_entry {
    int value;
    const char *name;
    const char *text;
} err_entry;

#define ERR_ENTRY(name, value, text) {value, #name, text},
static const err_entry err_entries[] = {GB_ERR_MAP(ERR_ENTRY)};
#undef ERR_ENTRY

#define ERR_ENTRY_COUNT (sizeof err_entries / sizeof err_entries[0])

GB_TEST(err, every_code_has_its_name_and_text)
{
    for (size_t i = 0; i < ERR_ENTRY_COUNT; i++) {
        expect_str(gb_err_name(err_entries[i].value), err_entries[i].name);
        expect_str(gb_strerror(err_entries[i].value), err_entries[i].text);
        expect_true(strlen(err_entries[i].text) > 0);
    }
}

GB_TEST(err, every_code_lies_in_a_class_and_texts_differ)
{
    for (size_t i = 0; i < ERR_ENTRY_COUNT; i++) {
        int value = err_entries[i].value;
        expect_true(value == 0 || (value <= -1 && value >= -499) ||
                    (value <= -900 && value > -1000));
        for (size_t j = 0; j < i; j++) {
            expect_true(strcmp(err_entries[i].text, err_entries[j].text) != 0);
        }
    }
}

GB_TEST(err, an_unknown_code_is_named_as_such)
{
    expect_str(gb_strerror(-12345), "unknown error");
    expect_str(gb_err_name(-12345), "GB_EUNKNOWN");
    expect_str(gb_strerror(1), "unknown error");
}

GB_TEST(err, a_sentence_holds_code_cause_and_text)
{
    gb_err_info info;
    gb_err err = gb_err_info_set(&info, GB_EADDRINUSE, -98, "listen on %s:%d", "10.0.0.7", 4000);
    expect_err(err, GB_EADDRINUSE);
    expect_err(info.code, GB_EADDRINUSE);
    expect_int(info.system_code, -98);
    expect_str(info.text, "listen on 10.0.0.7:4000");

    gb_err_info_wrap(&info, "start node %s", "web-1");
    expect_str(info.text, "start node web-1: listen on 10.0.0.7:4000");

    gb_err_info_clear(&info);
    expect_err(info.code, GB_OK);
    expect_str(info.text, "");
}

GB_TEST(err, wrapping_an_empty_sentence_gives_the_text_of_the_code)
{
    gb_err_info info = {.code = GB_EHOST};
    gb_err_info_wrap(&info, "seed nowhere");
    expect_str(info.text, "seed nowhere: unknown host");
}

GB_TEST(err, no_info_is_no_trouble)
{
    expect_err(gb_err_info_set(NULL, GB_EIO, 0, "%s", "unseen"), GB_EIO);
    gb_err_info_wrap(NULL, "unseen");
    gb_err_info_clear(NULL);
}

GB_TEST(err, a_long_sentence_is_cut_between_characters)
{
    /* 'a' * n, then two-, three- and four-byte characters: at some n each is cut everywhere. */
    static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\xb9"};
    for (size_t c = 0; c < 3; c++) {
        for (int lead = 0; lead < 8; lead++) {
            char text[2000];
            size_t len = (size_t)lead;
            memset(text, 'a', len);
            size_t size = strlen(characters[c]);
            while (len + size < sizeof text) {
                memcpy(text + len, characters[c], size);
                len += size;
            }
            text[len] = '\0';

            gb_err_info info;
            (void)gb_err_info_set(&info, GB_EIO, 0, "%s", text);
            size_t kept = strlen(info.text);
            expect_true(kept <= GB_ERROR_TEXT_MAX && kept > GB_ERROR_TEXT_MAX - size);
            expect_true(gb_utf8_is_valid(gb_slice_from_str(info.text)));
            expect_bytes(info.text, text, kept);

            gb_err_info_wrap(&info, "%s", text);
            expect_true(gb_utf8_is_valid(gb_slice_from_str(info.text)));
        }
    }
}

GB_TEST(err, a_sentence_of_exactly_the_bound_is_whole)
{
    char text[GB_ERROR_TEXT_MAX + 1];
    memset(text, 'x', GB_ERROR_TEXT_MAX);
    text[GB_ERROR_TEXT_MAX] = '\0';
    gb_err_info info;
    (void)gb_err_info_set(&info, GB_EIO, 0, "%s", text);
    expect_str(info.text, text);
}
