"""The kernel for graphics cards, emulated on small pools, against enumeration. No card is needed, nor tested."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from oracles import votes as naive
from oracles.votes import random_votes
from selection.exact.emulated_card import LIMIT, N_ROUNDS, pools

import evo_ensyth as ee
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Members, Pool, Votes
from evo_ensyth.selection.exact import card_search
from evo_ensyth.selection.exact.card_search import CardSearch, layout_of
from evo_ensyth.selection.exact.pairwise_margins import PairwiseMargins
from evo_ensyth.selection.exact.proof import Proof
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.selectors.exact.exact import Exact

SIZES = range(2, 6)
slow = pytest.mark.slow  # the emulation takes some seconds


@pytest.fixture(scope="module")
def emulated():
    script = Path(__file__).with_name("emulated_card.py")
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": paths}
    said = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    return json.loads(said.stdout)


def best_of_each_size(votes, order, limit, fixed):
    """Errors and members of the best subset of each size, where below those of all smaller ones and a limit.

    Of equally good ones, that of the lowest mask, whose bit i is the member ``order[i]``; ``fixed`` are the first bits.
    """
    labels, found = votes.y_pred.astype(int), {}
    labels[labels == votes.n_classes] = -1  # no answer
    for mask in range(1, 2**votes.n_members):
        if mask & (1 << len(fixed)) - 1 != sum(bit << i for i, bit in enumerate(fixed)):
            continue
        subset = np.zeros(votes.n_members, bool)
        subset[[order[i] for i in range(votes.n_members) if mask >> i & 1]] = True
        key = naive.errors(subset, labels, votes.y_true, votes.n_classes), mask
        if subset.sum() in SIZES and key < found.get(subset.sum(), ((limit, 0), None))[0]:
            found[subset.sum()] = key, subset.tolist()
    best = []
    for size in sorted(found):
        (errors, _), subset = found[size]
        if errors < limit:
            best.append([errors, subset])
            limit = errors
    return best


@slow
@pytest.mark.parametrize("name", [*pools(), "limited"])
def test_the_best_of_each_size_is_that_of_enumeration(emulated, name):
    votes = pools()["many classes" if name == "limited" else name]
    said = emulated["limited"] if name == "limited" else emulated["searched"][name]
    limit = LIMIT if name == "limited" else votes.n_samples + 1
    for found, fixed in zip(said["found"], ((), (0, 1, 1)), strict=True):
        assert found == best_of_each_size(votes, said["order"], limit, fixed)
    assert said["covered"] == [56, 8]
    assert all(judged <= most for judged, most in zip(said["judged"], (64, 8), strict=True))


@slow
def test_what_cannot_be_below_the_limit_is_not_walked(emulated):
    assert emulated["searched"]["many classes"]["judged"][0] == 62  # without those that are too small
    assert emulated["limited"]["judged"][0] < 62


@slow
def test_a_proof_has_the_certificates_of_one_on_the_processor_whether_interrupted_or_not(emulated):
    votes = Votes(*random_votes(np.random.default_rng(5), 7, 40, 3, 0.6), 3, "search")
    on_processor = Proof(votes)
    while on_processor.next_pass is not None:
        list(on_processor.rounds())
    whole, resumed = emulated["proven"]
    assert whole["n_rounds"] > N_ROUNDS
    assert whole["limits"] == on_processor.limits.tolist()
    assert whole["proven"] == on_processor.proven
    assert resumed == whole
    for errors, subset in whole["found"]:
        assert naive.errors(np.array(subset), votes.y_pred, votes.y_true, 3) == errors


@pytest.fixture
def card(monkeypatch):
    """As if there were a card; nothing is launched."""
    monkeypatch.setattr(card_search, "check_card", lambda: None)
    monkeypatch.setattr("evo_ensyth.selection.selectors.exact.exact.check_card", lambda: None)


def drawn(n_members, n_samples, n_classes=3):
    return Votes(*random_votes(np.random.default_rng(0), n_members, n_samples, n_classes), n_classes, "search")


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize(
    ("votes", "max_size", "message"),
    [
        (drawn(12, 20), None, "'cuda' enumerates all sizes of 16 to about 44 members; for the sizes up to 12 of 12"),
        (drawn(200, 20), 4, "for the sizes up to 4 of 200 members, use device 'cpu'"),
        (drawn(20, 70_000, 8), None, "takes about 65,536 pairs of a true class and a rival; this pool has"),
    ],
    ids=["few members", "small sizes", "many pairs"],
)  # fmt: skip
def test_what_the_kernel_does_not_take_is_refused(votes, max_size, message):
    with pytest.raises(InputError, match=message):
        Proof(votes, max_size, device="cuda")


@pytest.mark.usefixtures("card")
def test_keys_must_fit_into_a_word():
    with pytest.raises(InputError, match=r"takes up to 58 members with 20 samples; this pool has 60"):
        CardSearch(PairwiseMargins(drawn(60, 20)), card_search.LAST, card_search.LANES)


@pytest.mark.usefixtures("card")
def test_a_proof_on_a_card_is_not_divided():
    with pytest.raises(InputError, match="'cuda' is not divided; leave out either the device or the scheduler"):
        Proof(drawn(17, 20), executor=object(), device="cuda")


@pytest.mark.usefixtures("card")
def test_only_what_is_proven_by_bounds_is_for_the_card():
    problem = Problem(Pool(Members(tuple(map(str, range(16)))), drawn(16, 30)))
    with pytest.raises(InputError, match="device 'cuda' proves error and n_members of plurality votes"):
        ee.search(problem, ["smoothed_error", "n_members"], selector=Exact(device="cuda"), baselines=(), n_folds=0)


def test_where_there_is_no_card_the_command_says_so_in_one_line(call, monkeypatch):
    monkeypatch.setattr("numba.cuda.is_available", lambda: False)
    said = call("search", "digits", "--selector", "exact", "--device", "cuda")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "device 'cuda' needs a card by NVIDIA, its driver, and: pip install 'evo-ensyth[cuda]'" in said.err
    said = call("search", "digits", "--device", "cuda")
    assert "selector 'nsga2' has no setting 'device'" in said.err


def test_a_layout_holds_every_vote_of_every_pair():
    margins = PairwiseMargins(pools()["holes"])
    layout, pairs = layout_of(margins, lanes=2), margins.pairs
    for words, of_pair in ((layout.rivals, pairs.rivals), (layout.truths, pairs.truths)):
        assert [int(np.bitwise_count(row).sum()) for row in words] == [
            int((pairs_of[:, 0] >> np.uint64(i) & np.uint64(1)).sum())
            for i in range(6)
            for pairs_of in [of_pair if of_pair is pairs.rivals else of_pair[pairs.starts[:-1]]]
        ]
    assert np.bitwise_count(layout.lowered).sum() == (pairs.margins < 0).sum()
