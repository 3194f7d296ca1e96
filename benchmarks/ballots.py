"""Soft and half votes in a large pool: candidates judged per second, and peak memory.

    python benchmarks/ballots.py [--members 300 --samples 20000 --classes 50] [--threads 2]

Probabilities are read from files that are mapped into memory, as a pool's are. Each way grows an ensemble by the member
that does best, with replacement where it is Caruana's; NSGA-II evolves ensembles of all sizes. The alternative judges
one candidate after another on mean probabilities and goes back to its best round, as AutoGluon's ensemble selection
does; the others must choose the same members and count the same errors before a time is printed. Probabilities are
drawn as multiples of 2^-14, whose sums are exact in floats too. The peak is the resident memory that the system reports
for a process that only searches.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from output import Output, Sheet, Value, arguments

from evo_ensyth import voting
from evo_ensyth.engine import Ballots
from evo_ensyth.pool import Members, Pool, Scores, Votes
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.selectors.evolutionary.nsga2 import NSGA2

STEPS = 2**14
LEAST_SHARE = 1e-15  # of which a logarithm is taken
ROUNDS = 20
BUDGET, SMALL_BUDGET = 200_000, 2_000  # ensembles that NSGA-II judges
SMALL_POOL = (64, 1_000, 10)
REPEATS = 5
LABEL_SHARES = {"soft": 0.0, "half": 0.5}


def draw_scores(n_members: int, n_samples: int, n_classes: int, folder: Path | None = None) -> Votes:
    """Members that often err on the same samples, with probabilities; in files if a folder is given."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, n_classes, n_samples)
    samples = np.arange(n_samples)
    looks_like = rng.normal(0, 1.2, (n_samples, n_classes)).astype(np.float32)
    members, labels = [], []
    for i in range(n_members):
        evidence = looks_like + rng.standard_normal((n_samples, n_classes), dtype=np.float32)
        evidence[samples, truth] += rng.normal(4, 0.2)
        shares = np.exp(2 * (evidence - evidence.max(axis=1, keepdims=True)))
        steps = np.floor(shares / shares.sum(axis=1, keepdims=True) * STEPS)
        labels.append(steps.argmax(axis=1))
        steps[samples, labels[-1]] += STEPS - steps.sum(axis=1)
        member = (steps / STEPS).astype(np.float32)
        if folder is not None:
            np.save(folder / f"{i}.npy", member)
            member = np.load(folder / f"{i}.npy", mmap_mode="r")
        members.append(member)
    scores = Scores(members, truth, "search")
    return Votes(np.array(labels), truth, n_classes, "search", lambda: scores)


def ballots_of(votes: Votes, rule: str) -> Ballots:
    """Ballots of a soft vote, or of half a label and half a probability."""
    for_labels = np.full(votes.n_members, LABEL_SHARES[rule])
    return Ballots.of(votes, for_labels, 1 - for_labels)


def given(votes: Votes, rule: str, member: int) -> np.ndarray:
    """What a member adds, as floats: (n_samples, n_classes)."""
    share = np.float32(LABEL_SHARES[rule])
    probabilities = np.asarray(votes.scores.members[member])
    return share * (votes.y_pred[member][:, None] == np.arange(votes.n_classes)) + (1 - share) * probabilities


# Errors of each candidate's ensemble, once the members in a list have been chosen: the way that is timed.
Judge = Callable[[list[int]], np.ndarray]


def caruana(judge: Judge, for_truth: np.ndarray, rounds: int) -> tuple[list[int], int]:
    """Caruana's selection as AutoGluon 1.6 does it: the members in their order up to the best round, and its errors.

    Of candidates with the same errors, one that was chosen before comes first, then the lowest log loss, then the
    first, where AutoGluon draws. On the small pool, its `EnsembleSelection` (1.6.3) chose the same members by accuracy.
    ``for_truth``, (n_candidates, n_samples), is what candidates add to the true class.
    """
    order: list[int] = []
    errors: list[int] = []
    for _ in range(rounds):
        lost = judge(order)
        tied = np.flatnonzero(lost == lost.min())
        chosen = np.intersect1d(tied, order).astype(np.int64)
        tied = chosen if len(chosen) else tied
        if len(tied) > 1:
            shares = (for_truth[order].sum(axis=0) + for_truth[tied]) / (len(order) + 1)
            tied = tied[[np.log(np.maximum(shares, LEAST_SHARE)).sum(axis=1).argmax()]]
        order.append(int(tied[0]))
        errors.append(int(lost.min()))
    best = errors.index(min(errors))
    return order[: best + 1], errors[best]


