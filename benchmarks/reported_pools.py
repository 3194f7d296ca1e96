"""Make pools of many kinds for `generalisation.py`, from data that are drawn or come with scikit-learn.

    python benchmarks/reported_pools.py [--folder runs/reported-pools] [--seed 1]

Raters err independently of each other. All other members are classifiers of scikit-learn, trained on a few samples;
the rest of the samples are predicted, with probabilities. A table tells how good members and votes are. Pools that are
there already are kept.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from output import Output, Sheet, arguments
from sklearn.datasets import load_digits, make_classification
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from unseen import read

from evo_ensyth.engine import Ensembles

FOLDER = Path("runs") / "reported-pools"
COLUMNS = {
    "pool": "", "members": "", "samples": ",", "classes": "", "best member, %": ".2f", "mean member, %": ".2f",
    "whole pool, %": ".2f",
}  # fmt: skip


@dataclass(frozen=True)
class Raters:
    """Raters who err independently: each is right with a probability of its own, and wrong in any way alike."""

    n: int
    n_classes: int
    least: float
    most: float
    n_samples: int = 6_000

    def arrays(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Labels and truth."""
        truth = rng.integers(0, self.n_classes, self.n_samples)
        right = rng.random((self.n, self.n_samples)) < rng.uniform(self.least, self.most, (self.n, 1))
        wrong = (truth + rng.integers(1, self.n_classes, right.shape)) % self.n_classes
        labels = np.where(right, truth, wrong)
        return {"labels": labels.astype(np.uint8), "truth": truth, "names": _names("rater", self.n)}


@dataclass(frozen=True)
class Trained:
    """Classifiers trained on a few samples; each sees a random share of these."""

    data: str
    models: str
    n_train: int
    share: float

    def arrays(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Scores and truth of the samples that nobody was trained on."""
        x, y = DATA[self.data]()
        order = np.random.default_rng(0).permutation(len(y))  # pools of the same data predict the same samples
        train, rest = order[: self.n_train], order[self.n_train :]
        models = list(MODELS[self.models](rng))
        scores = np.empty((len(models), len(rest), len(np.unique(y))), np.float16)
        for i, model in enumerate(models):
            seen = rng.choice(train, round(self.share * len(train)), replace=False)
            scores[i] = make_pipeline(StandardScaler(), model).fit(x[seen], y[seen]).predict_proba(x[rest])
        kinds = [type(model).__name__ for model in models]
        return {"scores": scores, "truth": y[rest], "names": np.array([f"{k}-{i}" for i, k in enumerate(kinds)])}


def unlike(rng: np.random.Generator) -> Iterator[Any]:
    """Models of ten kinds, four or more settings each."""
    for _ in range(4):
        seed = int(rng.integers(1_000_000))
        yield LogisticRegression(C=10 ** rng.uniform(-3, 2), max_iter=500)
        yield LinearDiscriminantAnalysis(solver="lsqr", shrinkage=rng.uniform(0.01, 0.9))
        yield GaussianNB(var_smoothing=10 ** rng.uniform(-4, 0))
        yield KNeighborsClassifier(int(rng.integers(1, 30)))
        yield SVC(C=10 ** rng.uniform(-1, 2), probability=True, random_state=seed)
        yield DecisionTreeClassifier(min_samples_leaf=int(rng.integers(1, 20)), random_state=seed)
        yield RandomForestClassifier(int(rng.integers(5, 60)), random_state=seed)
        yield ExtraTreesClassifier(int(rng.integers(5, 60)), random_state=seed)
        yield GradientBoostingClassifier(n_estimators=20, max_depth=int(rng.integers(1, 4)), random_state=seed)
        yield AdaBoostClassifier(n_estimators=30, random_state=seed)
        yield MLPClassifier((int(rng.integers(4, 60)),), max_iter=int(rng.integers(20, 200)), random_state=seed)


def networks(rng: np.random.Generator) -> Iterator[Any]:
    """Networks of one kind that start from other weights."""
    for _ in range(120):
        yield MLPClassifier((24,), max_iter=60, learning_rate_init=0.01, random_state=int(rng.integers(1_000_000)))


def trees(rng: np.random.Generator) -> Iterator[Any]:
    """Small forests of one kind."""
    for _ in range(100):
        yield RandomForestClassifier(3, max_features=3, random_state=int(rng.integers(1_000_000)))


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images of handwritten digits."""
    return load_digits(return_X_y=True)  # type: ignore[no-any-return]


def clusters() -> tuple[np.ndarray, np.ndarray]:
    """Four classes of several clusters each, with some wrong labels."""
    return make_classification(  # type: ignore[no-any-return]
        6_000, 20, n_informative=8, n_classes=4, n_clusters_per_class=3, flip_y=0.05, class_sep=1.5, random_state=0
    )


def counts() -> tuple[np.ndarray, np.ndarray]:
    """Counts of 60 words in short texts on three topics of unequal frequency."""
    rng = np.random.default_rng(0)
    topic = rng.choice(3, 6_000, p=(0.5, 0.3, 0.2))
    words = rng.dirichlet(np.full(60, 2.0), 3)
    mixed = 0.75 * words[topic] + 0.25 * words[rng.integers(0, 3, len(topic))]
    return np.array([rng.multinomial(25, row) for row in mixed], np.float64), topic


DATA = {"digits": digits, "clusters": clusters, "counts": counts}
MODELS = {"unlike": unlike, "networks": networks, "trees": trees}
POOLS: dict[str, Raters | Trained] = {
    "raters_8": Raters(8, 5, 0.5, 0.8),
    "raters_30": Raters(30, 3, 0.4, 0.7),
    "clusters_unlike": Trained("clusters", "unlike", 600, 0.6),
    "counts_unlike": Trained("counts", "unlike", 400, 0.6),
    "clusters_trees": Trained("clusters", "trees", 600, 1.0),
    "digits_unlike": Trained("digits", "unlike", 200, 0.6),
    "digits_networks": Trained("digits", "networks", 200, 1.0),
}


def main() -> None:
    """Make the pools, and describe them in one table."""
    parser = arguments(__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")  # networks that stop early, as they are asked to
    rows = []
    with Output(__doc__, options) as out:
        for place, (name, pool) in enumerate(POOLS.items()):
            file = options.folder / f"{name}.npz"
            if not file.exists():
                np.savez_compressed(file, **pool.arrays(np.random.default_rng([options.seed, place])))
            votes = (found := read(file)).votes
            alone = votes.member_errors / votes.n_samples * 100
            whole = Ensembles(np.ones((1, votes.n_members), bool), found.pool, votes).errors[0]
            rows.append(
                [name, votes.n_members, votes.n_samples, votes.n_classes, alone.min(), alone.mean(),
                 whole / votes.n_samples * 100]
            )  # fmt: skip
        out.show(Sheet("Pools, with errors on all samples", COLUMNS, rows))


def _names(kind: str, n: int) -> np.ndarray:
    return np.array([f"{kind}-{i}" for i in range(n)])


if __name__ == "__main__":
    main()
