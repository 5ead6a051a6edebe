#include "binding/store_object.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "binding/failure.h"
#include "binding/log_object.h"
#include "binding/map_object.h"
#include "binding/string_argument.h"
#include "binding/tree_functions.h"

namespace forkstore {

namespace {

constexpr size_t kFirstBufferBytes = 64 * 1024;

// Not as Napi::String: Object::Set() would pass it through UTF-8, which lone surrogates do not survive.
Napi::Value ToString(Napi::Env env, bool utf16, const uint8_t* data, uint64_t bytes) {
  if (!utf16) {
    napi_value value = nullptr;
    napi_create_string_latin1(env, reinterpret_cast<const char*>(data), bytes, &value);
    return Napi::Value(env, value);
  }
  std::u16string units(bytes / 2, u'\0');
  std::memcpy(units.data(), data, bytes);
  return Napi::String::New(env, units);
}

// Appends one name to a name list (format.md, section 2); false when it is too long for a shape.
bool AppendName(const Key& name, std::vector<uint8_t>* list) {
  const uint64_t units = name.kind == KeyKind::kUtf16 ? name.bytes / 2 : name.bytes;
  if (units > kMaxNameUnits) return false;
  const uint16_t head[2] = {static_cast<uint16_t>(name.kind), static_cast<uint16_t>(name.bytes)};
  const size_t at = list->size();
  list->resize(at + RoundUp(sizeof(head) + name.bytes, 4));
  std::memcpy(list->data() + at, head, sizeof(head));
  if (name.bytes != 0) std::memcpy(list->data() + at + sizeof(head), name.data, name.bytes);
  return true;
}

Napi::Object DescribeRecoveredLog(Napi::Env env, const RecoveredLog& log) {
  Napi::Object object = Napi::Object::New(env);
  Napi::Array tails = Napi::Array::New(env, log.tails.size());
  for (uint32_t i = 0; i < log.tails.size(); ++i) {
    Napi::Object tail = Napi::Object::New(env);
    tail.Set("file", log.tails[i].file);
    tail.Set("offset", static_cast<double>(log.tails[i].offset));
    tail.Set("bytes", static_cast<double>(log.tails[i].bytes));
    tails.Set(i, tail);
  }
  Napi::Array copies = Napi::Array::New(env, log.copied_aside.size());
  for (uint32_t i = 0; i < log.copied_aside.size(); ++i) copies.Set(i, log.copied_aside[i]);
  object.Set("found", log.found);
  object.Set("operations", static_cast<double>(log.operations));
  object.Set("writes", static_cast<double>(log.writes));
  object.Set("bytes", static_cast<double>(log.bytes));
  object.Set("tails", tails);
  object.Set("salvaged", log.salvaged);
  object.Set("copies", copies);
  return object;
}

}  // namespace

void StoreObject::Define(Napi::Env env) {
  auto* constructor = new Napi::FunctionReference();
  *constructor = Napi::Persistent(
      DefineClass(env, "NativeStore",
                  {
                      InstanceAccessor<&StoreObject::Recovery>("recovery"),
                      InstanceAccessor<&StoreObject::OperationBuffer>("operationBuffer"),
                      InstanceAccessor<&StoreObject::Result>("result"),
                      InstanceAccessor<&StoreObject::PackBuffer>("packBuffer"),
                      InstanceMethod<&StoreObject::GrowOperationBuffer>("growOperationBuffer"),
                      InstanceMethod<&StoreObject::Apply>("apply"),
                      InstanceMethod<&StoreObject::LastMessage>("lastMessage"),
                      InstanceMethod<&StoreObject::Segment>("segment"),
                      InstanceMethod<&StoreObject::ReadBlock>("readBlock"),
                      InstanceMethod<&StoreObject::OpenMap>("openMap"),
                      InstanceMethod<&StoreObject::DropMap>("dropMap"),
                      InstanceMethod<&StoreObject::Map>("map"),
                      InstanceMethod<&StoreObject::Maps>("maps"),
                      InstanceMethod<&StoreObject::DefineShape>("defineShape"),
                      InstanceMethod<&StoreObject::ShapeNames>("shapeNames"),
                      InstanceMethod<&StoreObject::Reclaim>("reclaim"),
                      InstanceMethod<&StoreObject::Log>("log"),
                      InstanceMethod<&StoreObject::Snapshot>("snapshot"),
                      InstanceMethod<&StoreObject::Stats>("stats"),
                      InstanceMethod<&StoreObject::Close>("close"),
                  }));
  env.SetInstanceData<Napi::FunctionReference>(constructor);
}

Napi::Object StoreObject::New(Napi::Env env, OpenedStore opened) {
  Napi::Object object = env.GetInstanceData<Napi::FunctionReference>()->New({});
  // An environment that is ending makes no objects; the store goes as it came.
  if (object.IsEmpty() || env.IsExceptionPending()) return object;
  StoreObject* self = Unwrap(object);
  if (self == nullptr) return object;
  self->state_ = std::make_unique<StoreState>(std::move(opened));
  self->state_->MakeOperationBuffer(env, kFirstBufferBytes);
  self->state_->HoldResult(Napi::Float64Array::New(env, kResultPlaces));
  AddTreeFunctions(env, object, self->state_.get());
  AddTransactionFunctions(env, object, self->state_.get());
  napi_add_env_cleanup_hook(env, OnEnvironmentEnd, self);
  return object;
}

StoreObject::StoreObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<StoreObject>(info) {}

StoreObject::~StoreObject() {
  if (!state_) return;
  napi_remove_env_cleanup_hook(Env(), OnEnvironmentEnd, this);
  std::unique_ptr<ClosedStore> closed = state_->Close(Env(), true);
  if (closed) ReleaseInBackground(Env(), std::move(closed));
}

void StoreObject::OnEnvironmentEnd(void* self) {
  auto* object = static_cast<StoreObject*>(self);
  // At once: there will be no later.
  object->state_->Close(object->Env(), false).reset();
  object->state_.reset();
}

StoreState* StoreObject::Open(Napi::Env env) {
  if (state_ && state_->engine() != nullptr) return state_.get();
  FailureError(env, Status(Code::kInvalid, "the store is closed")).ThrowAsJavaScriptException();
  return nullptr;
}

Napi::Value StoreObject::Recovery(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const OpenedStore& opened = state_->store().opened();
  Napi::Object object = Napi::Object::New(env);
  Napi::Array skipped = Napi::Array::New(env, opened.skipped.size());
  for (uint32_t i = 0; i < opened.skipped.size(); ++i) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("generation", static_cast<double>(opened.skipped[i].generation));
    entry.Set("reason", opened.skipped[i].reason);
    skipped.Set(i, entry);
  }
  object.Set("generation", static_cast<double>(opened.generation));
  object.Set("entries", opened.engine ? static_cast<double>(opened.engine->entries()) : 0.0);
  object.Set("skipped", skipped);
  object.Set("identityRestored", opened.identity_restored);
  object.Set("log", DescribeRecoveredLog(env, opened.recovered_log));
  return object;
}

