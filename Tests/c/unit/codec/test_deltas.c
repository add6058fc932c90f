/* SPDX-License-Identifier: Apache-2.0 */
/* DELTAS: what goes in comes out, a budget is kept, and no byte of a peer's is believed. */
#include "codec/fields.h"

#include "platform/alloc.h"
#include "unit/codec/samples.h"

static void expect_delta(gb_test *t, const gb_delta *actual, const gb_delta *expected)
{
    expect_uint(actual->version, expected->version);
    expect_uint(actual->type, expected->type);
    expect_uint(actual->ttl_ms, expected->ttl_ms);
    expect_slice(actual->group, expected->group);
    expect_slice(actual->key, expected->key);
    expect_slice(actual->value, expected->value);
}

/* Write one delta and read it again. */
static gb_err round_trip(gb_test *t, const gb_delta *delta)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_deltas_writer w;
    gb_deltas_begin(&w, &out, 1, GB_LANE_USER, 0, 0, 1);
    bool is_added = gb_deltas_try_add(&w, delta);
    gb_err err = gb_deltas_end(&w, UINT64_MAX, UINT64_MAX, 0);
    expect_uint(is_added, err == GB_OK);
    if (err == GB_OK) {
        gb_deltas deltas;
        expect_ok(gb_deltas_decode(codec_payload(t, &out, GB_FRAME_DELTAS, 0), &deltas));
        gb_delta decoded;
        expect_true(gb_delta_next(&deltas.entries, &decoded));
        expect_delta(t, &decoded, delta);
        expect_false(gb_delta_next(&deltas.entries, &decoded));
        expect_uint(deltas.to, UINT64_MAX);
    } else {
        expect_uint(out.len, 0);
    }
    gb_out_deinit(&out);
    return err;
}

GB_TEST(deltas, every_byte_is_where_the_page_says)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_deltas_writer w;
    gb_deltas_begin(&w, &out, 300, GB_LANE_USER, 5, 2, SIZE_MAX);
    const gb_delta first = {7, GB_VALUE_STRING, 200, S("g"), S("k"), S("v")};
    const gb_delta second = {8, GB_VALUE_TOMBSTONE, 0, S(""), S(""), S("")};
    expect_true(gb_deltas_try_add(&w, &first));
    expect_true(gb_deltas_try_add(&w, &second));
    expect_ok(gb_deltas_end(&w, 9, 9 + 200, GB_DELTAS_PULLED));
    static const uint8_t expected[] = {
        3, 4,    0, 0,   0, 2,   0xac, 2, 5, 2,   /* lane, flags, count, index, from, floor */
        2, 0x40, 1, 'g', 1, 'k', 0xc8, 1, 1, 'v', /* first */
        1, 0x3f, 0, 0,   0,                       /* second */
        1, 0xc8, 1,                               /* to, and what is beyond it */
    };
    gb_slice payload = codec_payload(t, &out, GB_FRAME_DELTAS, 0);
    expect_slice(payload, gb_slice_make(expected, sizeof expected));

    gb_deltas deltas;
    expect_ok(gb_deltas_decode(payload, &deltas));
    expect_uint(deltas.index, 300);
    expect_uint(deltas.lane, GB_LANE_USER);
    expect_uint(deltas.flags, GB_DELTAS_PULLED);
    expect_uint(deltas.from, 5);
    expect_uint(deltas.to, 9);
    expect_uint(deltas.version, 209);
    expect_uint(deltas.floor, 2);
    expect_uint(deltas.entries.left, 2);
    gb_delta decoded;
    expect_true(gb_delta_next(&deltas.entries, &decoded));
    expect_delta(t, &decoded, &first);
    expect_true(gb_delta_next(&deltas.entries, &decoded));
    expect_delta(t, &decoded, &second);
    gb_out_deinit(&out);
}

