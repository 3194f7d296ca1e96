"""Predictions and errors of ensembles: plurality votes, counted on bit planes.

Objectives receive ``Ensembles``. ``BitPlanes`` counts votes with the compiled ``kernels``, ``Ballots`` adds up weighted
labels and scores, ``SoftVotes`` adds up scores with other weights for each subset, and ``Diversity`` measures how
differently members err. Ties always go to the lowest class.
"""

from evo_ensyth.engine.ballots import Ballots
from evo_ensyth.engine.bit_planes import BitPlanes
from evo_ensyth.engine.diversity import Diversity
from evo_ensyth.engine.ensembles import Ensembles
from evo_ensyth.engine.soft_votes import SoftVotes

__all__ = ["Ballots", "BitPlanes", "Diversity", "Ensembles", "SoftVotes"]
