# SPDX-License-Identifier: Apache-2.0
"""Who may own a script, what a group sees of the file system, and how much it may use."""
import os
import pathlib
import shutil
import subprocess

import httpx
import pytest

from wsgix_httpd import RUNS_AS_ROOT, replace_text

WHO = """
    import json, os, resource, sys
    def application(environ, start_response):
        seen = {"root": sorted(os.listdir("/")), "cwd": os.getcwd(), "file": __file__,
                "script": environ["SCRIPT_FILENAME"], "document_root": environ.get("DOCUMENT_ROOT"),
                "uid": os.getuid(), "nice": os.getpriority(os.PRIO_PROCESS, 0),
                "cpu": resource.getrlimit(resource.RLIMIT_CPU),
                "data": resource.getrlimit(resource.RLIMIT_DATA),
                "space": resource.getrlimit(resource.RLIMIT_AS),
                "files": resource.getrlimit(resource.RLIMIT_NOFILE)}
        try:
            os.chroot("/")
            seen["escaped"] = True
        except PermissionError:
            seen["escaped"] = False
        body = json.dumps(seen).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
"""


def get(httpd, path="/"):
    return httpx.get(httpd.url + path, trust_env=False, timeout=30)


class TestLimits:
    files = {"who.wsgi": WHO}
    config = """
        WSGIDaemonProcess limited processes=1 threads=2 cpu-priority=7 cpu-time-limit=60 \\
            shutdown-timeout=4 memory-limit=600m virtual-memory-limit=3g stack-size=1m
        WSGIProcessGroup limited
        WSGIScriptAlias / $root/who.wsgi
    """

    def test_are_those_of_the_directive(self, httpd):
        seen = get(httpd).json()

        assert seen["nice"] == 7
        assert seen["cpu"] == [60, 65]
        assert seen["data"] == [600 << 20, 600 << 20]
        assert seen["space"] == [3 << 30, 3 << 30]

    def test_descriptors_go_up_to_the_hard_limit(self, httpd):
        hard = int(next(line.split()[4] for line in open(f"/proc/{httpd.popen.pid}/limits")
                        if line.startswith("Max open files")).replace("unlimited", str(1 << 30)))

        assert get(httpd).json()["files"] == [min(hard, 65536), hard]


def test_a_limit_that_the_system_refuses_is_a_warning(make_httpd):
    httpd = make_httpd("""
        WSGIDaemonProcess limited processes=1 threads=2 memory-limit=700m cpu-priority=-5
        WSGIProcessGroup limited
        WSGIScriptAlias / $root/who.wsgi
    """, files={"who.wsgi": WHO})
    start = httpd.command

    def limited(*arguments):
        return ["prlimit", f"--data={500 << 20}:{500 << 20}", "setpriv", "--bounding-set",
                "-sys_resource,-sys_nice", "--", *start(*arguments)]

    if not RUNS_AS_ROOT:
        pytest.skip("only root has the capabilities that the test takes away")
    httpd.command = limited
    httpd.expect_log("WX2011: group 'limited': memory-limit=734003200: setrlimit")
    httpd.expect_log("WX2011: group 'limited': cpu-priority=-5: setpriority")
    httpd.start()

    assert get(httpd).status_code == 200
    httpd.wait_for_log("WX2011: group 'limited': cpu-priority=-5: setpriority")


