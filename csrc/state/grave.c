/* SPDX-License-Identifier: Apache-2.0 */
/* grave.c: lives that are over, remembered so that third parties cannot bring them back. */
#include "state/map_state.h"

#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/hash.h"
#include "platform/limits.h"

#include <string.h>

typedef struct grave {
    gb_list_node node; /* in map->grave_order */
    uint64_t generation;
    uint64_t incarnation;
    gb_time_us until_us;
    uint8_t name_size;
    uint8_t name[];
} grave;

static gb_slice grave_name(const grave *g)
{
    return (gb_slice){g->name, g->name_size};
}

static bool grave_equal(void *user, const void *item, const void *key)
{
    (void)user;
    return gb_slice_equal(grave_name(item), *(const gb_slice *)key);
}

static uint64_t grave_hash(const gb_map *map, gb_slice name)
{
    return gb_hash_mix(gb_hash_bytes(map->options.hash_seed, name));
}

static grave *grave_find(const gb_map *map, gb_slice name)
{
    return gb_hash_map_find(&map->graves, grave_hash(map, name), &name);
}

/* Behind the last one that ends no later: most burials come in the order of their ends. */
static void grave_link(gb_map *map, grave *g)
{
    gb_list_node *position = gb_list_last(&map->grave_order);
    while (position != NULL && GB_CONTAINER_OF(position, grave, node)->until_us > g->until_us) {
        position = gb_list_prev(&map->grave_order, position);
    }
    if (position == NULL) {
        gb_list_push_front(&map->grave_order, &g->node);
    } else {
        gb_list_insert_after(position, &g->node);
    }
}

static void grave_free(gb_map *map, grave *g)
{
    gb_slice name = grave_name(g);
    void *removed = gb_hash_map_remove(&map->graves, grave_hash(map, name), &name);
    GB_ASSERT(removed == g);
    gb_list_remove(&g->node);
    gb_free(map->options.allocator, g);
}

static grave *grave_oldest(const gb_map *map)
{
    gb_list_node *node = gb_list_first(&map->grave_order);
    return node == NULL ? NULL : GB_CONTAINER_OF(node, grave, node);
}

void gb_map_graves_init(gb_map *map)
{
    gb_hash_map_init(&map->graves, map->options.allocator, grave_equal, NULL);
    gb_list_init(&map->grave_order);
}

void gb_map_graves_deinit(gb_map *map)
{
    for (grave *g; (g = grave_oldest(map)) != NULL;) {
        grave_free(map, g);
    }
    gb_hash_map_deinit(&map->graves);
}

static gb_err grave_add(gb_map *map, gb_slice name, grave **out)
{
    grave *g = gb_alloc_zeroed(map->options.allocator, sizeof *g + name.len);
    if (g == NULL) {
        return GB_ENOMEM;
    }
    g->name_size = (uint8_t)name.len;
    memcpy(g->name, name.base, name.len);
    gb_err err = gb_hash_map_insert(&map->graves, grave_hash(map, name), g);
    if (err != GB_OK) {
        gb_free(map->options.allocator, g);
        return err;
    }
    *out = g;
    return GB_OK;
}

gb_err gb_map_bury(gb_map *map, gb_slice name, uint64_t generation, uint64_t incarnation,
                   gb_time_us until_us)
{
    GB_ASSERT(name.len > 0 && name.len <= GB_NAME_SIZE_MAX);
    grave *g = grave_find(map, name);
    if (g == NULL) {
        gb_err err = grave_add(map, name, &g);
        if (err != GB_OK) {
            return err;
        }
    } else if (generation < g->generation ||
               (generation == g->generation && incarnation < g->incarnation)) {
        return GB_OK; /* a later life is buried here already */
    }
    g->generation = generation;
    g->incarnation = incarnation;
    g->until_us = until_us > g->until_us ? until_us : g->until_us;
    gb_list_remove(&g->node);
    grave_link(map, g);
    if (map->graves.count > (size_t)map->options.participant_count_max * 2) {
        grave *oldest = grave_oldest(map);
        if (oldest == g) {
            /* The new one ends first; it is the older ones' turn all the same. */
            oldest = GB_CONTAINER_OF(gb_list_next(&map->grave_order, &g->node), grave, node);
        }
        grave_free(map, oldest);
    }
    return GB_OK;
}

bool gb_map_grave(const gb_map *map, gb_slice name, uint64_t *generation, uint64_t *incarnation)
{
    const grave *g = grave_find(map, name);
    if (g == NULL) {
        return false;
    }
    *generation = g->generation;
    *incarnation = g->incarnation;
    return true;
}

void gb_map_open_grave(gb_map *map, gb_slice name)
{
    grave *g = grave_find(map, name);
    if (g != NULL) {
        grave_free(map, g);
    }
}

void gb_map_expire_graves(gb_map *map, gb_time_us now)
{
    for (grave *g; (g = grave_oldest(map)) != NULL && g->until_us <= now;) {
        grave_free(map, g);
    }
}

void gb_map_graves_check(const gb_map *map)
{
    size_t count = 0;
    gb_time_us until_us = 0;
    GB_LIST_EACH(node, &map->grave_order)
    {
        const grave *g = GB_CONTAINER_OF(node, grave, node);
        GB_ASSERT(g->until_us >= until_us);
        GB_ASSERT(grave_find(map, grave_name(g)) == g);
        until_us = g->until_us;
        count++;
    }
    GB_ASSERT(count == map->graves.count);
    GB_ASSERT(count <= (size_t)map->options.participant_count_max * 2);
}
