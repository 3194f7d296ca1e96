"""A search among more answers than the memory holds."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evo_ensyth import workspace
from evo_ensyth.engine import threads
from evo_ensyth.pool import Pool, memory
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.run import run

LIMIT = 6 * 2**20
N_MEMBERS, N_SAMPLES, N_TEST = 1_000, 25_000, 2_200

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits data as Linux does")


def draw(rng, n_samples):
    """Members of 70 to 80 % accuracy, whose mistakes are mostly one of two classes."""
    truth = rng.integers(0, 10, n_samples, dtype=np.uint8)
    wrong = (truth + rng.integers(1, 10, n_samples, dtype=np.uint8)) % 10
    hard = rng.random(n_samples, np.float32)
    labels = np.empty((N_MEMBERS, n_samples), np.uint8)
    for row in labels:
        row[:] = np.where(rng.random(n_samples, np.float32) + hard < 1.25 + 0.1 * rng.random(), truth, wrong)
    return labels, truth


@pytest.fixture(scope="module")
def large_file(tmp_path_factory):
    """Predictions of four times the limit."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("large") / "large.npz"
    (labels, truth), (test_labels, test_truth) = draw(rng, N_SAMPLES), draw(rng, N_TEST)
    assert labels.nbytes + test_labels.nbytes > 4 * LIMIT
    np.savez(path, search_labels=labels, search_truth=truth, test_labels=test_labels, test_truth=test_truth)
    return path


def limit_data(size):
    """Limit what this process may take to so many bytes beyond what it has."""
    import resource

    lines = Path("/proc/self/status").read_text().splitlines()
    used = next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_DATA, (used + size, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def searched(path):
    found = run(workspace.load_problem(path), "nsga2", budget=100, n_folds=0)
    return found.front.ensembles, found.fingerprints, found.front_members


def search_limited(path):
    """Search with and without files while the memory is limited, and without a limit."""
    threads.threads = lambda: 1  # the stack of a thread takes 8 MB
    rng = np.random.default_rng(0)
    labels, truth = rng.integers(0, 10, (N_MEMBERS, 600)), rng.integers(0, 10, 600)
    small = Problem(Pool.from_predictions(labels, truth, test=(labels, truth)))
    run(small, "nsga2", budget=100, n_folds=0)  # compiles, imports
    limit_data(LIMIT)
    in_files = searched(path)
    memory.is_large = lambda size: False
    with pytest.raises(MemoryError):
        searched(path)
    limit_data(2**40)
    assert in_files == searched(path)


def test_a_pool_larger_than_the_memory_gives_the_same_front(large_file):
    # In a process of its own: one that has done much has memory left over that no limit counts.
    code = "import sys; from selection.test_larger_than_memory import search_limited; search_limited(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(large_file)], cwd=Path(__file__).parents[1], check=True)
