// The log's fixed parts; docs/format.md, section 7.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "image/image_format.h"

namespace forkstore {

inline constexpr uint32_t kLogVersion = 2;  // of segments
// Records of version 1 have no counts.
inline constexpr uint32_t kOldestLogVersion = 1;
inline constexpr uint32_t kManifestVersion = 1;

inline constexpr char kLogHeaderMagic[8] = {'F', 'O', 'R', 'K', 'S', 'L', 'O', 'G'};
inline constexpr char kManifestMagic[8] = {'F', 'O', 'R', 'K', 'S', 'M', 'A', 'N'};
inline constexpr uint64_t kLogHeaderBytes = 4096;
// Segments are numbered from 1 to here, as generations are.
inline constexpr uint64_t kMaxSegmentNumber = kMaxGeneration;

// The segment follows a failure: what comes before its first record need not be on disk.
inline constexpr uint32_t kLogAfterFailure = 1;

struct LogSegmentHeader {
  char magic[8];
  uint32_t version;
  uint32_t byte_order;
  uint32_t crc;
  uint32_t flags;
  uint64_t segment;
  StoreId store_id;
  uint64_t identity;
  uint64_t first_sequence;
  uint32_t first_fragment;
  uint32_t zero_word;
  uint64_t base_generation;
  uint8_t zero[kLogHeaderBytes - 80];
};
static_assert(sizeof(LogSegmentHeader) == kLogHeaderBytes);

inline constexpr uint32_t kLogLast = 1;
inline constexpr uint32_t kLogMark = 2;

struct LogRecordHeader {
  uint32_t length;
  uint32_t crc;
  uint64_t identity;
  uint64_t sequence;
  uint64_t durable;
  uint32_t fragment;
  uint32_t flags;
  uint32_t operations;
  // What the engine has counted once the record is applied; 0 in a MARK.
  uint32_t shapes;
  uint32_t maps;
  uint32_t zero;
  uint64_t next_node;
};
static_assert(sizeof(LogRecordHeader) == 64);

// In version 1 the header ends behind the first count, which is 0 there.
inline constexpr uint64_t kShortLogRecordHeaderBytes = 48;
inline uint64_t LogRecordHeaderBytes(uint32_t version) {
  return version == 1 ? kShortLogRecordHeaderBytes : sizeof(LogRecordHeader);
}

// Before each operation of a payload.
struct LogOperationHead {
  uint32_t length;
  uint32_t zero;
};
static_assert(sizeof(LogOperationHead) == 8);

// A place in the log: the record to come.
struct LogPosition {
  uint64_t sequence = 1;
  uint32_t fragment = 0;
  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

// "log-<20 digits>.log"
std::string LogSegmentName(uint64_t segment);
// False when `name` is not exactly of that form.
bool ParseLogSegmentName(const std::string& name, uint64_t* segment);

// Fills in magic, version, byte order and checksum.
void SealSegmentHeader(LogSegmentHeader* header);
// Checks magic, checksum, byte order, version, reserved bytes, number and store. Errors: kCorrupt, kVersion.
Status CheckSegmentHeader(const LogSegmentHeader& header, uint64_t segment, const StoreId& store_id);
// Over the first `header_bytes` of the header, and the payload; the header's own field counts as 0.
uint32_t LogRecordCrc(LogRecordHeader header, const void* payload,
                      uint64_t header_bytes = sizeof(LogRecordHeader));

}  // namespace forkstore
