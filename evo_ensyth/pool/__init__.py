"""A pool of classifiers: its members, their costs and their predictions.

``Pool`` holds everything a search needs: ``Members`` with their costs, ``Votes`` on the search split and the test
split, and the ``Parent`` that the members were made from. ``Scores`` are the members' class probabilities.
"""

from evo_ensyth.pool.members import Members, SharedPart
from evo_ensyth.pool.parent import Parent
from evo_ensyth.pool.pool import Pool
from evo_ensyth.pool.scores import Scores
from evo_ensyth.pool.votes import Votes

__all__ = ["Members", "Parent", "Pool", "Scores", "SharedPart", "Votes"]
