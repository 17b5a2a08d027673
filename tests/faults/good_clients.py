# SPDX-License-Identifier: Apache-2.0
"""Clients beside those that are meant: they know what they must get, whatever happens to others."""
import functools
import itertools
import time

from crowd import Crowd
from http1 import Connection, Cut

SECONDS = 30
CLIENTS = 4


class GoodClients(Crowd):
    """Clients that know what they must get, while the with lasts."""

    def __init__(self, httpd, complaints):
        self.answers = 0
        self.asked_again = 0
        self._httpd, self._complaints = httpd, complaints
        super().__init__([functools.partial(self._run, n, path)
                          for n in range(CLIENTS) for path in ("/good", "/other")])

    def _run(self, client, path):
        numbers = itertools.count(client, 1000)
        while not self.stop.is_set():
            try:
                with Connection(self._httpd.port, SECONDS) as connection:
                    self._visit(connection, b"who=client-%d" % client, path, numbers)
            except Exception as failed:  # whatever it is, nobody else may cause it
                self._complaints.append(f"a good client of {path}: {failed!r}")

    def _visit(self, connection, cookie, path, numbers):
        for number in itertools.islice(numbers, 200):
            uri = f"{path}/{number}".encode()
            connection.send(b"GET %b HTTP/1.1\r\nHost: localhost\r\nCookie: %b\r\n\r\n" % (uri, cookie))
            try:
                answer = connection.answer()
            except Cut as cut:
                if cut.was_silent and connection.answers:  # an idle connection may be closed
                    self.asked_again += 1
                    return
                raise
            got = answer.status, answer.header(b"Set-Cookie"), answer.body
            if got != (200, cookie, cookie + b" " + uri):
                self._complaints.append(f"{cookie} asked for {uri} and got {got}")
            self.answers += 1
            if self.stop.is_set() or answer.closes:
                return
            time.sleep(0.002)
