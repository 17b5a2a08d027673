# SPDX-License-Identifier: Apache-2.0
"""One table of requests and what must come of them, over every transport, in both modes.

Each answer is compared with the table, and with the answer that the other transports, the other
mode and the other multi-processing modules gave."""
import dataclasses
import json
import socket

import pytest

import wire_clients
from wire_clients import H2, HTTP1, TRANSPORTS, Http1, Request
from wsgix_httpd import BOTH_MODES, Variant, read_to_end

CONFIG = """
    LoadModule ssl_module $modules/mod_ssl.so
    LoadModule socache_shmcb_module $modules/mod_socache_shmcb.so
    <IfModule !mpm_prefork_module>
        LoadModule http2_module $modules/mod_http2.so
        Protocols h2 h2c http/1.1
        H2MinWorkers 4
        H2MaxWorkers 16
    </IfModule>
    Listen 127.0.0.1:$tls_port https
    SSLCertificateFile $root/tls.crt
    SSLCertificateKeyFile $root/tls.key
    SSLSessionCache none
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIChunkedRequest On
    WSGIScriptAlias /more $apps/conformance.wsgi
    WSGIScriptAlias / $apps/suite.wsgi
    <VirtualHost 127.0.0.1:$tls_port>
        ServerName localhost
        SSLEngine on
        SSLOptions +StdEnvVars
    </VirtualHost>
"""

# Framing and the connection are the transport's own affair; mod_http2 answers a Link with what
# it would push.
OF_THE_TRANSPORT = {"date", "server", "connection", "keep-alive", "transfer-encoding", "upgrade",
                    "push-policy"}
RAISED = r"WX600[14]: .*Remedy: "


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    request: Request
    status: int = 200
    # The exact body; for a response that is cut, what it may be no more than.
    body: bytes = None
    whole: bool = True
    headers: tuple = ()
    absent: tuple = ()
    # Patterns that the error log must show.
    log: tuple = ()
    # httpd may count a short response that reaches it in one piece: a matter of timing.
    counted: bool = True
    everywhere: bool = False

    def __str__(self):
        return self.name


def get(path, **others):
    return Request("GET", path, **others)


def post(path, *pieces, **others):
    return Request("POST", path, body=pieces, **others)


def pattern(size):
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def in_pieces(size, piece):
    whole = pattern(size)
    return [whole[at:at + piece] for at in range(0, size, piece)]


BLOCKS = b"".join(b"block %d\n" % n for n in range(5))
MEGABYTE = b"0123456789abcdef" * 65536

RESPONSES = [
    Case("counted", get("/nowhere"), 404, b"no such path", headers=(("content-length", ["12"]),),
         everywhere=True),
    Case("uncounted", get("/stream"), body=BLOCKS, counted=False, everywhere=True),
    Case("written", get("/write"), body=b"one,two,three", counted=False),
    Case("slow blocks", get("/slow-stream"), body=b"tick 0\ntick 1\ntick 2\n"),
    Case("empty", get("/more/empty"), body=b"", counted=False),
    Case("empty blocks", get("/more/empty-blocks"), body=b"ab", counted=False),
    Case("a megabyte", get("/big?1"), body=MEGABYTE, everywhere=True),
    Case("a file", get("/file"), body=None, headers=(("content-length", ["20000"]),)),
    Case("a file's part", get("/file?skip&length"), headers=(("content-length", ["7"]),)),
    Case("no real file", get("/bytesio"), body=b"no real file\n" * 5, counted=False),
    Case("too long", get("/long"), body=b"12345", headers=(("content-length", ["5"]),),
         log=(r"WX6003: .*more than the 5 bytes",)),
    Case("status 299", get("/more/status?299"), 299, b"body", counted=False),
    Case("status 418", get("/more/status?418"), 418, b"body", counted=False),
    Case("status 599", get("/more/status?599"), 599, b"body", counted=False),
    Case("HEAD, counted", Request("HEAD", "/nowhere"), 404, b"", everywhere=True,
         headers=(("content-length", ["12"]),)),
    Case("HEAD, uncounted", Request("HEAD", "/stream"), body=b"", counted=False),
    Case("HEAD of a file", Request("HEAD", "/file"), body=b"",
         headers=(("content-length", ["20000"]),)),
    Case("HEAD of a megabyte", Request("HEAD", "/big?1"), body=b"",
         headers=(("content-length", [str(1 << 20)]),)),
    Case("204", get("/204"), 204, b"", absent=("content-length",), everywhere=True),
    Case("304", get("/304"), 304, b"", headers=(("etag", ['"abc"']),)),
    Case("204 with a body", get("/more/no-body?204"), 204, b"", counted=False),
    Case("304 with a body", get("/more/no-body?304"), 304, b"", counted=False),
    Case("repeated headers", get("/repeated"), body=b"x",
         headers=(("set-cookie", ["a=1", "b=2"]), ("x-thing", ["one", "two"]),
                  ("last-modified", ["garbage"])), everywhere=True),
    Case("odd headers", get("/more/odd-headers"), body=b"odd", counted=False,
         headers=(("x-empty", [""]), ("x-latin", ["caf\u00e9"]), ("x-lower", ["a, b ,c"]),
                  ("www-authenticate", ["Basic realm=one", "Digest realm=two"]),
                  ("link", ["</a>; rel=preload", "</b>; rel=preload"]))),
    Case("hop-by-hop headers", get("/more/hop-by-hop"), body=b"framed by httpd", counted=False,
         headers=(("x-kept", ["yes"]),), absent=("trailer",),
         log=tuple(f"WX6009: response header '{name}: " for name in (
             "Connection", "Transfer-Encoding", "Keep-Alive", "Upgrade", "Trailer"))),
    Case("raised before the head", get("/raise"), 500, log=(RAISED,), everywhere=True),
    Case("replaced head", get("/restart"), 503, b"sorry", counted=False),
]

