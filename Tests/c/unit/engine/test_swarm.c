/* SPDX-License-Identifier: Apache-2.0 */
/* Random clusters and random mishaps, then a calm in which all must agree. What an owner did is
 * written down as it happens; what others hold is checked against it all the time. */
#include "watcher.h"

#include "engine/internal.h"
#include "platform/alloc.h"
#include "state/lane.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SWARM_NODES_MAX 26
#define SWARM_KEYS 12
#define SWARM_STEPS 150
#define SWARM_CALM (180 * WORLD_S)
#define SWARM_BYTES_MAX (UINT64_C(256) << 20)

/* What an owner's lane said at one version. */
typedef struct deed {
    uint32_t name; /* number in "node-…" */
    uint64_t generation;
    uint64_t version;
    uint64_t value_hash;
    uint8_t lane;
    uint8_t key;
    bool is_delete;
} deed;

typedef struct seen {
    uint64_t generation;
    uint64_t version[GB_LANE_COUNT];
} seen;

typedef struct swarm {
    gb_test *t;
    world *w;
    gb_rng rng;
    uint32_t count;
    uint32_t seeds[6];
    deed *deeds; /* in order per (name, generation, lane) */
    uint32_t deed_count, deed_capacity;
    uint64_t name_generation[SWARM_NODES_MAX];        /* greatest given to a name */
    uint32_t name_of[SWARM_NODES_MAX];                /* by index of the node */
    uint64_t written[SWARM_NODES_MAX][GB_LANE_COUNT]; /* deeds noted of the present life */
    uint64_t noted_generation[SWARM_NODES_MAX];
    uint64_t borrowed_generation[SWARM_NODES_MAX]; /* copied from an earlier life: not noted */
    bool must_stop[SWARM_NODES_MAX];
    gb_time_us thaw_at[SWARM_NODES_MAX];
    gb_time_us heal_at;
    seen seen[SWARM_NODES_MAX][SWARM_NODES_MAX];
    uint64_t seen_life[SWARM_NODES_MAX];
    uint64_t value_no;
    bool is_verbose;
    char options_text[256];
} swarm;

static uint32_t below(swarm *s, uint32_t bound)
{
    return (uint32_t)gb_rng_below(&s->rng, bound);
}

static bool is_running(const swarm *s, uint32_t i)
{
    return s->w->nodes[i].engine != NULL && !s->must_stop[i];
}

/* With GB_SWARM_VERBOSE set a failing seed tells its story. */
__attribute__((format(printf, 2, 3))) static void tell(const swarm *s, const char *format, ...)
{
    if (!s->is_verbose) {
        return;
    }
    printf("%10.3f ", (double)s->w->now / (double)WORLD_S);
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

static uint64_t hash_of(const gb_record *record)
{
    gb_slice value = gb_record_value(record);
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < value.len; i++) {
        hash = (hash ^ value.base[i]) * 1099511628211u;
    }
    return hash;
}

/* ---- What owners did ---------------------------------------------------------------------------
 */

static uint8_t key_of(const gb_record *record)
{
    char text[16] = {0};
    gb_slice key = gb_record_key(record);
    memcpy(text, key.base, key.len < 15 ? key.len : 15);
    return (uint8_t)strtoul(text + 1, NULL, 10);
}

static void note_deed(swarm *s, deed d)
{
    if (s->deed_count == s->deed_capacity) {
        s->deed_capacity = s->deed_capacity == 0 ? 256 : s->deed_capacity * 2;
        s->deeds = gb_realloc_array(s->t->allocator, s->deeds, s->deed_capacity, sizeof *s->deeds);
    }
    s->deeds[s->deed_count] = d;
    s->deed_count++;
}

