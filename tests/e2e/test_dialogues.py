# SPDX-License-Identifier: Apache-2.0
"""Who speaks to whom out of turn: hostile workers, hostile children, copies, and what clients get."""
import os
import socket
import struct
import tempfile
import time

import crowd
import httpx
import pytest
import raw_frames as raw
from wsgix_httpd import BOTH_MODES, EVENT_DAEMON, wait_for

CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $root/apps/app.wsgi
"""
ONE_WORKER = "processes=1 threads=2 socket-timeout=5"
only_root = pytest.mark.root


def uri_of(environ):
    return environ[b"REQUEST_URI"]


def reluctant_socket():
    """A TCP socket whose close() would wait for a peer that never reads, and that peer."""
    listener = socket.create_server(("127.0.0.1", 0))
    sender = socket.create_connection(listener.getsockname())
    peer, _ = listener.accept()
    listener.close()
    sender.setblocking(False)
    try:
        while True:
            sender.send(b"x" * 65536)
    except BlockingIOError:
        pass
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
    return sender, peer


def with_descriptor(kind, make):
    def say(peer, n):
        descriptor = make()
        peer.send(raw.response_head(n))
        peer.send(kind(n), [descriptor])
        os.close(descriptor)
        peer.send(raw.frame(raw.RESPONSE_END, n))
    return say


def a_file():
    with tempfile.TemporaryFile() as file:
        file.write(b"content")
        file.flush()
        return os.dup(file.fileno())


def a_socket():
    return socket.socket().detach()


def many_hints(peer, n):
    with_padding = [(b"Link", b"<" + b"x" * 1000 + b">")]
    for _ in range(200):
        peer.send(raw.hints(n, with_padding))
    peer.send(raw.response(n, b"never"))


def huge_head_in_parts(peer, n):
    for _ in range(20):
        peer.send(raw.frame(raw.HEAD_PART, n, b"x" * (1 << 20)))


def sends(*frames):
    return lambda peer, n: peer.send(b"".join(f(n) for f in frames))


def body(n):
    return raw.frame(raw.RESPONSE_BODY, n, b"body")


def end(n):
    return raw.frame(raw.RESPONSE_END, n)


def head(n):
    return raw.response_head(n)


def just(kind, payload=b""):
    return lambda n: raw.frame(kind, n, payload)


# What a worker says after Welcome instead of an answer, and the number of what the log says of it.
OUT_OF_TURN = {
    "a second Welcome": (1008, sends(lambda n: raw.welcome(), lambda n: raw.response(n, b"x"))),
    "a body before its head": (1008, sends(body, head, end)),
    "an end before its head": (1008, sends(end)),
    "a file before its head": (1008, sends(raw.response_file)),
    "a cut before a head": (1008, sends(lambda n: raw.failure(n, kind=raw.RESPONSE_CUT))),
    "two heads": (1008, sends(head, head, body, end)),
    "a failure after the head": (1008, sends(head, raw.failure)),
    "hints after the head": (1008, sends(head, raw.hints, body, end)),
    "Busy after the start": (1008, sends(just(raw.WANT_BODY), just(raw.BUSY))),
    "Closing after the start": (1008, sends(raw.hints, lambda n: raw.frame(raw.CLOSING, 0))),
    "a frame of a child": (1008, sends(just(raw.REQUEST_BODY, b"x"), head, body, end)),
    "Hello": (1008, sends(lambda n: raw.frame(raw.HELLO, 0, b"x" * 32))),
    "hints without an end": (1008, many_hints),
    "a body between the parts of a head": (1008, sends(just(raw.HEAD_PART, b"x"), body)),
    "a head without an end": (1002, huge_head_in_parts),
    "the answer to the request before": (1010, lambda peer, n: peer.send(raw.response(n + 7, b"other's"))),
    "a log line of another request": (1010, lambda peer, n: peer.send(raw.log_line(n + 1, b"forged"))),
    "a frame without a number": (1001, sends(lambda n: raw.frame(raw.RESPONSE_HEAD, 0))),
    "an unknown frame": (1001, sends(just(99))),
    "another protocol": (1001, lambda peer, n: peer.send(b"HTTP/1.1 200 OK\r\n\r\n")),
    "another version": (1003, lambda peer, n: peer.send(raw.frame(raw.BUSY, n, version=1))),
    "a file without a descriptor": (1009, sends(head, raw.response_file, end)),
    "a descriptor with a body": (1009, with_descriptor(body, a_file)),
    "a socket as a file": (1009, with_descriptor(raw.response_file, a_socket)),
}


@only_root
class TestAHostileWorker:
    variants = [EVENT_DAEMON]
    daemon_options = ONE_WORKER
    config = CONFIG
    files = {"apps/app.wsgi": """
        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [environ["REQUEST_URI"].encode()]
    """}

    @pytest.mark.parametrize("what", OUT_OF_TURN)
    def test_costs_its_own_request_alone(self, httpd, client, what):
        code, say = OUT_OF_TURN[what]
        httpd.expect_log(rf"WX{code}: .*GET /bad")

        def serve(peer):
            peer.send(raw.welcome())
            n, environ = peer.next_request()
            if uri_of(environ) == b"/good":
                peer.send(raw.response(n, b"/good"))
            else:
                say(peer, n)

        with raw.FakeWorker(httpd, serve):
            bad = client.get("/bad")
            assert client.get("/good").text == "/good"
        assert bad.status_code == 502 and b"forged" not in bad.content
        assert b"other's" not in bad.content and not bad.headers.get("link")
        assert "forged" not in httpd.log()

    def test_reaches_nobody_with_an_answer_that_it_left_behind_the_last(self, httpd, client):
        def serve(peer):
            peer.send(raw.welcome())
            while True:
                n, environ = peer.next_request()
                left = raw.response(n + 1, b"left by " + uri_of(environ))
                peer.send(raw.response(n, uri_of(environ)) + left)

        with raw.FakeWorker(httpd, serve):
            for i in range(50):
                assert client.get(f"/{i}").text == f"/{i}"

    def test_reaches_nobody_with_the_answer_of_the_request_before(self, httpd, client):
        httpd.expect_log(r"WX1010: .*GET /two")

        def serve(peer):
            peer.send(raw.welcome())
            n, environ = peer.next_request()
            first = raw.response(n, uri_of(environ), [(b"Set-Cookie", b"session=one")])
            peer.send(first)
            n, environ = peer.next_request()
            peer.send(first + raw.response(n, uri_of(environ)))

        with raw.FakeWorker(httpd, serve):
            assert client.get("/one").text == "/one"
            client.cookies.clear()
            two = client.get("/two")
        assert two.status_code == 502 and "set-cookie" not in two.headers

    def test_cannot_make_a_cut_answer_look_whole_with_another_ones_end(self, httpd):
        httpd.expect_log(r"WX1010: .*GET /cut")

        def serve(peer):
            peer.send(raw.welcome())
            n, _ = peer.next_request()
            peer.send(raw.response_head(n) + raw.frame(raw.RESPONSE_BODY, n, b"x" * 100_000))
            time.sleep(0.2)  # in a read of its own
            peer.send(raw.frame(raw.RESPONSE_END, n + 1))

        with raw.FakeWorker(httpd, serve):
            with pytest.raises(httpx.HTTPError):
                httpx.get(httpd.url + "/cut", trust_env=False)

    @pytest.mark.parametrize("taken", ["received", "left unread"])
    def test_cannot_hold_a_thread_with_a_socket_that_wants_to_wait(self, httpd, client, taken):
        httpd.tolerate(r"WX100[89]: .*GET /slow")
        peers = []

        def serve(peer):
            peer.send(raw.welcome())
            n, _ = peer.next_request()
            sender, far_end = reluctant_socket()
            peers.append(far_end)
            before = raw.response_head(n) if taken == "received" else raw.frame(raw.RESPONSE_END, n)
            peer.send(before)
            for _ in range(2):
                peer.send(raw.response_file(n), [sender.fileno()])
            sender.close()

        with raw.FakeWorker(httpd, serve):
            start = time.monotonic()
            assert client.get("/slow").status_code == 502
            assert time.monotonic() - start < 5


@only_root
class TestAHostileChild:
    variants = [EVENT_DAEMON]
    daemon_options = ONE_WORKER
    config = CONFIG
    files = TestAHostileWorker.files

    def test_that_does_not_say_who_it_is_takes_nothing_from_others(self, httpd, client):
        assert client.get("/before").text == "/before"
        httpd.tolerate(r"WX100[27]: .*connection from httpd")
        worker, = httpd.workers()
        before, memory = len(worker.descriptors()), worker.memory_kib
        claim = raw.HEADER.pack(0x5758, raw.VERSION, raw.HELLO, 1 << 20, 0)

        peers = [raw.connect_as_child(httpd) for _ in range(300)]
        for peer in peers[::2]:
            try:
                peer.send(claim)
            except OSError:
                pass  # it was closed already

        assert client.get("/during").text == "/during"
        assert wait_for(lambda: len(worker.descriptors()) < before + 80, 10)
        assert worker.memory_kib < memory + 20_000
        assert wait_for(lambda: len(worker.descriptors()) <= before + 2, 15)
        for peer in peers:
            peer.close()

    @pytest.mark.parametrize("what, frames", {
        "no Hello": [raw.request_head(1, [(b"REQUEST_URI", b"/x")])],
        "a wrong token": [raw.frame(raw.HELLO, 0, b"x" * 32)],
        "another version": [raw.frame(raw.HELLO, 0, b"x" * 32, version=1)],
    }.items())
    def test_is_not_served(self, httpd, client, what, frames):
        httpd.expect_log(r"WX100[2378]: .*connection from httpd")
        peer = raw.connect_as_child(httpd)
        assert peer.receive()[0] == raw.WELCOME

        peer.send(b"".join(frames))

        with pytest.raises((EOFError, ConnectionError)):
            peer.receive()
        assert client.get("/good").text == "/good"

    def test_uses_a_number_once(self, httpd, client):
        httpd.expect_log(r"WX1008: .*connection from httpd")
        peer = raw.connect_as_child(httpd)
        request = raw.request_head(5, [(b"REQUEST_METHOD", b"GET"), (b"REQUEST_URI", b"/x")])
        peer.send(raw.frame(raw.HELLO, 0, raw.token_of(httpd)) + request)
        answers = [peer.receive()[:2] for _ in range(2)]
        assert answers == [(raw.WELCOME, 0), (raw.LOG, 5)] or answers[1] == (raw.FAILURE, 5)

        peer.send(request)

        with pytest.raises((EOFError, ConnectionError)):
            for _ in range(5):
                peer.receive()
        httpd.tolerate("WX500")
        assert client.get("/good").text == "/good"


LARGE = """
    def application(environ, start_response):
        count, size = map(int, environ["QUERY_STRING"].split("x"))
        received = sum(len(v) for n, v in environ.items() if n.startswith("HTTP_X_"))
        headers = [(f"X-R{i}", "r" * size) for i in range(count)]
        start_response("200 OK", [("Content-Length", str(len(str(received))))] + headers)
        return [str(received).encode()]
