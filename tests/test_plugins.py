"""The folder is the catalogue: what lies there can be asked for by name, and nothing else."""

import sys

import pytest

from evo_ensyth import plugins
from evo_ensyth.errors import InputError


@pytest.fixture
def family(tmp_path, monkeypatch):
    """A family of plug-ins, and a module that lives elsewhere."""
    package = tmp_path / "family_of_tests"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "apple.py").write_text("weight = 1\nname = 'x'\n")
    (package / "pear.py").write_text("weight = 2\nother = 3\n_hidden = 4\n")
    (package / "stone.py").touch()
    (package / "_inner.py").write_text("weight = 5\n")
    (package / "broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "family_of_tests"
    for name in [name for name in sys.modules if name.startswith("family_of_tests")]:
        del sys.modules[name]


def test_the_names_are_those_of_the_files(family):
    assert plugins.names(family) == ("apple", "broken", "pear", "stone")


def test_a_plug_in_is_loaded_by_its_name_or_from_anywhere_by_a_dotted_one(family):
    assert plugins.load(family, "apple", "fruit").weight == 1
    assert plugins.load(family, "family_of_tests._inner", "fruit").weight == 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("aple", r"no fruit called 'aple'\. Did you mean 'apple'\? There is apple, broken, pear, stone\."),
        ("zzz", r"no fruit called 'zzz'\. There is apple, broken, pear, stone\."),
        ("_inner", "no fruit called '_inner'"),
        ("", "no fruit called ''"),
        ("../apple", "no fruit called '../apple'; the dotted name of a module was expected"),
        (".", r"no fruit called '\.'; the dotted name"),
        (".apple", r"no fruit called '\.apple'"),
        ("family_of_tests..apple", "the dotted name of a module was expected"),
        (
            "family_of_tests.plum",
            "no fruit called 'family_of_tests.plum' can be imported: ModuleNotFoundError",
        ),
        ("family_of_tests.broken", "'family_of_tests.broken' can be imported: ZeroDivisionError: division"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_with_those_that_lead_somewhere(family, name, message):
    with pytest.raises(InputError, match=message):
        plugins.load(family, name, "fruit")


def test_a_plug_in_has_exactly_one_of_its_kind(family):
    assert plugins.only(plugins.load(family, "apple", "fruit"), int) == 1
    with pytest.raises(InputError, match="pear has 2 of int; a plug-in has exactly one"):
        plugins.only(plugins.load(family, "pear", "fruit"), int)
    with pytest.raises(InputError, match="stone has 0 of int"):
        plugins.only(plugins.load(family, "stone", "fruit"), int)


def test_where_nothing_is_known_the_message_says_so():
    assert str(plugins.unknown("fruit", "x", [])) == "no fruit called 'x'. There is none at all."


def test_the_plug_ins_of_the_package_are_there():
    assert {"nsga2", "backward_elimination"} <= set(plugins.names("evo_ensyth.search.selectors"))
    assert {"error", "n_members"} <= set(plugins.names("evo_ensyth.objectives"))
