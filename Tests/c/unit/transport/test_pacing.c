/* SPDX-License-Identifier: Apache-2.0 */
/* test_pacing.c: own changes that wait for their version, as threads of the host and the data
 * directory see them. */
#include "kit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* In the paper's mode a node begins with nothing, and these are never given anything. */
static gb_node *join_paced(kit *k, const char *name, uint16_t seed_port, const char *directory)
{
    gb_test *t = k->t;
    gb_node_options options = kit_options(name);
    options.settings.gossip_mode = GB_GOSSIP_PAPER;
    options.settings.flow_under_count = UINT32_MAX;
    options.data_directory = directory;
    gb_endpoint seed = {"127.0.0.1", seed_port};
    options.seeds = &seed;
    options.seed_count = seed_port == 0 ? 0 : 1;
    gb_node *node = kit_node(k, &options);
    expect_ok(gb_node_join(node));
    return node;
}

static void expect_pacing(kit *k, gb_node *node, uint32_t is_on)
{
    gb_test *t = k->t;
    const gb_event *event = kit_event(k, node, GB_EVENT_PACING);
    expect_uint(event->flags, is_on);
    gb_event_release(node, event);
}

static bool something_waits(void *user)
{
    gb_engine_stats stats;
    gb_node_read_stats(user, &stats);
    return stats.is_pacing && stats.pending_count > 0;
}

typedef struct listed {
    uint32_t count;
    uint32_t sum;
} listed;

static bool visit(void *user, const gb_record *record)
{
    listed *seen = user;
    gb_delta delta;
    gb_record_view(record, &delta);
    seen->count++;
    seen->sum += delta.value.len == 0 ? 0 : (uint32_t)(delta.value.base[0] - '0');
    return true;
}

static listed list_own(kit *k, gb_node *node)
{
    gb_test *t = k->t;
    listed seen = {0};
    expect_ok(gb_node_list(node, gb_node_name(node), GB_LANE_USER, visit, &seen, NULL));
    return seen;
}

GB_TEST(pacing, a_node_reads_its_own_changes_while_they_wait)
{
    kit k;
    kit_open(&k, t);
    gb_node *a = join_paced(&k, "a", 0, NULL);
    expect_ok(kit_set(a, "old", "1")); /* nobody else is there: not paced */
    expect_ok(kit_set(a, "kept", "2"));
    kit_wait_value(&k, a, "a", "kept", "2");
    gb_node *b = join_paced(&k, "b", gb_node_port(a), NULL);
    expect_pacing(&k, a, 1);
    kit_wait_value(&k, b, "a", "old", "1");

    expect_ok(kit_set(a, "old", "3"));
    expect_ok(kit_set(a, "new", "4"));
    expect_ok(kit_set(a, "gone", "5"));
    kit_wait(&k, "changes wait", something_waits, a);
    expect_ok(kit_set(a, "new", "5"));
    gb_slice group = gb_slice_from_str("test");
    expect_ok(gb_node_delete(a, GB_LANE_USER, group, gb_slice_from_str("kept")));
    expect_ok(gb_node_delete(a, GB_LANE_USER, group, gb_slice_from_str("gone")));
    /* Wherever they are at the moment. */
    for (int i = 0; i < 50; i++) {
        expect_true(kit_has(a, "a", "old", "3"));
        expect_true(kit_has(a, "a", "new", "5"));
        expect_true(kit_has(a, "a", "kept", NULL));
        expect_true(kit_has(a, "a", "gone", NULL));
        listed seen = list_own(&k, a);
        expect_uint(seen.count, 2);
        expect_uint(seen.sum, 8);
        const struct timespec pause = {0, 1000000};
        (void)nanosleep(&pause, NULL);
    }
    expect_err(gb_node_delete(a, GB_LANE_USER, group, gb_slice_from_str("kept")), GB_ENOTFOUND);
    expect_true(kit_has(b, "a", "old", "1"));

    gb_engine_settings settings = {.is_flow_disabled = true};
    expect_ok(gb_node_configure(a, &settings));
    expect_pacing(&k, a, 0);
    kit_wait_value(&k, b, "a", "new", "5");
    kit_wait_value(&k, b, "a", "old", "3");
    kit_wait_value(&k, b, "a", "kept", NULL);
    expect_ok(gb_node_close(a));
    expect_ok(gb_node_close(b));
    kit_close(&k);
}

