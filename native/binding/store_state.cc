#include "binding/store_state.h"

#include <algorithm>
#include <cstring>

#include "binding/array_buffer.h"
#include "binding/failure.h"

namespace forkstore {

namespace {

// One snapshot under way, from the fork to the JavaScript callback. Made on the environment's thread, filled
// in by the watcher thread, delivered on the environment's thread through the thread-safe function. `*store`
// is nullptr once the store has been closed: the call may outlive it.
struct SnapshotCall {
  std::shared_ptr<StoreState*> store;
  napi_threadsafe_function deliver = nullptr;
  StoreSnapshot snapshot{Send, this};

  // Any thread. When the environment is going away nobody wants the outcome any more; it does not go while
  // its thread is in Store::StartSnapshot().
  static void Send(void* context) {
    auto* call = static_cast<SnapshotCall*>(context);
    const napi_threadsafe_function deliver = call->deliver;
    const napi_status status = napi_call_threadsafe_function(deliver, call, napi_tsfn_blocking);
    if (status != napi_ok) delete call;
    if (status != napi_closing) napi_release_threadsafe_function(deliver, napi_tsfn_release);
  }

  static void Deliver(napi_env raw_env, napi_value callback, void* /*context*/, void* data) {
    std::unique_ptr<SnapshotCall> call(static_cast<SnapshotCall*>(data));
    if (raw_env == nullptr) return;  // the environment is going away
    Napi::Env env(raw_env);
    Napi::HandleScope scope(env);
    const SnapshotOutcome& outcome = call->snapshot.outcome();
    if (*call->store != nullptr) (*call->store)->store().FinishSnapshot(&call->snapshot);
    Napi::Object object = Napi::Object::New(env);
    object.Set("code", static_cast<double>(outcome.status.code()));
    object.Set("message", outcome.status.message());
    object.Set("systemErrno", outcome.status.system_errno());
    object.Set("generation", static_cast<double>(outcome.generation));
    object.Set("path", outcome.path);
    object.Set("bytes", static_cast<double>(outcome.bytes));
    object.Set("entries", static_cast<double>(outcome.entries));
    object.Set("forkMs", outcome.fork_ms);
    object.Set("pauseMs", call->snapshot.pause_ms());
    object.Set("durationMs", outcome.duration_ms);
    object.Set("copiedBytes", static_cast<double>(outcome.copied_bytes));
    object.Set("copiesExceeded", outcome.copies_exceeded);
    object.Set("isCopy", call->snapshot.choice().strategy == SnapshotStrategy::kCopy);
    object.Set("reason", static_cast<double>(call->snapshot.choice().reason));
    Napi::Function(env, callback).Call({object});
  }
};

}  // namespace

StoreState::StoreState(OpenedStore opened)
    : store_(std::move(opened)), self_(std::make_shared<StoreState*>(this)) {}

StoreState::~StoreState() = default;

OrderedMap* MapHandle::Map() {
  Engine* engine = store->engine();
  if (engine == nullptr) return nullptr;
  if (version != engine->maps_version()) {
    version = engine->maps_version();
    map = engine->map(id);
  }
  return map;
}

double StoreState::Answer(const Status& status, double value) {
  if (status.ok()) return value;
  last_message_ = status.message();
  return -static_cast<double>(status.code());
}

Napi::ArrayBuffer StoreState::MakeOperationBuffer(Napi::Env env, size_t bytes) {
  Napi::ArrayBuffer array = MakeArrayBuffer(env, bytes);
  if (array.IsEmpty()) return array;
  buffer_ = static_cast<uint8_t*>(array.Data());
  buffer_bytes_ = bytes;
  buffer_reference_ = Napi::Reference<Napi::ArrayBuffer>::New(array, 1);
  return array;
}

Napi::Value StoreState::OperationBuffer(Napi::Env /*env*/) {
  return buffer_reference_.Value();
}

void StoreState::HoldResult(Napi::Float64Array array) {
  result_ = array.Data();
  result_reference_ = Napi::Reference<Napi::Float64Array>::New(array, 1);
  PublishLayout();
}

Napi::Value StoreState::ResultArray(Napi::Env /*env*/) {
  return result_reference_.Value();
}

double StoreState::Apply(size_t size) {
  if (engine() == nullptr) return Answer(Status(Code::kInvalid, "the store is closed"), 0);
  if (size > buffer_bytes_) return Answer(Status(Code::kInvalid, "operation: larger than its buffer"), 0);
  ApplyResult applied;
  return Applied(store_.Apply(buffer_, size, &applied), applied);
}

double StoreState::ApplyHolding(size_t size) {
  if (engine() == nullptr) return Answer(Status(Code::kInvalid, "the store is closed"), 0);
  if (size > buffer_bytes_) return Answer(Status(Code::kInvalid, "operation: larger than its buffer"), 0);
  ApplyResult applied;
  const Status status = store_.ApplyHolding(buffer_, size, &applied);
  applied.number = static_cast<double>(applied.held);
  return Applied(status, applied);
}

double StoreState::Applied(const Status& status, const ApplyResult& applied) {
  result_[kResultNumber] = applied.number;
  PublishLayout();
  return Answer(status, applied.changed ? 1 : 0);
}

bool StoreState::Reclaim(uint32_t budget) {
  const bool done = engine()->Reclaim(budget);
  PublishLayout();
  return done;
}

double StoreState::Begin() {
  return Answer(store_.Begin(), 0);
}

double StoreState::Commit() {
  return Answer(store_.Commit(), 0);
}

double StoreState::Rollback() {
  const Status status = store_.Rollback();
  if (engine() != nullptr) PublishLayout();
  return Answer(status, 0);
}

double StoreState::Pack(napi_env env, NodeId node) {
  uint64_t bytes = 0;
  const Status status = pack_buffer_.Pack(env, engine()->tree(), node, &bytes);
  return Packed(status, bytes);
}

double StoreState::PackItems(napi_env env, NodeId node, uint32_t from, uint32_t to, uint32_t limit) {
  uint64_t bytes = 0;
  uint32_t next = 0;
  const Status status = pack_buffer_.PackItems(env, engine()->tree(), node, from, to, limit, &bytes, &next);
  result_[kResultNumber] = next;
  return Packed(status, bytes);
}

double StoreState::ReadHeld(napi_env env, uint64_t held, uint64_t taken, uint32_t most, uint32_t* indexes) {
  uint64_t bytes = 0;
  uint32_t count = 0;
  const Status status = pack_buffer_.ReadHeld(env, engine(), held, taken, most, indexes, &bytes, &count);
  result_[kResultNumber] = count;
  result_[kResultPackBuffer] = pack_buffer_.replaced();
  return Answer(status, static_cast<double>(bytes));
}

double StoreState::Packed(const Status& status, uint64_t bytes) {
  result_[kResultPackBuffer] = pack_buffer_.replaced();
  return status.code() == Code::kNotFound
             ? Answer(Status(Code::kDetached, "the object is not in the tree any more"), 0)
             : Answer(status, static_cast<double>(bytes));
}

Napi::Value StoreState::PackBufferValue(Napi::Env env) {
  Napi::Value value = pack_buffer_.Value(env);
  result_[kResultPackBuffer] = pack_buffer_.replaced();
  return value;
}

double StoreState::ApplyWithKey(size_t value_end, const Key& key) {
  if (engine() == nullptr) return Answer(Status(Code::kInvalid, "the store is closed"), 0);
  if (value_end < kOperationHeadBytes || value_end > buffer_bytes_) {
    return Answer(Status(Code::kInvalid, "operation: larger than its buffer"), 0);
  }
  if (key.bytes > kMaxKeyBytes) return Answer(Status(Code::kTooLarge, "the key is larger than 512 MiB"), 0);
  uint8_t* bytes = buffer_;
  const size_t size = value_end + key.bytes;
  if (size > buffer_bytes_) {
    built_.resize(size / 8 + 1);
    bytes = reinterpret_cast<uint8_t*>(built_.data());
    std::memcpy(bytes, buffer_, value_end);
  }
  const auto key_bytes = static_cast<uint32_t>(key.bytes);
  bytes[1] = static_cast<uint8_t>(key.kind);
  std::memcpy(bytes + 12, &key_bytes, sizeof(key_bytes));
  if (key.bytes != 0) std::memcpy(bytes + value_end, key.data, key.bytes);
  ApplyResult applied;
  const Status status = store_.Apply(bytes, size, &applied);
  if (bytes != buffer_) std::vector<uint64_t>().swap(built_);  // assigning {} would keep the memory
  return Applied(status, applied);
}

Status StoreState::ApplyBuilt(OperationCode code, uint32_t collection, const std::vector<uint8_t>& value,
                              const Key& key, ApplyResult* result) {
  const size_t size = kOperationHeadBytes + value.size() + key.bytes;
  std::vector<uint64_t> words(size / 8 + 1);
  auto* bytes = reinterpret_cast<uint8_t*>(words.data());
  const uint32_t lengths[2] = {static_cast<uint32_t>(value.size()), static_cast<uint32_t>(key.bytes)};
  bytes[0] = static_cast<uint8_t>(code);
  bytes[1] = static_cast<uint8_t>(key.kind);
  std::memcpy(bytes + 4, &collection, sizeof(collection));
  std::memcpy(bytes + 8, lengths, sizeof(lengths));
  if (!value.empty()) std::memcpy(bytes + kOperationHeadBytes, value.data(), value.size());
  if (key.bytes != 0) std::memcpy(bytes + kOperationHeadBytes + value.size(), key.data, key.bytes);
  const Status status = store_.Apply(bytes, size, result);
  PublishLayout();
  return status;
}

// JavaScript's accounts take a window for memory in use, all of it. So the first has what a small store
// needs.
uint64_t StoreState::WindowBytes(uint32_t index) {
  const Arena* arena = engine()->arena();
  const uint64_t start = uint64_t{index} * kSegmentBytes;
  uint64_t bytes = kSegmentBytes;
  if (index == 0) {
    for (const uint64_t step : kFirstWindowBytes) {
      if (arena->frontier() <= step) bytes = std::min(bytes, step);
    }
  }
  return std::min(bytes, arena->reserved_bytes() - start);
}

Napi::Value StoreState::Segment(Napi::Env env, uint32_t index) {
  if (engine() == nullptr) return env.Undefined();
  Arena* arena = engine()->arena();
  const uint64_t start = uint64_t{index} * kSegmentBytes;
  if (start >= arena->reserved_bytes()) return env.Undefined();
  const uint64_t bytes = WindowBytes(index);
  const bool is_there = index < segments_.size() && !segments_[index].IsEmpty();
  if (is_there && (index != 0 || bytes <= first_window_bytes_)) return segments_[index].Value();
  napi_value window = nullptr;
  // The finalizer has nothing to do: the arena belongs to the engine, and Close() detaches the window.
  const napi_status status = napi_create_external_arraybuffer(
      env, arena->base() + start, bytes, [](napi_env, void*, void*) {}, nullptr, &window);
  if (status != napi_ok) return env.Undefined();
  while (segments_.size() <= index) segments_.emplace_back();
  if (is_there) outgrown_.push_back(std::move(segments_[index]));  // something may still be read through it
  if (index == 0) first_window_bytes_ = bytes;
  segments_[index] = Napi::Reference<Napi::ArrayBuffer>::New(Napi::ArrayBuffer(env, window), 1);
  return Napi::Value(env, window);
}

Status StoreState::StartLog(Napi::Env env, Napi::Function on_progress) {
  Status status = LogWatch::Make(env, on_progress, &log_watch_);
  if (!status.ok()) return status;
  return log()->Start(LogWatch::OnProgress, log_watch_.get());
}

void StoreState::HoldLog(Napi::Env env, bool hold) {
  if (log_watch_) log_watch_->Hold(env, hold);
}

bool StoreState::StartSnapshot(Napi::Env env, const SnapshotSettings& settings, Napi::Function done) {
  bool ready = false;
  if (const Status status = store_.PrepareSnapshot(settings, &ready); !status.ok()) {
    FailureError(env, status).ThrowAsJavaScriptException();
  }
  if (!ready) return false;

  auto call = std::make_unique<SnapshotCall>();
  call->store = self_;
  if (napi_create_threadsafe_function(env, done, nullptr, Napi::String::New(env, "forkstore snapshot"), 0, 1,
                                      nullptr, nullptr, nullptr, SnapshotCall::Deliver,
                                      &call->deliver) != napi_ok) {
    store_.ForgoSnapshot();
    FailureError(env, Status(Code::kSnapshotFailed, "the environment makes no thread-safe function"))
        .ThrowAsJavaScriptException();
    return false;
  }
  store_.StartSnapshot(settings, &call.release()->snapshot);
  return true;
}

std::unique_ptr<ClosedStore> StoreState::Close(Napi::Env env, bool env_alive) {
  if (engine() == nullptr) return nullptr;
  *self_ = nullptr;  // the outcome of a snapshot is delivered later or never
  for (auto& window : outgrown_) segments_.push_back(std::move(window));
  outgrown_.clear();
  if (env_alive) {
    for (const auto& segment : segments_) {
      if (!segment.IsEmpty()) napi_detach_arraybuffer(env, segment.Value());
    }
  } else {
    // References cannot be dropped any more: the environment frees them.
    for (auto& segment : segments_) segment.SuppressDestruct();
    buffer_reference_.SuppressDestruct();
    result_reference_.SuppressDestruct();
    pack_buffer_.SuppressDestruct();
  }
  segments_.clear();
  auto closed = std::make_unique<ClosedStore>();
  closed->log_watch = std::move(log_watch_);
  closed->remains = store_.Close();
  return closed;
}

}  // namespace forkstore
