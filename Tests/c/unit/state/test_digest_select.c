/* SPDX-License-Identifier: Apache-2.0 */
/* What digests are made of: a hash that ignores the way there, the order of change, buckets. */
#include "unit/state/state_support.h"

#include <stdio.h>

GB_TEST(digest_select, equal_knowledge_has_equal_hashes_whatever_the_way_there)
{
    gb_participant *a;
    gb_map *a_map = state_open_owner(t, "a", &a);
    gb_participant *b;
    gb_map *b_map = state_open_owner(t, "b", &b);
    expect_uint(gb_map_hash(a_map), 0); /* a name without a version is nothing known */
    state_set(t, a_map, a, "k", "1", 0);
    state_set(t, a_map, a, "k", "2", 0);
    state_set(t, b_map, b, "k", "1", 0);
    gb_participant *b_at_a = state_add(t, a_map, "b", 1);
    gb_participant *a_at_b = state_add(t, b_map, "a", 1);
    expect_true(gb_map_hash(a_map) != gb_map_hash(b_map));
    state_pull_all(t, b_map, b, a_map, b_at_a, 1000, 0);
    expect_true(gb_map_hash(a_map) != gb_map_hash(b_map));
    state_pull_all(t, a_map, a, b_map, a_at_b, 1000, 0);
    expect_uint(gb_map_hash(a_map), gb_map_hash(b_map));
    gb_map_set_departed(a_map, b_at_a, true);
    gb_map_check(a_map);
    expect_uint(gb_map_hash(a_map), gb_map_hash(b_map));
    gb_map_remove(a_map, b_at_a);
    expect_true(gb_map_hash(a_map) != gb_map_hash(b_map));
    gb_map_close(a_map);
    gb_map_close(b_map);
}

GB_TEST(digest_select, swapped_versions_of_lanes_or_names_do_not_cancel_out)
{
    gb_participant *a;
    gb_map *a_map = state_open_owner(t, "n", &a);
    gb_participant *b;
    gb_map *b_map = state_open_owner(t, "n", &b);
    gb_slice text = gb_slice_from_str("t");
    expect_ok(gb_map_set(a_map, a, GB_LANE_USER, text, text, GB_VALUE_STRING, text, 0, 0));
    expect_ok(gb_map_set(b_map, b, GB_LANE_CONFIG, text, text, GB_VALUE_STRING, text, 0, 0));
    expect_true(gb_map_hash(a_map) != gb_map_hash(b_map));
    gb_map_close(a_map);
    gb_map_close(b_map);
}

GB_TEST(digest_select, participants_stand_in_the_order_of_their_last_change)
{
    gb_participant *self;
    gb_map *map = state_open_owner(t, "self", &self);
    gb_participant *p = state_add(t, map, "p", 1);
    gb_participant *q = state_add(t, map, "q", 1);
    expect_ptr(gb_map_changed_last(map), q);
    expect_ptr(q->changed_older, p);
    uint64_t change_no = gb_map_change_no(map);
    state_set(t, map, self, "a", "1", 0);
    expect_ptr(gb_map_changed_last(map), self);
    expect_ptr(self->changed_older, q);
    expect_uint(self->changed_no, change_no + 1);
    expect_uint(gb_map_change_no(map), change_no + 1);
    gb_map_remove(map, q);
    expect_ptr(self->changed_older, p);
    gb_map_check(map);
    gb_map_close(map);
}

GB_TEST(digest_select, fingerprints_split_the_hash_by_bucket)
{
    gb_map *map = state_open(t);
    gb_participant *source;
    gb_map *source_map = state_open_owner(t, "source", &source);
    state_set(t, source_map, source, "a", "1", 0);
    for (int i = 0; i < 30; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "n%d", i);
        gb_participant *p = state_add(t, map, name, 1);
        state_pull_all(t, source_map, source, map, p, 1000, 0);
    }
    uint64_t buckets[16];
    for (uint8_t bits = 0; bits <= 4; bits++) {
        gb_map_fingerprints(map, bits, buckets);
        uint64_t sum = 0;
        unsigned used = 0;
        for (unsigned i = 0; i < 1u << bits; i++) {
            sum += buckets[i];
            used += buckets[i] != 0 ? 1 : 0;
        }
        expect_uint(sum, gb_map_hash(map));
        expect_true(used > (1u << bits) / 2);
    }
    gb_participant *p = gb_map_at(map, 3);
    gb_map_fingerprints(map, 4, buckets);
    uint64_t before = buckets[gb_participant_bucket(p, 4)];
    uint64_t part = p->hash;
    gb_map_remove(map, p);
    uint32_t bucket = (uint32_t)16;
    uint64_t after[16];
    gb_map_fingerprints(map, 4, after);
    for (uint32_t i = 0; i < 16; i++) {
        if (after[i] != buckets[i]) {
            expect_uint(bucket, 16);
            bucket = i;
        }
    }
    expect_true(bucket < 16);
    expect_uint(after[bucket], before - part);
    gb_map_close(map);
    gb_map_close(source_map);
}
