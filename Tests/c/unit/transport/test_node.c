/* SPDX-License-Identifier: Apache-2.0 */
/* test_node.c: nodes on one loop, over real sockets. */
#include "kit.h"
#include "transport/test_hooks.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Opening
 * ------------------------------------------------------------------------------------- */

GB_TEST(node, wrong_options_are_refused_with_a_sentence)
{
    kit k;
    kit_open(&k, t);
    gb_node *node = NULL;
    gb_err_info info;
    gb_node_options options = kit_options("a\nb");
    expect_err(gb_node_open(k.loop, &options, &node, &info), GB_ENAME);
    options = kit_options("a");
    options.size = 1;
    expect_err(gb_node_open(k.loop, &options, &node, &info), GB_EINVAL);
    options = kit_options("a");
    gb_endpoint seed = {"", 1};
    options.seeds = &seed;
    options.seed_count = 1;
    expect_err(gb_node_open(k.loop, &options, &node, &info), GB_EINVAL);
    expect_true(info.text[0] != '\0');
    options = kit_options("a");
    options.listen.host = "no.such.host.invalid";
    expect_err(gb_node_open(k.loop, &options, &node, &info), GB_EHOST);
    expect_null(node);
    kit_close(&k);
}

GB_TEST(node, a_port_in_use_is_refused_and_nothing_stays)
{
    kit k;
    kit_open(&k, t);
    gb_node_options options = kit_options("a");
    gb_node *first = kit_node(&k, &options);
    options = kit_options("b");
    options.listen.port = gb_node_port(first);
    gb_node *second = NULL;
    gb_err_info info;
    expect_err(gb_node_open(k.loop, &options, &second, &info), GB_EADDRINUSE);
    char text[128];
    (void)snprintf(text, sizeof text, "listen on 127.0.0.1:%u: address already in use",
                   (unsigned)gb_node_port(first));
    expect_str(info.text, text);
    expect_err(gb_loop_close(k.loop), GB_EBUSY);
    expect_ok(gb_node_close(first));
    kit_close(&k);
}

GB_TEST(node, its_first_event_is_itself)
{
    kit k;
    kit_open(&k, t);
    gb_node_options options = kit_options("a");
    gb_node *node = kit_node(&k, &options);
    struct pollfd at = {.fd = gb_node_event_fd(node), .events = POLLIN};
    expect_int(poll(&at, 1, 0), 1);
    const gb_event *event;
    expect_ok(gb_node_event_next(node, &event));
    expect_uint(event->kind, GB_EVENT_MEMBER);
    expect_slice(event->name, gb_slice_from_str("a"));
    expect_true((event->flags & GB_MEMBER_IS_SELF) != 0);
    expect_uint(event->generation, gb_node_generation(node));
    expect_uint(event->port, gb_node_port(node));
    /* Events outlive their node. */
    expect_ok(gb_node_close(node));
    expect_slice(event->host, gb_slice_from_str("127.0.0.1"));
    gb_event_release(node, event);
    kit_close(&k);
}

GB_TEST(node, without_seeds_it_has_joined_at_once)
{
    kit k;
    kit_open(&k, t);
    gb_node *node = kit_join(&k, "a", 0);
    const gb_event *event = kit_event(&k, node, GB_EVENT_JOINED);
    expect_uint(event->count, 1);
    gb_event_release(node, event);
    expect_uint(kit_members(node, GB_STATUS_ALIVE), 1);
    expect_ok(gb_node_close(node));
    kit_close(&k);
}

GB_TEST(node, its_own_address_among_the_seeds_is_no_seed)
{
    kit k;
    kit_open(&k, t);
    /* The port must be known beforehand: take a free one, and take another if it was taken. */
    gb_node *node = NULL;
    for (int i = 0; i < 20 && node == NULL; i++) {
        gb_node_options probe = kit_options("probe");
        gb_node *free_port = kit_node(&k, &probe);
        gb_node_options options = kit_options("a");
        options.listen = (gb_endpoint){"localhost", gb_node_port(free_port)};
        expect_ok(gb_node_close(free_port));
        gb_endpoint seed = {"127.0.0.1", options.listen.port};
        options.seeds = &seed;
        options.seed_count = 1;
        (void)gb_node_open(k.loop, &options, &node, NULL);
    }
    expect_not_null(node);
    expect_ok(gb_node_join(node));
    kit_expect_event(&k, node, GB_EVENT_JOINED);
    expect_ok(gb_node_close(node));
    kit_close(&k);
}

