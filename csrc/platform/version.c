/* SPDX-License-Identifier: Apache-2.0 */
/* The version of the library that is running. */
#include "goferbroke/version.h"

#define VERSION_QUOTE_(number) #number
#define VERSION_QUOTE(number) VERSION_QUOTE_(number)

_Static_assert(sizeof(GB_VERSION_STRING) ==
                   sizeof(VERSION_QUOTE(GB_VERSION_MAJOR) "." VERSION_QUOTE(
                       GB_VERSION_MINOR) "." VERSION_QUOTE(GB_VERSION_PATCH)),
               "the version string is that of the numbers");

const char *gb_version_string(void)
{
    return GB_VERSION_STRING;
}
