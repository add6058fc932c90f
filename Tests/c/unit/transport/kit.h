/* SPDX-License-Identifier: Apache-2.0 */
/* kit.h: nodes on real sockets for tests: opening, waiting for a condition, counting memory. */
#ifndef GB_TEST_TRANSPORT_KIT_H
#define GB_TEST_TRANSPORT_KIT_H

#include <goferbroke/node.h>

#include "support/gb_test.h"

#include <stdatomic.h>

/* Long enough for a machine that does much else; only a failing test waits so long. */
#define KIT_PATIENCE_MS 60000

/* A thread-safe allocator that counts what is outstanding. */
typedef struct kit_memory {
    gb_allocator allocator;
    atomic_llong blocks;
} kit_memory;

typedef struct kit {
    gb_test *t;
    kit_memory memory;
    gb_loop *loop;
    char directory[64]; /* made by kit_directory */
} kit;

void kit_open(kit *k, gb_test *t);
/* Closes the loop; all memory must have come back. Removes the directory. */
void kit_close(kit *k);
/* A fresh directory of this test. */
const char *kit_directory(kit *k);

/* Options of node NAME in cluster "test", fast enough for tests, no seeds. */
gb_node_options kit_options(const char *name);
gb_node *kit_node(kit *k, const gb_node_options *options);
/* Opens NAME, with a seed on `seed_port` unless it is 0, and joins. */
gb_node *kit_join(kit *k, const char *name, uint16_t seed_port);

uint64_t kit_now_us(void);
/* Call `is_met` until it says so; the test fails after KIT_PATIENCE_MS. */
void kit_wait(kit *k, const char *what, bool (*is_met)(void *user), void *user);

/* Take events until one of this kind comes, which the caller releases; others are released. */
const gb_event *kit_event(kit *k, gb_node *node, uint32_t kind);
void kit_expect_event(kit *k, gb_node *node, uint32_t kind);
/* Release all that wait. */
void kit_drain(gb_node *node);

/* Members of a status; 255: all. */
uint32_t kit_members(gb_node *node, uint8_t status);
void kit_wait_members(kit *k, gb_node *node, uint8_t status, uint32_t count);

gb_err kit_set(gb_node *node, const char *key, const char *value);
/* Is this the value of `owner`'s key "test" KEY as `node` knows it? NULL: it has none. */
bool kit_has(gb_node *node, const char *owner, const char *key, const char *value);
void kit_wait_value(kit *k, gb_node *node, const char *owner, const char *key, const char *value);

#endif
