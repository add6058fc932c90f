/* SPDX-License-Identifier: Apache-2.0 */
/* node_store.c: a node and its data directory, on the loop. */
#include "transport/node_impl.h"

#include "platform/err_info.h"
#include "state/map.h"

#include <inttypes.h>
#include <stdio.h>

/* How soon it is looked for somebody to remember, as long as nobody is. */
#define ADDRESSES_FIRST_US ((gb_time_us)1000000)

static void on_store_idle(void *user)
{
    gb_node_check_gone(user);
}

static void on_store_problem(void *user, gb_err code, const char *text)
{
    gb_node_notify_limit(user, code, text);
}

gb_err gb_node_start_store(gb_node *node)
{
    node->addresses_at = gb_now() + ADDRESSES_FIRST_US;
    return gb_store_start(node->store, node->loop, node->map, on_store_idle, on_store_problem,
                          node);
}

void gb_node_store_generation(gb_node *node, uint64_t generation)
{
    if (node->store == NULL) {
        return;
    }
    /* The one write that the loop waits for: nothing of the new generation may leave before it, and
     * it comes once in a life, if at all. */
    gb_err_info info;
    gb_err err = gb_store_write_generation(node->store, generation, &info);
    if (err != GB_OK) {
        gb_node_notify_limit(node, err, info.text);
    }
}

void gb_node_use_stored_seeds(gb_node *node)
{
    if (node->seeds_are_own || node->store == NULL) {
        return;
    }
    node->seeds_are_own = true; /* once */
    gb_address seeds[GB_SEEDS_MAX];
    uint32_t count = 0;
    while (count < GB_SEEDS_MAX &&
           gb_store_address(node->store, count, &seeds[count].host, &seeds[count].port)) {
        seeds[count].scope = GB_SCOPE_PUBLIC;
        count++;
    }
    if (count > 0) {
        (void)gb_engine_set_seeds(node->engine, gb_now(), seeds, count);
        gb_node_mark_dirty(node);
    }
}

void gb_node_store_addresses(gb_node *node, gb_time_us now)
{
    node->addresses_at = now + (gb_time_us)GB_STORED_ADDRESSES_PAUSE_MS * 1000;
    const gb_members *members = atomic_load(&node->members);
    gb_buf encoded;
    gb_buf_init(&encoded, node->allocator, 64 * GB_KIB);
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count && count < GB_STORED_ADDRESSES_MAX; i++) {
        const gb_member *member = &members->members[i];
        bool is_other = (member->flags & GB_MEMBER_IS_SELF) == 0;
        bool is_there = member->status == GB_STATUS_ALIVE || member->status == GB_STATUS_SUSPECT;
        if (is_other && is_there && member->host.len > 0 && member->port != 0) {
            gb_store_encode_address(&encoded, member->host, member->port);
            count++;
        }
    }
    if (count > 0) {
        gb_store_set_addresses(node->store, &encoded, count);
    } else {
        /* Alone: what an earlier life knew is worth more than nothing. Who comes is stored soon, so
         * that a life of less than a pause leaves somebody to start from. */
        node->addresses_at = now + ADDRESSES_FIRST_US;
    }
    gb_buf_deinit(&encoded);
}
