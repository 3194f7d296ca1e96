"""What the members are, what they answered, and what they cost.

``Pool`` and ``Votes`` are the two types on which everything later stands; ``Scores`` are for votes that weigh. They
come from a folder that ``synthesis`` made (``store``) or from somebody else's file (``interchange``); a pool can become
such a file (``export``). Nothing here knows torch.
"""

from evo_ensyth.pool.export import write_predictions
from evo_ensyth.pool.interchange import read_predictions
from evo_ensyth.pool.parent import Parent
from evo_ensyth.pool.pool import Pool, SharedPart
from evo_ensyth.pool.scores import Scores
from evo_ensyth.pool.store import StoredPool, read_pool, read_scores
from evo_ensyth.pool.votes import Votes

__all__ = [
    "Parent",
    "Pool",
    "Scores",
    "SharedPart",
    "StoredPool",
    "Votes",
    "read_pool",
    "read_predictions",
    "read_scores",
    "write_predictions",
]
