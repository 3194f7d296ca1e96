"""Time from the start of Python until a new process judges its first ensembles.

    python benchmarks/startup.py [POOL.npz]

Without a file, a simulated pool of 36 members, 5,000 samples and 10 classes is used. The first process may have to
compile; the others count.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from output import Output, Sheet, Value, arguments
from votes import draw_votes

REPEATS = 5
COLUMNS = {"process": "", "by the clock": ".2f", "of the processor": ".2f"}
# Runs in the new process: prints the time when the first batch is judged, then stops.
SEARCH = """
import sys, time
from evo_ensyth import workspace
from evo_ensyth.selection import evaluator, run
class Watched(evaluator.Evaluator):
    def evaluate(self, subsets):
        values = super().evaluate(subsets)
        print(time.time(), time.process_time(), "torch" in sys.modules)
        sys.stdout.flush()
        raise SystemExit
run.Evaluator = Watched
problem = workspace.load_problem(sys.argv[1])
run.run(problem, "nsga2")
"""


def main() -> None:
    """Print the seconds of each process."""
    parser = arguments(__doc__)
    parser.add_argument("file", type=Path, nargs="?")
    options = parser.parse_args()
    rows: list[list[Value]] = []
    with Output(__doc__, options) as out, tempfile.TemporaryDirectory() as folder:
        file = options.file or Path(folder) / "drawn.npz"
        if options.file is None:
            votes = draw_votes(36, 10_000, 10)
            np.savez(file, labels=votes.y_pred, truth=votes.y_true)
        for repeat in range(REPEATS):
            start = time.time()
            said = subprocess.run([sys.executable, "-c", SEARCH, str(file)], capture_output=True, text=True, check=True)
            judged, processor, torch = said.stdout.split()
            if torch == "True":
                sys.exit("torch was imported")
            process = "first, which may have compiled" if repeat == 0 else f"{repeat + 1}"
            rows.append([process, float(judged) - start, float(processor)])
        out.show(Sheet("seconds until the first ensembles are judged", COLUMNS, rows))


if __name__ == "__main__":
    main()
