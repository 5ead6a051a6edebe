#include "image/image_writer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/crc32c.h"
#include "base/siphash.h"
#include "image/paced_file.h"

namespace forkstore {

Status ImageWriterSpace::Create(const ImageSource& source, std::unique_ptr<ImageWriterSpace>* space) {
  // As if no unit were free: the count is the child's work, and untouched memory costs nothing.
  const uint64_t max_chunks = LayOutImage(source.units, source.units).chunks;
  const uint64_t bytes = 2 * kImageBlockBytes + kStagingBytes + RoundUp(max_chunks * 4, kImageBlockBytes);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return Status(Code::kIo, "no memory to write an image with", errno);
  space->reset(new ImageWriterSpace);
  (*space)->memory_ = static_cast<uint8_t*>(memory);
  (*space)->memory_bytes_ = bytes;
  (*space)->max_chunks_ = max_chunks;
  return Status::Ok();
}

ImageWriterSpace::~ImageWriterSpace() {
  munmap(memory_, memory_bytes_);
}

namespace {

uint64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

class ImageWriter {
 public:
  ImageWriter(const ImageSource& source, ImageChunks* chunks, int fd, ImageWriterSpace* space,
              ImageProgress progress, void* context, const PaceLimits& pace)
      : source_(source),
        chunks_(chunks),
        space_(space),
        progress_(progress),
        context_(context),
        file_(fd),
        pace_(pace) {}

  ImageWriteResult Run() {
    uint64_t data_units = 0;
    for (uint64_t unit = 0; unit < source_.units; ++unit) data_units += UnitHasData(source_.table[unit]);
    layout_ = LayOutImage(source_.units, data_units);
    const bool written = file_.Reserve(layout_.file_bytes) && WriteHeader(data_units) && WriteTable() &&
                         WriteData() && WriteChecksums() && WriteFooter() && file_.Sync();
    ImageWriteResult result;
    result.direct = file_.direct();
    result.file_bytes = file_.written_bytes();
    if (written) return result;
    result.gone = is_gone_;
    result.error = cancelled_ ? ECANCELED : is_gone_ ? ENOBUFS : file_.error();
    result.call = cancelled_ ? "progress" : is_gone_ ? "copy" : file_.call();
    return result;
  }

 private:
  bool Report() {
    if (progress_(context_, file_.written_bytes())) return true;
    cancelled_ = true;
    return false;
  }

  bool Write(uint64_t position, const void* data, uint64_t bytes) {
    for (uint64_t done = 0; done < bytes;) {
      const uint64_t piece = std::min(bytes - done, pace_.piece_bytes());
      if (!WritePiece(position + done, static_cast<const uint8_t*>(data) + done, piece)) return false;
      done += piece;
    }
    return true;
  }

  // And rests. (clock_nanosleep, as all that is called here, is async-signal-safe.)
  bool WritePiece(uint64_t position, const uint8_t* data, uint64_t bytes) {
    const uint64_t began_ns = NowNs();
    if (!file_.WriteAt(position, data, bytes)) return false;
    pace_.Wrote(bytes, began_ns, NowNs());
    for (;;) {
      if (!Report()) return false;
      const uint64_t sleep_ns = pace_.SleepNs(NowNs());
      if (sleep_ns == 0) return true;
      const timespec time{0, static_cast<long>(sleep_ns)};
      clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);
    }
  }

  bool WriteHeader(uint64_t data_units) {
    ImageHeader* header = space_->header();
    memset(header, 0, sizeof(*header));
    memcpy(header->magic, kImageHeaderMagic, sizeof(header->magic));
    header->version = kFormatVersion;
    header->byte_order = kByteOrderMark;
    header->page_bytes = kPageBytes;
    header->unit_bytes = kUnitBytes;
    header->chunk_bytes = kChunkBytes;
    header->store_id = source_.store_id;
    header->generation = source_.generation;
    header->units = source_.units;
    header->data_units = data_units;
    header->created_ms = source_.created_ms;
    header->crc = Crc32c(header, sizeof(*header));
    return Write(0, header, sizeof(*header));
  }

