// Any bytes as a program on a small store that runs full again and again (testing/replay_program.h):
// what it took comes to the same state and the same ids in a roomy one.
#include "testing/replay_program.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 3000) return 0;
  forkstore::ReplayProgram().Run(data, size);
  return 0;
}
