# SPDX-License-Identifier: Apache-2.0
"""Workers that hang, grow, idle or age: found from outside, replaced, and the log says why."""
import contextlib
import os
import pathlib
import re
import signal
import threading
import time

import pytest

from crowd import Load, ask, ask_in_background
from waits import wait_until_ready, wait_until_running
from wsgix_httpd import wait_for

CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $apps/life.wsgi
    KeepAlive Off
"""
STACK_LINES = r"group 'suite': worker \d+: |WX\d+: .*stack|thread \d+ .*request|File \""


def pid_of(httpd):
    return int(ask(httpd).text)


def is_replaced(httpd, old):
    return wait_for(lambda: old not in {worker.pid for worker in httpd.workers()}, 15)


class TestAWorkerWithoutProgress:
    config = CONFIG
    daemon_options = "processes=2 threads=4 deadlock-timeout=2"

    def test_a_stopped_one_is_killed_and_replaced(self, httpd):
        victim = pid_of(httpd)
        httpd.expect_log(rf"WX2015: group 'suite': worker {victim}: .*stopped by a signal")

        os.kill(victim, signal.SIGSTOP)

        assert is_replaced(httpd, victim)
        assert wait_for(lambda: len(httpd.workers()) == 2, 10)
        assert pid_of(httpd) != victim

    def test_one_that_holds_the_gil_is_killed_and_says_where(self, httpd):
        httpd.expect_log(r"WX2015: group 'suite': worker \d+: its Python has made no progress")
        httpd.expect_log(r"group 'suite': worker \d+: .*File .*life.wsgi.* line \d+ in hold_the_gil")
        httpd.expect_log(r"WX6013: ")
        httpd.tolerate(STACK_LINES)
        held, answers = ask_in_background(httpd, "/hold?60")
        wait_until_running(httpd, 1)

        # The stuck one's threads still take requests, and lose them; the other worker goes on.
        assert 200 in {ask(httpd).status_code for _ in range(6)}
        held.join(20)

        assert answers and answers[0] >= 500, answers
        httpd.wait_for_log(r"worker \d+ was killed by signal 9 \(SIGKILL\) \(deadlock_timeout\)")


class TestAWorkerThatGrows:
    config = CONFIG
    daemon_options = "processes=1 threads=4 memory-recycle=150m,600m"

    def test_a_large_one_is_replaced_without_a_failed_request(self, httpd):
        old = pid_of(httpd)
        with Load(httpd.url + "/", clients=3) as load:
            assert ask(httpd, "/grow?200").status_code == 200
            assert is_replaced(httpd, old)

        assert set(load.answers) == {200}
        httpd.wait_for_log(rf"WX2030: group 'suite': worker {old} holds \d+ MiB")
        httpd.wait_for_log(rf"worker {old} exited with code 0 \(memory_recycle\)")

    def test_a_huge_one_is_killed(self, httpd):
        old = pid_of(httpd)
        httpd.expect_log(rf"WX2017: group 'suite': worker {old} holds \d+ MiB")
        httpd.expect_log(r"WX6013: GET /grow_on")

        # Perhaps it is asked to leave before: a look may come while it is still growing.
        assert ask(httpd, "/grow_on?700").status_code == 502

        assert is_replaced(httpd, old)
        assert ask(httpd).status_code == 200
        httpd.wait_for_log(rf"worker {old} was killed by signal 9 \(SIGKILL\) \(memory_exceeded\)")


class TestAnIdleWorker:
    config = CONFIG
    daemon_options = "processes=1 threads=2 inactivity-timeout=2"

    def test_is_replaced_but_not_while_it_works(self, httpd):
        old = pid_of(httpd)

        assert int(ask(httpd, "/sleep?3").text) == old
        assert is_replaced(httpd, old)

        httpd.wait_for_log(rf"worker {old} has been idle for \d+ s and is replaced")
        assert ask(httpd).status_code == 200


class TestAnOldWorker:
    config = CONFIG
    daemon_options = "processes=2 threads=2 restart-interval=2"

    def test_is_replaced_without_a_failed_request(self, httpd):
        wait_until_ready(httpd, 2)
        old = {worker.pid for worker in httpd.workers()}
        with Load(httpd.url + "/", clients=3) as load:
            for pid in old:
                assert is_replaced(httpd, pid)

        assert set(load.answers) == {200}
        httpd.wait_for_log(r"exited with code 0 \(restart_interval\)")


class TestAStuckRequest:
    config = CONFIG
    daemon_options = "processes=1 threads=1 request-timeout=1 graceful-timeout=1 shutdown-timeout=1"

    def test_costs_its_own_worker_only(self, httpd):
        httpd.tolerate_overload()
        httpd.expect_log(r"WX2016: group 'suite': worker \d+: GET /sleep\?60 has been running for")
        httpd.expect_log(r"WX2014: group 'suite': worker \d+ had not ended in time \(request_timeout\)")
        httpd.expect_log(r"in sleep_too_long")
        httpd.expect_log(r"WX6013: ")
        httpd.tolerate(STACK_LINES)
        stuck, answers = ask_in_background(httpd, "/sleep?60")
        wait_until_running(httpd, 1)
        began = time.monotonic()

        assert ask(httpd).status_code == 200  # waits for the successor

        assert time.monotonic() - began < 5
        stuck.join(20)
        assert answers and answers[0] >= 500, answers


class TestAKilledWorker:
    config = CONFIG
    daemon_options = "processes=1 threads=2"

    def test_is_logged_with_the_requests_it_had(self, httpd):
        victim = pid_of(httpd)
        httpd.expect_log(rf"WX2008: group 'suite': worker {victim} \(ready\) was killed by signal 9 "
                         r"\(SIGKILL\), after \d+ requests, 1 running: GET /sleep\?30 for ")
        httpd.expect_log(r"WX6013: ")
        sleeper, answers = ask_in_background(httpd, "/sleep?30")
        wait_until_running(httpd, 1)

        os.kill(victim, signal.SIGKILL)

        sleeper.join(20)
        assert answers and answers[0] >= 500, answers


@pytest.fixture
def memory_group():
    """A control group of the kernel's with 64 MiB; a function that moves processes into it."""
    root = pathlib.Path("/sys/fs/cgroup")
    version1 = (root / "memory").is_dir()
    place = (root / "memory" if version1 else root) / f"wsgix-test-{os.getpid()}"
    try:
        place.mkdir()
        limit = place / ("memory.limit_in_bytes" if version1 else "memory.max")
        limit.write_text(str(64 << 20))
    except OSError as refused:
        pytest.skip(f"no control group can be made here: {refused}")

    def move(processes):
        for process in processes:
            (place / "cgroup.procs").write_text(str(process.pid))

    yield move
    with contextlib.suppress(OSError):
        for pid in (place / "cgroup.procs").read_text().split():
            (place.parent / "cgroup.procs").write_text(pid)
        place.rmdir()


