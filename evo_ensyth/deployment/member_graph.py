"""A member as a graph: how to add its nodes, and what comes out of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from evo_ensyth.deployment.graph import GraphTape

Gives = Literal["logits", "probabilities", "labels"]


@dataclass(frozen=True)
class MemberGraph:
    """One member.

    Attributes
    ----------
    name : str
    gives : str
        ``logits`` or ``probabilities``, float32 (n_samples, n_classes); or ``labels``, which is true for the class that
        the member predicts: bool of this shape.
    sha256 : str
        Digest of its weights, or of its file.
    add : function of GraphTape, Value and str, to Value
        Adds the nodes behind the input of the graph and returns what they give; the text says how weights are stored.
    """

    name: str
    gives: Gives
    sha256: str
    add: Callable[[GraphTape, ir.Value, str], ir.Value]
