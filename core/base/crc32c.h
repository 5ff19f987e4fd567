/* SPDX-License-Identifier: MIT
 *
 * CRC-32C (Castagnoli), by table or by the processor's instruction; both give the same sums.
 */
#ifndef PERIGEE_BASE_CRC32C_H
#define PERIGEE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues from `sum` (0 to start). */
uint32_t crc32c(uint32_t sum, const void *bytes, size_t n);
uint32_t crc32c_table(uint32_t sum, const void *bytes, size_t n); /* the portable one, for tests */

#endif
