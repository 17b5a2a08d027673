# SPDX-License-Identifier: Apache-2.0
"""Processes that an application starts can be ended with a signal, whatever httpd's threads block."""
import pytest

from crowd import ask
from wsgix_httpd import EVENT_DAEMON, EVENT_EMBEDDED, Variant

APPLICATION = """
    import os, signal, subprocess, sys, time

    LOOK = "grep SigBlk /proc/self/status"

    def subprocess_without_fork():
        return subprocess.check_output(LOOK.split(), text=True)

    def subprocess_with_fork():
        return subprocess.check_output(LOOK.split(), text=True, preexec_fn=os.setsid)

    def posix_spawn():
        return through_file(lambda out: os.waitpid(os.posix_spawn(
            "/bin/sh", ["sh", "-c", f"{LOOK} > {out}"], {}), 0))

    def posix_spawnp():
        return through_file(lambda out: os.waitpid(os.posix_spawnp(
            "sh", ["sh", "-c", f"{LOOK} > {out}"], dict(os.environ)), 0))

    def system():
        return through_file(lambda out: os.system(f"{LOOK} > {out}"))

    def popen():
        return os.popen(LOOK).read()

    def through_file(run):
        import tempfile
        with tempfile.NamedTemporaryFile("r") as out:
            run(out.name)
            return out.read()

    def fork():
        there, here = os.pipe()
        child = os.fork()
        if child == 0:
            with open("/proc/self/status") as status:
                os.write(here, [line for line in status if "SigBlk" in line][0].encode())
            os._exit(0)
        os.close(here)
        os.waitpid(child, 0)
        with open(there) as answer:
            return answer.read()

    def terminate():
        process = subprocess.Popen(["sleep", "30"])
        process.terminate()
        return str(process.wait(5))

    def thread_keeps_its_mask():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        subprocess.run(["true"])
        os.system("true")
        after = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        return "kept" if before == after else f"{before} became {after}"

    def failure_is_raised():
        try:
            subprocess.run(["/there/is/no/such/program"])
        except FileNotFoundError as error:
            return error.filename

    def application(environ, start_response):
        text = globals()[environ["PATH_INFO"].strip("/")]()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [text.split(":")[-1].strip().encode()]
"""
WAYS = ("subprocess_without_fork", "posix_spawn", "posix_spawnp", "system", "popen")
# CPython 3.11 allows these in the main interpreter only.
FORKS = ("subprocess_with_fork", "fork")


class Children:
    variants = [EVENT_EMBEDDED, Variant("worker", "embedded"), Variant("prefork", "embedded"),
                EVENT_DAEMON]
    files = {"site/app.wsgi": APPLICATION}

    @pytest.mark.parametrize("way", WAYS)
    def test_have_no_signal_blocked(self, httpd, way):
        assert int(ask(httpd, f"/{way}").text, 16) == 0

    def test_end_at_sigterm(self, httpd):
        assert ask(httpd, "/terminate").text == "-15"

    def test_leave_the_thread_as_it_was(self, httpd):
        assert ask(httpd, "/thread_keeps_its_mask").text == "kept"

    def test_that_cannot_start_raise_as_ever(self, httpd):
        assert ask(httpd, "/failure_is_raised").text == "/there/is/no/such/program"


class TestChildrenOfTheMainInterpreter(Children):
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $root/site/app.wsgi
    """

    @pytest.mark.parametrize("way", FORKS)
    def test_by_fork_have_no_signal_blocked(self, httpd, way):
        assert int(ask(httpd, f"/{way}").text, 16) == 0


class TestChildrenOfASubInterpreter(Children):
    config = """
        $daemon
        WSGIApplicationGroup other
        WSGIScriptAlias / $root/site/app.wsgi
    """
