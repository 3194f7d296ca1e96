"""Alternating directions for the program of one layer: one factorisation, any number of radii, warm starts.

Aghasi, Abdi, Romberg, "Fast Convex Pruning of Deep Neural Networks", SIAM J. Math. Data Sci. 2(1), 2020, section 3.

The splitting is the paper's: ``outputs = inputs @ W`` and ``sparse = W``, with a projection for the first, a soft
threshold for the second and a least-squares step that ties them together. Both copies are kept here in one variable
``z = copy + scaled dual`` (Douglas-Rachford), in which an iteration is

    x = proximal step at z,    y = nearest consistent pair to 2 x - z,    z += relaxation (y - x).
"""

import math
from dataclasses import dataclass

import torch

from evo_ensyth.synthesis.compression._convex_program import LayerProgram

COUPLING = 0.3  # the paper's c0 over the longest input column: how much a weight counts beside an output
RELAXATION = 1.7
CHECK_EVERY = 5
BALANCE_EVERY = 25
BALANCE_LAST = 500  # a penalty that keeps changing need not converge
MARGIN = 0.5


@dataclass(frozen=True)
class State:
    """Where an iteration stands; the next radius starts from here.

    Attributes
    ----------
    outputs : (n_samples, kept neurons)
    sparse : (kept inputs, kept neurons)
        The two parts of ``z``.
    weights : (kept inputs, kept neurons)
        Last least-squares answer.
    penalty : float
    """

    outputs: torch.Tensor
    sparse: torch.Tensor
    weights: torch.Tensor
    penalty: float


@dataclass(frozen=True)
class Solution:
    """What a solve ended with.

    Attributes
    ----------
    weights : float64, (n_inputs + 1, n_neurons)
        The sparse copy: zeros are exact.
    multipliers : float64, (n_samples, n_neurons)
        Dual variables of the constraints, for ``lower_bound``.
    state : State
    iterations : int
    primal, dual : float
        Relative residuals at the end.
    converged : bool
        Both were within the tolerance before the iterations ran out.
    """

    weights: torch.Tensor
    multipliers: torch.Tensor
    state: State
    iterations: int
    primal: float
    dual: float
    converged: bool


