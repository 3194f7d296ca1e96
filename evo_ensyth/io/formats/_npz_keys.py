"""Keys of a ``.npz`` file of predictions, and those that mean nothing; `npz` documents them."""

import re
from collections.abc import Sequence

from evo_ensyth.plugins import nearest

SPLITS = ("search", "test")
BY_SPLIT = ("labels", "scores", "truth", "groups", "parent")
OTHERS = ("names", "classes", "shared_members")
WITH_NAME = re.compile(r"(cost|shared_cost|parent_cost)_.+")


def unused_keys(keys: Sequence[str]) -> list[str]:
    """Say which keys are not used; nothing if all are."""
    split = [f"{split}_{what}" for split in SPLITS for what in BY_SPLIT]
    used = {*OTHERS, *(split if any(key in split for key in keys) else BY_SPLIT)}
    notes = []
    if beside := [key for key in keys if key not in used and key in BY_SPLIT]:
        notes.append(f"{_listed(beside)} {_verb(beside)} not used, because there are keys that name a split.")
    unknown = [key for key in keys if key not in (*used, *BY_SPLIT) and not WITH_NAME.fullmatch(key)]
    told = (f"'{key}' is no key of a file of predictions and is not used.{nearest(key, used)}" for key in unknown)
    return [*notes, *told]


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(f"'{key}'" for key in keys)


def _verb(keys: Sequence[str]) -> str:
    return "is" if len(keys) == 1 else "are"
