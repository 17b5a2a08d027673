# SPDX-License-Identifier: Apache-2.0
"""The faults, one function each: provoke it under load, and judge what clients saw.

A scenario takes the stage, how many connections the load has and a scale for its length (1 is the
full one), and returns notes (what was measured) and complaints (what must not be)."""
import collections
import contextlib
import os
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import time

import httpx
from fault_site import GROUP, Said, Site, during
from load import Wrk
from provoked import PROVOKED
from wsgix_httpd import wait_for


# ---- reloads of httpd and of the script ------------------------------------------------------

def graceful(stage, connections, scale):
    """100 x apachectl graceful, 2 a second: no request fails that a static file would not lose."""
    said, seconds = Said(), max(4, int(50 * scale))
    # A child that ends closes its idle connections: a request that crosses that is nobody's fault.
    with Site(stage, config="KeepAlive Off\n") as site:
        with Wrk(site.url, connections, seconds) as ours, \
                Wrk(site.httpd.url + "/static.txt", connections, seconds) as static:
            count = during(seconds - 1, 0.5, site.graceful)
        said.note(f"{count} gracefuls, {ours.requests} requests, {ours.failed} failed; "
                  f"static {static.requests}, {static.failed} failed")
        said.must(ours.refused == 0, f"{ours.refused} requests were refused\n{ours.text}")
        said.must(ours.broken <= static.broken, f"{ours.broken} connections broke, "
                  f"{static.broken} of the static file\n{ours.text}")
        said.must(ours.requests > 10 * count, "there was hardly any load")
    return said


def touch(stage, connections, scale):
    """100 x touch, On: no request fails, the first request after each touch sees the new code."""
    said, seconds = Said(), max(4, int(50 * scale))
    stale = []
    with Site(stage) as site:
        def change():
            wanted = site.change()
            answer = site.ask()
            if answer.status_code != 200 or answer.text != wanted:
                stale.append(f"{answer.status_code} {answer.text[:40]} instead of {wanted}")

        with Wrk(site.url, connections, seconds) as load:
            count = during(seconds - 1, 0.5, change)
        said.note(f"{count} touches, {load.requests} requests, {load.failed} failed, "
                  f"slowest {load.slowest:.2f} s")
        said.must(load.failed == 0, f"{load.failed} requests failed\n{load.text}")
        said.must(not stale, f"{len(stale)} first requests saw old code: {stale[:3]}")
    return said


