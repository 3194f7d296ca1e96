"""The convex program of one dense layer, how good an answer to it is, and its solution by a general convex solver.

Aghasi, Abdi, Romberg, "Fast Convex Pruning of Deep Neural Networks", SIAM J. Math. Data Sci. 2(1), 2020.

Samples are rows here, so ``U^T X`` of the paper reads ``inputs @ U``. The bias is the last row of ``U`` and belongs to
the column of ones at the end of ``inputs``; it is penalised like any weight.
"""

import math
from dataclasses import dataclass

import cvxpy
import torch


@dataclass(frozen=True)
class LayerProgram:
    """Which sparse weights answer like the layer does: all of the program but its radius.

    Minimise ``sum |U|`` subject to ``|| (inputs @ U - targets) on active ||_F <= radius`` and
    ``inputs @ U <= ceilings`` elsewhere.

    Attributes
    ----------
    inputs : float64, (n_samples, n_inputs + 1)
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
        return float(torch.linalg.norm(values[self.active]))


@dataclass(frozen=True)
class Quality:
    """How an answer stands to its program.

    Attributes
    ----------
    objective : float
        ``sum |U|``.
    ball : float
        Distance from the targets on the active entries over the radius; at most 1 when feasible, 0/0 being 0.
    overshoot : float
        Frobenius norm of what exceeds the ceilings, over the radius; 0 when feasible.
    """

    objective: float
    ball: float
    overshoot: float


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
    distance = program.norm_on_active(outputs - program.targets)
    above = (outputs - program.ceilings).masked_fill(program.active, 0).clamp(min=0)
    return Quality(
        objective=float(weights.abs().sum()),
        ball=_ratio(distance, radius),
        overshoot=_ratio(float(torch.linalg.norm(above)), radius),
    )


def lower_bound(program: LayerProgram, multipliers: torch.Tensor, radius: float) -> float:
    """A number that no feasible answer's objective is below (weak duality).

    Parameters
    ----------
    multipliers : float64, (n_samples, n_neurons)
        Any tensor. Inactive entries below zero are taken as zero, and each neuron's column is shrunk until
        ``|inputs^T multipliers| <= 1``, which is what the dual program asks.
    """
    multipliers = torch.where(program.active, multipliers, multipliers.clamp(min=0))
    steepest = (program.inputs.T @ multipliers).abs().amax(0)
    multipliers = multipliers / steepest.clamp(min=1)
    reach = torch.where(program.active, program.targets, program.ceilings)
    return -float((multipliers * reach).sum()) - radius * program.norm_on_active(multipliers)


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
