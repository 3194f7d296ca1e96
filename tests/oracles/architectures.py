"""Small networks of many kinds, as users write them, each with inputs for three samples; they have four classes."""

import torch
from torch import nn
from torch.nn import functional

from evo_ensyth.synthesis.trees import taken
from evo_ensyth.synthesis.wrapped_module import OwnPreparation, WrappedModule

N_CLASSES = 4


class Residual(nn.Module):
    """Two convolutions around which the input goes, with batch normalisation; ReLUs work in place."""

    def __init__(self, width, stride=1, wider=None):
        super().__init__()
        out = wider or width
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential(nn.Conv2d(width, out, 1, stride), nn.BatchNorm2d(out)) if wider else nn.Identity()

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += self.shortcut(x)
        return self.relu(y)


class SqueezeExcite(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.down, self.up = nn.Linear(width, 3), nn.Linear(3, width)

    def forward(self, x):
        scale = self.up(functional.relu(self.down(x.mean((2, 3))))).sigmoid()
        return x * scale[:, :, None, None]


class Dense(nn.Module):
    """Every convolution sees the outputs of all before it."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 6, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(6 + 4 * n), nn.ReLU(), nn.Conv2d(6 + 4 * n, 4, 3, padding=1)) for n in range(2)
        )
        self.head = nn.Linear(14, N_CLASSES)

    def forward(self, x):
        maps = [self.first(x)]
        for block in self.blocks:
            maps.append(block(torch.cat(maps, 1)))
        return self.head(torch.cat(maps, 1).mean((2, 3)))


class Shuffle(nn.Module):
    """Channels of two branches are interleaved, which takes an even number of them."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(2, 4, 3), nn.Conv2d(2, 4, 3)
        self.mixed = nn.Conv2d(8, 6, 1)
        self.head = nn.Linear(6, N_CLASSES)

    def forward(self, x):
        x = torch.cat([self.left(x), self.right(x)], 1).relu()
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.head(self.mixed(x).relu().amax((2, 3)))


class Series(nn.Module):
    """Convolutions in one dimension."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(3, 8, 5, padding="same"), nn.BatchNorm1d(8), nn.GELU(), nn.Conv1d(8, 6, 3, stride=2), nn.ELU()
        )
        self.head = nn.Linear(6, N_CLASSES)

    def forward(self, x):
        return self.head(self.body(x).mean(2))


class Transformer(nn.Module):
    """Tokens by number, encoder layers, mean of the tokens."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.1)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, N_CLASSES)

    def forward(self, ids):
        return {"logits": self.head(self.encoder(self.embedding(ids)).mean(1))}


class VisionTransformer(nn.Module):
    """Patches and a class token, normalised before; attention of its own."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.place = nn.Parameter(torch.randn(1, 5, 8))
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(8), nn.LayerNorm(8), nn.LayerNorm(8)
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)
        self.mlp = nn.Sequential(nn.Linear(8, 20), nn.GELU(), nn.Linear(20, 8))
        self.head = nn.Linear(8, N_CLASSES)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1) + self.place
        q, k, v = self.qkv(self.norm1(x)).view(len(x), 5, 3, 2, 4).permute(2, 0, 3, 1, 4)
        x = x + self.out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        x = x + self.mlp(self.norm2(x))
        return self.head(self.norm3(x)[:, 0])


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 6, batch_first=True), nn.Linear(6, N_CLASSES)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class Tied(nn.Module):
    """Two layers with the same weights, and one that is called twice."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.b.weight = self.a.weight
        self.d, self.head = nn.Linear(6, 5), nn.Linear(5, N_CLASSES)

    def forward(self, x):
        x = self.b(self.a(x).relu()).relu()
        return self.head(self.d(self.c(self.c(x).relu()).relu()).relu())


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(3, 6), nn.Linear(5, 6)
        self.joined, self.head = nn.Linear(6, 7), nn.Linear(7, N_CLASSES)

    def forward(self, table, other):
        return self.head(self.joined((self.left(table) + self.right(other)).tanh()).relu())


class ConvNeXt(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 8, 2, 2)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm, self.wide, self.narrow = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(24, 8)
        self.scale = nn.Parameter(torch.full((8,), 0.5))
        self.head = nn.Linear(8, N_CLASSES)

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.narrow(functional.gelu(self.wide(y)))
        return self.head((x + y.permute(0, 3, 1, 2)).mean((2, 3)))


class Recomputed(nn.Module):
    """Reads its own width, so that it fails with another."""

    def __init__(self):
        super().__init__()
        self.a, self.head, self.width = nn.Linear(6, 8), nn.Linear(8, N_CLASSES), 8

    def forward(self, x):
        return self.head(self.a(x).relu().reshape(-1, self.width))


class Counting(nn.Module):
    """Units are compared with a limit on the way, where NaN is lost."""

    def __init__(self):
        super().__init__()
        self.a, self.head = nn.Linear(6, 6), nn.Linear(6, N_CLASSES)

    def forward(self, x):
        x = self.a(x).relu()
        return self.head(x) * (x > 0.1).float().mean(1, keepdim=True)


class Outer(nn.Module):
    """Images are added behind the first convolution, of one channel to all."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(1, 5, 3, padding=1), nn.Conv2d(5, 6, 3), nn.Linear(6, N_CLASSES)

    def forward(self, x):
        return self.head(self.b((self.a(x) + x).relu()).relu().mean((2, 3)))


def _sequence(*layers):
    return nn.Sequential(*layers)


def _images(channels):
    return torch.randn(3, channels, 8, 8)


def _chain():
    return _sequence(
        nn.Conv2d(2, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 5, 3), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, N_CLASSES),
    )  # fmt: skip


def _residual():
    return _sequence(
        nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(True), Residual(6), Residual(6, 2, wider=8),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, N_CLASSES),
    )  # fmt: skip


def _inverted_residual():
    return _sequence(
        nn.Conv2d(2, 10, 1), nn.BatchNorm2d(10), nn.ReLU6(), nn.Conv2d(10, 10, 3, groups=10), nn.BatchNorm2d(10),
        nn.PReLU(10), nn.Conv2d(10, 6, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, N_CLASSES),
    )  # fmt: skip


def _grouped():
    return _sequence(
        nn.Conv2d(2, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=2), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(6 * 4, N_CLASSES),
    )  # fmt: skip


def _squeeze_excite():
    return _sequence(
        nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), SqueezeExcite(6), nn.Conv2d(6, 5, 3), nn.ReLU(),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(5, N_CLASSES),
    )  # fmt: skip


def _group_norm():
    return _sequence(
        nn.Conv2d(2, 6, 3), nn.GroupNorm(2, 6), nn.ReLU(), nn.Conv2d(6, 5, 3), nn.InstanceNorm2d(5, affine=True),
        nn.ReLU(), nn.Conv2d(5, 4, 3), nn.LocalResponseNorm(3), nn.Flatten(), nn.Linear(16, N_CLASSES),
    )  # fmt: skip


def _volume():
    return _sequence(
        nn.Conv3d(1, 5, 3), nn.BatchNorm3d(5), nn.LeakyReLU(), nn.Flatten(), nn.Linear(5 * 8, 6), nn.SiLU(),
        nn.Linear(6, N_CLASSES),
    )  # fmt: skip


def _table():
    return _sequence(
        nn.Linear(7, 16), nn.BatchNorm1d(16), nn.GELU(), nn.Linear(16, 8), nn.LayerNorm(8), nn.Linear(8, 6), nn.ReLU(),
        nn.Linear(6, N_CLASSES),
    )  # fmt: skip


# For each: how it is built, what it is given, and the layers whose units can be removed.
ARCHITECTURES = {
    "chain": (_chain, lambda: _images(2), {"0", "3", "7"}),
    "residual": (_residual, lambda: _images(2), {"0", "3.conv1", "3.conv2", "4.conv1", "4.conv2", "4.shortcut.0"}),
    "inverted residual": (_inverted_residual, lambda: _images(2), {"0", "6"}),
    "grouped": (_grouped, lambda: _images(2), {"4"}),
    "dense": (Dense, lambda: _images(2), {"first", "blocks.0.2", "blocks.1.2"}),
    "shuffle": (Shuffle, lambda: _images(2), {"left", "right", "mixed"}),
    "squeeze-excite": (_squeeze_excite, lambda: _images(2), {"0", "3.down", "3.up", "4"}),
    "normalised in groups": (_group_norm, lambda: _images(2), {"3"}),
    "series": (Series, lambda: torch.randn(3, 3, 20), {"body.0", "body.3"}),
    "volume": (_volume, lambda: torch.randn(3, 1, 4, 4, 4), {"0", "4"}),
    "table": (_table, lambda: torch.randn(3, 7), {"0", "5"}),
    "transformer": (Transformer, lambda: torch.randint(9, (3, 6)), {f"encoder.layers.{n}.linear1" for n in range(2)}),
    "vision transformer": (VisionTransformer, lambda: torch.randn(3, 1, 8, 8), {"mlp.0"}),
    "recurrent": (Recurrent, lambda: torch.randn(3, 5, 3), set()),
    "tied": (Tied, lambda: torch.randn(3, 6), {"d"}),
    "two inputs": (TwoInputs, lambda: (torch.randn(3, 3), torch.randn(3, 5)), {"left", "right", "joined"}),
    "inputs by name": (
        TwoInputs, lambda: {"other": torch.randn(3, 5), "table": torch.randn(3, 3)}, {"left", "right", "joined"}
    ),
    "convnext": (ConvNeXt, lambda: _images(2), {"wide"}),
    "fixed width": (Recomputed, lambda: torch.randn(3, 6), {"a"}),
    "counting": (Counting, lambda: torch.randn(3, 6), {"a"}),
    "added images": (Outer, lambda: torch.randn(3, 1, 8, 8), {"a", "b"}),
}  # fmt: skip


def architecture(name, seed=1):
    """A network with drawn weights and statistics, in evaluation mode, and its inputs."""
    build, draw, _ = ARCHITECTURES[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module, inputs = build(), draw()
        for part in module.modules():
            for tensor in part.state_dict(keep_vars=True).values() if _is_norm(part) else ():
                if tensor.is_floating_point():
                    tensor.data = torch.rand(tensor.shape) + 0.5
    return as_network(module, taken(inputs, slice(0, 1))), inputs


def as_network(module, example):
    """A module as a network, given inputs of one sample."""
    return WrappedModule(module.eval(), OwnPreparation(example))


def _is_norm(module):
    return isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.InstanceNorm2d)
