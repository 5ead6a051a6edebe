#include "store/stand_back.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace forkstore {

namespace {

constexpr int kNice = 10;

// <linux/ioprio.h>, which older systems do not have.
constexpr int kIoprioWhoProcess = 1;
constexpr int kIoprioClassShift = 13;
constexpr int kIoprioClassBestEffort = 2;
constexpr int kIoprioLowestLevel = 7;

}  // namespace

// The lowest level of the ordinary class, not the idle class: that may get nothing at all while others keep the
// disk busy, and a snapshot that does not end lets the log grow. Schedulers that know no priorities ("none", which
// most NVMe devices have, and "kyber") ignore it; for them the writer rests (Store::CutForSnapshot).
void StandBack() {
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNice);
  syscall(SYS_ioprio_set, kIoprioWhoProcess, 0,
          kIoprioClassBestEffort << kIoprioClassShift | kIoprioLowestLevel);
}

}  // namespace forkstore
