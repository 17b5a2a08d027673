# SPDX-License-Identifier: Apache-2.0
"""Groups that leave the configuration, change their account, or lose the module: who still gets
requests, and what is left."""
import pytest

from crowd import Load, ask, ask_in_background
from waits import leave_time_for_a_fault, wait_until_running
from wsgix_httpd import wait_for

CONFIG = """
    WSGIDaemonProcess shop processes=1 threads=4 user=games group=games home=/
    WSGIScriptAlias / $root/app/app.wsgi process-group=shop application-group=%{GLOBAL}
    KeepAlive Off
"""
WHO = """
    import os, time
    def application(environ, start_response):
        if environ["PATH_INFO"] == "/slow":
            time.sleep(3)
        body = b"uid %d" % os.getuid()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
"""
# Leaves a process behind that holds the group's listener and takes whatever comes.
TAKES_OVER = """
    import mmap, os, socket, stat, struct
    SEEN = os.path.join(os.path.dirname(__file__), "seen")
    def listener():
        for fd in range(3, 64):
            try:
                if not stat.S_ISSOCK(os.fstat(fd).st_mode):
                    continue
                found = socket.socket(fileno=os.dup(fd))
                if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    return found
            except OSError:
                pass
    def take_over():
        server = listener()  # a copy of ours that a fork takes along: the worker's own it closes
        if os.fork() != 0:
            return
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        server.setblocking(False)
        while True:
            try:
                connection, _ = server.accept()
            except BlockingIOError:
                continue  # be faster than the workers
            connection.setblocking(True)
            got = connection.recv(65536)
            with open(SEEN, "ab") as file:
                file.write(got)
            connection.close()
    def application(environ, start_response):
        if environ["PATH_INFO"] == "/takeover":
            take_over()
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]
"""


def change(httpd, before, after):
    config = httpd.path("httpd.conf")
    assert before in config.read_text()
    config.write_text(config.read_text().replace(before, after))


def sockets(httpd):
    return sorted(path.name for path in httpd.path("run").iterdir() if path.is_socket())


@pytest.mark.root
class TestAnotherAccount:
    def test_never_gets_what_the_former_one_kept(self, make_httpd):
        httpd = make_httpd(CONFIG, files={"app/app.wsgi": TAKES_OVER, "app/seen": ""})
        httpd.path("app/seen").chmod(0o666)
        httpd.tolerate("WX2023")
        httpd.start()
        assert ask(httpd, "/takeover").status_code == 200
        httpd.notice_processes()
        httpd.tolerate("WX")  # what it may still take of the old configuration
        httpd.write("app/app.wsgi", WHO)
        change(httpd, "user=games group=games", "user=news group=news")

        httpd.graceful()
        assert wait_for(lambda: len(httpd.hosts()) == 1, 20), httpd.hosts()
        with open(httpd.path("app/seen"), "w"):
            pass
        with Load(httpd.url + "/", clients=12) as load:
            leave_time_for_a_fault(2)

        assert set(load.answers) == {200}, load.answers
        assert set(load.texts) == {f"uid {httpd.workers()[0].uids[0]}"}, load.texts
        assert httpd.path("app/seen").read_bytes() == b""
        assert wait_for(lambda: len(sockets(httpd)) == 2, 15), sockets(httpd)

    def test_no_request_is_lost_at_the_change(self, make_httpd):
        httpd = make_httpd(CONFIG, files={"app/app.wsgi": WHO}).start()
        assert ask(httpd).status_code == 200
        with Load(httpd.url + "/") as load:
            for before, after in (("games", "news"), ("news", "games")):
                load.wait_for_answers(50)
                change(httpd, f"user={before} group={before}", f"user={after} group={after}")
                httpd.graceful()
            load.wait_for_answers(50)

        assert set(load.answers) == {200}, load.answers
        assert len(load.texts) == 2, load.texts

    def test_a_running_request_of_the_former_one_is_finished(self, make_httpd):
        httpd = make_httpd(CONFIG, files={"app/app.wsgi": WHO}).start()
        thread, answers = ask_in_background(httpd, "/slow")
        wait_until_running(httpd, 1)
        change(httpd, "user=games group=games", "user=news group=news")

        httpd.graceful()
        assert ask(httpd).status_code == 200
        thread.join(30)

        assert answers == [200]
        assert wait_for(lambda: len(httpd.hosts()) == 1, 20), httpd.hosts()

    @pytest.mark.parametrize("option", ["supplementary-groups=news", "socket-user=www-data"])
    def test_counts_only_when_it_is_another_one(self, make_httpd, option):
        httpd = make_httpd(CONFIG, files={"app/app.wsgi": WHO}).start()
        before = sockets(httpd)
        change(httpd, "home=/", f"home=/ {option}")

        httpd.graceful()
        assert ask(httpd).status_code == 200

        is_same = option.startswith("socket-user")
        assert wait_for(lambda: (sockets(httpd) == before) == is_same and
                        len(sockets(httpd)) == 2, 15), (before, sockets(httpd))


