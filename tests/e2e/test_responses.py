# SPDX-License-Identifier: Apache-2.0
"""Responses that httpd completes, replaces or hands to another resource."""
import json
import socket
import subprocess

import pytest

from wsgix_httpd import BOTH_MODES, EVENT_DAEMON, EVERYWHERE, read_to_end

CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $apps/responses.wsgi
"""


@pytest.fixture(autouse=True)
def words_of_the_application(request):
    if "httpd" in request.fixturenames:
        request.getfixturevalue("httpd").tolerate(r"closed after \d+ blocks")


class TestMapHead:
    variants = BOTH_MODES
    config = """
        LoadModule filter_module $modules/mod_filter.so
        LoadModule deflate_module $modules/mod_deflate.so
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias /on $apps/responses.wsgi
        WSGIScriptAlias /off $apps/responses.wsgi
        WSGIScriptAlias /auto $apps/responses.wsgi
        WSGIScriptAlias /default $apps/responses.wsgi
        <Location /on>
            WSGIMapHEADToGET On
        </Location>
        <Location /off>
            WSGIMapHEADToGET Off
            SetOutputFilter DEFLATE
        </Location>
        <Location /auto>
            WSGIMapHEADToGET auto
            SetOutputFilter DEFLATE
        </Location>
    """

    @pytest.mark.parametrize("where, shown", [("on", "GET"), ("off", "HEAD"), ("auto", "GET"),
                                              ("default", "HEAD")])
    def test_the_application_is_told_what_the_directive_says(self, httpd, where, shown):
        answer = httpd.raw_get(f"/{where}/method", "HEAD")

        assert f"\r\nX-Method: {shown}\r\n".encode() in answer
        assert answer.endswith(b"\r\n\r\n")

    @pytest.mark.parametrize("sent", ["GET", "POST", "OPTIONS"])
    def test_other_methods_are_never_changed(self, client, sent):
        assert client.request(sent, "/on/method").headers["x-method"] == sent

    def test_nonsense_is_refused(self, make_httpd):
        status, output = make_httpd(CONFIG + "WSGIMapHEADToGET Sometimes\n").check_config()

        assert status != 0
        assert "WSGIMapHEADToGET must be one of: Off | On | Auto, not 'Sometimes'" in output


class TestErrorOverride:
    variants = BOTH_MODES
    daemon_options = "processes=1 threads=2"
    config = CONFIG + """
        WSGIErrorOverride On
        ErrorDocument 404 "a page of httpd"
        ErrorDocument 410 /error-page
    """

    @pytest.mark.parametrize("status", [400, 401, 404, 418, 499, 500, 503, 599])
    def test_the_page_is_httpds_and_the_status_the_applications(self, httpd, client, status):
        httpd.expect_log("closed after 3 blocks")

        answer = client.get(f"/status?{status}")

        assert answer.status_code == status
        assert "own page" not in answer.text and "x-application" not in answer.headers
        if status == 404:
            assert answer.text == "a page of httpd"

    def test_the_two_modes_answer_alike(self, httpd, same_everywhere):
        same_everywhere(httpd.raw_get("/status?404"))

    @pytest.mark.parametrize("status", [200, 226, 302, 399, 600])
    def test_other_statuses_keep_their_page(self, client, status):
        answer = client.get(f"/status?{status}")

        assert answer.status_code == status
        assert answer.text.startswith("own page") and answer.text.endswith("third block")

    def test_a_challenge_survives(self, client):
        assert client.get("/status?401").headers["www-authenticate"] == 'Basic realm="kept"'

    def test_a_page_may_be_an_application_itself(self, client):
        answer = client.get("/status?410")

        assert answer.text == "page for 410"

    def test_a_file_is_dropped_as_well(self, client):
        assert client.get("/status-file").text == "a page of httpd"

    def test_an_application_that_raises_in_its_page_is_a_500(self, httpd, client):
        httpd.expect_log("in the middle of the page", traceback=True)

        assert client.get("/status-raise").status_code == 500

    def test_a_challenge_of_a_page_that_failed_does_not_survive(self, httpd, client):
        httpd.expect_log("in the middle of the page", traceback=True)

        answer = client.get("/challenge-raise")

        assert answer.status_code == 500 and "www-authenticate" not in answer.headers

    def test_head_has_no_body(self, httpd):
        assert httpd.raw_get("/status?404", "HEAD").endswith(b"\r\n\r\n")

    @pytest.mark.parametrize("size", [10, 300_000])
    def test_an_unread_body_does_not_disturb_the_next_request(self, client, size):
        for _ in range(3):
            assert client.post("/status?404", content=b"x" * size).status_code == 404
        assert client.get("/status?200").status_code == 200

    def test_the_connection_to_the_worker_stays_usable(self, httpd, client):
        for _ in range(20):
            assert client.get("/status?404").status_code == 404
            assert client.get("/pid").status_code == 200


class TestErrorOverrideIsOffByDefault:
    variants = BOTH_MODES
    config = CONFIG + 'ErrorDocument 404 "a page of httpd"\n'

    def test_the_page_is_the_applications(self, client):
        answer = client.get("/status?404")

        assert answer.status_code == 404 and answer.text.startswith("own page")
        assert answer.headers["x-application"] == "lost"


class TestStatusLine:
    variants = EVERYWHERE
    config = CONFIG

    @pytest.mark.parametrize("line", ["200 Error", "200 Timeout", "200 Rejected", "201 All is well",
                                      "299 Unknown to httpd", "404 404 Not Found", "999 The last"])
    def test_goes_out_as_the_application_gave_it(self, httpd, line, same_everywhere):
        answer = httpd.raw_get("/status-line", headers=f"X-Status: {line}\r\n")

        assert answer.startswith(f"HTTP/1.1 {line}\r\n".encode())
        assert answer.endswith(b"\r\n\r\nbody")
        same_everywhere(answer, line)


class TestResponseThatIsTakenBack:
    variants = EVERYWHERE
    config = CONFIG

    def test_leaves_no_header_on_the_page_of_httpd(self, httpd, client, same_everywhere):
        httpd.expect_log("in the middle of the page", traceback=True)

        answer = client.get("/challenge-raise")

        assert answer.status_code == 500
        assert not {"x-application", "www-authenticate"} & set(answer.headers)
        same_everywhere(answer.content)


SECRET = """
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"EXECUTED"]
"""


class TestLocalRedirect:
    variants = BOTH_MODES
    files = {"htdocs/page.txt": "a static page\n", "htdocs/notes.wsgi.txt": SECRET}
    config = CONFIG.replace("WSGIScriptAlias /", "Alias /static $root/htdocs\nWSGIScriptAlias /") + """
        LimitInternalRecursion 5
        <Directory $root/htdocs>
            Options +ExecCGI
        </Directory>
    """

    def test_another_resource_answers(self, httpd, client, same_everywhere):
        httpd.expect_log("closed after 1 blocks")

        answer = client.get("/redirect?/static/page.txt")

        assert answer.status_code == 200 and answer.text == "a static page\n"
        assert not {"location", "x-application", "www-authenticate"} & set(answer.headers)
        same_everywhere(answer.content)

    def test_its_status_is_the_answers_status(self, client):
        assert client.get("/redirect?/static/missing.txt").status_code == 404

    def test_the_content_type_of_the_redirect_chooses_no_handler(self, client):
        assert "EXECUTED" not in client.get("/redirect?/static/notes.wsgi.txt").text.splitlines()
        assert client.get("/redirect?/static/notes.wsgi.txt").text.startswith("\ndef application")

    @pytest.mark.parametrize("path", ["/redirect", "/read-redirect"])
    @pytest.mark.parametrize("size", [0, 5, 70_000, 2_000_000])
    def test_a_post_becomes_a_get_without_body(self, httpd, client, path, size):
        for _ in range(3):
            answer = client.post(f"{path}?/target?a=b", content=b"x" * size)

            assert answer.status_code == 200
            seen = json.loads(answer.text)
            assert seen["REQUEST_METHOD"] == "GET" and seen["QUERY_STRING"] == "a=b"
            assert seen["CONTENT_LENGTH"] in (None, "") and seen["body"] == ""
            assert seen["REDIRECT_URL"] == path

    def test_an_unread_body_is_not_taken_for_the_next_request(self, httpd):
        smuggled = "GET /static/page.txt HTTP/1.1\r\nHost: x\r\n\r\n"
        padding = "x" * 70_000

        answer = httpd.raw(
            "POST /redirect?/target HTTP/1.1\r\nHost: x\r\n"
            f"Content-Length: {len(padding) + len(smuggled)}\r\n\r\n{padding}{smuggled}"
            "GET /pid HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

        assert answer.count(b"HTTP/1.1 200 OK") == 2
        assert b"a static page" not in answer

    def test_a_loop_ends_with_500(self, httpd, client):
        httpd.expect_log(r"AH00124.*limit of 5 internal redirects")

        assert client.get("/loop").status_code == 500

    def test_a_full_url_is_left_to_the_client(self, client):
        answer = client.get("/redirect?http://localhost/elsewhere")

        assert answer.headers["location"] == "http://localhost/elsewhere"
        assert answer.text == "a body that nobody sees"


class TestLocalRedirectOff:
    variants = BOTH_MODES
    config = CONFIG + "WSGILocalRedirect Off\n"

    def test_the_response_goes_out_as_it_is(self, client):
        answer = client.get("/redirect?/target")

        assert answer.status_code == 200 and answer.text == "a body that nobody sees"
        assert answer.headers["location"] == "/target"


class TestSettingsInHtaccess:
    variants = [EVENT_DAEMON]
    files = {"htdocs/app/.htaccess": "WSGIErrorOverride On\nWSGIMapHEADToGET On\n"
                                     "WSGILocalRedirect Off\n"}
    config = """
        $daemon
        AddHandler wsgi-script .wsgi
        <Directory $root/htdocs/app>
            Options +ExecCGI
            AllowOverride FileInfo
        </Directory>
    """

    @staticmethod
    def prepare(httpd):
        httpd.write("htdocs/app/responses.wsgi", (httpd.stage.apps / "responses.wsgi").read_text())

    def test_are_obeyed(self, httpd, client):
        assert "own page" not in client.get("/app/responses.wsgi/status?404").text
        assert client.head("/app/responses.wsgi/method").headers["x-method"] == "GET"
        assert client.get("/app/responses.wsgi/redirect?/x").headers["location"] == "/x"


class TestClientThatWaits:
    variants = BOTH_MODES  # it takes five seconds
    config = CONFIG

    def test_is_there(self, httpd, client):
        httpd.tolerate(r"asked at the start: False")
        httpd.expect_log("the client is still there")

        assert client.get("/until-gone").text == "patient"


class TestClientGone:
    variants = EVERYWHERE
    config = CONFIG + "WSGIChunkedRequest On\n"

    @pytest.fixture(autouse=True)
    def words(self, httpd):
        httpd.tolerate(r"asked at the start: False")

    @pytest.mark.parametrize("size", [0, 10, 100_000])
    def test_the_application_is_told(self, httpd, size):
        httpd.expect_log("the client has gone")
        body = b"x" * size

        with socket.create_connection(("127.0.0.1", httpd.port), 10) as connection:
            connection.sendall(b"POST /until-gone HTTP/1.1\r\nHost: x\r\n"
                               b"Content-Length: %d\r\n\r\n" % len(body) + body)
            httpd.wait_for_log("asked at the start: False")

        httpd.wait_for_log("the client has gone", 3)

    @pytest.mark.parametrize("size", [0, 10, 100_000])
    def test_one_that_closed_only_its_sending_side_is_answered(self, httpd, client, size,
                                                               same_everywhere):
        httpd.tolerate("asked at the start: True")
        httpd.expect_log("the client has gone")
        client.get("/pid")  # nobody has to wait for a worker now

        with socket.create_connection(("127.0.0.1", httpd.port), 10) as connection:
            connection.sendall(b"POST /until-gone HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                               b"Content-Length: %d\r\n\r\n" % size + b"x" * size)
            connection.shutdown(socket.SHUT_WR)
            answer = read_to_end(connection)

        assert answer.endswith(b"\r\n\r\nfor nobody")
        same_everywhere(answer)

    def test_the_iteration_stops_and_close_is_called(self, httpd):
        with socket.create_connection(("127.0.0.1", httpd.port), 10) as connection:
            connection.sendall(b"GET /ticks HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"tick 0" in connection.recv(65536) + connection.recv(65536)

        found = httpd.wait_for_log(r"closed after (\d+) blocks", 5)

        assert int(found[1]) < 100 and "iterated to the end" not in httpd.new_log()


class TestClientGoneWhileItsRequestIsQueued:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=1"
    config = CONFIG

    def test_the_application_never_sees_it(self, httpd, client):
        httpd.tolerate("asked at the start|the client has gone")
        address = ("127.0.0.1", httpd.port)

        with socket.create_connection(address, 10) as holder:
            holder.sendall(b"GET /until-gone HTTP/1.1\r\nHost: x\r\n\r\n")
            httpd.wait_for_log("asked at the start")
            with socket.create_connection(address, 10) as waiting:
                waiting.sendall(b"GET /ticks HTTP/1.1\r\nHost: x\r\n\r\n")
            httpd.wait_for_log("WX6008: GET /ticks .*the client closed the connection", 3)
            assert "still there" not in httpd.new_log()

        assert client.get("/pid").status_code == 200
        assert "blocks" not in httpd.new_log()


def interim_responses(answer):
    """[(head, ...)] of every 1xx, and the rest."""
    interim = []
    while answer.startswith(b"HTTP/1.1 1"):
        head, answer = answer.split(b"\r\n\r\n", 1)
        interim.append(head.split(b"\r\n"))
    return interim, answer


class TestEarlyHints:
    variants = EVERYWHERE
    config = CONFIG

    def test_come_before_the_response_and_stay_out_of_it(self, httpd, same_everywhere):
        interim, final = interim_responses(httpd.raw_get("/hints?2"))

        assert interim == [
            [b"HTTP/1.1 103 Early Hints", b"Link: </0.css>; rel=preload", b"X-Number: 0"],
            [b"HTTP/1.1 103 Early Hints", b"Link: </1.css>; rel=preload", b"X-Number: 1"]]
        assert final.startswith(b"HTTP/1.1 200 OK\r\n") and final.endswith(b"\r\n\r\nhinted")
        assert b"X-Final: yes" in final and b"Link:" not in final and b"X-Number" not in final
        same_everywhere(final)

    def test_do_not_wait_for_the_response(self, httpd):
        with socket.create_connection(("127.0.0.1", httpd.port), 10) as connection:
            connection.sendall(b"GET /hints?1 HTTP/1.1\r\nHost: x\r\n\r\n")

            assert b" 200 " not in connection.recv(65536)

    def test_an_old_client_gets_the_response_alone(self, httpd):
        answer = httpd.raw_get("/hints?1", protocol="HTTP/1.0")

        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b" 103 " not in answer

    def test_an_error_page_may_follow(self, httpd):
        httpd.expect_log("after the hints", traceback=True)

        interim, final = interim_responses(httpd.raw_get("/hints-raise"))

        assert len(interim) == 1 and final.startswith(b"HTTP/1.1 500 ")
        assert b"a.css" not in final

    def test_many_in_a_row_leave_the_connections_usable(self, client):
        for _ in range(3):
            assert client.get("/hints?1").text == "hinted"


class TestOverHttp2:
    variants = BOTH_MODES
    config = """
        LoadModule http2_module $modules/mod_http2.so
        Protocols h2c http/1.1
        H2EarlyHints On
        WSGIErrorOverride On
        ErrorDocument 404 "a page of httpd"
    """ + CONFIG

    @staticmethod
    def curl(httpd, path, *options):
        return subprocess.run(
            ["curl", "-si", "--http2-prior-knowledge", *options, httpd.url + path],
            capture_output=True, timeout=30)

    def test_hints_come_before_the_response(self, httpd):
        answer = self.curl(httpd, "/hints?1").stdout

        assert answer.startswith(b"HTTP/2 103 \r\nlink: </0.css>; rel=preload\r\nx-number: 0\r\n")
        assert b"HTTP/2 200 \r\n" in answer and answer.endswith(b"\r\n\r\nhinted")

    def test_a_client_that_leaves_is_noticed(self, httpd):
        httpd.tolerate("asked at the start")
        httpd.expect_log("the client has gone")

        assert self.curl(httpd, "/until-gone", "-m", "1").returncode != 0

        httpd.wait_for_log("the client has gone", 4)

    def test_pages_are_replaced_and_redirects_followed(self, httpd):
        assert self.curl(httpd, "/status?404").stdout.endswith(b"\r\n\r\na page of httpd")
        assert b'"REQUEST_METHOD": "GET"' in self.curl(
            httpd, "/read-redirect?/target", "-d", "x" * 70_000).stdout