@pytest.mark.root
class TestScriptOwner:
    files = {"games/who.wsgi": WHO, "loose/who.wsgi": WHO, "grouped/who.wsgi": WHO}
    config = """
        WSGIDaemonProcess owned processes=1 threads=2 script-user=games
        WSGIDaemonProcess grouped processes=1 threads=2 script-group=games
        WSGIScriptAlias /games $root/games/who.wsgi process-group=owned
        WSGIScriptAlias /loose $root/loose/who.wsgi process-group=owned
        WSGIScriptAlias /grouped $root/grouped/who.wsgi process-group=grouped
    """

    @staticmethod
    def prepare(httpd):
        for name in ("games", "loose", "grouped"):
            for path in (httpd.path(name), httpd.path(name) / "who.wsgi"):
                if name != "grouped":
                    shutil.chown(path, "games")
                else:
                    shutil.chown(path, None, "games")
        httpd.path("grouped").chmod(0o775)
        httpd.path("loose").chmod(0o775)

    def test_may_be_demanded(self, httpd):
        assert get(httpd, "/games").status_code == 200
        assert get(httpd, "/grouped").status_code == 200

    def test_a_folder_that_others_may_write_to_is_refused(self, httpd):
        httpd.expect_log(r"WX3011: process group 'owned': the script's directory .*/loose may be "
                         r"written by its group \(owner games, group root, mode 0775\)\. Remedy: "
                         r"chown games .*/loose")

        assert get(httpd, "/loose").status_code == 403

    @pytest.mark.parametrize("name", ["games", "grouped"])
    def test_another_owner_is_refused_as_soon_as_it_changes(self, httpd, name):
        script = httpd.path(name) / "who.wsgi"
        before = script.stat()
        httpd.expect_log(f"WX3011: process group '.*': script {script} does not belong to script-")

        os.chown(script, 1, 1)
        try:
            assert get(httpd, "/" + name).status_code == 403
        finally:
            os.chown(script, before.st_uid, before.st_gid)
        assert get(httpd, "/" + name).status_code == 200


@pytest.mark.root
def test_the_owner_counts_for_imported_scripts_and_services_too(make_httpd):
    note = "open(__file__ + '.ran', 'w')\n"
    httpd = make_httpd("""
        WSGIDaemonProcess owned processes=1 threads=2 script-user=games
        WSGIDaemonProcess service threads=0 script-user=games
        WSGIImportScript $root/warm.py process-group=owned application-group=%{GLOBAL}
        WSGIImportScript $root/service.py process-group=service application-group=%{GLOBAL}
    """, files={"warm.py": note, "service.py": note})
    httpd.root.chmod(0o777)
    httpd.expect_log(r"WX3011: script .*/warm\.py does not belong to script-user=games")
    httpd.expect_log(r"WX3011: script .*/service\.py does not belong to script-user=games")
    httpd.tolerate("WX2008: group 'service': .* exited with code 1")
    httpd.start()

    httpd.wait_for_log(r"WX3011: script .*/warm\.py")
    httpd.wait_for_log(r"WX3011: script .*/service\.py")
    assert not list(httpd.root.glob("*.ran"))


def needed_libraries(paths):
    """Every shared object that one of these files is linked to."""
    found = set()
    for path in paths:
        said = subprocess.run(["ldd", str(path)], capture_output=True, text=True).stdout
        found |= {line.split("=>")[1].split()[0] for line in said.splitlines()
                  if "=> /" in line}
    return found


