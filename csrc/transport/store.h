/* SPDX-License-Identifier: Apache-2.0 */
/* store.h: the data directory of a node.
 *
 *   lock        held by flock while a node uses the directory
 *   generation  the last one used, with the names that it belongs to; on disk before it is used
 *   journal     own user deltas (journal.h)
 *   addresses   where members were last seen: additional seeds. Hints: a damaged file is warned of
 *               and written anew; damage of the others refuses to open
 *
 * Opening, writing the generation and finishing block. Everything else is the loop's and does not:
 * bytes are collected for at most GB_JOURNAL_SYNC_MS and written by a thread of libuv's. When
 * writing fails (a full disk), what was collected is dropped and the journal is written anew from
 * the map until that succeeds. */
#ifndef GB_TRANSPORT_STORE_H
#define GB_TRANSPORT_STORE_H

#include "transport/journal.h"
#include "transport/loop.h"

struct gb_map;

typedef struct gb_store gb_store;

/* Errors: GB_EBUSY, GB_ESTORE, GB_EACCES, GB_EIO, GB_ENOMEM, with a sentence. */
gb_err gb_store_open(const gb_allocator *allocator, const char *directory, gb_slice cluster,
                     gb_slice name, gb_store **out, gb_err_info *info);
/* NULL is allowed. */
void gb_store_close(gb_store *store);

/* 0: none stored yet. */
uint64_t gb_store_generation(const gb_store *store);
/* Blocks until it is on the disk. */
gb_err gb_store_write_generation(gb_store *store, uint64_t generation, gb_err_info *info);
/* What the journal held; lent until gb_store_forget_loaded. */
const gb_journal_content *gb_store_loaded(const gb_store *store);
void gb_store_forget_loaded(gb_store *store);
/* A sentence where something was amiss that did not stand against opening; empty: nothing. Lent for
 * the store's life. */
const char *gb_store_warning(const gb_store *store);
/* Known addresses, lent; false: no more. */
bool gb_store_address(const gb_store *store, uint32_t position, gb_slice *host, uint16_t *port);

/* From now on the loop writes. `on_idle` is called when a write that gb_store_is_working told of
 * has ended; `on_problem` with a sentence when writing begins to fail. Errors: GB_ENOMEM. */
gb_err gb_store_start(gb_store *store, gb_loop *loop, struct gb_map *map,
                      void (*on_idle)(void *user),
                      void (*on_problem)(void *user, gb_err code, const char *text), void *user);
/* No more writes are begun. */
void gb_store_stop(gb_store *store);
bool gb_store_is_working(const gb_store *store);
/* An own user delta was set or deleted in the map, after `before_size` was taken. */
void gb_store_changed(gb_store *store, const gb_record *record, size_t before_size);
/* Bytes of the entry of a key as it is now in the map, one that waits for a version before one that
 * has it; 0: none. */
size_t gb_store_entry_size(const gb_store *store, gb_slice group, gb_slice key);
/* Remember these addresses (encoded with gb_store_encode_address). */
void gb_store_set_addresses(gb_store *store, const gb_buf *encoded, uint32_t count);
void gb_store_encode_address(gb_buf *out, gb_slice host, uint16_t port);

/* After the loop has let go of it, before the map ends: write what is left. Blocks. */
void gb_store_finish(gb_store *store);

#endif
