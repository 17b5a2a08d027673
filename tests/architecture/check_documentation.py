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


def compare_missing(what, in_code, in_readme):
    for name in sorted(in_code - in_readme):
        yield f"{what} {name} is missing, and README's list of what is missing does not have it"
    for name in sorted(in_readme - in_code):
        yield f"{what} {name} is not missing, but README says so"


def wrong_steps(root):
    """Steps of the walk in src/README.md that name a file or function which is not there."""
    readme = root / "src/README.md"
    if not readme.exists():
        return
    walk = readme.read_text().split("## A walk through the code", 1)[1].split("\n## ", 1)[0]
    where = None
    for name in re.findall(r"`([\w./]+)`", walk):
        if "/" in name:
            where = root / "src" / name
            if not where.exists():
                yield f"src/README.md: {name} does not exist"
        elif where.exists() and not re.search(rf"\b{name}\(", where.read_text()):
            yield f"src/README.md: {where.name} has no {name}()"


def violations(root):
    yield from wrong_steps(root)
    directive_sources = "\n".join(p.read_text() for p in sorted(root.glob("src/httpd/*.cpp")))
    documented = {p.stem for p in root.glob("docs/directives/WSGI*.md")}
    yield from compare("directive", names(directive_sources, r'^\s+AP_INIT_\w+\(\s*"(WSGI\w+)"'),
                       documented)

    grammar = (root / "src/config/daemon_settings.cpp").read_text()
    table = grammar.split("kOptions[] = {", 1)[1].split("\n};", 1)[0]
    page = (root / "docs/directives/WSGIDaemonProcess.md").read_text()
    yield from compare("option", names(table, r'^\s*\{"([a-z-]+)"'),
                       names(page, r"^\| `([a-z-]+)=`"))

    missing = (root / "README.md").read_text().split("## What is not there yet", 1)[1]
    missing = missing.split("\n## ", 1)[0]
    yield from compare_missing("directive", names(directive_sources, r'^\s+later\("<?(WSGI\w+)"'),
                               names(missing, r"`(WSGI\w+)`"))
    index = (root / "docs/directives/README.md").read_text()
    idle = names(directive_sources, r'^\s+without_effect\w*\("(WSGI\w+)"')
    yield from compare("name without effect", idle,
                       names(index.split("## Names that have no effect", 1)[1], r"`(WSGI\w+)`"))

    for room in sorted(p for p in (root / "src").iterdir() if any(p.glob("*.cpp"))):
        if not (room / "README.md").exists():
            yield f"room {room.name} has no README.md"

    catalogue = (root / "include/wsgix/base/error.hpp").read_text()
    errors = (root / "docs/errors.md").read_text()
    yield from compare("diagnostic", names(catalogue, r"^\s+\w+ = (\d{4}),"),
                       names(errors, r"^## WX(\d{4})"))


if __name__ == "__main__":
    found = list(violations(pathlib.Path(sys.argv[1])))
    print("\n".join(found) or "documentation ok")
    sys.exit(bool(found))
