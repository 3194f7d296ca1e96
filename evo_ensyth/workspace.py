"""The working folder: problems by name, their pools and results under ``runs/``, and what a user's words refer to."""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from evo_ensyth import plugins
from evo_ensyth.errors import EvoEnsythError, InputError, build_extra, one_line
from evo_ensyth.executors import Executor
from evo_ensyth.files import check_regular
from evo_ensyth.io import StoredPool, read_folder, read_pool, read_predictions
from evo_ensyth.io.formats import suffixes
from evo_ensyth.io.layouts import layout_of
from evo_ensyth.objectives import Objective
from evo_ensyth.plugins import imported, unknown
from evo_ensyth.pool import Pool
from evo_ensyth.pool.tables import Columns
from evo_ensyth.selection.problem import Problem
from evo_ensyth.voting import VoteRule

if TYPE_CHECKING:
    from evo_ensyth.synthesis import BuildFolder, BuildStatus, Recipe
    from evo_ensyth.synthesis.estimate import Estimate

__all__ = [
    "PoolMissingError",
    "Problem",
    "build_pool",
    "describe_problems",
    "load_problem",
    "named_pool",
    "planned_members",
    "pool_estimate",
    "pool_folder",
    "pool_status",
    "problem_module",
    "problem_name",
    "problem_names",
    "results_folder",
    "stored_pool",
    "stored_problem",
]

RUNS = Path("runs")


class PoolMissingError(InputError):
    """A pool has not been built yet. ``problem`` is the name of its problem."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"the pool of '{problem}' is not built yet; build it with: python -m evo_ensyth pool build {problem}"
        )
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
    """Read the pool of a problem from ``runs/<problem>/pool``.

    Parameters
    ----------
    problem : str
        Name of the problem. A problem module gives its own name as ``__name__``.

    Raises
    ------
    PoolMissingError
        It has not been built. The command line then builds it and asks again.
    """
    folder = pool_folder(problem)
    if not (folder / "pool.json").exists():
        raise PoolMissingError(problem_name(problem))
    return read_pool(folder)


def named_pool(
    target: str,
    *,
    columns: Columns | None = None,
    test: str | Path | None = None,
    missing: str = "refuse",
    trust: bool = False,
) -> StoredPool:
    """Read the pool of a problem, or one in a folder or a file of predictions.

    Parameters
    ----------
    target : str
    columns, test, missing, trust
        For predictions; see `io.layouts.read_folder`.

    Raises
    ------
    InputError
        There is none.
    """
    if _is_path(target):
        if _is_pool_folder(Path(target)):
            return read_pool(target)
        pool = _read(Path(target), columns=columns, test=test, missing=missing, trust=trust)
        return StoredPool(Path(target), pool.name, pool, {}, tuple(() for _ in pool.names))
    problem_module(target)  # an unknown name is reported as one
    return stored_pool(target)


def stored_problem(
    problem: str, objectives: tuple[str | Objective, ...] | None = None, *, vote: str | VoteRule = "plurality"
) -> Problem:
    """Return the problem about the pool that `stored_pool` reads."""
    return Problem(stored_pool(problem).pool, objectives, name=problem_name(problem), vote=vote)


def load_problem(
    target: str | Path,
    *,
    build: Callable[[str], object] | None = None,
    test_share: float = 0.5,
    split_seed: int = 0,
    missing: str = "refuse",
    columns: Columns | None = None,
    test: str | Path | None = None,
    trust: bool = False,
) -> Problem:
    """Find the problem that a user names.

    Parameters
    ----------
    target : str or Path
        Name of a problem, path of a problem module, importable module, pool folder, or file or folder of predictions.
    build : function of a problem's name, optional
        Builds its pool; called where a problem module asks for a pool that is not there.
    test_share, split_seed
        For predictions that do not come split; see `io.formats.read_predictions`.
    missing : str
        What to do about missing answers in predictions; see `pool.missing.Policy`.
    columns, test
        What the columns of a table mean, and a table of the test split.
    trust : bool
        Open a folder even if that runs code that lies in it; see `io.layouts`.

    Returns
    -------
    Problem
        Named after its module, pool or file.

    Raises
    ------
    InputError
        There is no such thing, or something is wrong with it.
    """
    target = str(target)
    path = Path(target)
    if _is_path(target):
        if _is_pool_folder(path):
            return Problem(read_pool(path).pool)
        how = {"test_share": test_share, "split_seed": split_seed, "missing": missing}
        return Problem(_read(path, **how, columns=columns, test=test, trust=trust))
    module = problem_module(target)
    name = problem_name(target)
    try:
        problem = _problem_of(module, target)
    except PoolMissingError as missing:
        if build is None:
            raise
        build(target if missing.problem == name else missing.problem)
        problem = _problem_of(module, target)
    own = tuple(value for value in vars(module).values() if isinstance(value, Objective))
    pool = replace(problem.pool, source={"kind": "module", "name": path.name})
    return replace(problem, pool=pool, name=name, known=(*own, *problem.known))


def build_pool(
    name: str,
    progress: Callable[[int, int, str], None],
    *,
    device: str = "auto",
    workers: int | None = None,
    without_failed: bool = False,
    allow_mixed: bool = False,
    repair: bool = False,
    executor: Executor | None = None,
) -> Path:
    """Build the pool of a problem in ``runs/<problem>/pool`` by its recipe, or continue where it was interrupted.

    Parameters
    ----------
    name : str
        Problem, as for `load_problem`.
    progress : function of (done, total, text)
    device, workers, without_failed, allow_mixed, repair, executor
        As for `synthesis.build_pool`; by default, as many workers as keep the processors or the cards busy.

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
    from evo_ensyth import synthesis

    recipe, left = _stated(name)
    folder = pool_folder(name)
    synthesis.build_pool(
        recipe,
        folder,
        problem=problem_name(name),
        progress=progress, device=device, workers=workers, executor=executor,
        reread=partial(_recipe, name, left),  # a recipe may use functions that its own module defines
        without_failed=without_failed, allow_mixed=allow_mixed, repair=repair,
    )  # fmt: skip
    return folder


