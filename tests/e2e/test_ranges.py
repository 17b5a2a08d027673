# SPDX-License-Identifier: Apache-2.0
"""Requests for a part of a response: httpd picks it from a file, and the application from anything
else. Never a matter of timing."""
import subprocess

import pytest

from wsgix_httpd import EVERYWHERE

APPLICATION = """\
    import os, time
    FILE = os.path.join(os.path.dirname(__file__), "digits.txt")

    class Disguised:
        # Its read() need not be that of the file it holds.

        def __init__(self):
            self._file = open(FILE, "rb")

        def __getattr__(self, name):
            return getattr(self._file, name)

    def a_file(environ, make=lambda: open(FILE, "rb")):
        return environ["wsgi.file_wrapper"](make())

    def disguised(environ):
        return a_file(environ, Disguised)

    def blocks(environ):
        return (bytes([digit]) for digit in b"0123456789")

    def one_block(environ):
        return [b"0123456789"]

    PATHS = {"/file": a_file, "/disguised": disguised, "/blocks": blocks, "/one-block": one_block}

    def application(environ, start_response):
        if environ["PATH_INFO"] == "/own":
            start_response("206 Partial Content", [("Content-Range", "bytes 2-4/10"),
                                                   ("Content-Length", "3")])
            return [b"234"]
        if environ["PATH_INFO"] == "/written-before":
            start_response("200 OK", [("Content-Type", "text/plain")])(b"written")
            return a_file(environ)
        start_response("200 OK", [("Content-Type", "text/plain"), ("ETag", '"digits"')])
        return PATHS[environ["PATH_INFO"]](environ)
"""


class TestRanges:
    variants = EVERYWHERE
    daemon_options = "processes=1 threads=3"
    config = """
        LoadModule http2_module $modules/mod_http2.so
        Protocols h2c http/1.1
        LoadModule include_module $modules/mod_include.so
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias /app $root/ranges.wsgi
        <Directory $root/htdocs>
            Options +Includes
            AddOutputFilter INCLUDES .shtml
        </Directory>
    """
    files = {"ranges.wsgi": APPLICATION, "digits.txt": "0123456789",
             "htdocs/page.shtml": '<!--#include virtual="/app/file" -->'}

    @pytest.mark.parametrize("path", ["/app/file"])
    def test_of_a_file_are_answered_by_httpd(self, client, path, same_everywhere):
        for asked, said, body in [("bytes=2-4", "bytes 2-4/10", b"234"),
                                  ("bytes=-3", "bytes 7-9/10", b"789"),
                                  ("bytes=8-20", "bytes 8-9/10", b"89")]:
            answer = client.get(path, headers={"Range": asked})

            assert (answer.status_code, answer.content) == (206, body)
            assert answer.headers["content-range"] == said
            assert answer.headers["content-length"] == str(len(body))
            same_everywhere(answer.content, f"{path} {asked}")

    def test_that_do_not_exist_are_416(self, client):
        assert client.get("/app/file", headers={"Range": "bytes=10-"}).status_code == 416

    def test_several_come_in_parts(self, client):
        answer = client.get("/app/file", headers={"Range": "bytes=0-1,8-9"})

        assert answer.status_code == 206
        assert answer.headers["content-type"].startswith("multipart/byteranges")
        assert b"\r\n\r\n01\r\n" in answer.content and b"\r\n\r\n89\r\n" in answer.content

    @pytest.mark.parametrize("tag, status", [('"digits"', 206), ('"other"', 200)])
    def test_depend_on_if_range(self, client, tag, status):
        answer = client.get("/app/file", headers={"Range": "bytes=2-4", "If-Range": tag})

        assert answer.status_code == status

    @pytest.mark.parametrize("path", ["/app/blocks", "/app/one-block", "/app/disguised"])
    def test_of_anything_else_are_the_applications_affair(self, client, path):
        for _ in range(20):
            answer = client.get(path, headers={"Range": "bytes=2-4"})

            assert (answer.status_code, answer.content) == (200, b"0123456789")
            assert "content-range" not in answer.headers

    def test_of_a_file_behind_something_else_are_not_picked(self, client):
        answer = client.get("/app/written-before", headers={"Range": "bytes=2-4"})

        assert (answer.status_code, answer.content) == (200, b"written0123456789")

    def test_that_the_application_picked_itself_stay(self, client):
        answer = client.get("/app/own", headers={"Range": "bytes=2-4"})

        assert (answer.status_code, answer.content) == (206, b"234")
        assert answer.headers["content-range"] == "bytes 2-4/10"

    def test_are_no_business_of_an_included_part(self, client):
        answer = client.get("/page.shtml", headers={"Range": "bytes=2-4"})

        assert answer.content == b"0123456789"

    def test_work_over_http2(self, httpd):
        if httpd.variant.mpm == "prefork":
            pytest.skip("mod_http2 does not work under prefork")
        answer = subprocess.run(
            ["curl", "-si", "--http2-prior-knowledge", "-r", "2-4", httpd.url + "/app/file"],
            capture_output=True, timeout=30).stdout

        assert answer.startswith(b"HTTP/2 206 ") and answer.endswith(b"\r\n\r\n234")
