"""From what a user names to the problem that is meant: a problem module, a pool folder, or a file of predictions."""

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from evo_ensyth import objectives
from evo_ensyth.errors import EvoEnsythError, InputError, one_line
from evo_ensyth.io import StoredPool, read_pool, read_predictions
from evo_ensyth.objectives import Objective
from evo_ensyth.plugins import imported, unknown
from evo_ensyth.search.problem import Problem

if TYPE_CHECKING:
    from evo_ensyth.synthesis import Recipe
    from evo_ensyth.synthesis.estimate import Estimate
    from evo_ensyth.synthesis.status import Standing

__all__ = [
    "PoolMissingError",
    "Posed",
    "Problem",
    "make_pool",
    "named_pool",
    "planned_members",
    "pool_estimate",
    "pool_folder",
    "pool_standing",
    "pose",
    "results_folder",
    "stored_pool",
    "stored_problem",
]

RUNS = Path("runs")
DEFAULT_OBJECTIVES = ("error", "n_members")


@dataclass(frozen=True)
class Posed:
    """A problem as it was found.

    Attributes
    ----------
    problem : Problem
    own : tuple of Objective
        Objectives that its module defines, whether it uses them or not.
    source : mapping
        Where it came from, for the run's record.
    """

    problem: Problem
    own: tuple[Objective, ...]
    source: Mapping[str, Any]


class PoolMissingError(InputError):
    """A pool that is asked for has not been made. ``problem`` says whose it is."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the pool of '{problem}' is not made yet; make it with: python -m evo_ensyth pool {problem}")
        self.problem = problem


def results_folder(problem: str) -> Path:
    """Where the results of a problem lie: ``runs/<problem>``.

    Raises
    ------
    InputError
        The name would lead to another place. It may come from a file that somebody else wrote.
    """
    if problem in ("", ".", "..") or "/" in problem or not problem.isprintable():
        raise InputError(f"a problem called '{problem}' has no folder under {RUNS}; name one with --out.")
    return RUNS / problem


def stored_pool(problem: str) -> StoredPool:
    """Pool of a problem, from ``runs/<problem>/pool``.

    Raises
    ------
    PoolMissingError
        It is not there; the command line makes it then, and asks again.
    """
    folder = results_folder(problem) / "pool"
    if not (folder / "pool.json").exists():
        raise PoolMissingError(problem)
    return read_pool(folder)


def named_pool(target: str) -> StoredPool:
    """Pool of a problem, or one in a folder.

    Raises
    ------
    InputError
        There is none.
    """
    if target not in problem_names() and not target.endswith(".py") and _exists(Path(target)):
        if Path(target).is_file():
            raise InputError(f"{target} is a file; a pool is a folder, or told by the name of its problem.")
        return read_pool(target)
    problem_module(target)  # so that a name which nobody knows is said to be one
    return stored_pool(_problem_name(target))


def stored_problem(name: str, objective_names: tuple[str, ...] = DEFAULT_OBJECTIVES) -> Problem:
    """Pose a problem about its own pool in ``runs/<name>/pool``, by objectives of the package."""
    return _about_pool(name, stored_pool(name), objective_names)


def pose(target: str | None, *, make: Callable[[str], object], test_share: float, split_seed: int) -> Posed:
    """Find the problem that a user names.

    Parameters
    ----------
    target : str, optional
        Name of a problem, path of a problem module, importable module, pool folder, or ``.npz`` file of predictions.
        Nothing means ``digits``.
    make : function of a problem's name
        Makes its pool; called where a problem module asks for a pool that is not there.
    test_share, split_seed
        For a file of predictions that does not come split.

    Raises
    ------
    InputError
        There is no such thing, or something is wrong with it.
    """
    target = "digits" if target is None else target
    path = Path(target)
    if target not in problem_names() and path.suffix != ".py" and _exists(path):
        if path.is_dir():
            stored = read_pool(path)
            problem = _about_pool(stored.problem, stored, DEFAULT_OBJECTIVES)
            return Posed(problem, (), {"kind": "pool", "name": path.name})
        return _from_predictions(path, test_share, split_seed)
    module = problem_module(target)
    if not callable(getattr(module, "problem", None)):
        raise InputError(f"{target} has no function 'problem'; a problem module needs one.")
    try:
        problem = _posed_by(module, target)
    except PoolMissingError as missing:
        make(missing.problem)
        problem = _posed_by(module, target)
    own = tuple(value for value in vars(module).values() if isinstance(value, Objective))
    return Posed(problem, (*own, *problem.objectives), {"kind": "module", "name": path.name})


def make_pool(
    name: str,
    progress: Callable[[int, int, str], None],
    *,
    workers: int | None = None,
    without_failed: bool = False,
) -> Path:
    """Make, or go on making, the pool of a problem in ``runs/<problem>/pool``, by its recipe.

    Parameters
    ----------
    name : str
        Problem, as for `pose`.
    progress : function of (done, total, text)
    workers : int, optional
        Processes that make members, 0 for this one alone; as many as keep the processors busy if not given.
    without_failed : bool
        Do without members that cannot be made.

    Returns
    -------
    Path
        The pool's folder.

    Raises
    ------
    InputError
        No such problem, or one without a recipe.
    UnfinishedError
        Some members could not be made.
    """
    recipe = _recipe(name)
    from evo_ensyth.synthesis import build, default_workers  # torch, which a search does without

    folder = pool_folder(name)
    build(
        recipe,
        folder,
        problem=_problem_name(name),
        progress=progress,
        workers=default_workers(recipe) if workers is None else workers,
        prepare=partial(problem_module, name),  # a recipe may use methods that its own module defines
        without_failed=without_failed,
    )
    return folder


def pool_folder(name: str) -> Path:
    """Where the pool of a problem lies, or will lie."""
    return results_folder(_problem_name(name)) / "pool"


def pool_standing(name: str) -> "Standing":
    """How far the pool of a problem is; errors as in `make_pool`."""
    recipe = _recipe(name)
    from evo_ensyth.synthesis.status import standing

    return standing(recipe, pool_folder(name), problem=_problem_name(name))


def planned_members(name: str) -> tuple[str, ...]:
    """Names of the members that a problem's recipe makes, in order; errors as in `make_pool`."""
    return tuple(member.name for member in _recipe(name).members())


