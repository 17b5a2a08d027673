# SPDX-License-Identifier: Apache-2.0
"""What httpd itself does wrong when its children end, each as narrow as it can be told."""
import re
import subprocess

# The event MPM's listener closes connections while its workers still hand some back to it: when a
# child ends, httpd 2.4 logs that race of its own at level error.
LINGERING = re.compile(r"AH03092: process_lingering_close: apr_pollset_(add|remove)")
# The same race with a connection that is kept alive. Without our module as well, but only when the
# server stops or restarts.
KEPT_ALIVE = re.compile(r"AH03093: process_socket: apr_pollset_add failure for keep alive")
# And its worst end: the listener of the event MPM asks apr_os_sock_get() for the descriptor of a
# socket that is gone. The log has only the signal; the kernel says in which library it was, and at
# which address: that of a member of a null pointer. A crash anywhere else is ours.
CRASHED = re.compile(r"child pid (\d+) exit signal Segmentation fault")
IN_APR_OS_SOCK_GET = r"\[{pid}\]: segfault at [0-9a-f]{{1,2}} ip .* in libapr-1\.so"


def is_excused(line, mpm, children_end):
    """`children_end`: the server was told to stop or to restart."""
    if LINGERING.search(line):
        return True
    if mpm != "event" or not children_end:
        return False
    crashed = CRASHED.search(line)
    if crashed:
        return died_in_apr_os_sock_get(crashed[1], kernel_log())
    return bool(KEPT_ALIVE.search(line))


def kernel_log():
    """Nothing where it may not be read: then no crash is excused."""
    done = subprocess.run(["dmesg"], capture_output=True, text=True, errors="replace", timeout=20)
    return done.stdout


def died_in_apr_os_sock_get(pid, kernel_said):
    return re.search(IN_APR_OS_SOCK_GET.format(pid=pid), kernel_said) is not None
