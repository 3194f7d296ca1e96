"""What a network computes for one sample, operation by operation.

Everything that a forward pass does goes through torch's dispatcher, whatever Python code leads there; so nothing has to
be known of that code.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves
from torch.utils.flop_counter import flop_registry

from evo_ensyth.synthesis.trees import Tree, leaves


@dataclass(frozen=True)
class Operation:
    """One call of an operator.

    Attributes
    ----------
    name : str
        In torch's ``aten``, such as ``relu``, without the underscore of an operator that writes in place.
    reads, gives : tuple of int
        Values, by number. A tensor that is written to is another value from then on.
    weight : str, optional
        Name of the parameter that is multiplied with, whole or in part.
    macs, sparse_macs : int
        Multiplications with a parameter, or of two results that depend on the sample; those with a weight that is not
        zero, or without a weight.
    """

    name: str
    reads: tuple[int, ...]
    gives: tuple[int, ...]
    weight: str | None = None
    macs: int = 0
    sparse_macs: int = 0


@dataclass(frozen=True)
class Call:
    """One call of a module.

    Attributes
    ----------
    name : str
        Of the module, "" for the network.
    takes, returns : tuple of int
        Values, by number.
    operations : range
        Indices of the operations on the way.
    digest : str
        SHA-256, equal for two calls, in whatever networks of the same inputs, exactly if they return the same results
        of the same operations on equal parameters.
    is_reusable : bool
        Whether what it returns can stand for what another call of this digest returns: it is nothing but tensors, to
        which nothing is written later.
    """

    name: str
    takes: tuple[int, ...]
    returns: tuple[int, ...]
    operations: range
    digest: str
    is_reusable: bool


@dataclass(frozen=True)
class Record:
    """What a network computes for one sample.

    Attributes
    ----------
    operations : tuple of Operation
    calls : tuple of Call
        In the order in which they begin; the first is that of the network.
    weights : mapping of int to str
        Values that are a parameter, or a view of one, with its name.
    draws : bool
        Whether random numbers are drawn.
    """

    operations: tuple[Operation, ...]
    calls: tuple[Call, ...]
    weights: Mapping[int, str]
    draws: bool

    @cached_property
    def calls_of(self) -> Mapping[str, Sequence[Call]]:
        """Calls of each module that is called, in order."""
        found: dict[str, list[Call]] = {}
        for call in self.calls:
            found.setdefault(call.name, []).append(call)
        return found

    @cached_property
    def uses(self) -> Mapping[str, int]:
        """How often each parameter is used; that a view of it is made does not count."""
        found: dict[str, int] = {}
        for operation in self.operations:
            for name in {self.weights[value] for value in operation.reads if value in self.weights}:
                found[name] = found.get(name, 0) + all(value not in self.weights for value in operation.gives)
        return found

    def only_reader(self, value: int) -> int | None:
        """Index of the operation that alone reads a value; None if there are several, or if it is an answer."""
        readers = self._readers.get(value, [])
        return readers[0] if len(readers) == 1 and value not in self.calls[0].returns else None

    @cached_property
    def _readers(self) -> Mapping[int, Sequence[int]]:
        found: dict[int, list[int]] = {}
        for index, operation in enumerate(self.operations):
            for value in set(operation.reads):
                found.setdefault(value, []).append(index)
        return found


def record(network: nn.Module, sample: Tree) -> Record:
    """Run a network, in evaluation mode, on inputs of one sample, and record what it computes."""
    recorder = _Recorder(network, leaves(sample))
    with torch.no_grad(), plain_attention(), _plain_recurrence(), recorder.hooks(network), recorder:
        network(sample)
    return recorder.record()


@contextmanager
def plain_attention() -> Iterator[None]:
    """Switch off fused kernels of attention, inside which nothing is seen, and around which hooks are not called."""
    was_on = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was_on)


@contextmanager
def _plain_recurrence() -> Iterator[None]:
    """Switch off the fused kernels of oneDNN, which recurrent layers use."""
    was_on = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(was_on)


@dataclass
class _OpenCall:
    name: str
    takes: tuple[int, ...]
    begin: int
    returns: tuple[int, ...] = ()
    end: int = 0
    storages: tuple[int, ...] = ()
    form: str = ""
    is_plain: bool = False


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Numbers every tensor that appears, and keeps them all, so that no two share an address."""

    def __init__(self, network: nn.Module, sample: Sequence[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._names = {id(parameter): name for name, parameter in network.named_parameters()}
        self._tensors: list[torch.Tensor] = []
        self._values: dict[int, tuple[int, int]] = {}  # of a tensor by its identity: its value, and since when
        self._digests: list[str] = []  # of values
        self._written: dict[int, tuple[int, int]] = {}  # of a storage: the value last written, and when
        self._operations: list[Operation] = []
        self._weights: dict[int, str] = {}
        self._calls: list[_OpenCall] = []
        self._draws = False
        self._computed = {self._number(tensor, f"input {place}") for place, tensor in enumerate(sample)}

    def record(self) -> Record:
        """Return what was recorded."""
        calls = [
            Call(
                call.name,
                call.takes,
                call.returns,
                range(call.begin, call.end),
                _digest(call.form, *(self._digests[value] for value in call.returns or self._last_values(call))),
                call.is_plain and all(self._written.get(place, (0, -1))[1] < call.end for place in call.storages),
            )
            for call in self._calls
        ]
        return Record(tuple(self._operations), tuple(calls), self._weights, self._draws)

    def _last_values(self, call: _OpenCall) -> tuple[int, ...]:
        """Values that come last in a call which returns something that nothing is known of."""
        return self._operations[call.end - 1].gives if call.end > call.begin else call.takes

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Whether torch's compiler must be loaded first, which takes seconds; nothing is compiled here."""
        return False

    @contextmanager
    def hooks(self, network: nn.Module) -> Iterator[None]:
        """Record calls of modules."""
        begun: list[_OpenCall] = []

        def begin(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            call = _OpenCall(name, tuple(map(self._value, _tensors((args, kwargs)))), len(self._operations))
            begun.append(call)
            self._calls.append(call)

        def end(output: object) -> None:
            call, tensors = begun.pop(), _tensors(output)
            parts, form = tree_flatten(output)
            call.form, call.is_plain = str(form), 0 < len(tensors) == len(parts)
            call.returns, call.end = tuple(map(self._value, tensors)), len(self._operations)
            call.storages = tuple(map(_storage, tensors))

        with ExitStack() as stack:
            for name, module in network.named_modules():
                before = module.register_forward_pre_hook(
                    lambda _, args, kwargs, name=name: begin(name, args, kwargs), with_kwargs=True
                )
                behind = module.register_forward_hook(lambda _, __, output: end(output))
                stack.callback(before.remove)
                stack.callback(behind.remove)
            yield

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Compute an operation, and record it."""
        kwargs = kwargs or {}
        self._draws |= torch.Tag.nondeterministic_seeded in func.tags
        parts = tree_leaves((args, kwargs))
        reads = [self._value(leaf) for leaf in parts if isinstance(leaf, torch.Tensor)]
        described = (
            self._digests[self._value(leaf)] if isinstance(leaf, torch.Tensor) else repr(leaf) for leaf in parts
        )
        digest = _digest(str(func), *described)
        output = func(*args, **kwargs)
        written = _written_tensors(func, args, kwargs)
        gives = []
        for place, tensor in enumerate(_tensors((output, written))):
            gives.append(self._number(tensor, _digest(digest, str(place))))
        if not self._computed.isdisjoint(reads):
            self._computed.update(gives)
        for tensor in written:
            self._written[_storage(tensor)] = self._values[id(tensor)][0], len(self._operations)
        operands = {self._weights[value] for value in reads if value in self._weights}
        if len(reads) == 1 and operands and func.overloadpacket not in flop_registry:
            self._weights |= dict.fromkeys(gives, *operands)
        self._operations.append(
            Operation(
                func.overloadpacket.__name__.rstrip("_"),
                tuple(reads),
                tuple(gives),
                *self._cost(func, args, kwargs, output),
            )
        )
        return output

    def _cost(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: object
    ) -> tuple[str | None, int, int]:
        """Parameter, multiplications, and those with what is not zero."""
        if func.overloadpacket not in flop_registry:
            return None, 0, 0
        macs = flop_registry[func.overloadpacket](*args, **kwargs, out_val=output) // 2
        for tensor in _tensors(args):
            value = self._value(tensor)
            if value in self._weights and tensor.ndim > 1:
                return self._weights[value], macs, macs // tensor.numel() * int(torch.count_nonzero(tensor))
        is_product = sum(self._value(tensor) in self._computed for tensor in _tensors(args)) > 1  # not with a constant
        return None, macs * is_product, macs * is_product

    def _value(self, tensor: torch.Tensor) -> int:
        """Return the number of what a tensor holds now."""
        if id(tensor) not in self._values:
            name = self._names.get(id(tensor))
            value = self._number(tensor, _content(tensor))
            if name is not None:
                self._weights[value] = name
            return value
        value, since = self._values[id(tensor)]
        written, when = self._written.get(_storage(tensor), (value, -1))
        if when >= since and written != value:  # through another tensor that shares its memory
            earlier = value
            value = self._number(tensor, _digest(self._digests[earlier], self._digests[written]))
            self._operations.append(Operation("alias", (earlier, written), (value,)))
            if not self._computed.isdisjoint((earlier, written)):
                self._computed.add(value)
        return value

    def _number(self, tensor: torch.Tensor, digest: str) -> int:
        self._tensors.append(tensor)
        self._digests.append(digest)
        value = len(self._digests) - 1
        self._values[id(tensor)] = value, len(self._operations)
        return value


def _written_tensors(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[torch.Tensor]:
    found = []
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            found += _tensors(args[place] if place < len(args) else kwargs.get(argument.name))
    return found


def _tensors(tree: object) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _content(tensor: torch.Tensor) -> str:
    """Digest of the numbers in a tensor, its type and its shape."""
    with torch.utils._python_dispatch._disable_current_modes():
        plain = tensor.detach().cpu().contiguous().flatten()
        digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        if plain.numel():
            digest.update(plain.view(torch.uint8).numpy().data)
        return digest.hexdigest()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
