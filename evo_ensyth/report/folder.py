"""The folder of a run, or of a comparison of runs, with everything that renderers make of it."""

from collections.abc import Sequence
from pathlib import Path

from evo_ensyth import plugins
from evo_ensyth.files import folder_written_whole, write_json, write_whole
from evo_ensyth.io.run_folder import write_run
from evo_ensyth.report.facts import gather
from evo_ensyth.report.pool_facts import PoolFacts
from evo_ensyth.results.run import Run

RENDERERS = "evo_ensyth.report.renderers"


def write_run_folder(run: Run, folder: Path) -> Path:
    """Write a run and its report into a new folder, whole or not at all.

    Raises
    ------
    InputError
        The folder exists already, or cannot be written.
    """
    with folder_written_whole(folder) as made:
        write_run(run, made)
        write_report([run], made)
    return folder


def write_comparison_folder(runs: Sequence[Run], folder: Path) -> Path:
    """Write a report on several runs of one problem into a new folder; errors as in `write_run_folder`."""
    with folder_written_whole(folder) as made:
        write_report(runs, made)
    return folder


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


def write_pool_report(facts: PoolFacts, folder: Path) -> None:
    """Write what `pool_facts` found in a pool, in numbers and pictures, into an existing folder."""
    from evo_ensyth.report import pool_plots  # matplotlib

    write_json(folder / "pool-shown.json", facts.summary())
    for file, content in pool_plots.render(facts).items():
        write_whole(folder / file, content)
