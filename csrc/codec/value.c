/* SPDX-License-Identifier: Apache-2.0 */
/* value.c: what the bytes of a value may be, by type. */
#include "codec/fields.h"

/* Bytes of a value of `type`; -1 where the type allows any number, -2 where nobody knows it. */
static int value_fixed_size(uint8_t type)
{
    switch (type) {
    case GB_VALUE_STRING:
    case GB_VALUE_BYTES:
        return -1;
    case GB_VALUE_INT:
    case GB_VALUE_INT64:
    case GB_VALUE_UINT64:
    case GB_VALUE_FLOAT64:
        return 8;
    case GB_VALUE_INT32:
    case GB_VALUE_UINT32:
        return 4;
    case GB_VALUE_INT16:
    case GB_VALUE_UINT16:
        return 2;
    case GB_VALUE_INT8:
    case GB_VALUE_UINT8:
    case GB_VALUE_BOOL:
        return 1;
    case GB_VALUE_TOMBSTONE:
        return 0;
    default:
        return -2;
    }
}

/* UTF-8, with the plain ASCII that most strings are tested eight bytes at a time. */
static bool value_is_string(gb_slice value)
{
    size_t at = 0;
    for (; value.len - at >= 8; at += 8) {
        uint64_t eight;
        memcpy(&eight, value.base + at, 8);
        if ((eight & UINT64_C(0x8080808080808080)) != 0) {
            break;
        }
    }
    /* Behind ASCII a character begins. */
    return at == value.len || gb_utf8_is_valid(gb_slice_make(value.base + at, value.len - at));
}

gb_err gb_value_check(uint8_t type, gb_slice value)
{
    if (value.len > GB_VALUE_SIZE_MAX) {
        return GB_EVALUE_SIZE;
    }
    int size = value_fixed_size(type);
    if (size == -2 || (size >= 0 && value.len != (size_t)size)) {
        return GB_ETYPE;
    }
    if (type == GB_VALUE_STRING && !value_is_string(value)) {
        return GB_ETYPE;
    }
    if (type == GB_VALUE_BOOL && value.base[0] > 1) {
        return GB_ETYPE;
    }
    return GB_OK;
}
