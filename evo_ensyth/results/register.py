"""The runs below a folder, one line each."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from evo_ensyth.plugins import renderer
from evo_ensyth.results.run import Run


@dataclass(frozen=True)
class ListedRun:
    """What a list says of a run; `evo_ensyth.read_run` reads all of it.

    Attributes
    ----------
    folder : str
    time : str, optional
        When the search began, in UTC; None in runs of earlier versions, and so is ``command``.
    command : str, optional
        The command line that asked for it, or ``Python``.
    problem, selector, vote : str
    seed : int
    interrupted_by : str, optional
        Name of the signal that ended the search early.
    n_members : int
        Of the pool.
    recommended : tuple of str
        Names of the members that are recommended.
    search_error, test_error : float
        Error of the recommended ensemble on both splits; None without a test split.
    """

    folder: str
    time: str | None
    command: str | None
    problem: str
    selector: str
    seed: int
    vote: str
    interrupted_by: str | None
    n_members: int
    recommended: tuple[str, ...]
    search_error: float
    test_error: float | None

    @classmethod
    def of(cls, run: Run) -> "ListedRun":
        """Take from a run that was read from a folder what a list says of it."""
        best = run.recommended
        return cls(
            folder=run.folder or "",
            time=run.time,
            command=run.command,
            problem=run.problem,
            selector=run.front.selector,
            seed=run.seed,
            vote=run.vote,
            interrupted_by=run.interrupted_by,
            n_members=run.n_members,
            recommended=best.members,
            search_error=best.error("search"),
            test_error=None if best.test_errors is None else best.error("test"),
        )


@dataclass(frozen=True, repr=False)
class RunRegister:
    """The runs below a folder, by time: a sequence of `ListedRun`.

    Attributes
    ----------
    runs : tuple of ListedRun
    unread : mapping of str to str
        Folders of runs that cannot be read, and why.
    others : tuple of str
        Folders that are not runs, such as pools.
    """

    runs: tuple[ListedRun, ...]
    unread: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of runs."""
        return len(self.runs)

    def __iter__(self) -> Iterator[ListedRun]:
        return iter(self.runs)

    def __getitem__(self, index: int) -> ListedRun:
        return self.runs[index]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        rows = [asdict(run) | {"recommended": list(run.recommended)} for run in self.runs]
        return {"runs": rows, "unread": dict(self.unread), "others": list(self.others)}

    def __repr__(self) -> str:
        text: str = renderer("console").register_as_text(self)
        return text
