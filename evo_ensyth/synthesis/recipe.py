"""A recipe: everything that determines a pool."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from evo_ensyth.errors import InputError
from evo_ensyth.files import fingerprint
from evo_ensyth.plugins import name_of
from evo_ensyth.synthesis import compression
from evo_ensyth.synthesis.compression import Compressor
from evo_ensyth.synthesis.datasets import Dataset, Source
from evo_ensyth.synthesis.own_network import OwnNetwork
from evo_ensyth.synthesis.settings import LATER, as_json
from evo_ensyth.synthesis.training import FineTuning, Training

if TYPE_CHECKING:
    from evo_ensyth.synthesis.network import Network

ENSYTH_L2 = 0.004
ENSYTH_KEEP = 0.5
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


@dataclass(frozen=True)
class Latency:
    """How the latency of members is measured: the median of ``repeats`` calls with ``batch`` images.

    Dense kernels do not skip zeros: pruned weights take as long as others, and so do weights of few bits.

    Raises
    ------
    InputError
        A setting is below 1.
    """

    batch: int = 1
    repeats: int = 50

    def __post_init__(self) -> None:
        for name in ("batch", "repeats"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be 1 or more.")


@dataclass(frozen=True, kw_only=True)
class OtherParent:
    """Another network that members are made from, trained on the same data as the pool's parent.

    Attributes
    ----------
    name : str
        Begins the names of its members. Initial weights and training derive their seeds from it.
    network : str, function or OwnNetwork
    training : Training, optional
        As in a `Recipe`.
    """

    name: str
    network: "str | Callable[..., Network] | OwnNetwork"
    training: Training | None = None

    def __post_init__(self) -> None:
        _check_network(self)


@dataclass(frozen=True)
class Route:
    """A compression method, and what is done with its variants.

    Attributes
    ----------
    compressor : Compressor or str
        A name stands for the method with its default settings.
    fine_tunings : tuple of FineTuning
        Every variant is fine-tuned in each of these ways. If there are none, variants become members as they are.
    then : tuple of Compressor or str
        Methods applied to each of these members, such as quantisation. Their variants are further members.
    parent : str, optional
        Name of another parent of the recipe to compress; by default the pool's parent.
    label : str, optional
        Follows the names of its variants. By default it is empty, or says in which settings the method differs from an
        earlier route of the recipe with the same method, such as ``share-0.4``.
    """

    compressor: Compressor | str
    fine_tunings: tuple[FineTuning, ...] = ()
    then: tuple[Compressor | str, ...] = ()
    parent: str | None = field(default=None, metadata=LATER)
    label: str | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compressor", compression.find(self.compressor))
        object.__setattr__(self, "then", tuple(compression.find(later) for later in self.then))
        _check_names(self.fine_tunings)
        if self.label is not None and not NAME.fullmatch(self.label):
            raise InputError(f"a route is labelled '{self.label}'; use up to 32 letters, digits, '.', '_' and '-'.")

    def members(self) -> "tuple[Planned, ...]":
        """Members, in the order in which they are made."""
        members = []
        compressor = compression.find(self.compressor)
        for variant in compressor.names():
            for fine_tuning in self.fine_tunings or (None,):
                name = self.name(variant) if fine_tuning is None else f"{self.name(variant)}-{fine_tuning.name}"
                members.append(Planned(name, variant, compressor, fine_tuning, parent=self.parent))
                members += [
                    Planned(f"{name}-{_joined(copy, label)}", copy, later, None, of=name, parent=self.parent)
                    for later, label in _labelled(self.then)
                    for copy in later.names()
                ]
        return tuple(members)

    def name(self, variant: str) -> str:
        """Name of a variant, unique among those of all parents and routes."""
        return _joined(self.parent, variant, self.label)


@dataclass(frozen=True)
class Planned:
    """A member, or a control, that a recipe names.

    Attributes
    ----------
    name : str
    variant : str
        Its compressor's name for the network before fine-tuning.
    compressor : Compressor
        Makes the variant.
    fine_tuning : FineTuning, optional
    of : str, optional
        The member that is compressed; by default the parent.
    parent : str, optional
        The parent that it comes from, if that is not the pool's.
    is_control : bool
        Whether it is kept beside the pool for comparison.
    """

    name: str
    variant: str
    compressor: Compressor
    fine_tuning: FineTuning | None
    of: str | None = None
    parent: str | None = None
    is_control: bool = False

    @property
    def title(self) -> str:
        """Name for the reader, unique in a recipe."""
        return f"controls/{self.name}" if self.is_control else self.name

    @property
    def source(self) -> "Planned | None":
        """The member that it is made from, with what identifies it; None for a parent."""
        return None if self.of is None else replace(self, name=self.of)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a pool is built: a parent, compressed variants of it, and each of them fine-tuned in several ways.

    Attributes
    ----------
    dataset : str, function, Dataset or OwnData
        A name in `synthesis.datasets`, the dotted name of a module or function, a function, or the data set itself. A
        pool folder stores the name, and for a `Dataset` or `OwnData` also digests of what it holds.
    network : str, function or OwnNetwork
        A name in `synthesis.networks`, the dotted name of a module or function, or a function or class that builds it;
        or any module of yours. It is stored by name, so that members can be loaded again.
    n_search : int
        Number of training samples set aside for the search; 0 if the data have a split for it.
    training : Training, optional
        Of the parent. An `OwnNetwork` without it is taken as it is.
    compressors : tuple of Compressor, Route or str
        Methods, each of which yields variants. A name stands for a method with its default settings.
    fine_tunings : tuple of FineTuning
        Every variant is fine-tuned in each of these ways: members are variants x fine-tunings, in this order. A route
        has its own; with routes only, and no controls, this may be empty.
    n_calibration : int
        Number of training samples that compressors may use.
    controls : tuple of Compressor or str
        Methods to compare with. Their variants go through the first fine-tuning and are kept beside the members.
    seed : int
    threads : int
        Part of the recipe, since the last bits of sums depend on the number of threads.
    latency : Latency, optional
        How to measure the cost ``latency_ms``; by default it is not measured. It may be added later.
    parents : tuple of OtherParent
        Further networks to make members from, by routes that name them. The pool is compared with its own parent.

    Raises
    ------
    InputError
        A data set or network cannot be stored, there is nothing to make members from, two fine-tunings or two parents
        have the same name, or parents and the routes that name them do not fit.
    """

    dataset: Source | Callable[[], Dataset] | str
    n_search: int = 0
    network: "str | Callable[..., Network] | OwnNetwork"
    training: Training | None = None
    compressors: tuple[Compressor | Route | str, ...]
    fine_tunings: tuple[FineTuning, ...]
    n_calibration: int
    controls: tuple[Compressor | str, ...] = ()
    seed: int = 1
    threads: int = 1
    latency: Latency | None = field(default=None, metadata=LATER)
    parents: tuple[OtherParent, ...] = field(default=(), metadata=LATER)

    def __post_init__(self) -> None:
        if not isinstance(self.dataset, Source):
            object.__setattr__(self, "dataset", name_of(self.dataset, "data set"))
        _check_network(self)
        for name in ("compressors", "controls"):
            methods = (part if isinstance(part, Route) else compression.find(part) for part in getattr(self, name))
            object.__setattr__(self, name, tuple(methods))
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
            Two members, or two variants, would have the same name.
        """
        return self._planned(self.compressors, self.fine_tunings)

    def planned(self) -> tuple[Planned, ...]:
        """Members and controls, in order; errors as in `members`."""
        controls = self._planned(self.controls, self.fine_tunings[:1])
        return (*self.members(), *(replace(control, is_control=True) for control in controls))

    def descriptions(self) -> dict[str, str]:
        """For every member and control, by its title, a digest of all that distinguishes it from the others."""
        described: dict[str, str] = {}
        for member in self.planned():
            of = None if member.source is None else described[member.source.title]
            steps = (member.variant, as_json(member.compressor), as_json(member.fine_tuning), of)
            other = () if member.parent is None else (as_json(self.other_parent(member.parent)),)
            described[member.title] = fingerprint((*steps, *other))
        return described

    def other_parent(self, name: str) -> OtherParent:
        """One of the other parents, by name."""
        return next(parent for parent in self.parents if parent.name == name)

    def parent_names(self) -> tuple[str | None, ...]:
        """None for the pool's parent, then the names of the others."""
        return (None, *(parent.name for parent in self.parents))

    def _planned(
        self, compressors: Sequence[Compressor | Route | str], fine_tunings: tuple[FineTuning, ...]
    ) -> tuple[Planned, ...]:
        routes = _told_apart([part if isinstance(part, Route) else Route(part, fine_tunings) for part in compressors])
        variants = [route.name(variant) for route in routes for variant in compression.find(route.compressor).names()]
        members = [member for route in routes for member in route.members()]
        for what, names in (("variants", variants), ("members", [member.name for member in members])):
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise InputError(
                    f"two {what} are called '{twice}'; compressors need names of their own, or routes labels."
                )
        return tuple(members)

    def _check_parents(self) -> None:
        names = [parent.name for parent in self.parents]
        for name in names:
            if not NAME.fullmatch(name):
                raise InputError(f"a parent is called '{name}'; use up to 32 letters, digits, '.', '_' and '-'.")
            if names.count(name) > 1:
                raise InputError(f"two parents are called '{name}'; give each a name of its own.")
        routes = [part for part in self.compressors if isinstance(part, Route)]
        used = {route.parent for route in routes if route.parent is not None}
        if unknown := sorted(used - set(names)):
            raise InputError(f"a route names the parent '{unknown[0]}'; the recipe has {', '.join(names) or 'none'}.")
        if unused := [name for name in names if name not in used]:
            raise InputError(f"no route names the parent '{unused[0]}'; nothing would be made from it.")


