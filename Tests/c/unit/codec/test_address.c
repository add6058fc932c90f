/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: what can be dialled, and what was merely seen. */
#include "codec/fields.h"

#include "unit/codec/samples.h"

GB_TEST(address, only_what_can_be_dialled_is_advertised)
{
    uint8_t host[256];
    memset(host, 'x', sizeof host);
    const gb_address good = {GB_SCOPE_LOCAL, gb_slice_make(host, 255), 1};
    expect_true(gb_addresses_are_valid(&good, 1));
    expect_true(gb_addresses_are_valid(NULL, 0));
    gb_address bad = good;
    bad.scope = 0;
    expect_false(gb_addresses_are_valid(&bad, 1));
    bad.scope = 4;
    expect_false(gb_addresses_are_valid(&bad, 1));
    bad = good;
    bad.port = 0;
    expect_false(gb_addresses_are_valid(&bad, 1));
    bad = good;
    bad.host.len = 0;
    expect_false(gb_addresses_are_valid(&bad, 1));
    bad.host.len = 256;
    expect_false(gb_addresses_are_valid(&bad, 1));
    bad.host = S("a\0b");
    expect_false(gb_addresses_are_valid(&bad, 1));
}

GB_TEST(address, an_observed_address_may_lack_scope_and_port)
{
    const gb_address seen = {0, S("::1"), 0};
    expect_true(gb_observed_is_valid(&seen));
    const gb_address nothing = {0};
    expect_true(gb_observed_is_valid(&nothing));
    const gb_address scope_of_nothing = {GB_SCOPE_LOCAL, S(""), 0};
    expect_false(gb_observed_is_valid(&scope_of_nothing));
    const gb_address port_of_nothing = {0, S(""), 1};
    expect_false(gb_observed_is_valid(&port_of_nothing));
}

GB_TEST(address, size_and_bytes_agree)
{
    const gb_address addresses[] = {{GB_SCOPE_LOCAL, S("a"), 1},
                                    {GB_SCOPE_PUBLIC, S("host.example"), 65535}};
    uint8_t bytes[64];
    gb_writer writer;
    gb_writer_init(&writer, bytes, sizeof bytes);
    gb_addresses_write(&writer, addresses, 2);
    expect_uint(writer.len, gb_addresses_size(addresses, 2));
    static const uint8_t expected[] = {2,   1,   1,   'a', 1,   3,   12,  'h', 'o',  's',  't',
                                       '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0xff, 0xff, 3};
    expect_slice(gb_slice_make(bytes, writer.len), gb_slice_make(expected, sizeof expected));

    gb_address read[GB_HELLO_ADDRESSES_MAX];
    uint8_t count;
    gb_reader reader;
    gb_reader_init(&reader, gb_slice_make(bytes, writer.len));
    gb_addresses_read(&reader, read, &count);
    expect_ok(gb_reader_finish(&reader));
    expect_uint(count, 2);
    expect_uint(read[1].port, 65535);
    expect_slice(read[1].host, S("host.example"));
}

GB_TEST(address, a_port_over_sixteen_bits_is_malformed)
{
    static const uint8_t bytes[] = {1, 1, 1, 'a', 0x80, 0x80, 0x04};
    gb_address read[GB_HELLO_ADDRESSES_MAX];
    uint8_t count;
    gb_reader reader;
    gb_reader_init(&reader, gb_slice_make(bytes, sizeof bytes));
    gb_addresses_read(&reader, read, &count);
    expect_err(reader.err, GB_EMALFORMED);
}
