# SPDX-License-Identifier: Apache-2.0
"""Fails when a built file exports more than it promises, or is linked against a libpython."""
import pathlib
import re
import subprocess
import sys

# file: the symbols it may define for others, nothing more and nothing less
EXPORTS = {
    "mod_wsgi.so": {"wsgi_module"},
    "wsgix-runtime.abi3.so": {"wsgix_runtime_entry"},
}
PROGRAMS = ["wsgix-host", "wsgix"]
SANITIZER_OR_TOOLCHAIN = re.compile(r"^(__asan|__odr_asan|__ubsan|__tsan|__sanitizer|___?interceptor|_init$|_fini$|_edata$|_end$|__bss_start$)")


def exported(path):
    listing = subprocess.run(["nm", "-D", "--defined-only", path], check=True, text=True,
                             capture_output=True).stdout
    symbols = {line.split()[2].split("@")[0] for line in listing.splitlines()
               if len(line.split()) == 3 and line.split()[1] in "TDBRVWi"}
    return {name for name in symbols if not SANITIZER_OR_TOOLCHAIN.match(name)}


def libraries(path):
    return subprocess.run(["ldd", path], check=True, text=True, capture_output=True).stdout


def violations(build):
    for name, promised in EXPORTS.items():
        found = exported(build / name)
        if found != promised:
            yield f"{name} exports {sorted(found)}, promised is {sorted(promised)}"
    for name in [*EXPORTS, *PROGRAMS]:
        if "libpython" in libraries(build / name):
            yield f"{name} is linked against a libpython"


if __name__ == "__main__":
    found = list(violations(pathlib.Path(sys.argv[1])))
    print("\n".join(found) or "binaries ok")
    sys.exit(bool(found))
