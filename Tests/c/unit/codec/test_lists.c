/* SPDX-License-Identifier: Apache-2.0 */
/* INDEX, I-HAVE, PULL, PULL-CANCEL and PRUNE, from empty to full. */
#include "codec/fields.h"

#include "platform/alloc.h"
#include "unit/codec/samples.h"

GB_TEST(lists, an_empty_list_is_one_byte)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_list_cursor cursor;
    gb_index_entry index_entry;
    gb_lane_entry lane_entry;
    uint32_t index;
    expect_ok(gb_index_encode(&out, NULL, 0));
    expect_slice(codec_payload(t, &out, GB_FRAME_INDEX, 0), S("\0"));
    expect_ok(gb_index_decode(S("\0"), &cursor));
    expect_false(gb_index_next(&cursor, &index_entry));
    gb_out_clear(&out);
    expect_ok(gb_lane_list_encode(&out, GB_FRAME_PULL, NULL, 0));
    expect_slice(codec_payload(t, &out, GB_FRAME_PULL, 0), S("\0"));
    expect_ok(gb_lane_list_decode(GB_FRAME_PULL, S("\0"), &cursor));
    expect_false(gb_lane_list_next(GB_FRAME_PULL, &cursor, &lane_entry));
    gb_out_clear(&out);
    expect_ok(gb_prune_encode(&out, NULL, 0));
    expect_slice(codec_payload(t, &out, GB_FRAME_PRUNE, 0), S("\0"));
    expect_ok(gb_prune_decode(S("\0"), &cursor));
    expect_false(gb_prune_next(&cursor, &index));
    gb_out_deinit(&out);
}

GB_TEST(lists, an_index_of_every_participant_survives)
{
    uint8_t name[255];
    memset(name, 'n', sizeof name);
    gb_index_entry *entries =
        gb_alloc_array(t->allocator, GB_PARTICIPANTS_MAX + 1, sizeof *entries);
    expect_not_null(entries);
    for (uint32_t i = 0; i <= GB_PARTICIPANTS_MAX; i++) {
        entries[i] =
            (gb_index_entry){GB_PARTICIPANTS_MAX - 1 - i % GB_PARTICIPANTS_MAX,
                             gb_slice_make(name, sizeof name), UINT64_MAX - i, i, UINT64_MAX - i};
    }
    gb_out out;
    gb_out_init(&out, t->allocator);
    expect_err(gb_index_encode(&out, entries, GB_PARTICIPANTS_MAX + 1), GB_EINVAL);
    expect_ok(gb_index_encode(&out, entries, GB_PARTICIPANTS_MAX));
    gb_list_cursor cursor;
    gb_index_entry entry;
    expect_ok(gb_index_decode(codec_payload(t, &out, GB_FRAME_INDEX, 0), &cursor));
    for (uint32_t i = 0; i < GB_PARTICIPANTS_MAX; i++) {
        expect_true(gb_index_next(&cursor, &entry));
        expect_uint(entry.index, entries[i].index);
        expect_uint(entry.generation, entries[i].generation);
        expect_slice(entry.name, entries[i].name);
        expect_uint(entry.incarnation, entries[i].incarnation);
        expect_uint(entry.departed, entries[i].departed);
    }
    expect_false(gb_index_next(&cursor, &entry));
    gb_out_deinit(&out);
    gb_free(t->allocator, entries);
}

GB_TEST(lists, a_list_of_every_lane_survives_in_all_three_types)
{
    static const uint8_t types[] = {GB_FRAME_I_HAVE, GB_FRAME_PULL, GB_FRAME_PULL_CANCEL};
    const uint32_t count = GB_LANE_LIST_COUNT_MAX;
    gb_lane_entry *entries = gb_alloc_array(t->allocator, count + 1, sizeof *entries);
    expect_not_null(entries);
    for (size_t type = 0; type < 3; type++) {
        for (uint32_t i = 0; i <= count; i++) {
            entries[i] = (gb_lane_entry){
                .index = i / 4 % GB_PARTICIPANTS_MAX,
                .lane = i % 4,
                .version = types[type] == GB_FRAME_PULL_CANCEL ? 0 : gb_rng_u64(&t->rng) >> i % 64,
                .floor = types[type] == GB_FRAME_PULL ? UINT64_MAX - i : 0,
            };
        }
        gb_out out;
        gb_out_init(&out, t->allocator);
        expect_err(gb_lane_list_encode(&out, types[type], entries, count + 1), GB_EINVAL);
        expect_ok(gb_lane_list_encode(&out, types[type], entries, count));
        gb_list_cursor cursor;
        gb_lane_entry entry;
        gb_slice payload = codec_payload(t, &out, types[type], 0);
        expect_ok(gb_lane_list_decode(types[type], payload, &cursor));
        for (uint32_t i = 0; i < count; i++) {
            expect_true(gb_lane_list_next(types[type], &cursor, &entry));
            expect_uint(entry.index, entries[i].index);
            expect_uint(entry.lane, entries[i].lane);
            expect_uint(entry.version, entries[i].version);
            expect_uint(entry.floor, entries[i].floor);
        }
        expect_false(gb_lane_list_next(types[type], &cursor, &entry));
        gb_out_deinit(&out);
    }
    gb_free(t->allocator, entries);
}

