// SPDX-License-Identifier: Apache-2.0
#include "wsgix/base/error.hpp"

#include <fmt/format.h>

#include <system_error>

namespace wsgix {

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
    case ErrorCode::SocketFailed: return "act on the operating system's reason";
    case ErrorCode::PeerNotTrusted:
      return "keep other programs away from the group's socket; restart httpd if its User changed";
    case ErrorCode::UnexpectedFrame: return "report a bug with the lines around this one";
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
    case ErrorCode::SystemCallFailed: return "act on the operating system's reason";
    case ErrorCode::SettingHadNoEffect: return "correct or remove the setting; the group runs on";
    case ErrorCode::BadHostSettings:
      return "let httpd start wsgix-host; after an upgrade restart httpd fully";
    case ErrorCode::ReadinessReport: return "nothing to do";
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

    case ErrorCode::CommandRefused:
      return "use the wsgix of the version that httpd runs; docs/wsgix-ctl.md has the commands";

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
    case ErrorCode::SpoolFailed:
      return "give httpd's User space and access in that folder, name another one with TMPDIR in "
             "httpd's environment, or lower request-buffering= and response-buffering=";

    case ErrorCode::UnexpectedException: return "report a bug with this line";
    case ErrorCode::BrokenInvariant: return "report a bug with this line";
  }
  return "report a bug";  // only a corrupted code value gets here
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
