/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/abi.h: the contract between a process that serves requests and the library that runs
 * one CPython in it. The process is either an httpd child (embedded mode) or a worker of
 * wsgix-host (daemon mode); the library cannot tell them apart but for the fields below.
 *
 * Plain C on purpose: the two sides are separate files, may come from different compilers, and
 * never share an exception, an allocator or a C++ type. Append new slots and members at the end
 * and raise the minor; any other change raises the major. tests/runtime/abi_layout_test.cpp
 * freezes the layout. The prose is docs/runtime-abi.md.
 */
#ifndef WSGIX_RUNTIME_ABI_H
#define WSGIX_RUNTIME_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WSGIX_RUNTIME_ABI_MAJOR 1u
#define WSGIX_RUNTIME_ABI_MINOR 0u

/* Borrowed bytes, not NUL-terminated, valid for the call they are passed to. */
typedef struct wsgix_text {
  const char* data;
  size_t size;
} wsgix_text;

typedef struct wsgix_field {
  wsgix_text name;
  wsgix_text value;
} wsgix_field;

/* Filled by a slot that returns non-zero. Owned by the caller. NUL-terminated, cut if too long.
 * `code` is a number of the catalogue (base/error.hpp); `remedy` may be empty (the catalogue's
 * own is used then). */
typedef struct wsgix_failure {
  uint32_t code;
  char what[1516];
  char remedy[528];
} wsgix_failure;

/* ---- what the process gives for its whole life ------------------------------------------- */

/* Log levels are those of syslog(3): 3 error, 4 warning, 6 info, 7 debug. `source_file` may be
 * empty and `source_line` 0. The text is one line without a newline. Callable from any thread,
 * with or without the GIL; must not block for long and must not call back. */
typedef void (*wsgix_log_call)(void* context, int level, wsgix_text source_file,
                               uint32_t source_line, wsgix_text line);

typedef struct wsgix_start {
  const char* program;           /* venv/bin/python, becomes the program name; NULL: the default */
  const char* python_home;       /* PYTHONHOME when it is not a virtual environment; NULL: none */
  const char* process_group;     /* "" in httpd children */
  const char* home;              /* first entry of sys.path; NULL: none */
  const wsgix_text* python_path; /* directories for site.addsitedir(), moved to the front */
  size_t python_path_count;
  int32_t processes;       /* mod_wsgi.maximum_processes */
  int32_t threads;         /* mod_wsgi.threads_per_process */
  uint8_t multiprocess;    /* wsgi.multiprocess */
  uint8_t multithread;     /* wsgi.multithread */
  uint8_t run_once;        /* wsgi.run_once */
  uint8_t reload_in_place; /* 1: execute a changed script again; 0: answer WSGIX_STALE */
  uint8_t restrict_stdin;
  uint8_t restrict_stdout;
  uint8_t single_process;          /* httpd -X: stdin and stdout stay the real ones */
  uint8_t case_sensitive;          /* of script names, for module names */
  uint32_t httpd_version[3];       /* apache.version */
  const char* httpd_description;   /* apache.description, "Apache/2.4.57 (Debian)" */
  const char* mpm_name;            /* apache.mpm_name */
  const char* httpd_build_date;    /* apache.build_date */
  int32_t httpd_maximum_processes; /* apache.maximum_processes: the MPM's numbers */
  int32_t httpd_threads_per_process;
  void* log_context;
  wsgix_log_call log; /* everything that belongs to no request */
  /* That signal writes the Python stack of every thread to stacks_fd, in plain lines and
   * without the GIL, so that it works where Python makes no progress any more. 0: none. */
  int32_t stacks_signal;
  int32_t stacks_fd;
  /* The most sub-interpreters that requests may name by themselves
   * (wsgix_script.named_by_request). */
  uint32_t interpreter_limit;
  /* Counts one failure of a script and returns how many processes of the group had it before; the
   * first one logs it at length. `failure` stands for the script's version and the cause. NULL:
   * the process has no companions. */
  uint64_t (*count_failure)(void* context, uint64_t failure);
  void* failures_context;
  /* "PYTHONOPTIMIZE=2" and the like, for Python's own start: they are in the environment only
   * while it lasts, so that programs which the application starts do not see them. */
  const wsgix_text* environment;
  size_t environment_count;
  double switch_interval;   /* sys.setswitchinterval(), seconds; 0: Python's own */
  uint8_t restrict_signals; /* 1: signal.signal() does nothing, but in forked processes */
} wsgix_start;

