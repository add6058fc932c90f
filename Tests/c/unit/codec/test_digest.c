/* SPDX-License-Identifier: Apache-2.0 */
/* SYN, SYN-ACK and ACK in all their shapes. */
#include "codec/fields.h"

#include "platform/alloc.h"
#include "unit/codec/samples.h"

GB_TEST(digest, the_smallest_is_hash_content_and_count)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_digest_writer w;
    gb_digest_begin(&w, &out, GB_FRAME_ACK, 5, 0x0102);
    expect_ok(gb_digest_end(&w));
    gb_slice payload = codec_payload(t, &out, GB_FRAME_ACK, 5);
    expect_slice(payload, S("\0\0\0\0\0\0\1\2\0\0\0\0\0"));
    gb_digest digest;
    expect_ok(gb_digest_decode(payload, &digest));
    expect_uint(digest.map_hash, 0x0102);
    expect_false(digest.has_fingerprints);
    expect_false(digest.has_buckets);
    gb_digest_entry entry;
    expect_false(gb_digest_entry_next(&digest.entries, &entry));
    gb_out_deinit(&out);
}

/* Everything at its greatest: all buckets, all participants. */
GB_TEST(digest, the_greatest_survives_behind_another_frame)
{
    static uint64_t fingerprints[1 << GB_BUCKET_BITS_MAX];
    static uint32_t buckets[1 << GB_BUCKET_BITS_MAX];
    for (uint32_t i = 0; i < 1 << GB_BUCKET_BITS_MAX; i++) {
        fingerprints[i] = gb_rng_u64(&t->rng);
        buckets[i] = i;
    }
    gb_out out;
    gb_out_init(&out, t->allocator);
    expect_ok(gb_empty_encode(&out, GB_FRAME_PING, 1));
    gb_digest_writer w;
    gb_digest_begin(&w, &out, GB_FRAME_SYN, 5, UINT64_MAX);
    gb_digest_put_fingerprints(&w, GB_BUCKET_BITS_MAX, fingerprints);
    gb_digest_put_buckets(&w, GB_BUCKET_BITS_MAX, buckets, 1 << GB_BUCKET_BITS_MAX);
    for (uint32_t i = 0; i < GB_PARTICIPANTS_MAX; i++) {
        const gb_digest_entry entry = {
            GB_PARTICIPANTS_MAX - 1 - i, 0xf, {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 2, i}};
        gb_digest_put_entry(&w, &entry);
    }
    expect_ok(gb_digest_end(&w));

    gb_digest digest;
    gb_slice payload = gb_slice_make(out.base + 32, out.len - 32);
    expect_uint(out.base[16 + 3], GB_FRAME_SYN);
    expect_uint(gb_load_be32(out.base + 16 + 4), payload.len);
    expect_ok(gb_digest_decode(payload, &digest));
    expect_uint(digest.map_hash, UINT64_MAX);
    expect_true(digest.has_fingerprints && digest.has_buckets);
    expect_uint(digest.bucket_bits, GB_BUCKET_BITS_MAX);
    for (uint32_t i = 0; i < 1 << GB_BUCKET_BITS_MAX; i++) {
        uint32_t bucket;
        expect_uint(gb_digest_fingerprint(&digest, i), fingerprints[i]);
        expect_true(gb_digest_bucket_next(&digest.buckets, &bucket));
        expect_uint(bucket, i);
    }
    uint32_t bucket;
    expect_false(gb_digest_bucket_next(&digest.buckets, &bucket));
    gb_digest_entry entry;
    for (uint32_t i = 0; i < GB_PARTICIPANTS_MAX; i++) {
        expect_true(gb_digest_entry_next(&digest.entries, &entry));
        expect_uint(entry.index, GB_PARTICIPANTS_MAX - 1 - i);
        expect_uint(entry.version[0], UINT64_MAX);
        expect_uint(entry.version[3], i);
    }
    expect_false(gb_digest_entry_next(&digest.entries, &entry));
    gb_out_deinit(&out);
}

GB_TEST(digest, buckets_survive_for_every_number_of_bits)
{
    for (uint8_t bits = 0; bits <= GB_BUCKET_BITS_MAX; bits++) {
        uint32_t buckets[1 << GB_BUCKET_BITS_MAX];
        uint32_t count = 0;
        for (uint32_t i = 0; i < 1u << bits; i++) {
            if (gb_rng_below(&t->rng, 3) == 0) {
                buckets[count++] = i;
            }
        }
        gb_out out;
        gb_out_init(&out, t->allocator);
        gb_digest_writer w;
        gb_digest_begin(&w, &out, GB_FRAME_SYN_ACK, 1, 1);
        gb_digest_put_buckets(&w, bits, buckets, count);
        expect_ok(gb_digest_end(&w));
        gb_digest digest;
        expect_ok(gb_digest_decode(codec_payload(t, &out, GB_FRAME_SYN_ACK, 1), &digest));
        expect_uint(digest.bucket_bits, bits);
        expect_uint(digest.buckets.left, count);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t bucket;
            expect_true(gb_digest_bucket_next(&digest.buckets, &bucket));
            expect_uint(bucket, buckets[i]);
        }
        gb_out_deinit(&out);
    }
}

