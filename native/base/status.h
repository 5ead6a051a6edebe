// Status: how C++ code reports failure. There are no exceptions in this code base.
#pragma once

#include <string>
#include <utility>

namespace forkstore {

// One for each public error code that C++ can raise; lib/base/errors.ts holds the same list.
enum class Code {
  kOk = 0,
  kFull = 1,       // the arena's address space is used up
  kCorrupt = 2,    // bytes that no writer of this format has written
  kVersion = 3,    // a file of another format version or byte order
  kLocked = 4,     // another process has the directory open
  kInvalid = 5,    // an operation that is not well formed
  kTooLarge = 6,   // a key or value over the format's limits
  kNotFound = 7,   // patch or increment of an entry that is not there
  kWrongType = 8,  // patch of a non-object, increment of a non-number
  kIo = 9,         // a system call failed; system_errno() says how
  kSnapshotFailed = 10,
  kLogFailed = 11,  // the log could not be written or synced; nothing since is known to be on disk
  kDetached = 12,   // an operation on a node that is not in the tree (any more)
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message, int system_errno = 0)
      : code_(code), system_errno_(system_errno), message_(std::move(message)) {}

  static Status Ok() { return Status(); }

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  int system_errno() const { return system_errno_; }
  const std::string& message() const { return message_; }

 private:
  Code code_ = Code::kOk;
  int system_errno_ = 0;
  std::string message_;
};

}  // namespace forkstore
