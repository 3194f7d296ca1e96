"""Writing and reading the folder of a run; reading checks that the files are valid."""

import csv
import io
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evo_ensyth.errors import InputError
from evo_ensyth.files import read_json, sealed, unsealed, write_json, write_whole
from evo_ensyth.results.comparison import BASELINES, Comparison
from evo_ensyth.results.register import ListedRun, RunRegister
from evo_ensyth.results.run import FORMAT, Run

FORMULA = ("=", "+", "-", "@")
READABLE = (1, 2, 3, FORMAT)  # 1 had neither costs nor comparisons


def write_run(run: Run, folder: Path, place: Path | None = None) -> None:
    """Write ``run.json``, ``front.csv`` and ``history.csv`` into an existing folder.

    If the test split was created by this package, ``test_samples.csv`` lists its samples.

    Parameters
    ----------
    run : Run
    folder : Path
    place : Path, optional
        What the folder will be called when it is whole.
    """
    test_samples = run.source.get("test_samples")
    if test_samples is not None:
        write_whole(folder / "test_samples.csv", _csv(("sample",), [(sample,) for sample in test_samples]))
    write_json(folder / "run.json", sealed(run.to_dict() | {"folder": str(place or folder)}))
    write_whole(folder / "front.csv", _front_table(run))
    rows = [
        (front.selector, m.evaluations, f"{m.seconds:.4f}", repr(m.hypervolume))
        for front in run.fronts
        for m in front.history
    ]
    write_whole(folder / "history.csv", _csv(("selector", "evaluations", "seconds", "hypervolume"), rows))


def read_run(folder: Path | str) -> Run:
    """Read a run of this or an earlier version from its folder.

    Raises
    ------
    InputError
        The folder holds no run, or an incomplete or modified one.
    """
    from pydantic import ValidationError

    path = Path(folder) / "run.json"
    content = read_json(path)
    version = content.get("format") if isinstance(content, dict) else None
    if version not in READABLE:
        known = ", ".join(map(str, READABLE))
        raise InputError(f"{path}: field 'format' is {version}; this version reads {known}.")
    if "sha256" in content:  # runs of earlier versions have none
        content = unsealed(path, content)
    try:
        current = content if version == FORMAT else _of_earlier_format(content)
        found = Run.from_dict(current | {"folder": str(folder)})
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "value_error":  # raised by one of our own types, which validate themselves
            raise InputError(f"{path}: {first['ctx']['error']}") from error
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: field '{place}': {first['msg']}; the file was changed or is not whole.") from error
    return found


def list_runs(folder: Path | str) -> RunRegister:
    """List the runs in a folder, in its folders, and in theirs, as ``runs/PROBLEM/RUN``; or the run that it is.

    Raises
    ------
    InputError
        There is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} {'is not a folder' if folder.exists() else 'does not exist'}; name one with runs.")
    found, unread, others = [], {}, []
    for place in _places(folder):
        try:
            if os.path.lexists(place / "run.json"):
                found.append(ListedRun.of(read_run(place)))
            else:
                others.append(str(place))
        except InputError as error:
            unread[str(place)] = str(error).removeprefix(f"{place}/")
    found.sort(key=lambda run: (run.time or "", run.folder))
    return RunRegister(tuple(found), unread, tuple(others))


def _places(folder: Path) -> list[Path]:
    """Folders in which there may be a run, sorted."""
    if os.path.lexists(folder / "run.json"):
        return [folder]
    places = []
    for inner in _folders_in(folder):
        is_problem = not os.path.lexists(inner / "run.json")
        places += (_folders_in(inner) if is_problem else []) or [inner]
    return places


def _folders_in(folder: Path) -> list[Path]:
    """Folders in a folder, without hidden ones, which may be unfinished."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    except OSError:
        return []


def _of_earlier_format(content: Mapping[str, Any]) -> dict[str, Any]:
    """Translate the content of formats 1 to 3. Missing fields stay missing, and validation reports them later."""
    renamed = {"found": "front", "against": "baselines", "chosen": "recommended_index", "reference": "reference_point"}
    renamed |= {"bounds": "constraints"}
    run = {renamed.get(key, key): value for key, value in content.items()}
    marks = run.pop("marks", None)
    if isinstance(marks, dict):
        run |= {name: _ensemble_of_earlier_format(mark) for name, mark in marks.items()}
    if isinstance(run.get("front"), dict):
        run["front"] = _front_of_earlier_format(run["front"])
    if isinstance(run.get("baselines"), list):
        run["baselines"] = [_front_of_earlier_format(front) for front in run["baselines"]]
    return run


def _front_of_earlier_format(front: Any) -> Any:
    if not isinstance(front, dict):
        return front
    renamed = {"evaluations": "n_evaluations", "entries": "ensembles", "certified_sizes": "proven_sizes"}
    renamed |= {"criterion": "leading", "guide": "leading"}
    front = {renamed.get(key, key): value for key, value in front.items()}
    if isinstance(front.get("ensembles"), list):
        front["ensembles"] = [_ensemble_of_earlier_format(ensemble) for ensemble in front["ensembles"]]
    return front


def _ensemble_of_earlier_format(ensemble: Any) -> Any:
    if not isinstance(ensemble, dict):
        return ensemble
    return {"discordant" if key == "versus" else key: value for key, value in ensemble.items()}


def _front_table(run: Run) -> bytes:
    goals = run.objectives
    header = ["selector", "size", "recommended", "search_error", "test_error", "test_low", "test_high"]
    compared_by = ("difference", "low", "high", "p", "p_corrected")
    for name in (f"{split}_{goal}" for split in ("search", "test") for goal in goals if goal != "error"):
        # An objective called 'low' is told apart from the end of the interval.
        header.append(f"objective_{name}" if name in header else name)
    header += [f"{baseline}_{what}" for baseline in BASELINES for what in compared_by]
    header += ["indices", "members"]
    rows = []
    for front in run.fronts:
        for i, ensemble in enumerate(front):
            recommended = front is run.front and i == run.recommended_index
            low, high = ensemble.interval("test") or ("", "")
            row: list[Any] = [front.selector, ensemble.size, int(recommended), ensemble.error("search")]
            row += ["" if ensemble.test_errors is None else ensemble.error("test"), low, high]
            for values in (ensemble.search, ensemble.test):
                row += [values[goal] if values else "" for goal in goals if goal != "error"]
            for baseline in BASELINES:
                comparison = ensemble.comparisons.get(baseline, Comparison(0.0))
                row += [
                    comparison.on_test,
                    *(comparison.interval or ("", "")),
                    comparison.p_value,
                    comparison.corrected,
                ]
            row += [" ".join(map(str, ensemble.indices)), " ".join(map(_quoted, ensemble.members))]
            rows.append(row)
    return _csv(header, rows)


def _quoted(name: str) -> str:
    """Quote a name as in a shell where it holds more than letters and the like, so that `shlex.split` finds it again.

    So is one that begins like a formula, which a spreadsheet would compute.
    """
    return f"'{name}'" if name[:1] in FORMULA and shlex.quote(name) == name else shlex.quote(name)


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue().encode()
