// An ArrayBuffer whose memory the engine allocates.
#pragma once

#include <napi.h>

namespace forkstore {

// By the language's own constructor: where memory is short it throws a RangeError, which is then pending, and
// the result is empty. (napi_create_arraybuffer ends the process.)
inline Napi::ArrayBuffer MakeArrayBuffer(Napi::Env env, size_t bytes) {
  napi_value constructor = nullptr;
  napi_value size = nullptr;
  napi_value made = nullptr;
  if (napi_get_named_property(env, env.Global(), "ArrayBuffer", &constructor) != napi_ok ||
      napi_create_double(env, static_cast<double>(bytes), &size) != napi_ok ||
      napi_new_instance(env, constructor, 1, &size, &made) != napi_ok) {
    return Napi::ArrayBuffer();
  }
  return Napi::ArrayBuffer(env, made);
}

}  // namespace forkstore
