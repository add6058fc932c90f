/* SPDX-License-Identifier: Apache-2.0 */
/* Running the tests of a binary, one after the other. */
#include "support/gb_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "platform/alloc.h"
#include "platform/hash.h"

/* A harness runs one test at a time: these are its only state. */
static gb_test_entry *test_first;
static jmp_buf test_exit;

/* Constructors run in link order, which is nobody's order: keep the list sorted. */
static int test_order(const gb_test_entry *a, const gb_test_entry *b)
{
    int order = strcmp(a->suite, b->suite);
    return order != 0 ? order : strcmp(a->name, b->name);
}

void gb_test_register(gb_test_entry *entry)
{
    gb_test_entry **at = &test_first;
    while (*at != NULL && test_order(*at, entry) < 0) {
        at = &(*at)->next;
    }
    entry->next = *at;
    *at = entry;
}

_Noreturn void gb_test_fail(gb_test *t, const char *file, int line, const char *format, ...)
{
    printf("FAILED %s.%s\n  %s:%d: ", t->suite, t->name, file, line);
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
    longjmp(test_exit, 1);
}

void gb_test_expect_int(gb_test *t, const char *file, int line, const char *text, int64_t actual,
                        int64_t expected)
{
    if (actual != expected) {
        gb_test_fail(t, file, line, "%s is %" PRId64 ", expected %" PRId64, text, actual, expected);
    }
}

void gb_test_expect_uint(gb_test *t, const char *file, int line, const char *text, uint64_t actual,
                         uint64_t expected)
{
    if (actual != expected) {
        gb_test_fail(t, file, line,
                     "%s is %" PRIu64 " (0x%" PRIx64 "), expected %" PRIu64 " (0x%" PRIx64 ")",
                     text, actual, actual, expected, expected);
    }
}

void gb_test_expect_err(gb_test *t, const char *file, int line, const char *text, int actual,
                        int expected)
{
    if (actual != expected) {
        gb_test_fail(t, file, line, "%s is %s (%d), expected %s (%d)", text, gb_err_name(actual),
                     actual, gb_err_name(expected), expected);
    }
}

void gb_test_expect_str(gb_test *t, const char *file, int line, const char *text,
                        const char *actual, const char *expected)
{
    if (actual == NULL || strcmp(actual, expected) != 0) {
        gb_test_fail(t, file, line, "%s is \"%s\", expected \"%s\"", text,
                     actual == NULL ? "(NULL)" : actual, expected);
    }
}

/* Print up to 32 bytes of `slice` from `from`. */
static void test_print_hex(const char *label, gb_slice slice, size_t from)
{
    printf("  %s (%zu bytes) from %zu:", label, slice.len, from);
    for (size_t i = from; i < slice.len && i < from + 32; i++) {
        printf(" %02x", slice.base[i]);
    }
    printf("\n");
}

void gb_test_expect_slice(gb_test *t, const char *file, int line, const char *text, gb_slice actual,
                          gb_slice expected)
{
    if (gb_slice_equal(actual, expected)) {
        return;
    }
    size_t at = 0;
    while (at < actual.len && at < expected.len && actual.base[at] == expected.base[at]) {
        at++;
    }
    size_t from = at < 8 ? 0 : at - 8;
    test_print_hex("actual  ", actual, from);
    test_print_hex("expected", expected, from);
    gb_test_fail(t, file, line, "%s differs at byte %zu", text, at);
}

void gb_test_each_allocation_failure(gb_test *t, gb_test_attempt_fn attempt)
{
    for (uint64_t i = 0;; i++) {
        gb_failing_allocator failing;
        gb_failing_allocator_init(&failing, i);
        bool is_done = attempt(t, &failing.allocator);
        if (failing.blocks != 0) {
            gb_test_fail(t, __FILE__, __LINE__,
                         "allocation %" PRIu64 " failing leaks %" PRIu64 " bytes", i,
                         failing.bytes);
        }
        if (failing.failed_count == 0) {
            if (!is_done) {
                gb_test_fail(t, __FILE__, __LINE__, "the attempt failed with enough memory");
            }
            return;
        }
    }
}

