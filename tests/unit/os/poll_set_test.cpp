// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/poll_set.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "wsgix/os/descriptors.hpp"

namespace wsgix::os {
namespace {

const Deadline kPast{};

class PollSetTest : public testing::Test {
 protected:
  void watch(PollSet& set, int fd, const std::string& name) {
    set.add(fd, POLLIN, [this, name] { happened_ += name; });
  }

  Pipe one_ = *make_pipe();
  Pipe other_ = *make_pipe();
  std::string happened_;
};

TEST_F(PollSetTest, CallsBackInTheOrderOfAddAndOnlyWhereSomethingHappened) {
  PollSet set;
  Pipe quiet = *make_pipe();
  watch(set, other_.read_end.get(), "other ");
  watch(set, quiet.read_end.get(), "quiet ");
  watch(set, one_.read_end.get(), "one ");
  ASSERT_EQ(::write(one_.write_end.get(), "x", 1), 1);
  ASSERT_EQ(::write(other_.write_end.get(), "x", 1), 1);

  EXPECT_TRUE(set.wait(kPast));

  EXPECT_EQ(happened_, "other one ");
}

TEST_F(PollSetTest, NoticesAnEndEvenWhereNoEventIsAskedFor) {
  PollSet set;
  set.add(one_.read_end.get(), 0, [this] { happened_ += "end"; });
  EXPECT_FALSE(set.wait(kPast));

  one_.write_end.reset();

  EXPECT_TRUE(set.wait(kNever));
  EXPECT_EQ(happened_, "end");
}

TEST_F(PollSetTest, LeavesOutNegativeDescriptorsAndWaitsWithoutCallbacks) {
  PollSet set;
  set.add(-1, POLLIN, [this] { happened_ += "nobody"; });
  set.add(one_.read_end.get(), POLLIN);
  ASSERT_EQ(::write(one_.write_end.get(), "x", 1), 1);

  EXPECT_TRUE(set.wait(kNever));

  EXPECT_EQ(happened_, "");
}

}  // namespace
}  // namespace wsgix::os