GB_TEST(deltas, sizes_hold_up_to_the_limit_and_are_named_one_byte_over_it)
{
    uint8_t *bytes = gb_alloc_zeroed(t->allocator, GB_VALUE_SIZE_MAX + 1);
    expect_not_null(bytes);
    gb_delta delta = {1,      GB_VALUE_BYTES, 0,
                      S("g"), S("k"),         gb_slice_make(bytes, GB_VALUE_SIZE_MAX)};
    expect_ok(round_trip(t, &delta));
    delta.group = gb_slice_make(bytes, GB_GROUP_SIZE_MAX);
    delta.key = gb_slice_make(bytes, GB_KEY_SIZE_MAX);
    delta.version = UINT64_MAX;
    delta.ttl_ms = UINT32_MAX;
    expect_ok(round_trip(t, &delta));
    delta.value.len++;
    expect_err(round_trip(t, &delta), GB_EVALUE_SIZE);
    delta.value.len = 0;
    delta.key.len++;
    expect_err(round_trip(t, &delta), GB_EKEY_SIZE);
    delta.key.len = 0;
    delta.group.len++;
    expect_err(round_trip(t, &delta), GB_EGROUP);
    delta.group.len = 0;
    expect_ok(round_trip(t, &delta));
    delta.ttl_ms++;
    expect_err(round_trip(t, &delta), GB_EINVAL);
    gb_free(t->allocator, bytes);
}

/* The same one byte over the limit, but from a peer: by hand, since we would not send it. */
static gb_err decode_sized(gb_test *t, size_t group_len, size_t key_len, size_t value_len)
{
    size_t size = 10 + 2 + 3 * GB_VARINT_SIZE_MAX + group_len + key_len + value_len + 1;
    uint8_t *bytes = gb_alloc_zeroed(t->allocator, size);
    expect_not_null(bytes);
    gb_writer writer;
    gb_writer_init(&writer, bytes, size);
    static const uint8_t head[] = {3, GB_DELTAS_END, 0, 0, 0, 1, 0, 0, 0, 1, GB_VALUE_BYTES};
    gb_writer_bytes(&writer, gb_slice_make(head, sizeof head));
    gb_writer_varint(&writer, group_len);
    gb_writer_reserve(&writer, group_len + 1);
    writer.len--;
    gb_writer_varint(&writer, key_len);
    gb_writer_reserve(&writer, key_len + 1);
    writer.len--;
    gb_writer_varint(&writer, value_len);
    gb_writer_reserve(&writer, value_len + 1); /* and the byte of `to` */
    expect_false(writer.is_overflowed);
    gb_deltas deltas = {.index = 99};
    gb_err err = gb_deltas_decode(gb_writer_slice_of(&writer), &deltas);
    expect_true(err == GB_OK || deltas.index == 99);
    gb_free(t->allocator, bytes);
    return err;
}

GB_TEST(deltas, a_peer_over_a_limit_is_told_which)
{
    expect_ok(decode_sized(t, 0, 0, 0));
    expect_ok(decode_sized(t, GB_GROUP_SIZE_MAX, GB_KEY_SIZE_MAX, GB_VALUE_SIZE_MAX));
    expect_err(decode_sized(t, GB_GROUP_SIZE_MAX + 1, 0, 0), GB_EGROUP);
    expect_err(decode_sized(t, 0, GB_KEY_SIZE_MAX + 1, 0), GB_EKEY_SIZE);
    expect_err(decode_sized(t, 0, 0, GB_VALUE_SIZE_MAX + 1), GB_EVALUE_SIZE);
}

GB_TEST(deltas, group_and_key_may_be_any_bytes)
{
    uint8_t bytes[256];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
    }
    const gb_delta delta = {1,
                            GB_VALUE_BYTES,
                            0,
                            gb_slice_make(bytes, 255),
                            gb_slice_make(bytes, 256),
                            gb_slice_make(bytes, 256)};
    expect_ok(round_trip(t, &delta));
}

