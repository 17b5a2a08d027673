// SPDX-License-Identifier: Apache-2.0
#include "daemon/session.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_runtime.hpp"

namespace wsgix::daemon {
namespace {

using testing::handler;
using testing::respond;
using wire::FrameType;

class Lines final : public LogSink {
 public:
  using LogSink::write;
  void write(LogLevel, std::string_view line) noexcept override { text.append(line) += '\n'; }
  std::string text;
};

class SessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    ours_.emplace(UniqueFd(ends[0]));
    theirs_.emplace(UniqueFd(ends[1]));
    ours_->begin_request(1);
    session_.emplace(1, *ours_, intake_, seconds(20), log_, scratch_,
                     Visibility{thread_slot_, board_->workers[0]});
    wire::RequestHead head;
    head.script.path = "/srv/app.wsgi";
    wire::Bytes bytes;
    ASSERT_TRUE(wire::encode(head, bytes));
    ASSERT_TRUE(session_->open(bytes_ = bytes));
  }
  /// What the peer got, up to now.
  std::string sent() {
    std::string all;
    EXPECT_TRUE(ours_->flush(after(seconds(20))));
    for (;;) {
      const auto frame = theirs_->try_receive();
      if (!frame || !*frame) return all;
      all += (all.empty() ? "" : " ") + std::string(wire::to_string((*frame)->type));
    }
  }

  Lines log_;
  UniqueFd board_fd_ = std::move(*scoreboard::create());
  scoreboard::Mapping board_ = std::move(*scoreboard::map(board_fd_.get()));
  scoreboard::HeldThreadSlot thread_slot_{*board_, static_cast<std::uint32_t>(::getpid()), 1};
  RequestScratch scratch_;
  wire::Bytes bytes_;
  std::optional<channel::Channel> ours_;
  std::optional<channel::Channel> theirs_;
  wire::Intake intake_;
  std::optional<Session> session_;
  Application application_{&testing::fake_runtime(), std::nullopt};
};

TEST_F(SessionTest, ALineBehindTheAnswerIsForTheLogOfTheGroup) {
  handler() = [this](const wsgix_request& request) {
    session_->log(3, {}, 0, "in time");
    return respond(request, "");
  };

  EXPECT_EQ(session_->run(application_), Session::Ending::Answered);
  session_->log(3, {}, 0, "too late");

  EXPECT_EQ(sent(), "Log ResponseHead ResponseEnd");
  EXPECT_EQ(log_.text, "too late\n");
}

TEST_F(SessionTest, ALineBehindARefusalIsForTheLogOfTheGroup) {
  application_ = {nullptr, Error{ErrorCode::PythonDidNotStart, "no Python"}};

  EXPECT_EQ(session_->run(application_), Session::Ending::Answered);
  session_->log(3, {}, 0, "too late");

  EXPECT_EQ(sent(), "Failure");
  EXPECT_EQ(log_.text, "too late\n");
}

}  // namespace
}  // namespace wsgix::daemon
