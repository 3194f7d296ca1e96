"""A shortcut for sparse answers: solve with few inputs and few ceilings per neuron, and add what turns out missing.

In a sparse answer a neuron uses a few of its thousands of inputs and touches a few of its thousands of ceilings. The
program on those alone is small: for the ball, a triangular factor with a row per input says what all samples say
(``|| A u - b ||^2`` is ``|| L^T u - L^-1 A^T b ||^2`` and a constant, where ``A^T A = L L^T``), and a ceiling that is
not reached needs no row. What was left out is then checked on all inputs and samples; what offends comes in, and the
small program is solved again. Where nothing offends, its solution solves the whole. To the caller the result is only
a better point to iterate from: the test by which it stops stays the same.
"""

import math
from dataclasses import dataclass

import torch

from evo_ensyth.synthesis.compression._splitting import COUPLING, Splitting, State

ROUNDS = 12
ITERATIONS = 4000
NEAR = 0.8  # an input whose subgradient is beyond this takes part from the start
LET_IN = 16  # inputs or ceilings per neuron and round, and an eighth of what it has
OVER_SUBGRADIENT = 1e-3
OVER_CEILING = 1e-2  # of the typical distance of an active output


@dataclass(frozen=True)
class Whole:
    """A layer's program after dropping what is certainly zero; shapes as in ``LayerProgram``."""

    inputs: torch.Tensor
    active: torch.Tensor
    targets: torch.Tensor
    ceilings: torch.Tensor
    coupling: float


@dataclass(frozen=True)
class Point:
    """Weights with their duals.

    Attributes
    ----------
    weights, subgradient : (n_inputs, n_neurons)
    multipliers, outputs : (n_samples, n_neurons)
        At an optimum ``subgradient = -inputs^T multipliers`` is one of the sum of absolute weights.
    """

    weights: torch.Tensor
    subgradient: torch.Tensor
    multipliers: torch.Tensor
    outputs: torch.Tensor


def current_point(whole: Whole, state: State, sparse: torch.Tensor, multipliers: torch.Tensor) -> Point:
    """Return where a stretch of the whole iteration ended, as a point."""
    subgradient = state.penalty * whole.coupling * (state.sparse - sparse)
    return Point(sparse, subgradient, multipliers, whole.inputs @ sparse)


def near_inputs(point: Point) -> torch.Tensor:
    """Which inputs each neuron uses or nearly uses, bool, (n_inputs, n_neurons)."""
    return (point.weights != 0) | (point.subgradient.abs() > NEAR)


def leap(whole: Whole, point: Point, penalty: float, radius: float, tolerance: float) -> State | None:
    """Solve by working sets, from a point of the whole iteration.

    Parameters
    ----------
    whole : Whole
    point : Point
    penalty : float
        Of the whole iteration.
    radius : float
    tolerance : float
        Of the small programs.

    Returns
    -------
    State, optional
        Where to go on iterating the whole; None if not even the first small program could be solved.
    """
    inputs = near_inputs(point)
    touched = _strongest(point.multipliers.masked_fill(whole.active, 0), inputs.sum(0))
    slack = OVER_CEILING * radius / math.sqrt(max(int(whole.active.sum()), 1))
    found = None
    for _ in range(ROUNDS):
        solved = _Small(whole, inputs, touched).solve(point, penalty, radius, tolerance) if inputs.any() else None
        if solved is None:
            break
        found = point = solved
        over = (point.subgradient.abs() - 1 - OVER_SUBGRADIENT).masked_fill(inputs, 0)
        above = (point.outputs - whole.ceilings - slack).masked_fill(whole.active | touched, 0)
        most = LET_IN + inputs.sum(0) // 8
        missing_inputs, missing_ceilings = _strongest(over, most), _strongest(above, most)
        if not missing_inputs.any() and not missing_ceilings.any():
            break
        inputs, touched = inputs | missing_inputs, touched | missing_ceilings
    return None if found is None else _state(found, penalty, whole.coupling)


