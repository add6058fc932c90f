/* SPDX-License-Identifier: Apache-2.0 */
/* store.c: loading the data directory, and writing it from the loop. */
#include "transport/store.h"

#include "platform/alloc.h"
#include "platform/crc32c.h"
#include "platform/err_info.h"
#include "state/map.h"
#include "transport/store_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL_FILE_SIZE_MAX (64 * GB_KIB)

/* What a thread of libuv's is given to write; nobody else touches it until it is done. */
typedef struct store_job {
    uv_work_t work;
    bool is_rewrite;
    gb_buf bytes;             /* to append */
    gb_journal_delta *deltas; /* rewrite: all there is */
    size_t delta_count;
    gb_buf addresses; /* the whole file; empty: leave it */
    /* out */
    int status;
    int new_fd; /* rewrite: the new journal */
    uint64_t new_size;
} store_job;

struct gb_store {
    const gb_allocator *allocator;
    char *path;
    uint8_t *cluster;
    size_t cluster_size;
    uint8_t *name;
    size_t name_size;
    gb_directory directory;
    uint64_t generation;
    int journal_fd;
    uint64_t journal_size;
    uint64_t live_size;
    gb_journal_content loaded;
    gb_buf addresses; /* the file as it stands */
    uint32_t address_count;
    gb_slice address_list;
    char warning[GB_ERROR_TEXT_MAX + 1]; /* of the loading; empty: none */
    /* loop */
    gb_map *map;
    void (*on_idle)(void *user);
    void (*on_problem)(void *user, gb_err code, const char *text);
    void *user;
    gb_timer timer;
    gb_buf buffer;
    gb_buf new_addresses;
    bool needs_rewrite;
    bool is_working;
    bool is_stopped;
    bool was_problem;
    gb_time_us synced_at;
    store_job job;
};

static uint64_t wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- Opening -------------------------------------------------------------------------------- */

static gb_err store_load_generation(gb_store *store, gb_err_info *info)
{
    gb_buf buf;
    gb_buf_init(&buf, store->allocator, SMALL_FILE_SIZE_MAX);
    bool is_there = false;
    gb_err err = gb_directory_read(&store->directory, "generation", &buf, &is_there, info);
    if (err == GB_OK && is_there) {
        err = gb_generation_decode(
            gb_buf_slice(&buf), gb_slice_make(store->cluster, store->cluster_size),
            gb_slice_make(store->name, store->name_size), &store->generation, info);
    }
    gb_buf_deinit(&buf);
    return err;
}

/* Hints alone: a file that cannot be read keeps nobody from starting. It is told of, and written
 * anew, so that it is told of once. */
static gb_err store_load_addresses(gb_store *store)
{
    bool is_there = false;
    gb_err_info info;
    gb_err err =
        gb_directory_read(&store->directory, "addresses", &store->addresses, &is_there, &info);
    if (err == GB_OK && is_there) {
        err = gb_addresses_file_decode(gb_buf_slice(&store->addresses), &store->address_count,
                                       &store->address_list, &info);
    }
    if (err == GB_OK || err == GB_ENOMEM) {
        return err;
    }
    (void)snprintf(store->warning, sizeof store->warning,
                   "data directory %.100s: %.100s; known addresses are forgotten", store->path,
                   info.text);
    gb_buf_deinit(&store->addresses);
    gb_addresses_file_encode(&store->new_addresses, 0, gb_slice_make(NULL, 0));
    return store->new_addresses.err;
}

static gb_err store_new_journal(gb_store *store, gb_err_info *info)
{
    gb_buf header;
    gb_buf_init(&header, store->allocator, 64);
    gb_journal_append_header(&header);
    int status = header.err == GB_OK
                     ? gb_directory_write(&store->directory, "journal", gb_buf_slice(&header))
                     : -ENOMEM;
    store->journal_size = header.len;
    gb_buf_deinit(&header);
    return status == 0 ? GB_OK
                       : gb_err_info_set(info, status == -ENOMEM ? GB_ENOMEM : GB_EIO, status,
                                         "journal: write: %s", uv_strerror(status));
}

/* Load through a stream of its own, then cut what was torn. */
static gb_err store_load_journal(gb_store *store, gb_err_info *info)
{
    int fd = openat(store->directory.fd, "journal", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? store_new_journal(store, info)
                               : gb_err_info_set(info, GB_EIO, -errno, "journal: open: %s",
                                                 uv_strerror(-errno));
    }
    FILE *file = fdopen(fd, "rb");
    if (file == NULL) {
        (void)close(fd);
        return gb_err_info_set(info, GB_ENOMEM, 0, "journal: out of memory");
    }
    gb_err err = gb_journal_load(store->allocator, file, wall_ms(), &store->loaded, info);
    (void)fclose(file);
    store->journal_size = store->loaded.size;
    store->live_size = store->loaded.live_size;
    return err;
}

