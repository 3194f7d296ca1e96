"""One owner of what is worked out for the votes of a split."""

import gc
import weakref

import numpy as np
import pytest
from oracles.votes import random_votes

from evo_ensyth.engine import Ballots, BitPlanes, Diversity, Ensembles, views
from evo_ensyth.pool import Members, Scores, Votes
from evo_ensyth.selection.run import run

KINDS = {"bit_planes": BitPlanes, "ballots": Ballots, "diversity": Diversity}


def votes_with_scores() -> Votes:
    labels, truth = random_votes(np.random.default_rng(0), 6, 40, 3)
    scores = np.eye(3)[labels]
    return Votes(labels, truth, 3, "search", lambda: Scores(scores, truth, "search"))


@pytest.mark.parametrize("name", KINDS)
def test_a_view_of_the_same_votes_is_made_once(name):
    votes = votes_with_scores()
    view = getattr(views, name)(votes)
    assert isinstance(view, KINDS[name])
    assert getattr(views, name)(votes) is view
    subsets = np.ones((1, 6), bool)
    assert getattr(Ensembles(subsets, Members(tuple("abcdef")), votes), name) is view
    assert getattr(views, name)(votes_with_scores()) is not view


@pytest.mark.parametrize("name", KINDS)
def test_a_view_is_freed_with_its_votes(name):
    votes = votes_with_scores()
    view = weakref.ref(getattr(views, name)(votes))
    gc.collect()
    assert view() is not None
    del votes
    gc.collect()
    assert view() is None


def test_a_search_by_other_objectives_lays_the_votes_of_each_split_out_once(make_problem, monkeypatch):
    """Loading and `--objectives`, then `--at-most`, used to lay the search split out twice."""
    of, laid_out = BitPlanes.of, []
    monkeypatch.setattr(BitPlanes, "of", lambda votes, *report: laid_out.append(votes.split) or of(votes, *report))
    problem = make_problem(n_members=8, n_samples=60)
    assert problem.test is not None
    asked = problem.with_objectives((problem.find("error"), problem.find("n_members")))
    run(asked.with_constraints(()), "nsga2", budget=600, n_folds=0)
    assert sorted(laid_out) == ["search", "test"]