static void note_node(swarm *s, uint32_t index)
{
    const world_node *node = &s->w->nodes[index];
    const gb_participant *p =
        gb_map_find(gb_engine_map(node->engine), gb_slice_from_str(node->name));
    if (p->generation != s->noted_generation[index]) {
        s->noted_generation[index] = p->generation;
        memset(s->written[index], 0, sizeof s->written[index]);
        uint32_t name = s->name_of[index];
        if (p->generation > s->name_generation[name]) {
            s->name_generation[name] = p->generation;
        }
    }
    if (p->generation == s->borrowed_generation[index]) {
        return;
    }
    for (uint8_t lane = GB_LANE_CONFIG; lane < GB_LANE_COUNT; lane++) {
        for (gb_record *r = gb_lane_after(gb_map_lane(p, lane), s->written[index][lane]); r != NULL;
             r = r->newer) {
            note_deed(s, (deed){.name = s->name_of[index],
                                .generation = p->generation,
                                .version = r->version,
                                .value_hash = hash_of(r),
                                .lane = lane,
                                .key = key_of(r),
                                .is_delete = gb_record_is_tombstone(r)});
        }
        s->written[index][lane] = gb_map_version(p, (gb_lane)lane);
    }
}

static void on_event(world_node *node, const gb_event *event, void *user)
{
    swarm *s = user;
    if (event->kind == GB_EVENT_DELTA &&
        gb_slice_equal(event->name, gb_slice_from_str(node->name))) {
        note_node(s, node->index);
    }
    if (event->kind == GB_EVENT_REJECTED || event->kind == GB_EVENT_REPLACED ||
        event->kind == GB_EVENT_LEFT) {
        tell(s, "node %u: event %u, code %d, %.*s", node->index, event->kind, event->code,
             (int)event->text.len, (const char *)event->text.base);
        s->must_stop[node->index] = true;
    }
    if (event->kind == GB_EVENT_GENERATION) {
        tell(s, "node %u: generation %" PRIu64, node->index, event->generation);
        note_node(s, node->index);
    }
    if (s->w->options.has_detector) {
        watcher_on_event(node, event, NULL);
    }
}

/* ---- What others hold --------------------------------------------------------------------------
 */

/* What an owner's key was, up to a version of its lane. */
typedef struct history {
    const deed *newest;  /* NULL: never there */
    const deed *held;    /* the one that the observer's record is; NULL: none of them */
    bool is_overwritten; /* by a later one, so that nobody need ever have heard of `newest` */
} history;

static history history_of(const swarm *s, uint32_t name, const gb_participant *p, gb_lane lane,
                          uint8_t key, const gb_record *r)
{
    history h = {0};
    uint64_t version = gb_map_version(p, lane);
    for (uint32_t i = 0; i < s->deed_count; i++) {
        const deed *d = &s->deeds[i];
        if (d->name != name || d->generation != p->generation || d->lane != lane || d->key != key) {
            continue;
        }
        if (d->version > version) {
            h.is_overwritten = true;
            continue;
        }
        h.newest = d;
        bool is_it = r != NULL && r->version == d->version && hash_of(r) == d->value_hash &&
                     gb_record_is_tombstone(r) == d->is_delete;
        h.held = is_it ? d : h.held;
    }
    return h;
}

static bool is_version_known(const swarm *s, uint32_t name, const gb_participant *p, gb_lane lane)
{
    uint64_t version = gb_map_version(p, lane);
    for (uint32_t i = 0; i < s->deed_count; i++) {
        const deed *d = &s->deeds[i];
        if (d->name == name && d->generation == p->generation && d->lane == lane &&
            d->version == version) {
            return true;
        }
    }
    return version == 0;
}

/* The scuttlebutt invariant: version v of a lane is, for every key, its newest deed up to v. What
 * was overwritten later may be missing: a message that ends between the two has neither. */
