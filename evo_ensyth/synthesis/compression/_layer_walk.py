"""Net-Trim from layer to layer: one convex program for every layer and epsilon, and what is kept between them."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn

from evo_ensyth.errors import InputError
from evo_ensyth.files import fingerprint, write_whole
from evo_ensyth.synthesis.compression import Report
from evo_ensyth.synthesis.compression._admm import Certificate, LayerSolver
from evo_ensyth.synthesis.compression._convex_program import (
    LayerProgram,
    judge,
    linear_program,
    relu_program,
    solve_with_cvxpy,
)
from evo_ensyth.synthesis.compression._layer_inputs import layer_forms, layer_inputs, pruned_layers
from evo_ensyth.synthesis.compression._splitting import State
from evo_ensyth.synthesis.devices import CPU, has_float64
from evo_ensyth.synthesis.inspection.layers import LayerUse
from evo_ensyth.synthesis.trees import Tree, leaves, moved, taken

if TYPE_CHECKING:
    from evo_ensyth.synthesis.compression.net_trim import NetTrim

TOLERANCES = 1e-4, 1e-2  # of small layers, and of large ones
LARGE = 1e9  # multiplications of inputs with weights, all samples; LeNet's first dense layer at 5,000 has 8e9
STATE_TENSORS = ("outputs", "sparse", "weights")


class LayerWalk:
    """Prunes all layers for one epsilon after another, and keeps what the epsilons of a layer share.

    A device without float64 is not used.
    """

    def __init__(
        self, settings: NetTrim, parent: nn.Module, calibration: Tree, progress: Report, device: torch.device
    ) -> None:
        self.device = device if has_float64(device) else CPU
        self.settings, self.progress = settings, progress
        self.uses, self.left = pruned_layers(
            parent, taken(calibration, slice(0, 1)), settings.layers, convolutions=settings.convolutions
        )
        self.parent, self.calibration = copy.deepcopy(parent).to(self.device), moved(calibration, self.device)
        self.states: dict[str, State] = {}
        self._forms = layer_forms(self.parent, self.uses)
        self._weights = {name: form.matrix() for name, form in self._forms.items()}
        self._inputs: dict[str, torch.Tensor] = {}
        self._prepared: dict[str, tuple[LayerProgram, LayerSolver | None]] = {}

    def key(self) -> str:
        """Fingerprint of everything that determines the result."""
        digest = hashlib.sha256()
        for part in (*self.parent.state_dict().values(), *leaves(self.calibration)):
            digest.update(part.detach().cpu().contiguous().numpy().tobytes())
        return fingerprint({"settings": given_settings(self.settings), "data": digest.hexdigest()})

    def prune(self, epsilon: float) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Weights, float32, (n_inputs + 1, n_neurons), and report of every layer at one epsilon."""
        if not self._inputs:
            self._inputs = layer_inputs(self.parent, self.calibration, self._forms)
        weights: dict[str, torch.Tensor] = {}
        report: dict[str, Any] = {}
        for name in self.uses:
            where = f"net_trim-{epsilon:g}, {name}"
            self.progress(where)
            if self.settings.scheme == "parallel" or not weights:
                program, solver = self._shared(name)
                radius = epsilon * program.norm_on_active(program.targets)
                begin = self.states.get(name)
                begin = None if begin is None else begin.to(self.device)
                solved, state, solver_report = self._solve(where, program, solver, radius, begin)
                if state is not None:
                    self.states[name] = state
            else:
                pruned = with_weights(self.parent, self.uses, weights)
                program = self._program(
                    name, layer_inputs(pruned, self.calibration, layer_forms(pruned, {name: self.uses[name]}))[name]
                )
                missed = program.norm_on_active(program.inputs @ self._weights[name] - program.targets)
                radius = math.sqrt(self.settings.gamma) * missed
                solved, _, solver_report = self._solve(where, program, self._solver(name, program), radius, None)
            weights[name] = solved.float()
            report[name] = {**solver_report, **_quality_report(program, weights[name].double(), radius)}
        return {name: found.to(CPU) for name, found in weights.items()}, {
            "layers": report,
            **({"left": self.left} if self.left else {}),
        }

    def _shared(self, name: str) -> tuple[LayerProgram, LayerSolver | None]:
        """Program on the parent's inputs and its factorisation, which do not depend on epsilon."""
        if name not in self._prepared:
            program = self._program(name, None)
            self._prepared[name] = program, self._solver(name, program)
        return self._prepared[name]

    def _program(self, name: str, seen: torch.Tensor | None) -> LayerProgram:
        make_program = relu_program if self.uses[name].relu else linear_program
        return make_program(self._inputs[name], self._weights[name], seen=seen)

    def _solver(self, name: str, program: LayerProgram) -> LayerSolver | None:
        if self.settings.solver == "cvxpy":
            return None
        return LayerSolver(program, self._weights[name], precision=getattr(torch, self.settings.precision))

    def _default_tolerance(self, program: LayerProgram) -> float:
        return TOLERANCES[1] if self.settings.convolutions else default_tolerance(program)

    def _solve(
        self, where: str, program: LayerProgram, solver: LayerSolver | None, radius: float, state: State | None
    ) -> tuple[torch.Tensor, State | None, dict[str, Any]]:
        """Weights, state of the solver, and its report."""
        if solver is None:
            return solve_with_cvxpy(program, radius), None, {}

        def report(iterations: int, reached: Certificate) -> None:
            self.progress(
                f"{where}: {iterations} iterations, gap {reached.gap:.2%}, beyond the ball {reached.excess:.2%}"
            )

        solution = solver.solve(
            radius,
            state,
            tolerance=self.settings.tolerance or self._default_tolerance(program),
            max_iterations=self.settings.max_iterations,
            progress=report,
        )
        certificate = solution.certificate
        solver_report = {
            "iterations": solution.iterations,
            "converged": solution.converged,
            "lower_bound": certificate.lower_bound,
            "gap": certificate.gap,
        }
        return solution.weights, solution.state, solver_report


