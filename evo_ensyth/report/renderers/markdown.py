"""The report in words and tables, as Markdown: ``report.md``."""

import re
from collections.abc import Iterable, Sequence

from evo_ensyth.errors import one_line
from evo_ensyth.report.facts import Facts, recommended_because
from evo_ensyth.report.verdict import beside_parent, title, verdict
from evo_ensyth.report.words import about_splits, p_value, ranges
from evo_ensyth.results.comparison import BASELINES, Comparison, baseline_name
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.run import Run

# What Markdown, HTML or a reader that turns addresses into links would take for more than text. An underscore between
# letters is none of these, and net_trim stays readable in the source.
MARKUP = re.compile(r"[\\`*\[\]<~&$@|]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.")


def render(facts: Facts) -> dict[str, bytes]:
    """Return ``report.md``, which shows ``front.svg`` beside it."""
    return {"report.md": (page(facts) + "\n").encode()}


def page(facts: Facts) -> str:
    """Put the whole page together."""
    run = facts.main
    parts = [
        f"# {_text(title(run))}",
        _verdict(run),
        _question(run),
        "![The front on both splits](front.svg)",
        _references(facts),
        *_warnings(run),
        "## Every ensemble of the front\n\n" + _front_table(run) + _proven(run),
        *_metrics(run),
        *_baselines(run),
        "## Compared with the others\n\n" + _comparison(facts),
        "## How it was made\n\n" + _made(run),
    ]
    if run.interrupted:
        parts.insert(1, "**Interrupted:** this is what was found up to then.")
    return "\n\n".join(parts)


def _question(run: Run) -> str:
    test = f"{run.n_test:,} samples of the test split" if run.n_test else "no test split"
    within = f", with {_text(run.constraints_in_words)}" if run.constraints_in_words else ""
    return (
        f"Which of the {run.n_members} members, voting together, are best by {', '.join(map(_text, run.objectives))}"
        f"{within}? "
        f"Chosen on {run.n_search:,} samples of the search split, then judged once on {test}."
    )


def _verdict(run: Run) -> str:
    take, *others = (_text(sentence) for sentence in verdict(run))
    return "\n\n".join((f"**{take}**", *others))


def _references(facts: Facts) -> str:
    run = facts.main
    recommended = run.recommended
    lines = [
        f"The recommended ensemble is {_text(recommended_because(run))}. " + _text(beside_parent(run, recommended)),
        "",
        f"| | members | {' | '.join(f'{split} error' for split in facts.splits)} |",
        f"| --- | --- | {' | '.join('---' for _ in facts.splits)} |",
    ]
    for name, other in (("recommended", recommended), *facts.references.items()):
        errors = " | ".join(_error(other, split) for split in facts.splits)
        lines.append(f"| {name} | {other.size} | {errors} |")
    return "\n".join(lines)


def _warnings(run: Run) -> list[str]:
    """Tell how the recommended ensemble's gains on the search split hold on the test split."""
    return ["\n".join(f"- {_text(warning.text)}" for warning in run.warnings)] if run.warnings else []


def _front_table(run: Run) -> str:
    others = [goal for goal in run.objectives if goal not in ("error", "n_members")]
    header = ["", "size", "search error", "test error, 95 % interval", "optimism", *map(_text, others), "members"]
    rows = []
    for i, ensemble in enumerate(run.front):
        values = [f"{ensemble.search[goal]:,.6g}" for goal in others]
        marks = ["**recommended**"] if i == run.recommended_index else []
        marks += ["see the warnings"] if marks and run.warnings else []
        mark = ", ".join(marks + ["proven"] * (ensemble.size in run.front.proven_sizes))
        optimism = "-" if ensemble.test_errors is None else f"{100 * ensemble.optimism:+.2f}"
        errors = [_error(ensemble, "search"), _error(ensemble, "test"), optimism]
        rows.append([mark, str(ensemble.size), *errors, *values, _names(ensemble)])
    return _table(header, rows)


def _proven(run: Run) -> str:
    if not run.front.proven_sizes:
        return ""
    return (
        f"\n\nProven, by going through all subsets of {ranges(run.front.proven_sizes)} members: none of them has a "
        f"lower {run.front.leading} on the search split than the ensembles shown up to its size."
    )


def _metrics(run: Run) -> list[str]:
    """Tell what the recommended ensemble is worth by objectives that are neither about errors nor a cost."""
    parts = []
    for metric in run.metrics:
        header = ["", "search, 95 % interval", "test, 95 % interval"]
        rows = [
            ["recommended", _value(metric.search, metric.search_interval), _value(metric.test, metric.test_interval)]
        ]
        for name, one in metric.differences.items():
            minus = f"minus {baseline_name(name, run.recommended.size)}"
            rows.append([minus, f"{one.search:+.4g}", _value(one.test, one.interval, "+.4g")])
        parts.append(
            f"## By {_text(metric.name)}\n\n{_table(header, rows)}\n\n"
            "Intervals are percentiles of resamples. On the search split, where it was chosen, they are too optimistic."
        )
    return parts