static void check_lane(swarm *s, uint32_t observer, uint32_t name, const gb_participant *p,
                       gb_lane lane)
{
    gb_test *t = s->t;
    uint64_t version = gb_map_version(p, lane);
    if (!is_version_known(s, name, p, lane)) {
        gb_test_fail(t, __FILE__, __LINE__,
                     "node %u holds node-%u generation %" PRIu64 " lane %d version %" PRIu64
                     ", which its owner never had",
                     observer, name, p->generation, lane, version);
    }
    for (uint8_t key = 0; key < SWARM_KEYS; key++) {
        char text[16];
        (void)snprintf(text, sizeof text, "k%u", key);
        const gb_record *r = gb_map_get(p, lane, gb_slice_from_str("g"), gb_slice_from_str(text));
        history h = history_of(s, name, p, lane, key, r);
        bool is_there = r != NULL && !gb_record_is_tombstone(r);
        bool is_gone = h.newest == NULL || h.newest->is_delete;
        bool is_right = is_gone ? !is_there : is_there && h.held == h.newest;
        if (!is_right && h.is_overwritten) {
            is_right = !is_there || h.held != NULL;
        }
        if (!is_right) {
            gb_test_fail(t, __FILE__, __LINE__,
                         "node %u holds node-%u generation %" PRIu64 " lane %d up to %" PRIu64
                         ", but %s is %s (version %" PRIu64 ", owner's %" PRIu64 ")",
                         observer, name, p->generation, lane, version, text,
                         is_there ? "another" : "missing", is_there ? r->version : 0,
                         h.newest == NULL ? 0 : h.newest->version);
        }
    }
}

static void check_node(swarm *s, uint32_t index)
{
    gb_test *t = s->t;
    const world_node *node = &s->w->nodes[index];
    const gb_map *map = gb_engine_map(node->engine);
    if (s->seen_life[index] != node->life) {
        s->seen_life[index] = node->life;
        memset(s->seen[index], 0, sizeof s->seen[index]);
    }
    for (uint32_t name = 0; name < s->count; name++) {
        char text[32];
        (void)snprintf(text, sizeof text, "node-%u", name);
        const gb_participant *p = gb_map_find(map, gb_slice_from_str(text));
        if (p == NULL) {
            continue;
        }
        seen *known = &s->seen[index][name];
        expect_true(p->generation >= known->generation);
        bool is_own_copy = p->is_self && p->generation == s->borrowed_generation[index];
        for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
            uint64_t version = gb_map_version(p, (gb_lane)lane);
            expect_true(p->generation > known->generation || version >= known->version[lane]);
            known->version[lane] = version;
            if (lane != GB_LANE_MEMBERSHIP && !is_own_copy) {
                check_lane(s, index, name, p, (gb_lane)lane);
            }
        }
        known->generation = p->generation;
    }
}

static void check_all(swarm *s)
{
    gb_test *t = s->t;
    for (uint32_t i = 0; i < s->count; i++) {
        if (!is_running(s, i)) {
            continue;
        }
        note_node(s, i);
    }
    for (uint32_t i = 0; i < s->count; i++) {
        if (is_running(s, i)) {
            check_node(s, i);
            gb_engine_check(s->w->nodes[i].engine);
        }
    }
    expect_true(t->counted.bytes < SWARM_BYTES_MAX);
}

/* ---- Mishaps -----------------------------------------------------------------------------------
 */

static void stop(swarm *s, uint32_t index)
{
    tell(s, "node %u stops", index);
    world_kill(s->w, index);
    s->w->nodes[index].is_frozen = false;
    s->thaw_at[index] = 0;
    s->must_stop[index] = false;
}

static void start(swarm *s, uint32_t index, uint32_t name, uint64_t generation)
{
    char text[32];
    (void)snprintf(text, sizeof text, "node-%u", name);
    s->name_of[index] = name;
    s->borrowed_generation[index] = generation <= s->name_generation[name] ? generation : 0;
    s->noted_generation[index] = 0;
    if (generation > s->name_generation[name]) {
        s->name_generation[name] = generation;
    }
    tell(s, "node %u starts as node-%u generation %" PRIu64, index, name, generation);
    uint32_t seeds[6];
    for (uint32_t i = 0; i < 6; i++) {
        seeds[i] = i < 3 ? i % s->count : below(s, s->count);
    }
    world_start_with(s->w, index, text, generation, seeds, 6);
    note_node(s, index);
}

