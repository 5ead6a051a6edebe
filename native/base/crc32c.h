// CRC-32C (Castagnoli polynomial, as in iSCSI, RFC 3720): SSE4.2 or ARMv8 instructions where the
// processor has them, tables elsewhere. Async-signal-safe: all tables are compile-time constants.
#pragma once

#include <cstddef>
#include <cstdint>

namespace forkstore {

// The checksum of A followed by B is Crc32c(B, n, Crc32c(A, m)).
uint32_t Crc32c(const void* data, size_t bytes, uint32_t crc = 0);

// The same for so many bytes of 0, which need not be anywhere.
uint32_t Crc32cZeros(uint64_t bytes, uint32_t crc = 0);

// The same by tables alone: what runs where there are no such instructions, open to tests everywhere.
uint32_t Crc32cPortable(const void* data, size_t bytes, uint32_t crc = 0);

}  // namespace forkstore
