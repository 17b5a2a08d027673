# SPDX-License-Identifier: Apache-2.0
"""Random requests to an application with random manners, answered as wsgiref answers them.

WSGIX_PROPERTY_EXAMPLES sets the number of examples; without it there are few and always the
same."""
import dataclasses
import importlib.machinery
import importlib.util
import io
import json
import os
import re
import threading
import urllib.parse
import wsgiref.simple_server

import hypothesis
import hypothesis.strategies as st
import pytest

from stage import HERE
from wire_clients import HTTP1, Request, converse_with
from wsgix_httpd import BOTH_MODES

EXAMPLES = os.environ.get("WSGIX_PROPERTY_EXAMPLES")
SETTINGS = hypothesis.settings(
    max_examples=int(EXAMPLES or 80), derandomize=EXAMPLES is None, deadline=None, database=None,
    suppress_health_check=list(hypothesis.HealthCheck))

# wsgiref's parser takes a C1 control character for the end of a line and strips U+00A0.
VISIBLE = "".join(map(chr, [*range(0x21, 0x7f), *range(0xa1, 0x100)]))
VALUES = st.text(VISIBLE + " ", max_size=40).map(str.strip)
NAMES = st.text("abcdefXYZ0123456789-", min_size=1, max_size=12).map(lambda name: "X-q" + name)
# Headers that servers look at themselves. Range is not one of them: httpd cuts the part out of
# any response that reaches it in one piece, which depends on timing.
KNOWN = st.sampled_from([("Accept", "a/b;q=0.5, */*"), ("Cookie", "a=1; b=2"),
                         ("If-None-Match", '"x"'), ("If-Modified-Since", "yesterday"),
                         ("Authorization", "Basic eDp5"), ("Proxy", "http://evil.example"),
                         ("With_Underscore", "x"), ("User-Agent", "q"), ("TE", "trailers"),
                         ("Content-Type", "text/x; a=b"), ("X-Forwarded-For", "1.2.3.4")])
REQUEST_HEADERS = st.lists(st.one_of(KNOWN, st.tuples(NAMES, VALUES)), max_size=8)
RESPONSE_HEADERS = st.lists(
    st.one_of(st.tuples(NAMES, VALUES),
              st.sampled_from([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("ETag", '"x"'),
                               ("Last-Modified", "garbage"), ("Cache-Control", "no-store"),
                               ("Content-Language", "de"), ("Accept-Ranges", "none"),
                               ("Location", "http://other.example/")])), max_size=6)
SEGMENTS = st.lists(st.text("abc~-_.!$&'()*+,;=:@ \u00e9%\u20ac", max_size=6), max_size=4).map(
    lambda names: [name for name in names if name.strip(".")])
SIZES = st.one_of(st.integers(0, 300), st.sampled_from([4096, 8192, 65535, 65536, 65537, 200_000]))
READS = st.one_of(
    st.tuples(st.just("read"), SIZES), st.just(("read",)), st.tuples(st.just("readline"), SIZES),
    st.just(("readline",)), st.tuples(st.just("readlines"), st.integers(1, 500)),
    st.just(("iterate",)))
STEPS = st.lists(st.one_of(READS, st.just(("report",)), st.tuples(st.just("send"), SIZES)),
                 max_size=5)
STATUSES = st.sampled_from(["200 OK", "201 Made", "202 A b c", "206 Part", "299 Odd", "301 Moved",
                            "400 Bad", "404 None", "418 Teapot", "499 Odd", "500 Own", "503 Later"])


@dataclasses.dataclass(frozen=True)
class Plan:
    status: str
    headers: list
    called: list
    iterated: list
    as_list: bool

    def planned_bytes(self):
        """How much it sends; None where that is not known before it runs."""
        total = 0
        for step in [*self.called, *self.iterated]:
            if step[0] in ("environ", "raise"):
                return None
            total += {"send": step[-1], "report": 64}.get(step[0], 0)
        return total

    def declared_length(self):
        return next((int(value) for name, value in self.headers if name == "Content-Length"), None)

    def fails(self):
        steps = [step[0] for step in [*self.called, *self.iterated]]
        total, length = self.planned_bytes(), self.declared_length()
        return "raise" in steps or (None not in (total, length) and length > total)


@st.composite
def plans(draw):
    called, iterated = draw(STEPS), draw(STEPS)
    end = draw(st.sampled_from([[], [], [("environ",)], [("environ",)], [("raise",)]]))
    plan = Plan(draw(STATUSES), draw(RESPONSE_HEADERS), called, iterated + end, draw(st.booleans()))
    total = plan.planned_bytes()
    if total is not None and draw(st.booleans()):
        length = max(0, total + draw(st.sampled_from([0, 0, 0, -1, -40, 1, 70_000])))
        plan.headers.append(("Content-Length", str(length)))
    return plan


