"""Whether a change made a kernel slower: this checkout against another one.

    python benchmarks/before_after.py ../before
    python benchmarks/before_after.py ../before --rounds 40 --json

Both run side by side, each in a process of its own on one thread, and take turns: some milliseconds here, some there.
So a slow second of the machine meets both alike. What is measured is CPU time per call, after a first call that
compiles. The answers of both must agree, or there is no table. The first ratio is that of the fastest turns, the second
of the medians; above 1 this checkout is slower. Kernels of under a millisecond vary by some percent from run to run.
"""

import argparse
import hashlib
import importlib
import inspect
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np

POOLS = ((36, 5_000, 10), (200, 10_000, 10))
# CPU ns of a turn: short calls are repeated until it is over.
TURN = 5_000_000
# Where things are, and where they were in earlier versions: module, name.
BIT_PLANES = (("evo_ensyth.engine.bit_planes", "BitPlanes"), ("evo_ensyth.voting.planes", "Planes"))
BALLOTS = (("evo_ensyth.engine.ballots", "Ballots"),)
DIVERSITY = (("evo_ensyth.engine.diversity", "Diversity"), ("evo_ensyth.voting.diversity", "Diversity"))
VOTES = (("evo_ensyth.pool", "Votes"),)
SCORES = (("evo_ensyth.pool", "Scores"),)
MARGINS = (
    ("evo_ensyth.selection.exact.pairwise_margins", "PairwiseMargins"),
    ("evo_ensyth.voting.duels", "Tournament"),
)
SUBTREE = (("evo_ensyth.selection.exact.pairwise_margins", "Subtree"), ("evo_ensyth.voting.duels", "Prefix"))
OLD_KERNELS = "evo_ensyth.voting.kernels"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="another checkout")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each kernel in each checkout")
    parser.add_argument("--only", default="", help="kernels whose name contains this")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    here, other = start(Path(__file__).parents[1]), start(options.other.resolve())
    rows = []
    for name in sorted(set(ask(here, "")) & set(ask(other, ""))):
        if options.only not in name:
            continue
        answers = ask(here, name)[1], ask(other, name)[1]  # the first turn compiles
        if answers[0] != answers[1]:
            sys.exit(f"{name}: the two checkouts disagree")
        pairs = [(ask(other, name)[0], ask(here, name)[0]) for _ in range(options.rounds)]
        before, after = zip(*pairs, strict=True)
        row = {
            "kernel": name,
            "before_us": min(before) / 1e3,
            "after_us": min(after) / 1e3,
            "ratio": min(after) / min(before),
            "ratio_of_medians": statistics.median(after) / statistics.median(before),
        }
        rows.append(row)
        if not options.json:
            print(
                f"{name:45} {row['before_us']:12,.1f} {row['after_us']:12,.1f} us   "
                f"{row['ratio']:6.3f} {row['ratio_of_medians']:6.3f}",
                flush=True,
            )
    if options.json:
        print(json.dumps(rows, indent=1))


