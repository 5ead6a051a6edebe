// What a snapshot's writer, child or thread, does before it writes: requests come first.
#pragma once

namespace forkstore {

// Lowers the priority of the calling thread, at the processor and at the disk. Where the system refuses that, it
// writes all the same. Async-signal-safe.
void StandBack();

}  // namespace forkstore
