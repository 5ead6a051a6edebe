// Tests only: a process that is held at a moment of the test's choice.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "testing/temporary_directory.h"

namespace forkstore {

// False when the process has ended before.
inline bool StopProcess(pid_t pid) {
  if (kill(pid, SIGSTOP) != 0) return false;
  for (;;) {
    const std::vector<uint8_t> bytes = ReadBytes("/proc/" + std::to_string(pid) + "/stat");
    const std::string text(bytes.begin(), bytes.end());  // "pid (name) state ..."
    const size_t end = text.rfind(") ");
    if (end == std::string::npos || end + 2 >= text.size()) return false;
    const char state = text[end + 2];
    if (state == 'T' || state == 't') return true;
    if (state == 'Z' || state == 'X') return false;
    usleep(100);
  }
}

}  // namespace forkstore
