# SPDX-License-Identifier: Apache-2.0
"""Beside the modules that sites use: each gets from us what it gets from any other handler."""
import ast
import gzip
import random
import time
import zlib

import pytest

from wsgix_httpd import BOTH_MODES

MODULES = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias /app $apps/suite.wsgi
"""
# Says how it was reached, and answers with the status of the error it stands for.
TELLING = """\
    import json
    KEYS = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI",
            "REDIRECT_STATUS", "REDIRECT_URL", "REDIRECT_QUERY_STRING", "FROM_RULE",
            "SERVER_PROTOCOL")

    def application(environ, start_response):
        status = environ.get("REDIRECT_STATUS", "200")
        start_response(("200" if status == "200" else status) + " Told",
                       [("Content-Type", "application/json")])
        return [json.dumps({key: environ[key] for key in KEYS if key in environ}).encode()]
"""
BLOCKS = "".join(f"block {n}\n" for n in range(5))


def environ_of(response):
    """Of suite.wsgi's /environ."""
    return {key: ast.literal_eval(text) for key, (kind, text) in response.json().items()
            if kind == "str"}


class TestModInclude:
    variants = BOTH_MODES
    config = MODULES + """
        LoadModule include_module $modules/mod_include.so
        <Directory $root/htdocs>
            Options +Includes
            AddOutputFilter INCLUDES .shtml
        </Directory>
    """
    files = {
        "htdocs/page.shtml": '<p><!--#include virtual="/app/stream" --></p>',
        "htdocs/twice.shtml": '<!--#include virtual="/app/write" -->|'
                              '<!--#include virtual="/app/stream" -->|end',
        "htdocs/big.shtml": 'a<!--#include virtual="/app/big?2" -->z',
        "htdocs/file.shtml": 'a<!--#include virtual="/app/file" -->z',
        "htdocs/environ.shtml": '<!--#include virtual="/app/environ" -->',
        "htdocs/raises.shtml": 'a<!--#include virtual="/app/raise" -->z',
        "htdocs/cut.shtml": 'a<!--#include virtual="/app/raise-after" -->z',
    }

    def test_a_response_stands_where_it_was_included(self, client):
        assert client.get("/page.shtml").text == f"<p>{BLOCKS}</p>"
        assert client.get("/twice.shtml").text == f"one,two,three|{BLOCKS}|end"

    def test_large_ones_and_files_too(self, httpd, client):
        numbers = (httpd.stage.apps / "numbers.txt").read_text()

        assert len(client.get("/big.shtml").content) == (2 << 20) + 2
        assert client.get("/file.shtml").text == f"a{numbers}z"

    def test_the_application_sees_httpds_names_of_a_subrequest(self, client):
        environ = environ_of(client.get("/environ.shtml?of=page"))

        assert environ["SERVER_PROTOCOL"] == "INCLUDED"
        # httpd tells an included CGI script its whole path, and mod_wsgi hands that on.
        assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/app/environ", "/environ")

    def test_an_application_that_fails_leaves_the_page_alive(self, httpd, client):
        httpd.expect_log(r"WX6001: .*Remedy: ", traceback=True)
        httpd.tolerate("ValueError: |unable to include")

        text = client.get("/raises.shtml").text

        assert text.startswith("a") and text.endswith("z")

    def test_a_response_that_is_cut_cuts_the_page(self, httpd):
        httpd.expect_log(r"WX600[14]: .*Remedy: ", traceback=True)
        httpd.tolerate("ValueError: |unable to include")

        answer = httpd.raw_get("/cut.shtml")

        assert b"begun" in answer
        assert not answer.endswith(b"0\r\n\r\n"), "the page looks whole"


class TestModRewrite:
    variants = BOTH_MODES
    config = MODULES + """
        LoadModule rewrite_module $modules/mod_rewrite.so
        WSGIScriptAlias /telling $root/telling.wsgi
        RewriteEngine On
        RewriteRule ^/pretty/([a-z]+)$ /telling/info/$1?added=1 [PT,QSA,E=FROM_RULE:$1]
        <Directory $root/htdocs>
            AllowOverride FileInfo Options
            Options +ExecCGI +FollowSymLinks
            AddHandler wsgi-script .wsgi
        </Directory>
    """
    files = {
        "telling.wsgi": TELLING, "htdocs/site/front.wsgi": TELLING,
        "htdocs/site/plain.txt": "plain",
        "htdocs/site/.htaccess": """\
            RewriteEngine On
            RewriteCond %{REQUEST_FILENAME} !-f
            RewriteRule ^(.*)$ /site/front.wsgi/$1 [QSA,L]
        """}

    def test_a_rule_leads_to_an_alias(self, client):
        told = client.get("/pretty/shop?x=1").json()

        assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("/telling", "/info/shop")
        assert told["QUERY_STRING"] == "added=1&x=1"
        assert told["REQUEST_URI"] == "/pretty/shop?x=1"
        assert told["FROM_RULE"] == "shop"

    def test_a_front_controller_in_htaccess_gets_what_is_no_file(self, client):
        assert client.get("/site/plain.txt").text == "plain"
        told = client.get("/site/a/b?x=1").json()

        assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("/site/front.wsgi", "/a/b")
        assert told["QUERY_STRING"] == "x=1"
        assert told["REDIRECT_URL"] == "/site/a/b"


