// SPDX-License-Identifier: Apache-2.0
#include "plain_thread.hpp"

#include <cstddef>

#include "wsgix/base/signal_block.hpp"

namespace wsgix::python {
namespace {

constexpr std::size_t kStackBytes = 256 * 1024;

}  // namespace

bool start_plain_thread(pthread_t& thread, void* (*function)(void*), void* argument) {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kStackBytes);
  const SignalBlock block;
  const bool is_started = ::pthread_create(&thread, &attributes, function, argument) == 0;
  ::pthread_attr_destroy(&attributes);
  return is_started;
}

void wait_for(sem_t& semaphore) {
  while (::sem_wait(&semaphore) != 0) {
  }
}

}  // namespace wsgix::python
