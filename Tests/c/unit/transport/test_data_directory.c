/* SPDX-License-Identifier: Apache-2.0 */
/* test_data_directory.c: what a node keeps over a restart. */
#include "kit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static gb_node *open_stored(kit *k, const char *name)
{
    gb_node_options options = kit_options(name);
    options.data_directory = kit_directory(k);
    return kit_node(k, &options);
}

static gb_err open_again(kit *k, const char *name, gb_err_info *info)
{
    gb_node_options options = kit_options(name);
    options.data_directory = kit_directory(k);
    gb_node *node = NULL;
    gb_err err = gb_node_open(k->loop, &options, &node, info);
    (void)gb_node_close(node);
    return err;
}

static void file_path(kit *k, const char *file, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/%s", kit_directory(k), file);
}

static long file_size(kit *k, const char *file)
{
    char path[128];
    file_path(k, file, path, sizeof path);
    struct stat at;
    return stat(path, &at) == 0 ? (long)at.st_size : -1;
}

GB_TEST(data_directory, own_deltas_and_the_generation_survive)
{
    kit k;
    kit_open(&k, t);
    gb_node *node = open_stored(&k, "a");
    uint64_t generation = gb_node_generation(node);
    expect_ok(kit_set(node, "kept", "1"));
    expect_ok(kit_set(node, "kept", "2"));
    expect_ok(kit_set(node, "gone", "3"));
    expect_ok(
        gb_node_delete(node, GB_LANE_USER, gb_slice_from_str("test"), gb_slice_from_str("gone")));
    expect_ok(gb_node_set(node, GB_LANE_USER, gb_slice_from_str("test"), gb_slice_from_str("ttl"),
                          GB_VALUE_STRING, gb_slice_from_str("x"), 1000000));
    expect_ok(gb_node_set(node, GB_LANE_SYSTEM, gb_slice_from_str("test"),
                          gb_slice_from_str("fact"), GB_VALUE_STRING, gb_slice_from_str("x"), 0));
    /* Closed as soon as the loop has it: what was not written yet is written then. */
    expect_ok(kit_set(node, "late", "4"));
    for (bool is_there = false; !is_there;) {
        const gb_event *event = kit_event(&k, node, GB_EVENT_DELTA);
        gb_delta delta = {0};
        if (event->record != NULL) {
            gb_record_view(event->record, &delta);
        }
        is_there = gb_slice_equal(delta.key, gb_slice_from_str("late"));
        gb_event_release(node, event);
    }
    expect_ok(gb_node_close(node));

    node = open_stored(&k, "a");
    expect_true(gb_node_generation(node) > generation);
    expect_true(kit_has(node, "a", "kept", "2"));
    expect_true(kit_has(node, "a", "gone", NULL));
    expect_true(kit_has(node, "a", "ttl", "x"));
    expect_true(kit_has(node, "a", "late", "4"));
    gb_record *record;
    expect_err(gb_node_get(node, gb_slice_from_str("a"), GB_LANE_SYSTEM, gb_slice_from_str("test"),
                           gb_slice_from_str("fact"), &record, NULL),
               GB_ENOTFOUND);
    expect_ok(gb_node_get(node, gb_slice_from_str("a"), GB_LANE_USER, gb_slice_from_str("test"),
                          gb_slice_from_str("ttl"), &record, NULL));
    gb_delta delta;
    gb_record_view(record, &delta);
    expect_true(delta.ttl_ms > 0 && delta.ttl_ms <= 1000000);
    gb_node_record_release(node, record);
    expect_ok(gb_node_close(node));
    kit_close(&k);
}

GB_TEST(data_directory, a_generation_ahead_of_the_clock_still_grows)
{
    kit k;
    kit_open(&k, t);
    gb_node_options options = kit_options("a");
    options.data_directory = kit_directory(&k);
    options.generation = UINT64_C(1) << 60;
    gb_node *node = kit_node(&k, &options);
    expect_uint(gb_node_generation(node), UINT64_C(1) << 60);
    expect_ok(gb_node_close(node));
    node = open_stored(&k, "a");
    expect_uint(gb_node_generation(node), (UINT64_C(1) << 60) + 1);
    expect_ok(gb_node_close(node));
    kit_close(&k);
}

