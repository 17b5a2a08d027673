# SPDX-License-Identifier: Apache-2.0
"""A persistent connection of HTTP/1.1 that costs little and hides nothing: every byte that came is there."""
import dataclasses
import re
import socket

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.I)
CLOSE = re.compile(rb"\r\nconnection: *close", re.I)


@dataclasses.dataclass
class Answer:
    status: int = 0
    head: bytes = b""
    body: bytes = b""
    interim: int = 0
    closes: bool = False

    def header(self, name):
        """The value of its only field of that name; None when there is another number of them."""
        found = re.findall(rb"\r\n" + name + rb": *([^\r]*)", self.head, re.I)
        return found[0] if len(found) == 1 else None


class Cut(Exception):
    """The connection ended. `answer` is what had come, `was_silent` if that was not one byte."""

    def __init__(self, answer, was_silent, why):
        super().__init__(f"{why} after status {answer.status}, {len(answer.body)} bytes of the body")
        self.answer, self.was_silent = answer, was_silent


class Connection:
    def __init__(self, port, seconds=30):
        self._socket = socket.create_connection(("127.0.0.1", port), seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""
        self.answers = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._socket.close()

    def send(self, data):
        """A connection that ended meanwhile says so where the answer is due."""
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def answer(self):
        """The next one, whole; Cut when it does not come, TimeoutError when nothing comes."""
        answer, self._was_silent = Answer(), not self._unread
        try:
            self._read_head(answer)
            self._read_body(answer)
        except (EOFError, ConnectionResetError) as ended:
            why = "closed" if isinstance(ended, EOFError) else "reset"
            raise Cut(answer, self._was_silent, why) from None
        self.answers += 1
        return answer

    def rest(self):
        """What lies there unread and belongs to no answer that was waited for."""
        return self._unread

    def _receive(self):
        piece = self._socket.recv(262144)
        if not piece:
            raise EOFError
        self._was_silent = False
        self._unread += piece

    def _take(self, count):
        taken, self._unread = self._unread[:count], self._unread[count:]
        return taken

    def _line(self, end):
        while (at := self._unread.find(end)) < 0:
            self._receive()
        return self._take(at + len(end))

    def _read_head(self, answer):
        while answer.status < 200:
            answer.interim += answer.status != 0
            answer.head = self._line(b"\r\n\r\n")
            if not answer.head.startswith(b"HTTP/1.1 "):
                raise ValueError(f"no head of an answer: {answer.head[:80]!r}")
            answer.status = int(answer.head[9:12])
        answer.closes = CLOSE.search(answer.head) is not None

    def _read_body(self, answer):
        if answer.status in (204, 304):
            return
        if CHUNKED.search(answer.head):
            while size := int(self._line(b"\r\n"), 16):
                self._read_counted(answer, size)
                self._line(b"\r\n")
            self._line(b"\r\n")
        elif length := LENGTH.search(answer.head):
            self._read_counted(answer, int(length[1]))
        else:
            self._read_until_it_closes(answer)

    def _read_counted(self, answer, count):
        wanted = len(answer.body) + count
        while len(answer.body) < wanted:
            if not self._unread:
                self._receive()
            answer.body += self._take(wanted - len(answer.body))

    def _read_until_it_closes(self, answer):
        answer.closes = True
        try:
            while True:
                answer.body += self._take(len(self._unread))
                self._receive()
        except EOFError:
            return
