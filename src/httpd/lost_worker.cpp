// SPDX-License-Identifier: Apache-2.0
#include "lost_worker.hpp"

#include <sys/wait.h>
#include <time.h>

#include <csignal>
#include <cstring>
#include <optional>

namespace wsgix::httpd {
namespace {

constexpr int kLooks = 30;
constexpr timespec kBetweenLooks{0, 10'000'000};

struct SignalName {
  int number;
  const char* name;
};
// strsignal() answers in the locale's language and sigabbrev_np() is not everywhere.
constexpr SignalName kSignals[] = {
    {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},   {SIGHUP, "SIGHUP"},
    {SIGILL, "SIGILL"},   {SIGINT, "SIGINT"},   {SIGKILL, "SIGKILL"}, {SIGPIPE, "SIGPIPE"},
    {SIGQUIT, "SIGQUIT"}, {SIGSEGV, "SIGSEGV"}, {SIGSYS, "SIGSYS"},   {SIGTERM, "SIGTERM"},
    {SIGTRAP, "SIGTRAP"}, {SIGUSR1, "SIGUSR1"}, {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"},
};

std::string signal_text(int number) {
  std::string text = std::to_string(number);
  for (const SignalName& known : kSignals) {
    if (known.number == number) return text.append(" (").append(known.name).append(")");
  }
  return text;
}

}  // namespace

std::string describe_end(std::int32_t wait_status) {
  if (WIFSIGNALED(wait_status)) {
    return "was killed by signal " + signal_text(WTERMSIG(wait_status));
  }
  if (WIFEXITED(wait_status)) {
    return "exited with code " + std::to_string(WEXITSTATUS(wait_status));
  }
  return "ended with wait status " + std::to_string(wait_status);
}

std::string explain_loss(const scoreboard::Board& board, std::uint32_t pid) {
  if (pid == 0) return "the connection was closed before the worker named itself";
  const std::string subject = "worker pid " + std::to_string(pid) + " ";
  for (int look = 0; look < kLooks; ++look) {
    if (const std::optional<scoreboard::Death> death = scoreboard::find_death(board, pid)) {
      std::string text = subject + describe_end(death->wait_status);
      if (death->reason != scoreboard::EndReason::None) {
        text.append(" (").append(scoreboard::to_string(death->reason)).append(")");
      }
      return text;
    }
    ::nanosleep(&kBetweenLooks, nullptr);
  }
  return subject + "closed the connection";
}

}  // namespace wsgix::httpd
