# SPDX-License-Identifier: Apache-2.0
"""Heads of responses: what a worker may not say, and what has no content whoever says it."""
import pytest
import raw_frames as raw

from wire_clients import H2C, HTTP1, Request
from wsgix_httpd import BOTH_MODES, EVENT_DAEMON

FINE = [(b"Content-Type", b"text/plain"), (b"Content-Length", b"4")]


def head(status=200, reason=b"OK", headers=()):
    return lambda n: raw.response_head(n, headers, status, reason)


def hints(*headers):
    return lambda n: raw.hints(n, headers) + raw.response_head(n, FINE)


SAID = {
    "reason-nul": head(reason=b"O\0K", headers=FINE),
    "reason-lines": head(reason=b"OK\r\nX-Injected: 1", headers=FINE),
    "reason-long": head(reason=b"A" * 1000000, headers=FINE),
    "status-100": head(status=100),
    "status-1000": head(status=1000),
    "name-empty": head(headers=[*FINE, (b"", b"")]),
    "name-lines": head(headers=[*FINE, (b"X-A: x\r\nX-Injected", b"1")]),
    "value-lines": head(headers=[*FINE, (b"X-A", b"b\r\nX-Injected: 1")]),
    "value-nul": head(headers=[*FINE, (b"Set-Cookie", b"a=b\0c")]),
    "type-lines": head(headers=[(b"Content-Type", b"text/html\r\nX-Injected: 1")]),
    "hop-by-hop": head(headers=[*FINE, (b"Transfer-Encoding", b"chunked")]),
    "two-lengths": head(headers=[*FINE, (b"Content-Length", b"9")]),
    "no-length": head(headers=[(b"Content-Length", b"-4")]),
    "many": head(headers=[*FINE, *[(b"X-%d" % n, b"v") for n in range(20001)]]),
    "hint-lines": hints((b"Link", b"x\r\nX-Injected: 1")),
    "hint-hop-by-hop": hints((b"Connection", b"close")),
}


@pytest.mark.root
class TestAHeadThatTheRuntimeWouldNotSend:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=1"
    files = {"hostile.wsgi": ""}
    config = """
        $daemon
        WSGIScriptAlias / $root/hostile.wsgi
    """

    @pytest.mark.parametrize("name", SAID)
    def test_is_502_and_nothing_of_it_leaves(self, httpd, client, name):
        httpd.expect_log(r"(WX6022: GET /.*the worker sent a head that breaks a rule"
                         r"|WX1001: GET /status-1000 ).*Remedy: ")

        def serve(peer):
            peer.send(raw.welcome())
            while True:
                n, environ = peer.next_request()
                if environ[b"REQUEST_URI"] == b"/":
                    peer.send(raw.response(n, b"fine"))
                else:
                    peer.send(SAID[name](n) + raw.frame(raw.RESPONSE_BODY, n, b"body")
                              + raw.frame(raw.RESPONSE_END, n))

        with raw.FakeWorker(httpd, serve):
            answer = httpd.raw_get("/" + name)

            assert answer.startswith(b"HTTP/1.1 502 ")
            assert b"Injected" not in answer and b"103" not in answer[:200]
            assert client.get("/").text == "fine"


BODILESS = '''
    def application(environ, start_response):
        status = environ["PATH_INFO"].strip("/").replace("-", " ")
        headers = [("X-Seen", "1")]
        if environ["QUERY_STRING"]:
            headers.append(("Content-Length", "4"))
        start_response(status, headers)
        return [b"body"]
'''


class TestStatus:
    variants = BOTH_MODES
    files = {"status.wsgi": BODILESS}
    config = """
        $daemon
        WSGIScriptAlias / $root/status.wsgi
        LoadModule http2_module $modules/mod_http2.so
        Protocols h2c http/1.1
    """

    @pytest.mark.parametrize("query", ["", "?counted"])
    @pytest.mark.parametrize("status", [204, 205, 304])
    def test_has_no_content_and_the_connection_goes_on(self, httpd, status, query):
        twice = f"GET /{status}-None{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        answer = httpd.raw(twice + twice.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

        assert answer.count(b"HTTP/1.1 %d" % status) == 2
        assert b"body" not in answer and b"chunked" not in answer
        assert answer.count(b"\r\nContent-Length: 0\r\n") == (2 if status == 205 else 0)

    @pytest.mark.parametrize("query", ["", "?counted"])
    @pytest.mark.parametrize("status", [204, 205, 304])
    def test_has_no_content_over_http2(self, httpd, status, query):
        answer = H2C.exchange(httpd, Request("GET", f"/{status}-None{query}"))

        assert (answer.status, answer.body) == (status, b"")
        assert answer.header("x-seen") == ["1"]

    @pytest.mark.parametrize("status, reason", [
        ("200", "OK"), ("404", "Not Found"), ("200-Fine", "Fine"), ("299", ""), ("299-Own", "Own")])
    def test_has_the_reason_that_httpd_knows_unless_there_is_one(self, httpd, status, reason):
        answer = HTTP1.exchange(httpd, Request("GET", f"/{status}"))

        assert (answer.status, answer.reason) == (int(status[:3]), reason)
        assert answer.body == b"body"
