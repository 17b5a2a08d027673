# SPDX-License-Identifier: Apache-2.0
"""What /proc says about processes: who, whose child, how much memory, which files."""
import functools
import os
import pathlib


class Process:
    """A process by its pid. `identity` tells it from a later one with the same pid."""

    def __init__(self, pid):
        self.pid = pid
        self._folder = pathlib.Path("/proc") / str(pid)
        text = (self._folder / "stat").read_text(errors="replace")
        self.name = text[text.index("(") + 1:text.rindex(")")]
        fields = text[text.rindex(")") + 2:].split()
        self.state = fields[0]
        self.parent_pid = int(fields[1])
        self.session = int(fields[3])
        self.identity = (pid, int(fields[19]))

    def __repr__(self):
        return f"<{self.pid} {self.name} state {self.state} parent {self.parent_pid} {self.title!r}>"

    def _read(self, name):
        try:
            return (self._folder / name).read_bytes()
        except OSError:
            return b""

    def has_in_environment(self, text):
        return text.encode() in self._read("environ")

    @property
    def title(self):
        return self._read("cmdline").replace(b"\0", b" ").decode(errors="replace").strip()

    @functools.cached_property
    def program(self):
        try:
            return os.path.basename(os.readlink(self._folder / "exe")).removesuffix(" (deleted)")
        except OSError:
            return ""

    def status(self, key):
        for line in self._read("status").decode().splitlines():
            if line.startswith(key + ":"):
                return line.split(":", 1)[1].split()
        return []

    @property
    def uids(self):
        """Real, effective, saved, file system."""
        return [int(n) for n in self.status("Uid")]

    @property
    def gids(self):
        return [int(n) for n in self.status("Gid")]

    @property
    def groups(self):
        return [int(n) for n in self.status("Groups")]

    @property
    def maps(self):
        return self._read("maps").decode(errors="replace")

    def descriptors(self):
        """What each open descriptor leads to."""
        found = {}
        try:
            for entry in os.scandir(self._folder / "fd"):
                try:
                    found[int(entry.name)] = os.readlink(entry.path)
                except OSError:
                    continue
        except OSError:
            pass
        return found

    def reset_peak_memory(self):
        (self._folder / "clear_refs").write_text("5")

    @property
    def memory_kib(self):
        return int(self.status("VmRSS")[0])

    @property
    def peak_memory_kib(self):
        return int(self.status("VmHWM")[0])

    def signal(self, number):
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def is_alive(self):
        try:
            now = Process(self.pid)
            return now.identity == self.identity and now.state != "Z"
        except OSError:
            return False


def all_of_them():
    """Every process but the zombies, which hold nothing any more."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            process = Process(int(name))
        except (OSError, ValueError):
            continue
        if process.state not in "ZX":
            found.append(process)
    return found


def shared_memory_of(identities):
    """System V segments that one of these processes created."""
    pids = {str(pid) for pid, _ in identities}
    with open("/proc/sysvipc/shm") as table:
        next(table)
        return [line for line in table if line.split()[4] in pids]


def listening_inodes(port):
    """The inodes of the TCP sockets that listen on that port."""
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = pathlib.Path("/proc/net", name).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found
