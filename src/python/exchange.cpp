// SPDX-License-Identifier: Apache-2.0
#include "exchange.hpp"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "environ.hpp"
#include "exception.hpp"
#include "file_wrapper.hpp"
#include "forked_copy.hpp"
#include "interruption.hpp"
#include "loader.hpp"
#include "start_response.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

wsgix_outcome outcome(wsgix_outcome_kind kind, int status, std::uint32_t code) {
  return {kind, status, code};
}

std::uint32_t number(ErrorCode code) { return static_cast<std::uint32_t>(code); }

}  // namespace

Exchange::Exchange(ThreadRecord& record, const wsgix_request& request, RunningRequest& running)
    : record_(record),
      request_(request),
      running_(running),
      interpreter_(record.interpreter),
      log_(request),
      body_(request),
      response_(request, method_of(request)) {}

Exchange::~Exchange() {
  if (input_) end_input(input_.get());
  if (adapter_) end_adapter(adapter_.get());
  // Destructors of the application may still write to wsgi.errors.
  input_.reset();
  client_disconnected_.reset();
  early_hints_.reset();
  adapter_.reset();
  if (errors_.raw) give_back_errors_stream();
}

wsgix_outcome Exchange::run() {
  const StreamsFollowRequest streams(request_);
  const Application application =
      load_application(interpreter_, request_.script, log_, &running_, &request_);
  if (application.is_stale) return outcome(WSGIX_STALE, 0, 0);
  if (!application.callable) {
    const ErrorCode code =
        application.failure ? application.failure->code : ErrorCode::BrokenInvariant;
    return outcome(WSGIX_FAILED, status_of(code), number(code));
  }
  return run_application(application.callable.get());
}

bool Exchange::make_objects() {
  const Types& types = interpreter_.types();
  input_ = new_input(types.input.get(), body_);
  adapter_ = new_adapter(types.adapter.get(), response_);
  if (adapter_) client_disconnected_ = new_client_disconnected(adapter_.get());
  if (adapter_) early_hints_ = new_early_hints(adapter_.get());
  return input_ && client_disconnected_ && early_hints_ && borrow_errors_stream();
}

bool Exchange::borrow_errors_stream() {
  errors_ = std::exchange(record_.errors, {});
  if (!errors_.wrapper) {
    errors_.raw = new_errors_stream(interpreter_.types().log.get());
    if (errors_.raw) errors_.wrapper = wrap_stream(errors_.raw.get());
  }
  if (errors_.raw) begin_errors(errors_.raw.get(), request_);
  return static_cast<bool>(errors_.wrapper);
}

void Exchange::give_back_errors_stream() {
  end_errors(errors_.raw.get());
  // The wrapper holds one reference to the raw stream.
  if (errors_.wrapper && interpreter_.further_references(errors_.wrapper.get()) == 0 &&
      interpreter_.further_references(errors_.raw.get()) == 1 && !is_closed(errors_.raw.get()))
    record_.errors = std::move(errors_);
  errors_ = {};
}

wsgix_outcome Exchange::run_application(PyObject* application) {
  if (!make_objects()) return outcome_of_raised();
  Ref environ = make_environ(
      record_, request_,
      {input_.get(), errors_.wrapper.get(), client_disconnected_.get(), early_hints_.get()});
  if (!environ) return outcome_of_raised();
  const Ref result =
      Ref::steal(PyObject_CallFunctionObjArgs(application, environ.get(), adapter_.get(), nullptr));
  end_if_copied();
  environ.reset();
  if (!result) return outcome_of_raised();

  const Sent sent = body_.has_unraised_failure() ? Sent::Done : deliver(result.get());
  // The exception is looked at first: close() must not run with one pending.
  const wsgix_outcome ended = sent == Sent::Raised ? outcome_of_raised() : outcome_of_finished();
  close(result.get());
  return ended;
}

/// After each piece of the application's code, before anything of ours goes on.
void Exchange::end_if_copied() {
  if (!this_process_is_a_copy()) return;
  if (errors_.raw) write_out_errors(errors_.raw.get());
  end_if_copy(ErrorCode::CopyAnswered, fmt::format("script {}", view_of(request_.script.path)),
              log_);
}

Sent Exchange::deliver(PyObject* result) {
  Sent sent = Sent::Done;
  bool delivered = false;
  if (!response_.head_was_sent() &&
      PyObject_IsInstance(result, interpreter_.types().file_wrapper.get()) == 1)
    sent = deliver_file(result, delivered);
  if (!delivered) {
    const bool is_sequence = PyList_CheckExact(result) || PyTuple_CheckExact(result);
    sent = is_sequence ? deliver_sequence(result) : deliver_iterable(result);
  }
  return sent == Sent::Done ? response_.send_head() : sent;
}

Sent Exchange::deliver_sequence(PyObject* blocks) {
  for (Py_ssize_t i = 0; i < PySequence_Size(blocks); ++i) {
    const Ref block = Ref::steal(PySequence_GetItem(blocks, i));
    if (!block) return Sent::Raised;
    if (const Sent sent = send_block(block.get()); sent != Sent::Done) return sent;
  }
  return Sent::Done;
}

