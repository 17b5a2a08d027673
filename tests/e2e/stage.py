# SPDX-License-Identifier: Apache-2.0
"""A copy of what is tested, at a place that every account can read.

The checkout may lie in a home directory that the accounts of httpd and of the daemon groups
cannot search, and tests may not leave compiled Python in it."""
import os
import pathlib
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("WSGIX_BUILD", CHECKOUT / "build/debug"))
# What runs in hosts and workers may be of another build. The thread sanitizer cannot come into httpd,
# whose own threads it does not know; a host is ours from its first instruction.
BUILD_OF_HOST = pathlib.Path(os.environ.get("WSGIX_BUILD_OF_HOST", BUILD))
BUILT_FILES = {"mod_wsgi.so": BUILD, "wsgix": BUILD,
               "wsgix-host": BUILD_OF_HOST, "wsgix-runtime.abi3.so": BUILD_OF_HOST}


class Stage:
    def __init__(self):
        module = BUILD / "mod_wsgi.so"
        if not module.exists():
            raise FileNotFoundError(f"{module} is not there: build first, or set WSGIX_BUILD")
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="wsgix-e2e-"))
        self.root.chmod(0o755)
        self.build = self.root / "build"
        self.build.mkdir()
        for name, folder in BUILT_FILES.items():
            if (folder / name).exists():
                shutil.copy2(folder / name, self.build)
                (self.build / name).chmod(0o755)
        self.apps = self._copy(HERE / "apps")
        self.examples = self._copy(CHECKOUT / "examples")
        self._preload = self._sanitizer_library(module)
        self._host_is_sanitized = self._sanitizer_library(BUILD_OF_HOST / "wsgix-host") is not None

    def _copy(self, folder):
        target = self.root / folder.name
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns("__pycache__"))
        for path in [target, *target.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        return target

    @staticmethod
    def _sanitizer_library(built):
        """Its path. It must come first in httpd, which was built without it."""
        lines = subprocess.run(["ldd", str(built)], capture_output=True, text=True).stdout
        for line in lines.splitlines():
            if "libasan" in line or "libtsan" in line:
                return line.split("=>")[1].split()[0]
        return None

    @property
    def sanitized(self):
        return self._preload is not None or self._host_is_sanitized

    def sanitizer_environment(self, reports):
        if not self.sanitized:
            return {}
        preload = {"LD_PRELOAD": self._preload} if self._preload else {}
        # Leaks are not reported: httpd and CPython keep memory until exit by design.
        return preload | {
            "ASAN_OPTIONS": f"detect_leaks=0:log_path={reports}/address:abort_on_error=1"
                            ":disable_coredump=1",
            "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={reports}/undefined",
            # CPython was built without it: what its own code does to memory is not seen, what it does
            # with locks is.
            "TSAN_OPTIONS": f"log_path={reports}/thread:ignore_noninstrumented_modules=1"
                            ":die_after_fork=0:atexit_sleep_ms=0",
        }

    def remove(self):
        if not os.environ.get("WSGIX_E2E_KEEP"):
            shutil.rmtree(self.root, ignore_errors=True)
