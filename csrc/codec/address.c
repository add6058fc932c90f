/* SPDX-License-Identifier: Apache-2.0 */
/* address.c: addresses inside HELLO, WELCOME and the node record. */
#include "codec/fields.h"

_Static_assert(GB_HELLO_ADDRESSES_MAX == GB_ADDRESSES_MAX, "one limit on addresses");
_Static_assert(GB_HOST_SIZE_MAX == GB_NAME_SIZE_MAX, "a host is validated like a name");

static bool address_is_dialable(const gb_address *address)
{
    return address->scope >= GB_SCOPE_LOCAL && address->scope <= GB_SCOPE_PUBLIC &&
           address->port != 0 && gb_name_validate(address->host) == GB_OK;
}

bool gb_observed_is_valid(const gb_address *address)
{
    if (address->host.len == 0) {
        return address->scope == 0 && address->port == 0;
    }
    return address->scope <= GB_SCOPE_PUBLIC && gb_name_validate(address->host) == GB_OK;
}

size_t gb_address_size(const gb_address *address)
{
    return 1 + gb_writer_slice_size(address->host.len) + gb_varint_size(address->port);
}

void gb_address_write(gb_writer *writer, const gb_address *address)
{
    gb_writer_u8(writer, address->scope);
    gb_writer_slice(writer, address->host);
    gb_writer_varint(writer, address->port);
}

static void address_read(gb_reader *reader, gb_address *address)
{
    address->scope = gb_reader_u8(reader);
    address->host = gb_read_bytes(reader, GB_HOST_SIZE_MAX, GB_EMALFORMED);
    address->port = (uint16_t)gb_read_varint(reader, UINT16_MAX);
}

void gb_observed_read(gb_reader *reader, gb_address *address)
{
    address_read(reader, address);
    if (reader->err == GB_OK && !gb_observed_is_valid(address)) {
        gb_reader_fail(reader, GB_EMALFORMED);
    }
}

bool gb_addresses_are_valid(const gb_address *addresses, uint8_t count)
{
    if (count > GB_HELLO_ADDRESSES_MAX) {
        return false;
    }
    for (uint8_t i = 0; i < count; i++) {
        if (!address_is_dialable(&addresses[i])) {
            return false;
        }
    }
    return true;
}

size_t gb_addresses_size(const gb_address *addresses, uint8_t count)
{
    size_t size = gb_varint_size(count);
    for (uint8_t i = 0; i < count; i++) {
        size += gb_address_size(&addresses[i]);
    }
    return size;
}

void gb_addresses_write(gb_writer *writer, const gb_address *addresses, uint8_t count)
{
    gb_writer_varint(writer, count);
    for (uint8_t i = 0; i < count; i++) {
        gb_address_write(writer, &addresses[i]);
    }
}

void gb_addresses_read(gb_reader *reader, gb_address *addresses, uint8_t *count)
{
    uint8_t stated = (uint8_t)gb_read_count(reader, GB_HELLO_ADDRESSES_MAX);
    for (uint8_t i = 0; i < stated && reader->err == GB_OK; i++) {
        address_read(reader, &addresses[i]);
        if (reader->err == GB_OK && !address_is_dialable(&addresses[i])) {
            gb_reader_fail(reader, GB_EMALFORMED);
        }
    }
    *count = stated;
}
