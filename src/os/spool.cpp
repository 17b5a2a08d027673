// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/spool.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace wsgix::os {
namespace {

constexpr std::size_t kReadBytes = 65536;

/// For kernels and file systems that cannot make a file without a name.
UniqueFd unlinked_file(const std::string& folder) {
  std::string path = folder + "/wsgix-spool-XXXXXX";
  UniqueFd file(::mkostemp(path.data(), O_CLOEXEC));
  if (file) ::unlink(path.c_str());
  return file;
}

#ifdef O_TMPFILE
UniqueFd nameless_file(const std::string& folder) {
  UniqueFd file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  return file ? std::move(file) : unlinked_file(folder);
}
#else
UniqueFd nameless_file(const std::string& folder) { return unlinked_file(folder); }
#endif

}  // namespace

std::string Spool::temporary_folder() {
  const char* const named = ::getenv("TMPDIR");
  return named != nullptr && *named == '/' ? named : "/tmp";
}

Failed Spool::spool_failed(const char* step, int os_errno) const {
  return failed(ErrorCode::SpoolFailed, "temporary file in " + folder_ + ": " + step, os_errno);
}

Result<void> Spool::append(std::string_view data) {
  if (empty()) {
    memory_.clear();
    memory_begin_ = split_ = begin_;
  }
  const bool all_in_memory = split_ == end_;
  if (all_in_memory && size() + data.size() <= memory_bytes_) {
    if (memory_begin_ != begin_) memory_.erase(0, static_cast<std::size_t>(begin_ - memory_begin_));
    memory_begin_ = begin_;
    memory_.append(data);
    split_ = end_ += data.size();
    return {};
  }
  const std::uint64_t in_file = end_ - std::max(begin_, split_);
  if (data.size() > file_bytes_ - in_file) return spool_failed("it is full", 0);
  if (const Result<void> written = write_file(data); !written) return written;
  end_ += data.size();
  return {};
}

Result<void> Spool::write_file(std::string_view data) {
  if (!file_) file_ = nameless_file(folder_);
  if (!file_) return spool_failed("create", errno);
  for (std::uint64_t at = end_; !data.empty();) {
    const std::uint64_t offset = at % file_bytes_;
    const auto most = std::min<std::uint64_t>(data.size(), file_bytes_ - offset);
    const ssize_t count = ::pwrite(file_.get(), data.data(), most, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return spool_failed("write", count < 0 ? errno : ENOSPC);
    at += static_cast<std::uint64_t>(count);
    data.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

Result<std::string_view> Spool::read(std::uint64_t position, std::size_t most) {
  if (position < split_) {
    const auto from = static_cast<std::size_t>(position - memory_begin_);
    return std::string_view(memory_).substr(from, most);
  }
  const std::uint64_t offset = position % file_bytes_;
  const std::uint64_t here = std::min(end_ - position, file_bytes_ - offset);
  piece_.resize(std::min<std::uint64_t>({here, most, kReadBytes}));
  for (;;) {
    const ssize_t count =
        ::pread(file_.get(), piece_.data(), piece_.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return spool_failed("read", count < 0 ? errno : EIO);
    return std::string_view(piece_).substr(0, static_cast<std::size_t>(count));
  }
}

void Spool::drop_before(std::uint64_t position) {
  begin_ = position;
  if (begin_ < split_ || memory_.empty()) return;
  memory_begin_ = split_;
  std::string().swap(memory_);
}

}  // namespace wsgix::os
