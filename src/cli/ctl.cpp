// SPDX-License-Identifier: Apache-2.0
#include "ctl.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <cstdio>
#include <functional>

#include "control_sockets.hpp"
#include "group_text.hpp"
#include "progress.hpp"

namespace wsgix::cli {
namespace {

using Kind = Reply::Kind;
using wire::Command;
using wire::GroupStatus;

constexpr int kLookAgainMs = 200;
constexpr int kMostSilentLooks = 3;
constexpr seconds kPatienceWithRestart{30};

ExitCode complain(const Problem& problem) {
  fmt::print(stderr, "wsgix: {}\n", problem.text);
  return problem.code;
}

void say(const std::string& text) {
  fmt::print("{}\n", text);
  std::fflush(stdout);
}

Problem trouble_with(const Reply& reply) {
  switch (reply.kind) {
    case Kind::Forbidden:
      return {kNotPermitted, reply.path +
                                 ": not permitted; try it as root, or as the account "
                                 "that httpd was started as"};
    case Kind::Stale:
      return {kFailed, reply.path +
                           ": nobody listens there any more: httpd has ended, or the "
                           "group is no longer in its configuration"};
    case Kind::Silent:
    case Kind::Answered: break;
  }
  return {kFailed, fmt::format("{}: no answer within {} s; is the group's host stopped, or of "
                               "another version than this program?",
                               reply.path, kPatience.count())};
}

Problem no_server(const std::string& prefix) {
  return {kNotFound, fmt::format("no httpd with process groups: nobody listens on {}.*.ctl. Start "
                                 "httpd, or say with --sockets what its WSGISocketPrefix is",
                                 prefix)};
}

/// Every socket that somebody listens on, asked for the state of its group.
Outcome<std::vector<Reply>> ask_all(const std::string& prefix) {
  const auto paths = control_sockets(prefix);
  if (!paths) return tl::unexpected(paths.error());
  std::vector<Reply> replies;
  for (const std::string& path : *paths) {
    Reply reply = ask(path, Command::Status);
    if (reply.kind != Kind::Stale) replies.push_back(std::move(reply));
  }
  if (replies.empty()) return tl::unexpected(no_server(prefix));
  return replies;
}

Problem no_such_group(const std::string& name, const std::vector<Reply>& replies) {
  std::string known;
  for (const Reply& reply : replies) {
    if (reply.kind != Kind::Answered) return trouble_with(reply);  // it may be the one
    known += (known.empty() ? "" : ", ") + printable(reply.answer.status.group);
  }
  return {kNotFound, fmt::format("there is no group '{}'; there is {}", printable(name), known)};
}

/// The socket of the group.
Outcome<std::string> find_group(const Target& target) {
  const auto replies = ask_all(target.prefix);
  if (!replies) return tl::unexpected(replies.error());
  std::vector<std::string> paths;
  for (const Reply& reply : *replies) {
    if (reply.answer.status.group == target.group) paths.push_back(reply.path);
  }
  if (paths.empty()) return tl::unexpected(no_such_group(target.group, *replies));
  if (paths.size() == 1) return paths.front();
  std::string text = fmt::format(
      "several servers have a group '{}'; name one of them with "
      "--sockets {}.PID:",
      printable(target.group), target.prefix);
  for (const std::string& path : paths) text += " " + path;
  return problem(kUsage, std::move(text));
}

struct Begun {
  std::string path;
  GroupStatus before;
};

/// Its successor will take the command.
bool was_refused_by_superseded(const Reply& reply) {
  return reply.kind == Kind::Answered && !reply.answer.refused.empty() &&
         reply.answer.status.state == wire::kSuperseded;
}

Outcome<Begun> command(const Target& target, Command command) {
  const auto path = find_group(target);
  if (!path) return tl::unexpected(path.error());
  Reply reply = ask(*path, command);
  for (const Deadline deadline = after(kPatienceWithRestart);
       was_refused_by_superseded(reply) && Clock::now() < deadline;) {
    ::poll(nullptr, 0, kLookAgainMs);
    reply = ask(*path, command);
  }
  if (reply.kind != Kind::Answered) return tl::unexpected(trouble_with(reply));
  if (!reply.answer.refused.empty()) {
    return problem(kFailed, fmt::format("group '{}': {}", printable(target.group),
                                        printable(reply.answer.refused)));
  }
  return Begun{*path, std::move(reply.answer.status)};
}

/// Looks at the group until `is_done`, or until `failure` says something, or for as long as that
/// may take: an answer may say anything for ever.
Outcome<GroupStatus> wait_until(const Begun& begun,
                                const std::function<bool(const GroupStatus&)>& is_done,
                                const std::function<std::string(const GroupStatus&)>& failure) {
  Patience patience(Clock::now());
  for (int silent = 0; silent < kMostSilentLooks;) {
    ::poll(nullptr, 0, kLookAgainMs);
    Reply reply = ask(begun.path, Command::Status);
    if (reply.kind == Kind::Stale || reply.kind == Kind::Forbidden) {
      return tl::unexpected(trouble_with(reply));
    }
    if (reply.kind == Kind::Silent) {
      ++silent;
      continue;
    }
    silent = 0;
    const GroupStatus& now = reply.answer.status;
    if (is_done(now)) return now;
    if (std::string why = failure(now); !why.empty()) {
      return problem(kFailed, fmt::format("group '{}': {}", printable(now.group), why));
    }
    if (patience.is_over(now, Clock::now())) {
      return problem(kFailed, fmt::format("group '{}': not waiting any longer: {}",
                                          printable(now.group), what_is_awaited(now)));
    }
    if (patience.is_time_to_speak(Clock::now())) {
      fmt::print(stderr, "group '{}': {}\n", printable(now.group), what_is_awaited(now));
    }
  }
  return tl::unexpected(trouble_with({Kind::Silent, begun.path}));
}

std::string place_of_log(const GroupStatus& status) {
  return status.error_log.empty() ? "the error log of the group's virtual host"
                                  : printable(status.error_log);
}

std::string failure_text(const Begun& begun, const GroupStatus& now, const char* consequence) {
  const std::string failed = failed_start(begun.before, now);
  if (failed.empty()) return {};
  return fmt::format("{}; {}. The cause is in {}", failed, consequence, place_of_log(begun.before));
}

ExitCode finish(const Outcome<GroupStatus>& waited, const std::function<std::string()>& text) {
  if (!waited) return complain(waited.error());
  say(text());
  return kDone;
}

}  // namespace

ExitCode list_groups(const std::string& prefix, bool as_json) {
  const auto replies = ask_all(prefix);
  if (!replies) return complain(replies.error());
  ExitCode code = kDone;
  std::vector<GroupStatus> groups;
  for (const Reply& reply : *replies) {
    if (reply.kind == Kind::Answered) {
      groups.push_back(reply.answer.status);
    } else {
      code = complain(trouble_with(reply));
    }
  }
  if (as_json) say(wire::to_json_text(groups));
  for (const GroupStatus& group : groups) {
    if (!as_json) fmt::print("{}", group_text(group));
  }
  return code;
}

ExitCode reload(const Target& target) {
  const auto begun = command(target, Command::Reload);
  if (!begun) return complain(begun.error());
  const std::string group = printable(target.group);
  if (!target.wait) {
    say(fmt::format("group '{}': its workers are being replaced", group));
    return kDone;
  }
  const auto waited = wait_until(
      *begun, [&](const GroupStatus& now) { return is_reloaded(begun->before, now); },
      [&](const GroupStatus& now) {
        return failure_text(*begun, now, "the old ones go on serving until a new one is ready");
      });
  return finish(waited, [&] {
    return fmt::format("group '{}': reloaded, {} new workers serve", group,
                       workers_in(*waited, "ready"));
  });
}

ExitCode drain(const Target& target) {
  const auto begun = command(target, Command::Drain);
  if (!begun) return complain(begun.error());
  const std::string group = printable(target.group);
  const std::string how_to_resume = fmt::format("'wsgix ctl resume {}' lets it serve again", group);
  if (!target.wait) {
    say(fmt::format("group '{}': it takes no more requests; {}", group, how_to_resume));
    return kDone;
  }
  const auto waited = wait_until(*begun, is_drained, [&](const GroupStatus& now) -> std::string {
    return now.state == "paused" ? "" : "somebody has resumed it before it was drained";
  });
  return finish(waited, [&] {
    return fmt::format("group '{}': drained, no worker runs; {}", group, how_to_resume);
  });
}

ExitCode resume(const Target& target) {
  const auto begun = command(target, Command::Resume);
  if (!begun) return complain(begun.error());
  const std::string group = printable(target.group);
  if (!target.wait) {
    say(fmt::format("group '{}': its workers are being started", group));
    return kDone;
  }
  const auto waited = wait_until(*begun, is_complete, [&](const GroupStatus& now) {
    return failure_text(*begun, now, "it is tried again");
  });
  return finish(waited, [&] {
    return fmt::format("group '{}': {} workers serve", group, workers_in(*waited, "ready"));
  });
}

ExitCode write_stacks(const Target& target) {
  const auto begun = command(target, Command::Stacks);
  if (!begun) return complain(begun.error());
  say(fmt::format("group '{}': {} workers write the stacks of their requests to {}",
                  printable(target.group), begun->before.workers.size(),
                  place_of_log(begun->before)));
  return kDone;
}

}  // namespace wsgix::cli