def pool_folder(name: str) -> Path:
    """Where the pool of a problem lies, or will lie."""
    return results_folder(problem_name(name)) / "pool"


def pool_status(name: str) -> "BuildStatus":
    """How far the pool of a problem is; errors as in `build_pool`."""
    return _build_folder(name).status()


def damaged_parts(name: str) -> tuple[str, ...]:
    """Paths below a pool's folder of what is not what was written; errors as in `build_pool`."""
    folder = _build_folder(name)
    from evo_ensyth.synthesis.repair import damaged_parts as found

    return found(folder)


def planned_members(name: str) -> tuple[str, ...]:
    """Names of the members that a problem's recipe makes, in order; errors as in `build_pool`."""
    return tuple(member.name for member in _recipe(name).members())


def pool_estimate(
    name: str, progress: Callable[[int, int, str], None], *, device: str = "auto", workers: int | None = None
) -> "Estimate":
    """Estimate what the pool of a problem still takes; parameters and errors as in `build_pool`."""
    from evo_ensyth.synthesis import BuildFolder, estimate_pool

    recipe, left = _stated(name)
    folder = BuildFolder(pool_folder(name), recipe, problem_name(name))
    return replace(estimate_pool(folder, workers=workers, progress=progress, device=device), left=left)


def problem_name(target: str) -> str:
    """Name of a problem: that of its module, whether told by name, by path or with dots."""
    return Path(target).stem if target.endswith(".py") else target.rpartition(".")[2]


def problem_names() -> tuple[str, ...]:
    """Names of the problems that can be asked for, sorted."""
    files = [file.stem for folder in _problem_folders() for file in folder.glob("*.py")]
    return tuple(sorted({name for name in files if name[0] != "_" and name.isidentifier()}))


