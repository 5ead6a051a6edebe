#include "binding/store_state.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "binding/array_buffer.h"
#include "binding/failure.h"

namespace forkstore {

namespace {

double NowMs() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double, std::milli>(Clock::now().time_since_epoch()).count();
}

}  // namespace

// Made on the environment's thread, filled in by the watcher thread, delivered on the environment's
// thread through the thread-safe function. `*store` is nullptr once the store has been closed: the call may
// outlive it.
struct SnapshotCall {
  std::shared_ptr<StoreState*> store;
  napi_threadsafe_function deliver = nullptr;
  Arena* arena = nullptr;
  double pause_ms = 0;
  SnapshotOutcome outcome;
  std::vector<uint32_t> split;  // huge pages

  // Before the arena goes. What goes through all marks is done here, not on the event loop.
  static void OnDone(void* context, SnapshotOutcome&& outcome) {
    auto* call = static_cast<SnapshotCall*>(context);
    call->outcome = std::move(outcome);
    call->arena->AppendSplitHugePages(&call->split);
    call->arena->EndSave(call->outcome.status.ok());
    Send(call);
  }

  // Any thread. When the environment is going away nobody wants the outcome any more.
  static void Send(SnapshotCall* call) {
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
    const SnapshotOutcome& outcome = call->outcome;
    if (*call->store != nullptr) (*call->store)->FinishSnapshot(call.get());
    Napi::Object object = Napi::Object::New(env);
    object.Set("code", static_cast<double>(outcome.status.code()));
    object.Set("message", outcome.status.message());
    object.Set("systemErrno", outcome.status.system_errno());
    object.Set("generation", static_cast<double>(outcome.generation));
    object.Set("path", outcome.path);
    object.Set("bytes", static_cast<double>(outcome.bytes));
    object.Set("entries", static_cast<double>(outcome.entries));
    object.Set("forkMs", outcome.fork_ms);
    object.Set("pauseMs", call->pause_ms);
    object.Set("durationMs", outcome.duration_ms);
    object.Set("copiedBytes", static_cast<double>(outcome.copied_bytes));
    Napi::Function(env, callback).Call({object});
  }
};

StoreState::StoreState(OpenedStore opened)
    : opened_(std::move(opened)), self_(std::make_shared<StoreState*>(this)) {}

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
  return Applied(ApplyAndLog(buffer_, size, &applied), applied);
}

double StoreState::ApplyHolding(size_t size) {
  if (engine() == nullptr) return Answer(Status(Code::kInvalid, "the store is closed"), 0);
  if (size > buffer_bytes_) return Answer(Status(Code::kInvalid, "operation: larger than its buffer"), 0);
  if (engine()->in_transaction()) {
    return Answer(Status(Code::kInvalid, "nothing can be held within a transaction"), 0);
  }
  ApplyResult applied;
  const Status status = ApplyAndLog(buffer_, size, &applied, RemovedItems::kHeld);
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
  if (engine() == nullptr) return Answer(Status(Code::kInvalid, "the store is closed"), 0);
  engine()->Begin();
  if (opened_.log) marks_.push_back(opened_.log->Mark());
  return 0;
}

double StoreState::Commit() {
  if (engine() == nullptr) return Answer(Status(Code::kInvalid, "the store is closed"), 0);
  const Status status = engine()->Commit();
  if (status.ok() && opened_.log) {
    opened_.log->Release(marks_.back());
    marks_.pop_back();
  }
  return Answer(status, 0);
}

