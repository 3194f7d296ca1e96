"""The page to send: verdict, fronts with a slider, tables, and how the search went, in one file: ``front.html``."""

from typing import Any

from evo_ensyth.report.charts.disagreement import disagreement_chart, disagreement_data
from evo_ensyth.report.charts.front import cost_label, front_chart
from evo_ensyth.report.charts.front_rows import front_data, ordered, recommended_row
from evo_ensyth.report.charts.history import history_chart, history_data
from evo_ensyth.report.charts.looks import evenly
from evo_ensyth.report.facts import Facts, recommended_because
from evo_ensyth.report.front_table import shortened
from evo_ensyth.report.html_table import NAMES, NUMBER, WORDS, Cell, Row, html_table, safe
from evo_ensyth.report.verdict import beside_parent, title, verdict
from evo_ensyth.report.web import Charts, web_page
from evo_ensyth.report.words import about_splits, exact_value, p_value, shown_value
from evo_ensyth.results.comparison import BASELINES
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.pick import picks_by_cost
from evo_ensyth.results.run import Run

MOST_ROWS = 300  # ensembles of the table
LONGEST_NAMES = 200  # characters, of the members of one row
LONGEST_PICK = 400
BESIDE = {"best_k": "best k", "single_best": "best member", "whole_pool": "whole pool", "parent": "parent"}


def render(facts: Facts) -> dict[str, bytes]:
    """Return ``front.html``."""
    data, pairs, stops = front_data(facts), ordered(facts), _stops(facts)
    specs = {"points": front_chart(facts, data), "history": history_chart()}
    data |= {"history": history_data(facts)}
    members = facts.main.front_members
    if members is not None and len(members) > 1:
        specs["disagreement"] = disagreement_chart(members.names)
        data["disagreement"] = disagreement_data(members.disagreement(facts.main.n_search))
    charts = Charts(
        specs,
        data,
        stops,
        {stop["row"]: _picked(pairs[stop["row"]][1], facts.axes[0]) for stop in stops},
    )
    heading = f"{facts.problem}: runs compared" if _compares(facts) else title(facts.main)
    body = [f"<h1>{safe(heading)}</h1>", _verdict(facts), _front(facts, charts), _members(facts.main), _history(facts)]
    return {"front.html": web_page(heading, "\n".join(body), charts)}


def _compares(facts: Facts) -> bool:
    return any(line.run is not facts.main for line in facts.lines)


def _verdict(facts: Facts) -> str:
    run = facts.main
    said = [title(run)] if _compares(facts) else []
    said += [*verdict(run), beside_parent(run, run.recommended)]
    lines = [f"<p>{safe(sentence)}</p>" for sentence in said if sentence]
    if run.interrupted:
        lines.append("<p><strong>Interrupted:</strong> this is what was found up to then.</p>")
    warnings = "".join(f"<li>{safe(warning.text)}</li>" for warning in run.warnings)
    return f'<div class="verdict">{"".join(lines)}</div>' + (f"<ul>{warnings}</ul>" if warnings else "")


def _front(facts: Facts, charts: Charts) -> str:
    run = facts.main
    most = "this many members" if facts.axes[0] == "n_members" else f"this much of {cost_label(facts)}"
    rings = [f"The blue ring is around the recommended ensemble: {recommended_because(run)}."]
    if "test" in facts.splits:
        rings.append("Vertical lines on the test split are 95 % intervals.")
    if run.estimate is not None:
        rings.append("The pink diamond is the nested estimate of the error, with its 95 % interval.")
    if facts.parent:
        rings.append("The dashed line is the parent's error.")
    rings.append(
        "An orange ring is around what the slider picks. Drag over points to see the same ensembles in all charts and "
        "in the table."
    )
    slider = ""
    if len(charts.stops) > 1:
        last = len(charts.stops) - 1
        slider = (
            f'<div class="budget" hidden><label for="budget">Pick: at most {safe(most)}</label>'
            f'<input type="range" id="budget" min="0" max="{last}" value="{last}">'
            '<output for="budget" id="picked"></output></div>'
        )
    return "\n".join(
        (
            "<h2>Error against cost</h2>",
            "<noscript><p>Scripts are off: the table below has everything that the charts would show.</p></noscript>",
            slider,
            '<div class="chart" id="points"></div>',
            f'<p class="note">{safe(" ".join(rings))}</p>',
            "<h2>Ensembles</h2>",
            _ensembles(facts),
        )
    )