static void write_some(swarm *s, uint32_t index)
{
    gb_test *t = s->t;
    world *w = s->w;
    gb_engine *engine = w->nodes[index].engine;
    uint32_t count = 1 + below(s, 6);
    for (uint32_t i = 0; i < count; i++) {
        char key[16];
        char value[4096];
        (void)snprintf(key, sizeof key, "k%u", below(s, SWARM_KEYS));
        gb_lane lane = (gb_lane)(GB_LANE_CONFIG + below(s, GB_LANE_COUNT - GB_LANE_CONFIG));
        gb_slice group = gb_slice_from_str("g");
        if (below(s, 4) == 0) {
            gb_err err = gb_engine_delete(engine, w->now, lane, group, gb_slice_from_str(key));
            expect_true(err == GB_OK || err == GB_ENOTFOUND || err == GB_ECLOSED);
            continue;
        }
        s->value_no++;
        size_t size = below(s, 8) == 0 ? sizeof value : 20 + below(s, 40);
        memset(value, 'x', size);
        (void)snprintf(value, 20, "%" PRIu64 "          ", s->value_no);
        uint32_t ttl = below(s, 5) == 0 ? 20 + below(s, 3000) : 0;
        gb_err err = gb_engine_set(engine, w->now, lane, group, gb_slice_from_str(key),
                                   GB_VALUE_BYTES, gb_slice_make(value, size), ttl);
        expect_true(err == GB_OK || err == GB_EKEYS || err == GB_ECLOSED);
    }
    note_node(s, index);
    tell(s, "node %u writes", index);
    world_flush(w, index);
}

static bool is_undisturbed(const swarm *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->w->nodes[i].part != 0 || s->w->nodes[i].is_frozen) {
            return false;
        }
    }
    return true;
}

/* Does everybody who runs know this life or a later one? */
static bool is_remembered(const swarm *s, uint32_t name, uint64_t generation)
{
    uint32_t running = 0;
    char text[32];
    (void)snprintf(text, sizeof text, "node-%u", name);
    for (uint32_t i = 0; i < s->count; i++) {
        if (!is_running(s, i)) {
            continue;
        }
        const gb_participant *p =
            gb_map_find(gb_engine_map(s->w->nodes[i].engine), gb_slice_from_str(text));
        if (p == NULL || p->generation < generation || gb_map_version(p, GB_LANE_MEMBERSHIP) == 0) {
            return false;
        }
        running++;
    }
    return running > 0;
}

static bool name_runs(const swarm *s, uint32_t name)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->w->nodes[i].engine != NULL && s->name_of[i] == name) {
            return true;
        }
    }
    return false;
}

static void pass_time(swarm *s, uint64_t us)
{
    world *w = s->w;
    world_run(w, us);
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->must_stop[i] && w->nodes[i].engine != NULL) {
            stop(s, i);
        }
        if (w->nodes[i].is_frozen && w->now >= s->thaw_at[i]) {
            w->nodes[i].is_frozen = false;
            tell(s, "node %u thaws", i);
        }
    }
    if (s->heal_at != 0 && w->now >= s->heal_at) {
        tell(s, "healed");
        s->heal_at = 0;
        for (uint32_t i = 0; i < s->count; i++) {
            w->nodes[i].part = 0;
        }
    }
}

/* Does it run under a generation that its name had before? */
static bool is_borrowed(const swarm *s, uint32_t index)
{
    return is_running(s, index) && s->borrowed_generation[index] != 0 &&
           s->noted_generation[index] == s->borrowed_generation[index];
}

static void begin(swarm *s, uint32_t index)
{
    uint32_t name = index;
    if (name_runs(s, name) && below(s, 4) != 0) {
        return; /* now and then a name is started twice */
    }
    uint64_t generation = s->name_generation[name] + 1;
    /* A copied data directory: an old generation, while those who know better can be reached. */
    if (generation > 1 && below(s, 6) == 0 && is_undisturbed(s) && !name_runs(s, name) &&
        is_remembered(s, name, generation - 1)) {
        generation -= 1 + below(s, 2);
        generation = generation == 0 ? 1 : generation;
    }
    start(s, index, name, generation);
    /* While those live who remember: else nobody could tell the two lives apart. */
    for (uint32_t i = 0; i < 500 && is_borrowed(s, index); i++) {
        pass_time(s, 10 * WORLD_MS);
    }
    if (is_borrowed(s, index)) {
        stop(s, index);
    }
}

