// Tests and fuzzing only: an engine with operations put together from plain parts, and its contents as text.
#pragma once

#include <sys/mman.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "testing/value_oracle.h"

namespace forkstore {

using Bytes = std::vector<uint8_t>;

inline Key StringKey(const std::string& name) {
  return Key{KeyKind::kLatin1, reinterpret_cast<const uint8_t*>(name.data()), name.size()};
}

inline Bytes Words(const std::vector<uint32_t>& words) {
  Bytes bytes(RoundUp(words.size() * 4, 8));
  if (!words.empty()) std::memcpy(bytes.data(), words.data(), words.size() * 4);
  return bytes;
}

// One operation as bytes. `target`: a map, or a node.
inline Bytes MakeOperation(OperationCode code, uint64_t target, const Bytes& value = {},
                           const Key& key = {}) {
  Bytes bytes(kOperationHeadBytes + value.size() + key.bytes);
  const uint16_t node_high = static_cast<uint16_t>(target >> 32);
  const uint32_t numbers[3] = {static_cast<uint32_t>(target), static_cast<uint32_t>(value.size()),
                               static_cast<uint32_t>(key.bytes)};
  bytes[0] = static_cast<uint8_t>(code);
  bytes[1] = static_cast<uint8_t>(key.kind);
  std::memcpy(bytes.data() + 2, &node_high, sizeof(node_high));
  std::memcpy(bytes.data() + 4, numbers, sizeof(numbers));
  if (!value.empty()) std::memcpy(bytes.data() + kOperationHeadBytes, value.data(), value.size());
  if (key.bytes != 0) std::memcpy(bytes.data() + kOperationHeadBytes + value.size(), key.data, key.bytes);
  return bytes;
}

class EngineForTest {
 public:
  explicit EngineForTest(uint64_t max_bytes = uint64_t{64} << 20) : options_{max_bytes, false} {
    if (!Engine::CreateEmpty(options_, &owned_).ok()) std::abort();
    engine_ = owned_.get();
  }
  explicit EngineForTest(std::unique_ptr<Engine> engine) : EngineForTest(engine.get()) {
    owned_ = std::move(engine);
  }
  // Of somebody else, who keeps it while this is used.
  explicit EngineForTest(Engine* engine) : options_{engine->arena()->max_bytes(), false}, engine_(engine) {}
  virtual ~EngineForTest() = default;
  EngineForTest(EngineForTest&&) = default;
  EngineForTest& operator=(EngineForTest&&) = default;

  // REQUIRES: it is not somebody else's. Nothing can be done with this object after it.
  std::unique_ptr<Engine> Give() { return std::move(owned_); }

  Engine* operator->() { return engine_; }
  Engine& operator*() { return *engine_; }

  Status Apply(const Bytes& operation, ApplyResult* result = nullptr,
               RemovedItems removed = RemovedItems::kGo) {
    ApplyResult ignored;
    return engine_->Apply(operation.data(), operation.size(), result ? result : &ignored, removed);
  }
  // How Encode() defines a shape. True: it is defined.
  virtual bool Define(const Bytes& definition) { return Apply(definition).ok(); }

  // A value as operations carry it; the shapes that it needs are defined by operations, which are appended to
  // *log.
  Bytes Encode(const oracle::Tree& tree, std::vector<Bytes>* log = nullptr) {
    DefineShapes(tree, log);
    // What could not be defined by an operation is not defined: a log would not tell of it.
    const std::string bytes = oracle::Encoder(&engine_->shapes(), /*defines=*/false).Encode(tree);
    return Bytes(bytes.begin(), bytes.end());
  }

  // A node as a plain value.
  oracle::Tree Packed(NodeId node) {
    Bytes bytes;
    if (!engine_->tree().Pack(node, &bytes).ok()) return oracle::String(u"<cannot be packed>");
    return oracle::Decoder(bytes.data(), engine_->shapes()).Decode();
  }

