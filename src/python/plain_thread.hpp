// SPDX-License-Identifier: Apache-2.0
// python/plain_thread.hpp: a small thread of our own that waits for a signal handler or for us.
#pragma once

#include <pthread.h>
#include <semaphore.h>

namespace wsgix::python {

/// It gets no signals: they are for the threads of the process that starts Python. False: the
/// system has no room for it.
bool start_plain_thread(pthread_t& thread, void* (*function)(void*), void* argument);

/// sem_post() is what a signal handler may call to end the wait.
void wait_for(sem_t& semaphore);

}  // namespace wsgix::python