double StoreState::Rollback() {
  if (engine() == nullptr) return Answer(Status(Code::kInvalid, "the store is closed"), 0);
  const Status status = engine()->Rollback();
  PublishLayout();
  if (status.ok() && opened_.log) {
    opened_.log->RollbackTo(marks_.back());
    marks_.pop_back();
    opened_.log->Append(engine()->TakeSurvivors(), engine()->counts());
  }
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
  const Status status = ApplyAndLog(bytes, size, &applied);
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
  const Status status = ApplyAndLog(bytes, size, result);
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

Status StoreState::WriteRefusal() const {
  if (!opened_.log) return Status(Code::kInvalid, "the store is closed");
  const Status failure = opened_.log->failure();
  if (failure.ok()) return Status(Code::kLogFailed, "the log takes no writes");
  return Status(failure.code(), "no write is taken until the log works again: " + failure.message(),
                failure.system_errno());
}

Status StoreState::StartLog(Napi::Env env, Napi::Function on_progress) {
  Status status = LogWatch::Make(env, on_progress, &log_watch_);
  if (!status.ok()) return status;
  return opened_.log->Start(LogWatch::OnProgress, log_watch_.get());
}

void StoreState::HoldLog(Napi::Env env, bool hold) {
  if (log_watch_) log_watch_->Hold(env, hold);
}

void StoreState::BeginCloseLog() {
  if (log_closing_) return;
  log_closing_ = refuses_writes_ = true;
  opened_.log->BeginClose();
}

bool StoreState::StartSnapshot(Napi::Env env, uint32_t keep, uint32_t watchdog_ms, Napi::Function done) {
  const double start = NowMs();
  if (engine()->in_transaction()) return false;
  if (log_closing_) {
    FailureError(env, Status(Code::kInvalid, "the store is closed")).ThrowAsJavaScriptException();
    return false;
  }
  PageKeeper* keeper = engine()->page_keeper();
  if (keeper != nullptr && !keeper->TryPause()) return false;

  auto call = std::make_unique<SnapshotCall>();
  call->store = self_;
  if (napi_create_threadsafe_function(env, done, nullptr, Napi::String::New(env, "forkstore snapshot"), 0, 1,
                                      nullptr, nullptr, nullptr, SnapshotCall::Deliver,
                                      &call->deliver) != napi_ok) {
    if (keeper != nullptr) keeper->Resume();
    FailureError(env, Status(Code::kSnapshotFailed, "the environment makes no thread-safe function"))
        .ThrowAsJavaScriptException();
    return false;
  }
  Arena* arena = engine()->arena();
  Allocator* allocator = engine()->allocator();
  SnapshotRequest request;
  request.source.arena_base = arena->base();
  request.source.table = allocator->table();
  request.source.units = allocator->units();
  request.source.store_id = opened_.store_id;
  request.source.generation = opened_.next_generation;
  request.source.created_ms =
      std::chrono::duration<double, std::milli>(std::chrono::system_clock::now().time_since_epoch()).count();
  request.source.entries = engine()->entries();
  request.source.writes = engine()->writes();
  request.keep = keep;
  request.watchdog_ms = watchdog_ms;
  opened_.next_generation += 1;  // never used twice, also when this one fails
  snapshot_generation_ = request.source.generation;
  if (opened_.log) {
    request.published = Log::PublishedHook;
    request.published_context = opened_.log.get();
    opened_.log->Cut(snapshot_generation_);
  }

  call->arena = arena;
  SnapshotCall* pending = call.release();
  arena->BeginSave();
  Status status = SnapshotProcess::Start(arena, opened_.directory.get(), request, SnapshotCall::OnDone,
                                         pending, &snapshot_);
  if (keeper != nullptr) {
    if (status.ok()) keeper->SetChildLives(true);
    keeper->Resume();
  }
  snapshot_runs_ = status.ok();
  if (status.ok()) {
    pending->pause_ms = NowMs() - start;
  } else {
    arena->CancelSave();
    pending->outcome.status = std::move(status);
    SnapshotCall::Send(pending);
  }
  return true;
}

void StoreState::FinishSnapshot(SnapshotCall* call) {
  snapshot_runs_ = false;
  if (opened_.log && !call->outcome.status.ok()) opened_.log->SnapshotFailed(snapshot_generation_);
  if (PageKeeper* keeper = engine()->page_keeper()) {
    keeper->Collapse(std::move(call->split));
    keeper->SetChildLives(false);
  }
}

std::unique_ptr<StoreRemains> StoreState::Close(Napi::Env env, bool env_alive) {
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
  auto remains = std::make_unique<StoreRemains>();
  remains->snapshot = std::move(snapshot_);
  remains->engine = std::move(opened_.engine);
  remains->log = std::move(opened_.log);
  remains->directory = std::move(opened_.directory);
  remains->log_watch = std::move(log_watch_);
  return remains;
}

}  // namespace forkstore
