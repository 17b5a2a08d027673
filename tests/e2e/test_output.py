# SPDX-License-Identifier: Apache-2.0
"""What workers, and what they start, write to their descriptors 1 and 2: whole, with a prefix that
says whose it is, and never a way to the error log itself."""
import os
import re
import signal
import time

import pytest

from crowd import ask, ask_in_background
from test_logs import joined
from waits import leave_time_for_a_fault
from wsgix_httpd import wait_for

APP = r'''
import atexit, ctypes, fcntl, os, signal, subprocess, sys, threading, time

FORGED = b"[Thu Nov 26 13:01:13.1 2026] [core:emerg] [pid 1] forged \x1b[2K\r[core:emerg] [pid 1] it\n"
ROOT = os.path.dirname(__file__)
PREFIX = b"\x01wsgix:" + b"0" * 14

def refused(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return error.strerror
    return "done"

def try_to_harm():
    said = [refused(os.ftruncate, 2, 0)]
    fcntl.fcntl(2, fcntl.F_SETFL, fcntl.fcntl(2, fcntl.F_GETFL) & ~os.O_APPEND)
    said.append(refused(os.lseek, 2, 0, os.SEEK_SET))
    said.append(refused(os.pwrite, 2, b"over the beginning", 0))
    return ", ".join(said)

def try_to_take():
    host = os.getppid()
    said = [refused(os.open, f"/proc/{host}/fd/2", os.O_WRONLY)]
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = libc.syscall(434, host, 0)
    said.append("taken" if libc.syscall(438, pidfd, 2, 0) >= 0 else os.strerror(ctypes.get_errno()))
    return ", ".join(said)

def daemonise(what):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            what()
        os._exit(0)
    os.wait()

def wait_for_word():
    while not os.path.exists(ROOT + "/go"):
        time.sleep(0.02)
    os.write(2, b"said by the daemon\n")
    os._exit(0)

def speak_at_the_end(*_):
    os.write(2, b"".join(b"<end-%d>%s\n" % (n, b"e" * 90) for n in range(3000)))
    os._exit(0)

def wait_for_the_end():
    signal.signal(signal.SIGTERM, speak_at_the_end)
    os.write(2, b"the daemon waits\n")
    while True:
        time.sleep(60)

def flood():
    subprocess.Popen("yes " + "y" * 79 + " | head -c 50000000 >&2", shell=True)

SPEECH = {
    "/forge": FORGED,
    "/record": b"\x01wsgix:00000000a0010\x02" + FORGED[:16] + b"[core:emerg] [pid 1] it\n",
    "/partial": b"Password:",
    "/long": b"ascii " + b"0123456789 " * 20000 + b"END\n",
    "/binary": b"bytes " + bytes(n for n in range(256) if n != 10) + b" END\n",
    "/level": PREFIX + b"not quite a record\n",
}

def application(environ, start_response):
    path = environ["PATH_INFO"]
    answer = str(os.getpid())
    if path in SPEECH:
        os.write(2, SPEECH[path])
    elif path == "/harm":
        answer = try_to_harm()
    elif path == "/take":
        answer = try_to_take()
    elif path == "/reopened":
        with open("/dev/stderr", "w") as stream:
            stream.write("by another description\n")
    elif path in ("/exit", "/kill"):
        os.write(2, b"".join(b"<last-%d>%s\n" % (n, b"l" * 90) for n in range(600)) + b"and half a line")
        if path == "/exit":
            os._exit(3)
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(30)
    elif path == "/child":
        subprocess.run("echo out; echo err >&2", shell=True, check=True)
    elif path == "/nonblocking":
        os.set_blocking(2, False)
        for n in range(2000):
            threading.Thread(target=print, args=(f"<thread-{n}>" + "t" * 90,)).start()
    elif path == "/daemon":
        daemonise(wait_for_word)
    elif path == "/wait":
        daemonise(wait_for_the_end)
    elif path == "/flood":
        flood()
    elif path == "/slow":
        os.write(2, b"the slow one begins\n")
        while not os.path.exists(ROOT + "/go"):
            time.sleep(0.02)
        os.write(2, b"the slow one ends\n")
    elif path == "/at-exit":
        atexit.register(os.write, 2, b"".join(b"<exit-%d>\n" % n for n in range(20000)))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer.encode()]
'''
CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $root/site/app.wsgi
"""


class Output:
    config = CONFIG
    daemon_options = "processes=1 threads=4"
    files = {"site/app.wsgi": APP}

    @pytest.fixture(autouse=True)
    def announced(self, httpd):
        httpd.tolerate(r"\[wsgi:error\] \[pid \d+\] ")
        (httpd.root / "site/go").unlink(missing_ok=True)

    @staticmethod
    def go(httpd):
        httpd.write("site/go", "")

    @staticmethod
    def numbers(httpd, word):
        return [int(n) for n in re.findall(rf"\] \[pid \d+(?::tid \d+)?\] <{word}-(\d+)>", httpd.new_log())]


class TestAWorkerPrints(Output):
    def test_no_line_that_looks_like_anothers(self, httpd):
        pid = ask(httpd, "/forge").text

        httpd.wait_for_log(rf"(?m)^\[.{{31}}\] \[wsgi:error\] \[pid {pid}\] \[Thu Nov 26 13:01:13.1 2026\] "
                           r"\[core:emerg\] \[pid 1\] forged \\x1b\[2K\\r\[core:emerg\] \[pid 1\] it$")
        assert not re.search(r"(?m)^\[[^]]*\] \[core:emerg|^[^[]", httpd.new_log())

    def test_no_record_that_looks_like_anothers(self, httpd):
        httpd.tolerate(r"\[wsgi:emerg\] \[pid \d+:tid 10\] \[Thu")
        pid = ask(httpd, "/record").text

        httpd.wait_for_log(rf"(?m)^\[.{{31}}\] \[wsgi:emerg\] \[pid {pid}:tid 10\] \[Thu Nov 26 13:0$")
        httpd.wait_for_log(rf"(?m)^\[.{{31}}\] \[wsgi:error\] \[pid {pid}\] \[core:emerg\] \[pid 1\] it$")

    def test_what_is_almost_a_record(self, httpd):
        ask(httpd, "/level")
        httpd.wait_for_log(r"\[wsgi:error\] \[pid \d+\] \\x01wsgix:0{14}not quite a record\n")

    def test_half_a_line(self, httpd):
        ask(httpd, "/partial")
        httpd.wait_for_log(r"\[wsgi:error\] \[pid \d+\] Password:\n", 2)

    def test_a_line_of_200_kb(self, httpd):
        ask(httpd, "/long")
        httpd.wait_for_log(r"END\n")
        assert joined(httpd.new_log(), "ascii ") == "ascii " + "0123456789 " * 20000 + "END"
        assert max(map(len, httpd.new_log().splitlines())) < 4096  # PIPE_BUF

    def test_any_bytes(self, httpd):
        ask(httpd, "/binary")
        found = httpd.wait_for_log(r"\[pid \d+\] (bytes .* END)\n")[1]
        raw = re.sub(r"\\x([0-9a-f]{2})", lambda byte: chr(int(byte[1], 16)), found.replace("\\\\", "\\x5c"))
        for letter, byte in ("b", "\b"), ("r", "\r"), ("t", "\t"), ("v", "\v"):
            raw = raw.replace("\\" + letter, byte)
        assert raw == "bytes " + "".join(chr(n) for n in range(256) if n != 10) + " END"

    def test_through_its_children(self, httpd):
        pid = ask(httpd, "/child").text
        httpd.wait_for_log(rf"\[pid {pid}\] out\n.*\[pid {pid}\] err\n")

    def test_through_dev_stderr(self, httpd):
        pid = ask(httpd, "/reopened").text
        httpd.wait_for_log(rf"\[pid {pid}\] by another description\n")

    def test_with_a_descriptor_that_a_child_made_non_blocking(self, httpd):
        httpd.tolerate(r"<thread-\d+>t{90}$")
        ask(httpd, "/nonblocking")
        assert wait_for(lambda: len(self.numbers(httpd, "thread")) == 2000, 10)
        assert set(self.numbers(httpd, "thread")) == set(range(2000))


class TestAWorkerCannotReachTheLog(Output):
    def test_by_its_descriptors(self, httpd):
        httpd.wait_for_log(r"workers are ready")
        before = httpd.log()
        assert ask(httpd, "/harm").text == "Invalid argument, Illegal seek, Illegal seek"
        assert httpd.log().startswith(before)

    @pytest.mark.root
    def test_by_those_of_its_supervisor(self, httpd):
        assert ask(httpd, "/take").text == "Permission denied, Operation not permitted"


class TestLastWords(Output):
    @pytest.mark.parametrize("path", ["/exit", "/kill"])
    def test_of_a_worker_come_before_its_end(self, httpd, path):
        httpd.expect_log(r"WX6013: ")
        httpd.tolerate(r"WX2008")
        assert ask(httpd, path).status_code >= 500
        end = httpd.wait_for_log(r"worker (\d+) \(ready\) (exited with code 3|was killed by signal 9)")
        before = httpd.new_log()[:end.start()]
        assert self.numbers(httpd, "last") == list(range(600))
        assert re.search(rf"\[pid {end[1]}\] and half a line\n", before)
        assert before.count("<last-") == 600

    def test_of_an_exit_function_and_of_what_is_left(self, make_httpd):
        httpd = make_httpd(self.config, files=self.files, daemon_options=self.daemon_options)
        httpd.tolerate(r"<exit|<end|the daemon waits|WX2023")
        httpd.start()
        ask(httpd, "/at-exit")
        ask(httpd, "/wait")
        httpd.wait_for_log(r"the daemon waits\n")

        httpd.stop()

        assert self.numbers(httpd, "exit") == list(range(20000))
        assert self.numbers(httpd, "end") == list(range(3000))


class TestWhatAWorkerHasStarted(Output):
    def test_is_heard_after_its_end(self, httpd):
        pid = int(ask(httpd, "/daemon").text)
        os.kill(pid, signal.SIGTERM)
        httpd.wait_for_log(rf"worker {pid} exited")
        assert int(ask(httpd, "/").text) != pid

        self.go(httpd)

        httpd.wait_for_log(rf"\[pid {pid}\] said by the daemon\n")


class TestOverARestart(Output):
    def test_a_request_that_still_runs_is_heard(self, httpd):
        slow, answers = ask_in_background(httpd, "/slow")
        httpd.wait_for_log(r"the slow one begins")
        httpd.graceful()
        assert wait_for(lambda: len(httpd.workers()) == 2, 10)

        self.go(httpd)

        slow.join(10)
        assert answers == [200]
        httpd.wait_for_log(r"\[pid \d+\] the slow one ends\n")


class TestAFlood(Output):
    daemon_options = "processes=2 threads=4"

    def test_holds_up_neither_requests_nor_replacements(self, httpd):
        path = httpd.root / "error_log"
        flooder = int(ask(httpd, "/flood").text)
        began = time.monotonic()
        assert wait_for(lambda: path.stat().st_size > 1_000_000, 5)
        other = next(worker.pid for worker in httpd.workers() if worker.pid != flooder)
        os.kill(other, signal.SIGTERM)
        slowest = 0
        def replaced():
            nonlocal slowest
            asked = time.monotonic()
            assert ask(httpd, "/").status_code == 200
            slowest = max(slowest, time.monotonic() - asked)
            pids = {worker.pid for worker in httpd.workers()}
            return other not in pids and len(pids) == 2
        assert wait_for(replaced, 10)
        size = path.stat().st_size
        print(f"replaced after {time.monotonic() - began:.2f} s, slowest {slowest:.3f} s, log {size}")

        assert slowest < 5  # of a loaded machine; the flood takes longer
        line = b"] " + b"y" * 79 + b"\n"
        assert wait_for(lambda: path.read_bytes().count(line) == 50_000_000 // 80, 60, 1)
        print(f"all after {time.monotonic() - began:.2f} s")
        assert size < path.stat().st_size, "the flood was over before the worker was replaced"


class TestALoggerInAPipe(Output):
    config = CONFIG + 'ErrorLog "|/usr/bin/tee -a $root/error_log"\n'

    def test_gets_whole_lines(self, httpd):
        ask(httpd, "/forge")
        ask(httpd, "/long")
        httpd.wait_for_log(r"\[wsgi:error\] \[pid \d+\] \[Thu Nov 26 13:01:13.1 2026\]")
        httpd.wait_for_log(r"END\n")
        assert joined(httpd.new_log(), "ascii ") == "ascii " + "0123456789 " * 20000 + "END"

    def test_that_is_stopped_does_not_stop_the_supervisor(self, httpd):
        [logger] = [p for p in httpd.processes() if p.program == "tee"]
        [worker] = httpd.workers()
        logger.signal(signal.SIGSTOP)
        try:
            ask(httpd, "/flood")
            leave_time_for_a_fault(1)  # the flood fills every pipe
            assert wait_for(lambda: ask(httpd, "/").status_code == 200, 3)
            [host] = httpd.hosts()
            stat = open(f"/proc/{host.pid}/wchan").read()
            assert "pipe_write" not in stat, stat
        finally:
            logger.signal(signal.SIGCONT)
        line = b"] " + b"y" * 79 + b"\n"
        path = httpd.root / "error_log"
        assert wait_for(lambda: path.read_bytes().count(line) == 50_000_000 // 80, 60, 1)
        assert worker.is_alive()


class TestSyslog:
    config = "ErrorLog syslog\n" + CONFIG
    daemon_options = "processes=1 threads=2"
    files = {"site/app.wsgi": APP}

    def test_takes_no_output_and_nobody_waits(self, httpd):
        assert ask(httpd, "/long").status_code == 200
        assert ask(httpd, "/child").status_code == 200
