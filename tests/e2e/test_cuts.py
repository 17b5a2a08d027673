# SPDX-License-Identifier: Apache-2.0
"""The short form of tests/faults/cuts.py: clients and workers that vanish at any moment."""
import pathlib
import sys

import pytest

from wsgix_httpd import BOTH_MODES

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "faults"))

import cuts  # noqa: E402


@pytest.mark.parametrize("variant", BOTH_MODES, ids=str)
def test_requests_cut_at_any_byte_leave_nothing_behind(stage, variant):
    assert cuts.cut_requests(stage, 300, variant, seed="short") == []


def test_responses_cut_by_a_killed_worker_never_look_whole(stage):
    assert cuts.cut_responses(stage, 20, seed="short") == []
