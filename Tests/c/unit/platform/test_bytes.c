/* SPDX-License-Identifier: Apache-2.0 */
/* Readers never pass their end, writers never pass their capacity. */
#include "platform/bytes.h"

#include "support/gb_test.h"

GB_TEST(bytes, numbers_are_big_endian)
{
    uint8_t bytes[8];
    gb_store_be16(bytes, 0x0102);
    expect_bytes(bytes, ((const uint8_t[]){1, 2}), 2);
    expect_uint(gb_load_be16(bytes), 0x0102);
    gb_store_be32(bytes, 0xf1020304U);
    expect_bytes(bytes, ((const uint8_t[]){0xf1, 2, 3, 4}), 4);
    expect_uint(gb_load_be32(bytes), 0xf1020304U);
    gb_store_be64(bytes, UINT64_C(0xf102030405060708));
    expect_bytes(bytes, ((const uint8_t[]){0xf1, 2, 3, 4, 5, 6, 7, 8}), 8);
    expect_uint(gb_load_be64(bytes), UINT64_C(0xf102030405060708));
}

/* One of each field, 1 + 2 + 4 + 8 + 2 + (1 + 3) + 2 = 23 bytes. */
static void write_all(gb_writer *writer)
{
    gb_writer_u8(writer, 7);
    gb_writer_be16(writer, 0x1234);
    gb_writer_be32(writer, 0x12345678);
    gb_writer_be64(writer, UINT64_C(0x123456789abcdef0));
    gb_writer_varint(writer, 300);
    gb_writer_slice(writer, gb_slice_from_str("abc"));
    gb_writer_bytes(writer, gb_slice_from_str("de"));
}

#define ALL_SIZE 23

GB_TEST(bytes, what_is_written_is_read)
{
    uint8_t memory[ALL_SIZE];
    gb_writer writer;
    gb_writer_init(&writer, memory, sizeof memory);
    write_all(&writer);
    expect_false(writer.is_overflowed);
    expect_uint(writer.len, ALL_SIZE);
    expect_uint(gb_writer_remaining(&writer), 0);

    gb_reader reader;
    gb_reader_init(&reader, gb_writer_slice_of(&writer));
    expect_uint(gb_reader_u8(&reader), 7);
    expect_uint(gb_reader_be16(&reader), 0x1234);
    expect_uint(gb_reader_be32(&reader), 0x12345678);
    expect_uint(gb_reader_be64(&reader), UINT64_C(0x123456789abcdef0));
    expect_uint(gb_reader_varint_max(&reader, 300), 300);
    expect_slice(gb_reader_slice(&reader, 3), gb_slice_from_str("abc"));
    expect_slice(gb_reader_bytes(&reader, 2), gb_slice_from_str("de"));
    expect_ok(gb_reader_finish(&reader));
}

GB_TEST(bytes, a_message_cut_anywhere_is_malformed)
{
    uint8_t memory[ALL_SIZE];
    gb_writer writer;
    gb_writer_init(&writer, memory, sizeof memory);
    write_all(&writer);
    for (size_t len = 0; len < ALL_SIZE; len++) {
        gb_reader reader;
        gb_reader_init(&reader, gb_slice_make(len == 0 ? NULL : memory, len));
        (void)gb_reader_u8(&reader);
        (void)gb_reader_be16(&reader);
        (void)gb_reader_be32(&reader);
        (void)gb_reader_be64(&reader);
        (void)gb_reader_varint(&reader);
        (void)gb_reader_slice(&reader, 3);
        (void)gb_reader_bytes(&reader, 2);
        expect_err(gb_reader_finish(&reader), GB_EMALFORMED);
        /* Sticky: nothing more comes out. */
        expect_uint(gb_reader_u8(&reader), 0);
        expect_uint(gb_reader_slice(&reader, 10).len, 0);
        expect_uint(gb_reader_remaining(&reader), 0);
    }
}

