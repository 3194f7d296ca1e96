"""Several members as one network, which computes what they share once: a trunk, and as many heads as there are members.

Members share what they have in common bit for bit from the input on; see `measure.chains`. Fine-tuning with
``convolutions=False`` leaves the parent's trunk to all members of methods that do not touch it themselves, such as
Net-Trim, which prunes dense layers only. What prunes, drops or quantises convolutions leaves nothing to share but
between fine-tunings of one and the same variant.
"""

from collections.abc import Sequence

import torch
from torch import nn

from evo_ensyth.synthesis.measure import chains
from evo_ensyth.synthesis.networks import Network


class Together(nn.Module):
    """Members side by side, in evaluation mode.

    Parameters
    ----------
    members : sequence of Network
        One or more, whose images are prepared in the same way.
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
                del values[before]  # Its memory is needed again: fresh memory takes longer than many a layer.
        return torch.stack([values[end] for end in self._ends])
