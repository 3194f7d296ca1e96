"""What there is to see of a pool: members by method, how differently they answer, and what each method has to offer.

All of it comes from the search split; errors on the test split stand beside those on the search split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from evo_ensyth.engine import views
from evo_ensyth.errors import InputError
from evo_ensyth.io import StoredPool
from evo_ensyth.io.weight_masks import read_weight_masks
from evo_ensyth.pool import SharedPart
from evo_ensyth.pool.remarks import remarks
from evo_ensyth.report.weight_mask_facts import WeightMaskFacts

# Two members are as accurate as one another if their errors on the search split differ by no more than this.
EQUAL_ERRORS = 0.01
PRUNED, QUANTISED, BOTH = "pruned", "quantised", "pruned and quantised"
OTHER = "from another parent"  # of whatever kind: such members differ, for they were never one network
PREFERRED_COST = "bytes"
FLOAT_BITS = 32
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class PairKind:
    """Pairs of members of two kinds, or of one.

    Attributes
    ----------
    kinds : (str, str)
    n_pairs : int
    disagreement : float
        Share of samples on which the two give different labels, averaged over the pairs.
    error : float
        Mean error of their members.
    """

    kinds: tuple[str, str]
    n_pairs: int
    disagreement: float
    error: float


@dataclass(frozen=True)
class Matched:
    """How much more a member disagrees with one of the other kind than with an equally accurate one of its own.

    Attributes
    ----------
    kind : str
        Of the member that stays the same.
    n_triples : int
        Such comparisons: every pair of two kinds for which there is a third member that fits.
    difference : float
        Of the shares of samples; above 0, unlike kinds are more diverse.
    interval : (float, float)
        95 %, for other samples and these members.
    """

    kind: str
    n_triples: int
    difference: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class PoolFacts:
    """Everything that `pool show` says.

    Attributes
    ----------
    problem : str
    names, methods, kinds : tuple of n_members str
        ``methods`` are in words, such as ``magnitude, quantisation``.
    errors : mapping of split to float64, (n_members,)
    costs : mapping of str to (n_members,)
    cost : str
        The cost that curves are about.
    disagreement : float64, (n_members, n_members)
        Share of samples on which two members give different labels.
    curves : mapping of str to tuple of int
        For every method those members that none of the method equals at less cost and no more error, cheapest first.
    pairs : tuple of PairKind
    matched : tuple of Matched
        Empty where no three members can be compared.
    shared : tuple of SharedPart
        What members have in common bit for bit, so that an ensemble pays it once.
    parent : mapping of str to float
        Costs of the parent, and its errors as ``search`` and ``test``, as far as they are known.
    n_samples : mapping of split to int
    weight_masks : WeightMaskFacts, optional
        What members share of their weights that are not zero; none where the folder has no weights.
    built : bool
        Whether it is known how the members were made.
    remarks : tuple of str
        What is odd about members; see `pool.remarks`.
    """

    problem: str
    names: tuple[str, ...]
    methods: tuple[str, ...]
    kinds: tuple[str, ...]
    errors: Mapping[str, np.ndarray]
    costs: Mapping[str, np.ndarray]
    cost: str
    disagreement: np.ndarray
    curves: Mapping[str, tuple[int, ...]]
    pairs: tuple[PairKind, ...]
    matched: tuple[Matched, ...]
    shared: tuple[SharedPart, ...]
    parent: Mapping[str, float]
    n_samples: Mapping[str, int]
    weight_masks: WeightMaskFacts | None
    built: bool = True
    remarks: tuple[str, ...] = ()

    def of_method(self, method: str) -> np.ndarray:
        """Positions of a method's members, int64."""
        return np.flatnonzero(np.array(self.methods) == method)

    @property
    def by_method(self) -> np.ndarray:
        """Positions of all members, method by method, int64, (n_members,)."""
        return np.concatenate([self.of_method(method) for method in self.curves])

    @property
    def verdict(self) -> str:
        """Say whether pruned and quantised members are more diverse than members of one kind."""
        if not self.matched:
            return (
                "Whether pruned and quantised members differ more than members of one kind cannot be said: there are "
                f"no three of them with errors within {100 * EQUAL_ERRORS:g} points."
            )
        words = [f"{_judged(part)} than with an equally accurate {part.kind} one" for part in self.matched]
        return f"{'. '.join(words)}."

    def summary(self) -> dict[str, Any]:
        """All of it as JSON values."""
        mean = self.mean_disagreement()
        return {
            "problem": self.problem,
            "n_members": len(self.names),
            "n_samples": dict(self.n_samples),
            "parent": dict(self.parent),
            "members": [
                {
                    "name": name,
                    "method": self.methods[i],
                    "kind": self.kinds[i],
                    "error": {split: float(errors[i]) for split, errors in self.errors.items()},
                    "costs": {cost: values[i].item() for cost, values in self.costs.items()},
                    "mean_disagreement": float(mean[i]) if len(mean) > 1 else None,
                }
                for i, name in enumerate(self.names)
            ],
            "cost": self.cost,
            "curves": {method: [self.names[i] for i in curve] for method, curve in self.curves.items()},
            "pairs": [vars(pair) for pair in self.pairs],
            "equal_errors": EQUAL_ERRORS,
            "matched": [vars(part) for part in self.matched],
            "shared": [
                {"layers": part.name, "n_members": int(part.members.sum()), "costs": dict(part.costs)}
                for part in self.shared
            ],
            "weight_masks": None if self.weight_masks is None else self.weight_masks.summary(),
            "disagreement": self.disagreement.tolist(),
            "remarks": list(self.remarks),
        }

    def mean_disagreement(self) -> np.ndarray:
        """Mean share of samples on which a member disagrees with another one, float64, (n_members,)."""
        return np.asarray(self.disagreement.sum(axis=1) / max(1, len(self.names) - 1))


