#include "binding/pack_buffer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "binding/array_buffer.h"

namespace forkstore {

namespace {

constexpr size_t kFirstBytes = 16 * 1024;
// A larger one is not kept for a value that would do with the first.
constexpr size_t kMostKeptBytes = 1024 * 1024;

}  // namespace

bool PackBuffer::Replace(Napi::Env env, size_t bytes) {
  Napi::ArrayBuffer array = MakeArrayBuffer(env, bytes);
  if (array.IsEmpty()) {
    if (env.IsExceptionPending()) env.GetAndClearPendingException();
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
  return HandOver(env, bytes);
}

Status PackBuffer::PackItems(napi_env env, const Tree& tree, NodeId node, uint32_t from, uint32_t to,
                             uint32_t limit, uint64_t* bytes, uint32_t* next) {
  packed_.clear();
  Status status = tree.PackItems(node, from, to, limit, &packed_, next);
  return status.ok() ? HandOver(env, bytes) : status;
}

Status PackBuffer::ReadHeld(napi_env env, Engine* engine, uint64_t held, uint64_t taken, uint32_t most,
                            uint32_t* indexes, uint64_t* bytes, uint32_t* count) {
  packed_.clear();
  Status status = engine->ReadHeld(held, taken, most, &packed_, indexes, count);
  if (!status.ok()) return status;
  status = HandOver(env, bytes);
  return status.ok() ? status : Status(Code::kFull, status.message());
}

Status PackBuffer::HandOver(napi_env env, uint64_t* bytes) {
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
