"""Several members as one network that computes what they share once: a trunk, and one head for each member.

Members share what is equal bit for bit from the input on: calls of modules that return the same results of the same
operations on equal parameters, see `inspection.operations`. Fine-tuning with ``convolutions=False`` keeps the parent's
trunk in all members of methods that do not change it, such as Net-Trim, which prunes dense layers only. Methods that
prune, remove or quantise convolutions leave a trunk to share only between fine-tunings of the same variant.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import nn

from evo_ensyth.synthesis.inspection.operations import Call, Record, record
from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.trees import Tree


class SharedTrunkEnsemble(nn.Module):
    """Members side by side, in evaluation mode. They share their parameters with the given networks.

    Parameters
    ----------
    members : sequence of Network
        One or more, with the same preparation of inputs.
    """

    def __init__(self, members: Sequence[Network]) -> None:
        super().__init__()
        records = [record(member, member.example()) for member in members]
        sharers = _sharers(records)
        self._results: dict[str, tuple[Any, int]] = {}
        self.members = nn.ModuleList(map(_twin, members))
        for member, seen in zip(self.members, records, strict=True):
            digests = {call.name: call.digest for call in _single_calls(seen) if call.digest in sharers}
            for module, digest in _parts_to_share(member, seen, digests, sharers):
                once = _Once(module.forward, digest, len(sharers[digest]), self._results)
                module.forward = once
        self.eval()

    def forward(self, inputs: Tree) -> torch.Tensor:
        """Logits of every member.

        Parameters
        ----------
        inputs : tree of tensors
            Prepared.

        Returns
        -------
        float32, (n_members, n_samples, n_classes)
        """
        try:
            return torch.stack([member(inputs) for member in self.members])
        finally:
            self._results.clear()


class _Once:
    """Computes a result when it is first asked for, and drops it once all calls that share it have had it.

    Its memory is then used again: allocating takes longer than many a layer.
    """

    def __init__(
        self, forward: Callable[..., Any], digest: str, n_uses: int, results: dict[str, tuple[Any, int]]
    ) -> None:
        self._forward, self._digest, self._n_uses, self._results = forward, digest, n_uses, results

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result, n_had = self._results.pop(self._digest, (None, 0))
        if n_had == 0:
            result = self._forward(*args, **kwargs)
        if n_had + 1 < self._n_uses:
            self._results[self._digest] = result, n_had + 1
        return result


def _sharers(records: Sequence[Record]) -> dict[str, frozenset[int]]:
    """Digests of results that can be shared, and are by two members or more, with the numbers of these members."""
    changing = {call.digest for seen in records for call in _single_calls(seen) if not call.is_reusable}
    found: dict[str, set[int]] = {}
    for member, seen in enumerate(records):
        for call in _single_calls(seen):
            if call.digest not in changing:
                found.setdefault(call.digest, set()).add(member)
    return {digest: frozenset(members) for digest, members in found.items() if len(members) > 1}


def _parts_to_share(
    member: nn.Module, seen: Record, digests: Mapping[str, str], sharers: Mapping[str, frozenset[int]]
) -> list[tuple[nn.Module, str]]:
    """Modules whose results are shared; of several in a row that the same members share, one that does all of them."""
    modules = {name: member.get_submodule(name) for name in digests}
    for prefix, row in list(member.named_modules()):
        if prefix not in seen.calls_of or type(row).forward is not nn.Sequential.forward:
            continue  # Its parts may be called in another way.
        # Dropout does nothing here, but a call takes as long as a small layer.
        keys = [key for key, part in row._modules.items() if type(part) is not nn.Dropout]
        names = {f"{prefix}.{key}".lstrip("."): key for key in keys}
        shared_by = {name: sharers.get(digests.get(name, "")) for name in names}
        parts: dict[str, nn.Module | None] = {}
        for members, run in groupby(names, shared_by.__getitem__):
            *before, last = run
            if members is not None and before:
                modules[last] = nn.Sequential(*(row.get_submodule(names[name]) for name in (*before, last)))
                parts[names[last]] = modules[last]
                for name in before:
                    del modules[name]
            else:
                parts |= {names[name]: row.get_submodule(names[name]) for name in (*before, last)}
        row._modules.clear()
        row._modules.update(parts)
    return [(module, digests[name]) for name, module in modules.items()]


def _single_calls(seen: Record) -> Iterator[Call]:
    """Calls of modules that are called once, so that it is known which call it is."""
    return (calls[0] for calls in seen.calls_of.values() if len(calls) == 1)


def _twin(member: Network) -> Network:
    """Return a copy of a network that shares its parameters and buffers."""
    return copy.deepcopy(member, {id(tensor): tensor for tensor in (*member.parameters(), *member.buffers())})
