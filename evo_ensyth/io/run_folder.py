"""The folder of a run: what is written of it, and how it is read again, whatever happened to it meanwhile."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.files import read_json, write_json, write_whole
from evo_ensyth.results.comparison import RIVALS, Comparison
from evo_ensyth.results.run import BOUND_SIDES, MARKS, Entry, Run

FORMAT = 2
READABLE = (1, 2)  # 1 had neither costs nor comparisons


def write_run(result: Run, folder: Path) -> None:
    """Write ``run.json``, ``front.csv`` and ``history.csv`` into an existing folder.

    Where the test split was made here, ``test_samples.csv`` says of which samples.
    """
    content = asdict(result)
    test_samples = content["source"].pop("test_samples", None)
    if test_samples is not None:
        write_whole(folder / "test_samples.csv", _csv(("sample",), [(sample,) for sample in test_samples]))
    write_json(folder / "run.json", {"format": FORMAT, **content})
    write_whole(folder / "front.csv", _front_table(result))
    rows = [
        (selection.selector, m.evaluations, f"{m.seconds:.4f}", repr(m.hypervolume))
        for selection in result.selections
        for m in selection.history
    ]
    write_whole(folder / "history.csv", _csv(("selector", "evaluations", "seconds", "hypervolume"), rows))


def read_run(folder: Path) -> Run:
    """Read the run that lies in a folder.

    Raises
    ------
    InputError
        No run there, or one that is not whole.
    """
    from pydantic import TypeAdapter, ValidationError  # only a report needs it

    path = folder / "run.json"
    content = read_json(path)
    if not isinstance(content, dict) or content.pop("format", None) not in READABLE:
        known = " or ".join(map(str, READABLE))
        raise InputError(f"{path}: field 'format' is not {known}; no run that this version can read.")
    try:
        found = TypeAdapter(Run).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: field '{place}': {first['msg']}; the file was changed or is not whole.") from error
    _check_run(path, found)
    return found


def _front_table(result: Run) -> bytes:
    goals = result.objectives
    header = ["selector", "size", "chosen", "search_error", "test_error", "test_low", "test_high"]
    compared_by = ("difference", "low", "high", "p", "p_corrected")
    header += [f"{split}_{goal}" for split in ("search", "test") for goal in goals if goal != "error"]
    header += [f"{rival}_{what}" for rival in RIVALS for what in compared_by]
    header += ["indices", "members"]
    rows = []
    for selection in result.selections:
        for i, entry in enumerate(selection.entries):
            chosen = selection is result.found and i == result.chosen
            low, high = result.test_interval(entry) or ("", "")
            row: list[Any] = [selection.selector, entry.size, int(chosen), result.error(entry, "search")]
            row += ["" if entry.test_errors is None else result.error(entry, "test"), low, high]
            for values in (entry.search, entry.test):
                row += [values[goal] if values else "" for goal in goals if goal != "error"]
            beside = result.comparisons[i] if selection is result.found else {}
            for rival in RIVALS:
                comparison = beside.get(rival, Comparison(0.0))
                row += [
                    comparison.on_test,
                    *(comparison.interval or ("", "")),
                    comparison.p_value,
                    comparison.corrected,
                ]
            row += [" ".join(map(str, entry.indices)), _text(" ".join(entry.members))]
            rows.append(row)
    return _csv(header, rows)


def _text(text: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return "'" + text if text[:1] in "=+-@\t\r" else text


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue().encode()


def _check_run(path: Path, found: Run) -> None:
    """Check what types do not say."""
    split_sizes = {"n_members": found.n_members, "n_search": found.n_search, "n_test": found.n_test}
    for name, size in split_sizes.items():
        if size is not None and size < 1:
            raise InputError(f"{path}: field '{name}' is {size}; it must be 1 or more.")
    if not 0 <= found.chosen < len(found.found.entries):
        raise InputError(f"{path}: field 'chosen' is {found.chosen}; there are {len(found.found.entries)} entries.")
    if set(found.marks) != set(MARKS):
        raise InputError(f"{path}: field 'marks' holds {', '.join(found.marks)}; expected {', '.join(MARKS)}.")
    goals = set(found.objectives)
    if not goals or len(found.units) != len(found.objectives) or len(found.reference) != len(found.objectives):
        raise InputError(f"{path}: fields 'objectives', 'units' and 'reference' must be of one length, and not empty.")
    if "search" not in found.fingerprints or ("test" in found.fingerprints) != (found.n_test is not None):
        raise InputError(f"{path}: field 'fingerprints' must name the splits that the run has.")
    if not set(found.bounds) <= set(BOUND_SIDES):
        raise InputError(f"{path}: field 'bounds' holds {', '.join(found.bounds)}; expected {', '.join(BOUND_SIDES)}.")
    for entry in (*found.marks.values(), *(e for selection in found.selections for e in selection.entries)):
        splits = [(entry.search, entry.search_errors, found.n_search)]
        if found.n_test is not None:
            splits.append((entry.test or {}, -1 if entry.test_errors is None else entry.test_errors, found.n_test))
        if not entry.indices or len(entry.members) != len(entry.indices):
            raise InputError(f"{path}: an entry has {len(entry.indices)} indices and {len(entry.members)} members.")
        for values, errors, n_samples in splits:
            if set(values) != goals or not np.isfinite(list(values.values())).all() or not 0 <= errors <= n_samples:
                raise InputError(f"{path}: the entry {list(entry.indices)} has values that cannot be.")
        if not _can_be(entry, found.n_search, found.n_test):
            raise InputError(f"{path}: the entry {list(entry.indices)} has costs or comparisons that cannot be.")
    if not all(selection.entries for selection in found.selections):
        raise InputError(f"{path}: a selector has no entries.")
    if len({tuple(entry.costs) for entry in found.found.entries}) > 1:
        raise InputError(f"{path}: the entries of '{found.found.selector}' have different costs.")
    if not np.isfinite(list(found.parent_costs.values())).all():
        raise InputError(f"{path}: field 'parent_costs' holds what is not finite.")


def _can_be(entry: Entry, n_search: int, n_test: int | None) -> bool:
    """Whether costs are finite, and counts of an entry's own errors and of its rivals' are such as may be counted."""
    for versus in entry.versus.values():
        if (versus.test is None) != (n_test is None):
            return False
        for pair, errors, n in (
            (versus.search, entry.search_errors, n_search),
            (versus.test, entry.test_errors, n_test),
        ):
            if pair and not (0 <= pair[0] <= (errors or 0) and 0 <= pair[1] <= (n or 0) - (errors or 0)):
                return False
    return set(entry.versus) <= set(RIVALS) and bool(np.isfinite(list(entry.costs.values())).all())
