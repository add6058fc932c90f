/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a process that broke its own rules. */
#include "platform/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void gb_assert_fail(const char *condition, const char *file, int line,
                              const char *function)
{
    fprintf(stderr, "goferbroke: %s:%d: %s: assertion failed: %s\n", file, line, function,
            condition);
    fflush(stderr);
    abort();
}