GB_TEST(node, a_seed_that_refuses_or_has_no_name_is_told_and_tried_again)
{
    kit k;
    kit_open(&k, t);
    gb_node_options options = kit_options("gone");
    gb_node *gone = kit_node(&k, &options);
    gb_endpoint seeds[] = {{"127.0.0.1", gb_node_port(gone)}, {"no.such.host.invalid", 7000}};
    expect_ok(gb_node_close(gone));
    options = kit_options("a");
    options.seeds = seeds;
    options.seed_count = 2;
    gb_node *node = kit_node(&k, &options);
    expect_ok(gb_node_join(node));
    bool has_refused = false;
    bool has_unknown = false;
    while (!has_refused || !has_unknown) {
        const gb_event *event = kit_event(&k, node, GB_EVENT_SEED_FAILED);
        if (gb_slice_equal(event->host, gb_slice_from_str("127.0.0.1"))) {
            expect_err(event->code, GB_ECONNREFUSED);
            has_refused = true;
        } else {
            expect_err(event->code, GB_EUNREACHABLE);
            has_unknown = true;
        }
        gb_event_release(node, event);
    }
    expect_ok(gb_node_close(node));
    kit_close(&k);
}

GB_TEST(node, ipv6_works)
{
    kit k;
    kit_open(&k, t);
    gb_node_options options = kit_options("a");
    options.listen.host = "::1";
    gb_node *a = NULL;
    gb_err_info info;
    gb_err err = gb_node_open(k.loop, &options, &a, &info);
    if (err == GB_EHOST || info.system_code == -EAFNOSUPPORT) {
        printf("    (this machine has no ::1)\n");
        kit_close(&k);
        return;
    }
    expect_ok(err);
    expect_ok(gb_node_join(a));
    options = kit_options("b");
    options.listen.host = "::1";
    gb_endpoint seed = {"::1", gb_node_port(a)};
    options.seeds = &seed;
    options.seed_count = 1;
    gb_node *b = kit_node(&k, &options);
    expect_ok(gb_node_join(b));
    kit_wait_members(&k, a, GB_STATUS_ALIVE, 2);
    expect_ok(kit_set(b, "k", "v6"));
    kit_wait_value(&k, a, "b", "k", "v6");
    expect_ok(gb_node_close(a));
    expect_ok(gb_node_close(b));
    kit_close(&k);
}

/* ---- Clusters
 * ------------------------------------------------------------------------------------ */

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : (x > y ? 1 : 0);
}

GB_TEST(node, two_nodes_exchange_values_quickly)
{
    enum { TRIALS = 51 };
    kit k;
    kit_open(&k, t);
    gb_node *a = kit_join(&k, "a", 0);
    gb_node *b = kit_join(&k, "b", gb_node_port(a));
    kit_wait_members(&k, a, GB_STATUS_ALIVE, 2);
    kit_wait_members(&k, b, GB_STATUS_ALIVE, 2);
    uint64_t took[TRIALS];
    for (int i = 0; i < TRIALS; i++) {
        char value[16];
        (void)snprintf(value, sizeof value, "%d", i);
        kit_drain(b);
        uint64_t start = kit_now_us();
        expect_ok(kit_set(a, "k", value));
        expect_true(kit_has(a, "a", "k", value)); /* at once, here */
        const gb_event *event = kit_event(&k, b, GB_EVENT_DELTA);
        took[i] = kit_now_us() - start;
        expect_slice(event->name, gb_slice_from_str("a"));
        expect_true(event->record != NULL);
        gb_event_release(b, event);
        expect_true(kit_has(b, "a", "k", value));
    }
    qsort(took, TRIALS, sizeof took[0], compare_u64);
    printf("    set to event on the other node: median %" PRIu64 " us, max %" PRIu64 " us\n",
           took[TRIALS / 2], took[TRIALS - 1]);
    expect_ok(gb_node_delete(a, GB_LANE_USER, gb_slice_from_str("test"), gb_slice_from_str("k")));
    expect_true(kit_has(a, "a", "k", NULL));
    kit_wait_value(&k, b, "a", "k", NULL);
    expect_ok(gb_node_close(b));
    expect_ok(gb_node_close(a));
    kit_close(&k);
}