def make_jail(jail, prefix="/usr"):
    """A folder with the standard library of the default Python, and what its modules are linked
    to; neither libpython nor anything of wsgix."""
    library = pathlib.Path("/usr/lib/python3.11")
    if not (library / "encodings").is_dir():
        pytest.skip(f"the standard library is not in {library}")
    target = jail / prefix.strip("/") / "lib/python3.11"
    shutil.copytree(library, target, ignore=shutil.ignore_patterns(
        "__pycache__", "test", "tests", "idlelib", "lib2to3", "ensurepip", "config-*", "tkinter"))
    for path in needed_libraries((target / "lib-dynload").glob("*.so")):
        if "libpython" in path:
            continue
        inside = jail / path.lstrip("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, inside)
    (jail / "srv").mkdir(exist_ok=True)
    for path in [jail, *jail.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.root
class TestJail:
    files = {"jail/srv/who.wsgi": WHO, "jailbreak/who.wsgi": WHO}
    config = """
        WSGIDaemonProcess jailed user=games group=games processes=1 threads=2 \\
            chroot=$root//jail/ home=/srv
        WSGIScriptAlias /who $root/jail/srv/who.wsgi process-group=jailed application-group=%{GLOBAL}
        WSGIScriptAlias /out $root/jailbreak/who.wsgi process-group=jailed
        <VirtualHost *>
            ServerName outside
        </VirtualHost>
        <VirtualHost *>
            ServerName inside
            DocumentRoot $root/jail/srv
            WSGIScriptAlias / $root/jail/srv/who.wsgi process-group=jailed
        </VirtualHost>
    """

    @staticmethod
    def prepare(httpd):
        make_jail(httpd.path("jail"))

    def test_is_all_that_the_application_sees(self, httpd):
        seen = get(httpd, "/who").json()

        assert "srv" in seen["root"] and "proc" not in seen["root"]
        assert seen["cwd"] == "/srv" and seen["file"] == "/srv/who.wsgi"
        assert seen["uid"] != 0 and not seen["escaped"]
        for process in httpd.hosts() + httpd.workers():
            assert os.readlink(f"/proc/{process.pid}/root") == str(httpd.path("jail"))
            assert 0 not in process.uids

    def test_the_environ_has_paths_of_the_jail(self, httpd):
        seen = get(httpd, "/who").json()
        assert seen["script"] == "/srv/who.wsgi" and seen["document_root"] is None

        inside = httpx.get(httpd.url + "/", headers={"Host": "inside"}, trust_env=False).json()
        assert inside["document_root"] == "/srv"

    def test_a_script_outside_is_a_500_that_names_the_jail(self, httpd):
        httpd.expect_log(r"WX3012: GET /out: script .*/jailbreak/who\.wsgi is not below "
                         r"chroot=.*/jail of process group 'jailed'.* Remedy: ")

        assert get(httpd, "/out").status_code == 500

    def test_a_changed_script_is_loaded_again(self, httpd):
        script = httpd.path("jail/srv/who.wsgi")
        text = script.read_text()
        replace_text(script, text.replace('"cwd": os.getcwd()', '"cwd": "changed"'))
        try:
            assert get(httpd, "/who").json()["cwd"] == "changed"
        finally:
            replace_text(script, text)

    def test_extension_modules_work_inside(self, httpd):
        script = httpd.path("jail/srv/who.wsgi")
        text = script.read_text()
        replace_text(script, "import ssl, hashlib, json, _ctypes, _decimal\n" + text)
        try:
            assert get(httpd, "/who").status_code == 200
        finally:
            replace_text(script, text)


@pytest.mark.root
def test_a_jail_without_proc_says_that_memory_recycle_is_blind(make_httpd):
    httpd = make_httpd("""
        WSGIDaemonProcess jailed user=games group=games processes=1 threads=2 \\
            chroot=$root/jail home=/srv memory-recycle=100m
        WSGIScriptAlias / $root/jail/srv/who.wsgi process-group=jailed application-group=%{GLOBAL}
    """, files={"jail/srv/who.wsgi": WHO})
    make_jail(httpd.path("jail"))
    httpd.expect_log(r"WX2011: group 'jailed': memory-recycle= cannot see .* /proc is not there")
    httpd.start()

    assert get(httpd).status_code == 200


@pytest.mark.root
def test_a_python_home_is_a_path_inside_the_jail(make_httpd):
    httpd = make_httpd("""
        WSGIDaemonProcess jailed user=games group=games processes=1 threads=2 \\
            chroot=$root/jail home=/srv python-home=/opt/python
        WSGIScriptAlias / $root/jail/srv/who.wsgi process-group=jailed application-group=%{GLOBAL}
    """, files={"jail/srv/who.wsgi": WHO.replace("os.getcwd()", "os.__file__")})
    make_jail(httpd.path("jail"), "/opt/python")
    httpd.start()

    assert get(httpd).json()["cwd"] == "/opt/python/lib/python3.11/os.py"
