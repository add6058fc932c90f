/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8: is it, is it a name, where may it be cut. */
#ifndef GB_PLATFORM_UTF8_H
#define GB_PLATFORM_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "goferbroke/err.h"
#include "goferbroke/types.h"

/* Well-formed UTF-8 throughout: shortest forms, no surrogates, nothing above U+10FFFF. The empty
 * slice is. */
bool gb_utf8_is_valid(gb_slice bytes);

/* A node or cluster name: 1 … GB_NAME_SIZE_MAX bytes of UTF-8 without control characters (U+0000 to
 * U+001F, U+007F to U+009F, and the line and paragraph separators U+2028 and U+2029), so that a
 * name never breaks a line of a log or a terminal.
 *
 * Errors: GB_ENAME. */
gb_err gb_name_validate(gb_slice name);

/* The greatest length <= `max` at which `bytes`, if valid, can be cut between two characters. */
size_t gb_utf8_cut(gb_slice bytes, size_t max);

#endif
