// Any bytes as a program on a small store with a log (testing/store_program.h): operations,
// transactions, turns, snapshots, failing calls, power cuts. What the log holds comes to the same state in a
// roomy engine.
#include "testing/store_program.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 900) return 0;
  forkstore::StoreProgram().Run(data, size);
  return 0;
}
