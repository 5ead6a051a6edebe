#include "image/image_reader.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/crc32c.h"
#include "base/siphash.h"
#include "image/image_data_reader.h"

namespace forkstore {

namespace {

Status Corrupt(const std::string& what) {
  return Status(Code::kCorrupt, "image: " + what);
}

bool AllZero(const void* data, uint64_t bytes) {
  const uint8_t* begin = static_cast<const uint8_t*>(data);
  return std::all_of(begin, begin + bytes, [](uint8_t byte) { return byte == 0; });
}

// Page-aligned memory, as O_DIRECT wants it.
class PageBuffer {
 public:
  PageBuffer() = default;
  ~PageBuffer() {
    if (memory_ != nullptr) munmap(memory_, bytes_);
  }
  PageBuffer(const PageBuffer&) = delete;
  PageBuffer& operator=(const PageBuffer&) = delete;

  // Reads a section of the file. REQUIRES: it lies inside the file, so that no length that a file only
  // claims to have is allocated; called once.
  Status ReadFrom(ImageFile* file, uint64_t position, uint64_t bytes) {
    if (bytes == 0) return Status::Ok();
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return Status(Code::kIo, "no memory to read an image with", errno);
    memory_ = memory;
    bytes_ = bytes;
    return file->ReadAt(position, memory, bytes);
  }

  template <typename T>
  const T* As() const {
    return static_cast<const T*>(memory_);
  }
  const uint8_t* bytes() const { return As<uint8_t>(); }

