// Making an engine: a new store, or one that was read from an image.

#include <sys/random.h>

#include <cerrno>

#include "engine/engine_state.h"

namespace forkstore {

namespace {

Status FillRandom(void* out, size_t bytes) {
  auto* position = static_cast<uint8_t*>(out);
  while (bytes > 0) {
    const ssize_t got = getrandom(position, bytes, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      return Status(Code::kIo, "getrandom failed", errno);
    }
    position += got;
    bytes -= static_cast<size_t>(got);
  }
  return Status::Ok();
}

Status Corrupt(const char* what) {
  return Status(Code::kCorrupt, what);
}

}  // namespace

Engine::State::State(std::unique_ptr<Arena> arena_in, std::unique_ptr<Allocator> allocator_in)
    : arena(std::move(arena_in)),
      allocator(std::move(allocator_in)),
      undo(arena.get(), allocator.get()),
      heap{*arena, *allocator},
      shapes(heap, kRootOffset + offsetof(RootBlock, shapes), kRootOffset + offsetof(RootBlock, shape_count)),
      maps(heap, &undo),
      graveyard(heap),
      tree(heap,
           TreeFields{kRootOffset + offsetof(RootBlock, next_node), kRootOffset + offsetof(RootBlock, nodes),
                      kRootOffset + offsetof(RootBlock, nodes_height)},
           &shapes, seed(), &scratch),
      transactions(&undo, &tree, &graveyard, &shapes, &entries) {}

Status Engine::CreateEmpty(const ArenaOptions& options, std::unique_ptr<Engine>* engine) {
  std::unique_ptr<Arena> arena;
  if (Status status = Arena::Create(options, &arena); !status.ok()) return status;
  std::unique_ptr<Allocator> allocator;
  if (Status status = Allocator::Create(arena.get(), &allocator); !status.ok()) return status;
  if (allocator->Allocate(sizeof(RootBlock)) != kRootOffset) {
    return Status(Code::kFull, "maxBytes is too small for an empty store");
  }
  RootBlock root{};
  root.magic = kRootMagic;
  if (Status status = FillRandom(root.seed, sizeof(root.seed)); !status.ok()) return status;
  std::memcpy(arena->Write(kRootOffset, sizeof(root)), &root, sizeof(root));
  engine->reset(new Engine());
  (*engine)->state_ = std::make_unique<State>(std::move(arena), std::move(allocator));
  return (*engine)->state_->tree.Create();
}

Status Engine::Load(std::unique_ptr<Arena> arena, const std::vector<uint32_t>& table,
                    uint64_t expected_entries, uint64_t expected_writes, std::unique_ptr<Engine>* engine) {
  std::unique_ptr<Allocator> allocator;
  if (Status status = Allocator::Create(arena.get(), &allocator); !status.ok()) return status;
  if (Status status = allocator->Restore(table.data(), table.size()); !status.ok()) return status;
  if (!allocator->MarkLive(kRootOffset, sizeof(RootBlock))) return Corrupt("there is no root block");
  const RootBlock root = arena->Read<RootBlock>(kRootOffset);
  if (root.magic != kRootMagic) return Corrupt("the root block's magic is wrong");
  uint64_t reserved = root.zero_half;
  for (const uint64_t word : root.zero) reserved |= word;
  // Version 1 had no tree.
  if (root.next_node == 0) reserved |= root.nodes | root.nodes_height;
  if (reserved != 0) return Corrupt("the root block's reserved bytes are not 0");
  std::unique_ptr<Engine> loaded(new Engine());
  loaded->state_ = std::make_unique<State>(std::move(arena), std::move(allocator));
  State& state = *loaded->state_;
  if (Status status = state.shapes.Restore(); !status.ok()) return status;
  std::vector<Tree::RestoredMap> restored;
  if (Status status = state.RestoreMaps(&restored); !status.ok()) return status;
  if (root.next_node != 0) {
    if (Status status = state.tree.Restore(restored); !status.ok()) return status;
  }
  if (state.entries != expected_entries || root.writes != expected_writes) {
    return Corrupt("the footer's counts are not those of the data");
  }
  state.allocator->FinishRestore();
  if (root.next_node != 0) {
    state.tree.RemoveUnreferenced();
  } else if (Status status = state.tree.Create(); !status.ok()) {
    return status;
  }
  *engine = std::move(loaded);
  return Status::Ok();
}

Status Engine::State::RestoreMaps(std::vector<Tree::RestoredMap>* restored) {
  const bool has_tree = root().next_node != 0;
  // Headers are listed newest first. Ids fall, so that no header comes twice; those of dropped maps are
  // missing.
  uint64_t above = uint64_t{root().map_count} + 1;
  std::vector<Offset> headers;
  Offset next = root().maps;
  while (next != kNone) {
    const uint64_t capacity = allocator->CapacityIfBlock(next);
    if (capacity < sizeof(MapHeader)) return Corrupt("the list of maps is damaged");
    const MapHeader header = heap.Read<MapHeader>(next);
    if (header.id == 0 || header.id >= above || header.name_bytes > capacity - sizeof(MapHeader) ||
        header.name_kind > static_cast<uint32_t>(KeyKind::kUtf16) || (!has_tree && header.holder != 0) ||
        !allocator->MarkLive(next, sizeof(MapHeader) + header.name_bytes)) {
      return Corrupt("a map's header is damaged");
    }
    headers.push_back(next);
    above = header.id;
    next = header.next;
  }
  for (auto header = headers.rbegin(); header != headers.rend(); ++header) {
    const MapHeader& fields = heap.Read<MapHeader>(*header);
    const Key name{static_cast<KeyKind>(fields.name_kind), heap.At(*header + sizeof(MapHeader)),
                   fields.name_bytes};
    if (!CheckKey(name).ok()) return Corrupt("a map's name is not canonical");
    OrderedMap* map = maps.Add(*header, seed());
    if (map == nullptr) return Corrupt("two maps have one name");
    Tree::RestoredMap& nodes = restored->emplace_back(Tree::RestoredMap{map, {}});
    if (Status status = map->Restore(shapes, &scratch, has_tree ? &nodes.nodes : nullptr); !status.ok()) {
      return status;
    }
    entries += map->size();
  }
  return Status::Ok();
}

}  // namespace forkstore
