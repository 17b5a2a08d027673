// SPDX-License-Identifier: Apache-2.0
// The line of a WSGIDaemonProcess: its words, its options, and how the host is told about them.
#include <string>

#include "fuzz_input.hpp"
#include "httpd/words.hpp"
#include "wsgix/config/daemon_settings.hpp"

namespace {

using namespace wsgix;

void check(const config::DaemonSettings& settings) {
  fuzz::require(settings.processes >= 1 && settings.threads >= 0);
  fuzz::require(settings.umask >= -1 && settings.umask <= 0777);
  fuzz::require(settings.request_buffering_bytes >= 0 && settings.response_buffering_bytes >= 0);
  fuzz::require(settings.home.empty() || settings.home.front() == '/');
  fuzz::require(config::title(settings).size() >= std::min<std::size_t>(settings.name.size(), 1));

  config::HostSettings told;
  told.daemon = settings;
  const auto heard = config::from_fields(config::to_fields(told));
  fuzz::require(heard && heard->daemon == settings);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = fuzz::view_of(data, size);
  config::DaemonSettings settings;
  auto name = httpd::take_word(rest);
  if (!name) return 0;
  settings.name = std::move(*name);
  while (!httpd::at_end(rest)) {
    const std::size_t before = rest.size();
    const auto option = httpd::take_option(rest);
    if (!option) return 0;
    fuzz::require(rest.size() < before && !option->name.empty());
    fuzz::require(option->name.find_first_of("= \t") == std::string::npos);
    const config::DaemonSettings unchanged = settings;
    const auto set = config::set_option(settings, option->name, option->value);
    fuzz::require(set || settings == unchanged);
    check(settings);
  }
  return 0;
}
