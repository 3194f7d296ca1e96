"""Members from elsewhere as graphs: ``.onnx`` files, modules of PyTorch, estimators of scikit-learn."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import PassManager, common

from evo_ensyth.deployment.graph import GraphTape
from evo_ensyth.deployment.member_graph import Gives, MemberGraph
from evo_ensyth.deployment.verify import session_of
from evo_ensyth.errors import InputError, onnx_extra
from evo_ensyth.files import check_regular, sha256
from evo_ensyth.pool.classes import Classes

# Samples by which probabilities are told from logits, and how far their sums may be from 1.
LOOKED_AT = 1000
SLACK = 0.001
# Of scikit-learn's models: the first version of their operators that keeps float64.
ML_OPSET = 3


@dataclass(frozen=True)
class Wanted:
    """What every member of an ensemble has to fit.

    Attributes
    ----------
    inputs : ndarray, (n_samples, ...)
        Samples, of the type and shape that the file takes.
    classes : tuple of labels
    opset : int
    labels : bool
        Whether labels are taken where a member gives them and probabilities.
    y_pred : ndarray, (n_samples,), optional
        Places of the labels that the member gave for the samples.
    """

    inputs: np.ndarray
    classes: Classes
    opset: int
    labels: bool
    y_pred: np.ndarray | None = None


def other_member(name: str, given: Any, wanted: Wanted) -> MemberGraph:
    """Return the graph of a member that this package did not make.

    Parameters
    ----------
    name : str
    given : str, Path, Module or estimator
        A ``.onnx`` file; a module of PyTorch that gives logits; a fitted estimator of scikit-learn.
    wanted : Wanted

    Raises
    ------
    InputError
        It cannot be turned into a graph, or does not fit.
    """
    if isinstance(given, str | Path):
        return graph_of(name, _of_file(name, Path(given)), wanted)
    if hasattr(given, "state_dict"):
        return graph_of(name, of_module(name, given, wanted), wanted)
    if hasattr(given, "predict"):
        return graph_of(name, _of_estimator(name, given, wanted), wanted)
    kind = type(given).__name__
    raise InputError(f"member '{name}' is a {kind}; expected an .onnx file, a torch module or a fitted estimator.")


def graph_of(name: str, model: ir.Model, wanted: Wanted) -> MemberGraph:
    """Return the graph of a member from its model.

    Raises
    ------
    InputError
        Its operators have another version, or it takes or gives something else.
    """
    model = PassManager([common.InlinePass(), common.ClearMetadataAndDocStringPass()])(model).model
    _check_input(name, model, wanted)
    proto = ir.to_proto(model)
    content = proto.SerializeToString(deterministic=True)
    output = _output(name, content, model, wanted)

    def add(tape: GraphTape, given: ir.Value, how: str) -> ir.Value:
        value = _moved(name, tape, ir.from_proto(proto), given, output.index)
        if output.gives == "labels":
            column = tape.op("Unsqueeze", [value, tape.constant(np.array([1]))])
            classes = np.array(wanted.classes)
            # Models have no output of booleans: scikit-learn's give 0 and 1.
            classes = classes.astype(np.int64) if classes.dtype.kind == "b" else classes
            return tape.op("Equal", [column, tape.constant(classes)])
        floats = tape.op("Cast", [value], {"to": ir.DataType.FLOAT})
        return floats if output.width > 1 else _both_columns(tape, floats, output.gives)

    gives = "probabilities" if output.gives == "logits" and output.width == 1 else output.gives
    return MemberGraph(name, gives, sha256(content), add)


def of_module(name: str, module: Any, wanted: Wanted) -> ir.Model:
    """Model of a torch module, in evaluation mode, by torch's own exporter.

    Raises
    ------
    InputError
        The exporter cannot take it.
    """
    with onnx_extra("onnx-torch"):
        torch: Any = import_module("torch")
        import_module("onnxscript")
    training = module.training
    # The exporter takes a first dimension of 1 for a constant, and warns of what only its authors can change.
    example = torch.tensor(wanted.inputs[np.arange(3) % len(wanted.inputs)])
    try:
        with warnings.catch_warnings(), _quiet("torch.onnx"):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module.eval(),
                (example,),
                dynamo=True,
                opset_version=wanted.opset,
                dynamic_shapes=({0: torch.export.Dim("n")},),
                verbose=False,
            )
    except Exception as error:  # whatever tracing a stranger's module runs into
        raise InputError(f"member '{name}' cannot be exported by torch: {type(error).__name__}: {error}") from error
    finally:
        module.train(training)
    model: ir.Model = program.model
    return model


def _of_file(name: str, path: Path) -> ir.Model:
    if not path.exists():
        raise InputError(f"member '{name}': {path} does not exist.")
    check_regular(path)
    import onnx

    try:
        onnx.checker.check_model(str(path))  # refuses weights in files elsewhere; those beside the file are read
        return ir.external_data.load_to_model(ir.load(path))
    except Exception as error:  # protobuf and the checker raise types of their own
        raise InputError(f"member '{name}': {path} is no valid ONNX file: {error}") from error


def _of_estimator(name: str, estimator: Any, wanted: Wanted) -> ir.Model:
    with onnx_extra("onnx-sklearn"):
        import skl2onnx
    one = wanted.inputs[:1]
    opsets, options = {"": wanted.opset, "ai.onnx.ml": ML_OPSET}, {"zipmap": False}
    failed: Exception | None = None
    # Not every model has operators for float64; these get float32.
    for example in (one, one.astype(np.float32)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = skl2onnx.to_onnx(estimator, example, target_opset=opsets, options=options)
            session_of(made.SerializeToString(), f"member '{name}'")
            model: ir.Model = ir.from_proto(made)
            return model
        except Exception as error:  # whatever the converter of a model runs into
            failed = failed or error
    raise InputError(f"member '{name}' cannot be exported by skl2onnx: {type(failed).__name__}: {failed}")


@dataclass(frozen=True)
class _Output:
    """What is taken of the outputs of a model: which one, what it gives, and its number of columns."""

    index: int
    gives: Gives
    width: int


def _check_input(name: str, model: ir.Model, wanted: Wanted) -> None:
    inputs = [value for value in model.graph.inputs if value.name not in model.graph.initializers]
    if len(inputs) != 1:
        raise InputError(f"member '{name}' takes {len(inputs)} inputs; expected one.")
    kind, shape = inputs[0].dtype, inputs[0].shape
    given = wanted.inputs
    own = kind.numpy() if kind not in (None, ir.DataType.STRING) else np.dtype(object)
    if own != given.dtype and not (own.kind == given.dtype.kind == "f"):
        raise InputError(f"member '{name}' takes {own.name}; the samples are {given.dtype.name}.")
    if shape is None:
        return
    sizes = [side if isinstance(side, int) else None for side in shape]
    if sizes and sizes[0] is not None:
        raise InputError(f"member '{name}' takes batches of {sizes[0]} only; export it with a dynamic first dimension.")
    if len(sizes) != given.ndim or any(size not in (None, n) for size, n in zip(sizes, given.shape, strict=True)):
        raise InputError(f"member '{name}' takes samples of shape {tuple(sizes[1:])}; these have {given.shape[1:]}.")


def _output(name: str, content: bytes, model: ir.Model, wanted: Wanted) -> _Output:
    """Look at what the model gives for some samples."""
    session = session_of(content, f"member '{name}'")
    (given,) = session.get_inputs()
    samples = wanted.inputs[:LOOKED_AT]
    if given.type == "tensor(float)":
        samples = samples.astype(np.float32)
    elif given.type == "tensor(double)":
        samples = samples.astype(np.float64)
    try:
        found = [np.asarray(values) for values in session.run(None, {given.name: samples})]
    except Exception as error:  # onnxruntime raises its own types
        raise InputError(f"member '{name}' cannot predict these samples: {error}") from error
    scores = [i for i, values in enumerate(found) if values.dtype.kind == "f" and values.ndim == 2]
    labels = [i for i, values in enumerate(found) if values.dtype.kind in "iuO" and values.ndim == 1]
    if labels and not (scores and _scores_are_closer(found[labels[0]], found[scores[0]], wanted)):
        return _Output(labels[0], "labels", 0)
    if len(scores) != 1:
        shapes = ", ".join(f"{values.dtype.name} {values.shape}" for values in found)
        raise InputError(f"member '{name}' gives {shapes}; expected one output with a score for each class.")
    values, n_classes = found[scores[0]], len(wanted.classes)
    width = values.shape[1]
    if width != n_classes and not (width == 1 and n_classes == 2):
        raise InputError(f"member '{name}' gives {width} scores for each sample; there are {n_classes} classes.")
    are_shares = (values >= 0).all() and (abs(values.sum(axis=1) - 1) < SLACK).all()
    if width == 1:
        are_shares = ((values >= 0) & (values <= 1)).all()
    return _Output(scores[0], "probabilities" if are_shares else "logits", width)


def _scores_are_closer(labels: np.ndarray, scores: np.ndarray, wanted: Wanted) -> bool:
    """Whether scores are to be taken rather than labels.

    Where labels vote, scores are taken only if their highest is more often what the member said: onnxruntime breaks
    ties of a forest between two classes in another way than scikit-learn.
    """
    if not wanted.labels or wanted.y_pred is None:
        return not wanted.labels
    said = wanted.y_pred[: len(labels)]
    right = np.array(wanted.classes)[said] == labels
    return bool(np.count_nonzero(scores.argmax(axis=1) == said) > np.count_nonzero(right))


def _moved(name: str, tape: GraphTape, model: ir.Model, given: ir.Value, output: int) -> ir.Value:
    """Move the nodes of a model behind the input of another graph; return one of its outputs."""
    graph = model.graph
    for domain, version in model.opset_imports.items():
        _check_version(name, tape, domain, version, graph)
    (own,) = [value for value in graph.inputs if value.name not in graph.initializers]
    if own.dtype != given.dtype:
        given = tape.op("Cast", [given], {"to": own.dtype})
    found = graph.outputs[output]
    graph.outputs.clear()
    for value in list(graph.initializers.values()):
        values = value.const_value
        assert values is not None
        stored = tape.initializer(values, f"{name}.{value.name}_{len(tape.graph.initializers)}")
        value.replace_all_uses_with(stored)
    own.replace_all_uses_with(given)
    if found is own:
        return given
    nodes = list(graph)
    graph.remove(nodes)
    for node in nodes:
        node.name = None
        for value in node.outputs:
            value.name = None
    tape.graph.extend(nodes)
    return found


def _check_version(name: str, tape: GraphTape, domain: str, version: int, graph: ir.Graph) -> None:
    """Check that the operators of a model are the same by the version of the whole graph, or raise that version."""
    import onnx

    imports = tape.graph.opset_imports
    common_version = max(imports.get(domain, 1), version) if domain else imports[domain]
    for node in graph:
        if node.domain != domain or not onnx.defs.has(node.op_type, domain):
            continue
        own, common_one = (
            onnx.defs.get_schema(node.op_type, each, domain).since_version for each in (version, common_version)
        )
        if own != common_one:
            raise InputError(
                f"member '{name}' has opset {version}, whose {node.op_type} differs from that of {common_version}; "
                f"export all members with one opset, or give --opset {version}."
            )
    imports[domain] = common_version


def _both_columns(tape: GraphTape, column: ir.Value, gives: Gives) -> ir.Value:
    """Probabilities of two classes from one column, the logit or the probability of the second."""
    second = tape.op("Sigmoid", [column]) if gives == "logits" else column
    first = tape.op("Sub", [tape.constant(np.float32(1)), second])
    return tape.op("Concat", [first, second], {"axis": 1})


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Keep a logger silent but for errors."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
