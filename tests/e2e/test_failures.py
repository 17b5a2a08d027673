# SPDX-License-Identifier: Apache-2.0
"""Applications that fail: what the client sees, what the log says, and that the next one works."""
import json

import pytest

from wsgix_httpd import EVERYWHERE

CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $apps/suite.wsgi
"""


class TestFailures:
    variants = EVERYWHERE
    config = CONFIG

    @pytest.fixture(autouse=True)
    def the_next_request_is_served(self, httpd, client):
        yield
        assert client.get("/stream").text.endswith("block 4\n")

    @pytest.mark.parametrize("path, said", [
        ("/raise", "ValueError: before the head"),
        ("/raise-first", "ValueError: before the first block"),
    ])
    def test_an_exception_before_the_head_is_a_500_with_a_traceback(self, httpd, client, path,
                                                                    said):
        httpd.expect_log(rf"WX6001: .*suite\.wsgi.*Remedy: ", traceback=True)
        httpd.expect_log(said, traceback=True)

        response = client.get(path)

        assert response.status_code == 500
        assert "Internal Server Error" in response.text and said not in response.text

    def test_an_exception_after_the_head_leaves_a_chunked_body_visibly_cut(
            self, httpd, same_everywhere):
        httpd.expect_log(r"WX600[14]: .*suite\.wsgi", traceback=True)
        httpd.expect_log("ValueError: after the head", traceback=True)

        answer = httpd.raw_get("/raise-after")

        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"begun" in answer
        assert not answer.endswith(b"0\r\n\r\n"), "the cut response looks whole"
        assert b"Internal Server Error" not in answer
        same_everywhere(answer)

    def test_an_exception_after_write_is_a_cut_too(self, httpd, same_everywhere):
        httpd.expect_log(r"WX600[14]: .*suite\.wsgi", traceback=True)
        httpd.expect_log(r"ValueError: after write\(\)", traceback=True)

        answer = httpd.raw_get("/raise-write")

        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"begun" in answer
        assert not answer.endswith(b"0\r\n\r\n") and b"Internal Server Error" not in answer
        same_everywhere(answer)

    def test_an_exception_in_a_counted_body_closes_the_connection(self, httpd, same_everywhere):
        httpd.expect_log(r"WX600[14]: .*suite\.wsgi", traceback=True)
        httpd.expect_log("ValueError: in a counted body", traceback=True)

        answer = httpd.raw("GET /raise-length HTTP/1.1\r\nHost: localhost\r\n\r\n", 3)

        assert answer.endswith(b"\r\n\r\nbegun")
        same_everywhere(answer)

    def test_a_body_shorter_than_declared_closes_the_connection_and_is_logged(self, httpd):
        httpd.expect_log("WX6005.*Remedy: ")

        answer = httpd.raw("GET /short-slowly HTTP/1.1\r\nHost: localhost\r\n\r\n", 3)

        assert answer.endswith(b"\r\n\r\nbegun")

    def test_a_body_shorter_than_declared_never_looks_whole(self, httpd):
        """Known before a byte went out it may also be a 500."""
        httpd.expect_log("WX6005.*Remedy: ")

        answer = httpd.raw_get("/short")

        assert answer.startswith(b"HTTP/1.1 500 ") or \
            (b"\r\nContent-Length: 100\r\n" in answer and answer.endswith(b"\r\n\r\nbegun"))

    def test_system_exit_fails_only_its_request(self, httpd, client):
        httpd.expect_log(r"WX6002: .*Remedy: ", traceback=True)
        httpd.expect_log(r"SystemExit", traceback=True)

        assert client.get("/exit").status_code == 500

    @pytest.mark.parametrize("path, said", [
        ("/never-starts",
         r"start_response\(\) must be called before response content is produced"),
        ("/yields-text", "response iterable must yield bytes, not str"),
        ("/bad-length", "(?i)content-?length"),
    ])
    def test_breaking_wsgi_is_a_500_that_names_the_rule(self, httpd, client, path, said):
        httpd.expect_log(said, traceback=True)
        httpd.expect_log(r"WX600[13]: .*Remedy: ", traceback=True)

        assert client.get(path).status_code == 500

    def test_start_response_refuses_what_http_cannot_carry(self, client, same_everywhere):
        response = client.get("/bad-starts")
        seen = json.loads(response.text)

        assert seen["headers no list"] \
            == "TypeError: start_response() argument 2 must be list, not tuple"
        assert seen["exc_info no tuple"] == ("RuntimeError: start_response() argument "
                                             "'exc_info' must be a 3-tuple or None")
        assert seen["two digits"].startswith("ValueError: status code must be a 3 digit integer")
        assert seen["no space"].startswith("ValueError: no space following status code")
        assert seen["control in reason"].startswith(
            "ValueError: control character in status reason phrase")
        assert seen["item no tuple"] == "TypeError: each header must be a 2-tuple, not list"
        assert seen["item of three"] == "ValueError: each header must be a 2-tuple, got length 3"
        assert seen["empty name"] == "ValueError: header name is empty"
        assert seen["space in name"].startswith("ValueError: space character in header name")
        assert seen["newline in value"].startswith(
            "ValueError: carriage return/line feed character in header value")
        assert "must be str, not bytes" in seen["status no str"]
        assert "must be str, not int" in seen["value no str"]
        assert seen["status not latin-1"].startswith("UnicodeEncodeError")
        same_everywhere(response.content)

    def test_start_response_again_with_exc_info_replaces_the_head(self, client):
        response = client.get("/restart")

        assert (response.status_code, response.text) == (503, "sorry")

    def test_start_response_again_after_output_raises_the_given_exception(self, httpd):
        httpd.expect_log("LookupError: found out too late", traceback=True)
        httpd.expect_log(r"WX600[14]: .*suite\.wsgi", traceback=True)

        answer = httpd.raw_get("/restart-late")

        assert answer.startswith(b"HTTP/1.1 200 OK") and not answer.endswith(b"0\r\n\r\n")
