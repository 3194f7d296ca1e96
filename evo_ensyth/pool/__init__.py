"""What the members are, what they answered, and what they cost.

``Pool`` and ``Votes`` are the two types on which everything later stands; ``Scores`` are for votes that weigh.
"""

from evo_ensyth.pool.parent import Parent
from evo_ensyth.pool.pool import Pool, SharedPart
from evo_ensyth.pool.scores import Scores
from evo_ensyth.pool.votes import Votes

__all__ = ["Parent", "Pool", "Scores", "SharedPart", "Votes"]
