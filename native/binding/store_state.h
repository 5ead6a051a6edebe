// StoreState: what the JavaScript objects `NativeStore` and `NativeMap` (lib/engines/native/binding.ts) refer
// to: a Store (store/store.h), and what JavaScript shares memory with or is called back by. What a store does
// is the Store's; here it is asked and answered.
//
// Lifetime: owned by the StoreObject. Close() hands over everything big and may come from close(), from
// the garbage collector, or from the end of the environment (worker termination, process exit), when no
// JavaScript can run any more; after it, `engine()` is nullptr and every call answers kInvalid.
// Thread safety: the environment's thread only.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "binding/log_watch.h"
#include "binding/pack_buffer.h"
#include "binding/release_in_background.h"
#include "store/store.h"

namespace forkstore {

class StoreState;

// What the functions of one NativeMap are bound to; as long-lived as its JavaScript object, which keeps the
// store's object, and with it the StoreState, alive.
struct MapHandle {
  StoreState* store;
  uint32_t id;
  // Where the map was found, and under which Engine::maps_version().
  OrderedMap* map = nullptr;
  uint64_t version = 0;

  // nullptr when the store is closed or the map was dropped.
  OrderedMap* Map();
};

// Places in `result`.
enum ResultPlace {
  kResultNumber = 0,
  kResultLayout = 1,
  kResultBlock = 2,
  kResultPackBuffer = 3,
  kResultMoved = 4,
  kResultReach = 5,
  kResultPlaces
};

class StoreState {
 public:
  explicit StoreState(OpenedStore opened);
  ~StoreState();
  StoreState(const StoreState&) = delete;
  StoreState& operator=(const StoreState&) = delete;

  Store& store() { return store_; }
  Engine* engine() { return store_.engine(); }

  // Keeps the status for lastMessage(); returns -Code, or `value` when it is good.
  double Answer(const Status& status, double value);
  const std::string& last_message() const { return last_message_; }

  // The operation buffer: a JavaScript ArrayBuffer, written by the encoder.
  Napi::ArrayBuffer MakeOperationBuffer(Napi::Env env, size_t bytes);
  Napi::Value OperationBuffer(Napi::Env env);
  uint8_t* buffer() { return buffer_; }
  size_t buffer_bytes() const { return buffer_bytes_; }

  double* result() { return result_; }
  void HoldResult(Napi::Float64Array array);
  Napi::Value ResultArray(Napi::Env env);

  // Applies the operation at the start of the buffer.
  double Apply(size_t size);
  // The same for a SPLICE of an array whose items are to be held; the number of their list goes to the
  // result.
  double ApplyHolding(size_t size);
  // Fills in the key behind the value and applies.
  double ApplyWithKey(size_t value_end, const Key& key);
  // Applies an operation that C++ puts together: a map or a shape.
  Status ApplyBuilt(OperationCode code, uint32_t collection, const std::vector<uint8_t>& value,
                    const Key& key, ApplyResult* result);

  bool Reclaim(uint32_t budget);

  // 0, or -Code.
  double Begin();
  double Commit();
  double Rollback();

  // Packs a node into the pack buffer: its bytes, or -Code.
  double Pack(napi_env env, NodeId node);
  // The same for items of an array (Tree::PackItems); where to go on goes to the result.
  double PackItems(napi_env env, NodeId node, uint32_t from, uint32_t to, uint32_t limit);
  // Engine::ReadHeld into the pack buffer; how many items there are goes to the result. `indexes`:
  // kMostAtOnce of them.
  double ReadHeld(napi_env env, uint64_t held, uint64_t taken, uint32_t most, uint32_t* indexes);
  Napi::Value PackBufferValue(Napi::Env env);
  // The log; nullptr when the store keeps none, or is closed.
  Log* log() { return store_.log(); }
  // Starts its thread; `on_progress` is called, on turns of its own, when the log has got on. Errors: kIo.
  Status StartLog(Napi::Env env, Napi::Function on_progress);
  // Whether the process stays alive for what the log has to tell. It does not at first.
  void HoldLog(Napi::Env env, bool hold);

  // A window over the arena; cached. The first is no longer than the store needs for now. Undefined where the
  // embedder forbids external buffers.
  Napi::Value Segment(Napi::Env env, uint32_t index);

  // False: it cannot be now, try again on another turn (Store::PrepareSnapshot); or with an exception under
  // way.
  bool StartSnapshot(Napi::Env env, const SnapshotSettings& settings, Napi::Function done);

  // Takes the windows from JavaScript and hands over what is to be given back; nullptr when that has been
  // done. `env_alive`: whether JavaScript objects may still be touched.
  std::unique_ptr<ClosedStore> Close(Napi::Env env, bool env_alive);

 private:
  // Besides a whole segment.
  static constexpr uint64_t kFirstWindowBytes[] = {uint64_t{256} << 20, uint64_t{32} << 20,
                                                   uint64_t{1} << 20};
  uint64_t WindowBytes(uint32_t index);
  // After anything that can have made or moved blocks.
  void PublishLayout() {
    result_[kResultReach] = static_cast<double>(engine()->arena()->frontier());
    result_[kResultLayout] = static_cast<double>(engine()->tree().layout_version());
    result_[kResultMoved] = static_cast<double>(engine()->moved_blocks());
  }
  double Applied(const Status& status, const ApplyResult& applied);
  double Packed(const Status& status, uint64_t bytes);

  std::unique_ptr<LogWatch> log_watch_;  // outlives the log, whose thread calls it
  Store store_;
  std::shared_ptr<StoreState*> self_;  // what outlives this object asks here whether it still is
  std::string last_message_;
  Napi::Reference<Napi::ArrayBuffer> buffer_reference_;
  uint8_t* buffer_ = nullptr;
  size_t buffer_bytes_ = 0;
  Napi::Reference<Napi::Float64Array> result_reference_;
  double* result_ = nullptr;
  PackBuffer pack_buffer_;
  std::vector<uint64_t> built_;  // operations that do not fit the buffer; words for alignment
  std::vector<Napi::Reference<Napi::ArrayBuffer>> segments_;
  std::vector<Napi::Reference<Napi::ArrayBuffer>> outgrown_;  // windows that show a part of the first segment
  uint64_t first_window_bytes_ = 0;
};

}  // namespace forkstore