GB_TEST(data_directory, two_nodes_cannot_share_one)
{
    kit k;
    kit_open(&k, t);
    gb_node *node = open_stored(&k, "a");
    gb_err_info info;
    expect_err(open_again(&k, "a", &info), GB_EBUSY);
    expect_true(strstr(info.text, "another node uses it") != NULL);
    expect_ok(gb_node_close(node));
    /* And it belongs to one name. */
    expect_err(open_again(&k, "b", &info), GB_ESTORE);
    expect_true(strstr(info.text, "it belongs to node \"a\" of cluster \"test\"") != NULL);
    kit_close(&k);
}

GB_TEST(data_directory, a_torn_tail_is_cut_and_told_and_damage_is_refused)
{
    kit k;
    kit_open(&k, t);
    gb_node *node = open_stored(&k, "a");
    expect_ok(kit_set(node, "one", "1"));
    kit_drain(node);
    kit_wait_value(&k, node, "a", "one", "1");
    kit_expect_event(&k, node, GB_EVENT_DELTA);
    expect_ok(gb_node_close(node));
    long whole = file_size(&k, "journal");
    char path[128];
    file_path(&k, "journal", path, sizeof path);
    FILE *file = fopen(path, "ab");
    expect_not_null(file);
    expect_uint(fwrite("\0\0\0", 1, 3, file), 3);
    (void)fclose(file);

    node = open_stored(&k, "a");
    const gb_event *event = kit_event(&k, node, GB_EVENT_LIMIT);
    expect_err(event->code, GB_ESTORE);
    gb_event_release(node, event);
    expect_true(kit_has(node, "a", "one", "1"));
    expect_ok(kit_set(node, "two", "2"));
    kit_expect_event(&k, node, GB_EVENT_DELTA);
    expect_ok(gb_node_close(node));
    expect_true(file_size(&k, "journal") > whole);
    node = open_stored(&k, "a");
    expect_true(kit_has(node, "a", "one", "1") && kit_has(node, "a", "two", "2"));
    expect_ok(gb_node_close(node));

    file = fopen(path, "r+b");
    expect_not_null(file);
    expect_int(fseek(file, 30, SEEK_SET), 0);
    expect_int(fputc(0xff, file), 0xff);
    (void)fclose(file);
    gb_err_info info;
    expect_err(open_again(&k, "a", &info), GB_ESTORE);
    expect_true(strstr(info.text, "journal: damaged at byte 12") != NULL);
    kit_close(&k);
}

typedef struct journal_watch {
    kit *k;
    long below;
} journal_watch;

static bool journal_is_small(void *user)
{
    const journal_watch *watch = user;
    long size = file_size(watch->k, "journal");
    return size >= 0 && size < watch->below;
}

GB_TEST(data_directory, the_journal_is_compacted_when_most_of_it_is_dead)
{
    kit k;
    kit_open(&k, t);
    gb_node *node = open_stored(&k, "a");
    static char value[4001];
    for (int i = 0; i < 200; i++) {
        memset(value, 'a' + i % 20, sizeof value - 1);
        expect_ok(kit_set(node, "k", value));
        /* Each one into the map, or they would merge before they are journalled. */
        kit_expect_event(&k, node, GB_EVENT_DELTA);
    }
    journal_watch watch = {&k, 130000};
    kit_wait(&k, "a small journal", journal_is_small, &watch);
    expect_ok(kit_set(node, "after", "x"));
    kit_expect_event(&k, node, GB_EVENT_DELTA);
    expect_ok(gb_node_close(node));
    node = open_stored(&k, "a");
    expect_true(kit_has(node, "a", "k", value));
    expect_true(kit_has(node, "a", "after", "x"));
    expect_ok(gb_node_close(node));
    kit_close(&k);
}

static bool journal_is_there(void *user)
{
    const journal_watch *watch = user;
    return file_size(watch->k, "journal") > watch->below;
}

