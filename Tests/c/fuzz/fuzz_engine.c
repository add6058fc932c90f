/* SPDX-License-Identifier: Apache-2.0 */
/* The engine behind an accepted link: whatever a peer sends after a valid HELLO, the machine stays
 * whole.
 *
 * Input: a byte of options, then commands: a byte says which, one byte how long, and that many
 * bytes are its argument. Some commands are raw payloads of a frame type, so that decoders are
 * reached; others make valid messages of small numbers, so that what lies behind decoders is. */
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

#define LINKS_MAX 8
#define NAMES 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct fuzz_state {
    gb_engine *engine;
    gb_time_us now;
    uint64_t links[LINKS_MAX]; /* numbers that the engine gave: accepted or dialled */
    uint32_t link_count;
    uint32_t link_at; /* the one that is spoken on */
    gb_out out;
} fuzz_state;

/* Numbers out of an argument, 0 where it ends. */
typedef struct fuzz_bytes {
    const uint8_t *at;
    size_t left;
} fuzz_bytes;

static uint8_t take_u8(fuzz_bytes *b)
{
    if (b->left == 0) {
        return 0;
    }
    b->left--;
    return *b->at++;
}

/* Mostly small, now and then at the end of the range. */
static uint64_t take_number(fuzz_bytes *b)
{
    uint8_t value = take_u8(b);
    return value < 0xf0 ? value : UINT64_MAX - (value - 0xf0u);
}

static gb_slice take_name(fuzz_bytes *b)
{
    static const char *const names[NAMES] = {"victim", "evil", "a", "b", "z", "k"};
    return gb_slice_from_str(names[take_u8(b) % NAMES]);
}

static void keep_link(fuzz_state *s, uint64_t link)
{
    s->links[s->link_count % LINKS_MAX] = link;
    s->link_count++;
    s->link_at = (s->link_count - 1) % LINKS_MAX;
}

static uint64_t link_now(const fuzz_state *s)
{
    return s->links[s->link_at];
}

static void drain(fuzz_state *s)
{
    gb_engine_flush(s->engine, s->now);
    gb_effect effect;
    while (gb_engine_effect_next(s->engine, &effect)) {
        if (effect.kind == GB_EFFECT_SEND) {
            gb_engine_sent(s->engine, s->now, effect.link, effect.buffer.len);
            gb_engine_recycle(s->engine, &effect.buffer);
        } else if (effect.kind == GB_EFFECT_DIAL) {
            keep_link(s, effect.link);
        }
    }
}

/* From a block of its own, so that one byte too far is outside. */
static void hand_over(fuzz_state *s)
{
    uint8_t *copy = malloc(s->out.len + 1);
    GB_ASSERT(copy != NULL);
    if (s->out.len > 0) {
        memcpy(copy, s->out.base, s->out.len);
    }
    gb_engine_received(s->engine, s->now, link_now(s), gb_slice_make(copy, s->out.len));
    free(copy);
    gb_out_clear(&s->out);
    drain(s);
}

static void raw_frame(fuzz_state *s, uint8_t type, fuzz_bytes *b)
{
    uint32_t request_id = take_u8(b);
    uint8_t flags = take_u8(b) & GB_FRAME_OPTIONAL;
    uint8_t header[GB_FRAME_HEADER_SIZE];
    gb_slice payload = gb_slice_make(b->at, b->left);
    GB_ASSERT(gb_frame_header_encode(type, flags, request_id, payload, header) == GB_OK);
    uint8_t *frame = malloc(sizeof header + payload.len);
    GB_ASSERT(frame != NULL);
    memcpy(frame, header, sizeof header);
    if (payload.len > 0) {
        memcpy(frame + sizeof header, payload.base, payload.len);
    }
    gb_engine_received(s->engine, s->now, link_now(s),
                       gb_slice_make(frame, sizeof header + payload.len));
    free(frame);
    drain(s);
}

/* ---- Messages of small numbers -----------------------------------------------------------------
 */

