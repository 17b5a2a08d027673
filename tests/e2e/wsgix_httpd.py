# SPDX-License-Identifier: Apache-2.0
"""One httpd with one small configuration, and the inspections that every test inherits.

A test passes only if, besides its own assertions, httpd started and stopped in time, logged
nothing at error or above, and no warning of the module, that the test did not announce, and left
no process, socket, shared memory or sanitizer report behind.
"""
import dataclasses
import itertools
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import string
import subprocess
import tempfile
import textwrap
import threading
import time
import uuid

import httpds_own
import processes

HTTPD = os.environ.get("WSGIX_HTTPD", "/usr/sbin/apache2")
MODULES = os.environ.get("WSGIX_HTTPD_MODULES", "/usr/lib/apache2/modules")
PYTHON = "/usr/bin/python3"
RUNS_AS_ROOT = os.geteuid() == 0
# The account of httpd's children. Everything a test serves must be readable by it.
USER = "www-data" if RUNS_AS_ROOT else pwd.getpwuid(os.geteuid()).pw_name

# Of warnings only ours: httpd's own depend on how busy the machine is.
SERIOUS = re.compile(r"\[\w*:(error|crit|alert|emerg)\]|\[wsgi:warn\]|Sanitizer|runtime error:"
                     r"|child pid \d+ exit signal|Segmentation fault|terminate called")
# What follows the announced first line of a Python traceback, record by record.
TRACEBACK = re.compile(r"(Traceback \(most recent call last\)|\bFile \".*\", line \d+|\]\s{2,}\S"
                       r"|(During handling of the above|The above exception was the direct)|\^\^)")

# A record of the error log: its process and thread, and what it says.
RECORD = re.compile(r"(?:\[(?:pid (\d+(?::tid \d+)?)|[^\]]*)\] )*(.*)")


def ends_inside_a_traceback(log):
    """Whether somebody has logged the beginning of a traceback and not yet its last line."""
    unfinished = set()
    for line in log.splitlines():
        writer, said = RECORD.match(line).groups()
        if said.startswith("Traceback (most recent call last)"):
            unfinished.add(writer)
        elif not said.startswith(" "):
            unfinished.discard(writer)
    return bool(unfinished)


def replace_text(path, text):
    """Puts the file there whole, as a deployment does: no worker loads the half of a script."""
    whole = path.with_name(path.name + ".new")
    whole.write_text(text)
    whole.chmod(0o644)
    whole.replace(path)


@dataclasses.dataclass(frozen=True)
class Variant:
    """Where Python runs, and under which multi-processing module."""

    mpm: str
    mode: str

    def __str__(self):
        return f"{self.mpm}-{self.mode}"


EVENT_DAEMON = Variant("event", "daemon")
EVENT_EMBEDDED = Variant("event", "embedded")
BOTH_MODES = [EVENT_DAEMON, EVENT_EMBEDDED]
EVERYWHERE = [Variant(mpm, mode) for mpm in ("event", "worker", "prefork")
              for mode in ("daemon", "embedded")]

BASE = """\
ServerName localhost
ServerTokens Prod
ServerRoot $root
DefaultRuntimeDir $root/run
Listen 127.0.0.1:$port
PidFile $root/run/httpd.pid
ErrorLog $root/error_log
LogLevel $log_level
LoadModule mpm_${mpm}_module $modules/mod_mpm_$mpm.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule alias_module $modules/mod_alias.so
LoadModule env_module $modules/mod_env.so
LoadModule mime_module $modules/mod_mime.so
TypesConfig /dev/null
LoadModule wsgi_module $build/mod_wsgi.so
$identity
DocumentRoot $root/htdocs
Timeout 60
GracefulShutdownTimeout 10
KeepAliveTimeout 5
<IfModule mpm_prefork_module>
    StartServers 3
    MinSpareServers 3
    MaxSpareServers 8
    MaxRequestWorkers 8
</IfModule>
<IfModule !mpm_prefork_module>
    StartServers 2
    ServerLimit 4
    ThreadsPerChild 8
    MinSpareThreads 8
    MaxSpareThreads 32
    MaxRequestWorkers 32
</IfModule>
WSGISocketPrefix $root/run/wsgi
<Directory />
    Require all granted
</Directory>
"""


