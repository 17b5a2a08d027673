# SPDX-License-Identifier: Apache-2.0
"""`wsgix ctl`, the administrator's command, against a real server."""
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import httpx
import pytest

from control import DONE, FAILED, NOT_FOUND, NOT_PERMITTED, USAGE, ctl, groups, ready
from crowd import Load, ask_in_background
from test_restarts import CONFIG
from waits import wait_until_ready, wait_until_running
from wsgix_httpd import wait_for


def control_socket(httpd):
    found, = httpd.path("run").glob("wsgi.*.ctl")
    return found


def say(path, data, seconds=10):
    """Sends bytes to a control socket: what comes back until its end."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(str(path))
        connection.sendall(data)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received


class TestCtl:
    daemon_options = "processes=2 threads=3"
    config = CONFIG + "WSGIDaemonProcess other processes=1 threads=2\n"

    def test_lists_every_group_with_its_workers(self, httpd, client):
        assert client.get("/who").status_code == 200
        all_ready_of = {"suite": 2, "other": 1}
        assert wait_for(lambda: {g["group"]: len(ready(g)) for g in groups(httpd)} == all_ready_of,
                        20, 0.1)

        found = {group["group"]: group for group in groups(httpd)}

        suite = found["suite"]
        assert (suite["state"], suite["processes"], suite["threads"]) == ("serving", 2, 3)
        workers = {p.pid for p in httpd.workers()}
        assert ready(suite) | ready(found["other"]) == workers
        assert {suite["host"], found["other"]["host"]} == {p.pid for p in httpd.hosts()}
        assert sum(worker["requests"] for worker in suite["workers"]) >= 1
        assert suite["error_log"] == str(httpd.path("error_log"))

    def test_lists_for_people_too(self, httpd):
        all_workers = {str(p.pid) for p in httpd.workers()}

        text = ctl(httpd, "list").stdout

        assert re.search(r"^suite: serving, generation \d+, 2 of 2 workers ready, 3 threads each",
                         text, re.M), text
        assert all_workers <= set(re.findall(r"\d+", text))

    def test_names_the_groups_there_are(self, httpd):
        done = ctl(httpd, "reload", "shop")

        assert done.returncode == NOT_FOUND
        assert "no group 'shop'" in done.stderr and "suite" in done.stderr

    def test_says_where_it_looked_for_a_server(self, httpd):
        done = ctl(httpd, "list", prefix=httpd.path("run/nothing"))

        assert done.returncode == NOT_FOUND
        assert "run/nothing" in done.stderr and "--sockets" in done.stderr

    def test_passes_over_sockets_that_nobody_listens_on(self, httpd):
        stale = httpd.path("run/wsgi.1.1.ctl")
        with socket.socket(socket.AF_UNIX) as abandoned:
            abandoned.bind(str(stale))
        try:
            assert {group["group"] for group in groups(httpd)} == {"suite", "other"}
        finally:
            stale.unlink()

    @pytest.mark.parametrize("arguments", [[], ["reload"], ["reload", "a", "b"], ["explode", "a"],
                                           ["list", "--no-wait"]])
    def test_refuses_wrong_usage(self, httpd, arguments):
        assert ctl(httpd, *arguments).returncode == USAGE

    def test_explains_itself(self, httpd):
        assert re.match(r"wsgix \d+\.\d+\.\d+\n", subprocess.run(
            [httpd.stage.build / "wsgix", "--version"], capture_output=True, text=True).stdout)
        for arguments in ([], ["list"], ["reload"], ["drain"], ["resume"], ["stacks"]):
            done = ctl(httpd, *arguments, "--help")
            assert done.returncode == DONE and len(done.stdout) > 200

    @pytest.mark.root
    def test_is_not_for_everybody(self, httpd):
        for account in ("nobody", "www-data"):
            done = ctl(httpd, "list", account=account)
            assert done.returncode == NOT_PERMITTED, done.stderr
            assert "not permitted" in done.stderr

    @pytest.mark.root
    def test_is_not_for_an_account_that_can_open_the_socket_either(self, httpd):
        httpd.tolerate("WX1007")
        paths = list(httpd.path("run").glob("wsgi.*.ctl"))
        for path in paths:
            path.chmod(0o666)
        try:
            done = ctl(httpd, "reload", "suite", account="nobody")
        finally:
            for path in paths:
                path.chmod(0o600)

        assert done.returncode == NOT_PERMITTED, done.stderr
        httpd.wait_for_log("WX1007: group '(suite|other)': control socket: uid 65534")
        assert "reload: asked for" not in httpd.new_log()

    def test_is_held_by_hosts_and_httpds_parent_alone(self, httpd):
        inodes = set()
        for line in open("/proc/net/unix"):
            if str(httpd.path("run")) in line and line.rstrip().endswith(".ctl"):
                inodes.add(f"socket:[{line.split()[6]}]")
        assert len(inodes) == 2

        holders = {p.pid for p in httpd.processes() if inodes & set(p.descriptors().values())}

        assert holders == {httpd.parent.pid, *(p.pid for p in httpd.hosts())}


class TestCommands:
    """Each test has a server of its own."""

    def serving(self, make_httpd, options="processes=2 threads=4", **more):
        httpd = make_httpd(CONFIG, daemon_options=options, **more).start()
        processes = int(re.search(r"processes=(\d+)", options)[1])
        wait_until_ready(httpd, processes)
        return httpd

    def test_reload_replaces_every_worker_and_loses_no_request(self, make_httpd):
        httpd = self.serving(make_httpd)
        group, = groups(httpd)
        before = ready(group)
        with Load(httpd.url + "/who") as load:
            load.wait_for_answers(20)
            for _ in range(3):
                done = ctl(httpd, "reload", "suite")
                assert done.returncode == DONE, done.stderr
                group, = groups(httpd)
                assert len(ready(group)) == 2 and not ready(group) & before
                before = ready(group)
        assert set(load.answers) == {200}, load.answers
        assert load.answers[200] > 50
        httpd.wait_for_log(r"WX2041: group 'suite': reload: asked for by uid \d+ \(pid \d+\)")

    def test_reload_need_not_wait(self, make_httpd):
        httpd = self.serving(make_httpd)
        before = ready(groups(httpd)[0])

        assert ctl(httpd, "reload", "suite", "--no-wait").returncode == DONE

        assert wait_for(lambda: len(ready(groups(httpd)[0]) - before) == 2, 20, 0.1)

    def test_reload_says_when_the_new_workers_die(self, make_httpd):
        httpd = self.serving(make_httpd, "processes=1 threads=2")
        old, = httpd.workers()
        stop = threading.Event()

        def kill_every_new_worker():
            while not stop.is_set():
                for worker in httpd.workers():
                    if worker.pid != old.pid:
                        worker.signal(signal.SIGKILL)
                time.sleep(0.01)

        httpd.tolerate("WX2008")
        killer = threading.Thread(target=kill_every_new_worker)
        killer.start()
        try:
            done = ctl(httpd, "reload", "suite")
        finally:
            stop.set()
            killer.join()

        assert done.returncode == FAILED, done.stdout
        assert "SIGKILL" in done.stderr and str(httpd.path("error_log")) in done.stderr

    def test_drain_lets_requests_finish_and_resume_brings_the_group_back(self, make_httpd):
        httpd = self.serving(make_httpd)
        request, answers = ask_in_background(httpd, "/sleep?4")
        wait_until_running(httpd, 1)

        done = ctl(httpd, "drain", "suite")

        request.join(20)
        assert done.returncode == DONE, done.stderr
        assert "wsgix ctl resume suite" in done.stdout
        assert answers == [200]
        group, = groups(httpd)
        assert group["state"] == "paused" and group["workers"] == []
        assert httpd.workers() == []
        assert ctl(httpd, "reload", "suite").returncode == FAILED

        assert ctl(httpd, "resume", "suite").returncode == DONE
        assert len(ready(groups(httpd)[0])) == 2
        assert httpx.get(httpd.url + "/who", trust_env=False).status_code == 200
        assert ctl(httpd, "resume", "suite").returncode == FAILED

    def test_stacks_asks_every_worker(self, make_httpd):
        httpd = self.serving(make_httpd)
        done = ctl(httpd, "stacks", "suite")

        assert done.returncode == DONE, done.stderr
        assert f"2 workers write the stacks of their requests to {httpd.path('error_log')}" \
            in done.stdout
        httpd.wait_for_log("WX2041: group 'suite': stacks: asked for by uid")
        assert len(ready(groups(httpd)[0])) == 2

    def test_the_last_ends_say_why(self, make_httpd):
        httpd = self.serving(make_httpd)
        httpd.expect_log("WX2008")
        victim = httpd.workers()[0]
        victim.signal(signal.SIGKILL)
        assert wait_for(lambda: len(ready(groups(httpd)[0]) - {victim.pid}) == 2, 20, 0.1)

        death = groups(httpd)[0]["deaths"][0]

        assert (death["pid"], death["reason"]) == (victim.pid, "unexpected")
        assert "SIGKILL" in death["end"]
        assert 0 <= death["age_ms"] < 20_000

    def test_a_command_during_a_graceful_restart_is_for_the_new_host(self, make_httpd):
        httpd = make_httpd(CONFIG + """
            WSGIScriptAlias /slow $root/slow.wsgi process-group=suite application-group=%{GLOBAL}
        """, daemon_options="processes=2 threads=2", files={
            "slow.wsgi": "import time\ntime.sleep(1.5)\ndef application(*_): pass\n"}).start()
        wait_until_ready(httpd, 2)
        old_host = groups(httpd)[0]["host"]
        httpd.graceful()
        assert wait_for(lambda: groups(httpd)[0]["state"] == "superseded", 5)
        group, = groups(httpd)
        assert group["host"] == old_host

        done = ctl(httpd, "reload", "suite")

        assert done.returncode == DONE, done.stderr
        now, = groups(httpd)
        assert now["host"] != old_host and now["state"] == "serving"
        assert not ready(now) & {worker["pid"] for worker in group["workers"]}

    def test_the_host_that_serves_drains_and_resumes_while_the_new_one_is_not_ready(
            self, make_httpd):
        httpd = make_httpd(CONFIG + """
            WSGIScriptAlias /slow $root/slow.wsgi process-group=suite application-group=%{GLOBAL}
        """, daemon_options="processes=1 threads=2", files={"slow.wsgi": ""})
        httpd.write("slow.wsgi", "def application(*_): pass\n")
        httpd.start()
        wait_until_ready(httpd, 1)
        httpd.write("slow.wsgi", "import time\ntime.sleep(8)\ndef application(*_): pass\n")
        httpd.graceful()
        assert wait_for(lambda: groups(httpd)[0]["state"] == "superseded", 5)
        old_host = groups(httpd)[0]["host"]

        drained = ctl(httpd, "drain", "suite")

        assert drained.returncode == DONE, drained.stderr
        assert groups(httpd)[0]["host"] == old_host
        assert httpd.raw_get("/who").startswith(b"HTTP/1.1 503")
        httpd.tolerate("WX")
        assert wait_for(lambda: groups(httpd)[0]["host"] != old_host, 20, 0.2)
        assert groups(httpd)[0]["state"] == "paused"
        assert ctl(httpd, "resume", "suite").returncode == DONE
        assert len(ready(groups(httpd)[0])) == 1

    def test_what_the_application_writes_on_the_board_makes_no_reload_wait(self, make_httpd):
        httpd = make_httpd("""
            WSGIDaemonProcess suite processes=1 threads=2
            WSGIScriptAlias / $root/app.wsgi process-group=suite application-group=%{GLOBAL}
        """, files={"app.wsgi": """
            import ctypes
            def application(environ, start_response):
                for line in open("/proc/self/maps"):
                    if "wsgix-scoreboard" in line:
                        start = int(line.split("-")[0], 16)
                # The pid of the host, as the head of the board has it: init, which never ends.
                (ctypes.c_uint32 * 4).from_address(start)[2] = 1
                start_response("200 OK", [("Content-Length", "2")])
                return [b"ok"]
            """}).start()
        assert httpd.raw_get("/").startswith(b"HTTP/1.1 200")
        wait_until_ready(httpd, 1)

        for _ in range(2):
            assert groups(httpd)[0]["state"] == "serving"
            done = ctl(httpd, "reload", "suite")
            assert done.returncode == DONE, done.stderr
            httpd.graceful()
            assert wait_for(lambda: groups(httpd)[0]["state"] == "serving", 20)

    def test_a_removed_group_takes_its_socket_with_it(self, make_httpd):
        httpd = make_httpd(CONFIG + "WSGIDaemonProcess other processes=1\n").start()
        config = httpd.path("httpd.conf")
        config.write_text(config.read_text().replace("WSGIDaemonProcess other processes=1", ""))

        httpd.graceful()

        assert [group["group"] for group in groups(httpd)] == ["suite"]

    def test_a_stopped_host_is_named_and_the_others_are_listed(self, make_httpd):
        httpd = make_httpd(CONFIG + "WSGIDaemonProcess other processes=1\n").start()
        found = {group["group"]: group for group in groups(httpd)}
        os.kill(found["other"]["host"], signal.SIGSTOP)
        try:
            done = ctl(httpd, "list", "--json")
        finally:
            os.kill(found["other"]["host"], signal.SIGCONT)

        assert done.returncode == FAILED
        assert "no answer within 5 s" in done.stderr
        assert [group["group"] for group in json.loads(done.stdout)] == ["suite"]


class TestHostileLines:
    daemon_options = "processes=1 threads=2"
    config = CONFIG

    @pytest.mark.parametrize("line", [
        b"\n", b"{}\n", b"[]\n", b"null\n", b"\xff\xfe\x00\n", b'{"command":1}\n',
        b'{"command":"explode"}\n', b'{"command":"reload","force":true}\n',
        b'{"command":"reload"' + b" " * 5000, b"[" * 4000 + b"\n", b"x" * 100_000,
    ], ids=range(11))
    def test_are_refused_and_do_nothing(self, httpd, line):
        wait_until_ready(httpd, 1)
        before = ready(groups(httpd)[0])
        try:
            answer = say(control_socket(httpd), line)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""

        if answer:
            assert json.loads(answer)["refused"].startswith("control socket: ")
        assert ready(groups(httpd)[0]) == before

    def test_a_line_in_pieces_is_a_line(self, httpd):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(control_socket(httpd)))
            for byte in b'{"command":"status"}\n':
                connection.sendall(bytes([byte]))
                time.sleep(0.005)
            assert json.loads(connection.makefile().readline())["refused"] == ""

    def test_silent_connections_are_closed_and_keep_nobody_out_for_long(self, httpd, client):
        silent = []
        for _ in range(12):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(control_socket(httpd)))
            silent.append(connection)
        started = time.monotonic()
        assert client.get("/who").status_code == 200

        assert wait_for(lambda: say(control_socket(httpd), b'{"command":"status"}\n', 15), 15)

        assert time.monotonic() - started < 12
        silent[0].settimeout(10)
        assert silent[0].recv(1) == b""
        for connection in silent:
            connection.close()

    def test_an_answer_that_nobody_reads_holds_nothing_up(self, httpd, client):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            connection.connect(str(control_socket(httpd)))
            connection.sendall(b'{"command":"status"}\n')
            assert client.get("/who").status_code == 200
            assert groups(httpd)[0]["group"] == "suite"
