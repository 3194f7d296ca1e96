"""Compare our Net-Trim solver with an interior-point method, and time all epsilons of a real layer.

::

    python benchmarks/net_trim.py                            agreement and time against cvxpy, on growing layers
    python benchmarks/net_trim.py --layer                    LeNet's 3136 -> 512 layer on Fashion-MNIST, all 12 epsilons
    python benchmarks/net_trim.py --layer --samples 5000 10000 20000
"""

import os
import time
from pathlib import Path

import torch
from output import Output, Sheet, Value, arguments
from safetensors.torch import load_file, save_file

from evo_ensyth.synthesis import datasets, networks
from evo_ensyth.synthesis.compression._admm import LayerSolver
from evo_ensyth.synthesis.compression._convex_program import judge, relu_program, solve_with_cvxpy
from evo_ensyth.synthesis.compression._layer_walk import default_tolerance
from evo_ensyth.synthesis.compression.net_trim import EPSILONS, NetTrim
from evo_ensyth.synthesis.descent import train
from evo_ensyth.synthesis.devices import CPU
from evo_ensyth.synthesis.training import Training

SIZES = ((20, 10, 200), (50, 20, 400), (100, 40, 600), (150, 60, 800), (200, 80, 1000))  # inputs, neurons, samples
GAIN = 0.1
DIGITS = 1e-4
ENOUGH_SECONDS = 60.0
ALLOWED_SECONDS = 600.0
DATA = Path(__file__).parents[2] / "shared" / "data"


def main() -> None:
    """Print machine and versions, then the tables asked for."""
    parser = arguments(__doc__)
    parser.add_argument("--layer", action="store_true", help="the 3136 -> 512 layer instead of the comparison")
    parser.add_argument("--samples", type=int, nargs="+", default=[5000])
    parser.add_argument("--epsilons", type=float, nargs="+", default=list(EPSILONS))
    parser.add_argument("--tolerance", type=float, help="by default what Net-Trim takes")
    parser.add_argument("--cache", type=Path, help="folder to keep the trained layer's inputs in, for another time")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with Output(__doc__, options) as out:
        out.note(f"torch in {options.threads} threads")
        if options.layer:
            measure_layer(out, options.samples, options.epsilons, options.tolerance, options.cache)
        else:
            compare_with_cvxpy(out)


def compare_with_cvxpy(out: Output) -> None:
    """Both solvers on the same random layers, until the reference takes a minute."""
    rows: list[list[Value]] = []
    for n_inputs, n_neurons, n_samples in SIZES:
        rng = torch.Generator().manual_seed(0)
        inputs = torch.randn(n_samples, n_inputs, generator=rng, dtype=torch.float64).clamp(min=0)
        inputs = torch.cat([inputs, inputs.new_ones(n_samples, 1)], dim=1)
        weights = torch.randn(n_inputs + 1, n_neurons, generator=rng, dtype=torch.float64) / n_inputs**0.5
        program = relu_program(inputs, weights)
        assert default_tolerance(program) == DIGITS
        radius = GAIN * program.norm_on_active(program.targets)

        started = time.perf_counter()
        solver = LayerSolver(program, weights)
        solution = solver.solve(radius, tolerance=default_tolerance(program), max_iterations=NetTrim().max_iterations)
        ours = time.perf_counter() - started

        started = time.perf_counter()
        expected = judge(program, solve_with_cvxpy(program, radius), radius).objective
        reference = time.perf_counter() - started

        quality = judge(program, solution.weights, radius)
        difference = quality.objective / expected - 1
        assert abs(difference) < DIGITS, f"objectives differ by {difference:.1e}"
        assert quality.ball < 1 + DIGITS, f"the ball is left: {quality.ball:.6f}"
        sizes = f"{n_inputs} -> {n_neurons}", n_samples
        rows.append([*sizes, reference, ours, reference / ours, expected, difference])
        if reference > ENOUGH_SECONDS:
            break
    columns = {
        "layer": "",
        "samples": ",",
        "cvxpy, s": ".2f",
        "ours, s": ".3f",
        "ratio": ".0f",
        "objective": ".4f",
        "difference": ".1e",
    }
    out.show(Sheet(f"epsilon {GAIN}; ours at tolerance {DIGITS:g}, float32, preparation included", columns, rows))


def measure_layer(
    out: Output, samples: list[int], epsilons: list[float], tolerance: float | None, cache: Path | None
) -> None:
    """Solve every epsilon of LeNet's first dense layer for each number of samples; optimality is certified."""
    inputs, weights = first_dense_layer(max(samples), cache)
    for n_samples in samples:
        started = time.perf_counter()
        program = relu_program(inputs[:n_samples], weights)
        tolerance = tolerance or default_tolerance(program)
        solver = LayerSolver(program, weights)
        prepared = time.perf_counter() - started
        active = float(program.active.double().mean())
        out.note(
            f"3136 -> 512, {n_samples} samples, tolerance {tolerance:g}; {int(program.active.any(0).sum())} neurons "
            f"are ever active, {active:.0%} of the outputs; factorised in {prepared:.1f} s"
        )
        rows: list[list[Value]] = []
        state, total, all_converged = None, prepared, True
        for epsilon in epsilons:
            radius = epsilon * program.norm_on_active(program.targets)
            started = time.perf_counter()
            limit = NetTrim().max_iterations
            solution = solver.solve(radius, state, tolerance=tolerance, max_iterations=limit)
            seconds = time.perf_counter() - started
            state, total = solution.state, total + seconds
            all_converged &= solution.converged
            quality = judge(program, solution.weights, radius)
            density = float((solution.weights != 0).double().mean())
            of_solution = quality.objective, solution.certificate.gap, quality.ball, quality.overshoot
            rows.append([epsilon, solution.iterations, seconds, density, *of_solution])
        columns = {
            "epsilon": "g", "iterations": "", "s": ".1f", "density": ".2%", "objective": ".3f", "gap": ".2%",
            "ball": ".5f", "overshoot": ".1e",
        }  # fmt: skip
        out.show(Sheet(f"{n_samples} samples", columns, rows))
        verdict = "within" if total <= ALLOWED_SECONDS else "beyond"
        out.note(
            f"all, preparation included: {total:.0f} s, {verdict} {ALLOWED_SECONDS:.0f} s; "
            f"{'every' if all_converged else 'not every'} epsilon within the tolerance"
        )


def first_dense_layer(
    n_samples: int, cache: Path | None, device: torch.device = CPU
) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs with their ones, and weights with their bias, of ``fc1`` in a LeNet trained for one epoch; float64."""
    kept = None if cache is None else cache / f"fc1-{n_samples}.safetensors"
    if kept is not None and kept.exists():
        layer = load_file(kept)
        return layer["inputs"].double(), layer["weights"].double()
    if "EVO_ENSYTH_DATA" not in os.environ and DATA.exists():
        os.environ["EVO_ENSYTH_DATA"] = str(DATA)
    data = datasets.load("fashion_mnist").train
    training = Training(epochs=1, bfloat16=True)
    network = train(networks.build("lenet", 10, seed=0), data, training, seed=0, device=device)
    seen: list[torch.Tensor] = []
    fc1 = network.get_submodule("fc1")
    fc1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        for batch in torch.tensor(data.images[:n_samples]).split(500):
            network(network.prepare(batch))
    inputs = torch.cat([torch.cat(seen), torch.ones(n_samples, 1)], dim=1)
    weights = torch.cat([fc1.weight.detach().T, fc1.bias.detach()[None]])
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_file({"inputs": inputs, "weights": weights}, kept)
    return inputs.double(), weights.double()


if __name__ == "__main__":
    main()
