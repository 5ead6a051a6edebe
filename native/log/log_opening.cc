#include "log/log_opening.h"

#include <algorithm>
#include <cerrno>

#include "files/file_descriptor.h"
#include "log/log_segment_reader.h"

namespace forkstore {

namespace {

constexpr uint64_t kCopyBytes = uint64_t{1} << 20;
constexpr int kTriesForAName = 1000;

Status Failure(const std::string& what, int error) {
  return Status(Code::kIo, what + ": " + ErrorText(error), error);
}

Status ListSegments(LogFileSystem* files, std::vector<uint64_t>* segments) {
  segments->clear();
  std::vector<std::string> names;
  if (int error = files->List(&names); error != 0) return Failure("cannot list the log", error);
  for (const std::string& name : names) {
    uint64_t segment;
    if (ParseLogSegmentName(name, &segment)) segments->push_back(segment);
  }
  std::sort(segments->begin(), segments->end());
  return Status::Ok();
}

// *header is kCorrupt where the header is not good.
Status OpenReader(LogFileSystem* files, const StoreId& store_id, uint64_t segment, Status* header,
                  std::unique_ptr<LogSegmentReader>* reader) {
  const std::string name = LogSegmentName(segment);
  std::unique_ptr<LogFile> file;
  if (int error = OpenFile(files, name, &file); error != 0) return Failure("cannot open " + name, error);
  *reader = std::make_unique<LogSegmentReader>(std::move(file), name);
  *header = (*reader)->ReadHeader(segment, store_id);
  return header->code() == Code::kIo ? *header : Status::Ok();
}

Status CopyFile(LogFileSystem* files, LogFile* from, const std::string& name, std::string* copy) {
  std::unique_ptr<LogFile> to;
  int error = EEXIST;
  for (int i = 0; error == EEXIST && i < kTriesForAName; ++i) {
    *copy = name + ".damaged" + (i == 0 ? "" : std::to_string(i));
    error = CreateFile(files, *copy, &to);
  }
  // What was preallocated is not read, as far as the file system can tell, and takes no space in the copy.
  uint64_t size = 0;
  uint64_t data_end = 0;
  if (error == 0) error = from->Size(&size);
  if (error == 0) error = from->DataEnd(&data_end);
  std::vector<uint8_t> bytes(kCopyBytes);
  for (uint64_t at = 0; error == 0 && at < data_end;) {
    size_t got = 0;
    error = ReadAllAt(from, at, bytes.data(), std::min(kCopyBytes, data_end - at), &got);
    if (error == 0 && got == 0) error = EIO;  // it has become shorter
    if (error != 0) break;
    const auto end = bytes.begin() + static_cast<std::ptrdiff_t>(got);
    const bool empty = std::all_of(bytes.begin(), end, [](uint8_t byte) { return byte == 0; });
    if (!empty) error = WriteAllAt(to.get(), at, bytes.data(), got);
    at += got;
  }
  if (error == 0) error = to->Truncate(size);
  if (error == 0) error = DataSync(to.get());
  return error == 0 ? Status::Ok() : Failure("cannot copy " + name + " to " + *copy, error);
}

}  // namespace

Status LogHoldsRecords(LogFileSystem* files, const StoreId& store_id, bool* holds) {
  *holds = false;
  std::vector<uint64_t> segments;
  if (Status status = ListSegments(files, &segments); !status.ok()) return status;
  for (const uint64_t segment : segments) {
    Status header;
    std::unique_ptr<LogSegmentReader> reader;
    if (Status status = OpenReader(files, store_id, segment, &header, &reader); !status.ok()) return status;
    uint64_t at = 0;
    if (Status status = reader->FindWitness(kLogHeaderBytes, 1, /*any_identity=*/true, holds, &at);
        !status.ok()) {
      return status;
    }
    if (*holds) return Status::Ok();
  }
  return Status::Ok();
}

Status FindBase(LogFileSystem* files, const StoreId& store_id, uint64_t generation, LogBase* base) {
  *base = {generation, 0, 0, 0};
  std::vector<uint64_t> segments;
  if (Status status = ListSegments(files, &segments); !status.ok()) return status;
  for (const uint64_t segment : segments) {
    Status header;
    std::unique_ptr<LogSegmentReader> reader;
    if (Status status = OpenReader(files, store_id, segment, &header, &reader); !status.ok()) return status;
    const LogSegmentHeader& is = reader->header();
    if (!header.ok() || is.base_generation != generation || is.first_fragment != 0) continue;
    *base = {generation, segment, is.identity, is.first_sequence};
  }
  return Status::Ok();
}

Status ListUntaken(LogFileSystem* files, const StoreId& store_id, const LogBase& base, const LogScan& scan,
                   uint64_t refused, std::vector<std::string>* names) {
  std::vector<uint64_t> segments;
  if (Status status = ListSegments(files, &segments); !status.ok()) return status;
  for (const uint64_t segment : segments) {
    if (base.segment != 0 && segment < base.segment) continue;
    Status header;
    std::unique_ptr<LogSegmentReader> reader;
    if (Status status = OpenReader(files, store_id, segment, &header, &reader); !status.ok()) return status;
    uint64_t taken = header.ok() ? kLogHeaderBytes : 0;
    if (header.ok() && (refused == 0 || segment < refused)) {
      for (const LogRange& range : scan.ranges) {
        if (range.segment == segment) taken = range.end;
      }
    }
    uint64_t end = 0;
    if (Status status = reader->EndOfContent(taken, &end); !status.ok()) return status;
    if (end > taken) names->push_back(reader->name());
  }
  return Status::Ok();
}

Status CopyAside(LogFileSystem* files, const std::vector<std::string>& names,
                 std::vector<std::string>* copies) {
  for (const std::string& name : names) {
    std::unique_ptr<LogFile> from;
    const int error = OpenFile(files, name, &from);
    if (error == ENOENT) continue;
    if (error != 0) return Failure("cannot open " + name, error);
    std::string copy;
    if (Status status = CopyFile(files, from.get(), name, &copy); !status.ok()) return status;
    copies->push_back(copy);
  }
  const int error = SyncDirectory(files);
  return error == 0 ? Status::Ok() : Failure("cannot sync the directory", error);
}

Status StartSegment(LogFileSystem* files, const StoreId& store_id, const LogPosition& position,
                    uint64_t base_generation, uint64_t highest, uint64_t segment_bytes, LogStart* start) {
  if (highest >= kMaxSegmentNumber) return Failure("there is no segment number left", EOVERFLOW);
  if (Status status = CreateSegment(files, highest + 1, segment_bytes, &start->segment); !status.ok()) {
    return status;
  }
  LogSegmentHeader header{};
  header.store_id = store_id;
  header.first_sequence = position.sequence;
  header.first_fragment = position.fragment;
  header.base_generation = base_generation;
  if (Status status = BeginSegment(&start->segment, header); !status.ok()) {
    start->segment.file.reset();
    files->Remove(LogSegmentName(start->segment.number));
    return status;
  }
  start->store_id = store_id;
  start->position = position;
  return Status::Ok();
}

Status RemoveSegments(LogFileSystem* files, const std::vector<uint64_t>& segments) {
  for (size_t left = segments.size(); left > 0; --left) {
    const std::string name = LogSegmentName(segments[left - 1]);
    int error = files->Remove(name);
    if (error != 0 && error != ENOENT) return Failure("cannot remove " + name, error);
    error = SyncDirectory(files);
    if (error != 0) return Failure("cannot sync the directory", error);
  }
  return Status::Ok();
}

void RemoveOtherSegments(LogFileSystem* files, uint64_t kept) {
  std::vector<uint64_t> segments;
  if (!ListSegments(files, &segments).ok()) return;
  for (const uint64_t segment : segments) {
    if (segment != kept) files->Remove(LogSegmentName(segment));
  }
}

void TidySegments(LogFileSystem* files, const LogScan& scan, const std::vector<LogBase>& bases) {
  std::vector<uint64_t> segments;
  if (!ListSegments(files, &segments).ok()) return;
  for (const uint64_t segment : segments) {
    if (!bases.empty() && segment < bases.front().segment) files->Remove(LogSegmentName(segment));
  }
  std::vector<uint64_t> empty;
  for (const LogRange& range : scan.ranges) {
    const bool base =
        std::any_of(bases.begin(), bases.end(), [&](const LogBase& b) { return b.segment == range.segment; });
    if (range.end == kLogHeaderBytes && !base) empty.push_back(range.segment);
  }
  if (!scan.ranges.empty() && (empty.empty() || empty.back() != scan.ranges.back().segment)) {
    const LogRange& last = scan.ranges.back();
    const std::string name = LogSegmentName(last.segment);
    uint64_t end = last.end;
    for (const LogTail& tail : scan.tails) {
      if (tail.file == name) end = std::max(end, tail.offset + tail.bytes);
    }
    std::unique_ptr<LogFile> file;
    uint64_t size = 0;
    if (OpenFile(files, name, &file) == 0 && file->Size(&size) == 0 && size > end) file->Truncate(end);
  }
  // From the highest down, as with void ones: fragments of a batch without its end do not follow on what is
  // left when the first ones are gone.
  static_cast<void>(RemoveSegments(files, empty));
}

Status GiveUpLog(LogFileSystem* files, const StoreId& store_id, uint64_t generation) {
  if (Status status = WriteManifest(files, {store_id, {{generation, 0, 0, 0}}}); !status.ok()) return status;
  std::vector<uint64_t> segments;
  if (Status status = ListSegments(files, &segments); !status.ok()) return status;
  if (Status status = RemoveSegments(files, segments); !status.ok()) return status;
  int error = files->Remove(kManifestName);
  if (error == 0) error = SyncDirectory(files);
  return error == 0 ? Status::Ok() : Failure("cannot remove the manifest", error);
}

}  // namespace forkstore