class FinishedEpsilons:
    """Finished epsilons in the scratch folder, one file each: weights, report, and final state of the solver."""

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
                raise InputError(f"{path} belongs to another parent, calibration or setting; remove the folder.")
            names = [name for name in file.keys() if name.startswith("weights/")]  # noqa: SIM118
            return {name.removeprefix("weights/"): file.get_tensor(name) for name in names}, json.loads(about["report"])

    def read_states(self, epsilon: float) -> dict[str, State]:
        """Final state of the solver in every layer, for a finished epsilon."""
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
        """Store a finished epsilon."""
        tensors = {f"weights/{layer}": tensor.contiguous() for layer, tensor in weights.items()}
        for layer, state in states.items():
            tensors |= {f"state/{layer}/{part}": getattr(state, part).contiguous() for part in STATE_TENSORS}
        penalties = {layer: state.penalty for layer, state in states.items()}
        about = {"key": self.key, "report": json.dumps(report, allow_nan=False), "penalties": json.dumps(penalties)}
        write_whole(self._path(epsilon), save(tensors, about))

    def _path(self, epsilon: float) -> Path:
        return self.folder / f"epsilon-{epsilon:g}.safetensors"


def default_tolerance(program: LayerProgram) -> float:
    """Four digits if they take seconds; else 1 %, since fine-tuning changes the weights far more."""
    return TOLERANCES[program.inputs.numel() * program.targets.shape[1] > LARGE]


def with_weights(parent: nn.Module, uses: Mapping[str, LayerUse], weights: Mapping[str, torch.Tensor]) -> nn.Module:
    """Return a copy of the parent with other weights, (n_inputs + 1, n_neurons), in some layers."""
    model = copy.deepcopy(parent)
    for name, form in layer_forms(model, uses).items():
        if name in weights:
            form.write(weights[name])
    return model


def given_settings(settings: NetTrim) -> dict[str, Any]:
    """Settings without those that earlier versions lacked, if they are at their default."""
    later = {part.name: part.default for part in fields(settings) if part.metadata.get("later")}
    return {name: value for name, value in asdict(settings).items() if name not in later or value != later[name]}


def _quality_report(program: LayerProgram, weights: torch.Tensor, radius: float) -> dict[str, Any]:
    """Constraints, density and errors of the returned weights; plain JSON values."""
    quality = judge(program, weights, radius)
    outputs = program.inputs @ weights
    missed = torch.where(program.active, outputs - program.targets, (outputs - program.ceilings).clamp(min=0))
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
