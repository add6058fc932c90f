/* SPDX-License-Identifier: Apache-2.0 */
/* Linking and unlinking at both ends and in the middle. */
#include "platform/list.h"

#include "support/gb_test.h"

typedef struct list_item {
    int value;
    gb_list_node node;
} list_item;

static int list_value(const gb_list_node *node)
{
    return GB_CONTAINER_OF(node, const list_item, node)->value;
}

/* The values of `list` are `expected`, both ways. */
static void list_expect(gb_test *t, const gb_list *list, const int *expected, int count)
{
    int i = 0;
    for (const gb_list_node *n = gb_list_first(list); n != NULL; n = gb_list_next(list, n)) {
        expect_true(i < count);
        expect_int(list_value(n), expected[i]);
        i++;
    }
    expect_int(i, count);
    for (const gb_list_node *n = gb_list_last(list); n != NULL; n = gb_list_prev(list, n)) {
        i--;
        expect_int(list_value(n), expected[i]);
    }
    expect_int(i, 0);
    expect_true(gb_list_is_empty(list) == (count == 0));
}

GB_TEST(list, nodes_are_where_they_were_put)
{
    gb_list list;
    gb_list_init(&list);
    list_expect(t, &list, NULL, 0);
    expect_null(gb_list_pop_front(&list));

    list_item items[4];
    for (int i = 0; i < 4; i++) {
        items[i].value = i;
        gb_list_node_init(&items[i].node);
        expect_false(gb_list_node_is_linked(&items[i].node));
    }
    gb_list_push_back(&list, &items[1].node);
    gb_list_push_back(&list, &items[3].node);
    gb_list_push_front(&list, &items[0].node);
    gb_list_insert_after(&items[1].node, &items[2].node);
    list_expect(t, &list, (const int[]){0, 1, 2, 3}, 4);

    gb_list_move_back(&list, &items[1].node);
    list_expect(t, &list, (const int[]){0, 2, 3, 1}, 4);
    gb_list_remove(&items[2].node);
    gb_list_remove(&items[2].node);
    list_expect(t, &list, (const int[]){0, 3, 1}, 3);
    expect_false(gb_list_node_is_linked(&items[2].node));

    expect_ptr(gb_list_pop_front(&list), &items[0].node);
    int sum = 0;
    GB_LIST_EACH(node, &list)
    {
        sum += list_value(node);
    }
    expect_int(sum, 4);
    GB_LIST_EACH_SAFE(node, following, &list)
    {
        gb_list_remove(node);
    }
    list_expect(t, &list, NULL, 0);
}
