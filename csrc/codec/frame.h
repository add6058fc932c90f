/* SPDX-License-Identifier: Apache-2.0 */
/* frame.h: the fixed header, bytes <-> struct. */
#ifndef GB_CODEC_FRAME_H
#define GB_CODEC_FRAME_H

#include "goferbroke/frame.h"

typedef struct gb_frame_header {
    uint8_t type;
    uint8_t flags;
    uint32_t request_id;
    uint32_t checksum;
    size_t payload_size; /* 0 … the limit that it was decoded with */
} gb_frame_header;

/* Decode the GB_FRAME_HEADER_SIZE bytes at `bytes` (borrowed). The checksum is not verified: the
 * payload belongs to it.
 *
 * Errors, in the order in which they are looked for: GB_EMAGIC, GB_EVERSION, GB_EMALFORMED (flag
 * bits that must be zero), GB_ETOOBIG (the payload is over `payload_size_max`).
 * On error `out` is unchanged. */
gb_err gb_frame_header_decode(const uint8_t *bytes, size_t payload_size_max, gb_frame_header *out);

/* The checksum that belongs into a frame with these first 12 bytes and this payload. */
uint32_t gb_frame_checksum(const uint8_t *header, gb_slice payload);

/* Give back the memory of a collected payload, where none is being collected. What a frame of the
 * last gb_parser_next lends is void then. */
void gb_parser_trim(gb_parser *parser);

#endif
