/* SPDX-License-Identifier: Apache-2.0 */
/* store_files.c: directory, lock, generation and addresses on disk. */
#include "transport/store_files.h"

#include "platform/bytes.h"
#include "platform/crc32c.h"
#include "platform/err_info.h"
#include "transport/address.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#define GENERATION_MAGIC UINT32_C(0x4742474e)
#define ADDRESSES_MAGIC UINT32_C(0x47424144)
#define FORMAT_VERSION 1u

/* ---- Directory ------------------------------------------------------------------------------ */

static int make_directories(const char *path)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) {
        return len == 0 ? EINVAL : ENAMETOOLONG;
    }
    memcpy(part, path, len + 1);
    for (char *at = part + 1; *at != '\0'; at++) {
        if (*at == '/') {
            *at = '\0';
            if (mkdir(part, 0700) != 0 && errno != EEXIST) {
                return errno;
            }
            *at = '/';
        }
    }
    return mkdir(part, 0700) != 0 && errno != EEXIST ? errno : 0;
}

static gb_err directory_failed(gb_directory *directory, int code, const char *what,
                               gb_err_info *info)
{
    gb_err err = code == EACCES || code == EPERM || code == EROFS            ? GB_EACCES
                 : code == ENOTDIR || code == ENAMETOOLONG || code == EINVAL ? GB_ESTORE
                                                                             : GB_EIO;
    (void)gb_err_info_set(info, err, -code, "data directory %s: %s: %s", directory->path, what,
                          uv_strerror(-code));
    gb_directory_close(directory);
    return err;
}

gb_err gb_directory_open(gb_directory *directory, const char *path, gb_err_info *info)
{
    *directory = (gb_directory){.fd = -1, .lock_fd = -1, .path = path};
    int code = make_directories(path);
    if (code != 0) {
        return directory_failed(directory, code, "make", info);
    }
    directory->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory->fd < 0) {
        return directory_failed(directory, errno, "open", info);
    }
    directory->lock_fd = openat(directory->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (directory->lock_fd < 0) {
        return directory_failed(directory, errno, "open lock", info);
    }
    int status;
    do {
        status = flock(directory->lock_fd, LOCK_EX | LOCK_NB);
    } while (status != 0 && errno == EINTR);
    if (status != 0 && errno != EWOULDBLOCK) {
        return directory_failed(directory, errno, "lock", info);
    }
    if (status != 0) {
        (void)gb_err_info_set(info, GB_EBUSY, 0, "data directory %s: another node uses it", path);
        gb_directory_close(directory);
        return GB_EBUSY;
    }
    return GB_OK;
}

void gb_directory_close(gb_directory *directory)
{
    if (directory->lock_fd >= 0) {
        (void)close(directory->lock_fd);
        directory->lock_fd = -1;
    }
    if (directory->fd >= 0) {
        (void)close(directory->fd);
        directory->fd = -1;
    }
}

static gb_err read_all(int fd, gb_buf *buf)
{
    for (;;) {
        size_t room = buf->limit - buf->len < 4096 ? buf->limit - buf->len : 4096;
        uint8_t one;
        uint8_t *at = room == 0 ? &one : gb_buf_extend(buf, room);
        if (at == NULL) {
            return buf->err;
        }
        ssize_t got = read(fd, at, room == 0 ? 1 : room);
        gb_buf_truncate(buf, buf->len - (room - (got > 0 && room > 0 ? (size_t)got : 0)));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return gb_err_from_errno(errno);
        }
        if (got == 0) {
            return GB_OK;
        }
        if (room == 0) {
            return GB_ESTORE;
        }
    }
}

gb_err gb_directory_read(const gb_directory *directory, const char *name, gb_buf *buf,
                         bool *is_there, gb_err_info *info)
{
    *is_there = false;
    int fd = openat(directory->fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return GB_OK;
    }
    gb_err err = fd < 0 ? gb_err_from_errno(errno) : read_all(fd, buf);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (err != GB_OK) {
        return gb_err_info_set(info, err, 0, "%s: %s", name,
                               err == GB_ESTORE ? "longer than it can be" : gb_strerror(err));
    }
    *is_there = true;
    return GB_OK;
}

int gb_write_all(int fd, gb_slice bytes)
{
    while (bytes.len > 0) {
        ssize_t written = write(fd, bytes.base, bytes.len);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return written < 0 ? -errno : -EIO;
        }
        bytes.base += written;
        bytes.len -= (size_t)written;
    }
    return 0;
}