GB_TEST(deltas, what_breaks_a_rule_is_refused_by_name)
{
    static const struct {
        gb_err err;
        const char *bytes;
        size_t len;
    } cases[] = {
#define CASE(err, literal) {err, literal, sizeof(literal) - 1}
#define HEAD "\3\2\0\0\0\1\0\5\0" /* one entry after version 5, and END */
        CASE(GB_OK, HEAD "\1\0\1g\1k\1v\0"),
        CASE(GB_EMALFORMED, HEAD "\1\0\1g\1k\1v"),           /* no `to` */
        CASE(GB_EMALFORMED, HEAD "\1\0\1g\1k\1v\0\0"),       /* a byte left over */
        CASE(GB_EMALFORMED, "\4\2\0\0\0\0\0\5\0\0"),         /* lane 4 */
        CASE(GB_EMALFORMED, "\3\x0a\0\0\0\0\0\5\0\0"),       /* flag bit 3 */
        CASE(GB_EMALFORMED, "\3\2\xff\xff\xff\xff\0\5\0\0"), /* a count that is a lie */
        CASE(GB_EMALFORMED, "\3\2\0\0\0\0\x80\x80\1\5\0\0"), /* index 16384 */
        CASE(GB_EMALFORMED, HEAD "\0\0\1g\1k\1v\0"),         /* the same version again */
        CASE(GB_EMALFORMED, HEAD "\x81\0\0\1g\1k\1v\0"),     /* not the shortest */
        CASE(GB_EMALFORMED, HEAD "\1\x80\1g\1k\1v\0"),       /* type bit 7 */
        CASE(GB_EMALFORMED, HEAD "\1\x40\1g\1k\0\1v\0"),     /* a TTL of 0 */
        CASE(GB_EMALFORMED, HEAD "\1\x40\1g\1k\x80\x80\x80\x80\x10\1v\0"), /* a TTL of 2^32 */
        CASE(GB_EMALFORMED, HEAD "\1\x7f\1g\1k\1\0\0"), /* a tombstone with a TTL */
        CASE(GB_EMALFORMED, HEAD "\1\0\1g\1k\x7fv\0"),  /* a value beyond the payload */
        CASE(GB_EMALFORMED, HEAD "\1\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\1k\1v\0"),
        CASE(GB_ETYPE, HEAD "\1\x0d\1g\1k\1v\0"),  /* type 13 */
        CASE(GB_ETYPE, HEAD "\1\x3e\1g\1k\0\0"),   /* type 62 */
        CASE(GB_ETYPE, HEAD "\1\x3f\1g\1k\1v\0"),  /* a tombstone with a value */
        CASE(GB_ETYPE, HEAD "\1\0\1g\1k\1\xff\0"), /* a string that is no UTF-8 */
        CASE(GB_ETYPE, HEAD "\1\6\1g\1k\1v\0"),    /* an int32 of one byte */
        CASE(GB_ETYPE, HEAD "\1\x0c\1g\1k\1\2\0"), /* a bool of 2 */
        /* Without END the sender says how much more it has. */
        CASE(GB_OK, "\3\0\0\0\0\0\0\5\0\0\1"),
        CASE(GB_EMALFORMED, "\3\0\0\0\0\0\0\5\0\0"),
        CASE(GB_EMALFORMED, "\3\0\0\0\0\0\0\5\0\0\0"),
        /* Versions that pass 2^64: by a step, by `to`, and by what the sender has. */
        CASE(GB_EMALFORMED, "\3\2\0\0\0\1\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\0\1\0\0\0\0\0"),
        CASE(GB_EMALFORMED, "\3\2\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\0\1"),
        CASE(GB_OK, "\3\2\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\0\0"),
        CASE(GB_EMALFORMED, "\3\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\0\0\1"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_err(codec_verdict(t, GB_FRAME_DELTAS, gb_slice_make(cases[i].bytes, cases[i].len)),
                   cases[i].err);
    }
}

GB_TEST(deltas, the_budget_is_kept_and_the_first_is_always_taken)
{
    uint8_t value[3000] = {0};
    for (size_t size_max = 0; size_max < 4000; size_max += 7) {
        gb_out out;
        gb_out_init(&out, t->allocator);
        gb_deltas_writer w;
        gb_deltas_begin(&w, &out, 1, GB_LANE_USER, 1000, 0, size_max);
        uint32_t count = 0;
        size_t bound = 0;
        for (uint64_t version = 1001;; version++) {
            gb_delta delta = {version,  GB_VALUE_BYTES,
                              0,        S("group"),
                              S("key"), gb_slice_make(value, gb_rng_below(&t->rng, 500))};
            size_t before = out.len;
            if (!gb_deltas_try_add(&w, &delta)) {
                expect_uint(out.len, before);
                bound = out.len + gb_delta_encoded_size(&delta) + 3 * GB_VARINT_SIZE_MAX;
                break;
            }
            expect_true(out.len - before <= gb_delta_encoded_size(&delta));
            count++;
        }
        expect_ok(gb_deltas_end(&w, 1000 + count, 1000 + count, 0));
        expect_true(count >= 1);
        expect_true(out.len <= size_max || count == 1);
        expect_true(bound >= size_max); /* it was not refused for nothing */
        gb_deltas deltas;
        expect_ok(gb_deltas_decode(codec_payload(t, &out, GB_FRAME_DELTAS, 0), &deltas));
        expect_uint(deltas.entries.left, count);
        expect_uint(deltas.to, 1000 + count);
        gb_out_deinit(&out);
    }
}

GB_TEST(deltas, the_budget_holds_for_any_to)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_deltas_writer w;
    gb_deltas_begin(&w, &out, 1, GB_LANE_USER, 0, 0, 200);
    gb_delta delta = {0, GB_VALUE_BYTES, 0, S(""), S(""), S("")};
    do {
        delta.version++;
    } while (gb_deltas_try_add(&w, &delta));
    expect_ok(gb_deltas_end(&w, UINT64_MAX, UINT64_MAX, 0));
    expect_true(out.len <= 200);
    gb_out_deinit(&out);
}

