/* SPDX-License-Identifier: Apache-2.0 */
/* world.c: see world.h. */
#include "world.h"

#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/limits.h"

#include <stdio.h>
#include <string.h>

typedef enum packet_kind {
    PACKET_BYTES,
    PACKET_CONNECT,
    PACKET_CONNECTED,
    PACKET_FAILED,
    PACKET_SENT, /* to the sender: so many bytes have left */
    PACKET_END
} packet_kind;

/* One end of a connection. */
typedef struct world_end {
    uint32_t node;
    uint64_t life;
    uint64_t link;
    bool is_open; /* the engine knows it */
    gb_time_us busy_until;
    gb_time_us last_at;    /* order of delivery */
    gb_time_us held_until; /* when what was held back for this end is looked at again */
    uint32_t held_count;   /* so many: what comes meanwhile waits behind them */
} world_end;

typedef struct world_connection {
    world_end ends[2]; /* dialler, acceptor */
    bool is_dead;
    uint32_t packet_count; /* under way */
} world_connection;

typedef struct world_packet {
    gb_time_us at;
    uint64_t no;
    packet_kind kind;
    uint32_t connection;
    uint32_t side; /* whom it is for */
    uint8_t cause;
    uint8_t *bytes;
    size_t len;
    bool is_held;
} world_packet;

static bool packet_before(const world_packet *a, const world_packet *b)
{
    return a->at != b->at ? a->at < b->at : a->no < b->no;
}

static world_packet *packet_push(world *w, world_packet packet)
{
    if (w->packet_count == w->packet_capacity) {
        w->packet_capacity = w->packet_capacity == 0 ? 256 : w->packet_capacity * 2;
        w->packets =
            gb_realloc_array(w->allocator, w->packets, w->packet_capacity, sizeof *w->packets);
        GB_ASSERT(w->packets != NULL);
    }
    if (packet.no == 0) { /* one that was held back keeps its place among the others */
        w->packet_no++;
        packet.no = w->packet_no;
    }
    w->connections[packet.connection].packet_count++;
    uint32_t at = w->packet_count;
    w->packet_count++;
    while (at > 0 && packet_before(&packet, &w->packets[(at - 1) / 2])) {
        w->packets[at] = w->packets[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    w->packets[at] = packet;
    return &w->packets[at];
}

static world_packet packet_pop(world *w)
{
    world_packet top = w->packets[0];
    w->packet_count--;
    world_packet last = w->packets[w->packet_count];
    uint32_t at = 0;
    while (2 * at + 1 < w->packet_count) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < w->packet_count &&
            packet_before(&w->packets[child + 1], &w->packets[child])) {
            child++;
        }
        if (!packet_before(&w->packets[child], &last)) {
            break;
        }
        w->packets[at] = w->packets[child];
        at = child;
    }
    w->packets[at] = last;
    w->connections[top.connection].packet_count--;
    return top;
}

world *world_open(gb_test *t, const world_options *options)
{
    world *w = gb_alloc_zeroed(t->allocator, sizeof *w);
    GB_ASSERT(w != NULL && options->node_count <= WORLD_NODES_MAX);
    w->test = t;
    w->allocator = t->allocator;
    w->options = *options;
    w->options.latency_us = options->latency_us == 0 ? 200 : options->latency_us;
    w->now = WORLD_S;
    w->rng = t->rng;
    for (uint32_t i = 0; i < WORLD_NODES_MAX; i++) {
        w->nodes[i].world = w;
        w->nodes[i].index = i;
        (void)snprintf(w->nodes[i].host, sizeof w->nodes[i].host, "h%u", i);
    }
    return w;
}

void world_close(world *w)
{
    for (uint32_t i = 0; i < WORLD_NODES_MAX; i++) {
        gb_engine_close(w->nodes[i].engine);
    }
    for (uint32_t i = 0; i < w->packet_count; i++) {
        gb_free(w->allocator, w->packets[i].bytes);
    }
    gb_free(w->allocator, w->packets);
    gb_free(w->allocator, w->connections);
    gb_free(w->allocator, w);
}

/* ---- Network
 * ----------------------------------------------------------------------------------
 */

static uint64_t latency(world *w)
{
    return w->options.latency_us +
           (w->options.jitter_us == 0 ? 0 : gb_rng_below(&w->rng, w->options.jitter_us));
}

static world_node *end_node(world *w, const world_end *end)
{
    world_node *node = &w->nodes[end->node];
    return node->engine != NULL && node->life == end->life ? node : NULL;
}

