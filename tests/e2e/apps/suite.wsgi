# SPDX-License-Identifier: Apache-2.0
"""One application that behaves, or misbehaves, as its path says."""
import hashlib
import io
import json
import os
import sys
import threading
import time

TEXT = [("Content-Type", "text/plain")]
# Long enough for a block to be on its way to the client.
A_MOMENT = 0.3


def reply(start_response, body, status="200 OK", headers=()):
    start_response(status, TEXT + [("Content-Length", str(len(body)))] + list(headers))
    return [body]


def as_json(start_response, value):
    return reply(start_response, json.dumps(value, sort_keys=True, indent=1).encode())


def show_environ(environ, start_response):
    return as_json(start_response, {
        key: [type(value).__name__, repr(value)] for key, value in environ.items()})


def echo(environ, start_response):
    return reply(start_response, environ["wsgi.input"].read())


def echo_in_pieces(environ, start_response):
    start_response("200 OK", TEXT)
    return iter(lambda: environ["wsgi.input"].read(1000), b"")


def checksum(environ, start_response):
    size, digest = 0, hashlib.sha256()
    while True:
        piece = environ["wsgi.input"].read(65536)
        if not piece:
            break
        size += len(piece)
        digest.update(piece)
    return as_json(start_response, [size, digest.hexdigest()])


def input_methods(environ, start_response):
    body = environ["wsgi.input"]
    into = bytearray(4)
    seen = {
        "read(0)": body.read(0), "read(3)": body.read(3), "readline()": body.readline(),
        "readline(2)": body.readline(2), "rest of the line": body.readline(),
        "readinto(4)": [body.readinto(into), into.decode()],
        "next": next(body), "readlines(1)": body.readlines(1), "readlines()": body.readlines(),
        "read()": body.read(), "read(-1)": body.read(-1), "read(None)": body.read(None),
        "at the end": [body.readline(), body.readlines(), list(body)],
    }
    return as_json(start_response, json.loads(json.dumps(seen, default=bytes.decode)))


def bad_starts(environ, start_response):
    class Name(str):
        pass

    cases = [
        ("headers no list", ("200 OK", ())), ("exc_info no tuple", ("200 OK", [], 1)),
        ("status no str", (b"200 OK", [])), ("status not latin-1", ("200 \u20ac", [])),
        ("two digits", ("20 OK", [])), ("no space", ("200OK", [])),
        ("control in reason", ("200 O\nK", [])), ("item no tuple", ("200 OK", [["a", "b"]])),
        ("item of three", ("200 OK", [("a", "b", "c")])), ("empty name", ("200 OK", [("", "b")])),
        ("space in name", ("200 OK", [("a b", "c")])),
        ("newline in value", ("200 OK", [("a", "b\nc")])), ("value no str", ("200 OK", [("a", 1)])),
    ]
    seen = {}
    for name, arguments in cases:
        try:
            start_response(*arguments)
            seen[name] = "accepted"
        except Exception as refused:
            seen[name] = f"{type(refused).__name__}: {refused}"
    return as_json(start_response, seen)


def write_then_iterate(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"one,")
    write(b"two,")
    return [b"three"]


def restart_before_output(environ, start_response):
    start_response("200 OK", TEXT)
    try:
        raise LookupError("found out in time")
    except LookupError:
        start_response("503 Changed My Mind", TEXT, sys.exc_info())
    return [b"sorry"]


def restart_after_output(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"begun"
    time.sleep(A_MOMENT)
    try:
        raise LookupError("found out too late")
    except LookupError:
        start_response("503 Too Late", TEXT, sys.exc_info())


def raise_before(environ, start_response):
    raise ValueError("before the head")


def raise_at_first_block(environ, start_response):
    start_response("200 OK", TEXT)
    raise ValueError("before the first block")
    yield b""


def raise_after(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"begun"
    time.sleep(A_MOMENT)
    raise ValueError("after the head")


def raise_after_write(environ, start_response):
    start_response("200 OK", TEXT)(b"begun")
    time.sleep(A_MOMENT)
    raise ValueError("after write()")


def raise_after_length(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "100")])
    yield b"begun"
    time.sleep(A_MOMENT)
    raise ValueError("in a counted body")


def exit_in_request(environ, start_response):
    raise SystemExit(3)


