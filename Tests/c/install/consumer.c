/* SPDX-License-Identifier: Apache-2.0 */
/* Uses the installed library: prints its version and the text of an error. */
#include <goferbroke/goferbroke.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    if (strcmp(gb_version_string(), GB_VERSION_STRING) != 0) {
        fprintf(stderr, "header %s, library %s\n", GB_VERSION_STRING, gb_version_string());
        return 1;
    }
    printf("%s %s %s\n", gb_version_string(), gb_err_name(GB_EADDRINUSE),
           gb_strerror(GB_EADDRINUSE));
    return gb_allocator_default() == NULL ? 1 : 0;
}
