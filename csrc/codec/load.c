/* SPDX-License-Identifier: Apache-2.0 */
/* load.c: what a node offers and may admit, in heartbeats and digests. */
#include "codec/fields.h"

bool gb_load_is_valid(const gb_load *load)
{
    return load->rho <= GB_RATE_MAX && load->tau <= GB_RATE_MAX &&
           load->moved <= (int64_t)GB_RATE_MAX && load->moved >= -(int64_t)GB_RATE_MAX;
}

size_t gb_load_size(const gb_load *load)
{
    return gb_varint_size(load->rho) + gb_varint_size(load->tau) +
           gb_varint_size(gb_zigzag_encode(load->moved));
}

void gb_load_write(gb_writer *writer, const gb_load *load)
{
    gb_writer_varint(writer, load->rho);
    gb_writer_varint(writer, load->tau);
    gb_writer_varint(writer, gb_zigzag_encode(load->moved));
}

void gb_load_read(gb_reader *reader, gb_load *load)
{
    load->rho = gb_read_varint(reader, GB_RATE_MAX);
    load->tau = gb_read_varint(reader, GB_RATE_MAX);
    load->moved = gb_zigzag_decode(gb_read_varint(reader, 2 * GB_RATE_MAX));
}