int gb_directory_write(const gb_directory *directory, const char *name, gb_slice bytes)
{
    char beside[32];
    (void)snprintf(beside, sizeof beside, "%s.new", name);
    int fd = openat(directory->fd, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    int status = gb_write_all(fd, bytes);
    if (status == 0 && fsync(fd) != 0) {
        status = -errno;
    }
    if (close(fd) != 0 && status == 0) {
        status = -errno;
    }
    if (status == 0 && renameat(directory->fd, beside, directory->fd, name) != 0) {
        status = -errno;
    }
    if (status == 0 && fsync(directory->fd) != 0) {
        status = -errno;
    }
    return status;
}

/* ---- Small files: magic, version, content, CRC-32C of all before ------------------------------
 */

static void file_begin(gb_buf *out, uint32_t magic)
{
    gb_buf_append_be32(out, magic);
    gb_buf_append_be32(out, FORMAT_VERSION);
}

static void file_end(gb_buf *out)
{
    if (out->err == GB_OK) {
        gb_buf_append_be32(out, gb_crc32c(0, out->base, out->len));
    }
}

static gb_err file_check(gb_slice bytes, uint32_t magic, const char *name, gb_reader *content,
                         gb_err_info *info)
{
    if (bytes.len < 12 || gb_load_be32(bytes.base) != magic ||
        gb_crc32c(0, bytes.base, bytes.len - 4) != gb_load_be32(bytes.base + bytes.len - 4)) {
        return gb_err_info_set(info, GB_ESTORE, 0, "%s: damaged at byte 0: wrong checksum", name);
    }
    if (gb_load_be32(bytes.base + 4) != FORMAT_VERSION) {
        return gb_err_info_set(info, GB_ESTORE, 0,
                               "%s: format version %u is not known here, only %u", name,
                               (unsigned)gb_load_be32(bytes.base + 4), FORMAT_VERSION);
    }
    gb_reader_init(content, gb_slice_make(bytes.base + 8, bytes.len - 12));
    return GB_OK;
}

static void append_short(gb_buf *out, gb_slice bytes)
{
    gb_buf_append_u8(out, (uint8_t)bytes.len);
    gb_buf_append_slice(out, bytes);
}

static gb_slice read_short(gb_reader *reader)
{
    size_t size = gb_reader_u8(reader);
    return gb_reader_bytes(reader, size);
}

void gb_generation_encode(gb_buf *out, uint64_t generation, gb_slice cluster, gb_slice name)
{
    file_begin(out, GENERATION_MAGIC);
    gb_buf_append_be64(out, generation);
    append_short(out, cluster);
    append_short(out, name);
    file_end(out);
}

gb_err gb_generation_decode(gb_slice bytes, gb_slice cluster, gb_slice name, uint64_t *generation,
                            gb_err_info *info)
{
    gb_reader reader;
    gb_err err = file_check(bytes, GENERATION_MAGIC, "generation", &reader, info);
    if (err != GB_OK) {
        return err;
    }
    uint64_t value = gb_reader_be64(&reader);
    gb_slice its_cluster = read_short(&reader);
    gb_slice its_name = read_short(&reader);
    if (gb_reader_finish(&reader) != GB_OK) {
        return gb_err_info_set(info, GB_ESTORE, 0,
                               "generation: damaged at byte 8: it means nothing");
    }
    if (!gb_slice_equal(its_cluster, cluster) || !gb_slice_equal(its_name, name)) {
        return gb_err_info_set(
            info, GB_ESTORE, 0, "generation: it belongs to node \"%.*s\" of cluster \"%.*s\"",
            (int)(its_name.len > 80 ? 80 : its_name.len), (const char *)its_name.base,
            (int)(its_cluster.len > 80 ? 80 : its_cluster.len), (const char *)its_cluster.base);
    }
    *generation = value;
    return GB_OK;
}

void gb_addresses_file_append(gb_buf *out, gb_slice host, uint16_t port)
{
    append_short(out, host);
    gb_buf_append_be16(out, port);
}

void gb_addresses_file_encode(gb_buf *out, uint32_t count, gb_slice addresses)
{
    file_begin(out, ADDRESSES_MAGIC);
    gb_buf_append_be32(out, count);
    gb_buf_append_slice(out, addresses);
    file_end(out);
}

gb_err gb_addresses_file_decode(gb_slice bytes, uint32_t *count, gb_slice *addresses,
                                gb_err_info *info)
{
    gb_reader reader;
    gb_err err = file_check(bytes, ADDRESSES_MAGIC, "addresses", &reader, info);
    if (err != GB_OK) {
        return err;
    }
    uint32_t stated = gb_reader_be32(&reader);
    gb_slice rest = gb_slice_make(reader.bytes.base + reader.at, gb_reader_remaining(&reader));
    bool is_valid = stated <= GB_STORED_ADDRESSES_MAX;
    for (uint32_t i = 0; i < stated && is_valid; i++) {
        is_valid = read_short(&reader).len > 0 && gb_reader_be16(&reader) > 0;
    }
    if (!is_valid || gb_reader_finish(&reader) != GB_OK) {
        return gb_err_info_set(info, GB_ESTORE, 0,
                               "addresses: damaged at byte 8: it means nothing");
    }
    *count = stated;
    *addresses = rest;
    return GB_OK;
}

void gb_addresses_file_next(gb_slice *addresses, gb_slice *host, uint16_t *port)
{
    gb_reader reader;
    gb_reader_init(&reader, *addresses);
    *host = read_short(&reader);
    *port = gb_reader_be16(&reader);
    *addresses = gb_slice_make(reader.bytes.base + reader.at, gb_reader_remaining(&reader));
}
