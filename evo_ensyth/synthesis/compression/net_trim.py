"""Net-Trim: the sparsest weights, in absolute sum, that answer like the parent's layer does on calibration images.

Aghasi, Abdi, Nguyen, Romberg, "Net-Trim: Convex Pruning of Deep Neural Networks with Performance Guarantee", NIPS 2017;
Aghasi, Abdi, Romberg, "Fast Convex Pruning of Deep Neural Networks", SIAM J. Math. Data Sci. 2(1), 2020. The grid is
EnSyth's (Alhalabi, Gaber, Basurra, IEEE SMC 2019).

Dense layers, each with its bias inside the program; convolutions where they are asked for, by the same program on what
the filters see at each position. Every layer but the last is taken to be followed directly by ReLU.
"""

import copy
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn
from torch.nn import functional

from evo_ensyth.errors import InputError
from evo_ensyth.files import fingerprint, write_whole
from evo_ensyth.synthesis.compression import Material, Told, Variant, Work, silent
from evo_ensyth.synthesis.compression._admm import Certificate, LayerSolver
from evo_ensyth.synthesis.compression._convex_program import (
    LayerProgram,
    judge,
    linear_program,
    relu_program,
    solve_with_cvxpy,
)
from evo_ensyth.synthesis.compression._splitting import State
from evo_ensyth.synthesis.networks import Network, weighted_layers

