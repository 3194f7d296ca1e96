"""A run: how it is shown, whatever its size and names; what of it is refused; and back from its JSON form."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from evo_ensyth.errors import InputError
from evo_ensyth.io.run_folder import read_run
from evo_ensyth.report.front_table import shortened
from evo_ensyth.report.verdict import verdict
from evo_ensyth.results.comparison import Discordant
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.front import Front
from evo_ensyth.results.run import Run
from evo_ensyth.selection.run import run

HOSTILE = "<script>alert('1')</script> \"&\" [red]bold[/red] :bug: \x1b[31m\n\r\n | $x^2$ 模型 "
LONG = [
    (HOSTILE * 12)[:400],
    '"' * 300,
    "🦀" * 300,
    "\x1b" * 300,
    "\n" * 300,
    "net_trim-0.1_" * 30,
]


@pytest.fixture
def found(make_problem) -> Run:
    problem = make_problem(n_members=9, goals=("error", "n_members", "bytes"), with_parent=True)
    return run(problem, "nsga2", baselines=["backward_elimination", "random"], budget=900)


def large(name: str = "member", *, recommended: int = 99, n_test: int | None = 1_000) -> Run:
    """A run of 300 members with long names and a front of 100 ensembles, built by hand."""
    names = [f"{name}{i}" for i in range(300)]

    def ensemble(size: int, errors: int) -> Ensemble:
        values = {"error": errors / 1_000, "n_members": float(size)}
        test_errors = errors + 7 if n_test else None
        indices = tuple(range(300 - size, 300))
        members = tuple(names[i] for i in indices)
        return Ensemble(indices, members, values, values if n_test else None, errors, test_errors)

    # The recommended one has the fewest errors; the others have more, the larger the fewer.
    front = tuple(ensemble(size, 300 - 2 * size if size - 1 != recommended else 50) for size in range(1, 101))
    splits = ("search", "test") if n_test else ("search",)
    return Run(
        problem=name, seed=1, budget=None, seconds_limit=None, objectives=("error", "n_members"), units=("", ""),
        reference_point=(1.0, 330.0), n_members=300, n_search=1_000, n_test=n_test,
        front=Front("nsga2", {}, 10, 1.0, 5.0, front), baselines=(), recommended_index=recommended,
        single_best=ensemble(1, 298), whole_pool=ensemble(300, 120), fingerprints=dict.fromkeys(splits, "0" * 64),
        source={}, interrupted=False, versions={},
    )  # fmt: skip


# --- As text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("recommended", [0, 16, 17, 18, 50, 99])
def test_a_large_run_is_shown_in_a_few_lines(name, recommended):
    lines = repr(large(name, recommended=recommended)).splitlines()
    assert len(lines) <= 25
    assert all(line.isprintable() for line in lines)
    rows = [match for line in lines if (match := re.match(r" *(\*?) +(\d+) +\d+\.\d\d ", line))]
    sizes = [int(row[2]) for row in rows]
    assert [size for row, size in zip(rows, sizes, strict=True) if row[1]] == [recommended + 1]
    assert len(rows) == 10
    assert sizes == [*sorted(sizes[:8]), 1, 300]
    assert {1, 100} <= set(sizes[:8])
    assert max(map(len, lines)) <= 100
    assert lines[-1] == "and 92 more"
    assert any(line.startswith(f"Take th{'is one' if recommended == 0 else 'ese'}") for line in lines)


def test_a_small_run_is_shown_whole(found):
    small = replace(found, front=replace(found.front, ensembles=found.front[:4]), recommended_index=2)
    lines = repr(small).splitlines()
    assert lines[0].startswith(
        "<Run of drawn: nsga2, seed 1; vote: plurality, ties to the lowest class; minimised: err"
    )
    assert " ".join(lines).count(verdict(small)[0]) == 1
    table = lines[next(i for i, line in enumerate(lines) if line.endswith("  members")) + 1 :]
    assert len(table) == 4 + 2
    for ensemble in small.front:
        (line,) = (line for line in table if line.endswith(f"  {shortened(ensemble.members, 30)}"))
        low, high = (100 * end for end in ensemble.interval("test"))
        cells = line.replace("*", " ").replace("=", " ").split()
        assert ("*" in line) == (ensemble == small.recommended)
        assert cells[0] == str(ensemble.size)
        assert f" {100 * ensemble.search_errors / 120:.2f} " in line
        assert f"{100 * ensemble.test_errors / 120:.2f} ({low:.2f} to {high:.2f})" in line


def test_markup_in_a_name_stays_text():
    text = repr(large("[red]"))
    assert "[red]299" in text


# --- As HTML ---------------------------------------------------------------------------------------------------------


class Table(HTMLParser):
    """Collects tags, attributes, the cells of each row and what is bold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple] = []
        self.rows: list[list[str]] = []
        self.bold: list[str] = []
        self.paragraphs: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.add(tag)
        self.attributes += attributes
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] in ("caption", "p"):
            if self.open[-1] == "p":
                self.paragraphs.append(data)
            self.caption = data
            return
        self.rows[-1][-1] += data
        if "b" in self.open:
            self.bold.append(data)


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("recommended", [0, 99])
def test_a_large_run_stays_small_in_a_notebook_and_its_names_are_text(name, recommended):
    text = large(name, recommended=recommended)._repr_html_()
    assert len(text.encode()) < 20_000
    table = Table(text)
    assert table.tags <= {"p", "table", "caption", "tr", "th", "td", "b"}
    assert table.attributes == [("colspan", "5")]
    assert table.open == []
    assert table.bold[:2] == ["*", str(recommended + 1)]
    sizes = [int(row[1]) for row in table.rows[1:-1]]
    assert sizes == [*sorted(sizes[:8]), 1, 300]
    assert table.rows[-1] == ["and 92 more"]


