/* SPDX-License-Identifier: Apache-2.0 */
/* Counting blocks by a header in front of each. */
#include "support/failing_allocator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILING_MAGIC UINT64_C(0x6f7574206f66206d)
#define FAILING_FREED UINT64_C(0x676f6e6520616e64)

typedef struct failing_header {
    _Alignas(max_align_t) uint64_t magic;
    gb_failing_allocator *owner;
    size_t size;
} failing_header;

static failing_header *failing_header_of(const gb_failing_allocator *failing, void *memory)
{
    failing_header *header = (failing_header *)memory - 1;
    if (header->magic != FAILING_MAGIC || header->owner != failing) {
        fprintf(stderr, "a block was given back twice or to another allocator\n");
        abort();
    }
    return header;
}

static bool failing_should_fail(gb_failing_allocator *failing)
{
    uint64_t index = failing->count++;
    bool fails = index == failing->fail_at || (failing->fails_onwards && index > failing->fail_at);
    failing->failed_count += fails ? 1 : 0;
    return fails;
}

static void *failing_take(gb_failing_allocator *failing, size_t size)
{
    failing_header *header = malloc(sizeof *header + size);
    if (header == NULL) {
        return NULL;
    }
    header->magic = FAILING_MAGIC;
    header->owner = failing;
    header->size = size;
    failing->blocks++;
    failing->bytes += size;
    if (failing->bytes > failing->bytes_peak) {
        failing->bytes_peak = failing->bytes;
    }
    memset(header + 1, 0xa5, size);
    return header + 1;
}

static void failing_free(void *user, void *memory)
{
    if (memory == NULL) {
        return;
    }
    gb_failing_allocator *failing = user;
    failing_header *header = failing_header_of(failing, memory);
    failing->blocks--;
    failing->bytes -= header->size;
    memset(memory, 0x5a, header->size);
    header->magic = FAILING_FREED;
    free(header);
}

static void *failing_malloc(void *user, size_t size)
{
    gb_failing_allocator *failing = user;
    return failing_should_fail(failing) ? NULL : failing_take(failing, size);
}

static void *failing_realloc(void *user, void *memory, size_t size)
{
    gb_failing_allocator *failing = user;
    if (failing_should_fail(failing)) {
        return NULL;
    }
    void *moved = failing_take(failing, size);
    if (moved != NULL && memory != NULL) {
        size_t old_size = failing_header_of(failing, memory)->size;
        memcpy(moved, memory, old_size < size ? old_size : size);
        failing_free(failing, memory);
    }
    return moved;
}

void gb_failing_allocator_init(gb_failing_allocator *failing, uint64_t fail_at)
{
    *failing = (gb_failing_allocator){
        .allocator = {failing, failing_malloc, failing_realloc, failing_free},
        .fail_at = fail_at,
    };
}

void gb_failing_allocator_exhaust(gb_failing_allocator *failing, uint64_t after)
{
    failing->fail_at = failing->count + after;
    failing->fails_onwards = true;
}

void gb_failing_allocator_relax(gb_failing_allocator *failing)
{
    failing->fail_at = GB_NEVER_FAIL;
    failing->fails_onwards = false;
}
