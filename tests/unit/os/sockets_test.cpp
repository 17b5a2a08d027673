// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/sockets.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "wsgix/base/unique_fd.hpp"

namespace wsgix::os {
namespace {

constexpr std::size_t kMost = 262144;

/// The two ends of a TCP connection, as httpd has it with its client.
class SocketRoom : public testing::Test {
 protected:
  void SetUp() override {
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const where = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(listener.get(), where, size), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    ASSERT_EQ(::getsockname(listener.get(), where, &size), 0);
    reader_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(reader_.get(), where, size), 0);
    writer_ = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    ASSERT_TRUE(writer_);
  }
  ssize_t write(std::size_t bytes) {
    const std::string data(bytes, 'x');
    return ::send(writer_.get(), data.data(), data.size(), MSG_NOSIGNAL);
  }
  UniqueFd reader_;
  UniqueFd writer_;
};

TEST_F(SocketRoom, PromisesOnlyWhatTheSocketTakesAtOnceUntilItIsFull) {
  for (const int buffer : {0, 4096, 65536}) {
    if (buffer != 0) ::setsockopt(writer_.get(), SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    for (std::size_t room = 1, total = 0; room != 0 && total < (64u << 20); total += room) {
      room = socket_room(writer_.get(), kMost);
      ASSERT_LE(room, kMost);
      if (room == 0) break;
      ASSERT_EQ(write(room), static_cast<ssize_t>(room)) << "buffer " << buffer;
    }
    EXPECT_EQ(socket_room(writer_.get(), kMost), 0u);

    std::string sink(1 << 20, '\0');
    while (::recv(reader_.get(), sink.data(), sink.size(), MSG_DONTWAIT) > 0 ||
           socket_room(writer_.get(), kMost) == 0) {
    }
    EXPECT_GT(socket_room(writer_.get(), kMost), 0u);
  }
}

TEST_F(SocketRoom, IsNeverMoreThanAskedFor) { EXPECT_EQ(socket_room(writer_.get(), 10), 10u); }

TEST_F(SocketRoom, OfABrokenSocketLetsTheWriteReportIt) {
  const linger at_once{1, 0};
  ::setsockopt(reader_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  reader_.reset();

  EXPECT_GT(socket_room(writer_.get(), kMost), 0u);
}

int buffer_size(int socket, int option) {
  int size = 0;
  socklen_t length = sizeof size;
  EXPECT_EQ(::getsockopt(socket, SOL_SOCKET, option, &size, &length), 0);
  return size;
}

TEST(BufferSizes, AreSetWhereTheyAreGiven) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd one(ends[0]);
  const UniqueFd other(ends[1]);
  const int before = buffer_size(one.get(), SO_RCVBUF);

  set_buffer_sizes(one.get(), 32768, 0);

  EXPECT_GE(buffer_size(one.get(), SO_SNDBUF), 32768);
  EXPECT_LT(buffer_size(one.get(), SO_SNDBUF), before);
  EXPECT_EQ(buffer_size(one.get(), SO_RCVBUF), before);
  set_buffer_sizes(one.get(), 0, 16384);
  EXPECT_LT(buffer_size(one.get(), SO_RCVBUF), before);
}

}  // namespace
}  // namespace wsgix::os
