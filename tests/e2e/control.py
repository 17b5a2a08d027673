# SPDX-License-Identifier: Apache-2.0
"""The operator's command `wsgix ctl`, and what it says about the groups of a server."""
import json
import subprocess

DONE, FAILED, USAGE, NOT_FOUND, NOT_PERMITTED = range(5)


def ctl(httpd, *arguments, prefix=None, account=None, seconds=60):
    command = [str(httpd.stage.build / "wsgix"), "ctl", "--sockets",
               str(prefix or httpd.path("run/wsgi")), *arguments]
    if account:
        command = ["setpriv", f"--reuid={account}", "--clear-groups", *command]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds,
                          stdin=subprocess.DEVNULL)


def groups(httpd):
    done = ctl(httpd, "list", "--json")
    assert done.returncode == DONE, done.stderr
    return json.loads(done.stdout)


def ready(group):
    return {worker["pid"] for worker in group["workers"] if worker["state"] == "ready"}
