/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C by the processor's instruction, or by tables eight bytes a step. */
#include "platform/crc32c.h"

#include <string.h>

#include "platform/assert.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#define CRC_HARDWARE 1
#define CRC_TARGET __attribute__((target("sse4.2")))
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define CRC_HARDWARE 1
#define CRC_TARGET
#else
#define CRC_HARDWARE 0
#endif

/* The checksum is linear, so eight constants make a table: entry i is the xor of the constants of
 * the bits set in i. The compiler does the arithmetic; nothing is computed at start. */
#define CRC_BIT(i, bit, constant) (((i) >> (bit)) & 1 ? (constant) : 0U)
#define CRC_ENTRY(i, a, b, c, d, e, f, g, h)                                                       \
    (CRC_BIT(i, 0, a) ^ CRC_BIT(i, 1, b) ^ CRC_BIT(i, 2, c) ^ CRC_BIT(i, 3, d) ^                   \
     CRC_BIT(i, 4, e) ^ CRC_BIT(i, 5, f) ^ CRC_BIT(i, 6, g) ^ CRC_BIT(i, 7, h))
#define CRC_ENTRIES_4(i, ...)                                                                      \
    CRC_ENTRY(i, __VA_ARGS__), CRC_ENTRY((i) + 1, __VA_ARGS__), CRC_ENTRY((i) + 2, __VA_ARGS__),   \
        CRC_ENTRY((i) + 3, __VA_ARGS__)
#define CRC_ENTRIES_16(i, ...)                                                                     \
    CRC_ENTRIES_4(i, __VA_ARGS__), CRC_ENTRIES_4((i) + 4, __VA_ARGS__),                            \
        CRC_ENTRIES_4((i) + 8, __VA_ARGS__), CRC_ENTRIES_4((i) + 12, __VA_ARGS__)
#define CRC_ENTRIES_64(i, ...)                                                                     \
    CRC_ENTRIES_16(i, __VA_ARGS__), CRC_ENTRIES_16((i) + 16, __VA_ARGS__),                         \
        CRC_ENTRIES_16((i) + 32, __VA_ARGS__), CRC_ENTRIES_16((i) + 48, __VA_ARGS__)
#define CRC_TABLE(...)                                                                             \
    {                                                                                              \
        CRC_ENTRIES_64(0, __VA_ARGS__), CRC_ENTRIES_64(64, __VA_ARGS__),                           \
            CRC_ENTRIES_64(128, __VA_ARGS__), CRC_ENTRIES_64(192, __VA_ARGS__)                     \
    }

/* crc_tables[k][i]: the byte i followed by k zero bytes. The constants of row k are those of the
 * polynomial 0x82f63b78 (reflected) for the bytes 1, 2, 4, … 128. */
static const uint32_t crc_tables[8][256] = {
    CRC_TABLE(0xf26b8303U, 0xe13b70f7U, 0xc79a971fU, 0x8ad958cfU, 0x105ec76fU, 0x20bd8edeU,
              0x417b1dbcU, 0x82f63b78U),
    CRC_TABLE(0x13a29877U, 0x274530eeU, 0x4e8a61dcU, 0x9d14c3b8U, 0x3fc5f181U, 0x7f8be302U,
              0xff17c604U, 0xfbc3faf9U),
    CRC_TABLE(0xa541927eU, 0x4f6f520dU, 0x9edea41aU, 0x38513ec5U, 0x70a27d8aU, 0xe144fb14U,
              0xc76580d9U, 0x8b277743U),
    CRC_TABLE(0xdd45aab8U, 0xbf672381U, 0x7b2231f3U, 0xf64463e6U, 0xe964b13dU, 0xd725148bU,
              0xaba65fe7U, 0x52a0c93fU),
    CRC_TABLE(0x38116facU, 0x7022df58U, 0xe045beb0U, 0xc5670b91U, 0x8f2261d3U, 0x1ba8b557U,
              0x37516aaeU, 0x6ea2d55cU),
    CRC_TABLE(0xef306b19U, 0xdb8ca0c3U, 0xb2f53777U, 0x6006181fU, 0xc00c303eU, 0x85f4168dU,
              0x0e045bebU, 0x1c08b7d6U),
    CRC_TABLE(0x68032cc8U, 0xd0065990U, 0xa5e0c5d1U, 0x4e2dfd53U, 0x9c5bfaa6U, 0x3d5b83bdU,
              0x7ab7077aU, 0xf56e0ef4U),
    CRC_TABLE(0x493c7d27U, 0x9278fa4eU, 0x211d826dU, 0x423b04daU, 0x847609b4U, 0x0d006599U,
              0x1a00cb32U, 0x34019664U),
};

uint32_t gb_crc32c_portable(uint32_t crc, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    crc = ~crc;
    while (len >= 8) {
        /* Little-endian by hand: the same on every machine, one load on most. */
        uint32_t low = crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                              (uint32_t)at[3] << 24);
        crc = crc_tables[7][low & 0xff] ^ crc_tables[6][(low >> 8) & 0xff] ^
              crc_tables[5][(low >> 16) & 0xff] ^ crc_tables[4][low >> 24] ^ crc_tables[3][at[4]] ^
              crc_tables[2][at[5]] ^ crc_tables[1][at[6]] ^ crc_tables[0][at[7]];
        at += 8;
        len -= 8;
    }
    while (len > 0) {
        crc = (crc >> 8) ^ crc_tables[0][(crc ^ *at) & 0xff];
        at++;
        len--;
    }
    return ~crc;
}

#if CRC_HARDWARE

bool gb_crc32c_has_hardware(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("sse4.2") != 0;
#else
    return true; /* The compiler was told so: every processor it builds for has it. */
#endif
}

#if defined(__x86_64__)
#define CRC_STEP_8(crc, word) (uint32_t) _mm_crc32_u64((crc), (word))
#define CRC_STEP_1(crc, byte) _mm_crc32_u8((crc), (byte))
#else
#define CRC_STEP_8(crc, word) __crc32cd((crc), (word))
#define CRC_STEP_1(crc, byte) __crc32cb((crc), (byte))
#endif

CRC_TARGET static uint32_t crc_hardware(uint32_t crc, const uint8_t *at, size_t len)
{
    crc = ~crc;
    while (len >= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        crc = CRC_STEP_8(crc, word);
        at += 8;
        len -= 8;
    }
    while (len > 0) {
        crc = CRC_STEP_1(crc, *at);
        at++;
        len--;
    }
    return ~crc;
}

uint32_t gb_crc32c_hardware(uint32_t crc, const void *bytes, size_t len)
{
    GB_ASSERT(gb_crc32c_has_hardware());
    return crc_hardware(crc, bytes, len);
}

uint32_t gb_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    return gb_crc32c_has_hardware() ? crc_hardware(crc, bytes, len)
                                    : gb_crc32c_portable(crc, bytes, len);
}

#else

bool gb_crc32c_has_hardware(void)
{
    return false;
}

uint32_t gb_crc32c_hardware(uint32_t crc, const void *bytes, size_t len)
{
    GB_ASSERT(gb_crc32c_has_hardware());
    return gb_crc32c_portable(crc, bytes, len);
}

uint32_t gb_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    return gb_crc32c_portable(crc, bytes, len);
}

#endif
