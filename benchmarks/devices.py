"""Time what builds pools on a device: epochs, Net-Trim on a large layer, and pools from end to end.

::

    python benchmarks/devices.py epochs                    LeNet and the CIFAR network, step by step and as a CUDA graph
    python benchmarks/devices.py net_trim                  LeNet's 3136 -> 512 layer on Fashion-MNIST, all 12 epsilons
    python benchmarks/devices.py frozen                    EnSyth's 36 members behind one frozen trunk, Fashion-MNIST
    python benchmarks/devices.py frozen --stack 12         the same with their dense layers trained in stacks
    python benchmarks/devices.py frozen --problem digits   36 members of a small network
    python benchmarks/devices.py mixed --workers 4         the 141 members of fashion_mnist_mixed
    python benchmarks/devices.py epochs --device cpu --threads 2 --images 11000

Images of the epochs are drawn, since what they show costs no time. On the CPU, epochs and pools without workers are
given in seconds of processor time, of all threads together, since other programs may run. Pools are built in a
temporary folder, and without workers say how long each kind of work took.
"""

import os
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from net_trim import DATA, first_dense_layer
from output import Output, Sheet, Value, arguments

from evo_ensyth.io import read_pool
from evo_ensyth.synthesis import NetTrim, Recipe, build_pool, networks
from evo_ensyth.synthesis.compression._admm import LayerSolver
from evo_ensyth.synthesis.compression._convex_program import judge, relu_program
from evo_ensyth.synthesis.compression._layer_walk import default_tolerance
from evo_ensyth.synthesis.compression.net_trim import EPSILONS
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.descent import train
from evo_ensyth.synthesis.devices import CPU, describe_device, find_devices
from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.reproducibility import reproducible
from evo_ensyth.synthesis.training import Training
from evo_ensyth.workspace import problem_module

SHAPES = {"lenet": (1, 28, 28), "cifar": (3, 32, 32)}
EPOCHS = 3
PAUSE = 10  # seconds between two lines on how far a build is
IMAGES = {"lenet": 55_000, "cifar": 45_000}


def main() -> None:
    """Print the device, then the table asked for."""
    parts: dict[str, Callable[..., None]] = {
        "epochs": time_epochs, "net_trim": time_net_trim, "frozen": build_frozen, "mixed": build_mixed,
    }  # fmt: skip
    parser = arguments(__doc__)
    parser.add_argument("part", choices=parts)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes that build a pool, 0 for this one")
    parser.add_argument("--images", type=int, help="in an epoch; by default 55,000 and 45,000")
    parser.add_argument("--problem", default="fashion_mnist", help="whose members stand behind one frozen trunk")
    parser.add_argument("--stack", type=int, default=1, help="members behind a frozen trunk that are trained together")
    options = parser.parse_args()
    if "EVO_ENSYTH_DATA" not in os.environ and DATA.exists():
        os.environ["EVO_ENSYTH_DATA"] = str(DATA)
    device = find_devices(options.device)[0]
    with Output(__doc__, options) as out, reproducible(options.threads, device):
        out.note(", ".join(f"{name} {value}" for name, value in describe_device(device).items()))
        parts[options.part](out, device, options)


def time_epochs(out: Output, device: torch.device, options: Namespace) -> None:
    """Seconds of an epoch after the first, of both networks."""
    rows: list[list[Value]] = []
    for name, shape in SHAPES.items():
        n_images = options.images or IMAGES[name]
        data = drawn(n_images, shape)
        for graph in (False, True) if device != CPU else (False,):
            for bfloat16 in (False, True):
                way = "CUDA graph" if graph else "step by step"
                network = networks.build(name, 10, seed=0)
                seconds = epoch_seconds(network, data, device, graph=graph, bfloat16=bfloat16)
                rows.append([name, n_images, way, "bfloat16" if bfloat16 else "float32", seconds])
                out.note(f"{name}, {way}, {rows[-1][3]}: {seconds:.3f} s")
    columns = {"network": "<", "images": ",", "steps": "<", "layers in": "<", "s an epoch": ".3f"}
    out.show(Sheet("an epoch of Adam with dropout, batch 100", columns, rows))


