# SPDX-License-Identifier: Apache-2.0
"""A few seconds of each fault that tests/faults/run provokes at length."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "faults"))

from scenarios import SCENARIOS  # noqa: E402

SHORT = 0.03


@pytest.mark.parametrize("name", [n for n in SCENARIOS if n not in ("growth", "rolling")])
def test_group_survives(stage, name):
    said = SCENARIOS[name](stage, 16, SHORT)

    assert not said.complaints, "\n".join(said.notes + said.complaints)


def test_group_survives_rolling_reloads(stage):
    """Throughput is for tests/faults/run: here only that no request fails and the code is new."""
    said = SCENARIOS["rolling"](stage, 16, SHORT)

    assert not [c for c in said.complaints if "throughput" not in c], said.complaints
