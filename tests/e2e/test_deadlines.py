# SPDX-License-Identifier: Apache-2.0
"""WSGIRequestDeadline and request-deadline=: a request is answered on time, whatever holds it."""
import contextlib
import socket
import time

import pytest

import wire_clients
from crowd import ask_in_background, busy_threads
from waits import wait_until_running
from wire_clients import TRANSPORTS, Request
from wsgix_httpd import BOTH_MODES, EVENT_DAEMON

# Between the deadline and the answer. The machine may be busy with other things.
LATE = 0.8

APPLICATION = """
    import os, time

    HERE = os.path.dirname(os.path.abspath(__file__))

    def application(environ, start_response):
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        if path.endswith("/count"):
            with open(os.path.join(HERE, "count"), "a") as counted:
                counted.write("x")
        if path.endswith("/sleep"):
            time.sleep(float(query))
        while path.endswith("/until") and not os.path.exists(query):
            time.sleep(0.02)
        if path.endswith("/read"):
            environ["wsgi.input"].read()
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        if path.endswith("/begun"):
            write(b"begun\\n")
            time.sleep(float(query))
        if path.endswith("/endless"):
            return endless()
        return [b"whole"]

    def endless():
        end = time.monotonic() + 5
        while time.monotonic() < end:
            yield b"x" * 8192
"""

CONFIG = """
    ErrorDocument 504 "too late, says httpd"
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIChunkedRequest Stream
    WSGIScriptAlias / $root/app/app.wsgi
"""


@pytest.fixture(autouse=True)
def words_of_the_worker(request):
    """What it logs of a thread that is late; the thread raises then, or hears that nobody reads.
    It has said all of it when nothing runs any more."""
    if "httpd" not in request.fixturenames:
        yield
        return
    httpd = request.getfixturevalue("httpd")
    httpd.tolerate(
        r"WX6015|WX600[14]|\] thread \d+ of|  File \"|Traceback|RequestTimeout|runs no Python code")
    yield
    if httpd.variant.mode == "daemon":
        wait_until_running(httpd, 0)


def prepare(server):
    folder = server.folder_for_applications("app")
    (folder / "app.wsgi").write_text(APPLICATION.replace("\n    ", "\n").lstrip())
    (folder / "app.wsgi").chmod(0o644)


@contextlib.contextmanager
def answered_between(least, most):
    start = time.monotonic()
    yield
    took = time.monotonic() - start
    assert least <= took <= most, f"after {took:.3f} s, not between {least} and {most}"


def count_of(server):
    path = server.path("app/count")
    return len(path.read_text()) if path.exists() else 0


