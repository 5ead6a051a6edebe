#include "image/image_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "testing/image.h"
#include "testing/random_arena.h"
#include "testing/temporary_directory.h"

namespace forkstore {
namespace {

std::unique_ptr<Arena> FreshArena(uint64_t max_bytes = uint64_t{64} << 20) {
  std::unique_ptr<Arena> arena;
  EXPECT_TRUE(Arena::Create({max_bytes, false}, &arena).ok());
  return arena;
}

Status ReadBytesAsImage(const std::vector<uint8_t>& bytes, ImageInfo* info = nullptr) {
  // A copy without spare capacity, so that a sanitizer sees a read beyond the end.
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), exact.get());
  ImageInfo ignored;
  const std::unique_ptr<Arena> arena = FreshArena();
  return ReadImage(ImageFile::FromMemory(exact.get(), bytes.size()).get(), arena.get(),
                   info != nullptr ? info : &ignored);
}

TEST(ImageReader, ReadsWhatWasWritten) {
  TemporaryDirectory directory;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const uint64_t units = seed < 4 ? seed : seed * 37 % 900;
    const RandomArena source(seed, units, 1.0 - static_cast<double>(seed % 5) / 5);
    const std::vector<uint8_t> image = ReferenceImage(source.Source(seed + 1));
    for (const bool on_disk : {false, true}) {
      std::unique_ptr<ImageFile> file = ImageFile::FromMemory(image.data(), image.size());
      if (on_disk) {
        WriteFileBytes(directory.path() + "/image", image);
        ASSERT_TRUE(ImageFile::Open(AT_FDCWD, directory.path() + "/image", &file).ok());
      }
      const std::unique_ptr<Arena> arena = FreshArena();
      ImageInfo info;
      const Status status = ReadImage(file.get(), arena.get(), &info);
      ASSERT_TRUE(status.ok()) << status.message();
      EXPECT_EQ(info.generation, seed + 1);
      EXPECT_EQ(info.entries, 77u);
      EXPECT_EQ(info.writes, 88u);
      EXPECT_EQ(info.created_ms, 1.7e12);
      EXPECT_EQ(info.file_bytes, image.size());
      EXPECT_EQ(info.store_id, source.Source().store_id);
      EXPECT_EQ(info.table, source.table);
      EXPECT_TRUE(source.SameAs(*arena));
      EXPECT_EQ(arena->frontier(), 0u);
      arena->SetFrontier(units * kUnitBytes);
      EXPECT_EQ(arena->dirty_pages(), 0u);
    }
  }
}

TEST(ImageReader, TellsAsPopulatedOnlyWhatItRead) {
  const auto populated = [](const std::vector<uint32_t>& table) {
    RandomArena written(1, 0, 0);
    written.table = table;
    std::vector<uint8_t> image = ReferenceImage(written.Source());
    std::unique_ptr<Arena> arena;
    EXPECT_TRUE(Arena::Create({uint64_t{64} << 20, false}, &arena).ok());
    ImageInfo info;
    EXPECT_TRUE(ReadImage(ImageFile::FromMemory(image.data(), image.size()).get(), arena.get(), &info).ok());
    return arena->populated() / kUnitBytes;
  };
  EXPECT_EQ(populated({}), 0u);
  EXPECT_EQ(populated({0, 0, 0}), 0u);
  EXPECT_EQ(populated({0, 1, 1, 0, 1}), 3u);
  EXPECT_EQ(populated({0, 1, 1}), 3u);
  EXPECT_EQ(populated({0, 0, 1}), 0u);
}

TEST(ImageReader, ReadsAroundHoles) {
  TemporaryDirectory directory;
  RandomArena source(1, 20, 1.0);
  source.table[0] = 0;
  memset(source.arena->Write(9 * kUnitBytes + kPageBytes, 8 * kUnitBytes), 0, 8 * kUnitBytes);
  const std::vector<uint8_t> image = ReferenceImage(source.Source());
  const ImageLayout layout = LayOutImage(20, 19);
  const std::string name = directory.path() + "/image";
  WriteFileBytes(name, image);
  const int fd = open(name.c_str(), O_WRONLY);
  ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      static_cast<off_t>(layout.data_position + 8 * kUnitBytes + kPageBytes),
                      static_cast<off_t>(8 * kUnitBytes)),
            0);
  close(fd);
  std::unique_ptr<ImageFile> file;
  ASSERT_TRUE(ImageFile::Open(AT_FDCWD, name, &file).ok());
  const std::unique_ptr<Arena> arena = FreshArena();
  ImageInfo info;
  const Status status = ReadImage(file.get(), arena.get(), &info);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(source.SameAs(*arena));
  // Unit 9 is read in part.
  EXPECT_EQ(arena->populated() / kUnitBytes, 9u);
}

