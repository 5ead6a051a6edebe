// A transaction's rollback, as far as it is more than undo: what survives it, and how a log is told.

#include "engine/engine_state.h"

namespace forkstore {

namespace {

std::vector<uint8_t> BuildOperation(OperationCode code, uint32_t collection,
                                    const std::vector<uint8_t>& value, const Key& key) {
  std::vector<uint8_t> bytes(kOperationHeadBytes + value.size() + key.bytes);
  const uint32_t numbers[3] = {collection, static_cast<uint32_t>(value.size()),
                               static_cast<uint32_t>(key.bytes)};
  bytes[0] = static_cast<uint8_t>(code);
  bytes[1] = static_cast<uint8_t>(key.kind);
  std::memcpy(bytes.data() + 4, numbers, sizeof(numbers));
  if (!value.empty()) std::memcpy(bytes.data() + kOperationHeadBytes, value.data(), value.size());
  if (key.bytes != 0) std::memcpy(bytes.data() + kOperationHeadBytes + value.size(), key.data, key.bytes);
  return bytes;
}

std::vector<uint8_t> ShapeDefinition(const ShapeTable& shapes, uint32_t shape) {
  const std::span<const uint8_t> list = shapes.NameList(shape);
  const uint32_t head[2] = {shape, shapes.FieldCount(shape)};
  std::vector<uint8_t> value(RoundUp(sizeof(head) + list.size(), 8));
  std::memcpy(value.data(), head, sizeof(head));
  if (!list.empty()) std::memcpy(value.data() + sizeof(head), list.data(), list.size());
  return BuildOperation(OperationCode::kDefineShape, 0, value, Key{});
}

}  // namespace

void Engine::State::RollBack() {
  const NodeId highest = tree.next_node();
  maps.BeforeRollback();
  const Savepoint savepoint = transactions.Rollback();
  maps.AfterRollback();
  survivors.clear();
  for (uint32_t shape = savepoint.shapes; shape < shapes.count(); ++shape) {
    survivors.push_back(ShapeDefinition(shapes, shape));
  }
  for (uint64_t id = uint64_t{savepoint.maps} + 1; id <= root().map_count; ++id) {
    const auto map = static_cast<uint32_t>(id);
    const bool is_there = maps.Find(map) != nullptr;
    // Of one that has gone the id stays used up. Its name may be another map's again; no map of a user has
    // none.
    const Key name = is_there ? maps.NameOf(map) : Key{};
    survivors.push_back(BuildOperation(OperationCode::kCreateMap, map, {}, name));
    if (!is_there) survivors.push_back(BuildOperation(OperationCode::kDropMap, map, {}, Key{}));
  }
  if (highest != savepoint.next_node) {
    tree.SkipNodes(highest);
    std::vector<uint8_t> value(sizeof(highest));
    std::memcpy(value.data(), &highest, sizeof(highest));
    survivors.push_back(BuildOperation(OperationCode::kSkipNodes, 0, value, Key{}));
  }
  // As many as whoever applies the survivors counts.
  heap.Mutate<uint64_t>(kRootOffset + offsetof(RootBlock, writes)) += survivors.size();
}

}  // namespace forkstore
