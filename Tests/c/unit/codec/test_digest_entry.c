/* SPDX-License-Identifier: Apache-2.0 */
/* Digest entries in GRAFT: steps in both directions, any set of lanes. */
#include "codec/fields.h"

#include "platform/alloc.h"
#include "unit/codec/samples.h"

GB_TEST(digest_entry, neighbours_with_small_versions_take_three_bytes)
{
    const gb_digest_entry entry = {8, 0x8, {0, 0, 0, 100}};
    expect_uint(gb_digest_entry_size(&entry, 7), 3);
    expect_uint(gb_digest_entry_size(&entry, 9), 3);
}

GB_TEST(digest_entry, random_grafts_survive)
{
    const uint32_t count = GB_LIST_COUNT_MAX;
    gb_digest_entry *entries = gb_alloc_array(t->allocator, count + 1, sizeof *entries);
    expect_not_null(entries);
    memset(entries, 0, (count + 1) * sizeof *entries);
    for (uint32_t i = 0; i < count; i++) {
        entries[i].index = (uint32_t)gb_rng_below(&t->rng, GB_PARTICIPANTS_MAX);
        entries[i].lane_mask = i % 16;
        for (unsigned lane = 0; lane < GB_LANE_COUNT; lane++) {
            if (entries[i].lane_mask >> lane & 1) {
                entries[i].version[lane] = gb_rng_u64(&t->rng) >> gb_rng_below(&t->rng, 64);
            }
        }
    }
    gb_out out;
    gb_out_init(&out, t->allocator);
    expect_err(gb_graft_encode(&out, entries, count + 1), GB_EINVAL);
    expect_ok(gb_graft_encode(&out, entries, count));
    gb_list_cursor cursor;
    gb_digest_entry entry;
    expect_ok(gb_graft_decode(codec_payload(t, &out, GB_FRAME_GRAFT, 0), &cursor));
    for (uint32_t i = 0; i < count; i++) {
        expect_true(gb_graft_next(&cursor, &entry));
        expect_uint(entry.index, entries[i].index);
        expect_uint(entry.lane_mask, entries[i].lane_mask);
        for (unsigned lane = 0; lane < GB_LANE_COUNT; lane++) {
            expect_uint(entry.version[lane], entries[i].version[lane]);
        }
    }
    expect_false(gb_graft_next(&cursor, &entry));
    gb_out_deinit(&out);
    gb_free(t->allocator, entries);
}

GB_TEST(digest_entry, versions_of_lanes_that_are_not_stated_are_not_sent)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    const gb_digest_entry entry = {0, 0x2, {7, 8, 9, 10}};
    expect_ok(gb_graft_encode(&out, &entry, 1));
    expect_slice(codec_payload(t, &out, GB_FRAME_GRAFT, 0), S("\1\0\2\x08"));
    gb_out_deinit(&out);
}

GB_TEST(digest_entry, what_breaks_a_rule_is_refused_on_both_sides)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    const gb_digest_entry too_far = {GB_PARTICIPANTS_MAX, 1, {0}};
    expect_err(gb_graft_encode(&out, &too_far, 1), GB_EINVAL);
    const gb_digest_entry no_lane = {0, 0x10, {0}};
    expect_err(gb_graft_encode(&out, &no_lane, 1), GB_EINVAL);
    gb_out_deinit(&out);

    expect_ok(codec_verdict(t, GB_FRAME_GRAFT, S("\1\xfe\xff\1\0")));                 /* 16383 */
    expect_err(codec_verdict(t, GB_FRAME_GRAFT, S("\1\x80\x80\2\0")), GB_EMALFORMED); /* 16384 */
    expect_err(codec_verdict(t, GB_FRAME_GRAFT, S("\1\1\0")), GB_EMALFORMED);         /* -1 */
    expect_err(codec_verdict(t, GB_FRAME_GRAFT, S("\1\0\x10")), GB_EMALFORMED);
    expect_err(codec_verdict(t, GB_FRAME_GRAFT, S("\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\0")),
               GB_EMALFORMED);
}
