// SPDX-License-Identifier: Apache-2.0
// python/log_stream.hpp: sys.stdout, sys.stderr and wsgi.errors as text streams over the log.
#pragma once

#include "log_target.hpp"
#include "ref.hpp"

namespace wsgix::python {

/// The type mod_wsgi.Log: a raw byte stream whose lines become log records.
Ref make_log_type();

/// A raw stream for `<stdout>` or `<stderr>`: records go to the request that the writing thread
/// serves, otherwise to the process. Incomplete lines are kept per thread.
Ref new_process_stream(PyObject* log_type, const char* name, const wsgix_start& process);
/// A raw stream for wsgi.errors; it belongs to no request until begin_errors().
Ref new_errors_stream(PyObject* log_type);
/// io.TextIOWrapper over a raw stream; owns it.
Ref wrap_stream(PyObject* raw);

/// What this thread has begun on sys.stdout and sys.stderr becomes a record; in a forked copy only
/// what the copy itself has begun.
void write_out_lines_of_thread();
/// The same for wsgi.errors.
void write_out_errors(PyObject* raw);

void begin_errors(PyObject* raw, const wsgix_request& request) noexcept;
/// Writes out an incomplete line. Afterwards writing raises RuntimeError.
void end_errors(PyObject* raw);
/// close() was called: the stream cannot serve another request.
bool is_closed(PyObject* raw) noexcept;

/// While it lives, process streams of this thread write to that request's log.
class [[nodiscard]] StreamsFollowRequest {
 public:
  explicit StreamsFollowRequest(const wsgix_request& request);
  ~StreamsFollowRequest();
  StreamsFollowRequest(const StreamsFollowRequest&) = delete;
  StreamsFollowRequest& operator=(const StreamsFollowRequest&) = delete;

 private:
  LogTarget target_;
};

}  // namespace wsgix::python
