// SPDX-License-Identifier: Apache-2.0
#include "worker_response.hpp"

#include "log.hpp"

namespace wsgix::httpd {
namespace {

/// Only for access logs, where nobody reads a response: the client had gone before there was one.
constexpr int kClientClosedRequest = 499;
constexpr const char* kRetryAfterSeconds = "5";

}  // namespace

WorkerResponse::WorkerResponse(request_rec& r, int client_socket, Clock::duration write_limit,
                               std::int64_t most_ahead)
    : r_(r),
      response_(r, write_limit),
      ahead_(r, response_, client_socket, most_ahead),
      failure_status_(HTTP_INTERNAL_SERVER_ERROR) {}

Result<void> WorkerResponse::early_hints(std::string_view payload) {
  const Result<wire::EarlyHints> hints = hints_.read(payload);
  if (!hints) return failed(hints);
  for (const wire::FieldView& field : hints->headers) response_.hint(field.name, field.value);
  response_.send_hints();
  return {};
}

Result<void> WorkerResponse::head(std::string_view payload) {
  wire::ResponseHead head;
  if (auto read = relay::read_response_head(payload, head); !read) return read;
  response_.head(head.status, head.reason);
  for (const wire::FieldView& field : head.headers) response_.header(field.name, field.value);
  return {};
}

Result<void> WorkerResponse::failure(std::string_view payload) {
  const Result<wire::Failure> failure = wire::decode_failure(payload);
  if (!failure) return failed(failure);
  if (!failure->what.empty()) log_line(r_, LogLevel::Error, {}, 0, failure->what);
  const int status = failure->http_status;
  if (status >= 400 && status <= 599) failure_status_ = status;
  return {};
}

Result<bool> WorkerResponse::file(std::string_view payload, UniqueFd descriptor) {
  const Result<wire::ResponseFile> what = wire::decode_response_file(payload);
  if (!what) return failed(what);
  if (!descriptor) {
    return failed(ErrorCode::BadDescriptor, "the worker sent a file without a descriptor");
  }
  // A file is not copied: it goes after what is there, and httpd waits for the client.
  const Result<bool> drained = ahead_.drain();
  if (!drained || !*drained) return drained;
  Result<bool> sent = response_.file(std::move(descriptor), what->offset, what->length);
  if (sent && !*sent && !response_.client_is_gone()) {
    return failed(ErrorCode::ResponseCut, "the file of the response could not be read to its end");
  }
  return sent;
}

relay::ResponseState WorkerResponse::state() const noexcept {
  if (response_.has_left()) return relay::ResponseState::UnderWay;
  return ahead_.is_behind() ? relay::ResponseState::Waiting : relay::ResponseState::Nothing;
}

int WorkerResponse::answer(relay::Ending ending, bool body_has_come) {
  const relay::Outcome outcome = relay::outcome_of(ending);
  const int status = outcome.status != 0 ? outcome.status : failure_status_;
  if (outcome.may_be_repeated) {
    apr_table_setn(r_.err_headers_out, "Retry-After", kRetryAfterSeconds);
  }
  switch (relay::answer_to(ending, state())) {
    case relay::Answer::Response: return response_.end();
    case relay::Answer::Refusal:
      // httpd would wait for the rest of the body before it answers.
      if (!body_has_come) r_.connection->keepalive = AP_CONN_CLOSE;
      return response_.refuse(status);
    case relay::Answer::ErrorPage: return response_.refuse(status);
    case relay::Answer::CutAfterRest: {
      // What the application has said before the cut still reaches the client.
      [[maybe_unused]] const Result<bool> drained = ahead_.drain();
      return response_.cut();
    }
    case relay::Answer::CutAtOnce: return response_.cut();
    case relay::Answer::HttpdsOwn: return AP_FILTER_ERROR;
    case relay::Answer::Nothing: return leave_client();
  }
  return HTTP_INTERNAL_SERVER_ERROR;
}

int WorkerResponse::leave_client() {
  r_.connection->aborted = 1;
  r_.connection->keepalive = AP_CONN_CLOSE;
  if (!response_.has_left()) {
    r_.status = kClientClosedRequest;
    r_.status_line = nullptr;
  }
  return OK;
}

}  // namespace wsgix::httpd
