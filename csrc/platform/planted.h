/* SPDX-License-Identifier: Apache-2.0 */
/* planted.h: bugs that are planted on purpose, one at a time, to show that the swarm of the
 * simulator finds them (scripts/planted). Only a build with GB_PLANTED_BUGS has any; without it
 * every question is false when it is compiled. */
#ifndef GB_PLATFORM_PLANTED_H
#define GB_PLATFORM_PLANTED_H

#include <stdbool.h>

enum {
    /* A lane that was replaced does not take over the floor of its sender. */
    GB_PLANTED_NO_FLOOR_ADOPTION = 1,
    /* An index that meant an earlier life means the present one too. */
    GB_PLANTED_GENERATION_IGNORED = 2,
    /* Links turn lazy, and nobody ever asks for them to be eager again. */
    GB_PLANTED_PRUNE_WITHOUT_GRAFT = 3,
    /* What was on its way when a link closed counts as known on the next one. */
    GB_PLANTED_KNOWN_ON_CLOSED_LINK = 4,
    /* The first piece of a reset is served as if it were all. */
    GB_PLANTED_RESET_CUT_SHORT = 5,
    /* A dial that was accepted proves that the dialled node is alive. */
    GB_PLANTED_CONNECT_IS_LIFE = 6,
    /* A node that is accused does not refute. */
    GB_PLANTED_REFUTATION_LOST = 7,
    /* A grave ends at once. */
    GB_PLANTED_GRAVE_FORGOTTEN = 8,
    /* Of two values of a cluster key the one that came last wins. In Swift. */
    GB_PLANTED_STAMP_IGNORED = 9,
    /* A range of deltas is applied although some before it are missing. */
    GB_PLANTED_GAP_APPLIED = 10,
};

#ifdef GB_PLANTED_BUGS
/* Which one is planted, by its number in the environment variable GOFERBROKE_PLANTED; 0: none. */
int gb_planted_bug(void);
#define GB_PLANTED(bug) (gb_planted_bug() == (bug))
#else
#define GB_PLANTED(bug) false
#endif

#endif