GB_TEST(node, five_nodes_converge_and_one_leaves)
{
    enum { COUNT = 5 };
    static const char *const names[COUNT] = {"a", "b", "c", "d", "e"};
    kit k;
    kit_open(&k, t);
    gb_node *nodes[COUNT];
    for (int i = 0; i < COUNT; i++) {
        nodes[i] = kit_join(&k, names[i], i == 0 ? 0 : gb_node_port(nodes[0]));
        expect_ok(kit_set(nodes[i], "k", names[i]));
    }
    for (int i = 0; i < COUNT; i++) {
        kit_wait_members(&k, nodes[i], GB_STATUS_ALIVE, COUNT);
        for (int j = 0; j < COUNT; j++) {
            kit_wait_value(&k, nodes[i], names[j], "k", names[j]);
        }
    }
    expect_ok(gb_node_leave(nodes[4]));
    kit_expect_event(&k, nodes[4], GB_EVENT_LEFT);
    expect_err(kit_set(nodes[4], "k", "late"), GB_ECLOSED);
    expect_err(gb_node_leave(nodes[4]), GB_ECLOSED);
    for (int i = 0; i < COUNT - 1; i++) {
        kit_wait_members(&k, nodes[i], GB_STATUS_LEFT, 1);
    }
    for (int i = 0; i < COUNT; i++) {
        expect_ok(gb_node_close(nodes[i]));
    }
    kit_close(&k);
}

GB_TEST(node, a_closed_node_is_noticed_by_its_links)
{
    kit k;
    kit_open(&k, t);
    gb_node_options options = kit_options("a");
    options.has_detector = true;
    gb_node *a = kit_node(&k, &options);
    expect_ok(gb_node_join(a));
    gb_node *b = kit_join(&k, "b", gb_node_port(a));
    kit_expect_event(&k, a, GB_EVENT_LINK_OPENED);
    expect_ok(gb_node_close(b));
    const gb_event *event = kit_event(&k, a, GB_EVENT_LINK_CLOSED);
    expect_slice(event->name, gb_slice_from_str("b"));
    expect_true(event->cause == GB_CLOSE_ENDED || event->cause == GB_CLOSE_RESET);
    gb_event_release(a, event);
    expect_ok(gb_node_close(a));
    kit_close(&k);
}

static bool has_all_links(void *user)
{
    gb_engine_stats stats;
    gb_node_read_stats(user, &stats);
    return stats.links_open > 0;
}

GB_TEST(node, a_link_that_is_cut_under_load_comes_back_and_nothing_is_missed)
{
    kit k;
    kit_open(&k, t);
    gb_node *a = kit_join(&k, "a", 0);
    gb_node *b = kit_join(&k, "b", gb_node_port(a));
    kit_wait_members(&k, b, GB_STATUS_ALIVE, 2);
    char key[16];
    char value[16];
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(key, sizeof key, "k%d", i % 2000);
        (void)snprintf(value, sizeof value, "%d", i);
        gb_err err = kit_set(a, key, value);
        expect_ok(err);
        if (i % 4000 == 2000) {
            kit_wait(&k, "a link", has_all_links, a);
            expect_ok(gb_node_test_drop_link(a, 0));
        }
    }
    for (int i = 18000; i < 20000; i += 97) {
        (void)snprintf(key, sizeof key, "k%d", i % 2000);
        (void)snprintf(value, sizeof value, "%d", i);
        kit_wait_value(&k, b, "a", key, value);
    }
    expect_ok(gb_node_close(a));
    expect_ok(gb_node_close(b));
    kit_close(&k);
}

