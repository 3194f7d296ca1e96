"""A parent of your own: any ``torch.nn.Module``, how it is built, and where its weights are."""

import copy
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evo_ensyth.errors import InputError
from evo_ensyth.files import check_regular
from evo_ensyth.synthesis.reproducibility import drawing

if TYPE_CHECKING:
    import torch
    from torch import nn

    from evo_ensyth.synthesis.trees import Tree

# Where training scripts put the state in their checkpoints, and what wrappers put before its names.
STATE_KEYS = ("state_dict", "model_state_dict", "model")
PREFIXES = ("module.", "_orig_mod.")


@dataclass(frozen=True, eq=False)
class OwnNetwork:
    """A parent of your own, for a recipe.

    Attributes
    ----------
    build : callable or Module
        Returns the module, without arguments; or the module itself, of which copies are made. What it draws comes from
        the global generators, which are seeded.
    weights : str or Path, optional
        Of the trained module: a safetensors file, or a file of ``torch.save`` that holds nothing but tensors.
    forward : callable, optional
        From the module and its inputs to logits, (n_samples, n_classes). By default the module is called with its
        inputs, and the logits are the tensor that it answers, its ``logits``, or the first part of its answer.

    Raises
    ------
    InputError
        When the network is used: it cannot be built, or its weights do not fit.
    """

    build: "Callable[[], nn.Module] | nn.Module"
    weights: str | Path | None = None
    forward: "Callable[[nn.Module, Tree], torch.Tensor] | None" = None

    def built(self, seed: int) -> "nn.Module":
        """Return the module before its weights are read, in evaluation mode, in float32 in the processor's memory."""
        import torch
        from torch import nn

        from evo_ensyth.synthesis.module_checks import check_module

        if isinstance(self.build, nn.Module):
            check_module(self.build)  # Not all that is refused can be copied.
            module = copy.deepcopy(self.build)
        else:
            try:
                with drawing(seed):
                    module = self.build()
            except Exception as error:  # a user's function may raise anything
                raise InputError(
                    f"{self.name} cannot be built: {type(error).__name__}: {_first_line(error)}."
                ) from error
            check_module(module)
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.dtype in (torch.float16, torch.bfloat16):
                tensor.data = tensor.data.float()
        return module.cpu().eval()

    def loaded(self, module: "nn.Module") -> "nn.Module":
        """Return a copy of the module with the trained weights; the module itself if there is no file of them."""
        from evo_ensyth.synthesis.module_checks import check_weights

        if self.weights is None:
            return module
        module = copy.deepcopy(module)
        state = read_state(Path(self.weights))
        expected = module.state_dict()
        for name, tensor in expected.items():
            if name not in state:
                near = next((f"; it has '{other}'" for other in state if other.endswith(name)), "")
                raise InputError(f"{self.weights} has no '{name}' of {self.name}{near}.")
            if state[name].shape != tensor.shape:
                shapes = f"{tuple(state[name].shape)}; {self.name} has {tuple(tensor.shape)}"
                raise InputError(f"{self.weights}: '{name}' has shape {shapes}.")
        if beyond := [name for name in state if name not in expected]:
            raise InputError(f"{self.weights}: '{beyond[0]}' is none of the parameters of {self.name}.")
        module.load_state_dict(state)
        check_weights(module)
        return module

    @property
    def name(self) -> str:
        """For the reader."""
        from torch import nn

        if isinstance(self.build, nn.Module):
            return type(self.build).__name__
        return (
            f"{getattr(self.build, '__module__', '')}.{getattr(self.build, '__qualname__', type(self.build).__name__)}"
        )

    def claim(self) -> dict[str, Any]:
        """What identifies the parent: its functions, digests of its structure and weights; see `as_json`."""
        return self._claim

    @cached_property
    def _claim(self) -> dict[str, Any]:
        from torch import nn

        module = self.built(seed=0)
        weights = {"state": state_digest(module)} if self.weights is None else {"weights": _file_digest(self.weights)}
        build = {"module": self.name} if isinstance(self.build, nn.Module) else self.build
        about = {"build": build, "forward": self.forward, "structure": structure(module)}
        return {"kind": "OwnNetwork", **about, **weights}


def structure(module: "nn.Module") -> str:
    """SHA-256 of what a module says of its parts, and of the names, types and shapes of its state."""
    state = [(name, str(tensor.dtype), tuple(tensor.shape)) for name, tensor in module.state_dict().items()]
    shown = re.sub(r" at 0x[0-9a-f]+", "", repr(module))
    return hashlib.sha256(f"{shown}\n{state}".encode()).hexdigest()


def state_digest(module: "nn.Module") -> str:
    """SHA-256 of all values of a module's state."""
    digest = hashlib.sha256()
    for tensor in module.state_dict().values():
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def read_state(path: Path) -> "dict[str, torch.Tensor]":
    """Read the state of a module from a safetensors file, or from a file of ``torch.save``, of which no code is run.

    Raises
    ------
    InputError
        There is no such file, or it holds something else.
    """
    import torch
    from safetensors.torch import load_file

    if not path.exists():
        raise InputError(f"{path} does not exist; expected the trained weights.")
    check_regular(path)
    try:
        if path.suffix == ".safetensors":
            found: Any = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises nearly anything for damaged files
        what = "safetensors" if path.suffix == ".safetensors" else "a file of torch.save with nothing but tensors"
        raise InputError(f"{path} cannot be read as {what}: {_first_line(error)}.") from error
    for key in STATE_KEYS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        raise InputError(f"{path} holds no state of a module; expected a mapping of names to tensors.")
    state = dict(found)
    for prefix in PREFIXES:
        if state and all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _file_digest(path: str | Path) -> str:
    if not Path(path).exists():
        raise InputError(f"{path} does not exist; expected the trained weights.")
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
