/* SPDX-License-Identifier: Apache-2.0 */
/* planted.c: see planted.h. */
#include "platform/planted.h"

#ifdef GB_PLANTED_BUGS
#include <stdlib.h>

int gb_planted_bug(void)
{
    static int bug = -1;
    if (bug < 0) {
        const char *text = getenv("GOFERBROKE_PLANTED");
        bug = text == NULL ? 0 : atoi(text);
    }
    return bug;
}
#endif
