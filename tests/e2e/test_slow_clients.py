# SPDX-License-Identifier: Apache-2.0
"""Clients that send or read slowly do not hold the threads of a group."""
import concurrent.futures
import contextlib
import hashlib
import json
import os
import re
import socket
import threading
import time

import httpx
import pytest

from crowd import busy_threads
from waits import leave_time_for_a_fault, wait_until_running, wait_until_waiting
from wsgix_httpd import EVENT_DAEMON, wait_for

CLIENTS = 50
CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $apps/suite.wsgi
    WSGIChunkedRequest On
    <IfModule !mpm_prefork_module>
        ServerLimit 1
        StartServers 1
        ThreadsPerChild 64
        MaxSpareThreads 64
        MaxRequestWorkers 64
    </IfModule>
"""
# Without the feature an answer comes only after the slow clients have left, seconds later.
AT_ONCE = 1.0


def temporary_files(server):
    """Of httpd's children; such files have no name that could be looked for."""
    return [target for child in server.children() for target in child.descriptors().values()
            if is_temporary(target)]


def is_temporary(target):
    return target.endswith("(deleted)") and "/tmp/" in target


def stored_bytes(server):
    """In those files."""
    return sum(os.stat(f"/proc/{child.pid}/fd/{number}").st_size
               for child in server.children() for number, target in child.descriptors().items()
               if is_temporary(target))


@contextlib.contextmanager
def connections(server, request, count=CLIENTS):
    """That many clients that have sent the beginning of a request."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            opened.append(stack.enter_context(socket.socket()))
            opened[-1].settimeout(20)
            # Before it connects, or the kernel has promised more already.
            opened[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            opened[-1].connect(("127.0.0.1", server.port))
            opened[-1].sendall(request)
        yield opened


def seconds_of(client, path="/204", times=5):
    """The best of some: the machine may be busy with other things."""
    best = 60.0
    for _ in range(times):
        start = time.monotonic()
        assert client.get(path).status_code in (200, 204)
        best = min(best, time.monotonic() - start)
    return best


def body_of(connection):
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received.split(b"\r\n\r\n", 1)[1]


def bodies_of(connections):
    """All at once: without run-ahead the first to be read may queue behind those that are not."""
    with concurrent.futures.ThreadPoolExecutor(len(connections)) as readers:
        return list(readers.map(body_of, connections))


# Numbered lines in blocks of every size, so that a lost or repeated byte shows.
NUMBERS = """
    def application(environ, start_response):
        options = dict(part.split("=") for part in environ["QUERY_STRING"].split("&"))
        start_response("200 OK", [("Content-Type", "text/plain")])
        number, sizes = 0, [1, 10, 5000, 2, 20000, 3, 1000]
        for block in range(int(options["blocks"])):
            count = sizes[block % len(sizes)]
            yield b"".join(b"%09d\\n" % n for n in range(number, number + count))
            number += count
        if "raise" in options:
            raise ValueError("after all blocks")
