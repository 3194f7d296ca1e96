"""The front that one selector found, and what it spent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from evo_ensyth.errors import InputError
from evo_ensyth.plugins import renderer
from evo_ensyth.results.ensemble import Ensemble

FRAME_LIBRARIES = ("pandas", "polars")


@dataclass(frozen=True)
class Milestone:
    """How far a selector had come at one moment.

    Attributes
    ----------
    evaluations : int
        Ensembles judged.
    seconds : float
    hypervolume : float
        Of its front by then.
    """

    evaluations: int
    seconds: float
    hypervolume: float


@dataclass(frozen=True)
class Front:
    """Ensembles of which none is at least as good as another in everything, sorted by size: a sequence of `Ensemble`.

    Attributes
    ----------
    selector : str
    settings : mapping
    n_evaluations : int
        Ensembles judged.
    seconds : float
        Without the time that compiling kernels took.
    hypervolume : float
        By the objectives asked for, up to the run's reference point.
    ensembles : tuple of Ensemble
    history : tuple of Milestone
        One for each batch that moved the front.
    proven_sizes : tuple of int
        Sizes of which no ensemble has a lower leading objective on the search split than the front does up to that
        size.
    leading : str
        The objective that led where there can be only one, such as among neighbours.
    seconds_compiling : float
        Seconds that compiling kernels took, if none were found compiled.
    ended_by : str, optional
        What ended the search: ``selector``, by its own rule, ``budget``, ``seconds``, ``patience``, or the name of a
        signal; None in runs of earlier versions.
    """

    selector: str
    settings: Mapping[str, Any]
    n_evaluations: int
    seconds: float
    hypervolume: float
    ensembles: tuple[Ensemble, ...]
    history: tuple[Milestone, ...] = ()
    proven_sizes: tuple[int, ...] = ()
    leading: str = "error"
    seconds_compiling: float = 0.0
    ended_by: str | None = None

    def __len__(self) -> int:
        """Number of ensembles."""
        return len(self.ensembles)

    def __iter__(self) -> Iterator[Ensemble]:
        return iter(self.ensembles)

    def __getitem__(self, index: int) -> Ensemble:
        return self.ensembles[index]

    def __repr__(self) -> str:
        return f"<Front of {len(self)} ensembles by {self.selector}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Return what a notebook shows: a chart, a table and text."""
        bundle: dict[str, Any] = renderer("notebook").front_bundle(self)
        return bundle

    def _ipython_display_(self) -> None:
        """Show them in a notebook, one below the other."""
        renderer("notebook").display(self._repr_mimebundle_())

    def to_dict(self) -> list[dict[str, Any]]:
        """Return one flat row per ensemble: size, errors, interval, objectives, costs, members."""
        rows = []
        for ensemble in self.ensembles:
            low, high = ensemble.interval("test") or (None, None)
            error = ensemble.error("search")
            test_error = None if ensemble.test_errors is None else ensemble.error("test")
            row: dict[str, Any] = {"size": ensemble.size, "search_error": error}
            row |= {"test_error": test_error, "test_low": low, "test_high": high}
            row["members"] = list(ensemble.members)
            others = {**ensemble.costs, **ensemble.search}
            others = {name: value for name, value in others.items() if name not in ("error", "n_members")}
            # A cost may have the name of a column: then it is told apart by what it is.
            rows.append(row | {f"cost_{name}" if name in row else name: value for name, value in others.items()})
        return rows

    def to_frame(self) -> Any:
        """Return the rows of `to_dict` as a data frame, of pandas or else of polars.

        Raises
        ------
        InputError
            Neither is installed.
        """
        import narwhals

        backend: Any = next((name for name in FRAME_LIBRARIES if find_spec(name)), None)
        if backend is None:
            raise InputError("a data frame needs pandas or polars; install one of them.")
        rows = self.to_dict()
        columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
        return narwhals.from_dict(columns, backend=backend).to_native()
