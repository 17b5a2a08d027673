# SPDX-License-Identifier: Apache-2.0
"""The checkers find what is planted in front of them."""
import pathlib
import shutil
import tempfile
import unittest

import check_documentation
import check_layers

ROOT = pathlib.Path(__file__).parents[2]


class Layers(unittest.TestCase):
    def found(self, path, line):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / path
            file.parent.mkdir(parents=True)
            file.write_text(line + "\n")
            return list(check_layers.violations(pathlib.Path(folder)))

    def test_what_a_room_may_include_is_fine(self):
        for path, line in [
            ("src/httpd/relay.cpp", '#include "wsgix/channel/channel.hpp"'),
            ("src/httpd/relay.cpp", '#include "relay.hpp"'),
            ("src/python/gil.hpp", '#include "python_api.hpp"'),
            ("src/python/python_api.hpp", "#include <Python.h>"),
            ("src/os/child.cpp", "#include <sys/wait.h>"),
            ("include/wsgix/daemon/worker.hpp", '#include "wsgix/wire/frame.hpp"'),
        ]:
            self.assertEqual(self.found(path, line), [], line)

    def test_another_room_is_found(self):
        for path, line in [
            ("src/httpd/relay.cpp", '#include "wsgix/daemon/worker.hpp"'),
            ("src/httpd/relay.cpp", '#include "daemon/dispatcher.hpp"'),
            ("src/httpd/relay.cpp", '#include "../daemon/session.hpp"'),
            ("src/host/main.cpp", '#include "./../httpd/spawn.hpp"'),
            ("src/wire/frame.cpp", '#  include  "../../src/os/x.hpp"'),
            ("include/wsgix/wire/frame.hpp", '#include "wsgix/channel/channel.hpp"'),
            ("include/wsgix/wire/frame.hpp", '#include "../channel/channel.hpp"'),
        ]:
            self.assertEqual(len(self.found(path, line)), 1, line)

    def test_a_foreign_header_enters_through_its_door_only(self):
        for path, line in [
            ("src/python/gil.hpp", "#include <Python.h>"),
            ("src/httpd/relay.cpp", "#include <httpd.h>"),
            ("src/httpd/relay.cpp", '#include "apr_pools.h"'),
            ("src/wire/frame.cpp", "#include <apr_tables.h>"),
        ]:
            self.assertEqual(len(self.found(path, line)), 1, line)


class Documentation(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.copy = pathlib.Path(folder.name)
        for part in ("src/httpd", "src/config", "include/wsgix/base", "docs"):
            shutil.copytree(ROOT / part, self.copy / part)
        shutil.copy(ROOT / "README.md", self.copy)

    def found(self, file, old, new):
        """What is found while that text of the copy is another."""
        path = self.copy / file
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new))
        found = list(check_documentation.violations(self.copy))
        path.write_text(text)
        return found

    def test_the_tree_itself_is_fine(self):
        self.assertEqual(self.found("README.md", "# wsgix", "# wsgix"), [])

    def test_what_is_there_may_not_be_called_missing(self):
        self.assertEqual(len(self.found("README.md", "`WSGIAccessScript`",
                                        "`WSGIAccessScript`, `WSGIImportScript`")), 1)

    def test_what_is_missing_may_not_be_kept_silent(self):
        self.assertEqual(len(self.found("README.md", "`WSGIAccessScript`, ", "")), 1)

    def test_a_name_without_effect_has_a_row(self):
        self.assertEqual(len(self.found("docs/directives/README.md", "`WSGIAcceptMutex`", "")), 1)
        self.assertEqual(len(self.found("docs/directives/README.md", "`WSGIAcceptMutex`",
                                        "`WSGIAcceptMutex`, `WSGIScriptAlias`")), 1)

    def test_a_step_of_the_walk_that_is_not_there_is_found(self):
        (self.copy / "src/README.md").write_text(
            "## A walk through the code\n\n1. `httpd/routing.cpp`: `route`\n"
            "2. `httpd/routing.cpp`: `wander`\n3. `httpd/nowhere.cpp`: `run`\n")
        self.assertEqual(list(check_documentation.violations(self.copy)),
                         ["src/README.md: routing.cpp has no wander()",
                          "src/README.md: httpd/nowhere.cpp does not exist"])

    def test_a_room_without_a_readme_is_found(self):
        (self.copy / "src/config/README.md").unlink()
        self.assertEqual(list(check_documentation.violations(self.copy)),
                         ["room config has no README.md"])

    def test_a_name_without_a_page_is_found(self):
        self.assertEqual(len(self.found("docs/errors.md", "## WX6013", "## WX 6013")), 1)
        self.assertEqual(len(self.found("docs/directives/WSGIDaemonProcess.md",
                                        "| `head-limit=`", "| `heads-limit=`")), 2)


if __name__ == "__main__":
    unittest.main()
