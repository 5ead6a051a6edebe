// Any bytes whatever are a legal image file. The first byte says whether the checksums are made good first,
// without which almost no input would come past the header; the rest is the file.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "persist/image_reader.h"
#include "persist/test_image.h"

namespace {

using forkstore::HeaderOf;
using forkstore::ImageHeader;
using forkstore::ImageLayout;

// Where the sections would lie if the file's own counts were true; false when they cannot be.
bool LayoutOf(std::vector<uint8_t>* image, ImageLayout* layout) {
  if (image->size() < 2 * sizeof(ImageHeader) || image->size() % sizeof(ImageHeader) != 0) return false;
  const ImageHeader* header = HeaderOf(image);
  if (header->units > image->size() || header->data_units > image->size()) return false;
  *layout = forkstore::LayOutImage(header->units, header->data_units);
  return layout->file_bytes <= image->size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Reserved once: what an earlier input has left there does not matter to the reader.
  static forkstore::Arena* arena = [] {
    std::unique_ptr<forkstore::Arena> created;
    if (!forkstore::Arena::Create({forkstore::kMinArenaBytes, false}, &created).ok()) abort();
    return created.release();
  }();
  if (size == 0) return 0;
  std::vector<uint8_t> image(data + 1, data + size);
  ImageLayout layout;
  if (data[0] % 2 == 1 && LayoutOf(&image, &layout)) forkstore::RepairChecksums(&image, layout);
  forkstore::ImageInfo info;
  const forkstore::Status status =
      ReadImage(forkstore::ImageFile::FromMemory(image.data(), image.size()).get(), arena, &info);
  // What verifies says of itself what it is.
  if (status.ok() &&
      (info.file_bytes != image.size() || info.table.size() * forkstore::kUnitBytes > arena->max_bytes())) {
    abort();
  }
  return 0;
}
