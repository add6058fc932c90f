/* SPDX-License-Identifier: Apache-2.0 */
/* The map as a whole: an owner, followers and relays under random gossip, compared with what the
 * owner really did; memory running out anywhere; limits. */
#include "unit/state/state_support.h"

#include "platform/alloc.h"
#include "platform/limits.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Random gossip against the true history ----------------------------------------------------
 */

#define KEY_COUNT 16
#define FOLLOWER_COUNT 4
#define MESSAGE_COUNT 24
#define HISTORY_MAX 6000

typedef struct history_entry {
    uint64_t version;
    uint64_t value; /* 0: deleted */
    int key;
} history_entry;

typedef struct flight {
    uint8_t *bytes; /* NULL: free place */
    size_t size;
    uint64_t generation;
    int target;
} flight;

typedef struct world_map {
    struct world *world;
    gb_map *map;
    gb_participant *owner;
    uint64_t seen[KEY_COUNT]; /* what on_change told last: visible version, 0: none */
    uint64_t version_least;   /* versions never go back in one life of the map */
} world_map;

typedef struct world {
    gb_test *t;
    gb_time_us now;
    uint64_t generation;
    uint64_t value_next;
    world_map maps[FOLLOWER_COUNT + 1]; /* 0: the owner's own */
    history_entry history[HISTORY_MAX];
    size_t history_count;
    flight messages[MESSAGE_COUNT];
    unsigned staged_count, swapped_count, continued_count;
} world;

static gb_slice world_key(int key, char text[8])
{
    int len = snprintf(text, 8, "k%d", key);
    return gb_slice_make(text, (size_t)len);
}

static int key_of(const gb_record *record)
{
    char text[8] = {0};
    gb_slice key = gb_record_key(record);
    memcpy(text, key.base, key.len);
    return atoi(text + 1);
}

static uint64_t value_of(const gb_record *record)
{
    uint64_t value;
    memcpy(&value, gb_record_value(record).base, sizeof value);
    return value;
}

static void world_on_change(void *user, const gb_participant *participant, gb_lane lane,
                            const gb_record *before, const gb_record *after)
{
    world_map *m = user;
    gb_test *t = m->world->t;
    expect_uint(lane, GB_LANE_USER);
    expect_slice(gb_participant_name(participant), gb_slice_from_str("owner"));
    expect_true(before != NULL || after != NULL);
    int key = key_of(before != NULL ? before : after);
    expect_uint(m->seen[key], before == NULL ? 0 : before->version);
    m->seen[key] = after == NULL ? 0 : after->version;
}

static void world_map_open(world *w, int index)
{
    gb_test *t = w->t;
    world_map *m = &w->maps[index];
    *m = (world_map){.world = w};
    gb_map_options options = state_options(t->allocator);
    options.on_change = world_on_change;
    options.on_change_user = m;
    options.hash_seed = gb_rng_u64(&t->rng);
    expect_ok(gb_map_open(&options, &m->map));
    m->owner = state_add(t, m->map, "owner", w->generation);
    if (index == 0) {
        gb_map_set_self(m->map, m->owner);
    }
}

static const history_entry *history_latest(const world *w, int key)
{
    for (size_t i = w->history_count; i > 0; i--) {
        if (w->history[i - 1].key == key) {
            return &w->history[i - 1];
        }
    }
    return NULL;
}

static void check_held(world *w, const world_map *m, int key, const gb_record *held)
{
    gb_test *t = w->t;
    uint64_t version = gb_map_version(m->owner, GB_LANE_USER);
    const history_entry *latest = history_latest(w, key);
    if (held != NULL) {
        /* Versions count from 1 without holes: the history is indexed by them. */
        expect_true(held->version >= 1 && held->version <= w->history_count);
        const history_entry *was = &w->history[held->version - 1];
        expect_true(held->version <= version);
        expect_int(was->key, key);
        expect_uint(gb_record_is_tombstone(held) ? 0 : value_of(held), was->value);
    }
    if (latest == NULL) {
        expect_null(held);
    } else if (latest->version <= version) {
        /* The scuttlebutt invariant: what is final up to the known version is held exactly. */
        if (held == NULL) {
            expect_uint(latest->value, 0);
            expect_true(latest->version <= gb_map_floor(m->owner, GB_LANE_USER));
        } else {
            expect_uint(held->version, latest->version);
        }
    }
}

