# SPDX-License-Identifier: Apache-2.0
"""The classic deployment page for Flask under mod_wsgi, done word by word."""
import pwd
import subprocess

import pytest

from wsgix_httpd import BOTH_MODES, MODULES, PYTHON, wait_for

FLASK_SCRIPT = """\
    import sys
    sys.path.insert(0, '$root/site')
    from yourapplication import app as application
"""
FLASK_MODULE = """\
    import os
    from flask import Flask
    app = Flask(__name__)

    @app.route("/")
    def index():
        return "uid %d gid %d groups %s umask-free" % (
            os.getuid(), os.getgid(), sorted(os.getgroups()))
"""


@pytest.mark.root
class TestVirtualHostAsWritten:
    """The page's block; only names and paths are filled in."""

    config = f"""
        LoadModule access_compat_module {MODULES}/mod_access_compat.so
        LoadModule authz_host_module {MODULES}/mod_authz_host.so
        <VirtualHost *>
            ServerName example.com

            WSGIDaemonProcess yourapplication user=games group=games threads=5
            WSGIScriptAlias / $root/site/yourapplication.wsgi

            <Directory $root/site>
                WSGIProcessGroup yourapplication
                WSGIApplicationGroup %{{GLOBAL}}
                Order deny,allow
                Allow from all
            </Directory>
        </VirtualHost>
    """

    @staticmethod
    def prepare(httpd):
        httpd.write("site/yourapplication.wsgi", FLASK_SCRIPT.replace("$root", str(httpd.root)))
        httpd.write("site/yourapplication.py", FLASK_MODULE)

    def test_serves_flask_as_that_user(self, client):
        games = pwd.getpwnam("games")

        text = client.get("/").text

        assert text.startswith(f"uid {games.pw_uid} gid {games.pw_gid} ")

    def test_every_process_of_the_group_is_that_user_for_good(self, httpd, client):
        client.get("/")
        games = pwd.getpwnam("games")

        processes = httpd.hosts() + httpd.workers()

        assert len(httpd.hosts()) == 1 and len(httpd.workers()) == 1
        for process in processes:
            assert set(process.uids) == {games.pw_uid}, process
            assert set(process.gids) == {games.pw_gid}, process
            assert 0 not in process.groups, process


class TestStandardStreams:
    variants = BOTH_MODES
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIRestrictStdout On
        WSGIRestrictStdin On
        WSGIScriptAlias / $root/streams.wsgi
    """
    files = {"streams.wsgi": """\
        import sys

        def application(environ, start_response):
            seen = []
            for attempt in (lambda: print("to stdout"), lambda: sys.stdin.read()):
                try:
                    attempt()
                    seen.append("allowed")
                except OSError as refused:
                    seen.append(str(refused))
            start_response("200 OK", [])
            return ["\\n".join(seen).encode()]
        """}

    def test_are_refused_when_restricted(self, client):
        assert client.get("/").text.splitlines() == [
            "sys.stdout access restricted by mod_wsgi", "sys.stdin access restricted by mod_wsgi"]


class TestStandardStreamsByDefault:
    variants = BOTH_MODES
    config = TestStandardStreams.config.replace("Stdout On", "Stdout Off").replace(
        "Stdin On", "Stdin Off")
    files = TestStandardStreams.files

    def test_stdout_goes_to_the_log_and_stdin_is_empty(self, httpd, client):
        httpd.expect_log("to stdout")

        assert client.get("/").text == "allowed\nallowed"


def make_venv(httpd, name="venv"):
    """A virtual environment that holds one module of its own."""
    venv = httpd.path(name)
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(venv)], check=True)
    packages = next(venv.glob("lib/python3*/site-packages"))
    (packages / "only_in_venv.py").write_text("where = __file__\n")
    return venv


VENV_SCRIPT = """\
    import only_in_venv, sys

    def application(environ, start_response):
        start_response("200 OK", [])
        return [f"{only_in_venv.where} {sys.prefix}".encode()]
"""


class TestVirtualEnvironmentActivatedByTheScript:
    variants = BOTH_MODES
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $root/venv.wsgi
    """

    @staticmethod
    def prepare(httpd):
        packages = next(make_venv(httpd).glob("lib/python3*/site-packages"))
        httpd.write("venv.wsgi", f"import site; site.addsitedir({str(packages)!r})\n"
                    + VENV_SCRIPT.replace("\n    ", "\n").lstrip())

    def test_finds_its_modules(self, httpd, client):
        assert client.get("/").text.startswith(str(httpd.path("venv")))


class TestVirtualEnvironmentAsPythonHome:
    config = """
        WSGIDaemonProcess suite python-home=$root/venv
        WSGIProcessGroup suite
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $root/venv.wsgi
    """

    @staticmethod
    def prepare(httpd):
        make_venv(httpd)
        httpd.write("venv.wsgi", VENV_SCRIPT)

    def test_is_that_groups_python(self, httpd, client):
        module, prefix = client.get("/").text.split()

        assert module.startswith(str(httpd.path("venv")))
        assert prefix == str(httpd.path("venv"))


