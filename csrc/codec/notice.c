/* SPDX-License-Identifier: Apache-2.0 */
/* notice.c: REJECT, BYE and ERROR. */
#include "codec/fields.h"
#include "codec/out.h"

/* What of `text` can be sent: its longest prefix that is valid and within the limit. A notice is
 * often the last word on a link: a sentence that was cut badly must not keep it from going out. */
static gb_slice notice_cut(gb_slice text)
{
    if (text.len > GB_ERROR_TEXT_MAX) {
        text.len = GB_ERROR_TEXT_MAX;
    }
    while (!gb_utf8_is_valid(text)) {
        text.len--;
    }
    return text;
}

gb_err gb_notice_encode(gb_out *out, uint8_t frame_type, uint32_t request_id,
                        const gb_notice *notice)
{
    if (frame_type != GB_FRAME_REJECT && frame_type != GB_FRAME_BYE &&
        frame_type != GB_FRAME_ERROR) {
        return GB_EINVAL;
    }
    if (notice->code > 0 || notice->code == INT32_MIN ||
        (notice->code == 0 && frame_type != GB_FRAME_BYE) ||
        (notice->generation != 0 && notice->code != GB_EREJECTED_GENERATION)) {
        return GB_EINVAL;
    }
    uint32_t code = (uint32_t)-notice->code;
    gb_slice text = notice_cut(notice->text);
    size_t size =
        gb_varint_size(code) + gb_varint_size(notice->generation) + gb_writer_slice_size(text.len);
    gb_writer writer;
    gb_err err = gb_out_frame_open(out, size, &writer);
    if (err != GB_OK) {
        return err;
    }
    gb_writer_varint(&writer, code);
    gb_writer_varint(&writer, notice->generation);
    gb_writer_slice(&writer, text);
    gb_out_frame_close(out, &writer, size, frame_type, request_id);
    return GB_OK;
}

gb_err gb_notice_decode(gb_slice payload, gb_notice *notice)
{
    gb_reader reader;
    gb_reader_init(&reader, payload);
    int32_t code = -(int32_t)gb_read_varint(&reader, INT32_MAX);
    uint64_t generation = gb_reader_varint(&reader);
    gb_slice text = gb_read_bytes(&reader, GB_ERROR_TEXT_MAX, GB_EMALFORMED);
    /* Bytes after this are fields of later versions: an old node must understand why a newer one
     * turns it away. */
    if (reader.err != GB_OK) {
        return reader.err;
    }
    if (!gb_utf8_is_valid(text)) {
        return GB_EMALFORMED;
    }
    *notice = (gb_notice){
        .code = code,
        .generation = code == GB_EREJECTED_GENERATION ? generation : 0,
        .text = text,
    };
    return GB_OK;
}
