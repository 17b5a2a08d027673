// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/file_watch.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace wsgix::os {
namespace {

class WatchedFiles : public testing::TestWithParam<FileWatch::Means> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/wsgix-watch-test-XXXXXX";
    folder_ = ::mkdtemp(name);
    script_ = folder_ + "/app.wsgi";
    write(script_, 100);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static void write(const std::string& path, time_t modified) {
    std::ofstream(path) << "x";
    const timespec times[] = {{modified, 0}, {modified, 7'000}};
    ::utimensat(AT_FDCWD, path.c_str(), times, 0);
  }
  bool is_told() {
    if (watch_.fd() < 0) return false;
    pollfd kernel{watch_.fd(), POLLIN, 0};
    return ::poll(&kernel, 1, 2000) == 1 && watch_.has_news();
  }

  std::string folder_;
  std::string script_;
  FileWatch watch_{GetParam()};
};

TEST_P(WatchedFiles, FindsATouchOnce) {
  watch_.add(script_, std::nullopt);
  EXPECT_TRUE(watch_.look().empty());

  write(script_, 200);

  EXPECT_EQ(is_told(), GetParam() == FileWatch::Means::Kernel);
  EXPECT_EQ(watch_.look(), std::vector{script_});
  EXPECT_TRUE(watch_.look().empty());
}

TEST_P(WatchedFiles, FindsAnotherFileInItsPlace) {
  watch_.add(script_, std::nullopt);
  write(folder_ + "/new", 50);

  std::filesystem::rename(folder_ + "/new", script_);

  EXPECT_EQ(is_told(), GetParam() == FileWatch::Means::Kernel);
  EXPECT_EQ(watch_.look(), std::vector{script_});
}

TEST_P(WatchedFiles, FindsWhatChangedBeforeItWasAdded) {
  watch_.add(script_, 100 * 1'000'000);
  EXPECT_EQ(modification_time_us(script_), 100 * 1'000'000 + 7);

  EXPECT_EQ(watch_.look(), std::vector{script_});
}

TEST_P(WatchedFiles, AFileThatIsAwayIsNoChange) {
  watch_.add(script_, std::nullopt);

  std::filesystem::remove(script_);
  EXPECT_TRUE(watch_.look().empty());
  write(script_, 100);
  EXPECT_TRUE(watch_.look().empty()) << "the same as before";
}

TEST_P(WatchedFiles, FollowsALink) {
  const std::string link = folder_ + "/link";
  std::filesystem::create_directory(folder_ + "/elsewhere");
  write(folder_ + "/elsewhere/app", 100);
  std::filesystem::create_symlink(folder_ + "/elsewhere/app", link);
  watch_.add(link, std::nullopt);

  write(folder_ + "/elsewhere/app", 101);

  EXPECT_EQ(watch_.look(), std::vector{link});
}

TEST_P(WatchedFiles, OtherFilesOfTheFolderAreNoNews) {
  watch_.add(script_, std::nullopt);

  write(folder_ + "/app.db", 100);
  write(folder_ + "/app.wsgi.swp", 100);
  EXPECT_FALSE(is_told());

  write(script_, 200);
  EXPECT_EQ(is_told(), GetParam() == FileWatch::Means::Kernel);
}

INSTANTIATE_TEST_SUITE_P(BothMeans, WatchedFiles,
                         testing::Values(FileWatch::Means::Kernel, FileWatch::Means::LookingOnly));

}  // namespace
}  // namespace wsgix::os