@pytest.mark.root
class TestAWorkerForWhichThereIsNoMemory:
    config = CONFIG
    daemon_options = "processes=1 threads=2"

    def test_is_said_to_have_ended_of_that(self, httpd, memory_group):
        victim = pid_of(httpd)
        memory_group(httpd.hosts() + httpd.workers())
        httpd.expect_log(rf"WX2008: group 'suite': worker {victim} \(ready, out_of_memory\) was "
                         "killed by signal 9")
        httpd.expect_log(r"WX6013: .*out of memory")

        answer = ask(httpd, "/grow?200")

        assert answer.status_code >= 500
        assert wait_for(lambda: ask(httpd).status_code == 200, 10)
        assert pid_of(httpd) != victim


class TestAWorkerThatIsToldToLeave:
    config = CONFIG
    daemon_options = ("processes=1 threads=2 graceful-timeout=60 eviction-timeout=1 "
                      "shutdown-timeout=1")

    def test_has_its_eviction_timeout_for_what_it_is_doing(self, httpd):
        victim = pid_of(httpd)
        httpd.expect_log(rf"WX2014: group 'suite': worker {victim} had not ended in time")
        httpd.expect_log(r"WX6013: ")
        httpd.tolerate(STACK_LINES)
        sleeper, answers = ask_in_background(httpd, "/sleep?40")
        wait_until_running(httpd, 1)
        began = time.monotonic()

        os.kill(victim, signal.SIGUSR1)

        sleeper.join(30)
        assert 1 < time.monotonic() - began < 10
        assert answers and answers[0] >= 500, answers
        assert pid_of(httpd) != victim


