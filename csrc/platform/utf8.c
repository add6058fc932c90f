/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 by its table of well-formed sequences (Unicode, table 3-7). */
#include "platform/utf8.h"

#include "platform/limits.h"

static bool utf8_is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Decode the character at `at` of `bytes`, which is inside. Returns its size, 0 if ill-formed. */
static size_t utf8_decode(gb_slice bytes, size_t at, uint32_t *character)
{
    uint8_t first = bytes.base[at];
    if (first < 0x80) {
        *character = first;
        return 1;
    }
    size_t size;
    uint32_t least; /* The first character that needs this size: below it the form is too long. */
    if (first >= 0xc2 && first <= 0xdf) {
        size = 2;
        least = 0x80;
        *character = first & 0x1fU;
    } else if ((first & 0xf0) == 0xe0) {
        size = 3;
        least = 0x800;
        *character = first & 0x0fU;
    } else if (first >= 0xf0 && first <= 0xf4) {
        size = 4;
        least = 0x10000;
        *character = first & 0x07U;
    } else {
        return 0;
    }
    if (size > bytes.len - at) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if (!utf8_is_continuation(bytes.base[at + i])) {
            return 0;
        }
        *character = (*character << 6) | (bytes.base[at + i] & 0x3fU);
    }
    bool is_surrogate = *character >= 0xd800 && *character <= 0xdfff;
    return *character < least || *character > 0x10ffff || is_surrogate ? 0 : size;
}

bool gb_utf8_is_valid(gb_slice bytes)
{
    size_t at = 0;
    while (at < bytes.len) {
        uint32_t character;
        size_t size = utf8_decode(bytes, at, &character);
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

gb_err gb_name_validate(gb_slice name)
{
    if (name.len == 0 || name.len > GB_NAME_SIZE_MAX) {
        return GB_ENAME;
    }
    size_t at = 0;
    while (at < name.len) {
        uint32_t character;
        size_t size = utf8_decode(name, at, &character);
        if (size == 0 || character < 0x20 || (character >= 0x7f && character <= 0x9f) ||
            character == 0x2028 || character == 0x2029) {
            return GB_ENAME;
        }
        at += size;
    }
    return GB_OK;
}

size_t gb_utf8_cut(gb_slice bytes, size_t max)
{
    if (bytes.len <= max) {
        return bytes.len;
    }
    /* A character has at most three continuation bytes; more is not UTF-8 and is cut anywhere. */
    for (size_t len = max; max - len <= 3; len--) {
        if (!utf8_is_continuation(bytes.base[len])) {
            return len;
        }
        if (len == 0) {
            break;
        }
    }
    return max;
}
