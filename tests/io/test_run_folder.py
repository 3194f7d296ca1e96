"""The folder of a run: read back as it was, whichever version wrote it, or refused by name."""

import csv
import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from evo_ensyth.errors import InputError
from evo_ensyth.files import unsealed
from evo_ensyth.io.run_folder import read_run, write_run
from evo_ensyth.report.facts import gather
from evo_ensyth.report.renderers.markdown import page
from evo_ensyth.results.run import Run
from evo_ensyth.selection.constraints import constraints_of
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.run import run

EARLIER = ROOT / "tests" / "fixtures" / "runs"
WORKED_OUT = {"recommended", "search_interval", "test_interval", "optimism", "warnings"}
COMPARED_BY = ("difference", "low", "high", "p", "p_corrected")


@pytest.fixture
def found(make_problem) -> Run:
    problem = make_problem(n_members=12, with_parent=True)
    return run(problem, "nsga2", baselines=["backward_elimination", "random"], budget=2000)


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def numbers(texts: list[str]) -> list[float | None]:
    return [float(text) if text else None for text in texts]


# --- What is written -------------------------------------------------------------------------------------------------


def test_a_run_comes_back_from_its_files_as_it_was(found, tmp_path):
    write_run(found, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["front.csv", "history.csv", "run.json"]
    assert read_run(tmp_path) == read_run(str(tmp_path)) == found


def test_costs_and_the_parents_costs_are_kept(found, tmp_path):
    write_run(found, tmp_path)
    back = read_run(tmp_path)
    assert back.parent_costs == {"bytes": 90.0}
    assert [ensemble.costs for ensemble in back.front] == [ensemble.costs for ensemble in found.front]
    assert all("parent" in ensemble.comparisons for ensemble in back.front)


def test_constraints_are_kept(make_problem, tmp_path):
    problem = make_problem()
    limits = {"bytes": 90}, {"recall_of_class_1": 0.5}
    constrained = problem.with_constraints(constraints_of(*limits, problem.pool.members))
    write_run(run(constrained, "nsga2", budget=500), tmp_path)
    assert read_run(tmp_path).constraints == {"at_most": limits[0], "at_least": limits[1]}
    path = tmp_path / "run.json"
    content = json.dumps(unsealed(path, json.loads(path.read_text())))
    path.write_text(content.replace('"at_least"', '"at_last"'))
    with pytest.raises(InputError, match="field 'constraints' holds at_most, at_last; expected at_most, at_least"):
        read_run(tmp_path)


def test_the_same_seed_writes_the_same_front(make_problem, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_run(run(make_problem(n_members=20), "nsga2", budget=2500, seed=4), tmp_path / name)
    assert (tmp_path / "a" / "front.csv").read_bytes() == (tmp_path / "b" / "front.csv").read_bytes()


def test_the_table_of_the_fronts_has_every_ensemble(found, tmp_path):
    write_run(found, tmp_path)
    rows = table(tmp_path, "front.csv")
    ensembles = [(front, ensemble) for front in found.fronts for ensemble in front]
    for row, (front, ensemble) in zip(rows, ensembles, strict=True):
        assert row["selector"] == front.selector
        assert row["recommended"] == str(int(front is found.front and ensemble == found.recommended))
        assert numbers([row["size"], row["search_error"], row["test_error"], row["test_low"], row["test_high"]]) == [
            ensemble.size, ensemble.search_errors / 120, ensemble.test_errors / 120, *ensemble.interval("test"),
        ]  # fmt: skip
        assert row["search_n_members"] == row["test_n_members"] == f"{ensemble.size}.0"
        assert row["indices"].split() == list(map(str, ensemble.indices))
        assert row["members"].split() == list(ensemble.members)
        for baseline in ("best_k", "single_best", "parent"):
            written = numbers([row[f"{baseline}_{what}"] for what in COMPARED_BY])
            one = ensemble.comparisons.get(baseline)
            assert written == ([one.on_test, *one.interval, one.p_value, one.corrected] if one else [None] * 5)


def test_the_table_of_the_history_has_every_milestone(found, tmp_path):
    write_run(found, tmp_path)
    rows = table(tmp_path, "history.csv")
    milestones = [(front.selector, milestone) for front in found.fronts for milestone in front.history]
    for row, (selector, milestone) in zip(rows, milestones, strict=True):
        assert (row["selector"], int(row["evaluations"])) == (selector, milestone.evaluations)
        assert float(row["hypervolume"]) == milestone.hypervolume
        assert float(row["seconds"]) == pytest.approx(milestone.seconds, abs=1e-4)


def test_samples_that_were_set_aside_are_listed(found, tmp_path):
    write_run(replace(found, source={"name": "file", "test_samples": [5, 2, 11]}), tmp_path)
    assert (tmp_path / "test_samples.csv").read_text() == "sample\n5\n2\n11\n"
    assert read_run(tmp_path).source == {"name": "file"}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_a_spreadsheet_takes_no_name_for_a_formula(found, tmp_path, start):
    first = replace(found.front[0], members=(f"{start}1+1",))
    write_run(replace(found, front=replace(found.front, ensembles=(first, *found.front.ensembles[1:]))), tmp_path)
    written = table(tmp_path, "front.csv")[0]["members"]
    assert written == f"'{start}1+1'"
    assert shlex.split(written) == [f"{start}1+1"]


def test_members_are_told_apart_whatever_they_are_called(found, tmp_path):
    """Joined by blanks alone, 'Random Forest' looked like the two members 'Random' and 'Forest'."""
    names = ("Random Forest", "Random", "Forest", "it's", 'say "x"', "a,b", "k=v", "c[1]", "two\nlines", "", "=1", "ä")
    first = replace(found.front[0], members=names, indices=tuple(range(len(names))), discordant={})
    write_run(replace(found, front=replace(found.front, ensembles=(first, *found.front.ensembles[1:]))), tmp_path)
    assert tuple(shlex.split(table(tmp_path, "front.csv")[0]["members"])) == names
    assert read_run(tmp_path).front[0].members == names


def test_no_column_of_the_fronts_is_there_twice(make_problem, tmp_path):
    """An objective called 'low' had the column of the interval's lower end."""
    problem = make_problem()
    pool = problem.pool.with_cost("low", np.arange(8)).with_cost("high", np.arange(8))
    write_run(run(Problem(pool, ("error", "low", "high")), "single_best", budget=50), tmp_path)
    with (tmp_path / "front.csv").open(newline="") as file:
        header = next(csv.reader(file))
    assert len(set(header)) == len(header)
    row = table(tmp_path, "front.csv")[0]
    assert row["search_low"] == row["objective_test_low"]
    assert float(row["test_low"]) < 1


# --- What earlier versions wrote -------------------------------------------------------------------------------------


def test_a_run_of_format_1_is_read_without_what_it_lacks():
    back = read_run(EARLIER / "format-1")
    assert (back.problem, back.seed, back.budget, back.n_members) == ("tiny", 3, 200, 5)
    assert [warning.code for warning in back.warnings] == ["not_compared"]
    assert "an earlier version" in page(gather([back]))
    assert [ensemble.comparisons for ensemble in back.front] == [{}] * 5
    assert [ensemble.costs for ensemble in back.front] == [{}] * 5
    # That version recommended the smallest within one standard error of the best; here the only such is the best.
    assert back.recommended.indices == (0, 1, 2, 3, 4)
    assert back.single_best.members == ("ant",)
    assert back.whole_pool.size == 5
    assert back.parent_costs == back.constraints == {}
    assert back.pick(size=3).members == ("ant", "bee", "cow")


def test_a_run_of_format_2_is_read():
    back = read_run(EARLIER / "format-2")
    assert (back.front.selector, back.front.leading, back.front.n_evaluations) == ("nsga2", "shrunk_error", 31)
    assert [(front.selector, front.leading) for front in back.baselines] == [("backward_elimination", "error")]
    assert back.front.proven_sizes == (1,)
    assert back.lowest_errors == (7, 5, 2, 2, 0)
    assert back.reference_point == (0.4125, 5.5)
    assert back.whole_pool.costs == {"latency": 17.5}
    assert [warning.code for warning in back.warnings] == ["single_best_is_all"]


def test_a_constrained_run_of_format_2_is_read():
    back = read_run(EARLIER / "format-2-constrained")
    assert back.constraints == {"at_most": {"n_members": 4.0}, "at_least": {"accuracy": 0.5}}
    assert back.objectives == ("error", "n_members", "latency")
    assert [ensemble.members for ensemble in back.front] == [("ant",), ("bee",), ("bee", "cow")]
    assert [sorted(ensemble.comparisons) for ensemble in back.front] == [[], *[["best_k", "single_best"]] * 2]
    assert back.front[2].discordant["single_best"].search == (9, 7)


@pytest.mark.parametrize("version", ["format-1", "format-2", "format-2-constrained"])
def test_every_number_is_the_one_that_the_earlier_version_wrote(version):
    back = read_run(EARLIER / version)
    rows = table(EARLIER / version, "front.csv")
    ensembles = [(front, ensemble) for front in back.fronts for ensemble in front]
    for row, (front, ensemble) in zip(rows, ensembles, strict=True):
        assert row["selector"] == front.selector
        assert row["chosen"] == str(int(ensemble is back.recommended))
        then = numbers([row[name] for name in ("size", "search_error", "test_error", "test_low", "test_high")])
        now = [ensemble.size, ensemble.error("search"), ensemble.error("test"), *ensemble.interval("test")]
        np.testing.assert_allclose(now, then, rtol=1e-12)
        for goal in back.objectives[1:]:
            assert (float(row[f"search_{goal}"]), float(row[f"test_{goal}"])) == (
                ensemble.search[goal], ensemble.test[goal],
            )  # fmt: skip
        assert row["indices"].split() == list(map(str, ensemble.indices))
        for baseline in ("best_k", "single_best", "parent"):
            then = numbers([row.get(f"{baseline}_{what}", "") for what in COMPARED_BY])
            one = ensemble.comparisons.get(baseline)
            assert (one is None) == (then[0] is None)
            if one:
                now = [one.on_test, *one.interval, one.p_value, one.corrected]
                np.testing.assert_allclose(now, then, rtol=1e-9)


def common(content, earlier):
    """What is in JSON values, without keys that earlier ones lack."""
    if isinstance(content, dict) and isinstance(earlier, dict):
        return {key: common(value, earlier[key]) for key, value in content.items() if key in earlier}
    if isinstance(content, list) and isinstance(earlier, list) and len(content) == len(earlier):
        return [common(*pair) for pair in zip(content, earlier, strict=True)]
    return content


def test_a_run_of_format_4_may_lack_what_came_later():
    back = read_run(EARLIER / "format-4")
    assert (back.time, back.command, back.patience, back.interrupted_by) == (None, None, None, None)
    assert back.folder == str(EARLIER / "format-4")
    assert [(front.ended_by, front.seconds_compiling) for front in back.fronts] == [(None, 0.0)] * 2
    written = json.loads((EARLIER / "format-4" / "run.json").read_text())
    assert common(json.loads(json.dumps(back.to_dict())), written) == written


@pytest.mark.slow
@pytest.mark.parametrize("version", ["format-1", "format-2", "format-2-constrained", "format-4"])
def test_a_run_of_an_earlier_format_can_be_written_in_this_one(version, tmp_path):
    back = read_run(EARLIER / version)
    folder = back.save(tmp_path / "again")
    assert json.loads((folder / "run.json").read_text())["format"] == 4
    assert read_run(folder) == back


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: c.pop("front"), "field 'front': Field required; the file was changed or is not whole"),
        (lambda c: c.update(format=99), "field 'format' is 99; this version reads 1, 2, 3, 4"),
        (lambda c: c.pop("format"), "field 'format' is None; this version reads 1, 2, 3, 4"),
        (lambda c: c.update(recommended_index=99), "field 'recommended_index' is 99; the front has"),
        (lambda c: c["front"].update(ensembles=[{}]), r"field 'front\.ensembles\.0\.indices': Field required"),
        (lambda c: c.update(single_best=3), "field 'single_best'"),
        (lambda c: c["whole_pool"].update(search_errors="many"), r"field 'whole_pool\.search_errors'"),
    ],
)
def test_a_damaged_run_is_refused_by_name(found, tmp_path, damage, message):
    write_run(found, tmp_path)
    content = unsealed("run.json", json.loads((tmp_path / "run.json").read_text()))
    damage(content)
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"run\.json: {message}"):
        read_run(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "3", "null", '{"format": 3', "\x00"])
