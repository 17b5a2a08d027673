// SPDX-License-Identifier: Apache-2.0
#include "wsgix/channel/channel.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace wsgix::channel {
namespace {

using wire::FrameType;

struct Pair {
  Pair() : Pair(make()) {}
  explicit Pair(std::pair<int, int> ends)
      : left(UniqueFd(ends.first)), right(UniqueFd(ends.second), Descriptors::WithFiles) {
    left.begin_request(1);
    right.begin_request(1);
  }
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
  const auto header = wire::encode_header({FrameType::RequestBody, 2, 1});
  ASSERT_EQ(::write(pair.left.fd(), header.data(), header.size()), 16);
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

TEST(Channel, SaysWhichRequestAFrameBelongsTo) {
  Pair pair;
  pair.left.queue(FrameType::ResponseEnd);
  pair.left.queue(FrameType::Closing);
  pair.left.begin_request(7);
  pair.left.queue(FrameType::Busy);
  ASSERT_TRUE(pair.left.flush(soon()));

  EXPECT_EQ(pair.right.receive(soon())->request, 1u);
  EXPECT_EQ(pair.right.receive(soon())->request, 0u) << "about the connection";
  EXPECT_EQ(pair.right.receive(soon())->request, 7u);
}

TEST(Channel, IsQuietOnlyWhileNothingHasComeAndThePeerIsThere) {
  Pair pair;
  EXPECT_TRUE(pair.right.is_quiet());
  pair.left.queue(FrameType::ResponseEnd);
  pair.left.queue(FrameType::ResponseEnd);
  ASSERT_TRUE(pair.left.flush(soon()));
  EXPECT_FALSE(pair.right.is_quiet()) << "unread bytes in the socket";
  ASSERT_TRUE(pair.right.receive(soon()));
  EXPECT_FALSE(pair.right.is_quiet()) << "unread bytes in the buffer";
  ASSERT_TRUE(pair.right.receive(soon()));
  EXPECT_TRUE(pair.right.is_quiet());
  pair.left = Channel(UniqueFd());
  EXPECT_FALSE(pair.right.is_quiet());
}

/// A ResponseHead of about that size.
Result<void> queue_head(Channel& channel, const std::string& value) {
  wire::ResponseHead head;
  head.status = 200;
  head.headers = {{"X-Large", value}};
  return channel.queue(FrameType::ResponseHead, head);
}

TEST(Channel, CarriesAHeadThatDoesNotFitIntoAFrame) {
  Pair pair;
  for (Channel* end : {&pair.left, &pair.right}) end->limit_heads(std::size_t{4} << 20);
  const std::string value(3'500'000, 'v');
  ASSERT_TRUE(queue_head(pair.left, value));
  pair.left.queue(FrameType::ResponseEnd);
  std::thread writer([&] { EXPECT_TRUE(pair.left.flush(soon())); });

  const auto frame = pair.right.receive(soon());
  writer.join();

  ASSERT_TRUE(frame) << to_log_line(frame.error());
  EXPECT_EQ(frame->type, FrameType::ResponseHead);
  wire::ResponseHead head;
  ASSERT_TRUE(wire::decode_response_head(frame->payload, head));
  EXPECT_EQ(head.headers[0].value, value);
  EXPECT_EQ(pair.right.receive(soon())->type, FrameType::ResponseEnd);
  EXPECT_TRUE(pair.right.is_quiet());
}

TEST(Channel, RefusesAHeadOverTheLimitAtBothEnds) {
  Pair pair;
  const std::string value(3'500'000, 'v');
  EXPECT_EQ(code_of(queue_head(pair.left, value)), ErrorCode::FrameTooLarge);
  EXPECT_EQ(pair.left.queued_bytes(), 0u);
  pair.left.limit_heads(std::size_t{4} << 20);
  ASSERT_TRUE(queue_head(pair.left, value));
  std::thread writer([&] { (void)pair.left.flush(soon()); });

  EXPECT_EQ(code_of(pair.right.receive(soon())), ErrorCode::FrameTooLarge);
  pair.right.abandon();
  writer.join();
}

TEST(Channel, TakesNothingButTheRestOfAHeadBetweenItsParts) {
  for (const auto& [type, request] :
       {std::pair{FrameType::ResponseBody, 1}, {FrameType::Closing, 1}, {FrameType::HeadPart, 2}}) {
    Pair pair;
    pair.left.queue(FrameType::HeadPart, "part");
    pair.left.begin_request(static_cast<std::uint64_t>(request));
    pair.left.queue(type, "x");
    ASSERT_TRUE(pair.left.flush(soon()));

    EXPECT_EQ(code_of(pair.right.receive(soon())), ErrorCode::UnexpectedFrame)
        << wire::to_string(type);
  }
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

/// One sendmsg(2) of bytes with descriptors.
void send_with(int socket, std::string_view bytes, const std::vector<int>& descriptors) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  std::vector<char> control(CMSG_SPACE(descriptors.size() * sizeof(int)));
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
  std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size() * sizeof(int));
  ASSERT_EQ(::sendmsg(socket, &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

std::string frame_bytes(FrameType type, std::string_view payload) {
  const auto header = wire::encode_header({type, static_cast<std::uint32_t>(payload.size()), 1});
  return std::string(header.data(), header.size()).append(payload);
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator entries("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

TEST(Channel, TakesADescriptorWithAFileFrameAloneAndOnlyAFile) {
  FILE* const file = std::tmpfile();
  const int number = ::fileno(file);
  const std::string with_file = frame_bytes(FrameType::ResponseFile, std::string(16, '\0'));
  const std::string with_body = frame_bytes(FrameType::ResponseBody, "bytes");
  const struct {
    const char* what;
    std::string bytes;
    std::vector<int> descriptors;
  } cases[] = {{"with a body", with_body, {number}},
               {"two files", with_file, {number, number}},
               {"a socket", with_file, {-1}},
               {"as many as can be", with_file, std::vector<int>(253, number)}};
  for (const auto& [what, bytes, descriptors] : cases) {
    Pair pair;
    std::vector<int> passed = descriptors;
    if (passed[0] == -1) passed[0] = pair.left.fd();
    const std::size_t before = open_descriptors();

    send_with(pair.left.fd(), bytes, passed);

    EXPECT_EQ(code_of(pair.right.receive(soon())), ErrorCode::BadDescriptor) << what;
    { const UniqueFd first = pair.right.take_descriptor(); }
    EXPECT_EQ(open_descriptors(), before) << what;
  }
  std::fclose(file);
}

TEST(Channel, RefusesEveryDescriptorWhereNoneMayCome) {
  FILE* const file = std::tmpfile();
  Pair pair;
  send_with(pair.right.fd(), frame_bytes(FrameType::RequestBody, "bytes"), {::fileno(file)});

  EXPECT_EQ(code_of(pair.left.receive(soon())), ErrorCode::BadDescriptor);
  std::fclose(file);
}

/// A TCP socket with bytes that its peer does not take, and with the wish that close() waits.
UniqueFd reluctant_socket(UniqueFd& peer) {
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const at = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener.get(), at, size), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_EQ(::getsockname(listener.get(), at, &size), 0);
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(socket.get(), at, size), 0);
  peer = UniqueFd(::accept(listener.get(), nullptr, nullptr));
  const std::string bytes(65536, 'x');
  while (::send(socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
  }
  const linger wait{1, 3600};
  EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &wait, sizeof wait), 0);
  return socket;
}

TEST(Channel, NeverWaitsForWhatAPassedDescriptorStillHasToSend) {
  for (const bool receives : {true, false}) {
    Pair pair;
    UniqueFd peer;
    {
      const UniqueFd reluctant = reluctant_socket(peer);
      send_with(pair.left.fd(), frame_bytes(FrameType::ResponseFile, std::string(16, '\0')),
                {reluctant.get()});
    }  // the message holds it now, and nobody else
    const auto start = Clock::now();

    if (receives) {
      EXPECT_EQ(code_of(pair.right.receive(soon())), ErrorCode::BadDescriptor);
    } else {
      pair.right.abandon();
      pair.right = Channel(UniqueFd());
    }

    EXPECT_LT(Clock::now() - start, seconds(2)) << receives;
  }
}

TEST(ConnectTo, SaysWhatStandsInItsWay) {
  const auto missing = connect_to("/nonexistent/socket");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().os_errno, ENOENT);
  EXPECT_EQ(code_of(connect_to(std::string(200, 'x'))), ErrorCode::CannotCreateSocket);
}

}  // namespace
}  // namespace wsgix::channel
