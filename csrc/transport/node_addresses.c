/* SPDX-License-Identifier: Apache-2.0 */
/* node_addresses.c: what a node advertises, and which seeds are itself. */
#include "transport/node_impl.h"

#include "platform/err_info.h"
#include "transport/address.h"

#include <stdio.h>
#include <string.h>

static bool host_is_usable(const char *host)
{
    return host != NULL && host[0] != '\0' && strlen(host) <= GB_HOST_SIZE_MAX;
}

/* Listening everywhere: advertise each address of the machine that others may reach; loopback only
 * where there is nothing else. */
static void advertise_interfaces(const gb_node *node, gb_address_list *list)
{
    uv_interface_address_t *found = NULL;
    int found_count = 0;
    if (uv_interface_addresses(&found, &found_count) != 0) {
        found_count = 0;
    }
    bool has_v6 = strchr(node->listen_host, ':') != NULL;
    for (int i = 0; i < found_count && list->count < GB_HELLO_ADDRESSES_MAX; i++) {
        struct sockaddr_storage address;
        memset(&address, 0, sizeof address);
        if (found[i].address.address4.sin_family == AF_INET) {
            memcpy(&address, &found[i].address.address4, sizeof found[i].address.address4);
        } else if (has_v6 && found[i].address.address6.sin6_scope_id == 0) {
            memcpy(&address, &found[i].address.address6, sizeof found[i].address.address6);
        }
        uint16_t port;
        char *host = list->hosts[list->count];
        gb_sockaddr_host(&address, host, sizeof list->hosts[0], &port);
        if (found[i].is_internal || host[0] == '\0') {
            continue;
        }
        list->addresses[list->count] =
            (gb_address){gb_sockaddr_scope(&address), gb_slice_from_str(host), node->port};
        list->count++;
    }
    uv_free_interface_addresses(found, found_count);
    if (list->count == 0) {
        list->addresses[0] =
            (gb_address){GB_SCOPE_LOCAL, gb_slice_from_str("127.0.0.1"), node->port};
        list->count = 1;
    }
}

gb_err gb_node_advertise(const gb_node *node, const gb_node_options *options, gb_address_list *list,
                         gb_err_info *info)
{
    list->count = 0;
    if (options->advertised == NULL || options->advertised_count == 0) {
        if (gb_host_is_wildcard(node->listen_host)) {
            advertise_interfaces(node, list);
            return GB_OK;
        }
        list->addresses[0] = (gb_address){gb_host_scope(node->listen_host),
                                          gb_slice_from_str(node->listen_host), node->port};
        list->count = 1;
        return GB_OK;
    }
    if (options->advertised_count > GB_HELLO_ADDRESSES_MAX) {
        return gb_err_info_set(info, GB_EINVAL, 0, "advertise: at most %d addresses",
                               GB_HELLO_ADDRESSES_MAX);
    }
    for (uint32_t i = 0; i < options->advertised_count; i++) {
        const gb_endpoint *endpoint = &options->advertised[i];
        if (!host_is_usable(endpoint->host)) {
            return gb_err_info_set(info, GB_EINVAL, 0, "advertise: a host must have 1 to %d bytes",
                                   GB_HOST_SIZE_MAX);
        }
        list->addresses[i] =
            (gb_address){gb_host_scope(endpoint->host), gb_slice_from_str(endpoint->host),
                         endpoint->port == 0 ? node->port : endpoint->port};
        list->count++;
    }
    return GB_OK;
}

/* The three ways to say "this machine, over loopback" that people use. */
static const char *host_normal(const char *host)
{
    return strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
}

static bool is_loopback(const char *host)
{
    const char *normal = host_normal(host);
    return strcmp(normal, "127.0.0.1") == 0 || strcmp(normal, "::1") == 0;
}

static bool seed_is_own(const gb_node *node, const gb_endpoint *seed)
{
    if (seed->port != node->port) {
        return false;
    }
    if (strcmp(host_normal(seed->host), host_normal(node->listen_host)) == 0) {
        return true;
    }
    return gb_host_is_wildcard(node->listen_host) && is_loopback(seed->host);
}

gb_err gb_node_check_seeds(const gb_node *node, const gb_endpoint *seeds, uint32_t seed_count,
                           gb_address_list *list, gb_err_info *info)
{
    list->count = 0;
    if (seed_count > GB_SEEDS_MAX || (seed_count > 0 && seeds == NULL)) {
        return gb_err_info_set(info, GB_EINVAL, 0, "seeds: at most %d", GB_SEEDS_MAX);
    }
    for (uint32_t i = 0; i < seed_count; i++) {
        if (!host_is_usable(seeds[i].host) || seeds[i].port == 0) {
            return gb_err_info_set(info, GB_EINVAL, 0,
                                   "seeds: each needs a host of 1 to %d bytes and a port",
                                   GB_HOST_SIZE_MAX);
        }
        if (seed_is_own(node, &seeds[i])) {
            continue;
        }
        list->addresses[list->count] =
            (gb_address){GB_SCOPE_PUBLIC, gb_slice_from_str(seeds[i].host), seeds[i].port};
        list->count++;
    }
    return GB_OK;
}