class TestVirtualEnvironmentOfTheServer:
    variants = BOTH_MODES
    config = "WSGIPythonHome $root/venv\n" \
        + TestVirtualEnvironmentActivatedByTheScript.config
    prepare = TestVirtualEnvironmentAsPythonHome.prepare

    def test_serves_both_modes(self, httpd, client):
        assert client.get("/").text.split()[1] == str(httpd.path("venv"))


class TestPythonOfWhoeverStartedHttpd:
    """An activated virtual environment in the shell, or a PYTHONHOME, is not the server's."""

    variants = BOTH_MODES
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $root/prefix.wsgi
    """
    files = {"prefix.wsgi": """\
        import sys

        def application(environ, start_response):
            start_response("200 OK", [])
            return ["\\n".join([sys.prefix, sys.base_prefix, sys.executable]).encode()]
        """}

    @staticmethod
    def prepare(server):
        venv = server.path("activated")
        subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(venv)], check=True)
        usual = server.environment()
        server.environment = lambda: usual | {
            "PATH": f"{venv}/bin:{usual['PATH']}", "VIRTUAL_ENV": str(venv),
            "PYTHONHOME": str(venv), "__PYVENV_LAUNCHER__": f"{venv}/bin/python3"}

    def test_does_not_matter(self, httpd, client):
        expected = subprocess.run(
            [PYTHON, "-c", "import sys; print(sys.base_prefix)"], check=True, text=True,
            capture_output=True, env={"PATH": "/usr/bin:/bin"}).stdout.strip()
        prefix, base_prefix, executable = client.get("/").text.split()

        assert (prefix, base_prefix) == (expected, expected)
        assert executable.startswith(expected + "/bin/python3")


class TestPythonPath:
    config = """
        WSGIDaemonProcess suite python-path=$root/first:$root/second home=$root/here
        WSGIProcessGroup suite
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $root/path.wsgi
    """
    files = {
        "first/__init__.py": "", "second/__init__.py": "", "here/__init__.py": "",
        "path.wsgi": """\
            import os, sys

            def application(environ, start_response):
                start_response("200 OK", [])
                return ["\\n".join([os.getcwd(), *sys.path]).encode()]
            """}

    def test_comes_after_home_and_before_everything_else(self, httpd, client):
        lines = client.get("/").text.splitlines()

        assert lines[:4] == [str(httpd.path(name)) for name in ("here", "here", "first", "second")]


class TestPythonPathOfTheServer:
    config = """
        WSGIPythonPath $root/first
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $root/path.wsgi
    """
    files = TestPythonPath.files
    variants = BOTH_MODES[1:]

    def test_is_at_the_front_in_embedded_mode(self, httpd, client):
        assert client.get("/").text.splitlines()[1] == str(httpd.path("first"))


def versioned(number):
    return f"""\
        def application(environ, start_response):
            start_response("200 OK", [])
            return [b"version {number}"]
        """


class TestReloading:
    variants = BOTH_MODES
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptReloading On
        WSGIScriptAlias / $root/versioned.wsgi
    """
    files = {"versioned.wsgi": versioned(0)}

    def test_a_request_after_the_change_sees_the_new_code(self, httpd, client):
        for number in range(1, 6):
            httpd.write("versioned.wsgi", versioned(number))
            # Several, so that every process is asked.
            assert {client.get("/").text for _ in range(8)} == {f"version {number}"}

    def test_a_touch_alone_runs_the_script_again(self, httpd, client):
        script = httpd.write("versioned.wsgi", """\
            import time
            loaded = str(time.time()).encode()

            def application(environ, start_response):
                start_response("200 OK", [])
                return [loaded]
            """)
        before = {client.get("/").text for _ in range(12)}
        script.touch()

        after = {client.get("/").text for _ in range(12)}

        assert not before & after


class TestReloadingOff:
    variants = BOTH_MODES
    config = TestReloading.config.replace("Reloading On", "Reloading Off")
    files = {"versioned.wsgi": versioned(0)}

    def test_keeps_the_old_code(self, httpd, client):
        # Each process has loaded the script once it has answered; a daemon loads at once.
        assert wait_for(lambda: client.get("/").text == "version 0", 5)
        for _ in range(20):
            client.get("/", headers={"Connection": "close"})
        httpd.write("versioned.wsgi", versioned(1))

        if httpd.variant.mode == "daemon":
            assert {client.get("/").text for _ in range(5)} == {"version 0"}
        else:
            assert "version 0" in {client.get("/", headers={"Connection": "close"}).text
                                   for _ in range(10)}
