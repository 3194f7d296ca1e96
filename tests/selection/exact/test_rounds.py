"""Rounds that are searched ahead, by whoever and in whatever order, prove the same as one after another."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from oracles import votes as naive
from oracles.executors import Shuffled, finished

from evo_ensyth.errors import UnfinishedError
from evo_ensyth.executors import tasks
from evo_ensyth.pool import Votes
from evo_ensyth.selection.exact import proof as proofs
from evo_ensyth.selection.exact.pairwise_margins import Subtree
from evo_ensyth.selection.exact.proof import Proof
from evo_ensyth.selection.exact.rounds import Inputs, searcher_of


@pytest.fixture
def votes(monkeypatch):
    """Votes of which some are missing, and so many parts that a proof has some hundred rounds."""
    monkeypatch.setattr(proofs, "SMALLEST_PART", 100)
    monkeypatch.setattr(proofs, "LARGEST_PART", 100)
    monkeypatch.setattr(proofs, "ROUND", 3)
    monkeypatch.setattr(tasks, "MOST_ITEMS", 7)  # so that there are many tasks
    labels, truth = naive.random_votes(np.random.default_rng(2), 15, 150, 4, 0.6)
    labels = labels.astype(int)
    labels[3, :20] = -1
    return Votes(labels, truth, 4, "search")


@pytest.mark.parametrize("by_tree", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_order_in_which_tasks_end_changes_nothing(votes, by_tree, seed):
    here = finished(Proof(votes, 9, by_tree))
    assert finished(Proof(votes, 9, by_tree, Shuffled(seed))) == here


def test_parts_are_sent_as_few_bytes(votes):
    for by_tree in (False, True):
        proof = Proof(votes, 9, by_tree)
        parts = list(proof.searcher.subtrees(range(5, 6), 30))
        arrays = []  # that would be messages of their own
        sent = pickle.dumps(parts, protocol=5, buffer_callback=arrays.append)
        assert not arrays
        assert len(sent) < 100 * len(parts)
        for part, back in zip(parts, pickle.loads(sent), strict=True):  # noqa: S301 - our own
            assert repr(back) == repr(part)


def test_an_executor_of_threads_changes_nothing(votes):
    with ThreadPoolExecutor(3) as executor:
        assert finished(Proof(votes, executor=executor)) == finished(Proof(votes))


@pytest.mark.parametrize("seed", range(3))
def test_what_was_stopped_goes_on_with_and_without_an_executor(votes, seed):
    whole = finished(Proof(votes, 8, False))
    proof, found, n = Proof(votes, 8, False), [], 0
    while proof.next_pass is not None:
        for better in proof.rounds():
            found += [(best.errors, best.subset.tolist()) for best in better]
            n += 1
            if n % 13 == 0:  # an end in the middle of a pass
                state, limits = proof.state(), proof.limits
                proof.stop()
                proof = Proof(votes, 8, False, executor=None if n % 2 else Shuffled(seed))
                proof.resume(state)
                proof.lower_limits(limits)
                break
    assert n > 50
    assert (found, proof.state(), proof.limits.tolist()) == whole


def test_rounds_that_should_not_go_on_may_be_taken_up_by_the_same_proof(votes):
    executor = Shuffled()
    executor.end_one = lambda: None  # nothing ever ends
    proof = Proof(votes, 8, False, executor)
    assert list(proof.rounds(lambda: False)) == []
    del executor.end_one
    assert finished(proof) == finished(Proof(votes, 8, False))


def test_what_determines_a_searcher_is_its_key(votes):
    inputs = Inputs.of(votes, 5, False)
    assert inputs.votes.fingerprint == votes.fingerprint
    assert inputs == Inputs.of(Votes(votes.part().y_pred.astype(int) * (votes.y_pred < 4) - (votes.y_pred == 4),
                                     votes.y_true, 4, "search"), 5, False)  # fmt: skip
    assert len({inputs.key, Inputs.of(votes, 6, False).key, Inputs.of(votes, 5, True).key}) == 3
    assert searcher_of(inputs) is searcher_of(Inputs.of(votes, 5, False))


class KilledError(Exception):
    """Stands for distributed.KilledWorker."""


class Deadly(Subtree):
    """A part whose search kills the process."""

    @property
    def mask(self):
        raise KilledError


@pytest.mark.parametrize("seed", range(3))
def test_a_poisoned_part_is_named_and_what_came_before_is_kept(votes, monkeypatch, seed):
    monkeypatch.setattr(tasks, "_killed", lambda error: isinstance(error, KilledError))
    sound = Proof._parts

    def parts(self, sizes):
        found = sound(self, sizes)
        if sizes[0] == 5:
            found[10] = object.__new__(Deadly)
        return found

    monkeypatch.setattr(Proof, "_parts", parts)
    proof = Proof(votes, 8, False, Shuffled(seed))
    with pytest.raises(UnfinishedError, match=r"every worker that searched size 5, parts 10 to 12 of \d+ was killed"):
        finished(proof)
    assert proof.proven == [1, 2, 3, 4]
    assert proof.state()["parts_done"] == 9
    monkeypatch.setattr(Proof, "_parts", sound)
    rest = Proof(votes, 8, False)
    rest.resume(proof.state())
    rest.lower_limits(proof.limits)
    whole = Proof(votes, 8, False)
    finished(rest), finished(whole)
    assert (rest.state(), rest.limits.tolist()) == (whole.state(), whole.limits.tolist())