CUT = [
    Case("uncounted, raised", get("/raise-after"), body=b"begun", whole=False, log=(RAISED,),
         everywhere=True),
    Case("raised after write()", get("/raise-write"), body=b"begun", whole=False, log=(RAISED,)),
    Case("counted, raised", get("/raise-length"), body=b"begun", whole=False, log=(RAISED,),
         everywhere=True),
    Case("too short", get("/short-slowly"), body=b"begun", whole=False, log=("WX6005.*Remedy",)),
    Case("restarted too late", get("/restart-late"), body=b"begun", whole=False, log=(RAISED,)),
    Case("a megabyte, uncounted", get("/more/big-cut"), body=MEGABYTE, whole=False, log=(RAISED,)),
    Case("a megabyte of two", get("/more/counted-cut"), body=MEGABYTE, whole=False, log=(RAISED,)),
    Case("while the body comes", post("/more/cut-duplex", pattern(3_000_000)), body=pattern(10),
         whole=False, log=(RAISED,)),
]

UPLOADS = [
    Case(f"{'counted' if counted else 'uncounted'} body of {size}",
         post("/echo", *in_pieces(size, 30_000), counted=counted), body=pattern(size),
         headers=(("content-length", [str(size)]),), everywhere=size == 65_537)
    for counted in (True, False)
    for size in (0, 1, 8_191, 65_536, 65_537, 1_000_000, 5_000_000)
] + [
    Case(f"{'counted' if counted else 'uncounted'} duplex of {size}",
         post("/echo-pieces", *in_pieces(size, 30_000), counted=counted), body=pattern(size),
         counted=False, everywhere=size == 300_000)
    for counted in (True, False)
    for size in (0, 1, 999, 65_537, 300_000, 5_000_000)
] + [
    Case("answered before it is read", post("/more/answer-then-read", pattern(1_000_000)),
         body=b"answered,read 1000000", counted=False),
    Case("half read", post("/more/half", pattern(100_000)), body=pattern(50_000)),
    Case("half read, large", post("/more/half", pattern(4_000_000)), body=pattern(2_000_000)),
    Case("unread", post("/stream", pattern(100)), body=BLOCKS, counted=False),
    Case("unread, large", post("/stream", pattern(3_000_000)), body=BLOCKS, counted=False,
         everywhere=True),
    Case("unread, uncounted", post("/stream", *in_pieces(3_000_000, 50_000), counted=False),
         body=BLOCKS, counted=False),
    Case("unread, no content", post("/204", pattern(300_000)), 204, b""),
    Case("raised while it comes", post("/more/read-raise", pattern(3_000_000)), 500,
         log=(RAISED,)),
]


def compared(answer, case):
    """What must be the same over every transport, in every mode."""
    left_out = OF_THE_TRANSPORT | (set() if case.counted else {"content-length"})
    headers = sorted(pair for pair in answer.headers if pair[0] not in left_out)
    return answer.status, headers, answer.body if case.whole else b"", answer.whole


def transports_of(httpd):
    """mod_http2 does not work under prefork."""
    return [t for t in TRANSPORTS if t.version == 1 or httpd.variant.mpm != "prefork"]


_answers = {}


def compare(httpd, transport, case, answer):
    seen = compared(answer, case)
    where = f"{httpd.variant} {transport}"
    first_where, first = _answers.setdefault(case.name, (where, seen))
    assert seen == first, f"{where} answers otherwise than {first_where}"


