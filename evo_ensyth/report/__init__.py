"""Telling what came out: ``facts`` are worked out first, then drawn (``plots``) and written down (``markdown``)."""

from collections.abc import Sequence
from pathlib import Path

from evo_ensyth.report.pool_facts import PoolFacts
from evo_ensyth.results.run import Run


def write_report(runs: Sequence[Run], folder: Path) -> None:
    """Write ``front.png``, ``front.svg`` and ``report.md`` into an existing folder.

    Parameters
    ----------
    runs : sequence of Run
        Of one problem. The first one's comparisons are shown with it; of the others only what they found.
    folder : Path

    Raises
    ------
    InputError
        The runs are not of one problem.
    """
    from evo_ensyth.report import markdown, plots  # matplotlib
    from evo_ensyth.report.facts import gather

    facts = gather(runs)
    plots.write_front(facts, folder)
    markdown.write_page(facts, folder)


def write_pool_pictures(facts: PoolFacts, folder: Path) -> None:
    """Write what `pool_facts` found in a pool into an existing folder."""
    from evo_ensyth.report import pool_plots  # matplotlib

    pool_plots.write_disagreement(facts, folder)
    pool_plots.write_curves(facts, folder)


__all__ = ["write_pool_pictures", "write_report"]
