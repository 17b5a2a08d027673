# SPDX-License-Identifier: Apache-2.0
"""A process that the application forked holds a copy of every connection of its worker."""
import os
import signal
import threading
import time

from test_life_of_workers import ask

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
        worker = httpd.workers()[0].pid
        answers = []
        client = threading.Thread(target=lambda: answers.append(ask(httpd, "/fork").status_code))
        client.start()
        time.sleep(1)

        began = time.monotonic()
        os.kill(worker, signal.SIGKILL)
        client.join()

        assert time.monotonic() - began < 4
        assert answers[0] >= 500
        time.sleep(6)  # the child of the application ends by itself