GB_TEST(pacing, keys_that_wait_count_against_the_limit)
{
    kit k;
    kit_open(&k, t);
    gb_node *a = join_paced(&k, "a", 0, NULL);
    gb_node *b = join_paced(&k, "b", gb_node_port(a), NULL);
    expect_pacing(&k, a, 1);
    gb_engine_settings settings = {
        .gossip_mode = GB_GOSSIP_PAPER, .flow_under_count = UINT32_MAX, .key_count_max = 8};
    expect_ok(gb_node_configure(a, &settings));
    for (int i = 0; i < 7; i++) { /* beside what it says of itself */
        char key[8];
        (void)snprintf(key, sizeof key, "%d", i);
        expect_ok(kit_set(a, key, "1"));
    }
    kit_wait(&k, "changes wait", something_waits, a);
    expect_err(kit_set(a, "one more", "1"), GB_EKEYS);
    expect_ok(kit_set(a, "3", "2"));
    expect_ok(gb_node_close(a));
    expect_ok(gb_node_close(b));
    kit_close(&k);
}

static long journal_size(kit *k)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/journal", kit_directory(k));
    struct stat at;
    return stat(path, &at) == 0 ? (long)at.st_size : -1;
}

typedef struct journal_wait {
    kit *k;
    long before;
} journal_wait;

static bool journal_has_changed(void *user)
{
    const journal_wait *wait = user;
    return journal_size(wait->k) != wait->before;
}

GB_TEST(pacing, what_waits_is_on_the_disk_also_when_the_journal_is_written_anew)
{
    kit k;
    kit_open(&k, t);
    gb_node *a = join_paced(&k, "a", 0, kit_directory(&k));
    expect_ok(kit_set(a, "told", "0"));
    gb_node *b = join_paced(&k, "b", gb_node_port(a), NULL);
    expect_pacing(&k, a, 1);
    expect_ok(kit_set(a, "waiting", "1"));
    /* One key again and again, until what stands in the journal is mostly over. */
    static char value[16 * 1024];
    bool was_compacted = false;
    for (int i = 0; i < 30 && !was_compacted; i++) {
        journal_wait wait = {&k, journal_size(&k)};
        memset(value, '0' + i % 10, sizeof value);
        expect_ok(gb_node_set(a, GB_LANE_USER, gb_slice_from_str("test"), gb_slice_from_str("big"),
                              GB_VALUE_BYTES, gb_slice_make(value, sizeof value), 0));
        kit_wait(&k, "the journal is written", journal_has_changed, &wait);
        was_compacted = journal_size(&k) < wait.before;
    }
    expect_true(was_compacted);
    expect_true(something_waits(a));
    expect_ok(
        gb_node_delete(a, GB_LANE_USER, gb_slice_from_str("test"), gb_slice_from_str("told")));
    kit_wait(&k, "changes wait", something_waits, a);
    expect_ok(gb_node_close(a));
    expect_ok(gb_node_close(b));

    gb_node_options options = kit_options("a");
    options.data_directory = kit_directory(&k);
    gb_node *again = kit_node(&k, &options);
    expect_true(kit_has(again, "a", "waiting", "1"));
    expect_true(kit_has(again, "a", "told", NULL));
    gb_record *record;
    expect_ok(gb_node_get(again, gb_slice_from_str("a"), GB_LANE_USER, gb_slice_from_str("test"),
                          gb_slice_from_str("big"), &record, NULL));
    gb_delta delta;
    gb_record_view(record, &delta);
    expect_slice(delta.value, gb_slice_make(value, sizeof value));
    gb_node_record_release(again, record);
    expect_ok(gb_node_close(again));
    kit_close(&k);
}