class TestAFullBoard:
    config = """
        WSGIDaemonProcess shop processes=1 threads=2
        WSGIScriptAlias / $root/app/app.wsgi process-group=shop application-group=%{GLOBAL}
    """
    app = """
        import os, re
        def board():
            for line in open("/proc/self/maps"):
                if "wsgix-scoreboard" in line:
                    start, end = (int(n, 16) for n in line.split()[0].split("-"))
                    return start, end
        def application(environ, start_response):
            if environ["PATH_INFO"] == "/fill":
                import ctypes
                start, end = board()
                # Whatever is meant by it: every number of the slots is 1, a process of another
                # account that never ends.
                words = (ctypes.c_uint32 * ((end - start) // 4)).from_address(start)
                for word in range(16, 2048 * 20, 1):
                    words[word] = 1
            body = str(os.getpid()).encode()
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]
    """

    def test_does_not_keep_the_group_from_being_replaced(self, make_httpd):
        httpd = make_httpd(self.config, files={"app/app.wsgi": self.app}).start()
        httpd.tolerate("WX")
        assert ask(httpd, "/fill").status_code == 200
        first, = httpd.hosts()

        httpd.graceful()

        assert wait_for(lambda: [h.pid for h in httpd.hosts()] not in ([], [first.pid]) and
                        len(httpd.hosts()) == 1, 20), httpd.hosts()
        assert ask(httpd).status_code == 200
        assert "scoreboard is full" not in httpd.log()


class TestWithoutTheModule:
    config = """
        <IfModule wsgi_module>
        WSGIDaemonProcess shop processes=2 threads=2
        WSGIScriptAlias /app $root/app/app.wsgi process-group=shop application-group=%{GLOBAL}
        </IfModule>
        KeepAlive Off
    """

    def test_nothing_of_it_is_left_and_it_can_come_back(self, make_httpd):
        httpd = make_httpd(self.config, files={"app/app.wsgi": WHO}).start()
        httpd.tolerate("long lost child")
        assert ask(httpd, "/app").status_code == 200
        ours = httpd.hosts() + httpd.workers()
        text = httpd.path("httpd.conf").read_text()
        without = "\n".join(line for line in text.splitlines()
                            if not line.startswith(("LoadModule wsgi", "WSGI")))
        thread, answers = ask_in_background(httpd, "/app/slow")
        wait_until_running(httpd, 1)

        httpd.path("httpd.conf").write_text(without)
        httpd.graceful()

        thread.join(20)
        assert answers == [200], "a request that was running"
        assert wait_for(lambda: not any(p.is_alive() for p in ours), 20), httpd.processes()
        assert wait_for(lambda: not sockets(httpd), 10), sockets(httpd)
        assert ask(httpd, "/app").status_code == 404
        assert not [p for p in httpd.processes() if p.program == "wsgix-host"], httpd.processes()

        for _ in range(2):
            httpd.path("httpd.conf").write_text(text)
            httpd.graceful()
            assert ask(httpd, "/app").status_code == 200
            httpd.graceful()
            assert ask(httpd, "/app").status_code == 200
            httpd.path("httpd.conf").write_text(without)
            httpd.graceful()
        assert wait_for(lambda: not httpd.hosts() and not sockets(httpd), 20), sockets(httpd)

    def test_an_ordinary_graceful_leaves_no_process_waiting(self, make_httpd):
        httpd = make_httpd(self.config, files={"app/app.wsgi": WHO}).start()
        for _ in range(3):
            httpd.graceful()

        assert wait_for(lambda: not [p for p in httpd.processes() if "sweep" in p.title], 5)
        assert ask(httpd, "/app").status_code == 200
