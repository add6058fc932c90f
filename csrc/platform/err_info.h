/* SPDX-License-Identifier: Apache-2.0 */
/* Filling the sentence of a failure; the error map itself is public, goferbroke/err.h. */
#ifndef GB_PLATFORM_ERR_INFO_H
#define GB_PLATFORM_ERR_INFO_H

#include "goferbroke/err.h"

/* Set code, cause (negative errno-like, 0 for none) and sentence. The sentence is bounded to
 * GB_ERROR_TEXT_MAX bytes and cut, if it must be, between two characters. `info` may be NULL: then
 * nothing happens. Arguments of `format` must not point into `info->text`; wrapping a sentence is
 * gb_err_info_wrap's work.
 *
 * Returns `code`, so that failing is one line: return gb_err_info_set(info, GB_EHOST, 0, …). */
__attribute__((format(printf, 4, 5))) gb_err
gb_err_info_set(gb_err_info *info, gb_err code, int system_code, const char *format, ...);

/* Put "PREFIX: " in front of the sentence, with the same bound. `info` may be NULL. */
__attribute__((format(printf, 2, 3))) void gb_err_info_wrap(gb_err_info *info, const char *format,
                                                            ...);

/* Code GB_OK, no cause, empty text. `info` may be NULL. */
void gb_err_info_clear(gb_err_info *info);

#endif