GB_TEST(bytes, a_capacity_too_small_by_any_amount_overflows)
{
    for (size_t capacity = 0; capacity < ALL_SIZE; capacity++) {
        uint8_t memory[ALL_SIZE + 1];
        memory[capacity] = 0xee;
        gb_writer writer;
        gb_writer_init(&writer, memory, capacity);
        write_all(&writer);
        expect_true(writer.is_overflowed);
        expect_true(writer.len <= capacity);
        expect_uint(memory[capacity], 0xee);
        size_t len = writer.len;
        gb_writer_u8(&writer, 1);
        expect_uint(writer.len, len);
    }
}

GB_TEST(bytes, a_slice_is_written_whole_or_not_at_all)
{
    uint8_t memory[4];
    gb_writer writer;
    gb_writer_init(&writer, memory, sizeof memory);
    gb_writer_u8(&writer, 1);
    size_t mark = gb_writer_mark(&writer);
    gb_writer_slice(&writer, gb_slice_from_str("abc"));
    expect_true(writer.is_overflowed);
    expect_uint(writer.len, 1);
    gb_writer_rewind(&writer, mark);
    gb_writer_slice(&writer, gb_slice_from_str("ab"));
    expect_false(writer.is_overflowed);
    expect_slice(gb_writer_slice_of(&writer), gb_slice_from_str("\x01\x02"
                                                                "ab"));
    expect_uint(gb_writer_slice_size(2), 3);
    expect_uint(gb_writer_slice_size(128), 130);
}

GB_TEST(bytes, bytes_left_over_are_malformed)
{
    gb_reader reader;
    gb_reader_init(&reader, gb_slice_from_str("ab"));
    (void)gb_reader_u8(&reader);
    expect_err(gb_reader_finish(&reader), GB_EMALFORMED);
    gb_reader_init(&reader, gb_slice_make(NULL, 0));
    expect_ok(gb_reader_finish(&reader));
    expect_uint(gb_reader_bytes(&reader, 0).len, 0);
    expect_ok(gb_reader_finish(&reader));
}

GB_TEST(bytes, a_length_over_its_limit_is_too_big_even_if_the_bytes_are_there)
{
    gb_reader reader;
    gb_reader_init(&reader, gb_slice_from_str("\x03"
                                              "abc"));
    expect_uint(gb_reader_slice(&reader, 2).len, 0);
    expect_err(reader.err, GB_ETOOBIG);
    /* The first failure stays. */
    gb_reader_fail(&reader, GB_EMALFORMED);
    expect_err(gb_reader_finish(&reader), GB_ETOOBIG);
}

GB_TEST(bytes, a_length_of_64_bits_does_not_wrap)
{
    uint8_t memory[12];
    gb_writer writer;
    gb_writer_init(&writer, memory, sizeof memory);
    gb_writer_varint(&writer, UINT64_MAX);
    gb_writer_u8(&writer, 'x');
    gb_reader reader;
    gb_reader_init(&reader, gb_writer_slice_of(&writer));
    expect_uint(gb_reader_slice(&reader, SIZE_MAX).len, 0);
    expect_err(gb_reader_finish(&reader), GB_EMALFORMED);
}

GB_TEST(types, slices_are_compared_by_bytes_then_length)
{
    gb_slice empty = gb_slice_from_str(NULL);
    gb_slice a = gb_slice_from_str("a");
    gb_slice ab = gb_slice_from_str("ab");
    gb_slice b = gb_slice_from_str("b");
    expect_true(gb_slice_equal(empty, gb_slice_from_str("")));
    expect_false(gb_slice_equal(a, ab));
    expect_false(gb_slice_equal(a, b));
    expect_true(gb_slice_compare(empty, a) < 0);
    expect_true(gb_slice_compare(a, ab) < 0);
    expect_true(gb_slice_compare(b, ab) > 0);
    expect_int(gb_slice_compare(ab, ab), 0);
}
