// SPDX-License-Identifier: Apache-2.0
// Freezes include/wsgix/runtime/abi.h: a change that moves a member does not compile.
#include <gtest/gtest.h>

#include <cstddef>

#include "wsgix/runtime/abi.h"

namespace {

// The numbers are those of 64 bit systems; elsewhere the compiler's own rules hold.
constexpr bool kIs64Bit = sizeof(void*) == 8;

#define WSGIX_AT(type, member, offset) \
  static_assert(!kIs64Bit || offsetof(type, member) == (offset), #type "." #member " moved")
#define WSGIX_SIZE(type, size) static_assert(!kIs64Bit || sizeof(type) == (size), #type " changed")

WSGIX_SIZE(wsgix_text, 16);
WSGIX_AT(wsgix_text, data, 0);
WSGIX_AT(wsgix_text, size, 8);

WSGIX_SIZE(wsgix_field, 32);
WSGIX_AT(wsgix_field, name, 0);
WSGIX_AT(wsgix_field, value, 16);

WSGIX_SIZE(wsgix_failure, 2048);
WSGIX_AT(wsgix_failure, code, 0);
WSGIX_AT(wsgix_failure, what, 4);
WSGIX_AT(wsgix_failure, remedy, 1520);

WSGIX_SIZE(wsgix_start, 192);
WSGIX_AT(wsgix_start, program, 0);
WSGIX_AT(wsgix_start, python_home, 8);
WSGIX_AT(wsgix_start, process_group, 16);
WSGIX_AT(wsgix_start, home, 24);
WSGIX_AT(wsgix_start, python_path, 32);
WSGIX_AT(wsgix_start, python_path_count, 40);
WSGIX_AT(wsgix_start, processes, 48);
WSGIX_AT(wsgix_start, threads, 52);
WSGIX_AT(wsgix_start, multiprocess, 56);
WSGIX_AT(wsgix_start, multithread, 57);
WSGIX_AT(wsgix_start, run_once, 58);
WSGIX_AT(wsgix_start, reload_in_place, 59);
WSGIX_AT(wsgix_start, restrict_stdin, 60);
WSGIX_AT(wsgix_start, restrict_stdout, 61);
WSGIX_AT(wsgix_start, single_process, 62);
WSGIX_AT(wsgix_start, case_sensitive, 63);
WSGIX_AT(wsgix_start, httpd_version, 64);
WSGIX_AT(wsgix_start, httpd_description, 80);
WSGIX_AT(wsgix_start, mpm_name, 88);
WSGIX_AT(wsgix_start, httpd_build_date, 96);
WSGIX_AT(wsgix_start, httpd_maximum_processes, 104);
WSGIX_AT(wsgix_start, httpd_threads_per_process, 108);
WSGIX_AT(wsgix_start, log_context, 112);
WSGIX_AT(wsgix_start, log, 120);
WSGIX_AT(wsgix_start, stacks_signal, 128);
WSGIX_AT(wsgix_start, stacks_fd, 132);
WSGIX_AT(wsgix_start, interpreter_limit, 136);
WSGIX_AT(wsgix_start, count_failure, 144);
WSGIX_AT(wsgix_start, failures_context, 152);
WSGIX_AT(wsgix_start, environment, 160);
WSGIX_AT(wsgix_start, environment_count, 168);
WSGIX_AT(wsgix_start, switch_interval, 176);
WSGIX_AT(wsgix_start, restrict_signals, 184);

WSGIX_SIZE(wsgix_response_head, 40);
WSGIX_AT(wsgix_response_head, status, 0);
WSGIX_AT(wsgix_response_head, reason, 8);
WSGIX_AT(wsgix_response_head, headers, 24);
WSGIX_AT(wsgix_response_head, header_count, 32);

WSGIX_SIZE(wsgix_stream_calls, 72);
WSGIX_AT(wsgix_stream_calls, read_body, 0);
WSGIX_AT(wsgix_stream_calls, send_head, 8);
WSGIX_AT(wsgix_stream_calls, send_body, 16);
WSGIX_AT(wsgix_stream_calls, send_file, 24);
WSGIX_AT(wsgix_stream_calls, flush, 32);
WSGIX_AT(wsgix_stream_calls, client_is_gone, 40);
WSGIX_AT(wsgix_stream_calls, log, 48);
WSGIX_AT(wsgix_stream_calls, early_hints, 56);
WSGIX_AT(wsgix_stream_calls, loading, 64);

WSGIX_SIZE(wsgix_script, 64);
WSGIX_AT(wsgix_script, path, 0);
WSGIX_AT(wsgix_script, application_group, 16);
WSGIX_AT(wsgix_script, callable_name, 32);
WSGIX_AT(wsgix_script, modified_us, 48);
WSGIX_AT(wsgix_script, reloading, 56);
WSGIX_AT(wsgix_script, named_by_request, 57);

WSGIX_SIZE(wsgix_request, 152);
WSGIX_AT(wsgix_request, stream, 0);
WSGIX_AT(wsgix_request, calls, 8);
WSGIX_AT(wsgix_request, script, 16);
WSGIX_AT(wsgix_request, environ, 80);
WSGIX_AT(wsgix_request, environ_count, 88);
WSGIX_AT(wsgix_request, https, 96);
WSGIX_AT(wsgix_request, has_body, 97);
WSGIX_AT(wsgix_request, content_length, 104);
WSGIX_AT(wsgix_request, request_start, 112);
WSGIX_AT(wsgix_request, queue_start, 120);
WSGIX_AT(wsgix_request, daemon_start, 128);
WSGIX_AT(wsgix_request, id, 136);
WSGIX_AT(wsgix_request, request_rec, 144);

WSGIX_SIZE(wsgix_outcome, 12);
WSGIX_AT(wsgix_outcome, kind, 0);
WSGIX_AT(wsgix_outcome, status, 4);
WSGIX_AT(wsgix_outcome, code, 8);

WSGIX_SIZE(wsgix_runtime, 80);
WSGIX_AT(wsgix_runtime, abi_major, 0);
WSGIX_AT(wsgix_runtime, abi_minor, 4);
WSGIX_AT(wsgix_runtime, start, 8);
WSGIX_AT(wsgix_runtime, python_version, 16);
WSGIX_AT(wsgix_runtime, load_script, 24);
WSGIX_AT(wsgix_runtime, handle_request, 32);
WSGIX_AT(wsgix_runtime, stop, 40);
WSGIX_AT(wsgix_runtime, interrupt, 48);
WSGIX_AT(wsgix_runtime, heartbeat, 56);
WSGIX_AT(wsgix_runtime, write_stacks, 64);
WSGIX_AT(wsgix_runtime, run_service, 72);

static_assert(WSGIX_IO_WOULD_BLOCK == -1 && WSGIX_IO_CLIENT_GONE == -2 && WSGIX_IO_FAILED == -3 &&
              WSGIX_IO_TIMED_OUT == -4 && WSGIX_IO_TOO_LARGE == -5 && WSGIX_IO_MALFORMED == -6);
static_assert(WSGIX_COMPLETE == 0 && WSGIX_FAILED == 1 && WSGIX_CUT == 2 && WSGIX_STALE == 3);
static_assert(WSGIX_DEADLINE_PASSED == 1 && WSGIX_CLIENT_LEFT == 2);
static_assert(WSGIX_QUEUE_BYTES == 65536);

TEST(RuntimeAbi, IsTheVersionThatTheLayoutBelongsTo) {
  EXPECT_EQ(WSGIX_RUNTIME_ABI_MAJOR, 1u);
  EXPECT_EQ(WSGIX_RUNTIME_ABI_MINOR, 0u);
}

}  // namespace
