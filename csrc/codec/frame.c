/* SPDX-License-Identifier: Apache-2.0 */
/* frame.c: the fixed header of a frame. */
#include "codec/frame.h"

#include "platform/assert.h"
#include "platform/bytes.h"
#include "platform/crc32c.h"
#include "platform/limits.h"

enum {
    AT_MAGIC = 0,
    AT_VERSION = 2,
    AT_TYPE = 3,
    AT_FLAGS = 4,
    AT_PAYLOAD_SIZE = 5,
    AT_REQUEST_ID = 8,
    AT_CHECKSUM = 12,
};

_Static_assert(GB_FRAME_PAYLOAD_MAX <= 0xffffff, "a payload size is 24 bits in the header");
_Static_assert(AT_CHECKSUM + 4 == GB_FRAME_HEADER_SIZE, "the checksum ends the header");

uint32_t gb_frame_checksum(const uint8_t *header, gb_slice payload)
{
    return gb_crc32c(gb_crc32c(0, header, AT_CHECKSUM), payload.base, payload.len);
}

gb_err gb_frame_header_encode(uint8_t type, uint8_t flags, uint32_t request_id, gb_slice payload,
                              uint8_t *header)
{
    GB_ASSERT(header != NULL);
    GB_ASSERT(payload.base != NULL || payload.len == 0);
    GB_ASSERT((flags & ~GB_FRAME_OPTIONAL) == 0);

    if (payload.len > GB_FRAME_PAYLOAD_MAX) {
        return GB_ETOOBIG;
    }
    gb_store_be16(header + AT_MAGIC, GB_FRAME_MAGIC);
    header[AT_VERSION] = GB_FRAME_VERSION;
    header[AT_TYPE] = type;
    header[AT_FLAGS] = flags;
    header[AT_PAYLOAD_SIZE] = (uint8_t)(payload.len >> 16);
    gb_store_be16(header + AT_PAYLOAD_SIZE + 1, (uint16_t)payload.len);
    gb_store_be32(header + AT_REQUEST_ID, request_id);
    gb_store_be32(header + AT_CHECKSUM, gb_frame_checksum(header, payload));
    return GB_OK;
}

gb_err gb_frame_header_decode(const uint8_t *bytes, size_t payload_size_max, gb_frame_header *out)
{
    if (gb_load_be16(bytes + AT_MAGIC) != GB_FRAME_MAGIC) {
        return GB_EMAGIC;
    }
    if (bytes[AT_VERSION] != GB_FRAME_VERSION) {
        return GB_EVERSION;
    }
    if ((bytes[AT_FLAGS] & ~GB_FRAME_OPTIONAL) != 0) {
        return GB_EMALFORMED;
    }
    size_t payload_size =
        (size_t)bytes[AT_PAYLOAD_SIZE] << 16 | gb_load_be16(bytes + AT_PAYLOAD_SIZE + 1);
    if (payload_size > payload_size_max) {
        return GB_ETOOBIG;
    }
    *out = (gb_frame_header){
        .type = bytes[AT_TYPE],
        .flags = bytes[AT_FLAGS],
        .request_id = gb_load_be32(bytes + AT_REQUEST_ID),
        .checksum = gb_load_be32(bytes + AT_CHECKSUM),
        .payload_size = payload_size,
    };
    return GB_OK;
}
