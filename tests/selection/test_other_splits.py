"""A search that is repeated on other random splits: each is the one that its seed gives."""

import signal

import numpy as np
import pytest
from oracles.executors import Shuffled
from oracles.votes import random_votes

import evo_ensyth as ee
from evo_ensyth.errors import InputError, InputWarning
from evo_ensyth.executors import tasks
from evo_ensyth.pool.resplit import resplit
from evo_ensyth.selection import other_splits
from evo_ensyth.selection.interruption import Interruption, heeded

ASKED = {"selector": "forward_greedy", "objectives": ["error", "n_members"]}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    labels, truth = random_votes(np.random.default_rng(3), 6, 90, 3)
    scores = np.eye(3)[labels] * 0.5 + np.random.default_rng(4).random((6, 90, 3)) * 0.4
    where = tmp_path_factory.mktemp("splits") / "answers.npz"
    np.savez(where, labels=np.where(np.arange(90) % 7 == 0, -1, labels.astype(int)), scores=scores, truth=truth)
    return where


@pytest.mark.parametrize("seed", [0, 6])
def test_a_pool_that_is_split_again_is_the_one_read_with_that_seed(path, seed):
    read = {s: ee.load(path, test_share=0.4, split_seed=s, missing="abstain") for s in (2, seed)}
    found = resplit(read[2], seed)
    assert found.source["test_samples"] == read[seed].source["test_samples"]
    for split, votes in read[seed].splits.items():
        assert found.splits[split].fingerprint == votes.fingerprint
        for ours, theirs in zip(found.splits[split].scores.members, votes.scores.members, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_every_split_has_what_a_search_of_its_own_recommends(path):
    run = ee.search(ee.load(path, split_seed=5, missing="abstain"), **ASKED, splits=3, n_folds=0)
    told = run.source["splits"]
    assert [each["split_seed"] for each in told] == [5, 6, 7]
    for each in told:
        alone = ee.search(ee.load(path, split_seed=each["split_seed"], missing="abstain"), **ASKED, n_folds=0)
        assert each["members"] == list(alone.recommended.members)
        assert each["test_error"] == alone.recommended.error("test")
        assert each["search_error"] == alone.recommended.error("search")
    assert "splits" not in alone.source


def test_the_command_says_what_the_splits_have_in_common(call, path, tmp_path):
    asked = ("--selector", "single_best", "--baseline", "single_best", "--missing", "abstain", "--folds", "0")
    said = call("search", path, *asked, "--splits", "3", "--out", "run")
    assert said.status == 0, said.err
    run = ee.read_run(tmp_path / "run")
    errors = [100 * each["test_error"] for each in run.source["splits"]]
    words = f"test error {np.mean(errors):.2f} % on average, from {min(errors):.2f} to {max(errors):.2f}"
    assert f"On 3 random splits (split seeds 0 to 2): recommended sizes 1; {words}; members on all splits: " in said.out
    assert words in (tmp_path / "run" / "report.md").read_text()


def test_samples_that_came_split_are_not_split_again(npz, arrays):
    pool = ee.load(npz(arrays))
    with pytest.raises(InputError, match="only samples that were split at random can be split again"):
        ee.search(pool, **ASKED, splits=2)
    with pytest.raises(InputError, match="splits is 0; it must be 1 or more"):
        ee.search(pool, **ASKED, splits=0)


def test_whoever_searches_the_other_splits_the_answer_is_the_same(path):
    pool = ee.load(path, split_seed=5, missing="abstain")
    here = ee.search(pool, **ASKED, splits=6, n_folds=0)
    divided = ee.search(pool, **ASKED, splits=6, n_folds=0, executor=Shuffled(1), on_progress=print)
    assert divided.source == here.source
    assert not divided.interrupted


@pytest.mark.parametrize("executor", [None, Shuffled()])
def test_a_signal_keeps_the_splits_that_were_searched(path, monkeypatch, executor):
    once, n_searches = other_splits._on_split, []

    def on_split(problem, seed):
        n_searches.append(seed)
        if len(n_searches) == 4:  # the first is a trial
            signal.raise_signal(signal.SIGTERM)
        return once(problem, seed)

    monkeypatch.setattr(other_splits, "_on_split", on_split)
    monkeypatch.setattr(tasks, "MOST_ITEMS", 1)
    with heeded(Interruption()):  # of the command
        run = ee.search(ee.load(path, missing="abstain"), **ASKED, splits=30, n_folds=0, executor=executor)
    assert (run.interrupted, run.interrupted_by) == (True, "SIGTERM")
    assert 1 < len(run.source["splits"]) < 20


def test_a_split_whose_worker_is_always_killed_is_left_out(path, monkeypatch):
    monkeypatch.setattr(tasks, "_killed", lambda error: isinstance(error, ZeroDivisionError))
    once = other_splits._on_split
    monkeypatch.setattr(other_splits, "_on_split", lambda problem, seed: 1 // (seed != 3) and once(problem, seed))
    with pytest.warns(InputWarning, match="every worker that searched split 3 was killed; it is left out"):
        run = ee.search(ee.load(path, missing="abstain"), **ASKED, splits=6, n_folds=0, executor=Shuffled())
    assert [each["split_seed"] for each in run.source["splits"]] == [0, 1, 2, 4, 5]
