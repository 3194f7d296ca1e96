"""The exact front: against enumeration, through interruptions, and with files that are not what they should be."""

import contextlib
import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import dominance
from oracles import votes as naive

from evo_ensyth.errors import InputError
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.exact import proof as proofs
from evo_ensyth.selection.scratch import Scratch
from evo_ensyth.selection.selectors.exact import exact
from evo_ensyth.selection.selectors.exact.exact import Exact


def searched(problem, selector, budget=None, **options):
    evaluator = Evaluator(problem, Budget(budget), **options)
    with contextlib.suppress(SearchOver):
        selector.select(evaluator, np.random.default_rng(1))
    return evaluator


def enumerated(problem):
    search = Evaluator(problem)
    return dominance.non_dominated(search.evaluate(np.array(list(naive.all_subsets(len(problem.pool))))).values)


@pytest.mark.parametrize("n_members", range(1, 13))
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_the_front_of_all_subsets(make_problem, n_members, seed):
    problem = make_problem(n_members=n_members, seed=seed, n_samples=60 + 40 * seed, n_classes=2 + 3 * seed)
    search = searched(problem, Exact())
    assert sorted(map(tuple, search.archive.values)) == enumerated(problem)
    assert search.proven_sizes == list(range(1, n_members + 1))


def test_objectives_may_stand_in_any_order(make_problem):
    problem = make_problem(n_members=9, goals=("n_members", "error"))
    search = searched(problem, Exact())
    assert sorted(map(tuple, search.archive.values)) == enumerated(problem)
    assert search.proven_sizes == list(range(1, 10))


def test_other_objectives_are_judged_one_by_one(make_problem):
    problem = make_problem(n_members=9, goals=("error", "bytes"))
    search = searched(problem, Exact())
    assert sorted(map(tuple, search.archive.values)) == enumerated(problem)
    assert search.proven_sizes == list(range(1, 10))  # all subsets were evaluated
    assert search.budget.n_evaluations == 2**9 - 1


def test_the_largest_size_is_kept_to(make_problem):
    search = searched(make_problem(n_members=12), Exact(max_size=3))
    assert search.proven_sizes == [1, 2, 3]


def test_a_budget_ends_before_the_size_that_does_not_fit_in(make_problem):
    problem = make_problem(n_members=14)
    search = searched(problem, Exact(), budget=1_000)
    assert search.proven_sizes == [1, 2, 3]  # 14 + 91 + 364, after the baselines; 1,001 more would be too many
    assert search.budget.n_evaluations <= 1_000


@pytest.fixture
def many_rounds(monkeypatch):
    monkeypatch.setattr(proofs, "SMALLEST_PART", 50)
    monkeypatch.setattr(proofs, "ROUND", 2)


@pytest.mark.usefixtures("many_rounds")
@pytest.mark.parametrize("rounds", [1, 3, 20])
def test_an_interrupted_search_goes_on_and_ends_with_the_same_front(make_problem, tmp_path, rounds):
    problem = make_problem(n_members=13)
    whole = searched(problem, Exact())

    class Stops(Evaluator):
        counted = 0

        def record(self, n_evaluations, best):
            super().record(n_evaluations, best)
            self.counted += 1
            if self.counted == rounds:
                self.budget.stop()

    first = Stops(problem, scratch=Scratch(tmp_path / "unfinished"))
    with contextlib.suppress(SearchOver):
        Exact().select(first, np.random.default_rng(1))
    assert len(first.proven_sizes) < 13
    (file,) = (tmp_path / "unfinished").iterdir()
    second = searched(problem, Exact(), scratch=Scratch(tmp_path / "unfinished"))
    assert_array_equal(second.archive.subsets, whole.archive.subsets)
    assert second.proven_sizes == whole.proven_sizes
    assert second.budget.n_evaluations == whole.budget.n_evaluations
    third = searched(problem, Exact(), scratch=second.scratch)  # what was found may not be safe yet
    assert_array_equal(third.archive.subsets, whole.archive.subsets)
    assert file.exists()
    second.scratch.clear()
    assert not (tmp_path / "unfinished").exists()


