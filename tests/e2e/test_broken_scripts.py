# SPDX-License-Identifier: Apache-2.0
"""Scripts that cannot be loaded: a 500, a diagnostic that helps, and life after the repair."""
import textwrap

import pytest

from wsgix_httpd import BOTH_MODES, RUNS_AS_ROOT, wait_for

GOOD = """\
    def application(environ, start_response):
        start_response("200 OK", [])
        return [b"repaired"]
"""
FLASK_RUN = """\
    from flask import Flask
    app = Flask(__name__)
    app.run(port=0)
    application = app
"""
SERVE_FOREVER = """\
    from wsgiref.simple_server import make_server
    def application(environ, start_response):
        return []
    make_server("127.0.0.1", 0, application).serve_forever()
"""
# name: (script, number, what the line says besides the script's path)
BROKEN = {
    "app_run": (FLASK_RUN, 5005, [r"app\.run\(\)|run\(\)", r"line 3|:3\b"]),
    "serve_forever": (SERVE_FOREVER, 5005, [r"serve_forever\(\)", r"line 4|:4\b"]),
    "exits": ("import sys\nsys.exit('bye')\n", 5004, ["SystemExit|sys.exit", r"line 2|:2\b"]),
    "lacks_application": ("app = 1\n", 5006, ["application"]),
    "syntax_error": ("x = 1\ndef broken(:\n", 5002, [r"line 2|:2\b"]),
    "raises": ("x = 1\n\nraise KeyError('no such setting')\n", 5003,
               ["KeyError", r"line 3|:3\b"]),
    "module_missing": ("import not_installed_anywhere\n", 5007,
                       ["not_installed_anywhere", r"line 1|:1\b"]),
    "execfile": ("env = '/venv/bin/activate_this.py'\nexecfile(env, dict(__file__=env))\n", 5008,
                 ["execfile", r"line 2|:2\b"]),
    "print_statement": ("print 'hello'\n", 5008, [r"line 1|:1\b"]),
    "nul_byte": ("x = 1\0\n" + textwrap.dedent(GOOD), 5009, ["[Nn][Uu][Ll]"]),
}


class TestBrokenScript:
    variants = BOTH_MODES
    daemon_options = "processes=1 threads=3"
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptReloading On
        WSGIScriptAlias / $root/scripts/
    """

    @staticmethod
    def prepare(server):
        server.path("scripts").mkdir()

    @pytest.mark.parametrize("name", BROKEN)
    def test_is_a_500_with_a_remedy_until_it_is_repaired(self, httpd, client, name):
        source, number, details = BROKEN[name]
        httpd.write(f"scripts/{name}.wsgi", source)
        httpd.expect_log(rf"WX{number}: .*{name}\.wsgi.*Remedy: ", traceback=True)
        for detail in details:
            httpd.expect_log(rf"WX{number}: .*({detail})", traceback=True)
        if name == "raises":
            httpd.expect_log("KeyError", traceback=True)
        # The framework's own words at start-up, and the exception's last line.
        httpd.tolerate(r"(Error|SystemExit|WARNING|Serving Flask|Debug mode|bye|execfile|print"
                       r"|CTRL\+C|\]\s*$)")

        assert client.get(f"/{name}.wsgi").status_code == 500

        httpd.inspect()
        httpd.write(f"scripts/{name}.wsgi", GOOD)
        assert client.get(f"/{name}.wsgi").text == "repaired"

    @pytest.mark.skipif(not RUNS_AS_ROOT, reason="the script's owner can always read it")
    def test_unreadable_by_the_processes_user(self, httpd, client):
        script = httpd.write("scripts/unreadable.wsgi", GOOD)
        script.chmod(0o600)
        httpd.expect_log(r"WX5001: .*unreadable\.wsgi.*Remedy: ")

        assert client.get("/unreadable.wsgi").status_code == 500

        httpd.inspect()
        script.chmod(0o644)
        assert client.get("/unreadable.wsgi").text == "repaired"

    def test_missing_is_404_and_a_directory_is_403(self, httpd, client):
        (httpd.path("scripts") / "folder").mkdir(parents=True, exist_ok=True)
        httpd.tolerate("WX|AH")

        assert client.get("/missing.wsgi").status_code == 404
        assert client.get("/folder").status_code == 403


class TestPreloadedBrokenScript:
    """A daemon imports its application before it says that it is ready."""

    config = """
        WSGIDaemonProcess suite processes=1 threads=2
        WSGIScriptAlias / $root/preloaded.wsgi process-group=suite application-group=%{GLOBAL}
    """
    files = {"preloaded.wsgi": "raise RuntimeError('not yet')\n"}

    def test_answers_500_and_recovers(self, httpd, client):
        httpd.expect_log(r"WX5003: .*preloaded\.wsgi.*Remedy: ", traceback=True)
        httpd.tolerate("RuntimeError|WX2|WX6012")

        assert client.get("/").status_code in (500, 503)

        httpd.write("preloaded.wsgi", GOOD)
        httpd.tolerate(".")
        assert client.get("/").text == "repaired"


class TestInSeveralProcesses:
    config = """
        WSGIDaemonProcess suite processes=3 threads=2
        WSGIScriptAlias / $root/app.wsgi process-group=suite application-group=%{GLOBAL}
    """

    def test_the_first_writes_the_traceback_and_the_others_count(self, make_httpd):
        httpd = make_httpd(self.config, files={"app.wsgi": "raise RuntimeError('not yet')\n"})
        httpd.expect_log(r"WX5003: .*app\.wsgi.*Remedy: ", traceback=True)
        httpd.tolerate("RuntimeError|WX5003")

        def counts(tracebacks, processes):
            log = httpd.log()
            return (log.count("RuntimeError: not yet. Remedy") == tracebacks and
                    log.count("Traceback") == tracebacks and
                    f"processes that it failed in: {processes}." in log)

        httpd.start()
        assert wait_for(lambda: counts(1, 3), 20), httpd.log()
        assert httpd.raw_get("/").startswith(b"HTTP/1.1 500")
        assert counts(1, 3), httpd.log()

        httpd.graceful()  # the cause may be mended elsewhere: that it is not is news
        assert wait_for(lambda: counts(2, 3), 20), httpd.log()