static gb_err store_open_journal(gb_store *store, gb_err_info *info)
{
    store->journal_fd = openat(store->directory.fd, "journal", O_WRONLY | O_APPEND | O_CLOEXEC);
    int status = store->journal_fd < 0 ? -errno : 0;
    if (status == 0 && store->loaded.torn_size > 0 &&
        (ftruncate(store->journal_fd, (off_t)store->journal_size) != 0 ||
         fsync(store->journal_fd) != 0)) {
        status = -errno;
    }
    return status == 0
               ? GB_OK
               : gb_err_info_set(info, GB_EIO, status, "journal: open: %s", uv_strerror(status));
}

static gb_err store_load(gb_store *store, gb_err_info *info)
{
    gb_err err = gb_directory_open(&store->directory, store->path, info);
    if (err != GB_OK) {
        return err;
    }
    err = store_load_generation(store, info);
    if (err == GB_OK) {
        err = store_load_addresses(store);
    }
    if (err == GB_OK) {
        err = store_load_journal(store, info);
    }
    if (err == GB_OK) {
        err = store_open_journal(store, info);
    }
    if (err != GB_OK) {
        gb_err_info_wrap(info, "data directory %.120s", store->path);
    }
    return err;
}

gb_err gb_store_open(const gb_allocator *allocator, const char *directory, gb_slice cluster,
                     gb_slice name, gb_store **out, gb_err_info *info)
{
    gb_store *store = gb_alloc_zeroed(allocator, sizeof *store);
    if (store == NULL) {
        return gb_err_info_set(info, GB_ENOMEM, 0, "data directory: out of memory");
    }
    store->allocator = allocator;
    store->directory = (gb_directory){.fd = -1, .lock_fd = -1};
    store->journal_fd = -1;
    gb_buf_init(&store->addresses, allocator, SMALL_FILE_SIZE_MAX);
    gb_buf_init(&store->new_addresses, allocator, SMALL_FILE_SIZE_MAX);
    gb_buf_init(&store->buffer, allocator, GB_JOURNAL_BUFFER_MAX);
    store->path = gb_alloc_copy(allocator, directory, strlen(directory));
    store->cluster = gb_alloc_copy(allocator, cluster.base, cluster.len);
    store->name = gb_alloc_copy(allocator, name.base, name.len);
    gb_err err = GB_ENOMEM;
    if (store->path != NULL && store->cluster != NULL && store->name != NULL) {
        store->cluster_size = cluster.len;
        store->name_size = name.len;
        err = store_load(store, info);
    }
    if (err != GB_OK) {
        if (err == GB_ENOMEM) {
            (void)gb_err_info_set(info, err, 0, "data directory: out of memory");
        }
        gb_store_close(store);
        return err;
    }
    *out = store;
    return GB_OK;
}

void gb_store_close(gb_store *store)
{
    if (store == NULL) {
        return;
    }
    GB_ASSERT(!store->is_working);
    gb_store_forget_loaded(store);
    gb_buf_deinit(&store->addresses);
    gb_buf_deinit(&store->new_addresses);
    gb_buf_deinit(&store->buffer);
    if (store->journal_fd >= 0) {
        (void)close(store->journal_fd);
    }
    gb_directory_close(&store->directory);
    gb_free(store->allocator, store->path);
    gb_free(store->allocator, store->cluster);
    gb_free(store->allocator, store->name);
    gb_free(store->allocator, store);
}

uint64_t gb_store_generation(const gb_store *store)
{
    return store->generation;
}

gb_err gb_store_write_generation(gb_store *store, uint64_t generation, gb_err_info *info)
{
    gb_buf bytes;
    gb_buf_init(&bytes, store->allocator, SMALL_FILE_SIZE_MAX);
    gb_generation_encode(&bytes, generation, gb_slice_make(store->cluster, store->cluster_size),
                         gb_slice_make(store->name, store->name_size));
    int status = bytes.err == GB_OK
                     ? gb_directory_write(&store->directory, "generation", gb_buf_slice(&bytes))
                     : -ENOMEM;
    gb_buf_deinit(&bytes);
    if (status != 0) {
        return gb_err_info_set(info, status == -ENOMEM ? GB_ENOMEM : GB_EIO, status,
                               "data directory %.120s: generation: write: %s", store->path,
                               uv_strerror(status));
    }
    store->generation = generation;
    return GB_OK;
}

