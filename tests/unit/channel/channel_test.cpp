// SPDX-License-Identifier: Apache-2.0
#include "wsgix/channel/channel.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

namespace wsgix::channel {
namespace {

using wire::FrameType;

struct Pair {
  Pair() : Pair(make()) {}
  explicit Pair(std::pair<int, int> ends)
      : left(UniqueFd(ends.first)), right(UniqueFd(ends.second)) {}
  static std::pair<int, int> make() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    return {ends[0], ends[1]};
  }
  Channel left, right;
};

Deadline soon() { return after(seconds(5)); }

ErrorCode code_of(const auto& result) { return result ? ErrorCode{} : result.error().code; }

TEST(Channel, DeliversQueuedFramesInOrderAfterOneFlush) {
  Pair pair;
  pair.left.queue(FrameType::RequestBody, "one");
  pair.left.queue(FrameType::RequestEnd);
  ASSERT_TRUE(*pair.left.try_flush());

  const auto first = pair.right.receive(soon());
  ASSERT_TRUE(first);
  EXPECT_EQ(first->type, FrameType::RequestBody);
  EXPECT_EQ(first->payload, "one");
  EXPECT_TRUE(pair.right.has_buffered_frame());
  const auto second = pair.right.receive(soon());
  EXPECT_EQ(second->type, FrameType::RequestEnd);
  EXPECT_FALSE(pair.right.has_buffered_frame());
}

TEST(Channel, EncodesMessagesInPlace) {
  Pair pair;
  ASSERT_TRUE(pair.left.queue(FrameType::Welcome, wire::Welcome{17, 2}));
  ASSERT_TRUE(pair.left.flush(soon()));

  const auto frame = pair.right.receive(soon());

  EXPECT_EQ(*wire::decode_welcome(frame->payload), (wire::Welcome{17, 2}));
}

TEST(Channel, QueuesNothingOfAMessageThatCannotBeEncoded) {
  Pair pair;
  EXPECT_FALSE(pair.left.queue(FrameType::Hello, wire::Hello{"short"}));
  EXPECT_EQ(pair.left.queued_bytes(), 0u);
}

#ifdef __linux__
TEST(Channel, TellsWhetherTheOtherEndHadReadAllWhenItWent) {
  for (const bool reads_all : {false, true}) {
    Pair pair;
    pair.left.queue(FrameType::RequestHead, "a request");
    ASSERT_TRUE(*pair.left.try_flush());
    if (reads_all) {
      ASSERT_TRUE(pair.right.receive(soon()));
    } else {
      char one = 0;
      ASSERT_EQ(::read(pair.right.fd(), &one, 1), 1);
    }
    pair.right = Channel(UniqueFd());

    const auto end = pair.left.try_receive();

    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code, ErrorCode::PeerClosed);
    EXPECT_EQ(left_bytes_unread(end.error()), !reads_all);
  }
}
#endif

TEST(Channel, ReportsNoFrameWhilePartsAreMissing) {
  Pair pair;
  EXPECT_EQ(*pair.right.try_receive(), std::nullopt);
  const auto header = wire::encode_header({FrameType::RequestBody, 2});
  ASSERT_EQ(::write(pair.left.fd(), header.data(), header.size()), 8);
  EXPECT_EQ(*pair.right.try_receive(), std::nullopt);
  ASSERT_EQ(::write(pair.left.fd(), "hi", 2), 2);

  const auto frame = pair.right.try_receive();

  ASSERT_TRUE(*frame);
  EXPECT_EQ((*frame)->payload, "hi");
}

