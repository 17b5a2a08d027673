// SPDX-License-Identifier: Apache-2.0
#include "wsgix/base/error.hpp"

#include <fmt/format.h>

#include <system_error>

namespace wsgix {

bool is_of_a_request(ErrorCode code) noexcept { return static_cast<unsigned>(code) / 1000 == 6; }

std::string_view remedy_for(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::MalformedFrame:
      return "check that no other program connects to the group's socket; then report a bug";
    case ErrorCode::FrameTooLarge:
      return "lower LimitRequestFields and LimitRequestFieldSize, or send smaller headers";
    case ErrorCode::UnsupportedProtocolVersion:
      return "restart httpd fully (not graceful) after an upgrade, so that both sides match";
    case ErrorCode::PeerClosed:
      return "look for the end of the other process in the lines before this one";
    case ErrorCode::DeadlinePassed:
      return "find out what the other side was doing; raise socket-timeout= if it was right to";
    case ErrorCode::SocketFailed:
      return "look for the end of the other process in the lines before this one; on EACCES let "
             "httpd's User search the directory of WSGISocketPrefix";
    case ErrorCode::PeerNotTrusted:
      return "keep other programs away from the group's socket; restart httpd if its User changed";
    case ErrorCode::UnexpectedFrame: return "report a bug with the lines around this one";
    case ErrorCode::ForeignFrame:
      return "look for an application that forks and lets the copy return; use os._exit() there";
    case ErrorCode::BadDescriptor:
      return "return only regular files from wsgi.file_wrapper; report a bug if that is so";

    case ErrorCode::RefusesToRunAsRoot: return "name an unprivileged account with user= and group=";
    case ErrorCode::CannotDropPrivileges:
      return "start httpd as root, or remove user= and group= from this group; on EAGAIN raise "
             "the account's process limit (ulimit -u)";
    case ErrorCode::PrivilegesSurvivedDrop:
      return "do not serve traffic; report a bug with the kernel version and the full log line";
    case ErrorCode::CannotStartHost:
      return "check that wsgix-host is installed beside mod_wsgi.so and may be executed";
    case ErrorCode::CannotCreateSocket:
      return "name a directory that exists and that httpd's User can search with WSGISocketPrefix";
    case ErrorCode::CannotUseDirectory:
      return "give the group's user access to the directory, or name another one with home=";
    case ErrorCode::HostDied: return "read the lines before this one; the host is started again";
    case ErrorCode::WorkerDied: return "read the lines before this one; a new worker is started";
    case ErrorCode::WorkerStuckAtStart:
      return "find out what the script waits for while it is imported, or raise startup-timeout=";
    case ErrorCode::SystemCallFailed:
      return "look at what confines httpd: a seccomp filter, a container's or a security module's "
             "profile has to allow the call that the line names";
    case ErrorCode::SettingHadNoEffect: return "correct or remove the setting; the group runs on";
    case ErrorCode::ProcessGroupForbidden:
      return "correct WSGIProcessGroup or what it is made of (names are compared with upper and "
             "lower case), or add the name to WSGIRestrictProcess";
    case ErrorCode::ValueAdjusted: return "write the value that is meant";
    case ErrorCode::BadHostSettings:
      return "let httpd start wsgix-host; after an upgrade restart httpd fully";
    case ErrorCode::GroupReady: return "nothing to do";
    case ErrorCode::WorkerForced:
      return "find the request or thread that did not end, or raise shutdown-timeout=";
    case ErrorCode::WorkerHangs:
      return "look in the stacks for what holds the GIL; raise deadlock-timeout= if it was right "
             "to";
    case ErrorCode::RequestStuck:
      return "look in the stacks for what the request waits for; give such calls a timeout";
    case ErrorCode::MemoryLimitReached:
      return "find what grows, or raise the hard limit of memory-recycle=";
    case ErrorCode::NewVersionBroken:
      return "correct what the lines before name; it is tried again when the script changes, and "
             "after a pause";
    case ErrorCode::GroupOverloaded:
      return "look at what the busiest URLs wait for; raise threads= or processes= if it is right";

    case ErrorCode::WarmUpFailed:
      return "ask the application for that URL, and look for the cause in the lines before";
    case ErrorCode::CopyCameBack:
      return "end a process of os.fork() with os._exit(), or use subprocess or multiprocessing";

    case ErrorCode::LeftProcessesEnded:
      return "what is to outlive the group belongs to the service manager: systemd-run, or a unit "
             "of its own";

    case ErrorCode::FormerHostEnded:
      return "look at what its processes were doing: the line names the host";
    case ErrorCode::OutputGivenUp:
      return "wait for the processes that the application starts, or give them files of their own "
             "for what they print";
    case ErrorCode::CannotOpenDescriptor:
      return "raise the limit of open files (LimitNOFILE= of httpd's service, ulimit -n), or look "
             "in /proc/PID/fd for what holds them";
    case ErrorCode::CannotStartTask:
      return "raise the limit of processes and threads (TasksMax= of httpd's service, ulimit -u, "
             "pids.max of a container), or lower processes= and threads=";
    case ErrorCode::CannotShareMemory:
      return "allow memfd_create(2) in the seccomp filter or the container's profile, and give "
             "httpd's service more memory (MemoryMax=, ulimit -v)";
    case ErrorCode::WorkerEnded: return "nothing to do; docs/errors.md explains the reason";
    case ErrorCode::WorkerTooBig:
      return "if it is frequent, find what grows in the application, or raise memory-recycle=";
    case ErrorCode::WorkerIdle:
      return "nothing to do; a longer inactivity-timeout= keeps idle workers for longer";
    case ErrorCode::RequestsCeased:
      return "nothing to do if httpd was stopped or reloaded with another configuration; else look "
             "for the end of httpd";
    case ErrorCode::WorkerIncomplete:
      return "nothing to do; name process-group= and application-group= in its WSGIScriptAlias, "
             "and each worker loads it before it serves";
    case ErrorCode::ScriptChanged:
      return "nothing to do; WSGIScriptReloading Off would wait for the next restart";

    case ErrorCode::CommandRefused:
      return "use the wsgix of the version that httpd runs; docs/wsgix-ctl.md has the commands";
    case ErrorCode::CommandGiven:
      return "nothing to do; if it was nobody you know, look at who may use that account";

    case ErrorCode::BadDirective: return "see docs/directives for the accepted values";
    case ErrorCode::UnknownOption: return "see docs/directives for the options of this directive";
    case ErrorCode::UnknownProcessGroup:
      return "define the group with WSGIDaemonProcess, or correct the name";
    case ErrorCode::ForeignProcessGroup:
      return "define the group at server level, or in a virtual host with the same ServerName";
    case ErrorCode::DuplicateProcessGroup:
      return "keep one definition, or rename one of the groups";
    case ErrorCode::EmbeddedModeRestricted:
      return "send the request to a daemon group with WSGIProcessGroup, or set "
             "WSGIRestrictEmbedded Off";
    case ErrorCode::OptionNotAvailable: return "remove it; see docs/changelog.md for what is there";
    case ErrorCode::UnknownAccount: return "create the account, or correct the name";
    case ErrorCode::ScriptMissing: return "correct the path, or put the script there";
    case ErrorCode::ScriptNotGranted:
      return "add 'Require all granted' to a <Directory> section for the script's directory";
    case ErrorCode::ScriptOwnerRefused:
      return "give the script and its directory to the account that script-user= or script-group= "
             "names, and take the right to write from the others";
    case ErrorCode::ScriptOutsideJail:
      return "put the script below the folder of chroot=, or send it to another group";
    case ErrorCode::GroupServesNoRequests:
      return "give the group threads, or send the request to another group";
    case ErrorCode::ServiceWithoutScripts:
      return "name the group's program with WSGIImportScript, or give the group threads";

    case ErrorCode::PythonHomeUnusable:
      return "name the folder of a virtual environment or of a Python installation, and let the "
             "group's user reach it";
    case ErrorCode::PythonLibraryNotFound:
      return "install the shared library of that Python (Debian: apt install libpython3.X)";
    case ErrorCode::RuntimeLibraryNotFound:
      return "install wsgix again: the runtime library belongs beside wsgix-host";
    case ErrorCode::RuntimeLibraryRefused:
      return "install mod_wsgi.so, wsgix-host and the runtime library from the same version";
    case ErrorCode::PythonDidNotStart:
      return "check python-home= and the environment of httpd; run that Python by hand as the "
             "group's user";
    case ErrorCode::PythonPathEntryUnusable:
      return "correct python-path=, or let the group's user read the directory";

    case ErrorCode::ScriptUnreadable:
      return "let the process's user read the script and search every directory above it";
    case ErrorCode::ScriptSyntaxError: return "correct the line and request the page again";
    case ErrorCode::ScriptRaised: return "correct the cause and request the page again";
    case ErrorCode::ScriptExited: return "remove the call of sys.exit() from what is imported";
    case ErrorCode::ScriptStartedServer:
      return "remove the call, or move it below if __name__ == '__main__':";
    case ErrorCode::ScriptLacksCallable:
      return "name the WSGI callable 'application', or name it with WSGICallableObject";
    case ErrorCode::ScriptModuleNotFound:
      return "install the module for this Python, or name its virtual environment with "
             "python-home=, or its folder with python-path=";
    case ErrorCode::ScriptUsesPython2: return "port the script to Python 3";
    case ErrorCode::ScriptHasNul: return "remove the NUL byte: the file may be damaged";
    case ErrorCode::ScriptReloadHookFailed: return "correct the script's reload_required()";
    case ErrorCode::ThreadHoldsUpExit:
      return "make it a daemon thread (daemon=True), and tell it to end in an atexit function";
    case ErrorCode::SignalHandlerIgnored:
      return "nothing to do; with WSGIRestrictSignal Off the application may handle signals where "
             "Python lets it";

    case ErrorCode::ApplicationRaised: return "see the traceback in the lines that follow";
    case ErrorCode::ApplicationExited: return "return a response instead of calling sys.exit()";
    case ErrorCode::ApplicationBrokeWsgi: return "correct the application; PEP 3333 has the rule";
    case ErrorCode::ResponseCut: return "see the cause in the lines before; the client saw the cut";
    case ErrorCode::ResponseShorterThanDeclared:
      return "send as many bytes as Content-Length says, or leave the header out";
    case ErrorCode::ClientBodyFailed:
      return "nothing, unless it is frequent; see RequestReadTimeout";
    case ErrorCode::RequestRefused:
      return "see the reason; correct the client or the configuration";
    case ErrorCode::ClientGone: return "nothing to do";
    case ErrorCode::HeaderDropped: return "leave hop-by-hop headers to httpd (PEP 3333)";
    case ErrorCode::RequestTimedOut:
      return "find what the application waits for, or raise socket-timeout= or httpd's Timeout";
    case ErrorCode::GroupFull:
      return "raise processes= or threads=, or find out what holds the threads";
    case ErrorCode::GroupNotRunning: return "read why the group's processes do not start";
    case ErrorCode::WorkerLost: return "find the cause of the process's end; the request was lost";
    case ErrorCode::ApplicationOutput: return "nothing to do";
    case ErrorCode::RequestDeadlinePassed:
      return "find what the request waited for, or raise the limit that the line names";
    case ErrorCode::GroupPaused: return "let the group serve again with wsgix ctl";
    case ErrorCode::RequestInterrupted:
      return "the stack shows what it waits for: make that faster or bounded, or allow more time";
    case ErrorCode::CopyAnswered:
      return "end a process of os.fork() with os._exit(), or use subprocess or multiprocessing: "
             "only the process that got a request can answer it";
    case ErrorCode::CopyReadBody:
      return "read wsgi.input before os.fork(), and end the new process with os._exit()";
    case ErrorCode::HeadTooLarge:
      return "raise head-limit= of the group, or send fewer or smaller headers and variables";
    case ErrorCode::TooManyHints:
      return "call wsgix.early_hints once or twice, with all its headers; look for a loop";
    case ErrorCode::TooManyInterpreters:
      return "let no client choose the name: WSGIApplicationGroup %{SERVER} or %{GLOBAL} instead "
             "of %{HOST} or %{ENV:...}; if all the names are yours, raise interpreter-limit= of "
             "the "
             "group, or WSGIInterpreterLimit for embedded mode";
    case ErrorCode::SpoolFailed:
      return "look for faults of the disk that holds that folder, or name another one with TMPDIR "
             "in httpd's environment";
    case ErrorCode::BodiesNotBuffered:
      return "give that account a folder with space that it may write: TMPDIR in httpd's "
             "environment (also PrivateTmp= of systemd), or set request-buffering=0 and "
             "response-buffering=0; until then slow clients hold threads of the group";
    case ErrorCode::WorkerHeadRefused:
      return "look for code in the application that writes to descriptors it did not open";
    case ErrorCode::BodyLengthUnknown:
      return "let the client send a Content-Length, raise the size of WSGIChunkedRequest, or set "
             "it to Stream if the application reads its input to the end; for want of a temporary "
             "file see WX6021";

    case ErrorCode::UnexpectedException: return "report a bug with this line";
    case ErrorCode::BrokenInvariant: return "report a bug with this line";
  }
  return "report a bug";  // only a corrupted code value gets here
}

Error of_group(std::string_view group, Error error) {
  error.what = fmt::format("group '{}': {}", group, error.what);
  return error;
}

std::string to_log_line(const Error& error) {
  std::string line = fmt::format("WX{:04}: {}", static_cast<unsigned>(error.code), error.what);
  if (error.os_errno != 0) {
    line += fmt::format(": {} (errno {})", std::generic_category().message(error.os_errno),
                        error.os_errno);
  }
  line += ". Remedy: ";
  line += error.remedy.empty() ? remedy_for(error.code) : std::string_view(error.remedy);
  return line;
}

}  // namespace wsgix
