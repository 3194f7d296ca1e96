"""What a search of a large pool takes is said before it starts."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.pool import Pool, memory
from evo_ensyth.results.comparison import TOGETHER
from evo_ensyth.selection import large_pools
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.run import run


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 30_000)
    labels = np.where(rng.random((64, 30_000)) < 0.7, truth, rng.integers(0, 5, (64, 30_000)))
    return Problem(Pool.from_predictions(labels, truth))


@pytest.fixture
def large(monkeypatch):
    monkeypatch.setattr(large_pools, "SMALL", 0)
    for module in (large_pools, memory):
        monkeypatch.setattr(module, "is_large", lambda size: size > 100_000)


@pytest.fixture
def files(monkeypatch):
    """What lay in files at a time, as a search goes on."""
    make, sizes = memory._file, []

    def made(what, size):
        found = make(what, size)
        sizes.append(sum(map(len, memory._files)))
        return found

    monkeypatch.setattr(memory, "_file", made)
    return sizes


@pytest.mark.usefixtures("large")
def test_the_estimate_is_near_what_is_laid_out(problem, files):
    needs = large_pools.needs_of(problem, n_folds=0)
    assert len(run(problem, "nsga2", budget=100, n_folds=0).front.ensembles) > TOGETHER
    assert max(files) <= needs.in_files <= 1.1 * max(files)


@pytest.mark.usefixtures("large")
def test_folds_are_laid_out_too(problem):
    needs, with_folds = (large_pools.needs_of(problem, n_folds=n) for n in (0, 10))
    laid_out = needs.in_files - 2 * large_pools.COMPARED * problem.search.n_samples
    assert with_folds.in_files == pytest.approx(needs.in_files + 0.9 * laid_out)


@pytest.mark.usefixtures("large")
def test_what_it_takes_is_told_before_anything_is_judged(problem):
    told = []
    run(problem, "nsga2", budget=50, n_folds=0, on_progress=told.append)
    begun = next(i for i, progress in enumerate(told) if progress.n_evaluations)
    assert told[0].note.startswith("a large pool: about 0.0 GB in files in /")
    assert not any(progress.note for progress in told[1:])
    assert "laying out votes: 30,000 of 30,000 samples" in [progress.message for progress in told[1:begun]]


@pytest.mark.usefixtures("large")
def test_what_does_not_fit_on_the_disk_is_refused(problem, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_000))
    with pytest.raises(InputError, match=r"^the votes would take 0\.0 GB in files in .*, where 0\.0 are free\."):
        run(problem, "nsga2", budget=50)


def test_nothing_is_told_of_a_pool_that_stays_in_memory(problem, monkeypatch):
    assert large_pools.needs_of(problem, n_folds=10) is None
    monkeypatch.setattr(large_pools, "SMALL", 0)
    assert large_pools.needs_of(problem, n_folds=10) is None
