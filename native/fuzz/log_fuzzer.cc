// Any bytes whatever are a legal segment. The first byte says whether header and records are made good first
// (checksums, identity), without which almost no input would come past them; the rest is the file, behind a
// base that names it. What counts of it is replayed, and read once more by a plain walk over the bytes.
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "persist/log_recovery.h"

namespace {

using forkstore::kLogHeaderBytes;
using forkstore::LogRecordHeader;
using forkstore::LogSegmentHeader;

constexpr uint64_t kIdentity = 7;

class MemoryFile final : public forkstore::LogFile {
 public:
  explicit MemoryFile(const std::vector<uint8_t>* bytes) : bytes_(*bytes) {}
  int WriteAt(uint64_t, const void*, size_t, size_t*) override { return EROFS; }
  int ReadAt(uint64_t position, void* out, size_t bytes, size_t* got) override {
    *got = position >= bytes_.size() ? 0 : std::min<uint64_t>(bytes, bytes_.size() - position);
    if (*got > 0) memcpy(out, bytes_.data() + position, *got);
    return 0;
  }
  int DataSync() override { return 0; }
  int Allocate(uint64_t) override { return EROFS; }
  int Truncate(uint64_t) override { return EROFS; }
  int Size(uint64_t* bytes) override {
    *bytes = bytes_.size();
    return 0;
  }
  void DropCache() override {}

 private:
  const std::vector<uint8_t>& bytes_;
};

// One segment.
class MemoryFiles final : public forkstore::LogFileSystem {
 public:
  explicit MemoryFiles(const std::vector<uint8_t>* bytes) : bytes_(bytes) {}
  int Create(const std::string&, std::unique_ptr<forkstore::LogFile>*) override { return EROFS; }
  int Open(const std::string& name, std::unique_ptr<forkstore::LogFile>* file) override {
    if (name != forkstore::LogSegmentName(1)) return ENOENT;
    *file = std::make_unique<MemoryFile>(bytes_);
    return 0;
  }
  int Rename(const std::string&, const std::string&) override { return EROFS; }
  int Remove(const std::string&) override { return EROFS; }
  int SyncDirectory() override { return 0; }
  int List(std::vector<std::string>* names) override {
    *names = {forkstore::LogSegmentName(1)};
    return 0;
  }

 private:
  const std::vector<uint8_t>* bytes_;
};

void Repair(std::vector<uint8_t>* file) {
  if (file->size() < kLogHeaderBytes) file->resize(kLogHeaderBytes);
  LogSegmentHeader header{};
  header.segment = 1;
  header.identity = kIdentity;
  header.first_sequence = 1;
  SealSegmentHeader(&header);
  memcpy(file->data(), &header, sizeof(header));
  for (uint64_t at = kLogHeaderBytes; at + sizeof(LogRecordHeader) <= file->size();) {
    LogRecordHeader record;
    memcpy(&record, file->data() + at, sizeof(record));
    if (record.length > file->size() - at - sizeof(record)) return;
    record.identity = kIdentity;
    record.crc = LogRecordCrc(record, file->data() + at + sizeof(record));
    memcpy(file->data() + at, &record, sizeof(record));
    at += sizeof(record) + forkstore::RoundUp(record.length, 8);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // The header, which would be most of an input, is made here; an odd first byte leaves the input as it is.
  std::vector<uint8_t> file(data + 1, data + size);
  if (data[0] % 2 == 0) {
    file.insert(file.begin(), kLogHeaderBytes, 0);
    Repair(&file);
  }
  MemoryFiles files(&file);
  const forkstore::LogBase base{1, 1, kIdentity, 1};
  forkstore::LogScan scan;
  const forkstore::StoreId store_id{};
  if (!ScanLog(&files, store_id, base, &scan).ok()) return 0;
  if (scan.next.sequence != 1 + scan.batches || scan.next.fragment != 0) abort();
  if (scan.damaged == scan.damage.empty()) abort();
  for (const forkstore::LogTail& tail : scan.tails) {
    if (tail.offset + tail.bytes > file.size() || file[tail.offset + tail.bytes - 1] == 0) abort();
  }
  std::unique_ptr<forkstore::Engine> engine;
  if (!forkstore::Engine::CreateEmpty({forkstore::kMinArenaBytes, false}, &engine).ok()) abort();
  forkstore::ReplayResult result;
  if (!ReplayLog(&files, store_id, scan, scan.next.sequence, engine.get(), nullptr, nullptr, &result).ok())
    return 0;
  if (result.refused == (result.batches == scan.batches)) abort();
  return 0;
}
