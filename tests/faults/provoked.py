# SPDX-License-Identifier: Apache-2.0
"""Faults that clients, applications, neighbours and administrators provoke; as in scenarios.py, one
function each."""
import contextlib
import pathlib
import resource
import socket
import threading
import time

import httpx
import raw_frames as raw
from crowd import Crowd
from fault_site import Said, Site, during
from http1 import Connection
from load import Wrk
from measures import growth, sizes
from wsgix_httpd import EVENT_DAEMON, RUNS_AS_ROOT, Httpd, wait_for


class Clients(Crowd):
    """Some clients that ask all the time: when each good answer came, and what else came."""

    def __init__(self, url, count=4, every=0.05):
        self.good, self.other = [], []
        self._url, self._every = url, every
        super().__init__([self._run] * count)

    def _run(self):
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not self.stop.wait(self._every):
                began = time.monotonic()
                try:
                    status = client.get(self._url).status_code
                except httpx.HTTPError as failed:
                    status = repr(failed)
                now = time.monotonic()
                if status == 200:
                    self.good.append((now, now - began))
                else:
                    self.other.append(status)

    def __enter__(self):
        self._began = time.monotonic()
        return super().__enter__()

    def __exit__(self, *failure):
        super().__exit__(*failure)
        self._ended = time.monotonic()

    @property
    def longest_without(self):
        """Seconds in which nobody got a good answer."""
        moments = [self._began, *sorted(moment for moment, _ in self.good), self._ended]
        return max(later - earlier for earlier, later in zip(moments, moments[1:]))

    @property
    def slowest(self):
        return max(took for _, took in self.good)


def crash(stage, connections, scale):
    """A client that crashes a worker 18 times in 40 s: others wait a second at most, each time."""
    said, seconds = Said(), max(7, 40 * scale)
    count = max(3, int(18 * seconds / 40))
    body = 'if environ["QUERY_STRING"] == "crash": __import__("os")._exit(3)'
    with Site(stage, options="processes=1 threads=5", body=body, log_level="error") as site:
        crashed = []
        with Clients(site.url) as clients:
            during(seconds - 1, (seconds - 1) / count, lambda: crashed.append(
                httpx.get(site.url + "?crash", timeout=30, trust_env=False).status_code))
        lines = site.log_lines("WX6013|WX6012")
        said.note(f"{len(crashed)} crashes in {seconds:.0f} s; {len(clients.good)} good answers to others, "
                  f"{len(clients.other)} others, {lines} log lines; "
                  f"for {clients.longest_without:.1f} s at the longest nobody was served")
        # It may take as long as a second until the next one starts, and Python starts as well.
        said.must(clients.longest_without < 1.6, f"closed for {clients.longest_without:.1f} s")
        said.must(set(crashed) == {502}, f"a crash was answered with {set(crashed)}")
        said.must(set(clients.other) <= {502, 503}, f"others got {set(clients.other)}")
        said.must(lines >= len(clients.other) + len(crashed),
                  f"{len(clients.other) + len(crashed)} failed with {lines} log lines")
    return said


FORKS = '''
import itertools, multiprocessing, os, sys, time
FORK = multiprocessing.get_context("fork")
TURN = itertools.count()
def in_copy(turn):
    """A third ends by itself, a third comes back in one way or another."""
    if turn % 3 == 0: os._exit(0)
    if turn % 3 == 1: sys.exit(1)
def daemonise(seconds):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(seconds)
        os._exit(0)
    os.waitpid(pid, 0)
def application(environ, start_response):
    turn = next(TURN)
    if turn % 40 == 0:
        daemonise(1000)
    elif turn % 10 == 0:
        job = FORK.Process(target=time.sleep, args=[0.05])
        job.start()
        job.join()
    elif turn % 3:
        pid = os.fork()
        if pid == 0:
            in_copy(turn // 3)
            start_response("200 OK", [])
            return [b"of the copy"]
        os.waitpid(pid, 0)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
'''


def fork_storm(stage, connections, scale):
    """Views that fork, and daemons they leave behind: nothing grows, and all of it ends with httpd."""
    said, seconds = Said(), max(3, int(40 * scale))
    with Site(stage, options="processes=2 threads=4", log_level="error") as site:
        site.change(FORKS)
        wait_for(lambda: site.ask().text == "ok", 10)
        with Wrk(site.url, connections, 2):
            pass
        before = sizes(site.httpd)
        with Wrk(site.url, connections, seconds) as load:
            pass

        def grown():
            # Connections that are idle wait for further requests, with their buffers.
            return growth(before, sizes(site.httpd), spare_descriptors=150, spare_kib=15_000)

        wait_for(lambda: not grown(), 10, 0.5)
        daemons = [p for p in site.workers() if p.session != site.httpd.popen.pid]
        said.note(f"{load.requests} requests that fork, {load.failed} failed; {len(daemons)} daemons left")
        said.must(load.failed == 0, f"{load.failed} requests failed\n{load.text}")
        said.must(daemons, "no daemon was left behind: the scenario tests nothing")
        said.must(not grown(), f"grown: {grown()}")
        site.httpd.popen.terminate()
        site.httpd.popen.wait(30)
        said.must(wait_for(lambda: not any(p.is_alive() for p in daemons), 5),
                  f"left behind when httpd has stopped: {[p for p in daemons if p.is_alive()][:5]}")
    return said


