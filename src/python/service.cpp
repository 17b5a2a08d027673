// SPDX-License-Identifier: Apache-2.0
#include "service.hpp"

#include "exception.hpp"
#include "gil.hpp"
#include "loader.hpp"
#include "termination.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

Error report_unready(const std::string& service, const LogTarget& log) {
  Error error{ErrorCode::ScriptRaised,
              "service script " + service +
                  ": Python cannot handle SIGTERM: " + Exception::take().summary()};
  log.error(error);
  return error;
}

}  // namespace

std::optional<Error> run_service_script(Process& process, const wsgix_script& script) {
  const LogTarget log(process.start());
  const Result<ThreadRecord*> record = process.attach(script);
  if (!record) {
    log.error(record.error());
    return record.error();
  }
  const GilGuard gil((*record)->state);
  const TerminationRaises termination((*record)->interpreter);
  if (!termination.is_ready()) return report_unready(std::string(view_of(script.path)), log);
  return execute_service((*record)->interpreter, script, log);
}

}  // namespace wsgix::python