Napi::Value StoreObject::OperationBuffer(const Napi::CallbackInfo& info) {
  return state_->OperationBuffer(info.Env());
}

Napi::Value StoreObject::Result(const Napi::CallbackInfo& info) {
  return state_->ResultArray(info.Env());
}

Napi::Value StoreObject::PackBuffer(const Napi::CallbackInfo& info) {
  return state_->PackBufferValue(info.Env());
}

Napi::Value StoreObject::GrowOperationBuffer(const Napi::CallbackInfo& info) {
  return state_->MakeOperationBuffer(info.Env(),
                                     static_cast<size_t>(info[0].As<Napi::Number>().Int64Value()));
}

Napi::Value StoreObject::Apply(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), state_->Apply(info[0].As<Napi::Number>().Uint32Value()));
}

Napi::Value StoreObject::LastMessage(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), state_->last_message());
}

Napi::Value StoreObject::Segment(const Napi::CallbackInfo& info) {
  return state_->Segment(info.Env(), info[0].As<Napi::Number>().Uint32Value());
}

Napi::Value StoreObject::ReadBlock(const Napi::CallbackInfo& info) {
  StoreState* state = Open(info.Env());
  if (state == nullptr) return info.Env().Undefined();
  const auto offset = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
  auto out = info[1].As<Napi::Uint8Array>();
  const uint64_t rest = state->engine()->allocator()->BytesToBlockEnd(offset);
  if (rest <= out.ElementLength()) std::memcpy(out.Data(), state->engine()->arena()->At(offset), rest);
  return Napi::Number::New(info.Env(), static_cast<double>(rest));
}