def start(checkout: Path) -> subprocess.Popen[str]:
    """Start a process that measures the kernels of a checkout when asked to."""
    return subprocess.Popen(
        [sys.executable, __file__, ".", "--serve"],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        cwd=checkout,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(process: "subprocess.Popen[str]", name: str) -> Any:
    """Have a kernel called for some time: CPU ns of one call, and a digest of its answer. Without a name: all names."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(name + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def serve() -> None:
    """Answer what `ask` asks."""
    sys.path.remove(str(Path(__file__).parent))
    known = {name: call for shape in POOLS for name, call in calls(*shape)}
    for line in sys.stdin:
        if not (name := line.strip()):
            print(json.dumps(list(known)), flush=True)
            continue
        begin, n_calls, spent = time.thread_time_ns(), 0, 0
        while spent < TURN:
            answer = known[name]()
            n_calls, spent = n_calls + 1, time.thread_time_ns() - begin
        digest = hashlib.sha256(np.ascontiguousarray(answer).tobytes()).hexdigest()
        print(json.dumps([spent / n_calls, digest]), flush=True)


def there(places: tuple[tuple[str, str], ...]) -> Any:
    """Whatever is there first of several modules and names; None without any of them."""
    for module, name in places:
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue
    return None


def first(places: tuple[tuple[str, str], ...]) -> Any:
    """Whatever is there first of several modules and names, one of which must be."""
    return there(places) or sys.exit(f"none of {places} is there")


def calls(n_members: int, n_samples: int, n_classes: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Kernels on a drawn pool, by name."""
    rng = np.random.default_rng(0)
    y_pred, y_true = drawn(rng, n_members, n_samples, n_classes)
    votes = first(VOTES)(y_pred, y_true, n_classes, "search")
    planes = first(BIT_PLANES).of(votes)
    few, many = (rng.random((256, n_members)) < share for share in (8 / n_members, 0.7))
    few[:, 0] = many[:, 0] = True
    subset, everybody = few[0].copy(), np.arange(n_members)
    multiset = rng.integers(0, 3, n_members)
    losses = lambda size: np.arange(2 * n_members + 1)[::-1] * size  # noqa: E731
    multiset_errors = getattr(planes, "multiset_errors", None) or planes.bag_errors
    by_shape = f"{n_members} x {n_samples:,}: "
    diversity = first(DIVERSITY)(y_pred, y_true, n_classes)
    yield by_shape + "lay out", lambda: first(BIT_PLANES).of(votes).words
    yield by_shape + "errors of 256 small subsets", lambda: planes.errors(few)
    yield by_shape + "errors of 256 large subsets", lambda: planes.errors(many)
    yield by_shape + "errors by class", lambda: planes.errors_by(y_true.astype(np.int64), n_classes, few)
    yield by_shape + "margins", lambda: planes.margin_counts(few)
    yield by_shape + "margin losses", lambda: planes.margin_losses(few, losses)
    yield by_shape + "neighbours", lambda: planes.neighbour_errors(subset)
    yield by_shape + "neighbours' losses", lambda: planes.neighbour_losses(subset, everybody, losses)
    yield by_shape + "swaps", lambda: planes.swap_errors(subset)
    yield by_shape + "a member joins a multiset", lambda: planes.joined_errors(multiset, everybody)
    yield by_shape + "multisets", lambda: multiset_errors(np.stack([multiset, multiset + 1]))
    yield by_shape + "sums over pairs", lambda: diversity.kohavi_wolpert(few)
    if n_members < 64:
        yield by_shape + "all pairs", lambda: first(DIVERSITY)(y_pred, y_true, n_classes).agreements
    predictions = np.empty((16, n_samples), votes_array(votes).dtype)
    fill = first((("evo_ensyth.engine.kernels.predictions", "fill_predictions"), (OLD_KERNELS, "winners")))
    some = (0, n_samples) if "first" in inspect.signature(getattr(fill, "py_func", fill)).parameters else ()
    rest = (votes_array(votes), few[:16], n_classes, *some, predictions)
    yield by_shape + "predictions", lambda: fill(*rest) or predictions
    if there(BALLOTS):  # not in earlier versions
        given = first(SCORES)(scores(rng, y_pred, n_classes), y_true, "search")
        votes = first(VOTES)(y_pred, y_true, n_classes, "search", lambda: given)
        ballots = first(BALLOTS).of(votes, np.full(n_members, 0.5), np.full(n_members, 0.5))
        around = subset ^ np.eye(n_members, dtype=bool)[subset.argmin() :]
        yield by_shape + "ballots: errors", lambda: ballots.errors(few)
        yield by_shape + "ballots: neighbours", lambda: ballots.neighbour_errors(subset)
        for loss in ("smoothed", "spherical", "brier"):
            losses_of = getattr(ballots, f"{loss}_losses")
            yield by_shape + f"ballots: {loss}", lambda of=losses_of: of(few[:64])
            yield by_shape + f"ballots: {loss}, neighbours", lambda of=losses_of: of(around, around=subset)
    yield by_shape + "Metropolis walk", lambda: walked(planes, subset.copy())
    margins = first(MARGINS)(votes)
    searched = first(SUBTREE)(0, 0, n_members - (20 if n_members < 64 else 40))
    limits = np.full(n_members + 1, n_samples + 1)
    yield by_shape + "branch and bound, 4 members", lambda: best(margins.search(searched, range(4, 5), limits))
    if n_members < 64:
        yield by_shape + "branch and bound, all sizes", lambda: best(margins.search(searched, range(1, 21), limits))
    yield from generation(by_shape, votes)


def generation(by_shape: str, votes: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The kernels of a generation of NSGA-II."""
    old = "evo_ensyth.search.kernels"
    breeding = "evo_ensyth.selection.selectors.evolutionary._breeding"
    survival = "evo_ensyth.selection.selectors.evolutionary._survival"
    kernel = {"breed": first(((breeding, "breed"), (old, "breed")))}
    kernel["add_gaps"] = first(((survival, "add_gaps"), (breeding, "add_gaps"), (old, "add_gaps")))
    covers = first((("evo_ensyth.selection.dominance", "not_covered"), (old, "not_covered")))
    n_members = votes.n_members
    n_words = -(-n_members // 64)
    spread = np.random.default_rng(1)
    population = spread.integers(0, 2**32, (100, n_words), dtype=np.uint64)
    population[:, -1] &= np.uint64((1 << ((n_members - 1) % 64 + 1)) - 1)
    ranks, crowding = spread.integers(0, 4, 100), spread.random(100)
    flips = np.array([1 << 62, 1 << 63, 3 << 62], np.uint64)

    def breed() -> np.ndarray:
        young, old = np.zeros((4096, 2), np.uint64), np.zeros((1024, 2), np.uint64)
        children = np.zeros((1000, n_words), np.uint64)
        rest = (population, ranks, crowding, np.uint64(2**63), flips, n_members, young, old, 10, children)
        kernel["breed"](np.array([7], np.uint64), np.arange(100), np.array([100]), *rest)
        return children

    front, values = spread.random((200, 2)), spread.random((4000, 2))

    def gaps() -> np.ndarray:
        distance = np.zeros(4000)
        column = values[:, 0]
        kernel["add_gaps"](column, np.zeros(4000, np.int64), np.argsort(column), distance)
        return distance

    yield by_shape + "breed 1,000", breed
    yield by_shape + "crowding of 4,000", gaps
    yield by_shape + "dominance of 4,000", lambda: covers(front, values)


def votes_array(votes: Any) -> np.ndarray:
    """What the members answer."""
    return votes.y_pred if hasattr(votes, "y_pred") else votes.labels


def walked(planes: Any, subset: np.ndarray) -> np.ndarray:
    """Where a walk of 200 steps ends."""
    n_members, chances = planes.n_members, np.random.default_rng(2).random(200)
    sizes = np.arange(n_members + 1)
    penalty = np.where((sizes > 0) & (sizes < 20), 0.0, np.inf)
    lowest = np.full(19, planes.n_samples + 1)
    reached = np.zeros((19, n_members), bool)
    walk = first(
        (("evo_ensyth.selection.selectors.evolutionary._metropolis_kernel", "metropolis_walk"), (OLD_KERNELS, "wander"))
    )
    laid_out = (planes.words, planes.ties, planes.leads, planes.first_slot, planes.closest, planes.lost)
    walk(*laid_out, planes.n_samples, subset, penalty, 0.002, chances, np.inf, lowest, reached)
    return np.concatenate([subset, reached.ravel(), lowest])


def best(found: Any) -> np.ndarray:
    """Errors and subsets that a search found, and what it counted."""
    rows = [np.append(best.subset, best.errors) for best in found.better]
    return np.concatenate([*rows, [found.judged, found.covered]])


def drawn(rng: np.random.Generator, n_members: int, n_samples: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Answers and truth: 70 to 78 % right, wrong ones mostly one of two classes that the sample looks like."""
    truth = rng.integers(0, n_classes, n_samples)
    looks_like = (truth[:, None] + rng.integers(1, n_classes, (n_samples, 3))) % n_classes
    ease = rng.normal(0.74, 0.35, n_samples) + rng.uniform(-0.04, 0.04, (n_members, 1))
    which = rng.choice(3, size=(n_members, n_samples), p=[0.75, 0.2, 0.05])
    wrong = np.take_along_axis(looks_like.T, which, axis=0)
    y_pred = np.where(rng.random((n_members, n_samples)) < ease, truth, wrong)
    return y_pred.astype(np.uint8), truth.astype(np.uint8)


def scores(rng: np.random.Generator, y_pred: np.ndarray, n_classes: int) -> np.ndarray:
    """Scores that are largest for what the members answer, as real networks give them."""
    values = rng.random((*y_pred.shape, n_classes), dtype=np.float32)
    np.put_along_axis(values, y_pred[:, :, None].astype(np.int64), np.float32(1.5), axis=2)
    return values / values.sum(axis=2, keepdims=True)


if __name__ == "__main__":
    main()