TEST(ImageReader, RefusesMoreUnitsThanThereAreAddresses) {
  RandomArena source(1, 0, 0);
  source.table.resize(kMaxArenaBytes / kUnitBytes + 1);
  EXPECT_EQ(ReadBytesAsImage(ReferenceImage(source.Source())).code(), Code::kCorrupt);
}

TEST(ImageReader, RefusesEveryTruncation) {
  const RandomArena source(1, 21, 0.9);
  const std::vector<uint8_t> image = ReferenceImage(source.Source());
  ASSERT_TRUE(ReadBytesAsImage(image).ok());
  for (size_t page = 0; page <= image.size(); page += 4096) {
    for (const size_t length : {page - 1, page, page + 1}) {
      if (length >= image.size()) continue;
      std::vector<uint8_t> cut(image.begin(), image.begin() + static_cast<ptrdiff_t>(length));
      EXPECT_EQ(ReadBytesAsImage(cut).code(), Code::kCorrupt) << length;
      if (length % 4096 != 0 || length < 8192) continue;
      // The same with a footer at its end again.
      memcpy(cut.data() + length - 4096, image.data() + image.size() - 4096, 4096);
      EXPECT_EQ(ReadBytesAsImage(cut).code(), Code::kCorrupt) << length;
    }
  }
}

TEST(ImageReader, RefusesEveryExtension) {
  const RandomArena source(1, 21, 0.9);
  const std::vector<uint8_t> image = ReferenceImage(source.Source());
  for (const size_t more : {size_t{1}, size_t{4095}, size_t{4096}, size_t{65536}, image.size()}) {
    std::vector<uint8_t> longer = image;
    longer.resize(image.size() + more);
    EXPECT_EQ(ReadBytesAsImage(longer).code(), Code::kCorrupt) << more;
    std::copy(image.end() - 4096, image.end(), longer.end() - 4096);
    EXPECT_EQ(ReadBytesAsImage(longer).code(), Code::kCorrupt) << more;
  }
}

TEST(ImageReader, RefusesAFlipInAnyWord) {
  const RandomArena source(5, 4, 0.7);
  std::vector<uint8_t> image = ReferenceImage(source.Source());
  ASSERT_TRUE(ReadBytesAsImage(image).ok());
  std::mt19937_64 random(1);
  // One thread and one arena for each would take minutes: the arena is reused, its contents do not matter.
  const std::unique_ptr<Arena> arena = FreshArena();
  const std::unique_ptr<ImageFile> file = ImageFile::FromMemory(image.data(), image.size());
  ImageInfo info;
  for (size_t word = 0; word < image.size(); word += 8) {
    const size_t byte = word + random() % 8;
    const uint8_t flip = static_cast<uint8_t>(1u << (random() % 8));
    image[byte] ^= flip;
    EXPECT_EQ(ReadImage(file.get(), arena.get(), &info).code(), Code::kCorrupt) << byte;
    image[byte] ^= flip;
  }
  EXPECT_TRUE(ReadImage(file.get(), arena.get(), &info).ok());
}

// Every 32-bit field of header and footer set to hostile values, with all checksums right.
TEST(ImageReader, SurvivesHostileFields) {
  const RandomArena source(6, 40, 0.8);
  const std::vector<uint8_t> image = ReferenceImage(source.Source());
  const uint64_t data_units = HeaderOf(const_cast<std::vector<uint8_t>*>(&image))->data_units;
  const ImageLayout layout = LayOutImage(40, data_units);
  const size_t footer = image.size() - 4096;
  for (const size_t block : {size_t{0}, footer}) {
    for (size_t field = 0; field < 104; field += 4) {
      for (const uint32_t value : {0u, 1u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu, 0x00010000u}) {
        std::vector<uint8_t> hostile = image;
        uint32_t before;
        memcpy(&before, &hostile[block + field], 4);
        if (before == value) continue;
        memcpy(&hostile[block + field], &value, 4);
        // The footer's table checksum and digest are computed again below: changing them changes nothing.
        RepairChecksums(&hostile, layout);
        ImageInfo info;
        const Code code = ReadBytesAsImage(hostile, &info).code();
        const bool is_checksum =
            block == 0 ? field == 16 : field == 8 || field == 12 || field == 40 || field == 44;
        const bool is_free_field = block == 0 ? field == 72 || field == 76  // creation time
                                              : field >= 24 && field < 40;  // entries, writes
        const bool is_old = value >= kOldestFormatVersion && value < kFormatVersion;
        if (block == 0 && field == 8 && is_old) continue;
        const bool is_version = block == 0 && (field == 8 || field == 12);
        const Code expected = is_checksum || is_free_field ? Code::kOk
                              : is_version                 ? Code::kVersion
                                                           : Code::kCorrupt;
        EXPECT_EQ(code, expected) << (block == 0 ? "header " : "footer ") << field << " = " << value;
      }
    }
  }
}

