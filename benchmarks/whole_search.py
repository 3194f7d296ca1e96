"""Time of a default search, per ensemble and end to end, against a one-hot matrix product with argmax.

    python benchmarks/whole_search.py [--rounds 5] [--threads 2 1] [--only product | ties]

What counts is the whole process, Python and all: the difference between two budgets, so that starting, loading and
writing do not. A search whose front stands still may end before its budget; what it evaluated counts. The product
judges sixteen ensembles at a time. Both have the same number of threads and take turns: the search with the small
budget, the search with the large one, the product. The fastest of each counts. On a busy machine the time of the
processors says more than the clock. Before a time is printed, the smoothed errors of the front that the search found
must be those of the votes that the product counts.

Then the same pool with probabilities, by what breaks ties: the default search, which is guided by the smoothed error,
and one for the error itself, with a limit that excludes nothing, so that no sizes are proven. Times are those of the
processors, also of the product, which counts with ties to the lowest class; errors of the fronts must be those of the
predictions.
"""

import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from output import Output, Sheet, Value, arguments
from votes import BREAKERS, draw_votes, one_hot, with_scores

import evo_ensyth as ee
from evo_ensyth import voting
from evo_ensyth.pool import Votes

SHAPE = 36, 5_000, 10
BUDGETS = 20_000, 420_000
N_PRODUCTS = 160
UNTIL_THE_END = ("--patience", "0", "--at-most", f"n_members={SHAPE[0]}")  # and nothing is proven
COMMAND = ("-m", "evo_ensyth", "search", "--folds", "0", "--baseline", "single_best", "--quiet")
# Times the matrix product alone, in a process with its own number of threads: by the clock, and of the processors.
PRODUCT = f"""
import sys, time
import numpy as np
from votes import draw_votes, matrix_product, one_hot
votes, subsets = draw_votes{SHAPE}, np.load(sys.argv[1])
table = one_hot(votes)
matrix_product(votes, table, subsets[:32])
start, spent = time.perf_counter(), time.process_time()
matrix_product(votes, table, subsets)
print((time.perf_counter() - start) / len(subsets), (time.process_time() - spent) / len(subsets))
"""


