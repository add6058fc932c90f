/* SPDX-License-Identifier: Apache-2.0 */
/* An intrusive doubly linked list: the node lies inside the item. */
#ifndef GB_PLATFORM_LIST_H
#define GB_PLATFORM_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "platform/assert.h"

/* The item of type `type` whose member `member` is at `pointer`. */
#define GB_CONTAINER_OF(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* A node that is in no list has NULL links. */
typedef struct gb_list_node {
    struct gb_list_node *next;
    struct gb_list_node *prev;
} gb_list_node;

/* A ring through its own head, so that linking has no special cases. Must not be moved. */
typedef struct gb_list {
    gb_list_node head;
} gb_list;

static inline void gb_list_init(gb_list *list)
{
    list->head.next = &list->head;
    list->head.prev = &list->head;
}

static inline void gb_list_node_init(gb_list_node *node)
{
    node->next = NULL;
    node->prev = NULL;
}

static inline bool gb_list_is_empty(const gb_list *list)
{
    return list->head.next == &list->head;
}

static inline bool gb_list_node_is_linked(const gb_list_node *node)
{
    return node->next != NULL;
}

/* First or last node, NULL of an empty list. */
static inline gb_list_node *gb_list_first(const gb_list *list)
{
    return gb_list_is_empty(list) ? NULL : list->head.next;
}

static inline gb_list_node *gb_list_last(const gb_list *list)
{
    return gb_list_is_empty(list) ? NULL : list->head.prev;
}

/* The neighbour of a linked node, NULL at the end. */
static inline gb_list_node *gb_list_next(const gb_list *list, const gb_list_node *node)
{
    return node->next == &list->head ? NULL : node->next;
}

static inline gb_list_node *gb_list_prev(const gb_list *list, const gb_list_node *node)
{
    return node->prev == &list->head ? NULL : node->prev;
}

/* Link `node`, which is in no list, after `position`, which is linked. */
static inline void gb_list_insert_after(gb_list_node *position, gb_list_node *node)
{
    GB_ASSERT(!gb_list_node_is_linked(node));
    node->prev = position;
    node->next = position->next;
    position->next->prev = node;
    position->next = node;
}

static inline void gb_list_push_front(gb_list *list, gb_list_node *node)
{
    gb_list_insert_after(&list->head, node);
}

static inline void gb_list_push_back(gb_list *list, gb_list_node *node)
{
    gb_list_insert_after(list->head.prev, node);
}

/* Unlink; a node that is in no list stays as it is. */
static inline void gb_list_remove(gb_list_node *node)
{
    if (!gb_list_node_is_linked(node)) {
        return;
    }
    GB_ASSERT(node->next->prev == node && node->prev->next == node);
    node->prev->next = node->next;
    node->next->prev = node->prev;
    gb_list_node_init(node);
}

/* Unlink and return the first node, NULL of an empty list. */
static inline gb_list_node *gb_list_pop_front(gb_list *list)
{
    gb_list_node *node = gb_list_first(list);
    if (node != NULL) {
        gb_list_remove(node);
    }
    return node;
}

/* Unlink, if linked, and append to `list`. */
static inline void gb_list_move_back(gb_list *list, gb_list_node *node)
{
    gb_list_remove(node);
    gb_list_push_back(list, node);
}

/* Walk over the nodes of `list`; the present node must not be unlinked. */
#define GB_LIST_EACH(node, list)                                                                   \
    for (gb_list_node *node = (list)->head.next; node != &(list)->head; node = node->next)

/* As GB_LIST_EACH, and the present node may be unlinked (no other). */
#define GB_LIST_EACH_SAFE(node, following, list)                                                   \
    for (gb_list_node *node = (list)->head.next, *following = node->next; node != &(list)->head;   \
         node = following, following = node->next)

#endif
