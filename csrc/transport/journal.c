/* SPDX-License-Identifier: Apache-2.0 */
/* journal.c: entries of the journal, written and read. */
#include "transport/journal.h"

#include "platform/alloc.h"
#include "platform/bytes.h"
#include "platform/crc32c.h"
#include "platform/err_info.h"
#include "platform/hash.h"
#include "platform/hash_map.h"
#include "platform/limits.h"
#include "platform/list.h"

#include <inttypes.h>

#define JOURNAL_MAGIC UINT32_C(0x4742444a)
#define JOURNAL_VERSION 1u
#define JOURNAL_HEADER_SIZE 12u
#define ENTRY_HEADER_SIZE 12u
#define BODY_FIXED_SIZE 21u
#define BODY_SIZE_MAX (BODY_FIXED_SIZE + GB_GROUP_SIZE_MAX + GB_KEY_SIZE_MAX + GB_VALUE_SIZE_MAX)

enum { ENTRY_SET = 1, ENTRY_DELETE = 2 };

/* ---- Writing -------------------------------------------------------------------------------- */

size_t gb_journal_entry_size(const gb_record *record)
{
    return ENTRY_HEADER_SIZE + BODY_FIXED_SIZE + record->group_size + (size_t)record->key_size +
           record->value_size;
}

void gb_journal_append_header(gb_buf *out)
{
    uint8_t head[8];
    gb_store_be32(head, JOURNAL_MAGIC);
    gb_store_be32(head + 4, JOURNAL_VERSION);
    gb_buf_append(out, head, sizeof head);
    gb_buf_append_be32(out, gb_crc32c(0, head, sizeof head));
}

static void append_entry(gb_buf *out, uint8_t kind, const gb_delta *delta, uint64_t expires_ms)
{
    size_t body_size = BODY_FIXED_SIZE + delta->group.len + delta->key.len + delta->value.len;
    uint8_t *at = gb_buf_extend(out, ENTRY_HEADER_SIZE + body_size);
    if (at == NULL) {
        return;
    }
    gb_writer body;
    gb_writer_init(&body, at + ENTRY_HEADER_SIZE, body_size);
    gb_writer_u8(&body, kind);
    gb_writer_u8(&body, delta->type);
    gb_writer_be64(&body, expires_ms);
    gb_writer_be32(&body, (uint32_t)delta->ttl_ms);
    gb_writer_u8(&body, (uint8_t)delta->group.len);
    gb_writer_be16(&body, (uint16_t)delta->key.len);
    gb_writer_be32(&body, (uint32_t)delta->value.len);
    gb_writer_bytes(&body, delta->group);
    gb_writer_bytes(&body, delta->key);
    gb_writer_bytes(&body, delta->value);
    gb_store_be32(at, (uint32_t)body_size);
    gb_store_be32(at + 4, gb_crc32c(0, at, 4));
    gb_store_be32(at + 8, gb_crc32c(0, at + ENTRY_HEADER_SIZE, body_size));
}

void gb_journal_append_set(gb_buf *out, const gb_record *record, uint64_t expires_ms)
{
    const gb_delta delta = {
        .type = record->type,
        .ttl_ms = record->ttl_ms,
        .group = gb_record_group(record),
        .key = gb_record_key(record),
        .value = gb_record_value(record),
    };
    append_entry(out, ENTRY_SET, &delta, expires_ms);
}

void gb_journal_append_delete(gb_buf *out, gb_slice group, gb_slice key)
{
    const gb_delta delta = {.type = GB_VALUE_TOMBSTONE, .group = group, .key = key};
    append_entry(out, ENTRY_DELETE, &delta, 0);
}

/* ---- Reading -------------------------------------------------------------------------------- */

typedef struct loaded_delta {
    gb_list_node node;
    gb_record *record;
    uint64_t expires_ms;
} loaded_delta;

typedef struct journal_loader {
    const gb_allocator *allocator;
    FILE *file;
    uint8_t *body; /* BODY_SIZE_MAX would be much for a journal of small values: grows */
    size_t body_capacity;
    uint64_t at;
    gb_hash_map table;
    gb_list order;
    size_t count;
    gb_err_info *info;
} journal_loader;

typedef struct journal_key {
    gb_slice group;
    gb_slice key;
} journal_key;

static bool delta_is(void *user, const void *item, const void *key)
{
    (void)user;
    const gb_record *record = ((const loaded_delta *)item)->record;
    const journal_key *wanted = key;
    return gb_slice_equal(gb_record_group(record), wanted->group) &&
           gb_slice_equal(gb_record_key(record), wanted->key);
}

static uint64_t journal_key_hash(const journal_key *key)
{
    /* The file is our own: no seed against chosen keys. */
    return gb_hash_combine(gb_hash_bytes(1, key->group), gb_hash_bytes(2, key->key));
}

