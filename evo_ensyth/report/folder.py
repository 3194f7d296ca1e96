"""The folder of a run, or of a comparison of runs, with everything that renderers make of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from evo_ensyth import plugins
from evo_ensyth.files import folder_written_whole, free_folder, write_json, write_whole
from evo_ensyth.io.run_folder import write_run
from evo_ensyth.report.facts import gather
from evo_ensyth.report.pool_facts import PoolFacts
from evo_ensyth.results.run import Run

RENDERERS = "evo_ensyth.report.renderers"


def write_run_folder(run: Run, folder: Path, *, numbered: bool = False) -> Path:
    """Write a run and its report into a new folder, whole or not at all, and return its path.

    Parameters
    ----------
    run : Run
    folder : Path
    numbered : bool
        If there is such a folder, append the next free number to its name.

    Raises
    ------
    InputError
        The folder exists already, or cannot be written.
    """
    with _new_folder(folder, numbered) as (made, place):
        write_run(run, made, place)
        write_report([run], made)
    return place


def write_comparison_folder(runs: Sequence[Run], folder: Path, *, numbered: bool = False) -> Path:
    """Write a report on several runs of one problem into a new folder; as `write_run_folder` does."""
    with _new_folder(folder, numbered) as (made, place):
        write_report(runs, made)
    return place


def write_report(runs: Sequence[Run], folder: Path) -> None:
    """Write what all renderers make of one run, or of several runs of one problem, into an existing folder.

    Parameters
    ----------
    runs : sequence of Run
        The first one is shown with its baselines; of the others only their own fronts.
    folder : Path
    """
    facts = gather(runs)
    for name in plugins.names(RENDERERS):
        for file, content in plugins.load(RENDERERS, name, "renderer").render(facts).items():
            write_whole(folder / file, content)


def write_pool_report(facts: PoolFacts, folder: Path, *, numbered: bool = False) -> Path:
    """Write what `pool_facts` found in a pool, in numbers, pictures and a page; as `write_run_folder` does."""
    from evo_ensyth.report import pool_page, pool_plots  # matplotlib

    with _new_folder(folder, numbered) as (made, place):
        write_json(made / "pool-shown.json", facts.summary())
        for file, content in (pool_plots.render(facts) | pool_page.render(facts)).items():
            write_whole(made / file, content)
    return place


@contextmanager
def _new_folder(folder: Path, numbered: bool) -> Iterator[tuple[Path, Path]]:
    """Provide a temporary folder, and the path that it gets if the block succeeds."""
    with (
        free_folder(folder) if numbered else nullcontext(folder) as place,
        folder_written_whole(place, taken=numbered) as made,
    ):
        yield made, place
