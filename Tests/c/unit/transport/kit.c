/* SPDX-License-Identifier: Apache-2.0 */
/* kit.c: nodes on real sockets for tests. */
#include "kit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- Memory
 * -------------------------------------------------------------------------------------- */

static void *counted_malloc(void *user, size_t size)
{
    void *memory = malloc(size);
    if (memory != NULL) {
        atomic_fetch_add(&((kit_memory *)user)->blocks, 1);
    }
    return memory;
}

static void *counted_realloc(void *user, void *memory, size_t size)
{
    void *moved = realloc(memory, size);
    if (moved != NULL && memory == NULL) {
        atomic_fetch_add(&((kit_memory *)user)->blocks, 1);
    }
    return moved;
}

static void counted_free(void *user, void *memory)
{
    if (memory != NULL) {
        atomic_fetch_sub(&((kit_memory *)user)->blocks, 1);
        free(memory);
    }
}

/* ---- Life
 * ---------------------------------------------------------------------------------------- */

void kit_open(kit *k, gb_test *t)
{
    memset(k, 0, sizeof *k);
    k->t = t;
    k->memory.allocator = (gb_allocator){&k->memory, counted_malloc, counted_realloc, counted_free};
    gb_loop_options options = {.size = sizeof options, .allocator = &k->memory.allocator};
    gb_err_info info;
    expect_ok(gb_loop_open(&options, &k->loop, &info));
}

void kit_close(kit *k)
{
    gb_test *t = k->t;
    expect_ok(gb_loop_close(k->loop));
    expect_int(atomic_load(&k->memory.blocks), 0);
    if (k->directory[0] != '\0') {
        char command[128];
        (void)snprintf(command, sizeof command, "rm -rf '%s'", k->directory);
        expect_int(system(command), 0);
    }
}

const char *kit_directory(kit *k)
{
    gb_test *t = k->t;
    if (k->directory[0] == '\0') {
        (void)snprintf(k->directory, sizeof k->directory, "/tmp/gb-test-XXXXXX");
        expect_not_null(mkdtemp(k->directory));
    }
    return k->directory;
}

gb_node_options kit_options(const char *name)
{
    return (gb_node_options){
        .size = sizeof(gb_node_options),
        .cluster = "test",
        .name = name,
        .settings = {.gossip_interval_us = 100000, .heartbeat_interval_us = 200000},
    };
}

gb_node *kit_node(kit *k, const gb_node_options *options)
{
    gb_test *t = k->t;
    gb_node *node = NULL;
    gb_err_info info;
    gb_err err = gb_node_open(k->loop, options, &node, &info);
    if (err != GB_OK) {
        gb_test_fail(t, __FILE__, __LINE__, "open node %s: %s", options->name, info.text);
    }
    return node;
}

gb_node *kit_join(kit *k, const char *name, uint16_t seed_port)
{
    gb_test *t = k->t;
    gb_node_options options = kit_options(name);
    gb_endpoint seed = {"127.0.0.1", seed_port};
    options.seeds = &seed;
    options.seed_count = seed_port == 0 ? 0 : 1;
    gb_node *node = kit_node(k, &options);
    expect_ok(gb_node_join(node));
    return node;
}

/* ---- Waiting
 * ------------------------------------------------------------------------------------- */

uint64_t kit_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void kit_wait(kit *k, const char *what, bool (*is_met)(void *user), void *user)
{
    gb_test *t = k->t;
    uint64_t deadline = kit_now_us() + (uint64_t)KIT_PATIENCE_MS * 1000;
    while (!is_met(user)) {
        if (kit_now_us() > deadline) {
            gb_test_fail(t, __FILE__, __LINE__, "waited in vain: %s", what);
        }
        const struct timespec pause = {0, 200000};
        (void)nanosleep(&pause, NULL);
    }
}

const gb_event *kit_event(kit *k, gb_node *node, uint32_t kind)
{
    gb_test *t = k->t;
    uint64_t deadline = kit_now_us() + (uint64_t)KIT_PATIENCE_MS * 1000;
    for (;;) {
        const gb_event *event;
        if (gb_node_event_next(node, &event) == GB_OK) {
            if (event->kind == kind) {
                return event;
            }
            gb_event_release(node, event);
            continue;
        }
        struct pollfd at = {.fd = gb_node_event_fd(node), .events = POLLIN};
        (void)poll(&at, 1, 1000);
        if (kit_now_us() > deadline) {
            gb_test_fail(t, __FILE__, __LINE__, "no event of kind %u came", (unsigned)kind);
        }
    }
}

void kit_expect_event(kit *k, gb_node *node, uint32_t kind)
{
    gb_event_release(node, kit_event(k, node, kind));
}

void kit_drain(gb_node *node)
{
    const gb_event *event;
    while (gb_node_event_next(node, &event) == GB_OK) {
        gb_event_release(node, event);
    }
}

/* ---- Members and values
 * -------------------------------------------------------------------------- */

typedef struct member_count {
    gb_node *node;
    uint8_t status;
    uint32_t count;
    uint32_t wanted;
} member_count;

static bool count_member(void *user, const gb_member *member)
{
    member_count *count = user;
    count->count += count->status == 255 || member->status == count->status ? 1 : 0;
    return true;
}

uint32_t kit_members(gb_node *node, uint8_t status)
{
    member_count count = {.status = status};
    gb_node_members(node, count_member, &count);
    return count.count;
}

static bool members_are_there(void *user)
{
    const member_count *count = user;
    return kit_members(count->node, count->status) == count->wanted;
}

void kit_wait_members(kit *k, gb_node *node, uint8_t status, uint32_t count)
{
    member_count wanted = {.node = node, .status = status, .wanted = count};
    kit_wait(k, "members", members_are_there, &wanted);
}

gb_err kit_set(gb_node *node, const char *key, const char *value)
{
    return gb_node_set(node, GB_LANE_USER, gb_slice_from_str("test"), gb_slice_from_str(key),
                       GB_VALUE_STRING, gb_slice_from_str(value), 0);
}

bool kit_has(gb_node *node, const char *owner, const char *key, const char *value)
{
    gb_record *record = NULL;
    gb_err err = gb_node_get(node, gb_slice_from_str(owner), GB_LANE_USER,
                             gb_slice_from_str("test"), gb_slice_from_str(key), &record, NULL);
    if (err != GB_OK) {
        return value == NULL;
    }
    gb_delta delta;
    gb_record_view(record, &delta);
    bool is_it = value != NULL && gb_slice_equal(delta.value, gb_slice_from_str(value));
    gb_node_record_release(node, record);
    return is_it;
}

typedef struct wanted_value {
    gb_node *node;
    const char *owner;
    const char *key;
    const char *value;
} wanted_value;

static bool value_is_there(void *user)
{
    const wanted_value *wanted = user;
    return kit_has(wanted->node, wanted->owner, wanted->key, wanted->value);
}

void kit_wait_value(kit *k, gb_node *node, const char *owner, const char *key, const char *value)
{
    wanted_value wanted = {node, owner, key, value};
    kit_wait(k, "value", value_is_there, &wanted);
}
