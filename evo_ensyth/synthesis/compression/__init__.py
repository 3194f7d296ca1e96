"""Compression methods, one file each: a parent network in, compressed variants of it out.

A method is a frozen dataclass whose fields are its settings and which has ``variants``. It never changes the parent.
A method with a grid yields one variant per grid point, in order. The file opens with its source. For example::

    @dataclass(frozen=True)
    class Rounding:
        \"\"\"Every weight rounded to a number of decimals.\"\"\"

        decimals: int = 2

        def variants(self, parent, calibration, *, seed, scratch=None, progress=silent):
            progress("rounding")
            model = copy.deepcopy(parent)
            for weight in model.parameters():
                weight.data = weight.data.round(decimals=self.decimals)
            yield Variant(f"rounding-{self.decimals}", {"method": "rounding", "decimals": self.decimals}, model, {})
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

Told = Callable[[str], None]


def silent(text: str) -> None:
    """Tell nobody."""


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
        Same architecture as the parent. What was pruned is exactly zero, and stays so under fine-tuning.
    report : mapping
        What the method tells about its own work, such as residuals; plain JSON values.
    """

    name: str
    origin: Mapping[str, Any]
    model: nn.Module
    report: Mapping[str, Any]


class Compressor(Protocol):
    """A compression method with its settings."""

    def variants(
        self,
        parent: nn.Module,
        calibration: torch.Tensor,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Told = silent,
    ) -> Iterator[Variant]:
        """Yield the compressed copies of a parent.

        Parameters
        ----------
        parent : Module
            In evaluation mode; left as it is.
        calibration : float32, (n_samples, channels, height, width)
            Training images, prepared as the network expects them.
        seed : int
            For methods that draw at random.
        scratch : Path, optional
            An existing folder of the method's own. A long method keeps here what it has finished, and what it needs
            to go on, so that an interrupted build resumes with the same result.
        progress : callable, optional
            Told in a few words what the method is at; a long one calls it every few seconds.
        """
        ...