GB_TEST(lists, a_prune_of_every_participant_survives)
{
    uint32_t *indexes = gb_alloc_array(t->allocator, GB_PARTICIPANTS_MAX + 1, sizeof *indexes);
    expect_not_null(indexes);
    for (uint32_t i = 0; i <= GB_PARTICIPANTS_MAX; i++) {
        indexes[i] = i % GB_PARTICIPANTS_MAX;
    }
    gb_out out;
    gb_out_init(&out, t->allocator);
    expect_err(gb_prune_encode(&out, indexes, GB_PARTICIPANTS_MAX + 1), GB_EINVAL);
    expect_ok(gb_prune_encode(&out, indexes, GB_PARTICIPANTS_MAX));
    gb_list_cursor cursor;
    uint32_t index;
    expect_ok(gb_prune_decode(codec_payload(t, &out, GB_FRAME_PRUNE, 0), &cursor));
    for (uint32_t i = 0; i < GB_PARTICIPANTS_MAX; i++) {
        expect_true(gb_prune_next(&cursor, &index));
        expect_uint(index, i);
    }
    expect_false(gb_prune_next(&cursor, &index));
    gb_out_deinit(&out);
    gb_free(t->allocator, indexes);
}

GB_TEST(lists, an_entry_over_the_greatest_number_is_malformed)
{
    static uint8_t payload[3 + GB_PARTICIPANTS_MAX + 1];
    expect_uint(gb_varint_encode(payload, GB_PARTICIPANTS_MAX), 3);
    expect_ok(codec_verdict(t, GB_FRAME_PRUNE, gb_slice_make(payload, sizeof payload - 1)));
    expect_uint(gb_varint_encode(payload, GB_PARTICIPANTS_MAX + 1), 3);
    expect_err(codec_verdict(t, GB_FRAME_PRUNE, gb_slice_make(payload, sizeof payload)),
               GB_EMALFORMED);
}

GB_TEST(lists, what_breaks_a_rule_is_malformed)
{
    static const struct {
        uint8_t type;
        const char *bytes;
        size_t len;
    } wrong[] = {
#define WRONG(type, literal) {type, literal, sizeof(literal) - 1}
        WRONG(GB_FRAME_INDEX, ""),                            /* no count */
        WRONG(GB_FRAME_INDEX, "\0\0"),                        /* a byte left over */
        WRONG(GB_FRAME_INDEX, "\x81\0\1\1n\1"),               /* a count that is not shortest */
        WRONG(GB_FRAME_INDEX, "\2\1\1n\1"),                   /* an entry is missing */
        WRONG(GB_FRAME_INDEX, "\xff\xff\xff\xff\x0f\1\1n\1"), /* a count that is a lie */
        WRONG(GB_FRAME_INDEX, "\1\x80\x80\x01\1n\1"),         /* index 16384 */
        WRONG(GB_FRAME_INDEX, "\1\1\0\1"),                    /* no name */
        WRONG(GB_FRAME_INDEX, "\1\1\1\x7f\1"),                /* a control character */
        WRONG(GB_FRAME_INDEX, "\1\1\1n\0"),                   /* generation 0 */
        WRONG(GB_FRAME_I_HAVE, "\1\1\4\1"),                   /* lane 4 */
        WRONG(GB_FRAME_I_HAVE, "\1\1\3\1\1"),                 /* a floor where none belongs */
        WRONG(GB_FRAME_PULL, "\1\1\3\1"),                     /* and none where one does */
        WRONG(GB_FRAME_PULL_CANCEL, "\1\1\3\0"),              /* a version in a cancel */
        WRONG(GB_FRAME_PULL, "\1\x80\x80\x01\3\1\1"),         /* index 16384 */
        WRONG(GB_FRAME_PULL, "\1\1\3\x80\0\1"),               /* a version that is not shortest */
        WRONG(GB_FRAME_PRUNE, "\1\x80\x80\x01"),              /* index 16384 */
        WRONG(GB_FRAME_PRUNE, "\2\1"),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        expect_err(codec_verdict(t, wrong[i].type, gb_slice_make(wrong[i].bytes, wrong[i].len)),
                   GB_EMALFORMED);
    }
}

GB_TEST(lists, what_a_peer_would_refuse_is_not_encoded)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    const gb_index_entry nameless = {1, S(""), 1, 0, 0};
    expect_err(gb_index_encode(&out, &nameless, 1), GB_ENAME);
    const gb_index_entry lifeless = {1, S("n"), 0, 0, 0};
    expect_err(gb_index_encode(&out, &lifeless, 1), GB_EINVAL);
    const gb_index_entry too_far = {GB_PARTICIPANTS_MAX, S("n"), 1, 0, 0};
    expect_err(gb_index_encode(&out, &too_far, 1), GB_EINVAL);
    const gb_lane_entry lane = {1, 4, 0, 0};
    expect_err(gb_lane_list_encode(&out, GB_FRAME_PULL, &lane, 1), GB_EINVAL);
    const gb_lane_entry floor = {1, 1, 1, 1};
    expect_err(gb_lane_list_encode(&out, GB_FRAME_I_HAVE, &floor, 1), GB_EINVAL);
    const gb_lane_entry version = {1, 1, 1, 0};
    expect_err(gb_lane_list_encode(&out, GB_FRAME_PULL_CANCEL, &version, 1), GB_EINVAL);
    expect_err(gb_lane_list_encode(&out, GB_FRAME_PRUNE, NULL, 0), GB_EINVAL);
    const uint32_t index = GB_PARTICIPANTS_MAX;
    expect_err(gb_prune_encode(&out, &index, 1), GB_EINVAL);
    expect_uint(out.len, 0);
    gb_out_deinit(&out);
}