static void world_check(world *w, int index)
{
    gb_test *t = w->t;
    world_map *m = &w->maps[index];
    gb_map_check(m->map);
    uint64_t version = gb_map_version(m->owner, GB_LANE_USER);
    expect_true(version >= m->version_least && version <= w->history_count);
    expect_true(gb_map_floor(m->owner, GB_LANE_USER) <= version);
    m->version_least = version;
    for (int key = 0; key < KEY_COUNT; key++) {
        char text[8];
        const gb_record *held =
            gb_map_get(m->owner, GB_LANE_USER, gb_slice_from_str("g"), world_key(key, text));
        check_held(w, m, key, held);
        bool is_visible = held != NULL && !gb_record_is_tombstone(held);
        expect_uint(m->seen[key], is_visible ? held->version : 0);
    }
}

static void world_write(world *w)
{
    gb_test *t = w->t;
    if (w->history_count == HISTORY_MAX) {
        return;
    }
    world_map *m = &w->maps[0];
    int key = (int)gb_rng_below(&t->rng, KEY_COUNT);
    char text[8];
    gb_slice name = world_key(key, text);
    uint64_t value = 0;
    if (gb_rng_below(&t->rng, 3) == 0) {
        gb_err err =
            gb_map_delete(m->map, m->owner, GB_LANE_USER, gb_slice_from_str("g"), name, w->now);
        const history_entry *latest = history_latest(w, key);
        bool is_there = latest != NULL && latest->value != 0;
        expect_err(err, is_there ? GB_OK : GB_ENOTFOUND);
        if (!is_there) {
            return;
        }
    } else {
        uint8_t bytes[100] = {0};
        value = ++w->value_next;
        memcpy(bytes, &value, sizeof value);
        size_t size = 8 + gb_rng_below(&t->rng, sizeof bytes - 8);
        expect_ok(gb_map_set(m->map, m->owner, GB_LANE_USER, gb_slice_from_str("g"), name,
                             GB_VALUE_BYTES, gb_slice_make(bytes, size), 0, w->now));
    }
    w->history[w->history_count] = (history_entry){w->history_count + 1, value, key};
    w->history_count++;
    expect_uint(gb_map_version(m->owner, GB_LANE_USER), w->history_count);
}

/* What follower `target` would ask, or an outdated or wild version of it. */
static gb_selection world_ask(world *w, int target)
{
    gb_test *t = w->t;
    const gb_participant *known = w->maps[target].owner;
    gb_selection ask = {.from = gb_map_version(known, GB_LANE_USER),
                        .floor = gb_map_floor(known, GB_LANE_USER)};
    bool is_staged = gb_map_staged(known, GB_LANE_USER, &ask.from, &ask.floor);
    switch (gb_rng_below(&t->rng, 8)) {
    case 0:
        ask.from = gb_rng_below(&t->rng, w->history_count + 2);
        ask.floor = 0;
        ask.flags = gb_rng_below(&t->rng, 2) == 0 ? GB_DELTAS_RESET : 0;
        break;
    case 1:
        ask = (gb_selection){0};
        break;
    default:
        /* Senders need not know that they go on with a reset. */
        ask.flags = is_staged && gb_rng_below(&t->rng, 2) == 0 ? GB_DELTAS_RESET : 0;
        break;
    }
    return ask;
}

