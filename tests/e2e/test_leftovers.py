# SPDX-License-Identifier: Apache-2.0
"""Processes that an application starts and does not wait for: they live as long as their group."""
import json
import signal

import httpx
import pytest

from wsgix_httpd import wait_for
from processes import Process

CONFIG = """
    WSGIDaemonProcess shop processes=1 threads=2 shutdown-timeout=2
    WSGIScriptAlias / $root/app/app.wsgi process-group=shop application-group=%{GLOBAL}
"""
APP = """
    import json, os, signal, subprocess, time
    def daemonise(deaf):
        read, write = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.write(write, str(os.getpid()).encode())
                for signal_ in (signal.SIGTERM, signal.SIGHUP):
                    signal.signal(signal_, signal.SIG_IGN if deaf else signal.SIG_DFL)
                os.execvp("sleep", ["sleep", "1000"])
            os._exit(0)
        os.wait()
        return int(os.read(read, 20))
    def application(environ, start_response):
        what = environ["PATH_INFO"][1:]
        found = [os.getpid()]
        if what == "all":
            found += [daemonise(False), daemonise(True)]
            found.append(subprocess.Popen(["sleep", "1000"], start_new_session=True).pid)
        if what == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        body = json.dumps(found).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
"""


def serve(make_httpd):
    httpd = make_httpd(CONFIG, files={"app/app.wsgi": APP}).start()
    worker, *left = ask(httpd, "/all")
    httpd.tolerate("WX2023")
    found = [Process(pid) for pid in left]
    assert len(found) == 3
    httpd.notice_processes()
    return httpd, worker, found


def ask(httpd, path):
    return json.loads(httpx.get(httpd.url + path, trust_env=False, timeout=30).text)


def alive(found):
    return [process for process in found if process.is_alive()]


def test_they_outlive_the_worker_that_started_them(make_httpd):
    httpd, worker, left = serve(make_httpd)
    httpd.tolerate("WX2008|WX6013|signal 9")
    httpx.get(httpd.url + "/crash", trust_env=False, timeout=30)

    assert ask(httpd, "/who")[0] != worker
    assert alive(left) == left
    host, = httpd.hosts()
    assert {Process(p.pid).parent_pid for p in left} == {host.pid}


@pytest.mark.parametrize("end", ["stop", "graceful", "killed"])
def test_they_end_with_the_group(make_httpd, end):
    httpd, worker, left = serve(make_httpd)

    if end == "stop":
        httpd.stop()
    elif end == "graceful":
        httpd.graceful()
    else:
        httpd.parent.signal(signal.SIGKILL)

    assert wait_for(lambda: not alive(left), 10), alive(left)
    if end == "killed":
        httpd.kill_everything()
        for socket in httpd.root.glob("run/wsgi*"):
            socket.unlink()
    line = httpd.wait_for_log(r"WX2023: group 'shop': .*").group()
    assert "3 processes" in line and "sleep 1000" in line and "systemd-run" in line


def test_a_child_that_ends_after_its_worker_is_reaped(make_httpd):
    httpd, worker, left = serve(make_httpd)
    left[0].signal(signal.SIGKILL)

    assert wait_for(lambda: not left[0].is_alive(), 5)
    host, = httpd.hosts()
    zombies = lambda: [pid for pid in children_of(host.pid) if state_of(pid) == "Z"]
    assert wait_for(lambda: not zombies(), 5), zombies()
    assert len(httpd.workers()) == 1


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""
