"""Write docs/benchmarks.md from the figures in benchmarks/figures/, one file for each benchmark.

    python benchmarks/figures.py                                              after any of them has changed
    python benchmarks/votes.py --json benchmarks/figures/votes.json           to measure one of them again

Nothing is measured here. A file that was carried over from an earlier page says which version printed it.
"""

import json
from pathlib import Path
from typing import Any

from output import Sheet

from evo_ensyth.files import write_whole

FOLDER = Path(__file__).parent / "figures"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
# First how fast votes are counted, then what searches reach, then how long pools take to build; any other file follows.
ORDER = (
    "votes",
    "ballots",
    "whole_search",
    "whole_search_ties",
    "generation",
    "growth",
    "baselines",
    "memory",
    "startup",
    "exact",
    "exact_alike",
    "fronts",
    "fronts_large",
    "peers",
    "devices",
    "devices_cpu",
    "training_steps",
    "export_labels_digits",
    "export_labels",
    "export_labels_oldest",
    "export_labels_browser",
    "export_labels_others",
    "export_labels_others_oldest",
    "export_labels_others_browser",
    "export_times",
)
INTRODUCTION = """\
<!-- Written by `python benchmarks/figures.py` from benchmarks/figures/; change the figures there. -->
# Benchmarks

How fast the engine counts, how good the fronts are, and how long pools take to build. Each section comes from one file
in `benchmarks/figures/`, written with `--json` by the command below its heading. Compare ratios within one table rather
than seconds between tables: the machine is shared, and the tables were not all made on the same day. Below its heading
each section names the version and the commit that it was measured with. Those of 2026-11-22 are of 0.1.0 (37911d9),
whose default search and kernels were earlier ones, and were not measured again; of those of 2026-11-28, made between
two releases, the commit is the last one before the figures were stored. Every script checks that the results agree
before it prints a time, except `startup.py`, `memory.py`, `devices.py`, `training_steps.py` and the large pool of
`fronts.py`, where there is nothing to compare with. [engine.md](engine.md) explains the terms and why the engine is
fast.
"""


def page(folder: Path = FOLDER) -> str:
    """Text of the page."""
    files = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    names = [name for name in ORDER if name in files] + [name for name in files if name not in ORDER]
    return "\n".join([INTRODUCTION, *(section(files[name]) for name in names)])


def section(figures: dict[str, Any]) -> str:
    """One benchmark: what is asked, by which command, when and where, what was said, and the tables."""
    machine, versions = figures["machine"], figures["versions"]
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} thread(s)"
    with_what = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines = [f"## {figures['title']}", "", f"`{figures['command']}`, {figures['date']}; {where}; {with_what}.", ""]
    for note in figures["notes"]:
        lines += [note, ""]
    sheets = [Sheet(sheet["title"], sheet["columns"], sheet["rows"]) for sheet in figures["sheets"]]
    return "\n".join([*lines, *(sheet.markdown() for sheet in sheets)])


def main() -> None:
    """Write the page."""
    write_whole(PAGE, page().encode())
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