static gb_time_us arrival(world *w, world_end *from, size_t len)
{
    gb_time_us start = from->busy_until > w->now ? from->busy_until : w->now;
    if (w->options.byte_rate > 0) {
        start += len * WORLD_S / w->options.byte_rate;
        from->busy_until = start;
    }
    gb_time_us at = start + latency(w);
    at = at < from->last_at ? from->last_at : at;
    from->last_at = at;
    return at;
}

static void connection_send(world *w, uint32_t connection, uint32_t to_side, packet_kind kind,
                            uint8_t cause, uint8_t *bytes, size_t len)
{
    world_end *from = &w->connections[connection].ends[1 - to_side];
    packet_push(w, (world_packet){.at = arrival(w, from, len),
                                  .kind = kind,
                                  .connection = connection,
                                  .side = to_side,
                                  .cause = cause,
                                  .bytes = bytes,
                                  .len = len});
}

static bool find_end(world *w, const world_node *node, uint64_t link, uint32_t *connection,
                     uint32_t *side)
{
    for (uint32_t i = 0; i < w->connection_count; i++) {
        for (uint32_t s = 0; s < 2; s++) {
            const world_end *end = &w->connections[i].ends[s];
            if (!w->connections[i].is_dead && end->is_open && end->node == node->index &&
                end->life == node->life && end->link == link) {
                *connection = i;
                *side = s;
                return true;
            }
        }
    }
    return false;
}

static uint32_t connection_add(world *w)
{
    for (uint32_t i = 0; i < w->connection_count; i++) {
        world_connection *c = &w->connections[i];
        if (!c->ends[0].is_open && !c->ends[1].is_open && c->packet_count == 0) {
            memset(c, 0, sizeof *c);
            return i;
        }
    }
    if (w->connection_count == w->connection_capacity) {
        w->connection_capacity = w->connection_capacity == 0 ? 64 : w->connection_capacity * 2;
        w->connections = gb_realloc_array(w->allocator, w->connections, w->connection_capacity,
                                          sizeof *w->connections);
        GB_ASSERT(w->connections != NULL);
    }
    memset(&w->connections[w->connection_count], 0, sizeof *w->connections);
    w->connection_count++;
    return w->connection_count - 1;
}

static void node_flush(world_node *node);

static void node_dial(world_node *node, const gb_effect *effect)
{
    world *w = node->world;
    uint32_t target = UINT32_MAX;
    for (uint32_t i = 0; i < w->options.node_count; i++) {
        if (gb_slice_equal(effect->host, gb_slice_from_str(w->nodes[i].host))) {
            target = i;
        }
    }
    uint32_t c = connection_add(w);
    w->connections[c].ends[0] =
        (world_end){.node = node->index, .life = node->life, .link = effect->link, .is_open = true};
    if (target == UINT32_MAX || w->nodes[target].part != node->part) {
        packet_push(w, (world_packet){.at = w->now + effect->timeout_us,
                                      .kind = PACKET_FAILED,
                                      .connection = c,
                                      .side = 0,
                                      .cause = GB_CLOSE_TIMED_OUT});
        return;
    }
    w->connections[c].ends[1] = (world_end){.node = target, .life = w->nodes[target].life};
    connection_send(w, c, 1, PACKET_CONNECT, 0, NULL, 0);
}

static void node_note(world_node *node, const gb_event *event)
{
    GB_ASSERT(event->kind < 64);
    node->events[event->kind]++;
    if (event->kind == GB_EVENT_PROBE_RESULT) {
        node->last_outcome = event->outcome;
    }
    if (event->kind == GB_EVENT_REJECTED || event->kind == GB_EVENT_REPLACED) {
        size_t len = event->text.len < 255 ? event->text.len : 255;
        memcpy(node->last_text, event->text.base, len);
        node->last_text[len] = '\0';
        node->last_code = event->code;
    }
}

static void node_effect(world_node *node, gb_effect *effect)
{
    world *w = node->world;
    uint32_t c;
    uint32_t side;
    switch (effect->kind) {
    case GB_EFFECT_SEND: {
        if (find_end(w, node, effect->link, &c, &side)) {
            uint8_t *copy = gb_alloc_copy(w->allocator, effect->buffer.base, effect->buffer.len);
            size_t len = effect->buffer.len;
            connection_send(w, c, 1 - side, PACKET_BYTES, 0, copy, len);
            const world_end *end = &w->connections[c].ends[side];
            gb_time_us left = end->busy_until > w->now ? end->busy_until : w->now;
            packet_push(
                w, (world_packet){
                       .at = left, .kind = PACKET_SENT, .connection = c, .side = side, .len = len});
        }
        gb_engine_recycle(node->engine, &effect->buffer);
        return;
    }
    case GB_EFFECT_DIAL:
        node_dial(node, effect);
        return;
    case GB_EFFECT_CLOSE:
        if (find_end(w, node, effect->link, &c, &side)) {
            w->connections[c].ends[side].is_open = false;
            connection_send(w, c, 1 - side, PACKET_END, GB_CLOSE_ENDED, NULL, 0);
        }
        return;
    case GB_EFFECT_NOTIFY:
        node_note(node, effect->event);
        if (w->options.on_event != NULL) {
            w->options.on_event(node, effect->event, w->options.on_event_user);
        }
        return;
    default:
        GB_UNREACHABLE();
    }
}

