#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays a hostile worker to httpd and a hostile child of httpd to a worker, frame by frame.

    WSGIX_BUILD=build/release tests/faults/dialogues.py --dialogues 100000

Half of the dialogues are the one, half the other. Beside them clients with cookies ask the same group
and another one and must get their own answers, exactly. Run by hand it does so at length;
tests/e2e/test_hostile_peers.py runs a short form."""
import argparse
import collections
import os
import pathlib
import random
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import raw_frames as raw  # noqa: E402
from good_clients import GoodClients  # noqa: E402
from hostile_frames import (DESCRIPTORS, FORGED, INJECTED, MARK, Repertoire,  # noqa: E402
                            hostile_bytes, send_with)
from http1 import Connection, Cut  # noqa: E402
from measures import compare, sizes  # noqa: E402
from stage import Stage  # noqa: E402
from wsgix_httpd import EVENT_DAEMON, Httpd  # noqa: E402

PROVOKING_CLIENTS = 12
HOSTILE_CHILDREN = 8
SECONDS = 30
CONFIG = """
    WSGIDaemonProcess other processes=1 threads=4
    $daemon
    WSGIScriptAlias /other $root/apps/app.wsgi process-group=other application-group=%{GLOBAL}
    WSGIScriptAlias / $root/apps/app.wsgi process-group=suite application-group=%{GLOBAL}
    MaxKeepAliveRequests 0
    MaxSpareThreads 96
    ThreadsPerChild 32
    ThreadLimit 32
    ServerLimit 2
    MaxRequestWorkers 64
    MaxMemFree 64
"""
# Freed memory goes back to the system. Otherwise each arena of malloc() keeps what the largest requests
# needed, a little more from time to time for very long, and hides what is lost.
GIVES_MEMORY_BACK = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "32768",
                     "MALLOC_TRIM_THRESHOLD_": "65536"}
# Every thread may be held by a request whose body never comes, until its connection is closed.
OPTIONS = "processes=1 threads=16 socket-timeout=2"
APPLICATION = """
    def application(environ, start_response):
        environ["wsgi.input"].read()
        who = environ.get("HTTP_COOKIE", "")
        start_response("200 OK", [("Set-Cookie", who), ("Content-Type", "text/plain")])
        return [f"{who} {environ['REQUEST_URI']}".encode()]
