/* SPDX-License-Identifier: Apache-2.0 */
/* records.c: values that nodes put into their membership lane.
 *
 * A record reaches nodes of other versions through relays, past every negotiation, so flags and
 * bytes that a later version added are ignored here. */
#include "codec/fields.h"
#include "codec/out.h"

#define NODE_RECORD_FLAGS (GB_NODE_RECORD_HAS_DETECTOR | GB_NODE_RECORD_LEFT)

/* Reserve `size` bytes at the end of `out`, without a frame around them. */
static gb_err records_open(gb_out *out, size_t size, gb_writer *writer)
{
    gb_err err = gb_out_reserve(out, size);
    if (err == GB_OK) {
        gb_writer_init(writer, out->base + out->len, size);
    }
    return err;
}

static void records_close(gb_out *out, const gb_writer *writer)
{
    GB_ASSERT(!writer->is_overflowed && writer->len == writer->capacity);
    out->len += writer->len;
}

gb_err gb_node_record_encode(gb_out *out, const gb_node_record *record)
{
    if ((record->flags & ~NODE_RECORD_FLAGS) != 0 ||
        !gb_addresses_are_valid(record->addresses, record->address_count)) {
        return GB_EINVAL;
    }
    size_t size = 1 + 8 + gb_varint_size(record->incarnation) +
                  gb_addresses_size(record->addresses, record->address_count);
    gb_writer writer;
    gb_err err = records_open(out, size, &writer);
    if (err != GB_OK) {
        return err;
    }
    gb_writer_u8(&writer, record->flags);
    gb_writer_be64(&writer, record->instance);
    gb_writer_varint(&writer, record->incarnation);
    gb_addresses_write(&writer, record->addresses, record->address_count);
    records_close(out, &writer);
    return GB_OK;
}

gb_err gb_node_record_decode(gb_slice value, gb_node_record *record)
{
    gb_reader reader;
    gb_reader_init(&reader, value);
    gb_node_record result = {0};
    result.flags = gb_reader_u8(&reader) & NODE_RECORD_FLAGS;
    result.instance = gb_reader_be64(&reader);
    result.incarnation = gb_reader_varint(&reader);
    gb_addresses_read(&reader, result.addresses, &result.address_count);
    if (reader.err != GB_OK) {
        return reader.err;
    }
    *record = result;
    return GB_OK;
}

gb_err gb_accusation_encode(gb_out *out, const gb_accusation *accusation)
{
    if (accusation->generation == 0 || accusation->reason > GB_ACCUSE_UNREACHABLE ||
        (accusation->flags & ~GB_ACCUSE_VERDICT) != 0) {
        return GB_EINVAL;
    }
    size_t size =
        gb_varint_size(accusation->generation) + gb_varint_size(accusation->incarnation) + 1 + 1;
    gb_writer writer;
    gb_err err = records_open(out, size, &writer);
    if (err != GB_OK) {
        return err;
    }
    gb_writer_varint(&writer, accusation->generation);
    gb_writer_varint(&writer, accusation->incarnation);
    gb_writer_u8(&writer, accusation->reason);
    gb_writer_u8(&writer, accusation->flags);
    records_close(out, &writer);
    return GB_OK;
}

gb_err gb_accusation_decode(gb_slice value, gb_accusation *accusation)
{
    gb_reader reader;
    gb_reader_init(&reader, value);
    gb_accusation result;
    result.generation = gb_read_positive(&reader);
    result.incarnation = gb_reader_varint(&reader);
    result.reason = gb_read_u8(&reader, GB_ACCUSE_UNREACHABLE);
    result.flags = gb_reader_u8(&reader) & GB_ACCUSE_VERDICT;
    if (reader.err != GB_OK) {
        return reader.err;
    }
    *accusation = result;
    return GB_OK;
}