def check(httpd, transport, case):
    for pattern_of_line in case.log:
        httpd.expect_log(pattern_of_line, traceback=True)
    if case.log:
        # The traceback's own last line.
        httpd.tolerate("ValueError: |LookupError: ")

    answer = transport.exchange(httpd, case.request)

    assert (answer.status, answer.whole) == (case.status, case.whole), f"{transport}: {answer.end}"
    if case.body is not None:
        if case.whole:
            assert answer.body == case.body
        else:
            assert case.body.startswith(answer.body)
    for name, values in case.headers:
        assert answer.header(name) == values
    for name in case.absent:
        assert not answer.header(name)
    if not case.whole:
        assert answer.end.startswith("reset: ") if transport.version == 2 \
            else "without the last chunk" in answer.end or "before the length" in answer.end
    compare(httpd, transport, case, answer)


class Conformance:
    config = CONFIG
    daemon_options = "processes=2 threads=4"

    @staticmethod
    def prepare(server):
        wire_clients.make_certificate(server.root)

    def run(self, httpd, case):
        for transport in transports_of(httpd):
            check(httpd, transport, case)
            httpd.inspect()


class TestEventConformance(Conformance):
    variants = BOTH_MODES

    @pytest.mark.parametrize("case", RESPONSES, ids=str)
    def test_response(self, httpd, case):
        self.run(httpd, case)

    @pytest.mark.parametrize("case", CUT, ids=str)
    def test_cut_response(self, httpd, case):
        self.run(httpd, case)

    @pytest.mark.parametrize("case", UPLOADS, ids=str)
    def test_upload(self, httpd, case):
        self.run(httpd, case)

    @pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
    def test_a_body_is_invited_by_100_continue_when_it_is_read(self, httpd, transport):
        request = post("/echo", pattern(100_000), waits_for_continue=True)

        answer = transport.exchange(httpd, request)

        assert answer.interim == [100]
        assert (answer.status, answer.body, answer.whole) == (200, pattern(100_000), True)

    @pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
    def test_environ_tells_scheme_and_tls(self, httpd, transport):
        seen = json.loads(transport.exchange(httpd, get("/more/scheme")).body)

        tls = transport.tls
        assert seen["wsgi.url_scheme"] == seen["REQUEST_SCHEME"] == transport.scheme
        assert seen["SERVER_PROTOCOL"] == ("HTTP/2.0" if transport.version == 2 else "HTTP/1.1")
        assert seen["SERVER_PORT"] == str(httpd.tls_port if tls else httpd.port)
        assert "HTTPS" not in seen
        assert (seen.get("SSL_PROTOCOL", "").startswith("TLSv1.")) is tls
        assert ("SSL_CIPHER" in seen) is tls
        assert seen.get("SSL_SERVER_S_DN_CN") == ("localhost" if tls else None)

    @pytest.mark.parametrize("path", ["/echo", "/echo-pieces", "/checksum"])
    @pytest.mark.parametrize("rest", [b"Content-Length: 100\r\n\r\na part",
                                      b"Transfer-Encoding: chunked\r\n\r\n6\r\na part\r\n9"])
    def test_a_part_of_a_body_is_never_answered_as_the_whole(self, httpd, path, rest):
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n".encode()
        with socket.create_connection(("127.0.0.1", httpd.port), 10) as connection:
            connection.sendall(head + rest)
            connection.shutdown(socket.SHUT_WR)
            protocol = Http1(get(path), "localhost")
            protocol.receive(read_to_end(connection))

        answer = protocol.answer("closed")
        assert answer.status == 400 or not answer.whole

    @pytest.mark.parametrize("transport", [HTTP1, H2], ids=str)
    def test_a_cut_response_does_not_disturb_the_next_one(self, httpd, transport):
        httpd.expect_log(RAISED, traceback=True)
        httpd.tolerate("ValueError: ")

        assert not transport.exchange(httpd, get("/more/big-cut")).whole
        assert transport.exchange(httpd, get("/stream")).body == BLOCKS


class TestUnbufferedConformance(Conformance):
    """The body goes to the worker while it arrives, not after it has."""

    variants = BOTH_MODES
    daemon_options = Conformance.daemon_options + " request-buffering=0"

    @pytest.mark.parametrize("case", [c for c in UPLOADS + CUT if c.request.body
                                      and len(c.request.body_bytes) < 4_000_000], ids=str)
    def test_upload(self, httpd, case):
        self.run(httpd, case)

    @pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
    def test_a_body_that_nobody_reads_is_not_invited(self, httpd, transport):
        answer = transport.exchange(httpd, post("/204", b"body", waits_for_continue=True))

        assert (answer.status, answer.interim) == (204, [])


class TestOtherMpmsConformance(Conformance):
    variants = [Variant(mpm, mode) for mpm in ("worker", "prefork")
                for mode in ("daemon", "embedded")]

    @pytest.mark.parametrize("case", [c for c in RESPONSES + CUT + UPLOADS if c.everywhere],
                             ids=str)
    def test_case(self, httpd, case):
        self.run(httpd, case)
