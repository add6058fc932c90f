/* SPDX-License-Identifier: Apache-2.0 */
/* node_impl.h: a node inside: what its files share, and who may touch what.
 *
 *   node_open.c      from options to a running node, and its end (threads of the host)
 *   node_loop.c      the loop's side: commands, own changes, flushing the engine
 *   node_commands.c  what threads of the host post
 *   node_read.c      what threads of the host read */
#ifndef GB_TRANSPORT_NODE_IMPL_H
#define GB_TRANSPORT_NODE_IMPL_H

#include "platform/hash_map.h"
#include "transport/epoch.h"
#include "transport/listener.h"
#include "transport/loop.h"
#include "transport/members.h"
#include "transport/pending.h"
#include "transport/queue.h"
#include "transport/store.h"

typedef enum gb_node_state {
    GB_NODE_ATTACHING, /* the loop has not seen it yet */
    GB_NODE_RUNNING,
    GB_NODE_CLOSING, /* handles are being let go of */
    GB_NODE_GONE,
} gb_node_state;

typedef enum gb_command_kind {
    GB_COMMAND_JOIN,
    GB_COMMAND_LEAVE,
    GB_COMMAND_ACT,
    GB_COMMAND_CONFIGURE,
    GB_COMMAND_SET_SEEDS,
    GB_COMMAND_CLIENT_SEND,
    GB_COMMAND_DROP_LINK, /* test_hooks.h */
} gb_command_kind;

typedef struct gb_command {
    struct gb_command *next;
    gb_command_kind kind;
    union {
        gb_action act;
        gb_engine_settings settings;
        struct {
            gb_address *seeds;
            uint32_t count;
        } seeds;
        struct {
            uint64_t link;
            uint32_t slot;
            uint32_t request_id;
            uint8_t frame_type;
            gb_slice payload;
        } send;
        uint32_t position;
    } as;
    uint64_t bytes[]; /* what slices point into */
} gb_command;

typedef struct gb_command_list {
    gb_command *first;
    gb_command **end;
    uint32_t count;
} gb_command_list;

/* A client that is connected: what threads need to know to answer it without the loop. */
typedef struct gb_client_slot {
    _Atomic uint64_t link; /* 0: free */
    _Atomic size_t queued; /* bytes posted and not yet taken by the engine */
} gb_client_slot;

struct gb_node {
    /* ---- never change over the life of the loop, or belong to it ---- */
    gb_loop *loop;
    const gb_allocator *allocator;
    gb_node *next_shell;
    gb_node *next_free;
    gb_node *posted_next;
    atomic_bool is_posted;

    /* ---- set before the loop sees it, then constant ---- */
    uint8_t *name;
    size_t name_size;
    uint8_t *cluster;
    size_t cluster_size;
    char *listen_host;
    char *socket_path;
    uint64_t socket_device;
    uint64_t socket_inode;
    uint16_t port;
    uint16_t client_port;
    uint32_t client_count_max;
    bool has_delta_events;
    struct gb_map *map;

    /* ---- any thread ---- */
    _Atomic uint64_t generation;
    atomic_bool is_closed;    /* rejected, replaced or left */
    atomic_bool should_close; /* gb_node_close */
    _Atomic uint32_t key_count_max;
    _Atomic uint32_t value_size_max;
    gb_epoch epoch;
    _Atomic(gb_members *) members;
    gb_event_queue events;
    gb_pending pending;
    pthread_mutex_t command_mutex; /* `commands`; the loop only tries it */
    gb_command_list commands;
    pthread_mutex_t stats_mutex; /* `stats`; the loop only tries it */
    gb_engine_stats stats;
    gb_client_slot *clients; /* client_count_max of them */

    /* ---- under loop->mutex ---- */
    bool is_attached;
    gb_err attach_err;
    bool is_gone;

