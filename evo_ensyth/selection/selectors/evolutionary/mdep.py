"""MDEP: NSGA-II on error, size and margin ratio.

In the style of Wu, He, Qian, Zhou, "Multi-objective evolutionary ensemble pruning guided by margin distribution", PPSN
2022, whose full text was not available; the three objectives and the population size come from descriptions of it.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.objectives.error import error
from evo_ensyth.objectives.margin_ratio import margin_ratio
from evo_ensyth.objectives.n_members import n_members
from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.evolutionary._array_nsga2 import ArrayNSGA2
from evo_ensyth.selection.selectors.evolutionary._loop import enumerated, first_generation

# Pools with fewer subsets than this are too small for a population.
FEW_SUBSETS = 16


@dataclass(frozen=True)
class MDEP:
    """Evolve as many subsets as there are members, by error, size and margin ratio.

    Attributes
    ----------
    crossover : float
        Probability that two parents are crossed.
    generations : int
        Number of generations, without a budget or a time limit.

    Notes
    -----
    The search always minimises these three objectives; the front uses the problem's own objectives and includes all
    subsets evaluated on the way. Unlike `nsga2` it starts from random subsets, not from the baselines. The operators
    are those of `nsga2`, and no subset is evaluated twice.
    """

    crossover: float = setting(0.9, at_least=0, at_most=1)
    generations: int = setting(300, at_least=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate generation after generation."""
        if enumerated(search, population=FEW_SUBSETS, most=0):
            return
        goals = (error, n_members, margin_ratio)
        start = first_generation(search, len(search.pool), rng)
        evaluated = search.evaluate(start, by=goals)
        steps = ArrayNSGA2(start, evaluated, crossover=self.crossover, seed=int(rng.integers(2**31)))
        for generation, children in enumerate(steps.generations()):
            steps.tell(search.evaluate(children, by=goals))
            if not search.budget.limited and generation + 1 == self.generations:
                return
