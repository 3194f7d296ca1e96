"""An installed wheel does what the checkout does."""

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from conftest import ROOT
from packaging.requirements import Requirement

from evo_ensyth.errors import BUILD_EXTRA


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the tools that are installed here; nothing is downloaded."""
    pytest.importorskip("hatchling", reason="hatchling is not installed, so no wheel can be built here")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a new environment: the wheel without extras and what that asks for, and so on, and nothing else.

    pip installs the wheel. What it asks for is linked to where it lies in this environment, so that nothing is
    downloaded or copied; pip finds nothing missing.
    """
    pytest.importorskip("pip", reason="there is no pip here that could install the wheel")
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    place = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        env=_without_path(), capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith("METADATA"))
        asked = message_from_bytes(file.read(name)).get_all("Requires-Dist")
    for package in _asked_for(asked):
        _link(package, Path(place))
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    for command in (["install", "--quiet", "--no-deps", "--no-index", "--no-compile", wheel], ["check"]):
        said = subprocess.run([*pip, *command], env=_without_path(), capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stdout + said.stderr
    return python


def _asked_for(lines: list[str]) -> list[Distribution]:
    """Packages that requirements ask for, and what those ask for in turn, as they are installed here."""
    found: dict[tuple[str, frozenset[str]], Distribution] = {}
    waiting = [(Requirement(line), frozenset[str]()) for line in lines]
    while waiting:
        asked, of_extras = waiting.pop()
        key = (asked.name, frozenset(asked.extras))
        wanted = not asked.marker or any(asked.marker.evaluate({"extra": extra}) for extra in ("", *of_extras))
        if wanted and key not in found:
            found[key] = distribution(asked.name)
            waiting += [(Requirement(line), key[1]) for line in found[key].requires or ()]
    return list(found.values())


def _link(package: Distribution, place: Path) -> None:
    """Let a folder hold the modules and metadata of a package."""
    for name in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
        if not (place / name).exists():
            (place / name).symlink_to(package.locate_file(name))


def _without_path() -> dict[str, str]:
    """Environment of the new Python: nothing of this checkout, and no compiler, which would take minutes here."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"NUMBA_DISABLE_JIT": "1"}


def test_the_wheel_holds_the_package_its_problems_and_its_types(wheel):
    with zipfile.ZipFile(wheel) as file:
        files = set(file.namelist())
    package = {f"evo_ensyth/{p.relative_to(ROOT / 'evo_ensyth')}" for p in (ROOT / "evo_ensyth").rglob("*.py")}
    assert package <= files
    assert {f"evo_ensyth/problems/{p.name}" for p in (ROOT / "problems").glob("*.py")} <= files
    assert "evo_ensyth/py.typed" in files
    assert any(name.endswith("licenses/LICENSE") for name in files)
    assert {name.partition("/")[0].partition("-")[0] for name in files} == {"evo_ensyth"}, "nothing beside the package"
    assert not [name for name in files if name.endswith((".pyc", ".nbi", ".nbc"))]


def test_the_wheel_says_what_it_is(wheel):
    from evo_ensyth import __version__

    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith("METADATA"))
        about = file.read(name).decode()
        (name,) = (name for name in file.namelist() if name.endswith("entry_points.txt"))
        entry_points = file.read(name).decode()
    assert f"\nVersion: {__version__}\n" in about
    assert "\nName: evo-ensyth\n" in about
    assert "evo-ensyth = evo_ensyth.cli.main:main" in entry_points


def test_what_is_installed_searches_a_file_and_knows_its_problems(installed, npz, arrays, tmp_path):
    npz(arrays)
    # With the compiler off: kernels of a new folder would be compiled for minutes, and so few samples need none.
    environment = {**os.environ, "PYTHONPATH": str(installed), "NUMBA_DISABLE_JIT": "1"}

    def call(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "evo_ensyth", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    code = "import evo_ensyth; print(evo_ensyth.__file__)"
    where = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert where.stdout.startswith(str(installed))
    said = call("search", "votes.npz", "--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["n_members"] == 5
    assert (tmp_path / "runs" / "votes" / "nsga2-seed1" / "report.md").exists()
    unknown = call("search", "digts")
    assert unknown.returncode == 2
    assert "Did you mean 'digits'? There is cifar10, cifar5, digits," in unknown.stderr


@pytest.mark.slow
def test_a_plain_install_searches_and_says_what_building_needs(fresh, npz, arrays, tmp_path):
    npz(arrays)

    def call(*arguments: str) -> subprocess.CompletedProcess:
        command = [fresh, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=_without_path(), capture_output=True, text=True, check=False)

    code = "from importlib.util import find_spec\nimport sys\nprint([name for name in sys.argv[1:] if find_spec(name)])"
    assert call("-c", code, *BUILD_EXTRA).stdout == "[]\n", "no package of the extra 'build' is installed"
    found = call("-m", "evo_ensyth", "search", "votes.npz", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["n_members"] == 5
    status = call("-m", "evo_ensyth", "pool", "status", "digits", "--json")
    assert status.returncode == 0, status.stderr
    assert len(json.loads(status.stdout)["missing"]) == 48
    for arguments in (["pool", "build", "digits"], ["search", "digits"]):
        said = call("-m", "evo_ensyth", *arguments)
        assert said.returncode == 2
        assert said.stderr.endswith("which is not installed; run: pip install 'evo-ensyth[build]'\n")
        assert said.stderr.count("\n") == 1


@pytest.mark.parametrize("module", ["evo_ensyth", "evo_ensyth.cli.main"])
def test_an_import_brings_no_heavy_library(module, installed, tmp_path):
    heavy = {"numpy", "numba", "torch", "matplotlib", "scipy"}
    code = f"import sys, {module}\nprint(sorted({heavy} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout == "[]\n"


def test_what_building_needs_is_what_the_extra_lists():
    with (ROOT / "pyproject.toml").open("rb") as file:
        extra = tomllib.load(file)["project"]["optional-dependencies"]["build"]
    names = {line.partition(">=")[0].replace("scikit-learn", "sklearn") for line in extra}
    assert names == set(BUILD_EXTRA)


def test_the_citation_file_names_this_version():
    from evo_ensyth import __version__

    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
