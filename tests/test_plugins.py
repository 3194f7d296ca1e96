"""A folder lists its plug-ins: what lies there can be asked for by name, and nothing else."""

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from evo_ensyth import plugins
from evo_ensyth.errors import InputError
from evo_ensyth.plugins import check_settings, setting

SELECTOR = "class Tabu:\n    def select(self, search, rng): ...\n"
OBJECTIVE = (
    "from evo_ensyth.objectives import objective\n"
    "@objective(unit='points')\n"
    "def f1(ensembles): ...\n"
    "@objective()\n"
    "def f2(ensembles): ...\n"
)


@pytest.fixture
def family(tmp_path, monkeypatch):
    """A family of plug-ins, and a module that lives elsewhere."""
    package = tmp_path / "family_of_tests"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "apple.py").write_text(
        '"""An apple.\n\nRed."""\nweight = 1\nname = "x"\nclass Apple:\n    def bite(self): ...\n'
    )
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


def test_the_first_line_about_each_is_read_without_importing_any(family):
    assert plugins.describe(family) == {"apple": "An apple.", "broken": "", "pear": "", "stone": ""}
    assert plugins.class_names(family) == ["Apple"]
    assert "family_of_tests.apple" not in sys.modules


def test_a_name_a_class_and_an_instance_make_the_same(family):
    made = plugins.make(family, "apple", "fruit", "bite")
    assert type(made).__name__ == "Apple"
    assert type(plugins.make(family, type(made), "fruit", "bite")) is type(made)
    assert plugins.make(family, made, "fruit", "bite") is made
    assert type(plugins.make(family, "family_of_tests.apple", "fruit", "bite")) is type(made)
    assert type(plugins.make(family, "family_of_tests.apple.Apple", "fruit", "bite")) is type(made)
    assert plugins.class_of(family, "Apple") is type(made)
    with pytest.raises(AttributeError, match="no attribute 'Aple'"):
        plugins.class_of(family, "Aple")


@pytest.mark.parametrize(
    ("wanted", "settings", "message"),
    [
        (3, {}, "3 is no fruit; expected a name, such as 'apple', or an object with 'bite'"),
        (None, {}, "None is no fruit"),
        (dict, {}, "<class 'dict'> is no fruit"),
        ("pear", {}, "pear has 0 classes with a method 'bite'; a fruit has one"),
        ("family_of_tests.pear.weight", {}, "'family_of_tests.pear.weight' is no fruit"),
        ("apple", {"size": 3}, "fruit 'apple' has no setting 'size'; it has none"),
    ],
)
def test_what_is_no_plug_in_is_refused(family, wanted, settings, message):
    with pytest.raises(InputError, match=message):
        plugins.make(family, wanted, "fruit", "bite", settings)


def test_an_instance_has_its_settings_already(family):
    made = plugins.make(family, "apple", "fruit", "bite")
    with pytest.raises(InputError, match="has its settings already; got size beside it"):
        plugins.make(family, made, "fruit", "bite", {"size": 3})


def test_the_nearest_setting_is_named(family):
    @dataclass
    class Melon:
        stones: int = 3

        def bite(self): ...

    with pytest.raises(InputError, match=r"has no setting 'stone'; it has stones\. Did you mean 'stones'\?"):
        plugins.make(family, Melon, "fruit", "bite", {"stone": 1})


@dataclass(frozen=True)
class Plum:
    stones: int = setting(4, at_least=2, multiple_of=2)
    share: float = setting(0.5, above=0, below=1)
    part: float = setting(1, at_most=1)
    colour: str = setting("blue", one_of=("blue", "yellow"))
    sizes: tuple[int, ...] = setting((), at_least=1)
    most: int | None = setting(None, at_least=1)
    ripe: bool = True
    text: str = ""

    def __post_init__(self):
        check_settings(self)


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"stones": 2}, {"stones": np.int64(6)}, {"share": 0.999}, {"part": -1e9}, {"part": 1}, {"colour": "yellow"},
        {"sizes": (1, 2)}, {"most": 1}, {"ripe": False}, {"text": "x"},
    ],
)  # fmt: skip
def test_settings_within_their_limits_are_taken(settings):
    plum = Plum(**settings)
    assert {name: getattr(plum, name) for name in settings} == settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stones": 3}, "Plum: stones is 3; it must be a whole number, at least 2 and a multiple of 2."),
        ({"stones": 0}, "Plum: stones is 0; it must be a whole number, at least 2 and a multiple of 2."),
        ({"stones": 4.0}, "Plum: stones is 4.0; it must be a whole number, at least 2 and a multiple of 2."),
        ({"stones": True}, "Plum: stones is True; it must be a whole number, at least 2 and a multiple of 2."),
        ({"share": 0}, "Plum: share is 0; it must be a number, above 0 and below 1."),
        ({"share": 1}, "Plum: share is 1; it must be a number, above 0 and below 1."),
        ({"part": 1.1}, "Plum: part is 1.1; it must be a number, at most 1."),
        ({"part": float("-inf")}, "Plum: part is -inf; it must be a number, at most 1."),
        ({"colour": "red"}, "Plum: colour is 'red'; it must be 'blue' or 'yellow'."),
        ({"sizes": (3, 0)}, "Plum: sizes is (3, 0); it must be a tuple, each entry a whole number, at least 1."),
        ({"sizes": 3}, "Plum: sizes is 3; it must be a tuple, each entry a whole number, at least 1."),
        ({"most": 0}, "Plum: most is 0; it must be a whole number, at least 1, or None."),
        ({"ripe": 1}, "Plum: ripe is 1; it must be True or False."),
        ({"text": 1}, "Plum: text is 1; it must be a text."),
    ],
)
def test_a_setting_that_is_not_allowed_is_named_with_what_is(settings, message):
    with pytest.raises(InputError) as refused:
        Plum(**settings)
    assert str(refused.value) == message


def test_modules_in_the_current_folder_are_found(tmp_path, environment):
    """The installed script has no current folder on its path, `python -m` has."""
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab" / "tabu.py").write_text(SELECTOR)
    (tmp_path / "mine.py").write_text(OBJECTIVE)
    program = (
        "import sys; sys.path = [place for place in sys.path if place not in ('', sys.argv[1])]\n"
        "from evo_ensyth import objectives\n"
        "from evo_ensyth.pool import Members\n"
        "from evo_ensyth.selection import selectors\n"
        "print(type(selectors.load('mylab.tabu')).__name__, objectives.find('mine.f1', Members(('a',))).unit)\n"
    )
    said = subprocess.run(
        [sys.executable, "-P", "-c", program, str(tmp_path)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout == "Tabu points\n"


def test_where_nothing_is_known_the_message_says_so():
    assert str(plugins.unknown("fruit", "x", [])) == "no fruit called 'x'. There is none at all."


def test_the_plug_ins_of_the_package_are_there():
    assert {"nsga2", "backward_elimination"} <= set(plugins.names("evo_ensyth.selection.selectors"))
    assert {"error", "n_members"} <= set(plugins.names("evo_ensyth.objectives"))
