"""Ensembles judged per second: bit planes against the obvious alternatives.

    python benchmarks/votes.py

The alternatives are a one-hot matrix product, a compiled loop and, for a pool too large for one-hot tables, bincounts
in pieces that stay in the cache. All judge the same subsets on one thread and must count the same errors before a time
is printed, in CPU time. Ties by log-odds and by scores are compared with ties to the lowest class, and must count the
errors of their own predictions. Soft and half votes, sums of probabilities, are compared with Caruana's selection as
AutoGluon does it. The pools are simulated: members are right on 70 to 78 % of the samples, and their mistakes are
mostly one of two similar classes, as with real networks.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import sys
import time
from collections.abc import Callable

import numba
import numpy as np
from ballots import SMALL_POOL as SOFT_POOL
from ballots import small_pool as soft_and_half
from output import Output, Sheet, Value, arguments

from evo_ensyth import voting
from evo_ensyth.engine import BitPlanes
from evo_ensyth.pool import Scores, Votes

POOLS = ((36, 5_000, 10), (200, 10_000, 10))
LARGE_POOL = (1_000, 50_000, 100)
LARGE_SIZES = (20, 500)
PIECE = 512  # samples: with 100 classes, their counts take 400 kB
REPEATS = 7
BREAKERS = ("lowest", "log_odds", "scores")


def draw_votes(n_members: int, n_samples: int, n_classes: int, seed: int = 0) -> Votes:
    """Members of 70 to 78 % accuracy with correlated mistakes: hard samples and similar classes."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_classes, n_samples)
    looks_like = (truth[:, None] + rng.integers(1, n_classes, (n_samples, 3))) % n_classes
    ease = rng.normal(0.74, 0.35, n_samples) + rng.uniform(-0.04, 0.04, (n_members, 1))
    which = rng.choice(3, size=(n_members, n_samples), p=[0.75, 0.2, 0.05])
    wrong = np.take_along_axis(looks_like.T, which, axis=0)
    labels = np.where(rng.random((n_members, n_samples)) < ease, truth, wrong)
    return Votes(labels, truth, n_classes, "search")


def one_hot(votes: Votes) -> np.ndarray:
    """float32, (n_members, n_samples * n_classes): the table that the matrix product reads."""
    table = (votes.y_pred[:, :, None] == np.arange(votes.n_classes)).astype(np.float32)
    return table.reshape(votes.n_members, -1)


def matrix_product(votes: Votes, table: np.ndarray, subsets: np.ndarray) -> np.ndarray:
    """Counts as one matrix product, then argmax, as a careful user of an evolutionary framework writes it."""
    errors = []
    for start in range(0, len(subsets), 16):
        batch = subsets[start : start + 16].astype(np.float32)
        counts = (batch @ table).reshape(len(batch), votes.n_samples, votes.n_classes)
        errors.append(np.count_nonzero(counts.argmax(axis=2) != votes.y_true, axis=1))
    return np.concatenate(errors)


def bincounts(votes: Votes, subsets: np.ndarray) -> np.ndarray:
    """Count label + class offset, some samples at a time, so that the counts stay in the cache."""
    offsets = np.arange(PIECE, dtype=np.int64) * votes.n_classes
    errors = np.zeros(len(subsets), np.int64)
    for i, subset in enumerate(subsets):
        members = np.flatnonzero(subset)
        for start in range(0, votes.n_samples, PIECE):
            truth = votes.y_true[start : start + PIECE]
            places = votes.y_pred[members, start : start + PIECE] + offsets[: len(truth)]
            counts = np.bincount(places.ravel(), minlength=len(truth) * votes.n_classes)
            answers = counts.reshape(len(truth), votes.n_classes).argmax(axis=1)
            errors[i] += np.count_nonzero(answers != truth)
    return errors


@numba.njit
def _plain_loop(labels, truth, n_classes, subsets):  # type: ignore[no-untyped-def]
    errors = np.zeros(len(subsets), np.int64)
    counts = np.zeros(n_classes, np.int64)
    for subset in range(len(subsets)):
        members = np.flatnonzero(subsets[subset])
        for sample in range(truth.size):
            counts[:] = 0
            for member in members:
                counts[labels[member, sample]] += 1
            if counts.argmax() != truth[sample]:
                errors[subset] += 1
    return errors