static gb_err loader_damaged(const journal_loader *loader, const char *what)
{
    return gb_err_info_set(loader->info, GB_ESTORE, 0, "journal: damaged at byte %" PRIu64 ": %s",
                           loader->at, what);
}

static void loaded_free(journal_loader *loader, loaded_delta *delta)
{
    gb_list_remove(&delta->node);
    loader->count--;
    gb_record_release(loader->allocator, delta->record);
    gb_free(loader->allocator, delta);
}

static gb_err loader_set(journal_loader *loader, const gb_delta *delta, uint64_t expires_ms)
{
    const journal_key key = {delta->group, delta->key};
    uint64_t hash = journal_key_hash(&key);
    loaded_delta *old = gb_hash_map_remove(&loader->table, hash, &key);
    if (old != NULL) {
        loaded_free(loader, old);
    }
    if (delta->type == GB_VALUE_TOMBSTONE) {
        return GB_OK;
    }
    loaded_delta *loaded = gb_alloc_zeroed(loader->allocator, sizeof *loaded);
    if (loaded == NULL) {
        return GB_ENOMEM;
    }
    loaded->expires_ms = expires_ms;
    gb_err err = gb_record_open(loader->allocator, delta, &loaded->record);
    if (err == GB_OK) {
        err = gb_hash_map_insert(&loader->table, hash, loaded);
    }
    if (err != GB_OK) {
        gb_record_release(loader->allocator, loaded->record);
        gb_free(loader->allocator, loaded);
        return err;
    }
    gb_list_push_back(&loader->order, &loaded->node);
    loader->count++;
    return GB_OK;
}

static gb_err loader_apply(journal_loader *loader, size_t body_size)
{
    gb_reader body;
    gb_reader_init(&body, gb_slice_make(loader->body, body_size));
    uint8_t kind = gb_reader_u8(&body);
    gb_delta delta = {.type = gb_reader_u8(&body)};
    uint64_t expires_ms = gb_reader_be64(&body);
    delta.ttl_ms = gb_reader_be32(&body);
    size_t group_size = gb_reader_u8(&body);
    size_t key_size = gb_reader_be16(&body);
    size_t value_size = gb_reader_be32(&body);
    delta.group = gb_reader_bytes(&body, group_size);
    delta.key = gb_reader_bytes(&body, key_size);
    delta.value = gb_reader_bytes(&body, value_size);
    bool is_delete = kind == ENTRY_DELETE && delta.type == GB_VALUE_TOMBSTONE && value_size == 0;
    bool is_set = kind == ENTRY_SET && gb_value_check(delta.type, delta.value) == GB_OK;
    if (gb_reader_finish(&body) != GB_OK || (!is_delete && !is_set) || group_size == 0 ||
        key_size > GB_KEY_SIZE_MAX || value_size > GB_VALUE_SIZE_MAX) {
        return loader_damaged(loader, "an entry that means nothing");
    }
    return loader_set(loader, &delta, expires_ms);
}

/* Is everything from `from` on zero? What a file system may leave of a write that was cut. */
static bool rest_is_zero(FILE *file, uint64_t from)
{
    uint8_t bytes[4096];
    if (fseeko(file, (off_t)from, SEEK_SET) != 0) {
        return false;
    }
    size_t got;
    while ((got = fread(bytes, 1, sizeof bytes, file)) > 0) {
        for (size_t i = 0; i < got; i++) {
            if (bytes[i] != 0) {
                return false;
            }
        }
    }
    return true;
}

typedef enum entry_state { ENTRY_WHOLE, ENTRY_NONE, ENTRY_TORN, ENTRY_DAMAGED } entry_state;

/* Read the entry at loader->at. */
static gb_err loader_read(journal_loader *loader, uint64_t file_size, entry_state *state,
                          size_t *body_size)
{
    uint64_t left = file_size - loader->at;
    uint8_t head[ENTRY_HEADER_SIZE];
    *state = ENTRY_TORN;
    if (left == 0) {
        *state = ENTRY_NONE;
        return GB_OK;
    }
    if (left < sizeof head) {
        return GB_OK;
    }
    if (fread(head, 1, sizeof head, loader->file) != sizeof head) {
        return gb_err_info_set(loader->info, GB_EIO, 0, "journal: cannot be read");
    }
    size_t size = gb_load_be32(head);
    if (gb_crc32c(0, head, 4) != gb_load_be32(head + 4) || size > BODY_SIZE_MAX) {
        *state = rest_is_zero(loader->file, loader->at) ? ENTRY_TORN : ENTRY_DAMAGED;
        return GB_OK;
    }
    if (left - sizeof head < size) {
        return GB_OK;
    }
    if (size > loader->body_capacity) {
        uint8_t *body = gb_realloc_array(loader->allocator, loader->body, size, 1);
        if (body == NULL) {
            return GB_ENOMEM;
        }
        loader->body = body;
        loader->body_capacity = size;
    }
    if (fread(loader->body, 1, size, loader->file) != size) {
        return gb_err_info_set(loader->info, GB_EIO, 0, "journal: cannot be read");
    }
    if (gb_crc32c(0, loader->body, size) != gb_load_be32(head + 8)) {
        bool is_last = left - sizeof head == size;
        *state = is_last || rest_is_zero(loader->file, loader->at + sizeof head) ? ENTRY_TORN
                                                                                 : ENTRY_DAMAGED;
        return GB_OK;
    }
    *state = ENTRY_WHOLE;
    *body_size = size;
    return GB_OK;
}