/* ---- one request ------------------------------------------------------------------------- */

typedef struct wsgix_response_head {
  int32_t status;             /* 100..999 */
  wsgix_text reason;          /* may be empty */
  const wsgix_field* headers; /* in the application's order, repeats kept */
  size_t header_count;
} wsgix_response_head;

/* While less than this is queued since the last flush, send_head and send_body copy and return
 * at once, so that they may be called with the GIL held. The runtime counts. */
#define WSGIX_QUEUE_BYTES 65536u

/* Negative results of stream calls. */
#define WSGIX_IO_WOULD_BLOCK (-1) /* only for read_body without may_wait */
#define WSGIX_IO_CLIENT_GONE (-2) /* the client closed the connection or is too slow */
#define WSGIX_IO_FAILED (-3)      /* the transport failed; the log has the cause */
#define WSGIX_IO_TIMED_OUT (-4)   /* the client's body came too slowly (408) */
#define WSGIX_IO_TOO_LARGE (-5)   /* the body exceeds LimitRequestBody (413) */
#define WSGIX_IO_MALFORMED (-6)   /* the client's chunked framing is wrong (400) */

/* Implemented by the process. `stream` is wsgix_request.stream. All are called from the thread
 * that is inside handle_request() for that request, except `log`, or from one other thread of the
 * application while that thread waits; never by two at once. They must not call Python. */
typedef struct wsgix_stream_calls {
  /* Up to `size` bytes of request body: the count, 0 at its end, or a negative result.
   * With may_wait == 0 it never waits and is called with the GIL held; with 1 without it. */
  ptrdiff_t (*read_body)(void* stream, char* into, size_t size, int may_wait);
  /* Once per request, before any body. 0 or negative. */
  int (*send_head)(void* stream, const wsgix_response_head* head);
  /* May wait when WSGIX_QUEUE_BYTES are reached: then call it without the GIL. 0 or negative. */
  int (*send_body)(void* stream, const char* data, size_t size);
  /* `length` bytes from `offset` of a regular file, without changing its position. The stream
   * duplicates or sends the descriptor; it stays the caller's. Call without the GIL. */
  int (*send_file)(void* stream, int descriptor, uint64_t offset, uint64_t length);
  /* Everything queued goes to the client now. Call without the GIL. 0 or negative. */
  int (*flush)(void* stream);
  /* 1 when the client is known to have gone. Never waits; may be called with the GIL, and by a
   * thread of the application while another one is in any of these calls. */
  int (*client_is_gone)(void* stream);
  /* A line that belongs to the request. */
  void (*log)(void* stream, int level, wsgix_text source_file, uint32_t source_line,
              wsgix_text line);
  /* An interim response 103 with these headers, as far as the client's protocol has it;
   * before send_head, any number of times. Losing it is no failure. Call without the GIL. */
  void (*early_hints)(void* stream, const wsgix_field* headers, size_t header_count);
  /* 1: the thread of this request begins to load the script, or to wait for the thread
   * that does; 0: that is over, however it ended. Callable with the GIL. */
  void (*loading)(void* stream, int begins);
} wsgix_stream_calls;

/* Where the application is, and which interpreter runs it. */
typedef struct wsgix_script {
  wsgix_text path;              /* file system bytes */
  wsgix_text application_group; /* "" is the main interpreter */
  wsgix_text callable_name;     /* "application" */
  int64_t modified_us;          /* what the caller saw, microseconds since 1970; 0: unknown */
  uint8_t reloading;            /* WSGIScriptReloading */
  uint8_t named_by_request;     /* the application group is of the request: %{HOST}, %{ENV:...} */
} wsgix_script;