static void node_flush(world_node *node)
{
    if (node->engine == NULL || node->is_frozen) {
        return;
    }
    gb_engine_flush(node->engine, node->world->now);
    gb_effect effect;
    bool was_told = false;
    while (gb_engine_effect_next(node->engine, &effect)) {
        was_told = was_told || effect.kind == GB_EFFECT_NOTIFY;
        node_effect(node, &effect);
    }
    if (was_told && node->world->options.on_event != NULL) {
        node_flush(node); /* the host may have answered */
        return;
    }
    if (!node->world->options.may_fail) {
        /* One flush says all: nothing may be left over for another. */
        gb_engine_flush(node->engine, node->world->now);
        GB_ASSERT(!gb_engine_effect_next(node->engine, &effect));
    }
}

void world_flush(world *w, uint32_t index)
{
    node_flush(&w->nodes[index]);
}

/* ---- Delivery ----------------------------------------------------------------------------------
 */

static void deliver_connect(world *w, const world_packet *packet)
{
    world_connection *c = &w->connections[packet->connection];
    world_node *target = &w->nodes[c->ends[1].node];
    if (target->engine == NULL) {
        if (target->is_dying) {
            connection_send(w, packet->connection, 0, PACKET_CONNECTED, 0, NULL, 0);
            connection_send(w, packet->connection, 0, PACKET_END, GB_CLOSE_RESET, NULL, 0);
            return;
        }
        connection_send(w, packet->connection, 0, PACKET_FAILED, GB_CLOSE_REFUSED, NULL, 0);
        return;
    }
    c->ends[1].life = target->life;
    uint64_t link;
    gb_err err = gb_engine_accepted(target->engine, w->now, GB_ROLE_MEMBER,
                                    gb_slice_from_str(w->nodes[c->ends[0].node].host), 1, &link);
    if (err != GB_OK) {
        connection_send(w, packet->connection, 0, PACKET_FAILED, GB_CLOSE_RESET, NULL, 0);
        return;
    }
    c->ends[1].link = link;
    c->ends[1].is_open = true;
    connection_send(w, packet->connection, 0, PACKET_CONNECTED, 0, NULL, 0);
    node_flush(target);
}

static void deliver(world *w, world_packet *packet)
{
    world_connection *c = &w->connections[packet->connection];
    world_end *end = &c->ends[packet->side];
    if (c->is_dead) {
        return;
    }
    if (packet->kind == PACKET_CONNECT) {
        deliver_connect(w, packet);
        return;
    }
    world_node *node = end_node(w, end);
    if (node == NULL || !end->is_open) {
        return;
    }
    switch (packet->kind) {
    case PACKET_BYTES:
        node->bytes_received += packet->len;
        gb_engine_received(node->engine, w->now, end->link,
                           gb_slice_make(packet->bytes, packet->len));
        break;
    case PACKET_CONNECTED:
        gb_engine_connected(node->engine, w->now, end->link);
        break;
    case PACKET_SENT:
        gb_engine_sent(node->engine, w->now, end->link, packet->len);
        break;
    case PACKET_FAILED:
    case PACKET_END:
        end->is_open = false;
        c->is_dead = true;
        gb_engine_closed(node->engine, w->now, end->link, packet->cause, gb_slice_make(NULL, 0));
        break;
    case PACKET_CONNECT:
        break;
    }
    node_flush(node);
}

/* Frozen nodes and partitions hold packets back: they are looked at again
 * later. */
static bool is_held(world *w, const world_packet *packet)
{
    const world_connection *c = &w->connections[packet->connection];
    if (c->is_dead || packet->kind == PACKET_FAILED) {
        return false;
    }
    const world_node *target = &w->nodes[c->ends[packet->side].node];
    const world_node *other = &w->nodes[c->ends[1 - packet->side].node];
    if (other->part != target->part) {
        return true;
    }
    if (packet->kind == PACKET_CONNECT) {
        return false;
    }
    if (target->is_frozen && target->engine != NULL) {
        return true;
    }
    /* Nobody reads there: the window closes, nothing leaves here. */
    if (packet->kind == PACKET_SENT) {
        return other->is_frozen && other->engine != NULL;
    }
    return !packet->is_held && c->ends[packet->side].held_count > 0;
}