static gb_load take_load(fuzz_bytes *b)
{
    gb_load load = {.rho = take_number(b) * 100000, .tau = take_number(b) * 100000};
    load.rho = load.rho < GB_RATE_MAX ? load.rho : GB_RATE_MAX;
    load.tau = load.tau < GB_RATE_MAX ? load.tau : GB_RATE_MAX;
    uint8_t moved = take_u8(b);
    load.moved = moved == 0xff   ? (int64_t)GB_RATE_MAX
                 : moved == 0xfe ? -(int64_t)GB_RATE_MAX
                                 : ((int64_t)moved - 128) * 100000;
    return load;
}

static void make_hello(fuzz_state *s, uint8_t type, fuzz_bytes *b)
{
    gb_hello hello = {.protocol_min = 1,
                      .protocol_max = 1,
                      .role = (uint8_t)(GB_ROLE_MEMBER + take_u8(b) % 2),
                      .cluster = gb_slice_from_str("test"),
                      .name = take_name(b),
                      .flags = take_u8(b) & (GB_HELLO_HAS_DETECTOR | GB_HELLO_IS_ESTABLISHED),
                      .generation = take_number(b) | 1,
                      .instance = 2 + take_u8(b) % 3u,
                      .map_hash = take_u8(b)};
    uint8_t more = take_u8(b);
    hello.features = GB_FEATURES_OURS & ~(uint64_t)(more >> 6);
    hello.address_count = more % 3;
    for (uint8_t i = 0; i < hello.address_count; i++) {
        hello.addresses[i] = (gb_address){
            .scope = GB_SCOPE_LOCAL, .host = take_name(b), .port = (uint16_t)(1 + take_u8(b))};
    }
    (void)gb_hello_encode(&s->out, type, 0, &hello);
}

static void make_index(fuzz_state *s, fuzz_bytes *b)
{
    gb_index_entry entries[4];
    uint32_t count = 1 + take_u8(b) % 4u;
    for (uint32_t i = 0; i < count; i++) {
        entries[i].index = take_u8(b) % 8u;
        entries[i].name = take_name(b);
        entries[i].generation = take_number(b);
        entries[i].incarnation = take_number(b);
        entries[i].departed = take_number(b);
    }
    (void)gb_index_encode(&s->out, entries, count);
}

static void make_value(fuzz_bytes *b, gb_out *value)
{
    uint8_t kind = take_u8(b) % 3;
    if (kind == 0) {
        gb_node_record record = {.flags = take_u8(b) & 3,
                                 .instance = take_u8(b),
                                 .incarnation = take_number(b),
                                 .address_count = take_u8(b) % 2};
        record.addresses[0] =
            (gb_address){.scope = GB_SCOPE_LOCAL, .host = take_name(b), .port = 7};
        (void)gb_node_record_encode(value, &record);
    } else if (kind == 1) {
        gb_accusation accusation = {.generation = take_number(b),
                                    .incarnation = take_number(b),
                                    .reason = take_u8(b) % 3,
                                    .flags = take_u8(b) & GB_ACCUSE_VERDICT};
        (void)gb_accusation_encode(value, &accusation);
    }
}

static void make_deltas(fuzz_state *s, fuzz_bytes *b)
{
    uint32_t index = take_u8(b) % 8u;
    uint8_t lane = take_u8(b) % GB_LANE_COUNT;
    uint8_t flags = take_u8(b);
    bool is_end = (flags & GB_DELTAS_END) != 0;
    flags &= GB_DELTAS_RESET | GB_DELTAS_PULLED;
    uint64_t version = take_number(b);
    uint32_t count = take_u8(b) % 4u;
    gb_deltas_writer w;
    gb_deltas_begin(&w, &s->out, index, lane, version, take_number(b), GB_CHUNK_SIZE);
    gb_out value;
    gb_out_init(&value, gb_allocator_default());
    for (uint32_t i = 0; i < count; i++) {
        static const char *const groups[] = {"node", "accuse", "g"};
        gb_slice group = gb_slice_from_str(groups[take_u8(b) % 3]);
        bool is_self = take_u8(b) % 2 == 0;
        gb_slice key = is_self ? gb_slice_from_str("self") : take_name(b);
        uint8_t step = take_u8(b);
        bool is_tombstone = (step & 0x80) != 0;
        gb_out_clear(&value);
        if (!is_tombstone) {
            make_value(b, &value);
        }
        version += version < UINT64_MAX - 8 ? 1 + (step & 3) : 0;
        gb_delta delta = {.version = version,
                          .type = is_tombstone ? GB_VALUE_TOMBSTONE : GB_VALUE_BYTES,
                          .ttl_ms = !is_tombstone && (step & 0x40) != 0 ? take_u8(b) : 0,
                          .group = group,
                          .key = key,
                          .value = gb_slice_make(value.base, value.len)};
        (void)gb_deltas_try_add(&w, &delta);
    }
    gb_out_deinit(&value);
    uint64_t to = version + (version < UINT64_MAX - 8 ? take_u8(b) % 3u : 0);
    uint64_t more = is_end || to > UINT64_MAX - 8 ? 0 : 1 + take_u8(b) % 8u;
    (void)gb_deltas_end(&w, to, to + more, flags);
}

