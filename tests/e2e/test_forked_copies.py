# SPDX-License-Identifier: Apache-2.0
"""A process that the application forked holds a copy of every connection of its worker."""
import os
import signal
import time

from crowd import ask, ask_in_background
from waits import wait_for_child_of
from wsgix_httpd import wait_for

APPLICATION = """
    import os, time

    def application(environ, start_response):
        if environ["PATH_INFO"] == "/fork":
            child = os.fork()
            if child == 0:
                time.sleep(7)
                os._exit(0)
            time.sleep(7)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"fine"]
"""


class TestAKilledWorkerWhoseChildLives:
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $root/site/app.wsgi
        <Directory $root/site>
            Require all granted
        </Directory>
    """
    daemon_options = "processes=1 threads=2"
    files = {"site/app.wsgi": APPLICATION}

    def test_its_request_ends_at_once(self, httpd):
        assert ask(httpd).text == "fine"
        httpd.expect_log(r"WX2008: ")
        httpd.expect_log(r"WX6013: ")
        worker, = httpd.workers()
        client, answers = ask_in_background(httpd, "/fork")
        copy = wait_for_child_of(worker)

        began = time.monotonic()
        os.kill(worker.pid, signal.SIGKILL)
        client.join()

        assert time.monotonic() - began < 4
        assert answers[0] >= 500
        assert wait_for(lambda: not copy.is_alive(), 10)  # it ends by itself
