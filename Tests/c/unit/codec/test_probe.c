/* SPDX-License-Identifier: Apache-2.0 */
/* PROBE and PROBE-RESULT. */
#include "goferbroke/message.h"

#include "unit/codec/samples.h"

GB_TEST(probe, name_and_generation_survive)
{
    uint8_t name[255];
    memset(name, 'n', sizeof name);
    gb_out out;
    gb_out_init(&out, t->allocator);
    gb_probe probe = {gb_slice_make(name, sizeof name), UINT64_MAX};
    expect_ok(gb_probe_encode(&out, 6, &probe));
    gb_probe decoded;
    expect_ok(gb_probe_decode(codec_payload(t, &out, GB_FRAME_PROBE, 6), &decoded));
    expect_slice(decoded.name, probe.name);
    expect_uint(decoded.generation, UINT64_MAX);
    gb_out_deinit(&out);
}

GB_TEST(probe, what_breaks_a_rule_is_refused_on_both_sides)
{
    gb_out out;
    gb_out_init(&out, t->allocator);
    const gb_probe nameless = {S(""), 1};
    expect_err(gb_probe_encode(&out, 1, &nameless), GB_ENAME);
    const gb_probe lifeless = {S("n"), 0};
    expect_err(gb_probe_encode(&out, 1, &lifeless), GB_EINVAL);
    const gb_probe_result no_such = {5, 0};
    expect_err(gb_probe_result_encode(&out, 1, &no_such), GB_EINVAL);
    const gb_probe_result newer_than_what = {GB_PROBE_NEWER_GENERATION, 0};
    expect_err(gb_probe_result_encode(&out, 1, &newer_than_what), GB_EINVAL);
    const gb_probe_result answered_by = {GB_PROBE_ANSWERED, 3};
    expect_err(gb_probe_result_encode(&out, 1, &answered_by), GB_EINVAL);
    expect_uint(out.len, 0);
    gb_out_deinit(&out);

    gb_probe probe;
    expect_err(gb_probe_decode(S("\0\1"), &probe), GB_EMALFORMED);
    expect_err(gb_probe_decode(S("\1n\0"), &probe), GB_EMALFORMED);
    expect_err(gb_probe_decode(S("\1\n\1"), &probe), GB_EMALFORMED);
    expect_err(gb_probe_decode(S("\1n\1\0"), &probe), GB_EMALFORMED);
    gb_probe_result result;
    expect_err(gb_probe_result_decode(S("\5\0"), &result), GB_EMALFORMED);
    expect_err(gb_probe_result_decode(S("\4\0"), &result), GB_EMALFORMED);
    expect_err(gb_probe_result_decode(S("\1\1"), &result), GB_EMALFORMED);
    expect_err(gb_probe_result_decode(S("\1\0\0"), &result), GB_EMALFORMED);
}

GB_TEST(probe, every_outcome_survives)
{
    for (uint8_t outcome = 0; outcome <= GB_PROBE_NEWER_GENERATION; outcome++) {
        gb_out out;
        gb_out_init(&out, t->allocator);
        gb_probe_result result = {outcome, outcome == GB_PROBE_NEWER_GENERATION ? 9 : 0};
        expect_ok(gb_probe_result_encode(&out, 8, &result));
        gb_probe_result decoded;
        gb_slice payload = codec_payload(t, &out, GB_FRAME_PROBE_RESULT, 8);
        expect_ok(gb_probe_result_decode(payload, &decoded));
        expect_uint(decoded.outcome, outcome);
        expect_uint(decoded.generation, result.generation);
        gb_out_deinit(&out);
    }
}
