# SPDX-License-Identifier: Apache-2.0
"""More requests than threads: who waits, who is refused at once, and what the log says about it."""
import contextlib
import http.client
import threading
import time

import httpx

from control import DONE, ctl
from crowd import busy_threads
from waits import wait_until_waiting
from wsgix_httpd import EVENT_DAEMON

CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $apps/suite.wsgi
    <IfModule !mpm_prefork_module>
        ServerLimit 2
        StartServers 2
        ThreadsPerChild 32
        MaxSpareThreads 64
        MaxRequestWorkers 64
    </IfModule>
"""
# An answer that waits for nobody. The machine may be busy with other things.
AT_ONCE = 0.6


class Clients:
    """Requests that are on their way, each with its status and how long it took."""

    def __init__(self, server):
        self.server = server
        self.threads = []
        self.answers = []

    def _get(self, path):
        start = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        connection.request("GET", path)
        status = connection.getresponse().status
        self.answers.append((status, time.monotonic() - start))
        connection.close()

    def start(self, path, count=1):
        for _ in range(count):
            self.threads.append(threading.Thread(target=self._get, args=[path]))
            self.threads[-1].start()

    def statuses(self):
        for thread in self.threads:
            thread.join(40)
        return sorted(status for status, _ in self.answers)


@contextlib.contextmanager
def paused(server):
    """The operator has paused the group; it serves again behind the `with`."""
    assert ctl(server, "drain", "suite", "--no-wait").returncode == DONE
    yield
    assert ctl(server, "resume", "suite", "--no-wait").returncode == DONE


class TestQueueLimit:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=1 queue-limit=2"
    config = CONFIG

    def test_refuses_at_once_who_comes_when_the_queue_is_full(self, httpd, client):
        httpd.expect_log(r"wsgi:error.* WX6011: GET /204 in process group 'suite': queue-limit=2 is "
                         r"reached: 1 of 1 threads are busy; 2 requests wait, the oldest for "
                         r".*Remedy: ")
        clients = Clients(httpd)
        with busy_threads(httpd, 1):
            clients.start("/sleep?0.01", 2)
            wait_until_waiting(httpd, 2)

            start = time.monotonic()
            answer = client.get("/204")

            assert time.monotonic() - start < AT_ONCE
            assert answer.status_code == 503 and answer.headers["retry-after"] == "5"
        assert clients.statuses() == [200, 200]

    def test_keeps_its_first_of_many_that_come_at_the_same_moment(self, httpd, client):
        httpd.tolerate("WX6011: GET /sleep.* queue-limit=2 is reached")
        httpd.tolerate_overload()
        assert client.get("/204").status_code == 204  # the group is ready: it counts its threads
        clients = Clients(httpd)
        clients.start("/sleep?1", 12)

        statuses = clients.statuses()

        assert set(statuses) == {200, 503} and 3 <= statuses.count(200) <= 5, statuses
        slowest = max(took for status, took in clients.answers if status == 503)
        assert slowest < 1 + AT_ONCE
        assert client.get("/204").status_code == 204

    def test_does_not_count_who_is_served_at_once(self, httpd):
        for _ in range(20):
            assert httpx.get(httpd.url + "/204").status_code == 204


class TestQueueTimeout:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=2 queue-timeout=500ms connect-timeout=10"
    config = CONFIG

    def test_refuses_in_time_and_says_what_holds_the_threads(self, httpd, client):
        httpd.expect_log(r"WX6011: GET /204 in process group 'suite': the group is full and the "
                         r"request waited [5-9]\d\d ms: 2 of 2 threads are busy; 1 request waits, "
                         r"the oldest for [4-9]\d\d ms")
        with busy_threads(httpd, 2):
            start = time.monotonic()
            answer = client.get("/204")

            assert 0.49 < time.monotonic() - start < 0.5 + AT_ONCE
            assert answer.status_code == 503 and answer.headers["retry-after"] == "5"
        start = time.monotonic()
        assert client.get("/204").status_code == 204
        assert time.monotonic() - start < AT_ONCE

    def test_holds_for_more_than_fit_into_the_backlog_too(self, make_httpd):
        server = make_httpd(CONFIG, daemon_options="processes=1 threads=1 queue-timeout=500ms "
                                                   "connect-timeout=20 listen-backlog=1")
        server.tolerate("WX6011")
        server.start()
        clients = Clients(server)
        clients.start("/sleep?2", 12)

        statuses = clients.statuses()

        assert statuses == [200] + [503] * 11
        assert max(took for status, took in clients.answers if status == 503) < 0.5 + AT_ONCE
        assert httpx.get(server.url + "/204").status_code == 204


class TestPausedGroup:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=1"
    config = CONFIG

    def test_refuses_at_once_with_a_diagnostic_of_its_own(self, httpd, client):
        httpd.expect_log(r"wsgi:error.* WX6031: GET /204 in process group 'suite': the operator has "
                         r"paused the group\. Remedy: ")
        with paused(httpd):
            start = time.monotonic()
            answer = client.get("/204")

            assert time.monotonic() - start < AT_ONCE
            assert answer.status_code == 503 and answer.headers["retry-after"] == "5"
        assert client.get("/204").status_code == 204

    def test_refuses_those_that_wait_as_well(self, httpd, client):
        httpd.expect_log(r"WX6031: GET /who")
        waiting = Clients(httpd)
        with busy_threads(httpd, 1):
            waiting.start("/who")
            wait_until_waiting(httpd, 1)

            with paused(httpd):
                start = time.monotonic()
                assert waiting.statuses() == [503]
                assert time.monotonic() - start < 0.2 + AT_ONCE
        assert client.get("/204").status_code == 204
