"""A run as an HTML table, for notebooks."""

from html import escape

from evo_ensyth.errors import one_line
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.run import Run

MOST_ROWS = 30
LONGEST_NAMES = 80  # characters: a table of this many rows stays below 20 kB, were each of them six when escaped


def run_as_html(run: Run) -> str:
    """Return the front as a table, the recommended ensemble in bold; below 20 kB, whatever the names are."""
    caption = f"{run.problem}: {run.front.selector}, seed {run.seed}, {len(run.front)} ensembles"
    header = ("size", "search error %", "test error % (95 %)", "members")
    shown = [i for i in range(len(run.front)) if i < MOST_ROWS or i == run.recommended_index]
    rows = "".join(_row(run.front[i], bold=i == run.recommended_index) for i in shown)
    left = len(run.front) - len(shown)
    more = f"<tr><td colspan={len(header)}>and {left} more</td></tr>" if left else ""
    heads = "".join(f"<th>{escape(name)}</th>" for name in header)
    return f"<table><caption>{_text(caption)}</caption><tr>{heads}</tr>{rows}{more}</table>"


def _row(ensemble: Ensemble, *, bold: bool) -> str:
    interval = ensemble.interval("test")
    test = "-"
    if interval:
        test = f"{100 * ensemble.error('test'):.2f} ({100 * interval[0]:.2f} to {100 * interval[1]:.2f})"
    cells = (str(ensemble.size), f"{100 * ensemble.error('search'):.2f}", test, ", ".join(ensemble.members))
    start, end = ("<b>", "</b>") if bold else ("", "")
    return "<tr>" + "".join(f"<td>{start}{_text(cell)}{end}</td>" for cell in cells) + "</tr>"


def _text(text: str) -> str:
    text = one_line(text)
    return escape(text if len(text) <= LONGEST_NAMES else text[: LONGEST_NAMES - 3] + "...")