Sent Exchange::deliver_iterable(PyObject* result) {
  const Ref iterator = Ref::steal(PyObject_GetIter(result));
  end_if_copied();
  if (!iterator) return Sent::Raised;
  while (const Ref block = Ref::steal(PyIter_Next(iterator.get()))) {
    end_if_copied();
    Sent sent = send_block(block.get());
    // The next block may be long in coming: nothing is held back (PEP 3333, "Buffering").
    if (sent == Sent::Done && PyBytes_Size(block.get()) > 0) sent = response_.flush();
    if (sent != Sent::Done) return sent;
  }
  return PyErr_Occurred() ? Sent::Raised : Sent::Done;
}

Sent Exchange::deliver_file(PyObject* wrapper, bool& delivered) {
  if (!response_.has_head()) return Sent::Done;  // iterating finds out and says so
  const Types& types = interpreter_.types();
  const std::optional<FileRange> range =
      file_range_of(wrapper, types.file_wrapper.get(), types.raw_files);
  if (!range) return Sent::Done;
  delivered = true;
  return response_.send_file(range->descriptor, range->offset, range->available);
}

Sent Exchange::send_block(PyObject* block) {
  if (!PyBytes_Check(block)) {
    PyErr_Format(PyExc_TypeError, "response iterable must yield bytes, not %s",
                 type_name(block).c_str());
    return Sent::Raised;
  }
  const auto size = static_cast<std::size_t>(PyBytes_Size(block));
  if (size == 0) return Sent::Done;
  return response_.send_body({PyBytes_AsString(block), size});
}

void Exchange::close(PyObject* result) {
  if (PyList_CheckExact(result) || PyTuple_CheckExact(result)) return;
  const Ref method = attribute_or_null(result, "close");
  if (!method) return;
  running_.unshield();
  const Ref done = Ref::steal(PyObject_CallNoArgs(method.get()));
  end_if_copied();
  running_.shield();
  if (done) return;
  const Exception cause = Exception::take();
  if (interruption_of(cause, interpreter_))
    log_interruption(cause, view_of(request_.script.path), log_);
  else
    report(cause);
}

ErrorCode Exchange::report(const Exception& cause) const {
  const bool is_exit = cause.is(PyExc_SystemExit);
  const ErrorCode code = is_exit ? ErrorCode::ApplicationExited : ErrorCode::ApplicationRaised;
  log_.error(
      {code, fmt::format("script {} raised {} in the {}{}", view_of(request_.script.path),
                         cause.summary(), interpreter_.description(),
                         response_.head_was_sent() ? ", after the response had begun" : "")});
  cause.log_traceback(log_);
  return code;
}

wsgix_outcome Exchange::outcome_of_raised() {
  end_if_copied();
  running_.shield();
  const Exception cause = Exception::take();
  if (const auto why = interruption_of(cause, interpreter_)) {
    log_interruption(cause, view_of(request_.script.path), log_);
    return ended_by(code_of(*why), status_of(code_of(*why)));
  }

  const bool is_io_error = cause.is(PyExc_OSError);
  // write() raises OSError when the client is gone: that is the client's end, not a fault.
  if (is_io_error && response_.is_lost()) return outcome_of_finished();
  if (is_io_error && body_.has_failed()) {
    log_.text(kLogInfo,
              fmt::format("script {}: {}", view_of(request_.script.path), cause.summary()));
    const int status = body_.status_of_failure();
    return ended_by(ErrorCode::ClientBodyFailed, status ? status : 500);
  }
  return ended_by(report(cause), 500);
}

wsgix_outcome Exchange::outcome_of_finished() {
  end_if_copied();
  running_.shield();
  if (response_.is_lost()) {
    const bool is_clients_end = response_.loss() == WSGIX_IO_CLIENT_GONE;
    return outcome(WSGIX_CUT, 0, is_clients_end ? number(ErrorCode::ClientGone) : 0);
  }
  // The last read returned what had come before the failure, and no other read raised it: the
  // application has taken a part of the body for the whole.
  if (body_.has_unraised_failure()) {
    log_.text(kLogInfo,
              fmt::format("script {} has read only a part of the request body and not noticed: {}",
                          view_of(request_.script.path), body_.take_failure_text()));
    const int status = body_.status_of_failure();
    return ended_by(ErrorCode::ClientBodyFailed, status ? status : 500);
  }
  if (response_.is_short()) {
    log_.warning({ErrorCode::ResponseShorterThanDeclared,
                  fmt::format("script {} announced {} bytes with Content-Length and sent {}",
                              view_of(request_.script.path), response_.declared_bytes(),
                              response_.sent_bytes())});
    return outcome(WSGIX_CUT, 0, number(ErrorCode::ResponseShorterThanDeclared));
  }
  if (response_.had_excess()) {
    log_.warning({ErrorCode::ApplicationBrokeWsgi,
                  fmt::format("script {} sent more than the {} bytes of its Content-Length; the "
                              "rest was dropped",
                              view_of(request_.script.path), response_.declared_bytes())});
  }
  return outcome(WSGIX_COMPLETE, 0, 0);
}

wsgix_outcome Exchange::ended_by(ErrorCode code, int status) const {
  return response_.head_was_sent() ? outcome(WSGIX_CUT, 0, number(code))
                                   : outcome(WSGIX_FAILED, status, number(code));
}

}  // namespace wsgix::python