const gb_journal_content *gb_store_loaded(const gb_store *store)
{
    return &store->loaded;
}

const char *gb_store_warning(const gb_store *store)
{
    return store->warning;
}

void gb_store_forget_loaded(gb_store *store)
{
    gb_journal_content_deinit(store->allocator, &store->loaded);
}

bool gb_store_address(const gb_store *store, uint32_t position, gb_slice *host, uint16_t *port)
{
    if (position >= store->address_count) {
        return false;
    }
    gb_slice rest = store->address_list;
    for (uint32_t i = 0; i <= position; i++) {
        gb_addresses_file_next(&rest, host, port);
    }
    return true;
}

/* ---- Jobs: in a thread of libuv's, or blocking at the end --------------------------------------
 */

static int job_append(gb_store *store, store_job *job)
{
    if (job->bytes.len == 0) {
        return 0;
    }
    int status = gb_write_all(store->journal_fd, gb_buf_slice(&job->bytes));
    if (status == 0 && fdatasync(store->journal_fd) != 0) {
        status = -errno;
    }
    /* On a full disk half a record would keep the room that the rewrite needs. */
    if (status != 0 && ftruncate(store->journal_fd, (off_t)store->journal_size) != 0) {
        status = -errno;
    }
    return status;
}

/* Write through a buffer of 64 KiB. */
static int job_write_deltas(gb_store *store, store_job *job, int fd)
{
    gb_buf chunk;
    gb_buf_init(&chunk, store->allocator, GB_JOURNAL_BUFFER_MAX);
    gb_journal_append_header(&chunk);
    int status = 0;
    job->new_size = 0;
    for (size_t i = 0; i < job->delta_count && status == 0; i++) {
        gb_journal_append_set(&chunk, job->deltas[i].record, job->deltas[i].expires_ms);
        if (chunk.len >= GB_CHUNK_SIZE && chunk.err == GB_OK) {
            job->new_size += chunk.len;
            status = gb_write_all(fd, gb_buf_slice(&chunk));
            gb_buf_truncate(&chunk, 0);
        }
    }
    if (chunk.err != GB_OK) {
        status = -ENOMEM;
    }
    if (status == 0) {
        job->new_size += chunk.len;
        status = gb_write_all(fd, gb_buf_slice(&chunk));
    }
    gb_buf_deinit(&chunk);
    return status;
}