static void hold_back(swarm *s, uint32_t index)
{
    gb_engine *engine = s->w->nodes[index].engine;
    if (engine->flow.tau > 20 * FLOW_ONE) {
        engine->flow.tau = below(s, 20) * FLOW_ONE;
        flow_switch(engine);
        tell(s, "node %u is held to a low rate", index);
        world_flush(s->w, index);
    }
}

static void mishap(swarm *s)
{
    world *w = s->w;
    uint32_t a = below(s, s->count);
    uint32_t b = below(s, s->count);
    world_node *node = &w->nodes[a];
    bool is_there = is_running(s, a);
    switch (below(s, 17)) {
    case 16: /* as an overload would leave it */
        if (is_there && !node->is_frozen) {
            hold_back(s, a);
        }
        break;
    case 0:
        if (is_there) {
            stop(s, a);
        }
        break;
    case 1:
        if (is_there && !node->is_frozen) {
            tell(s, "node %u leaves", a);
            gb_engine_leave(node->engine, w->now);
            world_flush(w, a);
        }
        break;
    case 2:
        if (is_there && !node->is_frozen) {
            node->is_frozen = true;
            tell(s, "node %u freezes", a);
            s->thaw_at[a] = w->now + below(s, 10 * 1000) * WORLD_MS;
        }
        break;
    case 3:
        if (s->heal_at == 0 && below(s, 3) == 0) {
            for (uint32_t i = 0; i < s->count; i++) {
                w->nodes[i].part = below(s, 2);
                tell(s, "node %u is on side %u", i, w->nodes[i].part);
            }
            s->heal_at = w->now + below(s, 25 * 1000) * WORLD_MS;
        }
        break;
    case 4:
    case 5:
        if (world_cut_link(w, a, b)) {
            tell(s, "link %u - %u cut", a, b);
        }
        break;
    case 6: /* killed and started again before anybody knows */
        if (is_there) {
            uint32_t name = s->name_of[a];
            stop(s, a);
            start(s, a, name, s->name_generation[name] + 1);
        }
        break;
    case 7:
    case 8:
    case 9:
        if (node->engine == NULL) {
            begin(s, a);
        }
        break;
    default:
        if (is_there && !node->is_frozen) {
            write_some(s, a);
        }
        break;
    }
}

/* ---- The calm ----------------------------------------------------------------------------------
 */

static bool agrees(swarm *s)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        if (!is_running(s, i)) {
            continue;
        }
        gb_engine_stats stats;
        gb_engine_read_stats(s->w->nodes[i].engine, &stats);
        if ((hash != 0 && stats.map_hash != hash) || stats.pending_count > 0) {
            return false;
        }
        hash = stats.map_hash;
    }
    return true;
}

static void tell_disagreement(swarm *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (!is_running(s, i)) {
            continue;
        }
        gb_engine_stats stats;
        gb_engine_read_stats(s->w->nodes[i].engine, &stats);
        printf("  node %u (%s) hash %016" PRIx64 " links %u queued %" PRIu64
               " pending %u tau %" PRIu64 " joined %u:",
               i, s->w->nodes[i].name, stats.map_hash, stats.links_open, stats.queued_bytes,
               stats.pending_count, stats.tau_micro, s->w->nodes[i].events[GB_EVENT_JOINED]);
        for (uint32_t name = 0; name < s->count; name++) {
            char text[32];
            (void)snprintf(text, sizeof text, "node-%u", name);
            const gb_participant *p =
                gb_map_find(gb_engine_map(s->w->nodes[i].engine), gb_slice_from_str(text));
            if (p == NULL) {
                printf(" -");
                continue;
            }
            printf(" %" PRIu64 ":", p->generation);
            for (uint8_t lane = 0; lane < GB_LANE_COUNT; lane++) {
                printf("%s%" PRIu64, lane == 0 ? "" : "/", gb_map_version(p, (gb_lane)lane));
            }
        }
        printf("\n");
    }
}

