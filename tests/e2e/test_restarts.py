# SPDX-License-Identifier: Apache-2.0
"""Restarts under load, and that nothing grows from one to the next."""
import collections
import threading
import time

import httpx

from wsgix_httpd import BOTH_MODES, EVENT_DAEMON, EVENT_EMBEDDED, Variant, wait_for

CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $apps/suite.wsgi
    KeepAlive Off
"""


class Load:
    """Clients that ask without a pause until they are told to stop."""

    def __init__(self, url, clients=6):
        self.answers = collections.Counter()
        self._url = url
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def _ask(self):
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not self._stop.is_set():
                try:
                    answer = client.get(self._url).status_code
                except httpx.HTTPError as failed:
                    answer = repr(failed)
                with self._lock:
                    self.answers[answer] += 1

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(40)


class TestGracefulRestart:
    def restart_under_load(self, make_httpd, variant):
        httpd = make_httpd(CONFIG, variant, daemon_options="processes=2 threads=4").start()
        assert httpx.get(httpd.url + "/who", trust_env=False).status_code == 200
        with Load(httpd.url + "/who") as load:
            for _ in range(5):
                time.sleep(0.4)
                httpd.graceful()
            time.sleep(0.4)

        assert set(load.answers) == {200}, load.answers
        assert load.answers[200] > 100

    def test_loses_no_request_in_daemon_mode(self, make_httpd):
        self.restart_under_load(make_httpd, EVENT_DAEMON)

    def test_loses_no_request_in_embedded_mode(self, make_httpd):
        self.restart_under_load(make_httpd, EVENT_EMBEDDED)

    def test_lets_a_running_request_finish(self, make_httpd):
        httpd = make_httpd(CONFIG, daemon_options="processes=1 threads=4").start()
        answers = []
        thread = threading.Thread(target=lambda: answers.append(
            httpx.get(httpd.url + "/sleep?3", timeout=30, trust_env=False).status_code))
        thread.start()
        time.sleep(1)

        httpd.graceful()
        thread.join(20)

        assert answers == [200]

    def test_takes_up_a_changed_configuration(self, make_httpd):
        httpd = make_httpd(CONFIG, daemon_options="processes=1 threads=4").start()
        config = httpd.path("httpd.conf")
        config.write_text(config.read_text().replace("processes=1", "processes=3"))

        httpd.graceful()

        assert wait_for(lambda: len(httpd.workers()) == 3, 20), httpd.workers()
        assert httpx.get(httpd.url + "/who", trust_env=False).status_code == 200

    def test_that_overtakes_another_leaves_the_newest_host_alone(self, make_httpd):
        httpd = make_httpd(CONFIG + """
            WSGIScriptAlias /slow $root/slow.wsgi process-group=suite application-group=%{GLOBAL}
        """, daemon_options="processes=1 threads=2", files={
            "pause": "0",
            "slow.wsgi": """
                import pathlib, sys, time
                pause = pathlib.Path(__file__).with_name("pause").read_text()
                print("importing takes", pause, file=sys.stderr, flush=True)
                time.sleep(float(pause))
                def application(*_): pass
                """}).start()
        httpd.tolerate(r"importing takes|worker \d+: ")  # the stacks of the one that imports
        first, = httpd.hosts()
        httpd.write("pause", "60")
        httpd.graceful()
        httpd.wait_for_log("importing takes 60")
        second, = {host.pid for host in httpd.hosts()} - {first.pid}
        httpd.write("pause", "0")

        httpd.graceful()

        assert wait_for(lambda: len(httpd.hosts()) == 1, 20), httpd.hosts()
        assert httpd.hosts()[0].pid not in (first.pid, second)
        assert httpx.get(httpd.url + "/who", trust_env=False).status_code == 200


class TestDescriptors:
    variants = [*BOTH_MODES, Variant("prefork", "daemon")]
    daemon_options = "processes=1 threads=3"
    config = CONFIG.replace("KeepAlive Off", """
        <IfModule mpm_prefork_module>
            StartServers 2
            MinSpareServers 1
            MaxRequestWorkers 2
        </IfModule>
        <IfModule !mpm_prefork_module>
            StartServers 1
            ServerLimit 1
            ThreadsPerChild 8
            MinSpareThreads 1
            MaxRequestWorkers 8
        </IfModule>""")

    def ask_everything(self, httpd, rounds):
        httpd.tolerate("WX|Error|Exception|said to|close|Traceback")
        httpd.tolerate(r"\]\s{2,}\S|File \"")
        for _ in range(rounds):
            for path in ("/stream", "/file", "/bytesio", "/raise", "/204", "/repeated",
                         "/raise-after", "/closing", "/short"):
                httpd.raw_get(path)
            # A client that leaves in the middle of a response.
            with httpx.Client(base_url=httpd.url, trust_env=False) as client:
                with client.stream("GET", "/big?4") as response:
                    next(response.iter_raw())

    def test_are_given_back(self, httpd):
        self.ask_everything(httpd, 8)
        watched = httpd.children() + httpd.hosts() + httpd.workers()
        before = {p.pid: p.descriptors() for p in watched}

        self.ask_everything(httpd, 25)
        wait_for(lambda: all(len(p.descriptors()) <= len(before[p.pid]) + 1 for p in watched), 8)

        for process in watched:
            now = process.descriptors()
            assert len(now) <= len(before[process.pid]) + 2, \
                f"{process} had {before[process.pid]} and has {now}"