@st.composite
def requests(draw):
    path = "/" + "/".join(urllib.parse.quote(name) for name in draw(SEGMENTS))
    path = path.replace("/", draw(st.sampled_from(["/", "/", "//"])))
    query = draw(st.one_of(st.just(""), st.text("abc=&%20+/?;", max_size=12).map(lambda q: "?" + q)))
    method = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS",
                                   "PROPFIND", "BREW"]))
    pieces = draw(st.one_of(st.none(), st.lists(st.one_of(
        st.binary(max_size=200), SIZES.map(lambda size: b"line of text\n" * (size // 13))),
        max_size=4)))
    return Request(method, path + query, tuple(draw(REQUEST_HEADERS)),
                   None if pieces is None else tuple(pieces), draw(st.booleans()))


class Reference:
    """wsgiref with the same application. It does not know where a request body ends."""

    class Handler(wsgiref.simple_server.WSGIRequestHandler):
        def log_message(self, *arguments):
            pass

        def get_stderr(self):
            return io.StringIO()

    def __init__(self):
        loader = importlib.machinery.SourceFileLoader("planned", str(HERE / "apps/planned.wsgi"))
        module = importlib.util.module_from_spec(
            importlib.util.spec_from_loader("planned", loader))
        loader.exec_module(module)

        def application(environ, start_response):
            length = int(environ.get("CONTENT_LENGTH") or 0)
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
            return module.application(environ, start_response)

        self._server = wsgiref.simple_server.make_server("127.0.0.1", 0, application,
                                                         handler_class=self.Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def reference():
    reference = Reference()
    yield reference
    reference.stop()


# ---- the documented differences, all of them -------------------------------------------------

def normal_environ(environ, request, is_reference):
    for key in ("HTTP_X_PLAN", "HTTP_HOST", "HTTP_CONNECTION"):
        environ.pop(key, None)
    if is_reference:
        # Kept from applications: they mislead, or are the server's business.
        for key in ("HTTP_AUTHORIZATION", "HTTP_PROXY", "HTTP_WITH_UNDERSCORE"):
            environ.pop(key, None)
        # wsgiref invents a type where the client sent none, and takes the first of several.
        types = [value for name, value in request.headers if name == "Content-Type"]
        environ["CONTENT_TYPE"] = ", ".join(types)
        if not types:
            del environ["CONTENT_TYPE"]
        # Runs of slashes are one.
        environ["PATH_INFO"] = re.sub("/+", "/", environ["PATH_INFO"])
        # wsgiref joins repeated headers without the space, and leaves repeated blanks around.
        for key in environ:
            if key.startswith("HTTP_"):
                values = [value for name, value in request.headers
                          if "HTTP_" + name.upper().replace("-", "_") == key]
                environ[key] = ", ".join(values)
    if request.body is not None and not request.counted:
        # wsgiref knows no chunks: it was sent the same bytes with their length.
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ.pop("CONTENT_LENGTH", None)
    # wsgiref says so where the client said nothing.
    if not environ.get("CONTENT_LENGTH"):
        environ.pop("CONTENT_LENGTH", None)
    return environ


def normal_body(answer, request, plan, is_reference):
    body = answer.body
    if request.method == "HEAD":
        return b""  # wsgiref sends one
    if is_reference and plan.declared_length() is not None:
        body = body[:plan.declared_length()]  # wsgiref sends on
    before, mark, environ = body.partition(b"\0")
    if mark:
        told = normal_environ(json.loads(environ), request, is_reference)
        body = before + json.dumps(told, sort_keys=True).encode()
    return body


def normal_headers(answer, request, plan):
    # Of the server and of the connection.
    left_out = {"date", "server", "connection", "transfer-encoding"}
    # Either server may count what the application did not.
    # httpd takes a length of 0 from HEAD (its directive HttpContentLengthHeadZero).
    if plan.declared_length() is None or (request.method, plan.declared_length()) == ("HEAD", 0):
        left_out.add("content-length")
    headers = {}
    for name, value in answer.headers:
        # Of a header that makes no sense twice the last one counts.
        headers[name] = [value] if name == "location" else [*headers.get(name, []), value]
    return {name: values for name, values in headers.items() if name not in left_out}


def normal(answer, request, plan, is_reference):
    return (answer.status, answer.reason, normal_headers(answer, request, plan),
            normal_body(answer, request, plan, is_reference))


# ----------------------------------------------------------------------------------------------

class TestAgainstWsgiref:
    variants = BOTH_MODES
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIChunkedRequest On
        AllowEncodedSlashes NoDecode
        WSGIScriptAlias / $apps/planned.wsgi
    """

    @hypothesis.seed(1)
    @hypothesis.given(request=requests(), plan=plans())
    @hypothesis.example(  # the usual way to answer HEAD: the length of GET, and no body
        request=Request("HEAD", "/"),
        plan=Plan("200 OK", [("Content-Length", "100")], [], [], True))
    @SETTINGS
    def test_answers_alike(self, httpd, reference, request, plan):
        httpd.tolerate("WX600|ValueError: as planned|Traceback|File \"|\\]  ")
        planned = dataclasses.replace(request, headers=(
            *request.headers, ("X-Plan", json.dumps(dataclasses.asdict(plan)))))

        ours = HTTP1.exchange(httpd, planned)
        theirs = converse_with(reference.port, dataclasses.replace(planned, counted=True))

        assert "timed out" not in ours.end
        if not plan.fails():
            assert ours.whole, ours.end
            assert normal(ours, request, plan, False) == normal(theirs, request, plan, True)
        elif ours.reason == "Internal Server Error":
            assert ours.status == 500 and ours.whole
        elif request.method != "HEAD":
            # wsgiref lets what it cuts look whole.
            assert not ours.whole
            sent = normal_body(theirs, request, plan, True)
            assert sent.startswith(ours.body) and str(ours.status) == plan.status[:3]
