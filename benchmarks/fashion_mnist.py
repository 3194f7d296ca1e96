"""Compare EnSyth's Fashion-MNIST pool with the published one: densities, accuracies before and after fine-tuning.

    python -m evo_ensyth pool build fashion_mnist    # minutes or hours, depending on the machine; resumes
    python benchmarks/fashion_mnist.py [POOL]        # prints two tables in Markdown

Published numbers: Alhalabi, Gaber, Basurra, "EnSyth", IEEE SMC 2019, Table II, set 1: non-zero parameters. The paper
counts convolutions as dense; the share of dense-layer parameters that are kept follows from that.
"""

import sys
from pathlib import Path
from typing import Any

from output import Output, Sheet, Value, arguments

from evo_ensyth.errors import EvoEnsythError
from evo_ensyth.files import read_json
from evo_ensyth.io import read_pool
from evo_ensyth.io.pool_folder import read_member

PUBLISHED = {
    0.01: 690_727, 0.02: 515_694, 0.04: 349_340, 0.06: 261_155, 0.08: 216_367, 0.1: 186_753,
    0.2: 124_971, 0.3: 103_398, 0.4: 89_496, 0.5: 81_341, 0.6: 73_196, 0.7: 67_678,
}  # fmt: skip
PUBLISHED_PARENT = 0.903
CONVOLUTIONS = 832 + 51_264
DENSE = 1_606_144 + 5_130


SIZES = {
    "epsilon": "g", "published": ",", "here": ",", "dense layers left, published": ".2%", "left, here": ".2%",
}  # fmt: skip
ACCURACIES = {
    "epsilon": "g",
    **dict.fromkeys(("pruned", "set 1", "set 2", "set 3", "magnitude, pruned", "magnitude, as set 1"), ".2f"),
}


def main() -> None:
    """Read a pool and print the tables."""
    parser = arguments(__doc__)
    parser.add_argument("pool", type=Path, nargs="?", default=Path("runs/fashion_mnist/pool"))
    options = parser.parse_args()
    try:
        stored = read_pool(options.pool)
    except EvoEnsythError as error:
        sys.exit(f"{error} Make it with: python -m evo_ensyth pool build fashion_mnist")
    members = {name: read_member(options.pool, name) for name in stored.pool.names}
    controls = [read_json(path) for path in sorted((options.pool / "controls" / "members").glob("*/member.json"))]
    parent = stored.about["parent"]
    sizes: list[list[Value]] = []
    for epsilon, published in PUBLISHED.items():
        member = next(m for m in members.values() if m and m["origin"]["epsilon"] == epsilon)
        here = sum(layer["costs"]["parameters"] for layer in member["layers"])
        left = sum(layer["costs"]["parameters"] for layer in member["layers"] if layer["name"].startswith("fc"))
        sizes.append([epsilon, published, here, (published - CONVOLUTIONS) / DENSE, left / DENSE])
    accuracies: list[list[Value]] = []
    for epsilon in PUBLISHED:
        same = [m for m in members.values() if m and m["origin"]["epsilon"] == epsilon]
        tuned = {m["origin"]["fine_tuning"]: m for m in same}
        control = next((c for c in controls if f"net_trim-{epsilon:g}-" in f"{c['name']}-"), None)
        of_control = [_before(control), _after(control)] if control else [None, None]
        accuracies.append(
            [epsilon, _before(same[0]), *(_after(tuned[name]) for name in ("set1", "set2", "set3")), *of_control]
        )
    with Output(__doc__, options) as out:
        out.note(
            f"Parent: {parent['accuracy']['test']:.2%} on the test images (published: {PUBLISHED_PARENT:.1%}), "
            f"{parent['parameters']:,} parameters that are not zero."
        )
        out.show(Sheet("Parameters that are not zero", SIZES, sizes))
        out.show(Sheet("Accuracy on the test images, %", ACCURACIES, accuracies))


def _before(member: dict[str, Any]) -> float:
    return 100 * float(member["report"]["accuracy_before_fine_tuning"]["test"])


def _after(member: dict[str, Any]) -> float:
    return 100 * float(member["report"]["accuracy"]["test"])


if __name__ == "__main__":
    main()
