/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli), the checksum of every frame. */
#ifndef GB_PLATFORM_CRC32C_H
#define GB_PLATFORM_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The checksum of `len` bytes, going on from `crc` (0 to begin): the checksum of a whole is that of
 * its parts in turn. Uses the processor's instruction where there is one. `bytes` may be NULL if
 * `len` is 0. */
uint32_t gb_crc32c(uint32_t crc, const void *bytes, size_t len);

/* The same by tables, eight bytes a step. */
uint32_t gb_crc32c_portable(uint32_t crc, const void *bytes, size_t len);

/* Does this processor have the instruction? */
bool gb_crc32c_has_hardware(void);

/* The same by the instruction. Only where gb_crc32c_has_hardware() says so: asserted. */
uint32_t gb_crc32c_hardware(uint32_t crc, const void *bytes, size_t len);

#endif
