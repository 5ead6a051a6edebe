#include "store/copied_bytes.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "files/file_descriptor.h"

namespace forkstore {

namespace {

// The number at *text in `base`, moving *text behind it; false when there is none.
bool TakeNumber(const char** text, unsigned base, uint64_t* value) {
  const char* start = *text;
  *value = 0;
  for (;; ++*text) {
    const char digit = **text;
    unsigned number;
    if (digit >= '0' && digit <= '9') {
      number = static_cast<unsigned>(digit - '0');
    } else if (base == 16 && digit >= 'a' && digit <= 'f') {
      number = static_cast<unsigned>(digit - 'a') + 10;
    } else {
      break;
    }
    *value = *value * base + number;
  }
  return *text != start;
}

}  // namespace

void SmapsParser::Feed(const char* text, uint64_t bytes) {
  for (const char* next = text; next != text + bytes; ++next) {
    if (*next == '\n') {
      TakeLine();
      line_bytes_ = 0;
    } else if (line_bytes_ < sizeof(line_) - 1) {
      line_[line_bytes_++] = *next;
    }
  }
}

void SmapsParser::TakeLine() {
  line_[line_bytes_] = 0;
  const char* text = line_;
  uint64_t first, last;
  // A mapping's line begins "7f00-7f10 ", one of its fields "Private_Dirty:    4 kB".
  if (TakeNumber(&text, 16, &first) && *text == '-' && TakeNumber(&++text, 16, &last) && *text == ' ') {
    inside_ = first < end_ && last > begin_;
    return;
  }
  if (!inside_) return;
  if (strncmp(line_, "Private_Clean:", 14) != 0 && strncmp(line_, "Private_Dirty:", 14) != 0) return;
  text = line_ + 14;
  while (*text == ' ') ++text;
  uint64_t kibibytes;
  if (!TakeNumber(&text, 10, &kibibytes)) return;
  ++private_fields_;
  private_bytes_ += kibibytes * 1024;
}

bool ReadCopiedBytes(const void* begin, uint64_t bytes, char* buffer, uint64_t buffer_bytes,
                     uint64_t* copied_bytes) {
  const uint64_t address = reinterpret_cast<uint64_t>(begin);
  SmapsParser parser(address, address + bytes);
  const int fd = OpenRetrying(AT_FDCWD, "/proc/self/smaps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got;
  while ((got = read(fd, buffer, buffer_bytes)) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    parser.Feed(buffer, static_cast<uint64_t>(got));
  }
  close(fd);
  *copied_bytes = parser.private_bytes();
  return got == 0 && parser.mappings() > 0;
}

}  // namespace forkstore
