# SPDX-License-Identifier: Apache-2.0
"""WSGIHandlerScript: handlers of httpd that are Python functions."""
import httpx
import pytest

from crowd import ask
from wsgix_httpd import BOTH_MODES, EVENT_DAEMON

HANDLER = """\
    import json

    seen = []

    def reload_required(filename):
        seen.append(filename)
        return False

    def handle_request(environ, start_response):
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({
            "who": WHO, "resource": environ["SCRIPT_FILENAME"], "seen": seen,
            "path": [environ["SCRIPT_NAME"], environ["PATH_INFO"]],
            "script": environ["mod_wsgi.handler_script"],
            "handler": environ["mod_wsgi.request_handler"],
            "callable": environ["mod_wsgi.callable_object"],
            "group": environ["mod_wsgi.process_group"],
            "interpreter": environ["mod_wsgi.application_group"],
            "authorization": environ.get("HTTP_AUTHORIZATION")}).encode()]
    """
FILES = {"one.py": HANDLER.replace("WHO", '"one"'), "two.py": HANDLER.replace("WHO", '"two"'),
         "pages/a.page": "a", "pages/b.other": "b", "pages/inner/c.page": "c"}


class TestHandlers:
    variants = BOTH_MODES
    files = FILES
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGICallableObject nothing
        WSGIHandlerScript page $root/one.py
        WSGIHandlerScript other $root/two.py application-group=other pass-authorization=On
        Alias /pages $root/pages
        <Directory $root/pages>
            Require all granted
            AddHandler page .page
            AddHandler other .other
        </Directory>
        <Directory $root/pages/inner>
            WSGIHandlerScript page $root/two.py
        </Directory>
        <Location /anything>
            SetHandler page
        </Location>
        LoadModule actions_module $modules/mod_actions.so
        <Location /pages/acted>
            SetHandler acted
            Action acted /anything virtual
        </Location>
    """

    def test_gets_the_file_that_the_url_names(self, httpd):
        found = ask(httpd, "/pages/a.page/more").json()

        assert found["who"] == "one" and found["handler"] == "page"
        assert found["resource"] == str(httpd.path("pages/a.page"))
        assert found["script"] == str(httpd.path("one.py"))
        assert found["path"] == ["/pages/a.page", "/more"]
        assert found["callable"] == "handle_request"
        assert found["interpreter"] == "" and found["authorization"] is None

    def test_has_options_of_its_own(self, httpd):
        found = httpx.get(httpd.url + "/pages/b.other", trust_env=False,
                          headers={"Authorization": "Basic eDp5"}).json()

        assert (found["who"], found["interpreter"]) == ("two", "other")
        assert found["authorization"] == "Basic eDp5"

    def test_of_an_inner_section_replaces_that_of_its_name(self, httpd):
        assert ask(httpd, "/pages/inner/c.page").json()["who"] == "two"
        assert ask(httpd, "/pages/a.page").json()["who"] == "one"

    def test_needs_no_file(self, httpd):
        found = ask(httpd, "/anything/at/all").json()

        assert found["who"] == "one" and found["path"][0].startswith("/anything")

    def test_can_be_an_action(self, httpd):
        assert ask(httpd, "/pages/acted").json()["who"] == "one"

    def test_other_files_are_files(self, httpd):
        httpd.write("pages/plain.txt", "plain")

        assert ask(httpd, "/pages/plain.txt").text == "plain"

    def test_is_asked_with_the_resource_whether_to_reload(self, httpd):
        ask(httpd, "/pages/a.page")

        # Several, so that every process is asked.
        seen = [ask(httpd, "/pages/a.page").json()["seen"] for _ in range(8)]

        assert any(str(httpd.path("pages/a.page")) in names for names in seen)


class TestAChangedHandler:
    variants = BOTH_MODES
    files = {"one.py": HANDLER.replace("WHO", '"before"')}
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIHandlerScript page $root/one.py
        <Location />
            SetHandler page
        </Location>
    """

    def test_is_loaded_again(self, httpd):
        assert ask(httpd).json()["who"] == "before"

        httpd.write("one.py", HANDLER.replace("WHO", '"after"'))

        assert {ask(httpd).json()["who"] for _ in range(8)} == {"after"}


class TestBrokenHandlers:
    variants = BOTH_MODES
    files = {"empty.py": "", "one.py": HANDLER.replace("WHO", '"one"')}
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIHandlerScript empty $root/empty.py
        WSGIHandlerScript gone $root/gone.py
        WSGIHandlerScript lost $root/one.py process-group=nowhere
        <LocationMatch ^/empty>
            SetHandler empty
        </LocationMatch>
        <LocationMatch ^/gone>
            SetHandler gone
        </LocationMatch>
        <LocationMatch ^/lost>
            SetHandler lost
        </LocationMatch>
    """

    def test_say_what_is_wrong(self, httpd):
        httpd.tolerate("WX3009|WX3003|Traceback|  File|Error")
        httpd.expect_log(r"WX5006: script .*/empty.py has no callable 'handle_request'")
        httpd.expect_log(r"WX5001: .*/gone.py")
        httpd.expect_log(r"WX3003: GET /lost: no WSGIDaemonProcess is named 'nowhere'")

        assert [ask(httpd, path).status_code for path in ("/empty", "/gone", "/lost")] == [500] * 3

    def test_are_named_when_the_configuration_is_checked(self, httpd):
        httpd.tolerate("WX3009|WX3003")  # of the start, when this test is the first
        status, said = httpd.check_config()

        assert status == 0
        assert "WX3009: WSGIHandlerScript gone" in said and "gone.py" in said
        assert "WX3003: WSGIHandlerScript process-group= 'nowhere'" in said


class TestInAGroup:
    variants = [EVENT_DAEMON]
    files = FILES
    config = """
        WSGIDaemonProcess pages processes=1 threads=2
        WSGIHandlerScript page $root/one.py process-group=pages application-group=%{GLOBAL}
        <Location />
            SetHandler page
        </Location>
    """

    def test_that_the_line_names(self, httpd):
        assert ask(httpd).json()["group"] == "pages"


@pytest.mark.parametrize("line, words", [
    ("WSGIHandlerScript page", ["requires at least two arguments", "a handler's name"]),
    ("WSGIHandlerScript page /x callable-object=a", ["WX3002", "'callable-object'", "Invalid option to WSGI handler script definition"]),
    ("WSGIHandlerScript page /x process-group=", ["Invalid name for WSGI process group"]),
])
def test_a_bad_line_is_refused(make_httpd, line, words):
    status, said = make_httpd(line + "\n").check_config()

    assert status != 0
    for word in words:
        assert word in said, said


def test_is_not_for_htaccess_files(make_httpd):
    httpd = make_httpd("""
        Alias /pages $root/pages
        <Directory $root/pages>
            AllowOverride All
            Require all granted
        </Directory>
    """, files={"pages/.htaccess": "WSGIHandlerScript page /etc/passwd\n", "pages/a": "a"})
    httpd.expect_log("WSGIHandlerScript not allowed here")

    assert ask(httpd.start(), "/pages/a").status_code == 500