GB_TEST(deltas, a_budget_over_a_frame_is_a_frame)
{
    uint8_t *bytes = gb_alloc_zeroed(t->allocator, GB_MIB);
    expect_not_null(bytes);
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_deltas_writer w;
    gb_deltas_begin(&w, &out, 1, GB_LANE_USER, 0, 0, SIZE_MAX);
    gb_delta delta = {0, GB_VALUE_BYTES, 0, S("g"), S("k"), gb_slice_make(bytes, GB_MIB)};
    do {
        delta.version++;
    } while (gb_deltas_try_add(&w, &delta));
    expect_uint(delta.version, 8); /* seven went in */
    expect_ok(gb_deltas_end(&w, UINT64_MAX, UINT64_MAX, 0));
    expect_ok(codec_verdict(t, GB_FRAME_DELTAS, codec_payload(t, &out, GB_FRAME_DELTAS, 0)));
    gb_out_deinit(&out);
    gb_free(t->allocator, bytes);
}

GB_TEST(deltas, misuse_is_told_at_the_end_and_leaves_nothing)
{
    for (int misuse = 0; misuse < 9; misuse++) {
        gb_out out;
        gb_out_init(&out, t->allocator);
        expect_ok(gb_empty_encode(&out, GB_FRAME_PING, 1));
        gb_deltas_writer w;
        gb_deltas_begin(&w, &out, misuse == 0 ? GB_PARTICIPANTS_MAX : 1,
                        misuse == 1 ? GB_LANE_COUNT : 0, 10, 0, SIZE_MAX);
        const gb_delta good = {11, GB_VALUE_BOOL, 0, S(""), S(""), S("\1")};
        gb_delta bad = good;
        bad.version = misuse == 2 ? 11 : 12;
        bad.type = misuse == 3 ? GB_VALUE_INT : GB_VALUE_BOOL;
        if (misuse == 4) {
            bad = (gb_delta){12, GB_VALUE_TOMBSTONE, 5, S(""), S(""), S("")};
        }
        expect_uint(gb_deltas_try_add(&w, &good), misuse > 1);
        expect_uint(gb_deltas_try_add(&w, &bad), misuse > 4);
        gb_err expected = misuse == 3 ? GB_ETYPE : GB_EINVAL;
        uint64_t to = misuse == 5 ? 11 : 12;
        uint8_t flags = misuse == 6 ? 0x08 : misuse == 7 ? GB_DELTAS_END : 0;
        expect_err(gb_deltas_end(&w, to, misuse == 8 ? 11 : 12, flags), expected);
        expect_uint(codec_payload(t, &out, GB_FRAME_PING, 1).len, 0);
        gb_out_deinit(&out);
    }
}

