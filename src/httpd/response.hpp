// SPDX-License-Identifier: Apache-2.0
// httpd/response.hpp: an application's response on its way to the client, the same for both modes.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "httpd_api.hpp"
#include "wsgix/base/clock.hpp"
#include "wsgix/base/result.hpp"
#include "wsgix/base/unique_fd.hpp"

namespace wsgix::httpd {

/// Order of calls: head(), then any number of body(), file() and flush(), then end() or cut().
/// Nothing reaches the client before flush(), end(), or kQueueBytes of body: a small response
/// leaves as one brigade, and a failure before that can still become a clean error page.
class Response {
 public:
  static constexpr std::size_t kQueueBytes = 65536;

  /// `write_limit`: see ClientWriteLimit.
  explicit Response(request_rec& r, Clock::duration write_limit = Clock::duration::zero());
  ~Response();
  Response(const Response&) = delete;
  Response& operator=(const Response&) = delete;

  /// Headers of an interim response 103, before head(); then send_hints() sends them, when the
  /// client's protocol has interim responses. They are dropped otherwise.
  void hint(std::string_view name, std::string_view value);
  void send_hints();

  void head(int status, std::string_view reason);
  /// Headers of the response, in the application's order, after head().
  void header(std::string_view name, std::string_view value);
  bool has_head() const noexcept { return has_head_; }

  // False when the client has gone: nothing more can reach it.
  bool body(std::string_view data);
  /// Checks that it is a regular file that has those bytes; the descriptor's position stays.
  Result<bool> file(UniqueFd descriptor, std::uint64_t offset, std::uint64_t length);
  bool flush();

  /// The response is whole: what the handler returns.
  int end();
  /// It will never be whole: the client sees an aborted response, or an error page when nothing
  /// has left yet. What the handler returns.
  int cut();
  /// Nothing was sent and `status` shall be answered, with httpd's error page.
  int refuse(int status);

  bool client_is_gone() const noexcept { return gone_ || r_.connection->aborted != 0; }
  bool has_queued_body() const noexcept { return queued_bytes_ != 0 || queued_bucket_; }
  std::size_t queued_bytes() const noexcept { return queued_bytes_; }
  bool has_left() const noexcept { return has_left_; }

 private:
  bool pass();
  bool may_send_interim() const noexcept;
  void append(apr_bucket* bucket);
  void append_end();
  bool send_pieces(int descriptor, std::uint64_t offset, std::uint64_t length);
  void forget_head();
  int redirect();
  int override_page();
  bool is_unwanted() const noexcept;
  bool is_as_declared() const noexcept;
  std::string_view within_declared(std::string_view data) noexcept;
  bool asks_for_range() const noexcept;
  void leave_ranges_alone() noexcept;
  void forget_error_headers() noexcept;
  bool drops_body() const noexcept {
    return overridden_ || has_no_content_ || redirect_to_ != nullptr;
  }

  request_rec& r_;
  const Clock::duration write_limit_;
  apr_pool_t* hints_pool_ = nullptr;
  apr_table_t* hints_ = nullptr;
  apr_bucket_brigade* brigade_;
  apr_bucket_alloc_t* buckets_;
  int status_before_;
  std::size_t queued_bytes_ = 0;
  std::optional<std::uint64_t> declared_bytes_;  ///< Content-Length of the application
  std::uint64_t counted_bytes_ = 0;              ///< of body, whatever became of them
  apr_table_t* error_headers_before_ = nullptr;  ///< err_headers_out without the application's
  bool has_file_ = false;
  bool queued_bucket_ = false;
  bool is_one_file_ = false;  ///< up to now: kept back, so that httpd can pick a range from it
  bool has_head_ = false;
  bool has_left_ = false;
  std::atomic<bool> gone_ = false;     ///< client_is_gone() may be asked by another thread
  bool overridden_ = false;            ///< WSGIErrorOverride: httpd's own page replaces the body
  bool has_no_content_ = false;        ///< 205: RFC 9110, 15.3.6
  const char* redirect_to_ = nullptr;  ///< Location of a local redirect as CGI defines it
};

}  // namespace wsgix::httpd
