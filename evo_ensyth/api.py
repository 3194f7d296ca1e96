"""The verbs of the package: load, search, compare, read a run, list runs, build a pool.

The command line and Python users call the same functions.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evo_ensyth import workspace
from evo_ensyth.errors import InputError, InputWarning
from evo_ensyth.executors import Executor
from evo_ensyth.io.formats import read_table
from evo_ensyth.io.run_folder import list_runs, read_run
from evo_ensyth.io.submission import Submission
from evo_ensyth.objectives import Objective
from evo_ensyth.pool import Pool
from evo_ensyth.pool.frames import frame_table, is_frame
from evo_ensyth.pool.missing import settle
from evo_ensyth.pool.splitting import check_split
from evo_ensyth.pool.table_pools import pool_of
from evo_ensyth.pool.tables import table_columns
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.run import Run
from evo_ensyth.results.run_comparison import RunComparison
from evo_ensyth.selection import selectors
from evo_ensyth.selection.budget import PATIENCE
from evo_ensyth.selection.constraints import constraints_of
from evo_ensyth.selection.other_splits import repeated
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.recommendation import FOLDS
from evo_ensyth.selection.run import Progress, run
from evo_ensyth.selection.scratch import Scratch
from evo_ensyth.selection.selectors import Selector
from evo_ensyth.voting import VoteRule
from evo_ensyth.voting.plurality import Plurality

__all__ = ["build_pool", "compare", "list_runs", "load", "read_run", "search", "write_submission"]


def load(
    source: Any,
    *,
    truth: str | None = None,
    members: str | Sequence[str] = (),
    id: str | None = None,
    groups: str | None = None,
    weights: str | None = None,
    long: Sequence[str] | None = None,
    scores: str | None = None,
    test: Any = None,
    test_from: str | None = None,
    test_share: float = 0.5,
    split_seed: int = 0,
    missing: str = "refuse",
    trust: bool = False,
) -> Pool:
    """Load a pool.

    Parameters
    ----------
    source : str, Path or data frame
        A file or a folder of predictions, a data frame of pandas, polars, pyarrow or another library that narwhals
        knows, a pool folder, or the name of a problem whose pool is built. The parameters from ``truth`` to
        ``test_from`` are for tables, in a file, a folder or a data frame; see ``docs/formats.md``.
    truth : str, optional
        The column of the true classes; by default ``truth`` or ``y_true``.
    members : str or sequence of str
        The columns that are members, or patterns for them such as ``"model_*"``; by default all other columns.
    id, groups : str, optional
        The columns that identify a sample and say to which group it belongs; by default ``id``, and ``groups`` or
        ``group``, where there are such columns.
    weights : str, optional
        Refused: all samples count alike.
    long : (str, str, str), optional
        The columns of sample, member and label, of a table with a row for each answer.
    scores : str, optional
        How columns of scores are called, such as ``"NAME__CLASS"`` or ``"NAME_CLASS"``.
    test : str, Path or data frame, optional
        A table of the test split.
    test_from : str, optional
        A column and the value that it has on the test split, such as ``"fold=5"``.
    test_share : float
        Share of the samples that become the test split, for a file that does not come split.
    split_seed : int
        Seed of that split.
    missing : str
        What to do about missing answers: ``refuse``, ``abstain``, ``drop-members=0.1`` or ``drop-samples``; see
        `Pool.from_predictions`.
    trust : bool
        Open a folder even if that runs code that lies in it, such as the pickles of an AutoGluon predictor.

    Returns
    -------
    Pool

    Raises
    ------
    InputError
        There is no such thing, or something is wrong with it.

    Examples
    --------
    >>> import evo_ensyth as ee
    >>> pool = ee.load("runs/reference/fashion_mnist/predictions.npz")
    >>> len(pool), pool.search.n_samples
    (36, 5000)
    """
    columns = table_columns(
        truth, [members] if isinstance(members, str) else members, id, groups, long, scores, test_from, weights
    )
    if is_frame(source):
        check_split(test_share, split_seed)
        if test is not None and not is_frame(test):
            test = read_table(test)
        held_out = frame_table(test, "the table of the test split") if is_frame(test) else test
        pool = pool_of(frame_table(source), columns, held_out, test_share=test_share, split_seed=split_seed)
        pool = settle(pool, missing)
    elif not isinstance(source, str | Path):
        raise InputError(
            f"the source is a {type(source).__name__}; expected a path, the name of a problem, or a data frame. "
            "Pool.from_predictions takes arrays and mappings."
        )
    else:
        pool = workspace.load_problem(
            source,
            test_share=test_share,
            split_seed=split_seed,
            missing=missing,
            columns=columns,
            test=test,
            trust=trust,
        ).pool
    for note in pool.notes:
        warnings.warn(note, InputWarning, stacklevel=2)
    return pool


def search(
    problem: Pool | Problem | str | Path,
    objectives: str | Objective | Sequence[str | Objective] | None = None,
    *,
    selector: str | Selector = "nsga2",
    baselines: str | Sequence[str | Selector] = ("backward_elimination",),
    budget: int | None = None,
    seconds: float | None = None,
    patience: float | None = PATIENCE,
    seed: int = 1,
    members: str | Sequence[str] | None = None,
    at_most: Mapping[str, float] | None = None,
    at_least: Mapping[str, float] | None = None,
    vote: str | VoteRule | None = None,
    recommend: str = "size_rule",
    n_folds: int = FOLDS,
    splits: int = 1,
    on_progress: Callable[[Progress], object] | None = None,
    scratch: Path | Scratch | None = None,
    executor: Executor | None = None,
    command: str = "Python",
) -> Run:
    """Search the subsets of a pool for the front of some objectives.

    Parameters
    ----------
    problem : Pool, Problem, str or Path
        What to search; text is loaded as by `load_problem`.
    objectives : names or Objective, optional
        What to minimise: names of the package's objectives, of the pool's costs, dotted names such as
        ``"mylab.latency"``, or `Objective` instances. By default those of the problem; one that names none minimises
        the criterion of its vote rule, such as ``smoothed_error``, and ``n_members``.
    selector : str or Selector
        How to choose, by name or as an instance such as ``selectors.NSGA2(population=50)``.
    baselines : str, or sequence of str or Selector
        Selectors to compare with.
    budget : int, optional
        Ensembles that each selector may judge.
    seconds : float, optional
        Time that each selector may take, without the time that compiling kernels takes.
    patience : float, optional
        A selector with a budget or a time limit ends after this share of it without a gain; None or 0 to use all of it.
        It judges 10,000 ensembles for each member without a gain at least.
    seed : int
        The same seed gives the same front.
    members : str or sequence of str, optional
        Only members whose names match one of these patterns, such as ``"net_trim-*"``.
    at_most, at_least : mapping of names to limits, optional
        Constraints on the search split, such as ``{"bytes": 2e6}`` or ``{"accuracy": 0.9}``.
    vote : str or VoteRule, optional
        How the members decide together, by name or as an instance such as ``voting.Plurality(ties="lowest")``. By
        default that of the problem: plurality. The run is searched, judged and recommended by it.
    recommend : str
        ``size_rule`` for the smallest ensemble with nearly all of the gain, or ``lowest_error`` on the search split.
    n_folds : int
        Folds of the nested estimate of the recommended ensemble's error; 0 for none.
    splits : int
        Random splits to search, by the split seed of the pool and those after it. The first one is returned; its
        ``source["splits"]`` says what was recommended on each, and with which errors.
    on_progress : function of Progress, optional
        Called after each batch of ensembles.
    scratch : Path or Scratch, optional
        A folder where a long selector, such as ``exact``, keeps what it needs to resume after an interruption.
    executor : Executor, optional
        Who does what can be divided, with the same result: the proof of ``exact``, other splits. Anything with
        ``submit(function, *args) -> future``, such as a ``ProcessPoolExecutor`` or what `executors.connected` gives.
    command : str
        What asked for the search, for the record.

    Returns
    -------
    Run
        Its ``interrupted`` is true where Ctrl-C, SIGTERM or SIGHUP ended the search; what was found until then is kept.

    Raises
    ------
    InputError
        Something is wrong with the arguments, or no ensemble keeps the constraints.

    Examples
    --------
    >>> import evo_ensyth as ee
    >>> pool = ee.load("runs/reference/fashion_mnist/predictions.npz")
    >>> run = ee.search(pool, ["error", "bytes"], selector="forward_greedy", at_most={"n_members": 4})
    >>> len(run.recommended)
    4
    """
    if isinstance(problem, str | Path):
        asked = workspace.load_problem(problem)
    elif isinstance(problem, Pool):
        asked = Problem(problem)
    elif isinstance(problem, Problem):
        asked = problem
    else:
        raise InputError(f"problem is a {type(problem).__name__}; expected a Pool, a Problem, or the name of one.")
    if members is not None:
        asked = asked.among([members] if isinstance(members, str) else members)
    chosen = selectors.load(selector)
    if vote is not None:
        asked = asked.voting_by(vote)
    elif asked.vote == Plurality() and hasattr(chosen, "vote"):
        asked = asked.voting_by(chosen.vote)
    if objectives is None and asked.has_default_objectives:
        objectives = getattr(chosen, "objectives", None)
    if objectives is not None:
        asked = asked.with_objectives(objectives)
    constraints = constraints_of(at_most or {}, at_least or {}, asked.pool.members, asked.known)
    asked = asked.with_constraints((*asked.constraints, *constraints))
    once = partial(
        run,
        selector=selector,
        budget=budget,
        seconds=seconds,
        patience=patience,
        seed=seed,
        recommend_by=recommend,
        on_progress=on_progress,
        scratch=scratch,
        executor=executor,
        command=command,
    )
    baselines = [baselines] if isinstance(baselines, str) else baselines
    first = partial(once, baselines=baselines, n_folds=n_folds)
    return repeated(asked, splits, first, partial(once, baselines=(), n_folds=0), executor)


def compare(runs: Sequence[Run | str | Path]) -> RunComparison:
    """Compare several runs of one problem.

    Parameters
    ----------
    runs : sequence of Run, or folders of runs

    Returns
    -------
    RunComparison
        A table when printed; ``to_dict``, ``plot`` and ``save`` give the rest.

    Raises
    ------
    InputError
        The runs looked at other votes, or had other objectives.
    """
    return RunComparison(tuple(one if isinstance(one, Run) else read_run(one) for one in runs))


def build_pool(
    problem: str,
    *,
    device: str = "auto",
    workers: int | None = None,
    without_failed: bool = False,
    allow_mixed: bool = False,
    repair: bool = False,
    executor: Executor | None = None,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Pool:
    """Build the pool of a problem by its recipe, or continue where an earlier build was interrupted.

    Parameters
    ----------
    problem : str
        Name, path or dotted name of the problem's module.
    device : str
        Where networks are trained and run: ``cpu``, ``cuda`` (every card), ``cuda:1`` (one of them), ``mps``, or
        ``auto``: the kind that the pool was begun on, for a new one what is there.
    workers : int, optional
        Processes that make members; by default as many as keep the processors or the cards busy, 0 for this one alone.
    without_failed : bool
        Finish the pool without members that cannot be made.
    allow_mixed : bool
        Continue a pool on another kind of device than it was begun on.
    repair : bool
        Read all files first, and make again what is not what was written.
    executor : Executor, optional
        Who makes members, in place of ``workers``: on workers that see the working folder at the same path.
    on_progress : function of (n_done, n_planned, text), optional

    Raises
    ------
    InputError
        No such problem, or one without a recipe; or the device is not there, or not the one that the pool was begun on.
    UnfinishedError
        Some members could not be made; the others are kept.
    """
    show = on_progress or (lambda done, total, text: None)
    workspace.build_pool(
        problem, show, device=device, workers=workers, executor=executor,
        without_failed=without_failed, allow_mixed=allow_mixed, repair=repair,
    )  # fmt: skip
    return workspace.stored_pool(problem).pool


def write_submission(ensemble: Ensemble, folder: str | Path, path: str | Path, *, id: str | None = None) -> None:
    """Write what an ensemble answers to a Kaggle competition, like the sample submission.

    Parameters
    ----------
    ensemble : Ensemble
    folder : str or Path
        The folder with the submissions of its members; see ``docs/sources.md``.
    path : str or Path
        A new file, ``NAME.csv``.
    id : str, optional
        The column that identifies a row; by default the first column of the sample submission.

    Raises
    ------
    InputError
        A member has no submission, it does not fit, or the file cannot be written.
    """
    columns = table_columns(id=id, members=ensemble.members)
    Submission(Path(path), Path(folder), columns).write(ensemble)


def stored_members(
    pool: str | Path,
    names: Sequence[str] | None = None,
    *,
    network: Any = None,
    prepare: Any = None,
    trust: bool = False,
) -> dict[str, Callable[[Any], np.ndarray]]:
    """Return members of a pool folder as functions, for `Ensemble.with_members`.

    Parameters
    ----------
    pool : str or Path
    names : sequence of str, optional
        By default all members.
    network, prepare, trust
        For pools of your own network; see `synthesis.load_member`.

    Returns
    -------
    mapping of name to function
        From stored samples to probabilities, float32 (n_samples, n_classes). Samples are images, uint8
        (n_samples, channels, height, width), or what `OwnData` had: arrays, or a ``Dataset``.

    Raises
    ------
    InputError
        There is no such pool or member, its weights differ from those it was listed with, or it names code that is
        not trusted.

    Examples
    --------
    >>> import evo_ensyth as ee
    >>> best = ee.read_run("runs/digits/nsga2-seed1").recommended  # doctest: +SKIP
    >>> fitted = best.with_members(ee.stored_members("runs/digits/pool", best.members))  # doctest: +SKIP
    >>> fitted.predict(images)  # doctest: +SKIP
    """
    from evo_ensyth import synthesis

    return synthesis.stored_members(pool, names, network=network, prepare=prepare, trust=trust)
