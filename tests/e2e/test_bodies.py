# SPDX-License-Identifier: Apache-2.0
"""Request bodies in, response bodies out."""
import json
import re
import threading

import pytest

from crowd import ask_in_background, busy_threads
from waits import wait_until_waiting
from wsgix_httpd import EVENT_DAEMON, EVERYWHERE

CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $apps/suite.wsgi
"""
LINES = b"first\nsecond line\n" + b"".join(b"line %d\n" % n for n in range(6)) + b"no newline"


def without_length(answer):
    """httpd counts the bytes of a response that reaches it whole, which depends on timing."""
    return re.sub(rb"\r\nContent-Length: \d+", b"", answer)


class TestInput:
    variants = EVERYWHERE
    config = CONFIG + "WSGIChunkedRequest On\n"

    def test_every_method_reads_on_where_the_last_one_stopped(self, client):
        seen = json.loads(client.post("/input", content=LINES).text)

        assert seen == {
            "read(0)": "", "read(3)": "fir", "readline()": "st\n", "readline(2)": "se",
            "rest of the line": "cond line\n", "readinto(4)": [4, "line"], "next": " 0\n",
            "readlines(1)": ["line 1\n"],
            "readlines()": ["line 2\n", "line 3\n", "line 4\n", "line 5\n", "no newline"],
            "read()": "", "read(-1)": "", "read(None)": "", "at the end": ["", [], []]}

    @pytest.mark.parametrize("size", [0, 1, 8191, 65536, 65537, 3_000_000])
    def test_a_counted_body_arrives_whole(self, client, size):
        body = bytes(n % 251 for n in range(size % 9973)) * (size // max(1, size % 9973) or 1)

        assert client.post("/echo", content=body).content == body

    def test_a_chunked_body_arrives_whole(self, client):
        pieces = [b"a" * 10, b"b" * 70000, b"c"]

        assert client.post("/echo", content=iter(pieces)).content == b"".join(pieces)

    def test_an_unread_body_does_not_disturb_the_next_request(self, client):
        for _ in range(3):
            assert client.post("/stream", content=b"x" * 300_000).status_code == 200
        assert client.post("/echo", content=b"after").content == b"after"

    def test_an_answer_may_flow_while_the_body_still_arrives(self, httpd):
        pieces = [b"0123456789" * 1000] * 500

        answer = httpd.raw_duplex("POST /echo-pieces HTTP/1.0\r\nHost: localhost\r\n"
                                  "Content-Length: 5000000\r\n\r\n", pieces)

        assert answer.split(b"\r\n\r\n", 1)[1] == b"".join(pieces)

    def test_a_body_waits_for_100_continue_until_it_is_read(self, httpd, same_everywhere):
        first, rest = httpd.raw_after_first_answer(
            "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n", b"body")

        assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert rest.startswith(b"HTTP/1.1 200 OK\r\n") and rest.endswith(b"\r\n\r\nbody")
        same_everywhere(rest)


class TestUnbufferedInput:
    variants = EVERYWHERE
    daemon_options = "processes=2 threads=3 request-buffering=0"
    config = CONFIG

    def test_an_application_that_does_not_read_never_asks_for_the_body(self, httpd):
        first, _ = httpd.raw_after_first_answer(
            "POST /204 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n", b"")

        assert first.startswith(b"HTTP/1.1 204 ")


class TestABodyThatWasSentToABusyWorker:
    """It follows its head at once, on a connection that is left from an earlier request, and nothing
    has kept it before."""
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=1 request-buffering=0"
    config = CONFIG + """
        ServerLimit 1
        StartServers 1
        ThreadsPerChild 16
        MaxRequestWorkers 16
        MaxSpareThreads 16
    """

    def test_is_sent_again_whole(self, httpd, client):
        with busy_threads(httpd, 1):
            other, answers = ask_in_background(httpd, "/204")
            wait_until_waiting(httpd, 1)
        other.join()
        assert answers == [204]
        body = b"".join(b"line %d\n" % n for n in range(5000))
        echoed = []

        with busy_threads(httpd, 1):
            post = threading.Thread(
                target=lambda: echoed.append(client.post("/echo", content=body).content))
            post.start()
            wait_until_waiting(httpd, 1)
        post.join()

        assert echoed == [body]


class TestRefusedBodies:
    variants = EVERYWHERE
    config = CONFIG + "LimitRequestBody 1000\n"

    def test_a_chunked_body_is_411_unless_the_site_allows_it(self, httpd, client):
        httpd.expect_log(r"WX6007.*Remedy")

        assert client.post("/echo", content=iter([b"x"])).status_code == 411

    def test_a_body_over_the_limit_is_413(self, httpd, client):
        httpd.expect_log(r"WX6007.*Remedy|AH\d+.*larger than")

        assert client.post("/echo", content=b"x" * 1001).status_code == 413
        assert client.post("/echo", content=b"x" * 1000).status_code == 200


class TestOutput:
    variants = EVERYWHERE
    config = CONFIG

    def test_an_uncounted_response_is_chunked_and_ends_with_the_last_chunk(self, httpd):
        answer = httpd.raw_get("/slow-stream")

        assert b"\r\nTransfer-Encoding: chunked\r\n" in answer
        assert answer.endswith(b"\r\n7\r\ntick 2\n\r\n0\r\n\r\n")

    def test_http_1_0_gets_the_bare_body(self, httpd, same_everywhere):
        answer = httpd.raw_get("/stream", protocol="HTTP/1.0")

        body = answer.split(b"\r\n\r\n", 1)[1]

        assert body == b"".join(b"block %d\n" % n for n in range(5))
        same_everywhere(without_length(answer))

    def test_blocks_reach_the_client_one_by_one(self, client):
        with client.stream("GET", "/slow-stream") as response:
            pieces = list(response.iter_raw())

        assert pieces == [b"tick 0\n", b"tick 1\n", b"tick 2\n"]

    def test_write_goes_before_the_returned_blocks(self, client):
        assert client.get("/write").text == "one,two,three"

    def test_head_has_the_headers_of_get_and_no_body(self, httpd, same_everywhere):
        def without_date(answer):
            return [line for line in answer.split(b"\r\n") if not line.startswith(b"Date: ")]

        head = httpd.raw_get("/closed-door", "HEAD")
        get = httpd.raw_get("/closed-door")

        assert get.endswith(b"\r\n\r\nno such path")
        assert without_date(head) == without_date(get.removesuffix(b"no such path"))
        same_everywhere(head)

    @pytest.mark.parametrize("path", ["/204", "/304"])
    def test_a_status_without_body_has_none(self, httpd, path, same_everywhere):
        answer = httpd.raw_get(path)

        assert answer.startswith(b"HTTP/1.1 " + path[1:].encode())
        assert answer.endswith(b"\r\n\r\n") and b"chunked" not in answer
        same_everywhere(answer, path)

    def test_repeated_headers_stay_as_the_application_gave_them(self, httpd, same_everywhere):
        answer = httpd.raw_get("/repeated")

        for line in (b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"X-Thing: one", b"X-Thing: two",
                     b"Last-Modified: garbage"):
            assert b"\r\n" + line + b"\r\n" in answer
        same_everywhere(answer)

    def test_bytes_beyond_the_content_length_are_not_sent(self, httpd, same_everywhere):
        httpd.expect_log(r"WX6003: .*suite\.wsgi sent more than the 5 bytes of its Content-Length")
        answer = httpd.raw_get("/long")

        assert answer.endswith(b"\r\n\r\n12345")
        same_everywhere(answer)

    def test_close_is_called(self, httpd, client):
        httpd.expect_log(r"close\(\) was called")

        assert client.get("/closing").text == "ab"

    def test_wsgi_errors_stderr_and_stdout_reach_the_error_log(self, httpd, client):
        for stream in ("wsgi.errors", "stderr", "stdout"):
            httpd.expect_log(f"said to {stream}$")

        assert client.get("/speak").text == "spoke"


class TestFileWrapper:
    variants = EVERYWHERE
    config = CONFIG

    @pytest.fixture
    def numbers(self, httpd):
        return (httpd.stage.apps / "numbers.txt").read_bytes()

    def test_sends_a_file_with_its_length(self, httpd, client, numbers, same_everywhere):
        response = client.get("/file")

        assert response.content == numbers
        assert response.headers["content-length"] == str(len(numbers))
        same_everywhere(httpd.raw_get("/file"))

    def test_starts_at_the_files_position(self, client, numbers):
        response = client.get("/file?skip")

        assert response.content == numbers[10:]
        assert response.headers["content-length"] == str(len(numbers) - 10)

    def test_sends_no_more_than_the_declared_length(self, client, numbers):
        assert client.get("/file?length").content == numbers[:7]
        assert client.get("/file?skip&length").content == numbers[10:17]

    def test_falls_back_to_reading_an_object_that_is_no_file(self, client):
        assert client.get("/bytesio").content == b"no real file\n" * 5

    def test_head_of_a_file_has_no_body(self, httpd, numbers, same_everywhere):
        answer = httpd.raw_get("/file", "HEAD")

        assert answer.endswith(b"\r\n\r\n")
        assert b"\r\nContent-Length: %d\r\n" % len(numbers) in answer
        same_everywhere(answer)
