"""Time what a step of training consists of, and heads behind a frozen trunk, alone and in stacks.

::

    python benchmarks/training_steps.py profile               a step of LeNet and of the CIFAR network, part by part
    python benchmarks/training_steps.py trunk                 fine-tuning LeNet behind frozen convolutions
    python benchmarks/training_steps.py heads                 dense layers of LeNet, the CIFAR network and `small`
    python benchmarks/training_steps.py heads --device cuda

On the CPU, all is processor time, of all threads together, since other programs may run. What is compared takes turns,
and the quickest turn counts. Images are drawn, since what they show costs no time.
"""

import math
from argparse import Namespace
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from devices import SHAPES, clock, drawn, epoch_seconds
from output import Output, Sheet, Value, arguments
from torch import nn

from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.descent import fine_tune
from evo_ensyth.synthesis.devices import CPU, describe_device, find_devices
from evo_ensyth.synthesis.frozen_trunk import TrunkFeatures
from evo_ensyth.synthesis.head_stack import fine_tune_together
from evo_ensyth.synthesis.network import Network, Scaled, SequentialNetwork
from evo_ensyth.synthesis.reproducibility import reproducible
from evo_ensyth.synthesis.training import FineTuning

BATCH = 100
ENSYTH_IMAGES = 55_000  # that every member sees once, of Fashion-MNIST
CALLS = 3  # of a part of a step in each round
STACKS = (4, 12, 36)


def main() -> None:
    """Print the device, then the tables asked for."""
    parts: dict[str, Callable[..., None]] = {"profile": profile, "trunk": time_trunk, "heads": time_heads}
    parser = arguments(__doc__)
    parser.add_argument("part", choices=parts)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=1_000, help="in an epoch")
    parser.add_argument("--rounds", type=int, default=3, help="turns of what is compared")
    options = parser.parse_args()
    device = find_devices(options.device)[0]
    with Output(__doc__, options) as out, reproducible(options.threads, device):
        out.note(", ".join(f"{name} {value}" for name, value in describe_device(device).items()))
        parts[options.part](out, device, options)


def profile(out: Output, device: torch.device, options: Namespace) -> None:
    """A step layer by layer; then whole steps, also with torch's own layers where the network has others."""
    rows: list[list[Value]] = []
    for name, shape in SHAPES.items():
        forward, backward = step_parts(networks.build(name, 10, seed=0), drawn(BATCH, shape), device, options.rounds)
        both = forward + backward
        for part, seconds in both.most_common():
            rows.append([name, part, 1e3 * forward[part], 1e3 * backward[part], seconds / both.total()])
    columns = {"network": "<", "part": "<", "ms forward": ".2f", "ms backward": ".2f", "share": ".0%"}
    out.show(Sheet(f"a step of Adam with dropout, {BATCH} images", columns, rows))

    ways = {f"{name}, {way}": (name, way) for name in SHAPES for way in ("as it is", "torch's layers")}
    best = dict.fromkeys(ways, np.inf)
    for _ in range(options.rounds):
        for key, (name, way) in ways.items():
            network = networks.build(name, 10, seed=0)
            data = drawn(options.images, SHAPES[name])
            spent = epoch_seconds(network if way == "as it is" else with_torchs_layers(network), data, device)
            best[key] = min(best[key], spent * BATCH / len(data))
    rows = []
    for name in SHAPES:
        ours, torchs = best[f"{name}, as it is"], best[f"{name}, torch's layers"]
        rows.append([name, 1e3 * torchs, 1e3 * ours, ours / torchs])
    columns = {"network": "<", "ms with torch's layers": ".1f", "ms as it is": ".1f", "ratio": ".2f"}
    out.show(
        Sheet("whole steps; only the CIFAR network has layers of its own, which normalise and pool", columns, rows)
    )


def step_parts(network: Network, data: Split, device: torch.device, rounds: int) -> tuple[Counter[str], Counter[str]]:
    """Seconds forward and backward, by kind of layer, and for what else a step of one batch does."""
    forward, backward = Counter[str](), Counter[str]()
    network = network.to(device).train()
    rng, labels = torch.Generator(device), torch.tensor(data.y_true, dtype=torch.long, device=device)
    values = network.augment(data.stored().to(device), rng)
    forward["preparing images"], _ = quickest(partial(network.augment, data.stored().to(device), rng), device, rounds)
    loss = partial(nn.functional.cross_entropy, target=labels)
    for place, layer in enumerate([*network.children(), loss]):
        if isinstance(layer, nn.Dropout):
            layer.p = 0.5
        values.requires_grad_(place > 0)
        kind = "loss" if layer is loss else type(layer).__name__
        there, back = quickest(partial(layer, values), device, rounds, [values, *getattr(layer, "parameters", list)()])
        forward[kind] += there
        backward[kind] += back
        values = layer(values).detach()
    optimiser = torch.optim.Adam(network.parameters(), fused=device != CPU)
    forward["optimiser"], _ = quickest(optimiser.step, device, rounds)
    return forward, backward