def test_a_small_run_is_whole_in_a_notebook_below_the_verdict(found):
    small = replace(found, front=replace(found.front, ensembles=found.front[:4]), recommended_index=2)
    table = Table(small._repr_html_())
    assert table.caption.startswith("drawn: nsga2, seed 1; vote: ")
    assert tuple(table.paragraphs) == verdict(small)
    assert table.rows[0] == ["", "n_members", "bytes", "search error %", "test error % (95 %)", "members"]
    assert len(table.rows) == 1 + 4 + 2
    told = {(row[1], row[3], row[4].partition(" ")[0], row[5]) for row in table.rows[1:5]}
    assert told == {
        (
            str(one.size), f"{100 * one.search_errors / 120:.2f}", f"{100 * one.test_errors / 120:.2f}",
            ", ".join(one.members),
        )
        for one in small.front
    }  # fmt: skip


def test_without_a_test_split_neither_form_invents_one():
    untested = large(n_test=None)
    assert {row[3] for row in Table(untested._repr_html_()).rows[1:-1]} == {"-"}
    assert "299.00" not in repr(untested)
    assert " - " in repr(untested)


# --- As a picture ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["search", "test"])
def test_the_fronts_are_drawn_on_the_axes_given(found, split):
    axes = Figure().subplots()
    assert found.plot(split, ax=axes) is axes
    drawn = {line.get_label(): line.get_xydata() for line in axes.get_lines()}
    for front in found.fronts:
        values = [one.search if split == "search" else one.test for one in front]
        points = sorted((value["n_members"], 100 * value["error"]) for value in values)
        np.testing.assert_allclose(drawn[front.selector], points)
    assert axes.get_legend() is not None


def test_without_axes_new_ones_are_made(found):
    pyplot.switch_backend("agg")
    open_before = pyplot.get_fignums()
    axes = found.plot()
    assert found.front.selector in {line.get_label() for line in axes.get_lines()}
    (new,) = set(pyplot.get_fignums()) - set(open_before)
    assert axes.figure.number == new
    pyplot.close(axes.figure)


def test_only_splits_of_the_run_can_be_drawn(found):
    with pytest.raises(InputError, match=r"no split of this run called 'tset'\. Did you mean 'test'\?"):
        found.plot("tset", ax=Figure().subplots())
    with pytest.raises(InputError, match=r"no split of this run called 'test'\. There is search"):
        large(n_test=None).plot("test", ax=Figure().subplots())


# --- As JSON values --------------------------------------------------------------------------------------------------


def test_it_comes_back_from_its_json_form_as_it_was(found):
    text = json.dumps(found.to_dict(), allow_nan=False)
    back = Run.from_dict(json.loads(text))
    assert back == found
    assert json.dumps(back.to_dict(), allow_nan=False) == text


