/* SPDX-License-Identifier: Apache-2.0 */
/* out.h: how the codec appends frames to a gb_out.
 *
 * Messages whose size is known beforehand open a frame, fill a gb_writer that lies in the reserved
 * memory, and close it: `out->len` moves only at the close, so an error leaves nothing behind.
 * Messages of unknown size append piece by piece after a header that gb_out_frame_finish fills in;
 * on an error they set `out->len` back to where the frame began. */
#ifndef GB_CODEC_OUT_H
#define GB_CODEC_OUT_H

#include "goferbroke/message.h"
#include "platform/bytes.h"

/* Make room for `extra` bytes after `out->len`, which stays as it is. May move `out->base`.
 *
 * Errors: GB_ENOMEM: nothing changed. */
gb_err gb_out_reserve(gb_out *out, size_t extra);

/* Reserve a header and `payload_size` bytes, and set `writer` to those payload bytes. The writer
 * borrows them until the next call on `out`.
 *
 * Errors:
 *   GB_ETOOBIG  `payload_size` is over GB_FRAME_PAYLOAD_MAX.
 *   GB_ENOMEM
 * On error nothing changed. */
gb_err gb_out_frame_open(gb_out *out, size_t payload_size, gb_writer *writer);

/* End a frame of gb_out_frame_open: its payload is what the writer holds, which must be exactly the
 * size that was announced. Cannot fail. */
void gb_out_frame_close(gb_out *out, const gb_writer *writer, size_t payload_size, uint8_t type,
                        uint32_t request_id);

/* Fill in the header at offset `start`; the payload is everything behind it.
 *
 * Errors: GB_ETOOBIG: nothing changed. */
gb_err gb_out_frame_finish(gb_out *out, size_t start, uint8_t type, uint32_t request_id);

#endif
