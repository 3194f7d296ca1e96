"""The convex program of one layer, how good an answer to it is, and its solution by a general convex solver.

Aghasi, Abdi, Romberg, "Fast Convex Pruning of Deep Neural Networks", SIAM J. Math. Data Sci. 2(1), 2020.

Samples are rows here, so ``U^T X`` of the paper reads ``inputs @ U``. The bias is the last row of ``U`` and belongs to
the column of ones at the end of ``inputs``; it is penalised like any weight.
"""

import math
from dataclasses import dataclass

import cvxpy
import torch

HALVINGS = 25


@dataclass(frozen=True)
class LayerProgram:
    """Which sparse weights answer like the layer does: all of the program but its radius.

    Minimise ``sum |U|`` subject to ``|| (inputs @ U - targets) on active ||_F <= radius`` and
    ``inputs @ U <= ceilings`` elsewhere.

    Attributes
    ----------
    inputs : float64 (float32 for rough answers, like all of it), (n_samples, n_inputs + 1)
        What enters the layer, then a column of ones (which a layer without bias lacks).
    targets : float64, (n_samples, n_neurons)
        What the parent's layer answers.
    active : bool, (n_samples, n_neurons)
        Where the answer has to be met: where the ReLU let something through, or everywhere in a last layer.
    ceilings : float64, (n_samples, n_neurons)
        Bound from above where ``active`` is false; without meaning elsewhere.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    active: torch.Tensor
    ceilings: torch.Tensor

    def norm_on_active(self, values: torch.Tensor) -> float:
        """Frobenius norm of the active entries of a (n_samples, n_neurons) tensor."""
        return float(torch.linalg.vector_norm(values[self.active], dtype=torch.float64))


@dataclass(frozen=True)
class Quality:
    """How an answer stands to its program.

    Attributes
    ----------
    objective : float
        ``sum |U|``.
    distance : float
        Frobenius norm of what the active entries miss their targets by.
    above : float
        Frobenius norm of what exceeds the ceilings.
    radius : float
    """

    objective: float
    distance: float
    above: float
    radius: float

    @property
    def ball(self) -> float:
        """Distance over the radius; at most 1 when feasible, 0/0 being 0."""
        return _ratio(self.distance, self.radius)

    @property
    def overshoot(self) -> float:
        """What exceeds the ceilings, over the radius; 0 when feasible."""
        return _ratio(self.above, self.radius)


def relu_program(inputs: torch.Tensor, weights: torch.Tensor, *, seen: torch.Tensor | None = None) -> LayerProgram:
    """Program of a layer that is followed by ReLU.

    Parameters
    ----------
    inputs : float64, (n_samples, n_inputs + 1)
        The parent's own inputs of this layer: they make the targets.
    weights : float64, (n_inputs + 1, n_neurons)
    seen : same shape as inputs, optional
        Inputs that come out of layers already pruned (cascade). The ceilings then follow ``weights`` on these inputs,
        which keeps ``weights`` below them. Without it (parallel), inactive entries stay at or below zero.
    """
    targets = (inputs @ weights).clamp(min=0)
    active = targets > 0
    if seen is None:
        return LayerProgram(inputs, targets, active, torch.zeros_like(targets))
    return LayerProgram(seen, targets, active, seen @ weights)


def linear_program(inputs: torch.Tensor, weights: torch.Tensor, *, seen: torch.Tensor | None = None) -> LayerProgram:
    """Program of a last layer: its outputs are met on every entry. Parameters as in ``relu_program``."""
    targets = inputs @ weights
    everywhere = torch.ones_like(targets, dtype=torch.bool)
    return LayerProgram(inputs if seen is None else seen, targets, everywhere, torch.zeros_like(targets))


def judge(program: LayerProgram, weights: torch.Tensor, radius: float) -> Quality:
    """Objective and constraints of an answer, (n_inputs + 1, n_neurons), in float64."""
    outputs = program.inputs @ weights
    above = (outputs - program.ceilings).masked_fill(program.active, 0).clamp(min=0)
    return Quality(
        objective=float(weights.abs().sum(dtype=torch.float64)),
        distance=program.norm_on_active(outputs - program.targets),
        above=float(torch.linalg.vector_norm(above, dtype=torch.float64)),
        radius=radius,
    )


def lower_bound(program: LayerProgram, multipliers: torch.Tensor, radius: float) -> float:
    """A number that no feasible answer's objective is below (weak duality), up to rounding in the given precision.

    Parameters
    ----------
    multipliers : (n_samples, n_neurons)
        Any tensor. Inactive entries below zero are taken as zero, and each neuron's column is shrunk until
        ``|inputs^T multipliers| <= 1``, which is what the dual program asks. Where ceilings are zero the inactive part
        of a column adds nothing to the bound: the multiple of it that leaves least to shrink is tried as well.
    """
    met = multipliers.masked_fill(~program.active, 0)
    held = multipliers.masked_fill(program.active, 0).clamp(min=0)
    pull, push = program.inputs.T @ met, program.inputs.T @ held
    reached, limited = (met * program.targets).sum(0), (held * program.ceilings).sum(0)
    sizes = torch.linalg.vector_norm(met, dim=0)
    bounds = []
    for share in (torch.ones_like(sizes), _best_share(pull, push)):
        shrink = 1 / (pull + share * push).abs().amax(0).clamp(min=1)
        gained = -(shrink * (reached + share * limited)).sum(dtype=torch.float64)
        bounds.append(float(gained) - radius * float(torch.linalg.vector_norm(shrink * sizes, dtype=torch.float64)))
    return max(bounds)


def _best_share(pull: torch.Tensor, push: torch.Tensor) -> torch.Tensor:
    """For each column the share for which ``|pull + share push|`` has the least maximum.

    The maximum is convex in the share; which way it falls is told by the entry that attains it.
    """
    low, high = torch.zeros_like(pull[0]), torch.full_like(pull[0], 2.0)
    for _ in range(HALVINGS):
        share = (low + high) / 2
        sums = pull + share * push
        row = sums.abs().argmax(0, keepdim=True)
        rises = (sums.gather(0, row) * push.gather(0, row))[0] > 0
        low, high = torch.where(rises, low, share), torch.where(rises, share, high)
    return (low + high) / 2


def solve_with_cvxpy(program: LayerProgram, radius: float) -> torch.Tensor:
    """Solve by an interior-point method: the reference for small layers.

    Returns
    -------
    float64, (n_inputs + 1, n_neurons)
        Dense: what is zero in the solution is merely small here.

    Raises
    ------
    RuntimeError
        The solver gave up.
    """
    inputs, targets, ceilings = (part.numpy() for part in (program.inputs, program.targets, program.ceilings))
    active = program.active.numpy()
    answer = cvxpy.Variable((inputs.shape[1], targets.shape[1]))
    distances, constraints = [], []
    for neuron, met in enumerate(active.T):
        if met.any():
            distances.append(inputs[met] @ answer[:, neuron] - targets[met, neuron])
        if not met.all():
            constraints.append(inputs[~met] @ answer[:, neuron] <= ceilings[~met, neuron])
    if distances:
        constraints.append(cvxpy.norm(cvxpy.hstack(distances)) <= radius)
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum(cvxpy.abs(answer))), constraints)
    # Warm starts are off: a second solve in the same process must not depend on the first.
    problem.solve(solver=cvxpy.CLARABEL, warm_start=False)
    if answer.value is None:
        raise RuntimeError(f"Clarabel ended with status '{problem.status}' on a layer of shape {answer.shape}.")
    return torch.from_numpy(answer.value).contiguous()


def _ratio(value: float, radius: float) -> float:
    if radius > 0:
        return value / radius
    return 0.0 if value == 0 else math.inf
