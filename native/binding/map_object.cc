#include "binding/map_object.h"

#include <algorithm>

#include "binding/raw_function.h"
#include "binding/string_argument.h"

namespace forkstore {

namespace {

napi_value Fail(napi_env env, MapHandle* handle, const char* message) {
  return Number(env, handle->store->Answer(Status(Code::kInvalid, message), 0));
}

napi_value Gone(napi_env env, MapHandle* handle) {
  if (handle->store->engine() == nullptr) return Fail(env, handle, "the store is closed");
  return Number(env, handle->store->Answer(Status(Code::kDetached, "the map was dropped"), 0));
}

napi_value Find(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  MapHandle* handle = Arguments<MapHandle>(env, info, arguments);
  StringArgument key;
  OrderedMap* map = handle->Map();
  if (map == nullptr) return Gone(env, handle);
  if (!key.Read(env, arguments[0])) return Fail(env, handle, "find: the key is no string");
  if (key.key().bytes > kMaxKeyBytes) return Number(env, 0);
  return Number(env, static_cast<double>(map->Find(key.key())));
}

napi_value FindEncoded(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  MapHandle* handle = Arguments<MapHandle>(env, info, arguments);
  uint32_t kind = 0;
  uint32_t bytes = 0;
  OrderedMap* map = handle->Map();
  if (map == nullptr) return Gone(env, handle);
  StoreState* store = handle->store;
  if (napi_get_value_uint32(env, arguments[0], &kind) != napi_ok ||
      napi_get_value_uint32(env, arguments[1], &bytes) != napi_ok ||
      kind > static_cast<uint32_t>(KeyKind::kBigint) || bytes > store->buffer_bytes() - kOperationHeadBytes) {
    return Fail(env, handle, "findEncoded: wrong arguments");
  }
  const Key key{static_cast<KeyKind>(kind), store->buffer() + kOperationHeadBytes, bytes};
  return Number(env, static_cast<double>(map->Find(key)));
}

napi_value Apply(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  MapHandle* handle = Arguments<MapHandle>(env, info, arguments);
  uint32_t value_end = 0;
  StringArgument key;
  if (napi_get_value_uint32(env, arguments[0], &value_end) != napi_ok || !key.Read(env, arguments[1])) {
    return Fail(env, handle, "apply: wrong arguments");
  }
  return Number(env, handle->store->ApplyWithKey(value_end, key.key()));
}

napi_value Scan(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  MapHandle* handle = Arguments<MapHandle>(env, info, arguments);
  double from = 0;
  size_t length = 0;
  OrderedMap* map = handle->Map();
  if (map == nullptr) return Gone(env, handle);
  double* out = nullptr;
  if (napi_get_value_double(env, arguments[0], &from) != napi_ok ||
      !Doubles(env, arguments[1], &out, &length) ||
      !(from >= 0 && from <= static_cast<double>(kMaxSequence) + 1)) {
    return Fail(env, handle, "scan: wrong arguments");
  }
  constexpr size_t kMost = 1024;
  Offset records[kMost];
  const auto limit = static_cast<uint32_t>(std::min(length, kMost));
  const uint32_t count = map->Scan(static_cast<uint64_t>(from), limit, records);
  for (uint32_t i = 0; i < count; ++i) out[i] = static_cast<double>(records[i]);
  return Number(env, count);
}

napi_value Size(napi_env env, napi_callback_info info) {
  MapHandle* handle = NoArguments<MapHandle>(env, info);
  OrderedMap* map = handle->Map();
  if (map == nullptr) return Gone(env, handle);
  return Number(env, static_cast<double>(map->size()));
}

napi_value NextSequence(napi_env env, napi_callback_info info) {
  MapHandle* handle = NoArguments<MapHandle>(env, info);
  OrderedMap* map = handle->Map();
  if (map == nullptr) return Gone(env, handle);
  return Number(env, static_cast<double>(map->next_sequence()));
}

}  // namespace

Napi::Object MakeMapObject(Napi::Env env, Napi::Value store, StoreState* state, uint32_t id) {
  Napi::Object object = Napi::Object::New(env);
  if (object.IsEmpty()) return object;
  auto* handle = new MapHandle{state, id};
  const auto release = [](napi_env, void* data, void*) { delete static_cast<MapHandle*>(data); };
  if (napi_wrap(env, object, handle, release, nullptr, nullptr) != napi_ok) {
    delete handle;
    return object;
  }
  // Each function keeps the object alive, and with it the handle and the store.
  object.Set("store", store);
  AddFunctions(env, object, object, handle,
               {{"find", Find},
                {"findEncoded", FindEncoded},
                {"apply", Apply},
                {"scan", Scan},
                {"size", Size},
                {"nextSequence", NextSequence}});
  return object;
}

}  // namespace forkstore