class TestDirective:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=8 request-buffering=300k request-deadline=30s"
    prepare = staticmethod(prepare)
    config = CONFIG + """
        WSGIRequestDeadline 400ms
        <Location /free>
            WSGIRequestDeadline 0
        </Location>
    """

    @pytest.fixture(autouse=True)
    def loaded(self, httpd):
        """The deadline counts from the first byte: the worker's own start is not what is tested."""
        assert httpd.raw_get("/free/").startswith(b"HTTP/1.1 200 ")

    def test_answers_504_on_time_with_httpds_page_and_says_who_is_late(self, httpd, client):
        httpd.expect_log(r"wsgi:error.* WX6030: GET /sleep\?1\.5 in process group 'suite': there was "
                         r"no whole response within 400 ms \(WSGIRequestDeadline at "
                         r"\S*httpd\.conf:\d+\); worker pid \d+ has had it for [34]\d\d ms.*Remedy: ")
        httpd.tolerate(r"WX60(01|30)")

        with answered_between(0.39, 0.4 + LATE):
            answer = client.get("/sleep?1.5")

        assert (answer.status_code, answer.text) == (504, "too late, says httpd")

    def test_of_an_inner_section_wins(self, client):
        assert client.get("/free/sleep?0.8").text == "whole"

    def test_leaves_a_request_in_time_alone(self, client):
        assert [client.get("/sleep?0.1").text for _ in range(5)] == ["whole"] * 5

    def test_cuts_a_response_that_has_begun(self, httpd):
        httpd.expect_log(r"WX6030: GET /begun")

        with answered_between(0.39, 0.4 + LATE):
            answer = httpd.raw_get("/begun?1.5")

        assert answer.startswith(b"HTTP/1.1 200 ") and answer.count(b"begun") == 1
        assert not answer.endswith(b"0\r\n\r\n") and b"says httpd" not in answer

    def test_cuts_a_response_that_never_pauses(self, httpd):
        httpd.expect_log(r"WX6030: GET /endless")

        with socket.create_connection(("127.0.0.1", httpd.port), 10) as connection:
            connection.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            count, last = 0, b""
            with answered_between(0.3, 0.4 + LATE):
                while piece := connection.recv(1 << 20):
                    count, last = count + len(piece), piece

        assert count > 8192 and not last.endswith(b"0\r\n\r\n")

    def test_cuts_a_response_whose_client_takes_nothing(self, httpd):
        """The client sees the cut later; the worker's connection and the log know it on time."""
        httpd.expect_log(r"WX6030: GET /endless")
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            slow.connect(("127.0.0.1", httpd.port))
            slow.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")

            httpd.wait_for_log(r"WX6030: GET /endless", 0.4 + LATE)

    def test_does_not_count_the_time_of_a_slow_client(self, httpd):
        head = (b"POST /read HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                b"Content-Length: 20\r\n\r\n")
        with socket.create_connection(("127.0.0.1", httpd.port), 10) as connection:
            connection.sendall(head + b"x" * 10)
            time.sleep(0.8)  # longer than the deadline
            connection.sendall(b"x" * 10)

            assert b"whole" in connection.recv(65536)

    def test_counts_it_for_a_body_that_is_streamed(self, httpd):
        httpd.expect_log(r"WX6030: POST /read")
        head = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n"
        with socket.create_connection(("127.0.0.1", httpd.port), 10) as connection:
            with answered_between(0.39, 0.4 + LATE):
                connection.sendall(head + b"x" * 10)

                assert connection.recv(65536).startswith(b"HTTP/1.1 504 ")


class TestOption:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=1 request-deadline=400ms"
    prepare = staticmethod(prepare)
    config = CONFIG + """
        <Location /free>
            WSGIRequestDeadline 0
        </Location>
        <Location /longer>
            WSGIRequestDeadline 1min
        </Location>
    """

    def test_answers_504_on_time_and_names_the_option(self, httpd, client):
        httpd.expect_log(r"WX6030: GET /sleep\?1 .*within 400 ms \(request-deadline= of the group, "
                         r"\S*httpd\.conf:\d+\); worker pid \d+ has had it")

        with answered_between(0.39, 0.4 + LATE):
            assert client.get("/sleep?1").status_code == 504

        # The application needs its time until it notices; that is somebody else's.
        assert client.get("/free/any").text == "whole"

    @pytest.mark.parametrize("path", ["/free", "/longer"])
    def test_gives_way_to_the_directive(self, client, path):
        assert client.get(f"{path}/sleep?0.8").text == "whole"

    def test_holds_for_a_request_that_waits_which_is_never_executed(self, httpd, client):
        httpd.expect_log(r"WX6030: POST /count .*it waited for a free thread and was not executed: "
                         r"1 of 1 threads are busy")
        before = count_of(httpd)

        with busy_threads(httpd, 1, "/free/until"):
            with answered_between(0.39, 0.4 + LATE):
                answer = client.post("/count")

        assert (answer.status_code, answer.text) == (504, "too late, says httpd")
        assert client.get("/free/any").text == "whole"
        assert count_of(httpd) == before, "a refused request was executed"
        assert client.post("/free/count").text == "whole"
        assert count_of(httpd) == before + 1

    def test_leaves_the_connection_of_the_client_usable(self, httpd):
        httpd.expect_log(r"WX6030: GET /sleep")
        with socket.create_connection(("127.0.0.1", httpd.port), 10) as connection:
            connection.sendall(b"GET /sleep?1 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 504 ")
            connection.sendall(b"GET /free/any HTTP/1.1\r\nHost: x\r\n\r\n")

            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


class TestEveryTransport:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=8"
    config = """
        LoadModule ssl_module $modules/mod_ssl.so
        LoadModule socache_shmcb_module $modules/mod_socache_shmcb.so
        LoadModule http2_module $modules/mod_http2.so
        Protocols h2 h2c http/1.1
        Listen 127.0.0.1:$tls_port https
        SSLCertificateFile $root/tls.crt
        SSLCertificateKeyFile $root/tls.key
        SSLSessionCache none
        WSGIRequestDeadline 500ms
    """ + CONFIG + """
        <VirtualHost 127.0.0.1:$tls_port>
            ServerName localhost
            SSLEngine on
        </VirtualHost>
    """

    @staticmethod
    def prepare(server):
        prepare(server)
        wire_clients.make_certificate(server.root)

    @pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
    def test_gets_its_answer_on_time(self, httpd, transport):
        httpd.expect_log(r"WX6030: GET /sleep")

        with answered_between(0.49, 0.5 + LATE):
            answer = transport.exchange(httpd, Request("GET", "/sleep?1.5"))

        assert (answer.status, answer.whole) == (504, True)

    @pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
    def test_sees_that_a_late_response_is_cut(self, httpd, transport):
        httpd.expect_log(r"WX6030: GET /begun")

        with answered_between(0.49, 0.5 + LATE):
            answer = transport.exchange(httpd, Request("GET", "/begun?1.5"))

        assert (answer.status, answer.whole) == (200, False)


class TestLostWorker:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=2"
    prepare = staticmethod(prepare)
    config = CONFIG

    def test_is_named_with_its_end_and_how_long_the_request_had_run(self, httpd, client):
        httpd.expect_log(r"wsgi:error.* WX6013: GET /sleep\?5 in process group 'suite', which had run "
                         r"for \d+ ms: worker pid \d+ was killed by signal 9 \(SIGKILL\)\. Remedy")
        httpd.tolerate(r"WX2008|WX2013")
        lost, answers = ask_in_background(httpd, "/sleep?5")
        wait_until_running(httpd, 1)
        httpd.workers()[0].signal(9)
        lost.join()

        assert answers == [502]
        assert client.get("/any").text == "whole"


class TestWithoutALimit:
    variants = BOTH_MODES
    daemon_options = "processes=1 threads=2 request-deadline=300ms"
    prepare = staticmethod(prepare)
    config = CONFIG + "WSGIRequestDeadline 0\n"

    def test_nothing_is_late(self, client):
        assert client.get("/sleep?0.7").text == "whole"
