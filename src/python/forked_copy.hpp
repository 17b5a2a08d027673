// SPDX-License-Identifier: Apache-2.0
// python/forked_copy.hpp: the end of a process that the application made with os.fork() and that
// comes back out of the application, as if it were the one that got the request.
#pragma once

#include <string_view>

#include "exception.hpp"
#include "log_target.hpp"
#include "wsgix/base/process_copy.hpp"

namespace wsgix::python {

/// Needs the GIL of the interpreter whose code has just come back, with its exception pending if
/// there is one. Returns only in the original process. `what` came back: "script /srv/a.wsgi". No
/// lock of ours may be taken between the application's code and this: another thread may have held
/// it at the fork, and in a copy nobody gives it back.
void end_if_copy(ErrorCode code, std::string_view what, const LogTarget& log);

/// A service script may well do its work in copies of itself: one that comes to the end of the
/// script, or leaves with SystemExit, has done nothing wrong.
void end_if_copy_of_service(std::string_view what, const LogTarget& log);

/// The exit status that CPython gives a script which ends with that exception.
int exit_status_of(const Exception& cause);

/// The last resort, without the GIL.
void end_if_copy() noexcept;

}  // namespace wsgix::python
