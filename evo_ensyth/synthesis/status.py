"""How far a pool is: what it was begun with, and which members are made, have failed, or are missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evo_ensyth.errors import InputError
from evo_ensyth.files import read_json, write_json
from evo_ensyth.io.manifest import check_keys
from evo_ensyth.synthesis.builder import is_made, planned
from evo_ensyth.synthesis.recipe import Recipe, plain

# What all members have in common. The rest of a recipe says which members there are.
COMMON = ("dataset", "n_search", "network", "training", "n_calibration", "seed", "threads")


@dataclass(frozen=True)
class Standing:
    """How far a pool is. Names of controls begin with ``controls/``.

    Attributes
    ----------
    made, missing : tuple of str
        What the recipe names: there, and not there for another reason than a failure.
    failed : mapping of str to str
        What could not be made when it was last tried, and why.
    closed : bool
        Whether the pool can be searched, be it without what has failed.
    """

    made: tuple[str, ...]
    missing: tuple[str, ...]
    failed: Mapping[str, str]
    closed: bool


def standing(recipe: Recipe, folder: Path | str, *, problem: str) -> Standing:
    """Look how far the pool of a recipe is.

    Raises
    ------
    InputError
        The folder holds something else, or was begun with another recipe.
    """
    folder = Path(folder)
    check_begun(folder, claim(recipe, problem))
    reasons = failures(folder)
    made, missing, failed = [], [], {}
    for member in planned(recipe):
        name = told_name(member.path)
        if is_made(folder, member):
            made.append(name)
        elif member.path in reasons:
            failed[name] = reasons[member.path]
        else:
            missing.append(name)
    return Standing(tuple(made), tuple(missing), failed, is_closed(folder, recipe))


def claim(recipe: Recipe, problem: str) -> dict[str, Any]:
    """What ``recipe.json`` says: for what problem, by what recipe, and by what steps each member is made."""
    return {"problem": problem, "recipe": plain(recipe), "members": recipe.descriptions()}


def check_begun(folder: Path, claimed: Mapping[str, Any]) -> None:
    """Refuse a folder that is neither empty nor begun in such a way that the recipe can be followed in it.

    A recipe may have changed in what is not made yet: more methods, or others.
    """
    path = folder / "recipe.json"
    if not path.exists():
        if folder.exists() and any(entry.name[0] != "." for entry in folder.iterdir()):
            raise InputError(f"{folder} has files in it but no recipe.json: it is no pool; name another folder.")
        return
    begun = read_json(path)
    check_keys(f"{path}:", begun, {"problem": str, "recipe": dict})
    if all(begun[key] == claimed[key] for key in ("problem", "recipe")):
        return
    refusal = f"{folder} was begun with another recipe; remove it, or name another folder."
    before, now = begun["recipe"], claimed["recipe"]
    measured = before.get("latency")
    if (
        begun["problem"] != claimed["problem"]
        or any(before.get(name) != now[name] for name in COMMON)
        or (measured is not None and measured != now.get("latency"))
    ):
        raise InputError(refusal)
    how = begun.get("members", {})  # Folders of earlier versions do not say.
    changed = [member for member in _made(folder) if member not in how or how[member] != claimed["members"].get(member)]
    if changed:
        others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise InputError(
            f"{refusal} Methods may be added; but {told_name(changed[0])}{others} would now be made in another way, or "
            "not at all."
        )


def keep_claim(folder: Path, claimed: Mapping[str, Any]) -> None:
    """Write down what a folder is for, unless it says just that."""
    path = folder / "recipe.json"
    if not path.exists() or read_json(path) != claimed:
        write_json(path, claimed)


def is_closed(folder: Path, recipe: Recipe) -> bool:
    """Whether a folder holds a pool that can be searched, with all that a recipe names and could be made."""
    path = folder / "pool.json"
    if not path.exists():
        return False
    manifest = read_json(path)
    check_keys(f"{path}:", manifest, {"about": dict})
    return bool(manifest["about"].get("recipe") == plain(recipe))


def failures(folder: Path) -> dict[str, str]:
    """By its path, why a member could not be made when it was last tried."""
    path = folder / "failed.json"
    if not path.exists():
        return {}
    reasons = read_json(path)
    check_keys(f"{path}:", reasons, dict.fromkeys(reasons, str) if isinstance(reasons, dict) else {})
    return dict(reasons)


def keep_failures(folder: Path, reasons: Mapping[str, str]) -> None:
    """Write down what could not be made, for `failures`."""
    if reasons:
        write_json(folder / "failed.json", reasons)
    else:
        (folder / "failed.json").unlink(missing_ok=True)


def told_name(path: str) -> str:
    """Name of a member, or of a control, for the reader."""
    return path.replace("members/", "")


def _made(folder: Path) -> list[str]:
    """Paths of all members and controls that are there, whether a recipe names them or not."""
    places = ("members", "controls/members")
    return [f"{place}/{entry.name}" for place in places for entry in _entries(folder / place) if entry.name[0] != "."]


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
