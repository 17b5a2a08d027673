# SPDX-License-Identifier: Apache-2.0
"""The short form of tests/faults/dialogues.py: peers that say any frame at any moment."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "faults"))

import dialogues  # noqa: E402

pytestmark = pytest.mark.root


def test_a_hostile_worker_touches_no_other_client_and_leaves_nothing(stage):
    assert dialogues.hostile_workers(stage, 1500, seed="short") == []


def test_a_hostile_child_touches_no_other_client_and_leaves_nothing(stage):
    assert dialogues.hostile_children(stage, 1500, seed="short") == []