"""


# ---- a hostile worker ------------------------------------------------------------------------

MOMENTS_OF_A_WORKER = ("instead of Welcome", "after Welcome", "after WantBody", "after EarlyHints",
                       "after Log", "after ResponseHead", "after ResponseBody", "after ResponseEnd")


def course_of_a_worker(n, mark):
    """A whole answer, frame by frame: the first ends at the first moment, and so on."""
    head = raw.response_head(n, [(b"Content-Type", b"text/plain"), (b"Set-Cookie", b"who=" + mark)])
    return [raw.welcome(), raw.frame(raw.WANT_BODY, n), raw.hints(n), raw.log_line(n, mark), head,
            raw.frame(raw.RESPONSE_BODY, n, mark), raw.frame(raw.RESPONSE_END, n)]


class HostileWorker:
    def __init__(self, seed):
        self.repertoire = Repertoire(seed, MOMENTS_OF_A_WORKER)
        self.played = collections.Counter()
        self._seed = seed

    def serve(self, peer):
        knows_us, kept = False, []
        try:
            while True:
                n, environ = peer.next_request()
                uri = environ[b"REQUEST_URI"]
                number = int(uri.rpartition(b"/")[2])
                if uri.startswith(b"/good/"):
                    self._serve_well(peer, n, environ, knows_us, random.Random(f"{self._seed}{uri}"))
                elif self.played[number] > 0:  # asked again, after a Busy or a Closing
                    self._answer(peer, n, b"[%d]" % number, knows_us)
                else:
                    self.played[number] += 1
                    if not self._play(peer, n, number, knows_us, kept):
                        return
                knows_us = True
        finally:
            peer.close()
            for descriptor in kept:
                os.close(descriptor)

    @staticmethod
    def _answer(peer, n, body, knows_us, cookie=b"", left_behind=b""):
        data = raw.response(n, body, [(b"Set-Cookie", cookie)] if cookie else ())
        peer.send((b"" if knows_us else raw.welcome()) + data + left_behind)

    def _serve_well(self, peer, n, environ, knows_us, dice):
        """And at times leaves something for whoever comes next."""
        who = environ[b"HTTP_COOKIE"]
        left = raw.response(n + dice.randrange(3), FORGED) if dice.random() < 0.2 else b""
        self._answer(peer, n, who + b" " + environ[b"REQUEST_URI"], knows_us, who, left)

    def _play(self, peer, n, number, knows_us, kept):
        """False: now it closes. Otherwise it waits a while; what it said may have been an answer, and
        then the next request comes."""
        moment, kind, way, dice = self.repertoire.of(number)
        at = MOMENTS_OF_A_WORKER.index(moment)
        opening = course_of_a_worker(n, b"[%d]" % number)[:at]
        if knows_us:
            opening = opening[1:]
        if dice.random() < 0.3:  # nothing but the last of it was needed
            opening = opening[:0 if knows_us else 1] + opening[4:]
        frame, mark = hostile_bytes(kind, way, n, number, dice)
        if way != "cut short":
            frame += b"".join(course_of_a_worker(n, mark)[at:] if dice.random() < 0.5 else ())
        # What follows a whole answer may be sent no later: the next request could cross it.
        together = at == len(MOMENTS_OF_A_WORKER) - 1 or dice.random() < 0.5
        if opening and not together:
            peer.send(b"".join(opening))
            opening = []
        data = b"".join(opening) + frame
        if dice.random() < 0.3:
            kept += send_with(peer, data, dice.choice(list(DESCRIPTORS)))
        else:
            peer.send(data)
        peer.socket.settimeout(3 if dice.random() < 0.02 else 0.2)
        return way != "cut short" and dice.random() < 0.15


class Provoker:
    """A client that asks for the dialogues, and looks at what reaches it."""

    def __init__(self, httpd, complaints):
        self._httpd, self._complaints = httpd, complaints
        self._connection = None

    def ask(self, number):
        if self._connection is None:
            self._connection = Connection(self._httpd.port, SECONDS)
        try:
            self._connection.send(b"GET /bad/%d HTTP/1.1\r\nHost: localhost\r\nCookie: who=[%d]\r\n\r\n"
                                  % (number, number))
            answer = self._connection.answer()
        except Cut as cut:
            answer = cut.answer
            answer.closes = True
        except (TimeoutError, ValueError) as failed:
            self._complaints.append(f"dialogue {number}: {failed!r}")
            self.leave()
            return
        seen = answer.head + answer.body + self._connection.rest()
        foreign = {found for found in MARK.findall(seen) if int(found) != number}
        if FORGED in seen or INJECTED in seen or foreign:
            self._complaints.append(f"dialogue {number}: the client saw {seen[:200]!r}")
        if answer.closes:
            self.leave()

    def leave(self):
        if self._connection is not None:
            self._connection.close()
        self._connection = None


# ---- a hostile child of httpd ----------------------------------------------------------------

MOMENTS_OF_A_CHILD = ("before Hello", "after Hello", "after RequestHead", "after RequestBody",
                      "after RequestEnd", "after the answer")


def course_of_a_child(httpd_token, script, n, mark):
    environ = [(b"REQUEST_METHOD", b"POST"), (b"SCRIPT_NAME", b""), (b"PATH_INFO", b"/bad"),
               (b"QUERY_STRING", b""), (b"SERVER_NAME", b"localhost"), (b"SERVER_PORT", b"80"),
               (b"SERVER_PROTOCOL", b"HTTP/1.1"), (b"REQUEST_URI", b"/bad/" + mark)]
    return [raw.frame(raw.HELLO, 0, httpd_token), raw.request_head(n, environ, flags=1, script=script),
            raw.frame(raw.REQUEST_BODY, n, mark), raw.frame(raw.REQUEST_END, n)]


def end_of_dialogue(peer, way, dice):
    """Closes: at once, or when the other end has, or when that has taken too long."""
    patience = dice.random()
    if patience < 0.85 or way == "cut short":
        return
    if patience < 0.95:
        peer.socket.shutdown(socket.SHUT_WR)
    peer.socket.settimeout(3 if patience > 0.995 else 0.2)
    while peer.socket.recv(65536):
        pass


class HostileChild:
    def __init__(self, httpd, seed, complaints):
        self.repertoire = Repertoire(seed, MOMENTS_OF_A_CHILD)
        self._path, self._token = raw.socket_path_of(httpd), raw.token_of(httpd)
        self._script = os.fsencode(httpd.path("apps/app.wsgi"))
        self._complaints = complaints

    def speak(self, number):
        moment, kind, way, dice = self.repertoire.of(number)
        mark, n = b"[%d]" % number, dice.choice((1, 2, 1 << 63))
        course = course_of_a_child(self._token, self._script, n, mark)
        at = MOMENTS_OF_A_CHILD.index(moment)
        frame, _ = hostile_bytes(kind, way, n, number, dice)
        if way != "cut short" and dice.random() < 0.5:
            frame += b"".join(course[at:])
        peer = raw.connect_to(self._path)
        kept, received = [], []
        try:
            peer.send(b"".join(course[:at]))
            if moment == "after the answer":
                self._receive(peer, received, until=(raw.RESPONSE_END, raw.FAILURE))
            if dice.random() < 0.3:
                kept = send_with(peer, frame, dice.choice(list(DESCRIPTORS)))
            else:
                peer.send(frame)
            if dice.random() < 0.3 and way != "cut short":
                peer.socket.settimeout(0.1)
                self._receive(peer, received)
            end_of_dialogue(peer, way, dice)
        except (OSError, EOFError):
            pass  # it may close whenever it likes
        finally:
            peer.close()
            for descriptor in kept:
                os.close(descriptor)
        self._judge(number, b"".join(received))

    @staticmethod
    def _receive(peer, into, until=()):
        while True:
            kind, _, payload = peer.receive()
            into.append(payload)
            if kind in until:
                return

    def _judge(self, number, seen):
        foreign = {found for found in MARK.findall(seen) if int(found) != number}
        if foreign or b"who=client" in seen:
            self._complaints.append(f"dialogue {number}: the hostile child saw {seen[:200]!r}")


# ---- the runs -------------------------------------------------------------------------------

def in_threads(count, numbers, make_work, complaints):
    """Each number once, by so many threads."""
    numbers, lock = iter(numbers), threading.Lock()

    def run():
        work = make_work()
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                work(number)
            except Exception as failed:  # a thread that dies would hide what it was to find
                complaints.append(f"dialogue {number}: {failed!r}")

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def a_site(stage):
    httpd = Httpd(stage, EVENT_DAEMON, CONFIG, daemon_options=OPTIONS, log_level="warn",
                  files={"apps/app.wsgi": APPLICATION})
    inherited = httpd.environment
    httpd.environment = lambda: inherited() | GIVES_MEMORY_BACK
    return httpd


def run(stage, count, play, say, complaints):
    """`play(httpd, numbers)` has the dialogues of those numbers; a tenth are to warm up."""
    warm_up = max(20, count // 10)
    try:
        with a_site(stage) as httpd:
            httpd.tolerate(r"WX\d+|\[client 127|AH0\d+")  # a hostile worker may log what it likes
            play(httpd, range(warm_up))
            before, began = sizes(httpd), time.monotonic()
            play(httpd, range(warm_up, count))
            say(f"{count - warm_up} dialogues in {time.monotonic() - began:.0f} s")
            complaints += compare(httpd, before, say)
            if FORGED.decode() in httpd.log():
                complaints.append("the log has a line of a frame that had to be refused")
    except AssertionError as found:  # a crash, or something is left when httpd has stopped
        complaints.append(str(found)[:3000])


def hostile_workers(stage, count, seed, say=lambda text: None):
    """Complaints about what a hostile worker can do to httpd's children and their clients."""
    complaints, worker, clients = [], HostileWorker(seed), collections.Counter()

    def play(httpd, numbers):
        with raw.FakeWorker(httpd, worker.serve), GoodClients(httpd, complaints) as good:
            in_threads(PROVOKING_CLIENTS, numbers,
                       lambda: Provoker(httpd, complaints).ask, complaints)
        clients["answers"] += good.answers
        clients["again"] += good.asked_again

    run(stage, count, play, lambda text: say(f"hostile worker: {text}"), complaints)
    if len(worker.played) != count:
        complaints.append(f"only {len(worker.played)} of {count} dialogues were played")
    say(f"hostile worker: {min(count, len(worker.repertoire))} of {len(worker.repertoire)} frames "
        f"at their moments; {clients['answers']} answers to others, {clients['again']} asked again")
    return complaints


