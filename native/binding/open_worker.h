// open(): reads a store on a thread of the pool, so that loading gigabytes holds nobody up.
#pragma once

#include <napi.h>

#include <string>

#include "persist/recovery.h"

namespace forkstore {

class OpenWorker : public Napi::AsyncWorker {
 public:
  // open(path: string | undefined, options: { maxBytes, hugePages }): Promise<NativeStore>
  static Napi::Value Run(const Napi::CallbackInfo& info);

 private:
  OpenWorker(Napi::Env env, std::string path, ArenaOptions options);

  void Execute() override;
  void OnOK() override;

  Napi::Promise::Deferred deferred_;
  std::string path_;
  ArenaOptions options_;
  Status status_;
  OpenedStore opened_;
};

}  // namespace forkstore