static void expect_agreement(swarm *s)
{
    gb_test *t = s->t;
    world *w = s->w;
    gb_time_us since = w->now;
    while (!agrees(s)) {
        pass_time(s, 50 * WORLD_MS);
        if (w->now - since > SWARM_CALM) {
            tell_disagreement(s);
            gb_test_fail(t, __FILE__, __LINE__, "no agreement after %" PRIu64 " s of calm",
                         (w->now - since) / WORLD_S);
        }
    }
}

/* One link per peer at most; two that were dialled at the same moment soon become one. */
static bool has_few_links(swarm *s, uint32_t index, uint32_t running)
{
    for (uint32_t i = 0; i < 60 && world_links(s->w, index) > running - 1; i++) {
        pass_time(s, 100 * WORLD_MS);
    }
    return world_links(s->w, index) <= running - 1;
}

/* Who runs is alive to everybody who runs. */
static void check_standing(swarm *s, uint32_t index)
{
    gb_test *t = s->t;
    for (uint32_t i = 0; i < s->count; i++) {
        gb_member member;
        if (is_running(s, i)) {
            expect_true(gb_engine_member(s->w->nodes[index].engine,
                                         gb_slice_from_str(s->w->nodes[i].name), &member));
            expect_uint(member.status, GB_STATUS_ALIVE);
        }
    }
}

static void calm(swarm *s)
{
    gb_test *t = s->t;
    world *w = s->w;
    for (uint32_t i = 0; i < s->count; i++) {
        w->nodes[i].part = 0;
        w->nodes[i].is_frozen = false;
        s->heal_at = 0;
        if (i < 3 && w->nodes[i].engine == NULL && !name_runs(s, i)) {
            start(s, i, i, s->name_generation[i] + 1); /* the seeds come back */
        }
    }
    gb_time_us since = w->now;
    pass_time(s, 5 * WORLD_S); /* keys with a TTL expire, two lives of a name meet */
    expect_agreement(s);
    tell(s, "agreement after %.1f s; %s", (double)(w->now - since) / (double)WORLD_S,
         s->options_text);
    check_all(s);
    pass_time(s, 40 * WORLD_S);
    expect_agreement(s); /* an accusation may just have been taken back */
    check_all(s);
    uint32_t running = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        running += is_running(s, i) ? 1 : 0;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        if (is_running(s, i)) {
            expect_true(has_few_links(s, i, running));
            expect_true(running == 1 || w->nodes[i].events[GB_EVENT_JOINED] == 1);
            check_standing(s, i);
        }
    }
}

/* ---- Seeds -------------------------------------------------------------------------------------
 */

/* Some of these rates are so small that changes wait all the time. */
static void choose_flow(swarm *s, gb_engine_settings *settings)
{
    static const uint32_t limits[] = {0, 5, 20};
    static const uint32_t rates[] = {0, 0, 5, 50};
    static const uint32_t counts[] = {0, 1, 3};
    settings->gossip_mode = below(s, 4) == 0 ? GB_GOSSIP_PAPER : GB_GOSSIP_PUSH;
    settings->delta_order = below(s, 2) == 0 ? GB_ORDER_DEPTH : GB_ORDER_BREADTH;
    settings->delta_limit = limits[below(s, 3)];
    settings->is_flow_disabled = below(s, 4) == 0;
    settings->flow_rate_max = rates[below(s, 4)];
    settings->flow_over_count = counts[below(s, 3)];
    settings->flow_under_count = counts[below(s, 3)];
    settings->flow_step_micro = below(s, 2) == 0 ? 0 : 5000000;
}