TEST(ImageReader, DoesNotBelieveCounts) {
  const RandomArena source(6, 40, 0.8);
  const std::vector<uint8_t> image = ReferenceImage(source.Source());
  const uint64_t data_units = HeaderOf(const_cast<std::vector<uint8_t>*>(&image))->data_units;
  // Sums that wrap, and counts that fit the length but not the table.
  const uint64_t counts[] = {0,
                             1,
                             39,
                             41,
                             1024,
                             1025,
                             uint64_t{1} << 32,
                             uint64_t{1} << 48,
                             uint64_t{1} << 62,
                             ~uint64_t{0},
                             data_units - 1,
                             data_units + 1,
                             data_units + (uint64_t{1} << 48)};
  for (const uint64_t units : counts) {
    for (const uint64_t data : counts) {
      std::vector<uint8_t> hostile = image;
      HeaderOf(&hostile)->units = units;
      HeaderOf(&hostile)->data_units = data;
      RepairChecksums(&hostile, LayOutImage(40, data_units));
      EXPECT_EQ(ReadBytesAsImage(hostile).code(), Code::kCorrupt) << units << " " << data;
    }
  }
  // Table entries that change which units have data: as many as before, or one more.
  for (uint64_t unit = 0; unit < 40; ++unit) {
    std::vector<uint8_t> hostile = image;
    uint8_t* entry = &hostile[4096 + unit * 4];
    *entry ^= (*entry & 3) != 0 ? (*entry & 3) : 1;
    RepairChecksums(&hostile, LayOutImage(40, data_units));
    EXPECT_EQ(ReadBytesAsImage(hostile).code(), Code::kCorrupt) << unit;
  }
}

TEST(ImageReader, TellsAVersionOnlyOfAGoodChecksum) {
  const RandomArena source(7, 3, 1);
  std::vector<uint8_t> image = ReferenceImage(source.Source());
  HeaderOf(&image)->version = kFormatVersion + 1;
  EXPECT_EQ(ReadBytesAsImage(image).code(), Code::kCorrupt);
  HeaderOf(&image)->crc = 0;
  HeaderOf(&image)->crc = Crc32c(image.data(), 4096);
  // A later version may have any length and any footer.
  image.resize(4096);
  EXPECT_EQ(ReadBytesAsImage(image).code(), Code::kVersion);
}

TEST(ImageReader, ReadsEveryVersionThereWas) {
  const RandomArena source(7, 3, 1);
  std::vector<uint8_t> image = ReferenceImage(source.Source());
  for (uint32_t version = 0; version <= kFormatVersion + 1; ++version) {
    HeaderOf(&image)->version = version;
    RepairChecksums(&image, LayOutImage(HeaderOf(&image)->units, HeaderOf(&image)->data_units));
    const bool is_known = version >= kOldestFormatVersion && version <= kFormatVersion;
    EXPECT_EQ(ReadBytesAsImage(image).code(), is_known ? Code::kOk : Code::kVersion) << version;
  }
}

TEST(ImageReader, SaysThatTheArenaIsTooSmall) {
  const RandomArena source(8, 100, 0.2);
  const std::vector<uint8_t> image = ReferenceImage(source.Source());
  const std::unique_ptr<Arena> small = FreshArena(kMinArenaBytes);
  ImageInfo info;
  EXPECT_EQ(ReadImage(ImageFile::FromMemory(image.data(), image.size()).get(), small.get(), &info).code(),
            Code::kFull);
}

class FailingFile : public ImageFile {
 public:
  FailingFile(const std::vector<uint8_t>& image, int fail_at)
      : file_(FromMemory(image.data(), image.size())), calls_left_(fail_at) {}
  uint64_t size() const override { return file_->size(); }
  Status ReadAt(uint64_t position, void* out, uint64_t bytes) override {
    EXPECT_EQ(position % 4096, 0u);
    EXPECT_EQ(bytes % 4096, 0u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(out) % 4096, 0u);
    if (calls_left_-- == 0) return Status(Code::kIo, "injected", EIO);
    return file_->ReadAt(position, out, bytes);
  }

 private:
  std::unique_ptr<ImageFile> file_;
  int calls_left_;
};

TEST(ImageReader, PassesOnAFailureOfEachRead) {
  const RandomArena source(9, 300, 0.9);
  const std::vector<uint8_t> image = ReferenceImage(source.Source());
  int calls = 0;
  for (;; ++calls) {
    FailingFile file(image, calls);
    const std::unique_ptr<Arena> arena = FreshArena();
    ImageInfo info;
    const Status status = ReadImage(&file, arena.get(), &info);
    if (status.ok()) break;
    EXPECT_EQ(status.code(), Code::kIo);
    EXPECT_EQ(status.system_errno(), EIO);
  }
  EXPECT_GT(calls, 10);
}

}  // namespace
}  // namespace forkstore