TEST(Channel, CarriesMoreThanTheSocketHoldsInBothDirectionsAtOnce) {
  Pair pair;
  const std::string large(3'000'000, 'x');
  std::thread echo([&] {
    std::size_t received = 0;
    while (received < large.size()) {
      const auto frame = pair.right.receive(soon());
      ASSERT_TRUE(frame) << to_log_line(frame.error());
      received += frame->payload.size();
      ASSERT_TRUE(pair.right.send(FrameType::ResponseBody, std::string(frame->payload), soon()));
    }
  });
  std::size_t back = 0;
  // The sender must drain the other direction itself, as an httpd child does.
  std::string_view rest = large;
  while (back < large.size()) {
    if (!rest.empty() && pair.left.queued_bytes() == 0) {
      pair.left.queue(FrameType::RequestBody, rest.substr(0, 200'000));
      rest.remove_prefix(std::min<std::size_t>(200'000, rest.size()));
    }
    ASSERT_TRUE(pair.left.try_flush());
    const auto frame = pair.left.try_receive();
    ASSERT_TRUE(frame) << to_log_line(frame.error());
    if (*frame) back += (*frame)->payload.size();
  }
  echo.join();
  EXPECT_EQ(back, large.size());
}

TEST(Channel, GivesUpWhenThePeerDoesNotReadOrWriteInTime) {
  Pair pair;
  EXPECT_EQ(code_of(pair.left.receive(after(milliseconds(1)))), ErrorCode::DeadlinePassed);
  const std::string large(3'000'000, 'x');
  EXPECT_EQ(code_of(pair.left.send(FrameType::RequestBody, large, after(milliseconds(1)))),
            ErrorCode::DeadlinePassed);
}

TEST(Channel, TellsThatThePeerHasClosed) {
  Pair pair;
  EXPECT_FALSE(pair.left.peer_is_gone());
  pair.right.queue(FrameType::Closing);
  ASSERT_TRUE(pair.right.flush(soon()));
  { const Channel closed = std::move(pair.right); }

  EXPECT_TRUE(pair.left.peer_is_gone());
  EXPECT_EQ(pair.left.receive(soon())->type, FrameType::Closing)
      << "what it said last still counts";
  EXPECT_EQ(code_of(pair.left.receive(soon())), ErrorCode::PeerClosed);
}

TEST(Channel, RefusesBytesThatAreNoFrame) {
  Pair pair;
  ASSERT_EQ(::write(pair.left.fd(), "GET / HTTP/1.1\r\n", 16), 16);

  EXPECT_EQ(code_of(pair.right.receive(soon())), ErrorCode::MalformedFrame);
  EXPECT_EQ(code_of(pair.right.receive(soon())), ErrorCode::MalformedFrame);
}

TEST(Channel, PassesADescriptorWithAFileFrame) {
  Pair pair;
  FILE* file = std::tmpfile();
  std::fputs("content", file);
  std::fflush(file);
  struct stat sent {
  }, received{};
  ASSERT_EQ(::fstat(::fileno(file), &sent), 0);
  pair.left.queue(FrameType::ResponseHead, "head");

  ASSERT_TRUE(pair.left.send_file(::fileno(file), {3, 4}, soon()));

  EXPECT_EQ(pair.right.receive(soon())->type, FrameType::ResponseHead);
  const auto frame = pair.right.receive(soon());
  EXPECT_EQ(*wire::decode_response_file(frame->payload), (wire::ResponseFile{3, 4}));
  const UniqueFd descriptor = pair.right.take_descriptor();
  ASSERT_EQ(::fstat(descriptor.get(), &received), 0);
  EXPECT_EQ(received.st_ino, sent.st_ino);
  EXPECT_TRUE(::fcntl(descriptor.get(), F_GETFD) & FD_CLOEXEC);
  EXPECT_FALSE(pair.right.take_descriptor()) << "handed out once";
  std::fclose(file);
}

TEST(ConnectTo, SaysWhatStandsInItsWay) {
  const auto missing = connect_to("/nonexistent/socket");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().os_errno, ENOENT);
  EXPECT_EQ(code_of(connect_to(std::string(200, 'x'))), ErrorCode::CannotCreateSocket);
}

}  // namespace
}  // namespace wsgix::channel
