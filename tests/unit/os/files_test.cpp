// SPDX-License-Identifier: Apache-2.0
// Listeners, memory files and descriptors.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "wsgix/channel/channel.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/listener.hpp"
#include "wsgix/os/random.hpp"
#include "wsgix/os/sealed_memory.hpp"
#include "wsgix/os/sockets.hpp"

namespace wsgix::os {
namespace {

class Listeners : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/wsgix-listeners-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string in_folder(const char* name) const { return folder_ + "/" + name; }
  std::string folder_;
};

TEST_F(Listeners, AreReadableByTheirOwnerOnly) {
  const mode_t before = ::umask(0);
  const auto listener = listen_on(in_folder("a.sock"), 5, std::nullopt);
  ::umask(before);

  ASSERT_TRUE(listener);
  struct stat file {};
  ASSERT_EQ(::stat(in_folder("a.sock").c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777u, 0700u);
  EXPECT_NE(::fcntl(listener->get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(::fcntl(listener->get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_TRUE(channel::connect_to(in_folder("a.sock")));
}

TEST_F(Listeners, GetTheOwnerTheyWereAskedFor) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";

  ASSERT_TRUE(listen_on(in_folder("a.sock"), 5, std::pair<uid_t, gid_t>(65534, 33)));

  struct stat file {};
  ASSERT_EQ(::stat(in_folder("a.sock").c_str(), &file), 0);
  EXPECT_EQ(file.st_uid, 65534u);
  EXPECT_EQ(file.st_gid, 33u);
}

TEST_F(Listeners, ReplaceADeadOneButNotALivingOneOrAFile) {
  { ASSERT_TRUE(listen_on(in_folder("a.sock"), 5, std::nullopt)); }
  std::ofstream(in_folder("b.sock")) << "precious";

  const auto second = listen_on(in_folder("a.sock"), 5, std::nullopt);
  const auto third = listen_on(in_folder("a.sock"), 5, std::nullopt);
  const auto on_file = listen_on(in_folder("b.sock"), 5, std::nullopt);

  EXPECT_TRUE(second);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().os_errno, EADDRINUSE);
  EXPECT_FALSE(on_file);
  EXPECT_TRUE(std::filesystem::exists(in_folder("b.sock")));
}

TEST_F(Listeners, RefuseAPathThatDoesNotFitNamingTheLimit) {
  const std::string fits(longest_socket_path() - folder_.size() - 1, 'x');

  EXPECT_TRUE(listen_on(in_folder(fits.c_str()), 5, std::nullopt));
  const auto refused = listen_on(in_folder((fits + "x").c_str()), 5, std::nullopt);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find(std::to_string(longest_socket_path())), std::string::npos);
}

TEST_F(Listeners, OfTheDeadAreSweptByPrefix) {
  { ASSERT_TRUE(listen_on(in_folder("wsgi.1.sock"), 5, std::nullopt)); }
  { ASSERT_TRUE(listen_on(in_folder("other.sock"), 5, std::nullopt)); }
  const auto alive = listen_on(in_folder("wsgi.2.sock"), 5, std::nullopt);
  std::ofstream(in_folder("wsgi.3.sock")) << "a file";

  ASSERT_TRUE(remove_stale_sockets(in_folder("wsgi.")));

  EXPECT_FALSE(std::filesystem::exists(in_folder("wsgi.1.sock")));
  EXPECT_TRUE(std::filesystem::exists(in_folder("wsgi.2.sock")));
  EXPECT_TRUE(std::filesystem::exists(in_folder("wsgi.3.sock")));
  EXPECT_TRUE(std::filesystem::exists(in_folder("other.sock")));
  EXPECT_TRUE(remove_stale_sockets(in_folder("missing/wsgi.")));
}

TEST(SealedMemory, KeepsItsBytesAndRefusesToChange) {
  const std::string bytes("a\0b", 3);

  const auto file = sealed_memory("test", bytes);

  ASSERT_TRUE(file);
  EXPECT_EQ(*read_sealed(file->get(), 3), bytes);
  EXPECT_LT(::write(file->get(), "x", 1), 0);
  EXPECT_NE(::ftruncate(file->get(), 1), 0);
  EXPECT_FALSE(read_sealed(file->get(), 2)) << "longer than the limit";
}

TEST(SealedMemory, IsNotReadWithoutItsSeals) {
  const UniqueFd open(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const auto pipe = make_pipe();

  EXPECT_FALSE(read_sealed(open.get(), 100));
  EXPECT_FALSE(read_sealed(pipe->read_end.get(), 100));
  EXPECT_FALSE(read_sealed(-1, 100));
}

TEST(Descriptors, APipeHasEndedWhenItsWritersHaveGone) {
  auto pipe = make_pipe();
  EXPECT_FALSE(has_ended(pipe->read_end.get()));
  ASSERT_EQ(::write(pipe->write_end.get(), "x", 1), 1);
  pipe->write_end.reset();

  EXPECT_FALSE(has_ended(pipe->read_end.get())) << "a byte is left";
  char byte = 0;
  ASSERT_EQ(::read(pipe->read_end.get(), &byte, 1), 1);
  EXPECT_TRUE(has_ended(pipe->read_end.get()));
}

TEST(Peer, IsWhoConnected) {
  const auto pair = make_message_pair();

  const auto peer = peer_of(pair->one.get());

  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->pid, ::getpid());
  EXPECT_EQ(peer->uid, ::geteuid());
  EXPECT_FALSE(peer_of(-1));
}

TEST(Random, DiffersEachTime) {
  const auto one = random_bytes(32);
  const auto other = random_bytes(32);

  ASSERT_TRUE(one && other);
  EXPECT_EQ(one->size(), 32u);
  EXPECT_NE(*one, *other);
  EXPECT_TRUE(equal_in_constant_time(*one, *one));
  EXPECT_FALSE(equal_in_constant_time(*one, *other));
  EXPECT_FALSE(equal_in_constant_time(*one, one->substr(1)));
}

}  // namespace
}  // namespace wsgix::os