@pytest.mark.usefixtures("many_rounds")
def test_a_checkpoint_is_written_while_the_search_runs(make_problem, tmp_path, monkeypatch):
    monkeypatch.setattr(exact, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    seen = []
    scratch = Scratch(tmp_path / "unfinished")
    search = Evaluator(
        make_problem(n_members=12), scratch=scratch, on_message=lambda text: seen.append(scratch.folder.exists())
    )
    Exact().select(search, np.random.default_rng(1))
    assert any(seen)
    scratch.clear()
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("many_rounds")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"[]",
        lambda content: json.dumps({**json.loads(content), "format": 1}).encode(),
        lambda content: json.dumps({**json.loads(content), "front": [[99]]}).encode(),
        lambda content: json.dumps({**json.loads(content), "proof": {}}).encode(),
        lambda content: content.replace(b'"counted": ', b'"counted": 1'),
    ],
    ids=["cut off", "a list", "of another format", "a member that is not there", "no proof", "another count"],
)
def test_a_spoilt_checkpoint_is_named_and_left_alone(make_problem, tmp_path, spoil):
    problem = make_problem(n_members=13)
    evaluator = Evaluator(problem, Budget(1_000), scratch=Scratch(tmp_path))
    with contextlib.suppress(SearchOver):
        Exact().select(evaluator, np.random.default_rng(1))
    (file,) = tmp_path.iterdir()
    file.write_bytes(spoil(file.read_bytes()))
    spoilt = file.read_bytes()
    with pytest.raises(InputError, match=file.name):
        searched(problem, Exact(), budget=1_000, scratch=Scratch(tmp_path))
    assert file.read_bytes() == spoilt


def test_what_was_interrupted_with_other_votes_or_sizes_is_not_taken_up(make_problem, tmp_path):
    searched(make_problem(n_members=13), Exact(), budget=1_000, scratch=Scratch(tmp_path))
    (file,) = tmp_path.iterdir()
    before = file.read_bytes()
    for problem, selector in ((make_problem(n_members=13, seed=1), Exact()), (make_problem(n_members=13), Exact(4))):
        told = []
        searched(problem, selector, budget=1_000, scratch=Scratch(tmp_path), on_message=told.append)
        assert not any("resuming" in text for text in told)
    assert file.read_bytes() == before


@pytest.mark.usefixtures("many_rounds")
def test_a_budget_neither_takes_up_nor_spoils_what_was_counted_without_one(make_problem, tmp_path):
    problem = make_problem(n_members=13)
    first = Evaluator(problem, scratch=Scratch(tmp_path))
    first.record = lambda n, best: (Evaluator.record(first, n, best), first.budget.stop())
    with contextlib.suppress(SearchOver):
        Exact().select(first, np.random.default_rng(1))
    (file,) = tmp_path.iterdir()
    before = file.read_bytes()
    search = searched(problem, Exact(), budget=300, scratch=Scratch(tmp_path))
    assert search.budget.n_evaluations <= 300
    assert file.read_bytes() == before


def test_it_says_how_long_it_will_take(make_problem):
    told = []
    searched(make_problem(n_members=12), Exact(), on_message=told.append)
    assert told[0].startswith("4,095 subsets to settle: about 0 seconds (")
    assert told[-1] == f"100.0% done, about 0 seconds left; at the start {told[0]}"


def test_what_is_out_of_reach_is_neither_tried_nor_claimed(make_problem, monkeypatch):
    monkeypatch.setattr(proofs, "MOST_SUBSETS", 300)  # of 12 members: 12, 66, 220, 495, ..., 220, 66, 12, 1
    told = []
    search = searched(make_problem(n_members=12), Exact(), on_message=told.append)
    assert search.proven_sizes == [1, 2, 3]
    assert told[0].endswith("larger ensembles than of 3 are out of reach")