/* Values larger than a link's buffers: partial writes, several reads a turn. */
GB_TEST(node, large_values_arrive_whole)
{
    kit k;
    kit_open(&k, t);
    gb_node *a = kit_join(&k, "a", 0);
    gb_node *b = kit_join(&k, "b", gb_node_port(a));
    kit_wait_members(&k, b, GB_STATUS_ALIVE, 2);
    enum { SIZE = 4 * 1024 * 1024 };
    uint8_t *bytes = malloc(SIZE);
    expect_not_null(bytes);
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (uint8_t)(i * 31 >> 3);
    }
    gb_slice value = gb_slice_make(bytes, SIZE);
    expect_err(gb_node_set(a, GB_LANE_USER, gb_slice_from_str("test"), gb_slice_from_str("big"),
                           GB_VALUE_BYTES, gb_slice_make(bytes, SIZE + (size_t)1), 0),
               GB_EVALUE_SIZE);
    for (int i = 0; i < 5; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "big%d", i);
        expect_ok(gb_node_set(a, GB_LANE_USER, gb_slice_from_str("test"), gb_slice_from_str(key),
                              GB_VALUE_BYTES, value, 0));
    }
    expect_ok(kit_set(a, "after", "x"));
    kit_wait_value(&k, b, "a", "after", "x");
    for (int i = 0; i < 5; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "big%d", i);
        gb_record *record;
        expect_ok(gb_node_get(b, gb_slice_from_str("a"), GB_LANE_USER, gb_slice_from_str("test"),
                              gb_slice_from_str(key), &record, NULL));
        gb_delta delta;
        gb_record_view(record, &delta);
        expect_true(gb_slice_equal(delta.value, value));
        gb_node_record_release(b, record);
    }
    free(bytes);
    expect_ok(gb_node_close(a));
    expect_ok(gb_node_close(b));
    kit_close(&k);
}

/* ---- Many
 * ---------------------------------------------------------------------------------------- */

enum { MANY = 64 };

typedef struct crowd {
    gb_node *nodes[MANY];
    const char *value;
} crowd;

static bool crowd_knows_all(void *user)
{
    const crowd *c = user;
    for (int i = 0; i < MANY; i++) {
        if (kit_members(c->nodes[i], GB_STATUS_ALIVE) != MANY) {
            return false;
        }
    }
    return true;
}

static bool crowd_has_value(void *user)
{
    const crowd *c = user;
    for (int i = 0; i < MANY; i++) {
        if (!kit_has(c->nodes[i], "n0", "k", c->value)) {
            return false;
        }
    }
    return true;
}

static double crowd_links(const crowd *c)
{
    uint64_t links = 0;
    for (int i = 0; i < MANY; i++) {
        gb_engine_stats stats;
        gb_node_read_stats(c->nodes[i], &stats);
        links += stats.links_open;
    }
    return (double)links / (int)MANY;
}

static bool crowd_has_few_links(void *user)
{
    const crowd *c = user;
    return crowd_links(c) <= 9;
}

GB_TEST(node, sixty_four_nodes_on_one_loop_know_each_other)
{
    kit k;
    kit_open(&k, t);
    static crowd c;
    uint64_t start = kit_now_us();
    for (int i = 0; i < MANY; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "n%d", i);
        gb_node_options options = kit_options(name);
        options.settings.gossip_interval_us = 0;
        options.settings.heartbeat_interval_us = 0;
        options.no_delta_events = true;
        gb_endpoint seed = {"127.0.0.1", i == 0 ? 0 : gb_node_port(c.nodes[0])};
        options.seeds = &seed;
        options.seed_count = i == 0 ? 0 : 1;
        c.nodes[i] = kit_node(&k, &options);
        expect_ok(gb_node_join(c.nodes[i]));
    }
    kit_wait(&k, "all know all", crowd_knows_all, &c);
    printf("    %d nodes know each other after %" PRIu64 " ms\n", MANY,
           (kit_now_us() - start) / 1000);
    uint64_t took[9];
    for (int i = 0; i < 9; i++) {
        char value[8];
        (void)snprintf(value, sizeof value, "v%d", i);
        c.value = value;
        start = kit_now_us();
        expect_ok(kit_set(c.nodes[0], "k", value));
        kit_wait(&k, "all have the value", crowd_has_value, &c);
        took[i] = kit_now_us() - start;
    }
    qsort(took, 9, sizeof took[0], compare_u64);
    printf("    set to all %d nodes: median %" PRIu64 " us, max %" PRIu64 " us\n", MANY, took[4],
           took[8]);
    kit_wait(&k, "9 links a node or fewer", crowd_has_few_links, &c);
    printf("    links per node: %.1f\n", crowd_links(&c));
    expect_true(crowd_knows_all(&c)); /* closing what is too much was taken for nobody's death */
    for (int i = 0; i < MANY; i++) {
        expect_ok(gb_node_close(c.nodes[i]));
    }
    kit_close(&k);
}

