# SPDX-License-Identifier: Apache-2.0
"""Fails when a directive, an option or a diagnostic has no documentation, or the reverse."""
import pathlib
import re
import sys


def names(text, pattern):
    return set(re.findall(pattern, text, re.M))


def compare(what, in_code, in_docs):
    for name in sorted(in_code - in_docs):
        yield f"{what} {name} is not documented"
    for name in sorted(in_docs - in_code):
        yield f"{what} {name} is documented, but is not in the code"


def violations(root):
    directive_sources = "\n".join(p.read_text() for p in sorted(root.glob("src/httpd/*.cpp")))
    documented = {p.stem for p in root.glob("docs/directives/WSGI*.md")}
    yield from compare("directive", names(directive_sources, r'^\s+AP_INIT_\w+\(\s*"(WSGI\w+)"'),
                       documented)

    grammar = (root / "src/config/daemon_settings.cpp").read_text()
    table = grammar.split("kOptions[] = {", 1)[1].split("\n};", 1)[0]
    page = (root / "docs/directives/WSGIDaemonProcess.md").read_text()
    yield from compare("option", names(table, r'^\s*\{"([a-z-]+)"'),
                       names(page, r"^\| `([a-z-]+)=`"))

    catalogue = (root / "include/wsgix/base/error.hpp").read_text()
    errors = (root / "docs/errors.md").read_text()
    yield from compare("diagnostic", names(catalogue, r"^\s+\w+ = (\d{4}),"),
                       names(errors, r"^## WX(\d{4})"))


if __name__ == "__main__":
    found = list(violations(pathlib.Path(sys.argv[1])))
    print("\n".join(found) or "documentation ok")
    sys.exit(bool(found))
