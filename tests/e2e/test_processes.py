# SPDX-License-Identifier: Apache-2.0
"""Which processes there are, what is loaded in them, and what happens when one is killed."""
import json
import pathlib
import signal
import subprocess

import httpx
import pytest

from crowd import ask_in_background, busy_threads
from waits import wait_until_running
from wsgix_httpd import EVENT_DAEMON, EVENT_EMBEDDED, RUNS_AS_ROOT, Variant, wait_for

CONFIG = """
    $daemon
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / $apps/suite.wsgi
"""
ONE_WORKER = "processes=1 threads=4 display-name=%{GROUP}"


def libraries(process):
    """File names that the process has mapped."""
    return {pathlib.PurePath(line.split()[5]).name
            for line in process.maps.splitlines() if len(line.split()) > 5}


def pythons(process):
    return [name for name in libraries(process) if name.startswith("libpython")]


class TestNoSiteNoPython:
    """The module is loaded and nothing runs in it: its children are httpd's alone."""

    variants = [EVENT_DAEMON]
    config = "DocumentRoot $root\n"

    def test_no_child_maps_one(self, httpd, client):
        client.get("/")
        assert httpd.children()
        assert all(pythons(child) == [] for child in httpd.children())


class TestHandlerWithoutAlias:
    """Whether a folder's handler is ever asked for cannot be known at the start."""

    variants = [EVENT_EMBEDDED]
    config = """
        DocumentRoot $root/scripts
        <Directory $root/scripts>
            Require all granted
            Options +ExecCGI
            AddHandler wsgi-script .wsgi
            WSGIApplicationGroup %{GLOBAL}
        </Directory>
    """
    files = {"scripts/index.html": "static", "scripts/who.wsgi": """\
        import threading

        def application(environ, start_response):
            start_response("200 OK", [])
            main = threading.main_thread() is threading.current_thread()
            return [str(main).encode()]
        """}

    def test_python_comes_with_the_first_request_and_not_in_its_thread(self, httpd, client):
        assert client.get("/index.html").text == "static"
        assert all(pythons(child) == [] for child in httpd.children())

        assert client.get("/who.wsgi").text == "False"
        assert any(pythons(child) for child in httpd.children())


class TestWhatIsLoadedWhere:
    daemon_options = "processes=2 threads=3 display-name=%{GROUP}"
    config = CONFIG

    def test_none_of_our_files_is_linked_to_a_python(self, httpd):
        for name in ("mod_wsgi.so", "wsgix-host", "wsgix-runtime.abi3.so"):
            said = subprocess.run(["ldd", str(httpd.stage.build / name)], text=True,
                                  capture_output=True, check=True).stdout
            assert "libpython" not in said, name

    def test_only_the_workers_have_a_python(self, httpd, client):
        for _ in range(10):
            assert client.get("/who", headers={"Connection": "close"}).status_code == 200

        assert pythons(httpd.parent) == []
        assert all(pythons(child) == [] for child in httpd.children())
        assert all(pythons(host) == [] for host in httpd.hosts())
        assert len(httpd.workers()) == 2
        assert all(pythons(worker) for worker in httpd.workers())

    def test_hosts_and_workers_have_nothing_of_httpd(self, httpd, client):
        client.get("/who")
        for process in httpd.hosts() + httpd.workers():
            foreign = [name for name in libraries(process)
                       if name.startswith(("mod_", "libapr", "apache2", "httpd"))]
            assert foreign == [], process

    def test_one_host_per_group_and_as_many_workers_as_asked(self, httpd):
        assert len(httpd.hosts()) == 1
        assert wait_for(lambda: len(httpd.workers()) == 2, 10)

    def test_the_workers_title_is_the_display_name_and_the_hosts_names_the_group(self, httpd):
        assert {worker.title for worker in httpd.workers()} == {"(wsgi:suite)"}
        assert [host.title for host in httpd.hosts()] == ["wsgix: suite supervisor"]

    @pytest.mark.root
    def test_nobody_but_the_parent_is_root(self, httpd, client):
        client.get("/who")
        for process in httpd.children() + httpd.hosts() + httpd.workers():
            assert 0 not in process.uids, process

    def test_the_application_sees_its_own_world(self, httpd, client):
        seen = json.loads(client.get("/who").text)

        assert seen["argv"] == ["mod_wsgi"]
        assert seen["pid"] in {worker.pid for worker in httpd.workers()}

    def test_no_descriptor_of_httpd_is_in_a_worker(self, httpd, client):
        client.get("/who")
        for worker in httpd.workers():
            names = list(worker.descriptors().values())
            assert not [n for n in names if "httpd.pid" in n or "htdocs" in n], names
            assert len(names) < 40, names


