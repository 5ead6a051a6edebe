// PackBuffer: the JavaScript ArrayBuffer in which packed values (Tree::Pack) are handed over.
#pragma once

#include <napi.h>

#include "data/tree.h"

namespace forkstore {

class PackBuffer {
 public:
  // Packs the node to the start of the buffer, which is replaced when it is too small, or far too large.
  // *bytes: how many. Errors: those of Tree::Pack; kTooLarge when no buffer can be had.
  Status Pack(napi_env env, const Tree& tree, NodeId node, uint64_t* bytes);
  Napi::Value Value(Napi::Env env);
  uint32_t replaced() const { return replaced_; }
  void SuppressDestruct() { reference_.SuppressDestruct(); }

 private:
  bool Replace(Napi::Env env, size_t bytes);

  std::vector<uint8_t> packed_;
  Napi::Reference<Napi::ArrayBuffer> reference_;
  uint8_t* data_ = nullptr;
  size_t capacity_ = 0;
  uint32_t replaced_ = 0;
};

}  // namespace forkstore
