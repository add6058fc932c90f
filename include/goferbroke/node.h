/* SPDX-License-Identifier: Apache-2.0 */
/* node.h: a running node: the engine on a libuv loop, TCP, DNS, timers, a data directory.
 *
 * In short:
 *     gb_loop_open(NULL, &loop, &info);
 *     gb_node_open(loop, &options, &node, &info);     listens; talks to nobody yet
 *     gb_node_join(node);                             dials the seeds, for ever
 *     gb_node_set(node, group, key, type, value, 0);  from any thread
 *     while (poll(gb_node_event_fd(node)) …) gb_node_event_next(node, &event);
 *     gb_node_leave(node); … GB_EVENT_LEFT … gb_node_close(node); gb_loop_close(loop);
 *
 * All functions may be called from any thread at the same time, except that gb_node_close and
 * gb_loop_close end an object: nobody may use it any more then. No callback of the library runs
 * code of the host's on the loop's thread: hosts read a queue. Reading values never waits for the
 * loop, and the loop never waits for readers. */
#ifndef GOFERBROKE_NODE_H
#define GOFERBROKE_NODE_H

#include <goferbroke/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Loop ------------------------------------------------------------------------------------ */

/* A thread with an event loop that carries any number of nodes. */
typedef struct gb_loop gb_loop;

typedef struct gb_loop_options {
    size_t size;                   /* sizeof(gb_loop_options) */
    const gb_allocator *allocator; /* borrowed for the loop's life, thread-safe; NULL: malloc */
} gb_loop_options;

/* `options` may be NULL. Errors: GB_ENOMEM, GB_EIO (no thread, no descriptors). */
GB_EXTERN gb_err gb_loop_open(const gb_loop_options *options, gb_loop **out, gb_err_info *info);
/* Ends and joins the thread. NULL is allowed.
 * Errors: GB_EBUSY (nodes are open on it, or called from the loop's thread): it goes on. */
GB_EXTERN gb_err gb_loop_close(gb_loop *loop);

/* ---- Node ------------------------------------------------------------------------------------ */

typedef struct gb_node gb_node;

typedef struct gb_endpoint {
    const char *host; /* name or numeric address, NUL-terminated */
    uint16_t port;
} gb_endpoint;

/* Strings are NUL-terminated and copied. */
typedef struct gb_node_options {
    size_t size;         /* sizeof(gb_node_options) */
    const char *cluster; /* 1 … 255 bytes of UTF-8 without control characters */
    const char *name;    /* same */
    /* Where to listen. host NULL: 127.0.0.1; a name is resolved. port 0: any free one. */
    gb_endpoint listen;
    /* Where others can dial this node. NULL: the listening host and port. A port of 0 means the
     * port that was bound. */
    const gb_endpoint *advertised;
    uint32_t advertised_count; /* <= GB_HELLO_ADDRESSES_MAX */
    const gb_endpoint *seeds;  /* own addresses among them are skipped */
    uint32_t seed_count;       /* <= 64 */
    /* Client doors; none by default. */
    gb_endpoint client_listen;  /* host NULL: none; port 0: any free one */
    const char *client_socket;  /* path of a Unix socket, NULL: none; made with mode 0600 */
    const char *data_directory; /* NULL: none. Made if absent. Keeps generation, own deltas,
                                   known addresses. Deltas are written within some
                                   100 ms: what was set right before a crash is lost */
    uint64_t generation;        /* 0: max(stored + 1, milliseconds since the epoch) */
    uint64_t seed;              /* of the engine's randomness; 0: from the system */
    bool has_detector;          /* the host reads detector facts and answers gb_node_act */
    bool no_delta_events;       /* don't queue GB_EVENT_DELTA */
    uint32_t participant_count_max;
    uint32_t link_count_max;
    uint32_t client_count_max;   /* 0: 256 */
    uint32_t event_count_max;    /* queued events; 0: 65,536 */
    gb_engine_settings settings; /* zeros: defaults */
} gb_node_options;

