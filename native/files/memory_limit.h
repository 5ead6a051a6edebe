// How much memory the process may still take before a limit of its control group (cgroup v2 or v1) is reached.
#pragma once

#include <cstdint>
#include <string>

namespace forkstore {

inline constexpr uint64_t kNoMemoryLimit = ~uint64_t{0};

// The least that the groups of the process leave, from its own up to the root; page cache that is not in use
// counts as free. kNoMemoryLimit where there is no limit, or none that can be read. Reads files: not for the
// owner's thread. `root`: where /proc and /sys are; for tests.
uint64_t MemoryLeftBytes(const std::string& root = "");

}  // namespace forkstore
