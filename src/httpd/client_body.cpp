// SPDX-License-Identifier: Apache-2.0
#include "client_body.hpp"

#include "log.hpp"

namespace wsgix::httpd {
namespace {

constexpr apr_off_t kReadBytes = 65536;

}  // namespace

ClientBody::ClientBody(request_rec& r, os::Spool* received)
    : r_(r),
      received_(received),
      brigade_(apr_brigade_create(r.pool, r.connection->bucket_alloc)) {}

ClientBody::~ClientBody() { apr_brigade_destroy(brigade_); }

ClientBody::Piece ClientBody::read(bool may_wait) {
  while (state_ == State::Data) {
    if (!rest_.empty()) return {State::Data, rest_};
    if (received_ != nullptr) return next_received();
    const Piece piece = next_bucket();
    if (piece.state == State::Data) return piece;
    if (state_ != State::Data) break;
    if (!fill(may_wait)) return {State::WouldWait, {}};
  }
  return {state_, {}};
}

ClientBody::Piece ClientBody::next_received() {
  if (received_->empty()) {
    state_ = State::End;
    return {state_, {}};
  }
  const Result<std::string_view> data = received_->read(received_->begin(), kReadBytes);
  if (!data) {
    log(r_, LogLevel::Error, data.error());
    state_ = State::Malformed;
    return {state_, {}};
  }
  rest_ = *data;
  piece_bytes_ = rest_.size();
  return {State::Data, rest_};
}

void ClientBody::invite() {
  if (r_.expecting_100 == 0 || r_.proto_num < HTTP_VERSION(1, 1) || r_.bytes_sent != 0) return;
  const int status = r_.status;
  const char* const status_line = r_.status_line;
  r_.status = HTTP_CONTINUE;
  r_.status_line = nullptr;
  ap_send_interim_response(&r_, 0);
  r_.status = status;
  r_.status_line = status_line;
}

void ClientBody::consume(std::size_t bytes) noexcept {
  rest_.remove_prefix(bytes);
  if (received_ != nullptr) {
    if (rest_.empty()) received_->drop_before(received_->begin() + piece_bytes_);
    return;
  }
  if (!rest_.empty()) return;
  apr_bucket_delete(APR_BRIGADE_FIRST(brigade_));
}

bool ClientBody::has_ended() const noexcept {
  return state_ != State::Data || received_ != nullptr ||
         (rest_.empty() && !APR_BRIGADE_EMPTY(brigade_) &&
          APR_BUCKET_IS_EOS(APR_BRIGADE_FIRST(brigade_)));
}

/// The next bytes that are here already; WouldWait when the brigade is used up.
ClientBody::Piece ClientBody::next_bucket() {
  while (!APR_BRIGADE_EMPTY(brigade_)) {
    apr_bucket* const bucket = APR_BRIGADE_FIRST(brigade_);
    if (APR_BUCKET_IS_EOS(bucket)) {
      state_ = State::End;
      return {state_, {}};
    }
    const char* data = nullptr;
    apr_size_t size = 0;
    if (!APR_BUCKET_IS_METADATA(bucket)) {
      const apr_status_t status = apr_bucket_read(bucket, &data, &size, APR_BLOCK_READ);
      if (status != APR_SUCCESS) {
        finish(status);
        return {state_, {}};
      }
    }
    if (size != 0) {
      rest_ = {data, size};
      return {State::Data, rest_};
    }
    apr_bucket_delete(bucket);
  }
  return {State::WouldWait, {}};
}

/// False when nothing has come and waiting was not allowed.
bool ClientBody::fill(bool may_wait) {
  apr_brigade_cleanup(brigade_);
  const apr_status_t status =
      ap_get_brigade(r_.input_filters, brigade_, AP_MODE_READBYTES,
                     may_wait ? APR_BLOCK_READ : APR_NONBLOCK_READ, kReadBytes);
  if (APR_STATUS_IS_EAGAIN(status) && !may_wait) return false;
  if (status != APR_SUCCESS) {
    finish(status);
    return true;
  }
  // A filter may answer a read that does not wait with success and nothing.
  return may_wait || !APR_BRIGADE_EMPTY(brigade_);
}

void ClientBody::finish(apr_status_t status) {
  switch (ap_map_http_request_error(status, HTTP_BAD_REQUEST)) {
    case HTTP_REQUEST_TIME_OUT: state_ = State::TooSlow; return;
    case HTTP_REQUEST_ENTITY_TOO_LARGE: state_ = State::TooLarge; return;
    case AP_FILTER_ERROR: state_ = State::Answered; return;
    default: break;
  }
  const bool gone = r_.connection->aborted != 0 || APR_STATUS_IS_EOF(status) ||
                    APR_STATUS_IS_INCOMPLETE(status) || APR_STATUS_IS_ECONNRESET(status) ||
                    APR_STATUS_IS_ECONNABORTED(status) || APR_STATUS_IS_EPIPE(status);
  state_ = gone ? State::ClientGone : State::Malformed;
}

int status_for(ClientBody::State state) noexcept {
  switch (state) {
    case ClientBody::State::TooSlow: return HTTP_REQUEST_TIME_OUT;
    case ClientBody::State::TooLarge: return HTTP_REQUEST_ENTITY_TOO_LARGE;
    case ClientBody::State::ClientGone:
    case ClientBody::State::Malformed: return HTTP_BAD_REQUEST;
    case ClientBody::State::Answered: return AP_FILTER_ERROR;
    case ClientBody::State::Data:
    case ClientBody::State::WouldWait:
    case ClientBody::State::End: return 0;
  }
  return 0;
}

}  // namespace wsgix::httpd
