// PackBuffer: the JavaScript ArrayBuffer in which packed values (Tree::Pack) are handed over.
#pragma once

#include <napi.h>

#include "data/tree/tree.h"
#include "engine/engine.h"

namespace forkstore {

class PackBuffer {
 public:
  // Packs the node to the start of the buffer, which is replaced when it is too small, or far too large.
  // *bytes: how many. Errors: those of Tree::Pack; kTooLarge when no buffer can be had.
  Status Pack(napi_env env, const Tree& tree, NodeId node, uint64_t* bytes);
  // The same for items of an array: as Tree::PackItems.
  Status PackItems(napi_env env, const Tree& tree, NodeId node, uint32_t from, uint32_t to, uint32_t limit,
                   uint64_t* bytes, uint32_t* next);
  // The same for items that are held: as Engine::ReadHeld; kFull when no buffer can be had.
  Status ReadHeld(napi_env env, Engine* engine, uint64_t held, uint64_t taken, uint32_t most,
                  uint32_t* indexes, uint64_t* bytes, uint32_t* count);
  Napi::Value Value(Napi::Env env);
  uint32_t replaced() const { return replaced_; }
  void SuppressDestruct() { reference_.SuppressDestruct(); }

 private:
  Status HandOver(napi_env env, uint64_t* bytes);
  bool Replace(Napi::Env env, size_t bytes);

  std::vector<uint8_t> packed_;
  Napi::Reference<Napi::ArrayBuffer> reference_;
  uint8_t* data_ = nullptr;
  size_t capacity_ = 0;
  uint32_t replaced_ = 0;
};

}  // namespace forkstore