class TestAScriptThatLoadsForever:
    daemon_options = "processes=1 threads=2 startup-timeout=1"
    files = {"site/app.wsgi": "import time; time.sleep(60)"}
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        # A folder: the script is not known before somebody asks for it.
        WSGIScriptAlias / $root/site/
        """

    def test_has_the_startup_timeout_also_with_its_first_request(self, httpd):
        httpd.expect_log(r"WX2009: group 'suite': worker \d+: the script of GET /app.wsgi has been loading "
                         r"for \d\.\d s; it is killed \(startup-timeout=1\)")
        httpd.tolerate(STACK_LINES + r"|WX2009|WX2018|WX6013")
        began = time.monotonic()

        answer = ask(httpd, "/app.wsgi")

        assert answer.status_code >= 500
        assert time.monotonic() - began < 8


class TestOneThatCrashesWithItsFirstRequest:
    config = """
        WSGIDaemonProcess crashing processes=1 threads=3
        WSGIScriptAlias / $root/app.wsgi process-group=crashing application-group=%{GLOBAL}
    """
    files = {"app.wsgi": """
        import os
        def application(environ, start_response):
            if environ["PATH_INFO"] == "/crash":
                os._exit(3)
            start_response("200 OK", [("Content-Length", "2")])
            return [b"ok"]
        """}

    def test_is_followed_within_a_second_however_often(self, httpd):
        httpd.tolerate("WX")
        for _ in range(12):
            assert ask(httpd, "/crash").status_code >= 500
        began = time.monotonic()

        answer = ask(httpd, "/")

        assert answer.status_code == 200
        assert time.monotonic() - began < 6  # a back-off would be at 30 s

    def test_had_started_well_also_when_the_next_crash_is_waiting_already(self, httpd):
        httpd.tolerate("WX")
        until = time.monotonic() + 4

        def crash():
            while time.monotonic() < until:
                assert ask(httpd, "/crash").status_code >= 500

        clients = [threading.Thread(target=crash) for _ in range(6)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

        assert ask(httpd, "/").status_code == 200
        ends = re.findall(r"worker \d+ \((\w+)\) exited with code 3", httpd.new_log())
        assert len(ends) > 3 and set(ends) == {"ready"}, ends


class TestATouchedScript:
    daemon_options = "processes=2 threads=2"
    files = {"site/app.wsgi": """
        import os
        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [str(os.getpid()).encode()]
        """}
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $root/site/app.wsgi
        <Directory $root/site>
            Require all granted
        </Directory>
    """

    def test_is_loaded_by_new_workers_before_a_request_asks_for_it(self, httpd):
        ask(httpd)
        old = {worker.pid for worker in httpd.workers()}

        os.utime(httpd.path("site/app.wsgi"))

        for pid in old:
            assert is_replaced(httpd, pid)
        httpd.wait_for_log(r"site/app.wsgi has changed, the workers are replaced")
        assert wait_for(lambda: len(httpd.workers()) == 2, 10)
        assert ask(httpd).status_code == 200


class TestAnOverloadedGroup:
    config = CONFIG
    daemon_options = "processes=1 threads=2 queue-timeout=30"

    def test_says_how_many_wait_and_for_what(self, httpd):
        httpd.expect_log(r"WX2019: group 'suite': 2 of 2 threads are busy; \d+ requests? waits?, "
                         r"the oldest for .*; \d of the running requests are GET /sleep")
        httpd.expect_log(r"in sleep_too_long")
        httpd.tolerate(STACK_LINES)
        waiters = [ask_in_background(httpd, "/sleep?4") for _ in range(4)]

        for thread, answers in waiters:
            thread.join(20)
            assert answers == [200]
