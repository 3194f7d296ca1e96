"""Alternating directions: the iteration itself, over any linear map from weights to outputs.

Aghasi, Abdi, Romberg, "Fast Convex Pruning of Deep Neural Networks", SIAM J. Math. Data Sci. 2(1), 2020, section 3.

The splitting is the paper's: ``outputs = inputs @ W`` and ``sparse = W``, with a projection for the first, a soft
threshold for the second and a least-squares step that ties them together. Both copies are kept here in one variable
``z = copy + scaled dual`` (Douglas-Rachford), in which an iteration is

    x = proximal step at z,    y = nearest consistent pair to 2 x - z,    z += relaxation (y - x).
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch

COUPLING = 0.3**2  # the paper's c0, squared, over the longest input column
RELAXATION = 1.9
CHECK_EVERY = 5
BALANCE_EVERY = 25
BALANCE_OFTEN = 500


@dataclass(frozen=True)
class Pair:
    """Outputs, (n_rows, n_neurons), and weights, (n_inputs, n_neurons): what every step of the iteration works on."""

    outputs: torch.Tensor
    sparse: torch.Tensor


@dataclass(frozen=True)
class State:
    """Where an iteration stands; another radius can start from here.

    Attributes
    ----------
    outputs : (n_rows, n_neurons)
    sparse : (n_inputs, n_neurons)
        The two parts of ``z``.
    weights : (n_inputs, n_neurons)
        Last least-squares answer.
    penalty : float
    """

    outputs: torch.Tensor
    sparse: torch.Tensor
    weights: torch.Tensor
    penalty: float


@dataclass(frozen=True)
class Stretch:
    """Some iterations.

    Attributes
    ----------
    state : State
        At their end.
    sparse : (n_inputs, n_neurons)
        The copy of the weights with exact zeros.
    multipliers : (n_rows, n_neurons)
        Unscaled duals of the constraints on the outputs.
    iterations : int
    primal, dual : float
        Relative residuals at their end.
    """

    state: State
    sparse: torch.Tensor
    multipliers: torch.Tensor
    iterations: int
    primal: float
    dual: float


class LinearMap(Protocol):
    """From weights to outputs, with what the least-squares step needs."""

    coupling: float
    """How much a weight counts beside an output."""

    def forward(self, weights: torch.Tensor) -> torch.Tensor:
        """Outputs of weights."""

    def adjoint(self, outputs: torch.Tensor) -> torch.Tensor:
        """Transpose of ``forward``."""

    def invert(self, gradient: torch.Tensor) -> torch.Tensor:
        """Apply the inverse of ``adjoint(forward(.)) + coupling``; roughly is enough, see ``Splitting``."""


class Splitting:
    """Minimise absolute weights subject to one ball over the active outputs and ceilings on the others.

    Parameters
    ----------
    linear : LinearMap
    active : bool, (n_rows, n_neurons)
    targets, ceilings : (n_rows, n_neurons)
        Of the active outputs, and of the others.
    """

    def __init__(self, linear: LinearMap, active: torch.Tensor, targets: torch.Tensor, ceilings: torch.Tensor) -> None:
        self.linear, self.active, self.targets, self.ceilings = linear, active, targets, ceilings

    def run(self, state: State, radius: float, *, tolerance: float, iterations: int, past: int = 0) -> Stretch:
        """Iterate until both residuals are within the tolerance, or the iterations are spent.

        Residuals are relative. Primal: each copy against the least-squares answer, over the size of that. Dual: the
        change of that answer in an iteration, over the size of the scaled duals. ``past`` counts the iterations before
        these, since the penalty moves towards equal residuals often at first and ever more seldom later.
        """
        z, penalty = Pair(state.outputs.clone(), state.sparse.clone()), state.penalty
        y = Pair(self.linear.forward(state.weights), state.weights)
        primal = dual = math.inf
        for iteration in range(1, iterations + 1):
            x = self._proximal(z, radius, penalty)
            before, y = y, self._nearest_consistent(y, Pair(2 * x.outputs - z.outputs, 2 * x.sparse - z.sparse))
            if iteration % CHECK_EVERY == 0 or iteration == iterations:
                primal, dual = self._residuals(x, y, before, z)
                if max(primal, dual) <= tolerance:
                    break
                if _balance_is_due(past + iteration):
                    z, penalty = _balanced(x, z, penalty, primal, dual)
            z.outputs.add_(y.outputs - x.outputs, alpha=RELAXATION)
            z.sparse.add_(y.sparse - x.sparse, alpha=RELAXATION)
        x = self._proximal(z, radius, penalty)
        end = State(z.outputs, z.sparse, y.sparse, penalty)
        return Stretch(end, x.sparse, penalty * (z.outputs - x.outputs), iteration, primal, dual)

    def _proximal(self, z: Pair, radius: float, penalty: float) -> Pair:
        """Project the outputs on ball and half-spaces, shrink the weights."""
        offset = torch.where(self.active, z.outputs - self.targets, 0)
        distance = _norm(offset)
        kept = min(1.0, radius / distance) if distance > 0 else 1.0
        below = torch.minimum(z.outputs, self.ceilings)
        outputs = torch.where(self.active, self.targets.add(offset, alpha=kept), below)
        threshold = 1 / (penalty * self.linear.coupling)
        return Pair(outputs, z.sparse - z.sparse.clamp(-threshold, threshold))

    def _nearest_consistent(self, y: Pair, goal: Pair) -> Pair:
        """Least-squares step: the pair of weights and their outputs that is nearest to ``goal``.

        It is written as a correction of the last answer ``y``. At rest the correction vanishes, so errors of the
        stored inverse, and of float32, slow the iteration a little instead of shifting where it ends.
        """
        gradient = self.linear.adjoint(goal.outputs - y.outputs)
        gradient.add_(goal.sparse - y.sparse, alpha=self.linear.coupling)
        weights = y.sparse + self.linear.invert(gradient)
        return Pair(self.linear.forward(weights), weights)

    def _residuals(self, x: Pair, y: Pair, before: Pair, z: Pair) -> tuple[float, float]:
        primal = max(
            _over(_norm(y.outputs - x.outputs), _norm(y.outputs)),
            # On its own: a sparse copy still at zero beside weights that are not must count as far off.
            _over(_norm(y.sparse - x.sparse), _norm(y.sparse)),
        )
        share = math.sqrt(self.linear.coupling)
        change = math.hypot(_norm(y.outputs - before.outputs), share * _norm(y.sparse - before.sparse))
        size = math.hypot(_norm(z.outputs - x.outputs), share * _norm(z.sparse - x.sparse))
        return primal, _over(change, size)


def _balance_is_due(iteration: int) -> bool:
    """Tell whether to move the penalty: one that never rests need not converge, one that rests too early is far off."""
    if iteration <= BALANCE_OFTEN:
        return iteration % BALANCE_EVERY == 0
    doublings = iteration // BALANCE_OFTEN
    return iteration % BALANCE_OFTEN == 0 and doublings & (doublings - 1) == 0


def _balanced(x: Pair, z: Pair, penalty: float, primal: float, dual: float) -> tuple[Pair, float]:
    """Move the penalty towards equal residuals. The scaled duals ``z - x`` follow, so x and the duals stay."""
    if primal == 0 or dual == 0:
        return z, penalty
    factor = min(max(math.sqrt(primal / dual), 0.5), 2.0)
    z = Pair(x.outputs + (z.outputs - x.outputs) / factor, x.sparse + (z.sparse - x.sparse) / factor)
    return z, penalty * factor


def _norm(values: torch.Tensor) -> float:
    return float(torch.linalg.vector_norm(values, dtype=torch.float64))


def _over(value: float, size: float) -> float:
    return value / size if size > 0 else value
