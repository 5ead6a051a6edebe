// Any bytes whatever are a legal log: a manifest and segments. What counts of it is replayed, and what was
// found must be the same from wherever one begins. Of the first byte
//   bit 0  says that all bytes stay as they are. Else headers, identities and checksums are made good first,
//          without which almost no input would come past them;
//   bit 1  that there is a chain, cut out of the rest by ReadChain(). Else the rest is one segment, behind a
//          base that names it;
//   bit 2  that segments made good are of version 2 (else of version 1, whose records have no counts).
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "log/log_manifest.h"
#include "log/log_opening.h"
#include "log/log_recovery.h"

namespace {

using forkstore::kLogHeaderBytes;
using forkstore::LogBase;
using forkstore::LogRecordHeader;
using forkstore::LogSegmentHeader;
using Bytes = std::vector<uint8_t>;
using Files = std::map<std::string, Bytes>;

constexpr uint64_t kMostSegments = 8;

uint64_t IdentityOf(uint64_t segment) {
  return 6 + segment;
}

class MemoryFile final : public forkstore::LogFile {
 public:
  explicit MemoryFile(const Bytes* bytes) : bytes_(*bytes) {}
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
  const Bytes& bytes_;
};

class MemoryFiles final : public forkstore::LogFileSystem {
 public:
  explicit MemoryFiles(const Files* files) : files_(*files) {}
  int Create(const std::string&, std::unique_ptr<forkstore::LogFile>*) override { return EROFS; }
  int Open(const std::string& name, std::unique_ptr<forkstore::LogFile>* file) override {
    const auto found = files_.find(name);
    if (found == files_.end()) return ENOENT;
    *file = std::make_unique<MemoryFile>(&found->second);
    return 0;
  }
  int Rename(const std::string&, const std::string&) override { return EROFS; }
  int Remove(const std::string&) override { return EROFS; }
  int SyncDirectory() override { return 0; }
  int List(std::vector<std::string>* names) override {
    for (const auto& [name, bytes] : files_) names->push_back(name);
    return 0;
  }

 private:
  const Files& files_;
};

void RepairRecords(uint64_t identity, uint32_t version, Bytes* file) {
  const uint64_t header_bytes = forkstore::LogRecordHeaderBytes(version);
  for (uint64_t at = kLogHeaderBytes; at + header_bytes <= file->size();) {
    LogRecordHeader record{};
    memcpy(&record, file->data() + at, header_bytes);
    if (record.length > file->size() - at - header_bytes) return;
    record.identity = identity;
    record.crc = LogRecordCrc(record, file->data() + at + header_bytes, header_bytes);
    memcpy(file->data() + at, &record, header_bytes);
    at += header_bytes + forkstore::RoundUp(record.length, 8);
  }
}

// `records` behind a header, which would be most of an input.
Bytes MakeSegment(uint32_t version, uint64_t segment, uint64_t first_sequence, uint32_t first_fragment,
                  uint32_t flags, Bytes records) {
  LogSegmentHeader header{};
  header.segment = segment;
  header.identity = IdentityOf(segment);
  header.first_sequence = first_sequence;
  header.first_fragment = first_fragment;
  header.flags = flags;
  header.base_generation = segment;
  SealSegmentHeader(&header);
  header.version = version;
  header.crc = 0;
  header.crc = forkstore::Crc32c(&header, sizeof(header));
  const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
  records.insert(records.begin(), bytes, bytes + sizeof(header));
  RepairRecords(header.identity, version, &records);
  return records;
}

// Of three bytes for each entry: how much the generation rises, segment, first sequence.
Bytes MakeManifest(const Bytes& entries) {
  Bytes manifest(64);
  memcpy(manifest.data(), forkstore::kManifestMagic, sizeof(forkstore::kManifestMagic));
  manifest[8] = static_cast<uint8_t>(forkstore::kManifestVersion);
  manifest[32] = static_cast<uint8_t>(entries.size() / 3);
  uint64_t generation = 0;
  for (size_t i = 0; i + 3 <= entries.size(); i += 3) {
    generation += entries[i];
    const uint64_t segment = entries[i + 1];
    const LogBase base{generation, segment, segment == 0 ? 0 : IdentityOf(segment), entries[i + 2]};
    const auto* bytes = reinterpret_cast<const uint8_t*>(&base);
    manifest.insert(manifest.end(), bytes, bytes + sizeof(base));
  }
  const uint32_t crc = forkstore::Crc32c(manifest.data(), manifest.size());
  memcpy(manifest.data() + 12, &crc, sizeof(crc));
  return manifest;
}

// The input from its beginning on.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : next_(data), left_(size) {}
  bool done() const { return left_ == 0; }
  uint8_t Byte() {
    if (left_ == 0) return 0;
    --left_;
    return *next_++;
  }
  // As many as the next two bytes say.
  Bytes Piece() {
    const size_t low = Byte();
    const size_t wanted = std::min(left_, low | static_cast<size_t>(Byte()) << 8);
    Bytes piece(next_, next_ + wanted);
    next_ += wanted;
    left_ -= wanted;
    return piece;
  }

