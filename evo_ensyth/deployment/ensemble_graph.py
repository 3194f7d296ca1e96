"""Members behind one input, and their vote: the graph of an ensemble."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from evo_ensyth.deployment.graph import GraphTape, add_output, finished, new_graph
from evo_ensyth.deployment.member_graph import MemberGraph
from evo_ensyth.deployment.vote_graph import VoteFactors, add_vote
from evo_ensyth.pool.classes import Classes


def ensemble_graph(
    members: Sequence[MemberGraph],
    factors: VoteFactors,
    classes: Classes,
    *,
    input_type: np.dtype,
    shape: Sequence[int],
    opset: int,
    weights: str,
) -> ir.Model:
    """Return a model with the outputs ``label``, (n_samples,), and ``share``, float32 (n_samples, n_classes).

    Parameters
    ----------
    members : sequence of MemberGraph
    factors : VoteFactors
        Of these members.
    classes : tuple of labels
        What ``label`` gives: whole numbers, booleans or text.
    input_type : dtype
    shape : sequence of int
        Of one sample.
    opset : int
    weights : str
        How weights are stored; see `stored_weights`.
    """
    order = sorted(range(len(members)), key=lambda i: members[i].gives)
    members, factors = [members[i] for i in order], factors.part(order)
    tape, given = new_graph(input_type, shape, opset)
    own, scores = _answers(tape, members, given, weights, len(classes))
    vote = add_vote(tape, factors, own, scores)
    if classes == tuple(range(len(classes))):
        label, kind = vote.winner, ir.DataType.INT64
    else:
        named = np.array(classes)
        label = tape.op("Gather", [tape.constant(named, "classes"), vote.winner])
        kind = ir.DataType.STRING if named.dtype.kind == "U" else ir.DataType.from_numpy(named.dtype)
    add_output(tape, "label", label, kind, [])
    add_output(tape, "share", vote.share, ir.DataType.FLOAT, [len(classes)])
    return finished(tape)


def _answers(
    tape: GraphTape, members: Sequence[MemberGraph], given: ir.Value, weights: str, n_classes: int
) -> tuple[ir.Value, ir.Value | None]:
    """The class that each member predicts, bool, and probabilities where all give them: (n, n_members, n_classes).

    Members come sorted by what they give: labels, logits, probabilities.
    """
    found: dict[str, list[ir.Value]] = {}
    for member in members:
        found.setdefault(member.gives, []).append(member.add(tape, given, weights))
    parts = {gives: _stacked(tape, values, n_classes) for gives, values in found.items()}
    if "logits" in parts:
        parts["logits"] = tape.op("Softmax", [parts["logits"]], {"axis": 2})
    scores = _joined(tape, [parts[gives] for gives in ("logits", "probabilities") if gives in parts])
    own = [parts["labels"]] if "labels" in parts else []
    if scores is not None:
        best = tape.op("ArgMax", [scores], {"axis": 2, "keepdims": 1, "select_last_index": 0})
        own.append(tape.op("Equal", [best, tape.constant(np.arange(n_classes))]))
    joined = _joined(tape, own)
    assert joined is not None
    return joined, None if "labels" in parts else scores


def _stacked(tape: GraphTape, values: list[ir.Value], n_classes: int) -> ir.Value:
    """Values, each (n_samples, n_classes), as one: (n_samples, n_values, n_classes)."""
    beside = tape.op("Concat", values, {"axis": 1}) if len(values) > 1 else values[0]
    return tape.op("Reshape", [beside, tape.constant(np.array([-1, len(values), n_classes]))])


def _joined(tape: GraphTape, parts: list[ir.Value]) -> ir.Value | None:
    """Parts with one row for each member behind one another; None if there are none."""
    return tape.op("Concat", parts, {"axis": 1}) if len(parts) > 1 else next(iter(parts), None)
