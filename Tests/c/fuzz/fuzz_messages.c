/* SPDX-License-Identifier: Apache-2.0 */
/* Every payload: the first byte is the type, the rest is decoded as its payload. */
#include "fuzz/codec_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return -1;
    }
    /* A block of its own, so that one byte too far is outside. */
    size_t payload_size = size - 1;
    uint8_t *payload = payload_size == 0 ? NULL : malloc(payload_size);
    GB_ASSERT(payload != NULL || payload_size == 0);
    if (payload_size > 0) {
        memcpy(payload, data + 1, payload_size);
    }
    gb_err err = walk_check(data[0], gb_slice_make(payload, payload_size));
    free(payload);
    /* Types that nobody decodes lead nowhere: keep them out of the corpus. */
    return err == GB_ETYPE_UNKNOWN ? -1 : 0;
}
