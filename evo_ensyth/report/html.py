"""Runs, fronts and pools as small HTML tables, for notebooks."""

from collections.abc import Sequence
from html import escape

from evo_ensyth.errors import one_line
from evo_ensyth.report.front_table import front_table, shortened
from evo_ensyth.report.verdict import title, verdict
from evo_ensyth.results.run import Run

# Characters: with these limits a page stays below 20 kB, were each of them six when escaped.
LONGEST_SENTENCE = 600
LONGEST_CELL = 80
LONGEST_NAMES = 60
MOST_CHARACTERS = 2_800  # of all cells of a short table
MOST_COLUMNS = 10


def run_as_html(run: Run) -> str:
    """Return the verdict and a table of the front, the recommended ensemble in bold; below 20 kB."""
    table = front_table(run, compared=False)
    sentences = "".join(f"<p>{_text(sentence, LONGEST_SENTENCE)}</p>" for sentence in verdict(run))
    heads = "".join(f"<th>{_text(name, LONGEST_CELL)}</th>" for name in (*table.header, "members"))
    rows = "".join(
        _row((*row, shortened(names, LONGEST_NAMES)), bold="*" in row[0])
        for row, names in zip(table.rows, table.members, strict=True)
    )
    more = f"<tr><td colspan={len(table.header) + 1}>and {table.n_left} more</td></tr>" if table.n_left else ""
    caption = f"<caption>{_text(title(run), LONGEST_SENTENCE)}</caption>"
    return f"{sentences}<table>{caption}<tr>{heads}</tr>{rows}{more}</table>"


def short_table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of so few rows and columns that it stays below 20 kB, whatever is in its cells."""
    n_columns = min(len(headings), MOST_COLUMNS)
    longest = max(6, MOST_CHARACTERS // ((len(rows) + 1) * n_columns))
    heads = "".join(f"<th>{_text(heading, min(longest, LONGEST_CELL))}</th>" for heading in headings[:n_columns])
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(cell, min(longest, LONGEST_CELL))}</td>" for cell in row[:n_columns]) + "</tr>"
        for row in rows
    )
    return f"<table><caption>{_text(caption, LONGEST_CELL)}</caption><tr>{heads}</tr>{body}</table>"


def _row(cells: Sequence[str], *, bold: bool) -> str:
    start, end = ("<b>", "</b>") if bold else ("", "")
    return "<tr>" + "".join(f"<td>{start}{_text(cell, LONGEST_CELL)}{end}</td>" for cell in cells) + "</tr>"


def _text(text: str, longest: int) -> str:
    text = one_line(text)
    return escape(text if len(text) <= longest else text[: longest - 3] + "...")