static void make_entry(fuzz_bytes *b, gb_digest_entry *entry)
{
    memset(entry, 0, sizeof *entry);
    entry->index = take_u8(b) % 8u;
    entry->lane_mask = take_u8(b) & GB_LANES_ALL;
    for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
        if ((entry->lane_mask & GB_LANE_BIT(lane)) != 0) {
            entry->version[lane] = take_number(b);
        }
    }
}

static void make_digest(fuzz_state *s, fuzz_bytes *b)
{
    static const uint8_t types[] = {GB_FRAME_SYN, GB_FRAME_SYN_ACK, GB_FRAME_ACK};
    gb_digest_writer w;
    uint8_t type = types[take_u8(b) % 3];
    uint32_t request_id = take_u8(b);
    const gb_link *link = link_find(s->engine, link_now(s));
    if (link != NULL && link->exchange_no != 0 && request_id % 4 != 0) {
        request_id = link->exchange_no;
    }
    gb_digest_begin(&w, &s->out, type, request_id, take_number(b));
    uint8_t content = take_u8(b);
    uint8_t bits = content >> 4 & 3;
    if ((content & 1) != 0) {
        uint64_t fingerprints[8];
        for (uint32_t i = 0; i < 8; i++) {
            fingerprints[i] = take_u8(b);
        }
        gb_digest_put_fingerprints(&w, bits, fingerprints);
    }
    if ((content & 2) != 0) {
        static const uint32_t buckets[8] = {0, 1, 2, 3, 4, 5, 6, 7};
        gb_digest_put_buckets(&w, bits, buckets, take_u8(b) % ((1u << bits) + 1));
    }
    if ((content & 4) != 0) {
        gb_digest_put_direct(&w);
    }
    if ((content & 8) != 0) {
        gb_load load = take_load(b);
        gb_digest_put_load(&w, &load);
    }
    for (uint32_t count = take_u8(b) % 6u; count > 0; count--) {
        gb_digest_entry entry;
        make_entry(b, &entry);
        gb_digest_put_entry(&w, &entry);
    }
    (void)gb_digest_end(&w);
}

static void make_lists(fuzz_state *s, fuzz_bytes *b)
{
    static const uint8_t types[] = {GB_FRAME_I_HAVE, GB_FRAME_PULL, GB_FRAME_PULL_CANCEL};
    uint8_t kind = take_u8(b) % 5;
    uint32_t count = 1 + take_u8(b) % 3u;
    uint32_t indexes[3];
    gb_digest_entry grafts[3];
    gb_lane_entry lanes[3];
    for (uint32_t i = 0; i < count; i++) {
        if (kind == 3) {
            indexes[i] = take_u8(b) % 8u;
        } else if (kind == 4) {
            make_entry(b, &grafts[i]);
        } else {
            lanes[i] =
                (gb_lane_entry){.index = take_u8(b) % 8u, .lane = take_u8(b) % GB_LANE_COUNT};
            lanes[i].version = kind == 2 ? 0 : take_number(b);
            lanes[i].floor = kind == 1 ? take_number(b) : 0;
        }
    }
    if (kind == 3) {
        (void)gb_prune_encode(&s->out, indexes, count);
    } else if (kind == 4) {
        (void)gb_graft_encode(&s->out, grafts, count);
    } else {
        (void)gb_lane_list_encode(&s->out, types[kind], lanes, count);
    }
}

