"""Fine-tuning by a loop of the user's: zeros of the compressed module are kept whatever the loop does."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.utils.data import Dataset

from evo_ensyth.errors import EvoEnsythError, one_line
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.devices import CPU
from evo_ensyth.synthesis.layer_surgery import aliases, zeros_of
from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.own_data import OwnSplit
from evo_ensyth.synthesis.reproducibility import drawing
from evo_ensyth.synthesis.trees import mapped
from evo_ensyth.synthesis.wrapped_module import WrappedModule


class KeepZeros(nn.Module):
    """Lets weights pass where they are kept; all others are zero, and have no gradient.

    Gradients that are set to zero would not do: an optimiser that mixes them, such as Muon, revives pruned weights.
    """

    def __init__(self, kept: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("kept", kept)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weights that are kept, and zeros elsewhere."""
        return torch.where(self.get_buffer("kept"), weight, 0.0)


class Pairs(Dataset[tuple[Any, int]]):
    """Samples of a split as pairs: a sample as it is stored, and its label."""

    def __init__(self, split: Split) -> None:
        self._split = split

    def __len__(self) -> int:
        """Count the samples."""
        return len(self._split)

    def __getitem__(self, place: int) -> tuple[Any, int]:
        """Return a sample and its label."""
        stored = self._split.stored(slice(place, place + 1))
        return mapped(lambda tensor: tensor[0], stored), int(self._split.y_true[place])


def tuned_by(
    loop: Callable[[nn.Module, Any], Any], network: Network, data: Split, *, seed: int, device: torch.device
) -> Network:
    """Return a copy of a network that a user's loop has trained further, in evaluation mode.

    Parameters
    ----------
    loop : callable
        Takes the module, which it trains in place, and the training samples as a torch ``Dataset``: those of the user's
        own, or pairs of sample and label. It may return a module with the same state, which is then taken.
    network : Network
    data : Split
    seed : int
        Of the global generators.
    device : torch.device
        On which the module is handed over.

    Raises
    ------
    EvoEnsythError
        The loop fails, returns weights that are not finite, or takes off what keeps the zeros.
    """
    begun = copy.deepcopy(network).to(device)
    names = {id(parameter): name for name, parameter in begun.named_parameters()}
    zeros = {names[id(parameter)]: mask for parameter, mask in zeros_of(begun).items()}
    masked = _with_masks(begun, zeros)
    module = begun.wrapped if isinstance(begun, WrappedModule) else begun
    own = data.own() if isinstance(data, OwnSplit) else None
    try:
        with drawing(seed, device), torch.enable_grad():
            answer = loop(module.train(), Pairs(data) if own is None else own)
    except EvoEnsythError:
        raise
    except Exception as error:  # a user's function may raise anything
        first = str(error).strip().partition("\n")[0].rstrip(".")
        raise EvoEnsythError(f"fine_tune() fails: {type(error).__name__}: {first}.") from error
    if isinstance(answer, nn.Module) and answer is not module:
        try:
            begun.load_state_dict(answer.state_dict())
        except RuntimeError as error:
            raise EvoEnsythError(f"fine_tune() returned another module: {one_line(str(error))[:200]}.") from error
    begun = begun.to(CPU).eval()
    _take_off(begun, masked)
    state = begun.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise EvoEnsythError(f"fine_tune() returned '{name}' with values that are not finite.")
        if name in zeros:  # Weights that others share, and those of recurrent layers, have no mask while they train.
            tensor.masked_fill_(zeros[name].to(CPU), 0.0)
    tuned = copy.deepcopy(network)  # Its state is in the order of the module; that of the other may be not.
    tuned.load_state_dict(state)
    return tuned.eval()


def _with_masks(network: nn.Module, zeros: Mapping[str, torch.Tensor]) -> list[tuple[str, str]]:
    """Keep zeros, as far as that is possible; return names of modules and of their parameters."""
    tied, masked = {*aliases(network), *aliases(network).values()}, []
    for name, mask in zeros.items():
        where, _, key = name.rpartition(".")
        module = network.get_submodule(where)
        if mask.any() and name not in tied and not isinstance(module, nn.RNNBase | parametrize.ParametrizationList):
            parametrize.register_parametrization(module, key, KeepZeros(~mask))
            masked.append((where, key))
    return masked


def _take_off(network: nn.Module, masked: Sequence[tuple[str, str]]) -> None:
    for where, key in masked:
        module = network.get_submodule(where)
        parametrizations = getattr(module, "parametrizations", {})
        if key not in parametrizations or not isinstance(parametrizations[key][-1], KeepZeros):
            raise EvoEnsythError(
                f"fine_tune() took off what keeps the zeros of '{where}': its {key} must stay parametrised."
            )
        parametrize.remove_parametrizations(module, key, leave_parametrized=True)
