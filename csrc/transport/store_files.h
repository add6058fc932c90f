/* SPDX-License-Identifier: Apache-2.0 */
/* store_files.h: the small files of the data directory. Blocking. */
#ifndef GB_TRANSPORT_STORE_FILES_H
#define GB_TRANSPORT_STORE_FILES_H

#include "platform/buf.h"
#include "platform/limits.h"

/* A directory that is open. */
typedef struct gb_directory {
    int fd;           /* -1: not open */
    int lock_fd;      /* -1: not locked */
    const char *path; /* for sentences; borrowed */
} gb_directory;

/* Make it (mode 0700, parents too) where it is absent, and lock it.
 * Errors: GB_EBUSY, GB_EACCES, GB_ESTORE, GB_EIO. */
gb_err gb_directory_open(gb_directory *directory, const char *path, gb_err_info *info);
void gb_directory_close(gb_directory *directory);

/* All of a file, at most `buf->limit` bytes. `*is_there` false: no such file, and no error.
 * Errors: GB_ESTORE (too long), GB_EACCES, GB_EIO, GB_ENOMEM. */
gb_err gb_directory_read(const gb_directory *directory, const char *name, gb_buf *buf,
                         bool *is_there, gb_err_info *info);
/* Replace a file as a whole: written beside it, synced, renamed, directory synced. 0 or -errno. */
int gb_directory_write(const gb_directory *directory, const char *name, gb_slice bytes);
/* Write everything. 0 or -errno. */
int gb_write_all(int fd, gb_slice bytes);

/* `generation`. Decoding errors: GB_ESTORE. */
void gb_generation_encode(gb_buf *out, uint64_t generation, gb_slice cluster, gb_slice name);
gb_err gb_generation_decode(gb_slice bytes, gb_slice cluster, gb_slice name, uint64_t *generation,
                            gb_err_info *info);

/* `addresses`: begin, then each address, then end. */
void gb_addresses_file_append(gb_buf *out, gb_slice host, uint16_t port);
void gb_addresses_file_encode(gb_buf *out, uint32_t count, gb_slice addresses);
/* Checks all of it; `*addresses` lies in `bytes`. */
gb_err gb_addresses_file_decode(gb_slice bytes, uint32_t *count, gb_slice *addresses,
                                gb_err_info *info);
/* Take one from the front of what was checked. */
void gb_addresses_file_next(gb_slice *addresses, gb_slice *host, uint16_t *port);

#endif
