// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/forked_copies.hpp"

#include <link.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <string_view>

#include "wsgix/base/own_descriptors.hpp"
#include "wsgix/base/process_copy.hpp"

namespace wsgix::os {
namespace {

// See src/README.md#globals: handlers of pthread_atfork(3) have no argument.
std::mutex births;  // held while a descriptor gets its owner, and while the process forks
thread_local bool forks_for_us = false;

/// Machine code of the server: what was loaded when the process was declared.
struct CodeRange {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};
std::array<CodeRange, 1024> server_code;
std::atomic<std::size_t> server_code_count = 0;

bool is_of_server(std::uintptr_t address) noexcept {
  const std::size_t count = server_code_count.load();
  for (std::size_t i = 0; i < count; ++i) {
    if (address >= server_code[i].begin && address < server_code[i].end) return true;
  }
  return false;
}

extern "C" int note_code(dl_phdr_info* object, std::size_t, void*) noexcept {
  // Another module may have brought it already; its handlers are the application's.
  const std::string_view name = object->dlpi_name != nullptr ? object->dlpi_name : "";
  if (name.find("libpython") != std::string_view::npos) return 0;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    const std::size_t at = server_code_count.load();
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    if (at >= server_code.size()) return 1;
    const std::uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
    server_code[at] = {begin, begin + segment.p_memsz};
    server_code_count.store(at + 1);
  }
  return 0;
}

/// The handlers of httpd and of a worker write to pipes that a copy does not have, or end
/// everything in httpd's way: a copy would not end at SIGTERM.
void take_back_handlers() noexcept {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) != 0) continue;
    const bool has_info = (now.sa_flags & SA_SIGINFO) != 0;
    const auto handler = has_info ? reinterpret_cast<std::uintptr_t>(now.sa_sigaction)
                                  : reinterpret_cast<std::uintptr_t>(now.sa_handler);
    if (is_of_server(handler)) ::signal(signal, SIG_DFL);
  }
}

/// Signals wait meanwhile: one that reaches a copy before the handlers are taken back would run
/// them, and end the copy in httpd's way.
thread_local sigset_t mask_before;

extern "C" void before_fork() noexcept {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &mask_before);
  births.lock();
}
extern "C" void after_fork() noexcept {
  births.unlock();
  ::pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
}

/// Async-signal-safe: other threads held whatever locks they held.
extern "C" void after_fork_in_copy() noexcept {
  if (!forks_for_us) {
    own_descriptors::close_all();
    take_back_handlers();
  }
  after_fork();
}

/// The last thread of a process leaves through exit(): in a copy that is one of the application.
extern "C" void end_at_exit(int status, void*) noexcept {
  if (this_process_is_a_copy()) end_copy(status);
}

}  // namespace

void declare_original_process(ExitHandlers at_exit) {
  wsgix::declare_original_process();
  if (server_code_count.load() != 0) return;
  ::dl_iterate_phdr(note_code, nullptr);
  ::pthread_atfork(before_fork, after_fork, after_fork_in_copy);
  if (at_exit == ExitHandlers::SkippedInCopies) ::on_exit(end_at_exit, nullptr);
}

NoForkMeanwhile::NoForkMeanwhile() noexcept { births.lock(); }
NoForkMeanwhile::~NoForkMeanwhile() { births.unlock(); }

ForkOfOurs::ForkOfOurs() noexcept { forks_for_us = true; }
ForkOfOurs::~ForkOfOurs() { forks_for_us = false; }

void end_copy(int status) noexcept { ::_exit(status); }

}  // namespace wsgix::os
