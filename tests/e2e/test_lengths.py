# SPDX-License-Identifier: Apache-2.0
"""Request bodies whose length the client does not say, as frameworks read them."""
import gzip
import json
import random
import socket

import pytest

from wire_clients import H2C, Request
from wsgix_httpd import BOTH_MODES, read_to_end

PLAIN = '''
    import json

    def told(environ):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return [environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING"),
                environ.get("HTTP_CONTENT_ENCODING"), len(body),
                len(environ["wsgi.input"].read()), sum(body) % 65521]

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(told(environ)).encode()]
'''
FLASK = '''
    from flask import Flask, request

    application = Flask(__name__)

    @application.post("/")
    def length():
        return [request.content_length, None, None, len(request.get_data()), 0,
                sum(request.get_data()) % 65521]
'''
DJANGO = '''
    import django
    from django.conf import settings
    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x",
                       DATA_UPLOAD_MAX_MEMORY_SIZE=None)
    from django.core.wsgi import get_wsgi_application
    from django.http import JsonResponse
    from django.urls import path

    def length(request):
        body = request.body
        return JsonResponse([int(request.META["CONTENT_LENGTH"]), None, None, len(body), 0,
                             sum(body) % 65521], safe=False)

    urlpatterns = [path("", length)]
    application = get_wsgi_application()
'''
FILES = {"plain.wsgi": PLAIN, "flask.wsgi": FLASK, "django.wsgi": DJANGO}
CONFIG = """
    $daemon
    WSGIScriptAlias /plain $root/plain.wsgi
    WSGIScriptAlias /flask $root/flask.wsgi
    WSGIScriptAlias /django $root/django.wsgi
    LoadModule deflate_module $modules/mod_deflate.so
    LoadModule http2_module $modules/mod_http2.so
    Protocols h2c http/1.1
"""


def bytes_of(size):
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def in_pieces(body):
    yield from (body[at:at + 30_000] for at in range(0, len(body), 30_000))


def after_kept_upload(server, upload):
    """What the same connection answers to the upload and to a request behind it."""
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall(upload + b"POST /plain/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                           b"Content-Length: 5\r\n\r\nafter")
        return read_to_end(connection)


class TestBuffered:
    variants = BOTH_MODES
    config = CONFIG + "WSGIChunkedRequest On\n"
    files = FILES

    @pytest.mark.parametrize("script", ["plain", "flask", "django"])
    @pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 1_100_000, 3_000_000])
    def test_a_chunked_body_has_its_length(self, client, script, size):
        body = bytes_of(size)

        told = client.post(f"/{script}/", content=in_pieces(body)).json()

        assert told[:4] == [size if script != "plain" else str(size), None, None, size]
        assert told[4:] == [0, sum(body) % 65521]

    @pytest.mark.parametrize("size", [1, 10, 70_000, 2_000_000])
    def test_a_stream_of_http2_without_a_length_has_one(self, httpd, size):
        body = bytes_of(size)
        request = Request("POST", "/django/", body=tuple(in_pieces(body)), counted=False)

        answer = H2C.exchange(httpd, request)

        assert json.loads(answer.body)[:4] == [size, None, None, size]

    def test_the_connection_goes_on_behind_it(self, httpd):
        answer = after_kept_upload(
            httpd, b"POST /plain/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            b"Trailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n")

        assert answer.count(b"HTTP/1.1 200 OK") == 2
        assert b'["3", null' in answer and b'["5", null' in answer

    def test_the_client_is_told_to_go_on(self, httpd):
        first, rest = httpd.raw_after_first_answer(
            "POST /plain/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n")

        assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert b'["3", null' in rest

    def test_one_that_is_cut_reaches_nobody(self, httpd):
        with socket.create_connection(("127.0.0.1", httpd.port), 20) as connection:
            connection.sendall(b"POST /plain/ HTTP/1.1\r\nHost: x\r\n"
                               b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc")
            connection.shutdown(socket.SHUT_WR)
            answer = read_to_end(connection)

        assert answer.startswith(b"HTTP/1.1 400 ")
        httpd.wait_for_log(r"WX6006: POST /plain/")


class TestLimits:
    variants = BOTH_MODES
    config = CONFIG + """
        WSGIChunkedRequest 100k
        <Location /plain>
            LimitRequestBody 50000
        </Location>
    """
    files = FILES

    def test_a_longer_one_is_refused_and_never_half_read(self, httpd, client):
        httpd.expect_log(r"WX6023: POST /django/: .*more than 102400 bytes.*Remedy: ")
        body = bytes_of(102_400)

        assert client.post("/django/", content=in_pieces(body)).json()[3] == 102_400
        assert client.post("/django/", content=in_pieces(body + b"x")).status_code == 411

    def test_the_limit_of_the_server_is_413(self, httpd, client):
        httpd.tolerate(r"AH\d+.*larger than")

        assert client.post("/plain/", content=in_pieces(bytes_of(50_001))).status_code == 413


class TestStreamed:
    variants = BOTH_MODES
    config = CONFIG + "WSGIChunkedRequest Stream\n"
    files = FILES

    def test_the_application_reads_to_the_end_as_with_mod_wsgi(self, client):
        told = client.post("/plain/", content=in_pieces(bytes_of(3_000_000))).json()

        assert told[:5] == [None, "chunked", None, 0, 3_000_000]


class TestDecoded:
    """mod_deflate's input filter: Content-Length of the client counts other bytes."""
    variants = BOTH_MODES
    config = CONFIG + "SetInputFilter DEFLATE\n"
    files = FILES

    @pytest.mark.parametrize("script", ["plain", "flask", "django"])
    @pytest.mark.parametrize("size", [10, 100_000, 3_000_000])
    def test_the_length_is_that_of_what_is_read(self, client, script, size):
        body = random.Random(size).randbytes(size)  # not so small that httpd sees a bomb in it

        told = client.post(f"/{script}/", content=gzip.compress(body),
                           headers={"Content-Encoding": "gzip"}).json()

        assert told[2:] == [None, size, 0, sum(body) % 65521]

    def test_what_is_not_encoded_is_as_before(self, client):
        assert client.post("/django/", content=b"abc").json()[3] == 3
