/* SPDX-License-Identifier: Apache-2.0 */
/* heartbeat.c: PING and PONG, HEARTBEAT and its acknowledgement. */
#include "codec/fields.h"
#include "codec/out.h"

gb_err gb_empty_encode(gb_out *out, uint8_t frame_type, uint32_t request_id)
{
    if (frame_type != GB_FRAME_PING && frame_type != GB_FRAME_PONG) {
        return GB_EINVAL;
    }
    gb_writer writer;
    gb_err err = gb_out_frame_open(out, 0, &writer);
    if (err != GB_OK) {
        return err;
    }
    gb_out_frame_close(out, &writer, 0, frame_type, request_id);
    return GB_OK;
}

gb_err gb_heartbeat_encode(gb_out *out, uint8_t frame_type, uint32_t request_id,
                           const gb_heartbeat *heartbeat)
{
    if (frame_type != GB_FRAME_HEARTBEAT && frame_type != GB_FRAME_HEARTBEAT_ACK) {
        return GB_EINVAL;
    }
    if (heartbeat->has_load && !gb_load_is_valid(&heartbeat->load)) {
        return GB_EINVAL;
    }
    size_t size =
        sizeof heartbeat->map_hash + (heartbeat->has_load ? gb_load_size(&heartbeat->load) : 0);
    gb_writer writer;
    gb_err err = gb_out_frame_open(out, size, &writer);
    if (err != GB_OK) {
        return err;
    }
    gb_writer_be64(&writer, heartbeat->map_hash);
    if (heartbeat->has_load) {
        gb_load_write(&writer, &heartbeat->load);
    }
    gb_out_frame_close(out, &writer, size, frame_type, request_id);
    return GB_OK;
}

gb_err gb_heartbeat_decode(gb_slice payload, gb_heartbeat *heartbeat)
{
    gb_reader reader;
    gb_reader_init(&reader, payload);
    gb_heartbeat result = {.map_hash = gb_reader_be64(&reader)};
    result.has_load = reader.err == GB_OK && gb_reader_remaining(&reader) > 0;
    if (result.has_load) {
        gb_load_read(&reader, &result.load);
    }
    gb_err err = gb_reader_finish(&reader);
    if (err != GB_OK) {
        return err;
    }
    *heartbeat = result;
    return GB_OK;
}
