# SPDX-License-Identifier: Apache-2.0
"""The application of whose.py: right answers, and everything that could send them astray."""
import hashlib
import io
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import urllib.parse

FORK = multiprocessing.get_context("fork")
LINES = 60
COPIES = []


def own_bytes(name, size):
    block = hashlib.sha256(name.encode()).hexdigest().encode() + name.encode()
    return (block * (size // len(block) + 1))[:size]


def print_lines(name):
    for number in range(LINES):
        print(f"<printed {name} {number} of {LINES}>", file=sys.stderr)


def reap():
    """Copies that nobody waited for, of requests before."""
    for pid in COPIES[:]:
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                COPIES.remove(pid)
        except (ChildProcessError, ValueError):
            pass


class Copy(Exception):
    """Raised in a copy."""


def copied(how, wanted):
    """A process that the application forks and that comes back into the server, or ends itself."""
    reap()
    pid = os.fork()
    if pid:
        if hash(wanted) % 2:
            os.waitpid(pid, 0)
        else:
            COPIES.append(pid)
        return wanted
    time.sleep(0.02)
    if how == "copy-raises":
        raise Copy("in the copy")
    if how == "copy-exits":
        sys.exit(3)
    if how == "copy-leaves":
        os._exit(0)
    return b"of the copy"


def streamed_with_a_copy(wanted):
    half = len(wanted) // 2
    yield wanted[:half]
    yield copied("copy-returns", wanted[half:])


def daemonise():
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(0.3)
        os._exit(0)
    os.waitpid(pid, 0)


def broken_off(wanted, name):
    yield wanted[:len(wanted) // 2]
    raise RuntimeError(f"in the middle of ?name={name}")  # the line has the words, and no URL


def in_blocks(wanted):
    for at in range(0, len(wanted), 5000):
        yield wanted[at:at + 5000]


def act(name, environ, wanted, query):
    """What is to be sent."""
    if name.startswith("copy-") and name != "copy-streams":
        return [copied(name, wanted)]
    if name == "copy-streams":
        return streamed_with_a_copy(wanted)
    if name == "job":
        job = FORK.Process(target=print_lines, args=[query["name"]])
        job.start()
        job.join()
    elif name == "daemonise":
        daemonise()
    elif name == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(5)
    elif name == "quit":
        os._exit(9)
    elif name == "print":
        print_lines(query["name"])
    elif name == "slow":
        time.sleep(0.3)
    elif name == "hints":
        for number in range(3):
            environ["wsgix.early_hints"]([("Link", f"</{query['name']}/{number}>; rel=preload")])
    elif name == "upload":
        return [wanted, hashlib.sha256(environ["wsgi.input"].read()).hexdigest().encode()]
    elif name == "file":
        file = tempfile.TemporaryFile() if len(wanted) > 10_000 else io.BytesIO()
        file.write(wanted)
        file.seek(0)
        return environ["wsgi.file_wrapper"](file)
    elif name == "cut":
        return broken_off(wanted, query["name"])
    elif name in ("stream", "leave"):
        return in_blocks(wanted)
    return [wanted]


def application(environ, start_response):
    query = dict(urllib.parse.parse_qsl(environ["QUERY_STRING"]))
    wanted = own_bytes(query["name"], int(query["size"]))
    name = environ["PATH_INFO"][1:]
    headers = [("Set-Cookie", environ["HTTP_COOKIE"]), ("X-Name", query["name"]),
               ("Content-Type", "text/plain")]
    if name == "fast":
        headers.append(("Content-Length", str(len(wanted))))
    if name in ("copy-streams", "cut", "stream"):
        start_response(query["status"] + " Own", headers)
        return act(name, environ, wanted, query)
    result = act(name, environ, wanted, query)
    start_response(query["status"] + " Own", headers)
    return result
