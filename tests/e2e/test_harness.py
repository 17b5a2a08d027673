# SPDX-License-Identifier: Apache-2.0
"""What the harness excuses is httpd's own, and nothing else; what it inspects is whole."""
import pytest

import httpds_own
from httpds_own import is_excused
from wsgix_httpd import SERIOUS, ends_inside_a_traceback

KEEP_ALIVE = "[mpm_event:error] AH03093: process_socket: apr_pollset_add failure for keep alive"
CRASH = "[core:notice] AH00052: child pid 4711 exit signal Segmentation fault (11)"
KERNEL = ("apache2[4711]: segfault at 8 ip 00007f93a1c4 sp 00007f93 error 4 "
          "in libapr-1.so.0.7.5[1a1c4,7f93a1b0+25000]")


@pytest.mark.parametrize("mpm, ends, excused", [
    ("event", True, True), ("event", False, False), ("worker", True, False)])
def test_a_kept_connection_is_lost_only_at_the_end_of_an_event_child(mpm, ends, excused):
    assert is_excused(KEEP_ALIVE, mpm, ends) == excused


@pytest.mark.parametrize("kernel, excused", [
    (KERNEL, True),
    ("", False),
    (KERNEL.replace("libapr-1.so.0.7.5", "mod_wsgi.so"), False),
    (KERNEL.replace("at 8 ", "at 7f9300000000 "), False),
    (KERNEL.replace("4711", "4712"), False)])
def test_a_crash_is_excused_only_where_the_kernel_names_httpds_own(monkeypatch, kernel, excused):
    monkeypatch.setattr(httpds_own, "kernel_log", lambda: kernel)

    assert is_excused(CRASH, "event", True) == excused
    assert not is_excused(CRASH, "event", False)
    assert not is_excused(CRASH, "prefork", True)


TRACEBACK = """[wsgi:error] [pid 7:tid 8] Traceback (most recent call last):
[wsgi:error] [pid 7:tid 8] [client ::1]   File "a.wsgi", line 1, in <module>
[wsgi:error] [pid 7:tid 8]     1 / 0
[wsgi:error] [pid 9:tid 9] a line of somebody else
[wsgi:error] [pid 7:tid 8] ZeroDivisionError: division by zero
"""


@pytest.mark.parametrize("lines, unfinished", [
    (0, False), (1, True), (2, True), (3, True), (4, True), (5, False)])
def test_a_traceback_is_finished_with_the_line_of_its_exception(lines, unfinished):
    log = "[wsgi:error] [pid 7:tid 8] WX5003: failed\n" + \
        "".join(TRACEBACK.splitlines(keepends=True)[:lines])

    assert ends_inside_a_traceback(log) == unfinished


@pytest.mark.parametrize("line, serious", [
    ("[wsgi:warn] [pid 7] WX3002: a setting had no effect", True),
    ("[wsgi:error] [pid 7] WX5003: failed", True),
    ("[core:error] [pid 7] AH00037: refused", True),
    ("[core:warn] [pid 7] AH00045: child process 9 still did not exit", False),
    ("[wsgi:info] [pid 7] WX2013: 1 of 1 workers are ready", False),
    ("[wsgi:notice] [pid 7] said", False)])
def test_warnings_of_the_module_have_to_be_announced_but_not_httpds(line, serious):
    assert bool(SERIOUS.search(line)) == serious