def _stops(facts: Facts) -> list[dict[str, Any]]:
    """For each cost that occurs, what `Run.pick` takes of the ensembles that cost no more."""
    run, cost = facts.main, facts.axes[0]
    rows = {id(ensemble): row for row, (_, ensemble) in enumerate(ordered(facts))}
    picks = picks_by_cost(run.front, run.objectives, cost)
    return [{"limit": limit, "label": shown_value(limit), "row": rows[id(run.front[i])]} for limit, i in picks]


def _picked(ensemble: Ensemble, cost: str) -> str:
    members = "1 member" if ensemble.size == 1 else f"{ensemble.size} members"
    paid = "" if cost == "n_members" else f", {shown_value(ensemble.all_costs[cost])} in all"
    interval = ensemble.interval("test")
    if interval is None:
        error = f"error on the search split {100 * ensemble.error('search'):.2f} %"
    else:
        low, high = (f"{100 * end:.2f}" for end in interval)
        error = f"error on the test split {100 * ensemble.error('test'):.2f} % ({low} to {high})"
    return f"{members}{paid}; {error}; {shortened(ensemble.members, LONGEST_PICK)}"


def _ensembles(facts: Facts) -> str:
    """Every ensemble that is drawn with every number of it; of very many, evenly some."""
    run, pairs = facts.main, ordered(facts)
    several = len(facts.lines) > 1
    tested = "test" in facts.splits
    values = [name for name in run.front[0].all_costs if name not in ("error", "n_members")]
    metrics = [name for name in run.objectives if tested and name != "error" and _differs(run, name)]
    beside = [name for name in BASELINES if any(name in one.comparisons for one in run.front)]
    columns = {"members": NUMBER, "search error, %": NUMBER}
    if tested:
        columns |= {"test error, %": NUMBER, "95 % interval": NUMBER}
    columns |= dict.fromkeys(values, NUMBER) | {f"{name} on the test split": NUMBER for name in metrics}
    columns |= {f"minus {BESIDE[name]} on the {'test' if tested else 'search'} split": NUMBER for name in beside}
    columns |= {"found by": WORDS} if several else {}
    columns["names of the members"] = NAMES
    kept = sorted({*evenly(range(len(pairs)), MOST_ROWS - 1), recommended_row(facts)})
    rows = []
    for row in kept:
        line, ensemble = pairs[row]
        is_recommended = ensemble is run.recommended
        cells: list[Cell] = [(f"{ensemble.size}{', recommended' if is_recommended else ''}", ensemble.size)]
        cells.append(_percent(ensemble.error("search")))
        if tested:
            interval = ensemble.interval("test") or (0.0, 0.0)
            low, high = (f"{100 * end:.2f}" for end in interval)
            cells += [_percent(ensemble.error("test")), (f"{low} to {high}", interval[1])]
        cells += [_value(ensemble.all_costs.get(name)) for name in values]
        cells += [_value((ensemble.test or {}).get(name)) for name in metrics]
        cells += [_difference(ensemble, name, is_own=line is facts.lines[0]) for name in beside]
        cells += [line.label] if several else []
        cells.append(shortened(ensemble.members, LONGEST_NAMES))
        attributes = {"data-row": str(row), "data-cost": f"{ensemble.all_costs[facts.axes[0]]:.12g}"}
        attributes |= {"class": "recommended"} if is_recommended else {}
        rows.append(Row(cells, attributes))
    elsewhere = "front.csv of each run has all of its own" if _compares(facts) else "front.csv has all of them"
    few = "" if len(kept) == len(pairs) else f" ({len(kept)} of {len(pairs):,}; {elsewhere})"
    caption = (
        f"Ensembles of the fronts{few}; headings sort" if several else f"Ensembles of the front{few}; headings sort"
    )
    return html_table(caption, columns, rows)


def _differs(run: Run, name: str) -> bool:
    """Whether an objective depends on the samples: a cost is the same on both splits."""
    return any(ensemble.test and ensemble.test[name] != ensemble.search[name] for ensemble in run.front)


def _difference(ensemble: Ensemble, baseline: str, *, is_own: bool) -> Cell:
    comparison = ensemble.comparisons.get(baseline)
    if comparison is None:
        return "the same" if is_own else "-"
    if comparison.on_test is None:
        return f"{100 * comparison.on_search:+.2f}", comparison.on_search
    return f"{comparison}, p {p_value(comparison.corrected)}", comparison.on_test