def _value(value: float | None, interval: tuple[float, float] | None, form: str = ".4g") -> str:
    if value is None:
        return "-"
    return f"{value:{form}}" + ("" if interval is None else f" ({interval[0]:{form}} to {interval[1]:{form}})")


def _baselines(run: Run) -> list[str]:
    """Tell, where it can be told, what each ensemble is worth beside what is simpler to have."""
    shown = [baseline for baseline in BASELINES if any(baseline in ensemble.comparisons for ensemble in run.front)]
    if not shown or not run.n_test:
        return []
    header = [
        "size",
        *(
            f"minus {baseline_name(baseline, 1) if baseline != 'best_k' else 'the best k members'}"
            for baseline in shown
        ),
    ]
    rows = []
    for i, ensemble in enumerate(run.front):
        size = f"**{ensemble.size}**" if i == run.recommended_index else str(ensemble.size)
        rows.append([size, *(_difference(ensemble.comparisons.get(baseline)) for baseline in shown)])
    return [
        "## Is it worth the search?\n\n" + _table(header, rows),
        "Test error minus that of a simpler choice, in percentage points: below 0, the ensemble is better. In "
        "brackets Tango's 95 % interval for the same samples, as if this were the only comparison. p is that of "
        "McNemar's exact test, corrected by Holm for the points of this front. The best k members, as many as the "
        "ensemble has and by error on the search split, are what backward elimination leaves.",
    ]


def _difference(comparison: Comparison | None) -> str:
    return "the same" if comparison is None else f"{comparison}, p {p_value(comparison.corrected)}"


def _comparison(facts: Facts) -> str:
    header = ["selector", "seed", "evaluations", "seconds", "hypervolume", "points"]
    header += [f"of these dominated on the {split} split" for split in facts.splits]
    rows = []
    for line in facts.lines:
        front = line.front
        row = [
            _text(front.selector),
            str(line.run.seed),
            f"{front.n_evaluations:,}",
            f"{front.seconds:.2f}",
            f"{front.hypervolume:.6g}",
            str(len(front)),
        ]
        row += [f"{line.dominated[s][0]} of {line.dominated[s][1]}" if line.dominated else "" for s in facts.splits]
        rows.append(row)
    reference = ", ".join(
        f"{goal} {value:g}"
        for goal, value in zip(map(_text, facts.main.objectives), facts.main.reference_point, strict=True)
    )
    return (
        _table(header, rows) + f"\n\nHypervolume on the search split, reference point: {reference}. Dominated: by some "
        f"ensemble that {_text(facts.main.front.selector)} found, judged on the same split."
    )


def _made(run: Run) -> str:
    limits = [f"budget {run.budget:,}" if run.budget else "no budget"]
    limits += [f"{run.seconds_limit:g} seconds"] if run.seconds_limit else []
    settings = ", ".join(f"{key} {value}" for key, value in run.front.settings.items()) or "none"
    versions = ", ".join(f"{_text(name)} {_text(version)}" for name, version in run.versions.items())
    front = run.front
    rate = front.n_evaluations / max(front.seconds, 1e-9)
    patterns = run.source.get("members")
    among = [f"- only members whose names match {_text(str(patterns))}"] if patterns else []
    splits = [f"- {_text(about_splits(run.source['splits']))}"] if "splits" in run.source else []
    return "\n".join(
        (
            *among,
            *splits,
            f"- seed {run.seed}, {', '.join(limits)}; {front.n_evaluations:,} ensembles judged, {rate:,.0f} a second",
            f"- settings of {_text(run.front.selector)}: {_text(settings)}",
            f"- {versions}",
            f"- votes on the search split: sha256 {run.fingerprints['search'][:16]}...",
        )
    )


def _error(ensemble: Ensemble, split: str) -> str:
    interval = ensemble.interval("test") if split == "test" else None
    if split == "test" and interval is None:
        return "-"
    text = f"{100 * ensemble.error(split):.2f} %"
    return text if interval is None else f"{text} ({100 * interval[0]:.2f} to {100 * interval[1]:.2f})"


def _names(ensemble: Ensemble) -> str:
    names = [_text(name) for name in ensemble.members]
    return ", ".join(names) if len(names) <= 12 else ", ".join(names[:10]) + f" and {len(names) - 10} more"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _text(text: str) -> str:
    """Keep a name from being read as Markdown or HTML."""
    return MARKUP.sub(r"\\\g<0>", one_line(text))
