# SPDX-License-Identifier: Apache-2.0
"""wrk as the client of a fault run: what it asked, what failed, how long it waited."""
import re
import subprocess


class Wrk:
    """Load from `connections` connections for `seconds`; the numbers are there after the with."""

    def __init__(self, url, connections, seconds, timeout=30):
        self._command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
                         f"--timeout={timeout}s", "--latency", url]
        self._seconds = seconds

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.text = self._process.communicate(timeout=self._seconds + 60)[0]

    def _number(self, pattern):
        found = re.search(pattern, self.text)
        return float(found.group(1)) if found else 0

    @property
    def requests(self):
        return int(self._number(r"(\d+) requests in"))

    @property
    def per_second(self):
        return self._number(r"Requests/sec:\s+([\d.]+)")

    @property
    def refused(self):
        """Answers other than 2xx and 3xx."""
        return int(self._number(r"Non-2xx or 3xx responses: (\d+)"))

    @property
    def broken(self):
        """Connections that ended without the answer that was due."""
        return sum(int(self._number(rf"Socket errors:.*{kind} (\d+)"))
                   for kind in ("connect", "read", "write", "timeout"))

    @property
    def failed(self):
        return self.refused + self.broken

    @property
    def slowest(self):
        """Seconds."""
        found = re.search(r"Latency\s+\S+\s+\S+\s+([\d.]+)(us|ms|s|m)\b", self.text)
        units = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}
        return float(found.group(1)) * units[found.group(2)] if found else 0
