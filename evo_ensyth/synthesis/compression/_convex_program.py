"""The convex program of one layer, the quality of weights under it, and its solution by a general convex solver.

Aghasi, Abdi, Romberg, "Fast Convex Pruning of Deep Neural Networks", SIAM J. Math. Data Sci. 2(1), 2020.

Samples are rows here, so ``U^T X`` of the paper reads ``inputs @ U``. The bias is the last row of ``U`` and belongs to
the column of ones at the end of ``inputs``; it is penalised like any weight.
"""

import math
from dataclasses import dataclass

import torch

from evo_ensyth.errors import build_extra

HALVINGS = 25


@dataclass(frozen=True)
class LayerProgram:
    """Find sparse weights with the outputs of a given layer: the program without its radius.

    Minimise ``sum |U|`` subject to ``|| (inputs @ U - targets) on active ||_F <= radius`` and
    ``inputs @ U <= ceilings`` elsewhere.

    Attributes
    ----------
    inputs : float64, (n_samples, n_inputs + 1)
        Inputs of the layer, then a column of ones, which a layer without bias lacks. All arrays are float32 where the
        program serves for iterations of low precision.
    targets : float64, (n_samples, n_neurons)
        Outputs of the parent's layer.
    active : bool, (n_samples, n_neurons)
        Where the outputs have to be met: where the ReLU passes them, or everywhere in a last layer.
    ceilings : float64, (n_samples, n_neurons)
        Upper bound where ``active`` is false; without meaning elsewhere.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    active: torch.Tensor
    ceilings: torch.Tensor

    def norm_on_active(self, values: torch.Tensor) -> float:
        """Frobenius norm of the active entries of a tensor, (n_samples, n_neurons)."""
        return float(torch.linalg.vector_norm(values[self.active], dtype=torch.float64))


@dataclass(frozen=True)
class Quality:
    """Objective and constraints of some weights.

    Attributes
    ----------
    objective : float
        ``sum |U|``.
    distance : float
        Frobenius norm of the differences between active entries and their targets.
    above : float
        Frobenius norm of the amounts above the ceilings.
    radius : float
    """

    objective: float
    distance: float
    above: float
    radius: float

    @property
    def ball(self) -> float:
        """Distance over the radius; at most 1 when feasible, with 0/0 = 0."""
        return _ratio(self.distance, self.radius)

    @property
    def overshoot(self) -> float:
        """Amount above the ceilings, over the radius; 0 when feasible."""
        return _ratio(self.above, self.radius)


def relu_program(inputs: torch.Tensor, weights: torch.Tensor, *, seen: torch.Tensor | None = None) -> LayerProgram:
    """Program of a layer that is followed by a ReLU.

    Parameters
    ----------
    inputs : float64, (n_samples, n_inputs + 1)
        The parent's inputs of this layer, from which the targets follow.
    weights : float64, (n_inputs + 1, n_neurons)
    seen : same shape as inputs, optional
        Outputs of layers already pruned (cascade). The ceilings are then the outputs of ``weights`` on these inputs,
        so that ``weights`` are feasible. By default (parallel), inactive entries stay at or below zero.
    """
    targets = (inputs @ weights).clamp(min=0)
    active = targets > 0
    if seen is None:
        return LayerProgram(inputs, targets, active, torch.zeros_like(targets))
    return LayerProgram(seen, targets, active, seen @ weights)


def linear_program(inputs: torch.Tensor, weights: torch.Tensor, *, seen: torch.Tensor | None = None) -> LayerProgram:
    """Program of a last layer, whose outputs are met on every entry; parameters are those of `relu_program`."""
    targets = inputs @ weights
    everywhere = torch.ones_like(targets, dtype=torch.bool)
    return LayerProgram(inputs if seen is None else seen, targets, everywhere, torch.zeros_like(targets))


def judge(program: LayerProgram, weights: torch.Tensor, radius: float) -> Quality:
    """Objective and constraints of weights, (n_inputs + 1, n_neurons), in float64."""
    outputs = program.inputs @ weights
    above = (outputs - program.ceilings).masked_fill(program.active, 0).clamp(min=0)
    return Quality(
        objective=float(weights.abs().sum(dtype=torch.float64)),
        distance=program.norm_on_active(outputs - program.targets),
        above=float(torch.linalg.vector_norm(above, dtype=torch.float64)),
        radius=radius,
    )


def lower_bound(program: LayerProgram, multipliers: torch.Tensor, radius: float) -> float:
    """Lower bound of the objective of all feasible weights, by weak duality, up to rounding in the given precision.

    Parameters
    ----------
    multipliers : (n_samples, n_neurons)
        Any tensor. Inactive entries below zero count as zero, and each neuron's column is scaled down until
        ``|inputs^T multipliers| <= 1``, as the dual program requires. Where ceilings are zero the inactive part of a
        column does not change the bound: the multiple of it that needs least scaling is tried as well.
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
    """For each column the share that minimises the maximum of ``|pull + share push|``.

    The maximum is convex in the share; the entry that attains it shows in which direction it falls.
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
    """Solve by an interior-point method, the reference for small layers.

    Returns
    -------
    float64, (n_inputs + 1, n_neurons)
        Dense: zeros of the solution are merely small here.

    Raises
    ------
    InputError
        cvxpy is not installed.
    RuntimeError
        The solver failed.
    """
    with build_extra():
        import cvxpy

    parts = (program.inputs, program.targets, program.ceilings, program.active)
    inputs, targets, ceilings, active = (part.cpu().numpy() for part in parts)
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
    # No warm start: a second solve in the same process must not depend on the first.
    problem.solve(solver=cvxpy.CLARABEL, warm_start=False)
    if answer.value is None:
        raise RuntimeError(f"Clarabel ended with status '{problem.status}' on a layer of shape {answer.shape}.")
    return torch.from_numpy(answer.value).contiguous().to(program.inputs.device)


def _ratio(value: float, radius: float) -> float:
    if radius > 0:
        return value / radius
    return 0.0 if value == 0 else math.inf