    /* ---- the loop's thread ---- */
    gb_node_state state;
    bool has_failed; /* could not start; only waits to be closed */
    gb_engine *engine;
    gb_store *store; /* NULL: no data directory */
    gb_list_node dirty;
    gb_list conns;
    gb_list writing;
    gb_hash_map links; /* link number -> gb_conn */
    uint32_t conn_count;
    uint32_t client_conn_count;
    gb_listener member_door;
    gb_listener client_door;
    gb_listener socket_door;
    gb_timer timer;
    gb_command_list taken;   /* commands being carried out */
    gb_command_list waiting; /* answers to clients whose link is full */
    bool is_members_dirty;
    gb_time_us members_at; /* last picture */
    bool is_stats_dirty;
    gb_time_us stats_at;
    gb_time_us retry_at;     /* own changes that the engine did not take; UINT64_MAX: none */
    gb_time_us reclaim_at;   /* retired objects that readers may see; UINT64_MAX: none */
    gb_time_us addresses_at; /* known addresses are stored next */
    bool seeds_are_own;      /* the host gave seeds; else what is stored is tried after joining */
};

/* What is kept of a closed node's memory is everything before this field. */
#define GB_NODE_SHELL_SIZE offsetof(gb_node, name)

/* ---- node_loop.c ------------------------------------------------------------------------------
 */

/* What was posted: attach, commands, own changes, close. */
void gb_node_process(gb_node *node);
/* Effects out, views and events published, next deadline set. */
void gb_node_flush(gb_node *node);
/* It has work to be flushed in this turn. */
void gb_node_mark_dirty(gb_node *node);
/* A handle has gone: is that the last one of a node that closes? */
void gb_node_check_gone(gb_node *node);
/* Tell the host GB_EVENT_LIMIT; seen with the next flush. */
void gb_node_notify_limit(gb_node *node, gb_err code, const char *text);
/* An event of the engine's: queued for the host, and what it means here done. */
void gb_node_notify(gb_node *node, const gb_event *event);
/* For gb_epoch_retire and the engine's `reclaim`. */
void gb_node_reclaim(void *user, void (*release)(const gb_allocator *, void *), void *object);
/* Own keys in the map, for the limit that gb_node_set checks. */
void gb_node_count_keys(gb_node *node);
/* Replace the published picture of the members. */
void gb_node_publish_members(gb_node *node, gb_time_us now);

/* node_read.c. Any thread: the own change that waits for a key, for the loop or for its version;
 * referenced for the caller. NULL: none. */
gb_record *gb_node_find_waiting(gb_node *node, gb_lane lane, gb_slice group, gb_slice key);
/* node_open.c. Any thread: what gb_node_set refuses. */
void gb_node_set_limits(gb_node *node, const gb_engine_settings *settings);

/* ---- node_store.c: what a node keeps in its data directory. Loop thread. ------------------------
 */

gb_err gb_node_start_store(gb_node *node);
/* On disk before anything of the new generation leaves. */
void gb_node_store_generation(gb_node *node, uint64_t generation);
/* Members' addresses that were known in an earlier life, beside no seeds of the host's. */
void gb_node_use_stored_seeds(gb_node *node);
void gb_node_store_addresses(gb_node *node, gb_time_us now);

/* ---- node_addresses.c: threads of the host.
 * ------------------------------------------------------ */

typedef struct gb_address_list {
    gb_address addresses[GB_SEEDS_MAX];
    uint32_t count;
    char hosts[GB_ADDRESSES_MAX][64]; /* of those found on the machine's interfaces */
} gb_address_list;

/* Where others can dial this node; slices point into options, the node or the list.
 * Errors: GB_EINVAL. */
gb_err gb_node_advertise(const gb_node *node, const gb_node_options *options, gb_address_list *list,
                         gb_err_info *info);
/* Seeds without our own addresses; slices point into `seeds`. Errors: GB_EINVAL. */
gb_err gb_node_check_seeds(const gb_node *node, const gb_endpoint *seeds, uint32_t seed_count,
                           gb_address_list *list, gb_err_info *info);

/* ---- lists of commands, not synchronized --------------------------------------------------------
 */

void gb_command_list_init(gb_command_list *list);
void gb_command_list_push(gb_command_list *list, gb_command *command);
gb_command *gb_command_list_pop(gb_command_list *list);

#endif
