"""What holds for selectors, vote rules and objectives alike: a new file is tested by being there."""

import pytest
from settings import refused

from evo_ensyth import objectives, voting
from evo_ensyth.errors import InputError
from evo_ensyth.selection import selectors

each_described = pytest.mark.parametrize(
    ("family", "name"),
    [(family, name) for family in (objectives, selectors, voting) for name in family.describe()],
    ids=lambda value: value if isinstance(value, str) else value.__name__.rpartition(".")[2],
)
each_class = pytest.mark.parametrize(
    ("family", "name"),
    [(family, name) for family in (selectors, voting) for name in family.names()],
    ids=lambda value: value if isinstance(value, str) else value.__name__.rpartition(".")[2],
)


@each_described
def test_it_says_in_one_line_what_it_is(family, name):
    line = family.describe()[name]
    assert 15 <= len(line) <= 110
    assert line.endswith(".")


@each_class
def test_every_setting_is_checked_and_named_when_it_is_refused(family, name):
    plugin = type(family.load(name))
    for field, value in refused(plugin):
        with pytest.raises(InputError, match=rf"^{plugin.__name__}: {field} is .*; it must be "):
            family.load(name, {field: value})


@each_class
def test_name_class_and_instance_are_the_same(family, name):
    plugin = family.load(name)
    assert getattr(family, type(plugin).__name__) is type(plugin)
    assert type(plugin).__name__ in dir(family)
    assert family.load(type(plugin)) == plugin
    assert family.load(plugin) is plugin