def test_its_json_form_is_what_was_promised(found):
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert list(content) == [
        "format", "time", "command", "folder", "problem", "vote", "selector", "seed", "budget", "seconds_limit",
        "patience", "interrupted", "interrupted_by", "objectives", "units", "constraints", "reference_point",
        "n_members", "n_search", "n_test", "recommend_by",
        "recommended_index", "estimate", "metrics", "front_members", "recommended", "front",
        "baselines", "single_best", "whole_pool", "lowest_errors", "parent_costs", "fingerprints", "source",
        "classes", "versions",
    ]  # fmt: skip
    assert content["format"] == 4
    assert [front["selector"] for front in content["baselines"]] == ["backward_elimination", "random"]
    assert content["recommended"] == content["front"]["ensembles"][content["recommended_index"]]
    for front in (content["front"], *content["baselines"]):
        assert list(front) == [
            "selector", "settings", "leading", "n_evaluations", "seconds", "seconds_compiling", "ended_by",
            "hypervolume", "proven_sizes", "ensembles", "history",
        ]  # fmt: skip
        sizes = [len(ensemble["indices"]) for ensemble in front["ensembles"]]
        assert sizes == sorted(sizes)
        for ensemble in front["ensembles"]:
            assert list(ensemble) == [
                "indices", "members", "search", "test", "search_errors", "test_errors", "search_interval",
                "test_interval", "optimism", "intervals", "criterion", "voting", "costs", "discordant", "comparisons",
                "warnings",
            ]  # fmt: skip


def test_samples_that_were_set_aside_are_not_in_the_json_form(found):
    split_here = replace(found, source={"name": "file", "test_samples": [1, 2]})
    assert split_here.to_dict()["source"] == {"name": "file"}


def test_what_follows_from_other_fields_is_worked_out_anew(found):
    content = json.loads(json.dumps(found.to_dict()))
    for ensemble in content["front"]["ensembles"]:
        ensemble["comparisons"], ensemble["warnings"], ensemble["test_interval"] = {}, [], [0.0, 0.0]
    assert Run.from_dict(content) == found


def test_a_field_that_is_missing_is_named(found):
    from pydantic import ValidationError

    content = found.to_dict()
    del content["front"]["selector"]
    with pytest.raises(ValidationError, match=r"front\.selector"):
        Run.from_dict(content)


# --- One of its ensembles --------------------------------------------------------------------------------------------


def test_recommended_is_the_one_with_the_fewest_errors_and_its_warnings_are_the_runs(found):
    assert found.recommended is found.front[found.recommended_index]
    assert found.recommended.search_errors == min(ensemble.search_errors for ensemble in found.front)
    assert found.warnings == found.recommended.warnings


def test_one_rule_picks_one_ensemble(found):
    errors = {ensemble.search_errors for ensemble in found.front}
    assert found.pick() == found.pick(rule="recommended") == found.recommended
    assert found.pick(size=2) == min((one for one in found.front if one.size == 2), key=lambda one: one.search_errors)
    limit = sorted(one.costs["bytes"] for one in found.front)[len(found.front) // 2]
    cheap = found.pick(at_most={"bytes": limit})
    assert cheap.costs["bytes"] <= limit
    fitting = [one for one in found.front if one.costs["bytes"] <= limit]
    least, first = min(one.criterion for one in fitting), min(fitting, key=lambda one: (one.size, one.criterion))
    assert cheap.criterion <= least + 0.05 * (first.criterion - least)
    assert found.pick(rule="one_standard_error").size <= found.recommended.size
    assert found.pick(rule="knee") in found.front
    assert len(errors) > 2


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"size": 2, "rule": "knee"}, "size, at_most and rule are one rule each; give one"),
        ({"size": 90}, "no ensemble of 90 members is on this front; the nearest in size has"),
        ({"at_most": {"bytes": 0.0}}, "no ensemble of this front costs so little; the nearest has bytes="),
        ({"at_most": {"byte": 9.0}}, r"no cost in this run called 'byte'\. Did you mean 'bytes'\?"),
        ({"rule": "best"}, "no rule called 'best'"),
    ],
)
def test_a_rule_that_nothing_meets_is_refused(found, rules, message):
    with pytest.raises(InputError, match=message):
        found.pick(**rules)


# --- Its parts -------------------------------------------------------------------------------------------------------


def test_every_ensemble_knows_the_sizes_that_it_needs(found):
    ensembles = [found.single_best, found.whole_pool, *(one for front in found.fronts for one in front)]
    assert {(one.n_pool, one.n_search, one.n_test) for one in ensembles} == {(9, 120, 120)}
    assert found.single_best.is_single_best
    for one in found.front:
        assert one.is_single_best == (one.indices == found.single_best.indices)
        assert set(one.comparisons) == set(one.discordant)


