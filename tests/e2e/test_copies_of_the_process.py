# SPDX-License-Identifier: Apache-2.0
"""Processes that an application forks: no client hears them, they end, and what they log arrives."""
import contextlib
import os
import re
import socket
import threading
import time

import h2.config
import h2.connection
import h2.events
import httpx
import pytest

import crowd
from crowd import ask
from waits import leave_time_for_a_fault
from wsgix_httpd import BOTH_MODES, EVENT_DAEMON, EVENT_EMBEDDED, Variant, wait_for

EMBEDDED_PREFORK = Variant("prefork", "embedded")
FOUR = [*BOTH_MODES, Variant("prefork", "daemon"), EMBEDDED_PREFORK]

# A copy came out of the application, by a return or by an exception.
CAME_BACK = r"WX6016: "
CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $root/site/app.wsgi
"""

APPLICATION = """
    import multiprocessing, os, signal, subprocess, sys, time
    from concurrent.futures import ProcessPoolExecutor

    FORK = multiprocessing.get_context("fork")

    def square(number):
        print("pool", number)
        return number * number

    def lines(tag, count):
        for number in range(count):
            print(f"<{tag}-{number}>" + "z" * 150, file=sys.stderr)

    def status_of(pid):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def in_copy(how, environ, start_response):
        if how == "raise": raise RuntimeError("in the copy")
        if how == "exit": sys.exit(7)
        if how == "exit-text": sys.exit("because")
        if how == "write": start_response("200 OK", [])(b"COPY")
        if how == "read": environ["wsgi.input"].read()
        if how == "partial": sys.stdout.write("never ended")
        start_response("200 OK", [("Content-Length", "4"), ("Set-Cookie", "session=copy")])
        return [b"COPY"]

    def generate(who):
        pid = os.fork()
        if pid == 0:
            yield b"COPY"
            os._exit(99)
        yield str(status_of(pid)).encode()

    class Closing(list):
        def close(self):
            if os.fork() == 0:
                return
            os.wait()

    def open_sockets():
        found = []
        for number in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink("/proc/self/fd/" + number)
            except OSError:
                continue
            if target.startswith(("socket:", "/memfd:wsgix")):
                found.append(target)
        return found

    def application(environ, start_response):
        path, who = environ["PATH_INFO"], environ.get("HTTP_COOKIE", "nobody")
        answer = "page of " + who
        if path.startswith("/copy/"):
            pid = os.fork()
            if pid == 0:
                return in_copy(path[6:], environ, start_response)
            answer = str(status_of(pid))
        elif path == "/background":
            if os.fork() == 0:
                time.sleep(0.2)
                sys.exit(0)
        elif path == "/generate":
            start_response("200 OK", [])
            return generate(who)
        elif path == "/close":
            start_response("200 OK", [("Content-Length", "2")])
            return Closing([b"ok"])
        elif path == "/pool":
            with FORK.Pool(2) as pool:
                answer = str(pool.map(square, [1, 2, 3]))
        elif path == "/executor":
            with ProcessPoolExecutor(2, mp_context=FORK) as pool:
                answer = str(list(pool.map(square, [1, 2, 3])))
        elif path == "/process":
            sys.stderr.write("begun by the parent, ")
            job = FORK.Process(target=lines, args=("job", 400))
            job.start()
            job.join()
            sys.stderr.write("ended by the parent\\n")
            answer = str(job.exitcode)
        elif path == "/quit-after-print":
            pid = os.fork()
            if pid == 0:
                print("the last words", flush=True)
                print("wsgi.errors too", file=environ["wsgi.errors"])
                os._exit(5)
            answer = f"{pid} {status_of(pid)}"
        elif path == "/terminate":
            job = FORK.Process(target=time.sleep, args=(30,))
            job.start()
            job.terminate()
            job.join(5)
            answer = str(job.exitcode)
        elif path == "/own-handler":
            pid = os.fork()
            if pid == 0:
                signal.signal(signal.SIGTERM, lambda *_: os._exit(4))
                inside, told = os.pipe()
                child = os.fork()
                while child == 0:
                    os.write(told, b"x")
                    time.sleep(0.05)
                os.read(inside, 1)
                os.kill(child, signal.SIGTERM)
                os._exit(status_of(child))
            answer = str(status_of(pid))
        elif path == "/popen":
            job = subprocess.Popen(["sleep", "30"])
            job.terminate()
            answer = str(job.wait(5))
        elif path == "/popen-preexec":
            job = subprocess.Popen(["sleep", "30"], preexec_fn=os.setsid)
            job.terminate()
            answer = str(job.wait(5))
        elif path == "/mask":
            answer = subprocess.run(["grep", "-E", "SigBlk", "/proc/self/status"],
                                    capture_output=True, text=True).stdout
        elif path == "/sockets":
            read, write = os.pipe()
            if os.fork() == 0:
                os.write(write, repr(open_sockets()).encode())
                os._exit(0)
            os.wait()
            answer = os.read(read, 4096).decode()
        elif path == "/daemonise":
            pid = os.fork()
            if pid == 0:
                os.setsid()
                if os.fork() == 0:
                    time.sleep(0.5)
                    print("the daemon is done", flush=True)
                    os._exit(0)
                os._exit(0)
            answer = str(status_of(pid))
        start_response("200 OK", [("Content-Type", "text/plain"),
                                  ("Content-Length", str(len(answer))),
                                  ("Set-Cookie", "session=" + who)])
        return [answer.encode()]
