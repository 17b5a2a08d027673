# SPDX-License-Identifier: Apache-2.0
"""Leaves a process behind that takes connections from the group's listener, and answers as a worker."""
import contextlib
import os
import signal
import socket
import stat
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))

import raw_frames as raw  # noqa: E402


def listener():
    """A descriptor of our own for the group's: the worker's is closed in a copy."""
    for fd in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                found = socket.socket(fileno=os.dup(fd))
                if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    return found
        except OSError:
            pass


def answer(connection):
    """As a worker would."""
    peer, greeting = raw.Peer(connection), raw.welcome()
    with contextlib.suppress(EOFError, OSError):
        while True:
            n, _ = peer.next_request()
            peer.send(greeting + raw.response(n, b"left behind by uid %d" % os.getuid()))
            greeting = b""


def take_all(server, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            connection, _ = server.accept()
        except BlockingIOError:
            time.sleep(0.002)
            continue
        connection.setblocking(True)
        threading.Thread(target=answer, args=[connection], daemon=True).start()


def leave_one_behind():
    server, worker = listener(), os.getpid()
    server.setblocking(False)
    if os.fork() != 0:
        return
    os.setsid()
    while True:  # the worker may have what comes while it is not stopped
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGSTOP)
        take_all(server, 0.05)
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)
        time.sleep(0.05)


def application(environ, start_response):
    if environ["PATH_INFO"] == "/leave":
        leave_one_behind()
    body = b"uid %d" % os.getuid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