// Reads the name of a map; what to answer where it is none.
static Status ReadMapName(Napi::Env env, Napi::Value value, StringArgument* name) {
  if (!name->Read(env, value)) return Status(Code::kInvalid, "a map's name must be a string");
  if (name->key().bytes > kMaxKeyBytes) return Status(Code::kTooLarge, "the name is larger than 512 MiB");
  return Status::Ok();
}

Napi::Value StoreObject::OpenMap(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  StoreState* state = Open(env);
  if (state == nullptr) return env.Undefined();
  StringArgument name;
  Status status = ReadMapName(env, info[0], &name);
  if (!status.ok()) return Napi::Number::New(env, state->Answer(status, 0));
  const uint32_t id = state->engine()->FindMap(name.key());
  if (id != 0) return Napi::Number::New(env, id);
  ApplyResult result;
  // Where they are used up, 0, which the engine refuses.
  const uint32_t next = state->engine()->map_count() + 1;
  status = state->ApplyBuilt(OperationCode::kCreateMap, next, {}, name.key(), &result);
  return Napi::Number::New(env, state->Answer(status, next));
}

Napi::Value StoreObject::DropMap(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  StoreState* state = Open(env);
  if (state == nullptr) return env.Undefined();
  StringArgument name;
  Status status = ReadMapName(env, info[0], &name);
  // No map has such a long one.
  if (status.code() == Code::kTooLarge) return Napi::Number::New(env, 0);
  if (!status.ok()) return Napi::Number::New(env, state->Answer(status, 0));
  const uint32_t id = state->engine()->FindMap(name.key());
  if (id == 0) return Napi::Number::New(env, 0);
  ApplyResult result;
  status = state->ApplyBuilt(OperationCode::kDropMap, id, {}, Key{}, &result);
  return Napi::Number::New(env, state->Answer(status, 1));
}

