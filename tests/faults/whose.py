#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whose answer is it? Clients that know what they must get, and an application that does its worst.

    WSGIX_BUILD=build/release tests/faults/whose.py --minutes 20 --clients 32

Event, worker and prefork, in both modes, in turns. tests/e2e/test_whose.py runs a short form."""
import argparse
import collections
import hashlib
import json
import multiprocessing
import pathlib
import random
import re
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from http1 import Connection, Cut  # noqa: E402
from stage import Stage  # noqa: E402
from wsgix_httpd import EVERYWHERE, Httpd, wait_for  # noqa: E402

SECONDS = 60
CLIENTS_IN_A_PROCESS = 8
GRACEFUL_EVERY = 20
CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIChunkedRequest On
    WSGIScriptAlias / $root/apps/whose.wsgi
    MaxKeepAliveRequests 500
    <IfModule mpm_prefork_module>
        ServerLimit 80
        StartServers 40
        MinSpareServers 2
        MaxSpareServers 80
        MaxRequestWorkers 80
    </IfModule>
    <IfModule !mpm_prefork_module>
        ThreadLimit 40
        ThreadsPerChild 40
        StartServers 2
        MaxRequestWorkers 160
        MaxSpareThreads 160
    </IfModule>
"""
OPTIONS = "processes=2 threads=8"
APPLICATION = pathlib.Path(__file__).with_name("whose.wsgi")


# ---- what a client wants, and what it must get ------------------------------------------------

