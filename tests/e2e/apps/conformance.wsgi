# SPDX-License-Identifier: Apache-2.0
"""Applications that read, answer and stop in the orders that are hard to relay."""
import json
import time

TEXT = [("Content-Type", "text/plain")]
# Long enough for a block to be on its way to the client.
A_MOMENT = 0.3


def reply(start_response, body):
    start_response("200 OK", TEXT + [("Content-Length", str(len(body)))])
    return [body]


def read_half(environ, start_response):
    half = int(environ["CONTENT_LENGTH"]) // 2
    return reply(start_response, environ["wsgi.input"].read(half))


def answer_then_read(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"answered,")
    size = 0
    while piece := environ["wsgi.input"].read(65536):
        size += len(piece)
    return [b"read %d" % size]


def read_then_raise(environ, start_response):
    environ["wsgi.input"].read(10)
    raise ValueError("in the middle of a body")


def cut_while_the_body_comes(environ, start_response):
    start_response("200 OK", TEXT)
    yield environ["wsgi.input"].read(10)
    time.sleep(A_MOMENT)
    raise ValueError("in the middle of both")


def big_then_cut(environ, start_response):
    start_response("200 OK", TEXT)
    for _ in range(64):
        yield b"0123456789abcdef" * 1024
    raise ValueError("after a megabyte")


def counted_big_then_cut(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", str(2 << 20))])
    for _ in range(64):
        yield b"0123456789abcdef" * 1024
    raise ValueError("half way")


def body_where_none_is_allowed(environ, start_response):
    start_response(environ["QUERY_STRING"] + " Empty", TEXT)
    return [b"must not be sent"]


def empty(environ, start_response):
    start_response("200 OK", TEXT)
    return []


def empty_blocks(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"", b"a", b"", b"b", b""]


def odd_statuses(environ, start_response):
    start_response(environ["QUERY_STRING"] + " Odd Reason", TEXT)
    return [b"body"]


def hop_by_hop(environ, start_response):
    start_response("200 OK", TEXT + [
        ("Connection", "X-Kept"), ("Transfer-Encoding", "chunked"), ("Keep-Alive", "timeout=9"),
        ("Upgrade", "nothing"), ("Trailer", "X-Late"), ("X-Kept", "yes")])
    return [b"framed by httpd"]


def odd_headers(environ, start_response):
    start_response("200 OK", TEXT + [
        ("X-Empty", ""), ("X-Latin", "caf\u00e9"), ("x-lower", "a, b ,c"),
        ("WWW-Authenticate", "Basic realm=one"), ("WWW-Authenticate", "Digest realm=two"),
        ("Link", "</a>; rel=preload"), ("Link", "</b>; rel=preload")])
    return [b"odd"]


def trickle(environ, start_response):
    counted = [("Content-Length", "100000")] if environ["QUERY_STRING"] else []
    start_response("200 OK", TEXT + counted)
    for _ in range(100):
        yield b"0123456789" * 100
        time.sleep(0.005)


def show_scheme(environ, start_response):
    kept = {key: value for key, value in environ.items()
            if key.startswith("SSL_") or key in ("HTTPS", "wsgi.url_scheme", "REQUEST_SCHEME",
                                                 "SERVER_PROTOCOL", "SERVER_PORT")}
    return reply(start_response, json.dumps(kept).encode())


def application(environ, start_response):
    return PATHS[environ["PATH_INFO"]](environ, start_response)


PATHS = {
    "/half": read_half, "/answer-then-read": answer_then_read, "/read-raise": read_then_raise,
    "/cut-duplex": cut_while_the_body_comes, "/big-cut": big_then_cut,
    "/counted-cut": counted_big_then_cut, "/no-body": body_where_none_is_allowed,
    "/empty": empty, "/empty-blocks": empty_blocks, "/status": odd_statuses,
    "/hop-by-hop": hop_by_hop, "/odd-headers": odd_headers, "/scheme": show_scheme,
    "/trickle": trickle,
}