class TestKilled:
    """Each test has a server of its own and kills a part of it."""

    def server(self, make_httpd, variant=EVENT_DAEMON, options=ONE_WORKER):
        httpd = make_httpd(CONFIG, variant, daemon_options=options).start()
        assert httpx.get(httpd.url + "/who", trust_env=False).status_code == 200
        return httpd

    @pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
    def test_httpd_parent_takes_every_host_and_worker_with_it(self, make_httpd, mpm):
        httpd = self.server(make_httpd, Variant(mpm, "daemon"))
        ours = httpd.hosts() + httpd.workers()
        assert len(ours) == 2

        httpd.parent.signal(signal.SIGKILL)

        assert wait_for(lambda: not any(p.is_alive() for p in ours), 2), ours
        # httpd's own children stay behind by httpd's design.
        httpd.kill_everything()
        for left in httpd.root.glob("run/wsgi*"):
            left.unlink()

    def test_worker_is_replaced_and_the_log_names_signal_and_request(self, make_httpd):
        httpd = self.server(make_httpd)
        [worker] = httpd.workers()
        httpd.expect_log(r"WX6013: .*(GET )?/sleep.*signal 9|signal 9.*(GET )?/sleep")
        httpd.tolerate("WX2008|WX6013|signal 9|Killed")
        thread, answers = ask_in_background(httpd, "/sleep?30")
        wait_until_running(httpd, 1)

        worker.signal(signal.SIGKILL)
        thread.join(10)

        assert answers in ([500], [502], [503]), answers
        next_answer = httpx.get(httpd.url + "/who", timeout=10, trust_env=False)
        assert next_answer.status_code == 200
        assert json.loads(next_answer.text)["pid"] != worker.pid

    def test_idle_worker_is_replaced_without_a_failed_request(self, make_httpd):
        httpd = self.server(make_httpd, options="processes=2 threads=2")
        httpd.tolerate("WX2008|signal 9|Killed")
        for _ in range(3):
            httpd.workers()[0].signal(signal.SIGKILL)
            for _ in range(20):
                assert httpx.get(httpd.url + "/who", timeout=10,
                                 trust_env=False).status_code == 200
            assert wait_for(lambda: len(httpd.workers()) == 2, 10)

    def test_host_is_replaced_by_the_parent(self, make_httpd):
        httpd = self.server(make_httpd)
        httpd.tolerate("WX2007|WX2008|WX60|signal 9|Killed")
        [host], [worker] = httpd.hosts(), httpd.workers()

        host.signal(signal.SIGKILL)

        assert wait_for(lambda: not worker.is_alive(), 3), "the worker outlived its host"
        assert wait_for(lambda: [h for h in httpd.hosts() if h.pid != host.pid], 5)
        assert httpx.get(httpd.url + "/who", timeout=20, trust_env=False).status_code == 200

    def test_stop_while_a_request_runs_leaves_nothing(self, make_httpd):
        httpd = self.server(make_httpd)
        httpd.tolerate(".")
        thread, _ = ask_in_background(httpd, "/sleep?60")
        wait_until_running(httpd, 1)

        # httpd gives its own children 10 s, then the group has its shutdown-timeout of 5 s.
        httpd.stop(25)
        thread.join(20)

    @pytest.mark.skipif(not RUNS_AS_ROOT, reason="needs a second account")
    def test_a_stranger_cannot_talk_to_the_groups_socket(self, make_httpd):
        httpd = self.server(make_httpd)
        sockets = [p for p in httpd.path("run").rglob("*") if p.is_socket()]
        assert sockets, "the group has no socket file"
        said = subprocess.run(
            ["setpriv", "--reuid=games", "--regid=games", "--clear-groups", "/usr/bin/python3", "-c",
             f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({str(sockets[0])!r})"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL)

        assert "PermissionError" in said.stderr


class TestFullGroup:
    variants = [EVENT_DAEMON]
    daemon_options = "processes=1 threads=1 queue-timeout=1"
    config = CONFIG

    def test_refuses_after_the_queue_timeout_and_serves_again_once_a_thread_is_free(self, httpd):
        assert httpx.get(httpd.url + "/who", trust_env=False).status_code == 200
        httpd.expect_log(r"WX6011: GET /who in process group 'suite': the group is full and the "
                         r"request waited .*: 1 of 1 threads are busy.* Remedy: ")

        with busy_threads(httpd, 1):
            refused = httpx.get(httpd.url + "/who", timeout=10, trust_env=False)

        assert refused.status_code == 503 and refused.headers["Retry-After"] == "5"
        assert refused.elapsed.total_seconds() < 3
        assert httpx.get(httpd.url + "/who", trust_env=False).status_code == 200
