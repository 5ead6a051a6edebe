#include "base/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

// Every table is a compile-time constant, so that the first call may come from a signal handler or a
// forked child.

namespace forkstore {
namespace {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

constexpr uint32_t kPolynomial = 0x82F63B78;  // reflected

using ByteTable = std::array<uint32_t, 256>;

// tables[k][b]: the register after the byte b and then k zero bytes, starting from 0.
constexpr std::array<ByteTable, 8> MakeByteTables() {
  std::array<ByteTable, 8> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = before >> 8 ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}
constexpr std::array<ByteTable, 8> kByteTables = MakeByteTables();

uint64_t Load64(const uint8_t* p) {
  uint64_t word;
  std::memcpy(&word, p, 8);
  return word;
}

// Eight table lookups a word ("slicing by 8": Kounavis, Berry, 2005).
uint32_t UpdateWithTables(uint32_t crc, const uint8_t* p, size_t bytes) {
  for (; bytes >= 8; p += 8, bytes -= 8) {
    const uint64_t word = Load64(p) ^ crc;
    crc = 0;
    for (size_t i = 0; i < 8; ++i) crc ^= kByteTables[7 - i][word >> (8 * i) & 0xFF];
  }
  for (; bytes > 0; ++p, --bytes) crc = crc >> 8 ^ kByteTables[0][(crc ^ *p) & 0xFF];
  return crc;
}

#if defined(__x86_64__) || (defined(__aarch64__) && defined(__linux__))

#if defined(__x86_64__)
#define FORKSTORE_CRC_TARGET __attribute__((target("sse4.2")))

bool HasInstructions() {
  return __builtin_cpu_supports("sse4.2");
}
FORKSTORE_CRC_TARGET inline uint32_t Step8(uint32_t crc, uint64_t word) {
  return static_cast<uint32_t>(_mm_crc32_u64(crc, word));
}
FORKSTORE_CRC_TARGET inline uint32_t Step1(uint32_t crc, uint8_t byte) {
  return _mm_crc32_u8(crc, byte);
}

#else
#define FORKSTORE_CRC_TARGET

bool HasInstructions() {
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}
inline uint32_t Step8(uint32_t crc, uint64_t word) {
  asm(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
  return crc;
}
inline uint32_t Step1(uint32_t crc, uint8_t byte) {
  asm(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"(static_cast<uint32_t>(byte)));
  return crc;
}
#endif

// The instruction takes a word a cycle but answers after three: three independent streams keep it
// busy. Their registers are put together by the linear map "followed by n zero bytes", kept as
// four tables, one for each byte of the register.
using ShiftTables = std::array<ByteTable, 4>;

constexpr uint32_t ApplyColumns(const std::array<uint32_t, 32>& columns, uint32_t vector) {
  uint32_t sum = 0;
  for (size_t bit = 0; bit < 32; ++bit) {
    if (vector >> bit & 1) sum ^= columns[bit];
  }
  return sum;
}

constexpr ShiftTables MakeShiftTables(int log2_bytes) {
  std::array<uint32_t, 32> columns{};
  for (uint32_t bit = 0; bit < 32; ++bit) {
    const uint32_t crc = uint32_t{1} << bit;
    columns[bit] = crc >> 8 ^ kByteTables[0][crc & 0xFF];
  }
  for (int i = 0; i < log2_bytes; ++i) {
    std::array<uint32_t, 32> squared{};
    for (size_t bit = 0; bit < 32; ++bit) squared[bit] = ApplyColumns(columns, columns[bit]);
    columns = squared;
  }
  ShiftTables tables{};
  for (uint32_t k = 0; k < 4; ++k) {
    for (uint32_t byte = 0; byte < 256; ++byte) tables[k][byte] = ApplyColumns(columns, byte << (8 * k));
  }
  return tables;
}

constexpr int kLog2LongStream = 12;
constexpr int kLog2ShortStream = 7;
constexpr ShiftTables kLongShift = MakeShiftTables(kLog2LongStream);
constexpr ShiftTables kShortShift = MakeShiftTables(kLog2ShortStream);

uint32_t Shift(const ShiftTables& tables, uint32_t crc) {
  return tables[0][crc & 0xFF] ^ tables[1][crc >> 8 & 0xFF] ^ tables[2][crc >> 16 & 0xFF] ^
         tables[3][crc >> 24];
}

// As many triples of streams as fit; moves *p and *bytes on.
FORKSTORE_CRC_TARGET uint32_t UpdateTriples(uint32_t crc, const uint8_t** p, size_t* bytes, int log2_stream,
                                            const ShiftTables& shift) {
  const size_t stream = size_t{1} << log2_stream;
  while (*bytes >= 3 * stream) {
    const uint8_t* at = *p;
    uint32_t second = 0;
    uint32_t third = 0;
    for (const uint8_t* const end = at + stream; at < end; at += 8) {
      crc = Step8(crc, Load64(at));
      second = Step8(second, Load64(at + stream));
      third = Step8(third, Load64(at + 2 * stream));
    }
    crc = Shift(shift, Shift(shift, crc) ^ second) ^ third;
    *p += 3 * stream;
    *bytes -= 3 * stream;
  }
  return crc;
}

FORKSTORE_CRC_TARGET uint32_t UpdateWithInstructions(uint32_t crc, const uint8_t* p, size_t bytes) {
  crc = UpdateTriples(crc, &p, &bytes, kLog2LongStream, kLongShift);
  crc = UpdateTriples(crc, &p, &bytes, kLog2ShortStream, kShortShift);
  for (; bytes >= 8; p += 8, bytes -= 8) crc = Step8(crc, Load64(p));
  for (; bytes > 0; ++p, --bytes) crc = Step1(crc, *p);
  return crc;
}

#else
bool HasInstructions() {
  return false;
}
uint32_t UpdateWithInstructions(uint32_t crc, const uint8_t* p, size_t bytes) {
  return UpdateWithTables(crc, p, bytes);
}
#endif

}  // namespace

uint32_t Crc32c(const void* data, size_t bytes, uint32_t crc) {
  const uint8_t* p = static_cast<const uint8_t*>(data);
  return HasInstructions() ? ~UpdateWithInstructions(~crc, p, bytes) : ~UpdateWithTables(~crc, p, bytes);
}

uint32_t Crc32cPortable(const void* data, size_t bytes, uint32_t crc) {
  return ~UpdateWithTables(~crc, static_cast<const uint8_t*>(data), bytes);
}

uint32_t Crc32cZeros(uint64_t bytes, uint32_t crc) {
  static constexpr uint8_t kZeros[4096] = {};
  for (; bytes > sizeof(kZeros); bytes -= sizeof(kZeros)) crc = Crc32c(kZeros, sizeof(kZeros), crc);
  return Crc32c(kZeros, bytes, crc);
}

}  // namespace forkstore
