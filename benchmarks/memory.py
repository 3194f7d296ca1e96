"""Peak memory of a search among 1,000 members, 50,000 samples and 1,000 classes.

    python benchmarks/memory.py                   mistakes are mostly one of two similar classes
    python benchmarks/memory.py --any-class       mistakes may be any class: many rivals per sample, many bit planes
    python benchmarks/memory.py --samples 1000000 --test-samples 100000 --classes 100 --folds 2 --limit 4

The file is read, greedy selection runs to the end, and NSGA-II runs for some seconds. The peak is the resident memory
that the system reports, including the interpreter and libraries, and what is in use of files. With a limit, the system
refuses the search more memory of its own than so many GB.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from output import Output, Sheet, arguments
from votes import draw_votes

from evo_ensyth.pool.memory import folder_for_files
from evo_ensyth.selection.recommendation import FOLDS

PIECE = 50_000  # samples

SEARCH = """
import resource, sys
from evo_ensyth import workspace
from evo_ensyth.selection.run import run
if limit := int(float(sys.argv[4]) * 1e9):
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
problem = workspace.load_problem(sys.argv[1])
seconds, n_folds = float(sys.argv[2]), int(sys.argv[3])
found = run(problem, "nsga2", baselines=["forward_greedy"], seconds=seconds, n_folds=n_folds)
unit = 1 if sys.platform == "darwin" else 1024
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
print(megabytes, "torch" in sys.modules, found.front.n_evaluations)
"""


def main() -> None:
    """Simulate a pool, search it, and print the peak."""
    parser = arguments(__doc__)
    parser.add_argument("--members", type=int, default=1_000)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--test-samples", type=int, default=0)
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--folds", type=int, default=FOLDS, help="of the nested estimate of the error")
    parser.add_argument("--limit", type=float, default=0.0, help="GB; 0 for none")
    parser.add_argument("--any-class", action="store_true")
    parser.add_argument("--draw", metavar="FILE", help="only draw the pool, and write it")
    options = parser.parse_args()
    if options.draw:
        draw(options)
        return
    with Output(__doc__, options) as out, tempfile.TemporaryDirectory(dir=folder_for_files()) as folder:
        file = str(Path(folder) / "pool.npz")
        # Simulated in another process: Linux includes the memory of a parent at its fork in the peak of the child.
        subprocess.run([sys.executable, *sys.argv, "--draw", file], check=True)
        start = time.perf_counter()
        said = subprocess.run(
            [sys.executable, "-c", SEARCH, file, *map(str, (options.seconds, options.folds, options.limit))],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - start
        peak, torch, evaluations = said.stdout.split()
        mistakes = "any class" if options.any_class else "mostly one of two classes"
        columns = {
            "mistakes": "",
            "limit, GB": "",
            "peak, MB": ",.0f",
            "seconds": ",.0f",
            "ensembles judged": ",",
            "torch was imported": "",
        }
        title = f"{options.members:,} members, {options.samples:,} samples, {options.classes:,} classes"
        limit = f"{options.limit:g}" if options.limit else "none"
        out.show(Sheet(title, columns, [[mistakes, limit, float(peak), seconds, int(evaluations), torch]]))


def draw(options: argparse.Namespace) -> None:
    """Write the pool, drawn a piece at a time."""
    arrays = {}
    for split, n_samples in (("search", options.samples), ("test", options.test_samples)):
        if not n_samples:
            continue
        kind = np.uint8 if options.classes <= 256 else np.uint16
        shape = (options.members, n_samples)
        labels = np.lib.format.open_memmap(f"{options.draw}.{split}.npy", "w+", kind, shape)
        truth = np.empty(n_samples, kind)
        for start in range(0, n_samples, PIECE):
            piece = slice(start, min(start + PIECE, n_samples))
            seed = start // PIECE + (split == "test") * 10_000
            votes = draw_votes(options.members, piece.stop - start, options.classes, seed)
            labels[:, piece], truth[piece] = votes.y_pred, votes.y_true
            if options.any_class:
                rng = np.random.default_rng(seed + 1)
                wrong = rng.integers(0, options.classes, votes.y_pred.shape, dtype=kind)
                labels[:, piece] = np.where(votes.y_pred == votes.y_true, votes.y_pred, wrong)
        arrays |= {f"{split}_labels": labels, f"{split}_truth": truth}
    np.savez(options.draw, **arrays)


if __name__ == "__main__":
    main()
