"""Several runs of one problem, side by side."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evo_ensyth.errors import InputError
from evo_ensyth.plugins import renderer
from evo_ensyth.results.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class RunComparison:
    """Runs that can be compared. Checks itself when built.

    Attributes
    ----------
    runs : tuple of Run
        The first one is shown with its baselines; of the others only their own fronts.

    Raises
    ------
    InputError
        No run, or runs that looked at other votes or had other objectives.
    """

    runs: tuple[Run, ...]

    def __post_init__(self) -> None:
        if not self.runs:
            raise InputError("there is no run to compare; give at least one.")
        first = self.runs[0]
        for other in self.runs[1:]:
            for what in ("problem", "fingerprints", "objectives", "reference_point"):
                if getattr(other, what) != getattr(first, what):
                    raise InputError(
                        f"the runs of '{first.problem}' and '{other.problem}' cannot be compared: field '{what}' of "
                        "their run.json differs."
                    )

    def __len__(self) -> int:
        """Number of runs."""
        return len(self.runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the runs as JSON values; see `Run.to_dict`."""
        return [run.to_dict() for run in self.runs]

    def plot(self, split: str = "search", ax: "Axes | None" = None) -> "Axes":
        """Draw all fronts on matplotlib axes, on new ones by default, and return them."""
        axes: Axes = renderer("renderers.plots").plot_fronts(self.runs, split, ax)
        return axes

    def save(self, folder: str | Path, *, numbered: bool = False) -> Path:
        """Write pictures and a page into a new folder; see `Run.save`."""
        written: Path = renderer("folder").write_comparison_folder(self.runs, Path(folder), numbered=numbered)
        return written

    def __repr__(self) -> str:
        text: str = renderer("console").comparison_as_text(self.runs)
        return text