static gb_err loader_header(journal_loader *loader, uint64_t file_size)
{
    uint8_t head[JOURNAL_HEADER_SIZE];
    if (file_size < sizeof head || fread(head, 1, sizeof head, loader->file) != sizeof head ||
        gb_load_be32(head) != JOURNAL_MAGIC || gb_crc32c(0, head, 8) != gb_load_be32(head + 8)) {
        return loader_damaged(loader, "no journal begins here");
    }
    if (gb_load_be32(head + 4) != JOURNAL_VERSION) {
        return gb_err_info_set(loader->info, GB_ESTORE, 0,
                               "journal: format version %u is not known here, only %u",
                               (unsigned)gb_load_be32(head + 4), JOURNAL_VERSION);
    }
    loader->at = sizeof head;
    return GB_OK;
}

static gb_err loader_run(journal_loader *loader, uint64_t file_size, gb_journal_content *content)
{
    gb_err err = loader_header(loader, file_size);
    while (err == GB_OK) {
        entry_state state;
        size_t body_size = 0;
        err = loader_read(loader, file_size, &state, &body_size);
        if (err != GB_OK) {
            break;
        }
        if (state == ENTRY_NONE || state == ENTRY_TORN) {
            content->size = loader->at;
            content->torn_size = file_size - loader->at;
            return GB_OK;
        }
        err = state == ENTRY_DAMAGED ? loader_damaged(loader, "wrong checksum")
                                     : loader_apply(loader, body_size);
        loader->at += ENTRY_HEADER_SIZE + body_size;
    }
    return err;
}

/* What has not expired, in order. */
static gb_err loader_collect(journal_loader *loader, uint64_t now_ms, gb_journal_content *content)
{
    if (loader->count == 0) {
        return GB_OK;
    }
    content->deltas = gb_alloc_array(loader->allocator, loader->count, sizeof *content->deltas);
    if (content->deltas == NULL) {
        return GB_ENOMEM;
    }
    GB_LIST_EACH(node, &loader->order)
    {
        const loaded_delta *loaded = GB_CONTAINER_OF(node, loaded_delta, node);
        if (loaded->expires_ms != 0 && loaded->expires_ms <= now_ms) {
            continue;
        }
        content->deltas[content->count] =
            (gb_journal_delta){gb_record_ref(loaded->record), loaded->expires_ms};
        content->count++;
        content->live_size += gb_journal_entry_size(loaded->record);
    }
    return GB_OK;
}

gb_err gb_journal_load(const gb_allocator *allocator, FILE *file, uint64_t now_ms,
                       gb_journal_content *content, gb_err_info *info)
{
    *content = (gb_journal_content){0};
    if (fseeko(file, 0, SEEK_END) != 0) {
        return gb_err_info_set(info, GB_EIO, 0, "journal: cannot be read");
    }
    off_t end = ftello(file);
    rewind(file);
    journal_loader loader = {.allocator = allocator, .file = file, .info = info};
    gb_hash_map_init(&loader.table, allocator, delta_is, NULL);
    gb_list_init(&loader.order);
    gb_err err = loader_run(&loader, end < 0 ? 0 : (uint64_t)end, content);
    if (err == GB_OK) {
        err = loader_collect(&loader, now_ms, content);
    }
    if (err == GB_ENOMEM) {
        (void)gb_err_info_set(info, err, 0, "journal: out of memory");
    }
    GB_LIST_EACH_SAFE(node, following, &loader.order)
    {
        loaded_free(&loader, GB_CONTAINER_OF(node, loaded_delta, node));
    }
    gb_hash_map_deinit(&loader.table);
    gb_free(allocator, loader.body);
    return err;
}

void gb_journal_content_deinit(const gb_allocator *allocator, gb_journal_content *content)
{
    for (size_t i = 0; i < content->count; i++) {
        gb_record_release(allocator, content->deltas[i].record);
    }
    gb_free(allocator, content->deltas);
    *content = (gb_journal_content){0};
}
