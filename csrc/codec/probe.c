/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c: PROBE and PROBE-RESULT. */
#include "codec/fields.h"
#include "codec/out.h"

gb_err gb_probe_encode(gb_out *out, uint32_t request_id, const gb_probe *probe)
{
    if (gb_name_validate(probe->name) != GB_OK) {
        return GB_ENAME;
    }
    if (probe->generation == 0) {
        return GB_EINVAL;
    }
    size_t size = gb_writer_slice_size(probe->name.len) + gb_varint_size(probe->generation);
    gb_writer writer;
    gb_err err = gb_out_frame_open(out, size, &writer);
    if (err != GB_OK) {
        return err;
    }
    gb_writer_slice(&writer, probe->name);
    gb_writer_varint(&writer, probe->generation);
    gb_out_frame_close(out, &writer, size, GB_FRAME_PROBE, request_id);
    return GB_OK;
}

gb_err gb_probe_decode(gb_slice payload, gb_probe *probe)
{
    gb_reader reader;
    gb_reader_init(&reader, payload);
    gb_probe result;
    result.name = gb_read_name(&reader);
    result.generation = gb_read_positive(&reader);
    gb_err err = gb_reader_finish(&reader);
    if (err != GB_OK) {
        return err;
    }
    *probe = result;
    return GB_OK;
}

static bool probe_result_is_valid(const gb_probe_result *result)
{
    return result->outcome <= GB_PROBE_NEWER_GENERATION &&
           (result->generation != 0) == (result->outcome == GB_PROBE_NEWER_GENERATION);
}

gb_err gb_probe_result_encode(gb_out *out, uint32_t request_id, const gb_probe_result *result)
{
    if (!probe_result_is_valid(result)) {
        return GB_EINVAL;
    }
    size_t size = 1 + gb_varint_size(result->generation);
    gb_writer writer;
    gb_err err = gb_out_frame_open(out, size, &writer);
    if (err != GB_OK) {
        return err;
    }
    gb_writer_u8(&writer, result->outcome);
    gb_writer_varint(&writer, result->generation);
    gb_out_frame_close(out, &writer, size, GB_FRAME_PROBE_RESULT, request_id);
    return GB_OK;
}

gb_err gb_probe_result_decode(gb_slice payload, gb_probe_result *result)
{
    gb_reader reader;
    gb_reader_init(&reader, payload);
    gb_probe_result read;
    read.outcome = gb_reader_u8(&reader);
    read.generation = gb_reader_varint(&reader);
    gb_err err = gb_reader_finish(&reader);
    if (err != GB_OK) {
        return err;
    }
    if (!probe_result_is_valid(&read)) {
        return GB_EMALFORMED;
    }
    *result = read;
    return GB_OK;
}
