# SPDX-License-Identifier: Apache-2.0
"""One request over HTTP/1.1 or HTTP/2, with or without TLS: every byte and every end is seen.

Client libraries hide what these tests are about: interim responses, a missing last chunk, the
code of a reset stream, a body that is sent while the response already flows."""
import dataclasses
import select
import socket
import ssl
import subprocess
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions


@dataclasses.dataclass(frozen=True)
class Request:
    method: str = "GET"
    path: str = "/"
    headers: tuple = ()
    # None: no body. Otherwise its pieces, and whether the head says how long it is.
    body: tuple = None
    counted: bool = True
    waits_for_continue: bool = False

    @property
    def body_bytes(self):
        return b"".join(self.body or ())


@dataclasses.dataclass
class Answer:
    status: int = 0
    reason: str = ""
    headers: list = dataclasses.field(default_factory=list)
    body: bytes = b""
    whole: bool = False
    # How it ended, in the protocol's own words.
    end: str = ""
    interim: list = dataclasses.field(default_factory=list)

    def header(self, name):
        return [value for key, value in self.headers if key == name]


class Http1:
    """One request, and the answer up to the end of the connection."""

    def __init__(self, request, host):
        self._request = request
        self._received = bytearray()
        head = [f"{request.method} {request.path} HTTP/1.1", f"Host: {host}", "Connection: close"]
        head += [f"{name}: {value}" for name, value in request.headers]
        pieces = request.body or ()
        if request.waits_for_continue:
            head.append("Expect: 100-continue")
        if request.body is not None and request.counted:
            head.append(f"Content-Length: {len(request.body_bytes)}")
        elif request.body is not None:
            head.append("Transfer-Encoding: chunked")
            pieces = [b"%x\r\n%b\r\n" % (len(p), p) for p in pieces if p] + [b"0\r\n\r\n"]
        self._unsent = ["\r\n".join(head + ["", ""]).encode("latin-1")]
        self._held = list(pieces)
        if not request.waits_for_continue:
            self._release()

    def _release(self):
        self._unsent += self._held
        self._held = []

    def is_done(self):
        return False  # only the end of the connection says so

    def next_bytes(self):
        return self._unsent.pop(0) if self._unsent else b""

    def receive(self, data):
        self._received += data
        if self._held and self._received.startswith(b"HTTP/1.1 100 "):
            self._release()

    def answer(self, ended_by):
        answer, rest = Answer(), bytes(self._received)
        while True:
            head, _, rest = rest.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            if not lines[0].startswith("HTTP/1."):
                answer.end = f"no head: {head[:80]!r}, {ended_by}"
                return answer
            status = int(lines[0].split(" ")[1])
            if status >= 200:
                break
            answer.interim.append(status)
        answer.status, answer.reason = status, lines[0][13:]
        answer.headers = [(name.lower(), value.strip()) for name, _, value in
                          (line.partition(":") for line in lines[1:])]
        self._take_body(answer, rest, ended_by)
        return answer

    def _take_body(self, answer, rest, ended_by):
        lengths = answer.header("content-length")
        if self._request.method == "HEAD" or answer.status in (204, 304):
            answer.body, answer.whole, answer.end = rest, not rest, "no body"
        elif "chunked" in answer.header("transfer-encoding"):
            self._take_chunks(answer, rest, ended_by)
        elif lengths:
            answer.body, answer.whole = rest, len(rest) == int(lengths[0])
            answer.end = "length reached" if answer.whole else f"{ended_by} before the length"
        else:
            answer.body, answer.whole, answer.end = rest, True, "closed"

    @staticmethod
    def _take_chunks(answer, rest, ended_by):
        while True:
            size, line_end, rest = rest.partition(b"\r\n")
            if not line_end:
                answer.end = f"{ended_by} without the last chunk"
                return
            count = int(size, 16)
            if count == 0:
                answer.whole, answer.end = rest == b"\r\n", "last chunk"
                return
            answer.body += rest[:count]
            rest = rest[count + 2:]