 private:
  void* memory_ = nullptr;
  uint64_t bytes_ = 0;
};

// A copy of `block` with its checksum field 0 is what the checksum is of.
template <typename Block>
bool ChecksumIsGood(const Block& block) {
  const uint32_t zero = 0;
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(&block);
  const size_t field = offsetof(Block, crc);
  uint32_t crc = Crc32c(bytes, field);
  crc = Crc32c(&zero, sizeof(zero), crc);
  crc = Crc32c(bytes + field + sizeof(zero), sizeof(Block) - field - sizeof(zero), crc);
  return crc == block.crc;
}

// In this order, which no version may change: nothing is believed, not even a version number, before the
// checksum is good.
Status CheckHeader(const ImageHeader& header) {
  if (memcmp(header.magic, kImageHeaderMagic, sizeof(kImageHeaderMagic)) != 0) {
    return Corrupt("not a file of this kind");
  }
  if (!ChecksumIsGood(header)) return Corrupt("bad checksum of the header");
  if (header.byte_order != kByteOrderMark) return Status(Code::kVersion, "image: another byte order");
  if (header.version < kOldestFormatVersion || header.version > kFormatVersion) {
    return Status(Code::kVersion, "image: format version " + std::to_string(header.version) +
                                      "; this library reads versions " +
                                      std::to_string(kOldestFormatVersion) + " to " +
                                      std::to_string(kFormatVersion));
  }
  if (header.page_bytes != kPageBytes || header.unit_bytes != kUnitBytes ||
      header.chunk_bytes != kChunkBytes || !AllZero(header.zero, sizeof(header.zero))) {
    return Corrupt("header fields that no writer of this version writes");
  }
  if (header.units > kMaxArenaBytes / kUnitBytes) return Corrupt("more units than a store can have");
  if (header.generation == 0 || header.generation > kMaxGeneration) {
    return Corrupt("a generation that no store counts up to");
  }
  return Status::Ok();
}

// Whether the file's length is what the header says; *layout is usable only then.
bool LengthIsRight(const ImageHeader& header, uint64_t file_bytes, ImageLayout* layout) {
  // First the counts alone, so that nothing wraps in the sums.
  if (header.data_units > header.units || header.units > file_bytes / 4 ||
      header.data_units > file_bytes / kUnitBytes) {
    return false;
  }
  *layout = LayOutImage(header.units, header.data_units);
  return layout->file_bytes == file_bytes;
}

Status CheckFooter(const ImageFooter& footer, const ImageHeader& header, uint64_t file_bytes) {
  if (memcmp(footer.magic, kImageFooterMagic, sizeof(kImageFooterMagic)) != 0) return Corrupt("no footer");
  if (!ChecksumIsGood(footer)) return Corrupt("bad checksum of the footer");
  if (footer.file_bytes != file_bytes) return Corrupt("the footer tells of another length");
  if (footer.store_id != header.store_id || footer.generation != header.generation) {
    return Corrupt("header and footer are of different files");
  }
  if (!AllZero(footer.zero, sizeof(footer.zero))) {
    return Corrupt("footer fields that no writer of this version writes");
  }
  return Status::Ok();
}

uint64_t Digest(const ImageHeader& header, uint32_t table_crc, const void* checksums, uint64_t bytes) {
  SipHash24 digest(HashSeed{});
  digest.Update(&header, sizeof(header));
  digest.Update(&table_crc, sizeof(table_crc));
  if (bytes > 0) digest.Update(checksums, bytes);
  return digest.Finish();
}

// Units up to the first, or up to `end`, that was not read, and is therefore not populated. Unit 0 does not
// count as one: nothing is ever kept there.
uint64_t LeadingUnits(const std::vector<uint32_t>& table, uint64_t end) {
  uint64_t units = 1;
  while (units < end && UnitHasData(table[units])) ++units;
  return units == 1 ? 0 : units;
}

}  // namespace

Status ReadImage(ImageFile* file, Arena* arena, ImageInfo* info) {
  const uint64_t file_bytes = file->size();
  if (file_bytes < sizeof(ImageHeader)) return Corrupt("the file ends too early");
  PageBuffer header_block;
  if (Status status = header_block.ReadFrom(file, 0, sizeof(ImageHeader)); !status.ok()) return status;
  const ImageHeader& header = *header_block.As<ImageHeader>();
  if (Status status = CheckHeader(header); !status.ok()) return status;
  ImageLayout layout;
  if (!LengthIsRight(header, file_bytes, &layout)) return Corrupt("the file's length is not what it says");

  PageBuffer footer_block;
  if (Status status = footer_block.ReadFrom(file, layout.footer_position, sizeof(ImageFooter));
      !status.ok()) {
    return status;
  }
  const ImageFooter& footer = *footer_block.As<ImageFooter>();
  if (Status status = CheckFooter(footer, header, file_bytes); !status.ok()) return status;

  PageBuffer table;
  const uint64_t padded_table_bytes = layout.data_position - kTablePosition;
  if (Status status = table.ReadFrom(file, kTablePosition, padded_table_bytes); !status.ok()) return status;
  if (Crc32c(table.bytes(), padded_table_bytes) != footer.table_crc) {
    return Corrupt("bad checksum of the unit table");
  }
  PageBuffer checksums;
  const uint64_t checksum_bytes = layout.chunks * 4;
  const uint64_t padded_checksum_bytes = layout.footer_position - layout.checksums_position;
  if (Status status = checksums.ReadFrom(file, layout.checksums_position, padded_checksum_bytes);
      !status.ok()) {
    return status;
  }
  if (Digest(header, footer.table_crc, checksums.bytes(), checksum_bytes) != footer.digest) {
    return Corrupt("bad digest");
  }
  // No checksum covers the padding of the checksums themselves.
  if (!AllZero(table.bytes() + layout.table_bytes, padded_table_bytes - layout.table_bytes) ||
      !AllZero(checksums.bytes() + checksum_bytes, padded_checksum_bytes - checksum_bytes)) {
    return Corrupt("padding that is not 0");
  }
  const uint32_t* entries = table.As<uint32_t>();
  if (static_cast<uint64_t>(std::count_if(entries, entries + header.units, UnitHasData)) !=
      header.data_units) {
    return Corrupt("the unit table and the header disagree");
  }
  if (header.units > arena->reserved_bytes() / kUnitBytes) {
    return Status(Code::kFull,
                  "the image needs " + std::to_string(header.units * kUnitBytes) +
                      " bytes of address space; " +
                      (arena->reserved_bytes() < arena->wanted_bytes() ? "no more could be reserved than "
                                                                       : "maxBytes leaves it ") +
                      std::to_string(arena->reserved_bytes()));
  }
  const ImageData data{
      file, arena, entries, header.units, header.data_units, layout.data_position, checksums.As<uint32_t>()};
  uint64_t touched;
  if (Status status = ReadImageData(data, &touched); !status.ok()) return status;

  info->store_id = header.store_id;
  info->generation = header.generation;
  info->entries = footer.entries;
  info->writes = footer.writes;
  info->file_bytes = file_bytes;
  info->created_ms = header.created_ms;
  info->table.assign(entries, entries + header.units);
  const uint64_t populated = LeadingUnits(info->table, touched / kUnitBytes) * kUnitBytes;
  if (arena->populated() < populated) arena->SetPopulated(populated);
  return Status::Ok();
}

}  // namespace forkstore
