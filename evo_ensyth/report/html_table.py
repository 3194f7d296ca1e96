"""Tables of a page: numbers can be sorted, and a screen reader knows which heading a number is under."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from evo_ensyth.errors import one_line

NUMBER, WORDS, NAMES = "number", "words", "names"
Cell = str | tuple[str, float | None]  # what it says, and by what it is sorted


@dataclass(frozen=True)
class Row:
    """Cells of a row, its heading first; attributes of its element by name."""

    cells: Sequence[Cell]
    attributes: Mapping[str, str] = field(default_factory=dict)


def html_table(caption: str, columns: Mapping[str, str], rows: Iterable[Row]) -> str:
    """Return a table in a box that scrolls.

    Parameters
    ----------
    caption : str
    columns : mapping of heading to kind
        ``NUMBER``, ``WORDS`` or ``NAMES``; headings are buttons that sort.
    rows : iterable of Row
    """
    headings = "".join(
        f'<th scope="col"{_class(kind)}><button type="button">{safe(heading)}</button></th>'
        for heading, kind in columns.items()
    )
    body = "\n".join(_row(row, list(columns.values())) for row in rows)
    return (
        f'<div class="table" role="region" tabindex="0" aria-label="{safe(caption)}"><table>'
        f"<caption>{safe(caption)}</caption>\n<thead><tr>{headings}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def safe(text: str) -> str:
    """Text as HTML, whatever is in it."""
    return escape(one_line(text))


def _row(row: Row, kinds: Sequence[str]) -> str:
    attributes = "".join(f' {name}="{safe(value)}"' for name, value in row.attributes.items())
    cells = []
    for i, (cell, kind) in enumerate(zip(row.cells, kinds, strict=True)):
        text, value = cell if isinstance(cell, tuple) else (cell, None)
        by = "" if value is None else f' data-value="{value:.12g}"'
        tag, scope = ("td", "") if i else ("th", ' scope="row"')
        cells.append(f"<{tag}{scope}{_class(kind)}{by}>{safe(text)}</{tag}>")
    return f"<tr{attributes}>{''.join(cells)}</tr>"


def _class(kind: str) -> str:
    return "" if kind == NUMBER else f' class="{kind}"'
