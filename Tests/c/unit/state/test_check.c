/* SPDX-License-Identifier: Apache-2.0 */
/* The self-check finds what is broken: each case breaks one thing in a child process. */
#define _POSIX_C_SOURCE 200809L

#include "unit/state/state_support.h"

#include "state/map_state.h"

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

typedef void (*breaker)(gb_map *map, gb_participant *p);

static gb_lane_state *user_lane(gb_participant *p)
{
    return gb_map_lane_there(p, GB_LANE_USER);
}
static void break_nothing(gb_map *map, gb_participant *p)
{
    (void)map;
    (void)p;
}
static void break_hash(gb_map *map, gb_participant *p)
{
    (void)p;
    map->hash++;
}
static void break_version_order(gb_map *map, gb_participant *p)
{
    (void)map;
    user_lane(p)->oldest->version = 100;
}
static void break_floor(gb_map *map, gb_participant *p)
{
    (void)map;
    user_lane(p)->floor = 1000;
}
static void break_key_count(gb_map *map, gb_participant *p)
{
    (void)map;
    p->key_count++;
}
static void break_byte_count(gb_map *map, gb_participant *p)
{
    (void)map;
    user_lane(p)->byte_count++;
}
static void break_record_hash(gb_map *map, gb_participant *p)
{
    (void)map;
    user_lane(p)->newest->hash ^= 1;
}
static void break_tombstones(gb_map *map, gb_participant *p)
{
    (void)map;
    user_lane(p)->extra->tombstone_count--;
}
static void break_table(gb_map *map, gb_participant *p)
{
    (void)map;
    gb_record *record = user_lane(p)->oldest;
    gb_table_remove(&user_lane(p)->table, record->hash, record);
}
static void break_slot(gb_map *map, gb_participant *p)
{
    (void)map;
    p->slot++;
}
static void break_changed_order(gb_map *map, gb_participant *p)
{
    (void)map;
    p->changed_no = 99;
}
static void break_purge_heap(gb_map *map, gb_participant *p)
{
    gb_heap_remove(&map->purge, &user_lane(p)->extra->purge_node);
}

/* Sanitizers must not turn the expected abort into a report. */
static int broken_signal(gb_test *t, breaker breaks)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "n", &self);
    state_set(t, map, self, "a", "1", 0);
    state_set(t, map, self, "b", "2", 0);
    state_delete(t, map, self, "a", 0);
    state_set(t, map, self, "c", "4", 0);
    pid_t child = fork();
    expect_true(child >= 0);
    if (child == 0) {
        (void)close(STDERR_FILENO);
        breaks(map, self);
        gb_map_check(map);
        _exit(0);
    }
    int status = 0;
    expect_int(waitpid(child, &status, 0), child);
    gb_map_close(map);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

GB_TEST(check, a_whole_map_passes)
{
    expect_int(broken_signal(t, break_nothing), 0);
}

GB_TEST(check, every_broken_invariant_aborts)
{
    const breaker breakers[] = {break_hash,          break_version_order, break_floor,
                                break_key_count,     break_byte_count,    break_record_hash,
                                break_tombstones,    break_table,         break_slot,
                                break_changed_order, break_purge_heap};
    for (size_t i = 0; i < sizeof breakers / sizeof breakers[0]; i++) {
        expect_int(broken_signal(t, breakers[i]), SIGABRT);
    }
}