static void world_send(world *w)
{
    gb_test *t = w->t;
    flight *place = &w->messages[gb_rng_below(&t->rng, MESSAGE_COUNT)];
    int source = (int)gb_rng_below(&t->rng, FOLLOWER_COUNT + 1);
    int target = 1 + (int)gb_rng_below(&t->rng, FOLLOWER_COUNT);
    if (source == target) {
        return;
    }
    gb_selection ask = world_ask(w, target);
    gb_out out;
    gb_out_init(&out, t->allocator);
    expect_ok(gb_map_select(w->maps[source].map, w->maps[source].owner, GB_LANE_USER, 0,
                            60 + gb_rng_below(&t->rng, 500), &ask, &out));
    gb_free(t->allocator, place->bytes); /* what was there is lost */
    place->bytes = gb_alloc_copy(t->allocator, out.base, out.len);
    place->size = out.len;
    place->generation = w->generation;
    place->target = target;
    gb_out_deinit(&out);
}

static void world_deliver(world *w)
{
    gb_test *t = w->t;
    flight *place = &w->messages[gb_rng_below(&t->rng, MESSAGE_COUNT)];
    if (place->bytes == NULL) {
        return;
    }
    world_map *m = &w->maps[place->target];
    gb_slice payload = {place->bytes + GB_FRAME_HEADER_SIZE, place->size - GB_FRAME_HEADER_SIZE};
    gb_deltas deltas;
    expect_ok(gb_deltas_decode(payload, &deltas));
    uint64_t unused;
    bool was_staged = gb_map_staged(m->owner, GB_LANE_USER, &unused, &unused);
    uint64_t before = gb_map_version(m->owner, GB_LANE_USER);
    gb_apply_result result = {0};
    gb_err err = place->generation == m->owner->generation
                     ? gb_map_apply(m->map, m->owner, &deltas, w->now, &result)
                     : GB_EDUPLICATE;
    expect_true(err == GB_OK || err == GB_EDUPLICATE || err == GB_EGAP);
    if (err == GB_OK) {
        expect_uint(result.version_before, before);
        expect_uint(result.version_after, gb_map_version(m->owner, GB_LANE_USER));
        expect_true(result.is_staging == gb_map_staged(m->owner, GB_LANE_USER, &unused, &unused));
        w->staged_count += result.is_staging ? 1 : 0;
        w->continued_count += result.is_staging && was_staged && deltas.from > 0 ? 1 : 0;
        w->swapped_count += was_staged && !result.is_staging ? 1 : 0;
    }
    if (gb_rng_below(&t->rng, 4) != 0) {
        gb_free(t->allocator, place->bytes);
        place->bytes = NULL;
    }
    world_check(w, place->target);
}

/* The owner's next life: its history begins anew, and so does everybody's view. */
static void world_renew(world *w)
{
    gb_test *t = w->t;
    w->generation++;
    w->history_count = 0;
    for (int i = 0; i <= FOLLOWER_COUNT; i++) {
        expect_ok(gb_map_renew(w->maps[i].map, &w->maps[i].owner, w->generation));
        w->maps[i].version_least = 0;
        world_check(w, i);
    }
}

static void world_step(world *w)
{
    gb_test *t = w->t;
    uint64_t dice = gb_rng_below(&t->rng, 1000);
    int index = (int)gb_rng_below(&t->rng, FOLLOWER_COUNT + 1);
    if (dice < 250) {
        world_write(w);
        world_check(w, 0);
    } else if (dice < 550) {
        world_send(w);
    } else if (dice < 930) {
        world_deliver(w);
    } else if (dice < 980) {
        w->now += gb_rng_below(&t->rng, STATE_GRACE_US / 2);
        gb_map_purge(w->maps[index].map, w->now, 1 + (uint32_t)gb_rng_below(&t->rng, 6));
        world_check(w, index);
    } else if (dice < 990) {
        gb_map_drop_staged(w->maps[index].map, w->maps[index].owner, GB_LANE_USER);
        world_check(w, index);
    } else if (dice < 998 && index != 0) {
        gb_map_close(w->maps[index].map); /* a joiner that knows nothing takes its place */
        world_map_open(w, index);
    } else if (dice == 999) {
        world_renew(w);
    }
}

