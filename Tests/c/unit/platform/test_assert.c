/* SPDX-License-Identifier: Apache-2.0 */
/* A broken assertion ends the process, in every build, with a sentence that names the place. */
#define _POSIX_C_SOURCE 200809L

#include "platform/assert.h"

#include <signal.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/gb_test.h"

/* Run `body` in a child; what it printed on standard error goes to `text`. Returns its signal. */
static int assert_run(gb_test *t, void (*body)(void), char *text, size_t text_size)
{
    int ends[2];
    expect_int(pipe(ends), 0);
    pid_t child = fork();
    expect_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        body();
        _exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t count; len + 1 < text_size; len += (size_t)count) {
        count = read(ends[0], text + len, text_size - 1 - len);
        if (count <= 0) {
            break;
        }
    }
    text[len] = '\0';
    close(ends[0]);
    int status = 0;
    expect_int(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void assert_broken(void)
{
    int links = 3;
    GB_ASSERT(links == 4);
}

static void assert_held(void)
{
    int count = 0;
    GB_ASSERT(++count == 1);
    GB_ASSERT(count == 1);
}

GB_TEST(assert, a_broken_assertion_aborts_with_a_sentence)
{
    char text[2048];
    expect_int(assert_run(t, assert_broken, text, sizeof text), SIGABRT);
    expect_not_null(strstr(text, "goferbroke: "));
    expect_not_null(strstr(text, "test_assert.c:"));
    expect_not_null(strstr(text, "assert_broken: assertion failed: links == 4"));
}

GB_TEST(assert, a_condition_that_holds_is_evaluated_once_and_says_nothing)
{
    char text[2048];
    expect_int(assert_run(t, assert_held, text, sizeof text), 0);
    expect_str(text, "");
}
