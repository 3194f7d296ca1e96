"""``list``: every plug-in and problem, with one line of description."""

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

from evo_ensyth import plugins, workspace
from evo_ensyth.cli.lists import FOLDERS, Kind


def names(kind: Kind) -> tuple[str, ...]:
    return workspace.problem_names() if kind is Kind.PROBLEMS else plugins.names(FOLDERS[kind])


NETWORKS_ARE_FILES = find_spec(FOLDERS[Kind.NETWORKS]).submodule_search_locations is not None
KINDS = [kind for kind in Kind if kind is not Kind.NETWORKS or NETWORKS_ARE_FILES]


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_has_a_line_with_a_description(call, kind):
    said = call("list", kind.value)
    assert (said.status, said.err) == (0, "")
    lines = [line.split(maxsplit=1) for line in said.out.splitlines()]
    assert tuple(line[0] for line in lines) == names(kind)
    assert [line for line in lines if len(line) < 2] == []
    described = call("list", kind.value, "--json").json
    assert described == {name: text.strip() for name, text in lines}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not Kind.PROBLEMS])
def test_the_names_are_those_that_a_kind_is_known_by(kind):
    expected = {
        Kind.SELECTORS: {"nsga2", "exact", "random", "backward_elimination"},
        Kind.OBJECTIVES: {"error", "n_members", "soft_error"},
        Kind.VOTES: {"plurality", "soft", "stacking"},
        Kind.COMPRESSORS: {"net_trim", "magnitude"},
        Kind.DATASETS: {"digits", "mnist", "cifar10"},
        Kind.NETWORKS: {"small"},
    }
    assert expected[kind] <= set(names(kind))


def test_problems_of_ones_own_are_listed(call, tmp_path):
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems" / "mine.py").write_text('"""Mine: what I search.\n\nMore of it."""\n')
    (tmp_path / "problems" / "bare.py").write_text("x = 1\n")
    (tmp_path / "problems" / "broken.py").write_text("def x(:\n")
    found = call("list", "problems", "--json").json
    assert found["mine"] == "Mine: what I search."
    assert found["bare"] == found["broken"] == ""
    assert found["digits"].startswith("Digits: ")


def test_nothing_is_imported_to_be_listed(tmp_path, environment):
    code = (
        "import json, sys\n"
        "from evo_ensyth.cli import main as cli\n"
        "for kind in ('selectors', 'objectives', 'problems'):\n"
        "    assert cli.run(['list', kind]) == 0\n"
        "print(json.dumps([name for name in ('torch', 'pymoo', 'deap', 'cvxpy', 'matplotlib') if name in sys.modules]))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(said.stdout.splitlines()[-1]) == []


def test_an_unknown_kind_takes_one_line(refused):
    message = refused("list", "selector")
    for kind in Kind:
        assert kind.value in message
    assert "KIND" in refused("list").upper()
