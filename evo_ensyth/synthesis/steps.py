"""The steps from a recipe to a pool, and what each of them needs from the others."""

from dataclasses import dataclass

from evo_ensyth.synthesis.build_folder import BuildFolder
from evo_ensyth.synthesis.recipe import Planned

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
    member : Planned, optional
        To be made; for a compression, one of those whose variants it makes.
    parent : str, optional
        To be trained, if it is not the pool's.
    """

    kind: str
    name: str
    needs: tuple[str, ...]
    gives: tuple[str, ...]
    member: Planned | None = None
    parent: str | None = None


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
            compressions[label] = Step("compress", label, tuple(needs), (*variants, label), member)
    early = [step for step in compressions.values() if step.member is not None and step.member.of is None]
    steps = [
        Step("train", parent_title(parent), (), (parent_title(parent),), parent=parent)
        for parent in recipe.parent_names()
    ]
    steps += early
    begun = {step.name for step in early}
    for member in missing:
        label = folder.label(member)
        if label not in begun:
            begun.add(label)
            steps.append(compressions[label])
        steps.append(Step("make", member.name, (f"{label}/{member.variant}",), (member.title,), member))
    return steps


def parent_title(name: str | None) -> str:
    """Name of a parent for the reader."""
    return PARENT if name is None else f"{PARENT} {name}"