def silent_connections(path, count, says, look):
    """So many that say no more than that, as many at once as this process may have open."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    while count > 0:
        peers = []
        for _ in range(min(count, 10_000, most // 2)):
            peers.append(raw.connect_to(path))
            with contextlib.suppress(OSError):  # closed already
                peers[-1].send(says)
        look()
        for peer in peers:
            peer.close()
        count -= len(peers)


def exhaustion(stage, connections, scale):
    """20 000 silent connections to a worker, 1 000 that announce 1 MiB: others do not notice."""
    said, silent, announcing = Said(), max(600, int(20_000 * scale)), max(100, int(1000 * scale))
    claim = raw.HEADER.pack(0x5758, raw.VERSION, raw.HELLO, 1 << 20, 0)
    with Site(stage, options="processes=1 threads=5", log_level="error") as site:
        worker, = site.workers()
        path = raw.socket_path_of(site.httpd)
        with Wrk(site.url, connections, 1):
            pass
        before, memory = len(worker.descriptors()), worker.memory_kib
        began, descriptors, kib = time.monotonic(), [], []

        def look():
            descriptors.append(len(worker.descriptors()) - before)
            kib.append(worker.memory_kib - memory)

        with Clients(site.url) as clients:
            time.sleep(0.5)
            silent_connections(path, silent, b"", look)
            silent_connections(path, announcing, claim, look)
            time.sleep(0.5)
            took = time.monotonic() - began
        said.note(f"{silent} silent and {announcing} announcing connections in {took:.1f} s: at most "
                  f"{max(descriptors)} descriptors and {max(kib)} KiB more; "
                  f"{len(clients.good)} good answers to others, slowest {clients.slowest:.2f} s")
        said.must(max(descriptors) < 100, f"descriptors rose by {descriptors}")
        said.must(max(kib) < 20_000, f"memory rose by {kib} KiB")
        said.must(not clients.other, f"others got {clients.other[:5]}")
        said.must(clients.slowest < (1 if scale >= 1 else 2), f"somebody waited {clients.slowest:.2f} s")
        lines = site.log_lines(r"WX1007.*did not say who they are")
        said.must(1 <= lines <= took / 10 + 2, f"{lines} lines about it")
        said.must(site.log_lines("WX2019|WX6011") == 0, "the log says that the group is full")
        # The pools of httpd's children may keep connections that the clients have needed.
        settled = wait_for(lambda: len(worker.descriptors()) <= before + 16, 15)
        said.must(settled, f"afterwards {len(worker.descriptors())} descriptors, before {before}")
    return said


HINTS = '''
import time
def application(environ, start_response):
    end, calls = time.monotonic() + float(environ["QUERY_STRING"]), 0
    while time.monotonic() < end:
        environ["wsgix.early_hints"]([("Link", "<" + "x" * 60000 + ">")] * 16)
        environ["wsgix.early_hints"]([("Link", "</a>")])
        calls += 2
    body = str(calls).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
'''


def hints(stage, connections, scale):
    """Early hints without an end, for clients that take them, take none, or leave: httpd stays small."""
    said, seconds = Said(), max(1.5, 10 * scale)
    config = "WSGIScriptAlias /embedded $root/apps/app.wsgi process-group=%{GLOBAL}\n"
    with Site(stage, options="processes=1 threads=6", config=config, log_level="error") as site:
        site.change(HINTS)
        for path in ("/app", "/embedded"):
            wait_for(lambda p=path: httpx.get(f"{site.httpd.url}{p}?0", trust_env=False).text == "0", 10)
        processes = site.httpd.children() + site.workers()
        for process in processes:
            process.reset_peak_memory()
        before = {p.pid: p.peak_memory_kib for p in processes}
        answers, threads = [], []
        for path in ("/app", "/embedded"):
            for version in ("1.0", "1.1"):
                threads.append(threading.Thread(target=lambda p=path, v=version: answers.append(
                    site.httpd.raw(f"GET {p}?{seconds} HTTP/{v}\r\nHost: localhost\r\n"
                                   "Connection: close\r\n\r\n", seconds + 20))))
            with socket.create_connection(("127.0.0.1", site.httpd.port)) as leaves:
                leaves.sendall(f"GET {path}?{seconds} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        grown = {p.pid: p.peak_memory_kib - before[p.pid] for p in processes if p.is_alive()}
        calls = sum(int(answer.rpartition(b"\r\n\r\n")[2]) for answer in answers)
        said.note(f"{calls} calls in {seconds:.0f} s; peaks rose by at most {max(grown.values())} KiB")
        said.must(max(grown.values()) < 30_000, f"peaks rose by {grown} KiB")
        said.must(all(b" 200 OK\r\n" in answer for answer in answers), "a request failed")
        said.must(all(answer.count(b" 103 ") <= 32 for answer in answers), "too many went out")
        said.must(len(grown) == len(processes), "a process ended")
    return said


LEFT_BEHIND = pathlib.Path(__file__).with_name("left_behind.wsgi")
ACCOUNTS = ("games", "news")


def former_account(stage, connections, scale):
    """user= changes, and a process of the old account still answers: nobody is sent to it."""
    said, rounds = Said(), max(1, int(10 * scale))
    if not RUNS_AS_ROOT:
        said.note("not tried: only root can give a group another account")
        return said
    config = """
        WSGIDaemonProcess shop processes=1 threads=4 user=games group=games home=/
        WSGIScriptAlias / $root/app/app.wsgi process-group=shop application-group=%{GLOBAL}
        KeepAlive Off
    """
    frames = pathlib.Path(raw.__file__).read_text()
    httpd = Httpd(stage, EVENT_DAEMON, config, log_level="warn",
                  files={"app/app.wsgi": LEFT_BEHIND.read_text(), "app/raw_frames.py": frames})
    by_the_former, answers = 0, 0
    with httpd:
        httpd.tolerate("WX")
        for number in range(rounds):
            body_of(httpd, "/leave")
            by_the_former += wait_for(lambda: b"left behind" in b"".join(ask_at_once(httpd, 1)), 5)
            httpd.notice_processes()
            old, new = ACCOUNTS[number % 2], ACCOUNTS[1 - number % 2]
            text = httpd.path("httpd.conf").read_text()
            httpd.path("httpd.conf").write_text(text.replace(f"user={old} group={old}",
                                                             f"user={new} group={new}"))
            httpd.graceful()
            said.must(wait_for(lambda: len(httpd.hosts()) == 1 and len(httpd.workers()) == 1, 20),
                      f"round {number}: {httpd.hosts()}")
            found = ask_at_once(httpd, 30)
            answers += len(found)
            wanted = b"uid %d" % httpd.workers()[0].uids[0]
            said.must(set(found) == {wanted}, f"round {number}: {wanted} is due, {set(found)} came")
    said.note(f"{rounds} changes of the account, before {by_the_former} of them the process left behind "
              f"took requests; {answers} answers afterwards")
    said.must(by_the_former > 0, "the process left behind never answered: the scenario tests nothing")
    return said


def body_of(httpd, path):
    with Connection(httpd.port) as connection:
        connection.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return connection.answer().body


def ask_at_once(httpd, times, clients=12):
    """The answers that so many clients get, which is more than there are connections so far."""
    found = []

    def ask():
        for _ in range(times):
            found.append(body_of(httpd, "/"))

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def graceful_storm(stage, connections, scale):
    """20 gracefuls in 8 s with an import of 8 s: few hosts and workers at once, nobody waits."""
    said, seconds = Said(), max(3, 8 * scale)
    count = max(8, int(20 * seconds / 8))
    # A child that ends closes its idle connections: a request that crosses that is nobody's fault.
    with Site(stage, options="processes=2 threads=4", config="KeepAlive Off\n",
              log_level="error") as site:
        site.on_import = f"time.sleep({seconds})"
        wanted = site.change()
        site.ask()
        seen = []

        def watch():
            while not watcher.stop.wait(0.1):
                seen.append((len(site.httpd.hosts()), len(site.workers())))

        watcher = Crowd([watch])
        with watcher, Clients(site.url + "?", every=0.1) as clients:
            during(seconds, seconds / count, site.graceful)
            settled = wait_for(lambda: len(site.httpd.hosts()) == 1 and len(site.workers()) == 2,
                               3 * seconds + 20)
        hosts, workers = (max(numbers) for numbers in zip(*seen))
        said.note(f"{count} gracefuls in {seconds:.0f} s: at most {hosts} hosts and {workers} workers at "
                  f"once; {len(clients.good)} good answers, {len(clients.other)} others, slowest "
                  f"{clients.slowest:.1f} s")
        said.must(not clients.other, f"others got {clients.other[:5]}")
        said.must(hosts <= 5, f"{hosts} hosts at once")
        said.must(workers <= 8, f"{workers} workers at once")
        said.must(settled, f"afterwards: {site.httpd.hosts()} {site.workers()}")
        said.must(site.ask(60).text == wanted, "the version that is there does not serve")
    return said


PROVOKED = (crash, fork_storm, exhaustion, hints, former_account, graceful_storm)
