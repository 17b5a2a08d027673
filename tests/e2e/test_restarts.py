# SPDX-License-Identifier: Apache-2.0
"""Restarts under load, and that nothing grows from one to the next."""
import time

import httpx

from crowd import Load, ask_in_background
from waits import wait_until_running
from wsgix_httpd import BOTH_MODES, EVENT_DAEMON, EVENT_EMBEDDED, Variant, wait_for

CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $apps/suite.wsgi
    KeepAlive Off
"""


class TestGracefulRestart:
    def restart_under_load(self, make_httpd, variant):
        httpd = make_httpd(CONFIG, variant, daemon_options="processes=2 threads=4").start()
        assert httpx.get(httpd.url + "/who", trust_env=False).status_code == 200
        with Load(httpd.url + "/who") as load:
            for _ in range(5):
                load.wait_for_answers(20)
                httpd.graceful()
            load.wait_for_answers(20)

        assert set(load.answers) == {200}, load.answers
        assert load.answers[200] > 100

    def test_loses_no_request_in_daemon_mode(self, make_httpd):
        self.restart_under_load(make_httpd, EVENT_DAEMON)

    def test_loses_no_request_in_embedded_mode(self, make_httpd):
        self.restart_under_load(make_httpd, EVENT_EMBEDDED)

    def test_lets_a_running_request_finish(self, make_httpd):
        httpd = make_httpd(CONFIG, daemon_options="processes=1 threads=4").start()
        thread, answers = ask_in_background(httpd, "/sleep?3")
        wait_until_running(httpd, 1)

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


class TestAGracefulAtTheStart:
    def test_leaves_the_only_worker_that_serves(self, make_httpd):
        httpd = make_httpd("""
            $daemon
            WSGIScriptAlias / $root/apps/app.wsgi process-group=suite application-group=%{GLOBAL}
            KeepAlive Off
        """, daemon_options="processes=2 threads=2")
        httpd.folder_for_applications("apps")
        httpd.write("apps/app.wsgi", """
            import os, pathlib, time
            try:
                pathlib.Path(__file__).with_name("first").touch(exist_ok=False)
            except FileExistsError:
                time.sleep(5)
            def application(environ, start_response):
                start_response("200 OK", [])
                return [str(os.getppid()).encode()]
            """)
        httpd.start()
        host, = httpd.hosts()
        assert httpx.get(httpd.url, trust_env=False).text == str(host.pid)

        httpd.graceful()
        httpd.graceful()
        began = time.monotonic()
        answer = httpx.get(httpd.url, trust_env=False, timeout=30)

        assert time.monotonic() - began < 2, "nobody served"
        assert answer.text == str(host.pid)
        assert wait_for(lambda: len(httpd.hosts()) == 1 and not host.is_alive(), 20), httpd.hosts()
        assert len(httpd.workers()) == 2


class TestAStormOfGracefuls:
    """A deployment that asks twenty times, of an application that takes long to import."""

    def test_holds_one_host_that_serves_and_one_that_starts(self, make_httpd):
        httpd = make_httpd(CONFIG + """
            WSGIScriptAlias /slow $root/slow.wsgi process-group=suite application-group=%{GLOBAL}
        """, daemon_options="processes=2 threads=2", files={"pause": "0", "slow.wsgi": """
            import pathlib, time
            time.sleep(float(pathlib.Path(__file__).with_name("pause").read_text()))
            def application(*_): pass
            """}).start()
        httpd.wait_for_log("2 of 2 workers are ready", 30)
        first, = httpd.hosts()
        httpd.write("pause", "6")
        most_hosts = most_workers = 0
        with Load(httpd.url + "/who", clients=2) as load:
            for _ in range(12):
                httpd.graceful()
                time.sleep(0.6)  # an impatient deployment
                most_hosts = max(most_hosts, len(httpd.hosts()))
                most_workers = max(most_workers, len(httpd.workers()))
                assert first.is_alive(), "the one that serves"

        assert set(load.answers) == {200}, load.answers
        assert most_hosts <= 4 and most_workers <= 8, (most_hosts, most_workers)
        assert wait_for(lambda: len(httpd.hosts()) == 1 and not first.is_alive(), 30), httpd.hosts()
        assert wait_for(lambda: len(httpd.workers()) == 2, 10), httpd.workers()


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
        httpd.tolerate("WX|Error|Exception|said to|close|Traceback|AH00161")  # few httpd children
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
