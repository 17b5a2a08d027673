// SPDX-License-Identifier: Apache-2.0
// base/error.hpp: the catalogue of diagnostics, and one failure in words an operator can act on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace wsgix {

/// Published numbers: they appear in logs, in docs/errors.md and in bug reports.
/// Append only. Never renumber, never reuse a retired number. Each has a remedy in
/// base/error.cpp and a section in docs/errors.md (a test compares the two).
enum class ErrorCode : std::uint16_t {
  // 1000: the wire between an httpd child and a worker
  MalformedFrame = 1001,
  FrameTooLarge = 1002,
  UnsupportedProtocolVersion = 1003,
  PeerClosed = 1004,       ///< end of file where a frame was due
  DeadlinePassed = 1005,   ///< a phase of the conversation took too long
  SocketFailed = 1006,     ///< any other system call failure on a socket
  PeerNotTrusted = 1007,   ///< wrong uid or wrong token at the other end
  UnexpectedFrame = 1008,  ///< well formed, but not what this state allows
  BadDescriptor = 1009,    ///< a passed descriptor is missing or not a regular file
  ForeignFrame = 1010,     ///< it carries the number of another request

  // 2000: processes and privileges
  RefusesToRunAsRoot = 2001,
  CannotDropPrivileges = 2002,
  PrivilegesSurvivedDrop = 2003,
  CannotStartHost = 2004,
  CannotCreateSocket = 2005,
  CannotUseDirectory = 2006,  ///< chroot= or home=
  HostDied = 2007,
  WorkerDied = 2008,
  WorkerStuckAtStart = 2009,
  SystemCallFailed = 2010,    ///< one that cannot fail where nothing forbids it
  SettingHadNoEffect = 2011,  ///< a limit, priority or locale the system refused (warning)
  BadHostSettings = 2012,     ///< wsgix-host was started by hand or by another version
  GroupReady = 2013,          ///< information
  WorkerForced = 2014,        ///< a worker did not end in time and was killed
  WorkerHangs = 2015,         ///< its Python makes no progress
  RequestStuck = 2016,        ///< a request did not come back: its worker is replaced
  MemoryLimitReached = 2017,  ///< the hard limit of memory-recycle=
  NewVersionBroken = 2018,    ///< no Python, or a Rolling script not loaded: the old workers stay
  GroupOverloaded = 2019,     ///< every thread is busy, and requests wait
  WarmUpFailed = 2020,        ///< the request of warmup= was answered with 5xx
  CopyCameBack = 2021,        ///< a process that the application forked, outside of a request
  LeftProcessesEnded = 2023,  ///< the group has ended, and with it what it had started (warning)
  FormerHostEnded = 2024,     ///< a host of a former account or group did not end in time (warning)
  OutputGivenUp = 2025,       ///< too many ended workers whose pipes are still held (warning)
  CannotOpenDescriptor = 2026,
  CannotStartTask = 2027,  ///< a process or a thread
  CannotShareMemory = 2028,
  WorkerEnded = 2029,       ///< as it was asked to (information)
  WorkerTooBig = 2030,      ///< the soft limit of memory-recycle= (information)
  WorkerIdle = 2031,        ///< inactivity-timeout= (information)
  RequestsCeased = 2032,    ///< nobody knows the host's listener any more (information)
  WorkerIncomplete = 2033,  ///< it lacks a script that others have (information)
  ScriptChanged = 2034,     ///< workers are replaced for it (information)

  // Since 2040: the control socket of a group
  CommandRefused = 2040,  ///< a command or an answer that this version does not know
  CommandGiven = 2041,    ///< by whom (notice)

  // 3000: configuration
  BadDirective = 3001,
  UnknownOption = 3002,
  UnknownProcessGroup = 3003,
  ForeignProcessGroup = 3004,  ///< the group belongs to a virtual host of another name
  DuplicateProcessGroup = 3005,
  EmbeddedModeRestricted = 3006,
  OptionNotAvailable = 3007,  ///< a name of the contract that this version does not have yet
  UnknownAccount = 3008,
  ScriptMissing = 3009,          ///< configuration names a script that is not there (warning)
  ScriptNotGranted = 3010,       ///< no Require covers the script's directory (warning)
  ScriptOwnerRefused = 3011,     ///< script-user= or script-group=
  ScriptOutsideJail = 3012,      ///< chroot=
  GroupServesNoRequests = 3013,  ///< threads=0
  ServiceWithoutScripts = 3014,  ///< threads=0 without a WSGIImportScript (warning)
  ValueAdjusted = 3015,          ///< another value is used than the one that is written (warning)
  ProcessGroupForbidden = 3016,  ///< WSGIRestrictProcess