typedef struct wsgix_request {
  void* stream;
  const wsgix_stream_calls* calls;
  wsgix_script script;
  const wsgix_field* environ; /* CGI keys, SetEnv and HTTP_*; no key twice */
  size_t environ_count;
  uint8_t https; /* wsgi.url_scheme */
  uint8_t has_body;
  int64_t content_length; /* -1: unknown (chunked) */
  double request_start;   /* seconds since 1970; mod_wsgi.request_start */
  double queue_start;     /* 0 in embedded mode */
  double daemon_start;    /* 0 in embedded mode */
  uint64_t id;            /* never used twice in a process; 0: cannot be interrupted */
  void* request_rec; /* apache.request_rec of the environ (WSGIPassApacheRequest); NULL: none */
} wsgix_request;

/* Why a running request is interrupted. */
enum wsgix_interruption {
  WSGIX_DEADLINE_PASSED = 1, /* raises mod_wsgi.RequestTimeout */
  WSGIX_CLIENT_LEFT = 2      /* raises mod_wsgi.ClientDisconnected */
};

enum wsgix_outcome_kind {
  WSGIX_COMPLETE = 0, /* head and whole body were handed over */
  WSGIX_FAILED = 1,   /* nothing was sent: answer `status`; the cause is logged already */
  WSGIX_CUT = 2,      /* the head was sent, the body is not whole: the client must see that */
  WSGIX_STALE = 3     /* the script changed; nothing was executed (only without reload_in_place) */
};

typedef struct wsgix_outcome {
  int32_t kind;   /* enum wsgix_outcome_kind */
  int32_t status; /* for WSGIX_FAILED: 500, 504, 408, 413, 400 */
  uint32_t code;  /* for FAILED and CUT: number of the diagnostic that was logged, or 0 */
} wsgix_outcome;

/* ---- what the library offers --------------------------------------------------------------- */

typedef struct wsgix_runtime {
  uint32_t abi_major;
  uint32_t abi_minor;
  /* Once per process, on the thread that shall be Python's main thread. That thread may then do
   * other work, and must call stop(). 0, or 1 with `why` filled. `start` and everything it points
   * to must stay valid until stop() returns. */
  int (*start)(const wsgix_start* start, wsgix_failure* why);
  /* "3.11.2"; valid after start(). */
  const char* (*python_version)(void);
  /* Imports the script into its interpreter now. 0, or 1: the cause is already logged, `why`
   * repeats it in one sentence. Any thread. An empty callable_name: the script needs none. */
  int (*load_script)(const wsgix_script* script, wsgix_failure* why);
  /* Runs one request on the calling thread. Many threads may be inside at once. */
  void (*handle_request)(const wsgix_request* request, wsgix_outcome* outcome);
  /* Ends Python: no thread may be inside any slot, none may be called afterwards.
   * Runs threading shutdown and atexit in every interpreter. `finalize` 0 skips Py_FinalizeEx()
   * for a process that will _exit() next. */
  void (*stop)(int finalize);

  /* ---- `interrupt`, `heartbeat` and `write_stacks` wait for the GIL: call them from a thread
   * that may wait for good, never from one that serves requests. ---- */
  /* Raises the exception of an enum wsgix_interruption in the thread that runs the request with
   * that id, at its next step of Python code: a blocking C call is not interrupted. Never reaches
   * a later request of that thread. 1: it will be raised; 0: no such request runs. */
  int (*interrupt)(uint64_t request_id, int32_t why);
  /* Returns once the main interpreter has run a step: Python makes progress. */
  void (*heartbeat)(void);
  /* The Python stack of the thread that runs that request, or, with 0, of every thread that runs
   * one: one call of `line` for each line, most recent frame last. */
  void (*write_stacks)(uint64_t request_id, void* context,
                       void (*line)(void* context, wsgix_text line));
  /* Executes a service script to its end on the calling thread, which must be the one that called
   * start(). Python's own SIGTERM handler raises SystemExit in it, signal.signal() works. 0 when it
   * returned or left with SystemExit; 1 when it raised: the cause is already logged. */
  int (*run_service)(const wsgix_script* script, wsgix_failure* why);
} wsgix_runtime;

/* The library's only exported symbol. NULL when it cannot serve that ABI: another major, or a
 * minor above its own. */
const wsgix_runtime* wsgix_runtime_entry(uint32_t caller_major, uint32_t caller_minor);

#ifdef __cplusplus
}
#endif
#endif