 private:
  const uint8_t* next_;
  size_t left_;
};

// The manifest's piece; then for each segment: by how much more than one its number rises, its first sequence
// and fragment, flags (bit 0: AFTER_FAILURE; bit 1: the header is spoiled), its piece.
Files ReadChain(Input input, bool as_it_is, uint32_t version) {
  Files files;
  const Bytes manifest = input.Piece();
  files[forkstore::kManifestName] = as_it_is ? manifest : MakeManifest(manifest);
  uint64_t segment = 0;
  while (!input.done() && files.size() <= kMostSegments) {
    segment += 1 + input.Byte() % 3;
    const uint8_t first_sequence = input.Byte();
    const uint8_t first_fragment = input.Byte();
    const uint8_t flags = input.Byte();
    Bytes& file = files[forkstore::LogSegmentName(segment)];
    file = input.Piece();
    if (as_it_is) continue;
    file = MakeSegment(version, segment, first_sequence, first_fragment, flags & 1, std::move(file));
    if ((flags & 2) != 0) file[20] ^= 2;
  }
  return files;
}

const forkstore::StoreId kStoreId{};

void Check(bool holds) {
  if (!holds) abort();
}

// Scans from one base on, replays, and holds the one against the other. False when the log cannot be read.
bool ReadFrom(const Files& files, const LogBase& base, forkstore::LogScan* scan) {
  MemoryFiles system(&files);
  if (!ScanLog(&system, kStoreId, base, scan).ok()) return false;
  if (base.segment == 0) return true;
  Check(scan->next.sequence == base.first_sequence + scan->batches && scan->next.fragment == 0);
  Check(scan->damaged != scan->damage.empty());
  for (const forkstore::LogTail& tail : scan->tails) {
    const Bytes& file = files.at(tail.file);
    Check(tail.offset + tail.bytes <= file.size() && file[tail.offset + tail.bytes - 1] != 0);
  }
  uint64_t last = 0;
  for (const forkstore::LogRange& range : scan->ranges) {
    Check(range.segment > last && range.end <= files.at(forkstore::LogSegmentName(range.segment)).size());
    last = range.segment;
  }
  for (const uint64_t segment : scan->void_segments) Check(segment > last);
  std::unique_ptr<forkstore::Engine> engine;
  Check(forkstore::Engine::CreateEmpty({forkstore::kMinArenaBytes, false}, &engine).ok());
  forkstore::ReplayResult result;
  if (!ReplayLog(&system, kStoreId, *scan, scan->next.sequence, engine.get(), nullptr, nullptr, &result).ok())
    return false;
  Check(result.refused != (result.batches == scan->batches));
  return true;
}

// All that opening may ask of the files.
void ReadAll(const Files& files) {
  MemoryFiles system(&files);
  bool holds = false;
  if (!LogHoldsRecords(&system, kStoreId, &holds).ok()) return;
  forkstore::Manifest manifest;
  bool found = false;
  if (!ReadManifest(&system, &manifest, &found).ok()) return;
  Check(found);
  std::vector<forkstore::LogScan> scans(manifest.bases.size());
  for (size_t i = 0; i < scans.size(); ++i) {
    LogBase by_header;
    if (!FindBase(&system, kStoreId, manifest.bases[i].generation, &by_header).ok()) return;
    if (!ReadFrom(files, manifest.bases[i], &scans[i])) return;
  }
  // Whichever generation is loaded, the log ends in the same place.
  for (size_t i = 1; i < scans.size(); ++i) {
    const auto& ranges = scans[0].ranges;
    const bool reached = std::any_of(ranges.begin(), ranges.end(), [&](const forkstore::LogRange& range) {
      return range.segment == manifest.bases[i].segment;
    });
    if (reached && !scans[0].damaged && !scans[i].damaged) Check(scans[0].next == scans[i].next);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const bool as_it_is = data[0] % 2 != 0;
  const uint32_t version = (data[0] & 4) != 0 ? 2 : 1;
  if ((data[0] & 2) != 0) {
    ReadAll(ReadChain({data + 1, size - 1}, as_it_is, version));
    return 0;
  }
  Bytes rest(data + 1, data + size);
  const Files files = {
      {forkstore::LogSegmentName(1), as_it_is ? rest : MakeSegment(version, 1, 1, 0, 0, std::move(rest))}};
  forkstore::LogScan scan;
  ReadFrom(files, {1, 1, IdentityOf(1), 1}, &scan);
  return 0;
}
