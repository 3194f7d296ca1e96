"""A graph in the making, and what a graph needs to be written: names, one copy of everything, checked metadata."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import PassManager, common

from evo_ensyth.errors import InputError

PRODUCER = "evo_ensyth"
IR_VERSIONS = {18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13}
OPSETS = tuple(IR_VERSIONS)


class GraphTape(ir.tape.Tape):
    """Adds nodes and constants to a graph, each under a name of its own.

    Parameters
    ----------
    graph : Graph
    """

    def __init__(self, graph: ir.Graph) -> None:
        super().__init__(graph)
        self.graph = graph

    @property
    def opset(self) -> int:
        """Version of the operators."""
        return self.graph.opset_imports[""]

    def constant(self, values: np.ndarray | np.generic, name: str = "constant") -> ir.Value:
        """Add values that the file holds, in the type that they have.

        Parameters
        ----------
        values : ndarray
            Numbers, booleans or text.
        name : str
            What to call them; a number is appended.
        """
        name = f"{name}_{len(self.graph.initializers)}"
        values = np.asarray(values)
        if values.dtype.kind in "UO":
            texts = [text.encode() for text in values.ravel().tolist()]
            return self.initializer(ir.StringTensor(texts, shape=ir.Shape(values.shape), name=name))
        return self.initializer(ir.tensor(values, name=name))


def new_graph(input_type: np.dtype, shape: Sequence[int], opset: int) -> tuple[GraphTape, ir.Value]:
    """Begin a graph with one input, ``input``, of any number of samples; return its tape and the input.

    Parameters
    ----------
    input_type : dtype
    shape : sequence of int
        Of one sample.
    opset : int
    """
    kind = ir.DataType.STRING if input_type.kind in "UO" else ir.DataType.from_numpy(input_type)
    given = ir.val("input", dtype=kind, shape=["n", *shape])
    graph = ir.Graph([given], [], nodes=[], opset_imports={"": opset}, name="ensemble")
    return GraphTape(graph), given


def add_output(tape: GraphTape, name: str, value: ir.Value, kind: ir.DataType, shape: Sequence[int]) -> None:
    """Make a value an output of the graph.

    Parameters
    ----------
    shape : sequence of int
        Of one sample.
    """
    value.name, value.dtype, value.shape = name, kind, ir.Shape(["n", *shape])
    tape.graph.outputs.append(value)


def content_of(model: ir.Model) -> bytes:
    """Content of the file of a model; the same model gives the same bytes.

    Raises
    ------
    InputError
        It does not fit into one file.
    """
    try:
        content: bytes = ir.to_proto(model).SerializeToString(deterministic=True)
    except Exception as error:  # protobuf raises a type of its own above 2 GiB
        raise InputError(f"this ensemble does not fit into one file of 2 GiB: {error}") from error
    return content


def finished(tape: GraphTape) -> ir.Model:
    """Return the model, in which everything is stored and computed once."""
    model = ir.Model(tape.graph, ir_version=IR_VERSIONS[tape.opset], producer_name=PRODUCER)
    once = PassManager(
        [
            common.DeduplicateInitializersPass(size_limit=1 << 40),
            common.CommonSubexpressionEliminationPass(),
            common.RemoveUnusedNodesPass(),
            common.RemoveUnusedOpsetsPass(),
            common.ClearMetadataAndDocStringPass(),
        ]
    )
    model = once(model).model
    for value in (*model.graph.initializers.values(), *(value for node in model.graph for value in node.outputs)):
        value.metadata_props.clear()  # exporters leave there how they were called
    return model
