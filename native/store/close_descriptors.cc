#include "store/close_descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstring>

#include "files/file_descriptor.h"

#ifndef SYS_close_range
#define SYS_close_range 436  // the same number on every architecture
#endif

namespace forkstore {

namespace {

bool IsKept(int fd, const int* keep, int count) {
  return std::find(keep, keep + count, fd) != keep + count;
}

// The descriptor that a name in /proc/self/fd is; -1 for "." and "..".
int ParseDescriptor(const char* name) {
  int value = 0;
  for (; *name >= '0' && *name <= '9' && value < INT_MAX / 10; ++name) value = value * 10 + (*name - '0');
  return *name == 0 ? value : -1;
}

// What getdents64 gives; the C library declares it only together with functions that allocate.
struct ListedName {
  uint64_t inode;
  int64_t next;
  uint16_t record_bytes;
  uint8_t type;
  char name[1];
};

}  // namespace

bool CloseByRange(const int* keep, int count) {
  // The gaps between what is kept, from below.
  unsigned first = 0;
  for (;;) {
    unsigned kept = UINT_MAX;
    for (int i = 0; i < count; ++i) {
      const unsigned fd = static_cast<unsigned>(keep[i]);
      if (fd >= first) kept = std::min(kept, fd);
    }
    if (kept == UINT_MAX) return syscall(SYS_close_range, first, UINT_MAX, 0) == 0;
    if (first < kept && syscall(SYS_close_range, first, kept - 1, 0) != 0) return false;
    first = kept + 1;
  }
}

bool CloseByListing(const int* keep, int count) {
  const int listing = OpenRetrying(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (listing < 0) return false;
  alignas(8) char buffer[4096];
  long bytes;
  while ((bytes = syscall(SYS_getdents64, listing, buffer, sizeof(buffer))) > 0) {
    for (long position = 0; position < bytes;) {
      const ListedName* listed = reinterpret_cast<const ListedName*>(buffer + position);
      const int fd = ParseDescriptor(listed->name);
      if (fd >= 0 && fd != listing && !IsKept(fd, keep, count)) close(fd);
      position += listed->record_bytes;
    }
  }
  close(listing);
  return bytes == 0;
}

void CloseOneByOne(const int* keep, int count) {
  // Where the limit is "infinite", what lies above this is given up: the other two ways have failed.
  constexpr rlim_t kMost = 1 << 20;
  rlimit limit;
  const bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0;
  const int end = static_cast<int>(known ? std::min(limit.rlim_cur, kMost) : kMost);
  for (int fd = 0; fd < end; ++fd) {
    if (!IsKept(fd, keep, count)) close(fd);
  }
}

void CloseAllDescriptorsBut(const int* keep, int count) {
  if (CloseByRange(keep, count) || CloseByListing(keep, count)) return;
  CloseOneByOne(keep, count);
}

}  // namespace forkstore
