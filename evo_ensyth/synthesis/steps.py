"""The steps from a recipe to a pool, and what each of them needs from the others."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from evo_ensyth.synthesis.build_folder import BuildFolder
from evo_ensyth.synthesis.recipe import Planned
from evo_ensyth.synthesis.settings import digest

PARENT = "the parent"


@dataclass(frozen=True)
class Step:
    """Work that one process does without interruption.

    Attributes
    ----------
    kind : str
        ``train``, ``compress`` or ``make``.
    name : str
        For the reader.
    needs, gives : tuple of str
        Products. A step delivers its products by the time it ends, some of them earlier.
    members : tuple of Planned
        To be made, each from what ``needs`` has in its place: one, or those that are trained together, of which some
        may be made already. For a compression, one of those whose variants it makes.
    parent : str, optional
        To be trained, if it is not the pool's.
    """

    kind: str
    name: str
    needs: tuple[str, ...]
    gives: tuple[str, ...]
    members: tuple[Planned, ...] = ()
    parent: str | None = None

    def without(self, lost: Collection[str]) -> "Step | None":
        """What remains of the step if some products will never exist; None if nothing does."""
        if self.kind != "make":
            return None if any(product in lost for product in self.needs) else self
        kept = [pair for pair in zip(self.members, self.needs, strict=True) if pair[1] not in lost]
        members, needs = tuple(member for member, _ in kept), tuple(product for _, product in kept)
        titles = {member.title for member in members}
        gives = tuple(title for title in self.gives if title in titles)
        return replace(self, needs=needs, gives=gives, members=members) if gives else None


def steps_left(folder: BuildFolder) -> list[Step]:
    """Steps that remain, in the order in which a single process does them."""
    recipe = folder.recipe
    missing = [member for member in recipe.planned() if not folder.is_made(member)]
    left = {member.title for member in missing}
    compressions: dict[str, Step] = {}
    scratches: dict[str, str] = {}  # the last user of a scratch folder
    for member in missing:
        label = folder.label(member)
        if label not in compressions:
            needs = [parent_title(member.parent)]
            needs += [member.source.title] if member.source and member.source.title in left else []
            # A method that reuses what another finished in its scratch folder waits for it.
            scratch = folder.scratch(member).name
            needs += [scratches[scratch]] if scratch in scratches else []
            scratches[scratch] = label
            variants = (f"{label}/{variant}" for variant in member.compressor.names())
            compressions[label] = Step("compress", label, tuple(needs), (*variants, label), (member,))
    early = [step for step in compressions.values() if step.members[0].of is None]
    steps = [
        Step("train", parent_title(parent), (), (parent_title(parent),), parent=parent)
        for parent in recipe.parent_names()
    ]
    steps += early
    begun = {step.name for step in early}
    stacks, planned = _stacks(folder), set[str]()
    for member in missing:
        label = folder.label(member)
        if label not in begun:
            begun.add(label)
            steps.append(compressions[label])
        if member.title not in planned:
            together = stacks[member.title]
            sources = tuple(f"{label}/{other.variant}" for other in together)
            gives = tuple(other.title for other in together if other.title in left)
            planned.update(gives)
            name = f"{together[0].name} to {together[-1].name}" if len(together) > 1 else member.name
            steps.append(Step("make", name, sources, gives, together))
    return steps


def _stacks(folder: BuildFolder) -> dict[str, tuple[Planned, ...]]:
    """For every member and control, by its title, those it is trained together with.

    This follows from the recipe, and not from what is made already: on a card, the last bits of a member depend on it.
    """
    alike: dict[object, list[Planned]] = {}
    for member in folder.recipe.planned():
        how = folder.label(member), digest(member.fine_tuning), member.is_control
        alike.setdefault(how, []).append(member)
    stacks: dict[str, tuple[Planned, ...]] = {}
    for members in alike.values():
        tuning = members[0].fine_tuning
        width = 1 if tuning is None else tuning.stack
        for start in range(0, len(members), width):
            together = tuple(members[start : start + width])
            stacks |= {member.title: together for member in together}
    return stacks


def parent_title(name: str | None) -> str:
    """Name of a parent for the reader."""
    return PARENT if name is None else f"{PARENT} {name}"