class Http2:
    """One stream on a connection of its own."""

    STREAM = 1

    def __init__(self, request, host, scheme):
        self._answer = Answer()
        self._done = False
        config = h2.config.H2Configuration(client_side=True, header_encoding="latin-1")
        self._connection = h2.connection.H2Connection(config)
        self._connection.initiate_connection()
        headers = [(":method", request.method), (":scheme", scheme), (":authority", host),
                   (":path", request.path)]
        headers += [(name.lower(), value) for name, value in request.headers]
        if request.waits_for_continue:
            headers.append(("expect", "100-continue"))
        if request.body is not None and request.counted:
            headers.append(("content-length", str(len(request.body_bytes))))
        self._connection.send_headers(self.STREAM, headers, end_stream=request.body is None)
        self._unsent = memoryview(request.body_bytes)
        self._body_is_open = request.body is not None
        self._held = request.waits_for_continue

    def is_done(self):
        return self._done

    def next_bytes(self):
        if self._body_is_open and not self._held and not self._done:
            self._send_body()
        return self._connection.data_to_send()

    def _send_body(self):
        room = min(self._connection.local_flow_control_window(self.STREAM),
                   self._connection.max_outbound_frame_size, len(self._unsent))
        if room:
            self._connection.send_data(self.STREAM, bytes(self._unsent[:room]))
            self._unsent = self._unsent[room:]
        if not self._unsent:
            self._connection.end_stream(self.STREAM)
            self._body_is_open = False

    def receive(self, data):
        for event in self._connection.receive_data(data):
            self._on(event)

    def _on(self, event):
        answer = self._answer
        if self._done:
            return  # after a whole answer: "the rest of your body is not needed" (RFC 9113, 8.1)
        if isinstance(event, h2.events.InformationalResponseReceived):
            answer.interim.append(int(dict(event.headers)[":status"]))
            self._held = False
        elif isinstance(event, h2.events.ResponseReceived):
            answer.status = int(dict(event.headers)[":status"])
            answer.headers = [pair for pair in event.headers if not pair[0].startswith(":")]
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            self._connection.acknowledge_received_data(event.flow_controlled_length, self.STREAM)
        elif isinstance(event, h2.events.StreamEnded):
            answer.whole, answer.end, self._done = True, "end of stream", True
        elif isinstance(event, h2.events.StreamReset):
            answer.whole, self._done = False, True
            answer.end = f"reset: {h2.errors.ErrorCodes(event.error_code).name}"
        elif isinstance(event, h2.events.ConnectionTerminated):
            answer.end, self._done = f"goaway: {event.error_code}", True

    def answer(self, ended_by):
        if not self._answer.end:
            self._answer.end = ended_by
        return self._answer


@dataclasses.dataclass(frozen=True)
class Transport:
    name: str
    tls: bool
    version: int

    def __str__(self):
        return self.name

    @property
    def scheme(self):
        return "https" if self.tls else "http"

    def connect(self, httpd, seconds):
        plain = socket.create_connection(
            ("127.0.0.1", httpd.tls_port if self.tls else httpd.port), seconds)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.tls:
            return plain
        context = ssl.create_default_context(cafile=str(httpd.path("tls.crt")))
        context.set_alpn_protocols(["h2"] if self.version == 2 else ["http/1.1"])
        return context.wrap_socket(plain, server_hostname="localhost")

    def protocol(self, httpd, request):
        host = f"localhost:{httpd.tls_port if self.tls else httpd.port}"
        return Http2(request, host, self.scheme) if self.version == 2 else Http1(request, host)

    def exchange(self, httpd, request, seconds=30):
        """Sends and receives at the same time, as the protocol and the server allow."""
        with self.connect(httpd, seconds) as connection:
            protocol = self.protocol(httpd, request)
            return protocol.answer(converse(connection, protocol, seconds))


HTTP1 = Transport("http1", False, 1)
HTTPS1 = Transport("https1", True, 1)
H2C = Transport("h2c", False, 2)
H2 = Transport("h2", True, 2)
TRANSPORTS = [HTTP1, HTTPS1, H2C, H2]


def converse_with(port, request, seconds=30):
    """An exchange over HTTP/1 with any server on this machine."""
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        protocol = Http1(request, f"localhost:{port}")
        return protocol.answer(converse(connection, protocol, seconds))


def converse(connection, protocol, seconds):
    """Returns how the conversation ended: done, closed, reset or timed out."""
    connection.setblocking(False)
    deadline = time.monotonic() + seconds
    unsent = b""
    while not protocol.is_done():
        unsent = unsent or memoryview(protocol.next_bytes())
        if time.monotonic() > deadline:
            return "timed out"
        try:
            if unsent:
                unsent = unsent[send(connection, unsent):]
            data = receive(connection)
        except (ConnectionResetError, BrokenPipeError):
            # What the server sent before it closed may still be there to read.
            unsent = b""
            data = rest_of(connection)
            protocol.receive(data)
            return "reset"
        if data == b"":
            return "closed"
        if data:
            protocol.receive(data)
        elif not unsent or not send_is_possible(connection):
            select.select([connection], [connection] if unsent else [], [], 0.02)
    return "done"


def send(connection, data):
    try:
        return connection.send(data[:65536])
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return 0


def receive(connection):
    """Bytes, b"" at the end of the connection, None when nothing has come."""
    try:
        return connection.recv(65536)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return b""


def rest_of(connection):
    received = b""
    try:
        while data := receive(connection):
            received += data
    except OSError:
        pass
    return received


def send_is_possible(connection):
    return bool(select.select([], [connection], [], 0)[1])


def make_certificate(folder):
    """A key and a self-signed certificate for localhost: tls.key and tls.crt."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", str(folder / "tls.key"),
         "-out", str(folder / "tls.crt")], check=True, capture_output=True)
