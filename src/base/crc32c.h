// SPDX-License-Identifier: MIT
// CRC-32C, the checksum of iSCSI (RFC 3720, B.4) and of the PROXY protocol.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Of more bytes behind those that gave crc; 0 to begin with.
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
