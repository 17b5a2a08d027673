# SPDX-License-Identifier: Apache-2.0
"""The short form of tests/faults/whose.py: every client gets its own answer, every failure has a line."""
import pathlib
import sys

import pytest

from wsgix_httpd import EVERYWHERE

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "faults"))

import whose  # noqa: E402


@pytest.mark.parametrize("variant", EVERYWHERE, ids=str)
def test_every_client_gets_its_own_answers(stage, variant):
    total, complaints = whose.one_turn(stage, variant, seconds=4, clients=16, seed="short")

    assert complaints == []
    assert total["answers"] > 50  # thousands, unless the machine has much else to do
