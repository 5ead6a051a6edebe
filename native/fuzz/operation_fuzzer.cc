// Any bytes as operations and transactions on a small store (engine/operation_program_for_test.h): nothing
// crashes, a refused operation and a rolled back transaction leave no trace, and what is there at the end can
// be loaded.
#include "engine/operation_program_for_test.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 16 * 1024) return 0;
  forkstore::OperationProgram().Run(data, size);
  return 0;
}
