"""A network of your own: compress a trained module of PyTorch, search the copies, and predict with a few of them.

The module has a residual connection and batch normalisation; the package knows nothing of it. Its pool is made in a
folder, from which the members are loaded again, here or in another program.
"""

import tempfile

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import evo_ensyth as ee


class Residual(nn.Module):
    """Two convolutions around which the stem is added."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 12, 3, stride=2, padding=1), nn.BatchNorm2d(12), nn.ReLU())
        self.inner = nn.Sequential(nn.Conv2d(12, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU())
        self.outer = nn.Sequential(nn.Conv2d(12, 12, 3, padding=1), nn.BatchNorm2d(12))
        self.head = nn.Linear(12 * 16, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of images of 8 x 8."""
        maps = self.stem(images)
        maps = torch.relu(maps + self.outer(self.inner(maps)))
        logits: torch.Tensor = self.head(maps.flatten(1))
        return logits


X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32).reshape(-1, 1, 8, 8)
train, search, new = (X[:900], y[:900]), (X[900:1300], y[900:1300]), (X[1300:], y[1300:])

# Training is yours; any loop will do.
torch.manual_seed(0)
model = Residual()
optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
for _ in range(10):
    for batch in torch.randperm(900).chunk(18):
        optimiser.zero_grad()
        logits = model(torch.tensor(train[0])[batch])
        nn.functional.cross_entropy(logits, torch.tensor(train[1])[batch]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

with tempfile.TemporaryDirectory() as folder:
    # By default about 40 members by five methods; here fewer, to be quick. The network has not seen the search split.
    methods = ["quantisation", "magnitude"]
    pool = ee.compress(model, train=train, search=search, test=new, out=folder, methods=methods, epochs=2)
    assert isinstance(pool, ee.Pool)
    run = ee.search(pool, ["error", "bytes"], selector="forward_greedy")
    best = run.recommended
    print(run)

    members = ee.stored_members(folder, best.members, network=Residual)
    labels = best.with_members(members).predict(new[0])
    print(f"{np.mean(labels != new[1]):.1%} of {len(labels)} new images are misread by {', '.join(best.members)}")
