// CRC-32C (Castagnoli polynomial, as in iSCSI, RFC 3720): SSE4.2 or ARMv8 instructions where the
// processor has them, tables elsewhere. Async-signal-safe after the first call in the process.
#pragma once

#include <cstddef>
#include <cstdint>

namespace forkstore {

// The checksum of A followed by B is Crc32c(B, n, Crc32c(A, m)).
uint32_t Crc32c(const void* data, size_t bytes, uint32_t crc = 0);

}  // namespace forkstore
