/* SPDX-License-Identifier: Apache-2.0 */
/* node_commands.c: what threads of the host ask of a node. */
#include "transport/node_impl.h"

#include "platform/alloc.h"
#include "state/map.h"
#include "transport/test_hooks.h"

#include <string.h>

/* ---- Posting
 * ------------------------------------------------------------------------------------- */

static gb_command *command_make(gb_node *node, gb_command_kind kind, size_t bytes_size)
{
    gb_command *command = gb_alloc(node->allocator, sizeof *command + bytes_size);
    if (command != NULL) {
        memset(command, 0, sizeof *command);
        command->kind = kind;
    }
    return command;
}

/* Takes `command`, also on failure. */
static gb_err command_post(gb_node *node, gb_command *command)
{
    gb_err err = GB_OK;
    (void)pthread_mutex_lock(&node->command_mutex);
    /* Answers to clients have a bound of their own, by bytes and by client. */
    if (node->commands.count >= GB_COMMANDS_MAX && command->kind != GB_COMMAND_CLIENT_SEND) {
        err = GB_EFULL;
    } else {
        gb_command_list_push(&node->commands, command);
    }
    (void)pthread_mutex_unlock(&node->command_mutex);
    if (err != GB_OK) {
        gb_free(node->allocator, command);
        return err;
    }
    gb_loop_post(node->loop, node);
    return GB_OK;
}

static gb_slice copy_into(uint8_t **at, gb_slice bytes)
{
    gb_slice copy = gb_slice_make(*at, bytes.len);
    if (bytes.len > 0) {
        memcpy(*at, bytes.base, bytes.len);
    }
    *at += bytes.len;
    return copy;
}

static gb_err post_simple(gb_node *node, gb_command_kind kind)
{
    if (atomic_load(&node->is_closed)) {
        return GB_ECLOSED;
    }
    gb_command *command = command_make(node, kind, 0);
    return command == NULL ? GB_ENOMEM : command_post(node, command);
}

gb_err gb_node_join(gb_node *node)
{
    return post_simple(node, GB_COMMAND_JOIN);
}

gb_err gb_node_leave(gb_node *node)
{
    return post_simple(node, GB_COMMAND_LEAVE);
}

gb_err gb_node_act(gb_node *node, const gb_action *action)
{
    if (atomic_load(&node->is_closed)) {
        return GB_ECLOSED;
    }
    gb_command *command = command_make(node, GB_COMMAND_ACT, action->name.len + action->helper.len);
    if (command == NULL) {
        return GB_ENOMEM;
    }
    uint8_t *at = (uint8_t *)command->bytes;
    command->as.act = *action;
    command->as.act.name = copy_into(&at, action->name);
    command->as.act.helper = copy_into(&at, action->helper);
    return command_post(node, command);
}

gb_err gb_node_configure(gb_node *node, const gb_engine_settings *settings)
{
    if (atomic_load(&node->is_closed)) {
        return GB_ECLOSED;
    }
    gb_command *command = command_make(node, GB_COMMAND_CONFIGURE, 0);
    if (command == NULL) {
        return GB_ENOMEM;
    }
    command->as.settings = *settings;
    gb_node_set_limits(node, settings);
    return command_post(node, command);
}

gb_err gb_node_set_seeds(gb_node *node, const gb_endpoint *seeds, uint32_t seed_count)
{
    if (atomic_load(&node->is_closed)) {
        return GB_ECLOSED;
    }
    gb_address_list *list = gb_alloc(node->allocator, sizeof *list);
    if (list == NULL) {
        return GB_ENOMEM;
    }
    gb_err err = gb_node_check_seeds(node, seeds, seed_count, list, NULL);
    size_t size = list->count * sizeof(gb_address);
    for (uint32_t i = 0; i < list->count; i++) {
        size += list->addresses[i].host.len;
    }
    gb_command *command = err == GB_OK ? command_make(node, GB_COMMAND_SET_SEEDS, size) : NULL;
    if (command != NULL) {
        gb_address *copies = (gb_address *)(void *)command->bytes;
        uint8_t *at = (uint8_t *)(copies + list->count);
        for (uint32_t i = 0; i < list->count; i++) {
            copies[i] = list->addresses[i];
            copies[i].host = copy_into(&at, list->addresses[i].host);
        }
        command->as.seeds.seeds = copies;
        command->as.seeds.count = list->count;
    }
    gb_free(node->allocator, list);
    if (err != GB_OK) {
        return err;
    }
    return command == NULL ? GB_ENOMEM : command_post(node, command);
}

/* ---- Clients
 * ------------------------------------------------------------------------------------- */

/* Count `size` bytes as queued for the client of `link`. */
static gb_err client_reserve(gb_node *node, uint64_t link, size_t size, uint32_t *slot)
{
    for (uint32_t i = 0; i < node->client_count_max && link != 0; i++) {
        gb_client_slot *at = &node->clients[i];
        if (atomic_load(&at->link) != link) {
            continue;
        }
        size_t before = atomic_fetch_add(&at->queued, size);
        /* One answer always fits, however large. */
        if (before > 0 && before + size > GB_CLIENT_BACKLOG_MAX) {
            (void)atomic_fetch_sub(&at->queued, size);
            return GB_EFULL;
        }
        *slot = i;
        return GB_OK;
    }
    return GB_ECLOSED;
}