static void make_probe(fuzz_state *s, fuzz_bytes *b)
{
    if (take_u8(b) % 2 == 0) {
        gb_probe probe = {.name = take_name(b), .generation = take_number(b)};
        (void)gb_probe_encode(&s->out, take_u8(b), &probe);
        return;
    }
    gb_probe_result result = {.outcome = take_u8(b) % 5};
    result.generation = result.outcome == GB_PROBE_NEWER_GENERATION ? take_number(b) : 0;
    (void)gb_probe_result_encode(&s->out, s->engine->request_no - take_u8(b) % 4u, &result);
}

static void make_small(fuzz_state *s, fuzz_bytes *b)
{
    gb_heartbeat heartbeat = {.map_hash = gb_map_hash(s->engine->map) + take_u8(b) % 2u};
    gb_notice notice = {.code = GB_EREJECTED_GENERATION, .generation = take_number(b)};
    static const gb_err codes[] = {GB_EREJECTED_NAME_IN_USE, GB_EREPLACED, GB_EREJECTED_SELF,
                                   GB_EREJECTED_FULL};
    uint32_t recent = s->engine->request_no - take_u8(b) % 4u;
    uint8_t kind = take_u8(b);
    heartbeat.has_load = kind >= 128;
    heartbeat.load = heartbeat.has_load ? take_load(b) : (gb_load){0};
    switch (kind % 5) {
    case 0:
        (void)gb_heartbeat_encode(&s->out, GB_FRAME_HEARTBEAT, recent, &heartbeat);
        break;
    case 1:
        (void)gb_heartbeat_encode(&s->out, GB_FRAME_HEARTBEAT_ACK, recent, &heartbeat);
        break;
    case 2:
        (void)gb_empty_encode(&s->out, GB_FRAME_PONG, recent);
        break;
    case 3:
        (void)gb_notice_encode(&s->out, GB_FRAME_REJECT, 0, &notice);
        break;
    default:
        notice = (gb_notice){.code = codes[take_u8(b) % 4]};
        (void)gb_notice_encode(&s->out, GB_FRAME_REJECT, 0, &notice);
        break;
    }
}

/* ---- What the host and the world do ------------------------------------------------------------
 */

static void act(fuzz_state *s, fuzz_bytes *b)
{
    gb_action action = {.kind = (uint8_t)(1 + take_u8(b) % 7),
                        .name = take_name(b),
                        .generation = take_number(b),
                        .incarnation = take_number(b),
                        .reason = take_u8(b) % 3,
                        .helper = take_name(b)};
    gb_engine_act(s->engine, s->now, &action);
}

static void accept_link(fuzz_state *s, fuzz_bytes *b)
{
    uint64_t link;
    uint8_t role = take_u8(b) % 8 == 7 ? GB_ROLE_CLIENT : GB_ROLE_MEMBER;
    if (gb_engine_accepted(s->engine, s->now, role, gb_slice_from_str("h"), 1, &link) == GB_OK) {
        keep_link(s, link);
    }
}

static void change(fuzz_state *s, fuzz_bytes *b)
{
    gb_slice group = gb_slice_from_str("g");
    gb_slice key = take_name(b);
    uint8_t lane = take_u8(b) % GB_LANE_COUNT;
    if (take_u8(b) % 3 == 0) {
        (void)gb_engine_delete(s->engine, s->now, lane, group, key);
    } else {
        (void)gb_engine_set(s->engine, s->now, lane, group, key, GB_VALUE_BYTES, key,
                            take_u8(b) & 0x3f);
    }
}

static gb_engine_settings make_settings(uint8_t first, uint8_t second)
{
    return (gb_engine_settings){.tombstone_grace_us = 200000,
                                .departed_retention_us = 3000000,
                                .full_mesh_max = (first & 8) != 0 ? 2 : 0,
                                .key_count_max = (first & 16) != 0 ? 8 : 0,
                                .gossip_mode = (first & 32) != 0 ? GB_GOSSIP_PAPER : GB_GOSSIP_PUSH,
                                .delta_order =
                                    (first & 64) != 0 ? GB_ORDER_BREADTH : GB_ORDER_DEPTH,
                                .delta_limit = second & 3,
                                .is_flow_disabled = (second & 4) != 0,
                                .link_queue_max = (second & 8) != 0 ? 200 : 0,
                                .flow_over_count = second >> 4 & 1,
                                .flow_under_count = second >> 5 & 1,
                                .flow_rate_max = second >> 6};
}