enum misuse {
    MISUSE_TYPE,
    MISUSE_BITS,
    MISUSE_FINGERPRINTS_TWICE,
    MISUSE_FINGERPRINTS_AFTER_BUCKETS,
    MISUSE_BUCKETS_AFTER_ENTRY,
    MISUSE_BUCKETS_DESCENDING,
    MISUSE_BUCKETS_EQUAL,
    MISUSE_BUCKET_TOO_FAR,
    MISUSE_BITS_DIFFER,
    MISUSE_INDEX,
    MISUSE_MASK,
    MISUSE_TOO_MANY,
    MISUSE_LOAD_OVER_ITS_BOUND,
    MISUSE_LOAD_TWICE,
    MISUSE_LOAD_BEFORE_BUCKETS,
    MISUSE_DIRECT_LATE,
    MISUSE_COUNT,
};

static void misuse_load(gb_digest_writer *w, int misuse)
{
    const uint32_t ascending[2] = {0, 1};
    const gb_load load = {.rho = 1, .tau = 2};
    const gb_load over = {.tau = GB_RATE_MAX + 1};
    const gb_digest_entry entry = {0};
    switch (misuse) {
    case MISUSE_LOAD_OVER_ITS_BOUND:
        gb_digest_put_load(w, &over);
        break;
    case MISUSE_LOAD_TWICE:
        gb_digest_put_load(w, &load);
        gb_digest_put_load(w, &load);
        break;
    case MISUSE_LOAD_BEFORE_BUCKETS:
        gb_digest_put_load(w, &load);
        gb_digest_put_buckets(w, 1, ascending, 2);
        break;
    case MISUSE_DIRECT_LATE:
        gb_digest_put_entry(w, &entry);
        gb_digest_put_direct(w);
        break;
    default:
        break;
    }
}

static void misuse_digest(gb_digest_writer *w, int misuse)
{
    const uint64_t fingerprints[2] = {1, 2};
    const uint32_t ascending[2] = {0, 1};
    const uint32_t descending[2] = {1, 0};
    const uint32_t equal[2] = {1, 1};
    const uint32_t too_far[1] = {2};
    gb_digest_entry entry = {0};
    switch (misuse) {
    case MISUSE_BITS:
        gb_digest_put_fingerprints(w, GB_BUCKET_BITS_MAX + 1, fingerprints);
        break;
    case MISUSE_FINGERPRINTS_TWICE:
        gb_digest_put_fingerprints(w, 1, fingerprints);
        gb_digest_put_fingerprints(w, 1, fingerprints);
        break;
    case MISUSE_FINGERPRINTS_AFTER_BUCKETS:
        gb_digest_put_buckets(w, 1, ascending, 2);
        gb_digest_put_fingerprints(w, 1, fingerprints);
        break;
    case MISUSE_BUCKETS_AFTER_ENTRY:
        gb_digest_put_entry(w, &entry);
        gb_digest_put_buckets(w, 1, ascending, 2);
        break;
    case MISUSE_BUCKETS_DESCENDING:
        gb_digest_put_buckets(w, 1, descending, 2);
        break;
    case MISUSE_BUCKETS_EQUAL:
        gb_digest_put_buckets(w, 1, equal, 2);
        break;
    case MISUSE_BUCKET_TOO_FAR:
        gb_digest_put_buckets(w, 1, too_far, 1);
        break;
    case MISUSE_BITS_DIFFER:
        gb_digest_put_fingerprints(w, 1, fingerprints);
        gb_digest_put_buckets(w, 2, ascending, 2);
        break;
    case MISUSE_INDEX:
        entry.index = GB_PARTICIPANTS_MAX;
        gb_digest_put_entry(w, &entry);
        break;
    case MISUSE_MASK:
        entry.lane_mask = 0x10;
        gb_digest_put_entry(w, &entry);
        break;
    case MISUSE_TOO_MANY:
        for (int i = 0; i <= GB_PARTICIPANTS_MAX; i++) {
            gb_digest_put_entry(w, &entry);
        }
        break;
    default:
        misuse_load(w, misuse);
        break;
    }
}

