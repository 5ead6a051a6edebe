// Any bytes whatever are a legal image file. The first byte says whether the checksums are made good first,
// without which almost no input would come past the header; the rest is the file. What can be read is loaded
// as a store.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "image/image_reader.h"
#include "testing/image.h"

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
  // The smallest there is: reserving it takes microseconds.
  std::unique_ptr<forkstore::Arena> arena;
  if (!forkstore::Arena::Create({forkstore::kMinArenaBytes, false}, &arena).ok()) abort();
  if (size == 0) return 0;
  std::vector<uint8_t> image(data + 1, data + size);
  ImageLayout layout;
  if (data[0] % 2 == 1 && LayoutOf(&image, &layout)) forkstore::RepairChecksums(&image, layout);
  forkstore::ImageInfo info;
  const forkstore::Status status =
      ReadImage(forkstore::ImageFile::FromMemory(image.data(), image.size()).get(), arena.get(), &info);
  if (!status.ok()) return 0;
  // What verifies says of itself what it is.
  if (info.file_bytes != image.size() ||
      info.table.size() * forkstore::kUnitBytes > arena->reserved_bytes()) {
    abort();
  }
  // Behind the checksums: what the units hold. A store that loads can be used.
  std::unique_ptr<forkstore::Engine> engine;
  if (!forkstore::Engine::Load(std::move(arena), info.table, info.entries, info.writes, &engine).ok())
    return 0;
  uint64_t entries = 0;
  uint32_t id = 0;
  for (uint64_t next = 1; engine->ScanMaps(next, 1, &id) == 1; next = uint64_t{id} + 1) {
    forkstore::Offset records[64];
    uint64_t from = 1;
    for (uint32_t got; (got = engine->map(id)->Scan(from, 64, records)) > 0;) {
      const forkstore::Heap heap{*engine->arena(), *engine->allocator()};
      for (uint32_t i = 0; i < got; ++i) {
        const forkstore::RecordView view = forkstore::ReadRecord(heap, records[i]);
        if (view.sequence < from || engine->map(id)->Find(view.key) != records[i] + view.value_distance)
          abort();
        from = view.sequence + 1;
        ++entries;
      }
    }
  }
  if (entries != engine->entries()) abort();
  // And the tree: what can be loaded can be packed, unless it is too large, and every node found.
  std::vector<uint8_t> packed;
  const forkstore::Status status_of_tree = engine->tree().Pack(forkstore::kRootNode, &packed);
  if (!status_of_tree.ok() && status_of_tree.code() != forkstore::Code::kTooLarge) abort();
  uint64_t nodes = 0;
  const forkstore::NodeId end = std::min<uint64_t>(engine->tree().next_node(), 100000);
  for (forkstore::NodeId node = forkstore::kRootNode; node < end; ++node) {
    nodes += engine->tree().Locate(node) != forkstore::kNone;
  }
  if (nodes > engine->tree().node_count()) abort();
  engine->Reclaim(1 << 20);
  return 0;
}
