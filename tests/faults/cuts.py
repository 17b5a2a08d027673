#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cuts requests at random bytes and kills workers at random moments; then counts what is left.

Run by hand it does both at length; tests/e2e/test_cuts.py runs a short form of each."""
import argparse
import pathlib
import random
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

from stage import Stage  # noqa: E402
from wire_clients import H2C, HTTP1, Http1, Http2, Request  # noqa: E402
from wsgix_httpd import BOTH_MODES, EVENT_DAEMON, Httpd, wait_for  # noqa: E402

CLIENTS = 8
SECONDS = 20
# So many descriptors may come and go with idle connections and spare threads.
SPARE_DESCRIPTORS = 16
CONFIG = """
    LoadModule http2_module $modules/mod_http2.so
    Protocols h2c http/1.1
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIChunkedRequest On
    WSGIScriptAlias /more $apps/conformance.wsgi
    WSGIScriptAlias / $apps/suite.wsgi
"""
BODY = bytes(range(256)) * 200
REQUESTS = [
    Request("GET", "/stream"), Request("GET", "/big?1"), Request("GET", "/file"),
    Request("POST", "/echo", body=(BODY,)), Request("POST", "/checksum", body=(BODY,)),
    Request("POST", "/echo", body=(BODY[:100], BODY[100:40_000]), counted=False),
    Request("POST", "/echo-pieces", body=(BODY[:9000], BODY[9000:])),
    Request("POST", "/stream", body=(BODY,)),
]
TRICKLED = b"0123456789" * 100
BLOCKS = 100


# ---- requests that the client cuts -----------------------------------------------------------

def bytes_of(request, version):
    """All that a client sends without waiting for an answer."""
    protocol = Http2(request, "localhost", "http") if version == 2 else Http1(request, "localhost")
    sent = b""
    while piece := protocol.next_bytes():
        sent += piece
    return sent


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def cut_one(httpd, dice):
    """Sends a random part of a random request; returns a complaint, or nothing."""
    request, version = dice.choice(REQUESTS), dice.choice((1, 1, 2))
    sent = bytes_of(request, version)
    at = dice.randrange(1, len(sent))
    way = dice.choice(("close", "reset", "wait, then reset", "half close"))
    with socket.create_connection(("127.0.0.1", httpd.port), SECONDS) as connection:
        try:
            connection.sendall(sent[:at])
            if way == "half close":
                connection.shutdown(socket.SHUT_WR)
                return judge(connection, request, version, at)
            if way == "wait, then reset":
                time.sleep(dice.random() * 0.01)
            if way != "close":
                reset(connection)
        except (BrokenPipeError, ConnectionResetError):
            pass
    return None


def judge(connection, request, version, at):
    """httpd knows that no more comes: it ends too, and what needed the rest does not look whole."""
    received, deadline = b"", time.monotonic() + SECONDS
    while True:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            piece = connection.recv(65536)
        except TimeoutError:
            return f"httpd kept a half closed connection: {request.path} cut at {at}"
        except ConnectionResetError:
            break
        if not piece:
            break
        received += piece
    if version == 2 or request.path in ("/stream", "/echo-pieces") or not request.body:
        return None
    protocol = Http1(request, "localhost")
    protocol.receive(received)
    answer = protocol.answer("closed")
    if answer.status == 200 and answer.whole:
        return f"a whole answer to a part of {request.path}, cut at {at}"
    return None


def run_clients(work, complaints):
    def guarded_work(number):
        try:
            work(number)
        except Exception as error:  # a client that dies would hide what it was to find
            complaints.append(f"client {number}: {error!r}")

    clients = [threading.Thread(target=guarded_work, args=(n,)) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()


def descriptors(httpd):
    return {p.identity: len(p.descriptors()) for p in httpd.workers() + httpd.children()}


def every_thread_serves(httpd, threads):
    """Complaints unless as many requests as there are threads run at once. What is lost stays
    lost; only a pool of httpd or of a new worker that is still growing may ask for patience."""
    for _ in range(4):
        complaints = serve_at_once(httpd, threads)
        if not complaints:
            break
    return complaints


def serve_at_once(httpd, threads):
    complaints, took = [], []

    def sleep(number):
        started = time.monotonic()
        answer = HTTP1.exchange(httpd, Request("GET", "/sleep?1"))
        if answer.status != 200 or not answer.whole:
            complaints.append(f"/sleep: {answer.status} {answer.end}")
        took.append(time.monotonic() - started)

    clients = [threading.Thread(target=sleep, args=(n,)) for n in range(threads)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    if max(took) > 1.9:
        complaints.append(f"a request had to wait: {max(took):.1f} s, so threads are lost")
    return complaints


def cut_requests(stage, count, variant, seed):
    """Complaints about `count` requests that were cut by their clients."""
    complaints = []
    with Httpd(stage, variant, CONFIG, daemon_options="processes=2 threads=4") as httpd:
        httpd.tolerate(r"WX600|OSError|Traceback|File \"|\]  |AH00|AH02|WX3")
        shares = [count // CLIENTS + (n < count % CLIENTS) for n in range(CLIENTS)]

        def work(number, share=None):
            dice = random.Random(f"{seed}/{number}/{share}")
            for _ in range(share or shares[number]):
                complaint = cut_one(httpd, dice)
                if complaint:
                    complaints.append(complaint)

        run_clients(lambda number: work(number, 10), complaints)  # until all pools have grown
        complaints += every_thread_serves(httpd, 8)
        before = descriptors(httpd)
        workers = {p.identity for p in httpd.workers()}
        run_clients(work, complaints)
        complaints += every_thread_serves(httpd, 8)
        if {p.identity for p in httpd.workers()} != workers:
            complaints.append("a worker has ended")
        complaints += grown(httpd, before)
    return complaints


def grown(httpd, before):
    def too_many():
        now = descriptors(httpd)
        return {key: (before[key], now[key]) for key in before.keys() & now.keys()
                if now[key] > before[key] + SPARE_DESCRIPTORS}

    # Connections that clients reset are closed by httpd after it has lingered.
    return [] if wait_for(lambda: not too_many(), 15, 0.2) \
        else [f"descriptors before and after, per process: {too_many()}"]


# ---- responses that a dying worker cuts ------------------------------------------------------

def fetch(httpd, transport, counted, results):
    answer = transport.exchange(httpd, Request("GET", "/more/trickle" + "?counted" * counted))
    results.append(answer)


def complaint_about(answer):
    if answer.status == 200 and answer.whole and answer.body != TRICKLED * BLOCKS:
        return f"a cut response looks whole: {len(answer.body)} bytes, {answer.end}"
    if answer.status == 200 and not (TRICKLED * BLOCKS).startswith(answer.body):
        return "a response has other bytes than the application sent"
    if answer.status not in (200, 502, 503):
        return f"status {answer.status}, {answer.end}"
    if answer.end == "timed out":
        return "a request hung"
    return None


def one_round(httpd, dice):
    """Kills every worker of one generation, each in the midst of its responses."""
    results, threads = [], []
    for worker in httpd.workers():
        for number in range(CLIENTS):
            threads.append(threading.Thread(target=fetch, args=(
                httpd, dice.choice((HTTP1, HTTP1, H2C)), dice.random() < 0.5, results)))
            threads[-1].start()
        time.sleep(dice.random() * 0.25)
        worker.signal(signal.SIGKILL)
    for thread in threads:
        thread.join()
    missing = len(threads) - len(results)
    return results, [f"{missing} clients got no answer at all"] if missing else []


def cut_responses(stage, count, seed, say=lambda text: None):
    """Complaints after `count` responses have been cut by kill -9 of a random worker."""
    dice, complaints, cut, rounds = random.Random(seed), [], 0, 0
    with Httpd(stage, EVENT_DAEMON, CONFIG, daemon_options="processes=4 threads=4") as httpd:
        while cut < count and not complaints:
            httpd.tolerate(r"WX\d+|AH00|AH03|AH10")
            results, complaints = one_round(httpd, dice)
            complaints += filter(None, map(complaint_about, results))
            cut += sum(answer.status == 200 and not answer.whole for answer in results)
            rounds += 1
            if rounds > count:
                complaints.append(f"only {cut} responses were cut in {rounds} rounds")
            # A new generation: the supervisor waits longer after each death in a row.
            httpd.graceful()
            if not wait_for(lambda: len(httpd.workers()) == 4, SECONDS):
                complaints.append("the workers did not come back")
            httpd.inspect()
            say(f"{cut} responses cut, {4 * rounds} workers killed")
        httpd.tolerate(r"WX\d+|AH00|AH03|AH10")
        complaints += every_thread_serves(httpd, 16)
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--responses", type=int, default=1_000)
    parser.add_argument("--seed", default=str(time.time_ns()), help="repeats a run's random choices")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    stage, complaints = Stage(), []
    try:
        for variant in BOTH_MODES:
            found = cut_requests(stage, options.requests, variant, options.seed)
            print(f"{variant}: {options.requests} requests cut, {len(found)} complaints")
            complaints += found
        complaints += cut_responses(stage, options.responses, options.seed,
                                    lambda text: print(text, flush=True))
    finally:
        stage.remove()
    print("\n".join(complaints[:50]) or "nothing hung, crashed, leaked or looked whole")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
