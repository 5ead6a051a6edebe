#include "binding/pack_buffer.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace forkstore {

namespace {

constexpr size_t kFirstBytes = 16 * 1024;
// A larger one is not kept for a value that would do with the first.
constexpr size_t kMostKeptBytes = 1024 * 1024;

}  // namespace

bool PackBuffer::Replace(Napi::Env env, size_t bytes) {
  Napi::ArrayBuffer array = Napi::ArrayBuffer::New(env, bytes);
  if (env.IsExceptionPending()) {
    env.GetAndClearPendingException();
    return false;
  }
  reference_ = Napi::Reference<Napi::ArrayBuffer>::New(array, 1);
  data_ = static_cast<uint8_t*>(array.Data());
  capacity_ = bytes;
  ++replaced_;
  return true;
}

Status PackBuffer::Pack(napi_env env, const Tree& tree, NodeId node, uint64_t* bytes) {
  packed_.clear();
  if (Status status = tree.Pack(node, &packed_); !status.ok()) return status;
  *bytes = packed_.size();
  const bool small = *bytes <= kFirstBytes;
  if (*bytes > capacity_ || (capacity_ > kMostKeptBytes && small)) {
    const size_t wanted =
        *bytes > kMostKeptBytes ? *bytes : std::bit_ceil(std::max(*bytes, uint64_t{kFirstBytes}));
    if (!Replace(env, wanted)) return Status(Code::kTooLarge, "no buffer for a copy of this size");
  }
  std::memcpy(data_, packed_.data(), *bytes);
  // Swapped, as assigning {} would keep the memory.
  if (packed_.capacity() > kMostKeptBytes) std::vector<uint8_t>().swap(packed_);
  return Status::Ok();
}

Napi::Value PackBuffer::Value(Napi::Env env) {
  if (reference_.IsEmpty()) Replace(env, kFirstBytes);
  return reference_.IsEmpty() ? env.Undefined() : Napi::Value(reference_.Value());
}

}  // namespace forkstore
