"""Net-Trim: the weights of least absolute sum that reproduce the parent's layer outputs on calibration images.

Aghasi, Abdi, Nguyen, Romberg, "Net-Trim: Convex Pruning of Deep Neural Networks with Performance Guarantee", NIPS 2017;
Aghasi, Abdi, Romberg, "Fast Convex Pruning of Deep Neural Networks", SIAM J. Math. Data Sci. 2(1), 2020. The grid is
EnSyth's (Alhalabi, Gaber, Basurra, IEEE SMC 2019).

Dense layers are pruned, each with its bias as part of the program; convolutions if asked for, by the same program on
the patches that the filters see. A layer that is directly followed by a ReLU has to meet only its positive outputs,
another all of them. A batch normalisation in between is folded in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.compression import CompressionInputs, Report, Variant, Work, silent
from evo_ensyth.synthesis.settings import LATER

if TYPE_CHECKING:
    from evo_ensyth.synthesis.network import Network

EPSILONS = (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
SCHEMES = ("parallel", "cascade")
SOLVERS = ("admm", "cvxpy")
PRECISIONS = ("float32", "float64")
# For the estimate of time only, from experience: iterations for each epsilon of a dense layer, and of a convolution;
# and the overhead of an iteration as a number of multiplications: of its calls, whatever the layer's size, and of each
# output.
ITERATIONS = 75, 400
ITERATIONS_OF_FILTERS = 75, 3000
CALLS, OUTPUT = 15e6, 300


@dataclass(frozen=True)
class NetTrim:
    """One variant per epsilon, in the order given.

    Attributes
    ----------
    epsilons : tuple of float
        Radius of a layer's ball, relative to the norm of the parent's outputs; increasing, so that each solve starts
        near its solution.
    scheme : str
        ``parallel``: every layer sees the parent's inputs. ``cascade``: a layer sees the outputs of the layers pruned
        before it, from which its radius follows.
    gamma : float
        Cascade only: how much farther than the parent's weights a layer may be from its targets, squared; 1 or more.
    solver : str
        ``admm``, or ``cvxpy`` for small layers.
    precision : str
        Of the matrix products of ``admm``: ``float32`` or ``float64``.
    tolerance : float, optional
        Certified duality gap at which ``admm`` stops, relative to the objective. Relative to the radius, the violation
        of the ceilings is then at most the same, and the distance beyond the ball at most a tenth of it. By default
        1e-4, and 1e-2 for large layers, or for all with ``convolutions``.
    max_iterations : int
        Of ``admm``, per layer and epsilon.
    layers : tuple of str, optional
        Names of the layers to prune, dense or convolutional; by default all dense ones. Layers that are called more
        than once, have groups or are padded otherwise than with a number of zeros cannot be pruned, and are left alone.
    convolutions : bool
        Whether by default convolutions are pruned too.

    Raises
    ------
    InputError
        A setting is out of its range.

    Notes
    -----
    The published code stops when the weights change little between iterations, which can happen far from a solution.
    Here a dual point certifies how far the weights may be from optimal, and the report holds it (``lower_bound`` beside
    ``objective``) together with their distance from feasibility (``ball`` at most 1, ``overshoot`` 0). The objective is
    usually much closer to the optimum than the certificate shows.

    The published code does not prune the bias of a convolution, and solves by conjugate gradients. Here the bias is
    pruned as in a dense layer. Of every image, random positions enter a convolution's program, so many that all images
    together make 20,000 rows.
    """

    epsilons: tuple[float, ...] = EPSILONS
    scheme: str = "parallel"
    gamma: float = 1.1
    solver: str = "admm"
    precision: str = "float32"
    tolerance: float | None = None
    max_iterations: int = 5000
    layers: tuple[str, ...] | None = None
    convolutions: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilons", tuple(float(epsilon) for epsilon in self.epsilons))
        if self.layers is not None:
            object.__setattr__(self, "layers", tuple(self.layers))
        rising = all(a < b for a, b in zip((0.0, *self.epsilons), self.epsilons, strict=False))
        if not self.epsilons or not rising or not all(map(math.isfinite, self.epsilons)):
            raise InputError(f"epsilons are {self.epsilons}; expected at least one, above 0 and increasing.")
        if len({f"{epsilon:g}" for epsilon in self.epsilons}) < len(self.epsilons):
            raise InputError(f"epsilons are {self.epsilons}; two of them agree in the six digits that name them.")
        for name, known in (("scheme", SCHEMES), ("solver", SOLVERS), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise InputError(f"{name} is '{getattr(self, name)}'; there is {', '.join(known)}.")
        if not isinstance(self.convolutions, bool):
            raise InputError(f"convolutions is {self.convolutions!r}; it must be True or False.")
        if self.layers is not None and self.convolutions:
            raise InputError(
                "both layers and convolutions are given; name the layers, or leave the choice to the parent."
            )
        if not 1 <= self.gamma < math.inf:
            raise InputError(f"gamma is {self.gamma}; it must be 1 or more, or the parent's weights are infeasible.")
        if self.tolerance is not None and not 0 < self.tolerance < 1:
            raise InputError(f"tolerance is {self.tolerance}; it must lie between 0 and 1.")
        if self.max_iterations < 1:
            raise InputError(f"max_iterations is {self.max_iterations}; it must be 1 or more.")

    def names(self) -> tuple[str, ...]:
        """Names of the variants, such as ``net_trim-0.1``, or ``net_trim-conv2-fc1-0.1`` where layers are named."""
        which = ("convolutions",) if self.convolutions else self.layers or ()
        return tuple("-".join(("net_trim", *which, f"{epsilon:g}")) for epsilon in self.epsilons)

    def work(self, parent: Network, n_calibration: int) -> Work:
        """For every layer a factorisation, and some iterations for each epsilon."""
        import torch
        from torch import nn

        from evo_ensyth.synthesis.compression._layer_inputs import MOST_ROWS, layer_forms, layer_inputs, pruned_layers

        uses, _ = pruned_layers(parent, parent.example(), self.layers, convolutions=self.convolutions)
        forms, least, most, scratch = layer_forms(parent, uses), 0.0, 0.0, 0
        for name, rows in layer_inputs(parent, parent.example(), forms).items():
            n_inputs, n_outputs = rows.shape[1], len(forms[name].layer.weight)
            n_rows = n_calibration * min(len(rows), max(1, MOST_ROWS // n_calibration))
            factorisation = 2 * n_inputs**2 * (n_rows + n_inputs)  # in float64, which takes twice as long
            iteration = CALLS + n_outputs * (OUTPUT * n_rows + n_inputs * (2 * n_rows + n_inputs))
            few, many = ITERATIONS if isinstance(forms[name].layer, nn.Linear) else ITERATIONS_OF_FILTERS
            least += factorisation + len(self.epsilons) * few * iteration
            most += factorisation + len(self.epsilons) * many * iteration
            scratch += n_outputs * (n_rows + 3 * n_inputs) * getattr(torch, self.precision).itemsize
        return Work(multiplications=(least, most), scratch_bytes=len(self.epsilons) * scratch)

    def left(self, parent: Network) -> Mapping[str, str]:
        """Layers, of those asked for, that cannot be pruned, each with the reason; errors as in `variants`."""
        from evo_ensyth.synthesis.compression._layer_inputs import pruned_layers

        return pruned_layers(parent, parent.example(), self.layers, convolutions=self.convolutions)[1]

    def variants(
        self,
        parent: Network,
        inputs: CompressionInputs,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Report = silent,
    ) -> Iterator[Variant]:
        """Yield one variant per epsilon; ``seed`` has no effect.

        Raises
        ------
        InputError
            ``layers`` names a layer that is not there or cannot be pruned, or none can, or ``scratch`` belongs to other
            settings or data.
        """
        from evo_ensyth.synthesis.compression._layer_walk import FinishedEpsilons, LayerWalk, with_weights

        walk = LayerWalk(self, parent, inputs.calibration, progress, inputs.device)
        shelf = None if scratch is None else FinishedEpsilons(scratch, walk.key())
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
            yield Variant(name, origin, with_weights(parent, walk.uses, weights), report)


def _settings(settings: NetTrim) -> dict[str, Any]:
    """Settings as plain JSON values, without the epsilons, of which a variant has one."""
    from evo_ensyth.synthesis.compression._layer_walk import given_settings

    values = {name: value for name, value in given_settings(settings).items() if name != "epsilons"}
    return {**values, "layers": None if settings.layers is None else list(settings.layers)}