"""


def numbers(blocks):
    sizes = [1, 10, 5000, 2, 20000, 3, 1000]
    count = sum(sizes[block % len(sizes)] for block in range(blocks))
    return b"".join(b"%09d\n" % n for n in range(count))


def without_chunks(data):
    """The body, and whether the last chunk was there."""
    body = b""
    while data:
        size, data = data.split(b"\r\n", 1)
        length = int(size, 16)
        if length == 0:
            return body, True
        body, data = body + data[:length], data[length + 2:]
    return body, False


class TestSlowUploads:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=2 request-buffering=300k"
    config = CONFIG
    head = (b"POST /checksum HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Length: 200000\r\n\r\n")

    def test_leave_the_threads_free(self, httpd, client):
        with connections(httpd, self.head + b"x" * 100_000) as slow:
            deadline = time.monotonic() + 2
            while time.monotonic() < deadline:
                for connection in slow:
                    connection.sendall(b"x" * 1024)
                assert seconds_of(client, times=3) < 0.1
                time.sleep(0.3)  # slowly

    def test_arrive_whole(self, httpd):
        body = bytes(n % 251 for n in range(200_000))
        with connections(httpd, self.head, 4) as slow:
            for start in range(0, len(body), 50_000):
                for connection in slow:
                    connection.sendall(body[start:start + 50_000])
                time.sleep(0.1)  # slowly
            for connection in slow:
                answer = body_of(connection)
                assert json.loads(answer) == [len(body), hashlib.sha256(body).hexdigest()]

    def test_leave_no_file_behind(self, httpd, client):
        before = httpd.children()[0].descriptors()
        with connections(httpd, self.head + b"x" * 190_000, 5):
            assert wait_for(lambda: len(temporary_files(httpd)) == 5, 5)
        assert wait_for(lambda: not temporary_files(httpd), 5)
        assert client.post("/checksum", content=b"x" * 200_000).status_code == 200
        # The answer is whole before httpd has cleared its request away.
        assert wait_for(lambda: not temporary_files(httpd), 5)
        assert wait_for(lambda: len(httpd.children()[0].descriptors()) <= len(before) + 2, 5)

    @pytest.mark.parametrize("size", [1, 65536, 65537, 300 << 10, (300 << 10) + 1, 2_000_000])
    @pytest.mark.parametrize("chunked", [False, True])
    def test_every_size_arrives_whole(self, client, size, chunked):
        body = bytes(n % 249 for n in range(9973)) * (size // 9973 + 1)
        body = body[:size]
        content = iter([body[:size // 3], body[size // 3:]]) if chunked else body

        answer = json.loads(client.post("/checksum", content=content).text)

        assert answer == [size, hashlib.sha256(body).hexdigest()]

    def test_a_buffered_chunked_body_has_a_length(self, client):
        environ = json.loads(client.post("/environ", content=iter([b"abc", b"def"])).text)

        assert environ["CONTENT_LENGTH"][1] == "'6'"
        assert "HTTP_TRANSFER_ENCODING" not in environ
        assert environ["wsgi.input_terminated"][1] == "True"

    def test_100_continue_comes_when_the_reading_starts(self, httpd):
        first, rest = httpd.raw_after_first_answer(
            "POST /204 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n", b"body")

        assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert rest.startswith(b"HTTP/1.1 204 ")

    def test_a_buffered_body_waits_for_a_free_thread_and_is_not_lost(self, httpd):
        body = b"y" * 200_000
        digest = hashlib.sha256(body).hexdigest()
        answers = []

        def ask():
            answers.append(httpx.post(httpd.url + "/checksum", content=body, timeout=30,
                                      trust_env=False).text)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        with busy_threads(httpd, 2):
            for thread in threads:
                thread.start()
            wait_until_waiting(httpd, 8)
        for thread in threads:
            thread.join(30)

        assert answers == [json.dumps([len(body), digest], sort_keys=True, indent=1)] * 8

    def test_a_client_that_leaves_in_the_middle_asks_nobody(self, httpd, client):
        with connections(httpd, self.head + b"x" * 100_000, 3):
            pass
        httpd.wait_for_log(r"WX6008|WX6006")
        assert client.get("/204").status_code == 204


class TestUploadsOverTheLimit:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=2 request-buffering=1m"
    config = CONFIG + "LimitRequestBody 100000\n"

    def test_a_chunked_body_is_refused_while_it_is_buffered(self, httpd, client):
        httpd.tolerate(r"AH\d+.*larger than")
        pieces = (b"x" * 50_000 for _ in range(5))

        assert client.post("/checksum", content=pieces).status_code == 413
        assert client.post("/checksum", content=b"x" * 100_000).status_code == 200


class TestWithoutRequestBuffering:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=2 request-buffering=0"
    config = CONFIG

    def test_a_slow_upload_holds_a_thread(self, httpd, client):
        httpd.tolerate_overload()
        client.timeout = AT_ONCE
        head = b"POST /checksum HTTP/1.0\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"
        with connections(httpd, head + b"x" * 1000, 4) as slow:
            wait_until_running(httpd, 2)
            with pytest.raises(httpx.ReadTimeout):
                client.get("/204")
            for connection in slow:
                connection.sendall(b"x" * 199_000)
            for connection in slow:
                assert b"200000" in body_of(connection)


class TestWithoutATemporaryFolder:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=2"
    config = CONFIG

    def prepare(self):
        inherited = self.environment
        self.environment = lambda: inherited() | {"TMPDIR": str(self.root / "missing")}

    def test_bodies_are_streamed_and_that_is_said_once(self, httpd, client):
        httpd.expect_log("WX6021: ")
        for size in (60_000, 70_000, 200_000, 900_000, 200_000):
            body = b"x" * size

            answer = json.loads(client.post("/checksum", content=body).text)

            assert answer == [size, hashlib.sha256(body).hexdigest()]
        said = re.findall(r":warn\].*WX6021: .*account www-data \(uid \d+\), temporary file in "
                          r".*missing: create: No such file.*Remedy: ", httpd.new_log())
        assert len(said) == len(httpd.children()) == 1

    def test_a_body_that_needs_its_length_is_refused_with_a_reason(self, httpd, client):
        httpd.expect_log(r"WX6023: POST /checksum: .*could not be buffered")
        httpd.tolerate("WX6021: ")
        pieces = (b"x" * 50_000 for _ in range(5))

        assert client.post("/checksum", content=pieces).status_code == 411
        assert client.post("/checksum", content=iter([b"x" * 60_000])).status_code == 200


class TestAFullDisk(TestWithoutATemporaryFolder):
    """The file can be made, and has no place for all: what is stored goes first."""
    daemon_options = "processes=1 threads=2 request-buffering=20m"

    def prepare(self):
        inherited = self.environment
        self.environment = lambda: inherited() | {"TMPDIR": str(self.root)}
        self.root.chmod(0o1777)
        # Not the disk itself: a limit of a file's size fails in the middle of a write as well.
        command = self.command
        self.command = lambda *rest: ["prlimit", "--fsize=8388608:8388608", *command(*rest)]

    def test_bodies_are_streamed_and_that_is_said_once(self, httpd, client):
        httpd.expect_log("WX6021: ")
        for size in (8_300_000, 8_500_000, 12_000_000, 9_000_000):
            body = bytes(n % 251 for n in range(size))

            answer = json.loads(client.post("/checksum", content=body).text)

            assert answer == [size, hashlib.sha256(body).hexdigest()]
        assert len(re.findall(r"WX6021: .*: write: File too large", httpd.new_log())) == 1

    def test_a_body_that_needs_its_length_is_refused_with_a_reason(self, httpd, client):
        httpd.expect_log(r"WX6023: POST /checksum: .*could not be buffered")
        httpd.tolerate("WX6021: ")
        pieces = (b"x" * 500_000 for _ in range(20))

        assert client.post("/checksum", content=pieces).status_code == 411


SMALL_SEND_BUFFER = """
    WSGIScriptAlias /numbers $root/numbers.wsgi
    SendBufferSize 65536
