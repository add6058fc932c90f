/* SPDX-License-Identifier: Apache-2.0 */
/* detector.h: a small failure detector with fixed timeouts, for a node in C.
 *
 * The library carries probes and accusations; who is dead is the host's decision. A host that gives
 * has_detector is told facts through its event queue and answers with actions. This is the least
 * that is safe: it probes before it accuses, counts accusations of judges alone, and waits so that
 * the accused can refute. `gofer` and Swift nodes bring phi accrual instead; both kinds judge
 * together.
 *
 * A silent member is probed. If no probe is answered it is accused, in a delta that everybody gets.
 * It is dead when a majority of its judges accuse it and nothing refuted that for SUSPICION; at
 * once, when a majority says that it crashed: its connection was reset and its address refuses.
 *
 * Times come with the events. Not thread-safe: for the thread that takes the events. */
#ifndef EXAMPLE_DETECTOR_H
#define EXAMPLE_DETECTOR_H

#include <goferbroke/node.h>

typedef struct detector detector;

/* Carries out an action; `action` is lent for the call. */
typedef void (*detector_act_fn)(void *user, const gb_action *action);

/* `silence_us`: after this long without any bytes a linked member is probed.
 * `suspicion_us`: how long an accused member has to refute; a single judge waits three times that.
 * NULL: out of memory. */
detector *detector_open(uint64_t silence_us, uint64_t suspicion_us, detector_act_fn act,
                        void *user);
void detector_close(detector *d);

/* Every event of the node's queue, in order; those that are no facts are ignored. */
void detector_handle(detector *d, const gb_event *event);

#endif
