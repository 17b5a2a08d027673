# SPDX-License-Identifier: Apache-2.0
"""What the headers of a trusted proxy change in environ, and those of others do not."""
import json

import pytest
from wsgix_httpd import BOTH_MODES

SHOW = '''
import json

def application(environ, start_response):
    texts = {key: value for key, value in environ.items() if isinstance(value, str)}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(texts).encode()]
'''

# What a client could send to be taken for another one.
SPOOFED = {"X-Forwarded-For": "1.1.1.1", "X-Real-IP": "2.2.2.2", "X-Forwarded-Host": "evil.example",
           "X-Forwarded-Proto": "https", "X-Script-Name": "/evil", "X-Forwarded-Port": "443",
           "X-Forwarded-Server": "evil.example", "Forwarded": "for=3.3.3.3"}


@pytest.fixture
def environ(client):
    def fetch(path, **headers):
        response = client.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        assert response.status_code == 200
        return json.loads(response.text)
    return fetch


class TestTrustedProxies:
    variants = BOTH_MODES
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias /app $root/show.wsgi
        <Location /app/any>
            WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Host X-Forwarded-Server
            WSGITrustedProxyHeaders x-forwarded-port X-Forwarded-Proto X-Script-Name
        </Location>
        <Location /app/listed>
            WSGITrustedProxies 2001:DB8::/32 10.0.0.0/8
            WSGITrustedProxies ::ffff:127.0.0.1
            WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Proto
        </Location>
        <Location /app/listed/other-header>
            WSGITrustedProxyHeaders X-Real-IP
        </Location>
        <Location /app/listed/other-proxy>
            WSGITrustedProxies 192.0.2.0/24
        </Location>
        <Location /app/standard>
            WSGITrustedProxies 127.0.0.1 10.0.0.0/8
            WSGITrustedProxyHeaders Forwarded
        </Location>
        <Location /app/https>
            SetEnv HTTPS on
            WSGITrustedProxyHeaders X-Forwarded-Proto
        </Location>
        <Location /app/variable>
            SetEnv HTTP_X_REAL_IP 4.4.4.4
            WSGITrustedProxies 192.0.2.1
            WSGITrustedProxyHeaders X-Real-IP
        </Location>
        <Directory $root/htdocs>
            AddHandler wsgi-script .wsgi
            Options +ExecCGI
            AllowOverride FileInfo
        </Directory>
    """
    files = {"show.wsgi": SHOW, "htdocs/show.wsgi": SHOW,
             "htdocs/.htaccess": "WSGITrustedProxies 127.0.0.1\n"
                                 "WSGITrustedProxyHeaders X-Real-IP X-Nothing\n"}

    def test_nobody_is_believed_without_the_directive(self, environ):
        seen = environ("/app/plain", **SPOOFED)

        assert seen["REMOTE_ADDR"] == "127.0.0.1"
        assert seen["HTTP_X_FORWARDED_FOR"] == "1.1.1.1"
        assert seen["HTTP_FORWARDED"] == "for=3.3.3.3"
        assert seen["SCRIPT_NAME"] == "/app"
        assert seen["wsgi.url_scheme"] == "http"
        assert "mod_wsgi.mount_point" not in seen

    def test_every_category_changes_its_key(self, httpd, environ):
        seen = environ("/app/any//x", X_Forwarded_For="1.1.1.1:8000, 9.9.9.9",
                       X_Forwarded_Host="shop.example", X_Forwarded_Server="front",
                       X_Forwarded_Port="444", X_Forwarded_Proto="HTTPS", X_Script_Name="/shop")

        assert seen["REMOTE_ADDR"] == "1.1.1.1"
        assert seen["HTTP_X_FORWARDED_FOR"] == "1.1.1.1:8000, 9.9.9.9"
        assert seen["HTTP_HOST"] == "shop.example"
        assert seen["SERVER_NAME"] == "front"
        assert seen["SERVER_PORT"] == "444"
        assert seen["SCRIPT_NAME"] == seen["mod_wsgi.mount_point"] == "/shop"
        assert seen["mod_wsgi.script_name"] == "/app"
        assert seen["PATH_INFO"] == seen["mod_wsgi.path_info"] == "/any/x"
        assert seen["wsgi.url_scheme"] == "https"
        assert seen["REQUEST_SCHEME"] == "http"
        assert seen["REMOTE_PORT"] != "8000"
        assert "HTTPS" not in seen

    def test_ports_and_other_keys_do_not_follow(self, httpd, environ):
        seen = environ("/app/any", X_Forwarded_Proto="https")

        assert seen["SERVER_PORT"] == str(httpd.port)
        assert seen["REMOTE_ADDR"] == "127.0.0.1"

    def test_the_walk_from_the_right_stops_at_the_client(self, environ):
        seen = environ("/app/listed", X_Forwarded_For="9.9.9.9, 1.1.1.1, [2001:db8::5]:80, 10.2.3.4",
                       X_Real_IP="2.2.2.2", X_Forwarded_Host="stays.example")

        assert seen["REMOTE_ADDR"] == "1.1.1.1"
        assert seen["HTTP_X_FORWARDED_FOR"] == "1.1.1.1, [2001:db8::5]:80, 10.2.3.4"
        assert "HTTP_X_REAL_IP" not in seen
        assert seen["HTTP_X_FORWARDED_HOST"] == "stays.example"

    def test_an_inner_section_replaces_the_list_of_headers_alone(self, environ):
        seen = environ("/app/listed/other-header", **SPOOFED)

        assert seen["REMOTE_ADDR"] == "2.2.2.2"
        assert "HTTP_X_FORWARDED_FOR" not in seen
        assert seen["HTTP_X_FORWARDED_PROTO"] == "https"
        assert seen["wsgi.url_scheme"] == "http"

    def test_an_untrusted_peer_loses_its_headers_in_the_listed_categories(self, environ):
        seen = environ("/app/listed/other-proxy", **SPOOFED)

        assert seen["REMOTE_ADDR"] == "127.0.0.1"
        assert seen["wsgi.url_scheme"] == "http"
        assert not {"HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_FORWARDED",
                    "HTTP_X_FORWARDED_PROTO"} & set(seen)
        assert seen["HTTP_X_FORWARDED_HOST"] == "evil.example"

    def test_the_standard_header_names_client_host_and_scheme(self, environ):
        seen = environ("/app/standard", X_Forwarded_For="1.1.1.1", Forwarded=(
            'for=9.9.9.9, For="[2001:db8::1]:47";proto=https;host="shop.example:8443", for=10.0.0.9'))

        assert seen["REMOTE_ADDR"] == "2001:db8::1"
        assert seen["HTTP_HOST"] == "shop.example:8443"
        assert seen["wsgi.url_scheme"] == "https"
        assert seen["HTTP_FORWARDED"] == (
            'For="[2001:db8::1]:47";proto=https;host="shop.example:8443", for=10.0.0.9')
        assert "HTTP_X_FORWARDED_FOR" not in seen

    def test_a_malformed_standard_header_is_removed(self, environ):
        seen = environ("/app/standard", Forwarded='for="9.9.9.9')

        assert seen["REMOTE_ADDR"] == "127.0.0.1"
        assert "HTTP_FORWARDED" not in seen

    @pytest.mark.parametrize("said, scheme", [("http", "http"), ("https", "https"), ("ftp", "https")])
    def test_a_scheme_without_a_meaning_leaves_https_alone(self, environ, said, scheme):
        assert environ("/app/https", X_Forwarded_Proto=said)["wsgi.url_scheme"] == scheme

    def test_a_variable_of_the_same_name_is_no_way_around(self, environ):
        assert "HTTP_X_REAL_IP" not in environ("/app/variable")

    def test_htaccess_may_set_both(self, httpd, environ):
        seen = environ("/show.wsgi", X_Real_IP="2.2.2.2", X_Client_IP="5.5.5.5")

        assert seen["REMOTE_ADDR"] == "2.2.2.2"
        assert "HTTP_X_CLIENT_IP" not in seen
        assert "X-Nothing" not in httpd.log()

    def test_both_modes_agree(self, environ, same_everywhere):
        seen = environ("/app/any", **SPOOFED)

        same_everywhere("\n".join(f"{key}={value}" for key, value in sorted(seen.items())
                                  if not key.startswith("mod_wsgi.") and key != "REMOTE_PORT")
                        .encode())


class TestVirtualHosts:
    variants = BOTH_MODES
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGITrustedProxies 127.0.0.1
        WSGITrustedProxyHeaders X-Real-IP
        <VirtualHost *>
            ServerName inherits
            WSGIScriptAlias / $root/show.wsgi
        </VirtualHost>
        <VirtualHost *>
            ServerName replaces
            WSGIScriptAlias / $root/show.wsgi
            WSGITrustedProxyHeaders X-Client-IP
        </VirtualHost>
    """
    files = {"show.wsgi": SHOW}

    @pytest.mark.parametrize("host, address", [("inherits", "2.2.2.2"), ("replaces", "5.5.5.5")])
    def test_a_list_replaces_that_of_the_main_server(self, environ, host, address):
        seen = environ("/", Host=host, X_Real_IP="2.2.2.2", X_Client_IP="5.5.5.5")

        assert seen["REMOTE_ADDR"] == address
