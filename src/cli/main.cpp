// SPDX-License-Identifier: Apache-2.0
// cli/main.cpp: the arguments of `wsgix`.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "ctl.hpp"

namespace wsgix::cli {
namespace {

constexpr char kExitCodes[] =
    "Exit status: 0 done; 1 failed; 2 wrong usage; 3 no such group, or no httpd; 4 not permitted.\n"
    "Only root, and the account that httpd was started as, may command a server's groups.";

using Run = ExitCode (*)(const Target&);

struct GroupCommand {
  const char* name;
  const char* help;
  const char* no_wait;  ///< nullptr: it waits for nothing
  Run run;
};

constexpr GroupCommand kGroupCommands[] = {
    {"reload",
     "Replace every worker of a group by a new one, without losing a request. Ends when all are "
     "replaced, or when a new one has failed; then the old ones go on serving.",
     "do not wait for the new workers", reload},
    {"drain",
     "Let the running requests of a group end, stop its workers, and refuse new requests until "
     "'resume'. Ends when no worker is left.",
     "do not wait for the running requests", drain},
    {"resume", "Let a drained group serve again. Ends when its workers are ready.",
     "do not wait for the workers", resume},
    {"stacks",
     "Write into the group's error log where the Python code of each running request is just now.",
     nullptr, write_stacks},
};

/// What the arguments asked for; filled in by CLI11 while it reads them.
struct Arguments {
  Target target{WSGIX_SOCKET_PREFIX, "", true};
  bool no_wait = false;
  bool as_json = false;
  ExitCode result = kDone;
};

void add_list(CLI::App& ctl, Arguments& arguments) {
  CLI::App* const list = ctl.add_subcommand(
      "list",
      "Show every group of the server: its workers, the requests that run and wait, and the "
      "workers that ended last and why.");
  list->add_flag("--json", arguments.as_json, "as JSON, times in milliseconds");
  list->fallthrough();
  list->callback(
      [&arguments] { arguments.result = list_groups(arguments.target.prefix, arguments.as_json); });
}

void add_group_command(CLI::App& ctl, const GroupCommand& command, Arguments& arguments) {
  CLI::App* const added = ctl.add_subcommand(command.name, command.help);
  added->add_option("GROUP", arguments.target.group, "name of a WSGIDaemonProcess")->required();
  if (command.no_wait != nullptr) {
    added->add_flag("--no-wait", arguments.no_wait, command.no_wait);
  }
  added->fallthrough();
  added->callback([&arguments, run = command.run] {
    arguments.target.wait = !arguments.no_wait;
    arguments.result = run(arguments.target);
  });
}

int run(int argc, char** argv) {
  CLI::App app{"Commands an httpd that runs Python applications with wsgix.", "wsgix"};
  app.set_version_flag("--version", "wsgix " WSGIX_VERSION);
  app.require_subcommand(1);
  CLI::App* const ctl =
      app.add_subcommand("ctl", "Look at and command the process groups of httpd");
  ctl->require_subcommand(1);
  ctl->footer(kExitCodes);
  app.footer("'wsgix ctl --help' lists the commands, 'wsgix ctl COMMAND --help' explains one.");

  Arguments arguments;
  ctl->add_option("--sockets", arguments.target.prefix,
                  "what WSGISocketPrefix says in the server's configuration; PREFIX.PID means one "
                  "of several servers")
      ->type_name("PREFIX")
      ->capture_default_str();
  add_list(*ctl, arguments);
  for (const GroupCommand& command : kGroupCommands) add_group_command(*ctl, command, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& parsed) {
    // Help and version come this way too.
    return app.exit(parsed) == 0 ? kDone : kUsage;
  }
  return arguments.result;
}

}  // namespace
}  // namespace wsgix::cli

int main(int argc, char** argv) {
  try {
    return wsgix::cli::run(argc, argv);
  } catch (const std::exception& bug) {
    std::fprintf(stderr, "wsgix: %s\n", bug.what());
    return wsgix::cli::kFailed;
  }
}
