/* SPDX-License-Identifier: Apache-2.0 */
/* Every bound of the core, each with its reason. What exceeds one is refused with an error that
 * names it; nothing is truncated. Sizes are bytes, counts are items, both inclusive. */
#ifndef GB_PLATFORM_LIMITS_H
#define GB_PLATFORM_LIMITS_H

#include "goferbroke/err.h"
#include "goferbroke/types.h"

#define GB_KIB ((size_t)1024)
#define GB_MIB ((size_t)1024 * 1024)

/* --- What a cluster map holds --- */

/* Members, dead ones and graves together. Rings, digests and hash all are linear in it; at about
 * 1 KiB a participant the worst map that names alone can build is 16 MiB. */
#define GB_PARTICIPANTS_MAX 16384

/* A node or cluster name: the length of a DNS name, so that any host name will do. */
#define GB_NAME_SIZE_MAX 255

/* A key group: one length byte is enough, and groups repeat in every delta. */
#define GB_GROUP_SIZE_MAX 255

/* A key. Paths and URLs fit; megabytes in keys would defeat the index. */
#define GB_KEY_SIZE_MAX 1024

/* A value. Large enough for a certificate bundle or a configuration document; a larger one would
 * hold up everything behind it in its lane for longer than a heartbeat on a 100 Mbit/s link
 * (4 MiB take 0.34 s). */
#define GB_VALUE_SIZE_MAX (4 * GB_MIB)

/* Keys of one participant, over all its lanes, tombstones included. At 96 bytes of overhead each
 * that is 96 MB beside the values: the most that one member can make another one index. */
#define GB_KEYS_PER_PARTICIPANT_MAX 1000000

/* Addresses that a node advertises: loopback, private and public for two families, and spares. */
#define GB_ADDRESSES_MAX 8

/* A host name or address text: the length of a DNS name. */
#define GB_HOST_SIZE_MAX 255

/* Seeds that a node is given. More do not find a cluster faster, they only dial more. */
#define GB_SEEDS_MAX 64

/* --- What travels --- */

/* A chunk of deltas on a link. Small enough that a heartbeat queued behind one waits 5 ms at
 * 100 Mbit/s, large enough that a header is a thousandth of it. A single entry larger than this
 * makes a chunk of its own. */
#define GB_CHUNK_SIZE (64 * GB_KIB)

/* The payload of a frame: one entry of the greatest size, its envelope, and room to grow. The
 * parser refuses more before any memory is set aside for it. */
#define GB_FRAME_PAYLOAD_MAX (8 * GB_MIB)

/* Room beyond a chunk: frame header, message envelope and the entry that ends a chunk: a key of the
 * greatest size with a small value. A buffer of both is what links keep between frames. */
#define GB_CHUNK_SLACK (4 * GB_KIB)
#define GB_CHUNK_BUFFER_SIZE (GB_CHUNK_SIZE + GB_CHUNK_SLACK)

/* Bytes from one read of a socket, and the most that a read handler parses before it returns to
 * the loop. */
#define GB_READ_SIZE (64 * GB_KIB)

/* Bytes queued on one link. Over it the link gets no pushes and is fed from the map as it drains,
 * so memory does not grow with load. An entry larger than what is left goes out alone on an empty
 * queue; see the assertion below. */
#define GB_LINK_QUEUE_MAX (4 * GB_MIB)

/* Bytes that heartbeats and membership may queue beyond GB_LINK_QUEUE_MAX. A heartbeat is below
 * 100 bytes: this is far more than a link can owe before its peer is suspected. */
#define GB_LINK_RESERVE (64 * GB_KIB)

/* --- What is connected --- */

/* Links of one node, both directions, unfinished handshakes included. 2K ring links and passing
 * exchanges need below 32; the rest is for a cluster that finds this node as its only seed. */
#define GB_LINKS_MAX 1024

/* Dials of one node under way at once, without turning it into a port scanner: a detector that lost
 * sight of a whole rack makes 64 checks of 3 dials at once and 32 a second after them; seeds and
 * ring links come on top. */
#define GB_DIALS_MAX 256

/* Seeds are dialled while fewer dials than this are under way: a long list that leads nowhere
 * leaves room for ring links and probes. */
#define GB_SEED_DIALS_MAX 32

/* Connections at one door (members', clients') whose handshake is not done, and how long they may
 * take. A stranger who opens connections and says nothing holds a bounded number of descriptors
 * for a bounded time, and none at the other door; the oldest gives way to a newcomer. */
#define GB_HANDSHAKES_MAX 256
/* Places among them that those who said HELLO, and wait for the answer, leave to those who did not:
 * as many as may come within the round trip that a HELLO takes. */
#define GB_HANDSHAKES_SILENT_MIN 64
#define GB_HANDSHAKE_TIMEOUT_MS 5000

/* Nodes on one loop: simulations and tests put hundreds there. */
#define GB_NODES_PER_LOOP_MAX 4096

/* Clients (command-line tools, applications) on one node's client doors. */
#define GB_CLIENTS_MAX 256

/* Places among them that only the Unix socket may take: who is on the machine itself must get in
 * however many remote clients stay connected. */
#define GB_CLIENTS_LOCAL_MIN 16

/* --- What waits --- */

/* Events queued for the host. Beyond it the oldest changes of state merge and the host is told
 * that it lags. At about 100 bytes each: 6.5 MB. */
#define GB_EVENTS_MAX 65536

