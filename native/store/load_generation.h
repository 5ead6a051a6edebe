// Loading a generation's image into an engine, and which of several it is to be; docs/format.md, sections 5
// and 6.
//
// Thread safety: one thread; blocks on disk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/recovery.h"

namespace forkstore {

// Both fill in `store`: engine, store_id, generation, file_bytes. The engine's arena may grow to twice
// max_bytes (to max_bytes where the process may not reserve as much): replaying a log may need it. The caller
// holds it to max_bytes afterwards, with SetMaxBytes(). `known_id`: the directory's, or nullptr when it is
// not known; an image of another store is kCorrupt.

// The image of `generation` in the store's directory. Errors: kCorrupt, kVersion, kFull, kIo.
Status LoadGeneration(uint64_t generation, const StoreId* known_id, const ArenaOptions& options,
                      OpenedStore* store);

// The first of `generations` that verifies, from the store's directory; what was tried before it goes to
// store->skipped. Passed over is only what is damaged, gone, or not given by the disk (EIO). Errors: kCorrupt
// (none verifies), and any other failure of one that is not passed over: kVersion, kFull, kIo.
Status LoadNewest(const std::vector<uint64_t>& generations, const StoreId* known_id,
                  const ArenaOptions& options, OpenedStore* store);

}  // namespace forkstore