def own_bytes(name, size):
    """As the application makes them, from nothing but the name of the request."""
    block = hashlib.sha256(name.encode()).hexdigest().encode() + name.encode()
    return (block * (size // len(block) + 1))[:size]


# httpd closes the connection after a 500.
STATUSES = (200,) * 30 + (201,) * 10 + (403, 404) * 5 + (500,)


class Wish:
    """One request. Its name is nobody else's and stands in its URL, so that the log can be asked."""

    def __init__(self, name, act, dice):
        self.name, self.act = name, act
        self.status = dice.choice(STATUSES) if act == "fast" else 200
        self.size = dice.choice((0, 10, 300, 300, 3000, 3000, 30_000))
        if act in ("stream", "file", "cut"):
            self.size = dice.choice((3000, 300_000))
        self.upload = own_bytes(name + "-up", dice.choice((1, 900, 70_000, 1_500_000))) \
            if act == "upload" else b""
        self.chunked = act == "upload" and dice.random() < 0.3
        self.cookie = b"who=%d" % dice.getrandbits(64)
        self.was_asked_before = False

    def bytes(self):
        path = f"/{self.act}?name={self.name}&size={self.size}&status={self.status}"
        head = b"%b %b HTTP/1.1\r\nHost: localhost\r\nCookie: %b\r\n" % (
            b"POST" if self.upload else b"GET", path.encode(), self.cookie)
        if not self.upload:
            return head + b"\r\n"
        if not self.chunked:
            return head + b"Content-Length: %d\r\n\r\n" % len(self.upload) + self.upload
        half = len(self.upload) // 2
        pieces = [piece for piece in (self.upload[:half], self.upload[half:]) if piece]
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
            b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

    def body(self):
        digest = hashlib.sha256(self.upload).hexdigest().encode() if self.upload else b""
        return own_bytes(self.name, self.size) + digest

    def is_met_by(self, answer):
        return (answer.status == self.status and answer.header(b"Set-Cookie") == self.cookie
                and answer.header(b"X-Name") == self.name.encode() and answer.body == self.body())

    def is_a_part_of_it(self, answer):
        """Nothing of somebody else's in what came before a cut."""
        if answer.status < 200:
            return answer.body == b""
        return (answer.header(b"Set-Cookie") == self.cookie and answer.status == self.status
                and answer.header(b"X-Name") == self.name.encode()
                and self.body().startswith(answer.body))


# How often what is asked for, of a thousand turns. A turn of "fast" is up to 16 requests at once.
TURNS = {
    "fast": 920, "upload": 16, "stream": 12, "hints": 10, "file": 10, "slow": 6, "print": 4, "cut": 4,
    "leave": 4, "copy-returns": 2, "copy-raises": 2, "copy-exits": 2, "copy-leaves": 2,
    "copy-streams": 2, "job": 2, "daemonise": 2,
}
CRASHES = ("crash", "quit")
# Per turn. In embedded mode a child of httpd goes, with all its connections.
CRASHES_PER_TURN = {"daemon": 0.0015, "embedded": 0.0004}
# It ends without a word, and httpd has none for a child that exits: only a group can explain it.
ONLY_IN_DAEMON_MODE = ("quit",)


LISTS = ("wrong", "failed", "closed", "printed")


class Client:
    """Asks until the time is over. What it has seen is in `seen`, what may not be in `wrong`."""

    def __init__(self, port, number, mode, seed):
        self._port, self._number = port, number
        self._dice = random.Random(f"{seed}/{number}")
        self._crash_share = CRASHES_PER_TURN[mode]
        self._crashes = [c for c in CRASHES if mode == "daemon" or c not in ONLY_IN_DAEMON_MODE]
        self._connection = None
        self._names = 0
        self.seen = collections.Counter()
        self.wrong = []
        self.failed = []  # [name, act, how, when]: each has to have its line
        self.closed = []  # when a persistent connection was closed in silence, and its requests asked again
        self.printed = []  # names whose lines must all be in the log

    def run(self, end):
        acts, weights = list(TURNS), list(TURNS.values())
        while time.time() < end:
            if self._dice.random() < self._crash_share:
                self._turn(self._wish(self._dice.choice(self._crashes)))
                continue
            act = self._dice.choices(acts, weights)[0]
            count = self._dice.choice((1, 1, 4, 8, 16)) if act == "fast" else 1
            self._turn(*(self._wish(act) for _ in range(count)))
        self._leave()

    def _wish(self, act):
        self._names += 1
        return Wish(f"{self._number}-{self._names}-x", act, self._dice)

    def _leave(self):
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _turn(self, *wishes):
        """Pipelined. What a closed persistent connection left without a byte is asked for again."""
        wishes = list(wishes)
        while wishes:
            try:
                self._ask(wishes)
            except TimeoutError:
                self.wrong.append(f"{wishes[0].name} {wishes[0].act}: no answer in {SECONDS} s")
                self._leave()
                return
            except ValueError as nonsense:
                self.wrong.append(f"{wishes[0].name} {wishes[0].act}: {nonsense}")
                self._leave()
                return
            except ConnectionError as refused:
                self.failed.append([wishes[0].name, wishes[0].act, repr(refused), time.time()])
                self._leave()
                return

    def _ask(self, wishes):
        if self._connection is None:
            self._connection = Connection(self._port, SECONDS)
        connection = self._connection
        connection.send(b"".join(wish.bytes() for wish in wishes))
        if wishes[0].act == "leave":
            time.sleep(self._dice.random() * 0.01)
            wishes.pop()
            self.seen["left"] += 1
            self._leave()
            return
        while wishes:
            try:
                answer = connection.answer()
            except Cut as cut:
                self._leave()
                self._was_cut(wishes, cut, connection.answers)
                return
            self._judge(wishes.pop(0), answer)
            if answer.closes:
                self.seen["asked again after Connection: close"] += len(wishes)
                self._leave()
                return

    def _judge(self, wish, answer):
        if wish.is_met_by(answer) and wish.act not in (*CRASHES, "cut"):
            self.seen["answers"] += 1
            self.seen[wish.act] += 1
            self.seen["interim"] += answer.interim
            if wish.act in ("print", "job") and not wish.was_asked_before:
                self.printed.append(wish.name)
        elif answer.status in (500, 502, 503, 504) and answer.header(b"X-Name") is None \
                and answer.header(b"Set-Cookie") is None:
            self.failed.append([wish.name, wish.act, str(answer.status), time.time()])
        else:
            self.wrong.append(f"{wish.name} {wish.act} of {wish.status}, {wish.size} bytes got "
                              f"{answer.head!r} {answer.body[:120]!r}")

    def _was_cut(self, wishes, cut, answers_before):
        wish = wishes[0]
        if not wish.is_a_part_of_it(cut.answer):
            self.wrong.append(f"{wish.name} {wish.act}: cut, and what came is not its own: "
                              f"{cut.answer.head!r} {cut.answer.body[:120]!r}")
        if wish.act in CRASHES or not cut.was_silent:
            self.failed.append([wish.name, wish.act, str(cut), time.time()])
            wishes.pop(0)
        elif answers_before > 0:
            self.closed.append(time.time())
            for unanswered in wishes:
                unanswered.was_asked_before = True  # it may have run in a child that died
        else:
            self.failed.append([wish.name, wish.act, "closed at once", time.time()])
            wishes.pop(0)


def run_clients(port, numbers, mode, seed, end, path):
    """A process of its own: some clients, one thread each. Writes down what they found."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    clients = [Client(port, number, mode, seed) for number in numbers]

    def guarded(client):
        try:
            client.run(end)
        except BaseException as failed:  # a client that dies would hide what it was to find
            client.wrong.append(f"the client died: {failed!r}")

    threads = [threading.Thread(target=guarded, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {what: [entry for client in clients for entry in getattr(client, what)]
             for what in LISTS}
    found["seen"] = sum((client.seen for client in clients), collections.Counter())
    pathlib.Path(path).write_text(json.dumps(found))


# ---- the log knows every failure --------------------------------------------------------------

NAME_IN_URL = re.compile(r"[?&]name=([\w-]+)")
PRINTED = re.compile(r"<printed ([\w-]+) (\d+) of (\d+)>")
CHILD_DIED = re.compile(r"child pid \d+ exit signal")
GRACEFUL = re.compile(r"AH00493|resuming normal operations")
# httpd's log has the time when it noticed; a child that is to end closes its idle connections at once,
# but notices only when it has finished what it was doing.
NEAR_A_DEATH, NEAR_A_GRACEFUL = (-3, 3), (-1, 8)


def times_of(pattern, log):
    return [time.mktime(time.strptime(line[1:20] + line[27:32], "%a %b %d %H:%M:%S %Y"))
            for line in log.splitlines() if pattern.search(line)]


def is_near(moment, times, window):
    return any(window[0] <= moment - at <= window[1] for at in times)


def unexplained(failed, log):
    """The failures that have neither a line with their name nor the death of a child beside them,
    which takes all its connections along."""
    names = set(NAME_IN_URL.findall(log))
    died = times_of(CHILD_DIED, log)
    return [failure for failure in failed
            if failure[0] not in names and not is_near(failure[3], died, NEAR_A_DEATH)]


def closed_without_a_reason(closed, log):
    """Idle connections end with the child that holds them: at a graceful restart, or when it dies."""
    died, restarted = times_of(CHILD_DIED, log), times_of(GRACEFUL, log)
    return [moment for moment in closed if not is_near(moment, died, NEAR_A_DEATH)
            and not is_near(moment, restarted, NEAR_A_GRACEFUL)]


def lost_lines(printed, log):
    arrived = collections.defaultdict(collections.Counter)
    for name, number, count in PRINTED.findall(log):
        arrived[name][int(number)] += 1
        arrived[name]["of"] = int(count)
    complaints = []
    for name in printed:
        numbers = arrived[name]
        count = numbers.pop("of", None)
        if count is None or set(numbers) != set(range(count)) or set(numbers.values()) != {1}:
            complaints.append(f"{name}: {sum(numbers.values())} of {count} printed lines arrived")
    return complaints


STRANGE = re.compile(r"WX900\d|WX100\d|WX1010|Sanitizer|AH00045")


def judge(variant, found, log):
    """Complaints, in words."""
    complaints = list(found["wrong"])
    complaints += [f"without a line: {failure}" for failure in unexplained(found["failed"], log)]
    complaints += [f"an idle connection was closed for no reason, {time.ctime(moment)}"
                   for moment in closed_without_a_reason(found["closed"], log)]
    complaints += lost_lines(found["printed"], log)
    lines = log.splitlines()
    complaints += [line for line in lines if STRANGE.search(line)][:20]
    if variant.mode == "daemon":
        complaints += [line for line in lines if CHILD_DIED.search(line)]
    return [f"{variant}: {text}" for text in complaints]


def one_turn(stage, variant, seconds, clients, seed, say=lambda text: None):
    """What was counted, and complaints."""
    httpd = Httpd(stage, variant, CONFIG, daemon_options=OPTIONS, log_level="warn",
                  files={"apps/whose.wsgi": APPLICATION.read_text()})
    complaints = []
    try:
        with httpd:
            httpd.tolerate(r".")  # judge() says what may not be
            found = ask_everything(httpd, variant, seconds, clients, f"{seed}/{variant}")
            wait_for(lambda: not judge(variant, found, httpd.log()), 5, 1)
            complaints += judge(variant, found, httpd.log())
            died = len(times_of(CHILD_DIED, httpd.log()))
    except AssertionError as left:  # httpd did not stop, or left something behind
        complaints.append(f"{variant}: {str(left)[:3000]}")
    total = found["seen"] + collections.Counter({what: len(found[what]) for what in LISTS})
    say(f"{variant}: {total['answers']} answers, {total['answers'] / seconds:.0f} a second; "
        f"{total['wrong']} wrong, {total['failed']} failed, {total['closed']} idle connections closed, "
        f"{died} children died; {len(complaints)} complaints")
    say("    " + ", ".join(f"{what} {count}" for what, count in sorted(total.items())))
    say("    failed: " + ", ".join(f"{act} {how}: {count}" for (act, how), count in sorted(
        collections.Counter((act, how[:20]) for _, act, how, _ in found["failed"]).items())))
    return total, complaints


def ask_everything(httpd, variant, seconds, clients, seed):
    end = time.time() + seconds
    shares = [range(first, min(first + CLIENTS_IN_A_PROCESS, clients))
              for first in range(0, clients, CLIENTS_IN_A_PROCESS)]
    fresh = multiprocessing.get_context("spawn")
    paths = [httpd.path(f"found-{share.start}") for share in shares]
    processes = [fresh.Process(target=run_clients, args=(httpd.port, share, variant.mode, seed, end,
                                                         str(path)))
                 for share, path in zip(shares, paths)]
    for process in processes:
        process.start()
    while time.time() < end - min(GRACEFUL_EVERY, seconds / 2):
        time.sleep(min(GRACEFUL_EVERY, seconds / 2))
        httpd.notice_processes()
        httpd.graceful()
    for process in processes:
        process.join()
    parts = [json.loads(path.read_text()) for path in paths]
    found = {what: [entry for part in parts for entry in part[what]] for what in LISTS}
    found["seen"] = sum((collections.Counter(part["seen"]) for part in parts), collections.Counter())
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20, help="of all turns together")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seed", default=str(time.time_ns()), help="repeats a run's random choices")
    parser.add_argument("--only", default="", metavar="MPM-MODE", help="such as event-daemon")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    variants = [variant for variant in EVERYWHERE if options.only in str(variant)]
    stage, complaints, total, began = Stage(), [], collections.Counter(), time.time()
    try:
        for variant in variants:
            counted, found = one_turn(stage, variant, options.minutes * 60 / len(variants),
                                      options.clients, options.seed,
                                      lambda text: print(text, flush=True))
            total.update(counted)
            complaints += found
            print(*found[:20], sep="\n", flush=True)
    finally:
        stage.remove()
    print(f"{total['answers']} answers in {time.time() - began:.0f} s, {total['wrong']} wrong; "
          f"{total['failed']} requests failed, "
          + (f"{len(complaints)} complaints" if complaints else "each with its line"))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
