/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation through an allocator, and the allocator of the tests itself. */
#include "platform/alloc.h"

#include <string.h>

#include "goferbroke/version.h"
#include "support/gb_test.h"

GB_TEST(alloc, a_product_that_overflows_is_refused)
{
    expect_null(gb_alloc_array(t->allocator, SIZE_MAX / 2, 3));
    expect_null(gb_realloc_array(t->allocator, NULL, SIZE_MAX, 2));
    expect_null(gb_alloc_copy(t->allocator, "", SIZE_MAX));
    expect_uint(t->counted.count, 0);
}

GB_TEST(alloc, size_zero_is_a_block_like_any_other)
{
    void *a = gb_alloc(t->allocator, 0);
    void *b = gb_alloc_array(t->allocator, 0, 8);
    expect_not_null(a);
    expect_not_null(b);
    gb_free(t->allocator, a);
    gb_free(t->allocator, b);
    gb_free(t->allocator, NULL);
}

GB_TEST(alloc, zeroed_memory_is_zero)
{
    uint8_t *bytes = gb_alloc_zeroed(t->allocator, 100);
    expect_not_null(bytes);
    for (size_t i = 0; i < 100; i++) {
        expect_uint(bytes[i], 0);
    }
    gb_free(t->allocator, bytes);
}

GB_TEST(alloc, a_copy_ends_in_nul)
{
    char *copy = gb_alloc_copy(t->allocator, "abcdef", 3);
    expect_str(copy, "abc");
    gb_free(t->allocator, copy);
    copy = gb_alloc_copy(t->allocator, NULL, 0);
    expect_str(copy, "");
    gb_free(t->allocator, copy);
}

GB_TEST(alloc, growing_keeps_the_content)
{
    const gb_allocator *allocators[] = {t->allocator, gb_allocator_default()};
    for (size_t i = 0; i < 2; i++) {
        char *text = gb_realloc_array(allocators[i], NULL, 4, 1);
        expect_not_null(text);
        memcpy(text, "abc", 4);
        char *grown = gb_realloc_array(allocators[i], text, 4000, 1);
        expect_not_null(grown);
        expect_str(grown, "abc");
        gb_free(allocators[i], grown);
    }
}

GB_TEST(alloc, the_failing_allocator_fails_where_it_was_told)
{
    gb_failing_allocator failing;
    gb_failing_allocator_init(&failing, 1);
    void *first = gb_alloc(&failing.allocator, 10);
    expect_not_null(first);
    expect_null(gb_alloc(&failing.allocator, 10));
    void *third = gb_alloc(&failing.allocator, 10);
    expect_not_null(third);
    expect_uint(failing.bytes, 20);

    gb_failing_allocator_exhaust(&failing, 0);
    expect_null(gb_alloc(&failing.allocator, 1));
    expect_null(gb_realloc_array(&failing.allocator, first, 20, 1));
    expect_uint(failing.failed_count, 3);
    gb_failing_allocator_relax(&failing);
    gb_free(&failing.allocator, first);
    gb_free(&failing.allocator, third);
    expect_uint(failing.blocks, 0);
    expect_uint(failing.bytes_peak, 20);
}

GB_TEST(version, the_library_is_that_of_its_header)
{
    expect_str(gb_version_string(), GB_VERSION_STRING);
}
