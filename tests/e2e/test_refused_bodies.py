# SPDX-License-Identifier: Apache-2.0
"""Bodies that come too slowly, too long or broken: the status that HTTP has for each, in both modes
and wherever the body is when it happens."""
import socket

import pytest

from wsgix_httpd import BOTH_MODES, EVERYWHERE, read_to_end

APPLICATION = """\
    def application(environ, start_response):
        catches = environ["PATH_INFO"] == "/catches"
        body = b""
        try:
            while piece := environ["wsgi.input"].read(4):
                body += piece
        except OSError as error:
            if not catches:
                raise
            body += b" then " + type(error).__name__.encode()
            environ["wsgi.errors"].write(f"caught an OSError behind {body[:10]}\\n")
        start_response("200 OK", [("X-Length", environ.get("CONTENT_LENGTH", "none"))])
        return [body]
"""
CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $root/reader.wsgi
    WSGIChunkedRequest Stream
    LoadModule reqtimeout_module $modules/mod_reqtimeout.so
    RequestReadTimeout body=1
    LimitRequestBody 1000
    ErrorDocument 408 "too slow"
    ErrorDocument 413 "too long"
    ErrorDocument 400 "broken"
"""
COUNTED = b"Content-Length: 900\r\n\r\n" + b"0123456789"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
# name, what follows the head's first lines, status and page
BODIES = [
    ("counted and slow", COUNTED, b"408", b"too slow"),
    ("chunked and slow", CHUNKED + b"a\r\n0123456789\r\n", b"408", b"too slow"),
    ("chunked and too long",
     CHUNKED + b"a\r\n0123456789\r\n3e8\r\n" + b"x" * 1000 + b"\r\n0\r\n\r\n", b"413", b"too long"),
    ("no chunk at all", CHUNKED + b"a\r\n0123456789\r\nnonsense\r\n\r\n", b"400", b"broken"),
]


def answer_to(httpd, path, body):
    with socket.create_connection(("127.0.0.1", httpd.port), 10) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode() + body)
        return read_to_end(connection)


class TestRefusedBodies:
    variants = EVERYWHERE
    config = CONFIG
    files = {"reader.wsgi": APPLICATION}

    @pytest.mark.parametrize("name, body, status, page", BODIES, ids=[b[0] for b in BODIES])
    def test_have_their_status_and_its_error_page(self, httpd, name, body, status, page):
        httpd.tolerate("WX60|AH0|OSError|Traceback|^  ")

        answer = answer_to(httpd, "/", body)

        assert answer.startswith(b"HTTP/1.1 " + status + b" "), answer
        assert answer.endswith(page) and b"\r\nConnection: close\r\n" in answer

    def test_a_length_beside_chunks_does_not_count(self, httpd, same_everywhere):
        answer = answer_to(httpd, "/", b"Connection: close\r\nContent-Length: 3\r\n" + CHUNKED +
                           b"a\r\n0123456789\r\n0\r\n\r\n")

        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\n0123456789")
        assert b"\r\nX-Length: none\r\n" in answer
        same_everywhere(answer)


class TestRefusedWhileTheyAreRead(TestRefusedBodies):
    """Nothing is buffered before: the application reads when it happens."""

    variants = BOTH_MODES
    daemon_options = "processes=1 threads=3 request-buffering=0"

    @pytest.mark.parametrize("body", [b[1] for b in BODIES[:2]], ids=["counted", "chunked"])
    def test_an_application_may_catch_it_and_keeps_what_came_before(self, httpd, body,
                                                                  same_everywhere):
        httpd.tolerate("AH0")
        httpd.expect_log("caught an OSError behind b'0123456789'")

        answer = answer_to(httpd, "/catches", body)

        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"0123456789 then OSError")
        assert b"\r\nConnection: close\r\n" in answer
        same_everywhere(answer, body)

    @pytest.mark.parametrize("body, page", [(b[1], b[3]) for b in BODIES[2:]],
                             ids=["too long", "no chunk at all"])
    def test_httpd_answers_broken_framing_itself(self, httpd, body, page):
        httpd.tolerate("WX60|AH0|caught an OSError")

        assert answer_to(httpd, "/catches", body).endswith(page)
