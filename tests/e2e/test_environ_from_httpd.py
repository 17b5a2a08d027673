# SPDX-License-Identifier: Apache-2.0
"""What other modules and directives of httpd put into environ, or keep out of it."""
import json

import pytest
from test_trusted_proxies import SHOW
from wsgix_httpd import BOTH_MODES


@pytest.fixture
def environ(client):
    def fetch(path, status=200, **options):
        response = client.get(path, **options)
        assert response.status_code == status
        return json.loads(response.text)
    return fetch


class TestVariables:
    variants = BOTH_MODES
    config = """
        LoadModule setenvif_module $modules/mod_setenvif.so
        LoadModule rewrite_module $modules/mod_rewrite.so
        LoadModule headers_module $modules/mod_headers.so
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias /app $root/show.wsgi
        SetEnv FROM_SETENV said
        SetEnv EMPTY ""
        SetEnv SERVER_NAME not-this
        SetEnv HTTP_PROXY http://not-this.example
        SetEnv GATEWAY_INTERFACE CGI/1.1
        SetEnvIf User-Agent "^(te)(st)$" BROWSER=$2 !FROM_NOWHERE
        RewriteEngine On
        RewriteRule ^/app/(.*) - [E=FROM_REWRITE:$1]
        RewriteRule ^/old/(.*) /app/new/$1 [PT,E=MOVED:yes]
        <Location /app/secure>
            SetEnv HTTPS on
        </Location>
        <Location /app/one>
            SetEnv HTTPS 1
        </Location>
        <Location /app/insecure>
            SetEnv HTTPS off
        </Location>
        <Location /app/added>
            RequestHeader add X-Thing second
        </Location>
    """
    files = {"show.wsgi": SHOW}

    def test_arrive_from_every_module(self, environ):
        seen = environ("/app/x", headers={"User-Agent": "test"})

        assert seen["FROM_SETENV"] == "said"
        assert seen["EMPTY"] == ""
        assert seen["BROWSER"] == "st"
        assert seen["FROM_REWRITE"] == "x"

    def test_do_not_replace_what_the_request_says(self, environ):
        seen = environ("/app", headers={"Proxy": "http://evil.example"})

        assert seen["SERVER_NAME"] == "127.0.0.1"
        assert not {"HTTP_PROXY", "GATEWAY_INTERFACE", "HTTPS"} & set(seen)

    @pytest.mark.parametrize("path, scheme", [("secure", "https"), ("one", "https"),
                                              ("insecure", "http"), ("", "http")])
    def test_https_is_consumed(self, environ, path, scheme):
        seen = environ("/app/" + path)

        assert seen["wsgi.url_scheme"] == scheme
        assert "HTTPS" not in seen

    def test_a_rewritten_request_keeps_its_target(self, environ):
        seen = environ("/old/a?b=c")

        assert seen["REQUEST_URI"] == "/old/a?b=c"
        assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/app", "/new/a")
        assert seen["QUERY_STRING"] == "b=c"
        assert seen["MOVED"] == "yes"

    def test_repeated_headers_are_joined_whatever_their_case(self, environ):
        seen = environ("/app", headers=[("X-Thing", "a"), ("x-thing", "b"), ("X-THING", "")])

        assert seen["HTTP_X_THING"] in ("a, b, ", "a, b,")

    def test_a_header_that_httpd_adds_is_joined(self, environ):
        assert environ("/app/added", headers={"X-Thing": "first"})["HTTP_X_THING"] \
            == "first, second"


class TestPaths:
    variants = BOTH_MODES
    config = """
        MergeSlashes Off
        AllowEncodedSlashes On
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias //x $root/show.wsgi
        WSGIScriptAlias /app $root/show.wsgi
        <Location /app/current>
            CGIVar REQUEST_URI current-uri
        </Location>
        <Location /app/passed>
            CGIPassAuth On
        </Location>
    """
    files = {"show.wsgi": SHOW}

    @pytest.mark.parametrize("target, script_name, path_info", [
        ("/app//a///b//", "/app", "/a/b/"),
        ("//app/a", "/app", "/a"),
        ("/x/a", "/x", "/a"),
        ("//x//a", "/x", "/a"),
        ("/app/a%2Fb%2f", "/app", "/a/b/"),
        ("/app/%2F%2Fa", "/app", "/a"),
        ("/app/%C3%A9%20%25", "/app", "/\u00c3\u00a9 %"),
        ("/app/", "/app", "/"),
        ("/app", "/app", ""),
    ])
    def test_are_decoded_and_collapsed(self, httpd, target, script_name, path_info):
        answer = httpd.raw_get(target)
        seen = json.loads(answer[answer.index(b"{"):answer.rindex(b"}") + 1])

        assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == (script_name, path_info)
        assert seen["REQUEST_URI"] == target

    def test_cgivar_shows_the_current_uri(self, environ):
        assert environ("/app/current/%41?q=1")["REQUEST_URI"] == "/app/current/A"

    def test_cgipassauth_shows_both_credentials(self, environ):
        credentials = {"Authorization": "Bearer a", "Proxy-Authorization": "Bearer b"}

        seen = environ("/app/passed", headers=credentials)
        assert seen["HTTP_AUTHORIZATION"] == "Bearer a"
        assert seen["HTTP_PROXY_AUTHORIZATION"] == "Bearer b"

        assert not {"HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION"} \
            & set(environ("/app", headers=credentials))


class TestEncodedSlashesStayEncoded:
    variants = BOTH_MODES
    config = """
        AllowEncodedSlashes NoDecode
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $root/show.wsgi
    """
    files = {"show.wsgi": SHOW}

    def test_in_path_info(self, environ):
        assert environ("/a%2Fb%20c")["PATH_INFO"] == "/a%2Fb c"


class TestInternalRedirect:
    variants = BOTH_MODES
    config = """
        LoadModule dir_module $modules/mod_dir.so
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias /app $root/show.wsgi
        ErrorDocument 404 /app/not-found
        SetEnv FROM_SETENV said
        DirectoryIndex /app/index
        <Location /qualified>
            ErrorDocument 404 /app/qualified
        </Location>
        <Location /app/qualified>
            QualifyRedirectURL On
        </Location>
    """
    files = {"show.wsgi": SHOW}

    def test_shows_where_it_came_from(self, environ):
        seen = environ("/missing/a?b=c", status=200)

        assert seen["REDIRECT_URL"] == "/missing/a"
        assert seen["REDIRECT_QUERY_STRING"] == "b=c"
        assert seen["REDIRECT_STATUS"] == "404"
        assert seen["REDIRECT_FROM_SETENV"] == seen["FROM_SETENV"] == "said"
        assert seen["REQUEST_URI"] == "/missing/a?b=c"
        assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/app", "/not-found")
        assert seen["REQUEST_METHOD"] == "GET"

    def test_shows_an_absolute_url_where_asked(self, httpd, environ):
        seen = environ("/qualified/a", status=200)

        assert seen["REDIRECT_URL"] == f"http://127.0.0.1:{httpd.port}/qualified/a"

    def test_is_not_shown_where_httpd_only_looks_for_an_index(self, environ):
        seen = environ("/?a=b")

        assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/app", "/index")
        assert seen["REQUEST_URI"] == "/?a=b"
        assert "REDIRECT_URL" not in seen
