"""One HTML file that needs nothing else: text and tables, then charts that Vega-Lite draws from data.

Vega-Lite lies in ``vega.js.gz``; ``docs/fetch_vega.py`` made it. A page asks nothing of a network, and its policy lets
only the scripts and the style run that are named here by their hashes.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from evo_ensyth.errors import one_line

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Charts:
    """What a page draws.

    Attributes
    ----------
    specs : mapping of str to dict
        Specifications of Vega-Lite, by the id of the element that holds the chart.
    data : mapping of str to rows
        Named data of all of them; the rows of one have the same fields.
    stops : sequence of dict
        What the slider can be set to: a ``limit``, its ``label``, and the ``row`` that is picked.
    picks : mapping of int to str
        What is said of the rows that can be picked.
    """

    specs: Mapping[str, dict[str, Any]]
    data: Mapping[str, Rows]
    stops: Sequence[dict[str, Any]] = ()
    picks: Mapping[int, str] = field(default_factory=dict)


def web_page(title: str, body: str, charts: Charts) -> bytes:
    """Return a page as one file.

    Parameters
    ----------
    title : str
        Plain text.
    body : str
        HTML, with an element of class ``chart`` for each chart.
    charts : Charts
    """
    style, script, vega = _text("page.css"), _text("page.js"), _packed_vega()
    sources = " ".join(_source(content) for content in (script, _vega()))
    policy = (
        f"default-src 'none'; script-src {sources}; style-src {_source(style)}; base-uri 'none'; form-action 'none'"
    )
    facts = _harmless(
        {
            "specs": charts.specs,
            "data": {name: _columns(rows) for name, rows in charts.data.items()},
            "stops": list(charts.stops),
            "picks": dict(charts.picks),
        }
    )
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(one_line(title))}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
<footer class="note">
<details><summary>Charts are drawn by Vega-Lite: its licences</summary>
<pre>{escape(_text("LICENSES.txt"))}</pre></details>
</footer>
<script type="application/json" id="facts">{facts}</script>
<script type="text/plain" id="vega">{vega}</script>
<script>{script}</script>
</body>
</html>
"""
    return page.encode()


def _columns(rows: Rows) -> dict[str, Any]:
    """Name the fields once: ten thousand ensembles would name them ten thousand times."""
    return {"fields": list(rows[0]) if rows else [], "rows": [list(row.values()) for row in rows]}


def _harmless(content: Any) -> str:
    """JSON that can lie in a page: no name in it ends the element, or begins another one."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _source(content: str) -> str:
    """How a policy names a script or a style that may be in the page."""
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"


@cache
def _text(name: str) -> str:
    return (files(__name__) / name).read_text("utf-8")


@cache
def _packed_vega() -> str:
    return base64.b64encode((files(__name__) / "vega.js.gz").read_bytes()).decode()


@cache
def _vega() -> str:
    return gzip.decompress((files(__name__) / "vega.js.gz").read_bytes()).decode()
