/* SPDX-License-Identifier: Apache-2.0 */
/* Every payload: the first byte is the type, the rest is decoded as its payload.
 * GB_FUZZ_MESSAGE=type in the environment, a number, holds a run to one message. */
#include "fuzz/codec_walk.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int held_type = -1; /* -1: all of them */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *held = getenv("GB_FUZZ_MESSAGE");
    if (held != NULL) {
        char *end = NULL;
        unsigned long type = strtoul(held, &end, 0);
        if (end == held || *end != '\0' || type > UINT8_MAX) {
            (void)fprintf(stderr, "GB_FUZZ_MESSAGE=%s is no message type (0 to 255)\n", held);
            exit(2);
        }
        held_type = (int)type;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || (held_type >= 0 && data[0] != held_type)) {
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
