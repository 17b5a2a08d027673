#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hello in daemon mode: wsgix against other servers, behind the same httpd, in turns.

Each round runs every candidate once (A B C, A B C, ...), so that what changes on the machine
meets all of them. Counted: requests per second as wrk sees them, and the CPU time of every
server process per request, from /proc. Writes a Markdown and a JSON file.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import candidates
import server_processes

HERE = pathlib.Path(__file__).resolve().parent


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parent.parent / "build/release",
                        help="folder with mod_wsgi.so of wsgix (default: %(default)s)")
    parser.add_argument("--before", type=pathlib.Path,
                        help="folder with another build of wsgix, to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[], help="names of candidates")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("bench-result"),
                        help="without suffix; .md and .json are written")
    return parser.parse_args()


def wrk(url, seconds, connections):
    said = subprocess.run(
        ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
         "--latency", url], capture_output=True, text=True, check=True).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: (.*)", said)
    if failed or broken:
        raise RuntimeError(f"failed requests, so the numbers mean nothing:\n{said}")
    return int(re.search(r"(\d+) requests in", said).group(1)), \
        float(re.search(r"Requests/sec:\s*([\d.]+)", said).group(1)), \
        re.search(r"50%\s*(\S+)", said).group(1)


def measure(candidate, chosen, stage):
    with candidates.Server(candidate, chosen, stage) as server:
        wrk(server.url, 1, chosen.connections)  # everything loaded, every connection made
        before = server_processes.cpu_seconds(server.pids)
        requests, per_second, median = wrk(server.url, chosen.seconds, chosen.connections)
        used = server_processes.cpu_seconds(server.pids) - before
    return {"requests_per_second": per_second, "cpu_us": used / requests * 1e6, "p50": median}


def summary(rounds, name):
    cpu = [measured[name]["cpu_us"] for measured in rounds]
    speed = [measured[name]["requests_per_second"] for measured in rounds]
    return {"cpu_us": statistics.median(cpu), "cpu_us_spread": [min(cpu), max(cpu)],
            "requests_per_second": statistics.median(speed),
            "requests_per_second_spread": [min(speed), max(speed)],
            "p50": rounds[-1][name]["p50"]}


def ratios(rounds, name, base):
    """Within each round, so that a slow minute of the machine cancels out."""
    each = [measured[name]["cpu_us"] / measured[base]["cpu_us"] for measured in rounds]
    return {"median": statistics.median(each), "lowest": min(each), "highest": max(each)}


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    return {"processor": model.group(1) if model else platform.machine(),
            "cpus": len(os.sched_getaffinity(0)), "memory_gib": int(memory.group(1)) >> 20,
            "kernel": platform.release(), "system": platform.freedesktop_os_release()["PRETTY_NAME"],
            "date": datetime.date.today().isoformat(), "load_before": os.getloadavg()}


def as_markdown(result):
    lines = ["# hello in daemon mode", "",
             ", ".join(f"{key}: {value}" for key, value in result["machine"].items()), "",
             f"Command: `{result['command']}`", "",
             "| server | version | CPU per request, us (lowest-highest) | requests/s "
             "(lowest-highest) | p50 | CPU against mod_wsgi (lowest-highest) |",
             "|---|---|---:|---:|---:|---:|"]
    for name, row in result["servers"].items():
        ratio = row.get("ratio")
        low, high = row["requests_per_second_spread"]
        lines.append(
            f"| {name} | {row['version']} | {row['cpu_us']:.1f} ({row['cpu_us_spread'][0]:.1f}-"
            f"{row['cpu_us_spread'][1]:.1f}) | {row['requests_per_second']:.0f} ({low:.0f}-{high:.0f})"
            f" | {row['p50']} | " + (f"{ratio['median']:.2f} ({ratio['lowest']:.2f}-"
                                     f"{ratio['highest']:.2f}) |" if ratio else "- |"))
    return "\n".join(lines) + "\n"


def main():
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    chosen = options()
    there = [c for c in candidates.ALL
             if c.is_available(chosen) and (not chosen.only or c.name in chosen.only)]
    for missing in set(candidates.ALL) - set(there):
        print(f"left out: {missing.name}", file=sys.stderr)
    if not there:
        sys.exit("nothing to measure: build wsgix (release) or name --build")
    stage = pathlib.Path(tempfile.mkdtemp(prefix="wsgix-bench-"))
    stage.chmod(0o755)
    rounds = []
    try:
        conditions = machine()
        for number in range(chosen.rounds):
            rounds.append({})
            for candidate in there:
                rounds[-1][candidate.name] = found = measure(candidate, chosen, stage)
                print(f"round {number + 1}: {candidate.name:10} {found['cpu_us']:7.1f} us CPU "
                      f"{found['requests_per_second']:9.0f} requests/s", file=sys.stderr)
                time.sleep(0.5)
        result = {"machine": conditions, "command": " ".join(sys.argv), "servers": {}}
        for candidate in there:
            result["servers"][candidate.name] = {
                "version": candidate.version(chosen), **summary(rounds, candidate.name)}
            if candidate.name == "wsgix" and "before" in rounds[0]:
                result["servers"]["wsgix"]["ratio_to_before"] = found = \
                    ratios(rounds, "wsgix", "before")
                print("CPU of wsgix against before: "
                      f"{found['median']:.3f} ({found['lowest']:.3f}-{found['highest']:.3f})",
                      file=sys.stderr)
            if "mod_wsgi" in rounds[0]:
                result["servers"][candidate.name]["ratio"] = \
                    ratios(rounds, candidate.name, "mod_wsgi")
        result["rounds"] = rounds
        chosen.output.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
        chosen.output.with_suffix(".md").write_text(as_markdown(result))
        print(as_markdown(result))
    finally:
        shutil.rmtree(stage, ignore_errors=True)


if __name__ == "__main__":
    main()
