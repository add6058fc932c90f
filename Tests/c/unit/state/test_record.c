/* SPDX-License-Identifier: Apache-2.0 */
/* Records: any bytes kept exactly, references counted, overhead within its bound. */
#include "unit/state/state_support.h"

#include "state/lane.h"

#include "platform/alloc.h"
#include "platform/limits.h"

#include <stdio.h>
#include <stdlib.h>

GB_TEST(record, holds_any_bytes_of_any_size_exactly)
{
    uint8_t *bytes = gb_alloc(t->allocator, GB_VALUE_SIZE_MAX);
    for (size_t i = 0; i < GB_VALUE_SIZE_MAX; i++) {
        bytes[i] = (uint8_t)(i * 31 + i / 256);
    }
    const size_t sizes[][3] = {{1, 0, 0}, {255, 1024, GB_VALUE_SIZE_MAX}, {3, 5, 7}, {1, 1, 0}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        gb_delta delta = {.version = UINT64_MAX,
                          .type = GB_VALUE_BYTES,
                          .ttl_ms = UINT32_MAX,
                          .group = {bytes, sizes[i][0]},
                          .key = {bytes + 1, sizes[i][1]},
                          .value = {bytes, sizes[i][2]}};
        gb_record *record;
        expect_ok(gb_record_open(t->allocator, &delta, &record));
        expect_slice(gb_record_group(record), delta.group);
        expect_slice(gb_record_key(record), delta.key);
        expect_slice(gb_record_value(record), delta.value);
        expect_uint(record->version, UINT64_MAX);
        expect_uint(record->ttl_ms, UINT32_MAX);
        gb_record_release(t->allocator, record);
    }
    gb_free(t->allocator, bytes);
}

GB_TEST(record, lives_until_its_last_reference_is_given_back)
{
    gb_delta delta = {.version = 1, .group = gb_slice_from_str("g"), .key = gb_slice_from_str("k")};
    gb_record *record;
    expect_ok(gb_record_open(t->allocator, &delta, &record));
    expect_ptr(gb_record_ref(record), record);
    gb_record_release(t->allocator, record);
    expect_uint(t->counted.blocks, 1);
    expect_slice(gb_record_key(record), gb_slice_from_str("k"));
    gb_record_release(t->allocator, record);
    expect_uint(t->counted.blocks, 0);
    gb_record_release(t->allocator, NULL);
}

/* ---- Overhead -------------------------------------------------------------------------------- */

#define PREFIX_SIZE 16

/* Counts bytes as a malloc with a word of header and chunks of 16 takes them. */
static size_t chunk_size(size_t size)
{
    size_t chunk = (size + 8 + 15) & ~(size_t)15;
    return chunk < 32 ? 32 : chunk;
}

static void *weigh_malloc(void *user, size_t size)
{
    uint8_t *memory = malloc(size + PREFIX_SIZE);
    if (memory == NULL) {
        return NULL;
    }
    memcpy(memory, &size, sizeof size);
    *(size_t *)user += chunk_size(size);
    return memory + PREFIX_SIZE;
}

static void weigh_free(void *user, void *memory)
{
    if (memory == NULL) {
        return;
    }
    size_t size;
    memcpy(&size, (uint8_t *)memory - PREFIX_SIZE, sizeof size);
    *(size_t *)user -= chunk_size(size);
    free((uint8_t *)memory - PREFIX_SIZE);
}

static void *weigh_realloc(void *user, void *memory, size_t size)
{
    size_t old_size = 0;
    if (memory != NULL) {
        memcpy(&old_size, (uint8_t *)memory - PREFIX_SIZE, sizeof old_size);
    }
    void *grown = weigh_malloc(user, size);
    if (grown != NULL && memory != NULL) {
        memcpy(grown, memory, old_size < size ? old_size : size);
        weigh_free(user, memory);
    }
    return grown;
}

GB_TEST(record, a_delta_costs_at_most_96_bytes_beside_its_own)
{
    size_t weight = 0;
    gb_allocator allocator = {&weight, weigh_malloc, weigh_realloc, weigh_free};
    gb_map_options options = state_options(&allocator);
    options.key_count_max = GB_KEYS_PER_PARTICIPANT_MAX;
    gb_map *map;
    gb_participant *self;
    expect_ok(gb_map_open(&options, &map));
    expect_ok(gb_map_add(map, gb_slice_from_str("n"), 1, &self));
    gb_map_set_self(map, self);
    size_t weight_before = weight;
    size_t bytes = 0;
    char key[64];
    uint8_t value[64] = {0};
    size_t worst = 0;
    for (size_t i = 1; i <= 100000; i++) {
        int len = snprintf(key, sizeof key, "key %028zu", i);
        expect_ok(gb_map_set(map, self, GB_LANE_USER, gb_slice_from_str("g"),
                             gb_slice_make(key, (size_t)len), GB_VALUE_BYTES,
                             gb_slice_make(value, sizeof value), 0, 0));
        bytes += (size_t)len + sizeof value + 1;
        size_t overhead = (weight - weight_before - bytes) / i;
        worst = i > 1000 && overhead > worst ? overhead : worst;
    }
    expect_true(worst <= 96);
    expect_uint(self->key_count, 100000);
    gb_map_close(map);
    expect_uint(weight, 0);
}
