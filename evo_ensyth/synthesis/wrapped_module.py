"""A user's module as a network: any ``torch.nn.Module`` that answers logits, in the form that the pipeline takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import nn

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.trees import Tree, mapped

# What a module holds its parts in; a wrapped module and its wrapper share them.
PARTS = ("_parameters", "_buffers", "_non_persistent_buffers_set", "_modules")
EXPECTED = "expected float logits, (n_samples, n_classes), as a tensor, as `.logits`, or first in a tuple or mapping"


@dataclass(frozen=True, repr=False)
class OwnPreparation:
    """How stored samples of any kind become the inputs of a module.

    Attributes
    ----------
    example : tree of tensors
        Prepared inputs of one sample.
    prepare : callable, optional
        From stored samples to inputs; by default they are taken as they are, with 64-bit floats as 32-bit ones.
    augment : callable, optional
        From stored samples and a generator to the inputs of a training step; by default as ``prepare``.
    """

    example: Tree
    prepare: Callable[[Tree], Tree] | None = None
    augment: Callable[[Tree, torch.Generator], Tree] | None = None

    def __repr__(self) -> str:
        """Name what prepares; what augments does not change a prediction."""
        return "OwnPreparation()" if self.prepare is None else f"OwnPreparation({_shown(self.prepare)})"

    def __deepcopy__(self, memo: Mapping[int, Any]) -> Self:
        """Return the same object: a method of a user's object would bring its data along."""
        return self


class WrappedModule(Network):
    """A user's module, called as a network is: one argument in, logits out.

    It shares its parts with the module, so that names of layers and parameters, and the state, are those of the module.

    Parameters
    ----------
    module : Module
    preparation : OwnPreparation
    forward : callable, optional
        From the module and its inputs to logits. By default the module is called with the tensor, with the tensors of a
        tuple or list one by one, or with those of a mapping by name; and logits are looked for in its answer.
    """

    def __init__(
        self,
        module: nn.Module,
        preparation: OwnPreparation,
        forward: Callable[[nn.Module, Tree], torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.preparation = preparation
        for name in PARTS:
            self.__dict__[name] = module.__dict__[name]
        self.__dict__["wrapped"] = module  # not as a part of its own, which would name everything twice
        self.__dict__["call"] = forward
        self.__dict__["fresh"] = attributes(module)
        self.training = module.training

    def forward(self, inputs: Tree) -> torch.Tensor:
        """Logits, float, (n_samples, n_classes).

        Raises
        ------
        InputError
            No logits are found in what the module answers.
        """
        module: nn.Module = self.__dict__["wrapped"]
        own = self.__dict__["call"]
        if own is not None:
            return logits_in(own(module, inputs))
        if isinstance(inputs, Mapping):
            return logits_in(module(**inputs))
        return logits_in(module(*inputs) if isinstance(inputs, tuple | list) else module(inputs))

    def prepare(self, stored: Tree) -> Tree:
        """See `OwnPreparation`."""
        own = self.preparation.prepare
        return mapped(_as_float32, stored if own is None else own(stored))

    def augment(self, stored: Tree, rng: torch.Generator) -> Tree:
        """See `OwnPreparation`."""
        own = self.preparation.augment
        return self.prepare(stored) if own is None else mapped(_as_float32, own(stored, rng))

    def example(self) -> Tree:
        """Prepared inputs of one sample of the data: a copy, since a module may work in place."""
        return mapped(torch.clone, self.preparation.example)

    def changes(self) -> dict[str, dict[str, Any]]:
        """Plain attributes, by module, that are not what they were when the module was wrapped."""
        fresh, changed = self.__dict__["fresh"], {}
        for name, values in attributes(self.wrapped).items():
            before = fresh.get(name, {})
            if found := {key: value for key, value in values.items() if key not in before or before[key] != value}:
                changed[name] = found
        return changed

    def change(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Set plain attributes, as `changes` returns them, or as JSON gives them back."""
        modules = dict(self.wrapped.named_modules())
        for name, values in changes.items():
            for key, value in values.items():
                is_tuple = isinstance(getattr(modules[name], key, None), tuple)
                setattr(modules[name], key, tuple(value) if is_tuple else value)

    @property
    def wrapped(self) -> nn.Module:
        """The user's module, which shares all parts with this one."""
        module: nn.Module = self.__dict__["wrapped"]
        return module

    def train(self, mode: bool = True) -> Self:
        """Set the mode, as the module does it."""
        self.training = mode
        self.wrapped.train(mode)
        return self

    def state_dict(self, *args: Any, **options: Any) -> Any:
        """State of the module."""
        return self.wrapped.state_dict(*args, **options)

    def load_state_dict(self, *args: Any, **options: Any) -> Any:
        """Load a state of the module."""
        return self.wrapped.load_state_dict(*args, **options)

    def extra_repr(self) -> str:
        """Name the module's class."""
        return type(self.wrapped).__name__

    def _apply(self, *args: Any, **options: Any) -> Self:
        self.wrapped._apply(*args, **options)  # type: ignore[no-untyped-call]
        return self


def attributes(module: nn.Module) -> dict[str, dict[str, Any]]:
    """Numbers, texts and tuples of them that a module's parts hold beside their tensors, by the name of the part."""
    return {
        name: {key: value for key, value in vars(part).items() if key[0] != "_" and key != "training" and _plain(value)}
        for name, part in module.named_modules()
    }


def _plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def logits_in(answer: Any) -> torch.Tensor:
    """Find logits in what a module answers.

    Raises
    ------
    InputError
        There are none.
    """
    if isinstance(answer, torch.Tensor):
        return answer
    if isinstance(found := getattr(answer, "logits", None), torch.Tensor):
        return found
    if isinstance(answer, Mapping) and answer:
        return logits_in(answer["logits"] if "logits" in answer else next(iter(answer.values())))
    if isinstance(answer, tuple | list) and answer:
        return logits_in(answer[0])
    raise InputError(f"forward() answers a {type(answer).__name__}; {EXPECTED}, or give forward=...")


def _as_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.dtype == torch.float64 else tensor


def _shown(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__name__)}"
