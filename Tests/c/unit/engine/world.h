/* SPDX-License-Identifier: Apache-2.0 */
/* world.h: engines, a virtual clock and a virtual network, for tests of the
 * engine.
 *
 * Connections carry bytes in order with a latency, and with a rate where one is
 * given: what was not yet sent counts against the engine's queue. A frozen
 * node's kernel still accepts connections. Node K is named "node-K" and listens
 * on host "hK", port 7000. Everything follows from the seed. */
#ifndef GB_TEST_WORLD_H
#define GB_TEST_WORLD_H

#include <goferbroke/engine.h>

#include "state/map.h"
#include "support/gb_test.h"

#define WORLD_NODES_MAX 80
#define WORLD_MS UINT64_C(1000)
#define WORLD_S UINT64_C(1000000)

typedef struct world world;

typedef struct world_node {
    world *world;
    gb_engine *engine; /* NULL: not running */
    uint32_t index;
    char name[32];
    char host[32];
    uint64_t generation;
    uint64_t life;        /* counts starts: what was sent to an earlier one is lost */
    bool is_frozen;       /* handles nothing; what comes waits */
    bool is_blind;        /* has no detector although the others have one */
    bool is_dying;        /* killed, its listener not yet closed: accepts and resets */
    uint8_t last_outcome; /* of the last GB_EVENT_PROBE_RESULT */
    uint32_t part;        /* side of a partition: equal ones reach each other */
    uint64_t bytes_received;
    uint32_t events[64]; /* what the host was told, by kind */
    int32_t last_code;
    char last_text[256];
} world_node;

typedef struct world_options {
    uint32_t node_count;
    uint64_t latency_us; /* one way; default 200 */
    uint64_t jitter_us;  /* added, uniform */
    uint64_t byte_rate;  /* bytes per second and connection direction; 0: unlimited */
    bool has_detector;
    uint32_t participant_count_max;
    gb_engine_settings settings;
    const gb_allocator *engine_allocator; /* NULL: the test's */
    bool may_fail;                        /* engine_allocator fails: a flush need not be complete */
    /* Sees each event of each node, and may act on its engine. */
    void (*on_event)(world_node *node, const gb_event *event, void *user);
    void *on_event_user;
} world_options;

struct world {
    gb_test *test;
    const gb_allocator *allocator;
    world_options options;
    gb_time_us now;
    gb_rng rng;
    world_node nodes[WORLD_NODES_MAX];
    struct world_connection *connections;
    uint32_t connection_count, connection_capacity;
    struct world_packet *packets; /* binary heap by (at, no) */
    uint32_t packet_count, packet_capacity;
    uint64_t packet_no;
};

world *world_open(gb_test *t, const world_options *options);
void world_close(world *w);
/* Start node `index` with node 0's address as its only seed and join.
 * generation 0: the next. */
void world_start(world *w, uint32_t index, uint64_t generation);
/* Start with these seeds instead (indexes of nodes; may be none). */
void world_start_with(world *w, uint32_t index, const char *name, uint64_t generation,
                      const uint32_t *seeds, uint32_t seed_count);
/* As world_start_with; an engine that can't be opened is no failure of the
 * test. */
gb_err world_try_start(world *w, uint32_t index, const char *name, uint64_t generation,
                       const uint32_t *seeds, uint32_t seed_count);
/* Hand on what an engine has to say after a command. */
void world_flush(world *w, uint32_t index);
/* SIGKILL: its connections are reset, its port refuses. */
void world_kill(world *w, uint32_t index);
/* Close the connection behind a link of a node, as a broken network would;
 * false: no such. */
bool world_cut_link(world *w, uint32_t index, uint32_t other);
/* Carry out what commands given to the node's engine have caused. */
void world_flush(world *w, uint32_t index);
void world_run(world *w, uint64_t us);
/* Run until `is_done` or the bound; false: bound. */
bool world_run_until(world *w, bool (*is_done)(world *w, void *user), void *user, uint64_t bound);

void world_set(world *w, uint32_t index, const char *key, const char *value);
/* "" where there is none. Lent until the value changes. */
gb_slice world_get(world *w, uint32_t index, uint32_t owner, const char *key);
bool world_has(world *w, uint32_t index, uint32_t owner, const char *key, const char *value);
uint32_t world_live_members(world *w, uint32_t index);
/* Open member links of a node. */
uint32_t world_links(world *w, uint32_t index);
/* All running nodes have the same map hash and see each other. */
bool world_is_converged(world *w, void *user);
void world_check(world *w);
gb_participant *world_participant(world *w, uint32_t index, uint32_t owner);

#endif
