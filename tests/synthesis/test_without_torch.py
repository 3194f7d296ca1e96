"""Where the extra ``build`` is not installed: recipes are stated, pools searched, and building one asks for it."""

import json
import shutil
import subprocess
import sys

import pytest

from evo_ensyth.errors import BUILD_EXTRA

BLOCKED = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BUILD_EXTRA!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""
MINE = """
from evo_ensyth.synthesis import FineTuning, NetTrim, Recipe, Route, Training
from evo_ensyth.workspace import stored_problem

def recipe():
    return Recipe(
        dataset="digits", n_search=500, network="small", training=Training(epochs=1),
        compressors=(NetTrim(epsilons=(0.1,)), "quantisation", Route("clone_and_prune")),
        fine_tunings=(FineTuning(name="tuned", epochs=1),), n_calibration=10,
    )

def problem():
    return stored_problem("mine")
"""


@pytest.fixture
def call(tmp_path, environment):
    """Run a program in an empty folder, with all packages of the extra blocked; gives status, output and errors."""

    def call(program):
        said = subprocess.run(
            [sys.executable, "-c", BLOCKED + program], cwd=tmp_path, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return said.returncode, said.stdout, said.stderr

    return call


def command(*arguments):
    return f"from evo_ensyth.cli.main import run\nsys.exit(run({list(arguments)!r}))"


def test_every_name_that_a_recipe_needs_is_there(call):
    program = """
import evo_ensyth.synthesis as synthesis
from evo_ensyth import workspace
names = [name for name in synthesis.__all__ if name not in synthesis.NEEDING_TORCH]
for name in names:
    getattr(synthesis, name)
for name in workspace.problem_names():
    module = workspace.problem_module(name)
    if hasattr(module, "recipe"):
        print(name, len(module.recipe().members()))
"""
    status, out, err = call(program)
    assert (status, err) == (0, "")
    assert {"digits 36", "digits_mixed 64", "fashion_mnist_mixed 141"} <= set(out.splitlines())


def test_the_names_of_all_plug_ins_are_listed(call):
    program = """
from evo_ensyth.synthesis import compression, datasets, networks
print(len(compression.names()), len(datasets.names()), len(networks.names()))
"""
    status, out, err = call(program)
    assert (status, err) == (0, "")
    assert all(int(count) >= 5 for count in out.split())


def test_a_pool_that_exists_is_searched_by_its_problem(call, pool_folder, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    shutil.copytree(pool_folder, tmp_path / "runs" / "mine" / "pool")
    status, out, err = call(command("search", "mine.py", "--json", "--quiet"))
    assert (status, err) == (0, "")
    assert json.loads(out)["problem"] == "mine"


def test_the_status_of_a_pool_is_shown(call, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    status, out, err = call(command("pool", "status", "mine.py", "--json"))
    assert (status, err) == (0, "")
    assert '"net_trim-0.1-tuned", "quantisation-8-tuned"' in out


@pytest.mark.parametrize("arguments", [("pool", "build", "mine.py"), ("search", "mine.py")])
def test_building_a_pool_says_in_one_line_what_to_install(call, tmp_path, arguments):
    (tmp_path / "mine.py").write_text(MINE)
    status, out, err = call(command(*arguments, "--quiet"))
    assert (status, out) == (2, "")
    assert err.endswith("which is not installed; run: pip install 'evo-ensyth[build]'\n")
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("program", "package"),
    [
        ("from evo_ensyth.synthesis import networks; networks.build('small', 10, seed=1)", "torch"),
        ("from evo_ensyth.synthesis import datasets; datasets.load('digits')", "sklearn"),
        ("from evo_ensyth.synthesis import datasets; datasets.load('mnist')", "pooch"),
        ("from evo_ensyth.synthesis import load_member", "torch"),
    ],
)
def test_from_python_it_is_an_input_error_that_names_the_package(call, program, package):
    status, _, err = call(program)
    assert status == 1
    assert err.splitlines()[-1].startswith("evo_ensyth.errors.InputError: this needs ")
    assert f"needs {package}" in err or package == "torch"
