// What is on disk must be found again, and under every name in the directory there may be anything.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "testing/log_world.h"

namespace forkstore {
namespace {

class FindableTest : public testing::Test {
 protected:
  FindableTest() {
    options_.arena = {kMinArenaBytes, false};
    options_.log = true;
    options_.log_options = SmallLog();
  }

  Status Open() {
    store_ = {};
    return OpenStore(path_, options_, &store_);
  }
  void OpenAndWrite() {
    ASSERT_TRUE(Open().ok());
    ASSERT_TRUE(LogWorld::Apply(&store_, OperationCode::kCreateMap, 1, "", "map").ok());
    Write("first");
    ASSERT_EQ(store_.log->durable_sequence(), 1u);
  }
  void Write(const std::string& key) {
    ASSERT_TRUE(LogWorld::Apply(&store_, OperationCode::kSet, 1, StringValueBytes("x"), key).ok());
    store_.log->EndBatch(/*sync=*/true);
    store_.log->RunWriter();
  }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }
  std::string Segment() const { return LogSegmentName(store_.log->stats().segment); }
  void ExpectFailed(const std::string& words) {
    EXPECT_EQ(store_.log->state(), LogState::kFailed);
    EXPECT_EQ(store_.log->durable_sequence(), 1u);
    EXPECT_NE(store_.log->failure().message().find(words), std::string::npos)
        << store_.log->failure().message();
  }

  TemporaryDirectory temporary_;
  std::string path_ = temporary_.path() + "/store";
  OpenOptions options_;
  OpenedStore store_;
};

TEST_F(FindableTest, NothingIsAcknowledgedInASegmentThatWasRemoved) {
  OpenAndWrite();
  unlink(Path(Segment()).c_str());
  Write("second");
  ExpectFailed(Segment() + " has been removed");
}

TEST_F(FindableTest, NorInOneThatAnotherHasReplaced) {
  OpenAndWrite();
  std::filesystem::copy(Path(Segment()), Path("copy"));
  std::filesystem::rename(Path("copy"), Path(Segment()));
  Write("second");
  ExpectFailed(Segment() + " has been removed");
}

TEST_F(FindableTest, NorBeforeACutWhenTheSegmentWasRemoved) {
  OpenAndWrite();
  unlink(Path(Segment()).c_str());
  ASSERT_TRUE(LogWorld::Apply(&store_, OperationCode::kSet, 1, StringValueBytes("x"), "second").ok());
  store_.log->Cut(store_.next_generation++);
  store_.log->RunWriter();
  ExpectFailed("has been removed");
}

TEST_F(FindableTest, NorInADirectoryThatWasRemoved) {
  OpenAndWrite();
  std::filesystem::remove_all(path_);
  std::filesystem::create_directory(path_);
  Write("second");
  ExpectFailed("the directory has been removed");
  // Nor can it heal there.
  store_.log->Cut(store_.next_generation++);
  store_.log->RunWriter();
  EXPECT_EQ(store_.log->state(), LogState::kReadOnly);
  EXPECT_NE(store_.log->failure().message().find("the directory has been removed"), std::string::npos);
  store_ = {};
  EXPECT_TRUE(std::filesystem::is_empty(path_));
}

TEST_F(FindableTest, ADirectoryThatWasMovedGoesOn) {
  OpenAndWrite();
  const std::string moved = temporary_.path() + "/moved";
  std::filesystem::rename(path_, moved);
  Write("second");
  EXPECT_EQ(store_.log->state(), LogState::kHealthy);
  const std::string wanted = Dump(store_.engine.get());
  path_ = moved;
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Dump(store_.engine.get()), wanted);
}

// Each file in turn, and those that a crash may have left, is something else. Opening must neither wait for
// it nor write through it, and when it does not open, says which file it is.
TEST_F(FindableTest, AnythingMayLieUnderAnyName) {
  OpenAndWrite();
  const std::string wanted = Dump(store_.engine.get());
  const std::string segment = Segment();
  store_ = {};
  const std::string original = temporary_.path() + "/original";
  std::filesystem::copy(path_, original, std::filesystem::copy_options::recursive);
  const std::string image = Directory::ImageName(1);
  const auto make = [&](const std::string& kind, const std::string& name) {
    const std::string path = Path(name);
    std::filesystem::remove(path);
    if (kind == "fifo") return mkfifo(path.c_str(), 0666);
    if (kind == "directory") return mkdir(path.c_str(), 0777);
    if (kind == "link") return symlink((original + "/" + name).c_str(), path.c_str());
    // A path of a socket is short: it is made beside, and moved.
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string here = std::filesystem::relative(temporary_.path()).string() + "/s";
    strncpy(address.sun_path, here.c_str(), sizeof(address.sun_path) - 1);
    const FileDescriptor listening(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int bound = bind(listening.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
    return bound != 0 ? bound : rename(here.c_str(), path.c_str());
  };
  for (const std::string name :
       {std::string("lock"), std::string("identity"), std::string("manifest"), segment, image,
        std::string("manifest.tmp"), std::string("identity.tmp"), Directory::TemporaryName(2),
        Directory::ImageName(2), LogSegmentName(store_.generation + 9)}) {
    for (const std::string kind : {"fifo", "directory", "link", "socket"}) {
      ASSERT_EQ(make(kind, name), 0) << name << " " << kind;
      const Status status = Open();
      const std::string what = name + " is a " + kind + ": " + status.message();
      if (std::filesystem::exists(original + "/" + name)) {
        EXPECT_FALSE(status.ok()) << what;
      }
      if (status.ok()) {
        EXPECT_EQ(Dump(store_.engine.get()), wanted) << what;
      } else {
        EXPECT_NE(status.message().find(name.substr(0, name.find('.'))), std::string::npos) << what;
      }
      store_ = {};
      std::filesystem::remove_all(path_);
      std::filesystem::copy(original, path_, std::filesystem::copy_options::recursive);
      ASSERT_TRUE(Open().ok()) << what;
      EXPECT_EQ(Dump(store_.engine.get()), wanted) << what;
      store_ = {};
      std::filesystem::remove_all(path_);
      std::filesystem::copy(original, path_, std::filesystem::copy_options::recursive);
    }
  }
}

}  // namespace
}  // namespace forkstore