/* The limit of a file's size stands for a full disk. */
GB_TEST(data_directory, what_does_not_fit_on_the_disk_takes_no_room_and_is_written_later)
{
    kit k;
    kit_open(&k, t);
    gb_node *node = open_stored(&k, "a");
    long before = file_size(&k, "journal");
    struct rlimit former;
    expect_int(getrlimit(RLIMIT_FSIZE, &former), 0);
    struct rlimit small = {.rlim_cur = 64 * 1024, .rlim_max = former.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    expect_int(setrlimit(RLIMIT_FSIZE, &small), 0);
    static char value[100001];
    memset(value, 'v', sizeof value - 1);
    expect_ok(kit_set(node, "large", value));
    const gb_event *event = kit_event(&k, node, GB_EVENT_LIMIT);
    expect_err(event->code, GB_ESTORE);
    gb_event_release(node, event);
    expect_int(file_size(&k, "journal"), before);
    expect_int(setrlimit(RLIMIT_FSIZE, &former), 0);
    journal_watch watch = {&k, (long)sizeof value - 1};
    kit_wait(&k, "the journal holds the value", journal_is_there, &watch);
    expect_ok(gb_node_close(node));
    node = open_stored(&k, "a");
    expect_true(kit_has(node, "a", "large", value));
    expect_ok(gb_node_close(node));
    kit_close(&k);
}

GB_TEST(data_directory, known_addresses_bring_a_node_back)
{
    kit k;
    kit_open(&k, t);
    gb_node *other = kit_join(&k, "other", 0);
    gb_node_options options = kit_options("a");
    options.data_directory = kit_directory(&k);
    gb_endpoint seed = {"127.0.0.1", gb_node_port(other)};
    options.seeds = &seed;
    options.seed_count = 1;
    gb_node *node = kit_node(&k, &options);
    expect_ok(gb_node_join(node));
    kit_wait_members(&k, node, GB_STATUS_ALIVE, 2);
    expect_ok(gb_node_close(node));
    expect_true(file_size(&k, "addresses") > 0);
    /* A seed that leads nowhere: the stored address does. */
    gb_endpoint nowhere = {"127.0.0.1", 1};
    options.seeds = &nowhere;
    node = kit_node(&k, &options);
    expect_ok(gb_node_join(node));
    kit_wait_members(&k, node, GB_STATUS_ALIVE, 2);
    expect_ok(gb_node_close(node));
    expect_ok(gb_node_close(other));
    kit_close(&k);
}

static void write_file(kit *k, const char *name, const char *bytes, size_t size)
{
    gb_test *t = k->t;
    char path[128];
    file_path(k, name, path, sizeof path);
    FILE *file = fopen(path, "wb");
    expect_not_null(file);
    expect_uint(fwrite(bytes, 1, size, file), size);
    expect_int(fclose(file), 0);
}

GB_TEST(data_directory, damaged_addresses_are_hints_lost_no_reason_to_refuse)
{
    kit k;
    kit_open(&k, t);
    expect_ok(gb_node_close(open_stored(&k, "a")));
    static char too_long[70000];
    static const struct {
        const char *bytes;
        size_t size;
    } damages[] = {{"", 0}, {"GBAD", 4}, {"not an address file at all", 26}, {too_long, 70000}};
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        write_file(&k, "addresses", damages[i].bytes, damages[i].size);
        gb_node *node = open_stored(&k, "a");
        const gb_event *event = kit_event(&k, node, GB_EVENT_LIMIT);
        expect_err(event->code, GB_ESTORE);
        char text[300];
        (void)snprintf(text, sizeof text, "%.*s", (int)event->text.len,
                       (const char *)event->text.base);
        expect_true(strstr(text, kit_directory(&k)) != NULL);
        expect_true(strstr(text, ": addresses: ") != NULL);
        gb_event_release(node, event);
        expect_ok(kit_set(node, "works", "1"));
        expect_ok(gb_node_close(node));
        /* Written anew: the next start has nothing to complain of. */
        node = open_stored(&k, "a");
        const gb_event *next;
        while (gb_node_event_next(node, &next) == GB_OK) {
            expect_true(next->kind != GB_EVENT_LIMIT);
            gb_event_release(node, next);
        }
        expect_ok(gb_node_close(node));
    }
    kit_close(&k);
}

GB_TEST(data_directory, a_damaged_generation_is_refused)
{
    kit k;
    kit_open(&k, t);
    expect_ok(gb_node_close(open_stored(&k, "a")));
    write_file(&k, "generation", "GBGN", 4);
    gb_err_info info;
    expect_err(open_again(&k, "a", &info), GB_ESTORE);
    expect_true(strstr(info.text, "generation: damaged") != NULL);
    kit_close(&k);
}

GB_TEST(data_directory, a_place_that_cannot_be_made_is_refused)
{
    kit k;
    kit_open(&k, t);
    gb_node_options options = kit_options("a");
    options.data_directory = "/dev/null/data";
    gb_node *node = NULL;
    gb_err_info info;
    expect_err(gb_node_open(k.loop, &options, &node, &info), GB_ESTORE);
    expect_true(strstr(info.text, "data directory /dev/null/data: ") == info.text);
    kit_close(&k);
}
