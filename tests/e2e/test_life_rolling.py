# SPDX-License-Identifier: Apache-2.0
"""WSGIScriptReloading Rolling in daemon mode: the old code answers until the new code can."""
import os
import signal
import time

from crowd import Load, ask
from waits import leave_time_for_a_fault
from wsgix_httpd import wait_for

GOOD = """
    {before}
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"version {number}"]
"""
CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptReloading Rolling
    WSGIScriptAlias / $root/site/app.wsgi
    KeepAlive Off
    <Directory $root/site>
        Require all granted
    </Directory>
"""
FIRST = {"site/app.wsgi": GOOD.format(before="", number=1)}
BROKEN = "import no_such_module_anywhere\n"


def put(httpd, text):
    """In one step, as a deployment does."""
    new = httpd.write("site/app.new", text)
    os.replace(new, httpd.path("site/app.wsgi"))


def expect_broken_loads(httpd):
    httpd.expect_log(r"WX2018: group 'suite': worker \d+ cannot start Python or load a script of "
                     r"the group; the workers that can go on serving", traceback=True)
    httpd.tolerate(r"WX5007: |ModuleNotFoundError: No module named")


class TestRolling:
    config = CONFIG
    daemon_options = "processes=2 threads=4"
    files = FIRST

    def test_no_request_waits_for_the_new_version(self, httpd):
        put(httpd, GOOD.format(before="", number=1))
        assert wait_for(lambda: ask(httpd).text == "version 1", 10)
        with Load(httpd.url + "/", clients=3) as load:
            put(httpd, GOOD.format(before="import time; time.sleep(2)", number=2))
            began = time.monotonic()
            assert ask(httpd).text == "version 1"
            assert time.monotonic() - began < 1.5
            assert wait_for(lambda: ask(httpd).text == "version 2", 15)

        assert set(load.answers) == {200}

    def test_a_broken_version_is_never_served(self, httpd):
        put(httpd, GOOD.format(before="", number=3))
        assert wait_for(lambda: {ask(httpd).text for _ in range(6)} == {"version 3"}, 15)
        expect_broken_loads(httpd)
        with Load(httpd.url + "/", clients=3) as load:
            put(httpd, BROKEN)
            leave_time_for_a_fault(3)
            assert ask(httpd).text == "version 3"
            put(httpd, GOOD.format(before="", number=4))
            assert wait_for(lambda: {ask(httpd).text for _ in range(6)} == {"version 4"}, 15)

        assert set(load.answers) == {200}

    def test_many_touches_lose_nothing(self, httpd):
        with Load(httpd.url + "/", clients=4) as load:
            for _ in range(12):
                os.utime(httpd.path("site/app.wsgi"))
                time.sleep(0.25)  # one deployment after the other
            leave_time_for_a_fault(1)

        assert set(load.answers) == {200}


class TestRollingWithOneProcessKilled:
    config = CONFIG
    daemon_options = "processes=2 threads=4"
    files = FIRST

    def test_the_rest_serves_while_the_script_is_broken(self, httpd):
        httpd.wait_for_log("2 of 2 workers are ready", 10)
        assert ask(httpd).text == "version 1"
        expect_broken_loads(httpd)
        httpd.expect_log(r"WX2008: ")
        put(httpd, BROKEN)
        httpd.wait_for_log("WX2018")

        os.kill(httpd.workers()[0].pid, signal.SIGKILL)
        leave_time_for_a_fault(2)

        assert {ask(httpd).text for _ in range(10)} == {"version 1"}
        put(httpd, GOOD.format(before="", number=2))
        assert wait_for(lambda: {ask(httpd).text for _ in range(6)} == {"version 2"}, 15)


class TestAScriptThatNoConfigurationNames:
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptReloading Rolling
        Alias /site $root/site
        <Directory $root/site>
            Require all granted
            Options ExecCGI
            AddHandler wsgi-script .wsgi
        </Directory>
    """
    daemon_options = "processes=2 threads=4"
    files = FIRST

    def test_is_loaded_by_all_workers_soon_after_its_first_request(self, httpd):
        httpd.wait_for_log("2 of 2 workers are ready", 10)
        assert ask(httpd, "/site/app.wsgi").text == "version 1"

        late = httpd.wait_for_log(r"worker (\d+) has not loaded .*app.wsgi yet and is replaced", 15)
        httpd.wait_for_log(rf"worker {late[1]} exited with code 0 \(script_reload\)", 15)
        expect_broken_loads(httpd)
        put(httpd, BROKEN)
        httpd.wait_for_log("WX2018")

        assert {ask(httpd, "/site/app.wsgi").text for _ in range(20)} == {"version 1"}

        # Or its failures would go on beside the end of the server.
        put(httpd, GOOD.format(before="", number=2))
        assert wait_for(lambda: ask(httpd, "/site/app.wsgi").text == "version 2", 15)


class TestRollingAcrossAGracefulRestart:
    config = CONFIG
    daemon_options = "processes=1 threads=4"
    files = FIRST

    def test_the_old_host_serves_until_the_script_is_repaired(self, httpd):
        assert ask(httpd).text == "version 1"
        expect_broken_loads(httpd)
        put(httpd, BROKEN)
        httpd.wait_for_log("WX2018")

        httpd.graceful()
        leave_time_for_a_fault(2)
        assert ask(httpd).text == "version 1"

        put(httpd, GOOD.format(before="", number=2))
        assert wait_for(lambda: ask(httpd).text == "version 2", 15)
        assert wait_for(lambda: len(httpd.hosts()) == 1, 20)