def timed(command: list[str], threads: dict[str, str]) -> tuple[np.ndarray, str]:
    """Seconds of a process by the clock and of the processors, and what it printed."""
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    env = {**os.environ, **threads, "PYTHONPATH": path}
    said = subprocess.run([sys.executable, *command], env=env, check=True, capture_output=True, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return np.array([time.perf_counter() - start, spent]), said


def timed_search(pool: Path, budget: int, threads: dict[str, str], *options: str) -> tuple[np.ndarray, ee.Front]:
    """Seconds of a search, as of `timed`, and the front that it found."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*COMMAND, *options, str(pool), "--budget", str(budget), "--out", f"{folder}/run"]
        seconds, _ = timed(command, threads)
        return seconds, ee.read_run(Path(folder) / "run").front


def check(votes: Votes, front: ee.Front) -> None:
    """Exit unless the front's smoothed errors are those of votes counted by the matrix product."""
    table, samples = one_hot(votes), np.arange(votes.n_samples)
    for ensemble in front:
        subset = np.isin(np.arange(votes.n_members), ensemble.indices)
        counts = (subset.astype(np.float32) @ table).reshape(votes.n_samples, votes.n_classes)
        of_truth = counts[samples, votes.y_true]
        counts[samples, votes.y_true] = -1
        margins = of_truth - counts.max(axis=1)
        smoothed = np.mean([math.erfc(margin / math.sqrt(2 * subset.sum())) / 2 for margin in margins.tolist()])
        if abs(ensemble.search["smoothed_error"] - smoothed) > 2**-20:
            sys.exit(f"the search and the matrix product judge {ensemble.members} differently")


def timed_product(folder: str, threads: dict[str, str]) -> np.ndarray:
    """Seconds of the matrix product for each of some drawn subsets, by the clock and of the processors."""
    subsets = Path(folder) / "subsets.npy"
    np.save(subsets, np.random.default_rng(1).random((N_PRODUCTS, SHAPE[0])) < 0.5)
    said = timed(["-c", PRODUCT, str(subsets)], threads)[1]
    return np.array([float(number) for number in said.split()])


def against_product(n_rounds: int, all_threads: list[int]) -> Sheet:
    """Microseconds of the search and of the product, and their ratio."""
    votes = draw_votes(*SHAPE)
    rows: list[list[Value]] = []
    with tempfile.TemporaryDirectory() as folder:
        pool = Path(folder) / "drawn.npz"
        np.savez(pool, search_labels=votes.y_pred, search_truth=votes.y_true)
        timed_search(pool, BUDGETS[0], {})  # compiles
        for n_threads in all_threads:
            threads = numbers_of_threads(n_threads)
            small, large, product = (np.full(2, np.inf) for _ in range(3))
            for _ in range(n_rounds):
                seconds, first = timed_search(pool, BUDGETS[0], threads)
                small = np.minimum(small, seconds)
                seconds, front = timed_search(pool, BUDGETS[1], threads)
                large = np.minimum(large, seconds)
                product = np.minimum(product, timed_product(folder, threads))
            check(votes, front)
            ours = (large - small) / (front.n_evaluations - first.n_evaluations)
            for by, theirs, own in zip(("the clock", "processors"), product.tolist(), ours.tolist(), strict=True):
                rows.append([str(n_threads), by, theirs * 1e6, own * 1e6, theirs / own])
    columns = {"threads": "", "by": "<", "matrix product, us": ",.0f", "search, us": ",.1f", "ratio": ",.0f"}
    return Sheet("{:,} members, {:,} samples, {:,} classes".format(*SHAPE), columns, rows)


def by_ties(n_rounds: int) -> Sheet:
    """Microseconds of a search by what breaks ties, beside ties to the lowest class and beside the matrix product."""
    votes = with_scores(draw_votes(*SHAPE))
    assert votes.scores is not None
    threads, rows = numbers_of_threads(1), list[list[Value]]()
    with tempfile.TemporaryDirectory() as folder:
        pool = Path(folder) / "drawn.npz"
        np.savez(pool, search_scores=np.array(votes.scores.members), search_truth=votes.y_true)
        for goal in ("smoothed_error", "error"):
            best = {(name, budget): np.inf for name in BREAKERS for budget in BUDGETS}
            n_evaluations, us, product = dict[tuple[str, int], int](), dict[str, float](), np.inf
            for _ in range(n_rounds):
                for name, budget in best:
                    options = ("--objectives", f"{goal},n_members", "--ties", name, *UNTIL_THE_END)
                    (_, seconds), front = timed_search(pool, budget, threads, *options)
                    best[name, budget] = min(best[name, budget], seconds)
                    n_evaluations[name, budget] = front.n_evaluations
                    check_errors(votes, name, front)
                product = min(product, float(timed_product(folder, threads)[1]) * 1e6)
            for name in BREAKERS:
                took, judged = ([of[name, budget] for budget in BUDGETS] for of in (best, n_evaluations))
                us[name] = (took[1] - took[0]) / (judged[1] - judged[0]) * 1e6
                rows.append([f"{goal}, n_members", name, us[name], us[name] / us["lowest"], product / us[name]])
    columns = {"objectives": "<", "ties": "<", "search, us": ",.1f", "times lowest": ".2f", "product, times": ",.0f"}
    title = "Searches by what breaks ties, {:,} members, {:,} samples, {:,} classes, 1 thread".format(*SHAPE)
    return Sheet(title, columns, rows)


def check_errors(votes: Votes, ties: str, front: ee.Front) -> None:
    """Exit unless the errors of a front are those of what its ensembles predict."""
    tally = voting.fit(voting.load("plurality", {"ties": ties}), votes).tally(votes)
    subsets = np.array([np.isin(np.arange(votes.n_members), ensemble.indices) for ensemble in front])
    errors = np.count_nonzero(tally.predictions(subsets) != votes.y_true, axis=1)
    if errors.tolist() != [ensemble.search_errors for ensemble in front]:
        sys.exit(f"ties by {ties}: errors are not those of the predictions")


def numbers_of_threads(n: int) -> dict[str, str]:
    """Environment of a process with so many threads."""
    return {f"{name}_NUM_THREADS": str(n) for name in ("NUMBA", "OPENBLAS", "OMP", "MKL")}


def main() -> None:
    """Print the time against the product, and by what breaks ties."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="*", default=[2, 1])
    parser.add_argument("--only", choices=("product", "ties"))
    options = parser.parse_args()
    with Output(__doc__, options) as out:
        if options.only != "ties":
            out.show(against_product(options.rounds, options.threads))
        if options.only != "product":
            out.show(by_ties(options.rounds))


if __name__ == "__main__":
    main()
