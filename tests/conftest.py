"""What many tests start from: small files of predictions, small pool folders, and the command line in this process."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from oracles import votes as naive
from oracles.votes import random_votes
from safetensors.numpy import save

from evo_ensyth.cli import main as cli
from evo_ensyth.io.pool_folder import Answers, write_manifest, write_member, write_parent_labels, write_truth
from evo_ensyth.pool import Members, Parent, Pool, Votes
from evo_ensyth.selection.problem import Problem
from evo_ensyth.voting import Plurality

ROOT = Path(__file__).parents[1]

# Where the tests begin. These take long, and one of them at the end would keep one worker busy while the other has
# nothing to do. They need hardly any kernels, which the other worker compiles meanwhile, so that not both do.
FIRST = [ROOT / "tests" / place for place in ("synthesis", "test_wheel.py", "engine/kernels/test_compiler.py")]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests of half a minute and more, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes half a minute or more: make long"))
    items.sort(key=lambda item: not any(item.path.is_relative_to(place) for place in FIRST))


# Where pictures are drawn; elsewhere, drawing would take most of the time of a command.
DRAWN = [ROOT / "tests" / place for place in ("report", "contracts", "docs")]


@pytest.fixture(autouse=True)
def _pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not any(request.path.is_relative_to(place) for place in DRAWN):
        for module in ("renderers.plots", "pool_plots"):
            monkeypatch.setattr(
                f"evo_ensyth.report.{module}.figure_files", lambda _, stem: {f"{stem}.png": b"", f"{stem}.svg": b""}
            )


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return json.loads(self.out)


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> Callable[..., Said]:
    """Call the command line in this process, with an empty folder as the working folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Said:
        capfd.readouterr()
        status = cli.run([str(argument) for argument in arguments])
        said = capfd.readouterr()
        return Said(status, said.out, said.err)

    return call


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[], dict[str, bytes]]:
    """Everything that lies in the working folder, with its content."""

    def tree() -> dict[str, bytes]:
        return {str(p.relative_to(tmp_path)): p.read_bytes() if p.is_file() else b"" for p in tmp_path.rglob("*")}

    return tree


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """What a file of predictions holds: 5 members, 3 classes, 40 samples to search on and 30 to test on."""
    rng = np.random.default_rng(0)
    search_labels, search_truth = random_votes(rng, 5, 40, 3)
    test_labels, test_truth = random_votes(rng, 5, 30, 3)
    return {
        "search_labels": search_labels,
        "search_truth": search_truth,
        "test_labels": test_labels,
        "test_truth": test_truth,
        "names": np.array(["ant", "bee", "cow", "dog", "eel"]),
        "cost_latency": np.array([3.5, 1.0, 2.0, 2.0, 9.0]),
    }


@pytest.fixture
def npz(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of predictions; gives its path."""

    def npz(arrays: Mapping[str, np.ndarray], name: str = "votes.npz", *, compressed: bool = False) -> Path:
        path = tmp_path / name
        (np.savez_compressed if compressed else np.savez)(path, **arrays)
        return path

    return npz


@pytest.fixture(scope="session")
def _pool_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    rng = np.random.default_rng(1)
    votes = {split: random_votes(rng, 4, 20, 3) for split in ("search", "test")}
    names = ["a", "b", "c-1", "d_2.x"]
    for i, name in enumerate(names):
        trunk = "trunk" if i < 3 else "other trunk"
        answers = {
            split: Answers(labels[i], np.eye(3, dtype=np.float32)[labels[i]]) for split, (labels, _) in votes.items()
        }
        write_member(
            folder,
            name,
            origin={"method": "hand", "step": i},
            layers=[
                {"name": "conv", "chain": trunk, "costs": {"bytes": 100, "macs": 7.5}},
                {"name": "fc", "chain": f"head {i}", "costs": {"bytes": 10 + i, "macs": 1.0}},
            ],
            report={},
            answers=answers,
            weights=save({"fc.weight": np.eye(3, 3 + i // 3, i - 1), "fc.bias": np.ones(3)}),
        )
    for split, (_, truth) in votes.items():
        write_truth(folder, split, truth)
        write_parent_labels(folder, split, truth)
    (folder / "parent.safetensors").write_bytes(b"not read")
    about = {"dataset": "none", "parent": {"bytes": 400, "accuracy": {"test": 1.0}}}
    write_manifest(folder, names, problem="by-hand", n_classes=3, about=about)
    return folder


@pytest.fixture
def pool_folder(_pool_folder: Path, tmp_path: Path) -> Path:
    """A finished pool of 4 members; the first layer of three of them is the same.

    The weights of these are 0, but for one diagonal: of 2, 3 and 2 weights. Those of the fourth have another shape.
    """
    return Path(shutil.copytree(_pool_folder, tmp_path / "pool"))


@pytest.fixture(scope="session")
def real_pools() -> Path:
    """Predictions of real classifiers, which lie beside some checkouts."""
    folder = ROOT.parent / "shared" / "pools"
    if not folder.is_dir():
        pytest.skip("no pools of real predictions lie beside this checkout, in ../shared/pools")
    return folder


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """Environment for subprocesses: this checkout can be imported from anywhere, and output is buffered as usual."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**inherited, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="session")
def make_problem():
    """A function that draws a problem; the same arguments give the same one."""

    def make(
        n_members=8, n_samples=120, n_classes=4, seed=0, goals=("error", "n_members"), with_test=True,
        with_parent=False, ties="lowest",
    ):  # fmt: skip
        rng = np.random.default_rng(seed)
        labels, truth = naive.random_votes(rng, n_members, 2 * n_samples, n_classes, 0.65)
        costs = {name: rng.integers(1, 50, n_members) for name in ("bytes", "parameters", "macs")}
        members = Members(tuple(f"m{i}" for i in range(n_members)), costs=costs)
        search = Votes(labels[:, :n_samples], truth[:n_samples], n_classes, "search")
        test = Votes(labels[:, n_samples:], truth[n_samples:], n_classes, "test") if with_test else None
        parent = None
        if with_parent:  # a little better than the members
            answers = np.where(rng.random(2 * n_samples) < 0.3, truth, labels[0])
            parent = Parent({"bytes": 90.0}, {"search": answers[:n_samples], "test": answers[n_samples:]})
        pool = Pool(members, search, test, parent, name="drawn")
        return Problem(pool, goals, vote=Plurality(ties=ties))

    return make


@pytest.fixture(scope="session")
def digits():
    """A hundred digits."""
    from evo_ensyth.synthesis import datasets

    return datasets.load("digits").train.take(slice(100))


@pytest.fixture
def inputs_of(digits):
    """A function that says what a compression method may look at, given the untrained network."""
    import torch

    from evo_ensyth.synthesis.compression import CompressionInputs

    def inputs_of(untrained):
        return CompressionInputs(untrained.prepare(torch.from_numpy(digits.images)), digits, untrained)

    return inputs_of


@pytest.fixture
def one_thread():
    """Torch in one thread, and as reproducibly as in a build."""
    from evo_ensyth.synthesis.reproducibility import reproducible

    with reproducible(threads=1):
        yield