def best_time(work: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Shortest CPU time of several runs, after one that compiles."""
    answer = work()
    times = []
    for _ in range(REPEATS):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return min(times), answer


def time_all(votes: Votes, planes: BitPlanes, subsets: np.ndarray) -> dict[str, float]:
    """Seconds per ensemble of each way, after checking that their results agree."""
    few = subsets[:32]
    table = one_hot(votes)  # made once, outside the timed part
    ways = {
        "matrix product": (len(few), lambda: matrix_product(votes, table, few)),
        "plain loop": (len(few), lambda: _plain_loop(votes.y_pred, votes.y_true, votes.n_classes, few)),
        "bit planes": (len(subsets), lambda: planes.errors(subsets)),
    }
    reference = matrix_product(votes, table, few)
    seconds = {}
    for name, (n_judged, work) in ways.items():
        took, errors = best_time(work)
        if not np.array_equal(errors[: len(few)], reference):
            sys.exit(f"{name} counts other errors than the matrix product")
        seconds[name] = took / n_judged
    return seconds


def main() -> None:
    """Print one table for each pool."""
    with Output(__doc__, arguments(__doc__).parse_args()) as out:
        for shape in POOLS:
            out.show(small_pool(*shape))
        out.show(large_pool(*LARGE_POOL))
        for shape in POOLS:
            out.show(ties(*shape))
        out.show(soft_and_half(*SOFT_POOL))


def small_pool(n_members: int, n_samples: int, n_classes: int) -> Sheet:
    """Time every way on subsets of few, half and most of the members."""
    votes = draw_votes(n_members, n_samples, n_classes)
    planes = BitPlanes.of(votes)
    rng = np.random.default_rng(1)
    rows: list[list[Value]] = []
    for density in (0.1, 0.5, 0.9):
        subsets = rng.random((256, n_members)) < density
        subsets[~subsets.any(axis=1), 0] = True
        per_ensemble = time_all(votes, planes, subsets)
        for name, seconds in per_ensemble.items():
            ratio = per_ensemble["matrix product"] / seconds
            rows.append([f"{density:.0%}", name, seconds * 1e6, 1 / seconds, ratio])
    return Sheet(
        f"{n_members} members, {n_samples:,} samples, {n_classes} classes; "
        f"{len(planes.words) * 8 / 1000:,.0f} kB of bit planes",
        {
            "density of subsets": "",
            "how": "<",
            "us per ensemble": ",.2f",
            "ensembles per second": ",.0f",
            "times the matrix product": ",.1f",
        },
        rows,
    )


def large_pool(n_members: int, n_samples: int, n_classes: int) -> Sheet:
    """Time small and large ensembles of a pool whose one-hot table would take 20 GB."""
    votes = draw_votes(n_members, n_samples, n_classes)
    planes = BitPlanes.of(votes)
    rng = np.random.default_rng(1)
    rows: list[list[Value]] = []
    for size in LARGE_SIZES:
        subsets = rng.random((256, n_members)) < size / n_members
        took, errors = best_time(lambda subsets=subsets: planes.errors(subsets))  # type: ignore[misc]
        few = subsets[:4]
        reference_took, reference = best_time(lambda few=few: bincounts(votes, few))  # type: ignore[misc]
        if not np.array_equal(errors[: len(few)], reference):
            sys.exit("bit planes count other errors than bincounts")
        seconds, reference_seconds = took / len(subsets), reference_took / len(few)
        rows.append([f"about {size}", reference_seconds * 1e6, seconds * 1e6, reference_seconds / seconds])
    return Sheet(
        f"{n_members:,} members, {n_samples:,} samples, {n_classes} classes; "
        f"{len(planes.words) * 8 / 1e6:,.0f} MB of bit planes",
        {"members of a subset": "", "bincounts, us": ",.0f", "bit planes, us": ",.1f", "times the bincounts": ",.0f"},
        rows,
    )


def with_scores(drawn: Votes) -> Votes:
    """The same votes with probabilities, of which the largest are those of the labels."""
    scores = np.random.default_rng(1).random((*drawn.y_pred.shape, drawn.n_classes), np.float32)
    np.put_along_axis(scores, drawn.y_pred[:, :, None].astype(np.int64), np.float32(1.5), axis=2)
    given = Scores(scores / scores.sum(axis=2, keepdims=True), drawn.y_true, "search")
    return Votes(drawn.y_pred, drawn.y_true, drawn.n_classes, "search", lambda: given)


def ties(n_members: int, n_samples: int, n_classes: int) -> Sheet:
    """Time of errors and of neighbours, by what breaks ties and by the size of the subsets."""
    votes, rng = with_scores(draw_votes(n_members, n_samples, n_classes)), np.random.default_rng(2)
    tallies = {name: voting.fit(voting.load("plurality", {"ties": name}), votes).tally(votes) for name in BREAKERS}
    rows: list[list[Value]] = []
    for size in (2, 3, 8, 9, 18, 19, n_members * 7 // 10):
        subsets = np.argsort(rng.random((128, n_members)), axis=1) < size
        few, us, of_neighbours = subsets[:4], {}, {}
        for name, tally in tallies.items():
            wrong = np.count_nonzero(tally.predictions(few) != votes.y_true, axis=1)
            if not np.array_equal(tally.errors(few), wrong):
                sys.exit(f"ties by {name}: errors are not those of the predictions")
            us[name] = best_time(lambda tally=tally, subsets=subsets: tally.errors(subsets))[0] * 1e6 / len(subsets)  # type: ignore[misc]
            of_neighbours[name] = best_time(lambda tally=tally, few=few: tally.neighbour_errors(few[0]))[0]  # type: ignore[misc]
        counts = np.sort([[np.bincount(c, minlength=n_classes) for c in votes.y_pred[s].T] for s in few], axis=2)
        ratios = [times[name] / times["lowest"] for times in (us, of_neighbours) for name in BREAKERS[1:]]
        rows.append([size, np.mean(counts[:, :, -1] == counts[:, :, -2]), us["lowest"], *ratios])
    return Sheet(
        f"Ties of plurality, {n_members} members, {n_samples:,} samples, {n_classes} classes: "
        "multiples of the time with ties to the lowest class",
        {
            "members of a subset": "d",
            "tied samples": ".1%",
            "lowest class, us": ",.2f",
            "log-odds": ".1f",
            "scores": ".1f",
            "neighbours, log-odds": ".1f",
            "neighbours, scores": ".1f",
        },
        rows,
    )


if __name__ == "__main__":
    main()
