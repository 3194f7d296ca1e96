"""Find the few of many models that, voting together, beat the best of them.

Four nouns: a `Pool` of members and what they answered becomes a `Problem` with objectives; `search` makes a `Run` of
it, with a front; each `Ensemble` of the front predicts. ``evo-ensyth --help`` offers the same on the command line.

>>> import evo_ensyth as ee
>>> pool = ee.load("runs/reference/fashion_mnist/predictions.npz")
>>> run = ee.search(pool, ["error", "n_members"], selector="forward_greedy")
>>> len(run.recommended.members), len(pool)
(4, 36)
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evo_ensyth import executors, objectives, voting
    from evo_ensyth.api import (
        build_pool,
        compare,
        list_runs,
        load,
        read_run,
        search,
        stored_members,
        write_submission,
    )
    from evo_ensyth.deployment.export import export
    from evo_ensyth.deployment.verify import verify
    from evo_ensyth.engine.ensembles import Ensembles
    from evo_ensyth.errors import EvoEnsythError, InputError, InputWarning, UnfinishedError
    from evo_ensyth.io import write_predictions
    from evo_ensyth.objectives import Objective, objective
    from evo_ensyth.pool import Pool, Votes
    from evo_ensyth.results.ensemble import Ensemble
    from evo_ensyth.results.front import Front
    from evo_ensyth.results.run import Run
    from evo_ensyth.results.run_comparison import RunComparison
    from evo_ensyth.selection import selectors
    from evo_ensyth.selection.constraints import Constraint
    from evo_ensyth.selection.problem import Problem
    from evo_ensyth.selection.run import Progress
    from evo_ensyth.synthesis.compress import compress
    from evo_ensyth.synthesis.own_data import OwnData
    from evo_ensyth.synthesis.own_network import OwnNetwork
    from evo_ensyth.workspace import load_problem

__version__ = "0.1.0"

# Every public name and the module it lies in, imported when it is first used: `import evo_ensyth` itself loads
# neither numba nor matplotlib nor torch.
_PLACES = {
    "Constraint": "selection.constraints",
    "Ensemble": "results.ensemble",
    "Ensembles": "engine.ensembles",
    "EvoEnsythError": "errors",
    "Front": "results.front",
    "InputError": "errors",
    "InputWarning": "errors",
    "Objective": "objectives",
    "OwnData": "synthesis.own_data",
    "OwnNetwork": "synthesis.own_network",
    "Pool": "pool",
    "Problem": "selection.problem",
    "Progress": "selection.run",
    "Run": "results.run",
    "RunComparison": "results.run_comparison",
    "UnfinishedError": "errors",
    "Votes": "pool",
    "build_pool": "api",
    "compress": "synthesis.compress",
    "compare": "api",
    "export": "deployment.export",
    "list_runs": "api",
    "load": "api",
    "load_problem": "workspace",
    "objective": "objectives",
    "read_run": "api",
    "search": "api",
    "stored_members": "api",
    "verify": "deployment.verify",
    "write_predictions": "io",
    "write_submission": "api",
}
_MODULES = {
    "executors": "executors",
    "objectives": "objectives",
    "selectors": "selection.selectors",
    "voting": "voting",
}

__all__ = [
    "Constraint",
    "Ensemble",
    "Ensembles",
    "EvoEnsythError",
    "Front",
    "InputError",
    "InputWarning",
    "Objective",
    "OwnData",
    "OwnNetwork",
    "Pool",
    "Problem",
    "Progress",
    "Run",
    "RunComparison",
    "UnfinishedError",
    "Votes",
    "build_pool",
    "compare",
    "compress",
    "executors",
    "export",
    "list_runs",
    "load",
    "load_problem",
    "objective",
    "objectives",
    "read_run",
    "search",
    "selectors",
    "stored_members",
    "verify",
    "voting",
    "write_predictions",
    "write_submission",
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(f"evo_ensyth.{_PLACES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"evo_ensyth.{_MODULES[name]}")
    raise AttributeError(f"module 'evo_ensyth' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
