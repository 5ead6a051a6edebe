// open(): reads a store on a thread of the pool, so that loading gigabytes holds nobody up.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "binding/replay_watch.h"
#include "store/store.h"

namespace forkstore {

class OpenWorker : public Napi::AsyncWorker {
 public:
  // open(path: string | undefined, options: NativeOpenOptions): Promise<NativeStore>
  static Napi::Value Run(const Napi::CallbackInfo& info);

 private:
  OpenWorker(Napi::Env env, std::string path, OpenOptions options, Napi::Value on_replay);

  void Execute() override;
  void OnOK() override;

  Napi::Promise::Deferred deferred_;
  std::string path_;
  OpenOptions options_;
  ReplayWatch replay_watch_;
  Status status_;
  OpenedStore opened_;
};

}  // namespace forkstore
