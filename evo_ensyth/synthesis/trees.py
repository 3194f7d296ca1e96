"""Trees of tensors, which networks take: a tensor, or tuples, lists and mappings of them, the first axis the sample.

A batch of two inputs is ``(x, y)``, one with names ``{"ids": x, "mask": y}``. A single tensor is a tree too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from evo_ensyth.errors import InputError

Tree = Any
"""A tensor, or a tuple, list or mapping of trees."""


def mapped(function: Callable[[torch.Tensor], torch.Tensor], tree: Tree) -> Tree:
    """Return the tree with a function applied to each of its tensors; mappings become dictionaries.

    Raises
    ------
    InputError
        It holds something else than tensors.
    """
    if isinstance(tree, torch.Tensor):
        return function(tree)
    if isinstance(tree, Mapping):
        return {key: mapped(function, part) for key, part in tree.items()}
    if isinstance(tree, tuple | list):
        parts = [mapped(function, part) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    raise InputError(f"inputs hold a {type(tree).__name__}; expected tensors, in tuples, lists or mappings.")


def leaves(tree: Tree) -> list[torch.Tensor]:
    """Tensors of a tree, in order; errors as for `mapped`."""
    found: list[torch.Tensor] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        found.append(tensor)
        return tensor

    mapped(note, tree)
    return found


def moved(tree: Tree, device: torch.device) -> Tree:
    """Return the tree on a device."""
    return mapped(lambda tensor: tensor.to(device), tree)


def taken(tree: Tree, samples: torch.Tensor | slice) -> Tree:
    """Return some samples of a tree, by their positions, in order.

    Not by `index_select`: it lays images out differently, which changes the last bits of convolutions.
    """
    return mapped(
        lambda tensor: tensor[samples.to(tensor.device) if isinstance(samples, torch.Tensor) else samples], tree
    )


def joined(trees: Sequence[Tree]) -> Tree:
    """Return one tree of the samples of several that are alike."""
    columns = zip(*map(leaves, trees), strict=True)
    parts = iter([torch.cat(column) for column in columns])
    return mapped(lambda _: next(parts), trees[0])


def flattened(tree: Tree) -> tuple[Any, list[torch.Tensor]]:
    """Layout of a tree as JSON values, and its tensors; `restored` makes the tree again."""
    tensors = leaves(tree)
    places = iter(range(len(tensors)))

    def layout(part: Tree) -> Any:
        if isinstance(part, Mapping):
            return {"mapping": {str(key): layout(value) for key, value in part.items()}}
        if isinstance(part, tuple | list):
            return {"list" if isinstance(part, list) else "tuple": [layout(value) for value in part]}
        return next(places)

    return layout(tree), tensors


def restored(layout: Any, tensors: Sequence[torch.Tensor]) -> Tree:
    """Return the tree that `flattened` took apart."""
    if isinstance(layout, int):
        return tensors[layout]
    if "mapping" in layout:
        return {key: restored(part, tensors) for key, part in layout["mapping"].items()}
    parts = [restored(part, tensors) for part in next(iter(layout.values()))]
    return tuple(parts) if "tuple" in layout else parts


def n_samples(tree: Tree) -> int:
    """Count the samples of a tree.

    Raises
    ------
    InputError
        It holds no tensor, or tensors of different numbers of samples.
    """
    found = leaves(tree)
    counts = {len(tensor) if tensor.ndim else None for tensor in found}
    if len(counts) != 1 or None in counts:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in found) or "none"
        raise InputError(f"inputs have shapes {shapes}; expected the same number of samples first in all of them.")
    return len(found[0])


def shapes(tree: Tree) -> str:
    """Types and shapes of the tensors of a tree, for the reader."""
    if isinstance(tree, torch.Tensor):
        return f"{str(tree.dtype).removeprefix('torch.')} {tuple(tree.shape)}"
    if isinstance(tree, Mapping):
        return "{" + ", ".join(f"{key}: {shapes(part)}" for key, part in tree.items()) + "}"
    if isinstance(tree, tuple | list):
        return f"({', '.join(map(shapes, tree))})"
    return type(tree).__name__
