# SPDX-License-Identifier: Apache-2.0
"""Frames of docs/protocol.md in Python: a worker, and a child of httpd, that say what a test wants."""
import array
import contextlib
import os
import pathlib
import socket
import struct
import threading
import time

VERSION = 2
HELLO, REQUEST_HEAD, REQUEST_BODY, REQUEST_END, REQUEST_ABORT, HEAD_PART = 1, 2, 3, 4, 5, 8
(WELCOME, WANT_BODY, RESPONSE_HEAD, RESPONSE_BODY, RESPONSE_FILE, RESPONSE_END, RESPONSE_CUT, FAILURE,
 LOG, BUSY, CLOSING, EARLY_HINTS) = range(16, 28)
ABOUT_THE_CONNECTION = {HELLO, WELCOME, CLOSING}
HEADER = struct.Struct(">HBBIQ")


def frame(kind, request, payload=b"", version=VERSION):
    return HEADER.pack(0x5758, version, kind, len(payload), request) + payload


def text(data):
    return struct.pack(">I", len(data)) + data


def fields(pairs):
    return struct.pack(">I", len(pairs)) + b"".join(text(n) + text(v) for n, v in pairs)


def welcome(pid=1, slot=0):
    return frame(WELCOME, 0, struct.pack(">II", pid, slot))


def response_head(request, headers=(), status=200, reason=b"OK"):
    return frame(RESPONSE_HEAD, request, struct.pack(">H", status) + text(reason)
                 + fields(list(headers)))


def hints(request, pairs=((b"Link", b"</a>"),)):
    return frame(EARLY_HINTS, request, fields(list(pairs)))


def log_line(request, line, level=3, number=1, file=b"app.py"):
    return frame(LOG, request, struct.pack(">BI", level, number) + text(file) + text(line))


def failure(request, status=503, code=6011, what=b"", kind=FAILURE):
    return frame(kind, request, struct.pack(">HI", status, code) + text(what))


def response_file(request, offset=0, length=4):
    return frame(RESPONSE_FILE, request, struct.pack(">QQ", offset, length))


def response(request, body, headers=()):
    """A whole one."""
    length = (b"Content-Length", str(len(body)).encode())
    return (response_head(request, [(b"Content-Type", b"text/plain"), length, *headers])
            + frame(RESPONSE_BODY, request, body) + frame(RESPONSE_END, request))


def request_head(request, pairs, flags=0, script=b"/nonexistent.wsgi"):
    script_ref = struct.pack(">BBq", 0, 0, 0) + text(script) + text(b"") + text(b"application")
    return frame(REQUEST_HEAD, request, struct.pack(">Bqqqq", flags, -1, 0, 0, 0)
                 + script_ref + fields(list(pairs)))


class Peer:
    """The other end of one connection."""

    def __init__(self, connection):
        self.socket = connection
        self._unread = b""

    def send(self, data, descriptors=()):
        if descriptors:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
            self.socket.sendmsg([data], [rights])
        else:
            self.socket.sendall(data)

    def _bytes(self, count):
        while len(self._unread) < count:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError
            self._unread += piece
        taken, self._unread = self._unread[:count], self._unread[count:]
        return taken

    def receive(self):
        """(type, request, payload) of the next frame; EOFError at the end."""
        _, _, kind, size, request = HEADER.unpack(self._bytes(HEADER.size))
        return kind, request, self._bytes(size)

    def next_request(self):
        """Waits for the next RequestHead: its number and its environ."""
        while True:
            kind, request, payload = self.receive()
            if kind == REQUEST_HEAD:
                return request, environ_of(payload)

    def close(self):
        self.socket.close()


def fields_of(payload, at=0, texts_before=0):
    """The fields that begin at that byte, or behind so many texts."""
    def take():
        nonlocal at
        size, = struct.unpack_from(">I", payload, at)
        at += 4 + size
        return payload[at - size:at]

    for _ in range(texts_before):
        take()
    count, = struct.unpack_from(">I", payload, at)
    at += 4
    return {take(): take() for _ in range(count)}


def environ_of(payload):
    return fields_of(payload, 1 + 4 * 8 + 2 + 8, texts_before=3)


class FakeWorker:
    """Takes the place of a group's socket; `serve(peer)` has each connection on a thread of its own.

    To httpd's children it is a worker of the group that does what it likes."""

    def __init__(self, httpd, serve, group="suite"):
        self.path = socket_path_of(httpd, group)
        self._aside = self.path.with_suffix(".aside")
        self._serve = serve
        self._peers = []

    def __enter__(self):
        owner = self.path.stat()
        os.rename(self.path, self._aside)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        os.chown(self.path, owner.st_uid, owner.st_gid)
        self.path.chmod(owner.st_mode & 0o777)
        self._listener.listen(128)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            peer = Peer(connection)
            self._peers.append(peer)
            threading.Thread(target=self._run, args=[peer], daemon=True).start()

    def _run(self, peer):
        with contextlib.suppress(EOFError, OSError):
            self._serve(peer)

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        os.rename(self._aside, self.path)
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.socket.shutdown(socket.SHUT_RDWR)
            peer.close()


def settings_of(httpd, group="suite"):
    """What httpd has told the host of a group."""
    for host in httpd.hosts():
        settings = fields_of(pathlib.Path(f"/proc/{host.pid}/fd/3").read_bytes())
        if settings[b"name"] == group.encode():
            return settings
    raise LookupError(f"no host of group '{group}': {httpd.hosts()}")


def token_of(httpd, group="suite"):
    return settings_of(httpd, group)[b"token"]


def socket_path_of(httpd, group="suite"):
    return pathlib.Path(os.fsdecode(settings_of(httpd, group)[b"socket_path"]))


def connect_as_child(httpd, seconds=20):
    """A connection to the group's socket, as a child of httpd would make it, before Hello."""
    return connect_to(socket_path_of(httpd), seconds)


def connect_to(path, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(seconds)
        try:
            connection.connect(str(path))
            return Peer(connection)
        except BlockingIOError:  # the backlog is full
            connection.close()
            assert time.monotonic() < deadline, "nobody accepts"
            time.sleep(0.01)