def one_by_one(votes: Votes, added: Callable[[int], np.ndarray], candidates: int) -> Judge:
    """One candidate after another on sums, as AutoGluon does on means."""
    total = np.zeros((votes.n_samples, votes.n_classes), np.float32)

    def judge(order: list[int]) -> np.ndarray:
        if order:
            total[:] += added(order[-1])
        lost = [np.count_nonzero((total + added(j)).argmax(axis=1) != votes.y_true) for j in range(candidates)]
        return np.array(lost)

    return judge


def all_at_once(votes: Votes, table: np.ndarray) -> Judge:
    """The same in one numpy line a round; ``table``, (n_members, n_samples, n_classes), holds what members add."""
    total = np.zeros(table.shape[1:], np.float32)

    def judge(order: list[int]) -> np.ndarray:
        if order:
            total[:] += table[order[-1]]
        return np.count_nonzero((total + table).argmax(axis=2) != votes.y_true, axis=1)

    return judge


def by_ballots(ballots: Ballots, candidates: int) -> Judge:
    """The same on ballots."""
    movers = np.arange(candidates)
    return lambda order: ballots.joined_errors(np.bincount(order, minlength=ballots.n_members), movers)


def grown(ballots: Ballots, loss: str, rounds: int) -> int:
    """Grow an ensemble by a loss, each member once; how many candidates were judged."""
    subset, alone, judged = np.zeros(ballots.n_members, bool), np.eye(ballots.n_members, dtype=bool), 0
    for _ in range(rounds):
        movers = np.flatnonzero(~subset)
        if loss == "errors":
            losses = ballots.neighbour_errors(subset, movers)
        else:
            losses = getattr(ballots, f"{loss}_losses")(subset ^ alone[movers], around=subset)
        subset[movers[losses.argmin()]] = True
        judged += len(movers)
    return judged


def drawn_problem(votes: Votes, rule: str) -> Problem:
    """The default objectives of a vote rule, probabilities as they are."""
    members = Members(tuple(f"m{i}" for i in range(votes.n_members)))
    return Problem(Pool(members, votes, name="drawn"), vote=voting.load(rule, {"temper": False}))


def evolved(problem: Problem, budget: int) -> tuple[float, int]:
    """Seconds and ensembles of a search by NSGA-II, ballots and products made before."""
    search = Evaluator(problem, Budget(budget))
    search.evaluate(np.eye(len(problem.pool), dtype=bool)[:1])
    start, before = time.perf_counter(), search.budget.n_evaluations
    with contextlib.suppress(SearchOver):
        NSGA2().select(search, np.random.default_rng(1))
    return time.perf_counter() - start, search.budget.n_evaluations - before


