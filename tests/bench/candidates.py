# SPDX-License-Identifier: Apache-2.0
"""What is measured: how each server is configured and started, and whether it is here."""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
import uuid

import server_processes

MODULES = pathlib.Path("/usr/lib/apache2/modules")
HTTPD = "/usr/sbin/apache2"
HELLO = pathlib.Path(__file__).resolve().parents[2] / "examples/hello/hello.wsgi"

# More threads than connections: with none to spare, the event MPM closes idle connections, and
# wrk counts those as errors.
BASE = """\
ServerName localhost
ServerRoot {root}
DefaultRuntimeDir {root}
PidFile {root}/httpd.pid
ErrorLog {root}/error_log
LogLevel warn
Listen 127.0.0.1:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
{identity}
StartServers 2
ServerLimit 2
ThreadsPerChild 64
MinSpareThreads 64
MaxSpareThreads 128
MaxRequestWorkers 128
MaxKeepAliveRequests 0
<Directory />
    Require all granted
</Directory>
"""
WSGI = """\
LoadModule wsgi_module {module}
WSGISocketPrefix {root}/wsgi
WSGIDaemonProcess bench processes={processes} threads={threads}
WSGIProcessGroup bench
WSGIApplicationGroup %{{GLOBAL}}
WSGIScriptAlias / {script}
"""
PROXY = """\
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_{scheme}_module {modules}/mod_proxy_{scheme}.so
ProxyPass / {url} {more}
"""


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]


class Wsgix:
    name = "wsgix"

    def build(self, chosen):
        return chosen.build

    def is_available(self, chosen):
        return (self.build(chosen) / "mod_wsgi.so").exists()

    def version(self, chosen):
        done = subprocess.run(["git", "-C", str(self.build(chosen)), "describe", "--always",
                               "--dirty"], capture_output=True, text=True, check=False)
        return done.stdout.strip() or "unknown"

    def config(self, chosen, words):
        # A copy that the group's account can reach: the build folder may be closed to it.
        for name in ("mod_wsgi.so", "wsgix-host", "wsgix-runtime.abi3.so"):
            shutil.copy2(self.build(chosen) / name, words["root"])
        return WSGI.format(module=words["root"] / "mod_wsgi.so", **words)

    def backend(self, chosen, words):
        return None


class WsgixBefore(Wsgix):
    """Another build of wsgix: has a change made it slower?"""

    name = "before"

    def build(self, chosen):
        return chosen.before

    def is_available(self, chosen):
        return chosen.before is not None and super().is_available(chosen)


class ModWsgi(Wsgix):
    """Debian's package. Its file has our name, so it is taken by its versioned name."""

    name = "mod_wsgi"

    def module(self):
        return next(iter(sorted(MODULES.glob("mod_wsgi.so-3*"))), None)

    def is_available(self, chosen):
        return self.module() is not None

    def version(self, chosen):
        return first_line("dpkg-query", "--show", "--showformat=${Version}\n",
                          "libapache2-mod-wsgi-py3")

    def config(self, chosen, words):
        return WSGI.format(module=self.module(), **words)


class Uwsgi:
    name = "uwsgi"

    def is_available(self, chosen):
        return shutil.which("uwsgi") is not None

    def version(self, chosen):
        return first_line("uwsgi", "--version")

    def config(self, chosen, words):
        return PROXY.format(scheme="uwsgi", url=f"unix:{words['root']}/backend|uwsgi://localhost/",
                            more="enablereuse=off", **words)

    def backend(self, chosen, words):
        return ["uwsgi", "--plugin", "python3", "--master", "--need-app", "--disable-logging",
                "--socket", f"{words['root']}/backend", "--chmod-socket=666", "--listen", "100",
                "--processes", str(chosen.processes), "--threads", str(chosen.threads),
                "--wsgi-file", str(words["script"])]


class Gunicorn:
    name = "gunicorn"

    def is_available(self, chosen):
        return shutil.which("gunicorn") is not None

    def version(self, chosen):
        return first_line("gunicorn", "--version")

    def config(self, chosen, words):
        return PROXY.format(scheme="http", url=f"unix:{words['root']}/backend|http://localhost/",
                            more="", **words)

    def backend(self, chosen, words):
        module = words["root"] / "hello_for_gunicorn.py"
        shutil.copy(words["script"], module)
        return ["gunicorn", "--worker-class", "gthread", "--workers", str(chosen.processes),
                "--threads", str(chosen.threads), "--bind", f"unix:{words['root']}/backend",
                "--umask", "0", "--log-level", "error", "--chdir", str(words["root"]),
                "hello_for_gunicorn:application"]


ALL = [Wsgix(), WsgixBefore(), ModWsgi(), Uwsgi(), Gunicorn()]


class Server:
    """One candidate, running, in a folder of its own."""

    def __init__(self, candidate, chosen, stage):
        self.root = stage / uuid.uuid4().hex[:8]
        self.root.mkdir(mode=0o755)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        script = shutil.copy(HELLO, self.root)
        self._account = pwd.getpwnam("www-data") if os.geteuid() == 0 else None
        words = {"root": self.root, "port": self.port, "modules": MODULES, "script": script,
                 "processes": chosen.processes, "threads": chosen.threads,
                 "identity": "User www-data\nGroup www-data" if self._account else ""}
        config = BASE.format(**words) + candidate.config(chosen, words)
        (self.root / "httpd.conf").write_text(config)
        self._backend_command = candidate.backend(chosen, words)
        self._marker = uuid.uuid4().hex
        self._started = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def pids(self):
        sessions = [pid for started in self._started
                    for pid in server_processes.in_session(started.pid)]
        return sorted({*sessions, *server_processes.with_marker(self._marker)})

    def _start(self, command, **more):
        log = open(self.root / "output", "a")
        self._started.append(subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "WSGIX_BENCH_MARKER": self._marker}, **more))
        log.close()

    def __enter__(self):
        if self._backend_command:
            account = {}
            if self._account:
                os.chown(self.root, self._account.pw_uid, self._account.pw_gid)
                account = {"user": self._account.pw_uid, "group": self._account.pw_gid,
                           "extra_groups": []}
            self._start(self._backend_command, **account)
        self._start([HTTPD, "-d", str(self.root), "-f", str(self.root / "httpd.conf"),
                     "-DFOREGROUND"])
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(self.url, timeout=5) as answer:
                    if answer.read() == b"Hello, world!\n":
                        return self
            except OSError:
                pass
            if time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError("no answer:\n" + "".join(
                    path.read_text() for path in (self.root / "output", self.root / "error_log")
                    if path.exists()))
            time.sleep(0.1)

    def __exit__(self, *_):
        for started in reversed(self._started):
            started.send_signal(signal.SIGTERM)
        for started in self._started:
            try:
                started.wait(10)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()
        deadline = time.monotonic() + 5
        while self.pids() and time.monotonic() < deadline:
            time.sleep(0.1)
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
