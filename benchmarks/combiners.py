"""Compare every combiner with plurality, on unseen samples.

    python benchmarks/combiners.py --pools FILES [--search-samples 500] [--repeats 20] [--size 10]

The samples of each pool are split at random, many times. On the search part, the best ``--size`` members are selected
by their own errors, and every combiner is fitted to them; the remaining samples evaluate it. Pools smaller than twice
``--search-samples`` are halved. Combiners of scores are compared if the file holds scores.

Differences from plurality are paired: same members, same samples. `paired.py` explains their intervals. The last rows
take the pools as units. On every split, plurality through the combiner must make the errors that `Ensembles` counts.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from output import LEFT, Output, Sheet, Value, arguments
from paired import Difference
from unseen import Everything, read

from evo_ensyth import combining
from evo_ensyth.combining import Combiner
from evo_ensyth.engine import Ensembles
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Members, Votes

PLURALITY = "plurality"
COLUMNS = {
    "pool: search + test samples": "",
    "combiner": LEFT,
    "search": ".3f",
    "cross-fitted": ".3f",
    "test": ".3f",
    "test - plurality": "",
}
COMBINERS: dict[str, Combiner] = {
    PLURALITY: combining.load("plurality"),
    "log_odds": combining.load("log_odds"),
    "samme": combining.load("samme"),
    "stacking, labels, brier": combining.load("stacking"),
    "stacking, labels, log": combining.load("stacking", {"loss": "log"}),
    "soft_vote": combining.load("soft_vote"),
    "stacking, scores, brier": combining.load("stacking", {"adds": "scores"}),
    "stacking, scores, log": combining.load("stacking", {"adds": "scores", "loss": "log"}),
}


def one_split(
    everything: Everything, n_search: int, size: int, rng: np.random.Generator
) -> dict[str, tuple[float, ...]]:
    """Error on the search part, cross-fitted error there, and error on the rest, of every combiner, in percent."""
    votes = everything.votes
    order = rng.permutation(votes.n_samples)
    search, test = votes.part(samples=order[:n_search]), votes.part(samples=order[n_search:], split="test")
    subset = np.zeros(votes.n_members, bool)
    subset[np.argsort(search.member_errors, kind="stable")[:size]] = True
    errors = {}
    for name, combiner in COMBINERS.items():
        if combiner.adds == "scores" and not has_scores(votes):
            continue
        fitted = combining.fit(combiner, search, subset)
        counts = (fitted.errors(search), combining.cross_fitted_errors(combiner, search, subset))
        errors[name] = (*(100 * n / n_search for n in counts), 100 * fitted.errors(test) / test.n_samples)
    check(errors[PLURALITY], subset, everything.pool, search, test)
    return errors


def has_scores(votes: Votes) -> bool:
    """Whether a pool has scores as well as labels."""
    try:
        votes.scores  # noqa: B018
    except InputError:
        return False
    return True


def check(of_combiner: tuple[float, ...], subset: np.ndarray, pool: Members, search: Votes, test: Votes) -> None:
    """Stop unless plurality as a combiner is the plurality vote."""
    for found, votes in ((of_combiner[0], search), (of_combiner[2], test)):
        counted = Ensembles(subset[None], pool, votes).errors[0]
        if round(found * votes.n_samples / 100) != counted:
            sys.exit(f"on the {votes.split} part plurality makes {counted} errors, through the combiner {found:g} %")


def main() -> None:
    """Print one table: every pool, then all of them."""
    parser = arguments(__doc__)
    parser.add_argument("--pools", nargs="+", type=Path, required=True, help="stored pools, or files of predictions")
    parser.add_argument("--search-samples", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--size", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows: list[list[Value]] = []
    over_pools = defaultdict(list)
    with Output(__doc__, options) as out:
        for path in options.pools:
            everything = read(path)
            n_samples = everything.votes.n_samples
            n_search = min(options.search_samples, n_samples // 2)
            rng = np.random.default_rng(options.seed)
            splits = [one_split(everything, n_search, options.size, rng) for _ in range(options.repeats)]
            for name in splits[0]:
                errors = np.array([split[name] for split in splits])
                gain = errors[:, 2] - [split[PLURALITY][2] for split in splits]
                over_pools[name].append(gain.mean())
                what = f"{everything.name}: {n_search:,} + {n_samples - n_search:,}"
                difference = None if name == PLURALITY else Difference.of(gain).text
                rows.append([what, name, *errors.mean(axis=0).tolist(), difference])
        del over_pools[PLURALITY]
        for name, gains in over_pools.items():
            difference = Difference.of(np.array(gains)).text
            rows.append([f"{len(gains)} pool(s) as units", name, None, None, None, difference])
        title = f"best {options.size} members, {options.repeats} random splits: error in %, and difference to plurality"
        out.show(Sheet(title, COLUMNS, rows))


if __name__ == "__main__":
    main()