def quickest(
    do: Callable[[], torch.Tensor | None],
    device: torch.device,
    rounds: int,
    sloped: Sequence[torch.Tensor] = (),
) -> tuple[float, float]:
    """Seconds of a call, and of the way back to the tensors that have a slope, each at its quickest."""
    there, back = [], []
    for _ in range(CALLS * rounds):
        for tensor in sloped:
            tensor.grad = None  # as in training, where slopes are not added up
        begin = clock(device)
        found = do()
        there.append(clock(device) - begin)
        if sloped and found is not None and found.requires_grad:
            slopes = torch.ones_like(found)
            begin = clock(device)
            found.backward(slopes)
            back.append(clock(device) - begin)
    return min(there), min(back, default=0.0)


def with_torchs_layers(network: Network) -> Network:
    """The same function with torch's own normalisation and pooling."""
    for name, layer in list(network.named_children()):
        for kind in (nn.LocalResponseNorm, nn.MaxPool2d):
            if isinstance(layer, kind):
                plain = kind.__new__(kind)
                plain.__dict__ = layer.__dict__
                network.set_submodule(name, plain)
    return network


def time_heads(out: Output, device: torch.device, options: Namespace) -> None:
    """An epoch of fine-tuning heads whose features are there already, alone and in stacks."""
    rows: list[list[Value]] = []
    for name in ("lenet", "cifar", "small"):
        network = heads_of(name)
        data, features = drawn(options.images, network.preparation.shape), TrunkFeatures()
        best = dict.fromkeys((1, *STACKS), np.inf)
        for turn in range(1 + options.rounds):
            for width in best:
                settings = FineTuning(name="x", epochs=1, batch=BATCH, keep=0.5, convolutions=False, stack=width)
                heads = [network] * max(width, min(STACKS))
                begin = clock(device)
                fine_tune_together(heads, data, settings, seeds=range(len(heads)), device=device, features=features)
                if turn:  # The first one computes the features.
                    best[width] = min(best[width], (clock(device) - begin) / len(heads))
        rows += [[name, width, 1e3 * seconds, seconds / best[1]] for width, seconds in best.items()]
        out.note(f"{name}: {', '.join(f'{width}: {1e3 * seconds:.1f} ms' for width, seconds in best.items())}")
    columns = {"dense layers of": "<", "heads in a stack": ",", "ms for each head": ",.1f", "of one alone": ".2f"}
    title = f"an epoch of {options.images:,} images, {BATCH} at a time: gradient descent with dropout and zeros"
    out.show(Sheet(title, columns, rows))


def time_trunk(out: Output, device: torch.device, options: Namespace) -> None:
    """An epoch of fine-tuning LeNet's dense layers: with its convolutions in every step, and with their features."""
    network, data = networks.build("lenet", 10, seed=0), drawn(options.images, SHAPES["lenet"])
    drop_half(network)
    settings = FineTuning(name="x", epochs=1, batch=BATCH, keep=0.5, convolutions=False)
    best = dict.fromkeys(("convolutions in every step", "features computed, then given", "features given"), np.inf)
    for _ in range(options.rounds):
        features = TrunkFeatures()
        for way, given in zip(best, (None, features, features), strict=True):
            begin = clock(device)
            fine_tune(network, data, settings, seed=0, device=device, features=given)
            best[way] = min(best[way], clock(device) - begin)
    before, first, then = (seconds * ENSYTH_IMAGES / len(data) for seconds in best.values())
    rows: list[list[Value]] = [
        [way, 1e3 * seconds, members]
        for (way, seconds), members in zip(
            best.items(), (36 * before / 60, None, (first + 35 * then) / 60), strict=True
        )
    ]
    columns = {"LeNet": "<", "ms": ",.0f", f"36 members, {ENSYTH_IMAGES:,} images: minutes": ",.1f"}
    out.show(Sheet(f"an epoch of {options.images:,} images, and what follows for EnSyth's 36 members", columns, rows))


def heads_of(name: str) -> SequentialNetwork:
    """The dense layers of a network, half of their weights zero, behind a convolution that only hands on an image."""
    named = networks.build(name, 10, seed=0).named_children()
    dense = [(part, layer) for part, layer in named if part.startswith("fc")]
    side = math.isqrt(next(layer.in_features for _, layer in dense if isinstance(layer, nn.Linear)))
    trunk = [("conv1", nn.Conv2d(1, 1, 1)), ("flatten", nn.Flatten())]
    network = SequentialNetwork(OrderedDict([*trunk, *dense]), Scaled((1, side, side)))
    drop_half(network)
    return network


def drop_half(network: Network) -> None:
    """Set half of the weights of dense layers to zero, drawn at random."""
    rng = torch.Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.data[torch.rand(layer.weight.shape, generator=rng) < 0.5] = 0


if __name__ == "__main__":
    main()