""" + CONFIG


class TestSlowReaders:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=2 response-buffering=8m"
    config = SMALL_SEND_BUFFER
    files = {"numbers.wsgi": NUMBERS}
    request = b"GET /numbers?blocks=110 HTTP/1.0\r\nHost: x\r\n\r\n"  # 4 MB

    def test_leave_the_threads_free_and_get_everything(self, httpd, client):
        httpd.tolerate_overload()
        child = httpd.children()[0]
        before = child.memory_kib
        with connections(httpd, self.request, 20) as slow:
            assert wait_for(lambda: len(temporary_files(httpd)) == 20, 10)
            assert seconds_of(client) < 0.1
            if not httpd.stage.sanitized:
                assert child.memory_kib - before < 32 << 10
            expected = hashlib.sha256(numbers(110)).digest()
            for connection in slow:
                assert hashlib.sha256(body_of(connection)).digest() == expected
        assert wait_for(lambda: not temporary_files(httpd), 5)

    def test_still_see_that_a_response_was_cut(self, httpd):
        httpd.expect_log(r"ValueError: after all blocks|WX6001", traceback=True)
        request = self.request.replace(b"=110", b"=60&raise=1").replace(b"1.0", b"1.1")
        with connections(httpd, request, 1) as (connection,):
            assert wait_for(lambda: "after all blocks" in httpd.new_log(), 10)
            body, whole = without_chunks(body_of(connection))

        assert body == numbers(60)
        assert not whole

    def test_see_it_as_well_when_the_worker_dies_meanwhile(self, httpd, client):
        httpd.expect_log(r"WX6013")
        httpd.tolerate(r"WX2008|WX2013|WX2007")
        request = b"GET /big?30 HTTP/1.0\r\nHost: x\r\n\r\n"
        with connections(httpd, request, 1) as (connection,):
            assert wait_for(lambda: stored_bytes(httpd) > 2 << 20, 10)
            httpd.workers()[0].signal(9)
            body = body_of(connection)

        assert 1 << 20 < len(body) < 30 << 20
        assert client.get("/204").status_code == 204

    def test_that_leave_are_noticed(self, httpd, client):
        with connections(httpd, self.request, 5):
            assert wait_for(lambda: len(temporary_files(httpd)) == 5, 10)
        assert wait_for(lambda: not temporary_files(httpd), 5)
        assert client.get("/204").status_code == 204

    def test_do_not_make_the_prompt_wait(self, client):
        with client.stream("GET", "/slow-stream") as response:
            assert list(response.iter_raw()) == [b"tick 0\n", b"tick 1\n", b"tick 2\n"]


class TestSlowReadersOfFiles:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=2"
    config = "WSGIScriptAlias /send $root/send.wsgi\n" + SMALL_SEND_BUFFER
    files = {"numbers.wsgi": NUMBERS, "large.txt": "0123456789abcdef" * (1 << 18), "send.wsgi": """
        import os
        LARGE = os.path.join(os.path.dirname(__file__), "large.txt")

        def application(environ, start_response):
            write = start_response("200 OK", [("Content-Type", "text/plain")])
            if environ["QUERY_STRING"]:
                write(b"before" * int(environ["QUERY_STRING"]))
            return environ["wsgi.file_wrapper"](open(LARGE, "rb"))
    """}

    def test_leave_the_threads_free_without_a_copy(self, httpd, client):
        with connections(httpd, b"GET /send HTTP/1.0\r\nHost: x\r\n\r\n", 10) as slow:
            leave_time_for_a_fault(0.5)
            assert not temporary_files(httpd)
            assert seconds_of(client) < 0.1
            for connection in slow:
                assert body_of(connection) == b"0123456789abcdef" * (1 << 18)

    def test_get_the_file_after_what_was_written_before(self, httpd):
        with connections(httpd, b"GET /send?200000 HTTP/1.0\r\nHost: x\r\n\r\n", 2) as slow:
            time.sleep(0.3)  # they read late
            for connection in slow:
                assert body_of(connection) == b"before" * 200000 + b"0123456789abcdef" * (1 << 18)


@pytest.mark.parametrize("size", ["0", "1", "64k", "300k", "8m"])
class TestRunAheadOfEverySize:
    def test_passes_every_byte(self, make_httpd, size):
        server = make_httpd(SMALL_SEND_BUFFER, files={"numbers.wsgi": NUMBERS},
                            daemon_options=f"processes=1 threads=2 response-buffering={size}")
        server.tolerate_overload()
        server.start()
        server.tolerate_overload()
        with connections(server, TestSlowReaders.request, 3) as slow:
            time.sleep(0.3)  # they read late
            assert set(bodies_of(slow)) == {numbers(110)}
        assert httpx.get(server.url + "/numbers?blocks=77").content == numbers(77)


class TestWithoutResponseBuffering:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=2 response-buffering=0"
    config = SMALL_SEND_BUFFER
    files = {"numbers.wsgi": NUMBERS}

    def test_a_slow_reader_holds_a_thread(self, httpd, client):
        httpd.tolerate_overload()
        client.timeout = AT_ONCE
        with connections(httpd, TestSlowReaders.request, 4) as slow:
            wait_until_running(httpd, 2)
            with pytest.raises(httpx.ReadTimeout):
                client.get("/204")
            assert set(bodies_of(slow)) == {numbers(110)}
        assert not temporary_files(httpd)


# What limits a write, for responses that run ahead of their client and for those that do not.
@pytest.mark.parametrize("buffering", ["0", "1m"])
@pytest.mark.parametrize("limit, timeout", [
    ("", "1"), ("response-socket-timeout=1s", "60"), ("socket-timeout=1s", "60"),
    ("response-socket-timeout=1s socket-timeout=30s", "60")])
class TestClientsThatTakeNothing:
    def test_are_given_up_in_time(self, make_httpd, buffering, limit, timeout):
        server = make_httpd(
            SMALL_SEND_BUFFER + f"Timeout {timeout}\n", files={"numbers.wsgi": NUMBERS},
            daemon_options=f"processes=1 threads=1 response-buffering={buffering} {limit}")
        server.tolerate_overload()
        server.start()
        start = time.monotonic()
        with connections(server, TestSlowReaders.request, 1):
            server.wait_for_log(r"WX6008", 5)
            assert time.monotonic() - start > 0.9
            assert httpx.get(server.url + "/204").status_code == 204


@pytest.mark.parametrize("buffering", ["0", "1m"])
class TestClientsThatTakeTheirTime:
    def test_are_not_given_up_for_a_slow_worker_or_upload(self, make_httpd, buffering):
        """response-socket-timeout= limits writes to the client and nothing else."""
        server = make_httpd(
            SMALL_SEND_BUFFER, files={"numbers.wsgi": NUMBERS},
            daemon_options=f"processes=1 threads=2 response-buffering={buffering} "
                           "request-buffering=0 response-socket-timeout=300ms")
        server.start()
        assert httpx.get(server.url + "/sleep?1").status_code == 200
        head = b"POST /checksum HTTP/1.0\r\nHost: x\r\nContent-Length: 2000\r\n\r\n"
        with connections(server, head + b"x" * 1000, 1) as (slow,):
            time.sleep(0.8)  # longer than a write may take
            slow.sendall(b"x" * 1000)
            assert b"2000" in body_of(slow)


class TestReadersWithoutATemporaryFolder:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=2"
    config = SMALL_SEND_BUFFER
    files = {"numbers.wsgi": NUMBERS}
    prepare = TestWithoutATemporaryFolder.prepare

    def test_are_served_as_without_the_option(self, httpd):
        httpd.expect_log("WX6021: ")
        with connections(httpd, TestSlowReaders.request, 1) as (slow,):
            httpd.wait_for_log(r":warn\].*WX6021: .*temporary file in .*missing")
            assert body_of(slow) == numbers(110)
