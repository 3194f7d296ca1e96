"""What an ensemble answers, and how often it is wrong: plurality votes, counted on bit planes.

``Ensembles`` is what objectives see; ``Planes`` does the counting; ``kernels`` holds every compiled function. Ties go
to the lowest class, everywhere.
"""

from evo_ensyth.voting.ensembles import Ensembles
from evo_ensyth.voting.planes import Planes

__all__ = ["Ensembles", "Planes"]
