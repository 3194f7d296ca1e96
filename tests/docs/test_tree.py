"""The drawing of the rooms, and that each of its rules can break."""

import dataclasses

import pytest
from tree import Tree, read_tree


@pytest.fixture(scope="module")
def tree() -> Tree:
    return read_tree()


@pytest.fixture
def small() -> Tree:
    """Two rooms on two floors."""
    imports = {"evo_ensyth": set(), "evo_ensyth.cli": {"evo_ensyth.pool.votes"}, "evo_ensyth.pool.votes": set()}
    lines = {"evo_ensyth": 3, "evo_ensyth.cli": 20, "evo_ensyth.pool.votes": 400}
    return Tree(imports, lines, {"cli": False, "pool": True}, [["cli"], ["pool"]])


def test_the_package_keeps_the_rules(tree):
    assert tree.broken_rules() == []


def test_every_room_is_drawn_once(tree):
    drawn = [line.split()[1 if line[0].isdigit() else 0] for line in tree.drawing().splitlines()[1:]]
    assert sorted(name.removesuffix("/").removesuffix(".py") for name in drawn) == sorted(tree.is_folder)


def test_a_small_tree_is_drawn_from_the_top(small):
    assert small.drawing().splitlines()[1:] == [
        "2      cli.py            1      20       20  pool",
        "1      pool/             1     400      400",
    ]
    assert small.broken_rules() == []


def test_an_import_that_goes_up_and_so_in_a_circle_is_found(small):
    imports = {**small.imports, "evo_ensyth.pool.votes": {"evo_ensyth.cli"}}
    circle, of_rooms, upwards = dataclasses.replace(small, imports=imports).broken_rules()
    assert circle.startswith("a circle: evo_ensyth.")
    assert of_rooms.startswith("a circle: ")
    assert upwards == "evo_ensyth.pool.votes imports evo_ensyth.cli, from a higher floor"


def test_what_is_too_long_too_many_or_too_high_is_found(small):
    long = dataclasses.replace(small, lines={**small.lines, "evo_ensyth.pool.votes": 401})
    assert long.broken_rules() == ["evo_ensyth.pool.votes has 401 lines; at most 400"]
    files = {f"f{i}": False for i in range(7)} | {"pool": True, "cli": False}
    (many,) = dataclasses.replace(small, is_folder=files).broken_rules()
    assert many.startswith("9 files at the top: __init__, cli, f0, ")
    high = dataclasses.replace(small, floors=[["cli"], *([f"r{i}"] for i in range(7)), ["pool"]])
    assert high.broken_rules() == ["9 floors; at most 8"]