"""


def wait_for_copies(httpd, count):
    """Until so many have come back: some live longer than their request."""
    assert wait_for(lambda: len(re.findall(CAME_BACK, httpd.new_log())) >= count, 10)


class TestACopyThatComesBack:
    variants = FOUR
    config = CONFIG
    daemon_options = "processes=1 threads=5"
    files = {"site/app.wsgi": APPLICATION}

    @pytest.mark.parametrize("how, status", [
        ("return", "0"), ("exit", "7"), ("exit-text", "1"), ("write", "0")])
    def test_ends_with_the_status_of_a_script(self, httpd, how, status):
        httpd.expect_log(r"wsgi:warn\].* WX6016: script .*app\.wsgi: process \d+, .*Remedy: .*os\._exit")
        assert ask(httpd, "/copy/" + how).text == status

    def test_with_an_exception_leaves_a_traceback(self, httpd):
        httpd.expect_log(r"RuntimeError: in the copy", traceback=True)
        assert ask(httpd, "/copy/raise").text == "1"

    def test_may_not_read_the_body(self, httpd):
        httpd.expect_log(r"WX6017: ")
        answer = httpx.post(httpd.url + "/copy/read", content=b"x" * 100_000, trust_env=False)
        assert answer.text == "0"

    def test_in_a_generator_ends_there(self, httpd):
        httpd.expect_log(CAME_BACK)
        assert ask(httpd, "/generate").text == "0"

    def test_in_close_ends_there(self, httpd):
        httpd.expect_log(CAME_BACK)
        assert ask(httpd, "/close").text == "ok"

    def test_what_it_began_to_write_is_not_lost(self, httpd):
        httpd.expect_log(r"never ended")
        httpd.expect_log(CAME_BACK)
        assert ask(httpd, "/copy/partial").text == "0"

    def test_says_nothing_on_a_kept_connection(self, httpd):
        httpd.expect_log(CAME_BACK)
        with socket.create_connection(("127.0.0.1", httpd.port), 10) as connection:
            connection.sendall(b"GET /background HTTP/1.1\r\nHost: localhost\r\nCookie: alice\r\n\r\n"
                               b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: bob\r\n\r\n")
            httpd.wait_for_log(CAME_BACK)
            leave_time_for_a_fault(0.3)
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: carol\r\n"
                               b"Connection: close\r\n\r\n")
            received = b""
            while piece := connection.recv(65536):
                received += piece
        assert re.findall(rb"page of (alice|bob|carol)", received) == [b"alice", b"bob", b"carol"]
        assert received.count(b"HTTP/1.1 200") == 3

    def test_gives_sixteen_clients_their_own_pages(self, httpd):
        wrong, forks = [], []

        def visit(number):
            with httpx.Client(base_url=httpd.url, trust_env=False, timeout=30) as client:
                for turn in range(25):
                    me = f"user-{number}-{turn}"
                    path = "/background" if turn % 12 == number % 12 else "/"
                    if path != "/":
                        forks.append(me)
                    answer = crowd.get(client, path, {"Cookie": me})
                    if (answer.text, answer.headers.get("Set-Cookie")) != (
                            "page of " + me, "session=" + me):
                        wrong.append((me, answer.status_code, answer.text[:60]))

        httpd.tolerate_overload()
        httpd.tolerate("AH00161")  # prefork has fewer children than there are clients
        httpd.expect_log(CAME_BACK)
        crowd.visit_all(visit, 16)
        assert wrong == []
        wait_for_copies(httpd, len(forks))


class ManyStreams:
    """Requests side by side on one HTTP/2 connection: a cookie for each, and what it was answered."""

    def __init__(self, httpd):
        self._connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self._socket = socket.create_connection(("127.0.0.1", httpd.port), 30)
        self._connection.initiate_connection()
        self._open = set()
        self.answers = {}  # stream: [cookie of the client, status, cookie it got, body]

    def ask(self, path, cookie):
        stream = self._connection.get_next_available_stream_id()
        self._connection.send_headers(stream, [
            (":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", path),
            ("cookie", cookie)], end_stream=True)
        self._open.add(stream)
        self.answers[stream] = [cookie, None, None, b""]

    def receive_all(self):
        while self._open:
            self._socket.sendall(self._connection.data_to_send())
            data = self._socket.recv(65536)
            assert data, "the connection ended"
            for event in self._connection.receive_data(data):
                answer = self.answers.get(getattr(event, "stream_id", None))
                if isinstance(event, h2.events.ResponseReceived):
                    headers = dict(event.headers)
                    answer[1:3] = int(headers[":status"]), headers.get("set-cookie")
                elif isinstance(event, h2.events.DataReceived):
                    answer[3] += event.data
                elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                    self._open.discard(event.stream_id)
        self._socket.close()


class TestCopiesBesideStreams:
    """HTTP/2: many requests share the client's connection with the one that forks."""

    variants = [EVENT_DAEMON, EVENT_EMBEDDED]
    config = """
        LoadModule http2_module $modules/mod_http2.so
        Protocols h2c http/1.1
    """ + CONFIG
    daemon_options = "processes=1 threads=8"
    files = {"site/app.wsgi": APPLICATION}

    def test_reach_no_stream(self, httpd):
        httpd.tolerate_overload()
        httpd.expect_log(r"RuntimeError: in the copy", traceback=True)
        httpd.expect_log(CAME_BACK)
        streams = ManyStreams(httpd)
        forking = {"/copy/return": b"0", "/copy/exit": b"7", "/copy/raise": b"1"}
        paths = [*forking, "/background", "/", "/", "/generate", "/"] * 8

        for number, path in enumerate(paths):
            streams.ask(path, f"user-{number}")
        streams.receive_all()

        for path, (cookie, status, received, body) in zip(paths, streams.answers.values()):
            page = forking.get(path, f"page of {cookie}".encode())
            wanted = (200, None, b"0") if path == "/generate" else (200, "session=" + cookie, page)
            assert (status, received, body) == wanted, path
        wait_for_copies(httpd, sum(path != "/" for path in paths))


