#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How a large configuration loads, and whether a request pays for its size.

Prints the processor time that `httpd -t` takes for a small and for a large configuration, and how
many requests a second the first and the last alias get, in turns. Ratios count, times do not."""
import os
import pathlib
import re
import resource
import signal
import statistics
import subprocess
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("WSGIX_BUILD", "build/release")).resolve()
HTTPD = os.environ.get("WSGIX_HTTPD", "/usr/sbin/apache2")
MODULES = os.environ.get("WSGIX_HTTPD_MODULES", "/usr/lib/apache2/modules")
PORT = 8317
ROUNDS = 5
# aliases, groups, virtual hosts
SMALL, LARGE = (20, 2, 5), (2000, 200, 500)


def configuration(folder, aliases, groups, hosts):
    lines = [f"LoadModule mpm_event_module {MODULES}/mod_mpm_event.so",
             f"LoadModule authz_core_module {MODULES}/mod_authz_core.so",
             f"LoadModule wsgi_module {BUILD}/mod_wsgi.so", f"ErrorLog {folder}/error_log",
             f"PidFile {folder}/pid", f"Listen 127.0.0.1:{PORT}", "ServerName localhost",
             "User www-data", "Group www-data", f"WSGISocketPrefix {folder}/wsgi"]
    lines += [f"WSGIDaemonProcess g{i} threads=2" for i in range(groups)]
    where = "process-group=g{} application-group=%{{GLOBAL}}"
    lines += [f"WSGIScriptAlias /app{i} {folder}/app.wsgi {where.format(i % groups)}"
              for i in range(aliases)]
    for i in range(hosts):
        lines += [f"<VirtualHost *:{PORT}>", f"ServerName v{i}.example",
                  f"WSGIScriptAlias /own{i} {folder}/app.wsgi {where.format(i % groups)}",
                  f"<Directory {folder}>", "Require all granted", "</Directory>", "</VirtualHost>"]
    path = folder / "httpd.conf"
    path.write_text("\n".join(lines) + "\n")
    return [HTTPD, "-d", str(folder), "-f", str(path)]


def seconds_to_check(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def requests_a_second(path):
    said = subprocess.run(["wrk", "-t1", "-c4", "-d2", f"http://127.0.0.1:{PORT}{path}"],
                          check=True, capture_output=True, text=True).stdout
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])


def main():
    with tempfile.TemporaryDirectory(prefix="wsgix-scale-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        (folder / "app.wsgi").write_text(
            "def application(environ, start_response):\n"
            "    start_response('200 OK', [])\n    return [b'hello']\n")
        for size in (SMALL, LARGE):
            command = configuration(folder, *size)
            took = statistics.median(seconds_to_check(command) for _ in range(ROUNDS))
            print(f"{size[0]} aliases, {size[1]} groups, {size[2]} hosts: httpd -t {took:.3f} s")
        command = configuration(folder, LARGE[0], SMALL[1], LARGE[2])
        server = subprocess.Popen([*command, "-DFOREGROUND"])
        try:
            time.sleep(3)
            first, last = [], []
            for _ in range(ROUNDS):
                first.append(requests_a_second("/app0"))
                last.append(requests_a_second(f"/app{LARGE[0] - 1}"))
            ratio = statistics.median(b / a for a, b in zip(first, last))
            print(f"requests a second, last alias by first: {ratio:.3f}")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


if __name__ == "__main__":
    main()
