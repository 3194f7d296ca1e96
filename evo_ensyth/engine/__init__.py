"""What an ensemble answers, and how often it is wrong: plurality votes, counted on bit planes.

``Ensembles`` is what objectives see; ``BitPlanes`` does the counting, compiled in ``kernels``; ``SoftVotes`` adds up
scores and weighs members; ``Diversity`` tells how differently they err. Ties go to the lowest class, everywhere.
"""

from evo_ensyth.engine.bit_planes import BitPlanes
from evo_ensyth.engine.diversity import Diversity
from evo_ensyth.engine.ensembles import Ensembles
from evo_ensyth.engine.soft_votes import SoftVotes

__all__ = ["BitPlanes", "Diversity", "Ensembles", "SoftVotes"]
