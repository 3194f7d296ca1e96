"""A recipe: everything that decides what a pool will be."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evo_ensyth.errors import InputError
from evo_ensyth.files import fingerprint
from evo_ensyth.synthesis.compression import LATER, Compressor
from evo_ensyth.synthesis.measure import Latency
from evo_ensyth.synthesis.training import FineTuning, Training

ENSYTH_L2 = 0.004
ENSYTH_KEEP = 0.5
PARENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


@dataclass(frozen=True, kw_only=True)
class OtherParent:
    """Another network that members are made from, trained on what the pool's parent is.

    Attributes
    ----------
    name : str
        Begins the names of its members. Initial weights and training are drawn by it: another name, other weights.
    network : str
        Name in `synthesis.networks`.
    training : Training
    """

    name: str
    network: str
    training: Training


@dataclass(frozen=True)
class Route:
    """A method, and what becomes of its variants.

    Attributes
    ----------
    compressor : Compressor
    fine_tunings : tuple of FineTuning
        Every variant goes through every one. If there are none, variants become members as they are.
    then : tuple of Compressor
        Methods applied to each of these members, such as quantisation. What they make of it are members beside it.
    parent : str, optional
        Name of another parent of the recipe that the method is applied to; the pool's parent by default.
    """

    compressor: Compressor
    fine_tunings: tuple[FineTuning, ...] = ()
    then: tuple[Compressor, ...] = ()
    parent: str | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        _check_names(self.fine_tunings)

    def members(self) -> "tuple[Planned, ...]":
        """Members in the order in which they are made."""
        members = []
        for variant in self.compressor.names():
            for fine_tuning in self.fine_tunings or (None,):
                name = self.name(variant) if fine_tuning is None else f"{self.name(variant)}-{fine_tuning.name}"
                members.append(Planned(name, variant, self.compressor, fine_tuning, parent=self.parent))
                members += [
                    Planned(f"{name}-{copy}", copy, later, None, of=name, parent=self.parent)
                    for later in self.then
                    for copy in later.names()
                ]
        return tuple(members)

    def name(self, variant: str) -> str:
        """Name a variant among those of all parents."""
        return variant if self.parent is None else f"{self.parent}-{variant}"


@dataclass(frozen=True)
class Planned:
    """A member to be made.

    Attributes
    ----------
    name : str
    variant : str
        What its compressor calls the network that it is before fine-tuning.
    compressor : Compressor
        What makes the variant.
    fine_tuning : FineTuning, optional
    of : str, optional
        The member that is compressed; the parent by default.
    place : str
        Folder that it lies in, below the pool's: ``members``, or ``controls/members``.
    parent : str, optional
        The parent that it comes from, if it is another one than the pool's.
    """

    name: str
    variant: str
    compressor: Compressor
    fine_tuning: FineTuning | None
    of: str | None = None
    place: str = "members"
    parent: str | None = None

    @property
    def path(self) -> str:
        """Its own folder below the pool's: no two of a recipe have the same."""
        return f"{self.place}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a pool is made: a parent, its compressed variants, and each of them fine-tuned in several ways.

    Attributes
    ----------
    dataset, network : str
        Names in `synthesis.datasets` and `synthesis.networks`.
    n_search : int
        Training samples put aside for the search.
    training : Training
        Of the parent.
    compressors : tuple of Compressor or Route
        Frozen dataclasses, of which each yields variants.
    fine_tunings : tuple of FineTuning
        Every variant goes through every one: members are variants x fine-tunings, in this order. A route has its own;
        where there are routes only, and no controls, this may be empty.
    n_calibration : int
        Training samples that compressors may look at.
    controls : tuple of Compressor
        Methods to compare with. Their variants go through the first fine-tuning and are kept beside the members.
    seed : int
    threads : int
        Part of the recipe, since sums in another number of threads have other last bits.
    latency : Latency, optional
        How to measure what members take, as the cost ``latency_ms``; not measured by default. It may be added later.
    parents : tuple of OtherParent
        More networks to make members from, by routes that name them. What the pool is compared with is its parent.

    Raises
    ------
    InputError
        Nothing to make members from; two fine-tunings, or two parents, of one name; a parent that no route names, or
        that a route names and the recipe does not have.
    """

    dataset: str
    n_search: int
    network: str
    training: Training
    compressors: tuple[Compressor | Route, ...]
    fine_tunings: tuple[FineTuning, ...]
    n_calibration: int
    controls: tuple[Compressor, ...] = ()
    seed: int = 1
    threads: int = 1
    latency: Latency | None = field(default=None, metadata=LATER)
    parents: tuple[OtherParent, ...] = field(default=(), metadata=LATER)

    def __post_init__(self) -> None:
        if not self.compressors:
            raise InputError("the recipe has no compressors; give it at least one.")
        routes_only = all(isinstance(part, Route) for part in (*self.compressors, *self.controls))
        if not self.fine_tunings and not routes_only:
            raise InputError("the recipe has no fine_tunings; give it at least one.")
        _check_names(self.fine_tunings)
        self._check_parents()
        for name in ("n_calibration", "threads"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be 1 or more.")

    def members(self) -> tuple[Planned, ...]:
        """Members of the pool, in order.

        Raises
        ------
        InputError
            Two of them, or two variants, would have one name.
        """
        return _planned(self.compressors, self.fine_tunings)

    def planned_controls(self) -> tuple[Planned, ...]:
        """Controls to be kept beside them; errors as in `members`."""
        controls = _planned(self.controls, self.fine_tunings[:1])
        return tuple(replace(control, place="controls/members") for control in controls)

    def descriptions(self) -> dict[str, str]:
        """For every member and control, by its path: a digest of all that makes it differ from the others."""
        described: dict[str, str] = {}
        for member in (*self.members(), *self.planned_controls()):
            of = None if member.of is None else described[f"{member.place}/{member.of}"]
            steps = (member.variant, plain(member.compressor), plain(member.fine_tuning), of)
            other = () if member.parent is None else (plain(self.other_parent(member.parent)),)
            described[member.path] = fingerprint((*steps, *other))
        return described

    def other_parent(self, name: str) -> OtherParent:
        """One of the other parents, by its name."""
        return next(parent for parent in self.parents if parent.name == name)

    def _check_parents(self) -> None:
        names = [parent.name for parent in self.parents]
        for name in names:
            if not PARENT_NAME.fullmatch(name):
                raise InputError(f"a parent is called '{name}'; use up to 32 letters, digits, '.', '_' and '-'.")
            if names.count(name) > 1:
                raise InputError(f"two parents are called '{name}'; give each a name of its own.")
        routes = [part for part in self.compressors if isinstance(part, Route)]
        used = {route.parent for route in routes if route.parent is not None}
        if strangers := sorted(used - set(names)):
            raise InputError(f"a route names the parent '{strangers[0]}'; the recipe has {', '.join(names) or 'none'}.")
        if idle := [name for name in names if name not in used]:
            raise InputError(f"no route names the parent '{idle[0]}'; nothing would be made from it.")


def _planned(compressors: Sequence[Compressor | Route], fine_tunings: tuple[FineTuning, ...]) -> tuple[Planned, ...]:
    routes = [part if isinstance(part, Route) else Route(part, fine_tunings) for part in compressors]
    variants = [route.name(variant) for route in routes for variant in route.compressor.names()]
    members = [member for route in routes for member in route.members()]
    for what, names in (("variants", variants), ("members", [member.name for member in members])):
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"two {what} are called '{twice}'; compressors must yield names of their own.")
    return tuple(members)


def _check_names(fine_tunings: Sequence[FineTuning]) -> None:
    names = [fine_tuning.name for fine_tuning in fine_tunings]
    if len(set(names)) < len(names):
        raise InputError(f"the fine-tunings are called {', '.join(names)}; give each a name of its own.")


def ensyth_regimes(plain: FineTuning, dense: Sequence[str]) -> tuple[FineTuning, ...]:
    """Return the three regimes of EnSyth's Table I: nothing; L2; L2 and dropout.

    Parameters
    ----------
    plain : FineTuning
        Epochs, rate and the rest.
    dense : sequence of str
        Names of the dense layers. Set 2 has L2 on all but the last, set 3 on all of them.

    Notes
    -----
    The table prints an L2 of 1 for set 1; the code it comes from has 0. Its "dropout" is the probability to keep.
    """
    l2 = tuple((layer, ENSYTH_L2) for layer in dense)
    return (
        replace(plain, name="set1"),
        replace(plain, name="set2", l2=l2[:-1]),
        replace(plain, name="set3", l2=l2, keep=ENSYTH_KEEP),
    )


def plain(value: Any) -> Any:
    """Recipe, compressor or setting as JSON values; a dataclass says of what kind it is."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("evo_ensyth.synthesis.")
        settings = {part.name: getattr(value, part.name) for part in dataclasses.fields(value)}
        for part in dataclasses.fields(value):
            if part.metadata.get("later") and settings[part.name] == part.default:
                del settings[part.name]
        return {"kind": kind, **{name: plain(setting) for name, setting in settings.items()}}
    if isinstance(value, Mapping):
        return {str(key): plain(content) for key, content in value.items()}
    if isinstance(value, list | tuple):
        return [plain(content) for content in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InputError(f"a recipe holds {value!r}; its settings must be dataclasses, numbers, text, or lists of these.")