static void hold_back(world *w, world_packet *packet)
{
    world_end *end = &w->connections[packet->connection].ends[packet->side];
    packet->at = w->now + 20 * WORLD_MS;
    if (packet->kind != PACKET_SENT) {
        packet->at = w->now < end->held_until ? end->held_until : packet->at;
        end->held_until = packet->at;
        end->held_count += packet->is_held ? 0 : 1;
        packet->is_held = true;
    }
    packet_push(w, *packet);
}

static gb_time_us next_deadline(world *w, world_node **who)
{
    gb_time_us next = UINT64_MAX;
    for (uint32_t i = 0; i < w->options.node_count; i++) {
        world_node *node = &w->nodes[i];
        if (node->engine == NULL || node->is_frozen) {
            continue;
        }
        gb_time_us at = gb_engine_deadline(node->engine);
        if (at < next) {
            next = at;
            *who = node;
        }
    }
    return next;
}

void world_run(world *w, uint64_t us)
{
    gb_time_us end = w->now + us;
    for (;;) {
        world_node *who = NULL;
        gb_time_us tick = next_deadline(w, &who);
        gb_time_us packet = w->packet_count == 0 ? UINT64_MAX : w->packets[0].at;
        gb_time_us next = tick < packet ? tick : packet;
        if (next > end) {
            w->now = end;
            return;
        }
        w->now = next > w->now ? next : w->now;
        if (packet <= tick) {
            world_packet p = packet_pop(w);
            if (is_held(w, &p)) {
                hold_back(w, &p);
                continue;
            }
            if (p.is_held) {
                w->connections[p.connection].ends[p.side].held_count--;
            }
            deliver(w, &p);
            gb_free(w->allocator, p.bytes);
        } else {
            gb_engine_tick(who->engine, w->now);
            node_flush(who);
            GB_ASSERT(gb_engine_deadline(who->engine) > w->now); /* else it would spin */
        }
    }
}

bool world_run_until(world *w, bool (*is_done)(world *w, void *user), void *user, uint64_t bound)
{
    gb_time_us end = w->now + bound;
    while (!is_done(w, user)) {
        if (w->now >= end) {
            return false;
        }
        world_run(w, WORLD_MS);
    }
    return true;
}

/* ---- Nodes
 * ---------------------------------------------------------------------------------------
 */

gb_err world_try_start(world *w, uint32_t index, const char *name, uint64_t generation,
                       const uint32_t *seeds, uint32_t seed_count)
{
    gb_test *t = w->test;
    world_node *node = &w->nodes[index];
    expect_null(node->engine);
    (void)snprintf(node->name, sizeof node->name, "%s", name);
    node->generation = generation != 0 ? generation : node->generation + 1;
    node->life++;
    node->is_frozen = false;
    gb_address own = {.scope = GB_SCOPE_LOCAL, .host = gb_slice_from_str(node->host), .port = 7000};
    gb_address seed_list[8];
    for (uint32_t i = 0; i < seed_count; i++) {
        seed_list[i] = (gb_address){.scope = GB_SCOPE_LOCAL,
                                    .host = gb_slice_from_str(w->nodes[seeds[i]].host),
                                    .port = 7000};
    }
    gb_engine_options options = {
        .size = sizeof options,
        .allocator =
            w->options.engine_allocator != NULL ? w->options.engine_allocator : w->allocator,
        .cluster = gb_slice_from_str("test"),
        .name = gb_slice_from_str(node->name),
        .generation = node->generation,
        .instance = gb_rng_u64(&w->rng) | 1,
        .seed = gb_rng_u64(&w->rng),
        .has_detector = w->options.has_detector && !node->is_blind,
        .participant_count_max = w->options.participant_count_max,
        .addresses = &own,
        .address_count = 1,
        .seeds = seed_list,
        .seed_count = seed_count,
        .settings = w->options.settings,
    };
    gb_err err = gb_engine_open(&options, w->now, &node->engine, NULL);
    if (err != GB_OK) {
        return err;
    }
    memset(node->events, 0, sizeof node->events);
    node->bytes_received = 0;
    gb_engine_join(node->engine, w->now);
    node_flush(node);
    return GB_OK;
}

void world_start_with(world *w, uint32_t index, const char *name, uint64_t generation,
                      const uint32_t *seeds, uint32_t seed_count)
{
    gb_test *t = w->test;
    expect_ok(world_try_start(w, index, name, generation, seeds, seed_count));
}

