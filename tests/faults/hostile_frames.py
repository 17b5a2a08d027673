# SPDX-License-Identifier: Apache-2.0
"""Frames of docs/protocol.md as no peer of good will would send them, and descriptors of every kind."""
import contextlib
import itertools
import os
import random
import re
import select
import socket
import struct
import tempfile

import raw_frames as raw

# What no client and no log may ever see: it stands in frames that must be refused, and in all that
# follow them.
FORGED = b"FORGED"
# What no client may see: it stands where a head has a line too many.
INJECTED = b"INJECTED"
# Anything else that a hostile peer says names the dialogue that it belongs to.
MARK = re.compile(rb"\[(\d+)\]")

KINDS = {
    "nothing known (0)": 0, "nothing known (6)": 6, "nothing known (99)": 99, "the last (255)": 255,
    "Hello": raw.HELLO, "RequestHead": raw.REQUEST_HEAD, "RequestBody": raw.REQUEST_BODY,
    "RequestEnd": raw.REQUEST_END, "RequestAbort": raw.REQUEST_ABORT, "HeadPart": raw.HEAD_PART,
    "Welcome": raw.WELCOME, "WantBody": raw.WANT_BODY, "ResponseHead": raw.RESPONSE_HEAD,
    "ResponseBody": raw.RESPONSE_BODY, "ResponseFile": raw.RESPONSE_FILE,
    "ResponseEnd": raw.RESPONSE_END, "ResponseCut": raw.RESPONSE_CUT, "Failure": raw.FAILURE,
    "Log": raw.LOG, "Busy": raw.BUSY, "Closing": raw.CLOSING, "EarlyHints": raw.EARLY_HINTS,
}


# ---- one hostile frame -----------------------------------------------------------------------

def random_headers(mark, dice):
    """Of a response: mostly such as the runtime would never send."""
    return dice.choice((
        [], [(b"Content-Length", b"4")], [(b"Content-Length", b"4000")],
        [(b"Content-Length", b"4"), (b"Content-Length", b"9")], [(b"Content-Length", b"-1")],
        [(b"Transfer-Encoding", b"chunked")], [(b"Connection", b"keep-alive, X-Y")],
        [(b"Set-Cookie", b"who=" + mark)], [(b"X-A", b"b\r\nSet-Cookie: who=" + INJECTED)],
        [(b"X A", b"b")], [(b"", b"")], [(b"X-N", b"a\0b")], [(b"X-L", b"x" * 20_000)],
        [(b"X-M", b"x")] * 300, [(b"Content-Type", b"text/plain")]))


def random_head(n, mark, dice):
    status = dice.choice((200, 200, 200, 204, 304, 100, 101, 999, 0, 404))
    reason = dice.choice((b"OK", b"", b"O\0K", b"OK\r\nSet-Cookie: who=" + INJECTED, b"r" * 5000))
    return raw.response_head(n, random_headers(mark, dice), status, reason)


def well_formed(kind, n, mark, dice):
    """A frame of that kind, as it would be right at its moment."""
    frames = {
        raw.HELLO: lambda: raw.frame(kind, 0, dice.randbytes(32)),
        raw.REQUEST_HEAD: lambda: raw.request_head(n, [(b"REQUEST_METHOD", b"GET"),
                                                       (b"REQUEST_URI", mark)]),
        raw.REQUEST_ABORT: lambda: raw.frame(kind, n, bytes([dice.randrange(6)])),
        raw.WELCOME: lambda: raw.welcome(dice.choice((1, 1 << 31)), dice.choice((0, 3, (1 << 32) - 1))),
        raw.RESPONSE_HEAD: lambda: random_head(n, mark, dice),
        raw.RESPONSE_FILE: lambda: raw.response_file(
            n, dice.choice((0, 3, (1 << 64) - 1)), dice.choice((0, 4, 70_000, 1 << 63))),
        raw.RESPONSE_CUT: lambda: raw.failure(n, what=mark, kind=kind),
        raw.FAILURE: lambda: raw.failure(n, dice.choice((0, 200, 404, 503, 999)), what=mark),
        raw.LOG: lambda: raw.log_line(n, mark * dice.choice((1, 1, 2000)), dice.randrange(256)),
        raw.CLOSING: lambda: raw.frame(kind, 0),
        raw.EARLY_HINTS: lambda: raw.hints(n, random_headers(mark, dice)),
    }
    without_payload = (raw.REQUEST_END, raw.WANT_BODY, raw.RESPONSE_END, raw.BUSY)
    plain = b"" if kind in without_payload else mark
    return frames.get(kind, lambda: raw.frame(kind, n, plain))()


def parts(frame):
    _, _, kind, _, request = raw.HEADER.unpack_from(frame)
    return kind, request, frame[raw.HEADER.size:]


def with_length(frame, length):
    _, version, kind, _, request = raw.HEADER.unpack_from(frame)
    return raw.HEADER.pack(0x5758, version, kind, length, request) + frame[raw.HEADER.size:]


def of_another_request(frame, dice):
    kind, request, payload = parts(frame)
    return raw.frame(kind, max(0, request + dice.choice((-1, 1, 7, 1 << 62))) or 1 << 40, payload)


