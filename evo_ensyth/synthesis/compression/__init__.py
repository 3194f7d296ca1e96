'''Compression methods, one file each: a parent network in, compressed variants of it out.

A file of this folder opens with its source and has one class: a frozen dataclass whose fields are the settings, checked
in ``__post_init__``, with the methods of `Compressor`. The file's name is the method's name. Every setting has a
default, save trainings and other methods, which only the recipe can know. A method never changes the parent. It may
have a method ``work`` too, from which ``pool build --dry-run`` estimates the time it takes, and ``left``, which names
the layers of a parent that it leaves alone, with the reasons. Torch is imported where it
is used, so that a recipe can be read where torch is not installed. For example::

    """Rounding: every weight rounded to a number of decimals."""

    import copy
    from dataclasses import dataclass

    from evo_ensyth.synthesis.compression import Variant, silent

    @dataclass(frozen=True)
    class Rounding:
        """One variant."""

        decimals: int = 2

        def names(self):
            return (f"rounding-{self.decimals}",)

        def variants(self, parent, inputs, *, seed, scratch=None, progress=silent):
            (name,) = self.names()
            progress(name)
            model = copy.deepcopy(parent)
            for weight in model.parameters():
                weight.data = weight.data.round(decimals=self.decimals)
            yield Variant(name, {"method": "rounding", "decimals": self.decimals}, model, {})
'''

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from evo_ensyth import plugins
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.progress import Report, silent
from evo_ensyth.synthesis.training import Training

if TYPE_CHECKING:
    import torch
    from torch import nn

    from evo_ensyth.synthesis.network import Network
    from evo_ensyth.synthesis.trees import Tree

__all__ = ["CompressionInputs", "Compressor", "Descents", "Report", "Variant", "Work", "find", "names", "silent"]


class Compressor(Protocol):
    """A compression method with its settings."""

    def names(self) -> tuple[str, ...]:
        """Names of the variants, in order, as determined by the settings alone."""
        ...

    def variants(
        self,
        parent: Network,
        inputs: CompressionInputs,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Report = silent,
    ) -> Iterator[Variant]:
        """Yield the compressed copies of a parent.

        Parameters
        ----------
        parent : Network
            In evaluation mode; not changed.
        inputs : CompressionInputs
        seed : int
            For methods that draw at random.
        scratch : Path, optional
            An existing folder that belongs to the method. A long method stores here what it has finished and what it
            needs to continue, so that an interrupted build resumes with the same result.
        progress : Report, optional
            Called with a few words on what the method is doing; by a long method, every few seconds.
        """
        ...


def _cpu() -> torch.device:
    import torch

    return torch.device("cpu")


@dataclass(frozen=True)
class CompressionInputs:
    """What a method may use besides the parent; nothing of the splits on which members are selected or tested.

    Attributes
    ----------
    calibration : tree of tensors
        Training samples, prepared as the network expects them; for images float32, (n_samples, channels, height,
        width).
    train : Split
        The parent's training data.
    untrained : Network
        The parent before its training.
    device : torch.device
        Where to train and to predict. Networks and images that a method receives, and those it returns, are in the
        processor's memory.
    """

    calibration: Tree
    train: Split
    untrained: Network
    device: torch.device = field(default_factory=_cpu)


@dataclass(frozen=True)
class Variant:
    """One compressed copy of a parent.

    Attributes
    ----------
    name : str
        Unique among the variants of its method; letters, digits, '.', '_' and '-'.
    origin : mapping
        ``method`` and the settings that produced it; plain JSON values.
    model : Module
        The parent's layers, perhaps with fewer units or quantised, see `layer_surgery`. Pruned weights are exactly
        zero, and stay so under fine-tuning.
    report : mapping
        What the method reports of its own work, such as residuals; plain JSON values.
    """

    name: str
    origin: Mapping[str, Any]
    model: nn.Module
    report: Mapping[str, Any]


@dataclass(frozen=True)
class Descents:
    """Trainings of equal settings that a method runs.

    Attributes
    ----------
    settings : Training
    times : int
    fewest_epochs : int, optional
        At which training may stop early; ``settings.epochs`` by default.
    networks : int
        How many are trained together.
    """

    settings: Training
    times: int
    fewest_epochs: int | None = None
    networks: int = 1


@dataclass(frozen=True)
class Work:
    """What a method will do for all its variants, as far as its settings and the parent's shape determine it.

    Attributes
    ----------
    descents : tuple of Descents
        Each leaves a network in the scratch folder.
    multiplications : (float, float)
        Besides training, at least and at most.
    scratch_bytes : int
        Written to the scratch folder besides these networks.
    """

    descents: tuple[Descents, ...] = ()
    multiplications: tuple[float, float] = (0.0, 0.0)
    scratch_bytes: int = 0


def names() -> tuple[str, ...]:
    """Names of the methods that come with the package, sorted."""
    return plugins.names(__name__)


def find(method: Compressor | str) -> Compressor:
    """Return a method: an instance as it is, a name with default settings.

    Parameters
    ----------
    method : Compressor or str
        An instance, one of `names`, or the dotted name of a module with one class that has ``variants``, or of a class.

    Raises
    ------
    InputError
        There is no such method, or it has settings without a default.
    """
    found: Compressor = plugins.make(__name__, method, "compressor", "variants")
    return found


def left_by(compressor: Compressor, parent: Network) -> Mapping[str, str]:
    """Layers of a parent, trained or not, that a method leaves alone, each with the reason, as far as it says so.

    Raises
    ------
    InputError
        The method can do nothing with the parent.
    """
    left: Callable[[Network], Mapping[str, str]] | None = getattr(compressor, "left", None)
    return {} if left is None else left(parent)


def work_of(compressor: Compressor, parent: Network, n_calibration: int) -> Work | None:
    """Work of a method on a parent of this shape, trained or not; None for a method that does not estimate it."""
    work: Callable[[Network, int], Work | None] | None = getattr(compressor, "work", None)
    return None if work is None else work(parent, n_calibration)
