"""What every renderer of a run promises; a new file in `evo_ensyth.report.renderers` is tested by being there."""

from dataclasses import replace

import pytest

from evo_ensyth import plugins
from evo_ensyth.report.facts import gather
from evo_ensyth.report.folder import RENDERERS, write_report
from evo_ensyth.selection.run import run

NAMES = plugins.names(RENDERERS)
HOSTILE = ("<script>", "$x^2$", "[red]", "a | b", "=1+1", "\x1b[31m", "模型", "x" * 200)


def render(name, facts):
    return plugins.load(RENDERERS, name, "renderer").render(facts)


@pytest.fixture(params=["plain", "without a test split", "two runs", "hostile names"])
def facts(request, make_problem):
    problem = make_problem(with_test=request.param != "without a test split", with_parent=True)
    if request.param == "hostile names":
        members = replace(problem.pool.members, names=HOSTILE)
        problem = replace(problem, pool=replace(problem.pool, members=members), name="<b> & $y$")
    runs = [run(problem, "nsga2", baselines=["backward_elimination"], budget=300)]
    if request.param == "two runs":
        runs.append(run(problem, "random", budget=200, seed=2))
    return gather(runs)


@pytest.mark.parametrize("name", NAMES)
def test_it_gives_files_that_are_not_empty(name, facts):
    files = render(name, facts)
    assert files
    for file, content in files.items():
        assert "/" not in file
        assert "." in file
        assert isinstance(content, bytes)
        assert content


@pytest.mark.parametrize("name", NAMES)
def test_the_same_facts_give_the_same_bytes(name, facts):
    assert render(name, facts) == render(name, facts)


@pytest.mark.parametrize("name", NAMES)
def test_no_path_of_the_machine_and_no_escape_sequence_is_in_it(name, facts, tmp_path):
    for content in render(name, facts).values():
        assert str(tmp_path).encode() not in content
        assert b"\x1b" not in content or content[:4] == b"\x89PNG"


def test_no_two_renderers_write_the_same_file_and_all_are_written(make_problem, tmp_path):
    found = run(make_problem(), "single_best")
    files = [file for name in NAMES for file in render(name, gather([found]))]
    assert len(files) == len(set(files))
    write_report([found], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)