  bool WriteTable() {
    const uint8_t* table = reinterpret_cast<const uint8_t*>(source_.table);
    for (uint64_t done = 0; done < layout_.table_bytes;) {
      const uint64_t bytes = std::min(layout_.table_bytes - done, ImageWriterSpace::kStagingBytes);
      const uint64_t padded = RoundUp(bytes, kImageBlockBytes);
      memcpy(space_->staging(), table + done, bytes);
      memset(space_->staging() + bytes, 0, padded - bytes);
      table_crc_ = Crc32c(space_->staging(), padded, table_crc_);
      if (!Write(kTablePosition + done, space_->staging(), padded)) return false;
      done += bytes;
    }
    return true;
  }

  // Not straight from the arena's pages: to write a page with O_DIRECT the kernel pins it, and since Linux
  // 5.19 it first makes a private copy of a page that is still shared with the parent. Every page would be
  // copied, one fault each, and stay: twice the memory. (Measured on 6.18: all of a 100 MiB arena was private
  // to the child in the end.) Copying into the same few pages again and again costs less than those faults.
  bool WriteData() {
    for (uint64_t i = 0; i < layout_.chunks; ++i) {
      const uint64_t chunk = chunks_->Next();
      const uint64_t bytes = std::min(kChunkBytes, layout_.data_bytes - chunk * kChunkBytes);
      is_gone_ = !chunks_->Read(chunk, space_->staging());
      if (is_gone_) return false;
      space_->checksums()[chunk] = Crc32c(space_->staging(), bytes);
      const uint64_t position = layout_.data_position + chunk * kChunkBytes;
      if (!Write(position, space_->staging(), bytes)) return false;
    }
    return true;
  }

  bool WriteChecksums() {
    const uint64_t bytes = layout_.footer_position - layout_.checksums_position;
    return bytes == 0 || Write(layout_.checksums_position, space_->checksums(), bytes);
  }

  bool WriteFooter() {
    SipHash24 digest(HashSeed{});
    digest.Update(space_->header(), sizeof(ImageHeader));
    digest.Update(&table_crc_, sizeof(table_crc_));
    digest.Update(space_->checksums(), layout_.chunks * 4);
    ImageFooter* footer = space_->footer();
    memset(footer, 0, sizeof(*footer));
    memcpy(footer->magic, kImageFooterMagic, sizeof(footer->magic));
    footer->table_crc = table_crc_;
    footer->file_bytes = layout_.file_bytes;
    footer->entries = source_.entries;
    footer->writes = source_.writes;
    footer->digest = digest.Finish();
    footer->store_id = source_.store_id;
    footer->generation = source_.generation;
    footer->crc = Crc32c(footer, sizeof(*footer));
    return Write(layout_.footer_position, footer, sizeof(*footer));
  }

  const ImageSource& source_;
  ImageChunks* chunks_;
  ImageWriterSpace* space_;
  ImageProgress progress_;
  void* context_;
  PacedFile file_;
  Pace pace_;
  ImageLayout layout_{};
  uint32_t table_crc_ = 0;
  bool cancelled_ = false;
  bool is_gone_ = false;
};

}  // namespace

bool ArenaChunks::Read(uint64_t /*chunk*/, uint8_t* to) {
  for (uint64_t bytes = 0; bytes < kChunkBytes && unit_ < source_.units; ++unit_) {
    if (!UnitHasData(source_.table[unit_])) continue;
    memcpy(to + bytes, source_.arena_base + unit_ * kUnitBytes, kUnitBytes);
    bytes += kUnitBytes;
  }
  return true;
}

ImageWriteResult WriteImage(const ImageSource& source, ImageChunks* chunks, int fd, ImageWriterSpace* space,
                            ImageProgress progress, void* context, const PaceLimits& pace) {
  return ImageWriter(source, chunks, fd, space, progress, context, pace).Run();
}

ImageWriteResult WriteImage(const ImageSource& source, int fd, ImageWriterSpace* space,
                            ImageProgress progress, void* context, const PaceLimits& pace) {
  ArenaChunks chunks(source);
  return WriteImage(source, &chunks, fd, space, progress, context, pace);
}

}  // namespace forkstore
