"""The page of a pool: its members by method, and who disagrees with whom, in one file: ``pool.html``."""

import numpy as np

from evo_ensyth.report.charts.disagreement import disagreement_chart, disagreement_data
from evo_ensyth.report.charts.looks import evenly
from evo_ensyth.report.charts.members import members_chart, members_data
from evo_ensyth.report.html_table import NUMBER, WORDS, Cell, Row, html_table, safe
from evo_ensyth.report.pool_facts import PoolFacts
from evo_ensyth.report.web import Charts, web_page
from evo_ensyth.report.words import exact_value

MOST_ROWS = 1_000  # members of the table
MOST_PAIRED = 120  # members of the map


def render(facts: PoolFacts) -> dict[str, bytes]:
    """Return ``pool.html``."""
    data = members_data(facts)
    specs = {"points": members_chart(facts, data)}
    paired = evenly(facts.by_method.tolist(), MOST_PAIRED)
    if len(paired) > 1:
        specs["disagreement"] = disagreement_chart([facts.names[i] for i in paired])
        data["disagreement"] = disagreement_data(facts.disagreement[np.ix_(paired, paired)])
    heading = f"{facts.problem}: {len(facts.names)} members"
    body = "\n".join((f"<h1>{safe(heading)}</h1>", _summary(facts), _members(facts), _pairs(facts, len(paired))))
    return {"pool.html": web_page(heading, body, Charts(specs, data))}


def _summary(facts: PoolFacts) -> str:
    samples = ", ".join(f"{count:,} samples of the {split} split" for split, count in facts.n_samples.items())
    said = [samples + ".", *([facts.verdict] if facts.built else []), *facts.remarks]
    return '<div class="verdict">' + "".join(f"<p>{safe(sentence)}</p>" for sentence in said) + "</div>"


def _members(facts: PoolFacts) -> str:
    columns = {"member": WORDS} | ({"method": WORDS} if facts.built else {})
    columns |= {f"{split} error, %": NUMBER for split in facts.errors}
    columns |= dict.fromkeys(facts.costs, NUMBER) | {"disagrees, %": NUMBER}
    mean = facts.mean_disagreement()
    order = facts.by_method.tolist()
    rows = []
    for row in evenly(range(len(order)), MOST_ROWS):
        i = order[row]
        cells: list[Cell] = [facts.names[i]] + ([facts.methods[i]] if facts.built else [])
        cells += [_percent(float(values[i])) for values in facts.errors.values()]
        cells += [(exact_value(float(values[i])), float(values[i])) for values in facts.costs.values()]
        rows.append(Row([*cells, _percent(float(mean[i]))], {"data-row": str(row)}))
    few = f" ({MOST_ROWS:,} of {len(order):,}; pool-shown.json has all of them)" if len(order) > MOST_ROWS else ""
    notes = ["Drag over points to see the same members on both splits and in the table."]
    if facts.built:
        notes.insert(0, "Lines join what each method offers at its best.")
    if facts.cost in facts.parent and "search" in facts.parent:
        notes.insert(0, "The grey cross is the parent.")
    return "\n".join(
        (
            "<h2>Error against cost</h2>",
            "<noscript><p>Scripts are off: the tables below have everything that the charts would show.</p></noscript>",
            '<div class="chart" id="points"></div>',
            f'<p class="note">{safe(" ".join(notes))}</p>',
            "<h2>Members</h2>",
            html_table(f"Members{few}; headings sort", columns, rows),
        )
    )


def _pairs(facts: PoolFacts, n_paired: int) -> str:
    if n_paired < 2:
        return ""
    few = f" of {n_paired} of the members, evenly by method" if n_paired < len(facts.names) else ""
    parts = [
        "<h2>Who disagrees with whom</h2>",
        '<div class="chart" id="disagreement"></div>',
        f'<p class="note">The share of the samples of the search split that two members answer differently{few}; '
        "pool-shown.json has the numbers of all pairs.</p>",
    ]
    if facts.built and facts.pairs:
        columns = {"kinds": WORDS, "pairs": NUMBER, "different answers, %": NUMBER, "mean error, %": NUMBER}
        rows = [
            Row(
                [
                    " with ".join(pair.kinds),
                    (f"{pair.n_pairs:,}", pair.n_pairs),
                    _percent(pair.disagreement),
                    _percent(pair.error),
                ]
            )
            for pair in facts.pairs
        ]
        parts.append(html_table("Pairs of members, by kind", columns, rows))
    return "\n".join(parts)


def _percent(share: float) -> Cell:
    return f"{100 * share:.2f}", share
