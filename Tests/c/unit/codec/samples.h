/* SPDX-License-Identifier: Apache-2.0 */
/* One frame of each type, and more where a type has several shapes: what Tests/Vectors holds, and
 * what the parser is fed. */
#ifndef GB_TEST_CODEC_SAMPLES_H
#define GB_TEST_CODEC_SAMPLES_H

#include "goferbroke/message.h"
#include "support/gb_test.h"

typedef struct codec_sample {
    const char *name;
    uint8_t type;        /* of the frame, or WALK_… of a bare value */
    uint32_t request_id; /* in the header */
    gb_err (*encode)(gb_out *out);
} codec_sample;

extern const codec_sample codec_samples[]; /* frames */
extern const size_t codec_sample_count;
extern const codec_sample codec_records[]; /* bare values */
extern const size_t codec_record_count;

/* Slice of a string literal; NUL bytes inside count. */
#define S(literal) gb_slice_make(literal, sizeof(literal) - 1)

/* The payload of the only frame in `out`, whose header must be whole and right. */
gb_slice codec_payload(gb_test *t, const gb_out *out, uint8_t type, uint32_t request_id);

/* The decoder of `type` on this payload cut off at every length, and with every bit turned: it says
 * no, or what it says yes to is consistent. A block of the exact size holds each, for
 * AddressSanitizer. */
void codec_mutate(gb_test *t, uint8_t type, gb_slice payload);

/* What the decoder of `type` says of these bytes. */
gb_err codec_verdict(gb_test *t, uint8_t type, gb_slice payload);

/* All samples, one after the other. */
void codec_encode_all(gb_test *t, gb_out *out);

#endif