def drawn(n_images: int, shape: tuple[int, ...]) -> Split:
    """Images and labels drawn at random."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n_images, *shape), dtype=np.uint8)
    return Split(images, rng.integers(0, 10, n_images).astype(np.uint8))


def clock(device: torch.device) -> float:
    """Seconds of processor time; on a card seconds, once it has done its work."""
    if device == CPU:
        return time.process_time()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def epoch_seconds(
    network: Network, data: Split, device: torch.device, *, graph: bool = True, bfloat16: bool = False
) -> float:
    """Seconds of the quickest epoch but the first, which captures and warms up."""
    settings = Training(epochs=EPOCHS, keep=0.5, bfloat16=bfloat16)
    ends: list[float] = []

    def note_end(_: object) -> bool:
        ends.append(clock(device))
        return False

    train(network, data, settings, seed=0, device=device, graph=graph, stop=note_end)
    return float(np.diff(ends).min())


def time_net_trim(out: Output, device: torch.device, options: Namespace) -> None:
    """Every epsilon at 5,000 and, on a card, at 20,000 samples; the optimum is certified."""
    rows: list[list[Value]] = []
    sizes = (5_000,) if device == CPU else (5_000, 20_000)
    inputs, weights = (part.to(device) for part in first_dense_layer(max(sizes), None, device))
    for n_samples in sizes:
        begin = time.perf_counter()
        program = relu_program(inputs[:n_samples], weights)
        solver, state, gaps, iterations = LayerSolver(program, weights), None, [], 0
        for epsilon in EPSILONS:
            radius = epsilon * program.norm_on_active(program.targets)
            limit, tolerance = NetTrim().max_iterations, default_tolerance(program)
            solution = solver.solve(radius, state, tolerance=tolerance, max_iterations=limit)
            state, iterations = solution.state, iterations + solution.iterations
            assert solution.converged, f"epsilon {epsilon} is not within the tolerance"
            assert judge(program, solution.weights, radius).ball < 1 + tolerance
            gaps.append(solution.certificate.gap)
        rows.append([n_samples, iterations, time.perf_counter() - begin, max(gaps)])
        out.note(f"{n_samples} samples: {rows[-1][2]:.2f} s")
    columns = {"samples": ",", "iterations": ",", "s": ".2f", "largest gap": ".2%"}
    out.show(Sheet("3136 -> 512, 12 epsilons, preparation included", columns, rows))


def build_frozen(out: Output, device: torch.device, options: Namespace) -> None:
    """EnSyth's recipe with every fine-tuning behind the parent's convolutions."""
    recipe: Recipe = problem_module(options.problem).recipe()
    frozen = tuple(replace(tuning, convolutions=False, stack=options.stack) for tuning in recipe.fine_tunings)
    _build(out, device, options, "frozen", replace(recipe, fine_tunings=frozen, controls=()))


def build_mixed(out: Output, device: torch.device, options: Namespace) -> None:
    """The recipe of ``fashion_mnist_mixed`` as it is."""
    _build(out, device, options, "mixed", problem_module("fashion_mnist_mixed").recipe())


def _build(out: Output, device: torch.device, options: Namespace, name: str, recipe: Recipe) -> None:
    spent: Counter[str] = Counter()
    now = time.perf_counter if options.workers else partial(clock, device)
    last = [now(), "the beginning"]

    def progress(done: int, total: int, text: str) -> None:
        moment = now()
        spent[str(last[1])] += moment - float(last[0])
        if moment - begin > PAUSE * len(told):
            told.append(text)
            out.note(f"{moment - begin:.0f} s: {done} of {total}, {text}")
        last[:] = moment, text.partition(",")[0]

    told: list[str] = []
    begin = now()
    with TemporaryDirectory() as folder:
        build_pool(
            recipe, Path(folder) / name, problem=name, progress=progress, device=str(device),
            workers=options.workers, without_failed=True,
        )  # fmt: skip
        seconds = now() - begin
        stored = read_pool(Path(folder) / name)
        errors = stored.pool.splits["test"].member_errors / stored.pool.splits["test"].n_samples
        for what, reason in stored.about.get("failed", {}).items():
            out.note(f"failed: {what}: {reason}")
        parent = 1 - stored.about["parent"]["accuracy"]["test"]
        folder_bytes = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    columns = {"pool": "<", "members": ",", "workers": ",", "s": ".1f", "test error of the parent": ".2%",
               "lowest": ".2%", "median": ".2%", "MB": ",.0f"}  # fmt: skip
    row: list[Value] = [name, len(stored.pool), options.workers, seconds, parent, float(errors.min())]
    row += [float(np.median(errors)), folder_bytes / 1e6]
    out.show(Sheet("a pool from the recipe to the manifest", columns, [row]))
    if not options.workers:
        most = [[what, took] for what, took in spent.most_common(40)]
        out.show(Sheet("where the time went", {"what": "<", "s": ".2f"}, most))


if __name__ == "__main__":
    main()
