"""Compression methods, one file each: a parent network in, compressed variants of it out.

A method is a frozen dataclass whose fields are its settings, with ``names`` and ``variants``. It never changes the
parent. A method with a grid yields one variant per grid point, in order. The file opens with its source. It may have
``work`` too, from which `pool --dry-run` estimates what it takes; without, that is told to be unknown. For example::

    import copy
    from dataclasses import dataclass

    from evo_ensyth.synthesis.compression import Variant, silent

    @dataclass(frozen=True)
    class Rounding:
        \"\"\"Every weight rounded to a number of decimals.\"\"\"

        decimals: int = 2

        def names(self):
            return (f"rounding-{self.decimals}",)

        def variants(self, parent, material, *, seed, scratch=None, progress=silent):
            progress("rounding")
            model = copy.deepcopy(parent)
            for weight in model.parameters():
                weight.data = weight.data.round(decimals=self.decimals)
            (name,) = self.names()
            yield Variant(name, {"method": "rounding", "decimals": self.decimals}, model, {})
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.networks import Network
from evo_ensyth.synthesis.training import Training

Told = Callable[[str], None]

# Marks a field of a recipe or a method that earlier versions did not have: left out of their JSON where it has its
# default, so that pools which were begun without it are known again.
LATER = {"later": True}


def silent(text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Material:
    """What a method may look at besides the parent: nothing of the splits that members are chosen or judged by.

    Attributes
    ----------
    calibration : float32, (n_samples, channels, height, width)
        Training images, prepared as the network expects them.
    train : Split
        What the parent was trained on.
    untrained : Network
        The parent before its training.
    """

    calibration: torch.Tensor
    train: Split
    untrained: Network


@dataclass(frozen=True)
class Variant:
    """One compressed copy of a parent.

    Attributes
    ----------
    name : str
        Unique in its method's grid; letters, digits, '.', '_' and '-'.
    origin : mapping
        ``method`` and the settings that made it; plain JSON values.
    model : Module
        The parent's layers, perhaps of a form of `synthesis.forms`. What was pruned is exactly zero, and stays so
        under fine-tuning.
    report : mapping
        What the method tells about its own work, such as residuals; plain JSON values.
    """

    name: str
    origin: Mapping[str, Any]
    model: nn.Module
    report: Mapping[str, Any]


@dataclass(frozen=True)
class Descents:
    """Trainings that a method does, one like the other.

    Attributes
    ----------
    settings : Training
    times : int
    fewest_epochs : int, optional
        Where training may stop early; as many as the settings say by default.
    networks : int
        How many are trained together.
    """

    settings: Training
    times: int
    fewest_epochs: int | None = None
    networks: int = 1


@dataclass(frozen=True)
class Work:
    """What a method will do for all its variants, as far as its settings and the shape of the parent tell.

    Attributes
    ----------
    descents : tuple of Descents
        Each leaves a network in the scratch folder.
    multiplications : (float, float)
        What it multiplies besides, at least and at most.
    scratch_bytes : int
        What it leaves in the scratch folder besides.
    """

    descents: tuple[Descents, ...] = ()
    multiplications: tuple[float, float] = (0.0, 0.0)
    scratch_bytes: int = 0


def work_of(compressor: "Compressor", parent: Network, n_calibration: int) -> Work | None:
    """What a method tells of its work on a parent of this shape, trained or not; None if it cannot tell."""
    tell: Callable[[Network, int], Work | None] | None = getattr(compressor, "work", None)
    return None if tell is None else tell(parent, n_calibration)


class Compressor(Protocol):
    """A compression method with its settings."""

    def names(self) -> tuple[str, ...]:
        """Names of the variants, in order, as the settings alone decide them."""
        ...

    def variants(
        self,
        parent: Network,
        material: Material,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Told = silent,
    ) -> Iterator[Variant]:
        """Yield the compressed copies of a parent.

        Parameters
        ----------
        parent : Network
            In evaluation mode; left as it is.
        material : Material
        seed : int
            For methods that draw at random.
        scratch : Path, optional
            An existing folder of the method's own. A long method keeps here what it has finished, and what it needs
            to go on, so that an interrupted build resumes with the same result.
        progress : callable, optional
            Told in a few words what the method is at; a long one calls it every few seconds.
        """
        ...
