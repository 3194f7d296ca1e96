"""Several members as one network that computes what they share once: a trunk, and one head for each member.

Members share what is equal bit for bit from the input on: calls of modules that return the same results of the same
operations on equal parameters, see `inspection.operations`. Fine-tuning with ``convolutions=False`` keeps the parent's
trunk in all members of methods that do not change it, such as Net-Trim, which prunes dense layers only. Methods that
prune, remove or quantise convolutions leave a trunk to share only between fine-tunings of the same variant.
"""

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
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
        n_uses = _n_uses(records)
        self._results: dict[str, tuple[Any, int]] = {}
        self.members = nn.ModuleList(map(_twin, members))
        for member, seen in zip(self.members, records, strict=True):
            for call in _single_calls(seen):
                if call.digest in n_uses:
                    module = member.get_submodule(call.name)
                    once = _Once(module.forward, call.digest, n_uses[call.digest], self._results)
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


def _n_uses(records: Sequence[Record]) -> dict[str, int]:
    """Digests of results that can be shared, and are by two calls or more, with the number of these calls."""
    calls = list(chain.from_iterable(map(_single_calls, records)))
    changing = {call.digest for call in calls if not call.is_reusable}
    counts = Counter(call.digest for call in calls if call.digest not in changing)
    return {digest: count for digest, count in counts.items() if count > 1}


def _single_calls(seen: Record) -> Iterator[Call]:
    """Calls of modules that are called once, so that it is known which call it is."""
    return (calls[0] for calls in seen.calls_of.values() if len(calls) == 1)


def _twin(member: Network) -> Network:
    """Return a copy of a network that shares its parameters and buffers."""
    return copy.deepcopy(member, {id(tensor): tensor for tensor in (*member.parameters(), *member.buffers())})
