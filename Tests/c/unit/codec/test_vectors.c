/* SPDX-License-Identifier: Apache-2.0 */
/* The golden bytes of Tests/Vectors: what we encode today is what we encoded when they were
 * checked, and what docs/WIRE.md says.
 *
 * With GB_VECTORS_WRITE set in the environment the files are written first: for a change of the
 * format that is meant, to be looked at in the diff. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/codec_walk.h"
#include "platform/alloc.h"
#include "unit/codec/samples.h"

static void write_vectors(gb_test *t, const char *name, const codec_sample *samples, size_t count,
                          const char *about)
{
    char path[4096];
    expect_true(snprintf(path, sizeof path, "%s/%s", GB_VECTORS_DIR, name) < (int)sizeof path);
    FILE *file = fopen(path, "w");
    expect_not_null(file);
    fprintf(file, "%s", about);
    for (size_t i = 0; i < count; i++) {
        gb_out out;
        gb_out_init(&out, t->allocator);
        expect_ok(samples[i].encode(&out));
        fprintf(file, "%s  ", samples[i].name);
        for (size_t at = 0; at < out.len; at++) {
            fprintf(file, "%02x", out.base[at]);
        }
        fprintf(file, "\n");
        gb_out_deinit(&out);
    }
    expect_int(fclose(file), 0);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes of the line "name  hex" of `text`, in memory that the caller gives back. */
static gb_slice find_vector(gb_test *t, const char *text, const char *name)
{
    size_t name_len = strlen(name);
    const char *line = text;
    while (strncmp(line, name, name_len) != 0 || strncmp(line + name_len, "  ", 2) != 0) {
        line = strchr(line, '\n');
        if (line == NULL) {
            gb_test_fail(t, __FILE__, __LINE__, "there is no vector %s", name);
        }
        line++;
    }
    const char *hex = line + name_len + 2;
    size_t len = strcspn(hex, "\n") / 2;
    uint8_t *bytes = gb_alloc(t->allocator, len + 1);
    expect_not_null(bytes);
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(hex[2 * i]);
        int low = hex_digit(hex[2 * i + 1]);
        expect_true(high >= 0 && low >= 0);
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return gb_slice_make(bytes, len);
}

static size_t count_vectors(const char *text)
{
    size_t count = 0;
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line != 0) {
        count += *line != '#' && *line != '\n';
    }
    return count;
}

static void check_vectors(gb_test *t, const char *name, const codec_sample *samples, size_t count)
{
    size_t len;
    uint8_t *text = gb_test_vector(t, name, &len);
    expect_uint(count_vectors((const char *)text), count);
    for (size_t i = 0; i < count; i++) {
        gb_slice golden = find_vector(t, (const char *)text, samples[i].name);
        gb_out out;
        gb_out_init(&out, t->allocator);
        expect_ok(samples[i].encode(&out));
        expect_slice(gb_slice_make(out.base, out.len), golden);
        gb_slice payload = golden;
        if (samples[i].type < WALK_NODE_RECORD) {
            payload = codec_payload(t, &out, samples[i].type, samples[i].request_id);
        }
        codec_mutate(t, samples[i].type, payload);
        gb_out_deinit(&out);
        gb_free(t->allocator, (void *)(uintptr_t)golden.base);
    }
    gb_free(t->allocator, text);
}

GB_TEST(vectors, every_frame_is_encoded_and_decoded_as_its_golden_bytes)
{
    if (getenv("GB_VECTORS_WRITE") != NULL) {
        write_vectors(t, "frames.txt", codec_samples, codec_sample_count,
                      "# Frames as on the wire (docs/WIRE.md), header included: name, two spaces, "
                      "hexadecimal.\n"
                      "# What each holds stands in Tests/c/unit/codec/samples.c.\n");
    }
    check_vectors(t, "frames.txt", codec_samples, codec_sample_count);
}

GB_TEST(vectors, every_membership_value_is_encoded_and_decoded_as_its_golden_bytes)
{
    if (getenv("GB_VECTORS_WRITE") != NULL) {
        write_vectors(t, "records.txt", codec_records, codec_record_count,
                      "# Values of the membership lane (docs/WIRE.md, section 7), without a frame: "
                      "name, two spaces, hexadecimal.\n"
                      "# What each holds stands in Tests/c/unit/codec/samples.c.\n");
    }
    check_vectors(t, "records.txt", codec_records, codec_record_count);
}

GB_TEST(vectors, there_is_one_for_every_frame_type)
{
    for (int type = 0; type < 256; type++) {
        bool is_known = (type >= GB_FRAME_HELLO && type <= GB_FRAME_ERROR) ||
                        (type >= GB_FRAME_CLIENT_REQUEST && type <= GB_FRAME_CLIENT_CANCEL);
        bool is_sampled = false;
        for (size_t i = 0; i < codec_sample_count; i++) {
            is_sampled = is_sampled || codec_samples[i].type == type;
        }
        expect_uint(is_sampled, is_known);
    }
}

/* docs/WIRE.md prints the minus sign as U+2212. */
GB_TEST(vectors, the_page_of_the_wire_lists_every_error_code)
{
#define GB_ERR_ROW(name, value, text) {#name, value, text},
    static const struct {
        const char *name;
        int value;
        const char *text;
    } errors[] = {GB_ERR_MAP(GB_ERR_ROW)};
    size_t len;
    char *page = (char *)gb_test_vector(t, "../../docs/WIRE.md", &len);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (errors[i].value == 0) {
            continue;
        }
        char row[512];
        (void)snprintf(row, sizeof row, "\n| \xe2\x88\x92%d | %s | %s |\n", -errors[i].value,
                       errors[i].name, errors[i].text);
        if (strstr(page, row) == NULL) {
            gb_test_fail(t, __FILE__, __LINE__, "docs/WIRE.md lacks the row:%s", row);
        }
    }
    gb_free(t->allocator, page);
}

static bool attempt_all_samples(gb_test *t, const gb_allocator *allocator)
{
    gb_out out;
    gb_out_init(&out, allocator);
    bool is_done = true;
    for (size_t i = 0; is_done && i < codec_sample_count + codec_record_count; i++) {
        const codec_sample *sample =
            i < codec_sample_count ? &codec_samples[i] : &codec_records[i - codec_sample_count];
        size_t before = out.len;
        gb_err err = sample->encode(&out);
        if (err != GB_OK) {
            expect_err(err, GB_ENOMEM);
            expect_uint(out.len, before);
            is_done = false;
        }
    }
    gb_out_deinit(&out);
    return is_done;
}

GB_TEST(vectors, without_memory_nothing_of_a_frame_stays)
{
    gb_test_each_allocation_failure(t, attempt_all_samples);
}

/* The same for an output that must grow in the midst of each frame. */
GB_TEST(vectors, without_memory_to_grow_nothing_of_a_frame_stays)
{
    for (size_t i = 0; i < codec_sample_count; i++) {
        gb_out out;
        gb_out_init(&out, t->allocator);
        expect_ok(gb_empty_encode(&out, GB_FRAME_PING, 1));
        size_t filled = out.len;
        for (size_t room = 0; room < 64; room++) {
            out.len = out.capacity - room;
            size_t before = out.len;
            gb_failing_allocator_exhaust(&t->counted, 0);
            gb_err err = codec_samples[i].encode(&out);
            gb_failing_allocator_relax(&t->counted);
            if (err != GB_OK) {
                expect_err(err, GB_ENOMEM);
                expect_uint(out.len, before);
            }
        }
        out.len = filled;
        expect_ok(codec_samples[i].encode(&out));
        gb_out_deinit(&out);
    }
}
