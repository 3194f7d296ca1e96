"""Telling what came out: ``facts`` are worked out first, then drawn (``plots``) and written down (``page``)."""

from collections.abc import Sequence
from pathlib import Path

from evo_ensyth.search.result import Run


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
    from evo_ensyth.report import page, plots  # matplotlib
    from evo_ensyth.report.facts import gather

    facts = gather(runs)
    plots.write_front(facts, folder)
    page.write_page(facts, folder)


__all__ = ["write_report"]