class TestModDeflate:
    variants = BOTH_MODES
    config = MODULES + """
        LoadModule filter_module $modules/mod_filter.so
        LoadModule deflate_module $modules/mod_deflate.so
        WSGIChunkedRequest On
        SetOutputFilter DEFLATE
        SetInputFilter DEFLATE
    """

    def compressed(self, httpd, path):
        head, _, body = httpd.raw_get(path, protocol="HTTP/1.0", headers="Accept-Encoding: gzip\r\n"
                                      ).partition(b"\r\n\r\n")
        assert b"\r\nContent-Encoding: gzip" in head
        return body

    @pytest.mark.parametrize("path, size", [("/app/big?3", 3 << 20), ("/app/file", 20000),
                                            ("/app/stream", len(BLOCKS))])
    def test_compresses_what_we_send(self, httpd, path, size):
        assert len(gzip.decompress(self.compressed(httpd, path))) == size

    def test_a_streamed_block_is_not_held_back(self, httpd):
        first, _ = httpd.raw_after_first_answer(
            "GET /app/slow-stream HTTP/1.0\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n", b"")
        if first.endswith(b"\r\n\r\n"):
            pytest.skip("the head came alone")

        assert zlib.decompressobj(31).decompress(first.partition(b"\r\n\r\n")[2]) == b"tick 0\n"

    def test_a_cut_response_stays_visibly_cut(self, httpd):
        httpd.expect_log(r"WX600[14]: .*Remedy: ", traceback=True)
        httpd.tolerate("ValueError: ")

        answer = httpd.raw_get("/app/raise-after", headers="Accept-Encoding: gzip\r\n")

        assert b"\r\nContent-Encoding: gzip" in answer
        assert not answer.endswith(b"0\r\n\r\n"), "the cut response looks whole"

    @pytest.mark.parametrize("size", [10, 100_000, 3_000_000])
    def test_inflates_what_the_application_reads(self, client, size):
        body = random.Random(size).randbytes(size)
        response = client.post("/app/checksum", content=gzip.compress(body),
                               headers={"Content-Encoding": "gzip"})

        assert response.json()[0] == len(body)


class TestModRatelimit:
    variants = BOTH_MODES
    config = MODULES + """
        LoadModule ratelimit_module $modules/mod_ratelimit.so
        <Location /app/file>
            SetOutputFilter RATE_LIMIT
            SetEnv rate-limit 10
        </Location>
    """

    def test_slows_down_and_loses_nothing(self, httpd, client):
        started = time.monotonic()
        response = client.get("/app/file")

        assert response.content == (httpd.stage.apps / "numbers.txt").read_bytes()
        assert time.monotonic() - started > 1


