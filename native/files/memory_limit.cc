#include "files/memory_limit.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "files/file_descriptor.h"

namespace forkstore {
namespace {

// Limits above this are none: v1 says so with the largest multiple of a page.
constexpr uint64_t kHighestLimit = uint64_t{1} << 60;

// Of files that are short; empty where it cannot be read.
std::string ReadText(const std::string& path) {
  const FileDescriptor file(OpenRetrying(AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char piece[4096];
  for (ssize_t got; file.get() >= 0 && (got = read(file.get(), piece, sizeof(piece))) > 0;) {
    text.append(piece, static_cast<size_t>(got));
  }
  return text;
}

uint64_t ReadNumber(const std::string& path, uint64_t otherwise) {
  const std::string text = ReadText(path);
  if (text.empty() || text[0] < '0' || text[0] > '9') return otherwise;  // also "max"
  return strtoull(text.c_str(), nullptr, 10);
}

// The number behind `name` and a space at the beginning of a line; 0 where there is none.
uint64_t NumberNamed(const std::string& text, const std::string& name) {
  for (size_t line = 0; line < text.size(); line = std::min(text.find('\n', line), text.size() - 1) + 1) {
    if (text.compare(line, name.size() + 1, name + " ") != 0) continue;
    return strtoull(text.c_str() + line + name.size() + 1, nullptr, 10);
  }
  return 0;
}

struct Names {
  const char* limit;
  const char* usage;
  const char* inactive;  // in memory.stat
};
constexpr Names kVersion2 = {"/memory.max", "/memory.current", "inactive_file"};
constexpr Names kVersion1 = {"/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file"};

uint64_t LeftIn(const std::string& folder, const Names& names) {
  const uint64_t limit = ReadNumber(folder + names.limit, kNoMemoryLimit);
  if (limit >= kHighestLimit) return kNoMemoryLimit;
  const uint64_t usage = ReadNumber(folder + names.usage, 0);
  const uint64_t inactive = NumberNamed(ReadText(folder + "/memory.stat"), names.inactive);
  const uint64_t used = usage - std::min(usage, inactive);
  return limit - std::min(limit, used);
}

// Of a group and all above it. In a container the path may be that of the host, and only the root be there.
uint64_t LeftAbove(const std::string& mount, std::string path, const Names& names) {
  uint64_t left = kNoMemoryLimit;
  for (;;) {
    left = std::min(left, LeftIn(mount + path, names));
    if (path.empty()) return left;
    path.resize(std::min(path.rfind('/'), path.size() - 1));
  }
}

}  // namespace

uint64_t MemoryLeftBytes(const std::string& root) {
  const std::string groups = ReadText(root + "/proc/self/cgroup");
  uint64_t left = kNoMemoryLimit;
  for (size_t line = 0; line < groups.size();) {
    const size_t end = std::min(groups.find('\n', line), groups.size());
    const std::string group = groups.substr(line, end - line);
    line = end + 1;
    // hierarchy:controllers:path
    const size_t first = group.find(':');
    const size_t second = first == std::string::npos ? first : group.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + group.substr(first + 1, second - first - 1) + ",";
    std::string path = group.substr(second + 1);
    if (path == "/") path.clear();
    if (controllers == ",,") {
      left = std::min(left, LeftAbove(root + "/sys/fs/cgroup", path, kVersion2));
    } else if (controllers.find(",memory,") != std::string::npos) {
      left = std::min(left, LeftAbove(root + "/sys/fs/cgroup/memory", path, kVersion1));
    }
  }
  return left;
}

}  // namespace forkstore
