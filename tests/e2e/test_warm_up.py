# SPDX-License-Identifier: Apache-2.0
"""warmup=: a new worker answers a request of its own before it gets one of a client."""
import os

import httpx
import pytest

from wsgix_httpd import replace_text, wait_for

APPLICATION = """
    import json, os
    FIRST = []
    def application(environ, start_response):
        plain = {key: value for key, value in environ.items() if isinstance(value, str)}
        plain["body"] = environ["wsgi.input"].read().decode()
        plain["scheme"] = environ["wsgi.url_scheme"]
        FIRST.append(plain)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps([os.getpid(), FIRST[0]]).encode()]
"""
MOUNT = """
    $daemon
    WSGIScriptAlias /shop $root/site/app.wsgi process-group=suite application-group=%{GLOBAL}
"""


def ask(httpd):
    return httpx.get(httpd.url + "/shop/client", timeout=20, trust_env=False)


class TestAWarmWorker:
    files = {"site/app.wsgi": APPLICATION}
    daemon_options = "processes=1 threads=2 warmup=https://shop.example:8443/health?deep=1"
    config = MOUNT

    def test_has_answered_its_own_request_first(self, httpd):
        _, first = ask(httpd).json()

        assert first["wsgix.warmup"] == "1" and first["REQUEST_METHOD"] == "GET"
        assert (first["PATH_INFO"], first["QUERY_STRING"]) == ("/health", "deep=1")
        assert (first["HTTP_HOST"], first["SERVER_NAME"]) == ("shop.example:8443", "shop.example")
        assert (first["SERVER_PORT"], first["scheme"]) == ("8443", "https")
        assert first["mod_wsgi.process_group"] == "suite" and first["body"] == ""
        assert first["SCRIPT_FILENAME"] == str(httpd.path("site/app.wsgi"))

    def test_so_has_each_that_follows(self, httpd):
        before, _ = ask(httpd).json()
        os.utime(httpd.path("site/app.wsgi"))

        pid, first = ask(httpd).json()

        assert pid != before and first["wsgix.warmup"] == "1"


class TestAWarmUpThatFails:
    """The first worker has nobody before it; the one after it has."""
    files = {"site/app.wsgi": APPLICATION}
    daemon_options = "processes=1 threads=2 warmup=/health"
    config = MOUNT + "WSGIScriptReloading Rolling\n"

    def test_keeps_the_old_workers_with_rolling(self, httpd):
        before, _ = ask(httpd).json()
        httpd.expect_log(r"WX2020: group 'suite': script .*/site/app.wsgi answered the warm-up "
                         "request /health with 503")
        httpd.expect_log(r"WX2018: ")
        script = httpd.path("site/app.wsgi")
        good = script.read_text()
        replace_text(script, good.replace("200 OK", "503 Not Now"))
        assert wait_for(lambda: "WX2018" in httpd.log(), 10)

        answer = ask(httpd)

        assert (answer.status_code, answer.json()[0]) == (200, before)
        replace_text(script, good + "# repaired\n")
        assert wait_for(lambda: ask(httpd).json()[0] != before, 10)


class TestAWarmUpThatRaises:
    files = {"site/app.wsgi": """
        def application(environ, start_response):
            if "wsgix.warmup" in environ:
                raise RuntimeError("not warm yet")
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"served"]
        """}
    daemon_options = "processes=1 threads=2 warmup=/"
    config = MOUNT

    def test_is_logged_and_the_worker_serves(self, httpd):
        httpd.expect_log(r"WX2020: .* with 500")
        httpd.expect_log(r"not warm yet")
        httpd.tolerate(r"WX6\d\d\d|Traceback|File \"|RuntimeError")

        assert ask(httpd).text == "served"


class TestAScriptThatCannotBeLoaded:
    files = {"site/app.wsgi": "import this_module_is_not_there"}
    daemon_options = "processes=1 threads=2 warmup=/"
    config = MOUNT

    def test_is_not_imported_again_for_a_warm_up(self, httpd):
        httpd.expect_log(r"this_module_is_not_there")
        httpd.tolerate(r"WX5\d\d\d|Traceback|File \"")
        wait_for(lambda: "workers are ready" in httpd.log(), 10)

        assert "WX2020" not in httpd.log()
        assert len([line for line in httpd.log().splitlines() if "ModuleNotFoundError" in line]) == 1


@pytest.mark.root
def test_a_script_of_the_wrong_owner_is_not_executed_for_a_warm_up(make_httpd):
    httpd = make_httpd(MOUNT, daemon_options="processes=1 threads=2 warmup=/ script-user=games",
                       files={"site/app.wsgi": ""})
    proof = httpd.folder_for_applications("proof") / "executed"
    httpd.write("site/app.wsgi", f"open({str(proof)!r}, 'w').close()\n" + "application = None\n")
    httpd.expect_log(r"script-user|owner|belong")
    httpd.tolerate(r"WX\d\d\d\d")
    httpd.start()
    assert wait_for(lambda: "workers are ready" in httpd.log(), 10)

    assert not proof.exists()
