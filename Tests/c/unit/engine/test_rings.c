/* SPDX-License-Identifier: Apache-2.0 */
/* Rings: places that every implementation must agree on, and who is whose
 * neighbour. */
#include <goferbroke/engine.h>

#include "platform/alloc.h"
#include "support/gb_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The failure detector computes rings of its own: both read this file. */
GB_TEST(rings, places_are_those_of_the_vectors)
{
    size_t len;
    char *text = (char *)gb_test_vector(t, "rings.txt", &len);
    uint32_t lines = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char *space = strchr(line, ' ');
        if (line[0] == '#' || space == NULL) {
            continue;
        }
        gb_slice name = gb_slice_make(line, (size_t)(space - line));
        for (uint32_t ring = 0; ring < GB_RING_COUNT; ring++) {
            expect_uint(gb_ring_place(name, ring), strtoull(space + 1, &space, 16));
        }
        lines++;
    }
    expect_true(lines >= 10);
    gb_free(t->allocator, text);
}

GB_TEST(rings, neighbours_of_a_small_cluster_are_all_others)
{
    gb_slice names[3] = {gb_slice_from_str("a"), gb_slice_from_str("b"), gb_slice_from_str("c")};
    uint32_t out[3];
    expect_uint(gb_ring_neighbours(names, 3, names[1], 16, out), 2);
    expect_uint(out[0], 0);
    expect_uint(out[1], 2);
}

GB_TEST(rings, neighbours_of_a_large_cluster_are_at_most_two_a_ring)
{
    static char text[100][16];
    gb_slice names[100];
    for (uint32_t i = 0; i < 100; i++) {
        (void)snprintf(text[i], sizeof text[i], "node-%u", i);
        names[i] = gb_slice_from_str(text[i]);
    }
    uint32_t out[100];
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t count = gb_ring_neighbours(names, 100, names[i], 16, out);
        expect_true(count >= 2 && count <= 2 * GB_RING_COUNT);
        for (uint32_t j = 0; j < count; j++) {
            expect_true(out[j] != i);
        }
    }
}

GB_TEST(rings, being_a_neighbour_is_mutual)
{
    static char text[40][16];
    gb_slice names[40];
    for (uint32_t i = 0; i < 40; i++) {
        (void)snprintf(text[i], sizeof text[i], "n%u", i);
        names[i] = gb_slice_from_str(text[i]);
    }
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t out[40];
        uint32_t count = gb_ring_neighbours(names, 40, names[i], 16, out);
        for (uint32_t j = 0; j < count; j++) {
            uint32_t back[40];
            uint32_t back_count = gb_ring_neighbours(names, 40, names[out[j]], 16, back);
            bool is_mutual = false;
            for (uint32_t k = 0; k < back_count; k++) {
                is_mutual = is_mutual || back[k] == i;
            }
            expect_true(is_mutual);
        }
    }
}