class TestModXsendfile:
    variants = BOTH_MODES
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        LoadModule xsendfile_module $modules/mod_xsendfile.so
        WSGIScriptAlias /sent $root/app/sent.wsgi
        XSendFile On
        XSendFilePath $root/private
    """
    files = {
        "app/sent.wsgi": """\
            import os
            FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "private")

            def application(environ, start_response):
                start_response("200 OK", [
                    ("Content-Type", "text/x-told"), ("ETag", '"told"'),
                    ("X-Sendfile", FOLDER + environ["QUERY_STRING"])])
                return []
        """,
        "private/report.txt": "0123456789" * 100_000, "secret.txt": "kept"}

    def test_sends_the_file_that_the_application_names(self, client):
        answer = client.get("/sent?/report.txt")

        assert (answer.status_code, answer.text) == (200, "0123456789" * 100_000)
        assert answer.headers["content-length"] == "1000000"
        assert answer.headers["content-type"] == "text/x-told"
        assert "x-sendfile" not in answer.headers

    def test_picks_a_range(self, client):
        answer = client.get("/sent?/report.txt", headers={"Range": "bytes=2-4"})

        assert (answer.status_code, answer.text) == (206, "234")

    def test_sends_nothing_else(self, httpd, client):
        httpd.expect_log("xsendfile")

        answer = client.get("/sent?/../secret.txt")

        assert answer.status_code == 404 and "kept" not in answer.text

    def test_leaves_the_connection_usable(self, client):
        for _ in range(5):
            assert len(client.get("/sent?/report.txt").content) == 1_000_000


class TestModDirAndFiles:
    variants = BOTH_MODES
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        LoadModule dir_module $modules/mod_dir.so
        LoadModule userdir_module $modules/mod_userdir.so
        UserDir $root/home/*/public_html
        DirectoryIndex app.wsgi
        <Directory $root/htdocs>
            Options +ExecCGI
            <Files "app.wsgi">
                SetHandler wsgi-script
            </Files>
            <Files "denied.wsgi">
                SetHandler wsgi-script
                Require all denied
            </Files>
        </Directory>
        <Directory $root/home/*/public_html>
            AllowOverride FileInfo Options=ExecCGI
        </Directory>
    """
    files = {
        "htdocs/site/app.wsgi": TELLING, "htdocs/site/denied.wsgi": TELLING,
        "htdocs/site/other.wsgi": "just text",
        "home/ann/public_html/tool.py": TELLING,
        "home/ann/public_html/.htaccess": "Options +ExecCGI\nAddHandler wsgi-script .py\n",
        "home/bob/public_html/tool.py": "just text",
    }

    def test_a_folder_is_answered_by_its_index(self, client):
        told = client.get("/site/?x=1").json()

        assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("/site/app.wsgi", "")
        assert (told["QUERY_STRING"], told["REQUEST_URI"]) == ("x=1", "/site/?x=1")

    def test_a_form_sent_to_the_folder_arrives_too(self, client):
        assert client.post("/site/", content=b"a=1").json()["REQUEST_METHOD"] == "POST"

    def test_a_folder_without_its_slash_is_redirected(self, client):
        response = client.get("/site")

        assert (response.status_code, response.headers["location"][-6:]) == (301, "/site/")

    def test_files_sections_choose_and_deny(self, httpd, client):
        httpd.expect_log("AH01630: client denied")

        assert client.get("/site/app.wsgi/more").json()["PATH_INFO"] == "/more"
        assert client.get("/site/other.wsgi").text == "just text"
        assert client.get("/site/denied.wsgi").status_code == 403

    def test_a_home_folder_brings_its_own_handler(self, client):
        told = client.get("/~ann/tool.py/info").json()

        assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("/~ann/tool.py", "/info")
        assert client.get("/~bob/tool.py").text == "just text"


class TestErrorDocument:
    variants = BOTH_MODES
    config = MODULES + """
        WSGIScriptAlias /telling $root/telling.wsgi
        ErrorDocument 404 /telling/missing?asked=1
        ErrorDocument 500 /telling/broken
        ErrorDocument 403 /app/raise
        ErrorDocument 410 /app/short
        Redirect gone /gone
        <Location /closed>
            Require all denied
        </Location>
    """
    files = {"telling.wsgi": TELLING}

    def test_may_be_a_script(self, client):
        response = client.get("/nowhere/at/all?x=1")
        told = response.json()

        assert (response.status_code, response.reason_phrase) == (404, "Told")
        assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("/telling", "/missing")
        assert (told["REDIRECT_URL"], told["REDIRECT_QUERY_STRING"]) == ("/nowhere/at/all", "x=1")
        assert (told["QUERY_STRING"], told["REDIRECT_STATUS"]) == ("asked=1", "404")

    def test_a_post_is_answered_as_a_get(self, client):
        told = client.post("/nowhere", content=b"x" * 100_000).json()

        assert told["REQUEST_METHOD"] == "GET"
        assert client.get("/app/stream").text == BLOCKS

    def test_stands_in_for_an_application_that_failed(self, httpd, client):
        httpd.expect_log(r"WX6001: .*Remedy: ", traceback=True)
        httpd.tolerate("ValueError: ")

        response = client.get("/app/raise")

        assert (response.status_code, response.json()["REDIRECT_URL"]) == (500, "/app/raise")

    def test_that_fails_itself_leaves_the_first_error(self, httpd, client):
        httpd.expect_log(r"WX6001: .*Remedy: ", traceback=True)
        httpd.tolerate("ValueError: |AH01630")

        response = client.get("/closed")

        assert response.status_code == 403
        assert "while trying to use an ErrorDocument" in response.text

    def test_that_fails_after_its_head_leaves_the_first_error_too(self, httpd):
        httpd.expect_log("WX6005.*Remedy: ")

        answer = httpd.raw_get("/gone")

        # What has left already can only be cut.
        assert answer.endswith(b"\r\n\r\nbegun") or (
            answer.startswith(b"HTTP/1.1 410 ")
            and b"while trying to use an ErrorDocument" in answer)
