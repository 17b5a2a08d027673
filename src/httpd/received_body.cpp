// SPDX-License-Identifier: Apache-2.0
#include "received_body.hpp"

#include <fmt/format.h>

#include "log.hpp"
#include "pool.hpp"
#include "unbuffered.hpp"
#include "wsgix/wsgi/environ.hpp"

namespace wsgix::httpd {
namespace {

constexpr std::size_t kMemoryBytes = 65536;

/// Filters above the protocol that leave every byte as it is.
constexpr std::string_view kOnlyLook[] = {"kept_body", "modsecurity_in", "dumpio_in"};
/// Those that decode what Content-Encoding names, and nothing else.
constexpr std::string_view kDecoders[] = {"deflate", "brotli_inflate"};

template <std::size_t Count>
bool is_one_of(const char* name, const std::string_view (&names)[Count]) {
  for (const std::string_view candidate : names) {
    if (wsgi::equals_ignoring_case(name, candidate)) return true;
  }
  return false;
}

/// The client may send it again with a length; a body that a filter has decoded is too large.
int without_length(const request_rec& r, const BodyFacts& body, const std::string& why) {
  log(r, LogLevel::Warning,
      {ErrorCode::BodyLengthUnknown,
       fmt::format("{} {}: the length of the request body is not known: {}", r.method,
                   r.unparsed_uri, why)});
  r.connection->keepalive = AP_CONN_CLOSE;
  return body.content_length < 0 ? HTTP_LENGTH_REQUIRED : HTTP_REQUEST_ENTITY_TOO_LARGE;
}

int broken(const request_rec& r, ClientBody::State state) {
  const int status = status_for(state);
  r.connection->keepalive = AP_CONN_CLOSE;
  log(r, LogLevel::Info,
      {ErrorCode::ClientBodyFailed, fmt::format("{} {}: the client's body ended with an error ({})",
                                                r.method, r.unparsed_uri, status)});
  return status;
}

}  // namespace

bool is_decoded_by_a_filter(const request_rec& r) {
  const bool is_encoded = apr_table_get(r.headers_in, "Content-Encoding") != nullptr;
  for (const ap_filter_t* filter = r.input_filters; filter != nullptr; filter = filter->next) {
    if (filter->frec->ftype >= AP_FTYPE_PROTOCOL) break;
    if (is_one_of(filter->frec->name, kOnlyLook)) continue;
    if (is_encoded || !is_one_of(filter->frec->name, kDecoders)) return true;
  }
  return false;
}

int receive_whole_body(request_rec& r, BodyFacts& body, std::int64_t limit) {
  const auto most = static_cast<std::uint64_t>(limit);
  os::Spool& whole = make_in_pool<os::Spool>(r.pool, kMemoryBytes, most);
  ClientBody from_client(r);
  for (;;) {
    const ClientBody::Piece piece = from_client.read(true);
    if (piece.state == ClientBody::State::End) break;
    if (piece.state != ClientBody::State::Data) return broken(r, piece.state);
    if (piece.data.size() > most - whole.size()) {
      return without_length(r, body, fmt::format("it has more than {} bytes", limit));
    }
    if (const Result<void> retained = whole.append(piece.data); !retained) {
      warn_unbuffered(r, retained.error());
      return without_length(r, body, "it could not be buffered");
    }
    from_client.consume(piece.data.size());
  }
  body.received = &whole;
  body.content_length = static_cast<std::int64_t>(whole.size());
  body.has_body = !whole.empty();
  return OK;
}

}  // namespace wsgix::httpd
