# SPDX-License-Identifier: Apache-2.0
"""Waiting for a fact instead of for a time that should be enough, and the times that are meant.

What an application alone can tell, it says to the log or a file: httpd.wait_for_log(), wait_for()."""
import time

from control import groups, ready
from processes import all_of_them
from wsgix_httpd import wait_for


def wait_until_running(httpd, requests, seconds=15):
    """Exactly so many requests have a thread of a process group, and keep it just now."""
    _wait_for_number(httpd, "running", requests, seconds)


def wait_until_waiting(httpd, requests, seconds=15):
    """Exactly so many requests wait for a free thread of a process group."""
    _wait_for_number(httpd, "waiting", requests, seconds)


def _wait_for_number(httpd, what, wanted, seconds):
    assert wait_for(lambda: sum(group[what] for group in groups(httpd)) == wanted, seconds), \
        f"never {wanted} {what}: {groups(httpd)}"


def wait_until_ready(httpd, workers, seconds=20):
    """So many workers of each group are ready."""
    assert wait_for(lambda: all(len(ready(g)) == workers for g in groups(httpd)), seconds, 0.1), \
        groups(httpd)


def wait_for_child_of(process, seconds=10):
    """Until it has forked; the new process."""
    children = []

    def has_one():
        children[:] = [p for p in all_of_them() if p.parent_pid == process.pid]
        return children

    assert wait_for(has_one, seconds), f"{process} has no child"
    return children[0]


def leave_time_for_a_fault(seconds):
    """So long, what must not happen could happen."""
    time.sleep(seconds)
