"""The short form of every harness: its first trials, and those that once fell. The long form is ``make harden``."""

import pytest

from hardening.all import HARNESSES


@pytest.mark.slow
@pytest.mark.parametrize("harness", [each for each in HARNESSES if each.short], ids=lambda harness: harness.name)
def test_the_first_trials_hold(harness, tmp_path):
    for number in {*range(harness.short), *harness.again}:
        folder = tmp_path / str(number)
        folder.mkdir()
        assert harness.trial(number, folder)
