// Closing what a forked child has inherited.
#pragma once

namespace forkstore {

// Closes every descriptor but those in `keep` (`count` of them). Async-signal-safe.
void CloseAllDescriptorsBut(const int* keep, int count);

// The ways there are, the fastest first; false when the kernel does not offer it. For tests.
bool CloseByRange(const int* keep, int count);    // close_range(), Linux 5.9
bool CloseByListing(const int* keep, int count);  // names in /proc/self/fd
void CloseOneByOne(const int* keep, int count);   // up to the limit of the process

}  // namespace forkstore