def too_short(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "100")])
    return [b"begun"]


def too_short_slowly(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "100")])
    yield b"begun"
    time.sleep(A_MOMENT)


def too_long(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "5")])
    return [b"12345", b"67890"]


def bad_length(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "many")])
    return [b"x"]


def never_starts(environ, start_response):
    return [b"x"]


def yields_text(environ, start_response):
    start_response("200 OK", TEXT)
    return ["text"]


def stream(environ, start_response):
    start_response("200 OK", TEXT)
    for number in range(5):
        yield b"block %d\n" % number
        yield b""


def slow_stream(environ, start_response):
    start_response("200 OK", TEXT)
    for number in range(3):
        yield b"tick %d\n" % number
        time.sleep(0.5)


class Closing:
    def __init__(self, blocks, errors):
        self._blocks, self._errors = iter(blocks), errors

    def __iter__(self):
        return self._blocks

    def close(self):
        self._errors.write("close() was called\n")


def closing(environ, start_response):
    start_response("200 OK", TEXT)
    return Closing([b"a", b"b"], environ["wsgi.errors"])


def send_file(environ, start_response):
    options = environ["QUERY_STRING"].split("&")
    file = open(os.path.join(os.path.dirname(__file__), "numbers.txt"), "rb")
    headers = list(TEXT)
    if "skip" in options:
        file.seek(10)
    if "length" in options:
        headers.append(("Content-Length", "7"))
    start_response("200 OK", headers)
    return environ["wsgi.file_wrapper"](file, 8192)


def send_bytesio(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"no real file\n" * 5), 16)


def no_content(environ, start_response):
    start_response("204 No Content", [])
    return []


def not_modified(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"abc"')])
    return []


def repeated_headers(environ, start_response):
    return reply(start_response, b"x", headers=[
        ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Thing", "one"), ("X-Thing", "two"),
        ("Last-Modified", "garbage")])


def big(environ, start_response):
    megabytes = int(environ["QUERY_STRING"] or 1)
    start_response("200 OK", TEXT + [("Content-Length", str(megabytes << 20))])
    block = b"0123456789abcdef" * 4096
    for _ in range(megabytes * 16):
        yield block


def speak(environ, start_response):
    environ["wsgi.errors"].write("said to wsgi.errors\n")
    print("said to stderr", file=sys.stderr)
    print("said to stdout")
    return reply(start_response, b"spoke")


def sleep(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"]))
    return reply(start_response, b"%d" % os.getpid())


def until(environ, start_response):
    """Until there is a file of that name."""
    end = time.monotonic() + 60
    while time.monotonic() < end and not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.02)
    return reply(start_response, b"%d" % os.getpid())


def who(environ, start_response):
    return as_json(start_response, {
        "pid": os.getpid(), "uid": os.getresuid(), "gid": os.getresgid(),
        "groups": sorted(os.getgroups()), "cwd": os.getcwd(), "home": os.environ.get("HOME"),
        "threads": threading.active_count(), "argv": sys.argv, "prefix": sys.prefix})


def not_found(environ, start_response):
    return reply(start_response, b"no such path", "404 Not Found")


PATHS = {
    "/environ": show_environ, "/echo": echo, "/echo-pieces": echo_in_pieces,
    "/checksum": checksum, "/input": input_methods, "/bad-starts": bad_starts,
    "/write": write_then_iterate, "/restart": restart_before_output,
    "/restart-late": restart_after_output, "/raise": raise_before,
    "/raise-first": raise_at_first_block, "/raise-after": raise_after,
    "/raise-write": raise_after_write, "/raise-length": raise_after_length,
    "/exit": exit_in_request, "/short": too_short, "/short-slowly": too_short_slowly,
    "/long": too_long, "/bad-length": bad_length,
    "/never-starts": never_starts, "/yields-text": yields_text, "/stream": stream,
    "/slow-stream": slow_stream, "/closing": closing, "/file": send_file,
    "/bytesio": send_bytesio, "/204": no_content, "/304": not_modified,
    "/repeated": repeated_headers, "/big": big, "/speak": speak, "/sleep": sleep, "/until": until,
    "/who": who,
}


def application(environ, start_response):
    return PATHS.get(environ["PATH_INFO"], not_found)(environ, start_response)
