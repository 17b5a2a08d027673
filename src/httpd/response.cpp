// SPDX-License-Identifier: Apache-2.0
#include "response.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "client_socket.hpp"
#include "pool.hpp"
#include "settings.hpp"
#include "wsgix/base/scope_exit.hpp"
#include "wsgix/wsgi/environ.hpp"
#include "wsgix/wsgi/response_rules.hpp"

namespace wsgix::httpd {
namespace {

constexpr int kEarlyHints = 103;  // RFC 8297
constexpr std::size_t kFilePieceBytes = 262144;
/// Pieces of at least this size are passed on from where they are instead of being copied.
constexpr std::size_t kCopyBelowBytes = 16384;

enum class Placement : std::uint8_t { Repeat, Single, ContentType, ContentLength, Error, Drop };

constexpr struct {
  std::string_view name;
  Placement placement;
} kPlacements[] = {
    {"content-type", Placement::ContentType},
    {"content-length", Placement::ContentLength},
    // Survives onto httpd's own error pages, where a browser needs it as well.
    {"www-authenticate", Placement::Error},
    {"location", Placement::Single},
    {"content-range", Placement::Single},
    // Framing and the connection are httpd's; the runtime has warned about these already.
    {"transfer-encoding", Placement::Drop},
    {"connection", Placement::Drop},
    {"keep-alive", Placement::Drop},
    {"upgrade", Placement::Drop},
    {"trailer", Placement::Drop},
    {"te", Placement::Drop},
    {"proxy-connection", Placement::Drop},
};

Placement placement_of(std::string_view name) noexcept {
  for (const auto& known : kPlacements) {
    if (wsgi::equals_ignoring_case(name, known.name)) return known.placement;
  }
  return Placement::Repeat;
}

bool has_words_for(int status) noexcept {
  return std::string_view(ap_get_status_line(status)).starts_with(fmt::format_int(status).c_str());
}

bool is_error(int status) noexcept { return status >= 400 && status <= 599; }

const char* keep(apr_pool_t* pool, std::string_view text) {
  return apr_pstrmemdup(pool, text.data(), text.size());
}

/// A worker may only hand over what it may read itself: opening the file again happens with our
/// rights, and O_PATH needs none on the file.
bool is_readable_by_its_owner(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  return flags >= 0 && (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_WRONLY;
}

/// A descriptor with a file position of its own, or none. The passed one shares its position
/// with the application's file object, which may serve another request at this moment.
UniqueFd reopened(int descriptor) {
  const std::string path = fmt::format("/proc/self/fd/{}", descriptor);
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

}  // namespace

Response::Response(request_rec& r, Clock::duration write_limit)
    : r_(r),
      write_limit_(write_limit),
      brigade_(apr_brigade_create(r.pool, r.connection->bucket_alloc)),
      buckets_(r.connection->bucket_alloc),
      status_before_(r.status) {}

Response::~Response() { apr_brigade_destroy(brigade_); }

bool Response::may_send_interim() const noexcept {
  // What a subrequest answers is a part of another response.
  return r_.main == nullptr && r_.assbackwards == 0 && r_.proto_num >= HTTP_VERSION(1, 1) &&
         !has_head_ && !has_left_ && r_.bytes_sent == 0 && !client_is_gone();
}

void Response::hint(std::string_view name, std::string_view value) {
  const Placement placement = placement_of(name);
  if (placement == Placement::Drop || placement == Placement::ContentLength) return;
  // httpd checks the headers of a response on their way out, but not these.
  if (wsgi::object_to_header_name(name) || wsgi::object_to_header_value(value)) return;
  // A pool of their own, because what is sent is of no use any more.
  if (hints_pool_ == nullptr) apr_pool_create(&hints_pool_, r_.pool);
  if (hints_ == nullptr) hints_ = apr_table_make(hints_pool_, 4);
  apr_table_addn(hints_, keep(hints_pool_, name), keep(hints_pool_, value));
}

/// httpd sends headers_out and then empties it, so the response's own are put aside.
void Response::send_hints() {
  apr_table_t* const hints = std::exchange(hints_, nullptr);
  if (hints == nullptr) return;
  const ScopeExit forget([this]() noexcept { apr_pool_clear(hints_pool_); });
  if (!may_send_interim()) return;
  apr_table_t* const headers = std::exchange(r_.headers_out, hints);
  const int status = std::exchange(r_.status, kEarlyHints);
  const char* const status_line = std::exchange(r_.status_line, "103 Early Hints");
  ap_send_interim_response(&r_, 1);
  r_.headers_out = headers;
  r_.status = status;
  r_.status_line = status_line;
}

void Response::head(int status, std::string_view reason) {
  has_head_ = true;
  overridden_ = is_error(status) && config_of(r_).error_override.value_or(false);
  r_.status = status;
  if (status == HTTP_RESET_CONTENT) {
    // Unlike 204 and 304 it is framed like any other, so its body has to be said to be empty.
    has_no_content_ = true;
    ap_set_content_length(&r_, 0);
  }
  if (reason.empty() && has_words_for(status)) {
    r_.status_line = ap_get_status_line(status);
    return;
  }
  char* const line = static_cast<char*>(apr_palloc(r_.pool, reason.size() + 16));
  *fmt::format_to(line, "{:03} {}", std::clamp(status, 0, 999), reason) = '\0';
  r_.status_line = line;
}

void Response::header(std::string_view name, std::string_view value) {
  switch (placement_of(name)) {
    case Placement::ContentType: ap_set_content_type(&r_, keep(r_.pool, value)); return;
    case Placement::ContentLength:
      if (has_no_content_) return;
      if (const auto length = wsgi::parse_body_length(value)) {
        ap_set_content_length(&r_, *length);
        declared_bytes_ = static_cast<std::uint64_t>(*length);
      }
      return;
    case Placement::Error:
      if (error_headers_before_ == nullptr) {
        error_headers_before_ = apr_table_copy(r_.pool, r_.err_headers_out);
      }
      apr_table_addn(r_.err_headers_out, keep(r_.pool, name), keep(r_.pool, value));
      return;
    case Placement::Single:
      apr_table_setn(r_.headers_out, keep(r_.pool, name), keep(r_.pool, value));
      if (r_.status == HTTP_OK && value.starts_with('/') &&
          wsgi::equals_ignoring_case(name, "location") &&
          config_of(r_).local_redirect.value_or(true)) {
        redirect_to_ = keep(r_.pool, value);
      }
      return;
    case Placement::Repeat:
      apr_table_addn(r_.headers_out, keep(r_.pool, name), keep(r_.pool, value));
      return;
    case Placement::Drop: return;
  }
}

/// The first brigade goes out with its body, from which httpd counts a length. After it mod_http2
/// would send what a HEAD, a 204 or a 304 must not have: it drops the body of one brigade only.
bool Response::is_unwanted() const noexcept {
  const bool head_only = r_.header_only != 0 || AP_STATUS_IS_HEADER_ONLY(r_.status);
  return drops_body() || (has_left_ && head_only);
}

void Response::append(apr_bucket* bucket) { APR_BRIGADE_INSERT_TAIL(brigade_, bucket); }

bool Response::asks_for_range() const noexcept {
  return r_.main == nullptr && apr_table_get(r_.headers_in, "Range") != nullptr;
}

/// httpd picks a range only from a response that reaches it in one piece. With blocks that would
/// be a matter of timing, so it picks from a file and from nothing else. A response without a body
/// is left to it: another module may put a file there (X-Sendfile).
void Response::leave_ranges_alone() noexcept {
  // Of a subrequest the filter belongs to the page that includes it.
  if (asks_for_range()) ap_remove_output_filter_byhandle(r_.output_filters, "BYTERANGE");
}

bool Response::pass() {
  if (client_is_gone()) {
    apr_brigade_cleanup(brigade_);
    return false;
  }
  if (!has_left_ && has_queued_body() && !is_one_file_) leave_ranges_alone();
  has_left_ = true;
  const ClientWriteLimit limited(r_, write_limit_);
  const apr_status_t status = ap_pass_brigade(r_.output_filters, brigade_);
  apr_brigade_cleanup(brigade_);
  queued_bytes_ = 0;
  queued_bucket_ = false;
  if (status != APR_SUCCESS) gone_ = true;
  return !client_is_gone();
}

/// The runtime keeps to Content-Length, but a worker is not to be trusted with the framing of a
/// connection that others use next.
std::string_view Response::within_declared(std::string_view data) noexcept {
  counted_bytes_ += data.size();
  if (!declared_bytes_ || counted_bytes_ <= *declared_bytes_) return data;
  const std::uint64_t excess = counted_bytes_ - *declared_bytes_;
  return data.substr(0, data.size() - std::min<std::uint64_t>(excess, data.size()));
}

bool Response::is_as_declared() const noexcept {
  const bool head_only = r_.header_only != 0 || AP_STATUS_IS_HEADER_ONLY(r_.status);
  return head_only || !declared_bytes_ || counted_bytes_ == *declared_bytes_;
}

bool Response::body(std::string_view data) {
  if (client_is_gone()) return false;
  data = within_declared(data);
  if (is_unwanted() || data.empty()) return true;
  is_one_file_ = false;
  if (data.size() < kCopyBelowBytes) {
    apr_brigade_write(brigade_, nullptr, nullptr, data.data(), data.size());
  } else {
    append(apr_bucket_transient_create(data.data(), data.size(), buckets_));
    queued_bucket_ = true;
  }
  queued_bytes_ += data.size();
  // A transient bucket points into the caller's memory: it has to leave before we return.
  if (queued_bucket_ || queued_bytes_ >= kQueueBytes) return flush();
  return true;
}

bool Response::flush() {
  if (drops_body() || is_one_file_ || !has_queued_body()) return !client_is_gone();
  append(apr_bucket_flush_create(buckets_));
  return pass();
}

Result<bool> Response::file(UniqueFd descriptor, std::uint64_t offset, std::uint64_t length) {
  struct stat info {};
  if (::fstat(descriptor.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
      !is_readable_by_its_owner(descriptor.get())) {
    return failed(ErrorCode::BadDescriptor,
                  "a response names a file that is not a regular file opened for reading");
  }
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (offset > size || length > size - offset) {
    return failed(ErrorCode::BadDescriptor,
                  fmt::format("a response asks for {} bytes from {} of a file with {} bytes",
                              length, offset, size));
  }
  counted_bytes_ += length;
  if (declared_bytes_ && counted_bytes_ > *declared_bytes_) {
    return failed(ErrorCode::BadDescriptor, "a file is longer than the response's Content-Length");
  }
  if (client_is_gone()) return false;
  if (is_unwanted() || length == 0) return true;
  const bool comes_first = !has_left_ && !has_queued_body() && !has_file_;

  // The descriptor of a file bucket lives as long as the request: one is enough for any honest
  // response, and thousands would take httpd's own away.
  UniqueFd own = std::exchange(has_file_, true) ? UniqueFd() : reopened(descriptor.get());
  is_one_file_ = own && comes_first && asks_for_range();
  if (!own) return send_pieces(descriptor.get(), offset, length);
  apr_os_file_t number = make_in_pool<UniqueFd>(r_.pool, std::move(own)).get();
  const bool may_sendfile = core_config_of(r_).enable_sendfile == ENABLE_SENDFILE_ON;
  apr_file_t* file = nullptr;
  apr_os_file_put(&file, &number, APR_FOPEN_READ | (may_sendfile ? APR_FOPEN_SENDFILE_ENABLED : 0),
                  r_.pool);
  apr_bucket* const bucket = apr_brigade_insert_file(brigade_, file, static_cast<apr_off_t>(offset),
                                                     static_cast<apr_off_t>(length), r_.pool);
  // A mapping of a file that somebody truncates ends the process with SIGBUS.
  apr_bucket_file_enable_mmap(bucket, 0);
  queued_bucket_ = true;
  return true;
}

/// For a file that this process may not open again by itself.
bool Response::send_pieces(int descriptor, std::uint64_t offset, std::uint64_t length) {
  std::string piece(std::min<std::uint64_t>(length, kFilePieceBytes), '\0');
  while (length != 0) {
    const ssize_t count =
        ::pread(descriptor, piece.data(), std::min<std::uint64_t>(length, piece.size()),
                static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    const auto bytes = static_cast<std::size_t>(count);
    append(apr_bucket_transient_create(piece.data(), bytes, buckets_));
    if (!flush()) return false;
    offset += bytes;
    length -= bytes;
  }
  return true;
}

void Response::append_end() {
  append(apr_bucket_eos_create(buckets_));
  // httpd takes the end of a subrequest out of the response only when nothing follows it; the
  // rest of the page would be lost.
  if (r_.main == nullptr) append(apr_bucket_flush_create(buckets_));
}

int Response::end() {
  if (overridden_) return override_page();
  if (redirect_to_ != nullptr) return redirect();
  if (!is_as_declared()) return cut();
  append_end();
  pass();
  return OK;
}

int Response::cut() {
  if (!has_left_) return refuse(HTTP_INTERNAL_SERVER_ERROR);
  r_.connection->keepalive = AP_CONN_CLOSE;
  r_.no_cache = 1;
  // What mod_proxy does: the chunk filter then withholds the last chunk, HTTP/2 resets the stream.
  append(ap_bucket_error_create(HTTP_BAD_GATEWAY, nullptr, r_.pool, buckets_));
  append_end();
  pass();
  return OK;
}

int Response::refuse(int status) {
  apr_brigade_cleanup(brigade_);
  if (has_head_) forget_head();
  return status;
}

int Response::override_page() {
  const int status = r_.status;
  const char* const line = r_.status_line;
  error_headers_before_ = nullptr;  // the status is the application's, and so is its challenge
  refuse(status);
  // Without a line httpd would answer a status that it has no words for with 500.
  if (!has_words_for(status)) r_.status_line = line;
  return status;
}

void Response::forget_error_headers() noexcept {
  if (error_headers_before_ == nullptr) return;
  r_.err_headers_out = std::exchange(error_headers_before_, nullptr);
}

void Response::forget_head() {
  forget_error_headers();
  apr_table_clear(r_.headers_out);
  // Not simply 200: in an ErrorDocument it is the first error, from which httpd sees the second.
  r_.status = status_before_;
  r_.status_line = nullptr;
  r_.clength = 0;
  r_.content_type = nullptr;
  has_head_ = overridden_ = has_no_content_ = false;
  declared_bytes_.reset();
  redirect_to_ = nullptr;
}

/// RFC 3875, 6.2.2: a local Location without a status is answered by that resource.
int Response::redirect() {
  const char* const target = redirect_to_;
  forget_error_headers();  // httpd would hand them on to the other resource
  // httpd finds the end of an unread body by the two headers that are removed below: without this
  // the rest of it would be taken for the connection's next request.
  if (const int status = ap_discard_request_body(&r_); status != OK) return refuse(status);
  r_.method = "GET";
  r_.method_number = M_GET;
  apr_table_unset(r_.headers_in, "Content-Length");
  apr_table_unset(r_.headers_in, "Transfer-Encoding");
  // Not ap_internal_redirect_handler(), which passes on our Content-Type: before httpd 2.4.60 it
  // could name a handler (CVE-2024-38476), and an application must not choose one for a file.
  ap_internal_redirect(target, &r_);
  return OK;
}

}  // namespace wsgix::httpd
