"""What every format of predictions promises; a new file in `evo_ensyth.io.formats` is tested by being there."""

from pathlib import Path

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.io import formats
from evo_ensyth.pool import Members, Parent, Pool, Votes

NAMES = formats.names()
WRITABLE = [name for name in NAMES if hasattr(formats.module(name), "write")]


@pytest.fixture
def pool() -> Pool:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 60)
    labels = np.where(rng.random((5, 60)) < 0.7, truth, rng.integers(0, 4, (5, 60)))
    members = Members(("ant", "bee", "cow, two", "dog=3", "ä"), costs={"ms": np.arange(5) + 0.5, "bytes": np.arange(5)})
    search, test = Votes(labels[:, :40], truth[:40], 4, "search"), Votes(labels[:, 40:], truth[40:], 4, "test")
    return Pool(members, search, test, Parent({"ms": 9.0}, {"search": truth[:40], "test": truth[40:]}))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_found_by_its_suffixes_which_no_other_format_has(name):
    module = formats.module(name)
    assert module.SUFFIXES
    for suffix in module.SUFFIXES:
        assert suffix.startswith(".")
        assert suffix == suffix.lower()
        assert formats.suffixes()[suffix] is module
    others = [suffix for other in NAMES if other != name for suffix in formats.module(other).SUFFIXES]
    assert not set(module.SUFFIXES) & set(others)


@pytest.mark.parametrize("name", NAMES)
def test_it_describes_itself_in_one_line(name):
    assert 10 < len((formats.module(name).__doc__ or "").partition("\n")[0]) <= 120


@pytest.mark.parametrize("name", WRITABLE)
def test_what_is_written_is_read_again(name, pool, tmp_path):
    path = tmp_path / f"file{formats.module(name).SUFFIXES[0]}"
    formats.write_predictions(path, pool)
    found = formats.read_predictions(path)
    assert found.names == pool.names
    assert found.name == "file"
    assert {cost: values.tolist() for cost, values in found.costs.items()} == {
        cost: values.tolist() for cost, values in pool.costs.items()
    }
    for split, votes in pool.splits.items():
        assert found.splits[split].fingerprint == votes.fingerprint


@pytest.mark.parametrize("name", WRITABLE)
def test_the_same_pool_gives_the_same_bytes(name, pool, tmp_path):
    suffix = formats.module(name).SUFFIXES[0]
    paths = [tmp_path / f"{which}{suffix}" for which in ("one", "two")]
    for path in paths:
        formats.write_predictions(path, pool)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"nothing that anybody wrote", b"{}"])
def test_what_it_cannot_read_is_refused_with_the_name_of_the_file(name, content, tmp_path):
    path = tmp_path / f"file{formats.module(name).SUFFIXES[0]}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"file\\{path.suffix}"):
        formats.read_predictions(path)


def test_an_unknown_suffix_is_refused_with_those_there_are(tmp_path):
    path = tmp_path / "votes.xyz"
    path.write_bytes(b"1")
    with pytest.raises(InputError, match=r"votes\.xyz has the suffix '\.xyz'; files of predictions have .*\.npz"):
        formats.read_predictions(path)
    with pytest.raises(InputError, match=r"votes\.xyz has the suffix"):
        formats.write_predictions(path, None)
    assert path.read_bytes() == b"1"


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.npz does not exist"):
        formats.read_predictions(Path(tmp_path / "nowhere.npz"))
