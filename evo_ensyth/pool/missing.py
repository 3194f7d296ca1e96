"""Missing answers: find them, and refuse them, vote among those who answer, or drop members or samples.

Crowd workers skip tasks, labelling rules abstain, models run out of time. Whatever a pool was read from, its holes are
in its `Votes`; `settle` then applies the policy that the user asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.parent import Parent

if TYPE_CHECKING:
    from evo_ensyth.pool.pool import Pool

REFUSE, ABSTAIN, DROP_MEMBERS, DROP_SAMPLES = "refuse", "abstain", "drop-members", "drop-samples"
FEWEST_SAMPLES = 2  # that estimate an error
# Types of pandas' marks for missing values, which compare with nothing.
MARKS = ("NAType", "NaTType")


@dataclass(frozen=True)
class Policy:
    """What to do about missing answers.

    Attributes
    ----------
    name : str
        ``refuse``: raise an `InputError`. ``abstain``: those who answer vote. ``drop-members``: drop members with too
        many holes; the others abstain. ``drop-samples``: drop samples that some member does not answer.
    most_holes : float
        For ``drop-members``: share of the samples of a split that a member may leave unanswered.
    """

    name: str
    most_holes: float = 0.0

    @classmethod
    def of(cls, text: str) -> "Policy":
        """Parse ``refuse``, ``abstain``, ``drop-members=0.1`` or ``drop-samples``.

        Raises
        ------
        InputError
            The text is none of these.
        """
        name, _, share = str(text).partition("=")
        if name in (REFUSE, ABSTAIN, DROP_SAMPLES) and name == text:
            return cls(name)
        try:
            most = float(share) if name == DROP_MEMBERS else -1.0
        except ValueError:
            most = -1.0
        if not 0 <= most < 1:
            raise InputError(
                f"missing is '{text}'; expected {REFUSE}, {ABSTAIN}, {DROP_MEMBERS}=SHARE with a share from 0 to below "
                f"1, or {DROP_SAMPLES}."
            )
        return cls(name, most)


def settle(pool: "Pool", missing: str | Policy = REFUSE) -> "Pool":
    """Apply a policy to the missing answers of a pool.

    Parameters
    ----------
    pool : Pool
        As it was read, with all its holes.
    missing : str or Policy
        See `Policy`.

    Returns
    -------
    Pool
        The same pool if it has no holes. Otherwise its ``source`` has ``missing``: the policy, the number of missing
        answers on each split and, if any, ``dropped_members`` (names) or ``dropped_samples`` (by split, as counted in
        what was read).

    Raises
    ------
    InputError
        The policy is ``refuse`` and there are holes, or nothing would be left.
    """
    policy = missing if isinstance(missing, Policy) else Policy.of(missing)
    if not any(votes.has_holes for votes in pool.splits.values()):
        return pool
    if policy.name == REFUSE:
        raise _refused(pool)
    n_holes = {split: votes.y_pred.size - int(votes.n_answered.sum()) for split, votes in pool.splits.items()}
    told: dict[str, Any] = {"policy": policy.name, "n_missing": n_holes}
    if policy.name == DROP_MEMBERS:
        told["most_holes"] = policy.most_holes
        pool, told["dropped_members"] = _without_members(pool, policy.most_holes)
    elif policy.name == DROP_SAMPLES:
        pool, told["dropped_samples"] = _without_samples(pool)
    return replace(pool, source={**pool.source, "missing": told})


def absent(values: Any) -> np.ndarray:
    """Find missing values: NaN, None, pandas' NA and NaT, and masked entries; bool, of the same shape.

    A -1 is not among them: the caller knows whether it stands for a class.
    """
    data = unmasked(values)
    mask = np.array(np.ma.getmaskarray(values)) if np.ma.isMaskedArray(values) else np.zeros(data.shape, bool)
    if data.dtype.kind in "fc":
        mask |= np.isnan(data)
    elif data.dtype.kind in "mM":
        mask |= np.isnat(data)
    elif data.dtype.kind == "O":
        mask |= np.array([is_absent(value) for value in data.ravel()], bool).reshape(data.shape)
    return mask


def unmasked(values: Any) -> np.ndarray:
    """Values as an array without a mask. Pandas before 3 has a ``_data`` that numpy would take for them."""
    return np.asanyarray(np.ma.getdata(values) if np.ma.isMaskedArray(values) else values)


def absent_rows(scores: Any, what: str) -> np.ndarray:
    """Find the samples for which a member gives no scores at all: bool, (n_samples,).

    Parameters
    ----------
    scores : (n_samples, n_classes)
    what : str
        Begins the message.

    Raises
    ------
    InputError
        Only some of a sample's scores are missing.
    """
    mask = absent(scores)
    if not mask.any():
        return np.zeros(len(mask), bool)
    rows = mask.all(axis=1)
    partly = np.flatnonzero(mask.any(axis=1) & ~rows)
    if len(partly):
        sample = int(partly[0])
        raise InputError(
            f"{what} lack {int(mask[sample].sum())} of {mask.shape[1]} scores for sample {sample}; give all of them, "
            "or none where there is no answer."
        )
    return np.asarray(rows)


def is_absent(value: Any) -> bool:
    """Whether one value is missing; see `absent`."""
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    return value is None or type(value).__name__ in MARKS


def _refused(pool: "Pool") -> InputError:
    votes = next(votes for votes in pool.splits.values() if votes.has_holes)
    holes = ~votes.answered
    member, sample = (int(place) for place in np.argwhere(holes)[0])
    n_holes, n_silent = int(holes.sum()), int(holes.any(axis=1).sum())
    place = original_places(pool)[votes.split][sample]
    return InputError(
        f"member '{pool.names[member]}' has no answer for {votes.split} sample {place}; in all, {n_holes:,} of "
        f"{holes.size:,} answers are missing, from {n_silent} of {len(pool)} members. Choose what to do with --missing "
        f"(in Python, missing=): {ABSTAIN} (those who answer vote), {DROP_MEMBERS}=0.1, or {DROP_SAMPLES}."
    )


def _without_members(pool: "Pool", most_holes: float) -> tuple["Pool", list[str]]:
    shares = np.max([1 - votes.n_answered / votes.n_samples for votes in pool.splits.values()], axis=0)
    kept = np.flatnonzero(shares <= most_holes)
    if not len(kept):
        best = int(shares.argmin())
        raise InputError(
            f"every member leaves more than {most_holes:.2%} of a split unanswered, '{pool.names[best]}' the least "
            f"with {shares[best]:.2%}; allow more, or use missing={ABSTAIN}."
        )
    return pool.part(kept), [pool.names[i] for i in np.flatnonzero(shares > most_holes)]


def _without_samples(pool: "Pool") -> tuple["Pool", dict[str, list[int]]]:
    splits, dropped, kept = {}, {}, {}
    for split, votes in pool.splits.items():
        complete = votes.answered.all(axis=0)
        if np.count_nonzero(complete) < FEWEST_SAMPLES:
            raise InputError(
                f"all members answer {np.count_nonzero(complete)} of {votes.n_samples} {split} samples; at least "
                f"{FEWEST_SAMPLES} estimate an error. Use missing={ABSTAIN}, or {DROP_MEMBERS}=SHARE."
            )
        kept[split] = np.flatnonzero(complete)
        splits[split] = votes.part(samples=kept[split])
        dropped[split] = original_places(pool)[split][~complete].tolist()
    source = dict(pool.source)
    if "test_samples" in source:
        source["test_samples"] = original_places(pool)["test"][kept["test"]].tolist() if "test" in kept else []
    parent = _parent_of(pool.parent, kept)
    return replace(pool, search=splits["search"], test=splits.get("test"), parent=parent, source=source), dropped


def _parent_of(parent: Parent | None, kept: Mapping[str, np.ndarray]) -> Parent | None:
    if parent is None:
        return None
    return replace(parent, y_pred={split: labels[kept[split]] for split, labels in parent.y_pred.items()})


def original_places(pool: "Pool") -> dict[str, np.ndarray]:
    """Index of each sample of a split in what was read, by split: int64, (n_samples,)."""
    everywhere = {split: np.arange(votes.n_samples) for split, votes in pool.splits.items()}
    if "test_samples" in pool.source:  # split on reading
        test = np.array(pool.source["test_samples"], np.int64)
        everywhere["search"] = np.setdiff1d(np.arange(pool.search.n_samples + len(test)), test)
        everywhere["test"] = test
    return everywhere
