// Every system call of a snapshot made to fail in turn, in the parent and in the child, once and from there
// on.
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <string_view>

#include "image/image_reader.h"
#include "store/recovery.h"
#include "store/snapshot.h"
#include "testing/image.h"
#include "testing/log_world.h"
#include "testing/random_arena.h"
#include "testing/start_snapshot.h"
#include "testing/temporary_directory.h"

namespace {

// Shared with the child, so that its calls are counted too.
struct Injection {
  std::atomic<bool> armed;
  std::atomic<bool> for_good;
  std::atomic<int> countdown;
  std::atomic<int> error;
  std::atomic<bool> short_results;
  std::atomic<bool> names_only;  // no other calls count than those that change and keep names
  std::atomic<bool> hit;
  char call[32];
};

Injection* Shared() {
  static Injection* shared = static_cast<Injection*>(
      mmap(nullptr, sizeof(Injection), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  return shared;
}

bool ShouldFail(const char* call) {
  Injection* injection = Shared();
  if (!injection->armed.load()) return false;
  const std::string_view name = call;
  const bool of_names = name == "fsync" || name == "renameat" || name == "unlinkat";
  if (injection->names_only.load() && !of_names) return false;
  const int left = injection->countdown.fetch_sub(1);
  if (left > 0 || (left < 0 && !injection->for_good.load())) return false;
  if (left == 0) {
    strncpy(injection->call, call, sizeof(injection->call) - 1);
    injection->hit.store(true);
  }
  errno = injection->error.load();
  return true;
}

using SyscallFunction = long (*)(long, ...);
SyscallFunction RealSyscall() {
  static const auto real = reinterpret_cast<SyscallFunction>(dlsym(RTLD_NEXT, "syscall"));
  return real;
}

size_t Shorten(size_t bytes) {
  return Shared()->armed.load() && Shared()->short_results.load() && bytes > 8192 ? bytes / 2 / 4096 * 4096
                                                                                  : bytes;
}

}  // namespace

// Stand before the C library's in this program.
extern "C" {

long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_clone && ShouldFail("clone")) return -1;
  if (number == SYS_close_range && ShouldFail("close_range")) return -1;
  return RealSyscall()(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
int openat(int directory, const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const unsigned mode = va_arg(list, unsigned);
  va_end(list);
  if (ShouldFail("openat")) return -1;
  return static_cast<int>(RealSyscall()(SYS_openat, directory, path, flags, mode));
}
ssize_t pwritev(int fd, const iovec* pieces, int count, off_t position) {
  if (ShouldFail("pwritev")) return -1;
  iovec first = pieces[0];
  first.iov_len = Shorten(first.iov_len);
  if (first.iov_len < pieces[0].iov_len) return RealSyscall()(SYS_pwritev, fd, &first, 1, position, 0L);
  return RealSyscall()(SYS_pwritev, fd, pieces, count, position, 0L);
}
int fsync(int fd) {
  return ShouldFail("fsync") ? -1 : static_cast<int>(RealSyscall()(SYS_fsync, fd));
}
int fallocate(int fd, int mode, off_t offset, off_t length) {
  return ShouldFail("fallocate") ? -1
                                 : static_cast<int>(RealSyscall()(SYS_fallocate, fd, mode, offset, length));
}
int renameat(int from, const char* old_name, int to, const char* new_name) noexcept {
  return ShouldFail("renameat") ? -1
                                : static_cast<int>(RealSyscall()(SYS_renameat, from, old_name, to, new_name));
}
int unlinkat(int directory, const char* name, int flags) noexcept {
  return ShouldFail("unlinkat") ? -1 : static_cast<int>(RealSyscall()(SYS_unlinkat, directory, name, flags));
}
int pipe2(int* ends, int flags) noexcept {
  return ShouldFail("pipe2") ? -1 : static_cast<int>(RealSyscall()(SYS_pipe2, ends, flags));
}
int poll(pollfd* fds, nfds_t count, int timeout_ms) {
  if (ShouldFail("poll")) return -1;
  timespec timeout{timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
  return static_cast<int>(
      RealSyscall()(SYS_ppoll, fds, count, timeout_ms < 0 ? nullptr : &timeout, nullptr, 8L));
}
ssize_t read(int fd, void* out, size_t bytes) {
  return ShouldFail("read") ? -1 : RealSyscall()(SYS_read, fd, out, bytes);
}
ssize_t write(int fd, const void* data, size_t bytes) {
  return ShouldFail("write") ? -1 : RealSyscall()(SYS_write, fd, data, bytes);
}
ssize_t pread(int fd, void* out, size_t bytes, off_t position) {
  return ShouldFail("pread") ? -1 : RealSyscall()(SYS_pread64, fd, out, Shorten(bytes), position);
}
int fcntl(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  const long argument = va_arg(list, long);
  va_end(list);
  return ShouldFail("fcntl") ? -1 : static_cast<int>(RealSyscall()(SYS_fcntl, fd, command, argument));
}

}  // extern "C"

namespace forkstore {
namespace {

class FaultInjectionTest : public testing::Test {
 protected:
  static constexpr int kNever = 1 << 30;

  void SetUp() override {
    ASSERT_TRUE(Directory::Open(temporary_.path() + "/store", &directory_).ok());
    arena_.MakeFreezable();
    Arm(kNever, 0, false);
    Disarm();
    Injected old = Snapshot(1);
    ASSERT_TRUE(old.status.ok()) << old.status.message();
    first_image_ = ReadBytes(directory_->ImagePath(1));
  }

  static void Arm(int countdown, int error, bool for_good) {
    Shared()->countdown = countdown;
    Shared()->error = error;
    Shared()->for_good = for_good;
    Shared()->hit = false;
    Shared()->armed = true;
  }
  static void Disarm() { Shared()->armed = false; }

  struct Injected {
    Status status;
    int calls = 0;
  };

  Injected Snapshot(uint64_t generation) {
    SnapshotRequest request;
    request.source = arena_.Source(generation);
    request.keep = 3;
    request.watchdog_ms = 1000;
    request.strategy = strategy_;
    request.frozen_table = &arena_.frozen_table;
    request.max_copied_bytes = uint64_t{64} << 20;
    struct Result {
      std::atomic<int> calls{0};
      Status status;
    } result;
    std::unique_ptr<Snapshots> process;
    Status status = StartSnapshot(
        arena_.arena.get(), directory_.get(), request,
        [](void* context, SnapshotOutcome&& outcome) {
          Result* to = static_cast<Result*>(context);
          to->status = outcome.status;
          to->calls.fetch_add(1);
        },
        &result, &process);
    if (!status.ok()) return {status, result.calls.load() + 1};
    for (int i = 0; i < 100000 && result.calls.load() == 0; ++i) usleep(100);
    process.reset();
    FinishSnapshot(arena_.arena.get());
    return {result.status, result.calls.load()};
  }

  // Of a store with a log whose writer is the caller.
  static Status SnapshotOf(OpenedStore* store) {
    SnapshotRequest request;
    request.source = LogWorld::Source(store, store->next_generation++);
    request.watchdog_ms = 30000;
    request.published = Log::PublishedHook;
    request.published_context = store->log.get();
    store->log->Cut(request.source.generation);
    struct Result {
      std::atomic<bool> done{false};
      Status status;
    } result;
    std::unique_ptr<Snapshots> process;
    const Status started = result.status = StartSnapshot(
        store->engine->arena(), store->directory.get(), request,
        [](void* context, SnapshotOutcome&& outcome) {
          static_cast<Result*>(context)->status = outcome.status;
          static_cast<Result*>(context)->done.store(true);
        },
        &result, &process);
    while (started.ok() && !result.done.load()) usleep(100);
    process.reset();
    if (!result.status.ok()) store->log->SnapshotFailed(request.source.generation);
    store->log->RunWriter();
    return result.status;
  }

  void ExpectConsistent(const Injected& injected, const std::string& what) {
    EXPECT_EQ(injected.calls, 1) << what;
    EXPECT_TRUE(ReadBytes(directory_->ImagePath(1)) == first_image_) << what;
    const bool published = std::filesystem::exists(directory_->ImagePath(2));
    if (injected.status.ok()) {
      EXPECT_TRUE(published) << what;
    } else {
      // Nothing that would count; unless it is the removal that goes on failing.
      EXPECT_FALSE(published && !Shared()->for_good) << what;
      EXPECT_EQ(injected.status.code(), Code::kSnapshotFailed) << what;
      EXPECT_FALSE(injected.status.message().empty()) << what;
    }
    if (published) {
      EXPECT_TRUE(ReadBytes(directory_->ImagePath(2)) == expected_) << what;
    }
    directory_->RemoveTemporaries();
    unlink(directory_->ImagePath(2).c_str());
  }

  TemporaryDirectory temporary_;
  std::unique_ptr<Directory> directory_;
  RandomArena arena_{5, 20, 0.9};
  SnapshotStrategy strategy_ = SnapshotStrategy::kFork;
  std::vector<uint8_t> first_image_;
  std::vector<uint8_t> expected_ = ReferenceImage(arena_.Source(2));
};

// Both ways of writing.
class EachStrategy : public FaultInjectionTest, public testing::WithParamInterface<SnapshotStrategy> {
 protected:
  void SetUp() override {
    FaultInjectionTest::SetUp();
    strategy_ = GetParam();
  }
};
INSTANTIATE_TEST_SUITE_P(FaultInjection, EachStrategy,
                         testing::Values(SnapshotStrategy::kFork, SnapshotStrategy::kCopy),
                         [](const auto& one) {
                           return one.param == SnapshotStrategy::kFork ? "Fork" : "Copy";
                         });

TEST_P(EachStrategy, EveryCallFailsOnce) {
  for (const int error : {EIO, EINTR, EINVAL}) {
    int failures = 0;
    int call = 0;
    for (;; ++call) {
      Arm(call, error, false);
      const Injected injected = Snapshot(2);
      Disarm();
      const std::string what = std::string(Shared()->call) + " (" + std::to_string(call) + ") " +
                               std::to_string(error) + ": " + injected.status.message();
      if (!Shared()->hit) {
        EXPECT_TRUE(injected.status.ok()) << what;
        ExpectConsistent(injected, what);
        break;
      }
      failures += !injected.status.ok();
      const std::string name = Shared()->call;
      // What nothing can go wrong with; and EINTR is no failure at all, except of the calls that never give
      // it.
      if (error == EINTR && name != "clone" && name != "pipe2" && name != "renameat" && name != "unlinkat") {
        EXPECT_TRUE(injected.status.ok()) << what;
      }
      if (name == "fsync" || name == "renameat" || name == "pipe2" || name == "clone") {
        // A process without an exit signal may be refused: then there is one with.
        const bool is_survived = (error == EINTR && name == "fsync") || (error == EINVAL && name == "clone");
        EXPECT_EQ(injected.status.ok(), is_survived) << what;
      }
      if (name == "pwritev" && error != EINTR && error != EINVAL) {
        EXPECT_FALSE(injected.status.ok()) << what;
      }
      // No file may be left, unless removing it is what failed.
      if (name != "unlinkat") {
        EXPECT_FALSE(std::filesystem::exists(directory_->TemporaryPath(2))) << what;
      }
      ExpectConsistent(injected, what);
    }
    EXPECT_GT(call, 20);
    // An interrupted call fails but a few of a fork, and of a thread renameat alone.
    EXPECT_GE(failures, GetParam() == SnapshotStrategy::kFork ? 2 : 1);
  }
}

TEST_P(EachStrategy, EveryCallFailsFromThereOn) {
  for (const int error : {EIO, ENOSYS}) {
    for (int call = 0;; ++call) {
      Arm(call, error, true);
      const Injected injected = Snapshot(2);
      Disarm();
      const std::string what = std::string(Shared()->call) + " (" + std::to_string(call) + ") " +
                               std::to_string(error) + ": " + injected.status.message();
      ExpectConsistent(injected, what);
      if (!Shared()->hit) break;
    }
  }
}

TEST_F(FaultInjectionTest, ShortResultsAreContinued) {
  Shared()->short_results = true;
  Arm(kNever, 0, false);
  const Injected injected = Snapshot(2);
  EXPECT_TRUE(injected.status.ok()) << injected.status.message();
  std::unique_ptr<ImageFile> file;
  ASSERT_TRUE(ImageFile::Open(AT_FDCWD, directory_->ImagePath(2), &file).ok());
  std::unique_ptr<Arena> arena;
  ASSERT_TRUE(Arena::Create({uint64_t{64} << 20, false}, &arena).ok());
  ImageInfo info;
  EXPECT_TRUE(ReadImage(file.get(), arena.get(), &info).ok());
  EXPECT_TRUE(arena_.SameAs(*arena));
  Disarm();
  Shared()->short_results = false;
  ExpectConsistent(injected, "short results");
}

TEST_F(FaultInjectionTest, ReadingFailsAndGoesOn) {
  std::unique_ptr<Arena> arena;
  ASSERT_TRUE(Arena::Create({uint64_t{64} << 20, false}, &arena).ok());
  for (const int error : {EIO, EINTR, EINVAL}) {
    for (int call = 0;; ++call) {
      Arm(call, error, false);
      std::unique_ptr<ImageFile> file;
      ImageInfo info;
      Status status = ImageFile::Open(AT_FDCWD, directory_->ImagePath(1), &file);
      if (status.ok()) status = ReadImage(file.get(), arena.get(), &info);
      Disarm();
      if (!Shared()->hit) break;
      // EINVAL: O_DIRECT is refused, which is no failure.
      EXPECT_EQ(status.code(), error == EIO ? Code::kIo : Code::kOk) << Shared()->call << " " << error;
    }
  }
}

TEST_F(FaultInjectionTest, AnImageThatTheDiskDoesNotGiveStaysAGeneration) {
  const std::string path = temporary_.path() + "/another";
  const ArenaOptions options{kMinArenaBytes, false};
  const std::string second = path + "/snapshot-00000000000000000002.image";
  {
    OpenedStore store;
    const Status status = OpenStore(path, options, &store);
    ASSERT_TRUE(status.ok()) << status.message();
    std::vector<uint8_t> image = ReadBytes(store.directory->ImagePath(1));
    HeaderOf(&image)->generation = FooterOf(&image)->generation = 2;
    RepairChecksums(&image, LayOutImage(HeaderOf(&image)->units, HeaderOf(&image)->data_units));
    WriteFileBytes(second, image);
  }
  int skipped = 0;
  for (int call = 0;; ++call) {
    OpenedStore store;
    Arm(call, EIO, false);
    const Status status = OpenStore(path, options, &store);
    Disarm();
    if (!Shared()->hit) break;
    EXPECT_TRUE(std::filesystem::exists(second)) << Shared()->call;
    if (!status.ok()) continue;
    EXPECT_EQ(store.next_generation, 3u);
    for (const SkippedGeneration& generation : store.skipped) EXPECT_FALSE(generation.damaged);
    skipped += static_cast<int>(store.skipped.size());
  }
  EXPECT_GT(skipped, 0);
}

// With a log, a snapshot that failed is followed by one that succeeds; then the newest image is damaged. What
// the manifest relies on must still be there.
TEST_F(FaultInjectionTest, AFailedPublicationLeavesNothingThatCounts) {
  int failed = 0;
  Shared()->names_only = true;
  for (const bool for_good : {false, true}) {
    for (int call = 0;; ++call) {
      const std::string path = temporary_.path() + "/log" + std::to_string(for_good) + std::to_string(call);
      OpenOptions options;
      options.arena = {kMinArenaBytes, false};
      options.log = true;
      options.log_options = SmallLog();
      OpenedStore store;
      ASSERT_TRUE(OpenStore(path, options, &store).ok());
      ASSERT_TRUE(LogWorld::Apply(&store, OperationCode::kCreateMap, 1, "", "map").ok());
      const auto snapshot = [&store, this] {
        const std::string key = "before " + std::to_string(store.next_generation);
        EXPECT_TRUE(LogWorld::Apply(&store, OperationCode::kSet, 1, StringValueBytes("x"), key).ok());
        return SnapshotOf(&store);
      };
      ASSERT_TRUE(snapshot().ok());
      Arm(call, EIO, for_good);
      const Status status = snapshot();
      Disarm();
      const bool hit = Shared()->hit;
      const std::string what = std::string(Shared()->call) + " (" + std::to_string(call) + ")";
      if (!status.ok() && store.log->state() == LogState::kHealthy) {
        ++failed;
        const Status next = snapshot();
        ASSERT_TRUE(next.ok()) << what << ": " << next.message();
        const std::string wanted = Dump(store.engine.get());
        store = {};
        const std::string newest = path + "/" + Directory::ImageName(4);
        std::vector<uint8_t> image = ReadBytes(newest);
        image[image.size() / 2] ^= 1;
        image.resize(image.size() - 1);
        WriteFileBytes(newest, image);
        const Status opened = OpenStore(path, options, &store);
        ASSERT_TRUE(opened.ok()) << what << ": " << opened.message();
        EXPECT_EQ(Dump(store.engine.get()), wanted) << what;
      }
      store = {};
      std::filesystem::remove_all(path);
      if (!hit) break;
    }
  }
  Shared()->names_only = false;
  EXPECT_GT(failed, 4);
}

}  // namespace
}  // namespace forkstore
