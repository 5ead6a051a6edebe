#include "files/ownership.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace forkstore {

std::string OtherOwner(int directory_fd, const char* name, const std::string& store, int error) {
  if (error != EACCES && error != EPERM) return "";
  struct statx file;
  const bool is_there = statx(directory_fd, name, AT_SYMLINK_NOFOLLOW, STATX_UID, &file) == 0;
  if (!is_there && statx(directory_fd, "", AT_EMPTY_PATH, STATX_UID, &file) != 0) return "";
  const uid_t self = geteuid();
  if (file.stx_uid == self) return "";
  return std::string("; ") + (is_there ? "it" : "the directory") + " belongs to user " +
         std::to_string(file.stx_uid) + ", and this process is user " + std::to_string(self) +
         ": run it as that user, or give it the store (chown -R " + std::to_string(self) + " " + store + ")";
}

}  // namespace forkstore
