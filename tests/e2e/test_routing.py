# SPDX-License-Identifier: Apache-2.0
"""Which script, which group and which callable a request gets."""
import json

from wsgix_httpd import BOTH_MODES, EVENT_EMBEDDED

NAMED = """\
    def application(environ, start_response):
        start_response("200 OK", [])
        return [(environ["SCRIPT_NAME"] + " " + environ["PATH_INFO"] + " "
                 + environ.get("HTTP_AUTHORIZATION", "-")).encode()]

    def other(environ, start_response):
        start_response("200 OK", [])
        return [b"the other callable"]
"""


class TestScriptAlias:
    variants = BOTH_MODES
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias /app/long $root/b.wsgi
        WSGIScriptAlias /app $root/a.wsgi
        WSGIScriptAlias /folder/ $root/folder/
        WSGIScriptAliasMatch ^/match/([a-z]+) $root/$1.wsgi
        WSGIScriptAlias /other $root/a.wsgi callable-object=other
        WSGIScriptAlias /secret $root/a.wsgi pass-authorization=On
    """
    files = {"a.wsgi": NAMED, "b.wsgi": NAMED.replace('return [(', 'return [("b " + '),
             "folder/c.wsgi": NAMED}

    def test_the_first_match_wins(self, client):
        assert client.get("/app/x/y").text == "/app /x/y -"
        assert client.get("/app/long/x").text == "b /app/long /x -"
        assert client.get("/app").text == "/app  -"

    def test_a_prefix_ends_at_a_slash(self, client):
        assert client.get("/apple").status_code == 404

    def test_a_folder_maps_to_its_scripts(self, client):
        assert client.get("/folder/c.wsgi/info").text == "/folder/c.wsgi /info -"

    def test_a_pattern_inserts_what_it_matched(self, client):
        assert client.get("/match/b/info").text == "b /match/b /info -"

    def test_an_option_names_the_callable(self, client):
        assert client.get("/other").text == "the other callable"

    def test_authorization_is_passed_only_where_asked_for(self, client):
        header = {"Authorization": "Basic dXNlcjpwYXNz"}

        assert client.get("/secret", headers=header).text == "/secret  Basic dXNlcjpwYXNz"
        assert client.get("/app", headers=header).text == "/app  -"


class TestHandlers:
    variants = BOTH_MODES
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        <Directory $root/htdocs>
            AllowOverride FileInfo
            Options +ExecCGI
            AddHandler wsgi-script .wsgi
        </Directory>
        <Directory $root/htdocs/noexec>
            Options -ExecCGI
        </Directory>
        <Location /set>
            SetHandler wsgi-script
        </Location>
    """
    files = {
        "htdocs/script.wsgi": NAMED, "htdocs/set/by-location.txt": NAMED,
        "htdocs/noexec/script.wsgi": NAMED, "htdocs/plain.txt": "plain",
        "htdocs/access/script.wsgi": NAMED,
        "htdocs/access/.htaccess": "WSGICallableObject other\nWSGIPassAuthorization On\n",
        "htdocs/refused/script.wsgi": NAMED,
        "htdocs/refused/.htaccess": "WSGIApplicationGroup x\n"}

    def test_add_handler_runs_files_of_that_suffix(self, client):
        assert client.get("/script.wsgi/info").text == "/script.wsgi /info -"
        assert client.get("/plain.txt").text == "plain"

    def test_set_handler_runs_any_file(self, client):
        assert client.get("/set/by-location.txt").text == "/set/by-location.txt  -"

    def test_needs_exec_cgi(self, httpd, client):
        httpd.expect_log(r"ExecCGI")

        assert client.get("/noexec/script.wsgi").status_code == 403

    def test_htaccess_may_name_the_callable(self, client):
        assert client.get("/access/script.wsgi").text == "the other callable"

    def test_htaccess_may_not_choose_the_interpreter(self, httpd, client):
        httpd.expect_log(r"WSGIApplicationGroup not allowed here")

        assert client.get("/refused/script.wsgi").status_code == 500


class TestGroups:
    config = """
        WSGIDaemonProcess one processes=1 threads=2 display-name=%{GROUP}
        WSGIDaemonProcess two processes=1 threads=2 display-name=the-second
        SetEnv WHICH two
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias /one $apps/suite.wsgi process-group=one
        WSGIScriptAlias /two $apps/suite.wsgi process-group=two
        WSGIScriptAlias /env $apps/suite.wsgi process-group=%{ENV:WHICH}
        WSGIScriptAlias /embedded $apps/suite.wsgi process-group=%{GLOBAL}
        <Location /located>
            WSGIProcessGroup two
        </Location>
        WSGIScriptAlias /located $apps/suite.wsgi
    """

    def group(self, client, path):
        return json.loads(client.get(path + "/environ").text)["mod_wsgi.process_group"][1]

    def test_are_chosen_by_option_environment_and_section(self, client):
        assert self.group(client, "/one") == "'one'"
        assert self.group(client, "/two") == self.group(client, "/located") == "'two'"
        assert self.group(client, "/embedded") == "''"
        assert self.group(client, "/env") == "'two'"

    def test_are_named_in_ps(self, httpd, client):
        self.group(client, "/one")
        titles = sorted(p.title for p in httpd.workers())

        assert titles == ["(wsgi:one)", "the-second"]


class TestUnknownGroup:
    config = """
        WSGIApplicationGroup %{GLOBAL}
        SetEnv WHICH nowhere
        WSGIScriptAlias / $apps/suite.wsgi process-group=%{ENV:WHICH}
    """

    def test_that_a_request_names_is_a_500(self, httpd, client):
        httpd.expect_log(r"WX3003: .*nowhere.*Remedy: ")

        assert client.get("/environ").status_code == 500


class TestNamesThatClientsChoose:
    """Each name of an application group is an interpreter for as long as its process lives."""

    variants = BOTH_MODES
    daemon_options = "processes=1 threads=2 interpreter-limit=3"
    config = """
        $daemon
        WSGIInterpreterLimit 3
        StartServers 1
        ServerLimit 1
        ThreadsPerChild 16
        MinSpareThreads 4
        MaxSpareThreads 16
        MaxRequestWorkers 16
        WSGIApplicationGroup %{HOST}
        WSGIScriptAlias /own $apps/suite.wsgi application-group=own
        WSGIScriptAlias /resource $apps/suite.wsgi application-group=%{RESOURCE}
        WSGIScriptAlias / $apps/suite.wsgi
    """

    def test_are_bounded_and_those_that_exist_go_on(self, httpd, client):
        def status(host, path="/who"):
            return client.get(path, headers={"Host": host}).status_code

        httpd.expect_log(r"WX6019: application group 'host4(:\d+)?' .*3 sub-interpreters that.*Remedy: "
                         r".*interpreter-limit=.*WSGIInterpreterLimit")

        assert [status(f"host{n}") for n in range(1, 4)] == [200, 200, 200]
        assert [status("host4"), status("host4")] == [503, 503]
        assert [status(f"host{n}") for n in range(1, 4)] == [200, 200, 200]
        httpd.tolerate("WX6019: application group 'host5")
        # Those of the configuration are not the client's to use up.
        assert [status("host9", "/own/who"), status("host9", "/resource/who")] == [200, 200]
        assert status("host5") == 503


class TestRestrictEmbedded:
    variants = [EVENT_EMBEDDED]
    config = """
        WSGIRestrictEmbedded On
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $apps/suite.wsgi
    """

    def test_an_embedded_request_is_a_500(self, httpd, client):
        httpd.expect_log(r"WX3006: .*Remedy: ")

        assert client.get("/environ").status_code == 500