GB_TEST(digest, misuse_is_told_at_the_end_and_leaves_nothing)
{
    for (int misuse = 0; misuse < MISUSE_COUNT; misuse++) {
        gb_out out;
        gb_out_init(&out, t->allocator);
        expect_ok(gb_empty_encode(&out, GB_FRAME_PING, 1));
        gb_digest_writer w;
        uint8_t type = misuse == MISUSE_TYPE ? GB_FRAME_PING : GB_FRAME_SYN;
        gb_digest_begin(&w, &out, type, 1, 1);
        misuse_digest(&w, misuse);
        const gb_digest_entry entry = {1, 1, {1}};
        gb_digest_put_entry(&w, &entry);
        expect_err(gb_digest_end(&w), GB_EINVAL);
        expect_uint(codec_payload(t, &out, GB_FRAME_PING, 1).len, 0);
        gb_out_deinit(&out);
    }
}

GB_TEST(digest, what_breaks_a_rule_is_malformed)
{
#define HASH "\0\0\0\0\0\0\0\1"
    expect_err(codec_verdict(t, GB_FRAME_SYN, S(HASH "\x10\0\0\0\0")), GB_EMALFORMED);
    expect_ok(codec_verdict(t, GB_FRAME_SYN, S(HASH "\4\0\0\0\0")));
    expect_err(codec_verdict(t, GB_FRAME_SYN, S(HASH "\x8\0\0\0\0\0\0")), GB_EMALFORMED);
    expect_ok(codec_verdict(t, GB_FRAME_SYN, S(HASH "\x8\0\0\0\0\0\0\0")));
    expect_err(codec_verdict(t, GB_FRAME_SYN, S(HASH "\0\0\0\0\0\0")), GB_EMALFORMED);
    expect_err(codec_verdict(t, GB_FRAME_SYN, S(HASH "\0\0\0\0\1")), GB_EMALFORMED);
    expect_err(codec_verdict(t, GB_FRAME_SYN, S(HASH "\0\xff\xff\xff\xff\0\0")), GB_EMALFORMED);
    expect_err(codec_verdict(t, GB_FRAME_SYN, S(HASH "\2\0\0\0\0\x0d\0")), GB_EMALFORMED);
    expect_err(codec_verdict(t, GB_FRAME_SYN,
                             S(HASH "\1\0\0\0\0\0"
                                    "1234567")),
               GB_EMALFORMED);
    expect_ok(codec_verdict(t, GB_FRAME_SYN, S(HASH "\2\0\0\0\0\1\2\0\0")));
    expect_err(codec_verdict(t, GB_FRAME_SYN, S(HASH "\2\0\0\0\0\1\2\0\1")), GB_EMALFORMED);
    expect_err(codec_verdict(t, GB_FRAME_SYN, S(HASH "\2\0\0\0\0\1\3\0\0\0")), GB_EMALFORMED);
    expect_err(codec_verdict(t, GB_FRAME_SYN, S(HASH "\2\0\0\0\0\1\1\2")), GB_EMALFORMED);
}

GB_TEST(digest, an_entry_over_the_greatest_number_is_malformed)
{
    static uint8_t payload[13 + 2 * (GB_PARTICIPANTS_MAX + 1)];
    gb_store_be32(payload + 9, GB_PARTICIPANTS_MAX);
    expect_ok(codec_verdict(t, GB_FRAME_SYN, gb_slice_make(payload, sizeof payload - 2)));
    gb_store_be32(payload + 9, GB_PARTICIPANTS_MAX + 1);
    expect_err(codec_verdict(t, GB_FRAME_SYN, gb_slice_make(payload, sizeof payload)),
               GB_EMALFORMED);
}

static bool attempt_digest(gb_test *t, const gb_allocator *allocator)
{
    const uint64_t fingerprints[64] = {0};
    const uint32_t buckets[3] = {1, 2, 3};
    gb_out out;
    gb_out_init(&out, allocator);
    gb_digest_writer w;
    gb_digest_begin(&w, &out, GB_FRAME_SYN, 1, 1);
    gb_digest_put_fingerprints(&w, 6, fingerprints);
    gb_digest_put_buckets(&w, 6, buckets, 3);
    for (uint32_t i = 0; i < 1000; i++) {
        const gb_digest_entry entry = {i, 0xf, {i, i, i, i}};
        gb_digest_put_entry(&w, &entry);
    }
    gb_err err = gb_digest_end(&w);
    if (err != GB_OK) {
        expect_err(err, GB_ENOMEM);
        expect_uint(out.len, 0);
    }
    gb_out_deinit(&out);
    return err == GB_OK;
}

GB_TEST(digest, without_memory_nothing_stays)
{
    gb_test_each_allocation_failure(t, attempt_digest);
}
