// SPDX-License-Identifier: Apache-2.0
#include "host/command_socket.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <filesystem>

#include "wsgix/channel/channel.hpp"
#include "wsgix/os/listener.hpp"
#include "wsgix/wire/command.hpp"

namespace wsgix::host {
namespace {

class CommandSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/wsgix-commands-XXXXXX";
    folder_ = ::mkdtemp(name);
    auto listener = os::listen_on(path(), 16, std::nullopt);
    ASSERT_TRUE(listener);
    socket_.emplace(std::move(*listener), [this](std::string_view line, const CommandPeer& peer) {
      lines_.emplace_back(line);
      peer_ = peer;
      return answer_;
    });
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return folder_ + "/shop.ctl"; }
  UniqueFd client() const { return std::move(*channel::connect_to(path())); }
  static void say(const UniqueFd& client, std::string_view bytes) {
    ASSERT_EQ(::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  /// What has come; "end" when the other side has closed.
  static std::string heard(const UniqueFd& client) {
    char bytes[65536];
    const ssize_t count = ::recv(client.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (count < 0) return "";
    return count == 0 ? "end" : std::string(bytes, static_cast<std::size_t>(count));
  }
  std::size_t watched() const {
    os::PollSet all;
    socket_->watch(all);
    return all.watched().size();
  }

  const Deadline start_ = Clock::now();
  std::string folder_;
  std::optional<CommandSocket> socket_;
  std::vector<std::string> lines_;
  std::string answer_ = "fine";
  CommandPeer peer_;
};

TEST_F(CommandSocketTest, AnswersALineAndCloses) {
  const UniqueFd one = client();
  say(one, "hello\nrest");

  socket_->serve(start_);

  EXPECT_EQ(lines_, std::vector<std::string>{"hello"});
  EXPECT_EQ(peer_.pid, ::getpid());
  EXPECT_EQ(peer_.uid, ::geteuid());
  EXPECT_EQ(heard(one), "fine\n");
  EXPECT_EQ(watched(), 1u);
}

TEST_F(CommandSocketTest, PutsALineTogetherFromPieces) {
  const UniqueFd one = client();
  for (const char* piece : {"he", "ll", "o"}) {
    say(one, piece);
    socket_->serve(start_);
  }
  EXPECT_TRUE(lines_.empty());
  ::shutdown(one.get(), SHUT_WR);

  socket_->serve(start_);

  EXPECT_EQ(lines_, std::vector<std::string>{"hello"});
  EXPECT_EQ(heard(one), "fine\n");
}

TEST_F(CommandSocketTest, ReadsNoMoreThanALineMayHave) {
  const UniqueFd one = client();
  say(one, std::string(wire::kMaxCommandBytes + 500, 'x'));
  socket_->serve(start_);
  socket_->serve(start_);

  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_GT(lines_[0].size(), wire::kMaxCommandBytes);  // and so decode_command() refuses it
  EXPECT_LE(lines_[0].size(), 2 * wire::kMaxCommandBytes);
}

TEST_F(CommandSocketTest, RestsWhenThereIsNoDescriptorForAConnection) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizers need descriptors of their own for their checks";
#endif
  const UniqueFd one = client();
  say(one, "hello\n");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const UniqueFd next_free(::dup(one.get()));
  const rlimit none{static_cast<rlim_t>(next_free.get()), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);

  socket_->serve(start_);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);

  EXPECT_EQ(watched(), 0u);
  EXPECT_EQ(socket_->next_deadline(), start_ + CommandSocket::kPauseAfterFailure);
  socket_->serve(start_ + CommandSocket::kPauseAfterFailure);
  EXPECT_EQ(heard(one), "fine\n");
  EXPECT_EQ(watched(), 1u);
}

TEST_F(CommandSocketTest, ClosesWhoSaysNothing) {
  const UniqueFd silent = client();
  socket_->serve(start_);
  EXPECT_EQ(socket_->next_deadline(), start_ + CommandSocket::kPatience);

  socket_->serve(start_ + CommandSocket::kPatience - milliseconds(1));
  EXPECT_EQ(heard(silent), "");
  socket_->serve(start_ + CommandSocket::kPatience);

  EXPECT_EQ(heard(silent), "end");
  EXPECT_EQ(socket_->next_deadline(), kNever);
}

TEST_F(CommandSocketTest, ClosesWhoDoesNotTakeTheAnswer) {
  answer_ = std::string(8 * 1024 * 1024, 'a');
  const UniqueFd lazy = client();
  say(lazy, "hello\n");

  socket_->serve(start_);
  EXPECT_EQ(watched(), 2u);
  socket_->serve(start_ + CommandSocket::kPatience);

  EXPECT_EQ(watched(), 1u);
}

TEST_F(CommandSocketTest, TakesEightAtATimeAndTheNextOnesAfterThem) {
  std::vector<UniqueFd> clients;
  for (std::size_t i = 0; i < CommandSocket::kMostConnections + 1; ++i) {
    clients.push_back(client());
    socket_->serve(start_);
  }
  EXPECT_EQ(watched(), CommandSocket::kMostConnections) << "and not the listener, or it would spin";

  clients.front().reset();
  say(clients.back(), "hello\n");
  socket_->serve(start_);
  socket_->serve(start_);

  EXPECT_EQ(lines_, std::vector<std::string>{"hello"});
}

TEST_F(CommandSocketTest, AnswersThoseThatAreThereWhenItStopsListening) {
  const UniqueFd one = client();
  socket_->serve(start_);
  socket_->stop_listening();
  say(one, "hello\n");

  socket_->serve(start_);

  EXPECT_EQ(heard(one), "fine\n");
  EXPECT_EQ(watched(), 0u);
}

TEST_F(CommandSocketTest, IsNothingWithoutAListeningSocket) {
  CommandSocket none(UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)),
                     [](std::string_view, const CommandPeer&) { return std::string(); });
  os::PollSet all;
  none.serve(start_);
  none.watch(all);
  EXPECT_TRUE(all.watched().empty());
}

}  // namespace
}  // namespace wsgix::host
