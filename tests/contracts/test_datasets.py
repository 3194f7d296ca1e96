"""What holds for every data set there is: a new file is tested by being there, if its files are on this machine."""

import re
import sys
from types import ModuleType

import numpy as np
import pytest

from evo_ensyth import plugins
from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import datasets
from evo_ensyth.synthesis.datasets import Dataset, Split, _files

NAMES = datasets.names()


@pytest.fixture(scope="module")
def published():
    """A data set, read once; a test of one whose files are not on this machine is skipped."""
    read = {}

    def published(name):
        def missing(file, folder):
            raise InputError(f"{file.name} is missing.")

        if name not in read:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(_files, "_downloaded", missing)
                try:
                    read[name] = datasets.load(name)
                except InputError as error:
                    read[name] = str(error)
        if isinstance(read[name], str):
            pytest.skip(f"'{name}' is not on this machine: {read[name]}")
        return read[name]

    return published


def test_the_data_sets_of_the_papers_are_there():
    assert {"cifar10", "cifar5", "digits", "fashion_mnist", "mnist"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_describes_itself_in_one_line(name):
    first = plugins.load("evo_ensyth.synthesis.datasets", name, "data set").__doc__.splitlines()[0]
    assert re.fullmatch(r"[A-Z].*: .*[^.]\.", first)
    assert len(first) <= 117


@pytest.mark.parametrize("name", NAMES)
def test_it_has_its_own_name_and_classes_of_distinct_names(name, published):
    dataset = published(name)
    assert dataset.name == name
    assert len(set(dataset.classes)) == len(dataset.classes) > 1
    assert all(dataset.classes)


@pytest.mark.parametrize("name", NAMES)
def test_every_class_occurs_in_both_splits(name, published):
    dataset = published(name)
    for split in (dataset.train, dataset.test):
        assert set(split.y_true.tolist()) == set(range(len(dataset.classes)))


@pytest.mark.parametrize("name", NAMES)
def test_reading_it_again_gives_the_same(name, published):
    dataset = published(name)
    again = datasets.load(name)
    for one, other in ((dataset.train, again.train), (dataset.test, again.test)):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.y_true, other.y_true)


@pytest.mark.parametrize("name", NAMES)
def test_its_splits_are_disjoint_and_test_is_the_published_one(name, published):
    dataset = published(name)
    splits = dataset.splits(len(dataset.train) // 3, seed=1)
    assert sum(len(splits[split]) for split in ("train", "search")) == len(dataset.train)
    assert splits["test"] is dataset.test


# What a data set of one's own may get wrong


def drawn(n_samples=6, shape=(1, 8, 8), n_classes=3, kind=np.uint8):
    rng = np.random.default_rng(0)
    return Split(rng.integers(0, 17, (n_samples, *shape)).astype(kind), rng.integers(0, n_classes, n_samples, np.uint8))


@pytest.mark.parametrize(
    ("train", "test", "complaint"),
    [
        (drawn(kind=np.float32), drawn(), "images of train have type float32 and shape (6, 1, 8, 8); expected uint8"),
        (
            drawn(),
            drawn(shape=(8, 8)),
            "images of test have type uint8 and shape (6, 8, 8); expected uint8, (n_samples",
        ),
        (Split(drawn().images, drawn(5).y_true), drawn(), "labels of train have type uint8 and shape (5,); expected"),
        (drawn(), Split(drawn().images, drawn().y_true.astype(int)), "labels of test have type int64 and shape (6,)"),
        (drawn(n_classes=9), drawn(), "train holds label"),
        (drawn(), drawn(shape=(3, 8, 8)), "images of train have shape (1, 8, 8), those of test (3, 8, 8)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(train, test, complaint):
    with pytest.raises(InputError, match="data set 'own': .*" + re.escape(complaint)):
        Dataset("own", ("a", "b", "c"), train, test)


def test_a_data_set_of_ones_own_is_found_by_its_dotted_name(tmp_path, monkeypatch):
    example = datasets.__doc__.partition("For example::")[2].replace("\n    ", "\n")
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab" / "noise.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    assert len(datasets.load("mylab.noise").train) == 500


@pytest.mark.parametrize(
    ("load", "complaint"),
    [
        (None, "mylab.bad has no function 'load'; a data set has one"),
        (lambda: (1, 2), "data set 'mylab.bad' is a tuple; expected a Dataset"),
    ],
)
def test_what_is_no_data_set_is_refused(load, complaint, monkeypatch):
    module = ModuleType("mylab.bad")
    if load is not None:
        module.load = load
    monkeypatch.setitem(sys.modules, "mylab.bad", module)
    with pytest.raises(InputError, match=complaint):
        datasets.load("mylab.bad")


def test_an_unknown_data_set_is_answered_with_the_nearest():
    with pytest.raises(InputError, match=r"no data set called 'digit'\. Did you mean 'digits'\?"):
        datasets.load("digit")