static void choose_options(swarm *s, world_options *options)
{
    static const uint64_t latencies[] = {200, 200, 5 * WORLD_MS, 50 * WORLD_MS};
    static const uint64_t jitters[] = {0, 1 * WORLD_MS, 20 * WORLD_MS};
    static const uint64_t rates[] = {0, 0, 10 * 1000 * 1000, 300 * 1000};
    static const uint64_t graces[] = {0, 1 * WORLD_S, 10 * WORLD_S};
    static const uint32_t queues[] = {0, 0, 2000, 30000};
    static const uint32_t meshes[] = {0, 2, 5};
    s->count = 3 + (below(s, 3) == 0 ? below(s, 23) : below(s, 8));
    options->node_count = s->count;
    options->latency_us = latencies[below(s, 4)];
    options->jitter_us = jitters[below(s, 3)];
    options->byte_rate = rates[below(s, 4)];
    options->settings.tombstone_grace_us = graces[below(s, 3)];
    options->settings.link_queue_max = queues[below(s, 4)];
    options->settings.full_mesh_max = meshes[below(s, 3)];
    options->settings.key_count_max = below(s, 6) == 0 ? 24 : 0;
    options->settings.is_push_disabled = below(s, 10) == 0;
    options->has_detector = below(s, 3) == 0;
    choose_flow(s, &options->settings);
    (void)snprintf(s->options_text, sizeof s->options_text,
                   "nodes %u latency %" PRIu64 " jitter %" PRIu64 " rate %" PRIu64 " grace %" PRIu64
                   " queue %u mesh %u keys %u push %d detector %d paper %d order %d limit %u"
                   " flow %d rate %u over %u under %u",
                   s->count, options->latency_us, options->jitter_us, options->byte_rate,
                   options->settings.tombstone_grace_us, options->settings.link_queue_max,
                   options->settings.full_mesh_max, options->settings.key_count_max,
                   !options->settings.is_push_disabled, options->has_detector,
                   options->settings.gossip_mode, options->settings.delta_order,
                   options->settings.delta_limit, !options->settings.is_flow_disabled,
                   options->settings.flow_rate_max, options->settings.flow_over_count,
                   options->settings.flow_under_count);
}

static void run_swarm(gb_test *t, uint64_t seed)
{
    swarm *s = gb_alloc_zeroed(t->allocator, sizeof *s);
    s->t = t;
    s->is_verbose = getenv("GB_SWARM_VERBOSE") != NULL;
    gb_rng_init(&s->rng, seed);
    world_options options = {.on_event = on_event, .on_event_user = s};
    choose_options(s, &options);
    gb_rng_init(&t->rng, seed + 1);
    s->w = world_open(t, &options);
    tell(s, "%s", s->options_text);
    for (uint32_t i = 0; i < s->count && i < 3 + below(s, s->count); i++) {
        start(s, i, i, 1);
    }
    for (uint32_t step = 0; step < SWARM_STEPS; step++) {
        mishap(s);
        if (below(s, 3) != 0) {
            pass_time(s, below(s, 10) == 0 ? below(s, 3000) * WORLD_MS : below(s, 60) * WORLD_MS);
        }
        if (step % 10 == 9) {
            check_all(s);
        }
    }
    calm(s);
    world_close(s->w);
    gb_free(t->allocator, s->deeds);
    gb_free(t->allocator, s);
}

/* GB_SWARM_COUNT: how many; GB_SWARM_SEED: this one alone, as printed by a failure. */
GB_TEST(swarm, whatever_happens_those_who_run_agree_after_a_calm)
{
    const char *alone = getenv("GB_SWARM_SEED");
    const char *count_text = getenv("GB_SWARM_COUNT");
    uint64_t count = count_text == NULL ? 24 : strtoull(count_text, NULL, 10);
    if (alone != NULL) {
        run_swarm(t, strtoull(alone, NULL, 10));
        return;
    }
    gb_rng seeds = t->rng;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t seed = gb_rng_u64(&seeds) >> 32;
        t->user = NULL;
        printf("swarm seed %" PRIu64 "\r", seed);
        fflush(stdout);
        run_swarm(t, seed);
    }
    printf("\n");
}
