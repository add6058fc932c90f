/* SPDX-License-Identifier: Apache-2.0 */
/* test_hooks.h: what tests may do to a running node beside its public functions. */
#ifndef GB_TRANSPORT_TEST_HOOKS_H
#define GB_TRANSPORT_TEST_HOOKS_H

#include <goferbroke/node.h>

/* Cut the open member link in this place (0 …), as a reset by the network would. Past the end:
 * nothing happens. Errors: GB_ENOMEM, GB_EFULL. */
gb_err gb_node_test_drop_link(gb_node *node, uint32_t position);

#endif
