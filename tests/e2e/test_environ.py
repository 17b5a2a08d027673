# SPDX-License-Identifier: Apache-2.0
"""What an application finds in its environ, and that the validator agrees."""
import ast
import json

from wsgix_httpd import EVERYWHERE

# What differs from one process, connection or mode to the next by its nature.
VARYING = {"mod_wsgi.process_group", "mod_wsgi.thread_id", "mod_wsgi.server_pid",
           "mod_wsgi.request_id", "mod_wsgi.connection_id", "mod_wsgi.request_start",
           "mod_wsgi.queue_start", "mod_wsgi.daemon_start", "mod_wsgi.application_start",
           "REMOTE_PORT", "UNIQUE_ID", "wsgi.multithread", "wsgi.multiprocess",
           "wsgi.input", "wsgi.errors", "wsgi.file_wrapper"}


class TestEnviron:
    variants = EVERYWHERE
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias /mount $apps/suite.wsgi
        SetEnv FROM_SETENV "said by SetEnv"
        WSGICallableObject application
    """

    def environ(self, client, path="/mount/environ", **options):
        response = client.get(path, **options)
        assert response.status_code == 200
        return {key: ast.literal_eval(text) if kind in ("str", "bool", "int", "float", "tuple")
                else (kind, text) for key, (kind, text) in json.loads(response.text).items()}

    def test_has_the_cgi_keys(self, httpd, client):
        environ = self.environ(client, "/mount/environ?a=1&b=%20")

        assert environ["REQUEST_METHOD"] == "GET"
        assert environ["SCRIPT_NAME"] == "/mount"
        assert environ["PATH_INFO"] == "/environ"
        assert environ["QUERY_STRING"] == "a=1&b=%20"
        assert environ["REQUEST_URI"] == "/mount/environ?a=1&b=%20"
        assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        assert environ["SERVER_PORT"] == str(httpd.port)
        assert environ["REMOTE_ADDR"] == environ["SERVER_ADDR"] == "127.0.0.1"
        assert environ["SCRIPT_FILENAME"] == str(httpd.stage.apps / "suite.wsgi")
        assert environ["DOCUMENT_ROOT"] == str(httpd.root / "htdocs")
        assert environ["REQUEST_SCHEME"] == environ["wsgi.url_scheme"] == "http"
        assert environ["FROM_SETENV"] == "said by SetEnv"

    def test_has_the_wsgi_keys_with_their_types(self, httpd, client):
        environ = self.environ(client)
        daemon = httpd.variant.mode == "daemon"

        assert environ["wsgi.version"] == (1, 0)
        assert environ["wsgi.run_once"] is False
        assert environ["wsgi.multiprocess"] is True
        assert environ["wsgi.multithread"] is (daemon or httpd.variant.mpm != "prefork")
        assert environ["wsgi.input_terminated"] is True
        assert environ["wsgi.input"][0] == "Input"
        assert environ["wsgi.errors"][0] == "TextIOWrapper"
        assert environ["wsgi.file_wrapper"][0] == "type"

    def test_has_the_mod_wsgi_keys(self, httpd, client):
        environ = self.environ(client)
        daemon = httpd.variant.mode == "daemon"

        assert environ["mod_wsgi.process_group"] == ("suite" if daemon else "")
        assert environ["mod_wsgi.application_group"] == ""
        assert environ["mod_wsgi.callable_object"] == "application"
        assert environ["mod_wsgi.request_handler"] == "wsgi-script"
        assert environ["mod_wsgi.handler_script"] == ""
        assert environ["mod_wsgi.script_name"] == "/mount"
        assert environ["mod_wsgi.path_info"] == "/environ"
        assert len(environ["mod_wsgi.version"]) == len(environ["apache.version"]) == 3
        assert environ["apache.version"][:2] == (2, 4)
        times = [environ[f"mod_wsgi.{name}_start"]
                 for name in ("request", "queue", "daemon", "application")]
        assert all(isinstance(at, float) for at in times)
        assert (times == sorted(times)) if daemon else (times[1:3] == [0.0, 0.0])

    def test_leaves_out_what_could_mislead_an_application(self, client):
        environ = self.environ(client, headers={
            "Proxy": "http://evil.example", "Authorization": "Basic c2VjcmV0OnNlY3JldA==",
            "With_Underscore": "dropped"})

        assert not {"HTTP_PROXY", "HTTP_AUTHORIZATION", "HTTP_WITH_UNDERSCORE", "HTTPS",
                    "PATH", "GATEWAY_INTERFACE"} & set(environ)
        assert not [key for key in environ if key.startswith("mod_wsgi.x-")]

    def test_turns_headers_into_keys(self, client):
        environ = self.environ(client, headers=[
            ("X-Some-Thing", "a"), ("X-Some-Thing", "b"), ("Content-Type", "text/x"),
            ("X-Latin", b"caf\xe9")])

        assert environ["HTTP_X_SOME_THING"] == "a, b"
        assert environ["CONTENT_TYPE"] == "text/x"
        assert environ["HTTP_X_LATIN"] == "caf\u00e9"
        assert "HTTP_CONTENT_TYPE" not in environ and "CONTENT_LENGTH" not in environ

    def test_decodes_and_collapses_the_path(self, client):
        environ = self.environ(client, "/mount//environ")

        assert environ["SCRIPT_NAME"] == "/mount"
        assert environ["PATH_INFO"] == "/environ"
        assert environ["REQUEST_URI"] == "/mount//environ"

    def test_is_the_same_in_every_variant(self, client, same_everywhere):
        environ = self.environ(client, "/mount/environ?x=y", headers={"User-Agent": "test"})

        lines = [f"{key}={value!r}" for key, value in sorted(environ.items())
                 if key not in VARYING]
        same_everywhere("\n".join(lines).encode())


class TestSubInterpreter:
    variants = EVERYWHERE
    config = """
        $daemon
        WSGIScriptAlias /one $apps/suite.wsgi
        WSGIScriptAlias /two $apps/suite.wsgi application-group=second
    """

    def test_is_named_after_server_and_mount_point(self, httpd, client):
        seen = json.loads(client.get("/one/environ").text)["mod_wsgi.application_group"]

        assert seen[1] == repr(f"localhost:{httpd.port}|/one")

    def test_takes_the_name_that_the_alias_gives(self, client):
        assert json.loads(client.get("/two/environ").text)["mod_wsgi.application_group"][1] \
            == "'second'"


class TestValidator:
    variants = EVERYWHERE
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $apps/validated.wsgi
    """

    def test_accepts_a_get(self, httpd, same_everywhere):
        answer = httpd.raw_get("/")

        assert answer.endswith(b"\r\n\r\nok\n")
        same_everywhere(answer)

    def test_accepts_every_way_to_read_a_body(self, client):
        for path in ("/", "/lines", "/iterate"):
            assert client.post(path, content=b"first\nsecond\n" * 9).content \
                == b"ok\n" + b"first\nsecond\n" * 9

    def test_accepts_a_chunked_body_where_allowed_and_a_head(self, client):
        assert client.head("/").status_code == 200
