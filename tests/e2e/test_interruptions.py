# SPDX-License-Identifier: Apache-2.0
"""What a late request, or one whose client has gone, hears of it."""
import socket
import time

import httpx
import pytest

from waits import wait_until_running
from wsgix_httpd import BOTH_MODES, EVENT_DAEMON, wait_for

LATE = r"""
import os, time, mod_wsgi

def application(environ, start_response):
    query = environ["QUERY_STRING"]
    what, _, seconds = query.partition("=")
    note = os.path.join(os.path.dirname(__file__), "notes", "note")
    try:
        end = time.monotonic() + float(seconds or 0)
        while time.monotonic() < end:
            time.sleep(0.01)
    except (mod_wsgi.RequestTimeout, mod_wsgi.ClientDisconnected) as interruption:
        with open(note, "a") as file:
            file.write(type(interruption).__name__ + "\n")
        raise
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""
STACK = r"WX6015|thread \d+|File \"|in application"


def note(httpd):
    path = httpd.path("notes/note")
    return path.read_text() if path.exists() else ""


class Interrupted:
    files = {"late.wsgi": LATE}

    @pytest.fixture(autouse=True)
    def folder(self, httpd):
        if not httpd.path("notes").exists():
            httpd.folder_for_applications("notes")

    def ask(self, httpd, query=""):
        return httpx.get(f"{httpd.url}/?{query}", timeout=30, trust_env=False)


class TestARequestOverItsTime(Interrupted):
    variants = BOTH_MODES
    daemon_options = "processes=1 threads=2"
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIRequestDeadline 1s
        WSGIScriptAlias / $root/late.wsgi
    """

    def test_hears_of_its_deadline_and_leaves_its_stack_and_its_process(self, httpd):
        before = self.ask(httpd).text
        httpd.expect_log(r"WX6015: GET /\?sleep=20 .*Python stack")
        httpd.expect_log(r"File .*late\.wsgi.*in application")
        httpd.tolerate(STACK + "|WX6030")

        began = time.monotonic()
        late = self.ask(httpd, "sleep=20")
        took = time.monotonic() - began

        assert late.status_code == 504
        assert 0.9 < took < 3, took
        assert wait_for(lambda: note(httpd) == "RequestTimeout\n", 5), note(httpd)
        assert wait_for(lambda: self.ask(httpd).status_code == 200, 5)
        if httpd.variant == EVENT_DAEMON:
            assert self.ask(httpd).text == before, "the process was replaced"


class TestRequestTimeoutWithAnInterrupt(Interrupted):
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=1 request-timeout=1s interrupt-timeout=5s"
    config = TestARequestOverItsTime.config.replace("WSGIRequestDeadline 1s", "")

    def test_raises_and_answers_504_from_the_same_process(self, httpd):
        before = self.ask(httpd).text
        httpd.expect_log(r"WX6015: .*Python stack")
        httpd.tolerate(STACK)

        late = self.ask(httpd, "sleep=20")

        assert late.status_code == 504
        assert note(httpd) == "RequestTimeout\n"
        assert self.ask(httpd).text == before


class TestARequestWithoutItsClient(Interrupted):
    variants = [EVENT_DAEMON]
    config = TestRequestTimeoutWithAnInterrupt.config

    def leave(self, httpd):
        with socket.create_connection(("127.0.0.1", httpd.port), 10) as client:
            client.sendall(b"GET /?sleep=4 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wait_until_running(httpd, 1)


class TestWithTheOption(TestARequestWithoutItsClient):
    daemon_options = "processes=1 threads=2 interrupt-on-disconnect=On"

    def test_a_request_hears_that_its_client_has_gone(self, httpd):
        assert self.ask(httpd).status_code == 200

        self.leave(httpd)

        assert wait_for(lambda: note(httpd) == "ClientDisconnected\n", 3), note(httpd)
        assert self.ask(httpd).status_code == 200


    def test_a_half_closed_client_counts_as_gone(self, httpd):
        with socket.create_connection(("127.0.0.1", httpd.port), 10) as client:
            client.sendall(b"GET /?sleep=4 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(65536)

        # httpd has no name for 499, and sends 500 in its place.
        assert answer.startswith(b"HTTP/1.1 500"), answer[:60]
        assert note(httpd).endswith("ClientDisconnected\n")


class TestWithoutTheOption(TestARequestWithoutItsClient):
    daemon_options = "processes=1 threads=2"

    def test_a_request_runs_to_its_end_though_its_client_has_gone(self, httpd):
        assert self.ask(httpd).status_code == 200

        self.leave(httpd)
        wait_until_running(httpd, 0)

        assert note(httpd) == ""
        assert self.ask(httpd).status_code == 200
