// Functions by raw Node-API: a call of one takes some 50 ns in all, of which wrappers would be a good part.
#pragma once

#include <node_api.h>

#include <cstddef>

namespace forkstore {

// The arguments, undefined where they are missing; returns what the function is bound to.
template <typename Bound, size_t kCount>
Bound* Arguments(napi_env env, napi_callback_info info, napi_value (&arguments)[kCount]) {
  size_t count = kCount;
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, arguments, nullptr, &data);
  return static_cast<Bound*>(data);
}

template <typename Bound>
Bound* NoArguments(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  return static_cast<Bound*>(data);
}

inline napi_value Number(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

// What a Float64Array holds; false for anything else.
inline bool Doubles(napi_env env, napi_value value, double** numbers, size_t* length) {
  napi_typedarray_type type = napi_int8_array;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, length, &data, nullptr, nullptr) != napi_ok) return false;
  *numbers = static_cast<double*>(data);
  return type == napi_float64_array;
}

struct RawFunction {
  const char* name;
  napi_callback function;
};

// Makes them methods of `object`. Each keeps `owner` alive, whose lifetime is that of `bound`.
template <size_t kCount>
void AddFunctions(napi_env env, napi_value object, napi_value owner, void* bound,
                  const RawFunction (&functions)[kCount]) {
  for (const RawFunction& entry : functions) {
    napi_value function = nullptr;
    napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function, bound, &function);
    napi_set_named_property(env, function, "owner", owner);
    napi_set_named_property(env, object, entry.name, function);
  }
}

}  // namespace forkstore
