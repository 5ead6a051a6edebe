#include "log/log_format.h"

#include <cstddef>
#include <cstring>
#include <string_view>

#include "base/crc32c.h"

namespace forkstore {

namespace {

constexpr std::string_view kPrefix = "log-";
constexpr std::string_view kSuffix = ".log";
constexpr size_t kDigits = 20;

uint32_t HeaderCrc(LogSegmentHeader header) {
  header.crc = 0;
  return Crc32c(&header, sizeof(header));
}

}  // namespace

std::string LogSegmentName(uint64_t segment) {
  const std::string digits = std::to_string(segment);
  return std::string(kPrefix) + std::string(kDigits - digits.size(), '0') + digits + std::string(kSuffix);
}

bool ParseLogSegmentName(const std::string& name, uint64_t* segment) {
  if (name.size() != kPrefix.size() + kDigits + kSuffix.size()) return false;
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return false;
  uint64_t value = 0;
  for (const char digit : std::string_view(name).substr(kPrefix.size(), kDigits)) {
    if (digit < '0' || digit > '9') return false;
    value = value * 10 + static_cast<uint64_t>(digit - '0');
    if (value > kMaxSegmentNumber) return false;
  }
  *segment = value;
  return value > 0;
}

void SealSegmentHeader(LogSegmentHeader* header) {
  memcpy(header->magic, kLogHeaderMagic, sizeof(kLogHeaderMagic));
  header->version = kLogVersion;
  header->byte_order = kByteOrderMark;
  header->crc = HeaderCrc(*header);
}

Status CheckSegmentHeader(const LogSegmentHeader& header, uint64_t segment, const StoreId& store_id) {
  if (memcmp(header.magic, kLogHeaderMagic, sizeof(kLogHeaderMagic)) != 0) {
    return Status(Code::kCorrupt, "the header is not that of a segment");
  }
  if (header.crc != HeaderCrc(header)) return Status(Code::kCorrupt, "the header's checksum is wrong");
  if (header.byte_order != kByteOrderMark) {
    return Status(Code::kVersion, "the segment was written with another byte order");
  }
  if (header.version < kOldestLogVersion || header.version > kLogVersion) {
    return Status(Code::kVersion, "the segment is of format version " + std::to_string(header.version));
  }
  if (header.store_id != store_id) return Status(Code::kCorrupt, "the segment belongs to another store");
  if (header.segment != segment) return Status(Code::kCorrupt, "the file's name is not that of its segment");
  bool zero = header.zero_word == 0 && (header.flags & ~kLogAfterFailure) == 0;
  for (const uint8_t byte : header.zero) zero = zero && byte == 0;
  if (!zero || header.identity == 0 || header.first_sequence == 0 ||
      header.base_generation > kMaxGeneration) {
    return Status(Code::kCorrupt, "the header's fields are not those of a segment");
  }
  return Status::Ok();
}

uint32_t LogRecordCrc(LogRecordHeader header, const void* payload, uint64_t header_bytes) {
  header.crc = 0;
  return Crc32c(payload, header.length, Crc32c(&header, header_bytes));
}

}  // namespace forkstore
