// Whose a file is that the system does not let this process have.
#pragma once

#include <string>

namespace forkstore {

// What to add to the message of a call that failed with `error`: whose the file is, or, when it is not there,
// the directory; who this is, and what to do. Empty unless permission was refused and the file is another
// user's. `store`: the path of the store.
std::string OtherOwner(int directory_fd, const char* name, const std::string& store, int error);

}  // namespace forkstore
