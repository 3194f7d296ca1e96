"""Time of a default search, per ensemble and end to end, against a one-hot matrix product with argmax.

    python benchmarks/whole_search.py [--rounds 3] [--threads 2]

What counts is the whole process, Python and all: the difference between two budgets, so that starting, loading and
writing do not. The matrix product counts the votes of as many ensembles as a user of an evolutionary framework would
judge at once. Both have the same number of threads and take turns: the search with the small budget, the search with
the large one, the product. Before a time is printed, the smoothed errors of the front that the search found must be
those of the votes that the product counts.
"""

import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from output import Output, Sheet, Value, arguments
from votes import draw_votes, one_hot

import evo_ensyth as ee
from evo_ensyth.pool import Votes

SHAPE = 36, 5_000, 10
BUDGETS = 20_000, 420_000
N_PRODUCTS = 160
COMMAND = ("-m", "evo_ensyth", "search", "--folds", "0", "--baseline", "single_best", "--quiet")
# Times the matrix product alone, in a process with its own number of threads.
PRODUCT = """
import sys, time
import numpy as np
from votes import draw_votes, matrix_product, one_hot
votes, subsets = draw_votes({shape}), np.load(sys.argv[1])
table = one_hot(votes)
matrix_product(votes, table, subsets[:32])
start = time.perf_counter()
matrix_product(votes, table, subsets)
print((time.perf_counter() - start) / len(subsets))
"""


def timed_search(file: Path, budget: int, folder: Path, threads: dict[str, str]) -> float:
    """Seconds of a process that searches the pool in a file."""
    start = time.perf_counter()
    command = [sys.executable, *COMMAND, str(file), "--budget", str(budget), "--out", str(folder)]
    subprocess.run(command, env={**os.environ, **threads}, check=True, capture_output=True)
    return time.perf_counter() - start


def timed_product(file: Path, threads: dict[str, str]) -> float:
    """Seconds per ensemble of the matrix product, in a process of its own."""
    script = PRODUCT.format(shape=", ".join(map(str, SHAPE)))
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    env = {**os.environ, **threads, "PYTHONPATH": path}
    said = subprocess.run(
        [sys.executable, "-c", script, str(file)], env=env, check=True, capture_output=True, text=True
    )
    return float(said.stdout)


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


def main() -> None:
    """Print the microseconds of both, and their ratio."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="*", default=[2, 1])
    options = parser.parse_args()
    votes, rng = draw_votes(*SHAPE), np.random.default_rng(1)
    n_more, rows = BUDGETS[1] - BUDGETS[0], list[list[Value]]()
    with Output(__doc__, options) as out, tempfile.TemporaryDirectory() as folder:
        pool, subsets = Path(folder) / "drawn.npz", Path(folder) / "subsets.npy"
        np.savez(pool, search_labels=votes.y_pred, search_truth=votes.y_true)
        np.save(subsets, rng.random((N_PRODUCTS, votes.n_members)) < 0.5)
        timed_search(pool, BUDGETS[0], Path(folder) / "first", {})  # compiles
        for n_threads in options.threads:
            threads = {f"{name}_NUM_THREADS": str(n_threads) for name in ("NUMBA", "OPENBLAS", "OMP", "MKL")}
            ours, product = [], []
            for i in range(options.rounds):
                small, large = (
                    timed_search(pool, budget, Path(folder) / f"{n_threads}_{i}_{budget}", threads)
                    for budget in BUDGETS
                )
                check(votes, ee.read_run(Path(folder) / f"{n_threads}_{i}_{BUDGETS[1]}").front)
                ours.append((large - small) / n_more)
                product.append(timed_product(subsets, threads))
            ratio = statistics.median(theirs / own for theirs, own in zip(product, ours, strict=True))
            rows.append([str(n_threads), min(product) * 1e6, min(ours) * 1e6, min(product) / min(ours), ratio])
        title = "{:,} members, {:,} samples, {:,} classes".format(*SHAPE)
        columns = {"threads": "", "matrix product, us": ",.0f", "search, us": ",.1f", "ratio of the fastest": ",.0f"}
        out.show(Sheet(title, {**columns, "median of the ratios": ",.0f"}, rows))


if __name__ == "__main__":
    main()