GB_TEST(deltas, random_messages_survive)
{
    static const size_t sizes[GB_VALUE_TYPE_COUNT] = {0, 0, 8, 1, 8, 2, 4, 1, 2, 4, 8, 8, 1};
    for (int trial = 0; trial < 200; trial++) {
        uint8_t bytes[GB_KEY_SIZE_MAX] = {0};
        gb_delta deltas[50];
        uint64_t from = gb_rng_u64(&t->rng) >> (1 + gb_rng_below(&t->rng, 62));
        uint64_t version = from;
        size_t count = (size_t)gb_rng_below(&t->rng, 50);
        gb_out out;
        gb_out_init(&out, t->allocator);
        gb_deltas_writer w;
        gb_deltas_begin(&w, &out, 16383, (uint8_t)(trial % 4), from, from / 2, SIZE_MAX);
        for (size_t i = 0; i < count; i++) {
            version += 1 + gb_rng_below(&t->rng, 1u << (i % 20));
            uint8_t type = (uint8_t)gb_rng_below(&t->rng, GB_VALUE_TYPE_COUNT);
            size_t size = type <= GB_VALUE_BYTES ? gb_rng_below(&t->rng, 300) : sizes[type];
            deltas[i] = (gb_delta){version,
                                   type,
                                   gb_rng_below(&t->rng, 2) * (1 + i),
                                   gb_slice_make(bytes, gb_rng_below(&t->rng, 256)),
                                   gb_slice_make(bytes, gb_rng_below(&t->rng, sizeof bytes)),
                                   gb_slice_make(bytes, size)};
            expect_true(gb_deltas_try_add(&w, &deltas[i]));
        }
        uint64_t to = version + gb_rng_below(&t->rng, 3);
        uint8_t flags = (uint8_t)(trial % 8);
        uint64_t beyond = (flags & GB_DELTAS_END) != 0 ? 0 : 1 + gb_rng_below(&t->rng, 300);
        expect_ok(gb_deltas_end(&w, to, to + beyond, (uint8_t)(flags & ~GB_DELTAS_END)));
        gb_deltas decoded;
        expect_ok(gb_deltas_decode(codec_payload(t, &out, GB_FRAME_DELTAS, 0), &decoded));
        expect_uint(decoded.from, from);
        expect_uint(decoded.to, to);
        expect_uint(decoded.version, to + beyond);
        expect_uint(decoded.floor, from / 2);
        expect_uint(decoded.flags, flags);
        gb_delta delta;
        for (size_t i = 0; i < count; i++) {
            expect_true(gb_delta_next(&decoded.entries, &delta));
            expect_delta(t, &delta, &deltas[i]);
        }
        expect_false(gb_delta_next(&decoded.entries, &delta));
        gb_out_deinit(&out);
    }
}

static bool attempt_deltas(gb_test *t, const gb_allocator *allocator)
{
    uint8_t value[100] = {0};
    gb_out out;
    gb_out_init(&out, allocator);
    gb_deltas_writer w;
    gb_deltas_begin(&w, &out, 1, GB_LANE_USER, 0, 0, SIZE_MAX);
    for (uint64_t version = 1; version <= 100; version++) {
        const gb_delta delta = {version, GB_VALUE_BYTES, 0,
                                S("g"),  S("k"),         gb_slice_make(value, sizeof value)};
        (void)gb_deltas_try_add(&w, &delta);
    }
    gb_err err = gb_deltas_end(&w, 100, 100, 0);
    if (err != GB_OK) {
        expect_err(err, GB_ENOMEM);
        expect_uint(out.len, 0);
    }
    gb_out_deinit(&out);
    return err == GB_OK;
}

GB_TEST(deltas, without_memory_nothing_stays)
{
    gb_test_each_allocation_failure(t, attempt_deltas);
}
