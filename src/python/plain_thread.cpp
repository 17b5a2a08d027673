// SPDX-License-Identifier: Apache-2.0
#include "plain_thread.hpp"

#include <csignal>
#include <cstddef>

namespace wsgix::python {
namespace {

constexpr std::size_t kStackBytes = 256 * 1024;

}  // namespace

bool start_plain_thread(pthread_t& thread, void* (*function)(void*), void* argument) {
  sigset_t all, before;
  ::sigfillset(&all);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kStackBytes);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const bool is_started = ::pthread_create(&thread, &attributes, function, argument) == 0;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_attr_destroy(&attributes);
  return is_started;
}

void wait_for(sem_t& semaphore) {
  while (::sem_wait(&semaphore) != 0) {
  }
}

}  // namespace wsgix::python
