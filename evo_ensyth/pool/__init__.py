"""A pool of classifiers: who its members are, what they cost, and what they answered.

``Pool`` holds everything a search needs: ``Members`` with their costs, ``Votes`` on the search split and the test
split, and the ``Parent`` they were made from. ``Scores`` are the members' class probabilities.
"""

from evo_ensyth.pool.members import Members, SharedPart
from evo_ensyth.pool.parent import Parent
from evo_ensyth.pool.pool import Pool
from evo_ensyth.pool.scores import Scores
from evo_ensyth.pool.votes import Votes

__all__ = ["Members", "Parent", "Pool", "Scores", "SharedPart", "Votes"]
