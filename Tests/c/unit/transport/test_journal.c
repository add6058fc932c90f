/* SPDX-License-Identifier: Apache-2.0 */
/* test_journal.c: what is written is read, what was torn is cut, what is damaged is refused. */
#include "support/gb_test.h"
#include "platform/crc32c.h"
#include "transport/journal.h"

#include <stdio.h>
#include <string.h>

#define NOW_MS UINT64_C(1000000)

static void append(gb_test *t, gb_buf *buf, const char *key, const char *value, uint64_t expires_ms)
{
    const gb_delta delta = {.type = GB_VALUE_STRING,
                            .ttl_ms = expires_ms == 0 ? 0 : 5000,
                            .group = gb_slice_from_str("g"),
                            .key = gb_slice_from_str(key),
                            .value = gb_slice_from_str(value)};
    gb_record *record;
    expect_ok(gb_record_open(t->allocator, &delta, &record));
    gb_journal_append_set(buf, record, expires_ms);
    gb_record_release(t->allocator, record);
}

static gb_err load(gb_test *t, const uint8_t *bytes, size_t len, gb_journal_content *content,
                   gb_err_info *info)
{
    FILE *file = tmpfile();
    expect_not_null(file);
    expect_uint(fwrite(bytes, 1, len, file), len);
    gb_err err = gb_journal_load(t->allocator, file, NOW_MS, content, info);
    (void)fclose(file);
    return err;
}

/* Sets a=1, b=2, a=3, c=4 (expired), d=5 (not yet), deletes b. */
static void sample(gb_test *t, gb_buf *buf)
{
    gb_buf_init(buf, t->allocator, 100000);
    gb_journal_append_header(buf);
    append(t, buf, "a", "1", 0);
    append(t, buf, "b", "2", 0);
    append(t, buf, "a", "3", 0);
    append(t, buf, "c", "4", NOW_MS - 1);
    append(t, buf, "d", "5", NOW_MS + 1);
    gb_journal_append_delete(buf, gb_slice_from_str("g"), gb_slice_from_str("b"));
    expect_ok(buf->err);
}

GB_TEST(journal, the_last_change_of_each_key_is_read_in_order)
{
    gb_buf buf;
    sample(t, &buf);
    gb_journal_content content;
    gb_err_info info;
    expect_ok(load(t, buf.base, buf.len, &content, &info));
    expect_uint(content.count, 2);
    expect_slice(gb_record_key(content.deltas[0].record), gb_slice_from_str("a"));
    expect_slice(gb_record_value(content.deltas[0].record), gb_slice_from_str("3"));
    expect_slice(gb_record_key(content.deltas[1].record), gb_slice_from_str("d"));
    expect_uint(content.deltas[1].expires_ms, NOW_MS + 1);
    expect_uint(content.deltas[1].record->ttl_ms, 5000);
    expect_uint(content.size, buf.len);
    expect_uint(content.torn_size, 0);
    gb_journal_content_deinit(t->allocator, &content);
    gb_buf_deinit(&buf);
}

GB_TEST(journal, a_tail_cut_anywhere_is_cut_off)
{
    gb_buf buf;
    sample(t, &buf);
    size_t last = buf.len;
    append(t, &buf, "tail", "value", 0);
    for (size_t len = last; len < buf.len; len++) {
        gb_journal_content content;
        gb_err_info info;
        expect_ok(load(t, buf.base, len, &content, &info));
        expect_uint(content.size, last);
        expect_uint(content.torn_size, len - last);
        gb_journal_content_deinit(t->allocator, &content);
    }
    /* And one that was never filled by the file system. */
    memset(buf.base + last, 0, buf.len - last);
    gb_journal_content content;
    gb_err_info info;
    expect_ok(load(t, buf.base, buf.len, &content, &info));
    expect_uint(content.size, last);
    gb_journal_content_deinit(t->allocator, &content);
    gb_buf_deinit(&buf);
}

GB_TEST(journal, a_changed_byte_elsewhere_is_refused_with_its_place)
{
    gb_buf buf;
    sample(t, &buf);
    size_t last = buf.len;
    append(t, &buf, "tail", "value", 0);
    for (size_t at = 0; at < last; at++) {
        buf.base[at] ^= 0x40;
        gb_journal_content content;
        gb_err_info info;
        expect_err(load(t, buf.base, buf.len, &content, &info), GB_ESTORE);
        expect_true(strstr(info.text, "journal: ") == info.text);
        gb_journal_content_deinit(t->allocator, &content);
        buf.base[at] ^= 0x40;
    }
    gb_buf_deinit(&buf);
}

GB_TEST(journal, an_unknown_version_is_refused)
{
    gb_buf buf;
    gb_buf_init(&buf, t->allocator, 100);
    gb_journal_append_header(&buf);
    /* Version 2 with a right checksum. */
    static const uint8_t header[] = {'G', 'B', 'D', 'J', 0, 0, 0, 2, 0, 0, 0, 0};
    uint8_t changed[sizeof header];
    memcpy(changed, header, sizeof header);
    uint32_t crc = gb_crc32c(0, changed, 8);
    for (int i = 0; i < 4; i++) {
        changed[8 + i] = (uint8_t)(crc >> (24 - 8 * i));
    }
    gb_journal_content content;
    gb_err_info info;
    expect_err(load(t, changed, sizeof changed, &content, &info), GB_ESTORE);
    expect_str(info.text, "journal: format version 2 is not known here, only 1");
    gb_buf_deinit(&buf);
}

static bool attempt_load(gb_test *t, const gb_allocator *allocator)
{
    uint8_t bytes[4096];
    gb_buf buf;
    gb_buf_init(&buf, gb_allocator_default(), sizeof bytes);
    gb_journal_append_header(&buf);
    gb_journal_append_delete(&buf, gb_slice_from_str("g"), gb_slice_from_str("x"));
    const gb_delta delta = {.type = GB_VALUE_STRING,
                            .group = gb_slice_from_str("g"),
                            .key = gb_slice_from_str("k"),
                            .value = gb_slice_from_str("v")};
    gb_record *record;
    expect_ok(gb_record_open(gb_allocator_default(), &delta, &record));
    gb_journal_append_set(&buf, record, 0);
    gb_journal_append_set(&buf, record, 0);
    gb_record_release(gb_allocator_default(), record);
    FILE *file = tmpfile();
    expect_not_null(file);
    (void)fwrite(buf.base, 1, buf.len, file);
    gb_buf_deinit(&buf);
    gb_journal_content content;
    gb_err_info info;
    gb_err err = gb_journal_load(allocator, file, NOW_MS, &content, &info);
    (void)fclose(file);
    gb_journal_content_deinit(allocator, &content);
    expect_true(err == GB_OK || err == GB_ENOMEM);
    return err == GB_OK;
}

GB_TEST(journal, failed_allocations_leave_nothing_behind)
{
    gb_test_each_allocation_failure(t, attempt_load);
}