/* ---- Own changes
 * --------------------------------------------------------------------------------- */

GB_TEST(node, what_cannot_be_set_is_refused)
{
    kit k;
    kit_open(&k, t);
    gb_node_options options = kit_options("a");
    options.settings.key_count_max = 5;
    options.settings.value_size_max = 100; /* the node's own record has its 60 */
    gb_node *node = kit_node(&k, &options);
    gb_slice g = gb_slice_from_str("test");
    gb_slice key = gb_slice_from_str("k");
    gb_slice v = gb_slice_from_str("v");
    static const uint8_t long_key[2000];
    expect_err(gb_node_set(node, GB_LANE_MEMBERSHIP, g, key, 0, v, 0), GB_EINVAL);
    expect_err(gb_node_set(node, GB_LANE_USER, gb_slice_make(NULL, 0), key, 0, v, 0), GB_EGROUP);
    gb_slice facts = gb_slice_from_str("system");
    expect_err(gb_node_set(node, GB_LANE_USER, facts, key, 0, v, 0), GB_EGROUP);
    expect_err(gb_node_set(node, GB_LANE_USER, g, gb_slice_make(long_key, 2000), 0, v, 0),
               GB_EKEY_SIZE);
    expect_err(gb_node_set(node, GB_LANE_USER, g, key, 0, gb_slice_make(long_key, 101), 0),
               GB_EVALUE_SIZE);
    expect_err(gb_node_set(node, GB_LANE_USER, g, key, GB_VALUE_INT64, v, 0), GB_ETYPE);
    expect_err(gb_node_set(node, GB_LANE_USER, g, key, GB_VALUE_TOMBSTONE, v, 0), GB_ETYPE);
    expect_err(gb_node_delete(node, GB_LANE_USER, g, key), GB_ENOTFOUND);
    gb_record *record;
    expect_err(gb_node_get(node, gb_slice_from_str("nobody"), GB_LANE_USER, g, key, &record, NULL),
               GB_EUNKNOWN_NODE);
    /* One key is the node's own record. */
    static const char *const keys[] = {"1", "2", "3", "4"};
    for (size_t i = 0; i < 4; i++) {
        expect_ok(kit_set(node, keys[i], "x"));
    }
    expect_err(kit_set(node, "5", "x"), GB_EKEYS);
    expect_ok(kit_set(node, "4", "y"));
    kit_wait_value(&k, node, "a", "4", "y");
    expect_err(kit_set(node, "5", "x"), GB_EKEYS);
    expect_ok(gb_node_close(node));
    kit_close(&k);
}

typedef struct seen_list {
    uint32_t count;
    uint32_t sum;
} seen_list;

static bool see_record(void *user, const gb_record *record)
{
    seen_list *seen = user;
    gb_delta delta;
    gb_record_view(record, &delta);
    seen->count++;
    seen->sum += (uint32_t)(delta.value.base[0] - '0');
    return true;
}

