/* SPDX-License-Identifier: Apache-2.0 */
/* foe.h: one engine, and the other end of its links as bytes made by hand. */
#ifndef GB_TEST_FOE_H
#define GB_TEST_FOE_H

#include "world.h"

#include "engine/internal.h"

#include <string.h>

/* The other end of one link of an engine. */
typedef struct foe {
    gb_test *t;
    gb_engine *engine;
    gb_time_us now;
    uint64_t link;
    bool is_closed; /* by the engine */
    bool is_deaf;   /* reads nothing: what is sent to it stays queued */
    gb_out out;
    gb_parser *parser;
    uint32_t frames[256]; /* that came, by type */
    uint32_t events[64];
    uint32_t dials;
    uint32_t closes; /* of any link, by the engine */
    uint64_t dial_link;
    uint8_t last_outcome;
    gb_err last_code; /* of REJECT, BYE or ERROR */
    uint64_t last_generation;
} foe;

static inline void take_frames(foe *f, gb_slice bytes)
{
    gb_frame frame;
    gb_err err;
    while ((err = gb_parser_next(f->parser, &bytes, &frame)) == GB_OK) {
        f->frames[frame.type]++;
        gb_notice notice;
        gb_probe_result result;
        if ((frame.type == GB_FRAME_REJECT || frame.type == GB_FRAME_BYE ||
             frame.type == GB_FRAME_ERROR) &&
            gb_notice_decode(frame.payload, &notice) == GB_OK) {
            f->last_code = (gb_err)notice.code;
            f->last_generation = notice.generation;
        } else if (frame.type == GB_FRAME_PROBE_RESULT &&
                   gb_probe_result_decode(frame.payload, &result) == GB_OK) {
            f->last_outcome = result.outcome;
        }
    }
    gb_test *t = f->t;
    expect_err(err, GB_EAGAIN);
}

static inline void drain(foe *f)
{
    gb_engine_flush(f->engine, f->now);
    gb_effect effect;
    while (gb_engine_effect_next(f->engine, &effect)) {
        switch (effect.kind) {
        case GB_EFFECT_SEND:
            if (effect.link == f->link) {
                take_frames(f, gb_slice_make(effect.buffer.base, effect.buffer.len));
            }
            if (!f->is_deaf) {
                gb_engine_sent(f->engine, f->now, effect.link, effect.buffer.len);
            }
            gb_engine_recycle(f->engine, &effect.buffer);
            break;
        case GB_EFFECT_DIAL:
            f->dials++;
            f->dial_link = effect.link;
            break;
        case GB_EFFECT_CLOSE:
            f->closes++;
            f->is_closed = f->is_closed || effect.link == f->link;
            break;
        default:
            f->events[effect.event->kind]++;
            break;
        }
    }
}

/* Hand over what was collected in f->out. */
static inline void say(foe *f)
{
    gb_engine_received(f->engine, f->now, f->link, gb_slice_make(f->out.base, f->out.len));
    gb_out_clear(&f->out);
    drain(f);
    gb_engine_check(f->engine);
}

/* Time passes; nothing is said. */
static inline void wait(foe *f, uint64_t us)
{
    gb_time_us end = f->now + us;
    while (f->now < end) {
        gb_time_us at = gb_engine_deadline(f->engine);
        f->now = at > f->now && at < end ? at : at <= f->now ? f->now + 1 : end;
        gb_engine_tick(f->engine, f->now);
        drain(f);
    }
}

static inline gb_hello hello_of(const char *name, uint64_t generation)
{
    return (gb_hello){.protocol_min = 1,
                      .protocol_max = 1,
                      .features = GB_FEATURES_OURS,
                      .role = GB_ROLE_MEMBER,
                      .cluster = gb_slice_from_str("test"),
                      .name = gb_slice_from_str(name),
                      .generation = generation,
                      .instance = 77,
                      .map_hash = 1};
}

static inline void accept_link(foe *f)
{
    gb_test *t = f->t;
    f->is_closed = false;
    expect_ok(gb_engine_accepted(f->engine, f->now, GB_ROLE_MEMBER, gb_slice_from_str("10.0.0.9"),
                                 999, &f->link));
    gb_parser_close(f->parser);
    expect_ok(gb_parser_open(t->allocator, GB_FRAME_PAYLOAD_MAX, &f->parser));
}

/* Somebody who connects and says nothing. */
static inline void accept_silent(foe *f)
{
    gb_test *t = f->t;
    uint64_t link;
    expect_ok(
        gb_engine_accepted(f->engine, f->now, GB_ROLE_MEMBER, gb_slice_from_str("h"), 1, &link));
}

static inline void greet(foe *f, const char *name, uint64_t generation)
{
    gb_test *t = f->t;
    accept_link(f);
    gb_hello hello = hello_of(name, generation);
    expect_ok(gb_hello_encode(&f->out, GB_FRAME_HELLO, 0, &hello));
    say(f);
}

static inline void foe_open(gb_test *t, foe *f, const gb_engine_options *given)
{
    memset(f, 0, sizeof *f);
    f->t = t;
    f->now = WORLD_S;
    gb_out_init(&f->out, t->allocator);
    static const gb_address own = {
        .scope = GB_SCOPE_LOCAL, .host = {(const uint8_t *)"here", 4}, .port = 1};
    gb_engine_options options = given != NULL ? *given : (gb_engine_options){0};
    options.size = sizeof options;
    options.allocator = t->allocator;
    options.cluster = gb_slice_from_str("test");
    options.name = gb_slice_from_str("victim");
    options.generation = 5;
    options.instance = 1;
    options.addresses = &own;
    options.address_count = 1;
    expect_ok(gb_engine_open(&options, f->now, &f->engine, NULL));
    gb_engine_join(f->engine, f->now);
    drain(f);
}

static inline void foe_close(foe *f)
{
    gb_engine_close(f->engine);
    gb_parser_close(f->parser);
    gb_out_deinit(&f->out);
}

#endif
