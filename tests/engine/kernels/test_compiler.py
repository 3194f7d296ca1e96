"""Machine code that is kept on disk is used as long as no kernel source has changed, and no longer."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evo_ensyth.engine.kernels import compiler

# Two kernels that lie in a package as ours do, one of which calls the other. They are small, as each is compiled often.
CALLEE = """
from evo_ensyth.engine.kernels.compiler import compiled

@compiled
def slots():
    return 3
"""
CALLER = """
from evo_ensyth.engine.kernels.callee import slots
from evo_ensyth.engine.kernels.compiler import compiled

@compiled
def words():
    return 8 * slots()
"""
PROGRAM = """
from evo_ensyth.engine.kernels.caller import words
print(words(), sum(words.stats.cache_hits.values()))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A package with the module that compiles and two kernels, which has no machine code yet."""
    folder = tmp_path / "copy"
    kernels = folder / "evo_ensyth/engine/kernels"
    kernels.mkdir(parents=True)
    for package in (kernels, kernels.parent, kernels.parents[1]):
        (package / "__init__.py").touch()
    shutil.copy(compiler.__file__, kernels)
    (kernels / "callee.py").write_text(CALLEE)
    (kernels / "caller.py").write_text(CALLER)
    return folder


def answers(folder: Path, **environment: str) -> tuple[int, int]:
    """What the kernel says in a new process, and how many signatures it found on disk."""
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    answer, hits = process.stdout.split()
    return int(answer), int(hits)


def test_a_change_in_another_file_is_noticed(copy, monkeypatch):
    """numba's own cache went on answering from the machine code that held the old callee."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
    callee = copy / "evo_ensyth/engine/kernels/callee.py"
    assert answers(copy) == (24, 0)
    assert answers(copy) == (24, 1)
    n_files = len(list(copy.rglob("*.nbc")))
    callee.write_text("\n" + CALLEE.replace("return 3", "return 4"))
    assert answers(copy) == (32, 0)
    assert answers(copy) == (32, 1)
    callee.write_text(CALLEE)
    assert answers(copy) == (24, 0)
    assert len(list(copy.rglob("*.nbc"))) == n_files  # overwritten, not piled up


def test_machine_code_goes_into_the_cache_folder_of_numba(copy, tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
    place = tmp_path / "mine"
    assert answers(copy, NUMBA_CACHE_DIR=str(place)) == (24, 0)
    assert answers(copy, NUMBA_CACHE_DIR=str(place)) == (24, 1)
    assert list(place.rglob("*.nbc"))
    assert not list(copy.rglob("*.nbc"))


def test_kernels_are_compiled_anew_where_no_folder_can_be_written(copy, tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
    (copy / "evo_ensyth/engine/kernels/__pycache__").write_text("no folder")  # nor can one be made
    (tmp_path / "home").write_text("no folder")
    nowhere = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home/cache")}
    assert answers(copy, **nowhere) == (24, 0)
    assert answers(copy, **nowhere) == (24, 0)


def test_whatever_a_kernel_calls_lies_in_a_file_whose_change_is_noticed():
    sources = set(compiler.kernel_sources())
    assert compiler.PACKAGE / "engine/kernels/bits.py" in sources
    assert compiler.PACKAGE / "selection/dominance.py" in sources
    for file in sources:
        tree = ast.parse(file.read_text("utf-8"))
        kernels = [node for node in tree.body if isinstance(node, ast.FunctionDef) and _is_compiled(node)]
        used = {name.id for kernel in kernels for name in ast.walk(kernel) if isinstance(name, ast.Name)}
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module.startswith("evo_ensyth."):
                path = compiler.PACKAGE.joinpath(*node.module.split(".")[1:]).with_suffix(".py")
                taken = used & {alias.asname or alias.name for alias in node.names}
                assert not taken or path in sources, f"{file}: {sorted(taken)} of {path}"


def _is_compiled(function: ast.FunctionDef) -> bool:
    ways = ("compiled", "leaf", "inlined_leaf", "inlined")
    return any(isinstance(way, ast.Name) and way.id in ways for way in function.decorator_list)