GB_TEST(node, a_list_has_each_key_once_with_its_newest_value)
{
    kit k;
    kit_open(&k, t);
    gb_node *node = kit_join(&k, "a", 0);
    gb_slice name = gb_slice_from_str("a");
    for (int round = 0; round < 50; round++) {
        char value[2] = {(char)('0' + round % 10), '\0'};
        expect_ok(kit_set(node, "x", value));
        expect_ok(kit_set(node, "y", value));
        expect_ok(kit_set(node, "gone", value));
        expect_ok(gb_node_delete(node, GB_LANE_USER, gb_slice_from_str("test"),
                                 gb_slice_from_str("gone")));
        seen_list seen = {0};
        uint64_t generation = 0;
        expect_ok(gb_node_list(node, name, GB_LANE_USER, see_record, &seen, &generation));
        expect_uint(seen.count, 2);
        expect_uint(seen.sum, 2u * (uint32_t)(round % 10));
        expect_uint(generation, gb_node_generation(node));
    }
    expect_err(gb_node_list(node, gb_slice_from_str("b"), GB_LANE_USER, see_record, NULL, NULL),
               GB_EUNKNOWN_NODE);
    expect_ok(gb_node_close(node));
    kit_close(&k);
}

GB_TEST(node, a_value_with_a_time_to_live_goes_by_itself)
{
    kit k;
    kit_open(&k, t);
    gb_node *a = kit_join(&k, "a", 0);
    gb_node *b = kit_join(&k, "b", gb_node_port(a));
    kit_wait_members(&k, b, GB_STATUS_ALIVE, 2);
    expect_ok(gb_node_set(a, GB_LANE_USER, gb_slice_from_str("test"), gb_slice_from_str("k"),
                          GB_VALUE_STRING, gb_slice_from_str("v"), 300));
    kit_wait_value(&k, b, "a", "k", "v");
    kit_wait_value(&k, b, "a", "k", NULL);
    kit_wait_value(&k, a, "a", "k", NULL);
    expect_ok(gb_node_close(a));
    expect_ok(gb_node_close(b));
    kit_close(&k);
}

/* ---- Threads
 * ------------------------------------------------------------------------------------- */

enum { HAMMER_KEYS = 50 };

typedef struct hammer {
    gb_node *node;
    const char *owner;
    atomic_bool is_over;
    atomic_ulong reads;
    atomic_ulong wrong;
} hammer;

static bool check_record(void *user, const gb_record *record)
{
    hammer *h = user;
    gb_delta delta;
    gb_record_view(record, &delta);
    /* Every value is its own length in one digit, repeated. */
    for (size_t i = 0; i < delta.value.len; i++) {
        if (delta.value.base[i] != '0' + (uint8_t)delta.value.len) {
            atomic_fetch_add(&h->wrong, 1);
        }
    }
    return true;
}

static bool check_member(void *user, const gb_member *member)
{
    hammer *h = user;
    if (member->name.len == 0 || member->generation == 0) {
        atomic_fetch_add(&h->wrong, 1);
    }
    return true;
}

static void *hammer_read(void *argument)
{
    hammer *h = argument;
    gb_slice owner = gb_slice_from_str(h->owner);
    for (uint32_t i = 0; !atomic_load(&h->is_over); i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%u", i % HAMMER_KEYS);
        gb_record *record;
        if (gb_node_get(h->node, owner, GB_LANE_USER, gb_slice_from_str("test"),
                        gb_slice_from_str(key), &record, NULL) == GB_OK) {
            (void)check_record(h, record);
            gb_node_record_release(h->node, record);
        }
        if (i % 64 == 0) {
            (void)gb_node_list(h->node, owner, GB_LANE_USER, check_record, h, NULL);
            gb_node_members(h->node, check_member, h);
            gb_engine_stats stats;
            gb_node_read_stats(h->node, &stats);
        }
        atomic_fetch_add_explicit(&h->reads, 1, memory_order_relaxed);
    }
    return NULL;
}

