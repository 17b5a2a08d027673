// SPDX-License-Identifier: Apache-2.0
// python/exchange.hpp: one request: the objects that the application gets, the call, the
// iteration over what it returned, and how that ended.
#pragma once

#include "input.hpp"
#include "log_stream.hpp"
#include "request_body.hpp"
#include "response.hpp"
#include "running_requests.hpp"
#include "thread_record.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::python {

/// Needs the GIL all the time; waits without it.
class Exchange {
 public:
  Exchange(ThreadRecord& record, const wsgix_request& request, RunningRequest& running);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  /// From the script to the last byte. Leaves no exception pending.
  wsgix_outcome run();

  bool head_was_sent() const noexcept { return response_.head_was_sent(); }

 private:
  bool make_objects();
  bool borrow_errors_stream();
  void give_back_errors_stream();

  wsgix_outcome run_application(PyObject* application);
  void end_if_copied();
  Sent deliver(PyObject* result);
  Sent deliver_sequence(PyObject* blocks);
  Sent deliver_iterable(PyObject* result);
  Sent deliver_file(PyObject* wrapper, bool& delivered);
  Sent send_block(PyObject* block);
  void close(PyObject* result);

  wsgix_outcome outcome_of_raised();
  wsgix_outcome outcome_of_finished();
  wsgix_outcome ended_by(ErrorCode code, int status) const;
  ErrorCode report(const class Exception& cause) const;

  ThreadRecord& record_;
  const wsgix_request& request_;
  RunningRequest& running_;
  Interpreter& interpreter_;
  LogTarget log_;
  RequestBody body_;
  Response response_;
  ErrorsStream errors_;
  Ref input_;
  Ref adapter_;
  Ref client_disconnected_;
  Ref early_hints_;  // null when the process has none
};

}  // namespace wsgix::python
