/* SPDX-License-Identifier: Apache-2.0 */
/* The test harness: tests register themselves, a failed expectation ends its test and says where
 * and which values, and every test must give back all memory that it took from its allocator.
 *
 * A test binary takes
 *   FILTER …        run the tests whose "suite.name" contains one of these
 *   --seed N        the seed of all tests (also GB_TEST_SEED); otherwise from the clock, printed
 *   --list          print the names
 * and exits 0 only if at least one test ran and none failed. */
#ifndef GB_TEST_H
#define GB_TEST_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "goferbroke/alloc.h"
#include "goferbroke/err.h"
#include "goferbroke/types.h"
#include "platform/rng.h"
#include "support/failing_allocator.h"

typedef struct gb_test {
    const char *suite;
    const char *name;
    uint64_t seed;
    gb_rng rng;                    /* Seeded from the seed and the test's name. */
    const gb_allocator *allocator; /* Counted: a leak fails the test, every growth moves. */
    gb_failing_allocator counted;  /* The one behind `allocator`. */
    void *user;                    /* For helpers of a test file. */
} gb_test;

typedef void (*gb_test_fn)(gb_test *t);

typedef struct gb_test_entry {
    const char *suite;
    const char *name;
    gb_test_fn fn;
    struct gb_test_entry *next;
} gb_test_entry;

void gb_test_register(gb_test_entry *entry);

/* Print "FILE:LINE: …" and end the running test as failed; from any depth of calls. */
__attribute__((format(printf, 4, 5))) _Noreturn void
gb_test_fail(gb_test *t, const char *file, int line, const char *format, ...);

/* GB_TEST(suite, a_sentence_that_is_false_when_it_fails) { … uses t … } */
#define GB_TEST(suite_, name_)                                                                     \
    static void gb_test_##suite_##_##name_(gb_test *t);                                            \
    __attribute__((constructor)) static void gb_test_register_##suite_##_##name_(void)             \
    {                                                                                              \
        static gb_test_entry entry = {#suite_, #name_, gb_test_##suite_##_##name_, NULL};          \
        gb_test_register(&entry);                                                                  \
    }                                                                                              \
    static void gb_test_##suite_##_##name_(__attribute__((unused)) gb_test *t)

/* One attempt at something with an allocator that may fail; true if it came to its end. Whatever it
 * took it gives back, in both cases. */
typedef bool (*gb_test_attempt_fn)(gb_test *t, const gb_allocator *allocator);

/* Run `attempt` with the first allocation failing, then the second, and so on until it meets no
 * failure; then it must return true. After each run no memory may be outstanding. */
void gb_test_each_allocation_failure(gb_test *t, gb_test_attempt_fn attempt);

/* The content of Tests/Vectors/`name`, NUL after it, in memory of `t->allocator`, which the test
 * gives back with gb_free. A missing file fails the test. */
uint8_t *gb_test_vector(gb_test *t, const char *name, size_t *len);

void gb_test_expect_int(gb_test *t, const char *file, int line, const char *text, int64_t actual,
                        int64_t expected);
void gb_test_expect_uint(gb_test *t, const char *file, int line, const char *text, uint64_t actual,
                         uint64_t expected);
void gb_test_expect_err(gb_test *t, const char *file, int line, const char *text, int actual,
                        int expected);
void gb_test_expect_str(gb_test *t, const char *file, int line, const char *text,
                        const char *actual, const char *expected);
void gb_test_expect_slice(gb_test *t, const char *file, int line, const char *text, gb_slice actual,
                          gb_slice expected);

/* --- Expectations; a `gb_test *t` must be in scope --- */

#define expect_true(condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            gb_test_fail(t, __FILE__, __LINE__, "expected: %s", #condition);                       \
        }                                                                                          \
    } while (0)

#define expect_false(condition)                                                                    \
    do {                                                                                           \
        if (condition) {                                                                           \
            gb_test_fail(t, __FILE__, __LINE__, "expected not: %s", #condition);                   \
        }                                                                                          \
    } while (0)

#define expect_int(actual, expected)                                                               \
    gb_test_expect_int(t, __FILE__, __LINE__, #actual, (int64_t)(actual), (int64_t)(expected))

#define expect_uint(actual, expected)                                                              \
    gb_test_expect_uint(t, __FILE__, __LINE__, #actual, (uint64_t)(actual), (uint64_t)(expected))

/* Codes are compared and named. */
#define expect_err(actual, expected)                                                               \
    gb_test_expect_err(t, __FILE__, __LINE__, #actual, (int)(actual), (int)(expected))

#define expect_ok(actual) expect_err(actual, GB_OK)

#define expect_str(actual, expected)                                                               \
    gb_test_expect_str(t, __FILE__, __LINE__, #actual, actual, expected)

/* Slices are compared as bytes and printed in hexadecimal around the first difference. */
#define expect_slice(actual, expected)                                                             \
    gb_test_expect_slice(t, __FILE__, __LINE__, #actual, actual, expected)

#define expect_bytes(actual_base, expected_base, len)                                              \
    gb_test_expect_slice(t, __FILE__, __LINE__, #actual_base, gb_slice_make(actual_base, len),     \
                         gb_slice_make(expected_base, len))

#define expect_null(pointer)                                                                       \
    do {                                                                                           \
        if ((pointer) != NULL) {                                                                   \
            gb_test_fail(t, __FILE__, __LINE__, "expected NULL: %s", #pointer);                    \
        }                                                                                          \
    } while (0)

#define expect_not_null(pointer)                                                                   \
    do {                                                                                           \
        if ((pointer) == NULL) {                                                                   \
            gb_test_fail(t, __FILE__, __LINE__, "expected not NULL: %s", #pointer);                \
        }                                                                                          \
    } while (0)

#define expect_ptr(actual, expected)                                                               \
    do {                                                                                           \
        if ((const void *)(actual) != (const void *)(expected)) {                                  \
            gb_test_fail(t, __FILE__, __LINE__, "expected %s to be %s", #actual, #expected);       \
        }                                                                                          \
    } while (0)

#endif
