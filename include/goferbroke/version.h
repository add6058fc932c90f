/* SPDX-License-Identifier: Apache-2.0 */
/* The version of the library, at compile time and at run time. */
#ifndef GOFERBROKE_VERSION_H
#define GOFERBROKE_VERSION_H

#include "goferbroke/export.h"

#define GB_VERSION_MAJOR 0
#define GB_VERSION_MINOR 1
#define GB_VERSION_PATCH 0
#define GB_VERSION_STRING "0.1.0"

/* One comparable number: 0x00MMmmpp. */
#define GB_VERSION_NUMBER ((GB_VERSION_MAJOR << 16) | (GB_VERSION_MINOR << 8) | GB_VERSION_PATCH)

/* The version of the library that is running, "MAJOR.MINOR.PATCH": it differs from
 * GB_VERSION_STRING when a program runs with another library than it was compiled for.
 * Static storage, never NULL. */
GB_EXTERN const char *gb_version_string(void);

#endif
