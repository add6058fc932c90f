/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the state layer share: maps with handy defaults, and DELTAS carried from one
 * map to another through real bytes. */
#ifndef GB_TEST_STATE_SUPPORT_H
#define GB_TEST_STATE_SUPPORT_H

#include "state/map.h"

#include "support/gb_test.h"

#define STATE_GRACE_US 1000u

gb_map_options state_options(const gb_allocator *allocator);
gb_map *state_open(gb_test *t);
/* A map whose self is `name`, generation 1. */
gb_map *state_open_owner(gb_test *t, const char *name, gb_participant **self);
gb_participant *state_add(gb_test *t, gb_map *map, const char *name, uint64_t generation);

/* Group "g", lane user, a string. */
void state_set(gb_test *t, gb_map *map, gb_participant *self, const char *key, const char *value,
               gb_time_us now);
void state_delete(gb_test *t, gb_map *map, gb_participant *self, const char *key, gb_time_us now);
/* "-" where there is no key, "x" where there is a tombstone, else the value; NUL-terminated, valid
 * until the next call. */
const char *state_get(const gb_participant *participant, const char *key);

/* One message, decoded from what was encoded; lives as long as `out`. */
typedef struct state_message {
    gb_out out;
    gb_deltas deltas;
    gb_selection selection; /* as gb_map_select left it */
} state_message;

/* Select after `from` of the user lane. Errors are the test's failure. */
void state_select(gb_test *t, const gb_map *map, const gb_participant *source, gb_selection ask,
                  size_t size_max, state_message *message);
void state_message_deinit(state_message *message);

/* What `target` would state in a PULL, answered by `source` with at most `size_max` bytes. */
gb_err state_pull(gb_test *t, const gb_map *source_map, const gb_participant *source,
                  gb_map *target_map, gb_participant *target, size_t size_max, gb_time_us now,
                  gb_apply_result *result);
/* Pull until nothing is new; returns the number of messages. */
unsigned state_pull_all(gb_test *t, const gb_map *source_map, const gb_participant *source,
                        gb_map *target_map, gb_participant *target, size_t size_max,
                        gb_time_us now);

#endif
