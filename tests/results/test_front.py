"""A front: a sequence of ensembles, and a table of them."""

import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.results.front import Front
from evo_ensyth.selection.run import run


@pytest.fixture
def front(make_problem) -> Front:
    return run(make_problem(goals=("error", "n_members", "bytes", "worst_class_error")), "random", budget=300).front


@pytest.fixture
def untested(make_problem) -> Front:
    return run(make_problem(with_test=False), "random", budget=300).front


def test_it_is_a_sequence_of_ensembles(front):
    ensembles = front.ensembles
    assert len(front) == len(ensembles) > 3
    assert tuple(front) == ensembles
    assert (front[0], front[-1]) == (ensembles[0], ensembles[-1])
    assert tuple(reversed(front)) == ensembles[::-1]
    assert ensembles[2] in front
    with pytest.raises(IndexError):
        front[len(front)]


def test_it_is_shown_in_one_line(front):
    assert repr(front) == f"<Front of {len(front)} ensembles by random>"


def test_its_rows_are_what_the_ensembles_say(front):
    rows = front.to_dict()
    assert len(rows) == len(front)
    for row, ensemble in zip(rows, front, strict=True):
        low, high = ensemble.interval("test")
        assert row == {
            "size": len(ensemble.indices),
            "search_error": ensemble.search["error"],
            "test_error": ensemble.test["error"],
            "test_low": low,
            "test_high": high,
            **ensemble.costs,
            "worst_class_error": ensemble.search["worst_class_error"],
            "members": list(ensemble.members),
        }


def test_without_a_test_split_the_rows_say_so(untested):
    for row in untested.to_dict():
        assert [row[name] for name in ("test_error", "test_low", "test_high")] == [None] * 3
        assert "error" not in row
        assert "n_members" not in row


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_data_frame_holds_the_rows(front, untested, library, monkeypatch):
    frames = pytest.importorskip(library, reason=f"{library} is not installed")
    find = "evo_ensyth.results.front.find_spec"
    monkeypatch.setattr(find, lambda name: name == library or None)
    for one in (front, untested):
        frame, rows = one.to_frame(), one.to_dict()
        assert isinstance(frame, frames.DataFrame)
        assert list(frame.columns) == list(rows[0])
        for name in frame.columns:
            values = frame[name].to_list()
            assert [list(value) if name == "members" else value for value in values] == [row[name] for row in rows]


def test_pandas_is_preferred_where_both_are_installed(front):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    assert isinstance(front.to_frame(), pandas.DataFrame)


def test_without_a_library_for_them_there_is_no_data_frame(front, monkeypatch):
    monkeypatch.setattr("evo_ensyth.results.front.find_spec", lambda name: None)
    with pytest.raises(InputError, match="a data frame needs pandas or polars; install one of them"):
        front.to_frame()
