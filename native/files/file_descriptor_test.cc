#include "files/file_descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <thread>
#include <vector>

namespace forkstore {
namespace {

bool IsOpen(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

TEST(FileDescriptor, ClosesWhatItHoldsOnce) {
  int fds[3];
  for (int& fd : fds) fd = dup(0);
  {
    FileDescriptor first(fds[0]);
    FileDescriptor second(std::move(first));
    EXPECT_FALSE(first.valid());
    EXPECT_EQ(second.get(), fds[0]);
    errno = EBUSY;
    second.Reset(fds[1]);
    EXPECT_EQ(errno, EBUSY);
    EXPECT_FALSE(IsOpen(fds[0]));
    FileDescriptor third(fds[2]);
    second = std::move(third);
    EXPECT_FALSE(IsOpen(fds[1]));
    EXPECT_EQ(second.Release(), fds[2]);
  }
  EXPECT_TRUE(IsOpen(fds[2]));
  close(fds[2]);
}

TEST(FileDescriptor, GoesOnAfterSignalsAndShortResults) {
  // A timer that interrupts without restarting, and a socket that takes little at a time.
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  sigaction(SIGALRM, &action, &before);
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  std::vector<uint8_t> sent(3000000), received(sent.size() + 10);
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<uint8_t>(i * 7 >> 3);
  const itimerval often{{0, 500}, {0, 500}}, never{};
  setitimer(ITIMER_REAL, &often, nullptr);
  bool written = false;
  std::thread writer([&] {
    written = WriteFully(pair[0], sent.data(), sent.size());
    close(pair[0]);
  });
  const int64_t got = ReadFully(pair[1], received.data(), received.size());
  writer.join();
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
  close(pair[1]);
  EXPECT_TRUE(written);
  ASSERT_EQ(got, static_cast<int64_t>(sent.size()));
  received.resize(sent.size());
  EXPECT_TRUE(received == sent);
}

TEST(FileDescriptor, FailuresAreReportedInErrno) {
  EXPECT_EQ(OpenRetrying(AT_FDCWD, "/none/x", O_RDONLY), -1);
  EXPECT_EQ(errno, ENOENT);
  char byte = 0;
  EXPECT_EQ(ReadFully(-1, &byte, 1), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_FALSE(WriteFully(-1, &byte, 1));
  EXPECT_FALSE(SyncRetrying(-1));
  EXPECT_FALSE(ErrorText(ENOSPC).empty());
  EXPECT_NE(ErrorText(ENOSPC), ErrorText(EIO));
}

}  // namespace
}  // namespace forkstore
