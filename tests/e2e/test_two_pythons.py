# SPDX-License-Identifier: Apache-2.0
"""One server, a group for each CPython that the system has installed beside another one."""
import functools
import pathlib
import subprocess

import pytest

# Says 3.14, and whether the interpreter can be loaded and can make environments.
PROBE = """\
import ctypes, sys, sysconfig, venv
ctypes.CDLL(sysconfig.get_config_var("INSTSONAME"))
print("%d.%d" % sys.version_info[:2])
"""


@functools.cache
def pythons():
    """{"3.14": "/usr/bin/python3.14"} of what is supported and has a shared library."""
    found = {}
    for folder in ("/usr/bin", "/usr/local/bin"):
        for python in sorted(pathlib.Path(folder).glob("python3.*")):
            if not python.name.removeprefix("python3.").isdigit():
                continue
            answer = subprocess.run([python, "-c", PROBE], capture_output=True, text=True,
                                    timeout=60, check=False)
            version = answer.stdout.strip()
            if answer.returncode == 0 and int(version.partition(".")[2]) >= 9:
                found.setdefault(version, str(python))
    return found


class TestGroupsOfTwoPythons:
    files = {
        "version.wsgi": """\
            import sys, threading

            def application(environ, start_response):
                start_response("200 OK", [])
                here = environ["mod_wsgi.application_group"]
                return [f"{sys.version_info[0]}.{sys.version_info[1]} {sys.prefix} {here}".encode()]
            """,
    }
    config = "Include $root/groups.conf\n"

    @staticmethod
    def prepare(httpd):
        if len(pythons()) < 2:
            pytest.skip("there is no second CPython with a shared library")
        lines = []
        for version, python in pythons().items():
            home = httpd.path(f"venv{version}")
            subprocess.run([python, "-m", "venv", "--without-pip", home], check=True, timeout=120)
            lines.append(f"WSGIDaemonProcess python{version} python-home={home}\n")
            for group in ("%{GLOBAL}", "sub"):
                lines.append(f"WSGIScriptAlias /{version}/{group.strip('%{}')} "
                             f"{httpd.path('version.wsgi')} process-group=python{version} "
                             f"application-group={group}\n")
        httpd.write("groups.conf", "".join(lines))

    @pytest.mark.parametrize("group", ["GLOBAL", "sub"])
    def test_answer_side_by_side(self, httpd, client, group):
        for _ in range(3):
            for version in pythons():
                answer = client.get(f"/{version}/{group}")

                home = str(httpd.path(f"venv{version}"))
                inside = "" if group == "GLOBAL" else group
                assert (answer.status_code, answer.text) == (200, f"{version} {home} {inside}")
