# SPDX-License-Identifier: Apache-2.0
"""Groups with threads=0, and scripts that are loaded before the first request."""
import signal
import time

import httpx
import pytest

from waits import leave_time_for_a_fault
from wsgix_httpd import BOTH_MODES, wait_for

SERVICE = """
    WSGIDaemonProcess svc threads=0 shutdown-timeout=3 display-name=%{GROUP}
    WSGIImportScript $root/service.py process-group=svc application-group=%{GLOBAL}
    WSGIScriptAlias / $apps/suite.wsgi
"""
# Notes each thing that happens to it in a file that every account may write.
NOTES = """
    import os, signal, sys, time
    def note(text):
        with open(os.path.join(os.path.dirname(__file__), "notes"), "a") as notes:
            notes.write(f"{text} {os.getpid()}\\n")
"""
WAITS = NOTES + """
    note("begins")
    try:
        while True:
            time.sleep(60)
    finally:
        note("ends")
"""


def notes_of(httpd):
    return [line.split() for line in httpd.path("notes").read_text().splitlines()]


def count(httpd, word):
    return sum(line[0] == word for line in notes_of(httpd))


def server(make_httpd, config=SERVICE, **files):
    texts = {name.replace("_py", ".py"): text for name, text in files.items()}
    httpd = make_httpd(config, files={"notes": "", **texts})
    httpd.path("notes").chmod(0o666)
    return httpd


class TestService:
    def test_runs_in_its_own_process_until_httpd_stops_and_cleans_up(self, make_httpd):
        httpd = server(make_httpd, service_py=WAITS).start()
        assert wait_for(lambda: count(httpd, "begins") == 1, 15)
        [worker] = httpd.workers()
        assert notes_of(httpd)[0][1] == str(worker.pid)
        assert worker.title == "(wsgi:svc)"

        httpd.stop()

        assert count(httpd, "ends") == 1 and count(httpd, "begins") == 1

    def test_that_was_a_group_with_scripts_does_not_care_for_them_any_more(self, make_httpd):
        script = "def application(environ, start_response):\n" \
                 "    start_response('200 OK', [])\n    return [b'hello']\n"
        httpd = server(make_httpd, """
            WSGIDaemonProcess svc threads=2 shutdown-timeout=3
            WSGIScriptAlias / $root/app.wsgi process-group=svc application-group=%{GLOBAL}
            """, service_py=WAITS)
        httpd.write("app.wsgi", script)
        httpd.start()
        assert httpx.get(httpd.url, trust_env=False).text == "hello"
        config = httpd.path("httpd.conf")
        config.write_text(config.read_text().replace("threads=2", "threads=0").replace(
            f"WSGIScriptAlias / {httpd.path('app.wsgi')}",
            f"WSGIImportScript {httpd.path('service.py')}"))
        httpd.graceful()
        assert wait_for(lambda: count(httpd, "begins") == 1, 15)
        httpd.write("app.wsgi", script.replace("hello", "world"))

        leave_time_for_a_fault(2)

        assert [line[0] for line in notes_of(httpd)] == ["begins"]
        assert len(httpd.workers()) == 1

    @pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1"])
    def test_ends_at_the_signal_and_is_started_again(self, make_httpd, name):
        httpd = server(make_httpd, service_py=WAITS).start()
        assert wait_for(lambda: count(httpd, "begins") == 1, 15)

        httpd.workers()[0].signal(getattr(signal, name))

        assert wait_for(lambda: count(httpd, "begins") == 2, 10)
        assert [line[0] for line in notes_of(httpd)] == ["begins", "ends", "begins"]
        httpd.wait_for_log("WX2029: group 'svc': worker .* exited with code 0")

    @pytest.mark.parametrize("name", ["SIGHUP", "SIGUSR2"])
    def test_goes_on_at_other_signals(self, make_httpd, name):
        httpd = server(make_httpd, service_py=WAITS).start()
        assert wait_for(lambda: count(httpd, "begins") == 1, 15)
        [worker] = httpd.workers()

        worker.signal(getattr(signal, name))
        leave_time_for_a_fault(1)

        assert worker.is_alive() and count(httpd, "ends") == 0

    def test_may_handle_signals_itself(self, make_httpd):
        httpd = server(make_httpd, service_py=NOTES + """
    signal.signal(signal.SIGHUP, lambda number, frame: note("reloads"))
    note("begins")
    while True:
        time.sleep(60)
""").start()
        assert wait_for(lambda: count(httpd, "begins") == 1, 15)

        httpd.workers()[0].signal(signal.SIGHUP)

        assert wait_for(lambda: count(httpd, "reloads") == 1, 5)

    def test_scripts_run_in_order_and_one_that_fails_stops_nobody(self, make_httpd):
        httpd = server(make_httpd, """
            WSGIDaemonProcess svc threads=0 shutdown-timeout=3
            WSGIImportScript $root/one.py process-group=svc application-group=%{GLOBAL}
            WSGIImportScript $root/two.py process-group=svc application-group=%{GLOBAL}
            WSGIImportScript $root/service.py process-group=svc application-group=other
            WSGIScriptAlias / $apps/suite.wsgi
        """, one_py=NOTES + "    note('one')\n    raise ValueError('broken')\n",
            two_py=NOTES + "    note('two')\n    sys.exit(3)\n",
            service_py=NOTES + "    note('three')\n    while True: time.sleep(0.05)\n")
        httpd.expect_log(r"WX5003: .*one\.py.*ValueError", traceback=True)
        httpd.tolerate("ValueError: broken")
        httpd.start()

        assert wait_for(lambda: count(httpd, "three") == 1, 15)
        assert [line[0] for line in notes_of(httpd)] == ["one", "two", "three"]

    def test_that_returns_at_once_is_started_again_ever_more_slowly(self, make_httpd):
        httpd = server(make_httpd, service_py=NOTES + "    note('runs')\n").start()
        leave_time_for_a_fault(6)

        assert 2 <= count(httpd, "runs") <= 6

    def test_is_never_there_twice_over_a_graceful_restart(self, make_httpd):
        httpd = server(make_httpd, service_py=NOTES + """
    note("begins")
    try:
        while True:
            time.sleep(60)
    finally:
        time.sleep(1)
        note("ends")
""").start()
        assert wait_for(lambda: count(httpd, "begins") == 1, 15)
        for times in (2, 3):
            httpd.graceful()
            assert wait_for(lambda: count(httpd, "begins") == times, 15), notes_of(httpd)

        words = [line[0] for line in notes_of(httpd)]
        assert words == ["begins", "ends", "begins", "ends", "begins"]

    def test_that_does_not_end_is_killed(self, make_httpd):
        httpd = server(make_httpd, service_py=NOTES + """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note("begins")
    while True:
        time.sleep(60)
""").start()
        httpd.tolerate("WX2014|WX2008|signal 9|group 'svc': worker \\d+: ")
        assert wait_for(lambda: count(httpd, "begins") == 1, 15)

        before = time.monotonic()
        httpd.stop()

        assert time.monotonic() - before < 8

    def test_ends_when_its_supervisor_is_killed(self, make_httpd):
        httpd = server(make_httpd, service_py=WAITS).start()
        httpd.tolerate("WX2007|signal 9|Killed")
        assert wait_for(lambda: count(httpd, "begins") == 1, 15)

        httpd.hosts()[0].signal(signal.SIGKILL)

        assert wait_for(lambda: count(httpd, "begins") == 2, 15)
        assert [line[0] for line in notes_of(httpd)] == ["begins", "ends", "begins"]

    def test_gets_no_requests(self, make_httpd):
        httpd = server(make_httpd, """
            WSGIDaemonProcess svc threads=0
            WSGIImportScript $root/service.py process-group=svc application-group=%{GLOBAL}
            SetEnv GROUP svc
            WSGIProcessGroup %{ENV:GROUP}
            WSGIScriptAlias / $apps/suite.wsgi
        """, service_py=WAITS).start()
        httpd.expect_log(r"WX3013: GET /who: process group 'svc' has threads=0.* Remedy: ")

        answer = httpx.get(httpd.url + "/who", trust_env=False, timeout=10)

        assert answer.status_code == 500 and answer.elapsed.total_seconds() < 3


