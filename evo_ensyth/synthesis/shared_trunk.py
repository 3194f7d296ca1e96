"""Several members as one network that computes their shared layers once: a trunk, and one head for each member.

Members share the layers, from the input on, that are equal bit for bit; see `measure.chains`. Fine-tuning with
``convolutions=False`` keeps the parent's trunk in all members of methods that do not change it, such as Net-Trim, which
prunes dense layers only. Methods that prune, remove or quantise convolutions leave a trunk to share only between
fine-tunings of the same variant.
"""

from collections.abc import Sequence

import torch
from torch import nn

from evo_ensyth.synthesis.measure import chains
from evo_ensyth.synthesis.network import Network


class SharedTrunkEnsemble(nn.Module):
    """Members side by side, in evaluation mode.

    Parameters
    ----------
    members : sequence of Network
        One or more, with the same preparation of images.
    """

    def __init__(self, members: Sequence[Network]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict()
        self._behind: dict[str, str | None] = {}
        self._ends = []
        for member in members:
            before = None
            for name, chain in chains(member).items():
                if chain not in self.parts:
                    self.parts[chain] = member.get_submodule(name)
                    self._behind[chain] = before
                before = chain
            self._ends.append(before)
        self._last_reader = {before: chain for chain, before in self._behind.items()}
        self.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of every member.

        Parameters
        ----------
        images : float32, (n_samples, channels, height, width)
            Prepared.

        Returns
        -------
        float32, (n_members, n_samples, n_classes)
        """
        values: dict[str | None, torch.Tensor] = {None: images}
        for chain, part in self.parts.items():
            before = self._behind[chain]
            values[chain] = part(values[before])
            if self._last_reader[before] == chain:
                del values[before]  # Reuse its memory: allocating takes longer than many a layer.
        return torch.stack([values[end] for end in self._ends])
