# SPDX-License-Identifier: Apache-2.0
"""200 MB in and 200 MB out: the memory of every process on the way stays flat."""
import hashlib
import json

import pytest

from wsgix_httpd import BOTH_MODES, Variant

SIZE = 200 << 20
GROWTH_KIB = 32 << 10


class TestBigBodies:
    variants = [*BOTH_MODES, Variant("prefork", "daemon")]
    daemon_options = "processes=1 threads=2"
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $apps/suite.wsgi
    """

    @pytest.fixture(autouse=True)
    def memory_stays_flat(self, httpd, client):
        if httpd.stage.sanitized:
            pytest.skip("a sanitizer keeps freed memory")
        for path in ("/checksum", "/big?1", "/who"):
            client.post(path, content=b"x" * 100_000)
        watched = httpd.children() + httpd.hosts() + httpd.workers()
        before = {p.pid: p.memory_kib for p in watched}
        for process in watched:
            process.reset_peak_memory()
        yield
        for process in watched:
            grown = process.peak_memory_kib - before[process.pid]
            assert grown < GROWTH_KIB, f"{process} grew by {grown} KiB"

    def test_upload(self, client):
        block = bytes(range(256)) * 256
        digest = hashlib.sha256()

        def blocks():
            for _ in range(SIZE // len(block)):
                digest.update(block)
                yield block

        response = client.post("/checksum", content=blocks(),
                               headers={"Content-Length": str(SIZE)}, timeout=120)

        assert json.loads(response.text) == [SIZE, digest.hexdigest()]

    def test_download(self, client):
        received = 0
        with client.stream("GET", f"/big?{SIZE >> 20}", timeout=120) as response:
            for piece in response.iter_raw():
                received += len(piece)

        assert received == SIZE
