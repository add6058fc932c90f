/* SPDX-License-Identifier: Apache-2.0 */
/* A pool is bounded, reuses, and counts what it could not give. */
#include "platform/pool.h"

#include "support/gb_test.h"

GB_TEST(pool, it_gives_no_more_than_its_bound_and_counts_exhaustion)
{
    gb_pool pool;
    gb_pool_init(&pool, t->allocator, 64, 3, 2);
    gb_pool_buf *held[3];
    for (int i = 0; i < 3; i++) {
        held[i] = gb_pool_acquire(&pool);
        expect_not_null(held[i]);
        expect_uint(held[i]->size, 64);
        expect_uint(held[i]->len, 0);
    }
    expect_null(gb_pool_acquire(&pool));
    expect_null(gb_pool_acquire(&pool));
    expect_uint(pool.exhausted_count, 2);
    expect_uint(pool.used_count, 3);

    gb_pool_buf_release(held[0]);
    held[0] = gb_pool_acquire(&pool);
    expect_not_null(held[0]);
    for (int i = 0; i < 3; i++) {
        gb_pool_buf_release(held[i]);
    }
    expect_uint(pool.used_count, 0);
    /* Two are kept, the third went back to the allocator. */
    expect_uint(pool.free_count, 2);
    expect_uint(t->counted.blocks, 2);
    gb_pool_deinit(&pool);
}

GB_TEST(pool, a_reused_buffer_is_empty_again)
{
    gb_pool pool;
    gb_pool_init(&pool, t->allocator, 16, 4, 4);
    gb_pool_buf *first = gb_pool_acquire(&pool);
    first->data[0] = 'x';
    first->len = 1;
    expect_slice(gb_pool_buf_slice(first), gb_slice_from_str("x"));
    gb_pool_buf_release(first);
    gb_pool_buf *again = gb_pool_acquire(&pool);
    expect_ptr(again, first);
    expect_uint(again->len, 0);
    expect_uint(t->counted.count, 1);
    gb_pool_buf_release(again);
    gb_pool_deinit(&pool);
}

GB_TEST(pool, the_last_reference_gives_the_buffer_back)
{
    gb_pool pool;
    gb_pool_init(&pool, t->allocator, 16, 1, 0);
    gb_pool_buf *buf = gb_pool_acquire(&pool);
    expect_ptr(gb_pool_buf_ref(buf), buf);
    gb_pool_buf_release(buf);
    expect_uint(pool.used_count, 1);
    expect_null(gb_pool_acquire(&pool));
    gb_pool_buf_release(buf);
    expect_uint(pool.used_count, 0);
    expect_uint(t->counted.blocks, 0);
    gb_pool_buf_release(NULL);
    gb_pool_deinit(&pool);
}

GB_TEST(pool, without_memory_it_is_exhausted_and_recovers)
{
    gb_pool pool;
    gb_pool_init(&pool, t->allocator, 16, 4, 4);
    gb_failing_allocator_exhaust(&t->counted, 0);
    expect_null(gb_pool_acquire(&pool));
    expect_uint(pool.exhausted_count, 1);
    expect_uint(pool.used_count, 0);
    gb_failing_allocator_relax(&t->counted);
    gb_pool_buf *buf = gb_pool_acquire(&pool);
    expect_not_null(buf);
    gb_pool_buf_release(buf);
    gb_pool_deinit(&pool);
}
