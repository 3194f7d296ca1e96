"""From a data set and a parent network to a pool folder of compressed, fine-tuned members. Torch lives here.

The work goes through the files in this order: ``datasets`` and ``networks``, ``forms``, ``training``, ``compression``,
``measure``, ``recipe``, ``steps``, ``workers``, ``build``. Named here is what a problem module needs to write a recipe
down.
"""

from evo_ensyth.synthesis.build import build, default_workers
from evo_ensyth.synthesis.compression.apoz import APoZ
from evo_ensyth.synthesis.compression.clone_and_prune import CloneAndPrune
from evo_ensyth.synthesis.compression.dropnet import DropNet
from evo_ensyth.synthesis.compression.hce_style import HceStyle
from evo_ensyth.synthesis.compression.magnitude import Gradual, Magnitude, MagnitudeControl
from evo_ensyth.synthesis.compression.net_trim import NetTrim
from evo_ensyth.synthesis.compression.quantisation import Quantisation
from evo_ensyth.synthesis.compression.quantisation_aware import QuantisationAware
from evo_ensyth.synthesis.compression.sparse_evolution import SparseEvolution
from evo_ensyth.synthesis.compression.strategic_synthesis import StrategicSynthesis
from evo_ensyth.synthesis.measure import Latency
from evo_ensyth.synthesis.recipe import OtherParent, Recipe, Route, ensyth_regimes
from evo_ensyth.synthesis.training import FineTuning, Training

__all__ = [
    "APoZ",
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
    "Quantisation",
    "QuantisationAware",
    "Recipe",
    "Route",
    "SparseEvolution",
    "StrategicSynthesis",
    "Training",
    "build",
    "default_workers",
    "ensyth_regimes",
]