"""


class TestLargeHeads:
    variants = BOTH_MODES
    daemon_options = ONE_WORKER
    config = CONFIG + """
        LimitRequestFieldSize 4194304
        LimitRequestFields 0
    """
    files = {"apps/app.wsgi": LARGE}

    @staticmethod
    def ask(httpd, *, sent=(0, 0), wanted=(0, 0)):
        count, size = sent
        lines = "".join(f"X-H{i}: {'v' * size}\r\n" for i in range(count))
        answer = httpd.raw_get(f"/?{wanted[0]}x{wanted[1]}", headers=lines)
        head_bytes, _, content = answer.partition(b"\r\n\r\n")
        return int(answer[9:12]), head_bytes.count(b"\r\nX-R"), len(head_bytes), content

    @pytest.mark.parametrize("count, size", [(1, 1_048_000), (1, 1_100_000), (2, 2_000_000),
                                             (4000, 250), (12_000, 100)])
    def test_arrive_whole_in_both_directions(self, httpd, count, size):
        assert self.ask(httpd, sent=(count, size)) [::3] == (200, str(count * size).encode())
        status, headers, length, content = self.ask(httpd, wanted=(count, size))
        assert (status, headers, content) == (200, count, b"0") and length > count * size


class TestTooLargeHeads:
    variants = [EVENT_DAEMON]
    daemon_options = ONE_WORKER + " head-limit=100k"
    config = TestLargeHeads.config
    files = {"apps/app.wsgi": LARGE}

    def test_are_refused_with_their_size_and_what_to_do(self, httpd, client):
        httpd.expect_log(r"WX6024: GET /\?0x0 .*RequestHead of \d{6} bytes exceeds 102400.*head-limit=")
        assert TestLargeHeads.ask(httpd, sent=(1, 102_400))[0] == 431
        httpd.expect_log(r"WX6024: GET /\?1x102400: ResponseHead of \d{6} bytes exceeds 102400")
        httpd.tolerate("WX6004")
        assert TestLargeHeads.ask(httpd, wanted=(1, 102_400))[0] == 500
        assert TestLargeHeads.ask(httpd, sent=(1, 90_000), wanted=(1, 90_000))[0] == 200


class TestEarlyHintsWithoutAnEnd:
    variants = BOTH_MODES
    daemon_options = ONE_WORKER
    config = CONFIG
    files = {"apps/app.wsgi": """
        def application(environ, start_response):
            for i in range(20_000):
                environ["wsgix.early_hints"]([("Link", "<" + "x" * 10_000 + ">")])
            start_response("200 OK", [("Content-Length", "2")])
            return [b"ok"]
    """}

    def test_are_left_out_with_a_warning(self, httpd, client):
        httpd.expect_log(r"wsgi:warn.* WX6025: ")
        children = [p for p in httpd.processes() if p.program not in ("wsgix-host",)]
        answer = httpd.raw_get("/")

        assert answer.endswith(b"\r\n\r\nok") and 1 <= answer.count(b"HTTP/1.1 103") <= 32
        assert httpd.log().count("WX6025") == 1
        assert all(p.peak_memory_kib < 100_000 for p in children if p.is_alive())


class TestAClientKeepsItsAnswer:
    """Sixteen clients on kept connections, each with a cookie of its own."""

    variants = BOTH_MODES
    daemon_options = "processes=2 threads=4"
    config = CONFIG
    files = {"apps/app.wsgi": """
        def application(environ, start_response):
            who = environ.get("HTTP_COOKIE", "")
            print(who, file=environ["wsgi.errors"])
            start_response("200 OK", [("Set-Cookie", who), ("Content-Type", "text/plain")])
            return [who.encode() + environ["REQUEST_URI"].encode()]
    """}

    def test_with_many_others_beside_it(self, httpd):
        httpd.tolerate("who=")
        wrong = []

        def ask(number):
            cookie = f"who={number}"
            with httpx.Client(base_url=httpd.url, trust_env=False, timeout=30) as client:
                for i in range(60):
                    client.cookies.clear()
                    answer = crowd.get(client, f"/{i}", {"Cookie": cookie})
                    if (answer.text, answer.headers.get("set-cookie")) != (f"{cookie}/{i}", cookie):
                        wrong.append((cookie, i, answer.text))

        crowd.visit_all(ask, 16)
        assert not wrong
