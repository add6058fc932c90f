/* SPDX-License-Identifier: Apache-2.0 */
/* Names and texts of errors, and the sentence that goes with one. */
#include "platform/err_info.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "platform/assert.h"
#include "platform/limits.h"
#include "platform/utf8.h"

/* Room to format in before the cut: what is longer than this was cut by vsnprintf, at worst in
 * the middle of a character, and is cut again below. */
#define ERR_SCRATCH_SIZE 1024
_Static_assert(ERR_SCRATCH_SIZE > GB_ERROR_TEXT_MAX + 4, "the second cut comes before the first");

const char *gb_strerror(int err)
{
    switch (err) {
#define ERR_TEXT(name, value, text)                                                                \
    case value:                                                                                    \
        return text;
        GB_ERR_MAP(ERR_TEXT)
#undef ERR_TEXT
    default:
        return "unknown error";
    }
}

const char *gb_err_name(int err)
{
    switch (err) {
#define ERR_NAME(name, value, text)                                                                \
    case value:                                                                                    \
        return #name;
        GB_ERR_MAP(ERR_NAME)
#undef ERR_NAME
    default:
        return "GB_EUNKNOWN";
    }
}

/* Copy the NUL-terminated `text` into `info`, cut to the bound. */
static void err_info_store(gb_err_info *info, const char *text)
{
    size_t len = gb_utf8_cut(gb_slice_from_str(text), GB_ERROR_TEXT_MAX);
    memcpy(info->text, text, len);
    info->text[len] = '\0';
}

gb_err gb_err_info_set(gb_err_info *info, gb_err code, int system_code, const char *format, ...)
{
    if (info == NULL) {
        return code;
    }
    char scratch[ERR_SCRATCH_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(scratch, sizeof scratch, format, arguments);
    va_end(arguments);

    info->code = code;
    info->system_code = system_code;
    err_info_store(info, written < 0 ? gb_strerror(code) : scratch);
    return code;
}

void gb_err_info_wrap(gb_err_info *info, const char *format, ...)
{
    if (info == NULL) {
        return;
    }
    char scratch[ERR_SCRATCH_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(scratch, sizeof scratch, format, arguments);
    va_end(arguments);
    if (written < 0) {
        return;
    }

    size_t len = strlen(scratch);
    (void)snprintf(scratch + len, sizeof scratch - len, ": %s",
                   info->text[0] == '\0' ? gb_strerror(info->code) : info->text);
    err_info_store(info, scratch);
}

void gb_err_info_clear(gb_err_info *info)
{
    if (info != NULL) {
        info->code = GB_OK;
        info->system_code = 0;
        info->text[0] = '\0';
    }
}
