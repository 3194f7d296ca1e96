"""Predictions and errors of ensembles, by any vote rule.

Objectives receive ``Ensembles``. A ``Tally`` counts the votes of many subsets on one split: ``PluralityVotes`` on
``BitPlanes``, or ``Ballots``, which adds up weighted labels and scores. ``Diversity`` measures how differently members
err.
"""

from evo_ensyth.engine.ballots import Ballots
from evo_ensyth.engine.bit_planes import BitPlanes
from evo_ensyth.engine.diversity import Diversity
from evo_ensyth.engine.ensembles import Ensembles
from evo_ensyth.engine.plurality import PluralityVotes
from evo_ensyth.engine.tally import Tally

__all__ = ["Ballots", "BitPlanes", "Diversity", "Ensembles", "PluralityVotes", "Tally"]