static void world_converge(world *w)
{
    gb_test *t = w->t;
    for (int i = 1; i <= FOLLOWER_COUNT; i++) {
        /* From the owner to the first, then along the chain. */
        world_map *m = &w->maps[i];
        const world_map *source = &w->maps[i - 1];
        gb_map_drop_staged(m->map, m->owner, GB_LANE_USER);
        state_pull_all(t, source->map, source->owner, m->map, m->owner, 200, w->now);
        world_check(w, i);
        expect_uint(gb_map_version(m->owner, GB_LANE_USER), w->history_count);
        expect_uint(gb_map_hash(m->map), gb_map_hash(w->maps[0].map));
    }
}

GB_TEST(map, random_gossip_never_shows_what_the_owner_did_not_say)
{
    world *w = gb_alloc_zeroed(t->allocator, sizeof *w);
    unsigned staged = 0;
    unsigned swapped = 0;
    unsigned continued = 0;
    for (int run = 0; run < 6; run++) {
        *w = (world){.t = t, .now = 1, .generation = 1};
        for (int i = 0; i <= FOLLOWER_COUNT; i++) {
            world_map_open(w, i);
        }
        for (int step = 0; step < 4000; step++) {
            world_step(w);
        }
        world_converge(w);
        for (int i = 0; i <= FOLLOWER_COUNT; i++) {
            gb_map_close(w->maps[i].map);
        }
        for (int i = 0; i < MESSAGE_COUNT; i++) {
            gb_free(t->allocator, w->messages[i].bytes);
        }
        staged += w->staged_count;
        swapped += w->swapped_count;
        continued += w->continued_count;
    }
    /* The interesting things did happen. */
    expect_true(staged > 100 && swapped > 20 && continued > 20);
    gb_free(t->allocator, w);
}

/* ---- Resurrection, told as a story -------------------------------------------------------------
 */

GB_TEST(map, a_deleted_key_stays_deleted_through_a_relay_that_joined_after_the_purge)
{
    gb_participant *owner;
    gb_map *map = state_open_owner(t, "owner", &owner);
    gb_map *cut_off_map = state_open(t);
    gb_participant *cut_off = state_add(t, cut_off_map, "owner", 1);

    state_set(t, map, owner, "secret", "1", 0);
    state_set(t, map, owner, "other", "1", 0);
    state_pull_all(t, map, owner, cut_off_map, cut_off, 1000, 0);
    expect_str(state_get(cut_off, "secret"), "1");

    state_delete(t, map, owner, "secret", 10);
    expect_uint(gb_map_purge(map, 10 + STATE_GRACE_US, 100), UINT64_MAX);
    expect_str(state_get(owner, "secret"), "-");

    gb_map *relay_map = state_open(t);
    gb_participant *relay = state_add(t, relay_map, "owner", 1);
    state_pull_all(t, map, owner, relay_map, relay, 1000, 2000);
    expect_uint(gb_map_floor(relay, GB_LANE_USER), 3);

    state_pull_all(t, relay_map, relay, cut_off_map, cut_off, 1000, 2000);
    expect_str(state_get(cut_off, "secret"), "-");
    expect_str(state_get(cut_off, "other"), "1");
    expect_uint(gb_map_hash(cut_off_map), gb_map_hash(map));
    gb_map_close(map);
    gb_map_close(relay_map);
    gb_map_close(cut_off_map);
}

/* ---- Memory running out -----------------------------------------------------------------------
 */

static bool survives(gb_err err)
{
    return err == GB_OK || err == GB_ENOMEM;
}