class Httpd:
    """Owns a server root, the httpd that serves it, and everything that httpd started."""

    def __init__(self, stage, variant, config, *, name="httpd", log_level="info",
                 daemon_options="processes=2 threads=3", files=None):
        self.variant = variant
        self.stage = stage
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="s-", dir=stage.root))
        self.root.chmod(0o755)
        for folder in ("run", "htdocs"):
            (self.root / folder).mkdir()
        (self.root / "reports").mkdir()
        (self.root / "reports").chmod(0o1777)
        self.port = free_port()
        self.tls_port = free_port()
        self.name = name
        self.popen = None
        self.marker = uuid.uuid4().hex
        self._expected = []
        self._tolerated = []
        self._former = []  # what the last inspected test expected or tolerated
        self._inspected = 0
        self._seen = {}
        self._children_end = False
        self._shared_before = shared_files()
        for path, text in (files or {}).items():
            self.write(path, text)
        self._write_config(config, log_level, daemon_options)

    def _write_config(self, config, log_level, daemon_options):
        daemon = ""
        if self.variant.mode == "daemon":
            daemon = f"WSGIDaemonProcess suite {daemon_options}\nWSGIProcessGroup suite"
        self.words = {
            "root": self.root, "port": self.port, "tls_port": self.tls_port,
            "log_level": log_level,
            "mpm": self.variant.mpm, "modules": MODULES, "build": self.stage.build,
            "apps": self.stage.apps, "examples": self.stage.examples, "daemon": daemon,
            "identity": f"User {USER}\nGroup {USER}" if RUNS_AS_ROOT else "",
        }
        text = textwrap.dedent(BASE) + textwrap.dedent(config)
        # An Apache "$1" is no identifier and stays as it is.
        expanded = string.Template(text).safe_substitute(self.words)
        expanded = string.Template(expanded).safe_substitute(self.words)
        (self.root / "httpd.conf").write_text(expanded)

    # ---- files -----------------------------------------------------------------------------

    def path(self, name):
        return self.root / name

    def write(self, name, text):
        """Puts a file in place that every account may read, and returns its path."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, textwrap.dedent(text))
        return path

    def folder_for_applications(self, name):
        """A folder that belongs to httpd's account, as the groups without user= do."""
        path = self.root / name
        path.mkdir()
        if RUNS_AS_ROOT:
            shutil.chown(path, USER, USER)
        return path

    # ---- life ------------------------------------------------------------------------------

    def command(self, *arguments):
        return [HTTPD, "-d", str(self.root), "-f", str(self.root / "httpd.conf"), *arguments]

    def environment(self):
        kept = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                "WSGIX_E2E_MARKER": self.marker, "PYTHONDONTWRITEBYTECODE": "1"}
        return kept | self.stage.sanitizer_environment(self.root / "reports")

    def check_config(self):
        """`apache2 -t`: the exit status and everything it said."""
        done = subprocess.run(self.command("-t"), capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, env=self.environment())
        log = self.log() if (self.root / "error_log").exists() else ""
        return done.returncode, done.stdout + done.stderr + log

    def start(self, seconds=20):
        self._stderr = open(self.root / "stderr", "w+")
        earlier = self._generations()
        self.popen = subprocess.Popen(
            self.command("-DFOREGROUND"), stdin=subprocess.DEVNULL, stdout=self._stderr,
            stderr=self._stderr, start_new_session=True, env=self.environment())
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.popen.poll() is not None:
                raise AssertionError("httpd did not start:\n" + self.all_output())
            # The pid file follows the configuration hooks: the socket listens long before. The line
            # in the log follows both, and graceful() counts those lines.
            if (self.root / "run/httpd.pid").exists() and self._accepts():
                wait_for(lambda: self._generations() > earlier, 2)
                self.notice_processes()
                return self
            time.sleep(0.02)
        self.kill_everything()
        raise AssertionError(f"httpd was not ready after {seconds} s:\n" + self.all_output())

    def _accepts(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self, seconds=20):
        """As `apachectl stop` does it; then nothing of ours may be left."""
        self.notice_processes()
        self._children_end = True
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill_everything()
            raise AssertionError(f"httpd did not stop within {seconds} s\n" + self.all_output())
        wait_for(lambda: not self.processes(), 3)
        left = self.processes()
        self.kill_everything()
        assert not left, f"processes left behind: {left}\n" + self.all_output()
        sockets = [p for p in self.root.rglob("*") if p.is_socket()]
        assert not sockets, f"socket files left behind: {sockets}"
        shared = shared_files() - self._shared_before
        assert not shared, f"shared memory left behind: {shared}"
        assert not processes.shared_memory_of(self._seen), "System V shared memory left behind"

    def graceful(self):
        """`apachectl graceful`: returns when the new generation has taken over."""
        self._children_end = True
        before, former = self._generations(), self.children()
        self.popen.send_signal(signal.SIGUSR1)
        assert wait_for(lambda: self._generations() > before, 20), \
            "the graceful restart did not finish\n" + self.all_output()
        # httpd says so before the last of the former children stops accepting. One that is busy
        # may keep the socket for long (prefork): it takes nothing new meanwhile.
        wait_for(lambda: not any(self._listens(child) for child in former), 2)

    def _generations(self):
        return self.log().count("resuming normal operations")

    def _listens(self, process):
        inodes = processes.listening_inodes(self.port)
        return any(to.removeprefix("socket:[").removesuffix("]") in inodes
                   for to in process.descriptors().values())

    def kill_everything(self):
        for process in self.processes():
            process.signal(signal.SIGKILL)
        if self.popen is not None:
            self.popen.wait(5)

    def remove(self):
        if self.popen is not None:
            self._stderr.close()
        if not os.environ.get("WSGIX_E2E_KEEP"):
            shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        try:
            self.stop()
            self.inspect(last=True)
        finally:
            self.remove()

    # ---- processes -------------------------------------------------------------------------

    def processes(self):
        """Everything that this httpd started and that still lives, the parent included."""
        return [p for p in processes.all_of_them()
                if p.session == self.popen.pid or p.identity in self._seen
                or p.has_in_environment(self.marker)]

    def notice_processes(self):
        for process in self.processes():
            self._seen[process.identity] = process

    @property
    def parent(self):
        return processes.Process(self.popen.pid)

    def children(self):
        """The httpd children: those that talk to clients."""
        return [p for p in self.processes()
                if p.parent_pid == self.popen.pid and p.program == self.parent.program]

    def hosts(self):
        return [p for p in self.processes()
                if p.parent_pid == self.popen.pid and p.program == "wsgix-host"]

    def workers(self):
        hosts = {p.pid for p in self.hosts()}
        return [p for p in self.processes()
                if p.program == "wsgix-host" and p.parent_pid in hosts]

    # ---- log and inspections -----------------------------------------------------------------

    def log(self):
        path = self.root / "error_log"
        return path.read_text(errors="replace") if path.exists() else ""

    def all_output(self):
        parts = [self.root / "stderr", self.root / "error_log"]
        parts += sorted((self.root / "reports").iterdir())
        return "\n".join(f"--- {p.name}\n{p.read_text(errors='replace')[-6000:]}"
                         for p in parts if p.exists())

    def expect_log(self, pattern, traceback=False):
        """Announces a serious log line that this test provokes on purpose, and demands it.

        With `traceback` the records of a Python traceback may stand around it."""
        self._expected.append((re.compile(pattern, re.MULTILINE), traceback))

    def tolerate(self, pattern):
        """Serious lines of that kind may come, but need not."""
        self._tolerated.append(re.compile(pattern))

    def tolerate_overload(self):
        """A group that is full for longer than a second says so, with the stacks of its threads."""
        self.tolerate(r"WX2019|thread \d+ of .*\(request|\]   (File \"|runs no Python)")

    def wait_for_log(self, pattern, seconds=5):
        found = re.compile(pattern)
        assert wait_for(lambda: found.search(self.new_log()), seconds), \
            f"never logged: {pattern}\n{self.new_log()[-6000:]}"
        return found.search(self.new_log())

    def new_log(self):
        """What was logged since the last inspection."""
        return self.log()[self._inspected:]

    def inspect(self, last=False):
        """After every test: no surprises in the log, no sanitizer report."""
        for pattern, _ in self._expected:
            wait_for(lambda: pattern.search(self.new_log()), 3)
        wait_for(lambda: not ends_inside_a_traceback(self.new_log()), 3)
        if self.stage.sanitized:
            self.tolerate_overload()  # everything takes several times as long
        text = self.new_log()
        self._inspected += len(text)
        expected, self._expected = self._expected, []
        tolerated, self._tolerated = self._tolerated, []
        if last:  # a late line is still that test's
            tolerated += self._former
        self._former = tolerated + [pattern for pattern, _ in expected]
        lines = text.splitlines()
        surprises = [line for line in lines if SERIOUS.search(line)
                     and not httpds_own.is_excused(line, self.variant.mpm,
                                                   self._children_end)
                     and not any(p.search(line) for p in tolerated)
                     and not any(p.search(line) or (traceback and TRACEBACK.search(line))
                                 for p, traceback in expected)]
        reports = [p.read_text(errors="replace") for p in (self.root / "reports").iterdir()]
        if not last:
            self.notice_processes()
        assert not reports, "sanitizer report:\n" + reports[0][:6000]
        assert not surprises, "unannounced in the error log:\n" + "\n".join(surprises)
        for pattern, _ in expected:
            assert pattern.search(text), f"never logged: {pattern.pattern}\n{text[-4000:]}"

    # ---- talking to it -----------------------------------------------------------------------

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def raw(self, request, seconds=20):
        """Sends these bytes and returns every byte until httpd closes the connection."""
        if isinstance(request, str):
            request = request.encode("latin-1")
        with socket.create_connection(("127.0.0.1", self.port), seconds) as connection:
            connection.sendall(request)
            return read_to_end(connection)

    def raw_after_first_answer(self, head, body, seconds=10):
        """Sends the body only when something has come back: that, and everything after it."""
        with socket.create_connection(("127.0.0.1", self.port), seconds) as connection:
            connection.sendall(head.encode("latin-1"))
            first = connection.recv(65536)
            connection.sendall(body)
            return first, read_to_end(connection)

    def raw_duplex(self, head, pieces, seconds=30):
        """Sends a body while it reads the response; returns every byte of the response."""
        with socket.create_connection(("127.0.0.1", self.port), seconds) as connection:
            connection.sendall(head.encode("latin-1"))
            sender = threading.Thread(target=lambda: [connection.sendall(p) for p in pieces])
            sender.start()
            received = read_to_end(connection)
            sender.join(seconds)
            return received

    def raw_get(self, path, method="GET", protocol="HTTP/1.1", headers=""):
        return self.raw(f"{method} {path} {protocol}\r\nHost: localhost\r\n"
                        f"Connection: close\r\n{headers}\r\n")


def read_to_end(connection):
    received = b""
    while True:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return received
        if not piece:
            return received
        received += piece


# Machines that run tests are shared, and sanitizers are slow. What has to be fast is measured.
PATIENCE = 3


def wait_for(condition, seconds, pause=0.02):
    """True as soon as the condition holds, False when it did not within that time."""
    deadline = time.monotonic() + seconds * PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def shared_files():
    return {name for name in os.listdir("/dev/shm") if "wsgi" in name}


def ports_of_this_run():
    """Below the range of which the kernel gives ports to clients; each pytest-xdist worker has
    a part of its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    part = range(12000 + worker % 8 * 2500, 12000 + (worker % 8 + 1) * 2500)
    start = os.getpid() % len(part)
    return itertools.cycle([*part[start:], *part[:start]])


PORTS = ports_of_this_run()


def free_port():
    while True:
        port = next(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
