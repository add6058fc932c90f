/* SPDX-License-Identifier: Apache-2.0 */
/* watcher.h: a detector of a few lines, driven by a node's events: probe who is lost, accuse who
 * does not answer, bury whom a majority accuses. */
#ifndef GB_TEST_WATCHER_H
#define GB_TEST_WATCHER_H

#include "world.h"

/* For world_options.on_event; `user` is not looked at. */
void watcher_on_event(world_node *node, const gb_event *event, void *user);
/* An action of a node's detector about the present life of `name`. */
void watcher_act(world_node *node, uint8_t kind, const char *name, uint8_t reason);

#endif