Napi::Value StoreObject::Map(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  StoreState* state = Open(env);
  if (state == nullptr) return env.Undefined();
  const uint32_t id = info[0].As<Napi::Number>().Uint32Value();
  if (state->engine()->map(id) == nullptr) {
    FailureError(env, Status(Code::kInvalid, "there is no such map")).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  return MakeMapObject(env, info.This(), state, id);
}

Napi::Value StoreObject::Maps(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  StoreState* state = Open(env);
  if (state == nullptr) return env.Undefined();
  constexpr uint32_t kMost = 64;
  uint32_t ids[kMost];
  const auto from = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
  const uint32_t count = state->engine()->ScanMaps(from, kMost, ids);
  Napi::Array list = Napi::Array::New(env, count);
  for (uint32_t i = 0; i < count; ++i) {
    const Key name = state->engine()->MapName(ids[i]);
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("id", ids[i]);
    entry.Set("name", ToString(env, name.kind == KeyKind::kUtf16, name.data, name.bytes));
    list.Set(i, entry);
  }
  return list;
}

Napi::Value StoreObject::DefineShape(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  StoreState* state = Open(env);
  if (state == nullptr) return env.Undefined();
  auto names = info[0].As<Napi::Array>();
  const uint32_t count = names.Length();
  std::vector<uint8_t> list;
  for (uint32_t i = 0; i < count; ++i) {
    StringArgument name;
    if (count > kMaxShapeFields || !name.Read(env, names.Get(i)) || !AppendName(name.key(), &list)) {
      return Napi::Number::New(env, state->Answer(Status(Code::kTooLarge, "too wide for a shape"), 0));
    }
  }
  uint32_t id = 0;
  if (state->engine()->shapes().Find(list, &id)) return Napi::Number::New(env, id);
  const uint32_t head[2] = {state->engine()->shapes().count(), count};
  std::vector<uint8_t> value(RoundUp(sizeof(head) + list.size(), 8));
  std::memcpy(value.data(), head, sizeof(head));
  if (!list.empty()) std::memcpy(value.data() + sizeof(head), list.data(), list.size());
  ApplyResult result;
  const Status status = state->ApplyBuilt(OperationCode::kDefineShape, 0, value, Key{}, &result);
  return Napi::Number::New(env, state->Answer(status, result.number));
}

Napi::Value StoreObject::ShapeNames(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  StoreState* state = Open(env);
  if (state == nullptr) return env.Undefined();
  const uint32_t shape = info[0].As<Napi::Number>().Uint32Value();
  ShapeTable& shapes = state->engine()->shapes();
  Napi::Array names = Napi::Array::New(env);
  if (!shapes.Has(shape)) return names;
  for (uint32_t i = 0; i < shapes.FieldCount(shape); ++i) {
    const StringBytes& name = shapes.FieldName(shape, i);
    names.Set(i, ToString(env, name.utf16, name.data, name.bytes));
  }
  return names;
}

Napi::Value StoreObject::Reclaim(const Napi::CallbackInfo& info) {
  StoreState* state = Open(info.Env());
  if (state == nullptr) return info.Env().Undefined();
  return Napi::Boolean::New(info.Env(), state->Reclaim(info[0].As<Napi::Number>().Uint32Value()));
}

Napi::Value StoreObject::Log(const Napi::CallbackInfo& info) {
  StoreState* state = Open(info.Env());
  if (state == nullptr || state->log() == nullptr) return info.Env().Undefined();
  Napi::Object object = MakeLogObject(info.Env(), state);
  // The functions point into the state, which must not be collected before them.
  object.Set("store", info.This());
  return object;
}

Napi::Value StoreObject::Snapshot(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  StoreState* state = Open(env);
  if (state == nullptr) return env.Undefined();
  // Not an object: where a worker is being terminated, its members cannot be read any more.
  SnapshotSettings settings;
  settings.keep = info[0].As<Napi::Number>().Uint32Value();
  settings.watchdog_ms = info[1].As<Napi::Number>().Uint32Value();
  settings.asked = static_cast<AskedStrategy>(info[2].As<Napi::Number>().Uint32Value());
  settings.max_copied_bytes = static_cast<uint64_t>(info[3].As<Napi::Number>().Int64Value());
  settings.max_bytes_per_second = static_cast<uint64_t>(info[4].As<Napi::Number>().Int64Value());
  return Napi::Boolean::New(env, state->StartSnapshot(env, settings, info[5].As<Napi::Function>()));
}

Napi::Value StoreObject::Stats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  StoreState* state = Open(env);
  if (state == nullptr) return env.Undefined();
  Engine* engine = state->engine();
  const AllocatorStats allocated = engine->allocator()->stats();
  Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* name, uint64_t number) { object.Set(name, static_cast<double>(number)); };
  set("liveBytes", allocated.live_bytes);
  set("freeBytes", allocated.free_bytes);
  set("mappedBytes", allocated.mapped_bytes);
  const PageKeeper* keeper = engine->page_keeper();
  if (keeper != nullptr && keeper->huge_bytes() != PageKeeper::kNotKnown) {
    set("hugeBytes", std::min(keeper->huge_bytes(), allocated.mapped_bytes));
  }
  set("dirtyBytes", engine->arena()->dirty_pages() * kPageBytes);
  set("maxBytes", engine->arena()->max_bytes());
  set("entries", engine->entries());
  set("maps", engine->live_maps());
  set("writes", engine->writes());
  set("shapes", engine->shapes().count());
  set("nodes", engine->tree().node_count());
  set("snapshotBytesWritten", state->store().snapshot_bytes_written());
  return object;
}

Napi::Value StoreObject::Close(const Napi::CallbackInfo& info) {
  return ReleaseInBackground(info.Env(), state_->Close(info.Env(), true));
}

}  // namespace forkstore