  // Everything that can be seen of what an operation can change, in order.
  std::string Contents() {
    std::string all;
    AppendContents(&all);
    return all;
  }
  void AppendContents(std::string* text) {
    std::string& all = *text;
    const auto number = [&all](uint64_t value) { all += std::to_string(value) + " "; };
    number(engine_->entries());
    number(engine_->writes());
    number(engine_->map_count());
    number(engine_->tree().next_node());
    number(engine_->shapes().count());
    AppendNode(kRootNode, &all);
    uint32_t id = 0;
    for (uint64_t next = 1; engine_->ScanMaps(next, 1, &id) == 1; next = uint64_t{id} + 1) {
      const Key name = engine_->MapName(id);
      all += "\nmap " + std::string(reinterpret_cast<const char*>(name.data), name.bytes) + " ";
      number(engine_->map(id)->size());
      Offset record = kNone;
      for (uint64_t sequence = 1; engine_->map(id)->Scan(sequence, 1, &record) == 1;) {
        const Heap heap{*engine_->arena(), *engine_->allocator()};
        const RecordView view = ReadRecord(heap, record);
        // Not its sequence number: a log does not tell of those that a rollback used up.
        all += " " + std::string(reinterpret_cast<const char*>(view.key.data), view.key.bytes) + "=";
        const Offset value = record + view.value_distance;
        const Slot slot = heap.Read<Slot>(value);
        if (IsNodeSlot(slot)) {
          number(SlotNode(slot));
          AppendNode(SlotNode(slot), &all);
        } else {
          all.append(reinterpret_cast<const char*>(heap.At(value)),
                     CheckedValueBytes(heap.At(value), engine_->shapes()));
        }
        sequence = view.sequence + 1;
      }
    }
  }

  // What an image has of the store.
  struct Image {
    Bytes bytes;
    std::vector<uint32_t> table;
    uint64_t entries = 0;
    uint64_t writes = 0;
  };
  Image Save() {
    const Arena& arena = *engine_->arena();
    const Allocator& allocator = *engine_->allocator();
    return {Bytes(arena.base(), arena.base() + arena.frontier()),
            {allocator.table(), allocator.table() + allocator.units()},
            engine_->entries(),
            engine_->writes()};
  }
  static Status Load(const Image& image, uint64_t max_bytes, std::unique_ptr<Engine>* engine) {
    std::unique_ptr<Arena> arena = Copy(image.bytes.data(), image.bytes.size(), {max_bytes, false});
    return Engine::Load(std::move(arena), image.table, image.entries, image.writes, engine);
  }

  // The store as a restart would find it, with as much room or, when `max_bytes` is given, another.
  Status Twin(std::unique_ptr<Engine>* twin, uint64_t max_bytes = 0) {
    ArenaOptions options = options_;
    if (max_bytes != 0) options.max_bytes = max_bytes;
    std::unique_ptr<Arena> arena = Copy(engine_->arena()->base(), engine_->arena()->frontier(), options);
    const std::vector<uint32_t> table(engine_->allocator()->table(),
                                      engine_->allocator()->table() + engine_->allocator()->units());
    return Engine::Load(std::move(arena), table, engine_->entries(), engine_->writes(), twin);
  }

  void ReclaimAll() {
    while (!engine_->Reclaim(1 << 20)) {
    }
  }

 private:
  static std::unique_ptr<Arena> Copy(const uint8_t* bytes, uint64_t size, const ArenaOptions& options) {
    std::unique_ptr<Arena> arena;
    if (!Arena::Create(options, &arena).ok()) std::abort();
    // All pages at once, since a fault for each costs more than the copy. Where it cannot be, they come so.
    madvise(arena->base(), size, MADV_POPULATE_WRITE);
    std::memcpy(arena->base(), bytes, size);
    return arena;
  }

  void AppendNode(NodeId node, std::string* all) {
    Bytes bytes;
    if (engine_->tree().Pack(node, &bytes).ok()) {
      all->append(bytes.begin(), bytes.end());
    } else {
      *all += "<cannot be packed>";
    }
  }

  void DefineShapes(const oracle::Tree& tree, std::vector<Bytes>* log) {
    for (const oracle::Tree& item : tree.items) DefineShapes(item, log);
    if (tree.type != oracle::Type::kObject || tree.names.size() > kMaxShapeFields) return;
    for (const std::u16string& name : tree.names) {
      if (name.size() > kMaxNameUnits) return;
    }
    const std::string list = oracle::NameList(tree.names);
    uint32_t id = 0;
    if (engine_->shapes().Find({reinterpret_cast<const uint8_t*>(list.data()), list.size()}, &id)) return;
    Bytes value = Words({engine_->shapes().count(), static_cast<uint32_t>(tree.names.size())});
    value.insert(value.end(), list.begin(), list.end());
    value.resize(RoundUp(value.size(), 8));
    const Bytes operation = MakeOperation(OperationCode::kDefineShape, 0, value);
    if (Define(operation) && log != nullptr) log->push_back(operation);
  }

  ArenaOptions options_;
  std::unique_ptr<Engine> owned_;
  Engine* engine_ = nullptr;
};

}  // namespace forkstore