def ensyth_regimes(plain: FineTuning, dense: Sequence[str]) -> tuple[FineTuning, ...]:
    """Return the three fine-tuning regimes of EnSyth's Table I: plain, with L2, and with L2 and dropout.

    Parameters
    ----------
    plain : FineTuning
        Epochs, learning rate and the rest.
    dense : sequence of str
        Names of the dense layers. Set 2 has L2 on all but the last, set 3 on all of them.

    Notes
    -----
    The table prints an L2 of 1 for set 1; the code behind it has 0. Its "dropout" is the probability to keep.
    """
    l2 = tuple((layer, ENSYTH_L2) for layer in dense)
    return (
        replace(plain, name="set1"),
        replace(plain, name="set2", l2=l2[:-1]),
        replace(plain, name="set3", l2=l2, keep=ENSYTH_KEEP),
    )


def _check_network(parent: Recipe | OtherParent) -> None:
    """Replace a function that builds a network of this package's kind by its name; a module of a user's stays."""
    if not isinstance(parent.network, OwnNetwork):
        object.__setattr__(parent, "network", name_of(parent.network, "network"))
        if parent.training is None:
            raise InputError(
                f"the network '{parent.network}' has no training; only an OwnNetwork may be trained already."
            )


def _check_names(fine_tunings: Sequence[FineTuning]) -> None:
    names = [fine_tuning.name for fine_tuning in fine_tunings]
    if len(set(names)) < len(names):
        raise InputError(f"the fine-tunings are called {', '.join(names)}; give each a name of its own.")