def hostile_children(stage, count, seed, say=lambda text: None):
    """Complaints about what a hostile child of httpd can do to a worker and its other clients."""
    complaints, clients, length = [], collections.Counter(), 0

    def play(httpd, numbers):
        nonlocal length
        child = HostileChild(httpd, seed, complaints)
        length = len(child.repertoire)
        with GoodClients(httpd, complaints) as good:
            in_threads(HOSTILE_CHILDREN, numbers, lambda: child.speak, complaints)
        clients["answers"] += good.answers
        clients["again"] += good.asked_again

    run(stage, count, play, lambda text: say(f"hostile child: {text}"), complaints)
    say(f"hostile child: {min(count, length)} of {length} frames at their moments; "
        f"{clients['answers']} answers to others, {clients['again']} asked again")
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dialogues", type=int, default=100_000)
    parser.add_argument("--seed", default=str(time.time_ns()), help="repeats a run's random choices")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    stage, complaints = Stage(), []
    half = options.dialogues // 2
    try:
        for play, count in ((hostile_workers, half), (hostile_children, options.dialogues - half)):
            complaints += play(stage, count, options.seed, lambda text: print(text, flush=True))
    finally:
        stage.remove()
    print("\n".join(complaints[:50]))
    print(f"{options.dialogues} dialogues, {len(complaints)} complaints" if complaints else
          f"{options.dialogues} dialogues: nobody else was touched, nothing grew")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