def _percent(share: float) -> Cell:
    return f"{100 * share:.2f}", share


def _value(number: float | None) -> Cell:
    return "-" if number is None else (exact_value(number), number)


def _members(run: Run) -> str:
    """The members of the front, each alone, and who disagrees with whom."""
    members = run.front_members
    if members is None:
        return ""
    shares = members.disagreement(run.n_search)
    mean = shares.sum(axis=1) / max(1, len(members) - 1)
    columns = {"member": WORDS, "search error, %": NUMBER}
    columns |= {"test error, %": NUMBER} if members.test_errors is not None else {}
    columns |= dict.fromkeys(members.costs, NUMBER)
    columns |= {"disagrees, %": NUMBER, "ensembles with it": NUMBER}
    rows = []
    for i, (place, name) in enumerate(zip(members.indices, members.names, strict=True)):
        is_recommended = place in run.recommended.indices
        cells: list[Cell] = [f"{name}, recommended" if is_recommended else name]
        cells.append(_percent(members.search_errors[i] / run.n_search))
        if members.test_errors is not None and run.n_test:
            cells.append(_percent(members.test_errors[i] / run.n_test))
        cells += [_value(values[i]) for values in members.costs.values()]
        cells += [_percent(float(mean[i])), str(sum(place in ensemble.indices for ensemble in run.front))]
        rows.append(Row(cells, {"class": "recommended"} if is_recommended else {}))
    used = {place for ensemble in run.front for place in ensemble.indices}
    few = f": the {len(members)} most frequent of {len(used)}" if len(members) < len(used) else ""
    if len(members) == 1:
        return f"<h2>Members</h2>\n{html_table('Members of the front', columns, rows)}"
    pairs = {"member": WORDS, **dict.fromkeys(members.names, NUMBER)}
    matrix = [Row([name, *map(_percent, shares[i].tolist())]) for i, name in enumerate(members.names)]
    return "\n".join(
        (
            "<h2>Members</h2>",
            html_table(f"Members of the front, each alone{few}", columns, rows),
            "<h3>Who disagrees with whom</h3>",
            '<div class="chart" id="disagreement"></div>',
            '<p class="note">The share of the samples of the search split that two members answer differently.</p>',
            "<details><summary>The same in numbers</summary>",
            html_table("Different answers, %", pairs, matrix),
            "</details>",
        )
    )


def _history(facts: Facts) -> str:
    columns = {"selector": WORDS, "seed": NUMBER, "ensembles judged": NUMBER, "seconds": NUMBER, "hypervolume": NUMBER}
    columns |= {"ensembles": NUMBER} | {f"of these dominated on the {split} split": NUMBER for split in facts.splits}
    rows = []
    for line in facts.lines:
        front = line.front
        cells: list[Cell] = [line.front.selector, str(line.run.seed)]
        cells += [(f"{front.n_evaluations:,}", front.n_evaluations), (f"{front.seconds:.2f}", front.seconds)]
        cells += [(f"{front.hypervolume:.6g}", front.hypervolume), str(len(front))]
        cells += ["{} of {}".format(*line.dominated[split]) if line.dominated else "-" for split in facts.splits]
        rows.append(Row(cells))
    return "\n".join(
        (
            "<h2>How the search went</h2>",
            '<div class="chart" id="history"></div>',
            html_table("Fronts; dominated are those that the first front is better than", columns, rows),
            _made(facts.main),
        )
    )


def _made(run: Run) -> str:
    limits = [f"budget {run.budget:,}"] if run.budget else []
    limits += [f"{run.seconds_limit:g} seconds"] if run.seconds_limit else []
    test = f"{run.n_test:,} of the test split" if run.n_test else "no test split"
    lines = [
        f"Chosen on {run.n_search:,} samples of the search split, then judged once on {test}.",
        f"Seed {run.seed}, {', '.join(limits) or 'no limit'}. {run.front.selector}: "
        + (", ".join(f"{key} {value}" for key, value in run.front.settings.items()) or "no settings"),
        ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    ]
    lines += [f"Constraints on the search split: {run.constraints_in_words}"] if run.constraints_in_words else []
    lines += [about_splits(run.source["splits"])] if "splits" in run.source else []
    return '<div class="facts">' + "".join(f"<p>{safe(line)}</p>" for line in lines) + "</div>"