uint8_t *gb_test_vector(gb_test *t, const char *name, size_t *len)
{
    char path[4096];
    int written = snprintf(path, sizeof path, "%s/%s", GB_VECTORS_DIR, name);
    if (written < 0 || (size_t)written >= sizeof path) {
        gb_test_fail(t, __FILE__, __LINE__, "the path of vector %s is too long", name);
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        gb_test_fail(t, __FILE__, __LINE__, "%s cannot be opened", path);
    }
    uint8_t *content = NULL;
    long size = -1;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 &&
        fseek(file, 0, SEEK_SET) == 0) {
        content = gb_alloc(t->allocator, (size_t)size + 1);
    }
    bool is_read = content != NULL && fread(content, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    if (!is_read) {
        gb_test_fail(t, __FILE__, __LINE__, "%s cannot be read", path);
    }
    content[size] = 0;
    *len = (size_t)size;
    return content;
}

/* Run one test; true if it passed. The only function with setjmp: nothing of it changes between
 * the jump and its return. */
static bool test_run(const gb_test_entry *entry, gb_test *t)
{
    if (setjmp(test_exit) != 0) {
        return false;
    }
    entry->fn(t);
    if (t->counted.blocks != 0) {
        gb_test_fail(t, __FILE__, __LINE__,
                     "%" PRIu64 " blocks of %" PRIu64 " bytes in all were not given back",
                     t->counted.blocks, t->counted.bytes);
    }
    return true;
}

static void test_prepare(gb_test *t, const gb_test_entry *entry, uint64_t seed)
{
    uint64_t name = gb_fnv1a(GB_FNV1A_BASIS, gb_slice_from_str(entry->name));
    memset(t, 0, sizeof *t);
    t->suite = entry->suite;
    t->name = entry->name;
    t->seed = seed;
    gb_rng_init(&t->rng, gb_hash_combine(seed, name));
    gb_failing_allocator_init(&t->counted, GB_NEVER_FAIL);
    t->allocator = &t->counted.allocator;
}

typedef struct test_options {
    uint64_t seed;
    bool lists;
    char **filters;
    int filter_count;
} test_options;

static bool test_is_chosen(const gb_test_entry *entry, const test_options *options)
{
    char name[512];
    (void)snprintf(name, sizeof name, "%s.%s", entry->suite, entry->name);
    for (int i = 0; i < options->filter_count; i++) {
        if (strstr(name, options->filters[i]) != NULL) {
            return true;
        }
    }
    return options->filter_count == 0;
}

static bool test_parse_seed(const char *text, uint64_t *seed)
{
    char *end = NULL;
    *seed = strtoull(text, &end, 0);
    return end != text && *end == '\0';
}

/* Filters are moved to the front of `argv`. False after a usage error. */
static bool test_parse_arguments(int argc, char **argv, test_options *options)
{
    const char *seed = getenv("GB_TEST_SEED");
    *options = (test_options){.seed = (uint64_t)time(NULL), .filters = argv + 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            options->lists = true;
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = argv[++i];
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "usage: %s [--list] [--seed N] [FILTER …]\n", argv[0]);
            return false;
        } else {
            options->filters[options->filter_count++] = argv[i];
        }
    }
    if (seed != NULL && !test_parse_seed(seed, &options->seed)) {
        fprintf(stderr, "the seed must be a number: %s\n", seed);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    test_options options;
    if (!test_parse_arguments(argc, argv, &options)) {
        return 64;
    }
    if (!options.lists) {
        printf("seed %" PRIu64 "\n", options.seed);
        fflush(stdout);
    }

    unsigned passed = 0;
    unsigned failed = 0;
    static gb_test t; /* Not on the stack: it lives across a longjmp. */
    for (const gb_test_entry *entry = test_first; entry != NULL; entry = entry->next) {
        if (!test_is_chosen(entry, &options)) {
            continue;
        }
        if (options.lists) {
            printf("%s.%s\n", entry->suite, entry->name);
            passed++;
            continue;
        }
        test_prepare(&t, entry, options.seed);
        if (test_run(entry, &t)) {
            passed++;
        } else {
            failed++;
        }
    }
    if (!options.lists) {
        printf("%u passed, %u failed\n", passed, failed);
    }
    if (passed + failed == 0) {
        fprintf(stderr, "no test has such a name\n");
    }
    return failed == 0 && passed > 0 ? 0 : 1;
}
