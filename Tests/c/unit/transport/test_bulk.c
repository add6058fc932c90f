/* SPDX-License-Identifier: Apache-2.0 */
/* A joiner of a cluster that holds much, over real TCP: told about once, from one source a lane. */
#include "unit/transport/kit.h"

#include "platform/alloc.h"

#include <stdio.h>
#include <string.h>

#define HOLDERS 16
#define KEYS_EACH 100
/* 16 x 100 x 62,500 bytes are 100 MB; sanitizers slow and swell everything, so a tenth with them.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VALUE_SIZE 6250u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define VALUE_SIZE 6250u
#endif
#endif
#ifndef VALUE_SIZE
#define VALUE_SIZE 62500u
#endif
#define TOTAL_SIZE ((uint64_t)HOLDERS * KEYS_EACH * VALUE_SIZE)

typedef struct holders {
    gb_node *nodes[HOLDERS];
    gb_node *joiner;
} holders;

static uint64_t map_hash(gb_node *node)
{
    gb_engine_stats stats;
    gb_node_read_stats(node, &stats);
    return stats.map_hash;
}

static uint64_t map_bytes(gb_node *node)
{
    gb_engine_stats stats;
    gb_node_read_stats(node, &stats);
    return stats.map_bytes;
}

static bool holders_hold_all(void *user)
{
    holders *h = user;
    for (int i = 0; i < HOLDERS; i++) {
        if (map_bytes(h->nodes[i]) < TOTAL_SIZE || map_hash(h->nodes[i]) != map_hash(h->nodes[0])) {
            return false;
        }
    }
    return true;
}

static bool joiner_holds_all(void *user)
{
    holders *h = user;
    return map_bytes(h->joiner) >= TOTAL_SIZE && map_hash(h->joiner) == map_hash(h->nodes[1]);
}

static bool joiner_holds_some(void *user)
{
    holders *h = user;
    return map_bytes(h->joiner) >= TOTAL_SIZE / 20;
}

static gb_node *join(kit *k, const char *name, uint16_t seed_port)
{
    gb_test *t = k->t;
    gb_node_options options = kit_options(name);
    options.no_delta_events = true;
    gb_endpoint seed = {"127.0.0.1", seed_port};
    options.seeds = &seed;
    options.seed_count = seed_port == 0 ? 0 : 1;
    gb_node *node = kit_node(k, &options);
    expect_ok(gb_node_join(node));
    return node;
}

static void fill(kit *k, gb_node *node, uint8_t *value)
{
    gb_test *t = k->t;
    for (int i = 0; i < KEYS_EACH; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%d", i);
        value[0] = (uint8_t)i;
        expect_ok(gb_node_set(node, GB_LANE_USER, gb_slice_from_str("bulk"), gb_slice_from_str(key),
                              GB_VALUE_BYTES, gb_slice_make(value, VALUE_SIZE), 0));
    }
}

static void open_holders(kit *k, holders *h)
{
    memset(h, 0, sizeof *h);
    uint8_t *value = gb_alloc_zeroed(k->t->allocator, VALUE_SIZE);
    for (int i = 0; i < HOLDERS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "holder-%d", i);
        h->nodes[i] = join(k, name, i == 0 ? 0 : gb_node_port(h->nodes[0]));
        fill(k, h->nodes[i], value);
    }
    gb_free(k->t->allocator, value);
    kit_wait(k, "all holders hold all", holders_hold_all, h);
}

static void close_holders(kit *k, holders *h)
{
    gb_test *t = k->t;
    expect_ok(gb_node_close(h->joiner));
    for (int i = 0; i < HOLDERS; i++) {
        expect_ok(gb_node_close(h->nodes[i]));
    }
}

GB_TEST(bulk, a_joiner_receives_at_most_a_fifth_more_than_there_is)
{
    kit k;
    holders h;
    kit_open(&k, t);
    open_holders(&k, &h);
    uint64_t start = kit_now_us();
    h.joiner = join(&k, "joiner", gb_node_port(h.nodes[0]));
    kit_wait(&k, "the joiner holds all", joiner_holds_all, &h);
    gb_engine_stats stats;
    gb_node_read_stats(h.joiner, &stats);
    printf("    %.1f MB after %" PRIu64 " ms, %.1f MB received\n", (double)TOTAL_SIZE / 1e6,
           (kit_now_us() - start) / 1000, (double)stats.bytes_received / 1e6);
    expect_true(stats.bytes_received <= TOTAL_SIZE * 12 / 10);
    close_holders(&k, &h);
    kit_close(&k);
}

GB_TEST(bulk, another_source_goes_on_where_the_first_died)
{
    kit k;
    holders h;
    kit_open(&k, t);
    open_holders(&k, &h);
    h.joiner = join(&k, "joiner", gb_node_port(h.nodes[0]));
    kit_wait(&k, "the joiner holds some", joiner_holds_some, &h);
    expect_ok(gb_node_close(h.nodes[0]));
    h.nodes[0] = NULL;
    kit_wait(&k, "the joiner holds all", joiner_holds_all, &h);
    gb_engine_stats stats;
    gb_node_read_stats(h.joiner, &stats);
    printf("    %.1f MB received of %.1f MB, the first source died\n",
           (double)stats.bytes_received / 1e6, (double)TOTAL_SIZE / 1e6);
    /* What was under way when it died may come twice: at most what a link may hold. */
    expect_true(stats.bytes_received <= TOTAL_SIZE * 12 / 10 + 1024 * 1024);
    close_holders(&k, &h);
    kit_close(&k);
}