def timed(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Shortest of several runs, after one that compiles."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def small_pool(n_members: int, n_samples: int, n_classes: int) -> Sheet:
    """Time Caruana's selection by error, in three ways that must agree, and greedy selection by other losses."""
    votes = draw_scores(n_members, n_samples, n_classes)
    rows: list[list[Value]] = []
    for rule in LABEL_SHARES:
        ballots, table = ballots_of(votes, rule), np.stack([given(votes, rule, i) for i in range(n_members)])
        for_truth = table[:, np.arange(n_samples), votes.y_true]
        judges: dict[str, Callable[[], Judge]] = {
            "one by one as in AutoGluon": lambda table=table: one_by_one(  # type: ignore[misc]
                votes, table.__getitem__, n_members
            ),
            "numpy, a round at once": lambda table=table: all_at_once(votes, table),  # type: ignore[misc]
            "ballots": lambda ballots=ballots: by_ballots(ballots, n_members),  # type: ignore[misc]
        }
        ways: dict[str, Callable[[], object]] = {
            f"Caruana's, {name}": lambda judge=judge, for_truth=for_truth: caruana(judge(), for_truth, ROUNDS)  # type: ignore[misc]
            for name, judge in judges.items()
        }
        answers = [work() for work in ways.values()]
        if answers.count(answers[0]) < len(ways):
            sys.exit(f"the ways of selecting by {rule} votes choose other members or count other errors")
        for loss in ("errors", "smoothed", "spherical", "brier"):
            ways[f"greedy by {loss}, ballots"] = lambda ballots=ballots, loss=loss: grown(  # type: ignore[misc]
                ballots, loss, ROUNDS
            )
        seconds = {name: timed(work) for name, work in ways.items()}
        reference = next(iter(seconds.values()))
        rows += [[rule, name, took * 1e3, reference / took] for name, took in seconds.items()]
    return Sheet(
        f"Selection of {ROUNDS} of {n_members} members by soft and half votes, "
        f"{n_samples:,} samples, {n_classes} classes",
        {"vote": "", "how": "<", "milliseconds": ",.1f", "times AutoGluon's way": ",.1f"},
        rows,
    )


def large_pool(votes: Votes, rounds: int) -> list[list[Value]]:
    """Candidates judged per second, after the first rounds of both ways agreed on some candidates."""
    rows: list[list[Value]] = []
    few = 10
    for rule in LABEL_SHARES:
        start = time.perf_counter()
        ballots = ballots_of(votes, rule)
        rows.append([rule, "laid out", time.perf_counter() - start, None])
        samples = np.arange(votes.n_samples)
        for_truth = np.stack([given(votes, rule, j)[samples, votes.y_true] for j in range(few)])
        start = time.perf_counter()
        judge = one_by_one(votes, lambda member, rule=rule: given(votes, rule, member), few)  # type: ignore[misc]
        reference = caruana(judge, for_truth, 2)
        took = time.perf_counter() - start
        if caruana(by_ballots(ballots, few), for_truth, 2) != reference:
            sys.exit(f"ballots of {rule} votes choose other members or count other errors")
        rows.append([rule, "one by one as in AutoGluon", took, 2 * few / took])
        start = time.perf_counter()
        ballots.brier_losses(np.eye(votes.n_members, dtype=bool)[:1])
        rows.append([rule, "products of any two members, for the Brier score", time.perf_counter() - start, None])
        for loss in ("errors", "smoothed", "spherical", "brier"):
            start = time.perf_counter()
            judged = grown(ballots, loss, rounds)
            took = time.perf_counter() - start
            rows.append([rule, f"greedy by {loss}, ballots", took, judged / took])
        del ballots
        problem = drawn_problem(votes, rule)
        took, judged = evolved(problem, BUDGET)
        rows.append([rule, "NSGA-II by brier_score and n_members, the default", took, judged / took])
        problem = problem.with_objectives(["spherical_loss", "n_members"])  # and without the ballots of the other
        took, judged = evolved(problem, SMALL_BUDGET)
        rows.append([rule, "NSGA-II by spherical_loss and n_members", took, judged / took])
        del problem
    return rows


def search(options: argparse.Namespace, folder: Path) -> None:
    """Search the pool that lies in a folder; print the rows and the peak as JSON."""
    import resource

    grown(ballots_of(draw_scores(4, 64, 3), "half"), "errors", 2)  # compiles, and likewise the other losses
    for loss in ("smoothed", "spherical", "brier"):
        grown(ballots_of(draw_scores(4, 64, 3), "half"), loss, 2)
    evolved(drawn_problem(draw_scores(20, 64, 3), "half"), 3 * SMALL_BUDGET)
    labels, truth = np.load(folder / "labels.npy"), np.load(folder / "truth.npy")
    members = [np.load(folder / f"{i}.npy", mmap_mode="r") for i in range(options.members)]
    scores = Scores(members, truth, "search")
    rows = large_pool(Votes(labels, truth, options.classes, "search", lambda: scores), ROUNDS)
    unit = 1 if sys.platform == "darwin" else 1024
    print(json.dumps([rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6]))


def main() -> None:
    """Draw the pool, search it in a process of its own, and print a table."""
    parser = arguments(__doc__)
    parser.add_argument("--members", type=int, default=300)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--classes", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--search", metavar="FOLDER", type=Path, help="only search the pool in a folder")
    parser.add_argument("--draw", metavar="FOLDER", type=Path, help="only draw the pool")
    options = parser.parse_args()
    if options.search:
        search(options, options.search)
        return
    if options.draw:
        votes = draw_scores(options.members, options.samples, options.classes, options.draw)
        np.save(options.draw / "labels.npy", votes.y_pred)
        np.save(options.draw / "truth.npy", votes.y_true)
        return
    with Output(__doc__, options) as out, tempfile.TemporaryDirectory() as folder:
        # Each in another process: Linux includes the memory of a parent at its fork in the peak of the child.
        subprocess.run([sys.executable, *sys.argv, "--draw", folder], check=True)
        threads = {"NUMBA_NUM_THREADS": str(options.threads), "OPENBLAS_NUM_THREADS": str(options.threads)}
        said = subprocess.run(
            [sys.executable, *sys.argv, "--search", folder],
            env={**os.environ, **threads},
            capture_output=True,
            text=True,
            check=True,
        )
        rows, peak = json.loads(said.stdout)
        out.note(f"{options.threads} threads. Peak of the search: {peak:,.0f} MB.")
        title = f"{options.members:,} members, {options.samples:,} samples, {options.classes:,} classes"
        columns = {"vote": "", "how": "<", "seconds": ",.2f", "candidates per second": ",.0f"}
        out.show(Sheet(f"Selection of {ROUNDS}, {title}", columns, rows))
        out.show(small_pool(*SMALL_POOL))


if __name__ == "__main__":
    main()
