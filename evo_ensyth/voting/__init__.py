"""What an ensemble answers, and how often it is wrong: plurality votes, counted on bit planes.

``Ensembles`` is what objectives see; ``Planes`` does the counting, compiled in ``kernels``; ``SoftVotes`` adds up
scores and weighs members; ``Diversity`` tells how differently they err; ``duels`` finds the best subset of a size,
compiled in ``subset_walk``. Ties go to the lowest class, everywhere.
"""

from evo_ensyth.voting.diversity import Diversity
from evo_ensyth.voting.ensembles import Ensembles
from evo_ensyth.voting.planes import Planes
from evo_ensyth.voting.soft import SoftVotes

__all__ = ["Diversity", "Ensembles", "Planes", "SoftVotes"]