def gather_pool(stored: StoredPool, cost: str | None = None) -> PoolFacts:
    """Look at a pool.

    Parameters
    ----------
    stored : StoredPool
    cost : str, optional
        Which of its costs the curves are about; ``bytes``, or the first, by default.

    Raises
    ------
    InputError
        The pool has no such cost; or a member's weights are not those that it was written with.
    """
    pool, search, parent = stored.pool, stored.pool.search, stored.pool.parent
    costs = pool.costs or {"n_members": np.ones(len(pool), np.int64)}
    if cost is None:
        cost = PREFERRED_COST if PREFERRED_COST in costs else next(iter(costs))
    if cost not in costs:
        raise InputError(f"the pool has no cost '{cost}'; there is {', '.join(costs)}.")
    errors = {votes.split: votes.member_errors / votes.n_samples for votes in pool.splits.values()}
    methods = tuple(map(_route, pool.members.origins))
    kinds = tuple(_kind(origin, layers) for origin, layers in zip(pool.members.origins, stored.layers, strict=True))
    positions = {method: [i for i, other in enumerate(methods) if other == method] for method in methods}
    known = (
        {split: np.mean(labels != pool.splits[split].y_true) for split, labels in parent.y_pred.items()}
        if parent
        else {}
    )
    diversity = views.diversity(search)
    disagreement = 1 - diversity.agreements / search.n_samples
    weight_masks = read_weight_masks(stored)
    return PoolFacts(
        problem=stored.problem,
        names=pool.names,
        methods=methods,
        kinds=kinds,
        errors=errors,
        costs=costs,
        cost=cost,
        disagreement=disagreement,
        curves={method: _curve(where, costs[cost], errors["search"]) for method, where in positions.items()},
        pairs=_pairs(kinds, disagreement, errors["search"]),
        matched=tuple(_matched(kinds, search.y_pred, errors["search"])),
        shared=pool.shared,
        parent={**(parent.costs if parent else {}), **{split: float(error) for split, error in known.items()}},
        n_samples={votes.split: votes.n_samples for votes in pool.splits.values()},
        weight_masks=None if weight_masks is None else WeightMaskFacts.of(weight_masks, methods),
        built=any(pool.members.origins),
        remarks=tuple(remarks(pool)),
    )


