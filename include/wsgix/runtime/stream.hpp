// SPDX-License-Identifier: Apache-2.0
// runtime/stream.hpp: one request as the runtime library reads and answers it.
//
// Daemon mode, embedded mode and the warm-up each derive a Stream. stream.cpp holds the only
// wsgix_stream_calls and the only door behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <vector>

#include "wsgix/runtime/abi.h"
#include "wsgix/runtime/text.hpp"

namespace wsgix::runtime {

/// The members are the slots of wsgix_stream_calls (abi.h), which says who may call them when and
/// what they return: a count, 0, or a WSGIX_IO_*. An exception is a bug of ours: it goes to
/// log_bug(), and the caller hears WSGIX_IO_FAILED.
///
/// A copy of the process that the application forked reaches none of them but log_of_copy(): it
/// shares the connection with the original, and nothing that it says or takes there belongs to
/// anybody's request.
class Stream {
 public:
  virtual std::ptrdiff_t read_body(char* into, std::size_t size, bool may_wait) = 0;
  virtual int send_head(const wsgix_response_head& head) = 0;
  virtual int send_body(std::string_view data) = 0;
  virtual int send_file(int descriptor, std::uint64_t offset, std::uint64_t length) = 0;
  virtual int flush() = 0;
  virtual bool client_is_gone() const noexcept = 0;
  virtual void early_hints(const wsgix_field* headers, std::size_t count) = 0;
  virtual void show_loading(bool begins) noexcept = 0;
  virtual void log(int level, std::string_view file, std::uint32_t line, std::string_view text) = 0;
  /// To the error log, as a whole line under the pid of the copy, without any lock.
  virtual void log_of_copy(int level, std::string_view text) noexcept = 0;
  virtual void log_bug(const char* what) noexcept = 0;

 protected:
  Stream() = default;
  Stream(const Stream&) = default;
  Stream& operator=(const Stream&) = default;
  ~Stream() = default;
};

/// The runtime's calls for this request reach `stream`, which must outlive it.
void attach(Stream& stream, wsgix_request& request) noexcept;

/// `fields`: a range of {name, value}, borrowed like `storage` for as long as the request runs.
template <typename Fields>
void set_environ(const Fields& fields, std::vector<wsgix_field>& storage, wsgix_request& request) {
  storage.clear();
  storage.reserve(std::size(fields));
  for (const auto& [name, value] : fields) storage.push_back({text_of(name), text_of(value)});
  request.environ = storage.data();
  request.environ_count = storage.size();
}

}  // namespace wsgix::runtime
