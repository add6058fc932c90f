/* SPDX-License-Identifier: Apache-2.0 */
/* What nodes say of themselves and of each other. */
#include "goferbroke/message.h"

#include "fuzz/codec_walk.h"
#include "unit/codec/samples.h"

GB_TEST(records, a_full_node_record_survives)
{
    uint8_t host[255];
    memset(host, 'h', sizeof host);
    gb_node_record record = {.flags = GB_NODE_RECORD_HAS_DETECTOR | GB_NODE_RECORD_LEFT,
                             .instance = UINT64_MAX,
                             .incarnation = UINT64_MAX,
                             .address_count = GB_HELLO_ADDRESSES_MAX};
    for (int i = 0; i < GB_HELLO_ADDRESSES_MAX; i++) {
        record.addresses[i] = (gb_address){GB_SCOPE_PRIVATE, gb_slice_make(host, 255), 65535};
    }
    gb_out out;
    gb_out_init(&out, t->allocator);
    expect_ok(gb_node_record_encode(&out, &record));
    gb_node_record decoded;
    expect_ok(gb_node_record_decode(gb_slice_make(out.base, out.len), &decoded));
    expect_uint(decoded.flags, record.flags);
    expect_uint(decoded.instance, UINT64_MAX);
    expect_uint(decoded.incarnation, UINT64_MAX);
    expect_uint(decoded.address_count, GB_HELLO_ADDRESSES_MAX);
    expect_slice(decoded.addresses[7].host, gb_slice_make(host, 255));
    gb_out_deinit(&out);
}

GB_TEST(records, values_are_appended_to_what_is_there)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_accusation accusation = {5, 300, GB_ACCUSE_SILENT, GB_ACCUSE_VERDICT};
    expect_ok(gb_accusation_encode(&out, &accusation));
    expect_ok(gb_accusation_encode(&out, &accusation));
    expect_slice(gb_slice_make(out.base, out.len), S("\5\xac\2\1\1\5\xac\2\1\1"));
    gb_accusation decoded;
    expect_ok(gb_accusation_decode(gb_slice_make(out.base, 5), &decoded));
    expect_uint(decoded.generation, 5);
    expect_uint(decoded.incarnation, 300);
    expect_uint(decoded.reason, GB_ACCUSE_SILENT);
    expect_uint(decoded.flags, GB_ACCUSE_VERDICT);
    gb_out_deinit(&out);
}

GB_TEST(records, what_later_versions_add_is_ignored)
{
    gb_node_record record;
    expect_ok(gb_node_record_decode(S("\xff\0\0\0\0\0\0\0\1\2\0more"), &record));
    expect_uint(record.flags, GB_NODE_RECORD_HAS_DETECTOR | GB_NODE_RECORD_LEFT);
    expect_uint(record.instance, 1);
    expect_uint(record.incarnation, 2);
    gb_accusation accusation;
    expect_ok(gb_accusation_decode(S("\1\0\2\xfemore"), &accusation));
    expect_uint(accusation.flags, 0);
}

GB_TEST(records, what_breaks_a_rule_is_refused_on_both_sides)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    const gb_accusation lifeless = {0, 0, GB_ACCUSE_SILENT, 0};
    expect_err(gb_accusation_encode(&out, &lifeless), GB_EINVAL);
    const gb_accusation no_reason = {1, 0, 5, 0};
    expect_err(gb_accusation_encode(&out, &no_reason), GB_EINVAL);
    const gb_accusation flags = {1, 0, 0, 2};
    expect_err(gb_accusation_encode(&out, &flags), GB_EINVAL);
    gb_node_record record = {.flags = 4};
    expect_err(gb_node_record_encode(&out, &record), GB_EINVAL);
    record = (gb_node_record){.address_count = 1, .addresses = {{0, S("h"), 1}}};
    expect_err(gb_node_record_encode(&out, &record), GB_EINVAL);
    expect_uint(out.len, 0);
    gb_out_deinit(&out);

    gb_accusation accusation;
    expect_err(gb_accusation_decode(S("\0\0\1\0"), &accusation), GB_EMALFORMED);
    expect_err(gb_accusation_decode(S("\1\0\5\0"), &accusation), GB_EMALFORMED);
    expect_err(gb_node_record_decode(S("\0\0\0\0\0\0\0\0\1\2\x09"), &record), GB_EMALFORMED);
}