/* Bytes of values that queued events may hold: a slow host must not keep what the map has
 * replaced. */
#define GB_EVENTS_SIZE_MAX (64 * GB_MIB)

/* Keys in the dirty set of local writes that wait for their version. The newest value of a key
 * wins, so only distinct keys count. */
#define GB_PENDING_SETS_MAX 100000

/* Commands posted to a loop beside sets. A human or a detector issues them. */
#define GB_COMMANDS_MAX 16384

/* --- What the transport holds --- */

/* Bytes of keys and values in the dirty set: with 100,000 keys 2.5 KiB each on average. */
#define GB_PENDING_SIZE_MAX (256 * GB_MIB)

/* Own changes admitted and retired objects freed in one turn of a loop: some milliseconds at most,
 * so that reads and heartbeats of all its nodes are served in between. */
#define GB_SETS_PER_TURN_MAX 4096
#define GB_RECLAIMS_PER_TURN_MAX 16384

/* Bytes that one connection may deliver in a turn, and connections a door may accept in one, before
 * the others have theirs. */
#define GB_READ_PER_TURN_MAX (256 * GB_KIB)
#define GB_ACCEPTS_PER_TURN_MAX 64

/* Bytes and pieces of one write: its end tells the engine that there is room again. */
#define GB_WRITE_SIZE_MAX (256 * GB_KIB)
#define GB_WRITE_PIECES_MAX 32

/* Addresses of one name that a dial tries in turn. */
#define GB_DIAL_ADDRESSES_MAX 16

/* How long a connection that is being closed may take to hand over its last bytes. */
#define GB_DRAIN_TIMEOUT_MS 1000

/* A door that finds no descriptor free looks again after this. */
#define GB_ACCEPT_PAUSE_MS 100

/* Payloads posted for one client and not yet taken by its link, bytes. */
#define GB_CLIENT_BACKLOG_MAX (4 * GB_MIB)

/* Members up to which each change is published in its turn; above it a picture costs enough to be
 * taken every GB_MEMBERS_PAUSE_MS at most. */
#define GB_MEMBERS_EAGER_MAX 512
#define GB_MEMBERS_PAUSE_MS 20

/* Journal of own deltas: bytes that wait to be written, above which it is written anew from the
 * map; and the size below which it is not compacted. */
#define GB_JOURNAL_BUFFER_MAX (16 * GB_MIB)
#define GB_JOURNAL_COMPACT_MIN (64 * GB_KIB)
#define GB_JOURNAL_SYNC_MS 100
#define GB_JOURNAL_RETRY_MS 1000

/* Known addresses that are stored, and how often. */
#define GB_STORED_ADDRESSES_MAX 64
#define GB_STORED_ADDRESSES_PAUSE_MS 60000

/* --- What is said --- */

/* The sentence of an error, on the wire and in gb_err_info, without its NUL. */
#define GB_ERROR_TEXT_MAX 255

/* --- How they hold together --- */

_Static_assert(sizeof(((gb_err_info *)0)->text) == GB_ERROR_TEXT_MAX + 1,
               "gb_err_info holds an error text and its NUL");
_Static_assert(GB_FRAME_PAYLOAD_MAX >= GB_VALUE_SIZE_MAX + GB_KEY_SIZE_MAX + GB_GROUP_SIZE_MAX +
                                           GB_NAME_SIZE_MAX + GB_CHUNK_SLACK,
               "the greatest entry fits a frame with its envelope");
_Static_assert(GB_FRAME_PAYLOAD_MAX <= UINT32_MAX, "a payload length is 32 bits on the wire");
_Static_assert(GB_CHUNK_SLACK >= GB_KEY_SIZE_MAX + GB_GROUP_SIZE_MAX + GB_NAME_SIZE_MAX + 1024,
               "a chunk with envelope and keys fits a pool buffer");
_Static_assert(GB_CLIENTS_LOCAL_MIN < GB_CLIENTS_MAX, "remote clients get places too");
_Static_assert(GB_CHUNK_SIZE < GB_FRAME_PAYLOAD_MAX, "a chunk fits a frame");
_Static_assert(GB_LINK_QUEUE_MAX >= 4 * GB_CHUNK_SIZE, "a link's queue holds several chunks");
_Static_assert(GB_LINK_QUEUE_MAX + GB_LINK_RESERVE + GB_FRAME_PAYLOAD_MAX <= 16 * GB_MIB,
               "what one link can hold in the worst case stays small");
_Static_assert(GB_SEED_DIALS_MAX < GB_DIALS_MAX, "seeds leave room for other dials");
_Static_assert(GB_DIALS_MAX <= GB_LINKS_MAX && GB_HANDSHAKES_MAX <= GB_LINKS_MAX,
               "unfinished connections count among the links");
_Static_assert(GB_HANDSHAKES_SILENT_MIN < GB_HANDSHAKES_MAX, "those who said HELLO get places too");
_Static_assert(GB_NAME_SIZE_MAX <= UINT8_MAX && GB_GROUP_SIZE_MAX <= UINT8_MAX &&
                   GB_HOST_SIZE_MAX <= UINT8_MAX,
               "short sizes fit one byte in memory");
_Static_assert(GB_KEYS_PER_PARTICIPANT_MAX >= GB_PENDING_SETS_MAX, "waiting sets are keys of self");
_Static_assert(GB_PARTICIPANTS_MAX <= UINT16_MAX, "a participant's index on a link fits 16 bits");

#endif