typedef struct script {
    gb_test *t;
    gb_map *owner_map;
    gb_map *map;
    gb_participant *self;
    gb_participant *known;
    bool is_whole;
} script;

static void script_note(script *s, gb_err err)
{
    gb_test *t = s->t;
    expect_true(survives(err));
    s->is_whole = s->is_whole && err == GB_OK;
    gb_map_check(s->owner_map);
    gb_map_check(s->map);
}

static void script_pull(script *s, const gb_allocator *allocator)
{
    gb_test *t = s->t;
    for (bool is_more = true; is_more;) {
        gb_selection ask = {.from = gb_map_version(s->known, GB_LANE_USER),
                            .floor = gb_map_floor(s->known, GB_LANE_USER)};
        if (gb_map_staged(s->known, GB_LANE_USER, &ask.from, &ask.floor)) {
            ask.flags = GB_DELTAS_RESET;
        }
        gb_out out;
        gb_out_init(&out, allocator);
        gb_err err = gb_map_select(s->owner_map, s->self, GB_LANE_USER, 0, 400, &ask, &out);
        script_note(s, err);
        expect_true(err == GB_OK || out.len == 0);
        is_more = err == GB_OK && (ask.flags & GB_DELTAS_END) == 0;
        if (err == GB_OK) {
            gb_deltas deltas;
            expect_ok(gb_deltas_decode(
                (gb_slice){out.base + GB_FRAME_HEADER_SIZE, out.len - GB_FRAME_HEADER_SIZE},
                &deltas));
            uint64_t version = gb_map_version(s->known, GB_LANE_USER);
            gb_apply_result result;
            err = gb_map_apply(s->map, s->known, &deltas, 0, &result);
            if (err != GB_EDUPLICATE) {
                script_note(s, err);
                is_more = is_more && err == GB_OK;
            }
            expect_true(err == GB_OK || gb_map_version(s->known, GB_LANE_USER) == version);
        }
        gb_out_deinit(&out);
    }
}

static void script_writes(script *s, gb_time_us now)
{
    for (int i = 0; i < 12; i++) {
        char key[8];
        int len = snprintf(key, sizeof key, "k%d", i);
        gb_slice name = gb_slice_make(key, (size_t)len);
        gb_slice group = gb_slice_from_str("g");
        script_note(s, gb_map_set(s->owner_map, s->self, GB_LANE_USER, group, name, GB_VALUE_STRING,
                                  gb_slice_from_str("some value"), i % 3 == 0 ? 1000 : 0, now));
        if (i % 2 == 0) {
            gb_err err = gb_map_delete(s->owner_map, s->self, GB_LANE_USER, group, name, now);
            script_note(s, err == GB_ENOTFOUND ? GB_OK : err);
        }
    }
}

static void script_run(script *s, const gb_allocator *allocator)
{
    script_writes(s, 0);
    script_pull(s, allocator);
    uint8_t mask;
    gb_map_expire(s->owner_map, 2000000, 100, &mask);
    script_writes(s, 2000000);
    gb_map_purge(s->owner_map, 2000000 + STATE_GRACE_US, 100); /* what follows is a reset */
    script_pull(s, allocator);
    script_note(s, gb_map_bury(s->map, gb_slice_from_str("late"), 1, 1, 5));
    script_note(s, gb_map_renew(s->map, &s->known, 7));
    gb_map_remove(s->map, s->known);
    gb_map_check(s->map);
}

static bool script_attempt(gb_test *t, const gb_allocator *allocator)
{
    gb_map_options options = state_options(allocator);
    script s = {.t = t, .is_whole = false};
    gb_err err = gb_map_open(&options, &s.owner_map);
    if (err == GB_OK) {
        err = gb_map_open(&options, &s.map);
        if (err == GB_OK) {
            err = gb_map_add(s.owner_map, gb_slice_from_str("owner"), 1, &s.self);
            err = err != GB_OK ? err : gb_map_add(s.map, gb_slice_from_str("owner"), 1, &s.known);
            if (err == GB_OK) {
                s.is_whole = true;
                gb_map_set_self(s.owner_map, s.self);
                script_run(&s, allocator);
            }
            gb_map_close(s.map);
        }
        gb_map_close(s.owner_map);
    }
    expect_true(survives(err));
    return s.is_whole;
}