def undisturbed_and_touched(site, connections, seconds, every):
    """In turns, because the machine's own speed drifts by more than what is measured."""
    turns = max(1, min(6, int(seconds / 5), int(seconds / every)))
    calm, touched, count = [], [], 0
    for _ in range(turns):
        with Wrk(site.url, connections, seconds // turns) as load:
            pass
        calm.append(load)
        with Wrk(site.url, connections, seconds // turns) as load:
            count += during(seconds / turns - 0.5, every, site.change)
        touched.append(load)
    share = sum(load.per_second for load in touched) / sum(load.per_second for load in calm)
    return count, touched, share


def rolling(stage, connections, scale):
    """Touches, Rolling: no request fails, 90 % of the throughput stays, the last version serves."""
    said, seconds = Said(), max(5, int(30 * scale))
    cases = [("hello, 2 a second, processes=1", {"options": "processes=1 threads=4"}, 0.5),
             ("0.3 s of CPU at import, every 10 s, processes=3",
              {"on_import": "\nend = time.process_time() + 0.3\n"
                            "while time.process_time() < end: pass\n"}, 10)]
    for name, options, every in cases:
        with Site(stage, reloading="Rolling", **options) as site:
            count, loads, share = undisturbed_and_touched(
                site, connections, max(seconds, int(every)), every)
            failed = sum(load.failed for load in loads)
            said.note(f"{name}: {count} touches, {sum(load.requests for load in loads)} requests, "
                      f"{failed} failed, {share:.0%} of the undisturbed throughput")
            said.must(failed == 0, f"{name}: {failed} requests failed\n{loads[-1].text}")
            # Shared machines are noisy: short runs only look for what is far off.
            least = 0.9 if scale >= 1 else 0.5
            said.must(share >= least, f"{name}: only {share:.0%} of the throughput")
            said.must(wait_for(lambda s=site: s.ask().text == f"v{s.version}", 20),
                      f"{name}: the last version does not serve")
    return said


def broken(stage, connections, scale):
    """A broken script, then repaired, Rolling: no request fails, the repaired one serves."""
    said, seconds = Said(), max(8, int(20 * scale))
    with Site(stage, reloading="Rolling") as site:
        with Wrk(site.url, connections, seconds) as load:
            time.sleep(1)
            site.change("import this_module_is_not_there\n")
            time.sleep(seconds / 2)
            during_it = site.ask()
            wanted = site.change()
            repaired = wait_for(lambda: site.ask().text == wanted, seconds / 2)
        said.note(f"{load.requests} requests, {load.failed} failed; while broken: "
                  f"{during_it.status_code} {during_it.text[:20]}")
        said.must(load.failed == 0, f"{load.failed} requests failed\n{load.text}")
        said.must(during_it.text == "v1", "the old version did not stay")
        said.must(repaired, "the repaired version does not serve")
        said.must(site.log_lines("this_module_is_not_there") > 0, "the log does not say why")
        said.must(site.log_lines("this_module_is_not_there") < 40 * scale + 40,
                  "the broken version was tried too often")
    return said


# ---- workers that end, hang or grow -----------------------------------------------------------

def kill(stage, connections, scale):
    """kill -9 of a random worker every 0.5 s: only what ran in it fails, each with its line."""
    said, seconds = Said(), max(5, int(60 * scale))
    dice = random.Random(1)
    with Site(stage, body="time.sleep(0.01)", log_level="error") as site:
        def kill_one():
            workers = site.workers()
            if workers:
                dice.choice(workers).signal(signal.SIGKILL)

        with Wrk(site.url, connections, seconds, timeout=5) as load:
            count = during(seconds - 1, 0.5, kill_one)
        lines = site.log_lines("WX6013")
        said.note(f"{count} kills, {load.requests} requests, {load.refused} answered with an "
                  f"error, {load.broken} connections broke, {lines} log lines, "
                  f"slowest {load.slowest:.2f} s")
        threads = 4 + 1  # one more than may run: it may have read what it was about to refuse
        said.must(load.failed <= count * threads, "more failed than can have been running")
        said.must(lines >= load.failed, f"{load.failed} failed with {lines} log lines")
        # Short runs share their machine with the other tests.
        longest = 1.0 if scale >= 1 else 1.0 + connections / 100
        said.must(load.slowest <= longest, f"somebody waited {load.slowest:.2f} s")
    return said


def stop(stage, connections, scale):
    """kill -STOP of a worker: detected within deadlock-timeout, replaced, others served."""
    said, seconds = Said(), 12
    options = GROUP + " deadlock-timeout=2s socket-timeout=30"
    with Site(stage, options=options, log_level="error") as site:
        victim = site.workers()[0]
        with Wrk(site.url, connections, seconds, timeout=10) as load:
            time.sleep(1)
            victim.signal(signal.SIGSTOP)
            began = time.monotonic()
            gone = wait_for(lambda: victim.pid not in [w.pid for w in site.workers()], 8)
            took = time.monotonic() - began
        said.note(f"replaced after {took:.1f} s, {load.requests} requests, {load.failed} failed")
        said.must(gone, "the stopped worker was not replaced")
        said.must(took < 5, f"it took {took:.1f} s with deadlock-timeout=2s")
        said.must(load.failed <= 4 + 4, "requests failed that did not run in it")
        said.must(load.requests > 50 * seconds, "the others were not served")
        said.must(site.log_lines("deadlock") > 0, "the log does not say deadlock")
    return said


def gil(stage, connections, scale):
    """A thread in an endless C loop holding the GIL: as for a stopped worker, with its stack."""
    said, seconds = Said(), 12
    body = ('if environ["QUERY_STRING"] == "hold": '
            '__import__("ctypes").PyDLL(None).sleep(1000)')
    options = GROUP + " deadlock-timeout=2s socket-timeout=30"
    with Site(stage, options=options, body=body, log_level="error") as site:
        with Wrk(site.url, connections, seconds, timeout=10) as load:
            time.sleep(1)
            began = time.monotonic()
            held = httpx.get(site.url + "?hold", timeout=20, trust_env=False)
            took = time.monotonic() - began
        said.note(f"the request got {held.status_code} after {took:.1f} s; "
                  f"{load.requests} requests, {load.failed} failed")
        said.must(held.status_code == 502, f"the request got {held.status_code}")
        said.must(took < 6, f"it took {took:.1f} s with deadlock-timeout=2s")
        said.must(load.failed <= 4 + 4, "requests failed that did not run in it")
        said.must(site.log_lines(r"app\.wsgi") > 0, "no stack in the log")
    return said


def memory(stage, connections, scale):
    """A worker that grows past memory-recycle (soft) is replaced without a failed request."""
    said, seconds = Said(), max(8, int(30 * scale))
    body = "kept.append(bytearray(20000))"
    options = GROUP + " memory-recycle=80m"
    with Site(stage, options=options, body=body, on_import="kept = []") as site:
        first = {w.pid for w in site.workers()}
        with Wrk(site.url, connections, seconds) as load:
            pass
        replaced = first - {w.pid for w in site.workers()}
        said.note(f"{load.requests} requests, {load.failed} failed, "
                  f"{len(replaced)} of the first 3 workers replaced")
        said.must(load.failed == 0, f"{load.failed} requests failed\n{load.text}")
        said.must(len(replaced) > 0, "no worker was replaced")
    return said


# ---- overload and growth ----------------------------------------------------------------------

def overload(stage, connections, scale):
    """More load than threads, queue-timeout=2s: 200 or 503/504 within 2.5 s, then all is well."""
    said, seconds = Said(), max(5, int(60 * scale))
    connections = max(connections, 64)
    options = "processes=1 threads=2 queue-timeout=2s"
    with Site(stage, options=options, body="time.sleep(0.2)", log_level="error") as site:
        with Wrk(site.url, connections, seconds, timeout=10) as load:
            pass
        began = time.monotonic()
        answer = site.ask()
        after = time.monotonic() - began
        said.note(f"{load.requests} answers, {load.refused} of them refused, {load.broken} broken, "
                  f"slowest {load.slowest:.2f} s; afterwards {answer.status_code} in {after:.2f} s")
        said.must(load.broken == 0, f"{load.broken} connections broke\n{load.text}")
        said.must(load.slowest <= 2.5, f"somebody waited {load.slowest:.2f} s")
        said.must(answer.status_code == 200 and after < 1, f"afterwards: {after:.2f} s")
        said.must(site.log_lines("busy") > 0, "no line says how busy the group was")
    return said


def fairness(stage, connections, scale):
    """A group that is full all the time, and its backlog too: nobody starves."""
    said, seconds = Said(), max(5, int(30 * scale))
    connections = max(connections, 128)
    options = "processes=1 threads=2"
    with Site(stage, options=options, body="time.sleep(0.002)", log_level="error") as site:
        with Wrk(site.url, connections, seconds) as load:
            pass
    said.note(f"{load.requests} requests, {load.failed} failed, on the average "
              f"{connections / load.per_second:.2f} s, the slowest {load.slowest:.2f} s")
    said.must(load.failed == 0, f"{load.failed} requests failed\n{load.text}")
    said.must(load.slowest <= (1.0 if scale >= 1 else 1.5), f"somebody waited {load.slowest:.2f} s")
    return said


KEYS = '''
import ctypes, os
def application(environ, start_response):
    """The first free slot for thread-local data: what came before it was never given back."""
    libc, key = ctypes.CDLL(None), ctypes.c_uint()
    libc.pthread_key_create(ctypes.byref(key), None)
    libc.pthread_key_delete(key)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {key.value}".encode()]
'''
GROWING = ("descriptors", "mappings", "KiB resident", "thread-local slots")


def sizes(site):
    """Per process, what must not grow from one generation of the configuration to the next."""
    for _ in range(20):
        site.ask()
    answer = httpx.get(site.httpd.url + "/keys", timeout=30, trust_env=False).text
    pid, slots = map(int, answer.split())
    child = next(child for child in site.httpd.children() if child.pid == pid)
    processes = {"parent": site.httpd.parent, "child": child,
                 "host": site.httpd.hosts()[0], "worker": site.workers()[0]}
    found = {name: [len(p.descriptors()), len(p.maps.splitlines()), int(p.status("VmRSS")[0])]
             for name, p in processes.items()}
    # The parent passes its slots on to its children; host and worker are programs of their own.
    found["child"].append(slots)
    return found


def growth(stage, connections, scale):
    """1200 x graceful in a row: nothing grows in the parent, nor in what it starts."""
    said, rounds = Said(), max(20, int(1200 * scale))
    config = "WSGIScriptAlias /keys $root/apps/keys.wsgi process-group=%{GLOBAL}\n"
    with Site(stage, options="processes=1 threads=2", log_level="notice", config=config,
              files={"keys.wsgi": KEYS}) as site:
        for _ in range(10):
            site.httpd.graceful()
        before = sizes(site)
        for _ in range(rounds):
            site.httpd.graceful()
        site.ask()
        wait_for(lambda: len(site.httpd.hosts()) == 1 and len(site.workers()) == 1, 30)
        # The parent closes what it kept for an ended host with the next round of its monitor.
        wait_for(lambda: len(site.httpd.parent.descriptors()) <= before["parent"][0], 5)
        after = sizes(site)
        for process, numbers in before.items():
            grown = list(zip(GROWING, numbers, after[process]))
            said.note(f"{rounds} gracefuls, {process}: "
                      + ", ".join(f"{what} {old} to {new}" for what, old, new in grown))
            for (what, old, new), allowed in zip(grown, (2, 4, numbers[2] * 0.1 + 1024, 0)):
                said.must(new <= old + allowed, f"{process}: {what} grew from {old} to {new}")
        said.must(len(site.httpd.hosts()) == 1, f"hosts left: {site.httpd.hosts()}")
    return said


def end_of_parent(popen, number):
    """httpd, whatever its modules, drops a signal that comes while it reads its configuration."""
    for _ in range(6):
        popen.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return popen.wait(5)
    raise AssertionError("httpd does not end")


def ends(stage, connections, scale):
    """stop, restart, kill -9 of anything in every order: nothing is left behind."""
    said, rounds = Said(), max(4, int(40 * scale))
    dice = random.Random(2)
    for number in range(rounds):
        site = Site(stage, log_level="error")
        site.httpd.start()
        acts = {
            "graceful": site.graceful,
            "restart": lambda s=site: s.httpd.popen.send_signal(signal.SIGHUP),
            "kill a host": lambda s=site: [p.signal(signal.SIGKILL) for p in s.httpd.hosts()[:1]],
            "kill a worker": lambda s=site: [p.signal(signal.SIGKILL) for p in s.workers()[:1]],
            "kill a child": lambda s=site: [p.signal(signal.SIGKILL)
                                            for p in s.httpd.children()[:1]],
            "stop a worker": lambda s=site: [p.signal(signal.SIGTERM) for p in s.workers()[:1]],
        }
        order = dice.sample(sorted(acts), k=dice.randrange(1, 5))
        last = dice.choice(["stop", "kill -9 of the parent"])
        for name in order:
            site.httpd.notice_processes()
            acts[name]()
            time.sleep(dice.random() * 0.3)
        site.httpd.notice_processes()
        what = f"round {number}: {', '.join(order)}, {last}"
        end_of_parent(site.httpd.popen, signal.SIGTERM if last == "stop" else signal.SIGKILL)
        # httpd's own children outlive a killed parent; ours must not.
        gone = wait_for(lambda: not [p for p in site.httpd.processes()
                                     if p.program == "wsgix-host"], 15)
        said.must(gone, f"{what}: left {site.httpd.processes()}")
        if last == "stop":
            left = [p for p in site.httpd.root.rglob("*") if p.is_socket()]
            said.must(not left, f"{what}: sockets left {left}")
        site.httpd.kill_everything()
        site.httpd.remove()
    said.note(f"{rounds} random orders")
    return said


# ---- what the system refuses ------------------------------------------------------------------

def limit(process, kind, soft):
    """Sets the soft limit of a running process, as its own account; returns the one before."""
    name = {"nofile": "Max open files", "nproc": "Max processes"}[kind]
    limits = pathlib.Path(f"/proc/{process.pid}/limits").read_text()
    before = re.search(rf"{name}\s+(\S+)", limits).group(1)
    own = {"user": process.uids[0], "group": process.gids[0], "extra_groups": []} \
        if os.geteuid() == 0 else {}
    subprocess.run(["prlimit", f"--pid={process.pid}", f"--{kind}={soft}:"], check=True, **own)
    return before


def scarce_descriptors(said, site):
    """A worker that has no descriptor left serves whom it has, and others later."""
    worker = site.workers()[0]
    before = limit(worker, "nofile", len(worker.descriptors()) + 1)
    with Wrk(site.url, 64, 3, timeout=20) as load:
        pass
    said.must(site.log_lines("WX2026.*accept") > 0, "the log does not say that accept fails")
    limit(worker, "nofile", before)
    said.note(f"no descriptors: {load.requests} requests, {load.failed} failed")
    said.must(load.failed == 0, f"without descriptors {load.failed} requests failed\n{load.text}")
    said.must(worker.pid in [w.pid for w in site.workers()], "the worker did not survive")


def failing_fork(said, site):
    """A host that cannot fork says so, tries again and recovers."""
    host, worker = site.httpd.hosts()[0], site.workers()[0]
    # Root may always fork: the host has the account of the group.
    before = limit(host, "nproc", 0)
    worker.signal(signal.SIGKILL)
    said_so = wait_for(lambda: site.log_lines("cannot start a worker") > 0, 10)
    said.must(said_so or not host.uids[0], "the log does not say that fork fails")
    said.must(site.ask().status_code == 200, "the other workers do not serve")
    limit(host, "nproc", before)
    recovered = wait_for(lambda: len(site.workers()) == 3, 40)
    said.note(f"failing fork: {site.log_lines('cannot start a worker')} lines, "
              f"{'recovered' if recovered else 'not recovered'}")
    said.must(recovered, "no new worker came when fork worked again")


@contextlib.contextmanager
def small_disk():
    place = tempfile.mkdtemp(prefix="wsgix-full-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], check=True)
    os.chmod(place, 0o1777)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)
        os.rmdir(place)


def full_disk(said, stage):
    """Spools and the error log on a full disk: streamed, no crash, and it passes."""
    options = "processes=1 threads=4 request-buffering=20m"
    with small_disk() as place:
        # A second ErrorLog: of the virtual host, so that the first one can still be read.
        log = f"<VirtualHost *:*>\nErrorLog {place}/error_log\nLogLevel info\n</VirtualHost>\n"
        with Site(stage, body='environ["wsgi.input"].read()', options=options, config=log,
                  environment={"TMPDIR": place}) as site:
            workers = {w.pid for w in site.workers()}
            large = httpx.post(site.url, content=b"x" * 4_000_000, timeout=30, trust_env=False)
            said.must(large.status_code == 200, f"a spool on a full disk gave {large.status_code}")
            with open(f"{place}/ballast", "wb", buffering=0) as ballast, \
                    contextlib.suppress(OSError):
                while True:
                    ballast.write(bytes(4096))
            small = [site.ask().status_code for _ in range(20)]
            said.must(set(small) == {200}, f"with a full error log: {small}")
            os.unlink(f"{place}/ballast")
            again = httpx.post(site.url, content=b"x" * 700_000, timeout=30, trust_env=False)
            said.must(again.status_code == 200, f"afterwards a spool gave {again.status_code}")
            said.must(workers == {w.pid for w in site.workers()}, "a worker did not survive")
            said.note(f"full disk: {large.status_code}, then {again.status_code}")


def scarcity(stage, connections, scale):
    """Disk full, no descriptors, fork failing: clear diagnostics, no crash, recovery."""
    said = Said()
    if os.geteuid() == 0:
        full_disk(said, stage)
    with Site(stage, log_level="error") as site:
        scarce_descriptors(said, site)
        failing_fork(said, site)
    return said


# ---- everything at once -----------------------------------------------------------------------

class Chaos:
    """Acts that a group has to live with, in any order."""

    def __init__(self, site, dice):
        self.site, self.dice = site, dice

    def graceful(self):
        self.site.graceful()

    def touch(self):
        self.site.change()

    def break_the_script(self):
        self.site.change("import this_module_is_not_there\n")

    def signal_one(self, processes, number):
        if processes:
            self.dice.choice(processes).signal(number)

    def kill_a_worker(self):
        self.signal_one(self.site.workers(), signal.SIGKILL)

    def end_a_worker(self):
        self.signal_one(self.site.workers(), signal.SIGTERM)

    def retire_a_worker(self):
        self.signal_one(self.site.workers(), signal.SIGUSR1)

    def stop_a_worker(self):
        self.signal_one(self.site.workers(), signal.SIGSTOP)

    def kill_a_host(self):
        self.signal_one(self.site.httpd.hosts(), signal.SIGKILL)

    def kill_a_child(self):
        self.signal_one(self.site.httpd.children(), signal.SIGKILL)

    def leave(self):
        """A client that goes in the middle."""
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(self.site.url, timeout=0.005, trust_env=False)

    ACTS = (graceful, touch, break_the_script, kill_a_worker, end_a_worker, retire_a_worker,
            stop_a_worker, kill_a_host, kill_a_child, leave)


def chaos(stage, connections, scale):
    """10 minutes of random faults under load: afterwards the group is whole and serves."""
    said, seconds = Said(), max(10, int(600 * scale))
    seed = random.randrange(1 << 30)
    options = GROUP + " deadlock-timeout=3s memory-recycle=200m maximum-requests=5000"
    counts = collections.Counter()
    with Site(stage, reloading="Rolling", options=options, body="time.sleep(0.003)",
              log_level="error") as site:
        dice = random.Random(seed)
        acts = Chaos(site, dice)

        def act():
            chosen = dice.choice(Chaos.ACTS)
            counts[chosen.__name__] += 1
            site.httpd.notice_processes()
            chosen(acts)

        with Wrk(site.url, connections, seconds, timeout=30) as load:
            during(seconds - 1, 0.7, act)
        wanted = site.change()
        whole = wait_for(lambda: len(site.workers()) == 3 and len(site.httpd.hosts()) == 1, 60)
        serves = wait_for(lambda: site.ask().text == wanted, 60)
        said.note(f"seed {seed}: {sum(counts.values())} faults, {load.requests} requests, "
                  f"{load.refused} refused, {load.broken} connections broke, "
                  f"slowest {load.slowest:.1f} s")
        said.must(whole, f"not whole: {site.httpd.hosts()} {site.workers()}")
        said.must(serves, "the last version does not serve")
        said.must("timeout 0" in load.text or "timeout" not in load.text, f"a hang:\n{load.text}")
        said.must(load.requests > 20 * seconds, f"hardly anything was served\n{load.text}")
        crashes = re.findall(r"signal (?:11|6|7|8)\b|Sanitizer|WX900\d.*", site.httpd.log())
        said.must(not crashes, f"crashes: {crashes[:3]}")
    return said


SCENARIOS = {function.__name__: function for function in (
    graceful, touch, rolling, broken, kill, stop, gil, memory, overload, fairness, growth, ends,
    scarcity, *PROVOKED, chaos)}
