"""The benchmark of proofs: it times proofs of error against size, and compares them with brute force."""

import exact
import numpy as np
import pytest
from oracles import votes as naive

from evo_ensyth.pool import Votes


@pytest.fixture
def votes():
    labels, truth = naive.random_votes(np.random.default_rng(1), 12, 90, 3, 0.6)
    return Votes(labels, truth, 3, "search")


def test_what_is_timed_is_proven_and_is_that_of_brute_force(votes):
    problem = exact.problem_of(votes)
    exact.check_against_brute_force(votes, problem)
    row = exact.timed(problem, exact.Exact())
    assert row[:3] == ["12", 2**12 - 1, pytest.approx(1, abs=1)]
    assert row[-1] == "1 to 12"


def test_a_front_that_is_not_that_of_brute_force_is_told(votes):
    other = Votes((votes.y_pred + 1) % 3, votes.y_true, 3, "search")
    with pytest.raises(SystemExit, match="at size 1 brute force finds"):
        exact.check_against_brute_force(votes, exact.problem_of(other))
