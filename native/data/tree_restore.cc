#include "data/tree_state.h"
namespace forkstore {
Status Tree::Restore(const std::vector<RestoredMap>&) {
  return Status::Ok();
}
void Tree::RemoveUnreferenced() {}
}  // namespace forkstore
