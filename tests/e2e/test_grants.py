# SPDX-License-Identifier: Apache-2.0
"""A script that no Require covers: said before its requests get 403, and only when that is certain."""
import pytest

from crowd import ask

DENIED = "<Directory />\nRequire all denied\n</Directory>\n"
ALIAS = "WSGIScriptAlias /app $root/app/app.wsgi\n"
FILES = {"app/app.wsgi": """
    def application(environ, start_response):
        start_response("200 OK", [])
        return [b"served"]
    """}

# name: sections
REFUSED = {
    "denied at the root": DENIED,
    "as Debian has it": DENIED + """
        <Directory /usr/share>
            Require all granted
        </Directory>
        <FilesMatch "^\\.ht">
            Require all denied
        </FilesMatch>
        <Location /server-status>
            Require method GET
        </Location>
    """,
    "granted beside it": DENIED + """
        <Directory "$root/app-of-others">
            Require all granted
        </Directory>
    """,
    "denied again inside": """
        <Directory $root>
            Require all granted
        </Directory>
        <Directory $root/app/>
            Require all Denied
        </Directory>
    """,
}
SERVED = {
    "nothing is said": "",
    "granted for its folder": DENIED + "<Directory $root/app>\nRequire all granted\n</Directory>\n",
    "granted for a folder above": DENIED + "<Directory '$root/'>\nRequire all granted\n</Directory>\n",
    "granted for a file in a folder": DENIED + """
        <Directory $root/app>
            <Files app.wsgi>
                Require all granted
            </Files>
        </Directory>
    """,
    "granted for a name": DENIED + "<Files app.wsgi>\nRequire all granted\n</Files>\n",
    "granted for the url": DENIED + "<Location /app>\nRequire all granted\n</Location>\n",
    "granted for all urls": DENIED + "<Location />\nRequire all granted\n</Location>\n",
    "granted by a pattern": DENIED + "<DirectoryMatch /app>\nRequire all granted\n</DirectoryMatch>\n",
    "granted by a wildcard": DENIED + "<Directory /*/*/app>\nRequire all granted\n</Directory>\n"
                                      "<Directory $root>\nRequire all granted\n</Directory>\n",
    "a file beside it is denied": DENIED + """
        <Directory $root>
            Require all granted
        </Directory>
        <Directory $root/app>
            <Files secret.txt>
                Require all denied
            </Files>
        </Directory>
    """,
    "granted under a condition": DENIED + """
        <IfModule mod_wsgi.c>
            <Directory $root/app>
                <RequireAny>
                    Require all denied
                    Require method GET
                </RequireAny>
            </Directory>
        </IfModule>
    """,
}


class TestAScriptThatNobodyMayReach:
    @pytest.mark.parametrize("name", REFUSED)
    def test_is_named_with_its_line(self, make_httpd, name):
        httpd = make_httpd(ALIAS + REFUSED[name], files=FILES)

        status, said = httpd.check_config()

        assert status == 0, said
        assert said.count("WX3010") == 1
        assert "WSGIScriptAlias /app (" in said and "httpd.conf:" in said and "Remedy: " in said
        httpd.expect_log("wsgi:warn.* WX3010")
        httpd.expect_log("AH01630")
        assert ask(httpd.start(), "/app").status_code == 403

    @pytest.mark.parametrize("name", SERVED)
    def test_is_not_named_when_it_is_served(self, make_httpd, name):
        httpd = make_httpd(ALIAS + SERVED[name], files=FILES)

        status, said = httpd.check_config()

        assert status == 0 and "WX3010" not in said, said
        assert ask(httpd.start(), "/app").text == "served"

    def test_is_not_named_when_it_is_a_folder_with_one_that_is_granted(self, make_httpd):
        httpd = make_httpd("WSGIScriptAlias /all/ $root/\n" + DENIED +
                           "<Directory $root/app>\nRequire all granted\n</Directory>\n", files=FILES)

        status, said = httpd.check_config()

        assert status == 0 and "WX3010" not in said, said
        assert ask(httpd.start(), "/all/app/app.wsgi").text == "served"

    def test_is_not_named_when_a_file_may_grant_it(self, make_httpd):
        httpd = make_httpd(ALIAS + DENIED + "<Directory $root/app>\nAllowOverride AuthConfig\n"
                           "</Directory>\n",
                           files=FILES | {"app/.htaccess": "Require all granted\n"})

        status, said = httpd.check_config()

        assert status == 0 and "WX3010" not in said, said
        assert ask(httpd.start(), "/app").text == "served"

    def test_of_a_virtual_host_is_judged_by_its_own_sections(self, make_httpd):
        host = "<VirtualHost *:$port>\nServerName {}.example\n" + ALIAS + "{}</VirtualHost>\n"
        httpd = make_httpd(DENIED + host.format(
            "open", "<Directory $root/app>\nRequire all granted\n</Directory>\n") +
            host.format("closed", ""), files=FILES)

        status, said = httpd.check_config()

        assert status == 0 and said.count("WX3010") == 1, said
        line = next(n for n, text in enumerate(httpd.path("httpd.conf").read_text().splitlines(), 1)
                    if text == "ServerName closed.example")
        assert f"httpd.conf:{line + 1})" in said
