# SPDX-License-Identifier: Apache-2.0
"""Answers that httpd completes, replaces or hands to another resource."""
import json
import os
import time

TEXT = [("Content-Type", "text/plain")]


class Blocks:
    """Says when it is closed, and how far it got."""

    def __init__(self, environ, blocks):
        self._errors, self._blocks, self._count = environ["wsgi.errors"], iter(blocks), 0

    def __iter__(self):
        return self

    def __next__(self):
        block = next(self._blocks)
        self._count += 1
        return block

    def close(self):
        self._errors.write(f"closed after {self._count} blocks\n")


def reply(start_response, body, status="200 OK", headers=()):
    start_response(status, TEXT + [("Content-Length", str(len(body)))] + list(headers))
    return [body]


def method(environ, start_response):
    body = environ["REQUEST_METHOD"].encode()
    return reply(start_response, body, headers=[("X-Method", environ["REQUEST_METHOD"])])


def status(environ, start_response):
    """/status?404: the application's own page in three blocks."""
    start_response(environ["QUERY_STRING"] + " Of The Application", TEXT + [
        ("WWW-Authenticate", 'Basic realm="kept"'), ("X-Application", "lost")])
    return Blocks(environ, [b"own page " * 10, b"second block", b"third block"])


def status_of_file(environ, start_response):
    start_response("404 Not Found", TEXT)
    return environ["wsgi.file_wrapper"](open(os.path.join(os.path.dirname(__file__),
                                                          "numbers.txt"), "rb"))


def status_then_raise(environ, start_response):
    start_response("404 Not Found", TEXT)
    yield b"own page"
    raise ValueError("in the middle of the page")


def status_line(environ, start_response):
    """/status-line: the whole status comes from a header of the request."""
    start_response(environ["HTTP_X_STATUS"], TEXT + [("Content-Length", "4")])
    return [b"body"]


def challenge_then_raise(environ, start_response):
    write = start_response("401 Unauthorized", TEXT + [
        ("WWW-Authenticate", 'Basic realm="taken back"'), ("X-Application", "lost")])
    write(b"")  # from here on the head is not the application's any more
    raise ValueError("in the middle of the page")


def redirect(environ, start_response):
    """/redirect?/target: a 200 with a Location, as CGI knows it."""
    start_response("200 OK", [("Content-Type", "application/x-httpd-wsgi"), ("X-Application", "x"),
                              ("WWW-Authenticate", 'Basic realm="taken back"'),
                              ("Location", environ["QUERY_STRING"])])
    return Blocks(environ, [b"a body that nobody sees"])


def read_and_redirect(environ, start_response):
    environ["wsgi.input"].read()
    return redirect(environ, start_response)


def target(environ, start_response):
    return reply(start_response, json.dumps({
        key: environ.get(key) for key in (
            "REQUEST_METHOD", "QUERY_STRING", "CONTENT_LENGTH", "CONTENT_TYPE", "REDIRECT_URL",
            "REDIRECT_STATUS", "REDIRECT_QUERY_STRING")
    } | {"body": environ["wsgi.input"].read().decode()}).encode())


def error_page(environ, start_response):
    return reply(start_response, ("page for " + environ.get("REDIRECT_STATUS", "?")).encode())


def loop(environ, start_response):
    start_response("200 OK", TEXT + [("Location", "/loop")])
    return []


def pid(environ, start_response):
    return reply(start_response, b"%d" % os.getpid())


def until_gone(environ, start_response):
    """Reads what there is, then works until the client has gone, and says what it saw."""
    environ["wsgi.input"].read()
    gone, say = environ["wsgix.client_disconnected"], environ["wsgi.errors"].write
    say(f"asked at the start: {gone()}\n")
    for _ in range(100):
        if gone():
            say("the client has gone\n")
            return reply(start_response, b"for nobody")
        time.sleep(0.05)
    say("the client is still there\n")
    return reply(start_response, b"patient")


def ticks(environ, start_response):
    start_response("200 OK", TEXT)

    def blocks():
        for number in range(100):
            yield b"tick %d\n" % number
            time.sleep(0.05)
        environ["wsgi.errors"].write("iterated to the end\n")

    return Blocks(environ, blocks())


def hints(environ, start_response):
    """/hints?2: that many interim responses, each an observable time before the next."""
    for number in range(int(environ["QUERY_STRING"])):
        environ["wsgix.early_hints"]([("Link", f"</{number}.css>; rel=preload"),
                                      ("X-Number", str(number))])
        time.sleep(0.3)
    return reply(start_response, b"hinted", headers=[("X-Final", "yes")])


def hints_then_raise(environ, start_response):
    environ["wsgix.early_hints"]([("Link", "</a.css>")])
    raise ValueError("after the hints")


PATHS = {
    "/until-gone": until_gone, "/ticks": ticks, "/hints": hints, "/hints-raise": hints_then_raise,
    "/status-line": status_line, "/challenge-raise": challenge_then_raise, "/method": method, "/status": status, "/status-file": status_of_file,
    "/status-raise": status_then_raise, "/redirect": redirect,
    "/read-redirect": read_and_redirect, "/target": target, "/error-page": error_page,
    "/loop": loop, "/pid": pid,
}


def application(environ, start_response):
    return PATHS[environ["PATH_INFO"]](environ, start_response)
