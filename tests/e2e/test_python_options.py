# SPDX-License-Identifier: Apache-2.0
"""How Python is started by directives and options, as the application sees it."""
import sys

from crowd import ask
from wsgix_httpd import BOTH_MODES, EVENT_DAEMON

APPLICATION = """\
    import json, os, subprocess, sys

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({
            "optimize": sys.flags.optimize,
            "dont_write_bytecode": sys.dont_write_bytecode,
            "warnoptions": sys.warnoptions,
            "hash": hash("a text"),
            "hash_randomization": sys.flags.hash_randomization,
            "switch_interval": sys.getswitchinterval(),
            "prefix": [sys.prefix, sys.exec_prefix],
            "environ": {k: v for k, v in os.environ.items() if k.startswith("PYTHON")},
            "of_programs": subprocess.run(["/usr/bin/env"], capture_output=True,
                                          text=True).stdout.split(),
            "process_group": environ["mod_wsgi.process_group"],
        }).encode()]
    """
CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $root/app.wsgi
"""
# No test may leave compiled Python in the checkout.
OF_THE_HARNESS = {"PYTHONDONTWRITEBYTECODE": "1"}


def seen(httpd, path="/"):
    answer = ask(httpd, path)
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestWithoutAny:
    variants = BOTH_MODES
    config = CONFIG
    files = {"app.wsgi": APPLICATION}

    def test_python_starts_as_usual(self, httpd):
        found = seen(httpd)

        assert found["optimize"] == 0 and found["warnoptions"] == []
        assert found["hash_randomization"] == 1 and found["switch_interval"] == 0.005
        assert found["environ"] == OF_THE_HARNESS


class TestOfEveryProcess:
    variants = BOTH_MODES
    config = CONFIG + """
        WSGIPythonOptimize 2
        WSGIDontWriteBytecode On
        WSGIPythonWarnings error
        WSGIPythonWarnings ignore::DeprecationWarning
        WSGIPythonHashSeed 7
    """
    files = {"app.wsgi": APPLICATION}

    def test_they_hold_and_programs_that_are_started_do_not_see_them(self, httpd):
        found = seen(httpd)

        assert found["optimize"] == 2 and found["dont_write_bytecode"]
        assert found["warnoptions"] == ["error", "ignore::DeprecationWarning"]
        assert found["environ"] == OF_THE_HARNESS
        assert not [v for v in found["of_programs"] if v.startswith("PYTHONOPTIMIZE")]

    def test_a_seed_makes_hashes_the_same_in_every_process(self, httpd, same_everywhere):
        found = seen(httpd)

        assert found["hash_randomization"] == 1
        same_everywhere(str(found["hash"]).encode())


class TestRandomSeed:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=1"
    config = CONFIG + "WSGIPythonHashSeed random\n"
    files = {"app.wsgi": APPLICATION}

    def test_is_random(self, httpd, make_httpd):
        other = make_httpd(self.config, daemon_options=self.daemon_options, files=self.files)

        assert seen(httpd)["hash"] != seen(other.start())["hash"]


class TestOfOneMode:
    variants = BOTH_MODES
    daemon_options = "processes=1 threads=1 switch-interval=0.02 python-eggs=/tmp/of-the-group"
    config = CONFIG + """
        WSGISwitchInterval 0.03
        WSGIPythonEggs /tmp/of-httpd
    """
    files = {"app.wsgi": APPLICATION}

    def test_embedded_mode_has_the_directives_and_a_group_its_options(self, httpd):
        found = seen(httpd)

        is_daemon = httpd.variant.mode == "daemon"
        assert found["switch_interval"] == (0.02 if is_daemon else 0.03)
        eggs = "/tmp/of-the-group" if is_daemon else "/tmp/of-httpd"
        assert found["environ"] == OF_THE_HARNESS | {"PYTHON_EGG_CACHE": eggs}


class TestTwoPrefixes:
    """PYTHONHOME may be two folders; so may python-home=."""
    variants = [EVENT_DAEMON]
    daemon_options = f"processes=1 threads=1 python-home={sys.base_prefix}:{sys.base_exec_prefix}"
    config = CONFIG
    files = {"app.wsgi": APPLICATION}

    def test_are_used(self, httpd):
        assert seen(httpd)["prefix"] == [sys.base_prefix, sys.base_exec_prefix]


class TestAGroupWithoutAPython:
    """It does not take the rest of the server with it."""
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=2"
    config = """
        WSGIDaemonProcess broken processes=1 python-home=/not/there
        WSGIScriptAlias /broken $root/app.wsgi process-group=broken application-group=%{GLOBAL}
    """ + CONFIG
    files = {"app.wsgi": APPLICATION}

    def test_says_why_and_the_others_serve(self, httpd):
        httpd.expect_log(r"wsgi:warn.* WX4001: process group 'broken' \(.*httpd.conf:\d+\): "
                         r"Python home /not/there: .* 500")
        httpd.expect_log(r"wsgi:alert.* WX4001: .*/not/there")
        httpd.expect_log(r"WX2018: group 'broken'")
        httpd.expect_log(r"\[client .*WX4001: .*/not/there.*Remedy")

        assert ask(httpd, "/broken").status_code == 500
        assert seen(httpd)["process_group"] == "suite"


class TestSignalHandlers:
    variants = BOTH_MODES
    config = CONFIG
    files = {"app.wsgi": """\
        import json, os, signal

        def handler(number, frame):
            pass

        def register():
            try:
                return signal.signal(signal.SIGUSR1, handler) is handler
            except ValueError as error:
                return str(error)

        at_import = register()

        def in_a_copy():
            reader, writer = os.pipe()
            if os.fork() == 0:
                signal.signal(signal.SIGUSR1, handler)
                os.kill(os.getpid(), signal.SIGUSR1)  # ends who has no handler
                os.write(writer, b"handled")
                os._exit(0)
            os.close(writer)
            said = os.read(reader, 100)
            os.close(reader)
            os.wait()
            return said.decode()

        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps([at_import, register(), in_a_copy()]).encode()]
        """}

    def test_are_not_registered_and_the_log_says_where(self, httpd):
        assert seen(httpd) == [True, True, "handled"]
        httpd.wait_for_log(r"wsgi:info.* WX5015: signal\.signal\(10\) at \S*app\.wsgi:8 does nothing")


class TestASignalHandlerFromAFileWithoutATextualName:
    variants = BOTH_MODES
    config = CONFIG
    files = {"app.wsgi": """\
        import json, signal

        exec(compile("kept = signal.signal(signal.SIGUSR1, signal.SIG_IGN)", "odd\\udcff.py", "exec"))

        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(kept is signal.SIG_IGN).encode()]
        """}

    def test_is_ignored_like_any_other(self, httpd):
        assert seen(httpd) is True
        httpd.wait_for_log(r"WX5015: signal\.signal\(10\) at odd\S*udcff\.py:1 does nothing")


class TestSignalHandlersOfAnApplicationThatMay:
    variants = BOTH_MODES
    config = CONFIG + "WSGIRestrictSignal Off\n"
    files = TestSignalHandlers.files

    def test_are_pythons_own_affair(self, httpd):
        _, in_a_thread, in_a_copy = seen(httpd)

        assert "main thread" in in_a_thread
        assert "WX5015" not in httpd.log()
