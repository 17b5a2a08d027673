# SPDX-License-Identifier: Apache-2.0
"""Fails when a room includes a room it may not, or a foreign header it may not. A room's own
headers lie beside the file and are named without a path, so that no path leads into another room.

The table is the architecture; src/README.md draws it, this file enforces it.
"""
import pathlib
import re
import sys

CORE = {"base", "wire", "wsgi", "config", "os", "channel", "relay", "runtime", "supervisor",
        "scoreboard", "daemon"}
MAY_INCLUDE = {
    "base": set(),
    "wire": {"base", "wsgi"},
    "wsgi": {"base"},
    "config": {"base", "wsgi"},
    "os": {"base"},
    "channel": {"base", "wire", "os"},
    "relay": {"base", "wire", "wsgi"},
    "runtime": {"base", "wsgi"},
    "supervisor": {"base", "config"},  # decides; httpd and host act
    "scoreboard": {"base", "os", "wsgi"},
    "daemon": CORE - {"daemon", "supervisor", "relay"},
    "host": CORE - {"relay"},
    "cli": CORE - {"relay"},
    "python": {"base", "wsgi", "runtime"},
    "httpd": CORE - {"daemon"},
}
FOREIGN = re.compile(
    r"^(Python|structmember|frameobject|internal/pycore|httpd|http_|ap_|apr_|apr\.|apu|util_|unixd|mod_|scoreboard\.h|mpm_)")
ONE_DOOR = {"python": "python_api.hpp", "httpd": "httpd_api.hpp"}  # the only file that may
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def violations(root):
    for path in sorted(root.glob("src/**/*")) + sorted(root.glob("include/wsgix/**/*")):
        if path.suffix not in {".cpp", ".hpp", ".h"}:
            continue
        relative = path.relative_to(root)
        room = relative.parts[2 if relative.parts[0] == "include" else 1]
        for quote, header in INCLUDE.findall(path.read_text()):
            ours = re.match(r"wsgix/(\w+)/", header)
            if quote == '"' and "/" in header and not ours:
                yield f"{relative}: {header} is a path; a room names its own headers without one"
            elif ours and ours[1] != room and ours[1] not in MAY_INCLUDE[room]:
                yield f"{relative}: {room} may not include {header}"
            elif not ours and FOREIGN.match(header) and path.name != ONE_DOOR.get(room) \
                    and header not in ONE_DOOR.values():
                door = ONE_DOOR.get(room, "no file of this room")
                yield f"{relative}: {header} only enters through {door}"


if __name__ == "__main__":
    found = list(violations(pathlib.Path(sys.argv[1])))
    print("\n".join(found) or "layers ok")
    sys.exit(bool(found))
