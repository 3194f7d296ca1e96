"""One layer's program: prepared and factorised once, solved for any number of radii, warm from one to the next.

Aghasi, Abdi, Romberg, "Fast Convex Pruning of Deep Neural Networks", SIAM J. Math. Data Sci. 2(1), 2020, section 3:
``_splitting`` is the iteration, ``_working_sets`` a shortcut where answers are sparse.
"""

from dataclasses import dataclass

import torch

from evo_ensyth.synthesis.compression._convex_program import LayerProgram
from evo_ensyth.synthesis.compression._splitting import COUPLING, Splitting, State, Stretch
from evo_ensyth.synthesis.compression._working_sets import Whole, current_point, leap, near_inputs

STRETCH = 25
MARGIN = 0.5
NARROW = 0.1
MOST_LEAPS = 5


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
    iterations, leaps : int
        On the whole program, and by working sets.
    primal, dual : float
        Relative residuals at the end.
    converged : bool
        Residuals and ball were met before the iterations ran out.
    """

    weights: torch.Tensor
    multipliers: torch.Tensor
    state: State
    iterations: int
    leaps: int
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
        Of the large matrix products. float32 halves the time and costs no digits, see ``Splitting``.
    narrow : float
        Leap by working sets once no neuron uses more than this share of its inputs.
    """

    def __init__(
        self,
        program: LayerProgram,
        *,
        scale: float,
        precision: torch.dtype = torch.float32,
        narrow: float = NARROW,
    ) -> None:
        # Exact and for free: an input that is always zero gets no weight, and neither does a neuron that is never
        # active and for which zero weights are feasible. A trained LeNet has many such neurons.
        self._rows = program.inputs.abs().amax(0) > 0
        self._columns = (program.active | (program.ceilings < 0)).any(0)
        self._shape = (program.inputs.shape[1], program.targets.shape[1])
        self._largest_radius = program.norm_on_active(program.targets)
        self._zero_is_feasible = not bool(((program.ceilings < 0) & ~program.active).any())
        self._narrow = narrow
        self._scale = scale
        linear = _Dense(program.inputs[:, self._rows], precision)
        active = program.active[:, self._columns].contiguous()
        targets = program.targets[:, self._columns].to(precision).contiguous()
        ceilings = program.ceilings[:, self._columns].to(precision).contiguous()
        self._splitting = Splitting(linear, active, targets, ceilings)
        self._whole = Whole(linear.inputs, active, targets, ceilings, linear.coupling)

    def solve(self, radius: float, state: State | None = None, *, tolerance: float, max_iterations: int) -> Solution:
        """Weights of least absolute sum within the constraints.

        Parameters
        ----------
        radius : float
        state : State, optional
            End of an earlier solve of this layer, to start from.
        tolerance : float
            For both relative residuals (see ``Splitting.run``), and for how far the answer may leave the ball.
        max_iterations : int
        """
        state = state or self._cold_start()
        if self._zero_is_feasible and radius >= self._largest_radius:
            return self._zero(state)
        # The sparse copy meets the ball only up to the tolerance; aiming a little inside pays for that.
        aim = radius * (1 - MARGIN * tolerance)
        iterations = leaps = 0
        while True:
            stretch = self._splitting.run(
                state,
                aim,
                tolerance=tolerance,
                iterations=min(STRETCH, max_iterations - iterations),
                past=iterations,
            )
            state = stretch.state
            iterations += stretch.iterations
            settled = max(stretch.primal, stretch.dual) <= tolerance
            # Outputs right to a small part of their own size can still miss a much smaller ball.
            converged = settled and (radius == 0 or self._distance(stretch.sparse) <= radius * (1 + tolerance))
            if converged or iterations >= max_iterations:
                break
            if not settled and leaps < MOST_LEAPS:
                landed = self._leap(stretch, aim, tolerance / 5)
                state = landed or state
                leaps += landed is not None
        return Solution(
            weights=self._embed(stretch.sparse),
            multipliers=self._embed_columns(stretch.multipliers),
            state=state,
            iterations=iterations,
            leaps=leaps,
            primal=stretch.primal,
            dual=stretch.dual,
            converged=converged,
        )

    def _leap(self, stretch: Stretch, radius: float, tolerance: float) -> State | None:
        """Where working sets lead, if the answer is sparse enough for them."""
        point = current_point(self._whole, stretch.state, stretch.sparse, stretch.multipliers)
        # The widest neuron decides: the others are filled up to it.
        if int(near_inputs(point).sum(0).max()) > self._narrow * len(point.weights):
            return None
        return leap(self._whole, point, stretch.state.penalty, radius, tolerance)

    def _distance(self, sparse: torch.Tensor) -> float:
        """Norm of what the ReLU of the answer misses: active entries, and what exceeds the ceilings."""
        whole = self._whole
        offset = whole.inputs @ sparse - torch.where(whole.active, whole.targets, whole.ceilings)
        missed = torch.where(whole.active, offset, offset.clamp(min=0))
        return float(torch.linalg.vector_norm(missed, dtype=torch.float64))

    def _cold_start(self) -> State:
        linear = self._splitting.linear
        outputs = torch.zeros_like(self._splitting.targets)
        weights = outputs.new_zeros((self._whole.inputs.shape[1], outputs.shape[1]))
        scale = self._scale if self._scale > 0 else 1.0
        return State(outputs, weights, weights, 1 / (2 * scale * linear.coupling))

    def _zero(self, state: State) -> Solution:
        weights = torch.zeros(self._shape, dtype=torch.float64)
        multipliers = torch.zeros((self._whole.inputs.shape[0], self._shape[1]), dtype=torch.float64)
        return Solution(weights, multipliers, state, 0, 0, 0.0, 0.0, True)

    def _embed(self, kept: torch.Tensor) -> torch.Tensor:
        weights = torch.zeros(self._shape, dtype=torch.float64)
        weights[self._rows.nonzero(), self._columns.nonzero().T] = kept.double()
        return weights

    def _embed_columns(self, kept: torch.Tensor) -> torch.Tensor:
        columns = torch.zeros((kept.shape[0], self._shape[1]), dtype=torch.float64)
        columns[:, self._columns] = kept.double()
        return columns


class _Dense:
    """Linear map of the whole layer: one matrix of inputs for all neurons, and one inverse."""

    def __init__(self, inputs: torch.Tensor, precision: torch.dtype) -> None:
        gram = inputs.T @ inputs
        self.coupling = COUPLING * float(gram.diagonal().max())
        gram.diagonal().add_(self.coupling)
        self.inputs = inputs.to(precision).contiguous()
        self.inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram)).to(precision)

    def forward(self, weights: torch.Tensor) -> torch.Tensor:
        return self.inputs @ weights

    def adjoint(self, outputs: torch.Tensor) -> torch.Tensor:
        return self.inputs.T @ outputs

    def invert(self, gradient: torch.Tensor) -> torch.Tensor:
        return self.inverse @ gradient
