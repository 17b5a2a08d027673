# SPDX-License-Identifier: Apache-2.0
"""Where the faults happen: one httpd with one application, and what a scenario has to say."""
import dataclasses
import os
import re
import signal
import time

import httpx

from wsgix_httpd import EVENT_DAEMON, Httpd

GROUP = "processes=3 threads=4"
CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptReloading $reloading
    WSGIScriptAlias /app $root/apps/app.wsgi
    Alias /static.txt $root/htdocs/static.txt
    MaxKeepAliveRequests 0
    <IfModule !mpm_prefork_module>
        # A child whose threads are all busy closes idle connections, which a client may just be using.
        StartServers 3
        ServerLimit 6
        ThreadLimit 130
        ThreadsPerChild 130
        MaxRequestWorkers 390
        MinSpareThreads 25
        MaxSpareThreads 390
    </IfModule>
"""
HELLO = '''
import time
{on_import}
VERSION = "{version}"
def application(environ, start_response):
    {body}
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [VERSION.encode()]
'''


@dataclasses.dataclass
class Said:
    notes: list = dataclasses.field(default_factory=list)
    complaints: list = dataclasses.field(default_factory=list)

    def note(self, text):
        self.notes.append(text)

    def must(self, holds, text):
        if not holds:
            self.complaints.append(text)


class Site:
    """One httpd with one application whose source the scenario changes."""

    def __init__(self, stage, *, reloading="On", options=GROUP, body="pass", on_import="",
                 config="", log_level="warn", environment=None, files=None):
        text = CONFIG.replace("$reloading", reloading) + config
        self.httpd = Httpd(stage, EVENT_DAEMON, text, log_level=log_level, daemon_options=options)
        inherited = self.httpd.environment
        self.httpd.environment = lambda: inherited() | (environment or {})
        self.body, self.on_import = body, on_import
        self.version = 0
        self.httpd.folder_for_applications("apps")
        self.httpd.write("htdocs/static.txt", "hello")
        for name, text in (files or {}).items():
            self.httpd.write(f"apps/{name}", text)
        self.change()

    def __enter__(self):
        self.httpd.start()
        self.ask()
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.httpd.stop(40)
            else:
                self.httpd.kill_everything()
        finally:
            self.httpd.remove()

    def change(self, text=None):
        """A new version of the script, put in place at once; returns what it answers."""
        self.version += 1
        text = text or HELLO.format(on_import=self.on_import, body=self.body,
                                    version=f"v{self.version}")
        new = self.httpd.write("apps/app.new", text)
        os.replace(new, self.httpd.path("apps/app.wsgi"))
        return f"v{self.version}"

    @property
    def url(self):
        return self.httpd.url + "/app"

    def ask(self, seconds=30):
        return httpx.get(self.url, timeout=seconds, trust_env=False)

    def graceful(self):
        self.httpd.popen.send_signal(signal.SIGUSR1)

    def log_lines(self, pattern):
        return len(re.findall(pattern, self.httpd.log()))

    def workers(self):
        return self.httpd.workers()


def during(seconds, every, act):
    """Acts every so many seconds until the time is over; returns how often."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        next_turn = time.monotonic() + every
        act()
        count += 1
        time.sleep(max(0, min(next_turn, end) - time.monotonic()))
    return count
