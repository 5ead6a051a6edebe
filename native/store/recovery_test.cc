#include "store/recovery.h"

#include <gtest/gtest.h>

#include "testing/image.h"
#include "testing/temporary_directory.h"

namespace forkstore {
namespace {

class RecoveryTest : public testing::Test {
 protected:
  Status Open(OpenedStore* store) { return OpenStore(path_, {kMinArenaBytes, false}, store); }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

  TemporaryDirectory temporary_;
  std::string path_ = temporary_.path() + "/store";
  static constexpr char kFirstImage[] = "snapshot-00000000000000000001.image";
};

TEST_F(RecoveryTest, NamesThatAreNoGenerationDoNotCount) {
  {
    OpenedStore store;
    ASSERT_TRUE(Open(&store).ok());
  }
  for (const char* number : {"18446744073709551615", "00009007199254740992", "00000000000000000000"}) {
    WriteFileBytes(Path(std::string("snapshot-") + number + ".image"), {1});
  }
  OpenedStore store;
  ASSERT_TRUE(Open(&store).ok());
  EXPECT_EQ(store.generation, 1u);
  EXPECT_EQ(store.next_generation, 2u);
  EXPECT_TRUE(store.skipped.empty());
}

TEST_F(RecoveryTest, AnImageSetAsideIsNeverReplacedNorItsNumberUsedAgain) {
  {
    OpenedStore store;
    ASSERT_TRUE(Open(&store).ok());
  }
  WriteFileBytes(Path("snapshot-00000000000000000007.image"), {1, 2, 3});
  {
    OpenedStore store;
    ASSERT_TRUE(Open(&store).ok());
    ASSERT_EQ(store.skipped.size(), 1u);
    EXPECT_TRUE(store.skipped[0].damaged);
    EXPECT_EQ(store.next_generation, 8u);
  }
  OpenedStore store;
  ASSERT_TRUE(Open(&store).ok());
  EXPECT_TRUE(store.skipped.empty());
  EXPECT_EQ(store.generation, 1u);
  EXPECT_EQ(store.next_generation, 8u);
  EXPECT_EQ(ReadBytes(Path("snapshot-00000000000000000007.damaged")), (std::vector<uint8_t>{1, 2, 3}));
}

TEST_F(RecoveryTest, AHeaderWithANumberThatIsNoGenerationIsCorrupt) {
  {
    OpenedStore store;
    ASSERT_TRUE(Open(&store).ok());
  }
  std::vector<uint8_t> image = ReadBytes(Path(kFirstImage));
  for (const uint64_t generation : {uint64_t{0}, kMaxGeneration + 1, ~uint64_t{0}}) {
    HeaderOf(&image)->generation = generation;
    FooterOf(&image)->generation = generation;
    RepairChecksums(&image, LayOutImage(HeaderOf(&image)->units, HeaderOf(&image)->data_units));
    WriteFileBytes(Path(kFirstImage), image);
    OpenedStore store;
    const Status status = Open(&store);
    EXPECT_EQ(status.code(), Code::kCorrupt);
    EXPECT_NE(status.message().find("no store counts"), std::string::npos) << status.message();
  }
}

}  // namespace
}  // namespace forkstore
