// Any bytes as operations and transactions on a small store (testing/operation_program.h): nothing
// crashes, a refused operation and a rolled back transaction leave no trace, and what is there at the end can
// be loaded.
#include "testing/operation_program.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 16 * 1024) return 0;
  forkstore::OperationProgram().Run(data, size);
  return 0;
}