def describe_problems() -> dict[str, str]:
    """Name of each problem, and the first line of its module's docstring."""
    return {name: plugins.first_line(_problem_path(name)) for name in problem_names()}


def problem_module(target: str) -> ModuleType:
    """Load the module of a problem: by name, by path, or as an importable module.

    Raises
    ------
    InputError
        There is none, or it cannot be imported.
    """
    if target in problem_names():
        path = _problem_path(target)
    elif target.endswith(".py"):
        path = Path(target)
        if not _exists(path):
            raise InputError(f"{path} does not exist.")
        check_regular(path)
    else:
        return _importable(target)
    try:
        with build_extra():
            return plugins.module_at(path)
    except EvoEnsythError:
        raise
    except Exception as error:
        raise InputError(f"{path} cannot be imported: {type(error).__name__}: {error}.") from error


def _recipe(name: str, left: Collection[str] | None = None) -> "Recipe":
    """Recipe of a problem; the default one without the methods ``left``, by default those that its network refuses."""
    return _stated(name, left)[0]


def _stated(name: str, left: Collection[str] | None = None) -> tuple["Recipe", dict[str, str]]:
    """Recipe of a problem, and which methods a default one leaves out, with the reasons."""
    module = problem_module(name)
    if callable(getattr(module, "recipe", None)):
        return module.recipe(), {}
    from evo_ensyth.synthesis.default_recipe import recipe_of

    return recipe_of(module, name, left)


def _problem_path(name: str) -> Path:
    return next(folder / f"{name}.py" for folder in _problem_folders() if (folder / f"{name}.py").exists())


def _build_folder(name: str) -> "BuildFolder":
    from evo_ensyth.synthesis import BuildFolder

    return BuildFolder(pool_folder(name), _recipe(name), problem_name(name))


def _problem_folders() -> list[Path]:
    """Where problems lie: here, in an installed package, in a checkout."""
    package = Path(__file__).parent
    return [
        folder for folder in (Path("problems"), package / "problems", package.parent / "problems") if folder.is_dir()
    ]


def _importable(target: str) -> ModuleType:
    if "/" in target or Path(target).suffix in suffixes():
        raise InputError(f"{target} does not exist.")
    if "." in target:
        try:
            module: ModuleType = imported(target, "problem")
            return module
        except InputError as error:
            raise InputError(f"there is no file {target}, and {error}") from error
    raise unknown("problem", target, problem_names())


def _is_path(target: str) -> bool:
    """Whether a user's word is the path of a pool or of predictions; the name of a problem comes first.

    Raises
    ------
    InputError
        It is both, and the module of the problem lies here: code of whoever made the folder would run.
    """
    path, module = Path(target), Path("problems", f"{target}.py")
    is_problem, is_there = target in problem_names(), not target.endswith(".py") and _exists(path)
    if is_problem and is_there and module.exists() and (path.is_file() or _is_pool_folder(path) or layout_of(path)):
        raise InputError(f"'{target}' is a problem and a pool here; name it {module} or ./{target}.")
    return is_there and not is_problem


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise InputError(f"{one_line(str(path))[:100]} cannot be looked up: {error.strerror}.") from error


def _is_pool_folder(path: Path) -> bool:
    return (path / "pool.json").exists()


def _read(path: Path, *, trust: bool, **how: Any) -> Pool:
    """Read predictions from a file or a folder; parameters as for `io.layouts.read_folder`."""
    return read_folder(path, trust=trust, **how) if path.is_dir() else read_predictions(path, **how)


def _problem_of(module: ModuleType, target: str) -> Problem:
    """Problem that a module states; one without a function for it is about its pool, by the default objectives."""
    if not callable(getattr(module, "problem", None)):
        if not {"recipe", "network", "data"} & vars(module).keys():
            raise InputError(f"{target} has no function 'problem'; a problem module needs one.")
        return stored_problem(target)
    problem = module.problem()
    if not isinstance(problem, Problem):
        raise InputError(f"{target}: 'problem' returned {type(problem).__name__}; expected a Problem.")
    return problem