GB_TEST(node, readers_in_threads_see_whole_values_while_they_change)
{
    kit k;
    kit_open(&k, t);
    gb_node *a = kit_join(&k, "a", 0);
    gb_node *b = kit_join(&k, "b", gb_node_port(a));
    kit_wait_members(&k, b, GB_STATUS_ALIVE, 2);
    static hammer on_a;
    static hammer on_b;
    on_a = (hammer){.node = a, .owner = "a"};
    on_b = (hammer){.node = b, .owner = "a"};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        expect_int(pthread_create(&threads[i], NULL, hammer_read, i % 2 == 0 ? &on_a : &on_b), 0);
    }
    for (uint32_t i = 0; i < 30000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%u", i % HAMMER_KEYS);
        if (i % 11 == 5) {
            gb_err err =
                gb_node_delete(a, GB_LANE_USER, gb_slice_from_str("test"), gb_slice_from_str(key));
            expect_true(err == GB_OK || err == GB_ENOTFOUND);
            continue;
        }
        char value[10] = {0};
        memset(value, '0' + (int)(1 + i % 9), 1 + i % 9);
        expect_ok(kit_set(a, key, value));
    }
    expect_ok(kit_set(a, "last", "1"));
    kit_wait_value(&k, b, "a", "last", "1");
    atomic_store(&on_a.is_over, true);
    atomic_store(&on_b.is_over, true);
    for (int i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    expect_uint(atomic_load(&on_a.wrong) + atomic_load(&on_b.wrong), 0);
    expect_true(atomic_load(&on_a.reads) > 0 && atomic_load(&on_b.reads) > 0);
    printf("    %lu reads meanwhile\n", atomic_load(&on_a.reads) + atomic_load(&on_b.reads));
    expect_ok(gb_node_close(a));
    expect_ok(gb_node_close(b));
    kit_close(&k);
}

typedef struct setter {
    gb_node *node;
    int no;
    unsigned long refused;
} setter;

static void *set_on(void *argument)
{
    setter *s = argument;
    for (int i = 0; i < 3000; i++) {
        char key[24];
        (void)snprintf(key, sizeof key, "s%d-%d", s->no, i % 100);
        if (kit_set(s->node, key, "v") != GB_OK || !kit_has(s->node, "a", key, "v")) {
            s->refused++;
        }
    }
    return NULL;
}

GB_TEST(node, each_thread_reads_its_own_writes)
{
    kit k;
    kit_open(&k, t);
    gb_node *node = kit_join(&k, "a", 0);
    pthread_t threads[4];
    setter setters[4];
    for (int i = 0; i < 4; i++) {
        setters[i] = (setter){.node = node, .no = i};
        expect_int(pthread_create(&threads[i], NULL, set_on, &setters[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
        expect_uint(setters[i].refused, 0);
    }
    expect_ok(gb_node_close(node));
    kit_close(&k);
}

/* ---- Events
 * -------------------------------------------------------------------------------------- */

GB_TEST(node, a_host_that_does_not_read_is_told_that_it_lags)
{
    kit k;
    kit_open(&k, t);
    gb_node_options options = kit_options("a");
    options.event_count_max = 10;
    gb_node *node = kit_node(&k, &options);
    expect_ok(gb_node_join(node));
    for (int i = 0; i < 100; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        expect_ok(kit_set(node, key, "v"));
    }
    expect_ok(kit_set(node, "end", "v"));
    /* What was lost can be read anew. */
    const gb_event *event = kit_event(&k, node, GB_EVENT_LAGGED);
    expect_true(event->count > 0);
    gb_event_release(node, event);
    expect_true(kit_has(node, "a", "k99", "v"));
    expect_ok(gb_node_close(node));
    kit_close(&k);
}

GB_TEST(node, closing_while_dialling_and_resolving_leaves_nothing)
{
    kit k;
    kit_open(&k, t);
    gb_endpoint seeds[] = {{"no.such.host.invalid", 1}, {"192.0.2.1", 9}, {"localhost", 1}};
    for (int i = 0; i < 10; i++) {
        gb_node_options options = kit_options("a");
        options.seeds = seeds;
        options.seed_count = 3;
        gb_node *node = kit_node(&k, &options);
        expect_ok(gb_node_join(node));
        if (i % 2 == 0) {
            expect_ok(gb_node_set_seeds(node, seeds, 1));
        }
        expect_ok(gb_node_close(node));
    }
    kit_close(&k);
}

GB_TEST(node, what_the_machine_is_can_be_read)
{
    gb_host_facts facts;
    gb_host_facts_read(&facts);
    expect_true(facts.core_count > 0);
    expect_true(facts.memory_total > 0 && facts.memory_available <= facts.memory_total);
    expect_true(facts.platform[0] != '\0' && facts.machine[0] != '\0');
}
