"""Solver of one layer's program: factorised once, then solved for any number of radii, each from the last solution.

Aghasi, Abdi, Romberg, "Fast Convex Pruning of Deep Neural Networks", SIAM J. Math. Data Sci. 2(1), 2020, section 3;
`_splitting` does the iterations. A solve ends when its result is certified, not when it stops moving.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from evo_ensyth.synthesis.compression._convex_program import LayerProgram, judge, lower_bound
from evo_ensyth.synthesis.compression._splitting import Splitting, State

STRETCH = 25
EARLY = 500
BALL = 0.1


@dataclass(frozen=True)
class Certificate:
    """How far weights are from feasible and from optimal.

    Attributes
    ----------
    objective : float
        ``sum |U|``.
    lower_bound : float
        Lower bound of the objective of all feasible weights.
    gap : float
        Difference between objective and bound, over the objective.
    excess : float
        Distance beyond the ball, over the radius (over the norm of the targets if the radius is zero).
    overshoot : float
        Norm of the amounts above the ceilings, over the same.
    """

    objective: float
    lower_bound: float
    gap: float
    excess: float
    overshoot: float

    def within(self, tolerance: float) -> bool:
        """Whether gap and overshoot are at most the tolerance, and the excess at most a tenth of it."""
        # An objective below its bound is as suspicious as one above: its weights are not feasible yet.
        return abs(self.gap) <= tolerance and self.overshoot <= tolerance and self.excess <= BALL * tolerance


@dataclass(frozen=True)
class Solution:
    """Result of a solve.

    Attributes
    ----------
    weights : float64, (n_inputs + 1, n_neurons)
        The sparse copy: zeros are exact.
    multipliers : float64, (n_samples, n_neurons)
        Dual variables of the constraints, from which the bound of the certificate follows.
    certificate : Certificate
        In float64.
    state : State
    iterations : int
    converged : bool
        Whether the certificate is within the tolerance.
    """

    weights: torch.Tensor
    multipliers: torch.Tensor
    certificate: Certificate
    state: State
    iterations: int
    converged: bool


class LayerSolver:
    """A program, factorised once; ``solve`` solves it for a radius.

    Parameters
    ----------
    program : LayerProgram
    start : float64, (n_inputs + 1, n_neurons)
        Weights to start from, such as the parent's; their typical size determines the first penalty.
    precision : dtype
        Of the large matrix products. float32 halves the time and costs no digits, see `Splitting`.
    """

    def __init__(self, program: LayerProgram, start: torch.Tensor, *, precision: torch.dtype = torch.float32) -> None:
        # Exact and free of cost: an input that is always zero gets no weight, and neither does a neuron that is never
        # active and for which zero weights are feasible. A trained LeNet has many such neurons.
        self._rows = program.inputs.abs().amax(0) > 0
        self._columns = (program.active | (program.ceilings < 0)).any(0)
        self._shape = tuple(start.shape)
        self._zero_is_feasible = not bool(((program.ceilings < 0) & ~program.active).any())
        self._exact = LayerProgram(
            program.inputs[:, self._rows].contiguous(),
            *(part[:, self._columns].contiguous() for part in (program.targets, program.active, program.ceilings)),
        )
        self._size = self._exact.norm_on_active(self._exact.targets)
        exact = self._exact
        self._splitting = splitting = Splitting(exact.inputs, exact.active, exact.targets, exact.ceilings, precision)
        self._rough = LayerProgram(splitting.inputs, splitting.targets, splitting.active, splitting.ceilings)
        self._start = start[self._rows][:, self._columns]

    def solve(
        self,
        radius: float,
        state: State | None = None,
        *,
        tolerance: float,
        max_iterations: int,
        progress: Callable[[int, Certificate], None] | None = None,
    ) -> Solution:
        """Weights of least absolute sum within the constraints.

        Parameters
        ----------
        radius : float
        state : State, optional
            End of an earlier solve of this layer, to start from.
        tolerance : float
            See `Certificate.within`.
        max_iterations : int
        progress : callable, optional
            Called after every stretch with the number of iterations and the certificate.
        """
        state = state or self._cold_start()
        if self._zero_is_feasible and radius >= self._size:
            none = self._exact.inputs.new_zeros
            weights, multipliers = none(self._shape), none((len(self._exact.inputs), self._shape[1]))
            return Solution(weights, multipliers, Certificate(0.0, 0.0, 0.0, 0.0, 0.0), state, 0, True)
        iterations = 0
        while True:
            length = min(STRETCH, max_iterations - iterations)
            iterations += length
            # 1.9 is fast, but with few neurons it may circle around a vertex forever; 1.5 converges.
            relaxation = 1.9 if iterations <= EARLY else 1.5
            stretch = self._splitting.run(
                state, radius, length, relaxation=relaxation, balance=_balance_is_due(iterations)
            )
            state = stretch.state
            certificate = self._certify(self._rough, stretch.sparse, stretch.multipliers, radius)
            if progress is not None:
                progress(iterations, certificate)
            done = iterations >= max_iterations
            if done or certificate.within(tolerance):
                weights, multipliers = stretch.sparse.double(), stretch.multipliers.double()
                certificate = self._certify(self._exact, weights, multipliers, radius)
                if done or certificate.within(tolerance):
                    break
        whole = weights.new_zeros(self._shape), weights.new_zeros((len(multipliers), self._shape[1]))
        whole[0][self._rows.nonzero(), self._columns.nonzero().T] = weights
        whole[1][:, self._columns] = multipliers
        return Solution(*whole, certificate, state, iterations, certificate.within(tolerance))

    def _certify(
        self, program: LayerProgram, weights: torch.Tensor, multipliers: torch.Tensor, radius: float
    ) -> Certificate:
        quality = judge(program, weights, radius)
        bound = lower_bound(program, multipliers, radius)
        unit = radius if radius > 0 else self._size
        return Certificate(
            objective=quality.objective,
            lower_bound=bound,
            gap=(quality.objective - bound) / max(quality.objective, 1e-300),
            excess=max(0.0, quality.distance - radius) / unit,
            overshoot=quality.above / unit,
        )

    def _cold_start(self) -> State:
        scale = float(self._start.abs().mean())
        coupling = float(self._splitting.coupling.median())
        return self._splitting.start(self._start, 1 / (2 * scale * coupling) if scale > 0 else 1.0)


def _balance_is_due(iteration: int) -> bool:
    """Whether to adapt the penalty: always, and it need not converge; too briefly, and it stays far off."""
    doublings = iteration // EARLY
    return iteration <= EARLY or (iteration % EARLY == 0 and doublings & (doublings - 1) == 0)
