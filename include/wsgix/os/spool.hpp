// SPDX-License-Identifier: Apache-2.0
// os/spool.hpp: bytes on their way from a fast side to a slow one: in memory first, behind that in
// a file that never has a name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wsgix/base/result.hpp"
#include "wsgix/base/unique_fd.hpp"

namespace wsgix::os {

/// Bytes have positions that count from the first one ever appended. They stay until dropped, so
/// that they can be read again. One thread at a time.
class Spool {
 public:
  /// Up to `memory_bytes` are kept in memory and up to `file_bytes` in the file, whose disk space
  /// never exceeds that, however much passes through. Nothing is opened before it is needed.
  Spool(std::size_t memory_bytes, std::uint64_t file_bytes, std::string folder = temporary_folder())
      : memory_bytes_(memory_bytes), file_bytes_(file_bytes), folder_(std::move(folder)) {}

  std::uint64_t begin() const noexcept { return begin_; }
  std::uint64_t end() const noexcept { return end_; }
  std::uint64_t size() const noexcept { return end_ - begin_; }
  bool empty() const noexcept { return begin_ == end_; }

  /// All of it or, when it fails, nothing. Fails with SpoolFailed, also when it does not fit.
  Result<void> append(std::string_view data);
  /// Bytes from `position` on, which lies in [begin(), end()): at least one and at most `most`.
  /// Valid until the next call of a member.
  Result<std::string_view> read(std::uint64_t position, std::size_t most);
  /// Everything before `position`, which lies in [begin(), end()], is not needed any more.
  void drop_before(std::uint64_t position);

  /// TMPDIR, or /tmp.
  static std::string temporary_folder();

 private:
  Result<void> write_file(std::string_view data);
  Failed spool_failed(const char* step, int os_errno) const;

  std::size_t memory_bytes_;
  std::uint64_t file_bytes_;
  std::string folder_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t split_ = 0;  ///< bytes before it are in memory, the others in the file
  std::string memory_;       ///< the bytes [memory_begin_, split_)
  std::uint64_t memory_begin_ = 0;
  UniqueFd file_;      ///< a ring: position p lies at p % file_bytes_
  std::string piece_;  ///< what read() took from the file
};

}  // namespace wsgix::os
