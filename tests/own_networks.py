"""Networks and data as users bring them: nothing here knows of the package but for the declarations at the end."""

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset

from evo_ensyth.synthesis import OwnData, OwnNetwork


class Block(nn.Module):
    """Two convolutions with batch normalisation, and what they are added to."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, maps):
        inner = functional.relu(self.bn1(self.conv1(maps)))
        return functional.relu(maps + self.bn2(self.conv2(inner)))


class Residual(nn.Module):
    """A residual network of images of 8 x 8."""

    def __init__(self, n_classes=10):
        super().__init__()
        self.stem, self.bn = nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8)
        self.blocks = nn.Sequential(Block(8), Block(8))
        self.fc = nn.Linear(8, n_classes)

    def forward(self, images):
        return self.fc(self.blocks(functional.relu(self.bn(self.stem(images)))).mean(dim=(2, 3)))


class Transformer(nn.Module):
    """Rows of an image are words; dropout, attention, two inputs by name, and a mapping as answer."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Linear(8, 16)
        self.positions = nn.Parameter(torch.randn(1, 8, 16) * 0.1)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(16, 10)

    def forward(self, rows, hidden):
        tokens = self.embedding(rows) + self.positions
        tokens = self.encoder(tokens, src_key_padding_mask=hidden)
        return {"logits": self.head(tokens.mean(dim=1)), "tokens": tokens}


class Table(nn.Module):
    """Dense layers with batch normalisation, for a table of 30 columns."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(30, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 16), nn.ReLU()
        )
        self.head = nn.Linear(16, 2)

    def forward(self, columns):
        return self.head(self.layers(columns))


class Rows(Dataset):
    """Samples of the transformer, one at a time."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, place):
        rows = torch.tensor(self.images[place, 0], dtype=torch.float32) / 16
        return {"rows": rows, "hidden": rows.sum(dim=1) == 0, "label": self.labels[place]}


def pixels(images):
    """Stored images as the network takes them."""
    return images.float() / 16


def shifted(images, rng):
    """Images moved by up to a pixel."""
    left = int(torch.randint(-1, 2, (1,), generator=rng))
    return pixels(images).roll(left, dims=3)


def train(module, samples):
    """A user's own loop: one pass, plain gradient descent."""
    inputs, labels = zip(*samples, strict=True)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    inputs, labels = torch.stack(inputs).float(), torch.tensor(labels)
    for batch in torch.randperm(len(labels)).split(32):
        optimiser.zero_grad()
        functional.cross_entropy(module(inputs[batch]), labels[batch]).backward()
        optimiser.step()


def digits():
    """Images and labels, 500 for training, 150 for the search, 200 to test."""
    bunch = load_digits()
    images, labels = bunch.images[:, None].astype(np.uint8), bunch.target
    return tuple((images[part], labels[part]) for part in (slice(500), slice(500, 650), slice(650, 850)))


def image_data():
    """Images as arrays of bytes, prepared and augmented by functions."""
    train, search, test = digits()
    return OwnData(train=train, search=search, test=test, prepare=pixels, augment=shifted, name="digits")


def row_data():
    """The same as a torch data set of mappings."""
    train, search, test = (Rows(*part) for part in digits())
    return OwnData(train=train, search=search, test=test, name="rows")


def table():
    """A table of scikit-learn, standardised: 300 rows for training, 100 for the search, 169 to test."""
    bunch = load_breast_cancer()
    columns = (bunch.data - bunch.data.mean(axis=0)) / bunch.data.std(axis=0)
    order = np.random.default_rng(0).permutation(len(columns))
    columns, labels = columns[order], bunch.target[order]
    return tuple((columns[part], labels[part]) for part in (slice(300), slice(300, 400), slice(400, None)))


def trained_table():
    """The network of the table, trained a little by its user."""
    torch.manual_seed(0)
    module = Table()
    inputs, labels = table()[0]
    for _ in range(10):
        train(module, list(zip(torch.tensor(inputs), labels, strict=True)))
    return module.eval()


residual = OwnNetwork(Residual)
transformer = OwnNetwork(Transformer)