class TestCopiesThatBehave:
    variants = FOUR
    config = CONFIG
    daemon_options = "processes=1 threads=5"
    files = {"site/app.wsgi": APPLICATION}

    @pytest.mark.parametrize("path", ["/pool", "/executor"])
    def test_pools_work(self, httpd, path):
        httpd.expect_log(r"pool 3$")
        httpd.tolerate(r"pool \d$")
        assert ask(httpd, path).text == "[1, 4, 9]"

    def test_each_line_of_a_job_arrives_whole(self, httpd):
        httpd.expect_log(r"<job-0>")
        httpd.tolerate(r"<job-\d+>z{150}$")
        httpd.tolerate(r"\] (begun by the parent, |ended by the parent)$")  # fork() flushes streams
        # 1: in such a thread, once threading knows it, CPython's own end of the job fails an assertion
        # after the job is done (threading._shutdown(), 3.11).
        assert ask(httpd, "/process").text in ("0", "1")
        found = re.findall(r"<job-(\d+)>z{150}$", httpd.new_log(), re.M)
        assert [int(number) for number in found] == list(range(400))
        assert httpd.new_log().count("begun by the parent") == 1

    def test_last_words_before_an_exit_are_logged_under_the_own_pid(self, httpd):
        httpd.expect_log(r"the last words")
        httpd.expect_log(r"wsgi.errors too")
        pid, status = ask(httpd, "/quit-after-print").text.split()
        assert status == "5"
        httpd.wait_for_log(rf"\[pid {pid}[:\]].*the last words")
        httpd.wait_for_log(rf"\[pid {pid}[:\]].*wsgi.errors too")

    @pytest.mark.parametrize("path, answer", [
        ("/terminate", "-15"), ("/popen", "-15"), ("/popen-preexec", "-15"), ("/daemonise", "0"),
        ("/own-handler", "4")])
    def test_end_at_sigterm_and_daemonise(self, httpd, path, answer):
        httpd.tolerate(r"the daemon is done")
        assert ask(httpd, path).text == answer
        if path == "/daemonise":
            httpd.wait_for_log(r"the daemon is done")

    def test_programs_inherit_no_blocked_signals(self, httpd):
        assert ask(httpd, "/mask").text.split() == ["SigBlk:", "0" * 16]

    def test_hold_no_socket_of_the_server(self, httpd):
        assert ask(httpd, "/sockets").text == "[]"


