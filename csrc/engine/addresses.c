/* SPDX-License-Identifier: Apache-2.0 */
/* addresses.c: where a peer can be dialled. Its node record says so; a copy is kept only of what
 * the record does not say: a HELLO that came first or says otherwise, a former life's, a record
 * that was deleted or became unreadable. */
#include "engine/internal.h"

static const gb_record *node_record_of(const gb_engine *e, const gb_peer *peer)
{
    const gb_record *record = gb_map_get(peer_participant(e, peer), GB_LANE_MEMBERSHIP,
                                         gb_slice_from_str("node"), gb_slice_from_str("self"));
    return record == NULL || gb_record_is_tombstone(record) ? NULL : record;
}

uint8_t peer_addresses(const gb_engine *e, const gb_peer *peer, gb_node_record *memory,
                       const gb_address **out)
{
    *out = peer->addresses;
    if (peer->addresses != NULL || peer->address_count == 0) {
        return peer->address_count;
    }
    const gb_record *record = node_record_of(e, peer);
    if (record == NULL || gb_node_record_decode(gb_record_value(record), memory) != GB_OK) {
        return 0;
    }
    *out = memory->addresses;
    return memory->address_count;
}

static bool are_equal(const gb_address *a, uint8_t a_count, const gb_address *b, uint8_t b_count)
{
    for (uint8_t i = 0; a_count == b_count && i < a_count; i++) {
        if (a[i].port != b[i].port || !gb_slice_equal(a[i].host, b[i].host)) {
            return false;
        }
    }
    return a_count == b_count;
}

void peer_take_addresses(gb_engine *e, gb_peer *peer, const gb_address *addresses, uint8_t count)
{
    gb_node_record memory;
    const gb_address *present;
    uint8_t present_count = peer_addresses(e, peer, &memory, &present);
    if (are_equal(present, present_count, addresses, count)) {
        return;
    }
    gb_address *copy = engine_copy_addresses(e, addresses, count);
    if (copy != NULL) {
        gb_free(e->allocator, peer->addresses);
        peer->addresses = copy;
        peer->address_count = count;
    }
}

void peer_keep_addresses(gb_engine *e, gb_peer *peer, const gb_record *record)
{
    gb_node_record node;
    if (peer->addresses != NULL || peer->address_count == 0) {
        return;
    }
    peer->address_count = 0;
    if (record == NULL) {
        record = node_record_of(e, peer);
    }
    if (record == NULL || gb_node_record_decode(gb_record_value(record), &node) != GB_OK) {
        return;
    }
    peer->addresses = engine_copy_addresses(e, node.addresses, node.address_count);
    peer->address_count = peer->addresses == NULL ? 0 : node.address_count;
}

bool peer_adopt_addresses(gb_engine *e, gb_peer *peer, const gb_record *before,
                          const gb_node_record *after)
{
    gb_node_record former = {0};
    bool is_changed;
    if (peer->addresses != NULL || before == NULL ||
        gb_node_record_decode(gb_record_value(before), &former) != GB_OK) {
        is_changed = !are_equal(peer->addresses, peer->addresses == NULL ? 0 : peer->address_count,
                                after->addresses, after->address_count);
    } else {
        is_changed = !are_equal(former.addresses, former.address_count, after->addresses,
                                after->address_count);
    }
    gb_free(e->allocator, peer->addresses);
    peer->addresses = NULL;
    peer->address_count = after->address_count;
    return is_changed;
}
