# SPDX-License-Identifier: Apache-2.0
"""httpd stops, and forked copies end, while a request is inside Python code."""
import time

from crowd import ask, ask_in_background
from wsgix_httpd import Variant, wait_for

APPLICATION = """
    import multiprocessing, os, signal, time

    FORK = multiprocessing.get_context("fork")

    def square(number):
        return number * number

    def spin(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass

    def pool():
        with FORK.Pool(2) as workers:
            return str(workers.map(square, [1, 2, 3]))

    def say_and_run(told, target):
        os.write(told, b"inside")
        target(30)

    def terminate(target):
        inside, told = os.pipe()
        process = FORK.Process(target=say_and_run, args=(told, target))
        process.start()
        os.read(inside, 6)
        process.terminate()
        process.join(5)
        status = process.exitcode
        if status is None:
            process.kill()
            process.join()
        return str(status)

    def application(environ, start_response):
        path = environ["PATH_INFO"]
        body = "fine"
        if path == "/pool":
            body = pool()
        elif path == "/end-sleeping":
            body = terminate(time.sleep)
        elif path == "/end-spinning":
            body = terminate(spin)
        elif path in ("/spin", "/sleep"):
            print("inside", path)
            spin(30) if path == "/spin" else time.sleep(30)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [body.encode()]
"""
CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $root/site/app.wsgi
"""
FILES = {"site/app.wsgi": APPLICATION}
PREFORK_EMBEDDED = Variant("prefork", "embedded")


class TestACopyOfAChildWithoutThreads:
    """Ended by SIGTERM it runs httpd's handler for it, and with that exit()."""
    variants = [PREFORK_EMBEDDED, Variant("prefork", "daemon")]
    config = CONFIG
    files = FILES

    def test_pools_end(self, httpd):
        assert [ask(httpd, "/pool").text for _ in range(8)] == ["[1, 4, 9]"] * 8

    def test_sigterm_ends_one_that_waits(self, httpd):
        assert ask(httpd, "/end-sleeping").text in ("0", "-15")

    def test_sigterm_ends_one_that_runs_python(self, httpd):
        assert ask(httpd, "/end-spinning").text in ("0", "-15")


class TestStoppingHttpd:
    def stop_while(self, make_httpd, path):
        httpd = make_httpd(CONFIG, PREFORK_EMBEDDED, files=FILES)
        httpd.start()
        assert ask(httpd).text == "fine"
        httpd.expect_log(rf"inside {path}")
        for _ in range(2):
            ask_in_background(httpd, path)
        assert wait_for(lambda: httpd.log().count(f"inside {path}") == 2, 10)

        began = time.monotonic()
        httpd.stop()

        assert time.monotonic() - began < 3  # at this time httpd begins to insist
        assert "did not exit" not in httpd.log()

    def test_does_not_wait_for_python_code(self, make_httpd):
        self.stop_while(make_httpd, "/spin")

    def test_does_not_wait_for_a_call_without_the_gil(self, make_httpd):
        self.stop_while(make_httpd, "/sleep")