gb_err gb_node_client_send(gb_node *node, uint64_t link, uint8_t frame_type, uint32_t request_id,
                           gb_slice payload)
{
    if (frame_type != GB_FRAME_CLIENT_RESPONSE && frame_type != GB_FRAME_CLIENT_ITEM) {
        return GB_EINVAL;
    }
    if (payload.len > GB_FRAME_PAYLOAD_MAX) {
        return GB_ETOOBIG;
    }
    gb_command *command = command_make(node, GB_COMMAND_CLIENT_SEND, payload.len);
    if (command == NULL) {
        return GB_ENOMEM;
    }
    /* An empty answer costs memory too. */
    gb_err err = client_reserve(node, link, sizeof *command + payload.len, &command->as.send.slot);
    if (err != GB_OK) {
        gb_free(node->allocator, command);
        return err;
    }
    uint8_t *at = (uint8_t *)command->bytes;
    command->as.send.link = link;
    command->as.send.frame_type = frame_type;
    command->as.send.request_id = request_id;
    command->as.send.payload = copy_into(&at, payload);
    return command_post(node, command);
}

/* ---- Own deltas
 * ---------------------------------------------------------------------------------- */

static bool own_has_key(void *user, gb_lane lane, gb_slice group, gb_slice key)
{
    gb_node *node = user;
    _Atomic uint32_t *section = gb_epoch_enter(&node->epoch);
    gb_record *record = gb_map_read_waiting(node->map, lane, group, key);
    if (record != NULL) {
        gb_epoch_exit(section);
        bool is_set = !gb_record_is_tombstone(record);
        gb_record_release(node->allocator, record);
        return is_set;
    }
    gb_err err = gb_map_read_value(node->map, gb_slice_make(node->name, node->name_size), lane,
                                   group, key, gb_now(), &record, NULL);
    gb_epoch_exit(section);
    if (err != GB_OK) {
        return false;
    }
    gb_record_release(node->allocator, record);
    return true;
}

static gb_err own_check(const gb_node *node, gb_lane lane, gb_slice group, gb_slice key)
{
    if (atomic_load(&node->is_closed)) {
        return GB_ECLOSED;
    }
    if (lane != GB_LANE_USER && lane != GB_LANE_SYSTEM && lane != GB_LANE_CONFIG) {
        return GB_EINVAL;
    }
    if (group.len == 0 || group.len > GB_GROUP_SIZE_MAX) {
        return GB_EGROUP;
    }
    return key.len > GB_KEY_SIZE_MAX ? GB_EKEY_SIZE : GB_OK;
}

static gb_err own_put(gb_node *node, gb_lane lane, const gb_delta *delta)
{
    gb_record *record;
    gb_err err = gb_record_open(node->allocator, delta, &record);
    if (err != GB_OK) {
        return err;
    }
    const gb_pending_map map = {
        .has_key = own_has_key,
        .user = node,
        .key_count_max = atomic_load(&node->key_count_max),
    };
    err = gb_pending_put(&node->pending, lane, record, &map);
    if (err != GB_OK) {
        gb_record_release(node->allocator, record);
        return err;
    }
    gb_loop_post(node->loop, node);
    return GB_OK;
}

gb_err gb_node_set(gb_node *node, gb_lane lane, gb_slice group, gb_slice key, uint8_t type,
                   gb_slice value, uint64_t ttl_ms)
{
    gb_err err = own_check(node, lane, group, key);
    if (err != GB_OK) {
        return err;
    }
    if (lane == GB_LANE_USER && gb_slice_equal(group, gb_slice_from_str(GB_GROUP_SYSTEM))) {
        return GB_EGROUP;
    }
    if (value.len > atomic_load(&node->value_size_max)) {
        return GB_EVALUE_SIZE;
    }
    if (ttl_ms > UINT32_MAX) {
        return GB_EINVAL; /* 49 days: what outlives them has no need of a TTL */
    }
    err = type == GB_VALUE_TOMBSTONE ? GB_ETYPE : gb_value_check(type, value);
    if (err != GB_OK) {
        return err;
    }
    const gb_delta delta = {
        .type = type, .ttl_ms = ttl_ms, .group = group, .key = key, .value = value};
    return own_put(node, lane, &delta);
}

gb_err gb_node_delete(gb_node *node, gb_lane lane, gb_slice group, gb_slice key)
{
    gb_err err = own_check(node, lane, group, key);
    if (err != GB_OK) {
        return err;
    }
    const gb_delta delta = {.type = GB_VALUE_TOMBSTONE, .group = group, .key = key};
    return own_put(node, lane, &delta);
}

/* ---- Tests
 * --------------------------------------------------------------------------------------- */

gb_err gb_node_test_drop_link(gb_node *node, uint32_t position)
{
    gb_command *command = command_make(node, GB_COMMAND_DROP_LINK, 0);
    if (command == NULL) {
        return GB_ENOMEM;
    }
    command->as.position = position;
    return command_post(node, command);
}