def of_another_version(frame, dice):
    kind, request, payload = parts(frame)
    return raw.frame(kind, request, payload, version=dice.choice((0, 1, 3, 255)))


def cut_short(frame, dice):
    return frame[:dice.randrange(1, len(frame))]


def scrambled(frame, dice):
    kind, request, payload = parts(frame)
    return raw.frame(kind, request, dice.randbytes(len(payload)))


def a_bit_flipped(frame, dice):
    damaged = bytearray(frame)
    damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


WAYS = {
    "as it should be": lambda frame, dice: frame,
    "repeated": lambda frame, dice: frame * dice.choice((2, 2, 5, 100)),
    "of another request": of_another_request,
    "of another version": of_another_version,
    "of another protocol": lambda frame, dice: b"HT" + frame[2:],
    "larger than any": lambda frame, dice: with_length(frame, dice.choice(
        ((1 << 20) + 1, 1 << 31, (1 << 32) - 1))),
    "cut short": cut_short,
    "shorter than it says": lambda frame, dice: with_length(frame, len(frame) + dice.randrange(1, 90)),
    "longer than it says": lambda frame, dice: frame + dice.randbytes(dice.randrange(1, 40)),
    "with bytes left over": lambda frame, dice: raw.frame(*parts(frame)[:2], parts(frame)[2] + b"\0"),
    "without a payload": lambda frame, dice: raw.frame(*parts(frame)[:2]),
    "scrambled": scrambled,
    "with a bit flipped": a_bit_flipped,
}
# Whatever the frame and the moment, these end the connection.
ALWAYS_REFUSED = {"of another request", "of another version", "of another protocol",
                  "larger than any"}


# ---- descriptors of every kind ---------------------------------------------------------------

def a_file(size=9):
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * size)
        file.flush()
        return [os.dup(file.fileno())], []


def a_pipe():
    return list(os.pipe()), []


def a_socket_pair():
    return [end.detach() for end in socket.socketpair()], []


def a_listener():
    return [socket.create_server(("127.0.0.1", 0)).detach()], []


def a_reluctant_socket():
    """A TCP socket whose close() would wait for a peer that never reads; that peer is kept."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    sender = socket.socket()
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sender.connect(listener.getsockname())
    peer, _ = listener.accept()
    listener.close()
    sender.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sender.send(b"x" * 4096)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
    return [sender.detach()], [peer.detach()]


def opened(path, flags):
    return lambda: ([os.open(path, flags)], [])


def a_memory_file():
    descriptor = os.memfd_create("hostile")
    os.write(descriptor, b"x" * 100_000)
    return [descriptor], []


def a_file_that_shrinks():
    """The second, kept descriptor is for making it empty once it has arrived."""
    descriptors, _ = a_memory_file()
    return descriptors, [os.dup(descriptors[0])]


def an_epoll():
    with select.epoll() as poller:
        return [os.dup(poller.fileno())], []


def several():
    made = [a_file(), a_pipe(), opened("/", os.O_RDONLY)(), a_socket_pair(), a_file(70_000)]
    return [d for descriptors, _ in made for d in descriptors], []


DESCRIPTORS = {
    "a file": a_file, "a larger file": lambda: a_file(70_000), "a pipe": a_pipe,
    "sockets": a_socket_pair, "a listener": a_listener, "a reluctant socket": a_reluctant_socket,
    "a folder": opened("/", os.O_RDONLY), "/dev/null": opened("/dev/null", os.O_RDWR),
    "/dev/zero": opened("/dev/zero", os.O_RDONLY), "a memory file": a_memory_file,
    "a file that shrinks": a_file_that_shrinks, "an epoll": an_epoll,
    "a path": opened("/etc/passwd", os.O_PATH), "of /proc": opened("/proc/self/environ", os.O_RDONLY),
    "write-only": opened("/dev/null", os.O_WRONLY), "several": several,
}


def send_with(peer, data, name):
    """Sends the bytes with such descriptors, of which then only what is returned is left here."""
    given, kept = DESCRIPTORS[name]()
    try:
        peer.send(data, given)
    finally:
        for descriptor in given:
            os.close(descriptor)
        if name == "a file that shrinks":
            os.ftruncate(kept[0], 0)
    return kept


# ---- what is played --------------------------------------------------------------------------

class Repertoire:
    """Which frame comes at which moment and in which way: each once, in an order of the seed's,
    before the first one comes again."""

    def __init__(self, seed, moments):
        self._seed = seed
        self._all = list(itertools.product(moments, KINDS, WAYS))
        random.Random(seed).shuffle(self._all)

    def __len__(self):
        return len(self._all)

    def of(self, number):
        """moment, kind, way, and the dice for all the rest of that dialogue."""
        return *self._all[number % len(self._all)], random.Random(f"{self._seed}/{number}")


def hostile_bytes(kind, way, n, number, dice):
    """The frame, and the mark that what comes after it carries."""
    mark = FORGED if way in ALWAYS_REFUSED else b"[%d]" % number
    return WAYS[way](well_formed(KINDS[kind], n, mark, dice), dice), mark
