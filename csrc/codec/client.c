/* SPDX-License-Identifier: Apache-2.0 */
/* client.c: frames of the client doors; what is in them is the host's business. */
#include "codec/fields.h"
#include "codec/out.h"

gb_err gb_client_frame_encode(gb_out *out, uint8_t frame_type, uint32_t request_id,
                              gb_slice payload)
{
    if (frame_type < GB_FRAME_CLIENT_REQUEST || frame_type > GB_FRAME_CLIENT_CANCEL) {
        return GB_EINVAL;
    }
    gb_writer writer;
    gb_err err = gb_out_frame_open(out, payload.len, &writer);
    if (err != GB_OK) {
        return err;
    }
    gb_writer_bytes(&writer, payload);
    gb_out_frame_close(out, &writer, payload.len, frame_type, request_id);
    return GB_OK;
}