class TestACopyThatRaisesDuringAnImport:
    variants = FOUR
    config = CONFIG
    daemon_options = "processes=1 threads=2"
    files = {"site/app.wsgi": """
        import os, sys, threading, time

        INSIDE = threading.Event()

        class Slow:
            def find_spec(self, name, path=None, target=None):
                if name == "traceback":
                    INSIDE.set()
                    time.sleep(1.5)

        sys.meta_path.insert(0, Slow())

        def application(environ, start_response):
            threading.Thread(target=__import__, args=["traceback"]).start()
            INSIDE.wait(5)
            pid = os.fork()
            if pid == 0:
                raise RuntimeError("in the copy")
            end, answer = time.monotonic() + 8, "hangs"
            while time.monotonic() < end and answer == "hangs":
                time.sleep(0.05)
                if os.waitpid(pid, os.WNOHANG)[0]:
                    answer = "ended"
            if answer == "hangs":
                os.kill(pid, 9)
                os.waitpid(pid, 0)
            start_response("200 OK", [])
            return [answer.encode()]
    """}

    def test_does_not_wait_for_the_thread_that_imports(self, httpd):
        httpd.expect_log(r"RuntimeError: in the copy", traceback=True)
        assert ask(httpd).text == "ended"


class TestACopyOfAnHttpdChild:
    variants = [Variant("event", "embedded"), EMBEDDED_PREFORK]
    config = CONFIG
    files = {"site/app.wsgi": """
        import os, time
        def application(environ, start_response):
            if environ["PATH_INFO"] == "/leave" and os.fork() == 0:
                os.setsid()
                while not os.path.exists(os.path.join(os.path.dirname(__file__), "go")):
                    time.sleep(0.02)
                os._exit(0)
            start_response("200 OK", [("Content-Length", "2")])
            return [b"ok"]
    """}

    def test_does_not_keep_the_listener(self, httpd):
        assert ask(httpd, "/leave").text == "ok"
        port = httpd.port
        inode = {line.split()[9] for line in open("/proc/net/tcp") if f":{port:04X} 00000000:0000 0A" in line}
        assert inode

        def holders():
            found = set()
            for process in os.listdir("/proc"):
                with contextlib.suppress(OSError):
                    for number in os.listdir(f"/proc/{process}/fd"):
                        if os.readlink(f"/proc/{process}/fd/{number}")[8:-1] in inode:
                            found.add(int(process))
            return found

        ours = {p.pid for p in httpd.children()} | {httpd.parent.pid}
        # The copy closes it when it runs for the first time, which may be after the answer.
        assert wait_for(lambda: holders() and holders() <= ours, 3), (holders(), ours)
        httpd.write("site/go", "")


class TestPreforkStopsWithARequestInPython:
    config = CONFIG
    files = {"site/app.wsgi": """
        import time
        def application(environ, start_response):
            end = time.time() + (20 if environ["PATH_INFO"] != "/" else 0)
            print("inside", environ["PATH_INFO"])
            while time.time() < end:
                if environ["PATH_INFO"] == "/sleep":
                    time.sleep(1)
            start_response("200 OK", [])
            return [b"ok"]
    """}

    @pytest.mark.parametrize("path", ["/busy", "/sleep"])
    def test_in_the_time_that_httpd_gives(self, make_httpd, path):
        httpd = make_httpd(self.config, EMBEDDED_PREFORK, files=self.files)
        httpd.start()
        httpd.tolerate("inside /")
        assert ask(httpd).text == "ok"

        def visit():
            with pytest.raises(httpx.HTTPError):
                ask(httpd, path)

        clients = [threading.Thread(target=visit) for _ in range(2)]
        for client in clients:
            client.start()
        assert wait_for(lambda: httpd.log().count(f"inside {path}") == 2, 10)
        began = time.monotonic()
        httpd.stop()
        assert time.monotonic() - began < 7
        for client in clients:
            client.join()
        assert "AH00045" not in httpd.log()


class TestForksElsewhere:
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $root/site/app.wsgi
    """
    files = {"site/app.wsgi": """
        import atexit, os, sys
        if os.fork() == 0:
            sys.exit(3)
        STATUS = os.waitstatus_to_exitcode(os.wait()[1])

        def leave():
            if os.fork() == 0:
                return
            print("left with", os.waitstatus_to_exitcode(os.wait()[1]))

        atexit.register(leave)

        def application(environ, start_response):
            start_response("200 OK", [])
            return [str((STATUS, os.getpid())).encode()]
    """}

    def test_a_copy_does_not_come_out_of_an_import_nor_of_an_exit_function(self, make_httpd):
        httpd = make_httpd(self.config, files=self.files, daemon_options="processes=1 threads=2")
        httpd.expect_log(r"WX2021: the import of script .*raised SystemExit: 3.*status 3")
        httpd.expect_log(r"WX2021: an exit function: ")
        httpd.start()
        assert ask(httpd).text.startswith("(3, ")
        httpd.expect_log(r"left with 0")
        httpd.wait_for_log(r"WX2021: the import of script .*raised SystemExit: 3.*status 3")
        httpd.stop()
        assert httpd.log().count("left with") == 1
        assert re.search(r"WX2021: an exit function: ", httpd.log())
