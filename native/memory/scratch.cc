#include "memory/scratch.h"

#include <errno.h>
#include <sys/mman.h>

namespace forkstore {

ScratchMapping::~ScratchMapping() {
  if (address_ != nullptr) munmap(address_, bytes_);
}

Status ScratchMapping::Create(uint64_t bytes, Children children) {
  void* address =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) {
    return Status(Code::kIo, "cannot reserve " + std::to_string(bytes) + " bytes of address space", errno);
  }
  // Where the system hands out huge pages unasked, a few bytes of bookkeeping would take 2 MiB, and the
  // first touch a millisecond.
  madvise(address, bytes, MADV_NOHUGEPAGE);
  if (children == Children::kHidden) madvise(address, bytes, MADV_DONTFORK);
  if (address_ != nullptr) munmap(address_, bytes_);
  address_ = address;
  bytes_ = bytes;
  return Status::Ok();
}

}  // namespace forkstore
