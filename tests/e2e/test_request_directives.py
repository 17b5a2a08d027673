# SPDX-License-Identifier: Apache-2.0
"""Directives that say which group a request may use, and what its application sees of httpd."""
import pytest

from crowd import ask
from wsgix_httpd import BOTH_MODES, EVENT_DAEMON, wait_for

APPLICATION = """\
    import ctypes, json, os

    def application(environ, start_response):
        record = environ.get("apache.request_rec")
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({
            "group": environ["mod_wsgi.process_group"],
            "interpreter": environ["mod_wsgi.application_group"],
            "record": type(record).__name__, "pid": os.getpid()}).encode()]
    """


class TestRestrictProcess:
    variants = [EVENT_DAEMON]
    files = {"app.wsgi": APPLICATION}
    config = """
        WSGIDaemonProcess one processes=1 threads=2
        WSGIDaemonProcess two processes=1 threads=2
        WSGIDaemonProcess three processes=1 threads=2
        WSGIApplicationGroup %{GLOBAL}
        WSGIRestrictProcess one two
        WSGIScriptAlias / $root/app.wsgi
        <LocationMatch ^/(?<WANTED>[A-Za-z]+)>
            WSGIProcessGroup %{ENV:MATCH_WANTED}
        </LocationMatch>
        <Location /embedded>
            WSGIProcessGroup %{GLOBAL}
        </Location>
        <Location /three>
            WSGIRestrictProcess three %{GLOBAL}
        </Location>
        <Location /two/none>
            WSGIRestrictProcess
        </Location>
        <Location /two/again>
            WSGIRestrictProcess one
            WSGIRestrictProcess two
        </Location>
    """

    @pytest.mark.parametrize("path, group", [("/one", "one"), ("/two/x", "two"), ("/three", "three"),
                                             ("/two/again", "two")])
    def test_allows_what_it_names(self, httpd, path, group):
        assert ask(httpd, path).json()["group"] == group

    @pytest.mark.parametrize("path, subject", [
        ("/ONE", "process group 'ONE'"), ("/embedded", r"embedded mode \(%\{GLOBAL\}\)"),
        ("/two/none", "process group 'two'"), ("/elsewhere", "process group 'elsewhere'")])
    def test_answers_500_to_everything_else(self, httpd, path, subject):
        httpd.expect_log(rf"wsgi:error.* WX3016: GET {path}: {subject} is not one that "
                         r"WSGIRestrictProcess allows here.* Remedy: ")

        assert ask(httpd, path).status_code == 500


class TestAnHtaccessFile:
    """It may choose a variable, not what the variable may be."""
    variants = [EVENT_DAEMON]
    files = {"app/app.wsgi": APPLICATION, "app/.htaccess": "SetEnv WANTED two\n"}
    config = """
        WSGIDaemonProcess one processes=1 threads=2
        WSGIDaemonProcess two processes=1 threads=2
        <Directory $root/app>
            AllowOverride FileInfo
            Options +ExecCGI
            Require all granted
            AddHandler wsgi-script .wsgi
            WSGIApplicationGroup %{GLOBAL}
            WSGIProcessGroup %{ENV:WANTED}
            WSGIRestrictProcess one
        </Directory>
        Alias /app $root/app
    """

    def test_does_not_escape(self, httpd):
        httpd.expect_log("WX3016: GET /app/app.wsgi: process group 'two'")

        assert ask(httpd, "/app/app.wsgi").status_code == 500

    def test_may_choose_among_what_is_allowed(self, httpd):
        httpd.write("app/.htaccess", "SetEnv WANTED one\n")

        assert ask(httpd, "/app/app.wsgi").json()["group"] == "one"


class TestPassApacheRequest:
    variants = BOTH_MODES
    files = {"app.wsgi": APPLICATION}
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $root/app.wsgi
        <Location /with>
            WSGIPassApacheRequest On
        </Location>
    """

    def test_hands_the_record_to_embedded_mode_alone(self, httpd):
        is_embedded = httpd.variant.mode == "embedded"

        assert ask(httpd, "/with").json()["record"] == ("PyCapsule" if is_embedded else "NoneType")
        assert ask(httpd, "/without").json()["record"] == "NoneType"


class TestCaseSensitivity:
    variants = BOTH_MODES
    files = {"app.wsgi": APPLICATION}
    config = """
        $daemon
        WSGICaseSensitivity Off
        WSGIScriptAliasMatch (?i)^/app $root/app.wsgi
    """

    def test_off_makes_one_application_of_paths_that_differ_in_case(self, httpd):
        names = {ask(httpd, path).json()["interpreter"].split("|")[1] for path in ("/app", "/APP")}

        assert names == {"/app"}


class TestIgnoreActivity:
    variants = [EVENT_DAEMON]
    files = {"app.wsgi": APPLICATION}
    daemon_options = "processes=1 threads=2 inactivity-timeout=2"
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $root/app.wsgi
        <Location /health>
            WSGIIgnoreActivity On
        </Location>
    """

    def test_a_monitor_does_not_keep_a_process(self, httpd):
        httpd.tolerate("WX2017|idle for")
        first = ask(httpd, "/").json()["pid"]

        assert wait_for(lambda: ask(httpd, "/health").json()["pid"] != first, 15)

    def test_other_requests_do(self, httpd):
        httpd.tolerate("WX2017|idle for")
        first = ask(httpd, "/").json()["pid"]

        assert not wait_for(lambda: ask(httpd, "/").json()["pid"] != first, 4)