static int job_rewrite(gb_store *store, store_job *job)
{
    int dir = store->directory.fd;
    int fd = openat(dir, "journal.new", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    int status = job_write_deltas(store, job, fd);
    if (status == 0 && fsync(fd) != 0) {
        status = -errno;
    }
    if (status == 0 && renameat(dir, "journal.new", dir, "journal") != 0) {
        status = -errno;
    }
    if (status != 0) {
        (void)close(fd);
        (void)unlinkat(dir, "journal.new", 0);
        return status;
    }
    job->new_fd = fd;
    return fsync(dir) == 0 ? 0 : -errno;
}

static void job_run(uv_work_t *work)
{
    gb_store *store = work->data;
    store_job *job = &store->job;
    job->status = job->is_rewrite ? job_rewrite(store, job) : job_append(store, job);
    if (job->addresses.len > 0) {
        int status =
            gb_directory_write(&store->directory, "addresses", gb_buf_slice(&job->addresses));
        job->status = job->status != 0 ? job->status : status;
    }
}

static void snapshot_add(store_job *job, gb_record *record, gb_time_us now, uint64_t now_ms)
{
    uint64_t expires_ms = 0;
    if (record->ttl_ms != 0) {
        uint64_t left_us = record->expires_us > now ? record->expires_us - now : 0;
        expires_ms = now_ms + left_us / 1000 + 1;
    }
    job->deltas[job->delta_count] = (gb_journal_delta){gb_record_ref(record), expires_ms};
    job->delta_count++;
}

/* The newest of all live user deltas of self, referenced; those that wait for a version included.
 */
static gb_err store_snapshot(gb_store *store, store_job *job)
{
    const gb_participant *self =
        gb_map_find(store->map, gb_slice_make(store->name, store->name_size));
    size_t count = (self == NULL ? 0 : self->key_count) + gb_map_waiting_count(store->map);
    job->delta_count = 0;
    job->deltas = gb_alloc_array(store->allocator, count + 1, sizeof *job->deltas);
    if (job->deltas == NULL) {
        return GB_ENOMEM;
    }
    gb_time_us now = gb_now();
    uint64_t now_ms = wall_ms();
    gb_record *record = self == NULL ? NULL : gb_map_first(self, GB_LANE_USER);
    for (; record != NULL; record = record->newer) {
        bool is_outdated = gb_map_waiting_get(store->map, GB_LANE_USER, gb_record_group(record),
                                              gb_record_key(record)) != NULL;
        if (!is_outdated && !gb_record_is_tombstone(record)) {
            snapshot_add(job, record, now, now_ms);
        }
    }
    for (record = gb_map_waiting_first(store->map); record != NULL; record = record->newer) {
        if (gb_map_waiting_lane(record) == GB_LANE_USER && !gb_record_is_tombstone(record)) {
            snapshot_add(job, record, now, now_ms);
        }
    }
    GB_ASSERT(job->delta_count <= count);
    store->live_size = 0;
    for (size_t i = 0; i < job->delta_count; i++) {
        store->live_size += gb_journal_entry_size(job->deltas[i].record);
    }
    return GB_OK;
}

/* Fill the job from what waits. false: nothing to do, or no memory for it now. */
static bool store_prepare_job(gb_store *store)
{
    store_job *job = &store->job;
    memset(job, 0, sizeof *job);
    job->work.data = store;
    job->new_fd = -1;
    gb_buf_init(&job->bytes, store->allocator, GB_JOURNAL_BUFFER_MAX);
    gb_buf_init(&job->addresses, store->allocator, SMALL_FILE_SIZE_MAX);
    if (store->needs_rewrite) {
        if (store_snapshot(store, job) != GB_OK) {
            return false;
        }
        job->is_rewrite = true;
        store->needs_rewrite = false;
        gb_buf_clear(&store->buffer);
    } else {
        job->bytes = store->buffer;
        gb_buf_init(&store->buffer, store->allocator, GB_JOURNAL_BUFFER_MAX);
    }
    job->addresses = store->new_addresses;
    gb_buf_init(&store->new_addresses, store->allocator, SMALL_FILE_SIZE_MAX);
    return job->is_rewrite || job->bytes.len > 0 || job->addresses.len > 0;
}

static void store_finish_job(gb_store *store)
{
    store_job *job = &store->job;
    if (job->new_fd >= 0) {
        (void)close(store->journal_fd);
        store->journal_fd = job->new_fd;
        store->journal_size = job->new_size;
    }
    if (job->status == 0 && !job->is_rewrite) {
        store->journal_size += job->bytes.len;
    }
    for (size_t i = 0; i < job->delta_count; i++) {
        gb_record_release(store->allocator, job->deltas[i].record);
    }
    gb_free(store->allocator, job->deltas);
    gb_buf_deinit(&job->bytes);
    gb_buf_deinit(&job->addresses);
    job->deltas = NULL;
    job->delta_count = 0;
    if (job->status != 0) {
        store->needs_rewrite = true;
    } else if (store->journal_size > GB_JOURNAL_COMPACT_MIN &&
               store->live_size * 2 < store->journal_size) {
        store->needs_rewrite = true;
    }
}

/* ---- The loop ------------------------------------------------------------------------------- */

static bool store_has_work(const gb_store *store)
{
    return store->needs_rewrite || store->buffer.len > 0 || store->new_addresses.len > 0;
}

static void store_schedule(gb_store *store, uint64_t pause_ms)
{
    if (store->is_stopped || store->is_working || !store_has_work(store) ||
        gb_heap_node_is_linked(&store->timer.node)) {
        return;
    }
    gb_time_us now = gb_now();
    gb_time_us at = store->synced_at + (gb_time_us)pause_ms * 1000;
    gb_timer_set(&store->timer, at > now ? at : now);
}

static void on_job_done(uv_work_t *work, int status)
{
    gb_store *store = work->data;
    if (status != 0) {
        store->job.status = status;
    }
    int result = store->job.status;
    store_finish_job(store);
    store->is_working = false;
    store->synced_at = gb_now();
    if (result != 0 && !store->was_problem && !store->is_stopped) {
        char text[200];
        (void)snprintf(text, sizeof text, "data directory %.100s: write: %s", store->path,
                       uv_strerror(result));
        store->on_problem(store->user, GB_ESTORE, text);
    }
    store->was_problem = result != 0;
    store_schedule(store, result != 0 ? GB_JOURNAL_RETRY_MS : GB_JOURNAL_SYNC_MS);
    store->on_idle(store->user);
}

static void on_store_timer(gb_timer *timer, gb_time_us now)
{
    gb_store *store = GB_CONTAINER_OF(timer, gb_store, timer);
    store->synced_at = now;
    if (store->is_working || store->is_stopped) {
        return;
    }
    if (!store_prepare_job(store)) {
        store->job.status = store->needs_rewrite ? -ENOMEM : 0;
        store_finish_job(store);
        store_schedule(store, GB_JOURNAL_RETRY_MS);
        return;
    }
    if (uv_queue_work(&timer->loop->uv, &store->job.work, job_run, on_job_done) != 0) {
        store->job.status = -EIO;
        store_finish_job(store);
        store_schedule(store, GB_JOURNAL_RETRY_MS);
        return;
    }
    store->is_working = true;
}

gb_err gb_store_start(gb_store *store, gb_loop *loop, gb_map *map, void (*on_idle)(void *user),
                      void (*on_problem)(void *user, gb_err code, const char *text), void *user)
{
    GB_ASSERT_ON_LOOP(loop);
    store->map = map;
    store->on_idle = on_idle;
    store->on_problem = on_problem;
    store->user = user;
    gb_err err = gb_timer_open(&store->timer, loop, on_store_timer);
    if (err == GB_OK) {
        store_schedule(store, GB_JOURNAL_SYNC_MS);
    }
    return err;
}

void gb_store_stop(gb_store *store)
{
    store->is_stopped = true;
    gb_timer_close(&store->timer);
}

bool gb_store_is_working(const gb_store *store)
{
    return store->is_working;
}

size_t gb_store_entry_size(const gb_store *store, gb_slice group, gb_slice key)
{
    const gb_participant *self =
        gb_map_find(store->map, gb_slice_make(store->name, store->name_size));
    const gb_record *record = gb_map_waiting_get(store->map, GB_LANE_USER, group, key);
    if (record == NULL && self != NULL) {
        record = gb_map_get(self, GB_LANE_USER, group, key);
    }
    return record == NULL || gb_record_is_tombstone(record) ? 0 : gb_journal_entry_size(record);
}

void gb_store_changed(gb_store *store, const gb_record *record, size_t before_size)
{
    store->live_size -= store->live_size < before_size ? store->live_size : before_size;
    if (gb_record_is_tombstone(record)) {
        gb_journal_append_delete(&store->buffer, gb_record_group(record), gb_record_key(record));
    } else {
        store->live_size += gb_journal_entry_size(record);
        gb_journal_append_set(&store->buffer, record,
                              record->ttl_ms == 0 ? 0 : wall_ms() + record->ttl_ms);
    }
    if (store->buffer.err != GB_OK) {
        /* No room to note it: the map has it, and the journal will be written from there. */
        gb_buf_clear(&store->buffer);
        store->needs_rewrite = true;
    }
    store_schedule(store, GB_JOURNAL_SYNC_MS);
}

void gb_store_encode_address(gb_buf *out, gb_slice host, uint16_t port)
{
    gb_addresses_file_append(out, host, port);
}

void gb_store_set_addresses(gb_store *store, const gb_buf *encoded, uint32_t count)
{
    gb_buf file;
    gb_buf_init(&file, store->allocator, SMALL_FILE_SIZE_MAX);
    gb_addresses_file_encode(&file, count, gb_buf_slice(encoded));
    bool is_same = gb_slice_equal(gb_buf_slice(&file), gb_buf_slice(&store->addresses));
    if (file.err != GB_OK || encoded->err != GB_OK || is_same) {
        gb_buf_deinit(&file);
        return;
    }
    gb_buf_deinit(&store->new_addresses);
    gb_buf_init(&store->new_addresses, store->allocator, SMALL_FILE_SIZE_MAX);
    gb_buf_append_slice(&store->new_addresses, gb_buf_slice(&file));
    /* What was loaded is no longer read; from now on this is what stands in the file. */
    gb_buf_deinit(&store->addresses);
    store->addresses = file;
    store->address_count = 0;
    store_schedule(store, GB_JOURNAL_SYNC_MS);
}

void gb_store_finish(gb_store *store)
{
    GB_ASSERT(!store->is_working);
    /* A second time where the first found that the journal must be written anew. */
    for (int i = 0; i < 2 && store_has_work(store); i++) {
        if (store_prepare_job(store)) {
            job_run(&store->job.work);
        }
        store_finish_job(store);
    }
}