def pool_estimate(name: str, progress: Callable[[int, int, str], None], *, workers: int | None = None) -> "Estimate":
    """Estimate what the pool of a problem still takes; parameters and errors as in `make_pool`."""
    recipe = _recipe(name)
    from evo_ensyth.synthesis import default_workers
    from evo_ensyth.synthesis.estimate import estimate

    workers = default_workers(recipe) if workers is None else workers
    return estimate(recipe, pool_folder(name), workers=workers, progress=progress)


def problem_names() -> tuple[str, ...]:
    """Names of the problems that can be asked for, sorted."""
    files = [file.stem for folder in _problem_folders() for file in folder.glob("*.py")]
    return tuple(sorted({name for name in files if name[0] != "_"}))


def problem_module(target: str) -> ModuleType:
    """Load the module of a problem: by name, by path, or as an importable module.

    Raises
    ------
    InputError
        There is none, or it cannot be imported.
    """
    if target in problem_names():
        path = next(folder / f"{target}.py" for folder in _problem_folders() if (folder / f"{target}.py").exists())
    elif target.endswith(".py"):
        path = Path(target)
        if not _exists(path):
            raise InputError(f"{path} does not exist.")
    else:
        return _importable(target)
    spec = importlib.util.spec_from_file_location(f"problems.{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where a dataclass looks for the types that its fields name
    try:
        spec.loader.exec_module(module)
    except EvoEnsythError:
        raise
    except Exception as error:
        raise InputError(f"{path} cannot be imported: {type(error).__name__}: {error}.") from error
    return module


def _problem_name(name: str) -> str:
    return Path(name).stem if name.endswith(".py") else name.rpartition(".")[2]


def _recipe(name: str) -> "Recipe":
    module = problem_module(name)
    if not callable(getattr(module, "recipe", None)):
        raise InputError(f"{name} has no function 'recipe'; without one its pool cannot be made.")
    recipe: Recipe = module.recipe()
    return recipe


def _problem_folders() -> list[Path]:
    """Where problems lie: here, in an installed package, in a checkout."""
    package = Path(__file__).parent
    return [
        folder for folder in (Path("problems"), package / "problems", package.parent / "problems") if folder.is_dir()
    ]


def _importable(target: str) -> ModuleType:
    if "/" in target or Path(target).suffix == ".npz":
        raise InputError(f"{target} does not exist.")
    if "." in target:
        try:
            return imported(target, "problem")
        except InputError as error:
            raise InputError(f"there is no file {target}, and {error}") from error
    raise unknown("problem", target, problem_names())


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise InputError(f"{one_line(str(path))[:100]} cannot be looked up: {error.strerror}.") from error


def _posed_by(module: ModuleType, target: str) -> Problem:
    problem = module.problem()
    if not isinstance(problem, Problem):
        raise InputError(f"{target}: 'problem' returned {type(problem).__name__}; expected a Problem.")
    return problem


def _about_pool(name: str, stored: StoredPool, objective_names: tuple[str, ...]) -> Problem:
    goals = tuple(objectives.find(goal, stored.pool) for goal in objective_names)
    return Problem(name, stored.pool, stored.search, stored.test, goals, stored.parent)


def _from_predictions(path: Path, test_share: float, split_seed: int) -> Posed:
    predictions = read_predictions(path, test_share=test_share, split_seed=split_seed)
    goals = tuple(objectives.find(goal, predictions.pool) for goal in DEFAULT_OBJECTIVES)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    source: dict[str, Any] = {"kind": "predictions", "name": path.name, "sha256": digest}
    if predictions.test_samples is not None:
        source |= {"test_share": test_share, "split_seed": split_seed}
        source |= {"test_samples": predictions.test_samples.tolist()}
    name = one_line(path.stem)
    search, test, parent = predictions.search, predictions.test, predictions.parent
    return Posed(Problem(name, predictions.pool, search, test, goals, parent), (), source)
