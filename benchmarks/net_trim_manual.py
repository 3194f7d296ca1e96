"""Repeat the example of Net-Trim's manual: a LeNet on MNIST at epsilon 0.15.

    python benchmarks/net_trim_manual.py            # an hour on two cores; resumes after an interruption
    python benchmarks/net_trim_manual.py --keep 1 --samples 5000    # a parent without dropout; a quarter of the images

Builds a pool of one member and one control in ``runs/net_trim_manual``. The parent is trained for 15 epochs, 8,250
steps (the authors' code: 8,001). Its copies are fine-tuned for 9 epochs, 4,950 steps of plain gradient descent at 0.01
(the authors first report 5,000). Net-Trim uses 20,000 images, which the manual calls plenty. 5,000 of the 60,000 images
are held out, as in the authors' split; all accuracies are on the 10,000 test images.
"""

from pathlib import Path

import numpy as np
from output import Output, Sheet, Value, arguments
from safetensors.numpy import load_file

from evo_ensyth.cli.progress import pool_progress
from evo_ensyth.io import read_pool
from evo_ensyth.io.pool_folder import read_member
from evo_ensyth.synthesis import FineTuning, MagnitudeControl, NetTrim, Recipe, Training, build_pool, default_workers

NAME = "net_trim_manual"
# Dense, pruned and fine-tuned accuracy, and the share of the dense layers' weights that are kept, in %.
MANUAL = (99.21, 98.48, 98.92, 6.8)


def recipe(keep: float, samples: int) -> Recipe:
    """The network and the epsilon of the manual, and magnitude pruning to the same non-zeros."""
    net_trim = NetTrim(epsilons=(0.15,))
    return Recipe(
        dataset="mnist",
        n_search=5_000,
        network="lenet",
        training=Training(epochs=15, keep=keep, bfloat16=True),
        compressors=(net_trim,),
        fine_tunings=(FineTuning(name="tuned", epochs=9, bfloat16=True),),
        n_calibration=samples,
        controls=(MagnitudeControl(of=net_trim),),
    )


def main() -> None:
    """Make the pool, and print the table."""
    parser = arguments(__doc__)
    parser.add_argument(
        "--keep", type=float, default=0.5, help="probability that dropout keeps an input, in the parent"
    )
    parser.add_argument("--samples", type=int, default=20_000, help="images that Net-Trim looks at")
    options = parser.parse_args()
    plan = recipe(options.keep, options.samples)
    folder = Path("runs") / NAME / f"keep-{options.keep:g}-samples-{options.samples}"
    with pool_progress(quiet=False) as progress:
        build_pool(plan, folder, problem=NAME, progress=progress, workers=default_workers(plan))
    dense = read_pool(folder).about["parent"]["accuracy"]["test"]
    rows: list[list[Value]] = [["the manual", *MANUAL]]
    for place, (planned,) in ((folder, plan.members()), (folder / "controls", plan.planned_controls())):
        member = read_member(place, planned.name)
        assert member is not None
        report = member["report"]
        accuracies = (dense, report["accuracy_before_fine_tuning"]["test"], report["accuracy"]["test"])
        weights = load_file(place / "members" / planned.name / "weights.safetensors")
        dense_layers = [weights[f"{layer}.weight"] for layer in ("fc1", "fc2")]
        kept = sum(np.count_nonzero(layer) for layer in dense_layers) / sum(layer.size for layer in dense_layers)
        rows.append([planned.variant, *(100 * float(value) for value in (*accuracies, kept))])
    columns = {"": "", **dict.fromkeys(("dense", "pruned", "fine-tuned", "kept"), ".2f")}
    title = "accuracy on the test images, and share of the dense layers' weights that are kept, %"
    with Output(__doc__, options) as out:
        out.show(Sheet(title, columns, rows))


if __name__ == "__main__":
    main()
