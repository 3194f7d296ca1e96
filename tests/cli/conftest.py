"""What the tests of several commands share."""

from collections.abc import Callable

import numpy as np
import pytest
from oracles import votes as naive

from evo_ensyth.cli import progress


@pytest.fixture(autouse=True)
def _no_progress(monkeypatch) -> None:
    """Keep standard error empty, however slow the machine is."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", float("inf"))


@pytest.fixture
def refused(call, tree) -> Callable[..., str]:
    """Call with wrong input, which must give one line on standard error, status 2, and nothing new on disk."""

    def refused(*arguments: object) -> str:
        before = tree()
        said = call(*arguments)
        assert (said.status, said.out) == (2, ""), said
        assert said.err.count("\n") == 1
        assert said.err.startswith("evo_ensyth: ")
        assert said.err.rstrip("\n").isprintable()
        assert tree() == before
        return said.err

    return refused


@pytest.fixture
def searched(call, npz) -> dict:
    """A run in the folder ``run``, of 9 members with two costs: what ``--json`` printed of it."""
    labels, truth = naive.random_votes(np.random.default_rng(3), 9, 400, 4)
    costs = {"cost_watts": np.arange(1, 10), "cost_ms": np.linspace(0.5, 4.5, 9)}
    return call("search", npz({"labels": labels, "truth": truth, **costs}), "--json", "--out", "run").json
