/* SPDX-License-Identifier: Apache-2.0 */
/* Assertions against our own mistakes, active in release builds. Never on bytes from a peer. */
#ifndef GB_PLATFORM_ASSERT_H
#define GB_PLATFORM_ASSERT_H

#include <stdbool.h>

/* Abort with a sentence that names place and condition, unless `condition` holds. It is evaluated
 * exactly once, in every build. */
#define GB_ASSERT(condition)                                                                       \
    ((condition) ? (void)0 : gb_assert_fail(#condition, __FILE__, __LINE__, __func__))

/* For a place that cannot be reached, such as a default of an exhaustive switch. */
#define GB_UNREACHABLE() gb_assert_fail("unreachable", __FILE__, __LINE__, __func__)

/* Prints "goferbroke: FILE:LINE: FUNCTION: assertion failed: CONDITION" on standard error and
 * aborts the process. */
_Noreturn void gb_assert_fail(const char *condition, const char *file, int line,
                              const char *function);

#endif
