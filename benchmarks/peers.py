"""Our selectors compared with what a user would write with other libraries, on the same pools.

    python benchmarks/peers.py                                       # all pools: a quarter of an hour
    python benchmarks/peers.py --pools drawn_36 --seconds 2          # one pool, a short run
    python benchmarks/peers.py --json peers.json --markdown peers.md

All tools minimise error and members on the same votes, on one thread, and must count the same errors for the same
subsets before a time is printed. pymoo and DEAP are set up as their documentation does for bit strings; the sequential
selectors of scikit-learn and mlxtend take members as features and a plurality vote as the model. Every subset that a
tool judged counts for its front, as it does here, even if the tool itself would return only one.

The other libraries run once each, until they have used both the evaluations and the seconds (or twice the seconds);
their two rows are cut from that run. Ours run twice, because a selector may plan by its budget. The layout of votes for
counting, and compilation, are not timed.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import contextlib
import importlib.util
import io
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from output import LEFT, Output, Sheet, Value, arguments
from votes import draw_votes, matrix_product, one_hot

from evo_ensyth.engine import BitPlanes
from evo_ensyth.pool import Members, Pool, Votes
from evo_ensyth.selection import selectors
from evo_ensyth.selection.archive import Archive
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.problem import Problem

REAL_POOLS = Path(__file__).resolve().parents[2] / "shared" / "pools"
DRAWN = {"drawn_36": (36, 5_000, 10), "drawn_200": (200, 10_000, 10)}
OURS = (
    "nsga2",
    "genetic",
    "pareto_ensemble_pruning",
    "forward_greedy",
    "backward_wrapper",
    "backward_elimination",
)
POPULATION = 100
CHECKED = 12  # subsets on which the errors of all ways are compared


@dataclass(frozen=True)
class Row:
    """Result of one tool on one pool when it reached a limit."""

    pool: str
    limit: str
    tool: str
    evaluations: int
    seconds: float
    per_second: float
    hypervolume: float
    best_error: float
    size_of_best: int
    cut_short: bool


class Over(KeyboardInterrupt):
    """Time is up. A KeyboardInterrupt, because scikit-learn treats ordinary errors as bad scores, and mlxtend stops."""


class Ledger:
    """Everything that a tool judged, and when; ends the tool at its limits."""

    def __init__(self, votes: Votes, evaluations: int, seconds: float) -> None:
        self.votes = votes
        self.spent = 0
        self._enough = evaluations, seconds
        self._batches: list[tuple[np.ndarray, np.ndarray]] = []
        self._times: list[float] = []
        self._start = time.perf_counter()

    def note(self, subsets: np.ndarray, errors: np.ndarray) -> None:
        """Record a batch: bool, (n, n_members), and its errors."""
        self.spent += len(subsets)
        elapsed = time.perf_counter() - self._start
        self._batches.append((np.packbits(subsets, axis=1), errors))
        self._times += [elapsed] * len(subsets)
        evaluations, seconds = self._enough
        if (self.spent >= evaluations and elapsed >= seconds) or elapsed >= 2 * seconds:
            raise Over

    def close(self) -> None:
        """Stop the clock."""
        self.elapsed = time.perf_counter() - self._start

    def row(
        self,
        problem: Problem,
        tool: str,
        limit: str,
        ended: bool,
        evaluations: float = np.inf,
        seconds: float = np.inf,
    ) -> Row:
        """Results after a number of evaluations or seconds; ``ended``: the tool ended by itself."""
        n = int(min(evaluations, np.searchsorted(self._times, seconds, side="right"), self.spent))
        n = max(n, 1)
        took = self.elapsed if ended and n == self.spent else self._times[n - 1]
        packed = np.concatenate([subsets for subsets, _ in self._batches])[:n]
        subsets = np.unpackbits(packed, axis=1, count=self.votes.n_members).astype(bool)
        errors = np.concatenate([errors for _, errors in self._batches])[:n]
        someone = subsets.any(axis=1)
        values = np.column_stack([errors / self.votes.n_samples, subsets.sum(axis=1)])[someone]
        archive = Archive(self.votes.n_members, problem.reference)
        archive.add(subsets[someone], values)
        return _row(problem, tool, limit, n, took, archive, not ended and n < evaluations < np.inf)


def _row(
    problem: Problem, tool: str, limit: str, spent: int, seconds: float, archive: Archive, cut_short: bool = False
) -> Row:
    volume = archive.hypervolume / float(np.prod(problem.reference))
    best = min(archive.values.tolist(), default=[float("nan"), 0.0])
    return Row(
        problem.name, limit, tool, spent, seconds, spent / seconds, volume, best[0], int(best[1]), cut_short
    )  # fmt: skip


# --- Counting errors, as one would with numpy -------------------------------------------------------------------------


def counter(votes: Votes) -> Callable[[np.ndarray], int]:
    """Errors of one subset by one `bincount`, as a user of a library of single individuals would write it."""
    coded = votes.y_pred + np.arange(votes.n_samples) * votes.n_classes
    n_bins = votes.n_samples * votes.n_classes

    def count(subset: np.ndarray) -> int:
        counts = np.bincount(coded[subset].ravel(), minlength=n_bins).reshape(votes.n_samples, votes.n_classes)
        return int(np.count_nonzero(counts.argmax(axis=1) != votes.y_true))

    return count


# --- Tools: each takes a ledger and runs until it ends -------------------------------------------------------------


def with_pymoo(ledger: Ledger) -> None:
    """NSGA-II on bit strings with pymoo's own operators; batches counted by a matrix product."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem as PymooProblem
    from pymoo.operators.crossover.pntx import TwoPointCrossover
    from pymoo.operators.mutation.bitflip import BitflipMutation
    from pymoo.operators.sampling.rnd import BinaryRandomSampling
    from pymoo.optimize import minimize

    votes, table = ledger.votes, _TABLES[id(ledger.votes)]

    class Choice(PymooProblem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_var=votes.n_members, n_obj=2, n_ieq_constr=1, xl=0, xu=1, vtype=bool)

        def _evaluate(self, X: np.ndarray, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            errors = matrix_product(votes, table, X)
            ledger.note(X.astype(bool), errors)
            sizes = X.sum(axis=1)
            out["F"] = np.column_stack([errors / votes.n_samples, sizes])
            out["G"] = 1 - sizes  # the empty subset is infeasible

    algorithm = NSGA2(
        pop_size=POPULATION,
        sampling=BinaryRandomSampling(),
        crossover=TwoPointCrossover(),
        mutation=BitflipMutation(),
        eliminate_duplicates=True,
    )
    # A copy of the algorithm would do no harm; a copy of the ledger would lose its records.
    minimize(Choice(), algorithm, ("n_gen", 10**9), seed=1, copy_algorithm=False)


def with_deap(ledger: Ledger) -> None:
    """(mu + lambda) with NSGA-II's selection on lists of bits; one individual after the other."""
    from deap import algorithms, base, creator, tools

    votes, count = ledger.votes, _COUNTERS[id(ledger.votes)]

    def judge(individual: list[int]) -> tuple[float, int]:
        subset = np.array(individual, bool)
        errors = count(subset) if subset.any() else votes.n_samples
        ledger.note(subset[None], np.array([errors]))
        # the empty subset is worse than every other
        return errors / votes.n_samples, int(subset.sum()) or votes.n_members + 1

    if not hasattr(creator, "Members"):
        creator.create("FewErrorsFewMembers", base.Fitness, weights=(-1.0, -1.0))
        creator.create("Members", list, fitness=creator.FewErrorsFewMembers)
    random.seed(1)
    toolbox = base.Toolbox()
    toolbox.register("bit", random.randint, 0, 1)
    toolbox.register("individual", tools.initRepeat, creator.Members, toolbox.bit, votes.n_members)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("evaluate", judge)
    toolbox.register("mate", tools.cxUniform, indpb=0.5)
    toolbox.register("mutate", tools.mutFlipBit, indpb=1 / votes.n_members)
    toolbox.register("select", tools.selNSGA2)
    algorithms.eaMuPlusLambda(
        toolbox.population(n=POPULATION),
        toolbox,
        mu=POPULATION,
        lambda_=POPULATION,
        cxpb=0.7,
        mutpb=0.2,
        ngen=10**9,
        verbose=False,
    )


def members_as_features(ledger: Ledger) -> tuple[Any, np.ndarray, np.ndarray]:
    """Estimator, X and y for sequential feature selection: columns are members, the model is their plurality vote.

    An entry of X holds the label and, in its higher digits, the member, so that the estimator knows its columns and the
    ledger the subset that was judged.
    """
    from sklearn.base import BaseEstimator, ClassifierMixin

    votes = ledger.votes
    X = (votes.y_pred + np.arange(votes.n_members)[:, None] * votes.n_classes).T
    offsets = np.arange(votes.n_samples)[:, None] * votes.n_classes
    n_bins = votes.n_samples * votes.n_classes

    class Plurality(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, X: np.ndarray, y: np.ndarray) -> "Plurality":
            self.classes_ = np.arange(votes.n_classes)  # nothing is learned, because members are trained already
            return self

        def predict(self, X: np.ndarray) -> np.ndarray:
            counts = np.bincount((X % votes.n_classes + offsets).ravel(), minlength=n_bins)
            answers = counts.reshape(votes.n_samples, votes.n_classes).argmax(axis=1)
            subset = np.zeros((1, votes.n_members), bool)
            subset[0, X[0] // votes.n_classes] = True
            ledger.note(subset, np.array([np.count_nonzero(answers != votes.y_true)]))
            return answers

    return Plurality(), X, votes.y_true.astype(np.int64)


def with_sklearn(direction: str) -> Callable[[Ledger], None]:
    """Sequential selection by scikit-learn, down to one or up to all but one."""

    def select(ledger: Ledger) -> None:
        from sklearn.feature_selection import SequentialFeatureSelector

        estimator, X, y = members_as_features(ledger)
        everything = np.arange(len(y))
        SequentialFeatureSelector(
            estimator,
            n_features_to_select=len(X.T) - 1 if direction == "forward" else 1,
            direction=direction,
            scoring="accuracy",
            cv=[(everything, everything)],
        ).fit(X, y)

    return select


def with_mlxtend(direction: str) -> Callable[[Ledger], None]:
    """Sequential selection by mlxtend, through all sizes, without cross-validation, because there is nothing to fit."""

    def select(ledger: Ledger) -> None:
        from mlxtend.feature_selection import SequentialFeatureSelector

        estimator, X, y = members_as_features(ledger)
        chooser = SequentialFeatureSelector(
            estimator, k_features=(1, len(X.T)), forward=direction == "forward", scoring="accuracy", cv=0
        )
        with contextlib.redirect_stderr(io.StringIO()):
            chooser.fit(X, y)
        if chooser.interrupted_:
            raise Over

    return select


def voters(votes: Votes, members: np.ndarray) -> list[Any]:
    """Trained classifiers that predict the labels of the pool; X holds sample numbers."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Member(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        def __init__(self, number: int = 0) -> None:
            self.number = number
            self.classes_ = np.arange(votes.n_classes)

        def fit(self, X: np.ndarray, y: np.ndarray) -> "Member":
            return self

        def predict(self, X: np.ndarray) -> np.ndarray:
            return votes.y_pred[self.number, X[:, 0]].astype(np.int64)

    return [Member(int(number)) for number in members]


def vote_with_sklearn(votes: Votes, subset: np.ndarray) -> int:
    """Errors of a subset by scikit-learn's hard vote of frozen classifiers."""
    from sklearn.ensemble import VotingClassifier
    from sklearn.frozen import FrozenEstimator

    members = voters(votes, np.flatnonzero(subset))
    ensemble = VotingClassifier([(str(i), FrozenEstimator(member)) for i, member in enumerate(members)])
    X, classes = np.arange(votes.n_samples)[:, None], np.arange(votes.n_classes)
    ensemble.fit(np.zeros((len(classes), 1), int), classes)
    return int(np.count_nonzero(ensemble.predict(X) != votes.y_true))


def vote_with_mlxtend(votes: Votes, subset: np.ndarray) -> int:
    """Errors of a subset by mlxtend's hard vote of trained classifiers."""
    from mlxtend.classifier import EnsembleVoteClassifier

    members = voters(votes, np.flatnonzero(subset))
    ensemble = EnsembleVoteClassifier(members, voting="hard", fit_base_estimators=False, use_clones=False)
    X, classes = np.arange(votes.n_samples)[:, None], np.arange(votes.n_classes)
    ensemble.fit(X[: len(classes)], classes)
    return int(np.count_nonzero(ensemble.predict(X) != votes.y_true))


def whole_pool(vote: Callable[[Votes, np.ndarray], int]) -> Callable[[Ledger], None]:
    """The whole pool votes, which is all that a vote without a selector can do."""

    def select(ledger: Ledger) -> None:
        all_members = np.ones((1, ledger.votes.n_members), bool)
        ledger.note(all_members, np.array([vote(ledger.votes, all_members[0])]))

    return select


PEERS: dict[str, tuple[str, Callable[[Ledger], None]]] = {
    "pymoo NSGA2": ("pymoo", with_pymoo),
    "DEAP eaMuPlusLambda, selNSGA2": ("deap", with_deap),
    "mlxtend sequential forward": ("mlxtend", with_mlxtend("forward")),
    "mlxtend sequential backward": ("mlxtend", with_mlxtend("backward")),
    "scikit-learn sequential forward": ("sklearn", with_sklearn("forward")),
    "scikit-learn sequential backward": ("sklearn", with_sklearn("backward")),
    "mlxtend EnsembleVoteClassifier": ("mlxtend", whole_pool(vote_with_mlxtend)),
    "scikit-learn VotingClassifier": ("sklearn", whole_pool(vote_with_sklearn)),
}

# The layout that each tool needs once per pool, outside the timed part.
_TABLES: dict[int, np.ndarray] = {}
_COUNTERS: dict[int, Callable[[np.ndarray], int]] = {}


# --- The comparison ---------------------------------------------------------------------------------------------------


def check(votes: Votes) -> int:
    """Count the errors of the same subsets in every way, and stop if they differ. Returns the number of ways."""
    rng = np.random.default_rng(2)
    subsets = rng.random((CHECKED, votes.n_members)) < rng.uniform(0.05, 0.95, (CHECKED, 1))
    subsets[~subsets.any(axis=1), 0] = True
    ways = {
        "bit planes": BitPlanes.of(votes).errors(subsets),
        "matrix product": matrix_product(votes, _TABLES[id(votes)], subsets),
        "bincount": np.array([_COUNTERS[id(votes)](subset) for subset in subsets]),
        "scikit-learn's vote": np.array([vote_with_sklearn(votes, subset) for subset in subsets[:2]]),
    }
    estimator, X, _ = members_as_features(Ledger(votes, 10**9, np.inf))
    answers = [estimator.predict(X[:, subset]) for subset in subsets]
    ways["members as features"] = np.array([np.count_nonzero(answer != votes.y_true) for answer in answers])
    if _installed("mlxtend"):
        ways["mlxtend's vote"] = np.array([vote_with_mlxtend(votes, subset) for subset in subsets[:2]])
    for name, errors in ways.items():
        if not np.array_equal(errors, ways["bit planes"][: len(errors)]):
            sys.exit(f"{name} counts other errors than the bit planes: {errors} and {ways['bit planes']}")
    return len(ways)


def run_ours(problem: Problem, name: str, limit: str, budget: int | None = None, seconds: float | None = None) -> Row:
    """Run one of our selectors within one limit."""
    evaluator = Evaluator(problem, Budget(budget, seconds))
    with contextlib.suppress(SearchOver):
        selectors.load(name).select(evaluator, np.random.default_rng(1))
    evaluator.budget.close()
    budget = evaluator.budget
    return _row(problem, f"evo_ensyth {name}", limit, budget.n_evaluations, budget.elapsed, evaluator.archive)


def run_peer(problem: Problem, tool: str, limits: tuple[str, str], evaluations: int, seconds: float) -> list[Row]:
    """Run a tool of another library once, and read its results at both limits."""
    ledger = Ledger(problem.search, evaluations, seconds)
    ended = True
    try:
        PEERS[tool][1](ledger)
    except Over:
        ended = False
    ledger.close()
    return [
        ledger.row(problem, tool, limits[0], ended, evaluations=evaluations),
        ledger.row(problem, tool, limits[1], ended, seconds=seconds),
    ]


def pools(wanted: list[str], folder: Path, out: Output) -> dict[str, Votes]:
    """Simulate or read the requested pools, or all of them."""
    paths = {path.stem: path for path in sorted(folder.glob("*.npz"))}
    if not paths:
        out.note("No pools of real predictions lie beside this checkout, in ../shared/pools: those are left out.")
    unknown = [name for name in wanted if name not in DRAWN and name not in paths]
    if unknown:
        sys.exit(f"no pool called {', '.join(unknown)}; there is {', '.join([*DRAWN, *paths])}")
    found = {}
    for name in wanted or [*DRAWN, *paths]:
        found[name] = draw_votes(*DRAWN[name]) if name in DRAWN else read_votes(paths[name])
    return found


def read_votes(path: Path) -> Votes:
    """Read the split of a real pool that selectors may look at."""
    with np.load(path, allow_pickle=False) as arrays:
        prefix = "search_" if "search_labels" in arrays else ""
        labels, truth = arrays[f"{prefix}labels"], arrays[f"{prefix}truth"]
    return Votes(labels, truth, int(max(labels.max(), truth.max())) + 1, "search")


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


COLUMNS = {
    "pool": "",
    "tool": LEFT,
    "evaluations": ",",
    "seconds": ".3g",
    "per second": ",.0f",
    "hypervolume": ".4f",
    "best error": ".2%",
    "members": "",
}


def values(row: Row) -> list[Value]:
    """One row of the table. A star marks a tool that had twice the seconds but not all evaluations."""
    evaluations = f"{row.evaluations:,}*" if row.cut_short else row.evaluations
    return [
        row.pool, row.tool, evaluations, row.seconds, row.per_second, row.hypervolume, row.best_error, row.size_of_best,
    ]  # fmt: skip


def main() -> None:
    """Compare, and print one table for each limit."""
    options = arguments(__doc__)
    options.add_argument("--evaluations", type=int, default=20_000, help="of each tool in the first table")
    options.add_argument("--seconds", type=float, default=10.0, help="of each tool in the second table")
    options.add_argument("--pools", nargs="*", default=[], metavar="POOL", help="by default all")
    options.add_argument("--real", type=Path, default=REAL_POOLS, metavar="FOLDER", help="of .npz files of predictions")
    options.add_argument("--tools", nargs="*", default=[], metavar="TOOL", help="those with such a word in their name")
    asked = options.parse_args()
    limits = f"{asked.evaluations:,} evaluations", f"{asked.seconds:g} seconds"
    with Output(__doc__, asked) as out:
        compare(out, asked, limits)


def compare(out: Output, asked: argparse.Namespace, limits: tuple[str, str]) -> None:
    """Run every tool on every pool within both limits."""
    wanted = [
        tool for tool in (*(f"evo_ensyth {name}" for name in OURS), *PEERS)
        if not asked.tools or any(word.lower() in tool.lower() for word in asked.tools)
    ]  # fmt: skip
    for module in sorted({PEERS[tool][0] for tool in wanted if tool in PEERS}):
        if not _installed(module):
            out.note(f"{module} is not installed: left out. It comes with pip install 'evo-ensyth[peers]'.")
            wanted = [tool for tool in wanted if tool not in PEERS or PEERS[tool][0] != module]
    warm_up(wanted)

    rows: list[Row] = []
    for name, votes in pools(asked.pools, asked.real, out).items():
        members = Members(tuple(f"m{i}" for i in range(votes.n_members)), costs={})
        problem = Problem(Pool(members, votes, name=name))
        _TABLES[id(votes)], _COUNTERS[id(votes)] = one_hot(votes), counter(votes)
        shape = f"{votes.n_members} members, {votes.n_samples:,} samples, {votes.n_classes} classes"
        out.note(f"{name}: {shape}; {check(votes)} ways of counting agree.")
        problem.reference  # noqa: B018 - lays out the votes, outside the timed part
        for tool in wanted:
            if tool in PEERS:
                rows += run_peer(problem, tool, limits, asked.evaluations, asked.seconds)
            else:
                own = tool.split()[1]
                rows.append(run_ours(problem, own, limits[0], budget=asked.evaluations))
                rows.append(run_ours(problem, own, limits[1], seconds=asked.seconds))
        del _TABLES[id(votes)], _COUNTERS[id(votes)]

    for limit in limits:
        title = f"{limit}; hypervolume as a share of the reference box; * stopped: too slow for the limit"
        out.show(Sheet(title, COLUMNS, [values(row) for row in rows if row.limit == limit]))


def warm_up(tools: list[str]) -> None:
    """Import and compile everything once, outside the timed part."""
    votes = draw_votes(18, 200, 3)
    members = Members(tuple(f"m{i}" for i in range(votes.n_members)), costs={})
    problem = Problem(Pool(members, votes))
    _TABLES[id(votes)], _COUNTERS[id(votes)] = one_hot(votes), counter(votes)
    for tool in tools:
        if tool in PEERS:
            run_peer(problem, tool, ("", ""), 300, 0.05)
        else:
            run_ours(problem, tool.split()[1], "", budget=1_000)
    del _TABLES[id(votes)], _COUNTERS[id(votes)]


if __name__ == "__main__":
    main()
