"""Ablation of the HCE-style method: partners trained alone, together, or to differ.

    python benchmarks/hce_style.py               # on digits, five minutes
    python benchmarks/hce_style.py --seeds 20

For every seed, a parent is trained and pairs of copies are made of it: one pruned and one quantised, two pruned, two
quantised. Each pair is fine-tuned in every way: each partner alone, both together without a diversity term, and with
each of the three terms. Errors are counted on 1,000 images that no network was trained on; the error of a pair is that
of its mean probabilities. Differences from the control are means over the seeds, with 95 % t intervals.
"""

from dataclasses import replace

import numpy as np
import torch
from output import Output, Sheet, arguments
from rich.console import Console
from rich.progress import track
from scipy.stats import t

from evo_ensyth.synthesis import FineTuning, HceStyle, Magnitude, Quantisation, Training, datasets, measure, networks
from evo_ensyth.synthesis.compression import CompressionInputs, Compressor
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.descent import train
from evo_ensyth.synthesis.reproducibility import reproducible

PAIRS: dict[str, tuple[Compressor, ...]] = {
    "pruned and quantised": (Magnitude((0.8,)), Quantisation((2,))),
    "two pruned": (Magnitude((0.8,)), Magnitude((0.8,), scope="layer")),
    "two quantised": (Quantisation((3,)), Quantisation((2,))),
}
CONTROL = "together"
STRENGTHS = (0.1, 0.3, 1.0)
TUNING = FineTuning(name="tuned", epochs=5, batch=32, optimiser="adam", learning_rate=3e-3)
WAYS = [HceStyle(TUNING, diversity=way) for way in ("alone", CONTROL)]
WAYS += [
    HceStyle(TUNING, diversity=way, strengths=STRENGTHS) for way in ("variance", "log_determinant", "hard_samples")
]


COLUMNS = {
    "fine-tuned": "", "error of a partner": ".2f", "disagreement": ".2f", "error of both": ".2f",
    f"minus {CONTROL}": "",
}  # fmt: skip


def main() -> None:
    """Count for every seed and print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    with reproducible(threads=1):
        seeds = [counted(seed) for seed in track(range(1, options.seeds + 1), "seeds", console=Console(stderr=True))]
    with Output(__doc__, options) as out:
        for pair in PAIRS:
            control = np.array([found[pair][CONTROL] for found in seeds])
            rows = []
            for way in seeds[0][pair]:
                found = 100 * np.array([seed[pair][way] for seed in seeds])
                beside = None if way == CONTROL else interval(found[:, -1] - 100 * control[:, -1])
                rows.append([way.replace("_", " "), *found.mean(axis=0).tolist(), beside])
            out.show(Sheet(f"{pair}, {options.seeds} seeds: % of 1,000 images", COLUMNS, rows))


def counted(seed: int) -> dict[str, dict[str, tuple[float, float, float]]]:
    """For every pair and way: mean error of the partners, disagreement, and error of the pair."""
    dataset = datasets.load("digits")
    splits = dataset.splits(500, seed)
    untrained = networks.build("small", len(dataset.classes), seed)
    parent = train(untrained, splits["train"], Training(epochs=40, batch=64, learning_rate=3e-3, keep=0.8), seed=seed)
    calibration = parent.prepare(torch.tensor(splits["train"].images))
    inputs = CompressionInputs(calibration, splits["train"], untrained)
    unseen = [splits["search"], splits["test"]]
    found: dict[str, dict[str, tuple[float, float, float]]] = {}
    for pair, partners in PAIRS.items():
        found[pair] = {}
        for way in WAYS:
            method = replace(way, partners=partners)
            models = [variant.model for variant in method.variants(parent, inputs, seed=seed)]
            strengths = [""] if way.diversity in ("alone", CONTROL) else [f" {strength:g}" for strength in STRENGTHS]
            for place, strength in enumerate(strengths):
                found[pair][f"{way.diversity}{strength}"] = judged(models[2 * place : 2 * place + 2], unseen)
    return found


def judged(models: list[torch.nn.Module], unseen: list[Split]) -> tuple[float, float, float]:
    """Mean error of two models, disagreement, and error of the mean of their probabilities."""
    truth = np.concatenate([split.y_true for split in unseen])
    scores = np.array([np.concatenate([measure.predict(model, split).scores for split in unseen]) for model in models])  # type: ignore[arg-type]
    labels = scores.argmax(axis=2)
    errors = [float((answers != truth).mean()) for answers in (*labels, scores.mean(axis=0).argmax(axis=1))]
    return (errors[0] + errors[1]) / 2, float((labels[0] != labels[1]).mean()), errors[2]


def interval(differences: np.ndarray) -> str:
    """Mean with its 95 % t-interval, in points."""
    mean, n = differences.mean(), len(differences)
    reach = t.ppf(0.975, n - 1) * differences.std(ddof=1) / n**0.5 if n > 1 else np.inf
    return f"{mean:+.2f} ({mean - reach:+.2f} to {mean + reach:+.2f})"


if __name__ == "__main__":
    main()
