# SPDX-License-Identifier: Apache-2.0
"""What other modules and directives of httpd put into environ, or keep out of it."""
import base64
import hashlib
import json
import os
import subprocess

import httpx
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


class TestUser:
    variants = BOTH_MODES
    config = """
        LoadModule authn_core_module $modules/mod_authn_core.so
        LoadModule authn_file_module $modules/mod_authn_file.so
        LoadModule authz_user_module $modules/mod_authz_user.so
        LoadModule auth_basic_module $modules/mod_auth_basic.so
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias /app $root/show.wsgi
        <LocationMatch ^/(app/)?private>
            AuthType Basic
            AuthName private
            AuthUserFile $root/passwords
            Require valid-user
            ErrorDocument 404 /app/not-found
        </LocationMatch>
    """
    files = {"show.wsgi": SHOW, "passwords": "ann:{SHA}%s\n" % base64.b64encode(
        hashlib.sha1(b"secret", usedforsecurity=False).digest()).decode()}

    def test_is_shown_without_the_password(self, environ):
        seen = environ("/app/private", auth=("ann", "secret"))

        assert (seen["REMOTE_USER"], seen["AUTH_TYPE"]) == ("ann", "Basic")
        assert "HTTP_AUTHORIZATION" not in seen

    def test_is_shown_as_that_of_the_request_before(self, environ):
        seen = environ("/private/missing", auth=("ann", "secret"))

        assert seen["REDIRECT_REMOTE_USER"] == "ann"
        assert "REMOTE_USER" not in seen

    def test_is_absent_otherwise(self, environ):
        seen = environ("/app", auth=("ann", "secret"))

        assert not {"REMOTE_USER", "AUTH_TYPE", "REDIRECT_REMOTE_USER", "REDIRECT_URL"} & set(seen)


class TestInclusion:
    variants = BOTH_MODES
    config = """
        LoadModule include_module $modules/mod_include.so
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias /app $root/show.wsgi
        <Directory $root/htdocs>
            Options +Includes
            AddOutputFilter INCLUDES .shtml
        </Directory>
    """
    files = {"show.wsgi": SHOW,
             "htdocs/page.shtml": '[<!--#include virtual="/app/part?a=b" -->]'}

    def test_names_the_part_and_the_page(self, environ):
        [seen] = environ("/page.shtml?c=d")

        assert seen["SERVER_PROTOCOL"] == "INCLUDED"
        assert seen["QUERY_STRING"] == "a=b"
        assert seen["PATH_INFO"] == "/part"
        assert seen["REQUEST_URI"] == "/page.shtml?c=d"
        assert seen["DOCUMENT_URI"] == "/page.shtml"


class TestRemoteIp:
    variants = BOTH_MODES
    config = """
        LoadModule remoteip_module $modules/mod_remoteip.so
        RemoteIPHeader X-Client
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias /app $root/show.wsgi
        <Location /app/chain>
            WSGITrustedProxies 192.0.2.0/24
            WSGITrustedProxyHeaders X-Real-IP
        </Location>
    """
    files = {"show.wsgi": SHOW}

    def test_decides_who_the_client_is(self, environ):
        assert environ("/app", headers={"X-Client": "192.0.2.7"})["REMOTE_ADDR"] == "192.0.2.7"

    def test_decides_who_the_trusted_peer_is(self, environ):
        headers = {"X-Client": "192.0.2.7", "X-Real-IP": "203.0.113.5"}

        assert environ("/app/chain", headers=headers)["REMOTE_ADDR"] == "203.0.113.5"
        assert environ("/app/chain", headers={"X-Real-IP": "203.0.113.5"})["REMOTE_ADDR"] \
            == "127.0.0.1"


class TestTls:
    variants = BOTH_MODES
    config = """
        LoadModule socache_shmcb_module $modules/mod_socache_shmcb.so
        LoadModule ssl_module $modules/mod_ssl.so
        SSLEngine On
        SSLCertificateFile $root/certificate.pem
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias /app $root/show.wsgi
        <Location /app/variables>
            SSLOptions +StdEnvVars
        </Location>
        <Location /app/proxied>
            WSGITrustedProxyHeaders X-Forwarded-Proto
        </Location>
    """
    files = {"show.wsgi": SHOW}

    @staticmethod
    def prepare(httpd):
        certificate = httpd.path("certificate.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
                        "-keyout", certificate, "-out", f"{certificate}.public"],
                       check=True, capture_output=True, env={"PATH": os.environ["PATH"]})
        with open(certificate, "a") as both:
            both.write(httpd.path("certificate.pem.public").read_text())

    @pytest.fixture
    def client(self, httpd):
        with httpx.Client(base_url=f"https://127.0.0.1:{httpd.port}", verify=False, timeout=30,
                          trust_env=False) as client:
            yield client

    def test_is_the_scheme(self, environ):
        seen = environ("/app")

        assert seen["wsgi.url_scheme"] == seen["REQUEST_SCHEME"] == "https"
        assert "HTTPS" not in seen and "SSL_PROTOCOL" not in seen

    def test_shows_its_variables_where_asked(self, environ):
        seen = environ("/app/variables")

        assert seen["SSL_PROTOCOL"].startswith("TLSv1.")
        assert "HTTPS" not in seen

    # mod_ssl has set HTTPS already, and a word without a meaning leaves that alone.
    @pytest.mark.parametrize("said, scheme", [("http", "http"), ("https", "https"),
                                              ("ftp", "https"), (None, "https")])
    def test_is_less_than_what_a_trusted_header_says(self, environ, said, scheme):
        headers = {"X-Forwarded-Proto": said} if said else {}

        assert environ("/app/proxied", headers=headers)["wsgi.url_scheme"] == scheme


class TestFileNames:
    variants = BOTH_MODES
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        <Directory $root/htdocs>
            AddHandler wsgi-script .wsgi
            Options +ExecCGI
        </Directory>
    """
    files = {"htdocs/caf\u00e9.wsgi": SHOW}

    def test_have_the_encoding_of_the_file_system(self, httpd, environ):
        seen = environ("/caf%C3%A9.wsgi/%C3%A9")

        assert seen["SCRIPT_FILENAME"] == str(httpd.root / "htdocs/caf\u00e9.wsgi")
        assert seen["SCRIPT_NAME"] == "/caf\u00c3\u00a9.wsgi"
        assert seen["PATH_INFO"] == "/\u00c3\u00a9"
        assert not {"PATH_TRANSLATED", "REMOTE_HOST", "REMOTE_IDENT", "SERVER_SIGNATURE", "PATH",
                    "LD_LIBRARY_PATH"} & set(seen)
