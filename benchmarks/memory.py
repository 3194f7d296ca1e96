"""Peak memory of a search among 1,000 members, 50,000 samples and 1,000 classes.

    python benchmarks/memory.py                   mistakes are mostly one of two similar classes
    python benchmarks/memory.py --any-class       mistakes may be any class: many rivals per sample, many bit planes

The file is read, greedy selection runs to the end, and NSGA-II runs for some seconds. The peak is the resident memory
that the system reports, including the interpreter and libraries.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from output import Output, Sheet, arguments
from votes import draw_votes

SEARCH = """
import resource, sys
from evo_ensyth import workspace
from evo_ensyth.selection.run import run
problem = workspace.load_problem(sys.argv[1])
found = run(problem, "nsga2", baselines=["forward_greedy"], seconds=float(sys.argv[2]))
unit = 1 if sys.platform == "darwin" else 1024
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
print(megabytes, "torch" in sys.modules, found.front.n_evaluations)
"""


def main() -> None:
    """Simulate a pool, search it, and print the peak."""
    parser = arguments(__doc__)
    parser.add_argument("--members", type=int, default=1_000)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--any-class", action="store_true")
    parser.add_argument("--draw", metavar="FILE", help="only draw the pool, and write it")
    options = parser.parse_args()
    if options.draw:
        draw(options)
        return
    with Output(__doc__, options) as out, tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "pool.npz")
        # Simulated in another process: Linux includes the memory of a parent at its fork in the peak of the child.
        subprocess.run([sys.executable, *sys.argv, "--draw", file], check=True)
        said = subprocess.run(
            [sys.executable, "-c", SEARCH, file, str(options.seconds)], capture_output=True, text=True, check=True
        )
        peak, torch, evaluations = said.stdout.split()
        mistakes = "any class" if options.any_class else "mostly one of two classes"
        columns = {"mistakes": "", "peak, MB": ",.0f", "ensembles judged": ",", "torch was imported": ""}
        title = f"{options.members:,} members, {options.samples:,} samples, {options.classes:,} classes"
        out.show(Sheet(title, columns, [[mistakes, float(peak), int(evaluations), torch]]))


def draw(options: argparse.Namespace) -> None:
    """Write the pool."""
    votes = draw_votes(options.members, options.samples, options.classes)
    labels = votes.y_pred
    if options.any_class:
        rng = np.random.default_rng(1)
        wrong = rng.integers(0, options.classes, labels.shape, dtype=labels.dtype)
        labels = np.where(labels == votes.y_true, labels, wrong)
    np.savez(options.draw, search_labels=labels, search_truth=votes.y_true)


if __name__ == "__main__":
    main()
