# SPDX-License-Identifier: Apache-2.0
"""WSGIScriptReloading, as each place of the configuration says it."""
import time

import pytest

from wsgix_httpd import EVENT_EMBEDDED

VERSION = """
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"version %d"]
"""


def put(server, number):
    """A new version whose modification time differs from that of any before."""
    path = server.write("app.wsgi", VERSION % number)
    assert path.stat().st_mtime_ns < time.time_ns()


class TestInEmbeddedMode:
    variants = [EVENT_EMBEDDED]
    config = """
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias /rolling $root/app.wsgi
        WSGIScriptAlias /on $root/app.wsgi
        WSGIScriptAlias /off $root/app.wsgi
        <IfModule !mpm_prefork_module>
            ServerLimit 1
            StartServers 1
            ThreadsPerChild 8
            MaxSpareThreads 8
            MaxRequestWorkers 8
        </IfModule>
        WSGIScriptReloading Off
        <Location /rolling>
            WSGIScriptReloading rolling
        </Location>
        <Location /on>
            WSGIScriptReloading On
        </Location>
    """
    files = {"app.wsgi": VERSION % 1}

    @pytest.mark.parametrize("kind", ["rolling", "on"])
    def test_a_changed_script_is_executed_again(self, httpd, client, kind):
        put(httpd, 1)
        assert client.get(f"/{kind}").text == "version 1"

        put(httpd, 2)

        assert client.get("/off").text == "version 1", "Off looked at the file"
        assert client.get(f"/{kind}").text == "version 2"
        assert client.get("/off").text == "version 2"