EPSILONS = (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
SCHEMES = ("parallel", "cascade")
SOLVERS = ("admm", "cvxpy")
PRECISIONS = ("float32", "float64")
TOLERANCES = 1e-4, 1e-2  # of small layers, and of large ones
LARGE = 1e9  # multiplications of inputs with weights, all samples; LeNet's first dense layer at 5,000 has 8e9
IMAGES_AT_ONCE = 500
# For an estimate of time only, as seen so far: iterations for each epsilon of a dense layer, and of a convolution; and
# what else an iteration does, in multiplications that take as long: its calls, however small the layer; each answer.
ITERATIONS = 75, 400
ITERATIONS_OF_FILTERS = 75, 3000
CALLS, ANSWER = 15e6, 300
MOST_ROWS = 20_000  # of a convolution's program; every position of 5,000 images would be up to 4 million
STATE_TENSORS = ("outputs", "sparse", "weights")


@dataclass(frozen=True)
class NetTrim:
    """One variant per epsilon, in the order of the grid.

    Attributes
    ----------
    epsilons : tuple of float
        Radius of a layer's ball over the norm of the parent's outputs; rising, so that each solve starts near its end.
    scheme : str
        ``parallel``: every layer sees the parent's own inputs. ``cascade``: a layer sees what the layers pruned before
        it let through, and its radius follows from that.
    gamma : float
        Cascade only: how much more than the parent's weights a layer may miss, squared; 1 or more.
    solver : str
        ``admm``, or ``cvxpy`` for small layers.
    precision : str
        Of the matrix products of ``admm``: ``float32`` or ``float64``.
    tolerance : float, optional
        Of ``admm``: certified duality gap to stop at, over the objective. What exceeds the ceilings is then at most
        this too, and what exceeds the ball a tenth of it, over the radius. By default 1e-4, and 1e-2 for large layers.
    max_iterations : int
        Of ``admm``, per layer and epsilon.
    layers : tuple of str, optional
        Names of the layers to prune, dense or convolutional; all dense ones by default.

    Raises
    ------
    InputError
        A setting out of its range.

    Notes
    -----
    The published code stops when the weights change little from one iteration to the next, which can happen far from a
    solution. Here a dual point certifies how far the answer may be from optimal, and the report tells it
    (``lower_bound`` beside ``objective``) with how far it is from feasible (``ball`` at most 1, ``overshoot`` 0). The
    objective is usually much nearer to the optimum than its certificate can tell.

    The published code keeps the bias of a convolution as it is, and solves by conjugate gradients. Here the bias is
    pruned as in a dense layer. Of every image, as many positions drawn at random enter a convolution's program as make
    20,000 rows with all images.
    """

    epsilons: tuple[float, ...] = EPSILONS
    scheme: str = "parallel"
    gamma: float = 1.1
    solver: str = "admm"
    precision: str = "float32"
    tolerance: float | None = None
    max_iterations: int = 5000
    layers: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilons", tuple(float(epsilon) for epsilon in self.epsilons))
        if self.layers is not None:
            object.__setattr__(self, "layers", tuple(self.layers))
        rising = all(a < b for a, b in zip((0.0, *self.epsilons), self.epsilons, strict=False))
        if not self.epsilons or not rising or not all(map(math.isfinite, self.epsilons)):
            raise InputError(f"epsilons are {self.epsilons}; expected at least one, above 0 and rising.")
        if len({f"{epsilon:g}" for epsilon in self.epsilons}) < len(self.epsilons):
            raise InputError(f"epsilons are {self.epsilons}; two of them are the same to six digits, which name them.")
        for name, known in (("scheme", SCHEMES), ("solver", SOLVERS), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise InputError(f"{name} is '{getattr(self, name)}'; there is {', '.join(known)}.")
        if not 1 <= self.gamma < math.inf:
            raise InputError(f"gamma is {self.gamma}; it must be 1 or more, or the parent's weights are infeasible.")
        if self.tolerance is not None and not 0 < self.tolerance < 1:
            raise InputError(f"tolerance is {self.tolerance}; it must lie between 0 and 1.")
        if self.max_iterations < 1:
            raise InputError(f"max_iterations is {self.max_iterations}; it must be 1 or more.")

    def names(self) -> tuple[str, ...]:
        """Name the variants, such as ``net_trim-0.1``, or ``net_trim-conv2-fc1-0.1`` where layers are named."""
        return tuple("-".join(("net_trim", *(self.layers or ()), f"{epsilon:g}")) for epsilon in self.epsilons)

    def work(self, parent: Network, n_calibration: int) -> Work:
        """Tell what it will do: for every layer a factorisation, and some iterations for each epsilon."""
        image = torch.zeros(1, *parent.preparation.shape)
        layers, least, most, scratch = weighted_layers(parent), 0.0, 0.0, 0
        for name, rows in _layer_inputs(parent, image, _named_layers(parent, self.layers)).items():
            n_inputs, n_outputs = rows.shape[1], len(layers[name].weight)
            n_rows = n_calibration * min(len(rows), max(1, MOST_ROWS // n_calibration))
            factorisation = 2 * n_inputs**2 * (n_rows + n_inputs)  # in float64, which takes twice as long
            iteration = CALLS + n_outputs * (ANSWER * n_rows + n_inputs * (2 * n_rows + n_inputs))
            few, many = ITERATIONS_OF_FILTERS if isinstance(layers[name], nn.Conv2d) else ITERATIONS
            least += factorisation + len(self.epsilons) * few * iteration
            most += factorisation + len(self.epsilons) * many * iteration
            scratch += n_outputs * (n_rows + 3 * n_inputs) * getattr(torch, self.precision).itemsize
        return Work(multiplications=(least, most), scratch_bytes=len(self.epsilons) * scratch)

    def variants(
        self,
        parent: nn.Module,
        material: Material,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Told = silent,
    ) -> Iterator[Variant]:
        """Yield one variant per epsilon; nothing is drawn at random, so ``seed`` has no effect.

        Raises
        ------
        InputError
            ``layers`` names no layer of the parent, none are named and it has no dense one, or ``scratch`` belongs to
            other settings or data.
        """
        walk = _Walk(self, parent, material.calibration, progress)
        shelf = None if scratch is None else _Shelf(scratch, walk.key())
        for position, (name, epsilon) in enumerate(zip(self.names(), self.epsilons, strict=True)):
            done = shelf.read(epsilon) if shelf else None
            if done is None:
                if shelf and position and not walk.states:
                    walk.states = shelf.read_states(self.epsilons[position - 1])
                done = walk.prune(epsilon)
                if shelf:
                    shelf.write(epsilon, *done, walk.states)
            weights, report = done
            origin = {"method": "net_trim", **_settings(self), "epsilon": epsilon}
            yield Variant(name, origin, _with_weights(parent, weights), report)


def default_tolerance(program: LayerProgram) -> float:
    """Four digits where they take seconds; 1 % where they do not, since what fine-tuning moves is far more."""
    return TOLERANCES[program.inputs.numel() * program.targets.shape[1] > LARGE]


def _named_layers(parent: nn.Module, wanted: tuple[str, ...] | None) -> list[str]:
    """Names of the layers to prune, in order; all dense ones by default."""
    layers = weighted_layers(parent)
    for name in wanted or ():
        if name not in layers:
            raise InputError(f"layers names '{name}'; the parent's layers are {', '.join(layers)}.")
    dense = [name for name, layer in layers.items() if isinstance(layer, nn.Linear)]
    names = [name for name in layers if name in (dense if wanted is None else wanted)]
    if not names:
        raise InputError("the parent has no dense layer; name the convolutions that Net-Trim shall prune.")
    return names


class _Walk:
    """From layer to layer, for one epsilon after the other; keeps what the epsilons of a layer share."""

    def __init__(self, settings: NetTrim, parent: nn.Module, calibration: torch.Tensor, progress: Told) -> None:
        self.settings, self.parent, self.calibration, self.progress = settings, parent, calibration, progress
        layers = weighted_layers(parent)
        self.names = _named_layers(parent, settings.layers)
        self.last = list(layers)[-1]
        self.states: dict[str, State] = {}
        self._weights = {name: _stacked(layers[name]) for name in self.names}
        self._inputs: dict[str, torch.Tensor] = {}
        self._prepared: dict[str, tuple[LayerProgram, LayerSolver | None]] = {}

    def key(self) -> str:
        """Fingerprint of everything that the result depends on."""
        digest = hashlib.sha256()
        for part in (*self.parent.state_dict().values(), self.calibration):
            digest.update(part.detach().cpu().contiguous().numpy().tobytes())
        return fingerprint({"settings": asdict(self.settings), "data": digest.hexdigest()})

    def prune(self, epsilon: float) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Weights (n_inputs + 1, n_neurons), float32, and report of every layer at one epsilon."""
        if not self._inputs:
            self._inputs = _layer_inputs(self.parent, self.calibration, self.names)
        weights: dict[str, torch.Tensor] = {}
        report: dict[str, Any] = {}
        for name in self.names:
            where = f"net_trim-{epsilon:g}, {name}"
            self.progress(where)
            if self.settings.scheme == "parallel" or not weights:
                program, solver = self._shared(name)
                radius = epsilon * program.norm_on_active(program.targets)
                solved, state, told = self._solve(where, program, solver, radius, self.states.get(name))
                if state is not None:
                    self.states[name] = state
            else:
                pruned = _with_weights(self.parent, weights)
                program = self._program(name, _layer_inputs(pruned, self.calibration, [name])[name])
                missed = program.norm_on_active(program.inputs @ self._weights[name] - program.targets)
                radius = math.sqrt(self.settings.gamma) * missed
                solved, _, told = self._solve(where, program, self._solver(name, program), radius, None)
            weights[name] = solved.float()
            report[name] = {**told, **_standing(program, weights[name].double(), radius)}
        return weights, {"layers": report}

    def _shared(self, name: str) -> tuple[LayerProgram, LayerSolver | None]:
        """What does not depend on epsilon: the program on the parent's inputs, and its factorisation."""
        if name not in self._prepared:
            program = self._program(name, None)
            self._prepared[name] = program, self._solver(name, program)
        return self._prepared[name]

    def _program(self, name: str, seen: torch.Tensor | None) -> LayerProgram:
        pose = linear_program if name == self.last else relu_program
        return pose(self._inputs[name], self._weights[name], seen=seen)

    def _solver(self, name: str, program: LayerProgram) -> LayerSolver | None:
        if self.settings.solver == "cvxpy":
            return None
        return LayerSolver(program, self._weights[name], precision=getattr(torch, self.settings.precision))

    def _solve(
        self, where: str, program: LayerProgram, solver: LayerSolver | None, radius: float, state: State | None
    ) -> tuple[torch.Tensor, State | None, dict[str, Any]]:
        """Weights, where the solver stands, and what it tells of its work."""
        if solver is None:
            return solve_with_cvxpy(program, radius), None, {}

        def tell(iterations: int, reached: Certificate) -> None:
            self.progress(
                f"{where}: {iterations} iterations, gap {reached.gap:.2%}, beyond the ball {reached.excess:.2%}"
            )

        solution = solver.solve(
            radius,
            state,
            tolerance=self.settings.tolerance or default_tolerance(program),
            max_iterations=self.settings.max_iterations,
            progress=tell,
        )
        certificate = solution.certificate
        told = {
            "iterations": solution.iterations,
            "converged": solution.converged,
            "lower_bound": certificate.lower_bound,
            "gap": certificate.gap,
        }
        return solution.weights, solution.state, told


class _Shelf:
    """Finished epsilons in the scratch folder, each one file: weights, report, and where the solver stood."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.key = folder, key

    def read(self, epsilon: float) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """Return weights and report, or None if this epsilon is not finished."""
        path = self._path(epsilon)
        if not path.exists():
            return None
        with safe_open(path, framework="pt") as file:
            about = file.metadata()
            if about["key"] != self.key:
                raise InputError(f"{path} comes from another parent, calibration or setting; remove the folder.")
            names = [name for name in file.keys() if name.startswith("weights/")]  # noqa: SIM118
            return {name.removeprefix("weights/"): file.get_tensor(name) for name in names}, json.loads(about["report"])

    def read_states(self, epsilon: float) -> dict[str, State]:
        """Where the solver stood in every layer after a finished epsilon."""
        with safe_open(self._path(epsilon), framework="pt") as file:
            penalties = json.loads(file.metadata()["penalties"])
            states = {}
            for layer, penalty in penalties.items():
                outputs, sparse, weights = (file.get_tensor(f"state/{layer}/{part}") for part in STATE_TENSORS)
                states[layer] = State(outputs, sparse, weights, penalty)
            return states

    def write(
        self,
        epsilon: float,
        weights: Mapping[str, torch.Tensor],
        report: Mapping[str, Any],
        states: Mapping[str, State],
    ) -> None:
        """Keep a finished epsilon."""
        tensors = {f"weights/{layer}": tensor.contiguous() for layer, tensor in weights.items()}
        for layer, state in states.items():
            tensors |= {f"state/{layer}/{part}": getattr(state, part).contiguous() for part in STATE_TENSORS}
        penalties = {layer: state.penalty for layer, state in states.items()}
        about = {"key": self.key, "report": json.dumps(report, allow_nan=False), "penalties": json.dumps(penalties)}
        write_whole(self._path(epsilon), save(tensors, about))

    def _path(self, epsilon: float) -> Path:
        return self.folder / f"epsilon-{epsilon:g}.safetensors"


def _layer_inputs(network: nn.Module, images: torch.Tensor, names: Sequence[str]) -> dict[str, torch.Tensor]:
    """Inputs of layers as float64, (n_rows, n_inputs), with a column of ones where a layer has a bias.

    A dense layer has a row for every image, a convolution one for every position that was drawn, the same in each call.
    """
    layers = weighted_layers(network)
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    rngs = {name: torch.Generator().manual_seed(0) for name in names}
    positions = max(1, MOST_ROWS // len(images))

    def keep(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        return lambda layer, inputs: seen[name].append(
            unfolded(inputs[0], layer, positions, rngs[name]) if isinstance(layer, nn.Conv2d) else inputs[0]
        )

    hooks = [layers[name].register_forward_pre_hook(keep(name)) for name in names]
    try:
        with torch.inference_mode():
            for batch in torch.split(images, IMAGES_AT_ONCE):
                network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: _with_ones(torch.cat(seen[name]).double(), layers[name]) for name in names}


def unfolded(images: torch.Tensor, layer: nn.Conv2d, most: int, rng: torch.Generator) -> torch.Tensor:
    """What the filters of a convolution see, a row for every position, so that ``rows @ filters`` are its answers.

    Parameters
    ----------
    images : (n_images, channels, height, width)
    layer : Conv2d
        In one group, padded with zeros.
    most : int
        Of an image with more positions than that, so many are drawn.
    rng : Generator

    Returns
    -------
    (n_images times positions, channels times height times width of a filter)
        The positions of an image follow one another from left to right and from top to bottom, or as they were drawn.
    """
    assert layer.groups == 1
    assert layer.padding_mode == "zeros"
    assert not isinstance(layer.padding, str)
    windows = functional.unfold(images, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    rows = windows.transpose(1, 2)
    if rows.shape[1] > most:
        drawn = torch.rand(rows.shape[:2], generator=rng).argsort(dim=1, stable=True)[:, :most]
        rows = rows.gather(1, drawn[:, :, None].expand(-1, -1, rows.shape[2]))
    return rows.flatten(0, 1)


def _with_ones(inputs: torch.Tensor, layer: nn.Conv2d | nn.Linear) -> torch.Tensor:
    return inputs if layer.bias is None else torch.cat([inputs, inputs.new_ones((len(inputs), 1))], dim=1)


def _stacked(layer: nn.Conv2d | nn.Linear) -> torch.Tensor:
    """Weights of a layer as the program has them, (n_inputs + 1, n_neurons) with the bias last, float64."""
    weights = layer.weight.detach().flatten(1).T
    return (weights if layer.bias is None else torch.cat([weights, layer.bias.detach()[None]])).double()


def _with_weights(parent: nn.Module, weights: Mapping[str, torch.Tensor]) -> nn.Module:
    """Return a copy of the parent in which some layers have other weights."""
    model = copy.deepcopy(parent)
    layers = weighted_layers(model)
    with torch.no_grad():
        for name, stacked in weights.items():
            layer = layers[name]
            layer.weight.copy_(stacked[: layer.weight[0].numel()].T.reshape(layer.weight.shape))
            if layer.bias is not None:
                layer.bias.copy_(stacked[-1])
    return model


def _standing(program: LayerProgram, weights: torch.Tensor, radius: float) -> dict[str, Any]:
    """Constraints, density and errors of the weights as they are returned; plain JSON values."""
    quality = judge(program, weights, radius)
    answers = program.inputs @ weights
    missed = torch.where(program.active, answers - program.targets, (answers - program.ceilings).clamp(min=0))
    sizes = torch.linalg.norm(program.targets.masked_fill(~program.active, 0), dim=0)
    errors = (torch.linalg.norm(missed, dim=0) / sizes)[sizes > 0]
    spread = [float(part) for part in (errors.min(), errors.median(), errors.max())] if len(errors) else [0.0] * 3
    return {
        "radius": radius,
        "objective": quality.objective,
        "ball": quality.ball if math.isfinite(quality.ball) else None,
        "overshoot": quality.overshoot if math.isfinite(quality.overshoot) else None,
        "density": float((weights != 0).double().mean()),
        "nonzeros": int((weights != 0).sum()),
        "neuron_error": dict(zip(("min", "median", "max"), spread, strict=True)),
    }


def _settings(settings: NetTrim) -> dict[str, Any]:
    """Settings as plain JSON values, without the grid: a variant is one point of it."""
    values = {name: value for name, value in asdict(settings).items() if name != "epsilons"}
    return {**values, "layers": None if settings.layers is None else list(settings.layers)}
