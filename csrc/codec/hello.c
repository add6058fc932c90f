/* SPDX-License-Identifier: Apache-2.0 */
/* hello.c: HELLO and WELCOME. */
#include "codec/fields.h"
#include "codec/out.h"

#define HELLO_FLAGS (GB_HELLO_HAS_DETECTOR | GB_HELLO_IS_ESTABLISHED)

/* A client may leave out cluster and name: it asks whoever answers at that door. */
static bool name_is_valid(const gb_hello *hello, gb_slice name)
{
    return (hello->role == GB_ROLE_CLIENT && name.len == 0) || gb_name_validate(name) == GB_OK;
}

static bool hello_is_consistent(const gb_hello *hello)
{
    if (hello->protocol_min == 0 || hello->protocol_min > hello->protocol_max) {
        return false;
    }
    if (hello->role < GB_ROLE_MEMBER || hello->role > GB_ROLE_CLIENT) {
        return false;
    }
    /* A client is nobody's participant and need not count its lives. The WELCOME to a client has
     * its role, and the generation of the node that answers. */
    return hello->generation != 0 || hello->role == GB_ROLE_CLIENT;
}

static gb_err hello_check(uint8_t frame_type, const gb_hello *hello)
{
    if (frame_type != GB_FRAME_HELLO && frame_type != GB_FRAME_WELCOME) {
        return GB_EINVAL;
    }
    if (!hello_is_consistent(hello) || (hello->flags & ~HELLO_FLAGS) != 0) {
        return GB_EINVAL;
    }
    if (frame_type == GB_FRAME_WELCOME && hello->protocol_min != hello->protocol_max) {
        return GB_EINVAL;
    }
    if (!name_is_valid(hello, hello->cluster) || !name_is_valid(hello, hello->name)) {
        return GB_ENAME;
    }
    if (!gb_addresses_are_valid(hello->addresses, hello->address_count) ||
        !gb_observed_is_valid(&hello->observed)) {
        return GB_EINVAL;
    }
    return GB_OK;
}

gb_err gb_hello_encode(gb_out *out, uint8_t frame_type, uint32_t request_id, const gb_hello *hello)
{
    gb_err err = hello_check(frame_type, hello);
    if (err != GB_OK) {
        return err;
    }
    size_t size = gb_varint_size(hello->protocol_min) + gb_varint_size(hello->protocol_max) +
                  gb_varint_size(hello->features) + 1 + 1 +
                  gb_writer_slice_size(hello->cluster.len) + gb_writer_slice_size(hello->name.len) +
                  gb_varint_size(hello->generation) + 8 + 8 +
                  gb_addresses_size(hello->addresses, hello->address_count) +
                  gb_address_size(&hello->observed);
    gb_writer writer;
    err = gb_out_frame_open(out, size, &writer);
    if (err != GB_OK) {
        return err;
    }
    gb_writer_varint(&writer, hello->protocol_min);
    gb_writer_varint(&writer, hello->protocol_max);
    gb_writer_varint(&writer, hello->features);
    gb_writer_u8(&writer, hello->role);
    gb_writer_u8(&writer, hello->flags);
    gb_writer_slice(&writer, hello->cluster);
    gb_writer_slice(&writer, hello->name);
    gb_writer_varint(&writer, hello->generation);
    gb_writer_be64(&writer, hello->instance);
    gb_writer_be64(&writer, hello->map_hash);
    gb_addresses_write(&writer, hello->addresses, hello->address_count);
    gb_address_write(&writer, &hello->observed);
    gb_out_frame_close(out, &writer, size, frame_type, request_id);
    return GB_OK;
}

gb_err gb_hello_decode(gb_slice payload, gb_hello *hello)
{
    gb_reader reader;
    gb_reader_init(&reader, payload);
    gb_hello result = {0};

    result.protocol_min = (uint32_t)gb_read_varint(&reader, UINT32_MAX);
    result.protocol_max = (uint32_t)gb_read_varint(&reader, UINT32_MAX);
    result.features = gb_reader_varint(&reader);
    result.role = gb_reader_u8(&reader);
    /* Bits of later versions are not ours to judge. */
    result.flags = gb_reader_u8(&reader) & HELLO_FLAGS;
    result.cluster = gb_read_bytes(&reader, GB_NAME_SIZE_MAX, GB_EMALFORMED);
    result.name = gb_read_bytes(&reader, GB_NAME_SIZE_MAX, GB_EMALFORMED);
    result.generation = gb_reader_varint(&reader);
    result.instance = gb_reader_be64(&reader);
    result.map_hash = gb_reader_be64(&reader);
    gb_addresses_read(&reader, result.addresses, &result.address_count);
    gb_observed_read(&reader, &result.observed);
    /* Bytes after this are fields of later versions. */
    if (reader.err != GB_OK) {
        return reader.err;
    }
    if (!hello_is_consistent(&result) || !name_is_valid(&result, result.cluster) ||
        !name_is_valid(&result, result.name)) {
        return GB_EMALFORMED;
    }
    *hello = result;
    return GB_OK;
}
