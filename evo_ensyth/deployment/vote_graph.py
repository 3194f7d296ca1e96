"""The vote of an ensemble as nodes of a graph: the same whole numbers as in the engine, so the same labels.

A member adds ``round(score * share + label * own) + leading * own`` to the sum of a class, where ``share`` is its
tempered probability of the class and ``own`` is 1 for the class that it predicts. The class with the largest sum wins;
of equals, the lowest. Plurality whose ties a second sum breaks is one such sum: ``leading`` is larger than all second
sums together.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from evo_ensyth.deployment.graph import GraphTape
from evo_ensyth.engine.fixed_point import LARGEST, LEAST_SHARE, steps_per_unit
from evo_ensyth.errors import InputError
from evo_ensyth.voting import EnsembleVote

# Whole numbers up to this are exact in float32.
EXACT_IN_FLOAT = 2**24


@dataclass(frozen=True)
class VoteFactors:
    """What each of n members adds to the sum of a class; see the module's first lines.

    Attributes
    ----------
    label, score, temperatures : float64, (n_members,)
    leading : int
    """

    label: np.ndarray
    score: np.ndarray
    temperatures: np.ndarray
    leading: int = 0

    @classmethod
    def of(cls, vote: EnsembleVote) -> "VoteFactors":
        """Find the factors of a vote.

        Raises
        ------
        InputError
            No member has any weight.
        """
        label, score, temperatures = (np.array(values, np.float64) for values in vars(vote.weights).values())
        if vote.is_weighted:
            steps = steps_per_unit(float((label + score).max()))
            return cls(label * steps, score * steps, temperatures)
        if not label.any():
            raise InputError("no member of this ensemble has any weight in its vote; choose another ensemble.")
        if vote.ties is None:
            return cls(np.ones_like(label), score, temperatures)
        label, score, temperatures = (np.array(values, np.float64) for values in vars(vote.ties).values())
        return cls(label, score * LARGEST, temperatures, 1 + int((label + score * LARGEST).sum()))

    @property
    def kind(self) -> ir.DataType:
        """The type in which the sums are exact."""
        largest = (self.label + self.score + self.leading).sum()
        return ir.DataType.DOUBLE if self.score.any() or largest >= EXACT_IN_FLOAT else ir.DataType.FLOAT

    def part(self, members: list[int]) -> "VoteFactors":
        """Return the factors of some members, in the order given."""
        return VoteFactors(self.label[members], self.score[members], self.temperatures[members], self.leading)


@dataclass(frozen=True)
class Vote:
    """What a vote comes to.

    Attributes
    ----------
    winner : Value
        Place of the class: int64, (n_samples,).
    share : Value
        Share of each class: float32, (n_samples, n_classes).
    """

    winner: ir.Value
    share: ir.Value


def add_vote(tape: GraphTape, factors: VoteFactors, own: ir.Value, scores: ir.Value | None) -> Vote:
    """Add the nodes that vote.

    Parameters
    ----------
    tape : GraphTape
    factors : VoteFactors
    own : Value
        Whether it is the class that the member predicts: bool, (n_samples, n_members, n_classes).
    scores : Value, optional
        Probabilities, float32 of the same shape; needed where a score counts.
    """
    votes = tape.op("Cast", [own], {"to": factors.kind})
    ballots = _ballots(tape, factors, votes, scores)
    if factors.leading:
        leading = tape.op("Mul", [votes, _number(tape, factors, factors.leading)])
        ballots = tape.op("Add", [ballots, leading])
    sums = _sum(tape, ballots, axis=1, keep=False)
    winner = tape.op("ArgMax", [sums], {"axis": 1, "keepdims": 0, "select_last_index": 0})
    if factors.leading:  # what breaks ties is left out of the shares
        sums = tape.op("Floor", [tape.op("Div", [sums, _number(tape, factors, factors.leading)])])
    share = tape.op("Div", [sums, _sum(tape, sums, axis=1, keep=True)])
    return Vote(winner, tape.op("Cast", [share], {"to": ir.DataType.FLOAT}))


def _ballots(tape: GraphTape, factors: VoteFactors, votes: ir.Value, scores: ir.Value | None) -> ir.Value:
    labels = votes
    if (factors.label != 1).any():
        labels = tape.op("Mul", [votes, _column(tape, factors, factors.label)])
    if not factors.score.any():
        return labels
    assert scores is not None
    shares = _tempered(tape, factors, tape.op("Cast", [scores], {"to": ir.DataType.DOUBLE}))
    ballots = tape.op("Mul", [shares, _column(tape, factors, factors.score)])
    if factors.label.any():
        ballots = tape.op("Add", [ballots, labels])
    return tape.op("Round", [ballots])


def _tempered(tape: GraphTape, factors: VoteFactors, scores: ir.Value) -> ir.Value:
    """As `evo_ensyth.engine.fixed_point.tempered`, for scores of which some are above 0."""
    shares = tape.op("Div", [scores, _sum(tape, scores, axis=2, keep=True)])
    as_it_is = factors.temperatures == 1
    if as_it_is.all():
        return shares
    shares = tape.op("Max", [shares, _column(tape, factors, np.where(as_it_is, 0, LEAST_SHARE))])
    shares = tape.op("Pow", [shares, _column(tape, factors, 1 / factors.temperatures)])
    total = _sum(tape, shares, axis=2, keep=True)
    if as_it_is.any():
        total = tape.op("Where", [tape.constant(as_it_is[:, None]), _number(tape, factors, 1), total])
    return tape.op("Div", [shares, total])


def _sum(tape: GraphTape, values: ir.Value, *, axis: int, keep: bool) -> ir.Value:
    return tape.op("ReduceSum", [values, tape.constant(np.array([axis]))], {"keepdims": int(keep)})


def _column(tape: GraphTape, factors: VoteFactors, values: np.ndarray) -> ir.Value:
    """One number for each member: (n_members, 1)."""
    return tape.constant(values.astype(factors.kind.numpy())[:, None])


def _number(tape: GraphTape, factors: VoteFactors, value: float) -> ir.Value:
    return tape.constant(np.array(value, factors.kind.numpy()))