GB_TEST(map, any_allocation_may_fail_and_the_map_stays_whole)
{
    gb_test_each_allocation_failure(t, script_attempt);
}

/* ---- Sizes ------------------------------------------------------------------------------------
 */

GB_TEST(map, ten_thousand_keys_arrive_exactly_and_their_memory_comes_back)
{
    gb_participant *owner;
    gb_map *map = state_open_owner(t, "owner", &owner);
    gb_map *other_map = state_open(t);
    gb_participant *other = state_add(t, other_map, "owner", 1);
    uint64_t bytes_empty = t->counted.bytes;
    for (int i = 0; i < 10000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key %d", i);
        state_set(t, map, owner, key, key, 0);
    }
    /* Checked at the end alone: walking all of it after each chunk would be quadratic. */
    uint64_t from = 0;
    do {
        state_message message;
        gb_selection ask = {.from = from};
        state_select(t, map, owner, ask, GB_CHUNK_SIZE, &message);
        expect_true(message.out.len <= GB_CHUNK_SIZE);
        gb_apply_result result;
        expect_ok(gb_map_apply(other_map, other, &message.deltas, 0, &result));
        from = message.selection.to;
        state_message_deinit(&message);
    } while (from < gb_map_version(owner, GB_LANE_USER));
    gb_map_check(map);
    gb_map_check(other_map);
    expect_uint(gb_map_hash(map), gb_map_hash(other_map));
    expect_uint(other->key_count, 10000);
    expect_uint(gb_map_bytes(other), gb_map_bytes(owner));
    for (int i = 0; i < 10000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key %d", i);
        expect_str(state_get(other, key), key);
        state_delete(t, map, owner, key, 0);
    }
    expect_uint(gb_map_purge(map, STATE_GRACE_US, UINT32_MAX), UINT64_MAX);
    expect_uint(owner->key_count, 0);
    expect_uint(state_pull_all(t, map, owner, other_map, other, GB_CHUNK_SIZE, 0), 1);
    expect_uint(other->key_count, 0);
    expect_uint(gb_map_bytes(owner) + gb_map_bytes(other), 0);
    expect_true(t->counted.bytes <= bytes_empty + 4096);
    gb_map_close(map);
    gb_map_close(other_map);
}

GB_TEST(map, limits_that_change_hold_from_then_on_and_keep_what_is_there)
{
    gb_participant *owner;
    gb_map *map = state_open_owner(t, "owner", &owner);
    state_set(t, map, owner, "a", "long value", 0);
    state_set(t, map, owner, "b", "long value", 0);
    gb_map_set_limits(map, 1, 4, 7);
    expect_str(state_get(owner, "b"), "long value");
    gb_slice group = gb_slice_from_str("g");
    expect_err(gb_map_set(map, owner, GB_LANE_USER, group, gb_slice_from_str("c"), GB_VALUE_STRING,
                          gb_slice_from_str("1"), 0, 0),
               GB_EKEYS);
    expect_err(gb_map_set(map, owner, GB_LANE_USER, group, gb_slice_from_str("a"), GB_VALUE_STRING,
                          gb_slice_from_str("12345"), 0, 0),
               GB_EVALUE_SIZE);
    state_set(t, map, owner, "a", "1234", 0);
    state_delete(t, map, owner, "a", 10);
    expect_uint(gb_map_purge(map, 16, 10), 17);
    expect_uint(gb_map_purge(map, 17, 10), UINT64_MAX);
    gb_map_check(map);
    gb_map_close(map);
}
