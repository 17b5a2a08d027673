// SPDX-License-Identifier: Apache-2.0
#include "wsgix/channel/incoming.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "wsgix/os/sockets.hpp"

namespace wsgix::channel {
namespace {

using wire::FrameType;
using wire::kHeaderBytes;

constexpr std::size_t kFirstBufferBytes = 16 * 1024;
constexpr std::size_t kLargestIdleBufferBytes = 64 * 1024;
/// SCM_MAX_FD of Linux. What does not fit would be closed by the kernel, in our thread.
constexpr std::size_t kMostDescriptors = 253;

/// Room for all descriptors that one message can bring.
struct Control {
  alignas(cmsghdr) char bytes[CMSG_SPACE(kMostDescriptors * sizeof(int))];
};

/// Calls `take` with each descriptor in a received message.
template <typename Take>
void for_each_descriptor(msghdr& message, Take take) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof(int), sizeof number);
      take(UniqueFd(number));
    }
  }
}

ssize_t receive_message(int socket, iovec& part, Control& control, msghdr& message) noexcept {
  message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  ssize_t count = -1;
  do {
    count = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  return count;
}

}  // namespace

bool Incoming::is_empty() const noexcept {
  return consumed_ == filled_ && head_request_ == 0 && !descriptor_;
}

bool Incoming::has_buffered_frame() const noexcept {
  const auto header = next_header();
  // A bad header counts as a frame: receiving it is what reports the error.
  return !header || (*header && unread().size() - kHeaderBytes >= (*header)->payload_bytes);
}

/// nullopt while it is not here whole.
Result<std::optional<wire::FrameHeader>> Incoming::next_header() const {
  if (unread().size() < kHeaderBytes) return std::nullopt;
  const auto header = wire::decode_header(unread());
  if (!header) return failed(header);
  if (header->payload_bytes > most_payload_bytes_) {
    return failed(ErrorCode::FrameTooLarge,
                  fmt::format("{} frame of {} bytes exceeds {}", wire::to_string(header->type),
                              header->payload_bytes, most_payload_bytes_));
  }
  return *header;
}

Result<std::optional<Frame>> Incoming::try_receive(int socket) {
  while (true) {
    const auto header = next_header();
    if (!header) return failed(header);
    const std::size_t payload_bytes = *header ? (*header)->payload_bytes : 0;
    if (*header && unread().size() - kHeaderBytes >= payload_bytes) {
      const std::string_view payload = unread().substr(kHeaderBytes, payload_bytes);
      consumed_ += kHeaderBytes + payload_bytes;
      if (auto fine = check_descriptor((*header)->type); !fine) return failed(fine);
      auto frame = assemble(**header, payload);
      if (!frame || *frame) return frame;
      continue;
    }
    make_room(payload_bytes);
    const Result<bool> read = read_more(socket);
    if (!read) return failed(read);
    if (!*read) return std::nullopt;
  }
}

/// nullopt after a part: more has to come.
Result<std::optional<Frame>> Incoming::assemble(const wire::FrameHeader& header,
                                                std::string_view payload) {
  const bool is_part = header.type == FrameType::HeadPart;
  const bool is_of_head = is_part || wire::is_head(header.type);
  if (head_request_ == 0) {
    std::string().swap(head_);  // what was handed out last
  } else if (header.request != head_request_ || !is_of_head) {
    return failed(ErrorCode::UnexpectedFrame,
                  fmt::format("{} between the parts of a head", wire::to_string(header.type)));
  }
  if (is_of_head && head_.size() + payload.size() > most_head_bytes_) {
    return failed(ErrorCode::FrameTooLarge,
                  fmt::format("a head of more than {} bytes", most_head_bytes_));
  }
  if (!is_part && head_request_ == 0) return Frame{header.type, header.request, payload};
  head_.append(payload);
  head_request_ = is_part ? header.request : 0;
  if (is_part) return std::nullopt;
  return Frame{header.type, header.request, head_};
}

/// A descriptor comes with the last byte of what one read brings (unix(7)), so the frame that this
/// byte belongs to must be one that brings a file.
Result<void> Incoming::check_descriptor(FrameType type) {
  if (!descriptor_ || consumed_ < descriptor_end_ || type == FrameType::ResponseFile) return {};
  return failed(ErrorCode::BadDescriptor,
                fmt::format("a descriptor came with a {} frame", wire::to_string(type)));
}

/// Moves unread bytes to the front and lets a frame of that size fit behind them.
void Incoming::make_room(std::size_t payload_bytes) {
  if (consumed_ == filled_) {
    consumed_ = filled_ = 0;
    if (buffer_.size() > kLargestIdleBufferBytes && payload_bytes == 0) {
      std::string().swap(buffer_);
    }
  } else if (consumed_ != 0) {
    std::memmove(buffer_.data(), buffer_.data() + consumed_, filled_ - consumed_);
    descriptor_end_ -= std::min(descriptor_end_, consumed_);
    filled_ -= consumed_;
    consumed_ = 0;
  }
  const std::size_t wanted = std::max(kFirstBufferBytes, kHeaderBytes + payload_bytes);
  if (buffer_.size() < wanted) buffer_.resize(wanted);
}

Result<void> Incoming::take_over(UniqueFd received) {
  struct stat info {};
  const bool is_file = ::fstat(received.get(), &info) == 0 && S_ISREG(info.st_mode);
  if (is_file && descriptors_ == Descriptors::WithFiles && !descriptor_) {
    descriptor_ = std::move(received);
    return {};
  }
  os::close_without_waiting(std::move(received));
  return failed(ErrorCode::BadDescriptor, is_file ? "a descriptor came where none may come"
                                                  : "a descriptor that is no regular file came");
}

/// One recvmsg(2). False when nothing is there now.
Result<bool> Incoming::read_more(int socket) {
  iovec part{buffer_.data() + filled_, buffer_.size() - filled_};
  Control control;
  msghdr message;
  const ssize_t count = receive_message(socket, part, control, message);
  if (count == 0) return failed(ErrorCode::PeerClosed, "end of file");
  if (count < 0) {
    const int os_errno = errno;
    if (os_errno == EAGAIN || os_errno == EWOULDBLOCK) return false;
    const auto code = os_errno == ECONNRESET ? ErrorCode::PeerClosed : ErrorCode::SocketFailed;
    return failed(code, "recvmsg", os_errno);
  }
  filled_ += static_cast<std::size_t>(count);
  Result<void> fine;
  for_each_descriptor(message, [&](UniqueFd received) {
    const Result<void> taken = take_over(std::move(received));
    if (!taken) fine = taken;
    descriptor_end_ = filled_;
  });
  if (!fine) return failed(fine);
  return true;
}

void Incoming::discard(int socket) noexcept {
  char bytes[kFirstBufferBytes];
  iovec part{bytes, sizeof bytes};
  Control control;
  msghdr message;
  while (receive_message(socket, part, control, message) > 0) {
    for_each_descriptor(message,
                        [](UniqueFd received) { os::close_without_waiting(std::move(received)); });
  }
}

}  // namespace wsgix::channel
