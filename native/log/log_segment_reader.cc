#include "log/log_segment_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "engine/operation.h"
#include "files/file_descriptor.h"

namespace forkstore {

namespace {

constexpr uint64_t kReadBytes = uint64_t{1} << 20;

LogRecordHeader HeaderAt(const uint8_t* bytes, uint64_t header_bytes) {
  LogRecordHeader header{};
  memcpy(&header, bytes, header_bytes);
  return header;
}

// What every header of this format's writer satisfies; cheap, so that few candidates cost a checksum.
bool Plausible(const LogRecordHeader& header, uint64_t header_bytes) {
  if (header.zero != 0 || header.length % 8 != 0 || header.sequence == 0) return false;
  const bool counts = (header.shapes | header.maps | header.next_node) != 0;
  if (header_bytes == kShortLogRecordHeaderBytes && counts) return false;
  if (header.flags == kLogMark) {
    return header.length == 0 && header.fragment == 0 && header.operations == 0 && !counts &&
           header.durable == header.sequence;
  }
  return (header.flags & ~kLogLast) == 0 && header.durable < header.sequence;
}

bool OperationsFill(const LogRecordHeader& header, const uint8_t* payload) {
  uint64_t at = 0;
  uint32_t count = 0;
  while (at < header.length) {
    LogOperationHead head;
    memcpy(&head, payload + at, sizeof(head));
    at += sizeof(head);
    if (head.zero != 0 || head.length < kOperationHeadBytes) return false;
    const uint64_t padded = RoundUp(uint64_t{head.length}, 8);
    if (padded > header.length - at) return false;
    for (uint64_t i = head.length; i < padded; ++i) {
      if (payload[at + i] != 0) return false;
    }
    at += padded;
    ++count;
  }
  return count == header.operations;
}

}  // namespace

LogSegmentReader::LogSegmentReader(std::unique_ptr<LogFile> file, std::string name)
    : file_(std::move(file)), name_(std::move(name)) {}

LogSegmentReader::~LogSegmentReader() = default;

Status LogSegmentReader::Failure(const char* what, int error) const {
  return Status(Code::kIo, std::string(what) + " " + name_ + ": " + ErrorText(error), error);
}

int LogSegmentReader::ReadAll(uint64_t begin, uint64_t bytes, uint8_t* out) {
  size_t got = 0;
  const int error = ReadAllAt(file_.get(), begin, out, bytes, &got);
  return error == 0 && got < bytes ? ENODATA : error;
}

int LogSegmentReader::ReadData(uint64_t begin, uint64_t bytes) {
  uint64_t data;
  uint64_t end = begin;
  for (;;) {
    const uint64_t from = end;
    if (const int error = file_->NextData(end, &data, &end); error != 0) return error;
    data = std::min(data, begin + bytes);
    end = std::min(end, begin + bytes);
    if (data >= end) data = begin + bytes;
    if (data > from) holes_.push_back({from, data});
    if (data >= end) break;
    if (const int error = ReadAll(data, end - data, buffer_.get() + (data - begin)); error != 0) return error;
  }
  const int error = file_->Size(&end);
  return error == 0 && end < begin + bytes ? ENODATA : error;
}

Status LogSegmentReader::Window(uint64_t offset, uint64_t bytes, const uint8_t** at) {
  *at = nullptr;
  if (offset > size_ || bytes > size_ - offset) return Status::Ok();
  if (offset < window_begin_ || offset + bytes > window_begin_ + window_bytes_) {
    const uint64_t begin = offset / 8 * 8;
    const uint64_t wanted = std::min(std::max(offset - begin + bytes, kReadBytes), size_ - begin);
    window_bytes_ = 0;
    holes_.clear();
    if (wanted > capacity_ || wanted > kReadBytes) {
      // Not new: it would end the process when a hostile length asks for more than there is. And zeros, so
      // that what is a hole in the file need not be read: so long a window takes memory by what there is.
      buffer_.reset();
      buffer_.reset(static_cast<uint8_t*>(calloc(wanted, 1)));
      capacity_ = buffer_ ? wanted : 0;
      if (!buffer_) return Failure("no memory to read", ENOMEM);
    }
    const int error = wanted > kReadBytes ? ReadData(begin, wanted) : ReadAll(begin, wanted, buffer_.get());
    if (error == ENODATA) return Failure("the file has become shorter:", EIO);
    if (error != 0) return Failure("cannot read", error);
    window_begin_ = begin;
    window_bytes_ = wanted;
  }
  *at = buffer_.get() + (offset - window_begin_);
  return Status::Ok();
}

uint32_t LogSegmentReader::RecordCrc(const LogRecordHeader& header, uint64_t offset,
                                     uint64_t header_bytes) const {
  const uint64_t at = offset + header_bytes;
  const uint8_t* payload = buffer_.get() + (at - window_begin_);
  LogRecordHeader head = header;
  head.crc = 0;
  const auto hole_from = [this](uint64_t position) {
    const auto hole = std::partition_point(holes_.begin(), holes_.end(),
                                           [=](const Hole& each) { return each.end <= position; });
    return hole == holes_.end() ? kNoHole : *hole;
  };
  return Crc32cAroundHoles(payload, at, header.length, hole_from, Crc32c(&head, header_bytes));
}

void LogSegmentReader::DropLargeWindow() {
  if (capacity_ <= kReadBytes) return;
  buffer_.reset();
  capacity_ = window_bytes_ = 0;
}

Status LogSegmentReader::ReadHeader(uint64_t segment, const StoreId& store_id) {
  if (int error = file_->Size(&size_); error != 0) return Failure("cannot read", error);
  if (int error = file_->DataEnd(&data_end_); error != 0) return Failure("cannot read", error);
  const uint8_t* at = nullptr;
  const uint64_t bytes = std::min(size_, uint64_t{sizeof(header_)});
  if (Status status = Window(0, bytes, &at); !status.ok()) return status;
  header_ = {};
  if (bytes > 0) memcpy(static_cast<void*>(&header_), at, bytes);
  if (bytes < sizeof(header_)) return Status(Code::kCorrupt, "the file is shorter than its header");
  return CheckSegmentHeader(header_, segment, store_id);
}

Status LogSegmentReader::Read(uint64_t offset, LogRecord* record, Find* find) {
  *find = Find::kNothing;
  const uint8_t* at = nullptr;
  const uint64_t header_bytes = LogRecordHeaderBytes(header_.version);
  if (Status status = Window(offset, header_bytes, &at); !status.ok()) return status;
  if (at == nullptr) return Status::Ok();
  const LogRecordHeader header = HeaderAt(at, header_bytes);
  if (header.identity != header_.identity) return Status::Ok();
  const uint64_t bytes = header_bytes + header.length;
  if (Status status = Window(offset, bytes, &at); !status.ok()) return status;
  if (at == nullptr || RecordCrc(header, offset, header_bytes) != header.crc) {
    return Status::Ok();
  }
  *record = {header, at + header_bytes, offset, offset + bytes};
  const bool good = Plausible(header, header_bytes) && OperationsFill(header, record->payload);
  *find = good ? Find::kGood : Find::kMalformed;
  return Status::Ok();
}

Status LogSegmentReader::FindWitness(uint64_t offset, uint64_t missing, bool any_identity, bool* found,
                                     uint64_t* where) {
  *found = false;
  DropLargeWindow();
  // A file full of what looks like records must not cost its length squared. No writer leaves such a file, so
  // it is called damaged.
  uint64_t budget = 4 * size_ + kReadBytes;
  // Without a good header nobody knows the version.
  std::vector<uint64_t> lengths = {LogRecordHeaderBytes(header_.version)};
  if (any_identity) lengths = {kShortLogRecordHeaderBytes, sizeof(LogRecordHeader)};
  for (offset = RoundUp(offset, 8); offset < data_end_; offset += 8) {
    for (const uint64_t header_bytes : lengths) {
      const uint8_t* at = nullptr;
      if (Status status = Window(offset, header_bytes, &at); !status.ok()) return status;
      if (at == nullptr) break;  // beyond the file
      const LogRecordHeader header = HeaderAt(at, header_bytes);
      if (any_identity ? header.identity == 0 || header.sequence < missing
                       : header.identity != header_.identity || header.durable < missing) {
        continue;
      }
      if (!Plausible(header, header_bytes) || header.length > size_ - offset - header_bytes) continue;
      const uint64_t bytes = header_bytes + header.length;
      *where = offset;
      *found = bytes > budget;
      if (*found) return Status::Ok();
      budget -= bytes;
      if (Status status = Window(offset, bytes, &at); !status.ok()) return status;
      *found = RecordCrc(header, offset, header_bytes) == header.crc;
      if (*found) return Status::Ok();
      DropLargeWindow();
    }
  }
  return Status::Ok();
}

Status LogSegmentReader::EndOfContent(uint64_t offset, uint64_t* end) {
  *end = offset;
  DropLargeWindow();
  while (offset < data_end_) {
    const uint64_t bytes = std::min(kReadBytes, data_end_ - offset);
    const uint8_t* at = nullptr;
    if (Status status = Window(offset, bytes, &at); !status.ok()) return status;
    uint64_t last = bytes;
    while (last > 0 && at[last - 1] == 0) --last;
    if (last > 0) *end = offset + last;
    offset += bytes;
  }
  return Status::Ok();
}

}  // namespace forkstore