/* Open a node on a loop and listen. `info` (may be NULL) gets a sentence on failure, such as
 * "listen on 127.0.0.1:8081: address already in use".
 * Errors: GB_EINVAL, GB_ENAME, GB_EADDRINUSE, GB_EHOST, GB_EACCES, GB_EIO, GB_ESTORE (data
 * directory unreadable or damaged), GB_EBUSY (another process uses the data directory; a live node
 * answers on the client socket), GB_ENOMEM. On error `out` is unchanged and nothing is left behind.
 */
GB_EXTERN gb_err gb_node_open(gb_loop *loop, const gb_node_options *options, gb_node **out,
                              gb_err_info *info);
/* Stop at once (no leave: others will find it dead) and wait until the loop has let go of it. Its
 * loop goes on. NULL is allowed. Errors: GB_EBUSY (called from the loop's thread): it goes on. */
GB_EXTERN gb_err gb_node_close(gb_node *node);

/* Errors of all commands: GB_ECLOSED (rejected, replaced or left), GB_ENOMEM. */
GB_EXTERN gb_err gb_node_join(gb_node *node);
/* Asynchronous; GB_EVENT_LEFT tells the end of it. */
GB_EXTERN gb_err gb_node_leave(gb_node *node);
GB_EXTERN gb_err gb_node_act(gb_node *node, const gb_action *action);
GB_EXTERN gb_err gb_node_configure(gb_node *node, const gb_engine_settings *settings);
GB_EXTERN gb_err gb_node_set_seeds(gb_node *node, const gb_endpoint *seeds, uint32_t seed_count);

GB_EXTERN uint16_t gb_node_port(const gb_node *node);        /* bound port */
GB_EXTERN uint16_t gb_node_client_port(const gb_node *node); /* 0: no such door */
GB_EXTERN uint64_t gb_node_generation(const gb_node *node);
/* Name and cluster; lent for the node's life. */
GB_EXTERN gb_slice gb_node_name(const gb_node *node);
GB_EXTERN gb_slice gb_node_cluster(const gb_node *node);

/* ---- Own deltas ------------------------------------------------------------------------------ */

/* The key group of facts about machines, in GB_LANE_SYSTEM. Nothing can be set under that name in
 * GB_LANE_USER, so that who asks for a group and a key never means two things. */
#define GB_GROUP_SYSTEM "system"

/* Set an own delta. On return readers of this node see it. Never fails for load: changes that wait
 * for the loop are kept one per (lane, group, key), the newest value wins.
 *
 * lane: GB_LANE_USER; hosts that publish facts or configuration use GB_LANE_SYSTEM, GB_LANE_CONFIG.
 *
 * Errors: GB_EINVAL (lane), GB_EGROUP (empty, too long, or GB_GROUP_SYSTEM in GB_LANE_USER),
 * GB_EKEY_SIZE, GB_EVALUE_SIZE, GB_ETYPE, GB_EKEYS (this would
 * be one key too many), GB_EFULL (100,000 distinct keys wait already: try again later), GB_ECLOSED,
 * GB_ENOMEM. Nothing changed then. */
GB_EXTERN gb_err gb_node_set(gb_node *node, gb_lane lane, gb_slice group, gb_slice key,
                             uint8_t type, gb_slice value, uint64_t ttl_ms);
/* Errors: as gb_node_set, and GB_ENOTFOUND. */
GB_EXTERN gb_err gb_node_delete(gb_node *node, gb_lane lane, gb_slice group, gb_slice key);

/* ---- Reading --------------------------------------------------------------------------------- */

/* A record is immutable and counted; gb_node_record_release gives it back, also after the node was
 * closed (`loop` is then still needed: it owns the memory). */
GB_EXTERN void gb_record_view(const gb_record *record, gb_delta *out);
GB_EXTERN void gb_node_record_release(gb_node *node, gb_record *record);

/* The newest value that this node knows; returns owned `*out`. `generation` may be NULL.
 * Errors: GB_EUNKNOWN_NODE, GB_ENOTFOUND. */
GB_EXTERN gb_err gb_node_get(gb_node *node, gb_slice name, gb_lane lane, gb_slice group,
                             gb_slice key, gb_record **out, uint64_t *generation);
