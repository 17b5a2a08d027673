# SPDX-License-Identifier: Apache-2.0
"""What a server holds before and after: memory, descriptors and threads of each of its processes."""
import pathlib
import re

from wsgix_httpd import wait_for

MEASURED = ("KiB resident", "KiB of its own", "descriptors", "threads")


def own_memory_kib(process):
    """PSS: what it shares with others counts in part."""
    text = pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss: +(\d+)", text, re.M)[1])


def sizes(httpd):
    roles = {"child": httpd.children(), "host": httpd.hosts(), "worker": httpd.workers()}
    return {(role, *p.identity): (p.memory_kib, own_memory_kib(p), len(p.descriptors()),
                                  int(p.status("Threads")[0]))
            for role, processes in roles.items() for p in processes}


def growth(before, after, spare_descriptors=16, spare_kib=3000):
    """Idle connections come and go; memory may settle a little higher."""
    found = []
    for process, old in before.items():
        allowed = (old[0] * 0.1 + spare_kib, old[1] * 0.1 + spare_kib, spare_descriptors, 0)
        found += [f"{process[0]} {process[1]}: {what} {was} to {now}"
                  for what, was, now, more in zip(MEASURED, old, after.get(process, old), allowed)
                  if now > was + more]
    return found + [f"{role} {pid} ended" for role, pid, _ in before.keys() - after.keys()]


def compare(httpd, before, say):
    """Complaints, when what is only for the moment has had time to go."""
    wait_for(lambda: not growth(before, sizes(httpd)), 20, 0.5)
    after = sizes(httpd)
    for process, old in before.items():
        if process in after:
            say(f"{process[0]} {process[1]}: " + ", ".join(
                f"{what} {was} to {now}" for what, was, now in zip(MEASURED, old, after[process])))
    return growth(before, after)