class _Small:
    """The small program: per neuron one matrix, whose rows are the triangular factor and the touched ceilings.

    Neurons that need fewer inputs or ceilings than the others are filled up with zeros, which get no weight. Sums over
    samples are float64; the iteration itself is float32.
    """

    def __init__(self, whole: Whole, inputs: torch.Tensor, touched: torch.Tensor) -> None:
        self.whole = whole
        self.used = [column.nonzero()[:, 0] for column in inputs.T]
        self.bound = [column.nonzero()[:, 0] for column in touched.T]
        self.width, depth = int(inputs.sum(0).max()), int(touched.sum(0).max())
        self.matrices = whole.inputs.new_zeros((len(self.used), self.width + depth, self.width), dtype=torch.float32)
        self.targets = self.matrices.new_zeros((self.width + depth, len(self.used)))
        self.ceilings = torch.zeros_like(self.targets)
        self.out_of_reach = 0.0  # squared distance that no weights on these inputs can close
        for neuron, (used, bound) in enumerate(zip(self.used, self.bound, strict=True)):
            met = whole.active[:, neuron]
            columns = whole.inputs[:, used].double()
            goal = whole.targets[met, neuron].double()
            factor, reached = _compressed(columns[met], goal)
            self.out_of_reach += float(goal @ goal - reached @ reached)
            self.matrices[neuron, : len(used), : len(used)] = factor
            self.matrices[neuron, self.width : self.width + len(bound), : len(used)] = columns[bound]
            self.targets[: len(used), neuron] = reached
            self.ceilings[self.width : self.width + len(bound), neuron] = whole.ceilings[bound, neuron]

    def solve(self, point: Point, penalty: float, radius: float, tolerance: float) -> Point | None:
        """Return the solution, or None if the ball is out of reach or the iterations were too few."""
        if self.out_of_reach >= radius**2:
            return None
        radius = math.sqrt(radius**2 - self.out_of_reach)
        linear = _PerNeuron(self.matrices)
        active = torch.zeros_like(self.targets, dtype=torch.bool)
        active[: self.width] = True
        small = self._cut(point, linear)
        start = _state(small, penalty * self.whole.coupling / linear.coupling, linear.coupling)
        splitting = Splitting(linear, active, self.targets, self.ceilings)
        end = splitting.run(start, radius, tolerance=tolerance, iterations=ITERATIONS)
        if not max(end.primal, end.dual) <= tolerance:  # also when they are no numbers
            return None
        return self._extended(end.sparse, end.multipliers, radius)

    def _cut(self, point: Point, linear: "_PerNeuron") -> Point:
        """Return the part of a point of the whole that the small program sees."""
        weights, subgradient = self.matrices.new_zeros((2, self.width, len(self.used)))
        multipliers = torch.zeros_like(self.targets)
        for neuron, (used, bound) in enumerate(zip(self.used, self.bound, strict=True)):
            weights[: len(used), neuron] = point.weights[used, neuron].float()
            subgradient[: len(used), neuron] = point.subgradient[used, neuron].float()
            multipliers[self.width : self.width + len(bound), neuron] = point.multipliers[bound, neuron].float()
        outputs = linear.forward(weights)
        # Within the ball, multipliers are the distances times one number.
        distances = (point.outputs - self.whole.targets)[self.whole.active]
        strength = _size(point.multipliers[self.whole.active]) / max(_size(distances), torch.finfo(torch.float32).tiny)
        multipliers[: self.width] = strength * (outputs - self.targets)[: self.width]
        return Point(weights, subgradient, multipliers, outputs)

    def _extended(self, sparse: torch.Tensor, small_multipliers: torch.Tensor, radius: float) -> Point:
        """Return the point of the whole that a solution of the small program stands for."""
        whole = self.whole
        weights = whole.inputs.new_zeros((whole.inputs.shape[1], len(self.used)))
        multipliers = torch.zeros_like(whole.targets)
        for neuron, (used, bound) in enumerate(zip(self.used, self.bound, strict=True)):
            weights[used, neuron] = sparse[: len(used), neuron].to(weights.dtype)
            found = small_multipliers[self.width : self.width + len(bound), neuron]
            multipliers[bound, neuron] = found.to(multipliers.dtype)
        outputs = whole.inputs @ weights
        strength = _size(small_multipliers[: self.width]) / radius
        multipliers += torch.where(whole.active, strength * (outputs - whole.targets), 0)
        return Point(weights, -(whole.inputs.T @ multipliers), multipliers, outputs)


class _PerNeuron:
    """Linear map with a matrix, (n_rows, n_inputs), for each neuron."""

    def __init__(self, matrices: torch.Tensor) -> None:
        self.matrices = matrices
        gram = matrices.mT @ matrices
        diagonal = gram.diagonal(dim1=1, dim2=2)
        self.coupling = COUPLING * float(diagonal.max())
        diagonal.add_(self.coupling)
        self.inverses = torch.cholesky_inverse(torch.linalg.cholesky(gram))

    # Each product has its vectors as rows: with columns, torch took ten times as long.

    def forward(self, weights: torch.Tensor) -> torch.Tensor:
        return torch.bmm(weights.T[:, None, :], self.matrices.mT)[:, 0, :].T

    def adjoint(self, outputs: torch.Tensor) -> torch.Tensor:
        return torch.bmm(outputs.T[:, None, :], self.matrices)[:, 0, :].T

    def invert(self, gradient: torch.Tensor) -> torch.Tensor:
        return torch.bmm(gradient.T[:, None, :], self.inverses)[:, 0, :].T


def _compressed(columns: torch.Tensor, goal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Square matrix and goal whose distances differ from those of ``columns`` by a constant."""
    gram = columns.T @ columns
    diagonal = gram.diagonal()
    # Columns may coincide, or be zero where this neuron is active; the shift is far below what float32 resolves.
    diagonal.add_(1e-10 * diagonal.max() if len(diagonal) and diagonal.max() > 0 else 1.0)
    lower = torch.linalg.cholesky(gram)
    return lower.T, torch.linalg.solve_triangular(lower, (columns.T @ goal)[:, None], upper=False)[:, 0]


def _state(point: Point, penalty: float, coupling: float) -> State:
    """Where an iteration stands that would rest at this point, were it optimal."""
    return State(
        point.outputs + point.multipliers / penalty,
        point.weights + point.subgradient.clamp(-1, 1) / (penalty * coupling),
        point.weights,
        penalty,
    )


def _strongest(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Mark in each column the largest positive values, as many as ``counts`` says.

    An answer seldom rests on more ceilings than it has weights. Without a limit a neuron on its way to zero, of which
    all samples touch their ceilings, would make the small program a large one for everybody.
    """
    order = values.sort(dim=0, descending=True, stable=True).indices
    among = torch.arange(len(values))[:, None] < counts
    return torch.zeros_like(values, dtype=torch.bool).scatter_(0, order, among) & (values > 0)


def _size(values: torch.Tensor) -> float:
    return float(torch.linalg.vector_norm(values, dtype=torch.float64))