/* Calls `visit` on the caller's thread for each live record of a lane, `record` lent for the call;
 * own changes that still wait for the loop included. `visit` returns false to stop and must not
 * call gb_node_close. Errors: GB_EUNKNOWN_NODE. */
GB_EXTERN gb_err gb_node_list(gb_node *node, gb_slice name, gb_lane lane,
                              bool (*visit)(void *user, const gb_record *record), void *user,
                              uint64_t *generation);
/* A consistent picture of the members, self included, on the caller's thread. */
GB_EXTERN void gb_node_members(gb_node *node, bool (*visit)(void *user, const gb_member *member),
                               void *user);
/* Counters as of the loop's last turn (at most 100 ms old). */
GB_EXTERN void gb_node_read_stats(gb_node *node, gb_engine_stats *out);
/* Facts of this machine, as libuv knows them. */
typedef struct gb_host_facts {
    char host[256];
    char platform[64];   /* such as "Linux" */
    char release[128];   /* of the kernel */
    char machine[64];    /* such as "x86_64" */
    char cpu_model[128]; /* empty where unknown */
    uint32_t core_count;
    uint64_t memory_total;
    uint64_t memory_available;
} gb_host_facts;
GB_EXTERN void gb_host_facts_read(gb_host_facts *out);

/* ---- Events ---------------------------------------------------------------------------------- */

/* Readable (poll, epoll, dispatch source) while events wait. Lent for the node's life; don't read
 * or close it. */
GB_EXTERN int gb_node_event_fd(gb_node *node);
/* Take the next event; returns owned `*out`, to be given to gb_event_release. The first events are
 * a snapshot: one GB_EVENT_MEMBER a member. One consumer.
 * Errors: GB_EAGAIN (none waits). */
GB_EXTERN gb_err gb_node_event_next(gb_node *node, const gb_event **out);
GB_EXTERN void gb_event_release(gb_node *node, const gb_event *event);

/* ---- Clients --------------------------------------------------------------------------------- */

/* Answer GB_EVENT_CLIENT_REQUEST. frame_type: GB_FRAME_CLIENT_RESPONSE, or _ITEM (more follow).
 * Errors: GB_EFULL (that client reads too slowly and its queue is full), GB_ECLOSED, GB_ETOOBIG,
 * GB_ENOMEM. */
GB_EXTERN gb_err gb_node_client_send(gb_node *node, uint64_t link, uint8_t frame_type,
                                     uint32_t request_id, gb_slice payload);

/* The other side: a blocking connection to a node's client door. One thread at a time. */
typedef struct gb_client gb_client;

/* `door`: "HOST:PORT", "[IPv6]:PORT", or a path of a socket (anything with a '/').
 * Errors: GB_EINVAL, GB_EHOST, GB_ECONNREFUSED, GB_ENOTFOUND (no such socket), GB_EACCES,
 * GB_ETIMEDOUT, GB_EREJECTED_… (text of the node), GB_ENOMEM. */
GB_EXTERN gb_err gb_client_open(const char *door, uint64_t timeout_us, gb_client **out,
                                gb_err_info *info);
GB_EXTERN void gb_client_close(gb_client *client);
/* Cluster and name of the node that answered; lent for the client's life. */
GB_EXTERN gb_slice gb_client_cluster(const gb_client *client);
GB_EXTERN gb_slice gb_client_node(const gb_client *client);
/* Errors: GB_ETOOBIG, GB_EPIPE, GB_ETIMEDOUT, GB_ECLOSED (an earlier error), GB_ENOMEM. */
GB_EXTERN gb_err gb_client_send(gb_client *client, uint8_t frame_type, uint32_t request_id,
                                gb_slice payload, uint64_t timeout_us);
/* The next frame of the node; `out->payload` is lent until the next call. timeout_us UINT64_MAX:
 * wait for ever. Errors: GB_ETIMEDOUT (call again), GB_EOF, GB_ECONNRESET, GB_EMALFORMED …: over.
 */
GB_EXTERN gb_err gb_client_receive(gb_client *client, uint64_t timeout_us, gb_frame *out);
/* Descriptor to poll for interruption by another one; lent. */
GB_EXTERN int gb_client_fd(const gb_client *client);

#ifdef __cplusplus
}
#endif

#endif
