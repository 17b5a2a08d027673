// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/spool.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <random>
#include <system_error>

namespace wsgix::os {
namespace {

class Spools : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/wsgix-spools-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::string all_of(Spool& spool, std::uint64_t from, std::size_t most = 1000) {
    std::string all;
    while (from + all.size() < spool.end()) {
      const auto piece = spool.read(from + all.size(), most);
      EXPECT_TRUE(piece) << piece.error().what;
      if (!piece || piece->empty() || piece->size() > most) return "no progress";
      all.append(*piece);
    }
    return all;
  }
  /// Descriptors of ours that lead into the folder, and the bytes that they hold.
  std::pair<int, off_t> files() const {
    std::pair<int, off_t> found{0, 0};
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
      struct stat info {};
      if (!target.starts_with(folder_) || ::stat(entry.path().c_str(), &info) != 0) continue;
      ++found.first;
      found.second += info.st_size;
    }
    return found;
  }
  std::string folder_;
};

TEST_F(Spools, KeepALittleInMemoryAndOpenNoFile) {
  Spool spool(10, 100, folder_);

  ASSERT_TRUE(spool.append("01234"));
  ASSERT_TRUE(spool.append("56789"));

  EXPECT_EQ(files().first, 0);
  EXPECT_EQ(all_of(spool, 0), "0123456789");
  EXPECT_EQ(all_of(spool, 7), "789");
}

TEST_F(Spools, GoOnInAFileThatHasNoNameAndEndsWithThem) {
  {
    Spool spool(4, 100, folder_);

    ASSERT_TRUE(spool.append("abcd"));
    ASSERT_TRUE(spool.append("efgh"));

    EXPECT_EQ(files(), (std::pair<int, off_t>{1, 8}));
    EXPECT_TRUE(std::filesystem::is_empty(folder_));
    EXPECT_EQ(all_of(spool, 0), "abcdefgh");
    EXPECT_EQ(all_of(spool, 0, 3), "abcdefgh");
    EXPECT_EQ(all_of(spool, 6), "gh");
  }
  EXPECT_EQ(files().first, 0);
}

TEST_F(Spools, CanBeReadAgainUntilDropped) {
  Spool spool(4, 100, folder_);
  ASSERT_TRUE(spool.append("abcd"));
  ASSERT_TRUE(spool.append("efgh"));

  spool.drop_before(2);
  EXPECT_EQ(all_of(spool, 2), "cdefgh");
  spool.drop_before(5);
  EXPECT_EQ(all_of(spool, 5), "fgh");
  EXPECT_EQ(all_of(spool, 5), "fgh");
  EXPECT_EQ(spool.size(), 3u);
}

TEST_F(Spools, KeepTheOrderWhileTheFileIsInUseAndReturnToMemoryAfterwards) {
  Spool spool(4, 100, folder_);
  ASSERT_TRUE(spool.append("abcd"));
  ASSERT_TRUE(spool.append("e"));
  spool.drop_before(4);

  ASSERT_TRUE(spool.append("f"));
  EXPECT_EQ(all_of(spool, 4), "ef");
  spool.drop_before(6);
  EXPECT_TRUE(spool.empty());
  const auto [count, bytes] = files();
  ASSERT_TRUE(spool.append("ghi"));

  EXPECT_EQ(all_of(spool, 6), "ghi");
  EXPECT_EQ(files(), (std::pair{count, bytes})) << "wrote to the file";
}

TEST_F(Spools, RefuseWhatDoesNotFitAndStayAsTheyWere) {
  Spool spool(2, 5, folder_);
  ASSERT_TRUE(spool.append("ab"));
  ASSERT_TRUE(spool.append("cde"));

  const auto refused = spool.append("fgh");

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::SpoolFailed);
  EXPECT_EQ(all_of(spool, 0), "abcde");
  ASSERT_TRUE(spool.append("fg"));
  EXPECT_EQ(all_of(spool, 0), "abcdefg");
}

TEST_F(Spools, NameTheFolderAndTheReasonWhenTheFileCannotBeMade) {
  Spool spool(2, 5, folder_ + "/missing");

  const auto refused = spool.append("abc");

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().os_errno, ENOENT);
  EXPECT_NE(refused.error().what.find(folder_ + "/missing"), std::string::npos);
  EXPECT_TRUE(spool.empty());
}

TEST_F(Spools, LetAnyNumberOfBytesThroughInBoundedSpace) {
  std::mt19937 random(7);  // NOLINT: the same run every time
  Spool spool(50, 1000, folder_);
  std::uint64_t written = 0;
  const auto byte_at = [](std::uint64_t position) {
    return static_cast<char>('a' + (position * 7 + position / 26) % 26);
  };

  for (int round = 0; round < 5000; ++round) {
    std::string data(random() % 300, '\0');
    for (char& byte : data) byte = byte_at(written++);
    if (spool.size() + data.size() > 1000) {
      written -= data.size();
    } else {
      ASSERT_TRUE(spool.append(data));
    }
    std::uint64_t from = spool.begin();
    for (std::size_t left = random() % 300; left != 0 && from != spool.end();) {
      const auto piece = spool.read(from, left);
      ASSERT_TRUE(piece);
      for (const char byte : *piece) ASSERT_EQ(byte, byte_at(from++));
      left -= piece->size();
    }
    spool.drop_before(from);
  }

  EXPECT_GT(written, 100'000u);
  EXPECT_LE(files().second, 1000);
}

}  // namespace
}  // namespace wsgix::os