def _told_apart(routes: Sequence[Route]) -> list[Route]:
    """Label routes without a label whose method an earlier route has with other settings."""
    of_parent: dict[str | None, list[int]] = {}
    for place, route in enumerate(routes):
        of_parent.setdefault(route.parent, []).append(place)
    found = list(routes)
    for places in of_parent.values():
        labelled = _labelled([routes[place].compressor for place in places])
        for place, (_, label) in zip(places, labelled, strict=True):
            if label and routes[place].label is None:
                found[place] = replace(routes[place], label=label)
    return found


def _labelled(compressors: Sequence[Compressor | str]) -> list[tuple[Compressor, str]]:
    """Compressors, each with the settings by which it differs from an earlier one that yields one of its names."""
    found: list[tuple[Compressor, str]] = []
    for compressor in map(compression.find, compressors):
        names = set(compressor.names())
        earlier = next((other for other, _ in found if names & set(other.names())), None)
        found.append((compressor, "" if earlier is None else _difference(compressor, earlier)))
    return found


def _difference(compressor: Compressor, earlier: Compressor) -> str:
    """Settings of a compressor that are not those of an earlier one of its class, as part of a name."""
    if type(compressor) is not type(earlier):
        return ""
    names = getattr(compressor, "__dataclass_fields__", ())
    settings = ((name, getattr(compressor, name)) for name in names)
    different = [(name, value) for name, value in settings if value != getattr(earlier, name)]
    if any(_is_list_of_numbers(value) for _, value in different):
        return ""  # Such a setting has one entry per variant: a variant of one name is the same in both.
    return "-".join(f"{name}-{_word(value)}" for name, value in different)


def _word(value: object) -> str:
    if isinstance(value, tuple):
        return "-".join(map(_word, value))
    if isinstance(value, float):
        return f"{value:g}"
    return re.sub(r"[^A-Za-z0-9._-]+", "_", str(getattr(value, "name", value)))


def _is_list_of_numbers(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(entry, int | float) for entry in value)


def _joined(*parts: str | None) -> str:
    return "-".join(part for part in parts if part)