def test_constraints_are_put_in_words(found):
    assert found.constraints_in_words == ""
    limited = replace(found, constraints={"at_most": {"bytes": 2e6, "ms": 0.5}, "at_least": {"accuracy": 0.9}})
    assert limited.constraints_in_words == "bytes at most 2e+06, ms at most 0.5, accuracy at least 0.9"


def forged(found: Run, **changes) -> Run:
    """The run with other values in the first ensemble of its front."""
    first, *others = found.front
    return replace(found, front=replace(found.front, ensembles=(replace(first, **changes), *others)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_members": 0}, "field 'n_members' is 0; it must be 1 or more"),
        ({"n_search": -3}, "field 'n_search' is -3; it must be 1 or more"),
        ({"n_test": 0}, "field 'n_test' is 0; it must be 1 or more"),
        ({"objectives": ()}, "fields 'objectives', 'units' and 'reference_point' must have one length, and not be"),
        ({"units": ("",)}, "fields 'objectives', 'units' and 'reference_point' must have one length, and not be"),
        ({"fingerprints": {"search": ""}}, "field 'fingerprints' must name the splits that the run has"),
        ({"n_test": None}, "field 'fingerprints' must name the splits that the run has"),
        ({"constraints": {"at_last": {}}}, "field 'constraints' holds at_last; expected at_most, at_least"),
        ({"parent_costs": {"ms": float("nan")}}, "field 'parent_costs' holds a value that is not finite"),
        ({"recommended_index": 99}, r"field 'recommended_index' is 99; the front has \d+ ensembles"),
        ({"recommended_index": -1}, r"field 'recommended_index' is -1; the front has \d+ ensembles"),
    ],
)
def test_a_run_that_cannot_be_is_refused(found, changes, message):
    with pytest.raises(InputError, match=message):
        replace(found, **changes)


def test_a_front_without_ensembles_is_refused(found):
    empty = replace(found.baselines[0], ensembles=())
    with pytest.raises(InputError, match="a front has no ensembles"):
        replace(found, baselines=(empty,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"costs": {}}, "the ensembles of 'nsga2' have different costs"),
        ({"search": {"error": 0.1}}, r"the ensemble \[\d\] has impossible values on the search split"),
        ({"search_errors": 121}, r"the ensemble \[\d\] has impossible values on the search split"),
        ({"test": None}, r"the ensemble \[\d\] has impossible values on the test split"),
        ({"test_errors": None}, r"the ensemble \[\d\] has impossible values on the test split"),
        ({"test_errors": -1}, r"the ensemble \[\d\] has impossible values on the test split"),
        ({"discordant": {"parent": Discordant((121, 0), (0, 0))}}, "has impossible discordant samples"),
        ({"discordant": {"parent": Discordant((0, 0), (0, 120))}}, "has impossible discordant samples"),
        ({"discordant": {"parent": Discordant((0, 0), None)}}, "has impossible discordant samples"),
        ({"discordant": {"parent": Discordant((0, 0), (0, 0), 0.5)}}, "has impossible discordant samples"),
        ({"intervals": {"test": (0.3, 0.2)}}, "has an impossible interval of its error on the split 'test'"),
    ],
)
def test_an_ensemble_that_does_not_fit_the_run_is_refused(found, changes, message):
    assert found.front[0].size == 1
    with pytest.raises(InputError, match=message):
        forged(found, **changes)


def test_samples_of_a_split_that_is_not_there_are_refused():
    untested = large(n_test=None)
    with pytest.raises(InputError, match=r"the ensemble \[299\] has discordant samples of a split that is not there"):
        forged(untested, discordant={"parent": Discordant((0, 0), (0, 0))})


# --- In a folder -----------------------------------------------------------------------------------------------------


def test_it_is_saved_in_a_new_folder_and_read_again(found, tmp_path):
    folder = found.save(tmp_path / "run")
    assert folder == tmp_path / "run"
    names = ["front.csv", "front.html", "front.png", "front.svg", "history.csv", "report.md", "run.json"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert read_run(folder) == found
    with pytest.raises(InputError, match="run"):
        found.save(str(folder))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_run_that_cannot_be_saved_leaves_nothing(found, tmp_path, monkeypatch):
    def fail(facts):
        raise MemoryError

    monkeypatch.setattr("evo_ensyth.report.renderers.plots.render", fail)
    with pytest.raises(MemoryError):
        found.save(Path(tmp_path) / "run")
    assert list(tmp_path.iterdir()) == []
