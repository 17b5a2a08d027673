# SPDX-License-Identifier: Apache-2.0
"""Fixtures: one httpd per class and variant, inspected after each test."""
import pathlib
import re
import signal

import httpx
import pytest

from stage import Stage
from wsgix_httpd import EVENT_DAEMON, RUNS_AS_ROOT, Httpd


def pytest_configure(config):
    config.addinivalue_line("markers", "root: needs to be started by root")
    # Whoever ends the tests also ends what they started.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("root") and not RUNS_AS_ROOT:
            item.add_marker(pytest.mark.skip(reason="only root can give a group another account"))


def pytest_generate_tests(metafunc):
    if "httpd" in metafunc.fixturenames:
        variants = getattr(metafunc.cls, "variants", [EVENT_DAEMON])
        metafunc.parametrize("httpd", variants, indirect=True, scope="class", ids=str)


@pytest.fixture(scope="session")
def stage():
    stage = Stage()
    yield stage
    stage.remove()


def class_options(cls):
    names = ("config", "log_level", "daemon_options", "files")
    return {name: getattr(cls, name) for name in names if hasattr(cls, name)}


@pytest.fixture(scope="class")
def httpd(request, stage):
    """The class's httpd: `config`, and optionally `variants`, `files`, `daemon_options`, and
    `prepare(server)`, which may also announce what will be logged at the start."""
    server = Httpd(stage, request.param, name=request.cls.__name__, **class_options(request.cls))
    prepare = getattr(request.cls, "prepare", None)
    if prepare:
        prepare(server)
    with server:
        yield server


@pytest.fixture(autouse=True)
def inspected(request):
    """Every test ends with a look at the log, the processes and the sanitizers' reports."""
    yield
    if "httpd" in request.fixturenames:
        request.getfixturevalue("httpd").inspect()


@pytest.fixture
def make_httpd(stage):
    """For tests that kill, reload or misconfigure: an httpd of the test's own."""
    made = []

    def make(config, variant=EVENT_DAEMON, **options):
        made.append(Httpd(stage, variant, config, **options))
        return made[-1]

    yield make
    for server in made:
        try:
            if server.popen is not None:
                server.stop()
                server.inspect(last=True)
        finally:
            server.remove()


@pytest.fixture
def client(httpd):
    with httpx.Client(base_url=httpd.url, timeout=30, trust_env=False) as client:
        yield client


_answers = {}


@pytest.fixture
def same_everywhere(request, httpd):
    """same_everywhere(bytes): equal, byte for byte, under every MPM and in both modes."""
    test = f"{request.node.path.name}::{request.cls.__name__}::{request.node.originalname}"

    def compare(data, label=""):
        data = re.sub(rb"\n(Date|Expires): [^\r]*", rb"\n\1: -", data)
        data = re.sub(rb" at 0x[0-9a-f]+", b" at ADDRESS", data)
        data = data.replace(str(httpd.root).encode(), b"ROOT")
        data = data.replace(str(httpd.port).encode(), b"PORT")
        variant, first = _answers.setdefault((test, label), (httpd.variant, data))
        assert data == first, f"{httpd.variant} answers otherwise than {variant}"

    return compare


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows the error log of its httpd."""
    outcome = yield
    report = outcome.get_result()
    server = getattr(item, "funcargs", {}).get("httpd")
    if report.failed and server is not None and pathlib.Path(server.root).exists():
        report.sections.append(("httpd", server.all_output()[-8000:]))