class LayerSolver:
    """A program, factorised once; ``solve`` answers it for a radius.

    Parameters
    ----------
    program : LayerProgram
    scale : float
        Typical size of a weight of the parent, from which the first penalty follows.
    precision : dtype
        Of the matrix products. float32 halves the time; see ``_nearest_consistent`` for why it does not cost digits.
    """

    def __init__(self, program: LayerProgram, *, scale: float, precision: torch.dtype = torch.float32) -> None:
        # Exact and for free: an input that is always zero gets no weight, and neither does a neuron that is never
        # active and for which zero weights are feasible. A trained LeNet has many such neurons.
        self._rows = program.inputs.abs().amax(0) > 0
        self._columns = (program.active | (program.ceilings < 0)).any(0)
        self._shape = (program.inputs.shape[1], program.targets.shape[1])
        inputs = program.inputs[:, self._rows]
        gram = inputs.T @ inputs
        self._coupling = COUPLING**2 * float(gram.diagonal().max())
        gram.diagonal().add_(self._coupling)
        self._inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram)).to(precision)
        self._inputs = inputs.to(precision).contiguous()
        self._active = program.active[:, self._columns].contiguous()
        self._targets = program.targets[:, self._columns].to(precision).contiguous()
        self._ceilings = program.ceilings[:, self._columns].to(precision).contiguous()
        self._first_penalty = 1 / (2 * scale * self._coupling) if scale > 0 else 1 / self._coupling
        self._zero_is_feasible = not bool((self._ceilings < 0).logical_and(~self._active).any())
        self._largest_radius = program.norm_on_active(program.targets)

    def solve(
        self,
        radius: float,
        state: State | None = None,
        *,
        tolerance: float,
        max_iterations: int,
    ) -> Solution:
        """Weights of least absolute sum within the constraints.

        Parameters
        ----------
        radius : float
        state : State, optional
            End of an earlier solve of this layer, to start from.
        tolerance : float
            For both residuals, relative. Primal: each copy against the least-squares answer, over its size. Dual: the
            change of that answer, over the size of the scaled dual.
        max_iterations : int
        """
        state = state or self._cold_start()
        penalty = state.penalty
        if self._zero_is_feasible and radius >= self._largest_radius:
            return self._zero(state)
        # The sparse copy meets the ball only up to the tolerance; aiming a little inside pays for that.
        radius *= 1 - MARGIN * tolerance
        z = _Pair(state.outputs.clone(), state.sparse.clone())
        y = _Pair(self._inputs @ state.weights, state.weights)
        primal = dual = math.inf
        for iteration in range(1, max_iterations + 1):
            x = self._proximal(z, radius, penalty)
            before, y = y, self._nearest_consistent(y, _Pair(2 * x.outputs - z.outputs, 2 * x.sparse - z.sparse))
            if iteration % CHECK_EVERY == 0 or iteration == max_iterations:
                primal, dual = self._residuals(x, y, before, z)
                if max(primal, dual) <= tolerance:
                    break
                if iteration % BALANCE_EVERY == 0 and iteration <= BALANCE_LAST:
                    z, penalty = _balanced(x, z, penalty, primal, dual)
            z.outputs.add_(y.outputs - x.outputs, alpha=RELAXATION)
            z.sparse.add_(y.sparse - x.sparse, alpha=RELAXATION)
        return Solution(
            weights=self._embed(x.sparse),
            multipliers=self._embed_columns(penalty * (z.outputs - x.outputs)),
            state=State(z.outputs, z.sparse, y.sparse, penalty),
            iterations=iteration,
            primal=primal,
            dual=dual,
            converged=max(primal, dual) <= tolerance,
        )

    def _proximal(self, z: "_Pair", radius: float, penalty: float) -> "_Pair":
        """Project the outputs on ball and half-spaces, shrink the weights."""
        offset = torch.where(self._active, z.outputs - self._targets, 0)
        distance = _norm(offset)
        kept = min(1.0, radius / distance) if distance > 0 else 1.0
        outputs = torch.where(
            self._active, self._targets.add(offset, alpha=kept), torch.minimum(z.outputs, self._ceilings)
        )
        threshold = 1 / (penalty * self._coupling)
        return _Pair(outputs, z.sparse - z.sparse.clamp(-threshold, threshold))

    def _nearest_consistent(self, y: "_Pair", goal: "_Pair") -> "_Pair":
        """Least-squares step: the pair (inputs @ W, W) that is nearest to ``goal``.

        It is written as a correction of the last answer ``y``. At rest the correction vanishes, so errors of the
        stored inverse, and of float32, slow the iteration a little instead of shifting where it ends.
        """
        gradient = self._inputs.T @ (goal.outputs - y.outputs)
        gradient.add_(goal.sparse - y.sparse, alpha=self._coupling)
        weights = y.sparse + self._inverse @ gradient
        return _Pair(self._inputs @ weights, weights)

    def _residuals(self, x: "_Pair", y: "_Pair", before: "_Pair", z: "_Pair") -> tuple[float, float]:
        primal = max(
            _over(_norm(y.outputs - x.outputs), _norm(y.outputs)),
            # A sparse copy that is still zero beside weights that are not must count as far off.
            _over(_norm(y.sparse - x.sparse), _norm(y.sparse)),
        )
        change = math.hypot(_norm(y.outputs - before.outputs), self._coupling**0.5 * _norm(y.sparse - before.sparse))
        size = math.hypot(_norm(z.outputs - x.outputs), self._coupling**0.5 * _norm(z.sparse - x.sparse))
        return primal, _over(change, size)

    def _cold_start(self) -> State:
        (n_samples, n_inputs), n_neurons = self._inputs.shape, self._targets.shape[1]
        weights = self._inputs.new_zeros((n_inputs, n_neurons))
        return State(self._inputs.new_zeros((n_samples, n_neurons)), weights, weights, self._first_penalty)

    def _zero(self, state: State) -> Solution:
        weights = torch.zeros(self._shape, dtype=torch.float64)
        multipliers = torch.zeros((self._inputs.shape[0], self._shape[1]), dtype=torch.float64)
        return Solution(weights, multipliers, state, 0, 0.0, 0.0, True)

    def _embed(self, kept: torch.Tensor) -> torch.Tensor:
        weights = torch.zeros(self._shape, dtype=torch.float64)
        weights[self._rows.nonzero(), self._columns.nonzero().T] = kept.double()
        return weights

    def _embed_columns(self, kept: torch.Tensor) -> torch.Tensor:
        columns = torch.zeros((kept.shape[0], self._shape[1]), dtype=torch.float64)
        columns[:, self._columns] = kept.double()
        return columns


@dataclass(frozen=True)
class _Pair:
    """Outputs and weights: the two blocks that every step of the iteration works on."""

    outputs: torch.Tensor
    sparse: torch.Tensor


def _balanced(x: _Pair, z: _Pair, penalty: float, primal: float, dual: float) -> tuple[_Pair, float]:
    """Move the penalty towards equal residuals. The scaled duals ``z - x`` follow, so x and the duals stay."""
    if primal == 0 or dual == 0:
        return z, penalty
    factor = min(max(math.sqrt(primal / dual), 0.5), 2.0)
    z = _Pair(x.outputs + (z.outputs - x.outputs) / factor, x.sparse + (z.sparse - x.sparse) / factor)
    return z, penalty * factor


def _norm(values: torch.Tensor) -> float:
    return float(torch.linalg.vector_norm(values, dtype=torch.float64))


def _over(value: float, size: float) -> float:
    return value / size if size > 0 else value