class TestImported:
    variants = BOTH_MODES
    files = {"notes": "", "warm.py": NOTES + "    note('warm')\n",
             "broken.py": "1 / 0\n"}
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $apps/suite.wsgi
        WSGIRestrictEmbedded Off
        <IfDefine !Never>
        $imports
        </IfDefine>
    """
    daemon_options = "processes=1 threads=2"

    @staticmethod
    def prepare(httpd):
        group = "suite" if httpd.variant.mode == "daemon" else "%{GLOBAL}"
        lines = "\n".join(
            f"WSGIImportScript {httpd.root}/{name} process-group={group} "
            "application-group=%{GLOBAL}" for name in ("broken.py", "warm.py"))
        text = (httpd.root / "httpd.conf").read_text().replace("$imports", lines)
        (httpd.root / "httpd.conf").write_text(text)
        httpd.path("notes").chmod(0o666)
        httpd.tolerate(r"WX5003: .*broken\.py|ZeroDivisionError|Traceback|1 / 0|\]\s{2,}\S")

    def test_scripts_are_loaded_before_any_request_and_need_no_application(self, httpd):
        assert wait_for(lambda: count(httpd, "warm") >= 1, 15)
        processes = httpd.workers() if httpd.variant.mode == "daemon" else httpd.children()
        assert wait_for(lambda: {line[1] for line in notes_of(httpd)}
                        >= {str(process.pid) for process in processes}, 10)
        httpd.wait_for_log(r"WX5003: .*broken\.py")
        assert "WX5006" not in httpd.log()
        assert httpx.get(httpd.url + "/who", trust_env=False).status_code == 200
