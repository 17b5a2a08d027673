# SPDX-License-Identifier: Apache-2.0
"""What an application writes is in the error log whole, and nobody can forge a line with it."""
import ctypes
import platform
import re

import pytest

from wsgix_httpd import BOTH_MODES, EVENT_DAEMON, wait_for

APP = r'''
import faulthandler, json, logging, os, subprocess, sys, threading

LINES = {
    "/ascii": "ascii " + "x" * 20000 + " END",
    "/cyrillic": "cyrillic " + "\u0436" * 3000 + " END",
    "/backslashes": "backslashes " + "\\" * 6000 + " END",
    "/json": "json " + json.dumps(["%05d" % n for n in range(3000)]) + " END",
    "/control": "control \x1b[31m\ttab END",
    "/zero": "zero \0 END",
    "/megabyte": "megabyte " + "0123456789 " * 100000 + " END",
}

def application(environ, start_response):
    path = environ["PATH_INFO"]
    how = environ["QUERY_STRING"]
    if path == "/fileno":
        numbers = [sys.stdout.fileno(), sys.stderr.fileno(), environ["wsgi.errors"].fileno()]
        subprocess.run(["/bin/sh", "-c", "echo said by a child"], stdout=sys.stderr, check=True)
        faulthandler.enable()
        faulthandler.dump_traceback(all_threads=False)
        faulthandler.disable()
        assert numbers == [2, 2, 2], numbers
    elif how == "thread":
        thread = threading.Thread(target=print, args=(LINES[path],), kwargs={"file": sys.stderr})
        thread.start()
        thread.join()
    elif how == "errors":
        environ["wsgi.errors"].write(LINES[path] + "\n")
    else:
        print(LINES[path], file=sys.stderr)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"spoke"]
'''
CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $root/logs.wsgi
"""
LINES = {
    "/ascii": "ascii " + "x" * 20000 + " END",
    "/cyrillic": "cyrillic " + "\u0436" * 3000 + " END",
    "/backslashes": "backslashes " + "\\" * 6000 + " END",
    "/json": "json [" + ", ".join('"%05d"' % n for n in range(3000)) + "] END",
    "/control": "control \x1b[31m\ttab END",
    "/megabyte": "megabyte " + "0123456789 " * 100000 + " END",
}
ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|[bnrtv\\])")
HALF_ESCAPE = re.compile(r"((?:^|[^\\])(?:\\\\)*)\\(x[0-9a-f]?)?$")
LETTERS = {b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"\\": b"\\"}


def unescaped(text):
    def byte(found):
        what = found[1]
        return LETTERS.get(what) or bytes([int(what[1:], 16)])
    return ESCAPE.sub(byte, text.encode()).decode()


def message_of(line):
    """The text behind the prefix: behind the last field of it."""
    return re.sub(r"^.*?(?=(\[\+|ascii|cyrillic|backslashes|json|control|zero|megabyte))", "", line)


def joined(log, word):
    """The line that begins with the word, as a reader puts it together."""
    lines = [message_of(line) for line in log.splitlines()]
    first = next(n for n, line in enumerate(lines) if line.startswith(word))
    text = lines[first].split(", referer: ")[0]
    for line in lines[first + 1:]:
        line = line.split(", referer: ")[0]
        mark = line[:11]
        if not re.fullmatch(r"\[\+[0-9a-f]{8}\]", mark):
            continue
        if text.endswith(mark):
            text = text.removesuffix(mark)
        else:
            text = HALF_ESCAPE.sub(r"\1", text)  # httpd has cut there; it comes again, whole
        text += line[11:]
    return unescaped(text)


class Lines:
    variants = BOTH_MODES
    config = CONFIG
    files = {"logs.wsgi": APP}

    @pytest.fixture(autouse=True)
    def announced(self, httpd):
        httpd.tolerate(r"\[wsgi:error\]|END|\[\+")

    def said(self, httpd, client, path, how, headers=None):
        assert client.get(f"{path}?{how}", headers=headers or {}).text == "spoke"
        assert wait_for(lambda: " END" in httpd.new_log(), 10), httpd.new_log()[-2000:]
        return joined(httpd.new_log(), path[1:] + " ")


class TestLongLines(Lines):
    @pytest.mark.parametrize("how", ["errors", "stderr", "thread"])
    @pytest.mark.parametrize("path", sorted(LINES))
    def test_lose_no_byte(self, httpd, client, path, how):
        assert self.said(httpd, client, path, how) == LINES[path]
        assert max(map(len, httpd.new_log().splitlines())) < 4096  # PIPE_BUF

    def test_nul_is_visible(self, httpd, client):
        # httpd's own lines end at a NUL, so it is escaped before httpd escapes.
        assert self.said(httpd, client, "/zero", "errors") == r"zero \x00 END"

    def test_control_characters_are_escaped_once(self, httpd, client):
        self.said(httpd, client, "/control", "errors")
        assert r"control \x1b[31m\ttab END" in httpd.new_log()

    def test_a_referer_of_the_client_takes_no_room_of_them(self, httpd, client):
        assert self.said(httpd, client, "/json", "errors", {"Referer": "r" * 8000}) == LINES["/json"]


class TestLinesOfAFormatWithALongPrefix(Lines):
    config = CONFIG + 'ErrorLogFormat "[wsgi:%l] %{X-Long}i %M"\n'

    @pytest.mark.parametrize("length", [0, 4000, 7000, 8100])
    @pytest.mark.parametrize("path", ["/ascii", "/cyrillic", "/backslashes"])
    def test_lose_no_byte(self, httpd, client, path, length):
        headers = {"X-Long": "L" * length}
        assert self.said(httpd, client, path, "errors", headers) == LINES[path]


class TestFileno(Lines):
    def test_reaches_the_error_log(self, httpd, client):
        httpd.tolerate(r"Current thread|Stack|File|said by")
        assert client.get("/fileno").text == "spoke"
        assert wait_for(lambda: "in application" in httpd.new_log(), 5), httpd.new_log()
        is_daemon = httpd.variant.mode == "daemon"
        prefix = r"\[.*\] \[wsgi:error\] \[pid \d+\] " if is_daemon else ""
        assert re.search(rf"^{prefix}said by a child$", httpd.new_log(), re.MULTILINE)


KCMP = {"x86_64": 312, "aarch64": 272}.get(platform.machine())


@pytest.mark.skipif(KCMP is None, reason="the number of kcmp(2) is not known here")
class TestLogOfAGroup(Lines):
    variants = [EVENT_DAEMON]

    def test_is_not_the_open_file_of_httpd(self, httpd, client):
        assert client.get("/control?errors").text == "spoke"
        syscall = ctypes.CDLL(None, use_errno=True).syscall
        for process in httpd.workers() + httpd.hosts():
            # 0: both numbers are the same open file description.
            assert syscall(KCMP, httpd.parent.pid, process.pid, 0, 2, 2) in (1, 2, 3)