static void command(fuzz_state *s, uint8_t what, fuzz_bytes *b)
{
    switch (what % 21) {
    case 0:
        make_hello(s, take_u8(b) % 2 == 0 ? GB_FRAME_HELLO : GB_FRAME_WELCOME, b);
        break;
    case 1:
    case 2:
        make_index(s, b);
        break;
    case 3:
    case 4:
    case 5:
        make_deltas(s, b);
        break;
    case 6:
    case 7:
        make_digest(s, b);
        break;
    case 8:
    case 9:
        make_lists(s, b);
        break;
    case 10:
        make_probe(s, b);
        break;
    case 11:
        make_small(s, b);
        break;
    case 12:
        s->now += take_u8(b) * UINT64_C(20000);
        gb_engine_tick(s->engine, s->now);
        break;
    case 13:
        act(s, b);
        break;
    case 14:
        change(s, b);
        break;
    case 15:
        gb_engine_connected(s->engine, s->now, link_now(s));
        break;
    case 16:
        gb_engine_closed(s->engine, s->now, link_now(s), (uint8_t)(1 + take_u8(b) % 9),
                         gb_slice_make(NULL, 0));
        break;
    case 17:
        accept_link(s, b);
        break;
    case 20: {
        uint8_t first = take_u8(b);
        gb_engine_settings settings = make_settings(first, take_u8(b));
        gb_engine_configure(s->engine, s->now, &settings);
        break;
    }
    case 18:
        s->link_at = take_u8(b) % LINKS_MAX;
        break;
    default:
        if (take_u8(b) == 0xaa) {
            gb_engine_leave(s->engine, s->now);
        }
        s->now += UINT64_C(1000000) * take_u8(b);
        gb_engine_tick(s->engine, s->now);
        break;
    }
    hand_over(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return -1;
    }
    fuzz_state s = {.now = 1000000};
    gb_address own = {.scope = GB_SCOPE_LOCAL, .host = gb_slice_from_str("here"), .port = 1};
    gb_address seed = {.scope = GB_SCOPE_LOCAL, .host = gb_slice_from_str("seed"), .port = 1};
    gb_engine_options options = {.size = sizeof options,
                                 .cluster = gb_slice_from_str("test"),
                                 .name = gb_slice_from_str("victim"),
                                 .generation = 5,
                                 .instance = 1,
                                 .seed = data[0],
                                 .has_detector = (data[0] & 1) != 0,
                                 .participant_count_max = (data[0] & 2) != 0 ? 4 : 0,
                                 .addresses = &own,
                                 .address_count = 1,
                                 .seeds = &seed,
                                 .seed_count = (data[0] & 4) != 0,
                                 .settings = make_settings(data[0], 0)};
    GB_ASSERT(gb_engine_open(&options, s.now, &s.engine, NULL) == GB_OK);
    gb_out_init(&s.out, gb_allocator_default());
    gb_engine_join(s.engine, s.now);
    fuzz_bytes hello = {data, 0};
    accept_link(&s, &hello);
    make_hello(&s, GB_FRAME_HELLO, &(fuzz_bytes){(const uint8_t *)"\0\1\0\1", 4});
    hand_over(&s);

    fuzz_bytes rest = {data + 1, size - 1};
    while (rest.left > 0) {
        uint8_t what = take_u8(&rest);
        size_t len = take_u8(&rest);
        fuzz_bytes argument = {rest.at, len < rest.left ? len : rest.left};
        rest.at += argument.left;
        rest.left -= argument.left;
        if (what < 64) {
            raw_frame(&s, what % 24, &argument);
        } else {
            command(&s, what, &argument);
        }
        gb_engine_check(s.engine);
    }
    gb_engine_check(s.engine);
    gb_engine_close(s.engine);
    gb_out_deinit(&s.out);
    return 0;
}
