"""From a data set and a parent network to a pool folder of compressed, fine-tuned members.

This is what a problem module needs to state a recipe, and what others need to follow it. Stating one needs nothing but
NumPy; following one needs the ``build`` extra (torch, cvxpy, scikit-learn), which is imported when it is used.

The work goes through the files in this order: `recipe`, with the settings of `training` and `compression`; `datasets`
and `networks`, or `own_data` and `own_network` for those of users; `descent`; `measure`; `build_folder`, `steps`,
`builder`, `workers` and `build`. For example::

    recipe = Recipe(
        dataset="digits",
        n_search=500,
        network="small",
        training=Training(epochs=40, batch=64, learning_rate=3e-3),
        compressors=(NetTrim(), "quantisation"),
        fine_tunings=(FineTuning(name="tuned", epochs=8),),
        n_calibration=797,
    )
    build_pool(recipe, "runs/digits/pool", problem="digits")
"""

import importlib
from typing import TYPE_CHECKING, Any

from evo_ensyth.errors import build_extra
from evo_ensyth.synthesis.build_folder import BuildFolder, BuildStatus
from evo_ensyth.synthesis.compression.apoz import APoZ
from evo_ensyth.synthesis.compression.clone_and_prune import CloneAndPrune
from evo_ensyth.synthesis.compression.dropnet import DropNet
from evo_ensyth.synthesis.compression.hce_style import HceStyle
from evo_ensyth.synthesis.compression.magnitude import Gradual, Magnitude
from evo_ensyth.synthesis.compression.magnitude_control import MagnitudeControl
from evo_ensyth.synthesis.compression.net_trim import NetTrim
from evo_ensyth.synthesis.compression.quantisation import Quantisation
from evo_ensyth.synthesis.compression.quantisation_aware import QuantisationAware
from evo_ensyth.synthesis.compression.sparse_evolution import SparseEvolution
from evo_ensyth.synthesis.compression.strategic_synthesis import StrategicSynthesis
from evo_ensyth.synthesis.own_data import OwnData
from evo_ensyth.synthesis.own_network import OwnNetwork
from evo_ensyth.synthesis.recipe import Latency, OtherParent, Recipe, Route, ensyth_regimes
from evo_ensyth.synthesis.training import FineTuning, OwnFineTuning, Training

if TYPE_CHECKING:
    from evo_ensyth.synthesis.build import build_pool
    from evo_ensyth.synthesis.compress import compress
    from evo_ensyth.synthesis.devices import default_workers
    from evo_ensyth.synthesis.estimate import estimate_pool
    from evo_ensyth.synthesis.member import load_member, stored_members
    from evo_ensyth.synthesis.shared_trunk import SharedTrunkEnsemble

__all__ = [
    "APoZ",
    "BuildFolder",
    "BuildStatus",
    "CloneAndPrune",
    "DropNet",
    "FineTuning",
    "Gradual",
    "HceStyle",
    "Latency",
    "Magnitude",
    "MagnitudeControl",
    "NetTrim",
    "OtherParent",
    "OwnData",
    "OwnFineTuning",
    "OwnNetwork",
    "Quantisation",
    "QuantisationAware",
    "Recipe",
    "Route",
    "SharedTrunkEnsemble",
    "SparseEvolution",
    "StrategicSynthesis",
    "Training",
    "build_pool",
    "compress",
    "default_workers",
    "ensyth_regimes",
    "estimate_pool",
    "load_member",
    "stored_members",
]

# Names that need torch, and the modules that define them.
NEEDING_TORCH = {
    "SharedTrunkEnsemble": "shared_trunk",
    "build_pool": "build",
    "compress": "compress",
    "default_workers": "devices",
    "estimate_pool": "estimate",
    "load_member": "member",
    "stored_members": "member",
}


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first asked for."""
    if name not in NEEDING_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with build_extra():
        return getattr(importlib.import_module(f"{__name__}.{NEEDING_TORCH[name]}"), name)