void world_start(world *w, uint32_t index, uint64_t generation)
{
    char name[32];
    (void)snprintf(name, sizeof name, "node-%u", index);
    uint32_t seed = 0;
    world_start_with(w, index, name, generation, &seed, 1);
}

void world_kill(world *w, uint32_t index)
{
    world_node *node = &w->nodes[index];
    gb_engine_close(node->engine);
    node->engine = NULL;
    for (uint32_t i = 0; i < w->connection_count; i++) {
        for (uint32_t s = 0; s < 2; s++) {
            world_end *end = &w->connections[i].ends[s];
            if (!w->connections[i].is_dead && end->is_open && end->node == index) {
                end->is_open = false;
                connection_send(w, i, 1 - s, PACKET_END, GB_CLOSE_RESET, NULL, 0);
            }
        }
    }
}

bool world_cut_link(world *w, uint32_t index, uint32_t other)
{
    bool was_any = false;
    for (uint32_t i = 0; i < w->connection_count; i++) {
        world_connection *c = &w->connections[i];
        bool is_it = (c->ends[0].node == index && c->ends[1].node == other) ||
                     (c->ends[0].node == other && c->ends[1].node == index);
        if (c->is_dead || !is_it || !c->ends[0].is_open || !c->ends[1].is_open) {
            continue;
        }
        c->is_dead = true;
        world_end ends[2] = {c->ends[0], c->ends[1]}; /* the list may grow and move below */
        c->ends[0].is_open = false;
        c->ends[1].is_open = false;
        for (uint32_t s = 0; s < 2; s++) {
            world_node *node = end_node(w, &ends[s]);
            if (node != NULL) {
                gb_engine_closed(node->engine, w->now, ends[s].link, GB_CLOSE_RESET,
                                 gb_slice_make(NULL, 0));
                node_flush(node);
            }
        }
        was_any = true;
    }
    return was_any;
}

/* ---- Looking
 * ----------------------------------------------------------------------------------------
 */

void world_set(world *w, uint32_t index, const char *key, const char *value)
{
    gb_test *t = w->test;
    world_node *node = &w->nodes[index];
    expect_ok(gb_engine_set(node->engine, w->now, GB_LANE_USER, gb_slice_from_str("g"),
                            gb_slice_from_str(key), GB_VALUE_STRING, gb_slice_from_str(value), 0));
    node_flush(node);
}

gb_participant *world_participant(world *w, uint32_t index, uint32_t owner)
{
    return gb_map_find(gb_engine_map(w->nodes[index].engine),
                       gb_slice_from_str(w->nodes[owner].name));
}

gb_slice world_get(world *w, uint32_t index, uint32_t owner, const char *key)
{
    gb_participant *p = world_participant(w, index, owner);
    gb_record *record =
        p == NULL ? NULL
                  : gb_map_get(p, GB_LANE_USER, gb_slice_from_str("g"), gb_slice_from_str(key));
    return record == NULL ? gb_slice_make(NULL, 0) : gb_record_value(record);
}

bool world_has(world *w, uint32_t index, uint32_t owner, const char *key, const char *value)
{
    return gb_slice_equal(world_get(w, index, owner, key), gb_slice_from_str(value));
}

uint32_t world_live_members(world *w, uint32_t index)
{
    uint32_t count = 0;
    gb_member member;
    for (uint32_t i = 0; gb_engine_member_at(w->nodes[index].engine, i, &member); i++) {
        count += member.status == GB_STATUS_ALIVE ? 1 : 0;
    }
    return count;
}

uint32_t world_links(world *w, uint32_t index)
{
    gb_engine_stats stats;
    gb_engine_read_stats(w->nodes[index].engine, &stats);
    return stats.links_open;
}

bool world_is_converged(world *w, void *user)
{
    (void)user;
    uint64_t hash = 0;
    uint32_t running = 0;
    for (uint32_t i = 0; i < w->options.node_count; i++) {
        running += w->nodes[i].engine != NULL ? 1 : 0;
    }
    for (uint32_t i = 0; i < w->options.node_count; i++) {
        if (w->nodes[i].engine == NULL) {
            continue;
        }
        uint64_t own = gb_map_hash(gb_engine_map(w->nodes[i].engine));
        if (hash == 0) {
            hash = own;
        }
        if (own != hash || world_live_members(w, i) != running) {
            return false;
        }
    }
    return true;
}

void world_check(world *w)
{
    for (uint32_t i = 0; i < w->options.node_count; i++) {
        if (w->nodes[i].engine != NULL) {
            gb_engine_check(w->nodes[i].engine);
        }
    }
}