def test_what_is_no_run_is_refused_by_name(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"run\.json"):
        read_run(tmp_path)


def test_where_there_is_no_run_nothing_is_read(tmp_path):
    with pytest.raises(InputError, match=r"run\.json"):
        read_run(tmp_path)


def places(content, path=()):
    """Every place in a JSON document that is read, and not worked out anew."""
    yield path
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        if key not in WORKED_OUT:
            yield from places(value, (*path, key))


def changed_anywhere(whole: str, folder: Path, values: Sequence[object]) -> tuple[int, int]:
    """Put other values into every place of a run; count how often it is refused, and how often it can be shown."""
    refused = shown = 0
    for path in list(places(json.loads(whole)))[1:]:
        for instead in values:
            content = json.loads(whole)
            place = content
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = instead
            (folder / "run.json").write_text(json.dumps(content))
            try:
                page(gather([read_run(folder)]))
                shown += 1
            except InputError:
                refused += 1
    return refused, shown


@pytest.mark.slow
def test_a_run_that_was_changed_anywhere_is_refused_or_can_be_shown(make_problem, tmp_path):
    write_run(run(make_problem(n_members=4, n_samples=20), "nsga2", baselines=["whole_pool"]), tmp_path)
    written = json.loads((tmp_path / "run.json").read_text())
    refused, shown = changed_anywhere(json.dumps(unsealed("run.json", written)), tmp_path, (None, "x"))
    assert refused > 150
    assert shown > 10  # free text, and settings
    refused, shown = changed_anywhere(json.dumps(written), tmp_path, ("x",))
    assert (refused > 75, shown) == (True, 0)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["format-1", "format-2"])
def test_a_run_of_an_earlier_format_that_was_changed_anywhere_is_refused_or_can_be_shown(version, tmp_path):
    refused, shown = changed_anywhere((EARLIER / version / "run.json").read_text(), tmp_path, (None,))
    assert refused > 100
    assert shown > 5