def _route(origin: Mapping[str, Any]) -> str:
    """The methods that a member went through, and the parent that it comes from if that is not the pool's."""
    parent = origin.get("parent")
    return _method(origin) if parent is None else f"{parent}: {_method(origin)}"


def _method(origin: Mapping[str, Any]) -> str:
    """The methods that a member went through, in words."""
    last = str(origin.get("method", "unknown"))
    return f"{_method(origin['of'])}, {last}" if isinstance(origin.get("of"), dict) else last


def _kind(origin: Mapping[str, Any], layers: Sequence[Mapping[str, Any]]) -> str:
    """Whether a member's weights are codes, and if so, whether another method has been at work before.

    Those of another parent are a kind of their own.
    """
    if origin.get("parent") is not None:
        return OTHER
    stored = [layer.get("weights") for layer in layers]
    if not any(isinstance(how, dict) and how.get("bits", FLOAT_BITS) != FLOAT_BITS for how in stored):
        return PRUNED
    return BOTH if isinstance(origin.get("of"), dict) else QUANTISED


def _curve(positions: list[int], costs: np.ndarray, errors: np.ndarray) -> tuple[int, ...]:
    curve: list[int] = []
    for i in sorted(positions, key=lambda i: (costs[i], errors[i], i)):
        if not curve or errors[i] < errors[curve[-1]]:
            curve.append(i)
    return tuple(curve)


def _pairs(kinds: tuple[str, ...], disagreement: np.ndarray, errors: np.ndarray) -> tuple[PairKind, ...]:
    found = []
    first, second = np.triu_indices(len(kinds), 1)
    names = np.array(kinds)
    for one, other in combinations_with_replacement((PRUNED, QUANTISED, BOTH, OTHER), 2):
        ours = (names[first] == one) & (names[second] == other) | (names[first] == other) & (names[second] == one)
        if ours.any():
            i, j = first[ours], second[ours]
            error = float((errors[i] + errors[j]).mean() / 2)
            found.append(PairKind((one, other), int(ours.sum()), float(disagreement[i, j].mean()), error))
    return tuple(found)


def _matched(kinds: tuple[str, ...], labels: np.ndarray, errors: np.ndarray) -> list[Matched]:
    """For either kind, each of its members beside one of the other kind and the nearest one, by error, of its own."""
    found = []
    positions = {kind: [i for i, other in enumerate(kinds) if other == kind] for kind in (PRUNED, QUANTISED)}
    for kind, other in ((PRUNED, QUANTISED), (QUANTISED, PRUNED)):
        n_triples, balance = 0, np.zeros(labels.shape[1], dtype=np.int64)
        for member in positions[kind]:
            own = np.array([i for i in positions[kind] if i != member], dtype=np.int64)
            for stranger in positions[other]:
                gaps = np.abs(errors[own] - errors[stranger])
                if gaps.min(initial=np.inf) <= EQUAL_ERRORS:
                    n_triples += 1
                    balance += labels[member] != labels[stranger]
                    balance -= labels[member] != labels[own[gaps.argmin()]]
        if n_triples:
            by_sample = balance / n_triples
            difference = float(by_sample.mean())
            reach = NORMAL_95 * float(by_sample.std(ddof=1)) / len(by_sample) ** 0.5 if len(by_sample) > 1 else 0.0
            found.append(Matched(kind, n_triples, difference, (difference - reach, difference + reach)))
    return found


def _judged(part: Matched) -> str:
    low, high = (100 * end for end in part.interval)
    other = QUANTISED if part.kind == PRUNED else PRUNED
    word = "more often" if low > 0 else "less often" if high < 0 else "neither more nor less often"
    return (
        f"A {part.kind} member disagrees {word} ({100 * part.difference:+.2f} points, 95 %: {low:+.2f} to {high:+.2f}) "
        f"with a {other} one"
    )