  // 4000: finding and starting a Python
  PythonHomeUnusable = 4001,
  PythonLibraryNotFound = 4002,
  RuntimeLibraryNotFound = 4003,
  RuntimeLibraryRefused = 4004,
  PythonDidNotStart = 4005,
  PythonPathEntryUnusable = 4006,  ///< warning

  // 5000: loading a script
  ScriptUnreadable = 5001,
  ScriptSyntaxError = 5002,
  ScriptRaised = 5003,
  ScriptExited = 5004,         ///< SystemExit at import
  ScriptStartedServer = 5005,  ///< app.run() or serve_forever() at import
  ScriptLacksCallable = 5006,
  ScriptModuleNotFound = 5007,  ///< ModuleNotFoundError at import
  ScriptUsesPython2 = 5008,     ///< execfile, print statement, ...
  ScriptHasNul = 5009,
  ScriptReloadHookFailed = 5010,
  ThreadHoldsUpExit = 5014,     ///< warning
  SignalHandlerIgnored = 5015,  ///< information

  // 6000: a request
  ApplicationRaised = 6001,
  ApplicationExited = 6002,
  ApplicationBrokeWsgi = 6003,  ///< violated PEP 3333
  ResponseCut = 6004,           ///< ended after its head was sent; the client sees the cut
  ResponseShorterThanDeclared = 6005,
  ClientBodyFailed = 6006,
  RequestRefused = 6007,  ///< 400, 404, 411, 413, ... before Python
  ClientGone = 6008,      ///< information
  HeaderDropped = 6009,   ///< hop-by-hop response header (warning)
  RequestTimedOut = 6010,
  GroupFull = 6011,
  GroupNotRunning = 6012,
  WorkerLost = 6013,           ///< the worker died while it ran this request
  ApplicationOutput = 6014,    ///< sys.stdout, sys.stderr, wsgi.errors (carries no number)
  RequestInterrupted = 6015,   ///< over its time; an exception is raised in its thread
  CopyAnswered = 6016,         ///< a process that the application forked came back to a request
  CopyReadBody = 6017,         ///< such a process asks for the body of a request
  TooManyInterpreters = 6019,  ///< a request names one more application group
  SpoolFailed = 6020,          ///< the temporary file that a body is buffered in
  BodiesNotBuffered = 6021,    ///< no temporary file: bodies are streamed (warning)
  WorkerHeadRefused = 6022,    ///< a worker's head breaks a rule that the runtime keeps
  BodyLengthUnknown = 6023,    ///< too long to be buffered, or nowhere to buffer it (warning)
  HeadTooLarge = 6024,         ///< of a request or response; head-limit=
  TooManyHints = 6025,         ///< interim responses of one request (warning)
  RequestDeadlinePassed = 6030,
  GroupPaused = 6031,  ///< drained by the operator

  // 9000: our own fault
  UnexpectedException = 9001,
  BrokenInvariant = 9002,
};

struct Error {
  ErrorCode code;
  std::string what;  ///< one sentence that names the thing: group, path, uid, directive
  int os_errno = 0;  ///< 0 when the operating system had no part in it
  std::string remedy =
      {};  ///< better than the catalogue's, where the place knows more; may be empty
};

/// One of the 6000: what the request needed was there, a Python and its script.
bool is_of_a_request(ErrorCode code) noexcept;

/// What the administrator should do next. A missing case fails the build (-Werror=switch).
std::string_view remedy_for(ErrorCode code) noexcept;

/// "WX2002: <what>: Operation not permitted (errno 1). Remedy: <remedy>"
std::string to_log_line(const Error& error);

/// The same of a process group: "group 'shop': <what>".
Error of_group(std::string_view group, Error error);

}  // namespace wsgix
