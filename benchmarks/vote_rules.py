"""Compare every vote rule with plurality, on unseen samples.

    python benchmarks/vote_rules.py --pools FILES [--search-samples 500] [--repeats 20] [--size 10]

The samples of each pool are split at random, many times. On the search part, the best ``--size`` members are selected
by their own errors, and every vote rule is fitted to them; the remaining samples evaluate it. Pools smaller than twice
``--search-samples`` are halved. Rules of scores are compared if the file holds scores.

Differences from plurality are paired: same members, same samples. `paired.py` explains their intervals. The last rows
take the pools as units. On every split, plurality through the rule must make the errors that `Ensembles` counts.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from output import LEFT, Output, Sheet, Value, arguments
from paired import Difference
from unseen import Everything, read

from evo_ensyth import voting
from evo_ensyth.engine import Ensembles
from evo_ensyth.pool import Members, Votes
from evo_ensyth.voting import VoteRule

PLURALITY = "plurality"
COLUMNS = {
    "pool: search + test samples": "",
    "vote": LEFT,
    "search": ".3f",
    "test": ".3f",
    "test - plurality": "",
}
RULES: dict[str, VoteRule] = {
    PLURALITY: voting.load("plurality", {"ties": "lowest"}),
    "plurality, ties": voting.load("plurality"),
    "log_odds": voting.load("log_odds"),
    "samme": voting.load("samme"),
    "stacking, labels, brier": voting.load("stacking"),
    "stacking, labels, log": voting.load("stacking", {"loss": "log"}),
    "half": voting.load("half"),
    "soft": voting.load("soft"),
    "stacking, scores, brier": voting.load("stacking", {"adds": "scores"}),
    "stacking, scores, log": voting.load("stacking", {"adds": "scores", "loss": "log"}),
}


def one_split(
    everything: Everything, n_search: int, size: int, rng: np.random.Generator
) -> dict[str, tuple[float, ...]]:
    """Error on the search part, cross-fitted where the rule is fitted to each ensemble, and on the rest, in percent."""
    votes = everything.votes
    order = rng.permutation(votes.n_samples)
    search, test = votes.part(samples=order[:n_search]), votes.part(samples=order[n_search:], split="test")
    subset = np.zeros(votes.n_members, bool)
    subset[np.argsort(search.member_errors, kind="stable")[:size]] = True
    errors = {}
    for name, rule in RULES.items():
        if rule.adds != "labels" and not votes.has_scores:
            continue
        fitted = voting.fit(rule, search)
        counts = [int(fitted.tally(part).errors(subset[None])[0]) for part in (search, test)]
        errors[name] = (100 * counts[0] / n_search, 100 * counts[1] / test.n_samples)
    check(errors[PLURALITY], subset, everything.pool, search, test)
    return errors


def check(of_rule: tuple[float, ...], subset: np.ndarray, pool: Members, search: Votes, test: Votes) -> None:
    """Stop unless plurality as a vote rule is the plurality vote."""
    for found, votes in ((of_rule[0], search), (of_rule[1], test)):
        counted = Ensembles(subset[None], pool, votes).errors[0]
        if round(found * votes.n_samples / 100) != counted:
            sys.exit(f"on the {votes.split} part plurality makes {counted} errors, through the rule {found:g} %")


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
                gain = errors[:, 1] - [split[PLURALITY][1] for split in splits]
                over_pools[name].append(gain.mean())
                what = f"{everything.name}: {n_search:,} + {n_samples - n_search:,}"
                difference = None if name == PLURALITY else Difference.of(gain).text
                rows.append([what, name, *errors.mean(axis=0).tolist(), difference])
        del over_pools[PLURALITY]
        for name, gains in over_pools.items():
            difference = Difference.of(np.array(gains)).text
            rows.append([f"{len(gains)} pool(s) as units", name, None, None, difference])
        title = f"best {options.size} members, {options.repeats} random splits: error in %, and difference to plurality"
        out.show(Sheet(title, COLUMNS, rows))


if __name__ == "__main__":
    main()
